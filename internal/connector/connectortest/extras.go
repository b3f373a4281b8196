package connectortest

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

func testOwners(t *testing.T, s *suite) {
	finder := s.conn.Extras()
	if finder.OwnerByEmail == nil {
		t.Skip("the app has no users to look up; that it does not claim them is checked under Abilities")
	}
	id, err := finder.OwnerByEmail(t.Context(), s.OwnerEmail)
	if err != nil || id == "" {
		t.Fatalf("OwnerByEmail: %q, %v", id, err)
	}
	if got, err := finder.OwnerEmail(t.Context(), id); err != nil || got != s.OwnerEmail {
		t.Errorf("OwnerEmail of the user found: another address, %v", err)
	}
	for _, who := range []string{"nobody@example.com", "", "o'neil@example.com", "' OR Email != '"} {
		if _, err := finder.OwnerByEmail(t.Context(), who); !fault.Is(err, fault.NotFound) {
			t.Errorf("OwnerByEmail(%q): %v, want not_found", who, err)
		}
	}
	for _, who := range []string{string(missingLike(crm.RecordID(id))), "", "no such"} {
		if _, err := finder.OwnerEmail(t.Context(), who); !fault.Is(err, fault.NotFound) {
			t.Errorf("OwnerEmail(%q): %v, want not_found", who, err)
		}
	}
}

// testNobody asks for the user of no address and of no ID: the app is not asked.
func testNobody(t *testing.T, s *suite) {
	calls := 0
	x := s.Open(t, Tools{Tokens: s.tokens, Wrap: func(rt http.RoundTripper) http.RoundTripper {
		return through(func(r *http.Request) (*http.Response, error) {
			calls++
			return rt.RoundTrip(r)
		})
	}}).Extras()
	if x.OwnerByEmail == nil {
		t.Skip("the app has no users to look up; that it does not claim them is checked under Abilities")
	}
	for _, who := range []string{"", " "} {
		if _, err := x.OwnerByEmail(t.Context(), who); !fault.Is(err, fault.NotFound) || calls != 0 {
			t.Errorf("OwnerByEmail(%q): %v after %d calls, want not_found after none", who, err, calls)
		}
		if _, err := x.OwnerEmail(t.Context(), who); !fault.Is(err, fault.NotFound) || calls != 0 {
			t.Errorf("OwnerEmail(%q): %v after %d calls, want not_found after none", who, err, calls)
		}
	}
}

func testCreateField(t *testing.T, s *suite) {
	create := s.conn.Extras().CreateField
	if create == nil {
		t.Skip("fields cannot be made through the app's API; that it does not claim them is checked under Abilities")
	}
	want := crm.Field{Name: "lockstep_extra", Label: "Lockstep extra", Type: crm.TypeText}
	made, err := create(t.Context(), s.Object, want)
	if err != nil || made.Name == "" || made.Type != crm.TypeText {
		t.Fatalf("CreateField: %+v, %v", made, err)
	}
	fields, err := s.conn.Fields(t.Context(), s.Object)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, f := range fields {
		found = found || f.Name == made.Name && f.Label == want.Label && !f.ReadOnly
	}
	if !found {
		t.Errorf("the new field %q is not among the object's fields", made.Name)
	}
	if _, err := create(t.Context(), s.Object, want); !fault.Is(err, fault.Conflict) ||
		fault.CodeOf(err) != "already_exists" {
		t.Errorf("creating it again: %v, want conflict, already_exists", err)
	}
	id := s.must(t, 0, 1)[0]
	out := s.write(t, connector.Write{
		Op: connector.Update, ID: id, Fields: crm.Fields{made.Name: crm.TextValue("kept")},
		Ref: "r",
	})
	if out[0].Err != nil || s.Fake.Live(s.Object)[id][made.Name] != "kept" {
		t.Errorf("the new field does not take a value: %v", out[0].Err)
	}
}

func testDeleteField(t *testing.T, s *suite) {
	remove := s.conn.Extras().DeleteField
	if remove == nil {
		t.Skip("fields cannot be deleted through the app's API; that it does not claim them is checked under Abilities")
	}
	create := s.conn.Extras().CreateField
	if create == nil {
		t.Fatal("fields can be deleted but none be made: there is none to delete here")
	}
	want := crm.Field{Name: "lockstep_gone", Label: "Lockstep gone", Type: crm.TypeText}
	made, err := create(t.Context(), s.Object, want)
	if err != nil {
		t.Fatal(err)
	}
	if err := remove(t.Context(), s.Object, made.Name); err != nil {
		t.Fatalf("DeleteField: %v", err)
	}
	fields, err := s.conn.Fields(t.Context(), s.Object)
	if err != nil || slices.ContainsFunc(fields, func(f crm.Field) bool { return f.Name == made.Name }) {
		t.Errorf("the field %q is still among the object's fields, %v", made.Name, err)
	}
	for _, name := range []string{made.Name, "../" + made.Name, "no_such_field"} {
		if err := remove(t.Context(), s.Object, name); !fault.Is(err, fault.NotFound) {
			t.Errorf("deleting %q: %v, want not_found", name, err)
		}
	}
	if err := remove(t.Context(), s.Object, s.First); !fault.Is(err, fault.Invalid) {
		t.Errorf("deleting %q, which is the app's own: %v, want invalid", s.First, err)
	}
}

func testHistory(t *testing.T, s *suite) {
	history := s.conn.Extras().History
	if history == nil {
		t.Skip("the app keeps no past values; that it does not claim them is checked under Abilities")
	}
	ids := s.must(t, 0, 2)
	for _, v := range []string{"Second", "Third"} {
		s.clock.Advance(time.Second)
		if err := s.Fake.Update(s.Object, ids[1], map[string]string{s.First: v}); err != nil {
			t.Fatal(err)
		}
	}
	s.clock.Advance(time.Second)
	got, err := history(t.Context(), s.Object, ids, []string{s.First})
	if err != nil || len(got) != len(ids) {
		t.Fatalf("History: %d entries, %v", len(got), err)
	}
	want := []string{"Third", "Second", s.person(1)[s.First]}
	values := got[1][s.First]
	if len(values) != len(want) {
		t.Fatalf("History has %d values, want %d", len(values), len(want))
	}
	for i, v := range values {
		if v.Text() != want[i] {
			t.Errorf("value %d is %q, want %q", i, v.Text(), want[i])
		}
	}
}
