package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store/storetest"
)

// TestEveryStoreRequestMayGoWrong lets each request to the store go wrong, one at a
// time: the store is away, what was read is cut off, of a newer version or gone, or
// a rival was first. What is said, and what is said to a second call, is in testdata.
func TestEveryStoreRequestMayGoWrong(t *testing.T) {
	t.Parallel()
	who := Principal{Workspace: home, Key: "key_1", Name: "n", Role: Admin, User: User{Email: "ann@example.com"}}
	deeds := map[string]func(ctx context.Context, k *Keys, a *Audit, id, token, session string) (any, error){
		"authenticate": func(ctx context.Context, k *Keys, _ *Audit, _, token, _ string) (any, error) {
			p, err := k.Authenticate(ctx, token)
			return p.Name, err
		},
		"create": func(ctx context.Context, k *Keys, _ *Audit, _, _, _ string) (any, error) {
			key, token, err := k.Create(ctx, Key{Name: "more", Role: Viewer, Workspace: home})
			return fmt.Sprint(key.Name, " ", key.ID != "", " ", !token.Empty()), err
		},
		"get": func(ctx context.Context, k *Keys, _ *Audit, id, _, _ string) (any, error) {
			key, err := k.Get(ctx, home, id)
			return key.Name, err
		},
		"list": func(ctx context.Context, k *Keys, _ *Audit, _, _, _ string) (any, error) {
			all, next, err := k.List(ctx, home, 1, "")
			return fmt.Sprint(len(all), " ", next != ""), err
		},
		"delete": func(ctx context.Context, k *Keys, _ *Audit, id, _, _ string) (any, error) {
			return nil, k.Delete(ctx, home, id)
		},
		"people": func(ctx context.Context, k *Keys, _ *Audit, _, _, _ string) (any, error) { return k.People(ctx, home) },
		"open": func(ctx context.Context, k *Keys, _ *Audit, id, _, _ string) (any, error) {
			token, until, err := k.Open(ctx, Principal{Workspace: home, Key: id})
			return fmt.Sprint(IsSession(token.Reveal()), " ", !until.IsZero()), err
		},
		"resume": func(ctx context.Context, k *Keys, _ *Audit, _, _, session string) (any, error) {
			p, err := k.Resume(ctx, session)
			return p.Name, err
		},
		"end": func(ctx context.Context, k *Keys, _ *Audit, _, _, session string) (any, error) {
			return nil, k.End(ctx, session)
		},
		"end nothing": func(ctx context.Context, k *Keys, _ *Audit, _, token, _ string) (any, error) {
			return nil, k.End(ctx, token)
		},
		"audit": func(ctx context.Context, _ *Keys, a *Audit, _, _, _ string) (any, error) {
			done := false
			err := a.Do(ctx, who, "req", "change", "x", nil, []byte(`{"a":1}`), func() error {
				done = true
				return nil
			})
			return done, err
		},
		"audit a failure": func(ctx context.Context, _ *Keys, a *Audit, _, _, _ string) (any, error) {
			err := a.Do(ctx, who, "req", "change", "x", nil, nil, func() error {
				return fault.New("test: change", fault.Conflict, "busy", "no")
			})
			all, _, _ := a.List(context.WithoutCancel(ctx), home, 10, "")
			return fmt.Sprint(len(all), " entries"), err
		},
		"trail": func(ctx context.Context, _ *Keys, a *Audit, _, _, _ string) (any, error) {
			all, next, err := a.List(ctx, home, 1, "")
			return fmt.Sprint(len(all), " ", next != ""), err
		},
	}
	play := func(name string, at int, how string) (said string, asked []string) {
		p := newParts()
		keys := NewKeys(p.store, p.Now, p.newID, secret.NewText("operator-key"), home)
		audit := NewAudit(p.store, p.Now, p.newID)
		key, token, err := keys.Create(t.Context(), Key{Name: "n", Role: Admin, Workspace: home, User: who.User})
		if err != nil {
			t.Fatal(err)
		}
		session, _, err := keys.Open(t.Context(), Principal{Workspace: home, Key: key.ID})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := audit.Record(t.Context(), who, AuditEntry{Action: "a"}); err != nil {
				t.Fatal(err)
			}
		}
		u := &storetest.Unsteady{Store: p.store, FailAt: at, How: how}
		keys.store, audit.store = u, u
		tell := func() string {
			v, err := deeds[name](t.Context(), keys, audit, key.ID, token.Reveal(), session.Reveal())
			var f *fault.Error
			if errors.As(err, &f) {
				return fmt.Sprintf("%v %s %q", f.Kind, f.Code, f.Message)
			}
			return fmt.Sprint(v, err)
		}
		said = tell()
		asked = slices.Clone(u.Asked)
		u.FailAt = -1
		return said + "; again " + tell(), asked
	}
	var out strings.Builder
	names := make([]string, 0, len(deeds))
	for name := range deeds {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fine, asked := play(name, -1, "")
		fmt.Fprintf(&out, "%s: %s\n", name, fine)
		for at, what := range asked {
			for _, how := range append([]string{storetest.Away}, storetest.Mishaps(what)...) {
				said, _ := play(name, at, how)
				fmt.Fprintf(&out, "  %s %s: %s\n", what, how, said)
			}
		}
	}
	written.Check(t, "faults.txt", out.String())
}

// TestPeople are who keys act as, each once, with what all of their valid keys give.
func TestPeople(t *testing.T) {
	t.Parallel()
	p := newParts()
	keys := NewKeys(p.store, p.Now, p.newID, secret.NewText("operator-key"), home)
	yes, no := crm.BoolValue(true), crm.BoolValue(false)
	for _, k := range []Key{
		{Name: "nobody", Role: Admin},
		{Name: "1", Role: Member, User: User{
			Email: "Ann@example.com", Roles: []string{"sales", "member"},
			Attributes: map[string]crm.Value{"vip": yes, "guest": no},
		}},
		{Name: "2", Role: Admin, ExpiresAt: p.Now().Add(time.Hour), User: User{
			Email: "ann@Example.com", Roles: []string{"ops", "sales"}, Attributes: map[string]crm.Value{
				"age": crm.TextValue("7"), "staff": yes,
			},
		}},
		{Name: "3", Role: Viewer, ExpiresAt: p.Now().Add(time.Minute), User: User{
			Email: "bob@example.com", Roles: []string{"old"},
		}},
		{Name: "4", Role: Viewer, Workspace: "other", User: User{Email: "eve@example.com"}},
	} {
		if k.Workspace == "" {
			k.Workspace = home
		}
		if _, _, err := keys.Create(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	p.Advance(time.Minute)
	got, err := keys.People(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Person{
		{
			Email: "Ann@example.com", Roles: []string{"admin", "member", "ops", "sales"}, Attributes: []string{"staff", "vip"},
			Active: true,
		},
		{Email: "bob@example.com", Roles: []string{}, Attributes: []string{}},
	}, got); diff != "" {
		t.Errorf("people (-want +got):\n%s", diff)
	}
	for i := range 2 * peoplePage {
		if _, _, err := keys.Create(t.Context(), Key{
			Name: "n", Role: Viewer, Workspace: home, User: User{Email: fmt.Sprintf("p%04d@example.com", i)},
		}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := keys.People(t.Context(), home); err != nil || len(got) != 2+2*peoplePage {
		t.Errorf("%d people, %v; want those of every page", len(got), err)
	}
}
