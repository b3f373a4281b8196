package reconcile

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

func ann() *crm.Record {
	return &crm.Record{ID: "L1", Fields: crm.Fields{
		"email": crm.TextValue("ann@example.com"), "first": crm.TextValue("Ann"),
		"last": crm.TextValue("Lee"), "phone": crm.TextValue("(415) 555-0132"), "tags": crm.ListValue("b", "a"),
		"vip": crm.BoolValue(true),
	}}
}

func annRight() *crm.Record {
	return &crm.Record{ID: "R1", Fields: crm.Fields{
		"Email": crm.TextValue("Ann@example.com"), "Name": crm.TextValue("Ann Lee"),
		"Phone": crm.TextValue("+14155550132"), "Tags": crm.ListValue("a", "b"), "OK": crm.BoolValue(true),
	}}
}

// verdict is what most tests ask of a decision.
type verdict struct {
	Outcome crm.Outcome
	State   crm.State
	Code    string
	Link    bool
	Left    bool // something is written on the left
	Right   bool
}

func verdictOf(p Decision) verdict {
	return verdict{p.Outcome, p.State, p.Code, p.Link, p.Left != nil, p.Right != nil}
}

func vipOnly() []crm.Rule {
	return []crm.Rule{
		{ID: "vip", Direction: crm.DirectionToRight, Filter: &crm.Filter{Field: "vip", Op: "is_true"}},
		{ID: "ok", Direction: crm.DirectionToLeft, Filter: &crm.Filter{Field: "OK", Op: "is_true"}},
	}
}

func TestRow112_Outcomes(t *testing.T) {
	t.Parallel()
	newcomer := func(p *Pair) { p.Right, p.Linked = nil, false }
	met := func(p *Pair) { p.Linked = false }
	edited := func(p *Pair) { p.Left.Fields["last"] = crm.TextValue("Li") }
	for name, c := range map[string]struct {
		sync func(*crm.Sync)
		pair []func(*Pair)
		want verdict
	}{
		"unchanged": {want: verdict{crm.Unchanged, crm.StateInSync, "", true, false, false}},
		"updated":   {pair: []func(*Pair){edited}, want: verdict{crm.Updated, crm.StateInSync, "", true, false, true}},
		"linked":    {pair: []func(*Pair){met}, want: verdict{crm.Linked, crm.StateInSync, "", true, false, false}},
		"linked and updated": {
			pair: []func(*Pair){met, edited},
			want: verdict{crm.Updated, crm.StateInSync, "", true, false, true},
		},
		"created": {pair: []func(*Pair){newcomer}, want: verdict{crm.Created, crm.StateInSync, "", true, false, true}},
		"created to the left": {
			pair: []func(*Pair){func(p *Pair) { p.Left, p.Linked = nil, false }},
			want: verdict{crm.Created, crm.StateInSync, "", true, true, false},
		},
		"create only: known": {
			sync: behave(crm.BehaviorCreateOnly, crm.BehaviorCreateOnly), pair: []func(*Pair){edited},
			want: verdict{crm.Skipped, crm.StateInSync, CodeCreateOnly, true, false, false},
		},
		"create only: met": {
			sync: behave(crm.BehaviorCreateOnly, crm.BehaviorCreateOnly), pair: []func(*Pair){met, edited},
			want: verdict{crm.Skipped, crm.StateInSync, CodeCreateOnly, true, false, false},
		},
		"create only: unknown": {
			sync: behave(crm.BehaviorCreateOnly, crm.BehaviorNothing), pair: []func(*Pair){newcomer},
			want: verdict{crm.Created, crm.StateInSync, "", true, false, true},
		},
		"create only: nothing in it fails": {
			sync: behave(crm.BehaviorCreateOnly, crm.BehaviorCreateOnly),
			pair: []func(*Pair){func(p *Pair) { p.Left.Fields["age"] = crm.TextValue("old") }},
			want: verdict{crm.Skipped, crm.StateInSync, CodeCreateOnly, true, false, false},
		},
		"update only: unknown": {
			sync: behave(crm.BehaviorUpdateOnly, ""), pair: []func(*Pair){newcomer},
			want: verdict{crm.Skipped, crm.StateExcluded, CodeUpdateOnly, false, false, false},
		},
		"do nothing: unknown": {
			sync: behave(crm.BehaviorNothing, ""), pair: []func(*Pair){newcomer},
			want: verdict{crm.Skipped, crm.StateExcluded, CodeNothing, false, false, false},
		},
		"do nothing: known": {
			sync: behave(crm.BehaviorNothing, crm.BehaviorNothing), pair: []func(*Pair){edited},
			want: verdict{crm.Skipped, crm.StateInSync, CodeNothing, true, false, false},
		},
		"do nothing: met": {
			sync: behave(crm.BehaviorNothing, crm.BehaviorNothing), pair: []func(*Pair){met},
			want: verdict{crm.Skipped, crm.StateExcluded, CodeNothing, false, false, false},
		},
		"one-way, the wrong side": {
			sync: func(s *crm.Sync) { s.Direction = crm.DirectionToLeft }, pair: []func(*Pair){newcomer},
			want: verdict{crm.Excluded, crm.StateExcluded, CodeDirection, false, false, false},
		},
		"filtered out": {
			sync: func(s *crm.Sync) { s.Rules = vipOnly() }, pair: []func(*Pair){
				newcomer, func(p *Pair) { p.Left.Fields["vip"] = crm.BoolValue(false) },
			},
			want: verdict{crm.Excluded, crm.StateExcluded, CodeFiltered, false, false, false},
		},
		"no identity": {
			pair: []func(*Pair){
				newcomer, func(p *Pair) { p.Left.Fields["email"], p.Left.Fields["phone"] = crm.NullValue(), crm.TextValue(" ") },
			},
			want: verdict{crm.Excluded, crm.StateExcluded, CodeNoIdentity, false, false, false},
		},
		"no identity, duplicates allowed": {
			sync: func(s *crm.Sync) { s.AvoidDuplicates = new(bool) },
			pair: []func(*Pair){
				newcomer, func(p *Pair) { p.Left.Fields["email"], p.Left.Fields["phone"] = crm.NullValue(), crm.TextValue(" ") },
			},
			want: verdict{crm.Created, crm.StateInSync, "", true, false, true},
		},
		"twin deleted": {
			pair: []func(*Pair){func(p *Pair) { p.Right = nil }},
			want: verdict{crm.Skipped, crm.StateDeleted, CodeGone, true, false, false},
		},
		"record deleted": {
			pair: []func(*Pair){newcomer, func(p *Pair) { p.Left.Deleted = true }},
			want: verdict{crm.Skipped, crm.StateDeleted, CodeGone, false, false, false},
		},
		"nobody": {
			pair: []func(*Pair){newcomer, func(p *Pair) { p.Left = nil }},
			want: verdict{crm.Skipped, crm.StateDeleted, CodeGone, false, false, false},
		},
		"to be reviewed": {
			sync: func(s *crm.Sync) { s.Conflict = crm.ConflictReview },
			pair: []func(*Pair){edited, func(p *Pair) {
				p.Right.Fields["Name"], p.Right.Fields["Title"] = crm.TextValue("Ann Lo"), crm.TextValue("CTO")
			}},
			want: verdict{crm.Conflict, crm.StateConflict, CodeConflict, true, true, false},
		},
		"a field fails": {
			pair: []func(*Pair){func(p *Pair) { p.Left.Fields["age"] = crm.TextValue("old") }},
			want: verdict{crm.Failed, crm.StateFailing, CodeFieldFailed, true, false, false},
		},
		"a field fails, another travels": {
			pair: []func(*Pair){edited, func(p *Pair) { p.Left.Fields["age"] = crm.TextValue("old") }},
			want: verdict{crm.Updated, crm.StateFailing, CodeFieldFailed, true, false, true},
		},
		"a field fails at birth": {
			pair: []func(*Pair){newcomer, func(p *Pair) { p.Left.Fields["age"] = crm.TextValue("old") }},
			want: verdict{crm.Created, crm.StateFailing, CodeFieldFailed, true, false, true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			sync := baseSync(twelve()[:11]...)
			if c.sync != nil {
				c.sync(&sync)
			}
			s, problems := Compile(conn(), &sync, leftSchema(), rightSchema())
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			p := Pair{Left: ann(), Right: annRight(), Linked: true, Now: noon}
			p.Base = compile(baseSync(twelve()[:11]...)).Reconcile(p).Base
			for _, f := range c.pair {
				f(&p)
			}
			decision := s.Reconcile(p)
			if diff := cmp.Diff(c.want, verdictOf(decision)); diff != "" {
				t.Errorf("the decision (-want +got):\n%s", diff)
			}
			if decision.Outcome == crm.Failed || decision.Outcome == crm.Excluded {
				return
			}
			if again := s.Reconcile(apply(p, decision)); !again.Empty() {
				t.Errorf("the second decision writes %#v %#v", again.Left, again.Right)
			}
		})
	}
}

// TestS13_LeavingAFilterExcludesAndReturningResumes follows one pair through
// row 85: excluded and untouched, then in step from the values of the day.
func TestS13_LeavingAFilterExcludesAndReturningResumes(t *testing.T) {
	t.Parallel()
	sync := baseSync(twelve()[:3]...)
	sync.Rules = vipOnly()
	s := compile(sync)
	p := Pair{Left: ann(), Right: annRight(), Linked: true, Now: noon}
	p = apply(p, s.Reconcile(p))
	agreedBase := p.Base

	p.Left.Fields["vip"], p.Right.Fields["OK"] = crm.BoolValue(false), crm.BoolValue(false)
	p.Left.Fields["last"] = crm.TextValue("Li")
	decision := s.Reconcile(p)
	if diff := cmp.Diff(verdict{crm.Excluded, crm.StateExcluded, CodeFiltered, true, false, false},
		verdictOf(decision)); diff != "" {
		t.Fatalf("outside the filter (-want +got):\n%s", diff)
	}
	if decision.Rebase || !cmp.Equal(agreedBase, decision.Base) {
		t.Errorf("the base moved while the pair is excluded")
	}
	if len(decision.Traces.ToRight) != 1 || decision.Traces.ToRight[0].Pass || len(decision.Traces.ToLeft) != 1 {
		t.Errorf("the traces do not explain it: %#v", decision.Traces)
	}

	// One way only: what may not travel is left alone, and nothing is undone.
	p.Right.Fields["OK"] = crm.BoolValue(true)
	decision = s.Reconcile(p)
	if diff := cmp.Diff(verdict{crm.Excluded, crm.StateExcluded, CodeFiltered, true, false, false},
		verdictOf(decision)); diff != "" {
		t.Fatalf("with one way outside (-want +got):\n%s", diff)
	}
	if f := ruleOf(&decision, "name"); f.Rule != RuleClosed {
		t.Errorf("the withheld field has rule %s", f.Rule)
	}

	p.Left.Fields["vip"] = crm.BoolValue(true)
	decision = s.Reconcile(p)
	if decision.Outcome != crm.Updated || decision.Right.Fields["Name"].Text() != "Ann Li" || decision.Left != nil {
		t.Errorf("back in the filter: %s %#v %#v", decision.Outcome, decision.Left, decision.Right)
	}
	if diff := cmp.Diff([]string{"ok", "vip"}, decision.Rules); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}

// TestRow85_RulesThatCannotBeReadLetNothingThrough: settings with a broken
// rule are refused when saved; if they run all the same, they must not leak.
func TestRow85_RulesThatCannotBeReadLetNothingThrough(t *testing.T) {
	t.Parallel()
	sync := baseSync(twelve()[:3]...)
	sync.Rules = []crm.Rule{{ID: "r", Filter: &crm.Filter{Field: "vip", Op: "resembles"}}}
	s, problems := Compile(conn(), &sync, leftSchema(), rightSchema())
	if len(problems) == 0 {
		t.Error("an unknown operator is no problem")
	}
	if decision := s.Reconcile(Pair{Left: ann(), Now: noon}); decision.Outcome != crm.Excluded ||
		decision.Code != CodeFiltered {
		t.Errorf("the record is %s %s", decision.Outcome, decision.Code)
	}
	// A field that is gone is no open door for the filter, and no verdict either.
	sync.Rules = vipOnly()
	schema := leftSchema()
	schema[12].Name = "renamed"
	s, _ = Compile(conn(), &sync, schema, rightSchema())
	if decision := s.Reconcile(Pair{
		Left: &crm.Record{ID: "L1", Fields: crm.Fields{"email": crm.TextValue("a@example.com")}}, Now: noon,
	}); decision.Code != CodeFieldMissing || !decision.Held || !decision.Empty() {
		t.Errorf("with the filter's field gone the record is %s %s", decision.Outcome, decision.Code)
	}
}

func TestRow124_RequiredFields(t *testing.T) {
	t.Parallel()
	schema := rightSchema()
	schema[2].Required = true // Name
	sync := baseSync(twelve()[:6]...)
	s, _ := Compile(conn(), &sync, leftSchema(), schema)

	nameless := ann()
	nameless.Fields["first"], nameless.Fields["last"] = crm.NullValue(), crm.NullValue()
	decision := s.Reconcile(Pair{Left: nameless, Now: noon})
	if diff := cmp.Diff(verdict{crm.Failed, crm.StateFailing, CodeRequiredMissing, false, false, false},
		verdictOf(decision)); diff != "" {
		t.Errorf("without a name (-want +got):\n%s", diff)
	}
	if decision.Detail != "Name" {
		t.Errorf("the detail is %q", decision.Detail)
	}

	schema[5].Required = true // Age
	s, _ = Compile(conn(), &sync, leftSchema(), schema)
	ageless := ann()
	ageless.Fields["age"] = crm.TextValue("old")
	decision = s.Reconcile(Pair{Left: ageless, Now: noon})
	if diff := cmp.Diff(verdict{crm.Failed, crm.StateFailing, CodeFieldFailed, false, false, false},
		verdictOf(decision)); diff != "" {
		t.Errorf("with a required field that does not fit (-want +got):\n%s", diff)
	}

	// Updates are not blocked, and a required field is not emptied.
	sync.Mappings[2].Clear.ToRight = true
	s, _ = Compile(conn(), &sync, leftSchema(), schema)
	p := Pair{
		Left: nameless, Right: annRight(), Linked: true, Now: noon,
		Base: crm.Base{"name": crm.Agree(s.specs[2].revision, crm.TextValue("Ann Lee"))},
	}
	decision = s.Reconcile(p)
	if f := ruleOf(&decision, "name"); f.Rule != RuleSettled || f.Reason != crm.ReasonNotClearable ||
		decision.Left != nil {
		t.Errorf("the required name is decided by %s (%s), left %#v", f.Rule, f.Reason, decision.Left)
	}
}

func TestRow132_StampOnCreateOnly(t *testing.T) {
	t.Parallel()
	sync := baseSync(twelve()[:3]...)
	sync.Stamp.ToRight = crm.Fields{"Source": crm.TextValue("HubSpot")}
	s, problems := Compile(conn(), &sync, leftSchema(), rightSchema())
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	p := Pair{Left: ann(), Now: noon}
	decision := s.Reconcile(p)
	if decision.Right.Fields["Source"].Text() != "HubSpot" || ruleOf(&decision, "$stamp.Source").Rule != RuleStamp {
		t.Errorf("the new record is not stamped: %#v", decision.Right.Fields)
	}
	p = apply(p, decision)
	p.Right.Fields["Source"] = crm.TextValue("by hand")
	if again := s.Reconcile(p); !again.Empty() {
		t.Errorf("the stamp is written again: %#v", again.Right)
	}
	sync.Mappings = append(sync.Mappings, one("src", "source", "Source"))
	if _, problems := Compile(conn(), &sync, leftSchema(), rightSchema()); len(problems) != 1 ||
		problems[0].Code != CodeFieldTaken || problems[0].Pointer != "/stamp/to_right/Source" {
		t.Errorf("a stamp on a mapped field: %v", problems)
	}
}

// TestRow117_CreateSendsEverything: fill blanks only and write once are about
// records that exist.
func TestRow117_CreateSendsEverything(t *testing.T) {
	t.Parallel()
	sync := baseSync(twelve()...)
	sync.FillBlanksOnly.ToRight = true
	for i := range sync.Mappings {
		sync.Mappings[i].WriteOnce = true
	}
	decision := compile(sync).Reconcile(Pair{Left: ann(), Now: noon})
	want := crm.Fields{
		"Email": crm.TextValue("ann@example.com"), "Phone": crm.TextValue("+14155550132"), "Name": crm.TextValue("Ann Lee"),
		"Tags": crm.ListValue("a", "b"), "Source": crm.TextValue("Lockstep"),
	}
	if diff := cmp.Diff(want, decision.Right.Fields); diff != "" {
		t.Errorf("fields of the new record (-want +got):\n%s", diff)
	}
	if !decision.Right.Create || decision.Left != nil {
		t.Errorf("create %t, left %#v", decision.Right.Create, decision.Left)
	}
}

// TestRow129_DefaultsDoNotFlowBackAtBirth: the blank at the source of a default
// stays, and what its user types there later replaces the default quietly.
func TestRow129_DefaultsDoNotFlowBackAtBirth(t *testing.T) {
	t.Parallel()
	m := one("note", "note", "Note")
	m.Default.ToRight = crm.TextValue("new")
	s := compile(baseSync(one("email", "email", "Email"), m))
	p := Pair{Left: ann(), Now: noon}
	decision := s.Reconcile(p)
	if decision.Right.Fields["Note"].Text() != "new" || decision.Left != nil {
		t.Errorf("left %#v right %#v", decision.Left, decision.Right)
	}
	if f := ruleOf(&decision, "note"); f.Rule != RuleDefault || f.Reason != crm.ReasonDefault {
		t.Errorf("the rule is %s (%s)", f.Rule, f.Reason)
	}
	p = apply(p, decision)
	if again := s.Reconcile(p); !again.Empty() || again.Rebase {
		t.Errorf("not at rest: %#v %#v", again.Left, again.Right)
	}
	p.Left.Fields["note"] = crm.TextValue("typed")
	if decision = s.Reconcile(p); decision.Right == nil || ruleOf(&decision, "note").Rule != RuleLeftChanged {
		t.Errorf("what is typed at the source is decided by %s", ruleOf(&decision, "note").Rule)
	}
	p.Left.Fields["note"], p.Right.Fields["Note"] = crm.NullValue(), crm.TextValue("edited")
	if decision = s.Reconcile(p); decision.Left == nil || decision.Left.Fields["note"].Text() != "edited" {
		t.Errorf("an edit of the default does not travel: %#v", decision.Left)
	}
	p.Right.Fields["Note"] = crm.NullValue()
	if p = apply(p, s.Reconcile(p)); !p.Right.Fields["Note"].Blank() {
		t.Error("a default that was cleared comes back")
	}
}

// TestRow129_ADefaultNeverErasesAnEdit: the source of a default stays blank.
// That blank was never a value taken away, so even
// with clear it says nothing against what the target's user types later.
func TestRow129_ADefaultNeverErasesAnEdit(t *testing.T) {
	t.Parallel()
	m := one("note", "note", "Note")
	m.Default.ToRight, m.Clear = crm.TextValue("d"), crm.PerWay[bool]{ToRight: true, ToLeft: true}
	for name, start := range map[string]Pair{
		"of a pair":       {Left: ann(), Right: annRight(), Linked: true, Now: noon},
		"of a new record": {Left: ann(), Now: noon},
	} {
		t.Run(name, func(t *testing.T) {
			sync := baseSync(one("email", "email", "Email"), m)
			sync.Behavior.ToLeft = crm.BehaviorNothing
			s := compile(sync)
			p := apply(start, s.Reconcile(start))
			if got := p.Right.Fields["Note"].Text(); got != "d" {
				t.Fatalf("the default is %q", got)
			}
			p.Right.Fields["Note"] = crm.TextValue("typed")
			if decision := s.Reconcile(p); !decision.Empty() {
				t.Errorf("the edit is overwritten: %#v under %s", decision.Right, ruleOf(&decision, "note").Rule)
			}
		})
	}
}

// TestRow102_ProtectedFieldsStayOnTheFirstMatch and afterwards until one moves.
func TestRow102_ProtectedFieldsStayOnTheFirstMatch(t *testing.T) {
	t.Parallel()
	s := compile(baseSync(twelve()[:6]...))
	p := Pair{Left: ann(), Right: annRight(), MatchedBy: &crm.MatchStep{Protect: []string{"phone", "email"}}, Now: noon}
	p.Left.Fields["phone"], p.Left.Fields["last"] = crm.TextValue("415-555-0199"), crm.TextValue("Li")
	decision := s.Reconcile(p)
	if diff := cmp.Diff(crm.Fields{"Name": crm.TextValue("Ann Li")}, decision.Right.Fields); diff != "" {
		t.Errorf("written on the right (-want +got):\n%s", diff)
	}
	if f := ruleOf(&decision, "phone"); f.Rule != RuleProtected {
		t.Errorf("the phone is decided by %s", f.Rule)
	}
	p = apply(p, decision)
	if again := s.Reconcile(p); !again.Empty() || again.Rebase || ruleOf(&again, "phone").Rule != RuleProtected {
		t.Fatalf("not at rest: %#v %#v", again.Left, again.Right)
	}
	p.Right.Fields["Phone"] = crm.TextValue("415 555 0100")
	decision = s.Reconcile(p)
	if decision.Left == nil || decision.Left.Fields["phone"].Text() != "+14155550100" {
		t.Errorf("a later edit does not travel: %#v", decision.Left)
	}
}

func TestRow106_TwinsIDIsWrittenBack(t *testing.T) {
	t.Parallel()
	sync := baseSync(twelve()[:3]...)
	sync.Match = crm.SameMatch(crm.MatchStep{By: crm.MatchByID, Left: "twin", Right: "$id", WriteBack: true},
		byEmail().ToRight[0])
	sync.FillBlanksOnly.ToLeft = true // not applied to the link ID
	s, problems := Compile(conn(), &sync, leftSchema(), rightSchema())
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	p := Pair{Left: ann(), Right: annRight(), Now: noon}
	p.Left.Fields["twin"] = crm.TextValue("R0")
	decision := s.Reconcile(p)
	if decision.Left == nil || decision.Left.Fields["twin"].Text() != "R1" ||
		ruleOf(&decision, "$id.twin").Rule != RuleWriteBack {
		t.Fatalf("the ID is not written back: %#v", decision.Left)
	}
	if again := s.Reconcile(apply(p, decision)); !again.Empty() {
		t.Errorf("written again: %#v", again.Left)
	}
	// A new record's ID is known after its creation: the next pass writes it.
	p = Pair{Left: ann(), Now: noon}
	p = apply(p, s.Reconcile(p))
	if decision = s.Reconcile(p); decision.Left == nil || decision.Left.Fields["twin"].Text() != "R1" ||
		decision.Right != nil {
		t.Errorf("after a creation: %#v %#v", decision.Left, decision.Right)
	}
	// Row 44: not even an ID reaches a side that is only read.
	sync.Direction = crm.DirectionToRight
	s, _ = Compile(conn(), &sync, leftSchema(), rightSchema())
	if decision = s.Reconcile(p); decision.Left != nil {
		t.Errorf("the read-only side is written: %#v", decision.Left.Fields)
	}
}

// TestS20_AFieldThatIsGoneIsHeldAlone: no other field stops, nothing is nulled.
func TestS20_AFieldThatIsGoneIsHeldAlone(t *testing.T) {
	t.Parallel()
	sync := baseSync(twelve()...)
	sync.Mappings[4].Clear.ToLeft = true // note
	s := compile(sync)
	p := Pair{Left: ann(), Right: annRight(), Linked: true, Now: noon}
	p.Left.Fields["note"], p.Right.Fields["Note"] = crm.TextValue("keep"), crm.TextValue("keep")
	p = apply(p, s.Reconcile(p))

	schema := rightSchema()
	schema = append(schema[:4], schema[5:]...) // Note is gone
	s, problems := Compile(conn(), &sync, leftSchema(), schema)
	if len(problems) != 1 {
		t.Fatalf("problems: %v", problems)
	}
	delete(p.Right.Fields, "Note")
	p.Left.Fields["last"] = crm.TextValue("Li")
	decision := s.Reconcile(p)
	if diff := cmp.Diff(verdict{crm.Updated, crm.StateInSync, "", true, false, true}, verdictOf(decision)); diff != "" {
		t.Errorf("the decision (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(crm.Fields{"Name": crm.TextValue("Ann Li")}, decision.Right.Fields); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	if f := ruleOf(&decision, "note"); f.Rule != RuleHeld || f.Code != CodeFieldMissing || f.Detail == "" {
		t.Errorf("the lost field says %#v", f)
	}
	if !cmp.Equal(p.Base["note"], decision.Base["note"]) {
		t.Error("the lost field's agreement is forgotten")
	}
	for _, name := range s.ReadFields(crm.Right) {
		if name == "Note" {
			t.Error("a field that is gone is still asked for")
		}
	}
}

// TestRow45_TwoOneWayMappingsDoNotEcho: opposite one-way mappings of the same
// fields would swap their values for ever; that is refused.
func TestRow45_TwoOneWayMappingsDoNotEcho(t *testing.T) {
	t.Parallel()
	there, back := one("there", "note", "Note"), one("back", "note", "Note")
	there.Direction, back.Direction = crm.DirectionToRight, crm.DirectionToLeft
	sync := baseSync(there, back)
	s, problems := Compile(conn(), &sync, leftSchema(), rightSchema())
	if len(problems) != 1 || problems[0].Code != CodeMappingCycle {
		t.Fatalf("problems: %v", problems)
	}
	p := linked(s, "a", "a", "b")
	for range 4 {
		p = apply(p, s.Reconcile(p))
	}
	if again := s.Reconcile(p); !again.Empty() {
		t.Errorf("the values go round: %#v %#v", again.Left, again.Right)
	}
	// A chain that ends is none.
	on := one("on", "title", "Note")
	on.Direction = crm.DirectionToLeft
	sync = baseSync(there, on)
	if _, problems := Compile(conn(), &sync, leftSchema(), rightSchema()); len(problems) > 0 {
		t.Errorf("a chain is refused: %v", problems)
	}
}
