package engine_test

import (
	"context"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

// reticent is an app that does not say who we are there.
type reticent struct {
	*mortal
	self func() (string, error)
}

// Extras implements connector.Connector.
func (r reticent) Extras() connector.Extras {
	x := r.mortal.Extras()
	x.Self = func(context.Context) (string, error) { return r.self() }
	return x
}

// TestS35_AnEditWaitsUntilTheAppSaysWhoWeAre: a person edits what we wrote, in
// the moment that we wrote it. Whether that is an edit hangs on our own user
// alone, and where the app cannot name it now, the record is looked at again: it
// travels, and does not pass for what the app made of our write.
func TestS35_AnEditWaitsUntilTheAppSaysWhoWeAre(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]fault.Kind{"down": fault.Unavailable, "busy": fault.Throttled} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked, silent := 0, 0
			inner, err := testbed.New(t.Context(), testbed.Options{
				People: 30,
				Wrap: func(id crm.AccountID, c connector.Connector) connector.Connector {
					return reticent{&mortal{c, func() {}}, func() (string, error) {
						if asked++; silent > 0 {
							silent--
							return "", fault.New("reticent: self", kind, "no_answer", "it does not say")
						}
						return c.Extras().Self(t.Context())
					}}
				},
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			b := bed{inner, t}
			b.start()
			hub, force := b.twins(t.Context())
			b.editHub(hub, "jobtitle", "Cooper")
			b.pullLate()
			if got := b.get("Contact", force)["Title"]; got != "Cooper" {
				t.Fatalf("the right holds %q before anything is edited there", got)
			}
			silent = 1
			_, err = b.Force.Core().UpdateRecord("Contact", force, map[string]string{"Title": "Weaver"}) // no time has passed
			b.must(err)
			for range 3 {
				b.pullLate()
			}
			if left, right := b.get("contacts", hub)["jobtitle"], b.get("Contact", force)["Title"]; left != "Weaver" ||
				right != "Weaver" {
				t.Errorf("left %q, right %q; want the person's edit on both", left, right)
			}
			if asked < 2 || silent != 0 {
				t.Errorf("asked %d times, %d more to fail: nothing hung on who we are", asked, silent)
			}
			if e := b.told(force); e != nil {
				t.Errorf("told as the app's doing: %+v", e)
			}
		})
	}
}
