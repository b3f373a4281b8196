package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// toldUndo is what an undo comes to, on one line: what is written, what is to be
// held in the end, what is kept and why, and what the base says of the mapping.
func toldUndo(s *Settings, p Pair, u Undo, id crm.MappingID) string {
	decision, targets, kept := s.Undo(p, u)
	var out []string
	for _, side := range crm.Sides {
		w := decision.Write(side)
		if w == nil {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(w.Fields)) {
			out = append(out, fmt.Sprintf("%s %s=%q", side, name, shown(w.Fields[name])))
		}
		if v, ok := w.Intended[id]; ok {
			out = append(out, fmt.Sprintf("meant %q", shown(v)))
		}
	}
	for _, x := range targets {
		out = append(out, fmt.Sprintf("aims %s %s=%q", x.Side, x.Field, shown(x.Value)))
	}
	for _, k := range kept {
		out = append(out, fmt.Sprintf("keeps %s %s %s: %s", k.Mapping, k.Side, k.Field, k.Code))
	}
	for _, f := range decision.Fields {
		if f.Mapping == id && (f.Rule != RuleClosed || f.Reason != "") {
			out = append(out, fmt.Sprintf("%s %s", f.Rule, f.Reason))
		}
	}
	switch e := decision.Base[id]; {
	case !decision.Rebase:
	case e.Settled != nil:
		out = append(out, fmt.Sprintf("apart, last %s", e.Text))
	default:
		out = append(out, fmt.Sprintf("agreed %s", e.Text))
	}
	if decision.Outcome == crm.Updated {
		out = append(out, "updated")
	}
	return strings.Join(out, "; ")
}

// shown tells a blank that was written from a text.
func shown(v crm.Value) string {
	if v.Kind() == crm.Null {
		return "null"
	}
	return v.Text()
}

func text(s string) crm.Value { return crm.TextValue(s) }

// TestUndo_PutsBackWhatStillStands: a field is put back if it still is what was
// written, and the other side has no newer word.
func TestUndo_PutsBackWhatStillStands(t *testing.T) {
	t.Parallel()
	note := func(side crm.Side, before, after crm.Value) Past {
		return Past{
			Mapping: "note", Side: side, Field: map[crm.Side]string{crm.Left: "note", crm.Right: "Note"}[side],
			Before: before, After: after,
		}
	}
	held := func(p Past, v string) Past {
		is := text(v)
		p.Held = &is
		return p
	}
	// The log tells of one change of the right: "a" became "b".
	wrote := note(crm.Right, text("a"), text("b"))
	for name, c := range map[string]struct {
		mapping     func(*crm.Mapping)
		left, right string
		was         string // agreed on; "" = what the left holds
		undo        Undo
		want        string
	}{
		"as it was written": {
			left: "b", right: "b", undo: Undo{Changes: []Past{wrote}},
			want: `right Note="a"; meant "a"; aims right Note="a"; undone undone; apart, last a; updated`,
		},
		"in the app's spelling": {
			left: "b", right: " b ", undo: Undo{Changes: []Past{wrote}},
			want: `right Note="a"; meant "a"; aims right Note="a"; undone undone; apart, last a; updated`,
		},
		"as the app made it": {
			left: "b", right: "B.", was: "B.", undo: Undo{Changes: []Past{held(wrote, "B.")}},
			want: `keeps note right Note: edited_since`, // the left says "b", which is newer than what was agreed
		},
		"as the app made it, and both agreed on that": {
			left: "B.", right: "B.", undo: Undo{Changes: []Past{held(wrote, "B.")}},
			want: `right Note="a"; meant "a"; aims right Note="a"; undone undone; apart, last a; updated`,
		},
		"it is as before by now": {
			left: "b", right: "a", was: "b", undo: Undo{Changes: []Past{wrote}}, want: `aims right Note="a"`,
		},
		"it is as before in other letters": {
			left: "b", right: " a", was: "b", undo: Undo{Changes: []Past{wrote}}, want: `aims right Note="a"`,
		},
		"edited since": {
			left: "c", right: "c", undo: Undo{Changes: []Past{wrote}}, want: `keeps note right Note: edited_since`,
		},
		"edited since, and asked for all the same": {
			left: "c", right: "c", undo: Undo{Changes: []Past{wrote}, Whatever: true},
			want: `right Note="a"; meant "a"; aims right Note="a"; undone undone; apart, last a; updated`,
		},
		"the other side has a newer word": {
			left: "c", right: "b", was: "b", undo: Undo{Changes: []Past{wrote}},
			want: `keeps note right Note: edited_since`,
		},
		"a newer word, and asked for all the same": {
			left: "c", right: "b", was: "b", undo: Undo{Changes: []Past{wrote}, Whatever: true},
			want: `right Note="a"; meant "a"; aims right Note="a"; undone undone; apart, last a; updated`,
		},
		"the other side is as it was": {
			left: "a", right: "b", was: "a", undo: Undo{Changes: []Past{wrote}},
			want: `right Note="a"; meant "a"; aims right Note="a"; undone ; updated`,
		},
		"both sides were changed": {
			left: "b", right: "b", undo: Undo{Changes: []Past{note(crm.Left, text("x"), text("b")), wrote}},
			want: `left note="x"; meant "x"; right Note="a"; meant "a"; aims left note="x"; aims right Note="a"; ` +
				`undone undone; apart, last b; updated`,
		},
		"both go back to the same": {
			left: "b", right: "b", undo: Undo{Changes: []Past{note(crm.Left, text("a"), text("b")), wrote}},
			want: `left note="a"; meant "a"; right Note="a"; meant "a"; aims left note="a"; aims right Note="a"; ` +
				`undone ; agreed a; updated`,
		},
		"of the left only": {
			left: "b", right: "b", undo: Undo{Changes: []Past{note(crm.Left, text("a"), text("b"))}},
			want: `left note="a"; meant "a"; aims left note="a"; undone undone; apart, last a; updated`,
		},
		"it was blank": {
			left: "b", right: "b", undo: Undo{Changes: []Past{note(crm.Right, crm.Value{}, text("b"))}},
			want: `right Note="null"; meant "null"; aims right Note="null"; undone undone; apart, last ; updated`,
		},
		"written once": {
			mapping: writeOnce, left: "b", right: "b", undo: Undo{Changes: []Past{wrote}},
			want: `keeps note right Note: undo_write_once`,
		},
		"nothing is asked": {left: "b", right: "b", want: ``},
		"no pair meanwhile, and they differ": {
			left: "c", right: "b", was: "-", undo: Undo{Anew: true}, want: `closed undone; apart, last `,
		},
		"no pair meanwhile, and they agree": {
			left: "b", right: "b", was: "-", undo: Undo{Anew: true}, want: `agreed b`,
		},
		"a field that the mapping has no more": {
			left: "b", right: "b", undo: Undo{Changes: []Past{
				wrote, {Mapping: "note", Side: crm.Right, Field: "Title", Before: text("a"), After: text("b")},
			}},
			want: `keeps note right Note: mapping_gone; keeps note right Title: mapping_gone`,
		},
		"a mapping that is gone": {
			left: "b", right: "b", undo: Undo{Changes: []Past{{Mapping: "old", Side: crm.Right, Field: "Note"}}},
			want: `keeps old right Note: mapping_gone`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := one("note", "note", "Note")
			if c.mapping != nil {
				c.mapping(&m)
			}
			s := compile(baseSync(m))
			p := linked(s, c.left, c.left, c.right)
			switch c.was {
			case "":
			case "-":
				p.Base = nil
			default:
				p.Base["note"] = crm.Agree(s.specs[0].revision, text(c.was))
			}
			if got := toldUndo(s, p, c.undo, "note"); got != c.want {
				t.Errorf("it comes to\n%s\nand not to\n%s", got, c.want)
			}
		})
	}
}

// TestUndo_OfFieldsThatBelongTogether: the fields of one mapping are put back
// together or not at all, and what no mapping holds is told field by field.
func TestUndo_OfFieldsThatBelongTogether(t *testing.T) {
	t.Parallel()
	names := twelve()[2]
	first := Past{Mapping: "name", Side: crm.Left, Field: "first", Before: text("Ann"), After: text("Bo")}
	last := Past{Mapping: "name", Side: crm.Left, Field: "last", Before: text("Lee"), After: text("Li")}
	for name, c := range map[string]struct {
		first, last string
		field       func(*crm.Field) // of the left schema
		changes     []Past
		whatever    bool
		want        string
	}{
		"both stand": {
			first: "Bo", last: "Li", changes: []Past{first, last},
			want: `left first="Ann"; left last="Lee"; meant "Ann Lee"; aims left first="Ann"; aims left last="Lee"; ` +
				`undone undone; apart, last Ann Lee; updated`,
		},
		"one was edited": {
			first: "Bo", last: "Lo", changes: []Past{first, last},
			want: `keeps name left first: edited_since; keeps name left last: edited_since`,
		},
		"one is as before, the other as after": {
			first: "Ann", last: "Li", changes: []Past{first, last},
			want: `keeps name left first: edited_since; keeps name left last: edited_since`,
		},
		"the app demands one": {
			first: "Bo", last: "Li", changes: []Past{
				{Mapping: "name", Side: crm.Left, Field: "first", After: text("Bo")},
				{Mapping: "name", Side: crm.Left, Field: "last", After: text("Li")},
			}, field: func(f *crm.Field) { f.Required = f.Name == "last" },
			want: `keeps name left first: undo_not_clearable; keeps name left last: undo_not_clearable`,
		},
		"the app demands one, and it gets something": {
			first: "Bo", last: "Li", changes: []Past{last}, field: func(f *crm.Field) { f.Required = f.Name == "last" },
			want: `left last="Lee"; meant "Bo Lee"; aims left last="Lee"; undone undone; apart, last Bo Lee; updated`,
		},
		"a field is missing in the app": {
			first: "Bo", last: "Li", changes: []Past{first}, field: func(f *crm.Field) {
				if f.Name == "last" {
					f.Name = "surname"
				}
			}, want: `keeps name left first: field_missing`,
		},
		"of no mapping": {
			first: "Bo", last: "Li", changes: []Past{
				{Side: crm.Left, Field: "twin", Before: text("R1"), After: text("R2")},
				{Side: crm.Left, Field: "origin", Before: text("web"), After: text("fair")},
				{Side: crm.Left, Field: "title", Before: text("CEO"), After: text("CTO")},
			},
			want: `left twin="R1"; aims left twin="R1"; aims left origin="web"; keeps  left title: edited_since; updated`,
		},
		"of no mapping, and asked for all the same": {
			first: "Bo", last: "Li", whatever: true, changes: []Past{
				{Side: crm.Left, Field: "title", After: text("CTO")},
			}, want: `left title="null"; aims left title="null"; updated`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			schema := leftSchema()
			for i := range schema {
				if c.field != nil {
					c.field(&schema[i])
				}
			}
			sync := baseSync(one("note", "note", "Note"), names)
			s, _ := Compile(conn(), &sync, schema, rightSchema())
			p := linked(s, "a", "a", "a")
			p.Left.Fields["first"], p.Left.Fields["last"] = text(c.first), text(c.last)
			p.Left.Fields["twin"], p.Left.Fields["origin"] = text("R2"), text("web")
			p.Left.Fields["title"], p.Right.Fields["Name"] = text("COO"), text("Bo Li")
			p.Base["name"] = crm.Agree(s.specs[1].revision, text("Bo Li"))
			if got := toldUndo(s, p, Undo{Changes: c.changes, Whatever: c.whatever}, "name"); got != c.want {
				t.Errorf("it comes to\n%s\nand not to\n%s", got, c.want)
			}
		})
	}
}

// TestUndo_OfWhatDoesNotFit: a value that the mapping does not read any more is
// kept, and is no aim; nor is anything done where the records cannot be read.
func TestUndo_OfWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	s := compile(baseSync(one("note", "note", "Note"), one("age", "age", "Age")))
	before := Past{
		Mapping: "age", Side: crm.Right, Field: "Age", Before: text("old"), After: crm.NumberValue("5"),
	}
	pair := func(left, right crm.Value) Pair {
		p := linked(s, "a", "a", "a")
		p.Left.Fields["age"], p.Right.Fields["Age"] = left, right
		p.Base["age"] = crm.Agree(s.specs[1].revision, crm.NumberValue("5"))
		return p
	}
	five := crm.NumberValue("5")
	for name, c := range map[string]struct {
		left, right crm.Value
		anew        bool
		changes     []Past
		want        string
	}{
		"the value from before": {
			left: five, right: five, changes: []Past{before}, want: `keeps age right Age: value_does_not_fit`,
		},
		"the value from before, of records that become a pair": {
			left: five, right: crm.NumberValue("7"), anew: true, changes: []Past{before},
			want: `keeps age right Age: edited_since; closed undone; apart, last 5`,
		},
		"what is there": {
			left: text("older"), right: five, changes: []Past{
				{Mapping: "age", Side: crm.Right, Field: "Age", Before: crm.NumberValue("4"), After: five},
				{Mapping: "age", Side: crm.Left, Field: "age", Before: crm.NumberValue("4"), After: five},
			}, want: `keeps age left age: value_does_not_fit; keeps age right Age: value_does_not_fit`,
		},
		"of one side, and the other is put back": {
			left: five, right: five, changes: []Past{
				before, {Mapping: "age", Side: crm.Left, Field: "age", Before: crm.NumberValue("4"), After: five},
			}, want: `keeps age left age: value_does_not_fit; keeps age right Age: value_does_not_fit`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := toldUndo(s, pair(c.left, c.right), Undo{Changes: c.changes, Anew: c.anew}, "age")
			if got != c.want {
				t.Errorf("it comes to\n%s\nand not to\n%s", got, c.want)
			}
		})
	}
}

// TestStillHolds: an entry of the log is what a record holds while every field
// of it is as it was written, to the letter or as the app writes it.
func TestStillHolds(t *testing.T) {
	t.Parallel()
	s := compile(baseSync(one("note", "note", "Note"), one("age", "age", "Age"), twelve()[2]))
	r := &crm.Record{ID: "R1", Fields: crm.Fields{
		"Note": text(" b "), "Age": crm.NumberValue("5"), "Name": text("Ann Lee"), "Title": text("CEO"),
	}}
	to := func(id crm.MappingID, field string, v crm.Value) Past {
		return Past{Mapping: id, Side: crm.Right, Field: field, Before: text("x"), After: v}
	}
	made := to("note", "Note", text("c"))
	made.Held = new(text("b"))
	same := to("note", "Note", text("b"))
	same.Before = text(" b ")
	for name, c := range map[string]struct {
		changes []Past
		want    bool
	}{
		"nothing was written":         {want: true},
		"in the app's spelling":       {changes: []Past{to("note", "Note", text("b"))}, want: true},
		"as the app made it":          {changes: []Past{made}, want: true},
		"edited":                      {changes: []Past{to("note", "Note", text("c"))}},
		"as before and as after":      {changes: []Past{same}, want: true},
		"of no mapping":               {changes: []Past{to("", "Title", text("CEO"))}, want: true},
		"of no mapping, edited":       {changes: []Past{to("", "Title", text("CTO"))}},
		"of a mapping that is gone":   {changes: []Past{to("old", "Title", text("CEO"))}, want: true},
		"the second of two is edited": {changes: []Past{to("note", "Note", text("b")), to("age", "Age", text("6"))}},
		"edited, then one of no mapping": {
			changes: []Past{to("note", "Note", text("c")), to("", "Title", text("CEO"))},
		},
		"both of two stand": {
			changes: []Past{to("note", "Note", text("b")), to("age", "Age", crm.NumberValue("5"))}, want: true,
		},
	} {
		if got := s.StillHolds(r, c.changes); got != c.want {
			t.Errorf("%s: it still holds is %t", name, got)
		}
	}
	broken := &crm.Record{ID: "R1", Fields: crm.Fields{"Age": text("old")}}
	if s.StillHolds(broken, []Past{to("age", "Age", text("old"))}) {
		t.Error("what cannot be read is said to hold what was written")
	}
}
