package e2e

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// aligned is a run whose apps hold the same one hundred people, linked.
func aligned(t *testing.T) *Run {
	t.Helper()
	var stops closers
	t.Cleanup(stops.Close)
	apps, err := startApps(t.Context(), 0, &stops)
	if err != nil {
		t.Fatal(err)
	}
	r := &Run{apps: apps, pairs: map[string]string{}}
	var all []person
	for _, p := range newcomers(0, 100) {
		left, err := apps[0].core.CreateRecord(apps[0].object, p)
		if err != nil {
			t.Fatal(err)
		}
		other := map[string]string{}
		for i, f := range fields[1] {
			other[f] = p[fields[0][i]]
		}
		right, err := apps[1].core.CreateRecord(apps[1].object, other)
		if err != nil {
			t.Fatal(err)
		}
		r.pairs[left.ID] = right.ID
		all = append(all, person{p[fields[0][mailField]], [2]string{left.ID, right.ID}})
	}
	for i, a := range apps {
		r.before[i] = a.addresses()
	}
	r.edits, r.poisoned = plan(all, 40, 2)
	for _, e := range r.edits { // by a perfect sync
		for side := range apps {
			e.side = side
			if err := r.typeIn(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	return r
}

// verdict is what the judge finds.
func (r *Run) verdict() string {
	live := [2]map[string]*fakekit.Record{r.apps[0].live(), r.apps[1].live()}
	lost, _ := r.lost(live)
	missing, doubled := r.everybody()
	var out []string
	for name, found := range map[string][]string{
		"differ": r.differences(r.pairs, live), "lost": lost, "missing": missing,
		"doubled": doubled,
	} {
		if len(found) > 0 {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// TestJudge breaks one promise at a time; the judge must see it.
func TestJudge(t *testing.T) {
	t.Parallel()
	for want, break_ := range map[string]func(r *Run, e edit) error{
		"": func(*Run, edit) error { return nil },
		"differ lost": func(r *Run, e edit) error { // an edit that did not arrive
			_, err := r.apps[1].core.UpdateRecord("Contact", e.who.ids[1], map[string]string{fields[1][e.field]: "older"})
			return err
		},
		"lost": func(r *Run, e edit) error { // an edit rolled back on both sides
			for side, a := range r.apps {
				if _, err := a.core.UpdateRecord(a.object, e.who.ids[side], map[string]string{
					fields[side][e.field]: "older",
				}); err != nil {
					return err
				}
			}
			return nil
		},
		"differ": func(r *Run, e edit) error { // a value that nobody typed
			_, err := r.apps[0].core.UpdateRecord("contacts", r.poisoned[0].ids[0], map[string]string{"city": "Nowhere"})
			return err
		},
		"differ lost missing": func(r *Run, e edit) error { return r.apps[0].core.DeleteRecord("contacts", e.who.ids[0]) },
		"doubled": func(r *Run, e edit) error { // a twin
			_, err := r.apps[1].core.CreateRecord("Contact", map[string]string{
				"Email": strings.ToUpper(e.who.mail), "LastName": "Twin",
			})
			return err
		},
	} {
		r := aligned(t)
		i := slices.IndexFunc(r.edits, func(e edit) bool { return e.field == 4 })
		if err := break_(r, r.edits[i]); err != nil {
			t.Errorf("%q: %v", want, err)
			continue
		}
		if got := r.verdict(); got != want {
			t.Errorf("the judge finds %q, want %q", got, want)
		}
	}
}

// TestEdits: nothing is typed twice into one field of one person, and enough on
// both sides.
func TestEdits(t *testing.T) {
	t.Parallel()
	var all []person
	for i := range 130 {
		all = append(all, person{mail: strings.Repeat("x", i)})
	}
	const n = 60
	edits, poisoned := plan(all, n, 3)
	seen := map[[2]int]bool{}
	sides, both := [2]int{}, 0
	who := map[int]int{}
	for _, e := range edits {
		at := [2]int{len(e.who.mail), e.field}
		if seen[at] || slices.ContainsFunc(poisoned, func(p person) bool { return p.mail == e.who.mail }) {
			t.Errorf("person %d is typed into twice, or poisoned", at[0])
		}
		seen[at] = true
		sides[e.side]++
		if who[at[0]]++; who[at[0]] == 2 {
			both++
		}
	}
	if sides != [2]int{n, n} || both != 2*n/20 {
		t.Errorf("%v edits a side, %d people on both sides; want %d and %d", sides, both, n, 2*n/20)
	}
}

// TestPoison spoils the calls that name a poisoned record, and no others.
func TestPoison(t *testing.T) {
	t.Parallel()
	p := &poison{
		next: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }),
	}
	ask := func(target, body string) int {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest(http.MethodPost, target, strings.NewReader(body)))
		return w.Code
	}
	p.plant("101", "202")
	for _, c := range []struct {
		target, body string
		spoiled      bool
	}{
		{"/a/101", "", true},
		{"/a", `{"id":"202"}`, true},
		{"/a", `{"id":"1011"}`, false},
		{"/_fake/records/101", "", false},
	} {
		if got := ask(c.target, c.body) == http.StatusOK; got != c.spoiled {
			t.Errorf("%s %s: spoiled %t, want %t", c.target, c.body, got, c.spoiled)
		}
	}
	if p.plant(); ask("/a/101", "") != http.StatusNoContent || p.spoiled() != 2 {
		t.Errorf("%d calls were spoiled, want 2 and none after the mending", p.spoiled())
	}
}
