package declared_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/declared"
	"github.com/lockstep-crm/lockstep/internal/connector/hook"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// TestBoundsAreAsWritten: what a document may just say and what not any more, with
// every word of the refusal.
func TestBoundsAreAsWritten(t *testing.T) {
	t.Parallel()
	const (
		name   = "  name: Example CRM"
		fields = "    fields: [{name: api_key, label: API key, secret: true}]\n"
		auth   = "  - kind: api_key\n    send: header\n    name: X-Api-Key\n" + fields
		limits = "limits: {calls: 100, per: 10s, read: 100, page: 100, lag: 30s}"
		first  = "first_name: {label: First name}"
		verify = "    kind: hmac\n    hash: sha256\n    encoding: hex\n    header: X-Example-Signature\n" +
			"    prefix: v1=\n    timestamp: X-Example-Time\n    format: epoch_s\n    of: [timestamp, \".\", url, \".\", body]\n"
		create = "create: {post: /v1/people, into: /person, record: /data}"
		update = `update: {patch: "/v1/people/{id}", into: /person, record: /data}`
		read   = `read: {get: /v1/people, query: {ids: "{ids}", limit: "{size}"}, items: /data}`
		find   = "        fields: [email, last_name, phone]\n        items: /data\n"
		status = "  request_id: X-Request-Id"
		user   = `read: {get: "/v1/users/{id}", record: /data}`
		since  = "        format: rfc3339_ms\n        grain: 1ms\n        overlap: 1m\n"
		me     = "account: {get: /v1/me, id: /workspace/id, label: /workspace/name}"
	)
	login := func(send string) string {
		return "  - kind: token\n    send: " + send + "\n    login: {post: /login, body: {u: \"{user}\", p: \"{pass}\"}, " +
			"token: /token}\n    fields: [{name: user, label: U}, {name: pass, label: P, secret: true}]\n"
	}
	var out []string
	for _, c := range [][]string{
		{},
		{auth, auth + auth},
		{auth, auth + strings.Replace(auth, "api_key\n    send", "token\n    send", 1)},
		{auth, login("bearer")},
		{auth, login("basic")},
		{auth, strings.Replace(strings.Replace(auth, "send: header", "send: basic", 1), "    name: X-Api-Key\n", "", 1)},
		{auth, strings.Replace(auth, "send: header", "send: bearer", 1)},
		{auth, strings.Replace(auth, "    name: X-Api-Key\n", "", 1)},
		{auth, strings.Replace(auth, fields, "", 1)},
		{auth, strings.Replace(auth, "label: API key, ", "", 1)},
		{auth, strings.Replace(auth, "name: api_key", "name: \"api key\"", 1)},
		{limits, "limits: {calls: 100}"},
		{limits, "limits: {per: 10s}"},
		{limits, "limits: {searches: 4}"},
		{limits, "limits: {searches_per: 1s}"},
		{limits, "limits: {searches: 4, searches_per: 1s}"},
		{limits, "limits: {read: 500, page: 1000, lag: 168h}"},
		{limits, "limits: {read: 501}"},
		{limits, "limits: {page: 1001}"},
		{limits, "limits: {lag: 168h1s}"},
		{limits, "limits: {calls: 4, per: 3s}"},
		{limits, "limits: {calls: 5, per: 4s}"},
		{limits, "limits: {calls: 4, per: 4s}"},
		{me, `account: {get: /v1/me, body: {a: b}, id: /workspace/id}`},
		{me, `account: {post: /v1/me, body: {a: b}, id: /workspace/id}`},
		{me, `account: {put: /v1/me, id: /workspace/id}`},
		{me, `account: {get: v1/me, id: /workspace/id}`},
		{me, `account: {get: "/v1/me#x", id: /workspace/id}`},
		{me, `account: {get: "/v1/{account.nobody}", id: /workspace/id}`},
		{first, "first_name: {required: true, read_only: true}"},
		{first, "first_name: {options: [{value: a, label: A}]}"},
		{first, "first_name: {type: option, options: [{value: a, label: A}]}"},
		{first, "first_name: {type: options, options: [{value: a, label: A}]}"},
		{first, `first_name: {at: "@key"}`},
		{first, `first_name: {to: ""}`},
		{create, "create: {post: /v1/people, body: [x], record: /data}"},
		{create, "create: {post: /v1/people, body: {a: b}, pairs: {name: n, value: v}, record: /data}"},
		{create, "create: {post: /v1/people, body: {a: b}, pairs: {name: n, value: v}, into: /all, record: /data}"},
		{create, "create: {post: /v1/people, pairs: {name: n}, into: /all, record: /data}"},
		{create, `create: {post: /v1/people, body: {key: "{random}"}, id: /id}`},
		{create, "create: {delete: /v1/people, id: /id}"},
		{update, `update: {patch: "/v1/people/{id}", body: {key: "{random}"}, record: /data}`},
		{update, `update: {patch: "/v1/people/{id}", clear: magic}`},
		{update, `update: {patch: "/v1/people/{id}", clear: empty}`},
		{read, `read: {get: "/v1/people/{id}", record: /data}`},
		{read, `read: {get: "/v1/people/{id}"}`},
		{read, `read: {get: "/v1/people/{id}", record: /data, items: /data}`},
		{find, find + "      - get: /v1/other\n        query: {q: \"{value}\"}\n        fields: [email]\n        items: /data\n"},
		{find, find + "      - get: /v1/other\n        query: {q: \"{value}\"}\n        fields: [first_name]\n        record: /data\n"},
		{find, find + "        record: /data\n"},
		{find, "        fields: [email, nobody]\n        items: /data\n"},
		{find, find + "        as: magic\n"},
		{since, "        format: day\n"},
		{since, "        format: day\n        overlap: 23h\n"},
		{since, "        format: day\n        grain: 24h\n        overlap: 168h\n"},
		{since, "        grain: 25h\n        overlap: 26h\n"},
		{since, "        overlap: 168h1s\n"},
		{since, "        order: other\n"},
		{since, "        order: none\n"},
		{status, status + "\n  statuses: {300: invalid_value, 599: unavailable}"},
		{status, status + "\n  statuses: {299: invalid_value}"},
		{status, status + "\n  statuses: {600: invalid_value}"},
		{status, status + "\n  statuses: {500: already_exists}"},
		{status, status + "\n  statuses: {500: not_found}"},
		{status, status + "\n  statuses: {499: not_found}"},
		{status, status + "\n  texts: [{at: /m, code: invalid_value}]"},
		{status, status + "\n  failed: {at: /ok}"},
		{status, status + "\n  failed: {is: no}"},
		{status, status + "\n  failed: {at: /ok, is: no}"},
		{status, status + "\n  retry_after: \"a b\""},
		{"  word: /error/code\n", ""},
		{user, `read: {get: "/v1/users", record: /data}`},
		{user, `read: {get: "/v1/users/{id}"}`},
		{"  id: /id\n  email: /email\n", "  email: /email\n"},
		{"  id: /id\n  email: /email\n", "  id: /id\n"},
		{verify, "    kind: basic\n"},
		{verify, "    kind: basic\n    user: u\n"},
		{verify, "    kind: secret\n"},
		{verify, "    kind: secret\n    header: X-S\n"},
		{verify, "    kind: hmac\n    of: [body]\n"},
		{verify, "    kind: hmac\n    header: X-S\n    of: [url]\n"},
		{verify, "    kind: hmac\n    header: X-S\n    of: [body]\n    hash: md5\n    encoding: morse\n"},
		{verify, strings.Replace(verify, "epoch_s", "sundial", 1)},
		{"  id: /object/id\n", ""},
		{"  word: /event\n", ""},
		{"  at: {at: /at}\n", "  at: {at: /at, format: sundial}\n"},
		{"          at: /kind\n", "          at: /kind\n          other: thing\n"},
		{"        at: /custom/{name}\n", ""},
		{"        at: /custom/{name}\n", "        at: \"custom/{name}\"\n"},
		{"        at: /custom/{name}\n", "        at: \"/{name}/{name}\"\n"},
		{name, name + "\n  headers: {X-A: b, x_b: c}"},
		{name, name + "\n  headers: {Host: b}"},
		{name, name + "\n  headers: {Content-Length: \"7\"}"},
		{name, name + "\n  headers: {X-A: \"a\\nb\"}"},
		{name, "  name: 2026-01-01"},
		{name, "  name: !!binary aGVsbG8="},
		{name, "  name: ~"},
		{name, "  name: 7"},
	} {
		text := edited(t)
		for i := 0; i < len(c); i += 2 {
			if strings.Count(text, c[i]) != 1 {
				t.Fatalf("%q stands %d times in the model document", c[i], strings.Count(text, c[i]))
			}
			text = strings.Replace(text, c[i], c[i+1], 1)
		}
		said := "taken"
		if _, err := declared.Parse("x.yaml", []byte(text)); err != nil {
			said = err.Error()
		}
		out = append(out, strings.Join(c[min(1, len(c)):], "\n")+"\n=> "+said+"\n")
	}
	written.Check(t, "bounds.txt", strings.Join(out, "\n"))
}

// codeOf is the code of a refusal; "" for none.
func codeOf(err error) string {
	if err == nil {
		return ""
	}
	return fault.CodeOf(err)
}

// TestDeliveriesProveThemselves in each of the ways that a document knows.
func TestDeliveriesProveThemselves(t *testing.T) {
	t.Parallel()
	model := edited(t)
	model = model[:strings.Index(model, "hooks:")]
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	const rest = "  word: /what\n  id: /id\n  map: {made: {object: people, kind: changed}}\n"
	body := []byte(`{"what":"made","id":1,"workspace":"w1"}`)
	req := func(header ...string) connector.WebhookRequest {
		r := connector.WebhookRequest{Method: http.MethodPost, URL: "https://h.example/hooks/1", Header: http.Header{}, Body: body}
		for i := 0; i < len(header); i += 2 {
			r.Header.Add(header[i], header[i+1])
		}
		return r
	}
	mac := func(parts ...string) []byte {
		h := hmac.New(sha256.New, []byte("s3"))
		h.Write([]byte(strings.Join(parts, "")))
		return h.Sum(nil)
	}
	short := hmac.New(sha1.New, []byte("s3"))
	short.Write(body)
	in := func(d time.Duration) string { return strconv.FormatInt(now.Add(d).Unix(), 10) }
	old, ahead := in(-6*time.Minute), in(4*time.Minute)
	user := "Basic " + base64.StdEncoding.EncodeToString([]byte("u:s3"))
	signed := func(stamp string) []string {
		return []string{"X-S", hex.EncodeToString(mac(stamp, string(body))), "X-T", stamp}
	}
	timed := "{kind: hmac, header: X-S, timestamp: X-T, format: epoch_s, of: [timestamp, body]}"
	whole := `{kind: hmac, header: X-S, prefix: "v1=", encoding: base64, of: [method, "+", url, body]}`
	full := "v1=" + base64.StdEncoding.EncodeToString(mac("POST+https://h.example/hooks/1", string(body)))
	for name, c := range map[string]struct {
		verify  string
		request connector.WebhookRequest
		code    string // of the refusal; "" = none
	}{
		"nothing asked":        {"{kind: none}", req(), ""},
		"user":                 {"{kind: basic, user: u}", req("Authorization", user), ""},
		"other user":           {"{kind: basic, user: v}", req("Authorization", user), connector.CodeForged},
		"no user":              {"{kind: basic, user: u}", req(), connector.CodeForged},
		"secret":               {"{kind: secret, header: X-S}", req("X-S", "s3"), ""},
		"secret with a prefix": {`{kind: secret, header: X-S, prefix: "k "}`, req("X-S", "k s3"), ""},
		"secret, no prefix":    {`{kind: secret, header: X-S, prefix: "k "}`, req("X-S", "s3"), connector.CodeForged},
		"another secret":       {"{kind: secret, header: X-S}", req("X-S", "s4"), connector.CodeForged},
		"no secret":            {"{kind: secret, header: X-S}", req(), connector.CodeForged},
		"two secrets":          {"{kind: secret, header: X-S}", req("X-S", "s3", "X-S", "s3"), connector.CodeForged},
		"sha1":                 {"{kind: hmac, hash: sha1, header: X-S, of: [body]}", req("X-S", hex.EncodeToString(short.Sum(nil))), ""},
		"sha1 for sha256":      {"{kind: hmac, header: X-S, of: [body]}", req("X-S", hex.EncodeToString(short.Sum(nil))), connector.CodeForged},
		"method and address":   {whole, req("X-S", full), ""},
		"without its prefix":   {whole, req("X-S", strings.TrimPrefix(full, "v1=")), connector.CodeForged},
		"twice":                {whole, req("X-S", full, "X-S", full), connector.CodeForged},
		"unsigned":             {whole, req(), connector.CodeForged},
		"in time":              {timed, req(signed(strconv.FormatInt(now.Unix(), 10))...), ""},
		"a little ahead":       {timed, req(signed(ahead)...), ""},
		"late":                 {timed, req(signed(old)...), connector.CodeStale},
		"no time":              {timed, req("X-S", hex.EncodeToString(mac(string(body)))), connector.CodeForged},
		"odd time":             {timed, req(signed("noon")...), connector.CodeForged},
	} {
		d, err := declared.Parse("x.yaml", []byte(model+"hooks:\n  verify: "+c.verify+"\n"+rest))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		hooks := d.Driver().Webhooks
		trust := connector.WebhookTrust{Secret: secret.NewText("s3")}
		if err := hooks.Verify(c.request, trust, now); codeOf(err) != c.code || err != nil && !fault.Is(err, fault.Denied) {
			t.Errorf("%s: %v, want %q", name, err, c.code)
		}
		if c.code == "" && !strings.Contains(c.verify, "none") {
			if err := hooks.Verify(c.request, connector.WebhookTrust{}, now); fault.CodeOf(err) != connector.CodeNoSecret {
				t.Errorf("%s, without a secret of ours: %v", name, err)
			}
		}
		for what, odd := range map[string]connector.WebhookRequest{
			"GET":     {Method: http.MethodGet, URL: c.request.URL, Header: c.request.Header, Body: body},
			"no JSON": {Method: http.MethodPost, URL: c.request.URL, Header: c.request.Header, Body: []byte("{")},
		} {
			if err := hooks.Verify(odd, trust, now); !fault.Is(err, fault.Denied) {
				t.Errorf("%s, %s: %v, want it refused", name, what, err)
			}
		}
	}
	d, err := declared.Parse("x.yaml", []byte(model+"hooks:\n  verify: {kind: none}\n  account: /workspace\n"+rest))
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"w1": "", "w2": connector.CodeForeign, "": connector.CodeForeign} {
		if err := d.Driver().Webhooks.Verify(req(), connector.WebhookTrust{ExternalID: id}, now); codeOf(err) != want {
			t.Errorf("account %q: %v, want %q", id, err, want)
		}
	}
	events, err := d.Driver().Webhooks.Parse(req())
	if diff := cmp.Diff([]connector.Event{
		{Kind: connector.EventChanged, Object: "people", ID: "1", ExternalID: "w1"},
	}, events); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got := d.Driver().Webhooks.Reply(); got.Status != http.StatusOK || len(got.Body) > 0 {
		t.Errorf("the reply is %+v", got)
	}
}

// TestManyEvents: as many as a delivery may have are read, and no more of it.
func TestManyEvents(t *testing.T) {
	t.Parallel()
	model := edited(t)
	text := model[:strings.Index(model, "hooks:")] + "hooks:\n  verify: {kind: none}\n  events: /e\n  word: /what\n" +
		"  id: /id\n  at: {at: /at, format: epoch_s}\n  map: {made: {object: people, kind: changed}}\n"
	d, err := declared.Parse("x.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	delivery := func(n int, odd string) ([]connector.Event, error) {
		var b bytes.Buffer
		b.WriteString(`{"what":"made","e":[`)
		for i := range n {
			fmt.Fprintf(&b, `{"id":%d,"at":%d},`, i+1, i)
		}
		b.WriteString(odd + `]}`)
		return d.Driver().Webhooks.Parse(connector.WebhookRequest{Method: http.MethodPost, Body: b.Bytes()})
	}
	got, err := delivery(2, `{"id":3}`)
	if diff := cmp.Diff([]connector.Event{
		{Kind: connector.EventChanged, Object: "people", ID: "1", At: time.Unix(0, 0).UTC()},
		{Kind: connector.EventChanged, Object: "people", ID: "2", At: time.Unix(1, 0).UTC()},
		{Kind: connector.EventChanged, Object: "people", ID: "3"},
	}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got, err := delivery(hook.MaxEvents-1, `{"id":"1000000"}`); err != nil || len(got) != hook.MaxEvents {
		t.Errorf("%d events, %v; want %d", len(got), err, hook.MaxEvents)
	}
	if got, err := delivery(hook.MaxEvents, `{"id":"1000000"}`); err == nil {
		t.Errorf("one too many: %d events", len(got))
	}
	for _, odd := range []string{`7`, `{"id":[]}`, `{"id":{}}`, `null`} {
		if got, err := delivery(1, odd); !fault.Is(err, fault.Invalid) && len(got) != 1 {
			t.Errorf("%s: %v, %v", odd, got, err)
		}
	}
}
