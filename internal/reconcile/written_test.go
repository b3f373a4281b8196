package reconcile

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// TestPlansAreAsWritten decisions many drawn scenes, each in a plain way and in one
// more, carries the decisions out with what apps may answer, and writes down all that
// comes of it. The properties say what must hold of every decision; here a change of
// any decision shows, and its review says whether it is meant.
func TestPlansAreAsWritten(t *testing.T) {
	t.Parallel()
	scenes := rapid.Custom(drawScene)
	var out strings.Builder
	for i := range 400 {
		c := scenes.Example(i)
		fmt.Fprintf(&out, "%d %s\n", i, c.told(&c.decision))
		c.vary(&out, i)
		c.settle(&out, i)
		c.look(&out)
	}
	written.Check(t, "decisions.txt", out.String())
}

// vary decisions the scene again with something special about the pair.
func (c *scene) vary(out *strings.Builder, i int) {
	p, one := c.p, c.s.specs[i%len(c.s.specs)].id
	only := map[crm.MappingID]bool{one: true}
	name := ""
	switch i % 8 {
	case 0:
		name, p.Halted = "halted", only
	case 1:
		name, p.Frozen = "frozen", only
	case 2:
		name, p.Discard = "discarded", only
	case 3:
		name, p.Decided = "decided", only
	case 4:
		name, p.Retry = "retried", true
	case 5:
		name, p.ByHand = "by hand", true
	case 6:
		name = "by the left app"
		p.ByApp.Left = ^uint64(0)
		p.Was.Left = map[crm.MappingID]string{one: "-"}
	case 7:
		name = "by the right app"
		p.ByApp.Right = ^uint64(0)
		p.Was.Right = map[crm.MappingID]string{}
		for k := range c.s.specs {
			p.Was.Right[c.s.specs[k].id] = "-"
		}
	}
	decision := c.s.Reconcile(p)
	if text := c.told(&decision); text != c.told(&c.decision) {
		fmt.Fprintf(out, "  %s %s: %s\n", name, one, text)
	}
}

// told is a decision on one line, without what stays as it is.
func (c *scene) told(p *Decision) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s %q link %t held %t rebase %t timed %t rules %q empty %t;", p.Outcome, p.State, p.Code,
		p.Detail, p.Link, p.Held, p.Rebase, p.Timed, p.Rules, p.Empty())
	for _, f := range p.Fields {
		if f.Rule == RuleAgreed && f.Winner == "" {
			continue
		}
		fmt.Fprintf(&b, " %s %s", f.Mapping, f.Rule)
		for _, word := range []string{string(f.Winner), string(f.Reason), f.Code, f.Detail} {
			if word != "" {
				fmt.Fprintf(&b, " %s", word)
			}
		}
		if f.Merged {
			b.WriteString(" merged")
		}
		if f.Replaces != [2]bool{} {
			fmt.Fprintf(&b, " replaces %v", f.Replaces)
		}
		b.WriteByte(',')
	}
	for _, side := range crm.Sides {
		if w := p.Write(side); w != nil {
			fmt.Fprintf(&b, " %s create %t %s", side, w.Create, asJSON(w.Fields))
		}
	}
	fmt.Fprintf(&b, " base %s troubles %q kept %q", shortBase(p.Base), c.s.Troubles(p.Fields, p.Base), c.s.Kept(p.Base))
	return b.String()
}

func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// shortBase leaves revisions out, which say nothing to a reader.
func shortBase(base crm.Base) string {
	var parts []string
	for _, id := range slices.Sorted(maps.Keys(base)) {
		e := base[id]
		text := fmt.Sprintf("%s=%d%.12s", id, e.Kind, e.Text)
		if len(e.Items) > 0 {
			text += fmt.Sprint(len(e.Items))
		}
		if d := e.Settled; d != nil {
			text += fmt.Sprintf("/%s %s %s %d %s %.6q %.6q", d.Reason, d.Side, d.Code, d.Tries, d.Note, d.Held, d.Raw)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " ")
}

// settle answers a decision's writes as apps may: one field refused, one bent, one
// kept as it was, or the whole write refused.
func (c *scene) settle(out *strings.Builder, i int) {
	var results crm.PerSide[Result]
	for k, side := range crm.Sides {
		var held crm.Fields
		if r := []*crm.Record{c.after.Left, c.after.Right}[k]; r != nil {
			held = r.Fields.Clone()
		}
		r := Result{Fields: held, Answered: i%2 == 0, Refused: map[crm.MappingID]string{}}
		if w := c.decision.Write(side); w != nil {
			ids := slices.Sorted(maps.Keys(w.Intended))
			if len(ids) > 0 {
				one := ids[i%len(ids)]
				names := c.s.Mapping(one).Names(side)
				switch i % 5 {
				case 0:
					r.Refused[one] = "invalid_value"
				case 1:
					r.Refused[one] = CodeFieldMissing
				case 2:
					r.Failed = true
				case 3:
					held[names[0]] = crm.TextValue("Bo")
				case 4:
					delete(held, names[0])
				}
			}
			fmt.Fprintf(out, "  %s places %b placed %q", side, c.s.Places(w.Intended), c.s.Placed(c.s.Places(w.Intended)))
			fmt.Fprintf(out, " holds %t %t\n", c.s.Holds(side, held, w.Intended), c.s.Holds(side, w.Fields, w.Intended))
			for _, id := range ids {
				entry, ok := c.s.Landed(id, c.p.Base, side, w.Intended[id], c.other(side), i%3 == 0)
				born, too := c.s.Born(id, side, w.Intended[id])
				fmt.Fprintf(out, "  %s landed %s %t born %s %t", id, shortBase(crm.Base{id: entry}), ok,
					shortBase(crm.Base{id: born}), too)
			}
			if len(ids) > 0 {
				fmt.Fprintln(out)
			}
		}
		if side == crm.Left {
			results.Left = r
		} else {
			results.Right = r
		}
	}
	base, stored := c.s.Settle(c.p, &c.decision, results)
	fmt.Fprintf(out, "  settled %s", shortBase(base))
	for _, s := range stored {
		fmt.Fprintf(out, "; %s %s sent %s held %s kept %t", s.Mapping, s.Side, asJSON(s.Sent), asJSON(s.Held), s.Kept)
	}
	fmt.Fprintln(out)
}

func (c *scene) other(side crm.Side) *crm.Record {
	if side == crm.Left {
		return c.after.Right
	}
	return c.after.Left
}

// look asks about the records of the pair one by one.
func (c *scene) look(out *strings.Builder) {
	for k, side := range crm.Sides {
		r := []*crm.Record{c.after.Left, c.after.Right}[k]
		if r == nil {
			continue
		}
		decision, admitted := c.s.Admit(side, r, noon)
		fmt.Fprintf(out, "  %s agrees %t strays %t identity %t admitted %t %s %s", side, c.s.Agrees(side, r, c.decision.Base),
			c.s.Strays(side, r, c.decision.Base), c.s.HasIdentity(side, r), admitted, decision.Outcome, decision.Code)
		var moved []string
		for i := range c.s.specs {
			if id := c.s.specs[i].id; c.s.Moved(id, c.p.Base, side, c.after.Left, c.after.Right) {
				moved = append(moved, string(id))
			}
		}
		fmt.Fprintf(out, " moved %q\n", moved)
	}
}

// ladders are the ways to find a twin.
func ladders() map[string]crm.Match {
	keys := [][2]string{{"email", "Email"}, {"phone", "Phone"}}
	names := [][2]string{{"last", "Name"}}
	step := func(change func(*crm.MatchStep)) crm.MatchStep {
		st := crm.MatchStep{By: crm.MatchByAnyKey, Pairs: keys}
		if change != nil {
			change(&st)
		}
		return st
	}
	return map[string]crm.Match{
		"any key":           crm.SameMatch(step(nil)),
		"any key, error":    crm.SameMatch(step(func(s *crm.MatchStep) { s.OnDisagreement = "error" })),
		"any key, verified": crm.SameMatch(step(func(s *crm.MatchStep) { s.Verify = names })),
		"all keys":          crm.SameMatch(step(func(s *crm.MatchStep) { s.By = crm.MatchByAllKeys })),
		"all keys, then any": crm.SameMatch(step(func(s *crm.MatchStep) { s.By = crm.MatchByAllKeys }),
			step(func(s *crm.MatchStep) { s.Pairs = keys[:1] })),
		"id": crm.SameMatch(crm.MatchStep{By: crm.MatchByID, Left: "twin", Right: "$id"}),
		"id, missing is bad": crm.SameMatch(crm.MatchStep{
			By: crm.MatchByID, Left: "twin", Right: "$id", OnMissing: "error",
			WriteBack: true,
		}, step(nil)),
		"id on both, then key": crm.SameMatch(crm.MatchStep{By: crm.MatchByID, Left: "twin", Right: "Source"}, step(nil)),
		"each way its own": crm.SplitMatch([]crm.MatchStep{step(nil)}, []crm.MatchStep{
			step(func(s *crm.MatchStep) { s.By = crm.MatchByAllKeys }),
		}),
		"one by one": crm.SameMatch(step(func(s *crm.MatchStep) { s.Pairs = keys[:1] }),
			step(func(s *crm.MatchStep) { s.Pairs = keys[1:] }), step(func(s *crm.MatchStep) { s.Pairs = names })),
		"nothing":         {},
		"id on the right": crm.SameMatch(crm.MatchStep{By: crm.MatchByID, Left: "$id", Right: "Source"}, step(nil)),
		"what is not there": crm.SameMatch(step(func(s *crm.MatchStep) {
			s.Pairs = [][2]string{{"none", "Email"}, {"email", "None"}}
			s.Verify = names[:0]
			s.Protect = []string{"none"}
		}), crm.MatchStep{By: "guess"}, crm.MatchStep{By: crm.MatchByID, Left: "none"}),
		"not there, one way": crm.SplitMatch([]crm.MatchStep{
			step(func(s *crm.MatchStep) { s.Pairs = [][2]string{{"none", "Email"}} }),
		}, nil),
	}
}

// TestMatchesAreAsWritten lets every ladder look for the twins of drawn records
// among drawn records.
func TestMatchesAreAsWritten(t *testing.T) {
	t.Parallel()
	people := rapid.Custom(func(t *rapid.T) (out [2][]crm.Record) {
		for k, schema := range [][]crm.Field{leftSchema(), rightSchema()} {
			for i := range 5 {
				r := drawRecord(t, crm.RecordID(fmt.Sprintf("%s%d", []string{"L", "R"}[k], i+1)), schema)
				r.Deleted = i == 4 && rapid.Bool().Draw(t, "deleted")
				out[k] = append(out[k], *r)
			}
		}
		return out
	})
	all := ladders()
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		sync := baseSync(twelve()...)
		sync.Match = all[name]
		s, problems := Compile(conn(), &sync, leftSchema(), rightSchema())
		fmt.Fprintf(&out, "%s: problems %v\n", name, problems)
		if s == nil {
			continue
		}
		for _, side := range crm.Sides {
			field, ok := s.KeyField(side)
			fmt.Fprintf(&out, "  %s key field %q %t reads %q blind %t for %+v\n", side, field, ok, s.ReadFields(side),
				s.Blind(side), s.KeysFor(side, s.sampleKey()))
			for _, f := range append(leftSchema(), rightSchema()...) {
				fmt.Fprintf(&out, " %s %t %t %q", f.Name, s.IsKey(side, f.Name), s.Identifies(side, f.Name), s.Mates(side, f.Name))
			}
			fmt.Fprintln(&out)
		}
		for i := range 12 {
			world := people.Example(i)
			for n := range world[1] { // some name the same person
				world[1][n].Fields["Source"] = crm.TextValue([]string{"L1", "L2", "L2", "", "L9"}[n])
			}
			for k, side := range crm.Sides {
				for n := range world[k] {
					r := &world[k][n]
					asked := s.Lookups(side, r)
					answers := make([][]crm.Record, len(asked))
					for q := range asked {
						answers[q] = world[1-k]
						if id := asked[q].ByID; id != "" && i%3 > 0 {
							answers[q] = slices.DeleteFunc(slices.Clone(world[1-k]), func(x crm.Record) bool { return x.ID != id })
						}
					}
					holder := crm.RecordID("")
					if i%4 == 3 {
						holder = world[1-k][i%5].ID
					}
					m := s.DecideAmong(side, r, answers, world[k], holder)
					found := crm.RecordID("")
					if m.Record != nil {
						found = m.Record.ID
					}
					standing := s.Standing(side, r, world[k])
					fmt.Fprintf(&out, "  %d %s %s %s %s %v %+v; twins %v own %d crowded %d", i, r.ID, m.Kind, found, m.Code, m.Others,
						m.Tried, standing.Twins, len(standing.Keys), len(standing.Crowded))
					for _, q := range asked {
						for _, key := range q.Keys {
							fmt.Fprintf(&out, " %s?%q", key.Field, key.Spellings)
						}
					}
					fmt.Fprintln(&out)
				}
			}
		}
	}
	written.Check(t, "matches.txt", out.String())
}

// TestGapsAreAsWritten takes each field of either schema away, and lets fields have
// further ones beside them; the same scene is decided in each world.
func TestGapsAreAsWritten(t *testing.T) {
	t.Parallel()
	c := rapid.Custom(drawScene).Example(7)
	c.sync.Match = crm.SameMatch(crm.MatchStep{
		By: crm.MatchByAnyKey, Pairs: [][2]string{{"email", "Email"}, {"phone", "Phone"}}, Verify: [][2]string{
			{"last", "Name"},
		}, Protect: []string{"note"},
	})
	c.sync.Rules = []crm.Rule{
		{ID: "vip", Direction: crm.DirectionToRight, Filter: &crm.Filter{Field: "vip", Op: "is_true"}},
		{ID: "ok", Direction: crm.DirectionToLeft, Filter: &crm.Filter{Field: "OK", Op: "is_true"}},
	}
	c.sync.Direction, c.sync.Behavior = crm.DirectionBoth, crm.PerWay[crm.Behavior]{}
	for i := range c.sync.Mappings {
		c.sync.Mappings[i].Enabled = nil
		if c.sync.Mappings[i].Transform.Type != crm.TransformStatic {
			c.sync.Mappings[i].Direction = crm.DirectionBoth
		}
	}
	var out strings.Builder
	tell := func(name string, left, right []crm.Field) {
		s, problems := Compile(conn(), &c.sync, left, right)
		fmt.Fprintf(&out, "%s: problems %v\n", name, problems)
		if s == nil {
			return
		}
		c.s = s
		p := c.p
		p.Linked, p.Base = true, c.was.base(s, false)
		decision := s.Reconcile(p)
		fmt.Fprintf(&out, "  held %v\n  linked %s\n", s.Held(), c.told(&decision))
		p.Linked, p.Base = false, nil
		decision = s.Reconcile(p)
		fmt.Fprintf(&out, "  met %s\n", c.told(&decision))
		for k, side := range crm.Sides {
			r := []*crm.Record{c.p.Left, c.p.Right}[k]
			m := s.Decide(side, r, [][]crm.Record{{*[]*crm.Record{c.p.Right, c.p.Left}[k]}})
			admitted, ok := s.Admit(side, r, noon)
			fmt.Fprintf(&out, "  %s blind %t reads %q match %s %s %+v admit %t %s %s %q keys %d\n", side, s.Blind(side),
				s.ReadFields(side), m.Kind, m.Code, m.Tried, ok, admitted.Outcome, admitted.Code, admitted.Detail,
				len(s.IdentityKeys(side, r)))
		}
		for i := range s.specs {
			if id := s.specs[i].id; s.Rests(id) {
				fmt.Fprintf(&out, "  %s rests\n", id)
			}
		}
	}
	c.p.Left, c.p.Right = drawnPerson(t, "L1", leftSchema()), drawnPerson(t, "R1", rightSchema())
	c.was = pasts{}
	tell("all", leftSchema(), rightSchema())
	for i, f := range leftSchema() {
		tell("without "+f.Name, slices.Delete(leftSchema(), i, i+1), rightSchema())
	}
	for i, f := range rightSchema() {
		tell("without "+f.Name, leftSchema(), slices.Delete(rightSchema(), i, i+1))
	}
	further := leftSchema()
	further[0].Also, further[1].Also, further[2].With, further[4].With = []string{"twin", "none"}, []string{"origin"},
		[]string{"last"}, []string{"note", "age"}
	tell("further fields", further, rightSchema())
	for _, first := range []string{"bob@example.org", "ann@example.com", ""} {
		for _, second := range []string{"ann@example.com", "bob@example.org; ann@example.com", ""} {
			c.p.Left.Fields["email"], c.p.Left.Fields["twin"], c.p.Right.Fields["Email"] = crm.TextValue(first),
				crm.TextValue(second), crm.TextValue("ann@example.com")
			tell(fmt.Sprintf("%q beside %q", second, first), further, rightSchema())
		}
	}
	written.Check(t, "gaps.txt", out.String())
}

// drawnPerson has a value in every field.
func drawnPerson(t *testing.T, id crm.RecordID, schema []crm.Field) *crm.Record {
	t.Helper()
	r := &crm.Record{ID: id, Fields: crm.Fields{}}
	for _, f := range schema {
		r.Fields[f.Name] = values[poolOf[f.Name]][1]
	}
	return r
}

// sampleKey is a key that somebody may hold, as IdentityKeys writes it.
func (s *Settings) sampleKey() string {
	r := &crm.Record{
		ID: "L1", Fields: crm.Fields{"email": crm.TextValue("ann@example.com"), "phone": crm.TextValue("+1 415 555 0132")},
	}
	for _, k := range s.IdentityKeys(crm.Left, r) {
		return k.Canonical
	}
	return ""
}
