package e2e

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce/salesforcefake"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun"
)

// app is one of the two apps.
type app struct {
	name, object string
	url          string
	core         *fakekit.Core
	poison       *poison
	credentials  map[string]string // as POST /v1/accounts takes them
	hookSecret   string
	fields       []string // as in fields, in this app's names
}

// fields are the mapped fields, left and right. The first is the e-mail address.
var fields = [2][]string{
	{"email", "firstname", "lastname", "phone", "jobtitle", "city"},
	{"Email", "FirstName", "LastName", "Phone", "Title", "MailingCity"},
}

const (
	mailField  = 0
	phoneField = 3
)

// hookScale shortens the apps' pauses between attempts: a minute takes 60 ms.
const hookScale = 0.001

// startApps starts both apps with people, and the sending of their webhooks.
func startApps(ctx context.Context, people int, stops *closers) (apps [2]*app, err error) {
	left := hubspotfake.New(fakekit.Config{Seed: people, RetryScale: hookScale})
	right := salesforcefake.New(fakekit.Config{Seed: people, RetryScale: hookScale})
	apps = [2]*app{{
		name: "hubspot", object: "contacts", core: left.Core(), fields: fields[0], hookSecret: hubspotfake.ClientSecret,
		credentials: map[string]string{
			"kind": "token", "token": hubspotfake.PrivateToken, "webhook_secret": hubspotfake.ClientSecret,
		},
	}, {
		name: "salesforce", object: "Contact", core: right.Core(), fields: fields[1],
		credentials: map[string]string{
			"kind": "oauth2", "client_id": salesforcefake.ClientID, "client_secret": salesforcefake.ClientSecret,
		},
	}}
	for i, h := range []http.Handler{left, right} {
		a := apps[i]
		a.poison = &poison{next: h}
		url, stop, err := lambdarun.Serve(ctx, a.poison)
		if err != nil {
			return apps, err
		}
		a.url = url
		stops.add(stop)
		stops.add(background(ctx, func(ctx context.Context) {
			_ = a.core.Run(ctx, httpClient(hookTime)) // until it is stopped
		}))
	}
	return apps, nil
}

// hookTime is how long an app waits for the answer to a webhook.
const hookTime = 30 * time.Second

// httpClient is a client that knows names under localhost, which not every
// machine resolves.
func httpClient(limit time.Duration) *http.Client {
	var dialer net.Dialer
	return &http.Client{Timeout: limit, Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if host, port, err := net.SplitHostPort(address); err == nil && strings.HasSuffix(host, ".localhost") {
				address = net.JoinHostPort("127.0.0.1", port)
			}
			return dialer.DialContext(ctx, network, address)
		},
	}}
}

// background runs f until stop is called, which waits for its end.
func background(ctx context.Context, f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f(ctx)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// host is the app's host and port.
func (a *app) host() string { return strings.TrimPrefix(a.url, "http://") }

// live are the app's records that are not deleted, by ID.
func (a *app) live() map[string]*fakekit.Record {
	out := map[string]*fakekit.Record{}
	for _, r := range a.core.Records(a.object) {
		if !r.Deleted {
			out[r.ID] = r
		}
	}
	return out
}

// sent says how many webhook deliveries wait, and judges those that were taken:
// events that came twice, and events that came after a later one.
func (a *app) sent() (waiting, events, twice, late int) {
	all, _ := a.core.Deliveries()
	seen := map[int64]bool{}
	newest := int64(0)
	for _, d := range all {
		if d.Status == fakekit.DeliveryWaiting {
			waiting++
		}
		for _, e := range d.Events {
			events++
			if seen[e.N] {
				twice++
			}
			seen[e.N] = true
			if e.N < newest {
				late++
			}
			newest = max(newest, e.N)
		}
	}
	return waiting, events, twice, late
}

// hear has the app send its webhooks to url, a share of them doubled and out of
// order, evenly spread, so that a small run meets them too; "" = none. A little
// more than the share: the last event has none to come behind, and of few events
// one more or less counts.
func (a *app) hear(url string, share float64) {
	share *= 1.5
	a.core.SetWebhooks(fakekit.Webhooks{
		URL: url, Secret: a.hookSecret, Duplicate: share, Reorder: share, Even: true, Delay: 300 * time.Millisecond,
	})
}

// poison stands in front of an app and answers nonsense to every call that
// names one of some records, as an app with a broken record of its own would.
// The call has no effect.
type poison struct {
	next http.Handler

	mu   sync.Mutex
	ids  *regexp.Regexp // nil = none
	hits int
}

// plant poisons records; none heals all.
func (p *poison) plant(ids ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ids = nil; len(ids) == 0 {
		return
	}
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = regexp.QuoteMeta(id)
	}
	p.ids = regexp.MustCompile(`\b(?:` + strings.Join(quoted, "|") + `)\b`)
}

func (p *poison) spoiled() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hits
}

// ServeHTTP implements http.Handler.
func (p *poison) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	ids := p.ids
	p.mu.Unlock()
	if ids == nil || strings.HasPrefix(r.URL.Path, "/_fake/") {
		p.next.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, fakekit.MaxBody))
	if err != nil {
		panic(http.ErrAbortHandler) // the caller went away
	}
	if !ids.Match(body) && !ids.MatchString(r.URL.RequestURI()) {
		r.Body = io.NopCloser(bytes.NewReader(body))
		p.next.ServeHTTP(w, r)
		return
	}
	p.mu.Lock()
	p.hits++
	p.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"results":[{`) // the caller is gone
}

// closers are what is to be stopped, the last first.
type closers struct{ all []func() }

func (c *closers) add(stop func()) { c.all = append(c.all, stop) }

// Close stops everything, once.
func (c *closers) Close() {
	for len(c.all) > 0 {
		n := len(c.all) - 1
		c.all[n]()
		c.all = c.all[:n]
	}
}
