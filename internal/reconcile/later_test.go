package reconcile

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// changedLine are settings whose note was changed by versions of the connection.
func changedLine(line crm.ChangedLine, mapping func(*crm.Mapping)) *Settings {
	m := one("note", "note", "Note")
	if mapping != nil {
		mapping(&m)
	}
	sync := baseSync(m)
	c := conn()
	c.Changes = map[crm.SyncID]crm.Changes{"people": {Lines: map[crm.MappingID]crm.ChangedLine{"note": line}}}
	s, _ := Compile(c, &sync, leftSchema(), rightSchema())
	return s
}

// TestLater: what differs in a pair that is older than a change from now on is left
// apart, what is alike is agreed on, and neither is written.
func TestLater(t *testing.T) {
	t.Parallel()
	const before, after = "b", "z"
	for name, c := range map[string]struct {
		line        crm.ChangedLine
		mapping     func(*crm.Mapping)
		joined      int64
		left, right string
		alone       bool
		twice       bool // it is remembered already
		want        string
	}{
		"it differs":          {line: crm.ChangedLine{Later: 5}, joined: 4, left: before, right: after, want: "apart since 5"},
		"it is alike":         {line: crm.ChangedLine{Later: 5}, joined: 4, left: before, right: before, want: "agreed b"},
		"in other letters":    {line: crm.ChangedLine{Later: 5}, joined: 4, left: before, right: " b ", want: "agreed b"},
		"both are blank":      {line: crm.ChangedLine{Later: 5}, joined: 4, want: "agreed "},
		"one is blank":        {line: crm.ChangedLine{Later: 5}, joined: 4, right: after, want: "apart since 5"},
		"linked since":        {line: crm.ChangedLine{Later: 5}, joined: 5, left: before, right: after},
		"for all":             {line: crm.ChangedLine{Later: 5, All: 5}, joined: 4, left: before, right: after},
		"for all, then later": {line: crm.ChangedLine{Later: 7, All: 5}, joined: 6, left: before, right: after, want: "apart since 7"},
		"never":               {joined: 4, left: before, right: after},
		"remembered already":  {line: crm.ChangedLine{Later: 5}, joined: 4, left: before, right: after, twice: true},
		"one is gone":         {line: crm.ChangedLine{Later: 5}, joined: 4, left: before, right: after, alone: true},
		"the mapping is off": {
			line: crm.ChangedLine{Later: 5}, joined: 4, left: before, right: after,
			mapping: func(m *crm.Mapping) { m.Direction = crm.DirectionOff },
		},
		"it does not fit": {
			line: crm.ChangedLine{Later: 5}, joined: 4, left: before, right: after,
			mapping: func(m *crm.Mapping) { m.Transform.Type = crm.TransformNumber },
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := changedLine(c.line, c.mapping)
			p := linked(s, "a", c.left, c.right)
			p.Joined = c.joined
			p.Base["note"] = crm.Agree(Meaning(s.Revision("note")), crm.TextValue("a"))
			if c.alone {
				p.Right = nil
			}
			if c.twice {
				p.Base, _ = s.Later(p)
			}
			base, changed := s.Later(p)
			got := ""
			switch e := base["note"]; {
			case !changed:
			case e.Settled != nil && e.Settled.Reason == crm.ReasonFromNowOn:
				got = "apart since " + e.Settled.Terms
			default:
				got = "agreed " + e.Text
			}
			if got != c.want {
				t.Errorf("it is %q, want %q", got, c.want)
			}
			if !changed && len(base) != len(p.Base) {
				t.Errorf("the base is another one: %v", base)
			}
			if e := base["note"]; changed && e.Revision != s.Revision("note") {
				t.Errorf("remembered of %s, want %s", e.Revision, s.Revision("note"))
			}
			if want := c.line.FromNowOn() && c.joined < c.line.Later && c.mapping == nil; c.mapping == nil &&
				s.Older(c.joined) != want {
				t.Errorf("older is %t", !want)
			}
		})
	}
}

// TestLater_LastsUntilItIsAppliedToAll: what was left apart rests until it is edited,
// or until a change of a later version is applied to every pair.
func TestLater_LastsUntilItIsAppliedToAll(t *testing.T) {
	t.Parallel()
	s := changedLine(crm.ChangedLine{Later: 5}, nil)
	p := linked(s, "a", "b", "z")
	p.Joined, p.Base = 4, nil
	if d := s.Reconcile(p); !d.Empty() || d.Fields[0].Rule != RuleSettled || d.Fields[0].Reason != crm.ReasonFromNowOn {
		t.Errorf("first looked at: %+v", d.Fields[0])
	}
	p.Base, _ = s.Later(p)
	if d := s.Reconcile(p); !d.Empty() || d.Rebase || d.Fields[0].Reason != crm.ReasonFromNowOn {
		t.Errorf("it does not rest: %+v", d.Fields[0])
	}
	edited := p
	edited.Left = &crm.Record{ID: "L1", Fields: crm.Fields{"email": mail, "note": crm.TextValue("new")}}
	if d := s.Reconcile(edited); d.Right == nil || d.Right.Fields["Note"].Text() != "new" {
		t.Errorf("an edit does not travel: %+v", d.Fields[0])
	}
	for all, rests := range map[int64]bool{0: true, 4: true, 5: false, 6: false} {
		s := changedLine(crm.ChangedLine{Later: 5, All: all}, nil)
		if d := s.Reconcile(p); d.Empty() != rests {
			t.Errorf("applied to all with version %d: %+v", all, d.Fields[0])
		}
	}
	if s.Revision("nobody") != "" || Meaning("a@5") != "a" || Meaning("a") != "a" {
		t.Errorf("revisions %q, %q, %q", s.Revision("nobody"), Meaning("a@5"), Meaning("a"))
	}
	plain, at36 := changedLine(crm.ChangedLine{}, nil), changedLine(crm.ChangedLine{Later: 36}, nil)
	if plain.Revision("note")+"@10" != at36.Revision("note") {
		t.Errorf("a change makes the revision %s", at36.Revision("note"))
	}
}

// TestLater_TermsAreThoseOfTheReason: what is left apart from now on names the change,
// the one that it is told of first; what is left for another reason names none.
func TestLater_TermsAreThoseOfTheReason(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		line crm.ChangedLine
		d    crm.Difference
		want string
	}{
		"from now on":                {crm.ChangedLine{Later: 5}, crm.Difference{Reason: crm.ReasonFromNowOn}, "5"},
		"from an earlier change on":  {crm.ChangedLine{Later: 5}, crm.Difference{Reason: crm.ReasonFromNowOn, Terms: "3"}, "3"},
		"of a mapping never changed": {crm.ChangedLine{}, crm.Difference{Reason: crm.ReasonFromNowOn}, ""},
		"for another reason":         {crm.ChangedLine{Later: 5}, crm.Difference{Reason: crm.ReasonRefused}, ""},
	} {
		s := changedLine(c.line, nil)
		p := linked(s, "a", "b", "z")
		entry, ok := s.Settled("note", p.Base, p.Left, p.Right, c.d)
		if !ok || entry.Settled == nil || entry.Settled.Terms != c.want || entry.Settled.Reason != c.d.Reason {
			t.Errorf("%s: %+v", name, entry.Settled)
		}
	}
}
