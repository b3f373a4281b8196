package connectortest

import (
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// asking is a test of what an app answers that can be asked for its records.
func asking(test func(*testing.T, *suite)) func(*testing.T, *suite) {
	return func(t *testing.T, s *suite) {
		if s.app.Can(crm.AbilityPush) {
			t.Skip("the app cannot be asked for its records; that it says so, and tells of them, is checked under Push")
		}
		test(t, s)
	}
}

// testPush: an app that only pushes refuses to be asked, and its deliveries carry the
// record with the time at which it was so. One that can be asked carries none.
func testPush(t *testing.T, s *suite) {
	if s.Driver.Webhooks == nil {
		if s.app.Can(crm.AbilityPush) {
			t.Error("an app that only pushes, and does not call")
		}
		return
	}
	s.Fake.Hook("https://lockstep.example/hooks/token", hookSecret)
	id := s.must(t, 0, 1)[0]
	s.clock.Advance(time.Second)
	if err := s.Fake.Update(s.Object, id, map[string]string{s.First: "Heard", s.Phone: ""}); err != nil {
		t.Fatal(err)
	}
	trust := connector.WebhookTrust{Secret: secret.NewText(hookSecret), ExternalID: s.ExternalID}
	var events []connector.Event
	for _, d := range s.Fake.Deliveries() {
		if err := s.Driver.Webhooks.Verify(d, trust, s.clock.Now()); err != nil {
			t.Fatal(err)
		}
		some, err := s.Driver.Webhooks.Parse(d)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, some...)
	}
	if !s.app.Can(crm.AbilityPush) {
		for _, e := range events {
			if e.Record != nil {
				t.Error("push is not claimed, and an event carries its record")
			}
		}
		return
	}
	if len(events) != 2 {
		t.Fatalf("%d events of a new record and its change", len(events))
	}
	for i, e := range events {
		if e.Record == nil || e.ID != id || e.Record.ID != id || e.At.IsZero() || i > 0 && !e.At.After(events[i-1].At) {
			t.Fatalf("event %d is %+v", i, e)
		}
	}
	was, now := events[0].Record.Fields, events[1].Record.Fields
	if was[s.Email].Text() != email(0) || was[s.Phone].Blank() || now[s.First].Text() != "Heard" ||
		now[s.Phone].Kind() != crm.Null {
		t.Errorf("told is %v and %v", texts(was, s.fields()), texts(now, s.fields()))
	}
	calls := s.Fake.Calls()
	for _, full := range []bool{true, false} {
		if _, err := s.conn.Changes(t.Context(), connector.ChangesRequest{Object: s.Object, Full: full}); !fault.Is(
			err,
			fault.Unsupported,
		) {
			t.Errorf("a listing: %v, want unsupported", err)
		}
	}
	_, errRead := s.conn.BatchRead(t.Context(), s.Object, []crm.RecordID{id}, s.fields())
	_, errFind := s.conn.BatchFind(t.Context(), s.Object, crm.Field{Name: s.Email}, []string{email(0)}, s.fields())
	for _, err := range []error{errRead, errFind} {
		if !fault.Is(err, fault.Unsupported) {
			t.Errorf("a read and a look-up: %v, want unsupported", err)
		}
	}
	if n := s.Fake.Calls() - calls; n != 0 {
		t.Errorf("%d calls for what the app cannot be asked", n)
	}
}
