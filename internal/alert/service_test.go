package alert

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/egress"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/secret/localkey"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

const ws = crm.WorkspaceID("acme")

// bed is a service over a memory store, an engine that says what it is told to,
// a mail server and a receiver of webhooks that keep what they are sent.
type bed struct {
	*Service
	t      *testing.T
	clock  *testclock.Clock
	con    *crm.Connection
	people []access.Person
	status []engine.SyncStatus
	runs   []engine.Run // newest first
	mailer *mailbox
	hooks  *hookbox
	logins map[crm.AccountID]account.Status
}

type mailbox struct {
	mu   sync.Mutex
	sent []Mail
	err  error
}

func (m *mailbox) Send(_ context.Context, x Mail) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.sent = append(m.sent, x)
	}
	return m.err
}

type hookbox struct {
	mu     sync.Mutex
	got    []*http.Request
	bodies []string
	status int
	url    string
}

func (h *hookbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	body, _ := io.ReadAll(r.Body) // what cannot be read is not equal
	h.got, h.bodies = append(h.got, r), append(h.bodies, string(body))
	w.WriteHeader(h.status)
}

func (b *bed) Status(context.Context, crm.WorkspaceID, crm.ConnectionID) ([]engine.SyncStatus, error) {
	return b.status, nil
}

func (b *bed) ListRuns(
	_ context.Context, _ crm.WorkspaceID, _ crm.ConnectionID, limit int, cursor string,
) ([]engine.Run, string, error) {
	at := 0
	if cursor != "" {
		_, _ = fmt.Sscan(cursor, &at) // our own
	}
	if at+limit < len(b.runs) {
		return b.runs[at : at+limit], fmt.Sprint(at + limit), nil
	}
	return b.runs[at:], "", nil
}

func (b *bed) GetRun(_ context.Context, _ crm.WorkspaceID, id crm.RunID) (engine.Run, error) {
	for _, r := range b.runs {
		if r.ID == id {
			return r, nil
		}
	}
	return engine.Run{}, fault.New("test", fault.NotFound, "", "")
}

func (b *bed) Get(_ context.Context, _ crm.WorkspaceID, id crm.AccountID) (account.Account, error) {
	return account.Account{ID: id, Status: b.logins[id]}, nil
}

func (b *bed) Refusals(context.Context, crm.WorkspaceID, crm.AccountID) ([]account.Refusal, error) {
	return nil, nil
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{
		t: t, clock: testclock.At(noon), con: connection(), mailer: &mailbox{}, hooks: &hookbox{status: 204},
		logins: map[crm.AccountID]account.Status{},
		people: []access.Person{
			{Email: "ops@example.com", Roles: []string{"member"}, Active: true},
			{Email: "boss@example.com", Roles: []string{"admin"}, Active: true},
		},
		status: []engine.SyncStatus{{Sync: "people"}, {Sync: "companies"}},
	}
	server := httptest.NewServer(b.hooks)
	t.Cleanup(server.Close)
	b.hooks.url = server.URL + "/lockstep"
	guard, err := egress.New(egress.Options{Allow: []string{strings.TrimPrefix(server.URL, "http://")}})
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := localkey.Open(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	ids := 0
	newID := func(prefix string) string {
		mu.Lock()
		defer mu.Unlock()
		ids++
		return fmt.Sprintf("%s_%06d", prefix, ids)
	}
	st := memstore.New(b.clock.Now)
	b.Service, err = New(Options{
		Store: st, Engine: b, Accounts: b, Audit: access.NewAudit(st, b.clock.Now, newID), Mailer: b.mailer,
		Users: func(context.Context, crm.WorkspaceID) ([]access.Person, error) { return b.people, nil },
		HTTP:  guard.Client, CheckURL: guard.CheckURL, Sealer: sealer, Rand: rand.Reader, Now: b.clock.Now, NewID: newID,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.con.Notify = crm.Notify{Enabled: true, User: "ops@example.com", Webhook: &b.hooks.url}
	b.save()
	b.round()
	return b
}

func (b *bed) save() {
	b.t.Helper()
	_, seen, err := store.LoadConnection(b.t.Context(), b.o.Store, ws, b.con.ID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		b.t.Fatal(err)
	}
	if _, err := store.SaveConnection(b.t.Context(), b.o.Store, ws, b.con, seen); err != nil {
		b.t.Fatal(err)
	}
}

// round looks and sends once.
func (b *bed) round() {
	b.t.Helper()
	if err := b.Look(b.t.Context(), ws, b.con); err != nil {
		b.t.Fatal(err)
	}
	if err := b.Send(b.t.Context(), ws, b.con); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) list(f Filter) []Alert {
	b.t.Helper()
	var out []Alert
	for cursor := ""; ; {
		items, next, err := b.List(b.t.Context(), ws, f, 2, cursor)
		if err != nil {
			b.t.Fatal(err)
		}
		out = append(out, items...)
		if cursor = next; cursor == "" {
			return out
		}
	}
}

func (b *bed) one() Alert {
	b.t.Helper()
	all := b.list(Filter{})
	if len(all) != 1 {
		b.t.Fatalf("%d alerts, want one: %+v", len(all), all)
	}
	return all[0]
}

func states(a Alert) string {
	var out []string
	for _, d := range a.Deliveries {
		out = append(out, d.Channel+" "+d.Event+" "+d.State)
	}
	return strings.Join(out, ", ")
}

func (b *bed) wrong(on bool) {
	b.logins["acc_l"] = account.StatusOK
	if on {
		b.logins["acc_l"] = account.StatusNeedsAuth
	}
}

func (b *bed) secret() string {
	b.t.Helper()
	text, _, err := b.RotateSecret(b.t.Context(), ws, b.con.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	return text.Reveal()
}

// TestOneMessagePerChangeOfState: one when it begins, one when it ends, on each
// channel, however often it is looked.
func TestOneMessagePerChangeOfState(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.secret()
	b.wrong(true)
	for range 5 {
		b.round()
		b.clock.Advance(time.Minute)
	}
	if len(b.mailer.sent) != 1 || len(b.hooks.got) != 1 {
		t.Fatalf("%d mails and %d webhooks of one beginning", len(b.mailer.sent), len(b.hooks.got))
	}
	a := b.one()
	if a.State != Open || !a.Since.Equal(noon) || states(a) != "mail opened delivered, webhook opened delivered" ||
		a.Deliveries[0].Attempts != 1 {
		t.Errorf("%+v", a)
	}
	b.wrong(false)
	for range 5 {
		b.round()
		b.clock.Advance(time.Minute)
	}
	if len(b.mailer.sent) != 2 || len(b.hooks.got) != 2 {
		t.Fatalf("%d mails and %d webhooks after it ended", len(b.mailer.sent), len(b.hooks.got))
	}
	a = b.one()
	if a.State != Resolved || !a.Until.Equal(noon.Add(5*time.Minute)) ||
		!strings.HasSuffix(states(a), "mail resolved delivered, webhook resolved delivered") {
		t.Errorf("%+v", a)
	}
	mail := b.mailer.sent[0]
	if !slices.Equal(mail.To, []string{"ops@example.com"}) || !strings.Contains(mail.Subject, "Shop") ||
		!strings.Contains(mail.Text, a.ID) || !strings.Contains(mail.Text, a.Action) {
		t.Errorf("%+v", mail)
	}
	if end := b.mailer.sent[1]; !strings.Contains(end.Subject, "over") || end.ID == mail.ID {
		t.Errorf("%+v", end)
	}
	var told struct {
		Type string
		Data Alert
	}
	if err := json.Unmarshal([]byte(b.hooks.bodies[1]), &told); err != nil || told.Type != "alert.resolved" ||
		told.Data.ID != a.ID || told.Data.Kind != NeedsAuth {
		t.Errorf("%s: %v", b.hooks.bodies[1], err)
	}
	b.wrong(true)
	b.round()
	if all := b.list(Filter{}); len(all) != 2 || all[0].State != Open {
		t.Errorf("it begins again: %+v", all)
	}
}

// TestTwoAtOnce has many evaluators look and send side by side: one message.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.secret()
	b.wrong(true)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := b.Look(t.Context(), ws, b.con); err != nil {
				t.Error(err)
			}
			if err := b.Send(t.Context(), ws, b.con); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	b.round() // whoever lost both races left it to the next
	if len(b.mailer.sent) != 1 || len(b.hooks.got) != 1 || len(b.list(Filter{})) != 1 {
		t.Errorf("%d mails, %d webhooks, %d alerts", len(b.mailer.sent), len(b.hooks.got), len(b.list(Filter{})))
	}
}

// TestRow161_OnlyIfTicked sends nothing while the box is not ticked, although a
// user is chosen and a webhook is set; nor what was waiting when it was unticked.
func TestRow161_OnlyIfTicked(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.secret()
	b.con.Notify.Enabled = false
	b.wrong(true)
	b.round()
	if a := b.one(); len(a.Deliveries) != 0 || len(b.mailer.sent)+len(b.hooks.got) != 0 {
		t.Errorf("told of although it is off: %+v", a)
	}
	b.wrong(false)
	b.con.Notify.Enabled = true
	b.mailer.err, b.hooks.status = fault.New("test", fault.Unavailable, "", "the mail server is away"), 500
	b.round()
	if a := b.one(); states(a) != "mail resolved pending, webhook resolved pending" ||
		a.Deliveries[0].Error != "the mail server is away" || a.Deliveries[1].Error != "the receiver answered 500" {
		t.Errorf("%+v", a)
	}
	b.con.Notify.Enabled = false
	b.mailer.err, b.hooks.status = nil, 204
	b.clock.Advance(time.Hour)
	b.round()
	if a := b.one(); states(a) != "mail resolved unwanted, webhook resolved unwanted" || len(b.mailer.sent) != 0 {
		t.Errorf("%+v", a)
	}
	if tested := b.Test(t.Context(), ws, b.con); len(tested) != 0 || len(b.mailer.sent) != 0 {
		t.Errorf("a test although it is off: %+v", tested)
	}
}

// TestRow160_UserDeactivatedLater falls back to the admins, and says so.
func TestRow160_UserDeactivatedLater(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.con.Notify.Webhook = nil
	b.people[0].Active = false
	b.wrong(true)
	b.round()
	if a := b.one(); !a.Deliveries[0].Fallback || len(b.mailer.sent) != 1 ||
		!slices.Equal(b.mailer.sent[0].To, []string{"boss@example.com"}) {
		t.Errorf("%+v, sent %+v", a, b.mailer.sent)
	}
	b.people = nil
	b.wrong(false)
	b.round()
	if a := b.one(); states(a) != "mail opened delivered, mail resolved pending" ||
		!strings.Contains(a.Deliveries[1].Error, "no admin") {
		t.Errorf("%+v", a)
	}
}

// TestRetriesUntilDelivered waits longer from try to try, keeps the ID, and gives
// up after three days, which the alert says.
func TestRetriesUntilDelivered(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.con.Notify.User = ""
	b.wrong(true)
	b.round()
	if a := b.one(); !strings.Contains(a.Deliveries[0].Error, "/notify/secret") || len(b.hooks.got) != 0 {
		t.Fatalf("without a secret: %+v", a)
	}
	b.secret()
	b.hooks.status = 503
	b.clock.Advance(59 * time.Second)
	b.round()
	if len(b.hooks.got) != 0 {
		t.Error("tried again before its time")
	}
	for _, wait := range []time.Duration{time.Second, 2 * time.Minute, 4 * time.Minute} {
		b.clock.Advance(wait)
		b.round()
	}
	b.hooks.status = 200
	b.clock.Advance(8 * time.Minute)
	b.round()
	a := b.one()
	if states(a) != "webhook opened delivered" || a.Deliveries[0].Attempts != 5 || len(b.hooks.got) != 4 {
		t.Errorf("%d webhooks, %+v", len(b.hooks.got), a)
	}
	for _, r := range b.hooks.got {
		if r.Header.Get(headerID) != a.Deliveries[0].ID {
			t.Errorf("the ID is %s, want %s", r.Header.Get(headerID), a.Deliveries[0].ID)
		}
	}
	b.hooks.status = 410
	b.wrong(false)
	for range 80 {
		b.round()
		b.clock.Advance(time.Hour)
	}
	a = b.one()
	if states(a) != "webhook opened delivered, webhook resolved failed" ||
		a.Deliveries[1].Error != "the receiver answered 410" || !a.Deliveries[1].Next.IsZero() {
		t.Errorf("%+v", a)
	}
	m, _, err := b.load(t.Context(), ws, b.con.ID)
	if err != nil || len(m.Outbox) != 0 {
		t.Errorf("%+v, %v", m, err)
	}
}

// dying is a store whose owner dies after a number of writes.
type dying struct {
	store.Store
	left int
}

func (d *dying) die() error {
	if d.left--; d.left < 0 {
		return fault.New("test", fault.Unavailable, "", "dead")
	}
	return nil
}

func (d *dying) Write(ctx context.Context, w store.Write) (int64, error) {
	if err := d.die(); err != nil {
		return 0, err
	}
	return d.Store.Write(ctx, w)
}

func (d *dying) Transact(ctx context.Context, ws []store.Write) error {
	if err := d.die(); err != nil {
		return err
	}
	return d.Store.Transact(ctx, ws)
}

// TestNothingIsLostInACrash has the process die after each of its writes; the
// next one delivers, and what was sent twice has one ID.
func TestNothingIsLostInACrash(t *testing.T) {
	t.Parallel()
	for n := range 5 {
		b := newBed(t)
		b.secret()
		b.wrong(true)
		whole := b.o.Store
		b.o.Store = &dying{whole, n}
		_ = b.Look(t.Context(), ws, b.con) // it dies in one of the two
		_ = b.Send(t.Context(), ws, b.con)
		b.o.Store = whole
		b.round()
		b.clock.Advance(2 * time.Minute)
		b.round()
		a := b.one()
		if states(a) != "mail opened delivered, webhook opened delivered" {
			t.Errorf("dead after %d writes: %s", n, states(a))
		}
		for _, m := range b.mailer.sent {
			if m.ID != a.Deliveries[0].ID {
				t.Errorf("dead after %d writes: a mail %s beside %s", n, m.ID, a.Deliveries[0].ID)
			}
		}
	}
}

// TestQuietHoursAndDigest hold mails, not webhooks, and put together what waited.
func TestQuietHoursAndDigest(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.secret()
	// noon UTC is 14:00 there
	b.con.Notify.QuietHours = &crm.QuietHours{From: "13:00", To: "15:00", TimeZone: "Europe/Berlin"}
	b.wrong(true)
	b.round()
	b.status[0].Frozen = &engine.Frozen{Links: 2}
	b.clock.Advance(10 * time.Minute)
	b.round()
	if len(b.mailer.sent) != 0 || len(b.hooks.got) != 2 {
		t.Fatalf("%d mails and %d webhooks in quiet hours", len(b.mailer.sent), len(b.hooks.got))
	}
	b.clock.Advance(50 * time.Minute)
	b.round()
	if len(b.mailer.sent) != 1 || !strings.Contains(b.mailer.sent[0].Subject, "2 alerts") {
		t.Fatalf("after them: %+v", b.mailer.sent)
	}
	for _, a := range b.list(Filter{}) {
		if states(a) != "mail opened delivered, webhook opened delivered" &&
			states(a) != "mail opened delivered, webhook opened delivered, mail resolved delivered" {
			t.Errorf("%+v", a)
		}
	}
}

// TestDue lists when mails go out.
func TestDue(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time {
		when, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	night := &crm.QuietHours{From: "22:00", To: "07:00", TimeZone: "America/New_York"}
	for name, c := range map[string]struct {
		n    crm.Notify
		now  string
		want string
		held bool
	}{
		"at once": {crm.Notify{}, "2026-03-31T12:00:00Z", "2026-03-31T12:00:00Z", false},
		"hourly": {
			crm.Notify{Digest: crm.DigestHourly},
			"2026-03-31T12:00:00Z", "2026-03-31T13:00:00Z",
			true,
		},
		"daily": {
			crm.Notify{Digest: crm.DigestDaily},
			"2026-03-31T12:00:00Z", "2026-04-01T08:00:00Z",
			true,
		},
		"daily, early": {
			crm.Notify{Digest: crm.DigestDaily},
			"2026-03-31T07:59:59Z", "2026-03-31T08:00:00Z",
			true,
		},
		"daily with quiet hours": {
			crm.Notify{Digest: crm.DigestDaily, QuietHours: night}, "2026-03-31T12:00:00Z", "2026-04-01T11:00:00Z", true,
		},
		"before quiet hours":       {crm.Notify{QuietHours: night}, "2026-04-01T01:59:00Z", "2026-04-01T01:59:00Z", false},
		"in them, before midnight": {crm.Notify{QuietHours: night}, "2026-04-01T02:00:00Z", "2026-04-01T11:00:00Z", true},
		"in them, after midnight":  {crm.Notify{QuietHours: night}, "2026-04-01T05:00:00Z", "2026-04-01T11:00:00Z", true},
		"at their end":             {crm.Notify{QuietHours: night}, "2026-04-01T11:00:00Z", "2026-04-01T11:00:00Z", false},
		"an hour into them": {
			crm.Notify{Digest: crm.DigestHourly, QuietHours: night}, "2026-04-01T01:30:00Z", "2026-04-01T11:00:00Z", true,
		},
		"over a change of clocks": {crm.Notify{QuietHours: night}, "2026-03-08T04:00:00Z", "2026-03-08T11:00:00Z", true},
	} {
		if got, held := due(&c.n, at(c.now)); !got.Equal(at(c.want)) || held != c.held {
			t.Errorf("%s: %s, held %v; want %s, %v", name, got.Format(time.RFC3339), held, c.want, c.held)
		}
	}
}

// TestSecretIsRotated signs with both for a day.
func TestSecretIsRotated(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	first := b.secret()
	second := b.secret()
	if first == second || !strings.HasPrefix(first, "whsec_") {
		t.Fatal("a secret repeats, or is none")
	}
	if got := b.Test(t.Context(), ws, b.con); len(got) != 2 || !got[1].OK {
		t.Fatalf("%+v", got)
	}
	if n := len(strings.Fields(b.hooks.got[0].Header.Get(headerSignature))); n != 2 {
		t.Errorf("%d signatures within the day, want 2", n)
	}
	b.clock.Advance(24 * time.Hour)
	b.Test(t.Context(), ws, b.con)
	if n := len(strings.Fields(b.hooks.got[1].Header.Get(headerSignature))); n != 1 {
		t.Errorf("%d signatures after it, want 1", n)
	}
}

// TestWebhookAddresses keeps messages from private addresses.
func TestWebhookAddresses(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	for raw, ok := range map[string]bool{
		"https://hooks.example.com/services/T0/B0/x": true, b.hooks.url: true,
		"http://hooks.example.com/": false, "https://10.0.0.1/x": false, "https://127.0.0.1/": false,
		"https://hooks.example.com:8443/x": false,
		// refused when it is resolved
		"https://user:pw@hooks.example.com/": false, "ftp://hooks.example.com/": false, "nonsense": false,
		"https://localhost/x": true,
	} {
		if problem := b.CheckWebhook(raw); (problem == "") != ok {
			t.Errorf("%s: %q", raw, problem)
		}
	}
	b.secret()
	local := "https://localhost/x"
	b.con.Notify.Webhook = &local
	if got := b.Test(t.Context(), ws, b.con); got[1].OK || !strings.Contains(got[1].Error, "private network") {
		t.Errorf("%+v", got)
	}
}

// TestListFilters finds alerts by state, connection, kind and who may see them.
func TestListFilters(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.con.Notify = crm.Notify{}
	for range 3 { // three that are over
		b.wrong(true)
		b.round()
		b.wrong(false)
		b.round()
	}
	b.wrong(true)
	b.status[1].Frozen = &engine.Frozen{Links: 1}
	b.round()
	for want, f := range map[int]Filter{
		5: {}, 2: {State: Open}, 3: {State: Resolved}, 4: {Kind: NeedsAuth}, 0: {Connection: "con_2"},
	} {
		if got := b.list(f); len(got) != want {
			t.Errorf("%+v: %d alerts, want %d", f, len(got), want)
		}
	}
	if got := b.list(Filter{Sees: func(crm.ConnectionID) bool { return false }}); len(got) != 0 {
		t.Errorf("somebody else's: %+v", got)
	}
	if _, _, err := b.List(t.Context(), ws, Filter{State: Open}, 2, "r.x"); !fault.Is(err, fault.Invalid) {
		t.Errorf("a cursor of another list: %v", err)
	}
	b.clock.Advance(90 * 24 * time.Hour)
	if got := b.list(Filter{State: Resolved}); len(got) != 0 {
		t.Errorf("after 90 days %d are left", len(got))
	}
}

// TestDeletedConnections leave no open alert and no secret behind, and tell nobody.
func TestDeletedConnections(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.secret()
	b.wrong(true)
	b.round()
	told := len(b.mailer.sent)
	key := store.ConnectionKey(ws, b.con.ID)
	if _, err := b.o.Store.Write(t.Context(), store.Write{Op: store.Delete, Item: store.Item{Key: key}}); err != nil {
		t.Fatal(err)
	}
	if next, err := b.Forget(t.Context(), ws, ""); err != nil || next != "" {
		t.Fatal(next, err)
	}
	if a := b.one(); a.State != Resolved || len(b.mailer.sent) != told {
		t.Errorf("%+v", a)
	}
	for _, k := range []store.Key{
		secretKey(ws, b.con.ID), {
			Table: store.Settings, Workspace: ws, Partition: partition,
			Sort: prefixState + string(b.con.ID),
		},
	} {
		if _, err := b.o.Store.Get(t.Context(), k); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s is left: %v", k.Partition, err)
		}
	}
}

// TestWhoSwitchedOff names the key from the audit trail.
func TestWhoSwitchedOff(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	note := func(who, action, pointer, after string) {
		e := access.AuditEntry{Action: action, Target: string(b.con.ID)}
		if pointer != "" {
			e.Changes = []access.AuditChange{{Pointer: pointer, Before: json.RawMessage(`true`), After: json.RawMessage(after)}}
		}
		if _, err := b.o.Audit.Record(t.Context(), access.Principal{
			Workspace: ws, Key: who, Name: "Somebody Important", Role: access.Admin,
		}, e); err != nil {
			t.Fatal(err)
		}
	}
	note("key_sync", "connection.update", "/syncs/0/direction", `"off"`)
	note("key_off", "connection.update", "/enabled", `false`)
	note("key_name", "connection.update", "/name", `"x"`)
	b.con.Syncs[0].Direction = crm.DirectionOff
	b.con.Enabled = false
	b.round()
	by := map[crm.SyncID]string{}
	for _, a := range b.list(Filter{Kind: SwitchedOff}) {
		by[a.Sync] = a.By
	}
	if by[""] != "key_off" || by["people"] != "key_sync" {
		t.Errorf("%v", by)
	}
	for _, m := range b.mailer.sent {
		if strings.Contains(m.Text+m.Subject, "Somebody") {
			t.Errorf("a mail names a person: %s", m.Text)
		}
	}
}

// TestRunsAreSeenOnce counts a day of webhooks by what it grew, and a run that
// was open when it was first seen at its end.
func TestRunsAreSeenOnce(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	hooks := run("run_1", engine.RunWebhook, engine.RunRunning, 0, 100)
	pull := run("run_2", engine.RunPull, engine.RunRunning, 0, 0)
	b.runs = []engine.Run{pull, hooks}
	b.round()
	b.runs[1] = run("run_1", engine.RunWebhook, engine.RunRunning, 3, 104) // 3 of 104
	b.round()
	if got := b.list(Filter{}); len(got) != 0 {
		t.Fatalf("%+v", got)
	}
	b.clock.Advance(61 * time.Minute)
	b.runs[1] = run("run_1", engine.RunWebhook, engine.RunRunning, 9, 114) // 6 of 10 since
	b.runs[0] = run("run_2", engine.RunPull, engine.RunFailed, 0, 0)
	b.runs = append([]engine.Run{run("run_3", engine.RunPull, engine.RunRunning, 0, 0)}, b.runs...)
	b.round()
	b.round()
	got := b.list(Filter{State: Open})
	if len(got) != 2 || got[0].Kind != ManyErrors && got[1].Kind != ManyErrors {
		t.Fatalf("%+v", got)
	}
	for _, a := range got {
		if a.Kind == ManyErrors && (a.Count != 6 || a.Of != 10) || a.Kind == RunFailed && a.Count != 1 {
			t.Errorf("%+v", a)
		}
	}
}

// TestQuietConnectionsCostNoWrite: a look that finds nothing new writes nothing.
func TestQuietConnectionsCostNoWrite(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.wrong(true)
	b.con.Notify = crm.Notify{}
	b.round()
	b.o.Store = &dying{b.o.Store, 0}
	for range 3 {
		b.clock.Advance(time.Minute)
		b.round()
	}
}
