package account

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store/storetest"
)

// deed is one call of the service, on an account that was authorised in the
// browser or was given a token.
type deed struct {
	oauth bool
	do    func(w *world, s *Service, id crm.AccountID) (any, error)
}

func deeds() map[string]deed {
	ctx, name := context.Background(), "New name"
	return map[string]deed{
		"create": {do: func(_ *world, s *Service, _ crm.AccountID) (any, error) {
			a, err := s.Create(ctx, ws, Draft{
				App: appID, Name: "Other", Credentials: Credentials{
					Kind: crm.AuthToken, Fields: map[string]secret.Text{"token": secret.NewText("token-2")},
				},
			})
			return a.Name, err
		}},
		"get": {do: func(_ *world, s *Service, id crm.AccountID) (any, error) {
			a, err := s.Get(ctx, ws, id)
			return a.Name, err
		}},
		"list": {do: func(_ *world, s *Service, _ crm.AccountID) (any, error) {
			all, next, err := s.List(ctx, ws, 10, "")
			return fmt.Sprint(len(all), next), err
		}},
		"rename": {do: func(_ *world, s *Service, id crm.AccountID) (any, error) {
			a, err := s.Update(ctx, ws, id, 0, Change{Name: &name})
			return a.Name, err
		}},
		"new token": {do: func(_ *world, s *Service, id crm.AccountID) (any, error) {
			a, err := s.Update(ctx, ws, id, 0, Change{
				Credentials: &Credentials{Kind: crm.AuthToken, Fields: map[string]secret.Text{"token": secret.NewText("token-3")}},
			})
			return a.Name, err
		}},
		"delete": {
			do: func(_ *world, s *Service, id crm.AccountID) (any, error) { return nil, s.Delete(ctx, ws, id, 0) },
		},
		"delete, oauth": {
			true, func(_ *world, s *Service, id crm.AccountID) (any, error) { return nil, s.Delete(ctx, ws, id, 0) },
		},
		"put document": {do: func(_ *world, s *Service, _ crm.AccountID) (any, error) {
			d, err := s.PutDocument(ctx, ws, smallApp, 0, smallDocument)
			return d.Version, err
		}},
		"put document over accounts": {do: func(w *world, s *Service, _ crm.AccountID) (any, error) {
			a, err := w.described()
			if err != nil {
				return nil, err
			}
			seen, err := w.document()
			if err != nil {
				return nil, err
			}
			if _, err := s.PutDocument(ctx, ws, smallApp, seen, smallDocument+"# changed\n"); err != nil {
				return nil, err
			}
			a, err = w.worker().Get(ctx, ws, a.ID)
			return fmt.Sprint("later by ", a.Document-seen), err
		}},
		"delete document": {do: func(w *world, s *Service, _ crm.AccountID) (any, error) {
			if _, err := w.document(); err != nil {
				return nil, err
			}
			return nil, s.DeleteDocument(ctx, ws, smallApp, 0)
		}},
		"delete document of accounts": {do: func(w *world, s *Service, _ crm.AccountID) (any, error) {
			if _, err := w.described(); err != nil {
				return nil, err
			}
			return nil, s.DeleteDocument(ctx, ws, smallApp, 1)
		}},
		"apps": {do: func(w *world, s *Service, _ crm.AccountID) (any, error) {
			if _, err := w.document(); err != nil {
				return nil, err
			}
			all, err := s.Apps(ctx, ws)
			return all[smallApp].App.Name, err
		}},
		"open described": {do: func(w *world, s *Service, _ crm.AccountID) (any, error) {
			a, err := w.described()
			if err != nil {
				return nil, err
			}
			_, app, err := s.Open(ctx, ws, a.ID)
			return app.Name, err
		}},
		"create described": {do: func(w *world, s *Service, _ crm.AccountID) (any, error) {
			if _, err := w.document(); err != nil {
				return nil, err
			}
			a, err := s.Create(ctx, ws, smallDraft)
			return a.Document, err
		}},
		"client": {true, func(_ *world, s *Service, _ crm.AccountID) (any, error) {
			c, err := s.Client(ctx, ws, appID)
			return c.ID, err
		}},
		"erasure key": {do: func(_ *world, s *Service, _ crm.AccountID) (any, error) {
			k, err := s.ErasureKey(ctx, ws)
			return len(k), err
		}},
		"webhook": {do: func(_ *world, s *Service, id crm.AccountID) (any, error) {
			h, err := s.EnsureWebhook(ctx, ws, id)
			return fmt.Sprint(len(h.Token.Reveal()), ", secret ", h.Secret), err
		}},
		"webhook, oauth": {true, func(_ *world, s *Service, id crm.AccountID) (any, error) {
			h, err := s.EnsureWebhook(ctx, ws, id)
			return fmt.Sprint(len(h.Token.Reveal()), ", secret ", h.Secret), err
		}},
		"rotate": {do: func(_ *world, s *Service, id crm.AccountID) (any, error) {
			h, err := s.RotateWebhook(ctx, ws, id, false)
			return fmt.Sprint(len(h.Token.Reveal()), ", secret ", h.Secret), err
		}},
		"revoke": {do: func(_ *world, s *Service, id crm.AccountID) (any, error) {
			h, err := s.RotateWebhook(ctx, ws, id, true)
			return fmt.Sprint(len(h.Token.Reveal()), ", secret ", h.Secret), err
		}},
		"look up": {do: func(w *world, s *Service, id crm.AccountID) (any, error) {
			h, err := w.worker().EnsureWebhook(ctx, ws, id)
			if err != nil {
				return nil, err
			}
			d, err := s.LookupWebhook(ctx, h.Token.Reveal())
			return d.Account == id, err
		}},
		"delivered": {do: func(_ *world, s *Service, id crm.AccountID) (any, error) { return nil, s.Delivered(ctx, ws, id) }},
		"delivered before": {do: func(w *world, s *Service, id crm.AccountID) (any, error) {
			if err := w.worker().Delivered(ctx, ws, id); err != nil {
				return nil, err
			}
			if err := s.Delivered(ctx, ws, id); err != nil {
				return nil, err
			}
			h, err := s.EnsureWebhook(ctx, ws, id)
			return !h.LastDelivery.IsZero(), err
		}},
		"refused delivery": {do: func(_ *world, s *Service, id crm.AccountID) (any, error) {
			return nil, s.RefusedDelivery(ctx, ws, id, "bad_signature")
		}},
		"refusals": {do: func(_ *world, s *Service, id crm.AccountID) (any, error) {
			r, err := s.Refusals(ctx, ws, id)
			return len(r), err
		}},
		"try credential": {do: func(w *world, s *Service, _ crm.AccountID) (any, error) {
			return TryCredential(ctx, s.o.Store, s.o.Sealer, ws)
		}},
		"look for a credential": {do: func(w *world, s *Service, _ crm.AccountID) (any, error) {
			return TryCredential(ctx, s.o.Store, nil, ws)
		}},
		"refused twice": {do: func(_ *world, s *Service, id crm.AccountID) (any, error) {
			if err := s.Refused(ctx, ws, id); err != nil {
				return nil, err
			}
			before, err := s.Get(ctx, ws, id)
			if err == nil {
				err = s.Refused(ctx, ws, id)
			}
			if err != nil {
				return nil, err
			}
			after, err := s.Get(ctx, ws, id)
			return fmt.Sprint(after.Status, ", written again ", after.Revision != before.Revision), err
		}},
		"refused, then tested": {do: func(_ *world, s *Service, id crm.AccountID) (any, error) {
			if err := s.Refused(ctx, ws, id); err != nil {
				return nil, err
			}
			if _, err := s.Test(ctx, ws, id); err != nil {
				return nil, err
			}
			a, err := s.Get(ctx, ws, id)
			return fmt.Sprint(a.Status, " ", a.ExternalID), err
		}},
		"refused": {do: func(_ *world, s *Service, id crm.AccountID) (any, error) { return nil, s.Refused(ctx, ws, id) }},
		"open": {true, func(_ *world, s *Service, id crm.AccountID) (any, error) {
			_, app, err := s.Open(ctx, ws, id)
			return app.ID, err
		}},
		"test": {do: func(_ *world, s *Service, id crm.AccountID) (any, error) {
			i, err := s.Test(ctx, ws, id)
			return i.ExternalID, err
		}},
		"authorize": {true, func(_ *world, s *Service, id crm.AccountID) (any, error) {
			a, err := s.Authorize(ctx, ws, AuthorizeRequest{App: appID, User: "admin@example.com", Account: id})
			return len(a.State), err
		}},
		"begin": {true, func(w *world, s *Service, id crm.AccountID) (any, error) {
			a, err := w.worker().Authorize(ctx, ws, AuthorizeRequest{App: appID, User: "admin@example.com", Account: id})
			if err != nil {
				return nil, err
			}
			b, err := s.Begin(ctx, a.State)
			return b.Redirect, err
		}},
		"come back": {true, func(w *world, s *Service, id crm.AccountID) (any, error) {
			state, code := w.begin(w.worker(), AuthorizeRequest{Account: id})
			got, err := s.Callback(ctx, CallbackRequest{Browser: w.browser(state), State: state, Code: code})
			return got.Account.Name, err
		}},
		"come back, new": {true, func(w *world, s *Service, _ crm.AccountID) (any, error) {
			state, code := w.begin(w.worker(), AuthorizeRequest{Name: "Another"})
			got, err := s.Callback(ctx, CallbackRequest{Browser: w.browser(state), State: state, Code: code})
			return got.Account.Name, err
		}},
		"renew": {true, func(_ *world, s *Service, id crm.AccountID) (any, error) {
			c, _, err := s.Open(ctx, ws, id)
			if err != nil {
				return nil, err
			}
			tokens := c.(*conn).cfg.Tokens
			old, err := tokens.Token(ctx)
			if err != nil {
				return nil, err
			}
			fresh, err := tokens.Renew(ctx, old)
			return fresh.Reveal() != "" && fresh.Reveal() != old.Reveal(), err
		}},
	}
}

// TestEveryStoreRequestMayFailOnce lets each request to the store fail, one at a
// time, in every call. The call says so, or does what it does without trouble;
// another call then succeeds. Testdata says which request is which.
func TestEveryStoreRequestMayFailOnce(t *testing.T) {
	t.Parallel()
	all := deeds()
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		_, asked := all[name].play(t, -1, "")
		fmt.Fprintf(&out, "%s\n", name)
		for at := range asked {
			said, _ := all[name].play(t, at, storetest.Away)
			fmt.Fprintf(&out, "  %s: %s\n", asked[at], said)
		}
	}
	written.Check(t, "faults.txt", out.String())
}

// TestEveryItemMayBeDamaged does the same with items that are cut off, that a newer
// version of us wrote, or that are gone, with rivals, and with lost answers.
func TestEveryItemMayBeDamaged(t *testing.T) {
	t.Parallel()
	all := deeds()
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		_, asked := all[name].play(t, -1, "")
		fmt.Fprintf(&out, "%s\n", name)
		for at, what := range asked {
			for _, how := range storetest.Mishaps(what) {
				said, _ := all[name].play(t, at, how)
				if how == storetest.Gone && strings.HasPrefix(what, "query") { // there may be two of a kind then, in any order
					said, _, _ = strings.Cut(said, "; again")
				}
				fmt.Fprintf(&out, "  %s %s: %s\n", what, how, said)
			}
		}
	}
	written.Check(t, "damaged.txt", out.String())
}

// play makes one call in a world of its own, in which one request fails, and a
// second one.
func (d deed) play(t *testing.T, at int, how string) (said string, asked []string) {
	t.Helper()
	w, clock := newManual(t)
	s := w.worker()
	var a Account
	if d.oauth {
		a = w.oauthAccount(s)
	} else {
		a = w.tokenAccount(s, "token-1")
	}
	clock.Advance(time.Minute)
	u := &storetest.Unsteady{Store: w.store, FailAt: at, How: how}
	tell := func() string {
		v, err := d.do(w, w.worker(func(o *Options) { o.Store = u }), a.ID)
		var f *fault.Error
		if errors.As(err, &f) {
			return fmt.Sprintf("%v %s", f.Kind, f.Code)
		}
		return fmt.Sprint(v, err)
	}
	said = tell()
	asked = slices.Clone(u.Asked)
	u.FailAt = -1
	return said + "; again " + tell(), asked
}

// noChance is a source of chance that has run dry.
type noChance struct{}

func (noChance) Read([]byte) (int, error) { return 0, errors.New("no chance") }

// TestChanceMayFail: whoever needs chance and gets none says so; nothing that could
// be guessed is made instead.
func TestChanceMayFail(t *testing.T) {
	t.Parallel()
	all := deeds()
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		w, clock := newManual(t)
		s := w.worker()
		var a Account
		if all[name].oauth {
			a = w.oauthAccount(s)
		} else {
			a = w.tokenAccount(s, "token-1")
		}
		clock.Advance(time.Minute)
		v, err := all[name].do(w, w.worker(func(o *Options) { o.Rand = noChance{} }), a.ID)
		if err != nil {
			v = fmt.Sprintf("%v %s", fault.KindOf(err), fault.CodeOf(err))
		}
		fmt.Fprintf(&out, "%s: %v\n", name, v)
	}
	written.Check(t, "chance.txt", out.String())
}
