package rows

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// Users of the apps, by address: those whom both have, and some whom only one has.
const (
	hsAlex, hsRobin, hsKim = "7001", "7002", "7003"
	sfAda, sfAlex, sfRobin = "005Lk0000000001IAA", "005Lk0000000011IAA", "005Lk0000000012IAA"
	sfTwin                 = "005Lk0000000013IAA"
)

// owners is the mapping of users.
var owners = raw(`{"id":"owner","left":["hubspot_owner_id"],"right":["OwnerId"]}`)

// user adds a user to an app, or changes one.
func (f *fake) user(id, email string, active bool) {
	f.w.Helper()
	f.knob("PUT", "users/"+id, map[string]any{"email": email, "active": active})
}

// sharedUsers gives Salesforce two of HubSpot's users.
func (w *world) sharedUsers() {
	w.Helper()
	w.right.user(sfAlex, "Alex@Example.com", true)
	w.right.user(sfRobin, "robin@example.com", true)
}

// told is the newest entry about somebody that tells of an owner whom an app lacks.
func (w *world) told(id string) entry {
	w.Helper()
	for _, e := range w.log("code=unknown_owner") {
		if e.Record == id || e.Partner == id {
			return e
		}
	}
	w.Errorf("the log does not tell of the owner of %s", id)
	return entry{}
}

// TestRow133_OwnersByAddress: a user of one app is the user of the other with the
// same address, on creation and later, both ways. Whom the other app does not have
// is assigned nowhere: a warning, and no failure.
func TestRow133_OwnersByAddress(t *testing.T) {
	row(t, func(w *world) {
		w.sharedUsers()
		ann := w.left.add("ann", "hubspot_owner_id", hsAlex)
		bob := w.left.add("bob", "hubspot_owner_id", hsKim, "city", "Bonn")
		w.left.add("eve")
		w.right.add("dan", "OwnerId", sfRobin)
		w.connect("mappings.+", owners, "conflict", "left")
		p := w.plan()
		w.want(200, "GET", "/v1/plans/"+p.ID+"/changes", nil).says(sfAlex, "unknown_owner")
		w.lacksOnRight("ann")
		w.start()
		w.right.has("ann", "OwnerId", sfAlex)
		w.left.has("dan", "hubspot_owner_id", hsRobin)
		w.right.has("bob", "OwnerId", sfAda, "MailingCity", "Bonn") // the org gives new records to whom it likes
		v := w.stands(w.left, bob, "in_sync", "unknown_owner")
		if len(v.Settled) != 1 || v.Settled[0].Mapping != "owner" || v.Settled[0].Reason != "unknown_owner" {
			w.Errorf("what is settled of bob: %+v", v.Settled)
		}
		e := w.told(bob)
		equal(w, "outcome", e.Outcome, "created")
		if len(e.Diffs) == 0 || e.Message == "" {
			w.Errorf("the warning says nothing: %+v", e)
		}
		w.want(200, "GET", w.record(w.left, bob)+"/explain", nil).says("unknown_owner", "kim@example.org", "no active user")

		w.resync()
		w.resync()
		w.left.has("bob", "hubspot_owner_id", hsKim)
		w.right.has("bob", "OwnerId", sfAda)
		before := w.left.written() + w.right.written()
		w.resync()
		equal(w, "writes of a resync", w.left.written()+w.right.written(), before)
		equal(w, "failed entries", len(w.log("event=failed")), 0)

		w.left.edit(ann, "hubspot_owner_id", hsRobin)
		w.right.edit(w.right.id("dan"), "OwnerId", sfAlex)
		w.pull()
		w.right.has("ann", "OwnerId", sfRobin)
		w.left.has("dan", "hubspot_owner_id", hsAlex)
		w.left.edit(ann, "hubspot_owner_id", hsKim, "city", "Rome") // nobody there: the rest goes on
		w.pull()
		w.right.has("ann", "OwnerId", sfRobin, "MailingCity", "Rome")
		w.stands(w.left, ann, "in_sync", "unknown_owner")
		w.told(ann)
		w.right.edit(w.right.id("ann"), "OwnerId", sfAlex) // somebody chooses: that travels
		w.pull()
		w.left.has("ann", "hubspot_owner_id", hsAlex)
		w.stands(w.left, ann, "in_sync", "")

		w.hear(w.left)
		w.left.edit(ann, "hubspot_owner_id", hsRobin)
		w.until("the owner of a webhook's record", func() bool {
			return w.right.get(w.right.id("ann")).Fields["OwnerId"] == sfRobin
		})
		equal(w, "failed entries", len(w.log("event=failed")), 0)
	})
}

// lacksOnRight demands that a plan wrote nobody.
func (w *world) lacksOnRight(who string) {
	w.Helper()
	if _, there := w.right.find(who); there {
		w.Errorf("a plan made %s", who)
	}
}

// TestRow133_OwnersComeAndGo: one who is deactivated keeps their records and gets
// no new one; one who comes later gets theirs; two with one address are one.
func TestRow133_OwnersComeAndGo(t *testing.T) {
	rowAlone(t, func(w *world) {
		w.sharedUsers()
		w.right.user(sfTwin, "robin@example.com", true)
		ann := w.left.add("ann", "hubspot_owner_id", hsAlex)
		bob := w.left.add("bob", "hubspot_owner_id", hsKim)
		cid := w.left.add("cid", "hubspot_owner_id", hsRobin)
		w.connect("mappings.+", owners, "conflict", "left")
		w.start()
		w.right.has("cid", "OwnerId", sfRobin) // of the two the one with the lowest ID, always
		w.right.edit(w.right.id("cid"), "OwnerId", sfTwin)
		w.pull()
		w.left.has("cid", "hubspot_owner_id", hsRobin)
		w.right.has("cid", "OwnerId", sfTwin) // both are robin: there is nothing to write
		w.left.edit(cid, "city", "Bern")
		w.pull()
		w.right.has("cid", "OwnerId", sfTwin, "MailingCity", "Bern")

		w.right.user(sfAlex, "", false)
		w.left.edit(bob, "hubspot_owner_id", hsAlex, "city", "Oslo") // still thought to be there
		w.pull()
		w.right.has("bob", "OwnerId", sfAda, "MailingCity", "Oslo")
		w.right.has("ann", "OwnerId", sfAlex)
		w.stands(w.left, bob, "in_sync", "unknown_owner")
		w.stands(w.left, ann, "in_sync", "")
		w.told(bob)
		dora := w.left.add("dora", "hubspot_owner_id", hsAlex)
		w.pull()
		w.right.has("dora", "OwnerId", sfAda)
		w.stands(w.left, dora, "in_sync", "unknown_owner")
		equal(w, "failed entries", len(w.log("event=failed")), 0)

		w.left.user(hsRobin, "", false) // here, too: the address is the same as before
		w.pass(2 * time.Hour)
		w.resync()
		w.right.has("cid", "OwnerId", sfTwin)
		w.left.has("cid", "hubspot_owner_id", hsRobin)

		w.right.user(sfAlex, "", true)
		w.pass(2 * time.Hour)
		w.resync()
		w.right.has("bob", "OwnerId", sfAlex)
		w.right.has("dora", "OwnerId", sfAlex)
		w.stands(w.left, bob, "in_sync", "")
		equal(w, "failed entries", len(w.log("event=failed")), 0)
	})
}

// brokers makes a connection of the preset of Sierra and Homestack: what it says of
// itself is there, and so are the lines that rows 144 and 145 name.
func (w *world) brokers(settings ...any) {
	w.Helper()
	const id = "sierra-homestack-leads"
	w.left, w.right = w.app("sierra"), w.app("homestack")
	type preset struct {
		ID, Left, Right string
		Warnings        []warned
	}
	at := slices.IndexFunc(list[preset](w, "/v1/presets"), func(p preset) bool {
		says := func(one warned) bool {
			return one.Code == "preset_mappings" && strings.Contains(one.Detail, "leave them as they are unless you need to")
		}
		return p.ID == id && p.Left == "sierra" && p.Right == "homestack" && slices.ContainsFunc(p.Warnings, says)
	})
	if at < 0 {
		w.Fatalf("there is no preset %s that says to leave its mappings", id)
	}
	w.con = w.saveAs("?preset="+id, map[string]any{
		"name": w.Name(), "default_country": "US", "left": map[string]any{"account": w.left.account},
		"right": map[string]any{"account": w.right.account},
	})
	w.sync = w.con + "/syncs/leads"
	w.warns("preset_mappings", "/syncs/0/mappings", "leave them as they are")
	w.change(append(settings, "schedule", "manual")...)
}

// TestRow144_HomestackToSierra: a user becomes a lead with a password that nobody knows,
// which the app demands; with the names, phone, tags, summary and assignee that the preset
// has lines for. Later changes follow.
func TestRow144_HomestackToSierra(t *testing.T) {
	row(t, func(w *world) {
		w.brokers("direction", "to_left")
		ann := w.right.make("users", map[string]string{
			"name": "Ann van Doe", "email": "ann@example.com", "phone": "+1 212 555 0100", "tags": "buyer;vip",
			"agent_notes": "likes lofts", "agent_email": "robin@example.com",
		})
		w.start()
		w.left.has("ann", "firstName", "Ann van", "lastName", "Doe", "phone", "+12125550100", "tags", "buyer;vip",
			"shortSummary", "likes lofts", "assignee", "robin@example.com")
		w.right.edit(ann, "tags", "buyer", "agent_email", "alex@example.com", "agent_notes", "likes barns")
		w.pull()
		w.left.has("ann", "tags", "buyer", "assignee", "alex@example.com", "shortSummary", "likes barns", "lastName", "Doe")
		equal(w, "failed entries", len(w.log("event=failed")), 0)
	})
}

// TestRow145_SierraToHomestack: a lead becomes a user with its agent's name and e-mail,
// names, phone, tags and agent notes. Another agent brings both; back there goes the
// address, by which Sierra knows who that is.
func TestRow145_SierraToHomestack(t *testing.T) {
	row(t, func(w *world) {
		w.brokers()
		ann := w.left.make("leads", map[string]string{
			"firstName": "Ann", "lastName": "Doe", "email": "ann@example.com", "phone": "+1 212 555 0100", "tags": "buyer;vip",
			"shortSummary": "likes lofts", "assignee": "robin@example.com", "assigneeFirst": "Robin", "assigneeLast": "Sample",
		})
		w.start()
		w.right.has("ann", "name", "Ann Doe", "phone", "+12125550100", "tags", "buyer;vip", "agent_notes", "likes lofts",
			"agent_email", "robin@example.com", "agent_name", "Robin Sample")
		w.left.edit(ann, "assignee", "alex@example.com", "assigneeFirst", "Alex", "assigneeLast", "Roe",
			"tags", "buyer;vip;loft")
		w.right.edit(w.right.id("ann"), "tags", "vip")
		w.pull()
		w.right.has("ann", "agent_email", "alex@example.com", "agent_name", "Alex Roe", "tags", "loft;vip")
		w.left.has("ann", "tags", "loft;vip")
		w.right.edit(w.right.id("ann"), "agent_email", "robin@example.com", "agent_name", "whoever")
		w.pull()
		w.left.has("ann", "assignee", "robin@example.com", "assigneeFirst", "Alex") // which the fake does not look up
		w.right.count(1)
		w.left.count(1)
		equal(w, "failed entries", len(w.log("event=failed")), 0)
	})
}

// TestRow144_Row145_AssigneesAddress: a field of addresses is joined with the
// users of the other app, both ways.
func TestRow144_Row145_AssigneesAddress(t *testing.T) {
	row(t, func(w *world) {
		w.sharedUsers()
		w.left.add("ann", "company", "ALEX@example.com")
		w.left.add("bob", "company", "nobody@example.com")
		w.left.add("eve", "company", "the agent")
		w.right.add("dan", "OwnerId", sfRobin)
		w.connect("conflict", "left")
		w.invalid("incompatible_types", "/syncs/0/mappings/6/transform/type", "mappings.+",
			raw(`{"id":"agent","left":["company"],"right":["OwnerId"]}`))
		w.change("mappings.+", raw(`{"id":"agent","left":["company"],"right":["OwnerId"],"transform":{"type":"email"}}`))
		w.start()
		w.right.has("ann", "OwnerId", sfAlex)
		w.left.has("ann", "company", "ALEX@example.com")
		w.left.has("dan", "company", "robin@example.com")
		w.right.has("bob", "OwnerId", sfAda)
		w.left.has("bob", "company", "nobody@example.com")
		w.left.has("eve", "company", "the agent")
		w.stands(w.right, w.right.id("eve"), "in_sync", "unknown_owner")
		w.right.edit(w.right.id("ann"), "OwnerId", sfRobin)
		w.left.edit(w.left.id("dan"), "company", "alex@example.com")
		w.pull()
		w.left.has("ann", "company", "robin@example.com")
		w.right.has("dan", "OwnerId", sfAlex)
		w.resync()
		w.left.has("bob", "company", "nobody@example.com")
		equal(w, "failed entries", len(w.log("event=failed")), 0)
	})
}

// TestRow133_OwnersOfPipedrive: an app that names no field when it refuses, and
// gives every new record to its caller.
func TestRow133_OwnersOfPipedrive(t *testing.T) {
	rowAlone(t, func(w *world) {
		const pdAlex, pdRobin = "3", "4"
		w.right = w.app("pipedrive")
		ann := w.left.add("ann", "hubspot_owner_id", hsRobin)
		w.left.add("bob", "hubspot_owner_id", hsKim)
		w.right.add("dan", "owner_id", pdRobin)
		w.connect("match", raw(`[{"by":"any_key","pairs":[["email","emails"]]}]`), "conflict", "left", "mappings",
			raw(`[{"id":"email","left":["email"],"right":["emails"],"transform":{"type":"email"}},
			{"id":"name","left":["lastname"],"right":["name"]},
			{"id":"owner","left":["hubspot_owner_id"],"right":["owner_id"]}]`))
		w.start()
		w.right.has("ann", "owner_id", pdRobin)
		w.right.has("bob", "owner_id", pdAlex) // kim is there, and is not active
		w.left.has("dan", "hubspot_owner_id", hsRobin)
		w.resync()
		w.left.has("bob", "hubspot_owner_id", hsKim)
		w.right.user(pdRobin, "", false)
		fay := w.left.add("fay", "hubspot_owner_id", hsRobin)
		w.left.edit(ann, "hubspot_owner_id", hsAlex, "lastname", "Roe")
		w.pull()
		w.right.has("ann", "owner_id", pdAlex, "name", "Roe")
		w.right.has("fay", "owner_id", pdAlex)
		w.stands(w.left, fay, "in_sync", "unknown_owner")
		w.left.edit(ann, "hubspot_owner_id", hsRobin, "lastname", "Doe")
		w.pull()
		w.right.has("ann", "owner_id", pdAlex, "name", "Doe")
		w.right.edit(w.right.id("ann"), "owner_id", "")
		w.pull()
		w.resync()
		w.left.has("ann", "hubspot_owner_id", hsRobin)
		w.left.has("fay", "hubspot_owner_id", hsRobin)
		equal(w, "failed entries", len(w.log("event=failed")), 0)
	})
}
