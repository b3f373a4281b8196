package engine_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

// firmBed is two portals of HubSpot with an engine that syncs contacts, companies and
// which contact belongs to which companies. The boundary is at each HTTP request: a
// list of references is written edge by edge.
type firmBed struct {
	*crashBed
	hubs [2]*hubspotfake.Fake
}

// The sync of the companies, and the fields by which a contact shows its companies.
const (
	firms    = crm.SyncID("firms")
	theirs   = "associations.companies"
	mainFirm = "associations.companies.hubspot_1"
)

func newFirmBed(t *testing.T, at int, mode crashMode) *firmBed {
	f := &firmBed{}
	f.crashBed = newCrashBed(t, at, mode, func(c *crm.Connection) {
		*c = *testbed.Document()
		same := func(name string) crm.Mapping {
			return crm.Mapping{ID: crm.MappingID(name), Left: []string{name}, Right: []string{name}}
		}
		people := &c.Syncs[0]
		people.Right.Object = "contacts"
		people.Match = crm.SameMatch(crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"email", "email"}}})
		people.Mappings = []crm.Mapping{same("email"), same("lastname")}
		for _, field := range []string{theirs, mainFirm} {
			people.Associations = append(people.Associations, crm.Association{Left: field, Right: field, Sync: firms})
		}
		companies := *people
		companies.ID, companies.Associations = firms, nil
		companies.Left.Object, companies.Right.Object = "companies", "companies"
		companies.Match = crm.SameMatch(crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"name", "name"}}})
		companies.Mappings = []crm.Mapping{same("name")}
		c.Syncs = append(c.Syncs, companies)
	}, nil)
	for i := range f.hubs {
		f.hubs[i] = hubspotfake.New(fakekit.Config{Now: f.clock})
	}
	f.open = func(id crm.AccountID) (connector.Connector, error) {
		if id == testbed.LeftAccount {
			return f.hubspot(f.hubs[0])
		}
		return f.hubspot(f.hubs[1])
	}
	f.eng = f.process()
	return f
}

// inStep has two companies and two contacts on both sides; bob belongs to Acme.
func (f *firmBed) inStep() {
	f.t.Helper()
	for _, side := range crm.Sides {
		acme := f.make(side, "companies", map[string]string{"name": "Acme"})
		f.make(side, "companies", map[string]string{"name": "Globex"})
		f.make(side, "contacts", map[string]string{"email": ann, "lastname": "Roe"})
		f.make(side, "contacts", map[string]string{"email": bob, "lastname": "Doe", theirs: string(acme)})
	}
	f.start()
	f.rest()
	f.pullAll()
}

func (f *firmBed) make(side crm.Side, object string, fields map[string]string) crm.RecordID {
	f.t.Helper()
	f.now = f.now.Add(time.Second)
	r, err := f.hubs[side.Index()].Core().CreateRecord(object, fields)
	if err != nil {
		f.t.Fatal(err)
	}
	return crm.RecordID(r.ID)
}

// find is the living record of an object with a value in a field.
func (f *firmBed) find(side crm.Side, object, field, value string) crm.RecordID {
	f.t.Helper()
	for _, r := range f.hubs[side.Index()].Core().Records(object) {
		if !r.Deleted && r.Fields[field] == value {
			return crm.RecordID(r.ID)
		}
	}
	f.t.Fatalf("none of the %s on the %s is %q", object, side, value)
	return ""
}

// belongs sets the companies of a contact in a field, by name, and something else, as
// HubSpot counts no contact as modified for its companies alone.
func (f *firmBed) belongs(side crm.Side, email, field string, names ...string) {
	f.t.Helper()
	f.now = f.now.Add(time.Second)
	ids := make([]string, len(names))
	for i, name := range names {
		ids[i] = string(f.find(side, "companies", "name", name))
	}
	_, err := f.hubs[side.Index()].Core().UpdateRecord("contacts", string(f.find(side, "contacts", "email", email)),
		map[string]string{field: strings.Join(ids, ";"), "jobtitle": f.now.String()})
	if err != nil {
		f.t.Fatal(err)
	}
}

// pullAll makes the schedules of contacts and companies fire.
func (f *firmBed) pullAll() {
	f.pull()
	f.rest()
	f.run(func(e *engine.Engine) {
		_ = e.Pull(f.t.Context(), testbed.Workspace, testbed.Connection, firms) // the next firing tries again
	})
	f.rest()
}

// of asks a portal for the companies of a contact, and by what it has each.
func (f *firmBed) of(side crm.Side, contact string) string {
	f.t.Helper()
	hub := f.hubs[side.Index()]
	names := map[string]string{}
	for _, c := range hub.Core().Records("companies") {
		names[c.ID] = c.Fields["name"]
	}
	var out []string
	for _, one := range portal(f.t, hub, http.MethodGet, "contacts/"+contact+"/associations/companies") {
		var types []string
		for _, t := range one.Types {
			types = append(types, strconv.Itoa(t.TypeID))
		}
		slices.Sort(types)
		out = append(out, names[one.ID.String()]+"("+strings.Join(types, "+")+")")
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// end describes both portals and what is linked, by values.
func (f *firmBed) end() string {
	lines, names := f.unbalanced(), map[crm.RecordID]string{}
	for _, side := range crm.Sides {
		core := f.hubs[side.Index()].Core()
		for _, r := range core.Records("companies") {
			names[crm.RecordID(r.ID)] = r.Fields["name"]
			lines = append(lines, fmt.Sprintf("%s company %s deleted=%v", side, r.Fields["name"], r.Deleted))
		}
		for _, r := range core.Records("contacts") {
			email := r.Fields["email"]
			names[crm.RecordID(r.ID)] = email
			lines = append(lines, fmt.Sprintf("%s contact %s of %s deleted=%v", side, email, f.of(side, r.ID), r.Deleted))
		}
	}
	for _, sync := range []crm.SyncID{testbed.Contacts, firms} {
		rs, _, err := f.eng.ListRecords(f.t.Context(), testbed.Workspace, testbed.Connection, sync,
			engine.RecordFilter{}, 200, "")
		if err != nil {
			lines = append(lines, "records: "+fault.CodeOf(err))
		}
		for _, r := range rs {
			lines = append(lines, fmt.Sprintf("link %s %s = %s %s %s", r.Side, names[r.ID], names[r.Partner], r.State, r.Code))
		}
	}
	lines = append(lines, f.traces()...)
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// firmScenarios are what happens to who belongs where, each with the companies of a
// contact that both sides must end with.
var firmScenarios = map[string]struct {
	who, ends string
	act       func(f *firmBed)
}{
	"one more": {bob, "Acme(279) Globex(279)", func(f *firmBed) {
		f.belongs(crm.Left, bob, theirs, "Acme", "Globex")
	}},
	"the first two": {ann, "Acme(279) Globex(279)", func(f *firmBed) {
		f.belongs(crm.Right, ann, theirs, "Acme", "Globex")
	}},
	"the main one": {ann, "Acme(1+279) Globex(279)", func(f *firmBed) {
		f.belongs(crm.Left, ann, theirs, "Acme", "Globex")
		f.belongs(crm.Left, ann, mainFirm, "Acme")
	}},
	"one for another": {bob, "Globex(279)", func(f *firmBed) {
		f.belongs(crm.Left, bob, theirs, "Globex")
	}},
	"one more here, one less there": {bob, "Globex(279)", func(f *firmBed) {
		f.belongs(crm.Left, bob, theirs, "Acme", "Globex")
		f.belongs(crm.Right, bob, theirs)
	}},
	"the last one": {bob, "", func(f *firmBed) {
		f.belongs(crm.Right, bob, theirs)
	}},
	"of a new contact": {eve, "Acme(279) Globex(279)", func(f *firmBed) {
		f.make(crm.Left, "contacts", map[string]string{"email": eve, "lastname": "Poe"})
		f.belongs(crm.Left, eve, theirs, "Acme", "Globex")
	}},
	"a new company, beside another one": {bob, "Acme(279) Globex(279) Initech(279)", func(f *firmBed) {
		f.make(crm.Left, "companies", map[string]string{"name": "Initech"})
		f.belongs(crm.Left, bob, theirs, "Acme", "Initech")
		f.belongs(crm.Right, bob, theirs, "Acme", "Globex")
	}},
}

// playFirms runs a scenario with one strike and returns its end.
func playFirms(t *testing.T, name string, at int, mode crashMode) (end string, requests int) {
	f := newFirmBed(t, at, mode)
	f.inStep()
	f.live = true
	firmScenarios[name].act(f)
	f.pullAll()
	requests = f.count
	f.live = false
	for range 2 {
		f.pullAll()
	}
	return f.end(), requests
}

// TestS8_ListsOfReferencesStopAnywhereAndResume stops before and after every request
// while the companies of a contact travel, lets it fail or loses its answer: in the end
// both portals have the same ones, and nobody else has any.
func TestS8_ListsOfReferencesStopAnywhereAndResume(t *testing.T) {
	t.Parallel()
	stride := 1
	if testing.Short() {
		stride = 67
		if n, err := strconv.Atoi(os.Getenv("CRASH_STRIDE")); err == nil && n > 0 {
			stride = n
		}
	}
	for _, name := range slices.Sorted(maps.Keys(firmScenarios)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, requests := playFirms(t, name, -1, dieBefore)
			for _, side := range crm.Sides {
				sc := firmScenarios[name]
				if line := fmt.Sprintf("%s contact %s of %s deleted=false", side, sc.who, sc.ends); !strings.Contains(want, line) {
					t.Errorf("ends with:\n%s\nwant %s", want, line)
				}
			}
			points, survived := everywhere(t, want, requests, stride, func(at int, mode crashMode) string {
				got, _ := playFirms(t, name, at, mode)
				return got
			})
			t.Logf("%d of %d stops survived", survived, points)
		})
	}
}
