package reconcile

import (
	"bytes"
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// FuzzPlan turns bytes into settings and records: whatever they are, there is
// a decision, its outcome is a known one, and the decision after it is empty.
func FuzzPlan(f *testing.F) {
	// Enough bytes for every draw: rapid gives a shorter input up.
	f.Add(make([]byte, 64<<10))
	f.Add(bytes.Repeat([]byte("so that the first draws are not all zero"), 2000))
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		c := drawScene(t)
		known := false
		for _, o := range crm.Outcomes {
			known = known || c.decision.Outcome == o
		}
		if !known || c.decision.State == "" {
			t.Fatalf("outcome %q, state %q", c.decision.Outcome, c.decision.State)
		}
		if second := c.s.Reconcile(c.after); !second.Empty() {
			t.Fatalf("the second decision is not empty\n%s", story(&c, &second))
		}
	}))
}

// FuzzSettings reads documents as an admin may send them: compiling and
// deciding never panic, whatever is in there.
func FuzzSettings(f *testing.F) {
	sync := baseSync(twelve()...)
	sync.Match, sync.Rules = ladder(), vipOnly()
	seed, err := json.Marshal(sync)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed, `{"email":"ann@example.com","tags":["a"]}`, `{"Email":"ann@example.com"}`,
		`{"email":{"r":"x","i":["1","2"]}}`)
	f.Add([]byte(`{"mappings":[{"id":"","left":[],"right":["x","x"]}],"match":[{"by":"id"}],"rules":[{"filter":{}}]}`),
		`{}`, `{}`, `{}`)
	f.Fuzz(func(t *testing.T, doc []byte, left, right, base string) {
		var sync crm.Sync
		if json.Unmarshal(doc, &sync) != nil {
			return
		}
		p := Pair{Left: &crm.Record{ID: "L1"}, Right: &crm.Record{ID: "R1"}, Linked: true, Now: noon}
		if json.Unmarshal([]byte(left), &p.Left.Fields) != nil || json.Unmarshal([]byte(right), &p.Right.Fields) != nil ||
			json.Unmarshal([]byte(base), &p.Base) != nil {
			return
		}
		for _, schema := range [][2][]crm.Field{{leftSchema(), rightSchema()}, {nil, nil}} {
			s, _ := Compile(conn(), &sync, schema[0], schema[1])
			for _, side := range crm.Sides {
				r := p.Left
				if side == crm.Right {
					r = p.Right
				}
				s.IdentityKeys(side, r)
				s.Decide(side, r, [][]crm.Record{{*p.Left, *p.Right}, {*p.Right}})
			}
			s.Reconcile(p)
			s.Reconcile(Pair{Left: p.Left, Now: noon})
			s.Reconcile(Pair{Right: p.Right, MatchedBy: &crm.MatchStep{}, Now: noon})
			s.Digest()
		}
	})
}
