package connectortest

import (
	"slices"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

func testApp(t *testing.T, s *suite) {
	app := s.conn.App()
	if app.ID == "" || app.Name == "" || app.ID != s.app.ID {
		t.Errorf("App() = %q %q, the driver says %q", app.ID, app.Name, s.app.ID)
	}
	if len(app.Auth) == 0 {
		t.Error("the app names no way to authorise")
	}
	l := app.Limits
	if l.ReadBatch < 1 || l.FindBatch < 1 || l.WriteBatch < 1 || l.PageSize < 1 {
		t.Errorf("batch limits must be at least 1: %+v", l)
	}
	if l.BurstCalls > 0 && l.BurstWindow <= 0 || l.SearchCalls > 0 && l.SearchWindow <= 0 {
		t.Errorf("a limit of calls needs a window: %+v", l)
	}
	if !slices.ContainsFunc(app.Objects, func(o crm.Object) bool { return o.ID == s.Object }) {
		t.Errorf("the well-known objects lack %q", s.Object)
	}
	if !app.Can(crm.AbilityRecordTimes) && app.Can(crm.AbilityConditional) {
		t.Error("conditional writes without record times")
	}
	if len(app.Hosts) == 0 {
		t.Error("the app names no hosts a base URL may have")
	}
	if before := s.Fake.Calls(); before != 0 {
		t.Errorf("opening and describing made %d calls", before)
	}
}

func testAbilities(t *testing.T, s *suite) {
	for _, problem := range Unfounded(s.app, s.conn.Extras()) {
		t.Error(problem)
	}
	if claimed, has := s.app.Can(crm.AbilityWebhooks), s.Driver.Webhooks != nil; claimed != has {
		t.Errorf("ability %s: claimed %v, implemented %v", crm.AbilityWebhooks, claimed, has)
	}
	for _, name := range s.fields() {
		f := s.field(t, name)
		if lag := connector.FindLag(s.conn, s.Object, f); lag < 0 || lag > s.app.Limits.IndexLag {
			t.Errorf("FindLag(%s) = %s, more than the index lag %s", name, lag, s.app.Limits.IndexLag)
		}
	}
}

// field describes a field as discovery does.
func (s *suite) field(t *testing.T, name string) crm.Field {
	t.Helper()
	fields, err := s.conn.Fields(t.Context(), s.Object)
	if err != nil {
		t.Fatalf("Fields: %v", err)
	}
	for _, f := range fields {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("there is no field %q", name)
	return crm.Field{}
}

func testAccount(t *testing.T, s *suite) {
	id, err := s.conn.Test(t.Context())
	if err != nil {
		t.Fatalf("Test: %v", err)
	}
	if id.ExternalID != s.ExternalID || id.Name == "" {
		t.Errorf("Test = %+v, want external ID %q and a name", id, s.ExternalID)
	}
	if s.Fake.Calls() == 0 {
		t.Error("Test made no call")
	}
}

func testDiscovery(t *testing.T, s *suite) {
	objects, err := s.conn.Objects(t.Context())
	if err != nil {
		t.Fatalf("Objects: %v", err)
	}
	seen := map[string]bool{}
	for _, o := range objects {
		if o.ID == "" || o.Label == "" || seen[o.ID] {
			t.Errorf("object %+v is unnamed or listed twice", o)
		}
		seen[o.ID] = true
	}
	if !seen[s.Object] {
		t.Errorf("Objects lacks %q: %v", s.Object, objects)
	}
	fields, err := s.conn.Fields(t.Context(), s.Object)
	if err != nil {
		t.Fatalf("Fields: %v", err)
	}
	byName := map[string]crm.Field{}
	for _, f := range fields {
		if _, twice := byName[f.Name]; f.Name == "" || f.Label == "" || f.Type == "" || twice {
			t.Errorf("field %+v is unnamed, untyped or listed twice", f)
		}
		byName[f.Name] = f
	}
	want := map[string]crm.FieldType{
		s.Email: crm.TypeEmail, s.First: crm.TypeText, s.Last: crm.TypeText, s.Phone: crm.TypePhone,
	}
	for name, typ := range want {
		if f, ok := byName[name]; !ok || f.ReadOnly {
			t.Errorf("field %s: found %v, read-only %v", name, ok, f.ReadOnly)
		} else if f.Type != typ && !(name == s.Email && f.Type == crm.TypeText) {
			t.Errorf("field %s has type %s, want %s", name, f.Type, typ)
		}
	}
	if s.app.Can(crm.AbilityUpsert) && !byName[s.External].External {
		t.Errorf("field %q for our own key is not External", s.External)
	}
	for _, name := range []string{"no_such_object", "", "Contact WHERE", "../contacts"} {
		if _, err := s.conn.Fields(t.Context(), name); !fault.Is(err, fault.NotFound) {
			t.Errorf("Fields(%q): %v, want not_found", name, err)
		}
	}
}
