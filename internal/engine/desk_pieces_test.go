package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// TestPathsOfEdits: whether edits of some fields come to others, on whatever path.
func TestPathsOfEdits(t *testing.T) {
	t.Parallel()
	at := func(names string) (out []fieldAt) {
		for _, n := range strings.Fields(names) {
			out = append(out, fieldAt{field: n})
		}
		return out
	}
	for name, c := range map[string]struct {
		leads      string // "a b c": from a to b and c
		from, ends string
		want       bool
	}{
		"nowhere":                  {"", "a", "b", false},
		"at once":                  {"a b", "a", "b", true},
		"the other way round":      {"b a", "a", "b", false},
		"by another":               {"a x; x b", "a", "b", true},
		"by a far one":             {"a x; x y; y z; z b", "a", "b", true},
		"by the second of several": {"a x y; y b", "a", "b", true},
		"from the second":          {"c b", "a c", "b", true},
		"to the second":            {"a c", "a", "b c", true},
		"round in a circle":        {"a x; x y; y x a", "a", "b", false},
		"back to itself":           {"a x; x a", "a", "a", true},
		"on two ways to one place": {"a x y; x z; y z; z b", "a", "b", true},
		"it is where it should be": {"", "a", "a", false}, // nobody brought it there
	} {
		leads := map[fieldAt][]fieldAt{}
		for one := range strings.SplitSeq(c.leads, ";") {
			if places := at(one); len(places) > 0 {
				leads[places[0]] = append(leads[places[0]], places[1:]...)
			}
		}
		if got := reaches(leads, at(c.from), at(c.ends)); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestEntriesOfOneField: a failure of a field is one that a linked record had with that
// field alone.
func TestEntriesOfOneField(t *testing.T) {
	t.Parallel()
	entry := func(change func(e *Entry)) *Entry {
		e := &Entry{Outcome: crm.Failed, Partner: "r", Diffs: []Diff{{Rule: ruleRefused}}}
		change(e)
		return e
	}
	for name, c := range map[string]struct {
		change func(e *Entry)
		want   bool
	}{
		"refused":              {func(*Entry) {}, true},
		"it could not be read": {func(e *Entry) { e.Diffs[0].Rule = string(reconcile.RuleFailed) }, true},
		"it was written":       {func(e *Entry) { e.Diffs[0].Rule = string(reconcile.RuleFillBlank) }, false},
		"nothing failed":       {func(e *Entry) { e.Outcome = crm.Updated }, false},
		"a record without one": {func(e *Entry) { e.Partner = "" }, false},
		"no field":             {func(e *Entry) { e.Diffs = nil }, false},
		"two fields":           {func(e *Entry) { e.Diffs = append(e.Diffs, e.Diffs[0]) }, false},
	} {
		if got := entry(c.change).OfField(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestX11_TheErasedInTexts: wherever an erased person's address, number or record stands in
// what an app or we said, and however it is set off from the rest.
func TestX11_TheErasedInTexts(t *testing.T) {
	t.Parallel()
	key := []byte("key")
	ends := [2]appObject{{"acc_left", "person"}, {"acc_right", "Person"}}
	x := &tombs{key: key, of: map[tombHash]grave{
		tombOfKey(key, "email:zoë.az09+x@example.com"):            {id: "ers_1"},
		tombOfKey(key, "phone:+493012345678"):                     {id: "ers_1"},
		tombOfRecord(key, "acc_left", "person", "AZaz09"):         {id: "ers_1"},
		tombOfRecord(key, "acc_right", "Person", "003-Z_9"):       {id: "ers_1"},
		tombOfRecord(key, "acc_right", "Person", longest(64)):     {id: "ers_1"},
		tombOfRecord(key, "acc_right", "Person", longest(64)+"1"): {id: "ers_1"},
	}}
	for text, want := range map[string]bool{
		"":                                         false,
		"nobody":                                   false,
		"zoë.az09+x@example.com":                   true,
		"Zoë.AZ09+X@EXAMPLE.COM is taken":          true,
		"taken:zoë.az09+x@example.com.":            true,
		"(zoë.az09+x@example.com)":                 true,
		`{"email":" zoë.az09+x@example.com "}`:     true,
		"az09+x@example.com":                       false,
		"zoë.az09+x@example.community":             false,
		`"+49 30 12345678"`:                        true,
		"call +493012345678!":                      true,
		"contact AZaz09: not found":                true,
		"contact/AZaz09/notes":                     true,
		"contact AZaz0: not found":                 false,
		"contact aAZaz09":                          false,
		"[003-Z_9]":                                true,
		"the Person 003-Z_9 was deleted.":          true,
		"id=" + string(longest(64)):                true,
		"id=" + string(longest(64)) + "1":          false, // no app has so long ones
		`"` + strings.Repeat(" ", 400) + `AZaz09"`: true,
		`"zoë.az09+x@example.com` + strings.Repeat(" ", 400) + `"`: true, // as a word
	} {
		if got := x.within(text, ends); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
	if (&tombs{}).within("zoë.az09+x@example.com", ends) {
		t.Error("nobody was erased")
	}
}

func longest(n int) crm.RecordID { return crm.RecordID(strings.Repeat("Z", n)) }

// TestS37_AnHourIsWeighed: what was replaced more than an hour before counts no more, also
// where a piece of work began within it.
func TestS37_AnHourIsWeighed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	k := massKind{"city", crm.Right, "x"}
	d.s.mass.turn(d.now)
	d.s.mass.add(k, 7)
	d.must(d.s.weigh(t.Context(), nil, nil))
	if n := d.s.mass.of(k); n != 7 {
		t.Errorf("%d within the hour", n)
	}
	d.now = d.now.Add(massSlots * massSlot)
	d.must(d.s.weigh(t.Context(), nil, nil))
	if n := d.s.mass.of(k); n != 0 {
		t.Errorf("%d after an hour", n)
	}
}

// TestWhatAPullAnswers: a run that begins is the one that was asked for while another was
// open, if it lists what that would.
func TestWhatAPullAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind           RunKind
		change         func(r *storedRun)
		resync, pulled bool // still asked for
	}{
		"a pull":                       {RunPull, func(*storedRun) {}, true, false},
		"a pull of everything":         {RunPull, func(r *storedRun) { r.Full = true }, false, false},
		"a resync":                     {RunResync, func(r *storedRun) { r.Full = true }, false, false},
		"everything, and not compared": {RunPull, func(r *storedRun) { r.Full, r.NoHints = true, true }, true, false},
		"a change of settings":         {RunChange, func(*storedRun) {}, true, true},
		"failures tried again":         {RunRetry, func(*storedRun) {}, true, true},
	} {
		d := newDesk(t)
		d.putJSON(d.sc.scan(), scanState{V: 1, Asked: "run_before", AskedPull: "run_before"})
		r, err := d.startRun(t.Context(), d.sc, d.conn, c.kind, c.change)
		d.must(err)
		st, err := d.loadScan(t.Context(), d.sc)
		d.must(err)
		if got := [2]bool{st.Asked != "", st.AskedPull != ""}; got != [2]bool{c.resync, c.pulled} || st.OpenRun != r.ID {
			t.Errorf("%s: a resync and a pull are still asked for: %v; open %q", name, got, st.OpenRun)
		}
	}
}

// TestAPreviewThatCannotBeRead: a record that its app does not show is an error, and none
// that does not exist.
func TestAPreviewThatCannotBeRead(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.opens()
	d.person(crm.Left, bobLeft, "Rome", "bob@example.com")
	d.apps[0].ill = map[crm.RecordID]error{bobLeft: fault.New("desk: read", fault.Denied, "missing_scope", "not for you")}
	_, err := d.PreviewMappings(t.Context(), d.sc.ws, d.conn, d.sc.sync, []crm.RecordRef{{Side: crm.Left, ID: bobLeft}})
	if fault.CodeOf(err) != "missing_scope" {
		t.Errorf("%v", err)
	}
}

// TestWhatIsReadToBeTakenBack: of the pages that the link and the plan name what the run
// did to the record, in order, and what was told of it later; of others nothing.
func TestWhatIsReadToBeTakenBack(t *testing.T) {
	t.Parallel()
	yesterday := func(page string) string { return "log_con~20261120~" + page }
	bob := func(run crm.RunID, o crm.Outcome, message string, diffs ...Diff) Entry {
		return Entry{
			Run: run, Side: crm.Left, Record: bobLeft, Partner: bobRight, Outcome: o, Message: message, Diffs: diffs,
		}
	}
	city := wroteCity("Oslo", "Rome")
	var out strings.Builder
	for _, c := range []struct {
		name   string
		change func(u *unit)
	}{
		{"a run", func(u *unit) { u.hint.Undo, u.hint.Entry = "run_a", yesterday("0.00~0") }},
		{"a run, seen from the right", func(u *unit) {
			u.hint.Undo, u.hint.Entry, u.side, u.id = "run_a", yesterday("0.00~0"), crm.Right, bobRight
		}},
		{"a run, by its second entry", func(u *unit) { u.hint.Undo, u.hint.Entry = "run_a", today+"0" }},
		{"another run", func(u *unit) { u.hint.Undo, u.hint.Entry = "run_b", today+"1" }},
		{"a run that nobody knows", func(u *unit) { u.hint.Undo, u.hint.Entry = "run_x", today+"1" }},
		{"a run, of a pair without a link", func(u *unit) {
			u.hint.Undo, u.hint.Entry, u.link = "run_a", yesterday("0.00~0"), nil
		}},
		{"a value", func(u *unit) { u.hint.Op, u.hint.Entry = opRestore, today+"0" }},
		{"a value of another record", func(u *unit) { u.hint.Op, u.hint.Entry = opRestore, today+"2" }},
		{"no entry", func(u *unit) { u.hint.Op, u.hint.Entry = opRestore, "nonsense" }},
		{"of a record that was renamed", func(u *unit) {
			u.hint.Undo, u.hint.Entry, u.hint.ID, u.id = "run_a", yesterday("0.00~0"), bobLeft, "l_renamed"
		}},
		{"what is decided", func(u *unit) { u.hint.Undo, u.hint.Entry, u.decided = "run_a", yesterday("0.00~0"), true }},
		{"nothing is undone", func(u *unit) { u.hint.Entry = yesterday("0.00~0") }},
	} {
		d := newDesk(t)
		d.runs(crm.StatusActive)
		_, err := store.SaveWorkspace(t.Context(), d.mem, store.Workspace{ID: d.sc.ws, LogDays: deskDays}, 0)
		d.must(err)
		known := d.known()
		known.Pages = []string{pageRef("con_con", d.now, "pg_1"), pageRef("con_con", d.now.AddDate(0, 0, -1), "pg_0")}
		d.putLink(known)
		d.page("pg_0", 24*time.Hour,
			bob("run_a", crm.Created, "made", city), bob("run_a", crm.Failed, "failed"),
			bob("run_before", crm.Updated, "x", city))
		d.page("pg_1", time.Hour,
			bob("run_a", crm.Updated, "changed", city), bob("run_b", crm.Updated, "changed by another", city),
			Entry{Run: "run_a", Side: crm.Left, Record: annLeft, Outcome: crm.Updated, Message: "ann", Diffs: []Diff{city}},
			Entry{
				Run: "run_a", Sync: "another", Side: crm.Left, Record: bobLeft, Outcome: crm.Updated, Message: "elsewhere",
				Diffs: []Diff{city},
			},
			bob("run_a", crm.Unchanged, "nothing"))
		d.must(d.saveRun(t.Context(), d.sc.ws, &storedRun{V: 1, Phase: phaseOver, Run: Run{
			ID: "run_a", Kind: RunResync, State: RunDone, Connection: d.sc.con, Sync: d.sc.sync,
			CreatedAt: d.now.Add(-25 * time.Hour),
		}}))
		u := d.newcomer(crm.Left, bobLeft, "bob@example.com")
		d.must(d.s.loadLinks(t.Context(), []*unit{u}))
		if u.link == nil || len(u.link.Pages) != 2 {
			t.Fatalf("bob's pages: %+v", u.link)
		}
		c.change(u)
		d.must(d.s.loadTakeBacks(t.Context(), []*unit{u}))
		fmt.Fprintf(&out, "%s:", c.name)
		if u.back == nil {
			fmt.Fprintln(&out, " nothing is read")
			continue
		}
		for _, e := range u.back.entries {
			fmt.Fprintf(&out, " %q", e.Message)
		}
		fmt.Fprint(&out, "; later")
		for _, e := range u.back.later {
			fmt.Fprintf(&out, " %q", e.Message)
		}
		fmt.Fprintf(&out, "; second %t\n", u.back.second)
	}
	written.Check(t, "desk/takebacks.txt", out.String())
}

// TestS33_FieldsAreLeftOut: which fields a write is repeated without, by what the app says
// and what is known of its users, and which write fails whole.
func TestS33_FieldsAreLeftOut(t *testing.T) {
	t.Parallel()
	named := func(kind fault.Kind, fields ...string) *fault.Error {
		e := &fault.Error{Op: "desk: write", Kind: kind, Code: "rejected"}
		for _, f := range fields {
			e.Fields = append(e.Fields, fault.FieldFault{Field: f, Code: "too_long"})
		}
		return e
	}
	var out strings.Builder
	for _, c := range []struct {
		name   string
		err    *fault.Error
		change func(u *unit, w *reconcile.Write)
	}{
		{"a field", named(fault.Invalid, "City"), nil},
		{"in another case", named(fault.Invalid, "cITY"), nil},
		{"a value that another record has", named(fault.Conflict, "Email"), nil},
		{"all fields", named(fault.Invalid, "City", "Email", "Tags"), nil},
		{"no field", named(fault.Invalid), nil},
		{"a field that was not written", named(fault.Invalid, "Phone"), nil},
		{"a field that names a user who is gone", named(fault.Invalid), func(u *unit, _ *reconcile.Write) {
			u.unassigned.Right = []string{"City"}
		}},
		{"a field, and one that names a user who is gone", named(fault.Invalid, "Email"), func(u *unit, _ *reconcile.Write) {
			u.unassigned.Right = []string{"City"}
		}},
		{
			"a field that the app names, too, as one of a user who is gone", named(fault.Invalid, "City"),
			func(u *unit, _ *reconcile.Write) { u.unassigned.Right = []string{"City"} },
		},
		{"an outage", named(fault.Unavailable, "City"), nil},
		{"a missing right", named(fault.Denied, "City"), nil},
		{"once more", named(fault.Invalid, "City"), func(u *unit, _ *reconcile.Write) { u.narrowed.Right = 1 }},
		{"once too often", named(fault.Invalid, "City"), func(u *unit, _ *reconcile.Write) { u.narrowed.Right = maxNarrowed }},
		{
			"once too often, and nothing is left", named(fault.Invalid, "City", "Email", "Tags"),
			func(u *unit, _ *reconcile.Write) { u.narrowed.Right = maxNarrowed },
		},
		{"of what is to be made", named(fault.Invalid, "City"), func(_ *unit, w *reconcile.Write) { w.Create = true }},
		{
			"of what is to be made, by what it is found", named(fault.Invalid, "Email"),
			func(_ *unit, w *reconcile.Write) { w.Create = true },
		},
		{
			"of what is to be made, all fields", named(fault.Invalid, "City", "Email", "Tags"),
			func(_ *unit, w *reconcile.Write) { w.Create = true },
		},
		{"of what is to be made, once too often", named(fault.Invalid, "City"), func(u *unit, w *reconcile.Write) {
			w.Create, u.narrowed.Right = true, maxNarrowed
		}},
	} {
		d := newDesk(t)
		u := d.linked(d.newcomer(crm.Left, bobLeft, "bob@example.com"), d.known())
		w := &reconcile.Write{
			Fields: crm.Fields{
				"City": crm.TextValue("Rome"), "Email": crm.TextValue("bob@example.com"), "Tags": crm.ListValue("x"),
			}, Intended: map[crm.MappingID]crm.Value{
				"city": crm.TextValue("Rome"), "email": crm.TextValue("bob@example.com"), "tags": crm.ListValue("x"),
			},
		}
		u.decision.Right = w
		if c.change != nil {
			c.change(u, w)
		}
		again := d.s.narrow(crm.Right, row{u, connector.Write{}}, &connector.Written{Err: c.err})
		fmt.Fprintf(&out, "%s: again %t, for the time after %t, of %v and %v; left out", c.name, again, u.more,
			sortedNames(w.Fields), len(w.Intended))
		for _, f := range u.refused.Right {
			fmt.Fprintf(&out, " %s %s %s", f.mapping, f.field, f.code)
		}
		fmt.Fprintf(&out, "; %d\n", u.narrowed.Right)
	}
	written.Check(t, "desk/narrowed.txt", out.String())
}
