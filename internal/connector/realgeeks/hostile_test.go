package realgeeks_test

import (
	"net/http"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/realgeeks"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// FuzzRealGeeksAnswer gives arbitrary answers to every call: no panic, and either a whole
// result or a classified error.
func FuzzRealGeeksAnswer(f *testing.F) {
	f.Add(201, `{}`)
	f.Add(400, `{"error":"Field 'role' is not a valid choice."}`)
	f.Add(404, `<html>`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		c := opened(t, fakekit.Transport(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		})), connectortest.NewClock().Now)
		wrote, errWrite := c.BatchWrite(t.Context(), "leads", []connector.Write{
			{Op: connector.Create, Fields: crm.Fields{"last_name": crm.TextValue("x")}},
		})
		_, errFields := c.Fields(t.Context(), "leads")
		for _, err := range []error{errWrite, errFields} {
			if err != nil && fault.KindOf(err) == fault.Other {
				t.Fatalf("unclassified: %v", err)
			}
		}
		if errWrite == nil && len(wrote) != 1 {
			t.Fatal("an answer has another number of entries than were asked for")
		}
	})
}

// FuzzRealGeeksDelivery parses arbitrary deliveries: no panic, and either a lead with an
// ID of its one form or a classified error.
func FuzzRealGeeksDelivery(f *testing.F) {
	f.Add(sample, "updated", "2026-03-02T09:31:02.5Z")
	f.Add(`{"id":"7"}`, "", "")
	f.Fuzz(func(t *testing.T, body, action, at string) {
		r := delivered(body)
		r.Header.Set("X-Lead-Router-Action", action)
		r.Header.Set("X-Lead-Router-Timestamp", at)
		events, err := realgeeks.Driver().Webhooks.Parse(r)
		if err != nil && fault.KindOf(err) != fault.Invalid {
			t.Fatalf("unclassified: %v", err)
		}
		for _, e := range events {
			if len(e.ID) != 32 || e.Record == nil || e.Record.ID != e.ID {
				t.Fatalf("%+v", e)
			}
		}
	})
}
