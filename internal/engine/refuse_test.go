package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// pullLate is a pull after everything shows in the apps' listings.
func (b bed) pullLate() {
	b.t.Helper()
	b.Move(5 * time.Minute)
	b.pull()
}

// problems lists the log entries about a record that a person may act on.
func (b bed) problems(side crm.Side, id string) []engine.Entry {
	b.t.Helper()
	all, _, err := b.Engine.ListLog(b.t.Context(), testbed.Workspace, engine.LogFilter{
		Connection: testbed.Connection, Record: crm.RecordID(id), Outcomes: []crm.Outcome{crm.Failed, crm.Conflict},
	}, 100, "")
	b.must(err)
	return slices.DeleteFunc(all, func(e engine.Entry) bool { return e.Side != side && e.Record == crm.RecordID(id) })
}

func (b bed) writesTo(app *fakekit.Core) int {
	n := 0
	for path, count := range app.Requests().ByEndpoint {
		if strings.Contains(path, "batch/update") || strings.HasPrefix(path, "PATCH ") {
			n += count
		}
	}
	return n
}

// toward is one direction of the bed as the tests below see it.
type toward struct {
	source, target crm.Side
	object         string // of the target
	title, city    string // its fields
	edit, mirror   func(b bed, field, value string)
	from           map[string]string // the source's fields
}

func directions(hub, force string) map[string]toward {
	return map[string]toward{
		"to Salesforce": {
			crm.Left, crm.Right, "Contact", "Title", "MailingCity",
			func(b bed, f, v string) { b.editHub(hub, f, v) }, func(b bed, f, v string) { b.editForce(force, f, v) },
			map[string]string{"title": "jobtitle", "city": "city"},
		},
		"to HubSpot": {
			crm.Right, crm.Left, "contacts", "jobtitle", "city",
			func(b bed, f, v string) { b.editForce(force, f, v) }, func(b bed, f, v string) { b.editHub(hub, f, v) },
			map[string]string{"title": "Title", "city": "MailingCity"},
		},
	}
}

// TestS33_ARefusedFieldCostsOneField: the app's rule names a field, and all
// others of the record travel, both ways; the field is found in the log, is not
// written again by itself, and gets across once it may.
func TestS33_ARefusedFieldCostsOneField(t *testing.T) {
	t.Parallel()
	for name := range directions("", "") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 30, nil)
			b.start()
			hub, force := b.twins(t.Context())
			d := directions(hub, force)[name]
			id := map[crm.Side]string{crm.Left: hub, crm.Right: force}
			was := b.get(d.object, id[d.target])[d.title]
			app := b.core(d.object)
			b.must(app.SetValidations([]fakekit.Validation{
				{Object: d.object, Field: d.title, Contains: "Nope", Names: []string{d.title}},
			}))
			d.edit(b, d.from["title"], "Nope")
			d.edit(b, d.from["city"], "Ghent")
			b.pullLate()
			got := b.get(d.object, id[d.target])
			if got[d.city] != "Ghent" || got[d.title] != was {
				t.Fatalf("the target holds %q and %q, want the city and the old title", got[d.city], got[d.title])
			}
			v := b.record(d.source, id[d.source])
			if v.State != crm.StateFailing || v.Code != "field_failed" || !strings.Contains(v.Detail, d.title) {
				t.Errorf("the record is %s, %s, %q; want failing for its title", v.State, v.Code, v.Detail)
			}
			entries := b.problems(d.source, id[d.source])
			if len(entries) != 1 || entries[0].Diffs[0].Field != d.title || entries[0].Diffs[0].Rule != "refused" ||
				strings.Contains(entries[0].Message, "Nope") || entries[0].Request == "" {
				t.Fatalf("the log tells %+v, want the title, refused, with what was said", entries)
			}
			writes := b.writesTo(app)
			b.pullLate()
			b.pullLate()
			if n := b.writesTo(app); n != writes {
				t.Errorf("%d more writes in quiet", n-writes)
			}
			d.mirror(b, map[string]string{"Contact": "FirstName", "contacts": "firstname"}[d.object], "Mirrored")
			b.pullLate()
			if f := b.get(map[string]string{"Contact": "contacts", "contacts": "Contact"}[d.object],
				id[d.source]); f["firstname"] != "Mirrored" && f["FirstName"] != "Mirrored" {
				t.Errorf("the other direction stands: %v", f)
			}
			b.must(app.SetValidations(nil))
			b.finished(b.Engine.RetryEntry(t.Context(), testbed.Workspace, entries[0].ID, nil))
			if got := b.get(d.object, id[d.target])[d.title]; got != "Nope" {
				t.Errorf("after a retry the title is %q", got)
			}
			if v := b.record(d.source, id[d.source]); v.State != crm.StateInSync {
				t.Errorf("after a retry the record is %s, %s", v.State, v.Code)
			}
			if e, err := b.Engine.GetEntry(t.Context(), testbed.Workspace, entries[0].ID); err != nil || !e.Resolved {
				t.Errorf("the entry is not resolved: %v", err)
			}
		})
	}
}

// TestS33_ARefusedFieldIsTriedAgainWhenItChanges: a new value on either side
// ends the refusal.
func TestS33_ARefusedFieldIsTriedAgainWhenItChanges(t *testing.T) {
	t.Parallel()
	for name, side := range map[string]crm.Side{"source": crm.Left, "target": crm.Right} {
		b := newBed(t, 30, nil)
		b.start()
		hub, force := b.twins(t.Context())
		b.must(b.Force.Core().SetValidations([]fakekit.Validation{
			{Object: "Contact", Field: "Title", Contains: "Nope", Names: []string{"Title"}},
		}))
		b.editHub(hub, "jobtitle", "Nope")
		b.pullLate()
		if side == crm.Left {
			b.editHub(hub, "jobtitle", "Cooper")
		} else {
			b.editForce(force, "Title", "Cooper")
		}
		b.pullLate()
		if l, r := b.get("contacts", hub)["jobtitle"], b.get("Contact", force)["Title"]; l != "Cooper" || r != "Cooper" {
			t.Errorf("%s edited: left %q, right %q, want Cooper on both", name, l, r)
		}
		if v := b.record(crm.Left, hub); v.State != crm.StateInSync {
			t.Errorf("%s edited: the record is %s, %s", name, v.State, v.Code)
		}
	}
}

// TestS33_AnUnnamedRefusalCostsOneDirection: a rule that names no field stops
// the record towards that app only, is tried once, and again when it changes.
func TestS33_AnUnnamedRefusalCostsOneDirection(t *testing.T) {
	t.Parallel()
	for name := range directions("", "") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 30, nil)
			b.start()
			hub, force := b.twins(t.Context())
			d := directions(hub, force)[name]
			id := map[crm.Side]string{crm.Left: hub, crm.Right: force}
			app := b.core(d.object)
			b.must(app.SetValidations([]fakekit.Validation{{Object: d.object, Field: d.title, Contains: "Nope", APIOnly: true}}))
			d.edit(b, d.from["title"], "Nope")
			d.mirror(b, d.city, "Kiel")
			b.pullLate()
			v := b.record(d.source, id[d.source])
			if v.State != crm.StateFailing || v.Code == "field_failed" || v.Code == "" {
				t.Errorf("the record is %s, %s; want failing, with the app's reason", v.State, v.Code)
			}
			source := b.get(map[string]string{"Contact": "contacts", "contacts": "Contact"}[d.object], id[d.source])
			if source[d.from["city"]] != "Kiel" {
				t.Errorf("the other direction stands: %q", source[d.from["city"]])
			}
			if entries := b.problems(d.source, id[d.source]); len(entries) == 0 {
				t.Error("the log does not tell")
			}
			writes := b.writesTo(app)
			b.pullLate()
			b.pullLate()
			if n := b.writesTo(app); n != writes {
				t.Errorf("%d more writes in quiet", n-writes)
			}
			d.edit(b, d.from["title"], "Cooper")
			b.pullLate()
			if got := b.get(d.object, id[d.target])[d.title]; got != "Cooper" {
				t.Errorf("after an edit the title is %q", got)
			}
			if v := b.record(d.source, id[d.source]); v.State != crm.StateInSync {
				t.Errorf("after an edit the record is %s, %s", v.State, v.Code)
			}
		})
	}
}

// TestS33_ExchangedAddressesFreezeNothing: two linked people exchange their
// addresses in the app that allows it, or come to share one; the other app
// refuses, both say so, and everything else of them travels.
func TestS33_ExchangedAddressesFreezeNothing(t *testing.T) {
	t.Parallel()
	for name, share := range map[string]bool{"exchanged": false, "shared": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 30, nil)
			b.start()
			pairs, _, err := b.Engine.ListRecords(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts,
				engine.RecordFilter{State: crm.StateInSync}, 200, "")
			b.must(err)
			pairs = slices.DeleteFunc(pairs, func(v engine.RecordView) bool { return v.Partner == "" })
			x, y := string(pairs[0].Partner), string(pairs[1].Partner)
			ex, ey := b.get("Contact", x)["Email"], b.get("Contact", y)["Email"]
			b.editForce(x, "Email", ey)
			if !share {
				b.editForce(y, "Email", ex)
			}
			b.editForce(x, "Title", "Cooper")
			b.editForce(y, "Title", "Weaver")
			b.pullLate()
			for i, want := range []string{"Cooper", "Weaver"} {
				hub := string(pairs[i].ID)
				if got := b.get("contacts", hub)["jobtitle"]; got != want {
					t.Errorf("person %d has the title %q, want %q", i, got, want)
				}
				v := b.record(crm.Left, hub)
				if stays := share && i == 1; !stays &&
					(v.State != crm.StateFailing || !strings.Contains(v.Detail, "already_exists")) {
					t.Errorf("person %d is %s, %s, %q; want failing for a taken address", i, v.State, v.Code, v.Detail)
				}
			}
			b.editHub(string(pairs[0].ID), "city", "Lund")
			b.pullLate()
			if got := b.get("Contact", x)["MailingCity"]; got != "Lund" {
				t.Errorf("the pair is frozen: %q", got)
			}
		})
	}
}

// TestS33_WhatBelongsTogetherIsHeldWhole: a country that is refused holds the
// city beside it, and both go once the country may.
func TestS33_WhatBelongsTogetherIsHeldWhole(t *testing.T) {
	t.Parallel()
	b := newBed(t, 30, func(c *crm.Connection) {
		c.Syncs[0].Mappings = append(c.Syncs[0].Mappings, crm.Mapping{
			ID: "country", Left: []string{"country"}, Right: []string{"MailingCountry"},
		})
	})
	b.start()
	hub, force := b.twins(t.Context())
	was := b.get("Contact", force)["MailingCity"]
	b.must(b.Force.Core().SetValidations([]fakekit.Validation{
		{Object: "Contact", Field: "MailingCountry", Contains: "Atlantis", Names: []string{"MailingCountry"}},
	}))
	b.editHub(hub, "country", "Atlantis")
	b.editHub(hub, "city", "Poseidonis")
	b.editHub(hub, "jobtitle", "Cooper")
	b.pullLate()
	got := b.get("Contact", force)
	if got["MailingCity"] != was || got["MailingCountry"] != "" || got["Title"] != "Cooper" {
		t.Errorf("Salesforce holds %q, %q, %q; want the address held whole", got["MailingCity"], got["MailingCountry"],
			got["Title"])
	}
	b.editHub(hub, "country", "Belgium")
	b.pullLate()
	got = b.get("Contact", force)
	if got["MailingCity"] != "Poseidonis" || got["MailingCountry"] != "Belgium" {
		t.Errorf("Salesforce holds %q, %q; want both", got["MailingCity"], got["MailingCountry"])
	}
}

// TestS33_ManyRefusedRowsShareTheirRepeat: what a hundred refused rows cost is
// one more call, not one each; a create without what it needs fails by name.
func TestS33_ManyRefusedRowsShareTheirRepeat(t *testing.T) {
	t.Parallel()
	b := newBed(t, 0, nil)
	b.must(b.Force.Core().SetValidations([]fakekit.Validation{
		{Object: "Contact", Field: "Title", Contains: "Nope", Names: []string{"Title"}},
	}))
	for i := range 60 {
		title := "Nope"
		if i%3 == 0 {
			title = "Cooper"
		}
		_, err := b.Hub.Core().CreateRecord("contacts", map[string]string{
			"email": "p" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + "@example.com", "lastname": "Roe",
			"jobtitle": title,
		})
		b.must(err)
	}
	_, err := b.Hub.Core().CreateRecord("contacts", map[string]string{
		"email": "nolast@example.com", "firstname": "Nobody",
	})
	b.must(err)
	b.start()
	if n := len(b.live("Contact")); n != 60 {
		t.Errorf("%d people were created, want 60", n)
	}
	calls := b.Force.Core().Requests().ByEndpoint
	n := 0
	for path, count := range calls {
		if strings.HasPrefix(path, "POST ") && strings.HasSuffix(path, "/composite/sobjects") {
			n += count
		}
	}
	if n > 4 {
		t.Errorf("%d calls to create 60 people of whom 40 have a refused title", n)
	}
	failing, _, err := b.Engine.ListRecords(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts,
		engine.RecordFilter{State: crm.StateFailing}, 200, "")
	b.must(err)
	unnamed := slices.DeleteFunc(failing, func(v engine.RecordView) bool { return v.Code == "field_failed" })
	if len(unnamed) != 1 || unnamed[0].Code != "required_field_missing" ||
		!strings.Contains(unnamed[0].Detail, "LastName") {
		t.Errorf("failing whole: %+v, want the one without a last name", unnamed)
	}
}

// told returns the entry about a value that an app stored otherwise.
func (b bed) told(id string) *engine.Entry {
	b.t.Helper()
	all, _, err := b.Engine.ListLog(b.t.Context(), testbed.Workspace, engine.LogFilter{
		Connection: testbed.Connection, Record: crm.RecordID(id), Code: "changed_by_app",
	}, 100, "")
	b.must(err)
	if len(all) == 0 {
		return nil
	}
	return &all[0]
}

// TestS35_WhatTheAppStoredCounts: an app that upper-cases, cuts or replaces what
// is written gets one write; the source keeps what its user typed, and the log
// has both values. HubSpot answers with what it stored; of Salesforce that shows
// in the next listing.
func TestS35_WhatTheAppStoredCounts(t *testing.T) {
	t.Parallel()
	for name := range directions("", "") {
		for how, want := range map[string]string{"upper": "MASTER COOPER", "cut": "Master", "set": "By workflow"} {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				b := newBed(t, 30, nil)
				b.start()
				hub, force := b.twins(t.Context())
				d := directions(hub, force)[name]
				id := map[crm.Side]string{crm.Left: hub, crm.Right: force}
				app := b.core(d.object)
				b.must(app.SetRewrites([]fakekit.Rewrite{
					{
						Object: d.object, Field: d.title, How: how, Value: map[string]string{"cut": "6", "set": "By workflow"}[how],
						APIOnly: true,
					},
				}))
				before := b.writesTo(app)
				other := b.core(map[string]string{"Contact": "contacts", "contacts": "Contact"}[d.object])
				back := b.writesTo(other)
				d.edit(b, d.from["title"], "Master cooper")
				for range 4 {
					b.pullLate()
				}
				source := b.get(map[string]string{"Contact": "contacts", "contacts": "Contact"}[d.object],
					id[d.source])[d.from["title"]]
				if target := b.get(d.object, id[d.target])[d.title]; target != want || source != "Master cooper" {
					t.Errorf("source %q, target %q, want what the user typed and %q", source, target, want)
				}
				if n := b.writesTo(app) - before; n != 1 {
					t.Errorf("%d writes to the app that changes values, want 1", n)
				}
				if n := b.writesTo(other) - back; n != 0 {
					t.Errorf("%d writes to the source", n)
				}
				e := b.told(id[d.source])
				if e == nil {
					e = b.told(id[d.target])
				}
				if e == nil {
					t.Fatal("the log does not tell")
				}
				if diff := e.Diffs[len(e.Diffs)-1]; diff.Before.Text() != "Master cooper" || diff.After.Text() != want {
					t.Errorf("the log tells %+v, want both values", diff)
				}
				// A later edit of a person in the app is one, and travels.
				d.mirror(b, d.title, "Weaver")
				b.pullLate()
				if got := b.get(map[string]string{"Contact": "contacts", "contacts": "Contact"}[d.object],
					id[d.source])[d.from["title"]]; got != "Weaver" {
					t.Errorf("after a person's edit the source holds %q", got)
				}
			})
		}
	}
}

// TestS35_ASilentRefusalIsShown: HubSpot says yes to a lifecycle stage that
// moves backwards and keeps the old one. The user's stage in Salesforce is not
// reverted; a person decides.
func TestS35_ASilentRefusalIsShown(t *testing.T) {
	t.Parallel()
	b := newBed(t, 30, func(c *crm.Connection) {
		c.Syncs[0].Mappings = append(c.Syncs[0].Mappings, crm.Mapping{
			ID: "stage", Left: []string{"lifecyclestage"}, Right: []string{"Department"},
		})
	})
	hubs := b.live("contacts")
	for _, r := range hubs {
		_, err := b.Hub.Core().UpdateRecord("contacts", r.ID, map[string]string{"lifecyclestage": "customer"})
		b.must(err)
	}
	b.start()
	hub, force := b.twins(t.Context())
	b.editForce(force, "Department", "lead")
	for range 3 {
		b.pullLate()
	}
	if l, r := b.get("contacts", hub)["lifecyclestage"], b.get("Contact", force)["Department"]; l != "customer" ||
		r != "lead" {
		t.Fatalf("left %q, right %q; want each side's own", l, r)
	}
	v := b.record(crm.Left, hub)
	if v.State != crm.StateConflict || v.Code != "changed_by_app" || !strings.Contains(v.Detail, "lifecyclestage") {
		t.Errorf("the record is %s, %s, %q; want a conflict to be seen", v.State, v.Code, v.Detail)
	}
	if len(b.problems(crm.Right, force))+len(b.problems(crm.Left, hub)) == 0 {
		t.Error("the log does not tell")
	}
	b.editForce(force, "Title", "Cooper")
	b.pullLate()
	if got := b.get("contacts", hub)["jobtitle"]; got != "Cooper" {
		t.Errorf("other fields stand: %q", got)
	}
	b.finished(b.Engine.ResolveRecord(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left,
		crm.RecordID(hub),
		map[crm.MappingID]engine.Resolution{"stage": {Side: crm.Left}}))
	if got := b.get("Contact", force)["Department"]; got != "customer" {
		t.Errorf("after the decision the right holds %q", got)
	}
	if v := b.record(crm.Left, hub); v.State != crm.StateInSync {
		t.Errorf("after the decision the record is %s, %s", v.State, v.Code)
	}
}

// TestS35_AKeptValueIsShown: an app says yes to a value and keeps what it had, whether
// its answer says so or, as Salesforce's, the next listing. What the user typed on the
// other side is not reverted; a person decides.
func TestS35_AKeptValueIsShown(t *testing.T) {
	t.Parallel()
	for name := range directions("", "") {
		b := newBed(t, 30, nil)
		b.start()
		hub, force := b.twins(t.Context())
		d := directions(hub, force)[name]
		id := map[crm.Side]string{crm.Left: hub, crm.Right: force}
		from := map[string]string{"Contact": "contacts", "contacts": "Contact"}[d.object]
		d.edit(b, d.from["title"], "Weaver")
		b.pullLate()
		b.must(b.core(d.object).SetRewrites([]fakekit.Rewrite{
			{Object: d.object, Field: d.title, How: "keep", APIOnly: true},
		}))
		d.edit(b, d.from["title"], "Master cooper")
		d.edit(b, d.from["city"], "Ghent")
		for range 3 {
			b.pullLate()
		}
		source, target := b.get(from, id[d.source])[d.from["title"]], b.get(d.object, id[d.target])
		if source != "Master cooper" || target[d.title] != "Weaver" || target[d.city] != "Ghent" {
			t.Errorf("%s: source %q, target %q in %q; want each side's own title", name, source, target[d.title], target[d.city])
		}
		if v := b.record(d.source, id[d.source]); v.State != crm.StateConflict || v.Code != "changed_by_app" ||
			!strings.Contains(v.Detail, d.title) {
			t.Errorf("%s: the record is %s, %s, %q; want a conflict to be seen", name, v.State, v.Code, v.Detail)
		}
		if len(b.problems(crm.Right, force))+len(b.problems(crm.Left, hub)) == 0 {
			t.Errorf("%s: the log does not tell", name)
		}
	}
}

// TestS33_FieldsRefusedInTurns: an app that names one field at a time is asked again twice.
// What is left is written when the record comes again, which it does by itself; and each
// refused field has its own outcome.
func TestS33_FieldsRefusedInTurns(t *testing.T) {
	t.Parallel()
	for refused, want := range map[int]int{1: 2, 2: 3, 3: 4, 4: 5} { // writes until the last name gets across
		b := newBed(t, 30, nil)
		b.start()
		hub, force := b.twins(t.Context())
		fields := [][2]string{
			{"firstname", "FirstName"}, {"jobtitle", "Title"}, {"city", "MailingCity"}, {"email", "Email"},
		}[:refused]
		var rules []fakekit.Validation
		for _, f := range fields {
			rules = append(rules, fakekit.Validation{Object: "Contact", Field: f[1], Contains: "nope", Names: []string{f[1]}})
			b.editHub(hub, f[0], "nope@example.com")
		}
		b.must(b.Force.Core().SetValidations(rules))
		b.editHub(hub, "lastname", "Loe")
		before := b.writesTo(b.Force.Core())
		b.pullLate()
		got := b.get("Contact", force)
		if n := b.writesTo(b.Force.Core()) - before; n != want || got["LastName"] != "Loe" {
			t.Errorf("%d fields are refused: %d writes, want %d; the last name is %q", refused, n, want, got["LastName"])
		}
		if came := b.Marks["refused_in_turns"]; came != refused/3 {
			t.Errorf("%d fields are refused: it came again %d times", refused, came)
		}
		v := b.record(crm.Left, hub)
		for _, f := range fields {
			if strings.Contains(got[f[1]], "nope") || !strings.Contains(v.Detail, f[1]) {
				t.Errorf("%d fields are refused: %s holds %q, told %q", refused, f[1], got[f[1]], v.Detail)
			}
		}
		if v.State != crm.StateFailing || v.Code != "field_failed" {
			t.Errorf("%d fields are refused: the record is %s, %s", refused, v.State, v.Code)
		}
		before = b.writesTo(b.Force.Core())
		b.pullLate()
		if n := b.writesTo(b.Force.Core()) - before; n != 0 {
			t.Errorf("%d fields are refused: %d more writes in quiet", refused, n)
		}
	}
}

// failingLeft lists the HubSpot contacts whose title Salesforce refused.
func (b bed) failingLeft() []engine.RecordView {
	b.t.Helper()
	vs, _, err := b.Engine.ListRecords(b.t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts,
		engine.RecordFilter{State: crm.StateFailing}, 500, "")
	b.must(err)
	return vs
}

// TestS33_RefusedFieldsAreTriedDaily: a day later ten records of those with one
// field refused for one reason are tried; once one gets across, all are.
func TestS33_RefusedFieldsAreTriedDaily(t *testing.T) {
	t.Parallel()
	b := newBed(t, 0, nil)
	rule := []fakekit.Validation{{Object: "Contact", Field: "Title", Contains: "Nope", Names: []string{"Title"}}}
	b.Engine.Tuning.AgainEvery = 8 * time.Hour // the bed's only session lasts a day
	b.must(b.Force.Core().SetValidations(rule))
	for i := range 40 {
		_, err := b.Hub.Core().CreateRecord("contacts", map[string]string{
			"email": "p" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + "@example.com", "lastname": "Roe",
			"jobtitle": "Nope",
		})
		b.must(err)
	}
	b.start()
	b.pullLate()
	if n := len(b.failingLeft()); n != 40 {
		t.Fatalf("%d records fail, want 40", n)
	}
	tried := func() int { return b.Marks["fields_refused"] }
	before := tried()
	b.pullLate()
	if n := tried() - before; n != 0 {
		t.Errorf("%d fields were tried again the same day", n)
	}
	b.Move(9 * time.Hour)
	b.pull()
	if n := tried() - before; n != 10 {
		t.Errorf("%d fields were tried a day later, want 10", n)
	}
	b.must(b.Force.Core().SetValidations(nil))
	b.Move(9 * time.Hour)
	b.pull()
	if n := len(b.failingLeft()); n != 30 {
		t.Errorf("%d records fail after the next day's ten, want 30", n)
	}
	b.pullLate()
	if n := len(b.failingLeft()); n != 0 {
		t.Errorf("%d records fail after one got across, want none", n)
	}
}

// TestS33_RefusedFieldsAreTriedWhenTheSettingsChange: what was wrong may be mended.
func TestS33_RefusedFieldsAreTriedWhenTheSettingsChange(t *testing.T) {
	t.Parallel()
	b := newBed(t, 30, nil)
	b.start()
	hub, force := b.twins(t.Context())
	b.must(b.Force.Core().SetValidations([]fakekit.Validation{
		{Object: "Contact", Field: "Title", Contains: "Nope", Names: []string{"Title"}},
	}))
	b.editHub(hub, "jobtitle", "Nope")
	b.pullLate()
	b.pullLate()
	b.must(b.Force.Core().SetValidations(nil))
	c, v, err := store.LoadConnection(t.Context(), b.Store, testbed.Workspace, testbed.Connection)
	b.must(err)
	c.Syncs[0].Conflict = crm.ConflictRight
	c.Version++
	_, err = store.SaveConnection(t.Context(), b.Store, testbed.Workspace, c, v)
	b.must(err)
	b.pullLate()
	if got := b.get("Contact", force)["Title"]; got != "Nope" {
		t.Errorf("after the change the title is %q", got)
	}
}

// TestLockedRecordsAreTriedOnTheLadderAndWithEveryPull: somebody changes the
// record for longer than the ladder is; the next pull tries it once more.
func TestLockedRecordsAreTriedOnTheLadderAndWithEveryPull(t *testing.T) {
	t.Parallel()
	b := newBed(t, 30, nil)
	b.start()
	hub, force := b.twins(t.Context())
	locked := `[{"success":false,"errors":[{"statusCode":"UNABLE_TO_LOCK_ROW","message":"unable to obtain exclusive access to this record","fields":[]}]}]`
	lock := func(times int) {
		b.must(b.Force.Core().Inject(fakekit.Fault{
			Kind: fakekit.FaultFail, Endpoint: "PATCH /services/data/v67.0/composite/sobjects", Status: 200, Body: locked,
			Times: times,
		}))
	}
	lock(3)
	b.editHub(hub, "jobtitle", "Cooper")
	b.pullLate()
	if got := b.get("Contact", force)["Title"]; got != "Cooper" {
		t.Errorf("after a short lock the title is %q", got)
	}
	lock(1000)
	b.editHub(hub, "jobtitle", "Weaver")
	b.pullLate()
	if v := b.record(crm.Left, hub); v.State != crm.StateFailing || v.Code != "record_locked" {
		t.Errorf("under a long lock the record is %s, %s", v.State, v.Code)
	}
	if len(b.problems(crm.Left, hub)) == 0 {
		t.Error("the log does not tell")
	}
	b.Force.Core().ClearFaults()
	b.pullLate()
	if got, v := b.get("Contact", force)["Title"], b.record(crm.Left, hub); got != "Weaver" || v.State != crm.StateInSync {
		t.Errorf("after the lock the title is %q and the record %s, %s", got, v.State, v.Code)
	}
}

// TestS33_ARefusedIDCostsNothingElse: the field that is to keep the twin's ID may
// not be written, and the record's values travel all the same.
func TestS33_ARefusedIDCostsNothingElse(t *testing.T) {
	t.Parallel()
	b := newBed(t, 30, func(c *crm.Connection) {
		back := crm.MatchStep{By: crm.MatchByID, Left: "$id", Right: "Department", WriteBack: true}
		c.Syncs[0].Match = crm.SameMatch(append([]crm.MatchStep{back}, c.Syncs[0].Match.Get(crm.ToRight)...)...)
	})
	b.must(b.Force.Core().SetValidations([]fakekit.Validation{
		{Object: "Contact", Field: "Department", Contains: "1", Names: []string{"Department"}},
	}))
	b.start()
	hub, force := b.twins(t.Context())
	b.editHub(hub, "city", "Ghent")
	b.pullLate()
	if got := b.get("Contact", force); got["MailingCity"] != "Ghent" || got["Department"] != "" {
		t.Errorf("the city is %q, the kept ID %q; want the city alone", got["MailingCity"], got["Department"])
	}
	entries := b.problems(crm.Left, hub)
	if len(entries) == 0 || entries[0].Diffs[0].Field != "Department" || entries[0].Outcome != crm.Failed {
		t.Errorf("the log tells %+v, want the refused ID", entries)
	}
}
