package connectortest

import (
	"net/http"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Says is an app that answers calls with these bodies by turns, the last one for
// ever, whatever is asked.
func Says(status int, bodies ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(bodies[0])) // to a recorder
		bodies = bodies[min(1, len(bodies)-1):]
	})
}

// Made is the ID of a record that a user of the app makes.
func Made(t testing.TB, core *fakekit.Core, object string, fields map[string]string) crm.RecordID {
	t.Helper()
	r, err := core.CreateRecord(object, fields)
	if err != nil {
		t.Fatal(err)
	}
	return crm.RecordID(r.ID)
}

// Save creates a record, or changes the one with the ID.
func Save(t testing.TB, c connector.Connector, object string, id crm.RecordID, fields crm.Fields) connector.Written {
	t.Helper()
	w := connector.Write{Op: connector.Create, Fields: fields}
	if id != "" {
		w.Op, w.ID = connector.Update, id
	}
	out, err := c.BatchWrite(t.Context(), object, []connector.Write{w})
	if err != nil || out[0].Err != nil {
		t.Fatalf("%+v: %v, %+v", w, err, out)
	}
	return out[0]
}

// Held is what a record holds, as the connector reads it.
func Held(t testing.TB, c connector.Connector, object string, id crm.RecordID, fields ...string) crm.Fields {
	t.Helper()
	got, err := c.BatchRead(t.Context(), object, []crm.RecordID{id}, fields)
	if err != nil || got[0].Err != nil {
		t.Fatalf("read: %v, %+v", err, got)
	}
	return got[0].Record.Fields
}
