package mapping_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// TestRevisionsStay: what is remembered of every pair was agreed on under the
// revision of its mapping. A release that hashed otherwise would take each of them
// for another mapping's: such a change has to be meant.
func TestRevisionsStay(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	all := laws()
	for _, name := range sortedNames(all) {
		fmt.Fprintf(&out, "%s: %s\n", name, compile(t, all[name].mapping, all[name].env(t)).Revision())
	}
	written.Check(t, "revisions.txt", out.String())
}

func sortedNames[T any](m map[string]T) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// TestPhonesInEveryScript: a number is the same in whatever digits it is written.
func TestPhonesInEveryScript(t *testing.T) {
	t.Parallel()
	for name, zero := range map[string]rune{
		"ASCII": '0', "Arabic-Indic": '\u0660', "Persian": '\u06f0', "Devanagari": '\u0966', "Thai": '\u0e50',
		"full width": '\uff10',
		"Osmanya":    '\U000104a0', "mathematical bold": '\U0001d7ce', "mathematical monospace": '\U0001d7f6',
		"Adlam": '\U0001e950',
	} {
		var s strings.Builder
		for _, r := range "2125550198" {
			s.WriteRune(zero + r - '0')
		}
		if got, valid, ok := mapping.CanonicalPhone(s.String(), "US"); got != "+12125550198" || !valid || !ok {
			t.Errorf("%s digits: %q, valid %t, %t", name, got, valid, ok)
		}
	}
}

// TestRemarksNameFieldAndCountry: a remark about a text that is no number says
// where it stands and, if it is known, of which country's plan it is none.
func TestRemarksNameFieldAndCountry(t *testing.T) {
	t.Parallel()
	env := pair(crm.TypePhone, crm.TypePhone)
	bare := compile(t, oneToOne("phone"), env)
	env.Country = "DE"
	german := compile(t, oneToOne("phone"), env)
	for want, got := range map[string]string{
		"left field l: this is no valid phone number:":        bare.PhoneRemark(crm.Left),
		"right field r: this is no valid phone number in DE:": german.PhoneRemark(crm.Right),
	} {
		if !strings.HasPrefix(got, want) {
			t.Errorf("%q, want it to begin with %q", got, want)
		}
	}
	text := compile(t, oneToOne("none"), pair(crm.TypeText, crm.TypeText))
	if text.InvalidPhone(crm.TextValue("ask reception")) || bare.InvalidPhone(crm.NullValue()) {
		t.Error("a text of no phone field, or a blank, is called an invalid number")
	}
}

// TestShortenedAddresses: an app that keeps the host alone shortened only the page
// of a host of everybody.
func TestShortenedAddresses(t *testing.T) {
	t.Parallel()
	c := compile(t, oneToOne("domain"), pair(crm.TypeText, crm.TypeURL))
	other := compile(t, oneToOne("none"), pair(crm.TypeText, crm.TypeURL))
	for _, x := range []struct {
		v, whole string
		want     bool
	}{
		{"facebook.com", "facebook.com/acme", true},
		{"facebook.com", "facebook.com", false},
		{"facebook.com/acme", "facebook.com/acme", false},
		{"facebook.com", "linkedin.com/acme", false},
		{"acme.com", "acme.com/de", false},
		{"", "facebook.com/acme", false},
		{"facebook.com", "", false},
		{"no host", "facebook.com/acme", false},
		{"facebook.com", "no host", false},
	} {
		if got := c.Shortened(crm.TextValue(x.v), crm.TextValue(x.whole)); got != x.want {
			t.Errorf("%q of %q is shortened: %t", x.v, x.whole, got)
		}
		if other.Shortened(crm.TextValue(x.v), crm.TextValue(x.whole)) {
			t.Errorf("%q of %q is shortened although it is mere text", x.v, x.whole)
		}
	}
}

// TestTheBoundsOfTexts: the longest and the shortest that is read, and one more.
func TestTheBoundsOfTexts(t *testing.T) {
	t.Parallel()
	path := func(n int) string { return "acme.com/" + strings.Repeat("a", n-len("acme.com/")) }
	for s, want := range map[string]bool{
		path(2048): true, path(2049): false, "acme.com/\xff": false, strings.Repeat("a", 63) + ".com": true,
		strings.Repeat("a", 64) + ".com": false,
	} {
		if _, ok := mapping.CanonicalDomain(s); ok != want {
			t.Errorf("%.20q of %d bytes is a domain: %t", s, len(s), ok)
		}
	}
	zoneless := time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"2026-07-01T10:00": zoneless, "2026-07-01t10:00": zoneless, "2026-07-01 10:00": zoneless,
		"2026-07-01T10:00:00z":      zoneless,
		"2026-07-01T12:00:00+02:00": zoneless, "2026-07-01T10:0": {}, "2026-07-01_10:00": {},
		"2026-07-01T10:00:00.000000000Z" + strings.Repeat(" ", 30): zoneless,
		"2026-07-01T10:00:00.00000000000000000000":                 zoneless, "2026-07-01T10:00:00.000000000000000000000": {},
	} {
		m, ok := mapping.ParseMoment(crm.TextValue(s), nil, false)
		if ok == want.IsZero() || ok && (!m.Time.Equal(want) || m.DateOnly) {
			t.Errorf("%q is %s, %t", s, m.Time, ok)
		}
	}
}

// TestDaysBeginWhereTheZoneSays: at midnight, or when the clocks have jumped over it.
func TestDaysBeginWhereTheZoneSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone, day, want string
	}{
		{"UTC", "2026-07-01", "2026-07-01T00:00:00Z"},
		{"Europe/Berlin", "2026-07-01", "2026-06-30T22:00:00Z"},
		{"America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z"}, // there was no midnight
		{"Pacific/Apia", "2011-12-30", ""},                          // nor this day
	} {
		m, ok := mapping.ParseMoment(crm.TextValue(c.day), nil, false)
		if !ok || !m.DateOnly {
			t.Fatalf("%s is no day", c.day)
		}
		at, ok := m.Instant(zone(t, c.zone))
		if ok != (c.want != "") || ok && at.Format(time.RFC3339Nano) != c.want {
			t.Errorf("%s in %s begins at %s, %t", c.day, c.zone, at, ok)
		}
	}
}

// TestTwinsOfEitherEndAreNotGuessed: where either side, or the pairs, have options
// that differ in case only, each is itself.
func TestTwinsOfEitherEndAreNotGuessed(t *testing.T) {
	t.Parallel()
	one, two := []string{"VIP", "x"}, []string{"VIP", "vip", "x"}
	for name, c := range map[string]struct {
		left, right []string
		pairs       []string
	}{
		"twins on the left": {two, one, nil}, "twins on the right": {one, two, nil},
		"twins among the pairs' left ends":  {two, one, []string{"VIP", "x", "vip", "VIP"}},
		"twins among the pairs' right ends": {[]string{"a", "b"}, two, []string{"a", "VIP", "b", "vip"}},
		"no twins":                          {one, one, nil},
	} {
		kind := crm.TransformNone
		if c.pairs != nil {
			kind = crm.TransformOptions
		}
		env := mapping.Env{
			Left:  schema(withOptions(field("l", crm.TypeOption), c.left...)),
			Right: schema(withOptions(field("r", crm.TypeOption), c.right...)),
		}
		compiled, _ := mapping.Compile(oneToOne(kind, c.pairs...), env) // what it warns of is none of this test
		if compiled == nil {
			t.Errorf("%s: does not compile", name)
			continue
		}
		var out []string
		for _, side := range crm.Sides {
			for _, s := range []string{"VIP", "vip", "Vip", "X", "a", "B"} {
				v, err := compiled.Canonical(side, crm.Fields{"l": crm.TextValue(s), "r": crm.TextValue(s)})
				said := v.Text()
				if err != nil {
					said = "-"
				}
				wrote, code := render(compiled, side.Other(), v, nil)
				out = append(out, fmt.Sprintf("%s %s=%s>%s%s", side, s, said, shownFields(wrote), code))
			}
		}
		written.Check(t, "twins/"+strings.NewReplacer(" ", "-", "'", "").Replace(name)+".txt", strings.Join(out, "\n")+"\n")
	}
}

// TestOneAndSeveralItems: what travels between a field of one item and one of
// several is refused for the round trip, not for the types.
func TestOneAndSeveralItems(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	types := []crm.FieldType{
		crm.TypeText, crm.TypeOption, crm.TypeOptions, crm.TypeList, crm.TypeBoolean, crm.TypeNumber,
		crm.TypeEmail, crm.TypeDate,
	}
	for _, left := range types {
		for _, right := range types {
			for _, direction := range []crm.Direction{"", crm.DirectionToRight, crm.DirectionToLeft} {
				_, problems := mapping.Compile(oneWay(oneToOne("none"), direction), pair(left, right))
				if len(problems) > 0 {
					fmt.Fprintf(&out, "%s and %s, %q: %q\n", left, right, direction, codes(problems))
				}
			}
		}
	}
	written.Check(t, "compatible.txt", out.String())
}
