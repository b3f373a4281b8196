package account

import (
	"maps"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// TestAnAppThatIsNoLongerThere: of an account whose app was taken out nothing is opened,
// tested, heard of or authorised, and it is said why.
func TestAnAppThatIsNoLongerThere(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	a := w.oauthAccount(s)
	begun, err := s.Authorize(t.Context(), ws, AuthorizeRequest{App: appID, Name: "Second", User: "admin@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	state, code := w.begin(s, AuthorizeRequest{Name: "Third"})
	late := w.worker()
	late.o.Drivers = maps.Clone(late.o.Drivers)
	maps.DeleteFunc(late.o.Drivers, func(id crm.AppID, _ connector.Driver) bool { return id == appID })
	for name, do := range map[string]func() error{
		"open":  func() error { _, _, err := late.Open(t.Context(), ws, a.ID); return err },
		"test":  func() error { _, err := late.Test(t.Context(), ws, a.ID); return err },
		"hook":  func() error { _, err := late.EnsureWebhook(t.Context(), ws, a.ID); return err },
		"begin": func() error { _, err := late.Begin(t.Context(), begun.State); return err },
		"callback": func() error {
			_, err := late.Callback(t.Context(), CallbackRequest{Browser: w.browser(state), State: state, Code: code})
			return err
		},
	} {
		if err := do(); !fault.Is(err, fault.NotFound) || fault.CodeOf(err) != CodeUnknownApp {
			t.Errorf("%s: %v", name, err)
		}
	}
}
