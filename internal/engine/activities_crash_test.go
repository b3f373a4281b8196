package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce/salesforcefake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// noteBed is HubSpot on the left and Salesforce on the right, with their own
// connectors, and an engine that syncs contacts and what is noted about them. The
// boundary is at each HTTP request: what is one write to the engine may be several.
type noteBed struct {
	*crashBed
	hub   *hubspotfake.Fake
	force *salesforcefake.Fake
}

// notes is the sync of the activities.
var notes = testbed.Contacts.Activities()

func newNoteBed(t *testing.T, at int, mode crashMode, change func(*crm.Sync)) *noteBed {
	n := &noteBed{}
	n.crashBed = newCrashBed(t, at, mode, func(c *crm.Connection) {
		*c = *testbed.Document()
		pair := func(id, l, r string) crm.Mapping {
			return crm.Mapping{ID: crm.MappingID(id), Left: []string{l}, Right: []string{r}}
		}
		made := pair("time", "hs_timestamp", "CreatedDate")
		made.Direction, made.WriteOnce, made.Transform.Type = crm.DirectionToLeft, true, crm.TransformDateTime
		c.Syncs[0].Activities = crm.Activities{
			Enabled: true, Left: crm.ActivityEnd{Object: "notes", Parent: "associations.contacts"},
			Right:    crm.ActivityEnd{Object: "Task", Parent: "WhoId"},
			Mappings: []crm.Mapping{pair("body", "hs_note_body", "Description"), made},
			Since:    time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC),
		}
		if change != nil {
			change(&c.Syncs[0])
		}
	}, nil)
	n.hub = hubspotfake.New(fakekit.Config{Now: n.clock})
	n.force = salesforcefake.New(fakekit.Config{Now: n.clock})
	n.open = n.connect
	n.eng = n.process()
	return n
}

// connect opens an account's connector, whose requests pass the boundary.
func (n *noteBed) connect(id crm.AccountID) (connector.Connector, error) {
	if id == testbed.LeftAccount {
		return n.hubspot(n.hub)
	}
	access, _ := n.force.Token()
	return salesforce.Driver().Open(connector.Config{
		Kind: crm.AuthOAuth2, Now: n.clock, HTTP: &http.Client{Transport: n.through(n.force)},
		BaseURL: "https://fake.my.salesforce.com", Tokens: fixedToken(access),
	})
}

// hubspot opens a portal's connector, whose requests pass the boundary.
func (b *crashBed) hubspot(portal *hubspotfake.Fake) (connector.Connector, error) {
	return hubspot.Driver().Open(connector.Config{
		Kind: crm.AuthToken, Now: b.clock, HTTP: &http.Client{Transport: b.through(portal)},
		Credentials: map[string]secret.Text{"token": secret.NewText(hubspotfake.PrivateToken)},
	})
}

// through lets each request to an app pass the boundary.
func (b *crashBed) through(h http.Handler) http.RoundTripper {
	app := fakekit.Transport(h)
	return roundTrip(func(r *http.Request) (res *http.Response, err error) {
		if e := b.io("app "+r.Method+" "+r.URL.Path, func() { res, err = app.RoundTrip(r) }); e != nil {
			return nil, e
		}
		return res, err
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// fixedToken is a grant of one token.
type fixedToken string

// Token implements connector.Tokens.
func (t fixedToken) Token(context.Context) (secret.Text, error) {
	return secret.NewText(string(t)), nil
}

// Renew implements connector.Tokens.
func (t fixedToken) Renew(context.Context, secret.Text) (secret.Text, error) {
	return secret.NewText(string(t)), nil
}

func (n *noteBed) core(side crm.Side) *fakekit.Core {
	if side == crm.Left {
		return n.hub.Core()
	}
	return n.force.Core()
}

// names are the object and its fields on a side: of contacts, or of what is noted.
var (
	contactNames = [2][]string{{"contacts", "email", "lastname"}, {"Contact", "Email", "LastName"}}
	noteNames    = [2][]string{{"notes", "hs_note_body", "associations.contacts"}, {"Task", "Description", "WhoId"}}
)

func (n *noteBed) make(side crm.Side, object string, fields map[string]string) crm.RecordID {
	n.t.Helper()
	n.now = n.now.Add(time.Second)
	if object == "notes" {
		fields["hs_timestamp"] = n.now.UTC().Format(time.RFC3339)
	}
	r, err := n.core(side).CreateRecord(object, fields)
	if err != nil {
		n.t.Fatal(err)
	}
	return crm.RecordID(r.ID)
}

// person makes a contact.
func (n *noteBed) person(side crm.Side, email string) crm.RecordID {
	n.t.Helper()
	names := contactNames[side.Index()]
	return n.make(side, names[0], map[string]string{names[1]: email, names[2]: "Of " + email})
}

// contact is the living contact with an address.
func (n *noteBed) contact(side crm.Side, email string) crm.RecordID {
	n.t.Helper()
	return n.only(side, contactNames[side.Index()], email)
}

// only is the living record of an object with a value in its first field.
func (n *noteBed) only(side crm.Side, names []string, value string) crm.RecordID {
	n.t.Helper()
	for _, r := range n.core(side).Records(names[0]) {
		if !r.Deleted && r.Fields[names[1]] == value {
			return crm.RecordID(r.ID)
		}
	}
	n.t.Fatalf("none of the %s on the %s is %q", names[0], side, value)
	return ""
}

// note makes an activity about a contact.
func (n *noteBed) note(side crm.Side, text, email string) crm.RecordID {
	n.t.Helper()
	names := noteNames[side.Index()]
	return n.make(side, names[0], map[string]string{names[1]: text, names[2]: string(n.contact(side, email))})
}

// noted is the one living activity with a text.
func (n *noteBed) noted(side crm.Side, text string) crm.RecordID {
	n.t.Helper()
	return n.only(side, noteNames[side.Index()], text)
}

func (n *noteBed) change(side crm.Side, id crm.RecordID, field, value string) {
	n.t.Helper()
	n.now = n.now.Add(time.Second)
	_, err := n.core(side).UpdateRecord(noteNames[side.Index()][0], string(id), map[string]string{field: value})
	if err != nil {
		n.t.Fatal(err)
	}
}

// pullAll makes the schedules of contacts and of what is noted about them fire.
func (n *noteBed) pullAll() {
	n.pull()
	n.rest()
	n.run(func(e *engine.Engine) {
		_ = e.Pull(n.t.Context(), testbed.Workspace, testbed.Connection, notes) // the next firing tries again
	})
	n.rest()
}

// about names the contacts that an activity is about, by address. A note may be
// about several.
func (n *noteBed) about(side crm.Side, id crm.RecordID) string {
	defer func(live bool) { n.live = live }(n.live)
	n.live = false
	var ids []crm.RecordID
	if side == crm.Left {
		ids = n.associated(id)
	} else {
		for _, r := range n.force.Core().Records("Task") {
			if crm.RecordID(r.ID) == id && r.Fields["WhoId"] != "" {
				ids = append(ids, crm.RecordID(r.Fields["WhoId"]))
			}
		}
	}
	var out []string
	names := contactNames[side.Index()]
	for _, r := range n.core(side).Records(names[0]) {
		if slices.Contains(ids, crm.RecordID(r.ID)) {
			out = append(out, r.Fields[names[1]])
		}
	}
	if len(out) != len(ids) {
		out = append(out, "somebody who is not there")
	}
	return strings.Join(out, " and ")
}

// association is a record that another one is associated with in HubSpot, and as what.
type association struct {
	ID    json.Number            `json:"toObjectId"`
	Types []struct{ TypeID int } `json:"associationTypes"`
}

// portal makes a call of HubSpot's API about the associations of a record.
func portal(t *testing.T, hub *hubspotfake.Fake, method, path string) (out []association) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "https://api.hubapi.com/crm/v4/objects/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+hubspotfake.PrivateToken)
	res, err := fakekit.Transport(hub).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var found struct {
		Results []association `json:"results"`
	}
	switch {
	case res.StatusCode == http.StatusNotFound:
	case res.StatusCode != http.StatusOK:
		t.Fatalf("HubSpot answers %s", res.Status)
	case method == http.MethodGet:
		if err := json.NewDecoder(res.Body).Decode(&found); err != nil {
			t.Fatal(err)
		}
	}
	return found.Results
}

// beside associates a note in HubSpot with a further contact.
func (n *noteBed) beside(note, contact crm.RecordID) {
	n.t.Helper()
	portal(n.t, n.hub, http.MethodPut, fmt.Sprintf("notes/%s/associations/default/contacts/%s", note, contact))
}

// associated asks HubSpot for all contacts that a note is about.
func (n *noteBed) associated(id crm.RecordID) (ids []crm.RecordID) {
	n.t.Helper()
	for _, one := range portal(n.t, n.hub, http.MethodGet, fmt.Sprintf("notes/%s/associations/contacts", id)) {
		ids = append(ids, crm.RecordID(one.ID))
	}
	return ids
}

// end describes both apps and what is linked, by values: IDs depend on the order of
// creation.
func (n *noteBed) end() string {
	lines := n.unbalanced()
	texts := map[crm.RecordID]string{}
	for _, side := range crm.Sides {
		names := noteNames[side.Index()]
		for _, r := range n.core(side).Records(contactNames[side.Index()][0]) {
			who := r.Fields[contactNames[side.Index()][1]]
			lines = append(lines, fmt.Sprintf("%s contact %s deleted=%v", side, who, r.Deleted))
		}
		for _, r := range n.core(side).Records(names[0]) {
			id := crm.RecordID(r.ID)
			texts[id] = r.Fields[names[1]]
			lines = append(lines, fmt.Sprintf("%s note %q about %s deleted=%v", side, texts[id], n.about(side, id), r.Deleted))
		}
	}
	rs, _, err := n.eng.ListRecords(n.t.Context(), testbed.Workspace, testbed.Connection, notes,
		engine.RecordFilter{}, 200, "")
	if err != nil {
		lines = append(lines, "records: "+fault.CodeOf(err))
	}
	for _, r := range rs {
		lines = append(lines, fmt.Sprintf("link %s %q = %q %s %s", r.Side, texts[r.ID], texts[r.Partner], r.State, r.Code))
	}
	lines = append(lines, n.traces()...)
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// noteScenario is one thing that happens to what is noted about two contacts who are
// in step.
type noteScenario struct {
	name   string
	change func(*crm.Sync)
	act    func(n *noteBed)
	always bool     // stopped at every request, of the two that make an activity; of the others at one in five
	ends   []string // what the end has, besides being the same wherever something broke
}

func noteScenarios() []noteScenario {
	linked := func(text string) []string {
		return []string{
			fmt.Sprintf("left note %q about %s deleted=false", text, ann),
			fmt.Sprintf("right note %q about %s deleted=false", text, ann),
			fmt.Sprintf("link left %q = %q in_sync ", text, text),
		}
	}
	return []noteScenario{
		{name: "noted in HubSpot", always: true, ends: linked("hello"), act: func(n *noteBed) {
			n.note(crm.Left, "hello", ann)
			n.pullAll()
		}},
		{name: "noted in Salesforce", always: true, ends: linked("hello"), act: func(n *noteBed) {
			n.note(crm.Right, "hello", ann)
			n.pullAll()
		}},
		{name: "one text about two", ends: linked("same"), act: func(n *noteBed) {
			n.note(crm.Left, "same", bob)
			n.note(crm.Left, "same", ann)
			n.note(crm.Right, "same", bob)
			n.pullAll()
		}},
		{name: "about somebody new", ends: []string{
			`right note "first" about cyd@example.com deleted=false`, `left note "first" about cyd@example.com deleted=false`,
		}, act: func(n *noteBed) {
			n.person(crm.Left, "cyd@example.com")
			n.note(crm.Left, "first", "cyd@example.com")
			n.run(func(e *engine.Engine) {
				_ = e.Pull(n.t.Context(), testbed.Workspace, testbed.Connection, notes) // it waits for the contact
			})
			n.rest()
			n.pullAll()
		}},
		{name: "rewritten", ends: linked("after"), act: func(n *noteBed) {
			n.aside(func() {
				n.note(crm.Left, "before", ann)
				n.pullAll()
			})
			n.change(crm.Left, n.noted(crm.Left, "before"), "hs_note_body", "after")
			n.pullAll()
		}},
		{name: "moved in HubSpot", ends: linked("moved"), act: func(n *noteBed) {
			n.aside(func() {
				n.note(crm.Left, "moved", bob)
				n.pullAll()
			})
			n.change(crm.Left, n.noted(crm.Left, "moved"), "associations.contacts", string(n.contact(crm.Left, ann)))
			n.pullAll()
		}},
		{name: "moved in Salesforce to who has the lower ID", ends: linked("moved"), act: func(n *noteBed) {
			n.aside(func() {
				n.note(crm.Right, "moved", bob)
				n.pullAll()
			})
			n.change(crm.Right, n.noted(crm.Right, "moved"), "WhoId", string(n.contact(crm.Right, ann)))
			n.pullAll()
		}},
		{name: "moved in Salesforce to who has the higher ID", act: func(n *noteBed) {
			n.aside(func() {
				n.note(crm.Right, "moved", ann)
				n.pullAll()
			})
			n.change(crm.Right, n.noted(crm.Right, "moved"), "WhoId", string(n.contact(crm.Right, bob)))
			n.pullAll()
		}, ends: []string{`left note "moved" about bob@example.com deleted=false`}},
		{name: "moved in Salesforce from one of two in HubSpot", act: func(n *noteBed) {
			n.aside(func() {
				n.person(crm.Left, eve)
				n.note(crm.Left, "moved", ann)
				n.beside(n.noted(crm.Left, "moved"), n.contact(crm.Left, bob))
				n.pullAll()
			})
			n.change(crm.Right, n.noted(crm.Right, "moved"), "WhoId", string(n.contact(crm.Right, eve)))
			n.pullAll()
		}, ends: []string{
			fmt.Sprintf("left note %q about %s and %s deleted=false", "moved", bob, eve),
			fmt.Sprintf("right note %q about %s deleted=false", "moved", eve),
		}},
		{name: "its contact merged", ends: linked("kept"), act: func(n *noteBed) {
			n.aside(func() {
				n.person(crm.Left, "")
				n.note(crm.Left, "kept", "")
				n.note(crm.Left, "other", ann)
				n.pullAll()
			})
			into := n.contact(crm.Left, ann)
			if _, err := n.hub.Core().MergeRecord("contacts", string(n.contact(crm.Left, "")), string(into)); err != nil {
				n.t.Fatal(err)
			}
			n.pullAll()
		}},
		{name: "all there is, to the right alone", ends: linked("old"), change: func(s *crm.Sync) {
			s.Direction, s.Activities.Existing = crm.DirectionToRight, true
		}, act: func(n *noteBed) {
			n.note(crm.Left, "old", ann)
			n.note(crm.Right, "stays", ann)
			n.ask(func(e *engine.Engine) error {
				_, err := e.StartRun(n.t.Context(), testbed.Workspace, testbed.Connection, notes, engine.RunResync)
				return err
			})
			n.rest()
		}},
	}
}

// play runs a scenario with one strike and returns its end.
func (sc *noteScenario) play(t *testing.T, at int, mode crashMode) (end string, requests int) {
	n := newNoteBed(t, at, mode, sc.change)
	n.inStep()
	n.live = true
	sc.act(n)
	n.rest()
	requests = n.count
	n.live = false
	for range 2 {
		n.pullAll()
	}
	return n.end(), requests
}

// TestS8_ActivitiesStopAnywhereAndResume stops before and after every request while an
// activity is made, changed or moved, lets it fail or loses its answer: in the end there
// is one of each on either side, about the same contact and linked, as without.
func TestS8_ActivitiesStopAnywhereAndResume(t *testing.T) {
	t.Parallel()
	stride := 1
	if testing.Short() {
		stride = 61
		if n, err := strconv.Atoi(os.Getenv("CRASH_STRIDE")); err == nil && n > 0 {
			stride = n
		}
	}
	for _, sc := range noteScenarios() {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			stride := stride
			if !sc.always {
				stride = max(stride, 5)
			}
			want, requests := sc.play(t, -1, dieBefore)
			for _, line := range sc.ends {
				if !strings.Contains(want, line) {
					t.Errorf("ends with:\n%s\nwant %s", want, line)
				}
			}
			points, survived := everywhere(t, want, requests, stride, func(at int, mode crashMode) string {
				got, _ := sc.play(t, at, mode)
				return got
			})
			t.Logf("%d of %d stops survived", survived, points)
		})
	}
}
