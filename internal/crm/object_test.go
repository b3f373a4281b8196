package crm_test

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestAnObjectMayStandForAFamily: an account's own objects are known by what they are
// called after, and no other object is.
func TestAnObjectMayStandForAFamily(t *testing.T) {
	t.Parallel()
	app := crm.App{
		Limits:  crm.Limits{ReadBatch: 100},
		Objects: []crm.Object{{ID: "leads"}, {ID: "calls", Family: true, ReadBatch: 1}},
	}
	for object, want := range map[string]struct {
		of   string
		read int
	}{
		"leads": {"leads", 100}, "calls.201": {"calls", 1}, "calls": {"calls", 1},
		"leads.1": {"", 100}, "callsigns": {"", 100},
	} {
		of := ""
		if o := app.Object(object); o != nil {
			of = o.ID
		}
		if read := app.For(object).Limits.ReadBatch; of != want.of || read != want.read {
			t.Errorf("%s is of %q, read %d at once, want %+v", object, of, read, want)
		}
	}
	if app.Limits.ReadBatch != 100 {
		t.Error("the app itself has changed")
	}
}
