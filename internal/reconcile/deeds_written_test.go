package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/rule"
)

// doing are settings whose rules and policies do something to records.
var doing = []struct {
	name   string
	change func(sync *crm.Sync, schemas *[2][]crm.Field)
}{
	{"a tag is added, and undone", func(sync *crm.Sync, _ *[2][]crm.Field) {
		sync.Rules = []crm.Rule{vipRule(true, crm.RuleAction{Type: rule.ActionAddTag, Field: "Tags", Value: "x"})}
	}},
	{"a tag is added, and stays", func(sync *crm.Sync, _ *[2][]crm.Field) {
		sync.Rules = []crm.Rule{vipRule(false, crm.RuleAction{Type: rule.ActionAddToList, Field: "Tags", Value: "x"})}
	}},
	{"a tag is taken off, and undone", func(sync *crm.Sync, _ *[2][]crm.Field) {
		sync.Rules = []crm.Rule{vipRule(true, crm.RuleAction{Type: rule.ActionRemoveTag, Field: "Tags", Value: "x"})}
	}},
	{"a text is set, and undone", func(sync *crm.Sync, _ *[2][]crm.Field) {
		sync.Rules = []crm.Rule{vipRule(true, crm.RuleAction{Type: rule.ActionSetField, Field: "Source", Value: "x"})}
	}},
	{"a required text is set, and undone", func(sync *crm.Sync, schemas *[2][]crm.Field) {
		for i := range schemas[1] {
			schemas[1][i].Required = schemas[1][i].Name == "Source"
		}
		sync.Rules = []crm.Rule{vipRule(true, crm.RuleAction{Type: rule.ActionSetField, Field: "Source", Value: "x"})}
	}},
	{"a text that is never blank is set, and undone", func(sync *crm.Sync, schemas *[2][]crm.Field) {
		for i := range schemas[1] {
			schemas[1][i].NeverBlank = schemas[1][i].Name == "Source"
		}
		sync.Rules = []crm.Rule{vipRule(true, crm.RuleAction{Type: rule.ActionSetField, Field: "Source", Value: "x"})}
	}},
	{"a number is set, and undone", func(sync *crm.Sync, _ *[2][]crm.Field) {
		sync.Rules = []crm.Rule{vipRule(true, crm.RuleAction{Type: rule.ActionSetField, Field: "Age", Value: "7"})}
	}},
	{"a checkbox is set, and undone", func(sync *crm.Sync, _ *[2][]crm.Field) {
		sync.Rules = []crm.Rule{vipRule(true, crm.RuleAction{Type: rule.ActionSetField, Field: "OK", Value: "yes"})}
	}},
	{"a rule goes the other way around, too", func(sync *crm.Sync, _ *[2][]crm.Field) {
		r := vipRule(false, crm.RuleAction{Type: rule.ActionAddTag, Field: "Tags", Value: "x"})
		r.OtherWayAround = crm.OtherWayAround{Enabled: true, Exclude: &crm.Exclude{Field: "tags", Value: "No"}}
		sync.Rules = []crm.Rule{r}
	}},
	{"deletions and unsubscribes leave tags", func(sync *crm.Sync, _ *[2][]crm.Field) {
		sync.Deletes = crm.Deletes{
			ToRight: crm.DeleteTag, ToLeft: crm.DeleteTag, Tag: "x",
			Field: crm.PerSide[string]{Left: "tags", Right: "Tags"},
		}
		sync.Unsubscribes = crm.Unsubscribes{
			ToRight: crm.DeleteTag, ToLeft: crm.DeleteTag, Tag: "off",
			Field: crm.PerSide[string]{Left: "tags", Right: "Tags"}, When: crm.PerSide[string]{Left: "vip", Right: "OK"},
		}
	}},
	{"deletions travel to the right", func(sync *crm.Sync, _ *[2][]crm.Field) {
		sync.Deletes.ToRight = crm.DeleteArchive
	}},
}

// vipRule is a rule to the right for everybody who is vip.
func vipRule(undo bool, actions ...crm.RuleAction) crm.Rule {
	return crm.Rule{
		ID: "r", Direction: crm.DirectionToRight, Undo: undo, Actions: actions, Filter: &crm.Filter{All: []crm.Filter{
			{Field: "tags", Op: "not_contains", Value: crm.TextValue("No")}, {Field: "vip", Op: "is_true"},
		}},
	}
}

// heldValues are what the field of an action may hold.
func heldValues(setting string) []crm.Value {
	switch {
	case strings.Contains(setting, "number"):
		return []crm.Value{crm.NullValue(), crm.NumberValue("7"), crm.NumberValue("3"), crm.TextValue("7.0")}
	case strings.Contains(setting, "checkbox"):
		return []crm.Value{crm.NullValue(), crm.BoolValue(true), crm.BoolValue(false), crm.TextValue("true")}
	case strings.Contains(setting, "text"):
		return []crm.Value{crm.NullValue(), crm.TextValue("x"), crm.TextValue("y"), crm.ListValue("a", "b")}
	}
	return []crm.Value{crm.NullValue(), crm.TextValue("a; X;b"), crm.ListValue("a"), crm.ListValue("a", "x", "off")}
}

// rememberedDeeds are what may be known of an action.
func rememberedDeeds() map[string]crm.Agreed {
	refused := func(again time.Time) crm.Agreed {
		return crm.Agreed{Revision: didRefuse, Settled: &crm.Difference{
			Reason: crm.ReasonRefused, Side: crm.Right, Code: "value_too_long", Since: noon.Add(-time.Hour), Tries: 2,
			Again: again,
		}}
	}
	return map[string]crm.Agreed{
		"nothing": {}, "added": {Revision: didAdd}, "removed": {Revision: didRemove}, "was": {Revision: didNone},
		"set over nothing": {Revision: didSet}, "set over a text": crm.Agree(didSet, crm.TextValue("before")),
		"set over a number": crm.Agree(didSet, crm.NumberValue("5")), "set over yes": crm.Agree(didSet, crm.BoolValue(true)),
		"set over no": crm.Agree(didSet, crm.BoolValue(false)), "refused": refused(time.Time{}),
		"refused, not yet due": refused(noon.Add(1)), "refused, due": refused(noon),
	}
}

// TestDeedsAreAsWritten: what actions and policies do to a pair, for every setting,
// by what the fields hold, what is remembered and whether the rule lets the record
// through; then what is remembered once the apps have answered.
func TestDeedsAreAsWritten(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	known := rememberedDeeds()
	for _, c := range doing {
		sync := baseSync(one("email", "email", "Email"))
		schemas := [2][]crm.Field{leftSchema(), rightSchema()}
		c.change(&sync, &schemas)
		s, problems := Compile(conn(), &sync, schemas[0], schemas[1])
		fmt.Fprintf(&out, "# %s: %v\n", c.name, problems)
		w := &scene{s: s}
		for _, name := range slices.Sorted(maps.Keys(known)) {
			for i, held := range heldValues(c.name) {
				for _, vip := range []bool{true, false} {
					for _, marked := range []bool{false, true} {
						if marked && len(sync.Rules) > 0 && !sync.Rules[0].OtherWayAround.Enabled {
							continue
						}
						p := Pair{Now: noon, Origin: crm.Left, Linked: true, Base: crm.Base{}}
						mail := crm.TextValue("ann@example.com")
						p.Left = &crm.Record{ID: "L1", Fields: crm.Fields{
							"email": mail, "vip": crm.BoolValue(vip), "tags": crm.ListValue(),
						}}
						p.Right = &crm.Record{ID: "R1", Fields: crm.Fields{
							"Email": mail, "Tags": held, "Source": held, "Age": held, "OK": held,
						}}
						if marked {
							p.Left.Fields["tags"] = crm.ListValue("No", "x")
						}
						for _, a := range s.acts {
							if e := known[name]; e.Revision != "" {
								p.Base[a.id] = e
							}
						}
						title := fmt.Sprintf("%s, holds %d %v, vip %t, marked %t", name, held.Kind(), held.Items(), vip, marked)
						w.deed(&out, title, p, i > 1)
					}
				}
			}
		}
	}
	written.Check(t, "deeds.txt", out.String())
}

func (c *scene) deed(out *strings.Builder, name string, p Pair, brief bool) {
	plan := c.s.Reconcile(p)
	fmt.Fprintf(out, "%s: %s %s %s;", name, plan.Outcome, plan.State, plan.Code)
	for _, f := range plan.Fields {
		if f.Act != nil {
			fmt.Fprintf(out, " %s %s %s %s %s %s %s,", f.Act.Side, f.Act.Field, f.Rule, f.Winner, f.Left.Items(),
				f.Right.Items(), f.After.Items())
		}
	}
	base := func(b crm.Base) string {
		acts := crm.Base{}
		for id, e := range b {
			if IsAct(id) {
				acts[id] = e
			}
		}
		text := shortBase(acts)
		for _, id := range slices.Sorted(maps.Keys(acts)) {
			e := acts[id]
			text = strings.Replace(text, string(id), string(id[len(id)-4:])+" "+e.Revision, 1)
		}
		return text
	}
	fmt.Fprintf(out, " base %s; acted %t %t; done %v; troubles %q", base(plan.Base),
		c.s.Acted(crm.Left, p.Left, p.Base, noon), c.s.Acted(crm.Right, p.Right, p.Base, noon), c.s.Done(p.Base),
		c.s.refusedActs(p.Base))
	for _, f := range plan.Fields {
		if f.Act == nil || brief {
			continue
		}
		field := map[string]string{f.Act.Field: "value_too_long"}
		answers := map[string]Result{
			"refused": {Acts: field}, "otherwise": {Acts: map[string]string{f.Act.Field: "other"}}, "failed": {Failed: true},
			"missing": {Acts: map[string]string{f.Act.Field: CodeFieldMissing}}, "silent": {},
			"answered": {Answered: true, Fields: crm.Fields{f.Act.Field: f.After}},
			"not kept": {Answered: true, Fields: crm.Fields{f.Act.Field: crm.TextValue("else")}},
		}
		for _, how := range slices.Sorted(maps.Keys(answers)) {
			var results crm.PerSide[Result]
			results.Set(f.Act.Side, answers[how])
			settled, _ := c.s.Settle(p, &plan, results)
			fmt.Fprintf(out, "; %s: %s", how, base(settled))
			entry := plan.Write(f.Act.Side).Acts[f.Mapping]
			if how == "answered" || how == "not kept" {
				fmt.Fprintf(out, " landed %t", c.s.ActLanded(f.Mapping, entry, answers[how].Fields))
			}
		}
		if id := plan.ActOn(f.Act.Side, f.Act.Field); id == "" || plan.ActOn(f.Act.Side, "Title") != "" {
			fmt.Fprintf(out, "; no action on its field")
		}
	}
	for i, side := range crm.Sides {
		record := []*crm.Record{p.Right, p.Left}[i] // the one that is left
		w, fields, after, why := c.s.Deleted(side, record, p)
		if w == nil && why == "" {
			continue
		}
		fmt.Fprintf(out, "; deleted on the %s: %v %q %d %s", side, w != nil && w.Archive, why, len(fields), base(after))
		if w != nil {
			fmt.Fprintf(out, " %s", asJSON(w.Fields))
		}
	}
	fmt.Fprintln(out)
}

// TestADeletedPartner: a deletion is carried to nobody who is gone, or was edited.
func TestADeletedPartner(t *testing.T) {
	t.Parallel()
	sync := baseSync(one("email", "email", "Email"), one("title", "title", "Title"))
	sync.Deletes.ToRight = crm.DeleteArchive
	s := compile(sync)
	base := crm.Base{
		"title": crm.Agree(s.Mapping("title").Revision(), crm.TextValue("CEO")),
		"email": crm.Agree(s.Mapping("email").Revision(), crm.TextValue("a@example.com")),
	}
	person := func(title string) *crm.Record {
		mail := crm.TextValue("a@example.com")
		return &crm.Record{ID: "R1", Fields: crm.Fields{"Email": mail, "Title": crm.TextValue(title)}}
	}
	deleted, merged := person("CEO"), person("CEO")
	deleted.Deleted, merged.MergedInto = true, "R2"
	for name, c := range map[string]struct {
		side    crm.Side
		partner *crm.Record
		archive bool
		why     bool
	}{
		"as agreed":          {crm.Left, person("CEO"), true, false},
		"edited":             {crm.Left, person("CTO"), false, true},
		"gone":               {crm.Left, nil, false, true},
		"deleted, too":       {crm.Left, deleted, false, true},
		"merged":             {crm.Left, merged, false, true},
		"the other way":      {crm.Right, person("CEO"), false, false},
		"the other way, nil": {crm.Right, nil, false, false},
	} {
		w, _, _, why := s.Deleted(c.side, c.partner, Pair{Base: base})
		if (w != nil && w.Archive) != c.archive || (why != "") != c.why {
			t.Errorf("%s: %+v, %q", name, w, why)
		}
	}
	plan := Decision{Left: &Write{}, Right: &Write{}}
	if plan.Drop(crm.Left); plan.Left != nil || plan.Right == nil {
		t.Error("the left write is dropped, and no other")
	}
	if plan.Drop(crm.Right); plan.Right != nil {
		t.Error("the right write is dropped")
	}
}

// TestWhatTheSettingsSay: small questions about mappings.
func TestWhatTheSettingsSay(t *testing.T) {
	t.Parallel()
	sync := baseSync(twelve()...)
	for i, way := range []crm.Direction{crm.DirectionToRight, crm.DirectionToLeft} {
		sync.Mappings[i].Direction = way
	}
	s := compile(sync)
	other := compile(baseSync(one("email", "email", "Email"), one("renamed", "title", "Title")))
	var out strings.Builder
	for _, m := range sync.Mappings {
		fmt.Fprintf(&out, "%s: label %q", m.ID, s.Label(m.ID))
		for _, side := range crm.Sides {
			fmt.Fprintf(&out, ", to %s", s.Target(m.ID, side))
			for _, name := range m.Names(side) {
				id, ok := s.MappingOf(side, name)
				f := s.Field(side, name)
				fmt.Fprintf(&out, "; %s %s of %s %t %s required %t", side, name, id, ok, f.Type, s.Required(side, name))
			}
		}
		fmt.Fprintln(&out)
	}
	base, from := crm.Base{"kept": {Revision: "k"}}, crm.Base{"gone": {Revision: "g"}}
	for i, m := range other.Sync().Mappings {
		from[crm.MappingID(fmt.Sprint("there", i))] = crm.Agreed{Revision: other.Mapping(m.ID).Revision(), Text: "theirs"}
	}
	inherited := other.Inherit(base, from)
	fmt.Fprintf(&out, "inherited %s, of %s\n", shortBase(inherited), shortBase(base))
	fmt.Fprintf(&out, "unknown: %q, to %s, %v", s.Label("none"), s.Target("none", crm.Left), s.Field(crm.Left, "none"))
	_, ok := s.MappingOf(crm.Left, "none")
	fmt.Fprintf(&out, ", %t, required %t, writes back %t %t\n", ok, s.Required(crm.Left, "none"), s.WritesBack(crm.Left),
		s.WritesBack(crm.Right))
	written.Check(t, "small.txt", out.String())
	if s.Layout() == other.Layout() || s.Layout() != compile(sync).Layout() {
		t.Error("a layout is that of its mappings")
	}
}

// TestPoliciesAreChecked: which fields policies may not leave their tags in.
func TestPoliciesAreChecked(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for _, field := range []string{"Tags", "Title", "Email", "Phone", "Source", "Nowhere", "OK", ""} {
		for _, tag := range []string{"x", " "} {
			for _, when := range []string{"vip", "optin", "stage", "title", "nowhere", ""} {
				for _, policy := range []string{"deletes", "unsubscribes"} {
					if policy == "deletes" && when != "vip" {
						continue
					}
					sync := baseSync(one("email", "email", "Email"), one("title", "title", "Title"))
					if policy == "deletes" {
						sync.Deletes = crm.Deletes{ToRight: crm.DeleteTag, Tag: tag, Field: crm.PerSide[string]{Right: field}}
					} else {
						sync.Unsubscribes = crm.Unsubscribes{
							ToRight: crm.DeleteTag, Tag: tag, Field: crm.PerSide[string]{Right: field},
							When: crm.PerSide[string]{Left: when},
						}
					}
					s, problems := Compile(conn(), &sync, leftSchema(), rightSchema())
					fmt.Fprintf(&out, "%s %q in %q when %q: %v held %v\n", policy, tag, field, when, problems, s.Held())
				}
			}
		}
	}
	written.Check(t, "policies.txt", out.String())
}

// TestStampsOfFieldsThatAreGone: a stamp whose field the app lacks is held, a blank
// one is none.
func TestStampsOfFieldsThatAreGone(t *testing.T) {
	t.Parallel()
	sync := baseSync(one("email", "email", "Email"))
	sync.Stamp.ToRight = crm.Fields{"Gone": crm.TextValue("x"), "Blank": crm.TextValue(""), "Source": crm.TextValue("us")}
	s, _ := Compile(conn(), &sync, leftSchema(), rightSchema())
	if held := s.Held(); len(held) != 1 || held[0].Kind != HeldStamp || held[0].Field != "Gone" ||
		held[0].Side != crm.Right {
		t.Errorf("held: %+v", held)
	}
}

// TestDoubles: two records of one side are doubles by their keys, and nobody is a
// double of nobody.
func TestDoubles(t *testing.T) {
	t.Parallel()
	s := compile(baseSync(one("email", "email", "Email")))
	a, b := rec("L1", "email", "a@example.com"), rec("L2", "email", "A@example.com")
	c := rec("L3", "email", "c@example.com")
	if !s.Double(crm.Left, &a, &b) || s.Double(crm.Left, &a, &c) || s.Double(crm.Left, &a, nil) {
		t.Errorf("%t %t %t", s.Double(crm.Left, &a, &b), s.Double(crm.Left, &a, &c), s.Double(crm.Left, &a, nil))
	}
}

// TestKeysAreAskedForAsWritten: how apps are asked for what a record holds, by the
// kind of key and the way in which the app compares.
func TestKeysAreAskedForAsWritten(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	held := map[crm.FieldType][]string{
		crm.TypeEmail: {"Ann@Example.com", "no address"},
		crm.TypePhone: {"(415) 555-0132", "+36 1 234 5678", "123", "call me"},
		crm.TypeURL:   {"https://www.Example.com/about", "facebook.com/ann", "localhost"}, crm.TypeText: {" Ann  Lee ", ""},
	}
	for _, typ := range []crm.FieldType{crm.TypeEmail, crm.TypePhone, crm.TypeURL, crm.TypeText} {
		for _, find := range []crm.Find{crm.FindText, crm.FindDigits, crm.FindWithin, crm.FindPart} {
			sync := baseSync(one("m", "f", "F"))
			if typ == crm.TypeURL {
				sync.Mappings[0].Transform.Type = crm.TransformDomain
			}
			sync.Match = crm.SameMatch(crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"f", "F"}}})
			s, problems := Compile(conn(), &sync, []crm.Field{{Name: "f", Type: typ, Find: find}}, []crm.Field{
				{Name: "F", Type: typ, Find: find},
			})
			for _, text := range held[typ] {
				r := rec("L1", "f", text)
				fmt.Fprintf(&out, "%s %v %q: %v", typ, find, text, problems)
				for _, k := range s.IdentityKeys(crm.Left, &r) {
					fmt.Fprintf(&out, " own %q as %q", k.Canonical, k.Spellings)
				}
				for _, l := range s.Lookups(crm.Left, &r) {
					for _, k := range l.Keys {
						fmt.Fprintf(&out, " theirs %q as %q", k.Canonical, k.Spellings)
					}
				}
				fmt.Fprintln(&out)
			}
		}
	}
	written.Check(t, "asked.txt", out.String())
}

// TestABrokenMappingFailsAlone: a mapping with a problem fails by itself, the others
// go on; one that is off is none. What is read of the apps is what they need.
func TestABrokenMappingFailsAlone(t *testing.T) {
	t.Parallel()
	off := false
	sync := baseSync(one("email", "email", "Email"), one("title", "title", "Title"), one("born", "born", "OptIn"),
		one("off", "note", "Note"))
	sync.Mappings[3].Enabled = &off
	sync.Stamp.ToRight = crm.Fields{"Source": crm.TextValue("us")}
	sync.Rules = []crm.Rule{vipRule(false, crm.RuleAction{Type: rule.ActionAddTag, Field: "Tags", Value: "x"})}
	s, problems := Compile(conn(), &sync, leftSchema(), rightSchema())
	left, right := rec("L1", "email", "a@example.com", "title", "CEO"), rec("R1", "Email", "a@example.com")
	plan := s.Reconcile(Pair{Left: &left, Right: &right, Linked: true, Origin: crm.Left, Now: noon})
	var out strings.Builder
	fmt.Fprintf(&out, "%v\n%s %s %s\n", problems, plan.Outcome, plan.State, plan.Code)
	for _, f := range plan.Fields {
		fmt.Fprintf(&out, "%s by %s: %q %q\n", f.Mapping, f.Rule, f.Code, f.Detail)
	}
	bare, _ := Compile(conn(), &sync, nil, nil)
	for _, side := range crm.Sides {
		fmt.Fprintf(&out, "reads %s: %q, without a schema %q\n", side, s.reads[side.Index()], bare.reads[side.Index()])
	}
	for _, c := range doing {
		sync, schemas := baseSync(one("email", "email", "Email")), [2][]crm.Field{leftSchema(), rightSchema()}
		c.change(&sync, &schemas)
		s, _ := Compile(conn(), &sync, schemas[0], schemas[1])
		fmt.Fprintf(&out, "%s reads %q and %q\n", c.name, s.ReadFields(crm.Left), s.ReadFields(crm.Right))
	}
	for _, step := range []crm.MatchStep{
		{By: crm.MatchByID, Left: "twin", Right: "$id", WriteBack: true},
		{By: crm.MatchByID, Left: "$id", Right: "Origin", WriteBack: true},
	} {
		sync := baseSync(one("email", "email", "Email"))
		sync.Match = crm.SameMatch(step, sync.Match.ToRight[0])
		s, problems := Compile(conn(), &sync, leftSchema(), rightSchema())
		fmt.Fprintf(&out, "%v, reads %q and %q, writes back %t %t\n", problems, s.ReadFields(crm.Left),
			s.ReadFields(crm.Right), s.WritesBack(crm.Left), s.WritesBack(crm.Right))
		left, right := rec("L1", "email", "a@example.com"), rec("R1", "Email", "a@example.com")
		plan := s.Reconcile(Pair{Left: &left, Right: &right, Linked: true, Origin: crm.Left, Now: noon})
		for _, f := range plan.Fields {
			fmt.Fprintf(&out, "  %s by %s: %v and %v, after %v\n", f.Mapping, f.Rule, f.Left.Items(), f.Right.Items(),
				f.After.Items())
		}
	}
	written.Check(t, "broken.txt", out.String())
}
