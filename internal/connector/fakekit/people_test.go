package fakekit

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nyaruka/phonenumbers"
)

func TestPeopleAreAsExpected(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 10, 100, 1000, 5000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(Expected(n), count(t, n)); diff != "" {
				t.Errorf("numbers of %d people (-want +got):\n%s", n, diff)
			}
		})
	}
}

func TestPeopleOfAThousand(t *testing.T) {
	t.Parallel()
	want := Numbers{
		Records: [2]int{1000, 1015}, Shared: 600, Conflicting: 40, CityMissing: 30, OnlyIn: [2]int{400, 400},
		NoEmail: [2]int{13, 12}, Duplicates: 15, DuplicateGroups: 12, DuplicateMembers: 27,
		After: [2]int{1376, 1402}, Linked: 1363,
	}
	if diff := cmp.Diff(want, Expected(1000)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// count derives the numbers from the people themselves.
func count(t *testing.T, n int) Numbers {
	t.Helper()
	sides := [2][]Person{People(n, 0), People(n, 1)}
	got := Numbers{Records: [2]int{len(sides[0]), len(sides[1])}}
	var by [2]map[string][]Person
	for s, people := range sides {
		by[s] = map[string][]Person{}
		for _, p := range people {
			if p.Email == "" {
				got.NoEmail[s]++
				continue
			}
			by[s][strings.ToLower(p.Email)] = append(by[s][strings.ToLower(p.Email)], p)
		}
	}
	syncable := [2]int{}
	for s := range sides {
		for mail, ps := range by[s] {
			other := by[1-s][mail]
			if len(ps) > 1 {
				got.DuplicateGroups++
				got.DuplicateMembers += len(ps)
				got.Duplicates += len(ps) - 1
			}
			if len(other) == 0 {
				got.OnlyIn[s]++
				if len(ps) == 1 {
					syncable[s]++
				}
				continue
			}
			if s == 1 {
				got.Shared++
				compare(t, other[0], ps[0], &got)
			}
		}
		got.OnlyIn[s] += got.NoEmail[s]
	}
	got.Linked = got.Shared + syncable[0] + syncable[1]
	got.After = [2]int{len(sides[0]) + syncable[1], len(sides[1]) + syncable[0]}
	return got
}

func compare(t *testing.T, a, b Person, got *Numbers) {
	t.Helper()
	if a.Number != b.Number {
		t.Errorf("people %d and %d share an e-mail", a.Number, b.Number)
	}
	if e164(t, a.Phone) != e164(t, b.Phone) || a.Phone == b.Phone {
		t.Errorf("person %d has phones %q and %q: want one number in two formats", a.Number, a.Phone, b.Phone)
	}
	switch {
	case a.First != b.First || a.Company != b.Company || a.Birthday != b.Birthday:
		t.Errorf("person %d differs where it must not", a.Number)
	case a.City != b.City && b.City == "":
		got.CityMissing++
	case (a.JobTitle != b.JobTitle) != (a.Last != b.Last):
		got.Conflicting++
	case a.JobTitle != b.JobTitle || a.City != b.City:
		t.Errorf("person %d differs in several fields", a.Number)
	}
}

func e164(t *testing.T, phone string) string {
	t.Helper()
	n, err := phonenumbers.Parse(phone, "US")
	if err != nil || !phonenumbers.IsValidNumber(n) {
		t.Fatalf("phone %q is no valid number: %v", phone, err)
	}
	return phonenumbers.Format(n, phonenumbers.E164)
}

func TestPeopleHaveTheAwkwardNames(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	styles := map[string]bool{}
	for _, p := range People(1000, 0) {
		all.WriteString(p.First + " " + p.Last + " " + p.JobTitle + "\n")
		styles[strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return '9'
			}
			return r
		}, p.Phone)] = true
		if p.Email != "" && !strings.HasSuffix(p.Email, "@example.com") && !strings.HasSuffix(p.Email, "@example.org") &&
			!strings.HasSuffix(p.Email, "@example.net") {
			t.Fatalf("person %d has an e-mail outside the domains for examples", p.Number)
		}
	}
	for _, want := range []string{"Jürgen", "O'Brien", "O’Neill", "🎉", "山田", "김"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("no person has %q", want)
		}
	}
	if len(styles) < 5 {
		t.Errorf("phones come in %d formats, want at least 5", len(styles))
	}
}
