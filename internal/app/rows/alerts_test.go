package rows

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/alert"
)

// key lets somebody in, and returns the ID of their key.
func (w *world) key(role, email string) (id, token string) {
	w.Helper()
	var made struct{ ID, Key string }
	w.want(201, "POST", "/v1/keys", map[string]any{
		"name": "somebody", "role": role, "user": map[string]string{"email": email},
	}).into(&made)
	return made.ID, made.Key
}

// notify is who hears of the connection.
func notify(on bool, user string) raw { return raw(fmt.Sprintf(`{"enabled":%t,"user":%q}`, on, user)) }

// alerts lists those of the connection.
func (w *world) alerts(filter string) []alert.Alert {
	w.Helper()
	return list[alert.Alert](w, "/v1/alerts?connection="+strings.TrimPrefix(w.con, "/v1/connections/")+filter)
}

// looks has the program look what is wrong, until no message waits. It looks twice:
// a look that meets one of the program's own leaves it to that.
func (w *world) looks() {
	w.Helper()
	for range 2 {
		if err := w.p.look(w.Context()); err != nil {
			w.Fatal(err)
		}
	}
	w.until("the end of all deliveries", func() bool {
		return !slices.ContainsFunc(w.alerts(""), func(a alert.Alert) bool {
			return slices.ContainsFunc(a.Deliveries, func(d alert.Delivery) bool { return d.State == alert.DeliveryPending })
		})
	})
}

// mailed demands how many mails the connection's looks have sent since the
// last time, and returns them.
func (w *world) mailed(what string, n int) []alert.Mail {
	w.Helper()
	w.looks()
	all := w.p.mails.about("(" + strings.TrimPrefix(w.con, "/v1/connections/") + ")")
	fresh := all[w.readMails:]
	w.readMails = len(all)
	if len(fresh) != n {
		w.Fatalf("%s: %d mails, want %d: %+v; alerts: %+v", what, len(fresh), n, fresh, w.alerts(""))
	}
	return fresh
}

// mail demands one mail since the last time: to whom, and what it says.
func (w *world) mail(what, to string, says ...string) {
	w.Helper()
	m := w.mailed(what, 1)[0]
	equal(w, what+": it goes to", strings.Join(m.To, " "), to)
	for _, part := range says {
		if !strings.Contains(m.Subject+"\n"+m.Text, part) {
			w.Errorf("%s: the mail does not say %q: %s\n%s", what, part, m.Subject, m.Text)
		}
	}
}

// TestRow42_Row162_SwitchedOffIsTold: who was chosen gets one mail when somebody switches the
// connection or its sync off, naming the key and no person, and one when it is on again.
func TestRow42_Row162_SwitchedOffIsTold(t *testing.T) {
	row(t, func(w *world) {
		const ops = "ops42@example.com"
		w.key("member", ops)
		w.left.add("ann")
		w.connect("/notify", notify(true, ops))
		w.start()
		w.mailed("while all is well", 0)
		id, token := w.key("admin", "jane42@example.com")
		jane := *w
		jane.token = token
		for what, step := range map[string]struct{ off, on func() }{
			"paused": {
				func() { jane.want(200, "POST", w.con+"/pause", nil) },
				func() { w.want(202, "POST", w.con+"/start", nil) },
			},
			"the connection off": {
				func() { jane.change("/enabled", false) },
				func() { jane.change("/enabled", true) },
			},
			"the sync off": {
				func() { jane.change("direction", "off") },
				func() { jane.change("direction", "both") },
			},
		} {
			step.off()
			m := w.mailed(what, 1)[0]
			equal(w, what+": it goes to", strings.Join(m.To, " "), ops)
			if !strings.Contains(m.Text, "switched off by "+id) || strings.Contains(m.Subject+m.Text, "jane42") {
				w.Errorf("%s: %s\n%s", what, m.Subject, m.Text)
			}
			w.mailed(what+", a second look", 0)
			step.on()
			w.rest()
			w.mail(what+", and on again", ops, "[Lockstep] over:", "switched off by "+id)
		}
	})
}

// TestRow160_Row161_WhoHears: one of the users that are listed hears, nobody else can be
// chosen, and only while it is switched on. In place of one whose key is gone the admins
// hear, which the delivery says.
func TestRow160_Row161_WhoHears(t *testing.T) {
	row(t, func(w *world) {
		const ops, boss = "ops160@example.com", "boss160@example.com"
		id, _ := w.key("member", ops)
		w.key("admin", boss)
		active := map[string]bool{}
		for _, u := range list[struct {
			Email  string
			Active bool
		}](w, "/v1/users") {
			active[u.Email] = u.Active
		}
		equal(w, "both are listed", active[ops] && active[boss], true)
		w.left.add("ann")
		w.connect()
		const nobody = "nobody160@example.com"
		w.invalid("unknown_user", "/notify/user", "/notify", notify(true, nobody)) // a draft may be saved so all the same
		w.change("/notify", notify(false, ops))
		w.start()
		w.refused(w.tryChange("/notify", notify(true, nobody)), 400, "unknown_user", "/notify/user")
		w.refused(w.tryChange("/notify", notify(false, nobody)), 400, "unknown_user", "/notify/user")
		w.refused(w.tryChange("/notify", notify(true, "")), 400, "nobody_to_tell", "/notify")
		off := func() { w.Helper(); w.want(200, "POST", w.con+"/pause", nil) }
		on := func() { w.Helper(); w.want(202, "POST", w.con+"/start", nil); w.rest() }
		w.refused(w.call("POST", w.con+"/notify/test", nil), 409, "notify_off")
		off()
		w.mailed("switched off, and a user is chosen", 0)
		equal(w, "alerts that are open all the same", len(w.alerts("&state=open")), 1)
		on()
		w.mailed("over, and a user is chosen", 0)

		w.change("/notify", notify(true, strings.ToUpper(ops)))
		off()
		w.mail("switched on", ops, "switched off")
		equal(w, "instead of somebody", w.alerts("&state=open")[0].Deliveries[0].Fallback, false)

		w.want(204, "DELETE", "/v1/keys/"+id, nil)
		w.change("/description", "saved although the user is gone")
		w.change("/notify.user", strings.ToUpper(ops)) // the same one
		on()
		m := w.mailed("over, and the user is gone", 1)[0]
		if !slices.Contains(m.To, boss) || slices.Contains(m.To, ops) {
			w.Errorf("it goes to %v in place of who is gone", m.To)
		}
		ds := w.alerts("")[0].Deliveries
		last := ds[len(ds)-1]
		equal(w, "the delivery", fmt.Sprint(last.Event, last.State, last.Fallback), "resolveddeliveredtrue")
		w.change("/notify.enabled", false)
		off()
		w.mailed("switched off again", 0)
	})
}

// TestRow162_ManyErrorsAreTold: three of ten records in error are silent; four are told
// once, and not again when a retry finds them as they were, and once that it is over.
func TestRow162_ManyErrorsAreTold(t *testing.T) {
	rowAlone(t, func(w *world) {
		const ops = "ops162@example.com"
		w.key("member", ops)
		begin := func(w *world, inError int) (ids []string) {
			w.Helper()
			for i := range 10 {
				last := "Fine"
				if i < inError {
					last = "" // which the other app demands
				}
				ids = append(ids, w.left.add(fmt.Sprintf("p162-%d", i), "lastname", last))
			}
			w.connect("/notify", notify(true, ops), "direction", "to_right")
			equal(w, "in error", w.start()[0].Outcomes["failed"], inError)
			return ids[:inError]
		}
		begin(w, 3)
		w.mailed("30 %", 0)
		equal(w, "alerts", len(w.alerts("")), 0)

		more := *w
		more.open()
		bad := begin(&more, 4)
		more.mail("more than 30 %", ops, "4 of 10 records are in error", "many_errors")
		more.mailed("a second look", 0)
		retry := "/v1/log/retry?connection=" + strings.TrimPrefix(more.con, "/v1/connections/")
		more.finished(more.run("POST", retry, nil))
		more.rest()
		more.mailed("the same again", 0)
		for _, id := range bad {
			more.left.edit(id, "lastname", "Mended")
		}
		more.pull()
		more.right.count(10)
		w.pass(10 * time.Minute)
		more.mail("mended", ops, "[Lockstep] over:", "many_errors")
		said := fmt.Sprint(w.p.mails.about(strings.TrimPrefix(more.con, "/v1/connections/")))
		if strings.Contains(said, "p162-") || strings.Contains(said, "Mended") {
			w.Errorf("a mail holds values: %s", said)
		}
	})
}

// TestRow162_FailedRunsAreTold: a run that fails is told once, and once more the fifth in
// a row; the sixth is not, and a good one ends both.
func TestRow162_FailedRunsAreTold(t *testing.T) {
	row(t, func(w *world) {
		const ops = "ops162f@example.com"
		w.key("member", ops)
		w.left.add("ann")
		w.connect("/notify", notify(true, ops))
		w.start()
		w.left.knob("POST", "fail", raw(`{"endpoint":"GET /crm/v3/objects/contacts","status":400,"times":100000}`))
		failures := func() (n int) {
			w.Helper()
			for _, r := range list[run](w, "/v1/runs?connection="+strings.TrimPrefix(w.con, "/v1/connections/")) {
				if r.State == "failed" {
					n++
				}
			}
			return n
		}
		told := 0
		for n := 0; n < 6; { // one more may fail than was asked for: the program looks whether the app lists again
			var r run
			w.want(202, "POST", w.sync+"/resync", nil).into(&r)
			w.until("the failure of a run", func() bool {
				w.get("/v1/runs/"+r.ID, &r)
				return r.State == "failed"
			})
			n = failures()
			w.looks()
			if failures() != n {
				continue
			}
			switch what := fmt.Sprintf("%d failed", n); {
			case told == 0:
				w.mail(what, ops, "failed: listing_refused")
				told = 1
			case told == 1 && n >= 5:
				w.mail(what, ops, "attempts failed one after the other", "failed_in_a_row")
				told = 2
			default:
				w.mailed(what, 0)
			}
		}
		equal(w, "told", told, 2)
		w.left.knob("DELETE", "faults", nil)
		w.resync()
		var subjects []string
		for _, m := range w.mailed("over", 2) {
			subjects = append(subjects, m.Subject)
		}
		all := strings.Join(subjects, "\n")
		if strings.Count(all, "over:") != 2 || !strings.Contains(all, "attempts failed") ||
			!strings.Contains(all, "the run ") {
			w.Errorf("over is told as %s", all)
		}
	})
}

// hook is a receiver of signed webhooks.
type hook struct {
	w      *world
	url    string
	secret []byte

	mu   sync.Mutex
	came []string // bodies with a good signature
}

// hook opens a receiver for the length of the test.
func (w *world) hook() *hook {
	w.Helper()
	s := <-w.p.free
	x := &hook{w: w, url: s.url + "/hook"}
	var h http.Handler = x
	s.app.Store(&h)
	w.Cleanup(func() {
		s.app.Store(nil)
		w.p.free <- s
	})
	return x
}

func (x *hook) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	sum := hmac.New(sha256.New, x.secret)
	fmt.Fprintf(sum, "%s.%s.%s", r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp"), body)
	if err != nil || r.Header.Get("Webhook-Signature") != "v1,"+base64.StdEncoding.EncodeToString(sum.Sum(nil)) {
		http.Error(rw, "not signed", http.StatusUnauthorized)
		return
	}
	x.came = append(x.came, string(body))
}

// sign has the connection's messages signed.
func (x *hook) sign() {
	x.w.Helper()
	var made struct{ Secret string }
	x.w.want(201, "POST", x.w.con+"/notify/secret", nil).into(&made)
	text, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(made.Secret, "whsec_"))
	if err != nil {
		x.w.Fatal(err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.secret = text
}

// hooked is a message by webhook.
type hooked struct {
	Type string
	Data alert.Alert
}

// one is the one message that came since the last time.
func (x *hook) one(what string) (m hooked) {
	x.w.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.came) != 1 {
		x.w.Fatalf("%s: %d webhooks: %v", what, len(x.came), x.came)
	}
	if err := json.Unmarshal([]byte(x.came[0]), &m); err != nil {
		x.w.Fatal(err)
	}
	x.came = nil
	return m
}

// TestRow163_BrokenCredentialsAreVisible: once an app refuses an account's credentials the
// connection needs authorisation, and its status, the run and the account name the
// account, since when and what to do; it is told, and goes on by itself once it is let in.
func TestRow163_BrokenCredentialsAreVisible(t *testing.T) {
	row(t, func(w *world) {
		const ops = "ops163@example.com"
		w.key("member", ops)
		x := w.hook()
		w.left.add("ann")
		w.connect("/notify", map[string]any{"enabled": true, "user": ops, "webhook": x.url})
		x.sign()
		w.start()
		w.mailed("while all is well", 0)
		w.left.knob("POST", "tokens/revoke", nil)
		w.left.add("bob")
		var r run
		w.want(202, "POST", w.sync+"/resync", nil).into(&r)
		w.until("the need of authorisation", func() bool {
			status, _ := w.status()
			return status == "needs_authorization"
		})
		w.want(200, "GET", w.con, nil).says(`"status":"needs_authorization"`)
		type waits []struct {
			Code, Side, Account, Remedy string
			Since                       time.Time
		}
		var status struct{ Syncs []struct{ Waiting waits } }
		w.get(w.con+"/status", &status)
		var ofRun struct{ Waiting waits }
		w.get("/v1/runs/"+r.ID, &ofRun)
		var ofAccount struct {
			Status   string
			Problems waits
		}
		w.until("what the account says", func() bool { // it is told after the connection
			w.get("/v1/accounts/"+w.left.account, &ofAccount)
			return ofAccount.Status == "needs_authorization"
		})
		for what, of := range map[string]waits{
			"status": status.Syncs[0].Waiting, "run": ofRun.Waiting, "account": ofAccount.Problems,
		} {
			if len(of) != 1 {
				w.Errorf("%s waits for %+v", what, of)
				continue
			}
			c := of[0]
			equal(w, what+": why", c.Code, "reauthorization_required")
			equal(w, what+": whose", c.Side+" "+c.Account, "left "+w.left.account)
			if c.Since.Before(r.CreatedAt) || !strings.Contains(c.Remedy, "authori") {
				w.Errorf("%s: since %s, to do: %q", what, c.Since, c.Remedy)
			}
		}
		w.mail("refused", ops, w.left.account, "authorise the account again")
		m := x.one("refused")
		equal(w, "the webhook", m.Type+" "+string(m.Data.Kind)+" "+string(m.Data.Account),
			"alert.opened needs_authorization "+w.left.account)
		w.right.lacks("bob")
		w.left.knob("POST", "tokens/allow", nil)
		w.want(200, "POST", "/v1/accounts/"+w.left.account+"/test", nil).says(`"ok":true`)
		w.finished(r)
		w.rest()
		w.right.has("bob", "LastName", "Of bob")
		w.mail("let in", ops, "[Lockstep] over:")
		equal(w, "the webhook", x.one("let in").Type, "alert.resolved")
	})
}
