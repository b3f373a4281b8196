package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// hook is a connection's left webhook address and what signs for it.
func hook(w *world) (path, secretText string) {
	w.t.Helper()
	const key = "signing-secret"
	w.left = crm.AccountID(w.must(201, "POST", "/v1/accounts",
		`{"app":"hubspot","name":"Left","credentials":{"kind":"token","token":"p","webhook_secret":"`+key+
			`"}}`).json(w.t)["id"].(string))
	w.right = crm.AccountID(w.must(201, "POST", "/v1/accounts",
		`{"app":"salesforce","name":"Right","credentials":{"kind":"token","token":"p"}}`).json(w.t)["id"].(string))
	id, _ := w.connect("One")
	views := w.must(200, "GET", "/v1/connections/"+id+"/webhooks", "").json(w.t)["items"].([]any)
	url := views[0].(map[string]any)["url"].(string)
	return strings.TrimPrefix(url, "https://sync.example.com"), key
}

func publicURL(o *Options) { o.PublicURL = "https://sync.example.com" }

// alone has the world serve deliveries by the surface that knows nothing else.
func (w *world) alone() {
	w.t.Helper()
	o := w.server.Options
	var err error
	w.handler, err = NewHooks(HookOptions{
		Engine: o.Engine, Accounts: o.Accounts, Now: o.Now, NewID: o.NewID, Logger: o.Logger,
		PublicURL: o.PublicURL, AllowHosts: o.AllowHosts, Delivered: o.Delivered,
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestX1_Webhooks sends authentic and forged deliveries, to the whole surface
// and to that of deliveries alone.
func TestX1_Webhooks(t *testing.T) {
	t.Parallel()
	for name, with := range map[string]func(*world){"whole": func(*world) {}, "alone": (*world).alone} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testX1(t, with)
		})
	}
}

func testX1(t *testing.T, with func(*world)) {
	t.Helper()
	var told []string // of each delivery
	w := newWorld(t, publicURL, func(o *Options) {
		o.Delivered = func(app crm.AppID, result, code string) {
			told = append(told, strings.TrimSpace(string(app)+" "+result+" "+code))
		}
	})
	path, key := hook(w)
	with(w)
	url := "https://sync.example.com" + path
	body := `["1","2"]`
	signed := func(key, url string, at time.Time, body string) option {
		return header("X-Signature", signHook(secret.NewText(key), url, at, []byte(body)))
	}
	many, _ := json.Marshal(make([]string, maxEvents+1))
	for name, c := range map[string]struct {
		body   string
		sign   option
		status int
		queued int
		told   string
	}{
		"authentic":       {body, signed(key, url, w.now(), body), 204, 2, Accepted},
		"empty":           {`[]`, signed(key, url, w.now(), `[]`), 204, 0, Accepted},
		"no signature":    {body, header("X-Other", "x"), 401, 0, "refused forged_webhook"},
		"another key":     {body, signed("x", url, w.now(), body), 401, 0, "refused forged_webhook"},
		"another body":    {body, signed(key, url, w.now(), body+" "), 401, 0, "refused forged_webhook"},
		"another address": {body, signed(key, url+"?x", w.now(), body), 401, 0, "refused forged_webhook"},
		"too old":         {body, signed(key, url, w.now().Add(-6*time.Minute), body), 401, 0, "refused forged_webhook"},
		"from the future": {body, signed(key, url, w.now().Add(6*time.Minute), body), 401, 0, "refused forged_webhook"},
		"malformed":       {`{}`, signed(key, url, w.now(), `{}`), 400, 0, "refused malformed_webhook"},
		"too many events": {string(many), signed(key, url, w.now(), string(many)), 400, 0, "refused too_many_events"},
		"too large":       {strings.Repeat("x", 1<<20+1), signed(key, url, w.now(), "x"), 413, 0, "refused body_too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			w.engine.events, told = nil, nil
			r := w.do("POST", path, c.body, c.sign, header("Authorization", ""))
			if want := []string{"hubspot " + c.told}; !slices.Equal(told, want) {
				t.Errorf("told %q, want %q", told, want)
			}
			if r.status != c.status || len(w.engine.events) != c.queued {
				t.Errorf("got %d with %d events queued, want %d with %d: %s", r.status, len(w.engine.events), c.status, c.queued,
					r.body)
			}
			if r.status >= 400 {
				r.problem(t)
			}
		})
	}
	for _, kind := range []fault.Kind{
		fault.Throttled, fault.Unavailable, fault.Invalid, fault.NotFound, fault.Denied,
		fault.Conflict, fault.Other,
	} {
		w.engine.hookErr, told = fault.New("test: queue", kind, "", ""), nil
		r := w.must(503, "POST", path, body, signed(key, url, w.now(), body))
		if want := []string{"hubspot failed"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		if r.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	w.engine.hookErr, told = nil, nil
	w.must(200, "GET", path, "")
	if r := w.must(200, "HEAD", path, ""); len(r.body) > 0 {
		t.Errorf("HEAD has a body: %s", r.body)
	}
	w.must(404, "POST", path+"x", body, signed(key, url+"x", w.now(), body))
	if want := []string{Unknown}; !slices.Equal(told, want) {
		t.Errorf("told %q of looks and a strange address, want %q", told, want)
	}
}

// acked answers for an app that takes its webhook away when one is not answered with 200.
func acked(code string) connector.Reply {
	return connector.Reply{Status: 200, ContentType: "application/json", Body: `{"reason":"` + code + `"}`}
}

// TestHooksThatAreAlwaysAnswered: what is refused for good is answered as the app wants
// it, counted, and not queued; our own trouble is still told.
func TestHooksThatAreAlwaysAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, publicURL)
	path, key := hook(w)
	d := w.drivers["hubspot"]
	d.Refused = acked
	w.drivers["hubspot"] = d
	w.alone()
	signed := func(body string) option {
		return header("X-Signature", signHook(secret.NewText(key), "https://sync.example.com"+path, w.now(), []byte(body)))
	}
	many, _ := json.Marshal(make([]string, maxEvents+1))
	for body, reason := range map[string]string{
		`["1"]`: CodeForgedWebhook, `{}`: "malformed_webhook", string(many): CodeTooManyEvents,
	} {
		sign := signed(body)
		if reason == CodeForgedWebhook {
			sign = header("X-Signature", "x")
		}
		if r := w.must(200, "POST", path, body, sign); !strings.Contains(string(r.body), `"reason":"`+reason) ||
			len(w.engine.events) != 0 {
			t.Errorf("%s: %s, %d events", reason, r.body, len(w.engine.events))
		}
	}
	w.engine.hookErr = fault.New("test: queue", fault.Unavailable, "", "")
	w.must(503, "POST", path, `["1"]`, signed(`["1"]`))
	w.engine.hookErr = nil
	w.must(204, "POST", path, `["1"]`, signed(`["1"]`))
}

// TestHooksAlone has the surface of deliveries refuse what is none, in the words
// of the whole one.
func TestHooksAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, publicURL)
	path, _ := hook(w)
	w.alone()
	for name, c := range map[string]struct {
		method, path string
		status       int
		code         string
		host         string
	}{
		"another route":  {"GET", "/v1/health", 404, CodeNotFound, ""},
		"no token":       {"POST", hooksPath, 404, CodeNotFound, ""},
		"detour":         {"POST", "/x/.." + path, 404, CodeNotFound, ""},
		"another method": {"PUT", path, 405, CodeMethodNotAllowed, ""},
		"doubled query":  {"POST", path + "?a=1&a=2", 400, CodeBadAddress, ""},
		"another host":   {"POST", path, 421, CodeHostNotAllowed, "evil.example.org"},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.do(c.method, c.path, "", func(req *http.Request) {
				if c.host != "" {
					req.Host = c.host
				}
			})
			if p := r.problem(t); r.status != c.status || p.Code != c.code || r.header.Get("X-Request-Id") != p.RequestID {
				t.Errorf("got %d %q, want %d %q", r.status, p.Code, c.status, c.code)
			}
			if c.status == 405 && r.header.Get("Allow") != "GET, HEAD, POST" {
				t.Errorf("Allow = %q", r.header.Get("Allow"))
			}
		})
	}
	_, err := NewHooks(HookOptions{PublicURL: "sync.example.com"})
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "Accounts") ||
		!strings.Contains(err.Error(), "PublicURL") {
		t.Errorf("NewHooks without anything = %v, want all of it named", err)
	}
}

// TestX2_WebhookTokensLookAlike compares the refusals of tokens that do not work.
func TestX2_WebhookTokensLookAlike(t *testing.T) {
	t.Parallel()
	w := newWorld(t, publicURL)
	path, key := hook(w)
	id := "con_" + fmt.Sprint(1)
	var bodies []string
	for _, token := range []string{
		"x", strings.Repeat("A", 43), strings.Repeat("A", 300), path[len(hooksPath):] + "A",
		id,
	} {
		for _, method := range []string{"GET", "POST"} {
			r := w.must(404, method, hooksPath+token, map[string]string{"POST": "[]"}[method])
			p := r.problem(t)
			p.RequestID = ""
			bodies = append(bodies, fmt.Sprintf("%+v", p))
		}
	}
	for _, b := range bodies {
		if b != bodies[0] {
			t.Errorf("%s differs from %s", b, bodies[0])
		}
	}
	connections := w.must(200, "GET", "/v1/connections", "").json(t)["items"].([]any)
	con := connections[0].(map[string]any)["id"].(string)
	views := w.must(200, "POST", "/v1/connections/"+con+"/webhooks/rotate", "").json(t)["items"].([]any)
	fresh := strings.TrimPrefix(views[0].(map[string]any)["url"].(string), "https://sync.example.com")
	if fresh == path {
		t.Fatal("the address did not change")
	}
	w.must(200, "GET", path, "")
	w.must(200, "GET", fresh, "")
	w.clock.Advance(25 * time.Hour)
	w.must(404, "GET", path, "")
	w.must(200, "GET", fresh, "")
	for _, hidden := range []string{path, fresh, key} {
		if strings.Contains(w.log.String(), strings.TrimPrefix(hidden, hooksPath)) {
			t.Error("the log holds a token or a secret")
		}
	}
}

// TestX1_EventsOfAnotherPortalAreNotOurs: what an authentic delivery tells of
// another portal than the account's is never worked, alone or among our own.
func TestX1_EventsOfAnotherPortalAreNotOurs(t *testing.T) {
	t.Parallel()
	for name, with := range map[string]func(*world){"whole": func(*world) {}, "alone": (*world).alone} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, publicURL)
			path, key := hook(w)
			with(w)
			deliver := func(status int, body string) []connector.Event {
				t.Helper()
				w.engine.events = nil
				w.must(status, "POST", path, body,
					header("X-Signature", signHook(secret.NewText(key), "https://sync.example.com"+path, w.now(), []byte(body))))
				return w.engine.events
			}
			if got := deliver(401, `["portal-2/7","portal-3/8"]`); len(got) != 0 {
				t.Errorf("queued: %+v", got)
			}
			got := deliver(204, `["portal-1/1","portal-2/2","3"]`)
			if len(got) != 2 || got[0].ID != "1" || got[1].ID != "3" {
				t.Errorf("queued: %+v, want 1 and 3", got)
			}
		})
	}
}
