package reconcile

import (
	"maps"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// staff are the users of both apps. Several may have one address.
type staff struct {
	email  [2]map[string]string // by side, of an ID
	active [2]map[string]bool
}

func (s *staff) Email(side crm.Side, id string) (string, bool) {
	email := s.email[side.Index()][id]
	return email, email != ""
}

func (s *staff) ID(side crm.Side, email string) (string, bool) {
	found := ""
	for id, at := range s.email[side.Index()] {
		if at == email && s.active[side.Index()][id] && (found == "" || id < found) {
			found = id
		}
	}
	return found, found != ""
}

var _ mapping.Users = (*staff)(nil)

// TestRow133_OwnersComeToRest: whoever is assigned, comes, goes or changes the
// address, in whatever order, one decision is enough, nobody is assigned whom
// nobody chose, and no choice is overwritten by the app that cannot carry it out.
func TestRow133_OwnersComeToRest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		given := rapid.Bool().Draw(t, "gives new records away") // and refuses to empty the field
		sync := crm.Sync{
			ID: "people", Left: crm.ObjectEnd{Object: "l"}, Right: crm.ObjectEnd{Object: "r"}, Direction: crm.DirectionBoth,
			Conflict: rapid.SampledFrom([]crm.ConflictPolicy{crm.ConflictLeft, crm.ConflictRight}).Draw(t, "conflict"),
			Mappings: []crm.Mapping{{
				ID: "owner", Left: []string{"owner"}, Right: []string{"owner"},
				Clear: crm.PerWay[bool]{ToRight: rapid.Bool().Draw(t, "clear"), ToLeft: rapid.Bool().Draw(t, "clear back")},
			}},
		}
		avoid := false
		sync.AvoidDuplicates = &avoid
		fields := func(never bool) []crm.Field {
			return []crm.Field{{Name: "owner", Type: crm.TypeOwner, NeverBlank: never}}
		}
		set, problems := Compile(nil, &sync, fields(false), fields(given))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		addresses := []string{"a@x.example", "b@x.example", "c@x.example", "d@x.example"}
		everybody := &staff{}
		for side := range everybody.email {
			everybody.email[side], everybody.active[side] = map[string]string{}, map[string]bool{}
			for i := range 4 {
				id := strconv.Itoa(10*(side+1) + i)
				everybody.email[side][id] = rapid.SampledFrom(addresses[:3]).Draw(t, "address")
				everybody.active[side][id] = rapid.Bool().Draw(t, "active")
			}
		}
		set = set.WithUsers(everybody)
		anybody := func(side int, blank bool) string {
			ids := []string{"10", "11", "12", "13", "19"} // nobody knows the last
			if side == 1 {
				ids = []string{"20", "21", "22", "23", "29"}
			}
			if blank {
				ids = append(ids, "")
			}
			return rapid.SampledFrom(ids).Draw(t, "user")
		}
		hold := [2]string{anybody(0, true), ""}
		var base crm.Base
		linked := false
		decide := func() Decision {
			p := Pair{Linked: linked, Base: maps.Clone(base), Now: noon, Origin: crm.Left}
			p.Left = &crm.Record{ID: "1", Fields: crm.Fields{"owner": crm.TextValue(hold[0])}}
			if linked {
				p.Right = &crm.Record{ID: "2", Fields: crm.Fields{"owner": crm.TextValue(hold[1])}}
			}
			return set.Reconcile(p)
		}
		carry := func(d *Decision) {
			for i, w := range []*Write{d.Left, d.Right} {
				if w == nil {
					continue
				}
				v, written := w.Fields["owner"]
				if !written {
					continue
				}
				if v.Blank() {
					hold[i] = ""
					continue
				}
				got, _ := everybody.Email(crm.Sides[i], v.Text())
				from, _ := everybody.Email(crm.Sides[1-i], hold[1-i])
				if got == "" || got != from || !everybody.active[i][v.Text()] {
					t.Fatalf("%s got %s (%s), and the other side holds %s (%s)", crm.Sides[i], v.Text(), got, hold[1-i], from)
				}
				hold[i] = v.Text()
			}
			base = d.Base
		}
		settle := func(when string) {
			d := decide()
			if d.State == crm.StateFailing || d.Outcome == crm.Failed {
				t.Fatalf("%s: it failed: %s %s", when, d.Code, d.Detail)
			}
			carry(&d)
			linked = linked || d.Link
			if again := decide(); !again.Empty() || again.Rebase {
				t.Fatalf("%s: no rest: %+v", when, again.Fields)
			}
		}
		settle("at first")
		if given && hold[1] == "" {
			chosen := hold[0]
			hold[1] = anybody(1, false)
			d := decide()
			if chosen != "" && d.Left != nil {
				t.Fatalf("whom the app gave the record to took the place of %s", chosen)
			}
			carry(&d)
		}
		for range rapid.IntRange(1, 12).Draw(t, "events") {
			side := rapid.IntRange(0, 1).Draw(t, "side")
			id := anybody(side, false)
			switch rapid.IntRange(0, 3).Draw(t, "event") {
			case 0, 1:
				hold[side] = anybody(side, side == 0 || !given)
			case 2:
				everybody.active[side][id] = !everybody.active[side][id]
			case 3:
				everybody.email[side][id] = rapid.SampledFrom(addresses).Draw(t, "new")
			}
			settle("after an event")
		}
	})
}
