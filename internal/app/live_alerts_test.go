package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/alert"
	"github.com/lockstep-crm/lockstep/internal/api"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// told is a mail server and a receiver of webhooks that keep what they are sent.
type told struct {
	mu    sync.Mutex
	url   string
	mails []alert.Mail
	hooks []string // bodies
}

// Send implements alert.Mailer.
func (x *told) Send(_ context.Context, m alert.Mail) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.mails = append(x.mails, m)
	return nil
}

// ServeHTTP implements http.Handler.
func (x *told) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	body, _ := io.ReadAll(r.Body) // what cannot be read is not what was sent
	if r.Header.Get("Webhook-Signature") == "" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	x.hooks = append(x.hooks, string(body))
}

// take answers what came since the last time.
func (x *told) take() (mails []alert.Mail, hooks []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	mails, hooks = x.mails, x.hooks
	x.mails, x.hooks = nil, nil
	return mails, hooks
}

// tell looks what is wrong, and tells.
func (l *live) tell() {
	l.t.Helper()
	if err := l.app.Alerts.Round(l.t.Context(), api.DefaultWorkspace); err != nil {
		l.t.Fatal(err)
	}
}

// users makes two who may be told.
func (l *live) users() {
	l.t.Helper()
	l.must(201, "POST", "/v1/keys", `{"name":"o","role":"member","user":{"email":"ops@example.com"}}`)
	l.must(201, "POST", "/v1/keys", `{"name":"b","role":"admin","user":{"email":"boss@example.com"}}`)
}

// hearing tells who hears how that a connection was switched off at noon.
func hearing(w *shop) string {
	now := w.now().UTC()
	noon := time.Date(now.Year(), now.Month(), now.Day(), 12, 0, 0, 0, time.UTC)
	if !noon.After(now) {
		noon = noon.AddDate(0, 0, 1)
	}
	w.move(noon.Sub(now))
	w.users()
	w.open()
	w.must(201, "POST", w.con+"/notify/secret", nil)
	w.start()
	w.tell()
	w.told.take()
	w.want(200, "POST", w.con+"/pause", nil)
	w.tell()
	mails, hooks := w.told.take()
	var to []string
	for _, m := range mails {
		to = append(to, strings.Join(m.To, "+"))
	}
	waiting := 0
	for _, a := range each[alert.Alert](w.live, "/v1/alerts?state=open&connection="+strings.TrimPrefix(w.con,
		"/v1/connections/")) {
		for _, d := range a.Deliveries {
			if d.State == alert.DeliveryPending && d.Attempts == 0 {
				waiting++
			}
		}
	}
	return fmt.Sprint(to, len(hooks), waiting)
}

// walkAlerts goes through what is about alerts.
func (l *live) walkAlerts() {
	l.t.Helper()
	l.users()
	l.want(200, "GET", "/v1/users", nil)
	l.refused(400, "cursor_malformed", "GET", "/v1/users?cursor=x", nil)
	l.refused(409, "notify_off", "POST", l.con+"/notify/test", nil)
	l.patch(l.con, `{"notify":{"enabled":true,"user":"ops@example.com","webhook":"`+l.told.url+`"}}`)
	results := l.must(200, "POST", l.con+"/notify/test", nil)["results"].([]any)
	if got := fmt.Sprint(results[0].(map[string]any)["ok"], results[1].(map[string]any)["ok"]); got != "true false" {
		l.t.Errorf("a test without a secret: %v", results)
	}
	l.must(201, "POST", l.con+"/notify/secret", nil)
	l.refused(404, "not_found", "POST", "/v1/connections/con_none/notify/secret", nil)
	if ok := l.must(200, "POST", l.con+"/notify/test", nil)["results"].([]any)[1].(map[string]any)["ok"]; ok != true {
		l.t.Errorf("a test with one: %v", ok)
	}
	l.want(200, "GET", "/v1/alerts", nil)
	l.refused(404, "not_found", "GET", "/v1/alerts?connection=con_none", nil)
	l.patch(l.con, `{"notify":{"enabled":false,"user":null,"webhook":null}}`)
	l.told.take()
}

// TestRow42_SwitchedOffIsTold mails the user chosen that somebody switched the
// connection, or one of its syncs, off, and by which key; and that it is on again.
func TestRow42_SwitchedOffIsTold(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		l.users()
		l.connect()
		l.person(crm.Left, "a")
		l.patch(l.con, `{"notify":{"enabled":true,"user":"ops@example.com"}}`)
		l.start()
		l.tell()
		if mails, _ := l.told.take(); len(mails) != 0 {
			t.Fatalf("nothing is wrong: %+v", mails)
		}
		key := l.must(201, "POST", "/v1/keys", `{"name":"Jane Doe","role":"admin","user":{"email":"jane@example.com"}}`)
		as := []string{"Authorization", "Bearer " + key["key"].(string)}
		id := key["id"].(string)
		for _, off := range []struct{ do, undo func() }{
			{
				func() { l.want(200, "POST", l.con+"/pause", nil, as...) },
				func() { l.want(202, "POST", l.con+"/start", nil); l.drain() },
			},
			{
				func() {
					l.want(200, "PATCH", l.con, `{"enabled":false}`, append(as, "If-Match", "*", "Content-Type", mergePatch)...)
				},
				func() { l.patch(l.con, `{"enabled":true}`); l.drain() },
			},
		} {
			off.do()
			l.tell()
			l.tell()
			mails, _ := l.told.take()
			if len(mails) != 1 || !slices.Equal(mails[0].To, []string{"ops@example.com"}) ||
				!strings.Contains(mails[0].Text, "switched off by "+id) {
				t.Fatalf("switched off: %+v", mails)
			}
			if strings.Contains(mails[0].Text+mails[0].Subject, "Jane") || strings.Contains(mails[0].Text, "jane@") {
				t.Errorf("the mail names a person: %s", mails[0].Text)
			}
			off.undo()
			l.tell()
			if mails, _ = l.told.take(); len(mails) != 1 || !strings.Contains(mails[0].Subject, "over") {
				t.Fatalf("switched on again: %+v", mails)
			}
		}
		if open := each[alert.Alert](l, "/v1/alerts?state=open"); len(open) != 0 {
			t.Errorf("left open: %+v", open)
		}
	})
}

// TestRow163_BrokenCredentialsAreTold tells that an account must be authorised
// again, and when it was, by mail and by webhook.
func TestRow163_BrokenCredentialsAreTold(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		l.users()
		l.connect()
		l.person(crm.Left, "a")
		l.patch(l.con, `{"notify":{"enabled":true,"user":"boss@example.com","webhook":"`+l.told.url+`"}}`)
		l.must(201, "POST", l.con+"/notify/secret", nil)
		l.start()
		l.hub.Core().RevokeTokens()
		l.move(3 * time.Minute)
		l.want(202, "POST", l.sync+"/pull", nil)
		for range 100 { // it never comes to rest: the run waits for a person
			l.work()
			if _, err := l.app.Engine.Round(t.Context()); err != nil {
				t.Fatal(err)
			}
			if l.must(200, "GET", l.con, nil)["status"] == string(crm.StatusNeedsAuth) {
				break
			}
			l.move(time.Second)
		}
		l.tell()
		mails, hooks := l.told.take()
		if len(mails) != 1 || len(hooks) != 1 || !strings.Contains(hooks[0], `"kind":"needs_authorization"`) ||
			!strings.Contains(mails[0].Text, string(l.left)) {
			t.Fatalf("%+v %v", mails, hooks)
		}
		l.hub.Core().AllowTokens()
		l.want(200, "POST", "/v1/accounts/"+string(l.left)+"/test", nil)
		l.tell()
		if mails, hooks = l.told.take(); len(mails) != 1 || len(hooks) != 1 ||
			!strings.Contains(hooks[0], `"alert.resolved"`) {
			t.Fatalf("%+v %v", mails, hooks)
		}
	})
}

// TestRow162_ManyErrorsAreTold has four of ten records refused by an app: told
// once, and over once they are repaired. No message holds anything of a record.
func TestRow162_ManyErrorsAreTold(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		l.users()
		l.refuse("Of canary")
		for i := range 10 {
			last := fmt.Sprintf("Fine-c4n4ry-%d", i)
			if i < 4 {
				last = "Of canary"
			}
			l.person(crm.Left, fmt.Sprintf("c4n4ry-%d", i), "lastname", last, "city", "C4n4ryville")
		}
		l.connect()
		l.patch(l.con, `{"notify":{"enabled":true,"user":"ops@example.com","webhook":"`+l.told.url+`"}}`)
		l.must(201, "POST", l.con+"/notify/secret", nil)
		l.start()
		l.tell()
		l.tell()
		mails, hooks := l.told.take()
		if len(mails) != 1 || len(hooks) != 1 || !strings.Contains(mails[0].Text, "4 of 10 records are in error") {
			t.Fatalf("%+v %v", mails, hooks)
		}
		all := fmt.Sprint(mails, hooks, string(l.want(200, "GET", "/v1/alerts", nil).body))
		for _, hidden := range []string{"c4n4ry", "C4n4ry", "Of canary"} {
			if strings.Contains(all, hidden) {
				t.Errorf("a message holds %q: %s", hidden, all)
			}
		}
		l.refuse("")
		l.want(202, "POST", "/v1/log/retry?connection="+strings.TrimPrefix(l.con, "/v1/connections/"), nil)
		l.drain()
		l.move(10 * time.Minute)
		l.tell()
		if mails, _ = l.told.take(); len(mails) != 1 || !strings.Contains(mails[0].Subject, "over") {
			t.Errorf("repaired: %+v; %+v", mails, each[alert.Alert](l, "/v1/alerts"))
		}
	})
}
