package reconcile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// act is what the users of both sides do before a look, "=" for nothing, "-"
// for emptying the field; then what both sides hold, and why they differ.
type act struct {
	left, right string
	want        [2]string
	reason      crm.Reason
}

func does(left, right, wantLeft, wantRight string, reason crm.Reason) act {
	return act{left, right, [2]string{wantLeft, wantRight}, reason}
}

// settledRow is a story of one linked pair that agreed on "a", or was not met
// before. After every act one look brings it to rest.
type settledRow struct {
	no      string // of SEMANTICS' rule and the row
	title   string
	first   bool
	field   string // of left and, capitalised, right; note without it
	was     crm.Value
	mapping func(*crm.Mapping)
	sync    func(*crm.Sync)
	acts    []act
}

func named(p crm.MappingPolicy) func(*crm.Mapping) {
	return func(m *crm.Mapping) { m.Policy = &p }
}

func fillBoth(s *crm.Sync) { s.FillBlanksOnly = crm.PerWay[bool]{ToRight: true, ToLeft: true} }

const (
	cleared = crm.ReasonCleared
	byRule  = crm.ReasonRestrained
	aDef    = crm.ReasonDefault
	byApp   = crm.ReasonChangedByApp
)

func addresses(m *crm.Mapping) { m.Transform.Type = crm.TransformDomain }

// settledRows go through the rules of settled differences one by one.
var settledRows = []settledRow{
	{no: "1.2-1", title: "one side of a settled difference changed: it travels", acts: []act{
		does("-", "=", "", "a", cleared), does("=", "b", "b", "b", ""),
	}},
	{no: "1.2-2", title: "the cleared side is filled by its own user", acts: []act{
		does("-", "=", "", "a", cleared), does("b", "=", "b", "b", ""),
	}},
	{no: "1.2-3", title: "both changed: the policy", mapping: policy(crm.ConflictRight), acts: []act{
		does("-", "=", "", "a", cleared), does("b", "c", "c", "c", ""),
	}},
	{no: "1.2-4", title: "both changed to the same", acts: []act{
		does("-", "=", "", "a", cleared), does("b", "b", "b", "b", ""),
	}},
	{no: "1.2-5", title: "nothing changed, however often it is looked at", acts: []act{
		does("-", "=", "", "a", cleared), does("=", "=", "", "a", cleared), does("=", "=", "", "a", cleared),
	}},
	{no: "1.2-6", title: "the other side is cleared too", acts: []act{
		does("-", "=", "", "a", cleared), does("=", "-", "", "", ""), does("b", "=", "b", "b", ""),
	}},
	{no: "1.2-7", title: "typed again what was there", acts: []act{
		does("-", "=", "", "a", cleared), does("a", "=", "a", "a", ""),
	}},
	{no: "1.8-1", title: "an app keeps the host of everybody alone", first: true, mapping: addresses, acts: []act{
		does("facebook.com", "https://facebook.com/a", "facebook.com", "https://facebook.com/a", byApp),
		does("=", "=", "facebook.com", "https://facebook.com/a", byApp), does("=", "facebook.com/b", "facebook.com/b",
			"facebook.com/b", ""),
	}},
	{no: "1.8-2", title: "shortened to the host of everybody, and then another host", mapping: addresses, acts: []act{
		does("=", "facebook.com/a", "facebook.com/a", "facebook.com/a", ""),
		does("facebook.com", "=", "facebook.com", "facebook.com/a", byApp),
		does("instagram.com", "=", "instagram.com", "instagram.com", ""),
	}},
	{no: "1.8-3", title: "one way, the target follows", first: true, mapping: func(m *crm.Mapping) {
		addresses(m)
		m.Direction = crm.DirectionToRight
	}, acts: []act{
		does("facebook.com", "facebook.com/a", "facebook.com", "facebook.com", ""),
	}},
	{no: "1.3-1", title: "cleared on the right", acts: []act{
		does("=", "-", "a", "", cleared), does("b", "=", "b", "b", ""),
	}},
	{no: "1.3-2", title: "cleared with clear", mapping: clears, acts: []act{
		does("-", "=", "", "", ""), does("=", "b", "b", "b", ""),
	}},
	{no: "1.3-3", title: "clear the other way only", mapping: func(m *crm.Mapping) { m.Clear.ToLeft = true }, acts: []act{
		does("-", "=", "", "a", cleared), does("=", "-", "", "", ""),
	}},
	{no: "1.3-4", title: "cleared and edited, the clearing's side wins", acts: []act{
		does("-", "b", "", "b", cleared), does("=", "c", "c", "c", ""),
	}},
	{
		no: "1.3-5", title: "cleared and edited, the other side wins", mapping: policy(crm.ConflictRight),
		acts: []act{does("-", "b", "b", "b", "")},
	},
	{no: "1.3-6", title: "cleared and edited, with clear", mapping: clears, acts: []act{does("-", "b", "", "", "")}},
	{no: "1.3-7", title: "blanks are all that may be written: filled again", sync: fillBoth, acts: []act{
		does("-", "=", "a", "a", ""), does("=", "-", "a", "a", ""),
	}},
	{no: "1.3-8", title: "a source of one way is cleared", mapping: toRight, acts: []act{
		does("-", "=", "", "a", cleared), does("=", "b", "", "b", cleared), does("c", "=", "c", "c", ""),
	}},
	{no: "1.3-9", title: "a target of one way is cleared", mapping: toRight, acts: []act{does("=", "-", "a", "a", "")}},
	{no: "1.3-10", title: "write once, cleared", mapping: writeOnce, acts: []act{
		does("=", "-", "a", "", cleared), does("b", "=", "b", "b", ""),
	}},
	{
		no: "1.3-11", title: "write once, the other side keeps", mapping: both(writeOnce, clears),
		acts: []act{does("-", "=", "", "a", byRule)},
	},
	{
		no: "1.3-12", title: "the last item of a list", field: "tags", was: crm.ListValue("a"),
		acts: []act{does("-", "=", "", "", "")},
	},
	{
		no: "1.3-13", title: "the last item, while another comes", field: "tags", was: crm.ListValue("a"),
		acts: []act{does("-", "a;b", "b", "b", "")},
	},
	{
		no: "1.3-14", title: "the last item, on both sides", field: "tags", was: crm.ListValue("a"),
		acts: []act{does("-", "-", "", "", ""), does("=", "c", "c", "c", "")},
	},
	{
		no: "1.3-15", title: "the last item of a source of one way", field: "tags", was: crm.ListValue("a"), mapping: toRight,
		acts: []act{does("-", "=", "", "", "")},
	},
	{
		no: "1.3-16", title: "a list where blanks are filled", field: "tags", was: crm.ListValue("a"), sync: fillBoth,
		acts: []act{does("-", "=", "a", "a", "")},
	},
	{no: "1.4-1", title: "two_way clears to the right", mapping: named(crm.PolicyTwoWay), acts: []act{
		does("-", "=", "", "", ""),
	}},
	{no: "1.4-2", title: "two_way clears to the left", mapping: named(crm.PolicyTwoWay), acts: []act{
		does("=", "-", "", "", ""),
	}},
	{
		no: "1.4-3", title: "prefer_left clears from the left, and is filled later",
		mapping: named(crm.PolicyPreferLeftUnless), acts: []act{
			does("-", "=", "", "", ""), does("=", "b", "b", "b", ""),
		},
	},
	{
		no: "1.4-4", title: "prefer_left does not clear from the right", mapping: named(crm.PolicyPreferLeftUnless),
		acts: []act{does("=", "-", "a", "", cleared)},
	},
	{
		no: "1.4-5", title: "prefer_left, unless blank", mapping: named(crm.PolicyPreferLeftUnless),
		acts: []act{does("-", "b", "b", "b", "")},
	},
	{no: "1.4-6", title: "prefer_right, unless blank", mapping: named(crm.PolicyPreferRightUnless), acts: []act{
		does("=", "-", "", "", ""), does("b", "=", "b", "b", ""), does("c", "-", "c", "c", ""), does("c1", "d", "d", "d", ""),
	}},
	{no: "1.4-7", title: "always_left", mapping: named(crm.PolicyAlwaysLeft), acts: []act{
		does("=", "b", "a", "a", ""), does("=", "-", "a", "a", ""), does("-", "=", "", "", ""), does("=", "c", "", "", ""),
	}},
	{no: "1.4-8", title: "always_right", mapping: named(crm.PolicyAlwaysRight), acts: []act{
		does("b", "=", "a", "a", ""), does("=", "-", "", "", ""),
	}},
	{
		no: "1.5-1", title: "a default stays, and is no answer to a blank", first: true, mapping: defaultTo("d", ""),
		acts: []act{
			does("=", "=", "", "d", aDef), does("=", "=", "", "d", aDef),
		},
	},
	{no: "1.5-2", title: "a default is cleared", first: true, mapping: defaultTo("d", ""), acts: []act{
		does("=", "=", "", "d", aDef), does("=", "-", "", "", ""), does("=", "=", "", "", ""),
	}},
	{no: "1.5-3", title: "the source gets a value", first: true, mapping: defaultTo("d", ""), acts: []act{
		does("=", "=", "", "d", aDef), does("b", "=", "b", "b", ""),
	}},
	{no: "1.5-4", title: "the default is edited", first: true, mapping: both(defaultTo("d", ""), clears), acts: []act{
		does("=", "=", "", "d", aDef), does("=", "e", "e", "e", ""), does("-", "=", "", "", ""),
	}},
	{no: "1.5-5", title: "one way", first: true, mapping: both(toRight, clears, defaultTo("d", "")), acts: []act{
		does("=", "=", "", "d", aDef), does("=", "e", "", "e", aDef), does("b", "=", "b", "b", ""),
		does("-", "=", "", "", ""),
	}},
	{
		no: "1.5-6", title: "a target that had its own value, and loses it", first: true,
		mapping: both(toRight, defaultTo("d", "")), acts: []act{
			does("=", "x", "", "x", aDef), does("=", "-", "", "", ""),
		},
	},
	{no: "1.5-7", title: "a list", first: true, field: "tags", mapping: func(m *crm.Mapping) {
		m.Default.ToRight = crm.ListValue("d")
	}, acts: []act{
		does("=", "=", "", "d", aDef), does("b", "=", "b;d", "b;d", ""),
	}},
	{no: "1.8-1", title: "a checkbox unknown on one side is no No", first: true, field: "optin", acts: []act{
		does("=", "false", "", "false", aDef), does("=", "true", "true", "true", ""),
		does("=", "false", "false", "false", ""),
	}},
	{no: "1.8-2", title: "the app ticks No by itself after a birth", field: "optin", was: crm.NullValue(), acts: []act{
		does("=", "false", "", "false", aDef), does("true", "=", "true", "true", ""),
	}},
	{no: "1.8-3", title: "a Yes fills what is unknown", first: true, field: "optin", acts: []act{
		does("true", "=", "true", "true", ""),
	}},
	{
		no: "1.8-4", title: "a No after a Yes is an edit, also against a cleared box", field: "optin",
		was: crm.BoolValue(true), acts: []act{
			does("-", "=", "", "true", cleared), does("=", "false", "false", "false", ""),
		},
	},
	{
		no: "1.10-1", title: "no phone number stands against one", field: "phone", was: crm.TextValue("+14155550132"),
		acts: []act{
			does("12", "=", "12", "+14155550132", crm.ReasonInvalidPhone),
			does("=", "+14155550199", "+14155550199", "+14155550199", ""),
		},
	},
	{
		no: "1.10-2", title: "one way it is written", field: "phone", was: crm.TextValue("+14155550132"), mapping: toRight,
		acts: []act{does("12", "=", "12", "12", "")},
	},
	{no: "1.10-3", title: "it fills a blank", first: true, field: "phone", acts: []act{does("12", "=", "12", "12", "")}},
}

func TestS32_SettledRows(t *testing.T) {
	t.Parallel()
	fields := map[string]string{"note": "Note", "tags": "Tags", "optin": "OptIn", "phone": "Phone"}
	for _, row := range settledRows {
		t.Run(row.no+" "+row.title, func(t *testing.T) {
			t.Parallel()
			left := row.field
			if left == "" {
				left = "note"
			}
			if row.was.Kind() == crm.Absent && left == "note" {
				row.was = crm.TextValue("a")
			}
			row.play(t, left, fields[left])
		})
	}
}

func (row *settledRow) play(t *testing.T, left, right string) {
	m := one("f", left, right)
	if left == "phone" {
		m.Transform.Type = crm.TransformPhone
	}
	if row.mapping != nil {
		row.mapping(&m)
	}
	sync := baseSync(m)
	if row.sync != nil {
		row.sync(&sync)
	}
	s, problems := Compile(conn(), &sync, leftSchema(), rightSchema())
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	p := Pair{
		Left: &crm.Record{ID: "L1", Fields: crm.Fields{"email": mail}}, Right: &crm.Record{
			ID: "R1", Fields: crm.Fields{"Email": mail},
		}, Now: noon,
	}
	if !row.first {
		p.Left.Fields[left], p.Right.Fields[right], p.Linked = row.was, row.was, true
		p = apply(p, s.Reconcile(p))
	}
	for i, a := range row.acts {
		p.Left.Fields[left], p.Right.Fields[right] = typed(left, a.left, p.Left.Fields[left]),
			typed(left, a.right, p.Right.Fields[right])
		decision := s.Reconcile(p)
		p = apply(p, decision)
		got := [2]string{p.Left.Fields[left].Text(), p.Right.Fields[right].Text()}
		if f := decision.Fields[0]; got != a.want || f.Reason != a.reason {
			t.Fatalf("act %d: %q under %s (%q), want %q (%q)", i+1, got, f.Rule, f.Reason, a.want, a.reason)
		}
		if again := s.Reconcile(p); !again.Empty() || again.Rebase || again.Fields[0].Reason != a.reason {
			t.Fatalf("act %d: not at rest: %#v %#v %s", i+1, again.Left, again.Right, again.Fields[0].Rule)
		}
		if d := p.Base["f"].Settled; (d != nil) != (a.reason != "") {
			t.Fatalf("act %d: remembered as %#v", i+1, p.Base["f"])
		}
		// Another revision of the mapping keeps what is settled, and fights nothing.
		if a.reason != "" && a.reason != crm.ReasonInvalidPhone {
			p.Base["f"] = otherRevision(p.Base["f"])
			decision = s.Reconcile(p)
			if p = apply(p, decision); !decision.Empty() || decision.Fields[0].Reason != a.reason {
				t.Fatalf("act %d: under another revision %s (%q)", i+1, decision.Fields[0].Rule, decision.Fields[0].Reason)
			}
		}
	}
}

// otherRevision makes an entry look as if the mapping had been changed since.
func otherRevision(a crm.Agreed) crm.Agreed {
	d := *a.Settled
	d.Held = [2]string{"x", "y"}
	return crm.Settle("earlier", crm.Agree("earlier", crm.TextValue("z")), d)
}

func typed(field, what string, was crm.Value) crm.Value {
	switch {
	case what == "=":
		return was
	case what == "-":
		return crm.NullValue()
	case field == "tags":
		return crm.ListValue(strings.Split(what, ";")...)
	case field == "optin":
		return crm.BoolValue(what == "true")
	}
	return crm.TextValue(what)
}

// TestRow94_LostKeys: a pair that has lost every key is excluded both ways with
// its link kept, even where a mapping clears, and resumes from current values.
func TestRow94_LostKeys(t *testing.T) {
	t.Parallel()
	gone, none := crm.NullValue(), (func(*crm.Sync))(nil)
	foreign := func(s *crm.Sync) {
		s.Match = crm.SameMatch(crm.MatchStep{By: crm.MatchByID, Left: "origin", Right: "Origin"}, byEmail().ToRight[0])
	}
	for i, c := range []struct {
		title    string
		sync     func(*crm.Sync)
		pair     func(*Pair)
		excluded bool
	}{
		{"both keys there", none, func(*Pair) {}, false},
		{"the e-mail gone, the phone there", none, func(p *Pair) { p.Left.Fields["email"] = gone }, false},
		{"both gone on the left", none, func(p *Pair) { p.Left.Fields["email"], p.Left.Fields["phone"] = gone, gone }, true},
		{
			"both gone on the right", none, func(p *Pair) { p.Right.Fields["Email"], p.Right.Fields["Phone"] = gone, gone },
			true,
		},
		{"one on each side", none, func(p *Pair) { p.Left.Fields["email"], p.Right.Fields["Phone"] = gone, gone }, false},
		{"duplicates allowed", func(s *crm.Sync) { s.AvoidDuplicates = new(bool) }, func(p *Pair) {
			p.Left.Fields["email"], p.Left.Fields["phone"] = gone, gone
		}, false},
		{"one way", func(s *crm.Sync) { s.Direction = crm.DirectionToRight }, func(p *Pair) {
			p.Right.Fields["Email"], p.Right.Fields["Phone"] = gone, gone
		}, true},
		{"joined by a person", none, func(p *Pair) {
			p.ByHand, p.Left.Fields["email"], p.Left.Fields["phone"] = true, gone,
				gone
		}, false},
		{"an ID step holds", func(s *crm.Sync) {
			s.Match = crm.SameMatch(crm.MatchStep{By: crm.MatchByID, Left: "twin", Right: "$id"}, byEmail().ToRight[0])
		}, func(p *Pair) {
			p.Left.Fields["twin"], p.Left.Fields["email"], p.Left.Fields["phone"] = crm.TextValue("R1"), gone, gone
		}, false},
		{"another's ID", func(s *crm.Sync) {
			s.Match = crm.SameMatch(crm.MatchStep{By: crm.MatchByID, Left: "twin", Right: "$id"}, byEmail().ToRight[0])
		}, func(p *Pair) {
			p.Left.Fields["twin"], p.Left.Fields["email"], p.Left.Fields["phone"] = crm.TextValue("R2"), gone, gone
		}, true},
		{"a foreign ID that both hold", foreign, func(p *Pair) {
			p.Left.Fields["email"], p.Left.Fields["phone"] = gone, gone
			p.Left.Fields["origin"], p.Right.Fields["Origin"] = crm.TextValue("E-7"), crm.TextValue("e-7")
		}, false},
		{"another foreign ID each", foreign, func(p *Pair) {
			p.Left.Fields["email"], p.Left.Fields["phone"] = gone, gone
			p.Left.Fields["origin"], p.Right.Fields["Origin"] = crm.TextValue("E-7"), crm.TextValue("E-8")
		}, true},
	} {
		t.Run(fmt.Sprintf("%d %s", i+1, c.title), func(t *testing.T) {
			t.Parallel()
			mappings := twelve()[:4]
			for i := range mappings {
				mappings[i].Clear = crm.PerWay[bool]{ToRight: true, ToLeft: true}
			}
			sync := baseSync(mappings...)
			if c.sync != nil {
				c.sync(&sync)
			}
			s := compile(sync)
			p := Pair{Left: ann(), Right: annRight(), Linked: true, Now: noon}
			p.Left.Fields["twin"] = crm.TextValue("R1")
			p = apply(p, s.Reconcile(p))
			base := p.Base
			keys := [2]crm.Fields{p.Left.Fields.Clone(), p.Right.Fields.Clone()}
			c.pair(&p)
			p.Left.Fields["title"] = crm.TextValue("CTO")
			decision := s.Reconcile(p)
			if !c.excluded {
				if decision.State == crm.StateExcluded || decision.Right == nil {
					t.Fatalf("it is %s (%s)", decision.State, decision.Code)
				}
				return
			}
			if decision.State != crm.StateExcluded || decision.Code != CodeNoIdentity || !decision.Link || !decision.Empty() ||
				decision.Rebase {
				t.Fatalf("it is %s (%s), link %t, left %#v right %#v", decision.State, decision.Code, decision.Link, decision.Left,
					decision.Right)
			}
			for _, k := range []string{"email", "phone"} {
				p.Left.Fields[k] = keys[0][k]
			}
			for _, k := range []string{"Email", "Phone"} {
				p.Right.Fields[k] = keys[1][k]
			}
			p.Base = base
			if decision = s.Reconcile(p); decision.Right == nil || decision.Right.Fields["Title"].Text() != "CTO" {
				t.Errorf("with its keys back it is %s, right %#v", decision.State, decision.Right)
			}
		})
	}
}
