package access

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
	"github.com/lockstep-crm/lockstep/internal/store/storetest"
)

const home crm.WorkspaceID = "home"

// parts are what the types of this package work with in tests.
type parts struct {
	*testclock.Clock
	store *memstore.Store
	ids   atomic.Int64
}

func newParts() *parts {
	clock := testclock.New()
	return &parts{Clock: clock, store: memstore.New(clock.Now)}
}

func (p *parts) newID(prefix string) string {
	return fmt.Sprintf("%s_%06d", prefix, p.ids.Add(1))
}

func TestKeysAuthenticate(t *testing.T) {
	t.Parallel()
	p := newParts()
	keys := NewKeys(p.store, p.Now, p.newID, secret.NewText("operator-key"), home)
	ctx := t.Context()

	got, err := keys.Authenticate(ctx, "operator-key")
	if err != nil || !got.Operator || got.Role != Admin || got.Workspace != home {
		t.Fatalf("%+v, %v", got, err)
	}
	key, token, err := keys.Create(ctx, Key{
		Name: "n", Role: Member, Workspace: "other", User: User{Roles: []string{"sales"}}, ExpiresAt: p.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(token.Reveal(), "lsk_") || len(token.Reveal()) < 4+43 {
		t.Errorf("the token has %d characters", len(token.Reveal()))
	}
	got, err = keys.Authenticate(ctx, token.Reveal())
	want := Principal{Workspace: "other", Key: key.ID, Name: "n", Role: Member, User: User{Roles: []string{"sales"}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	for name, bad := range map[string]string{
		"none": "", "foreign": "xyz", "altered": token.Reveal() + "A", "shorter": token.Reveal()[:40],
		"huge": strings.Repeat("x", 5000), "near the operator's": "operator-keyy",
	} {
		if _, err := keys.Authenticate(ctx, bad); fault.CodeOf(err) != CodeUnauthorized || !fault.Is(err, fault.Denied) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.Advance(time.Hour)
	if _, err := keys.Authenticate(ctx, token.Reveal()); fault.CodeOf(err) != CodeTokenExpired {
		t.Errorf("expired: %v", err)
	}
	if err := keys.Delete(ctx, home, key.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("another workspace could end the key: %v", err)
	}
	if err := keys.Delete(ctx, "other", key.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Authenticate(ctx, token.Reveal()); fault.CodeOf(err) != CodeUnauthorized {
		t.Errorf("ended: %v", err)
	}
	if _, _, err := keys.Create(ctx, Key{Name: "n", Role: "root", Workspace: home}); !fault.Is(err, fault.Invalid) {
		t.Errorf("unknown role: %v", err)
	}
	none := NewKeys(p.store, p.Now, p.newID, secret.Text{}, home)
	if _, err := none.Authenticate(ctx, ""); !fault.Is(err, fault.Denied) {
		t.Errorf("an empty operator key lets the empty token in: %v", err)
	}
}

// downStore fails every read.
type downStore struct{ store.Store }

func (downStore) Get(context.Context, store.Key) (store.Item, error) {
	return store.Item{}, fault.New("test: get", fault.Unavailable, "", "down")
}

func TestTroubleIsNoRefusal(t *testing.T) {
	t.Parallel()
	p := newParts()
	keys := NewKeys(downStore{p.store}, p.Now, p.newID, secret.Text{}, home)
	if _, err := keys.Authenticate(t.Context(), "lsk_x"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
	// What cannot be a key of ours costs no look-up.
	if _, err := keys.Authenticate(t.Context(), "eyJhbGciOiJub25lIn0.e30."); fault.CodeOf(err) != CodeUnauthorized {
		t.Errorf("a token of somebody else's: %v", err)
	}
}

// TestX12_AuditIsAppendOnly writes under the ID of an entry that is there.
func TestX12_AuditIsAppendOnly(t *testing.T) {
	t.Parallel()
	p := newParts()
	audit := NewAudit(p.store, p.Now, func(string) string { return "aud_same" })
	who := Principal{Workspace: home, Key: "k", Role: Admin, User: User{Email: "anna@example.com"}}
	if _, err := audit.Record(t.Context(), who, AuditEntry{Action: "first"}); err != nil {
		t.Fatal(err)
	}
	if _, err := audit.Record(t.Context(), who, AuditEntry{Action: "second"}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("an entry was written over: %v", err)
	}
	done := false
	if err := audit.Do(t.Context(), who, "req", "third", "x", nil, nil, func() error {
		done = true
		return nil
	}); err == nil || done {
		t.Errorf("a change was made without a record: %v", err)
	}
	entries, next, err := audit.List(t.Context(), home, 10, "")
	if err != nil || next != "" || len(entries) != 1 || entries[0].Action != "first" ||
		entries[0].Actor.Email != "a…@example.com" {
		t.Errorf("%+v %q %v", entries, next, err)
	}
}

// TestX12_DiffsAreMasked holds changes against what may be kept of them.
func TestX12_DiffsAreMasked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, after string
		want          []AuditChange
	}{
		"nothing":    {`{"a":[1,{"b":"c"}]}`, `{"a":[1,{"b":"c"}]}`, nil},
		"a value":    {`{"a":1}`, `{"a":2}`, changes("/a", `1`, `2`)},
		"kept exact": {`{"a":1.10}`, `{"a":1.1}`, changes("/a", `1.10`, `1.1`)},
		"added":      {`{}`, `{"a/b":{"~":true}}`, changes("/a~1b/~0", `null`, `true`)},
		"removed":    {`{"l":[1,2]}`, `{"l":[1]}`, changes("/l/1", `2`, `null`)},
		"secret": {
			`{"client_secret":"s3cret"}`, `{"client_secret":"t0ken"}`, changes("/client_secret", `"[redacted]"`, `"[redacted]"`),
		},
		"under one": {
			`{"credentials":{"x":{"y":["p"]}}}`, `{"credentials":null}`, changes("/credentials/x/y/0", `"[redacted]"`, `null`),
		},
		"e-mail": {
			`{"to":"anna@example.com"}`, `{"to":"bob@example.org"}`, changes("/to", `"a…@example.com"`, `"b…@example.org"`),
		},
		"created":     {``, `{"a":"x"}`, changes("/a", `null`, `"x"`)},
		"other kinds": {`{"a":{"b":1}}`, `{"a":[1]}`, changes("/a", `{"b":1}`, `[1]`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, more := Diff([]byte(c.before), []byte(c.after), 10)
			if diff := cmp.Diff(c.want, got); diff != "" || more != 0 {
				t.Errorf("%d more (-want +got)\n%s", more, diff)
			}
		})
	}
}

func changes(pointer, before, after string) []AuditChange {
	return []AuditChange{{Pointer: pointer, Before: json.RawMessage(before), After: json.RawMessage(after)}}
}

func TestX12_HugeChangesAreCounted(t *testing.T) {
	t.Parallel()
	p := newParts()
	audit := NewAudit(p.store, p.Now, p.newID)
	doc := map[string]string{}
	for i := range 2000 {
		doc[fmt.Sprint(i)] = rapid.StringN(300, 300, -1).Example(i)
	}
	after, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := audit.Do(t.Context(), Principal{Workspace: home}, "req", "big", "x", nil, after,
		func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	entries, _, err := audit.List(t.Context(), home, 1, "")
	if err != nil || len(entries[0].Changes)+entries[0].More != 2000 {
		t.Errorf("%d changes and %d more, %v", len(entries[0].Changes), entries[0].More, err)
	}
}

// TestLettingIn checks who is let in by an access rule, whoever asks.
func TestRow8_Row9_LettingIn(t *testing.T) {
	t.Parallel()
	member := Principal{
		Role: Member, User: User{
			Roles: []string{"sales"}, Attributes: map[string]crm.Value{
				"yes": crm.BoolValue(true), "no": crm.BoolValue(false), "word": crm.TextValue("true"),
			},
		},
	}
	for name, c := range map[string]struct {
		who            Principal
		rule           crm.Access
		reads, changes bool
	}{
		"admin":           {Principal{Role: Admin}, crm.Access{Mode: ByRoles}, true, true},
		"viewer":          {Principal{Role: Viewer}, crm.Access{Mode: ByRoles}, true, false},
		"nobody":          {Principal{}, crm.Access{Mode: ByRoles, Roles: []string{""}}, false, false},
		"by role of key":  {member, crm.Access{Mode: ByRoles, Roles: []string{"member"}}, true, true},
		"by role of user": {member, crm.Access{Mode: ByRoles, Roles: []string{"sales"}}, true, true},
		"no role":         {member, crm.Access{Mode: ByRoles, Attribute: "yes"}, false, false},
		"by attribute":    {member, crm.Access{Mode: ByAttribute, Attribute: "yes"}, true, true},
		"attribute false": {
			member,
			crm.Access{Mode: ByAttribute, Attribute: "no", Roles: []string{"member"}},
			false,
			false,
		},
		"attribute a word":  {member, crm.Access{Mode: ByAttribute, Attribute: "word"}, false, false},
		"attribute absent":  {member, crm.Access{Mode: ByAttribute, Attribute: "none"}, false, false},
		"attribute unnamed": {member, crm.Access{Mode: ByAttribute}, false, false},
		"unknown mode":      {member, crm.Access{Mode: "magic", Roles: []string{"member"}, Attribute: "yes"}, false, false},
	} {
		if r, ch := c.who.Reads(c.rule), c.who.Changes(c.rule); r != c.reads || ch != c.changes {
			t.Errorf("%s: reads %t, changes %t", name, r, ch)
		}
	}
}

// TestTokensThatCanBeNoneAreNotLookedUp: who tries texts at random, however long,
// costs no request to the store.
func TestTokensThatCanBeNoneAreNotLookedUp(t *testing.T) {
	t.Parallel()
	p := newParts()
	u := &storetest.Unsteady{Store: p.store, FailAt: -1}
	keys := NewKeys(u, p.Now, p.newID, secret.Text{}, home)
	long := func(prefix string, n int) string { return prefix + strings.Repeat("x", n-len(prefix)) }
	for token, asked := range map[string]int{
		"": 0, "x": 0, long(tokenPrefix, 512): 1, long(tokenPrefix, 513): 0, long(sessionPrefix, 512): 0,
	} {
		u.Asked = nil
		if _, err := keys.Authenticate(t.Context(), token); fault.CodeOf(err) != CodeUnauthorized ||
			!fault.Is(err, fault.Denied) || len(u.Asked) != asked {
			t.Errorf("a token of %d characters: %v after %q", len(token), err, u.Asked)
		}
	}
	for token, asked := range map[string]int{
		"": 0, long(tokenPrefix, 50): 0, long(sessionPrefix, 512): 1, long(sessionPrefix, 513): 0,
	} {
		u.Asked = nil
		if _, err := keys.Resume(t.Context(), token); fault.CodeOf(err) != CodeUnauthorized ||
			!fault.Is(err, fault.Denied) || len(u.Asked) != asked {
			t.Errorf("a session of %d characters: %v after %q", len(token), err, u.Asked)
		}
		u.Asked = nil
		if err := keys.End(t.Context(), token); err != nil || len(u.Asked) != asked {
			t.Errorf("the end of a session of %d characters: %v after %q", len(token), err, u.Asked)
		}
	}
}
