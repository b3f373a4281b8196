package lambdarun_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/awslocal"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce/salesforcefake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/lambdarun"
	"github.com/lockstep-crm/lockstep/internal/testbed"
)

// e2eTime bounds the whole run, on a busy machine.
const e2eTime = 4 * time.Minute

// functionsDir is where the functions were built; "" = no test needed them.
var functionsDir string

// built are the functions as they are deployed, for this machine: built once,
// removed by TestMain.
var built = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "lockstep-functions-"); err != nil {
		return "", err
	}
	functionsDir = dir
	for _, name := range []string{"webhook", "pull", "sync", "api", "keeper"} {
		cmd := exec.Command("go", "build", "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w -buildid=",
			"-o", filepath.Join(dir, name, "bootstrap"), "github.com/lockstep-crm/lockstep/functions/"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			return dir, fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return dir, nil
})

// bootstrap is the path of a function's program.
func bootstrap(t *testing.T, name string) string {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name, "bootstrap")
}

// output is what the functions print, kept for a failure.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// cloud is the functions in their account, with two apps outside.
type cloud struct {
	t         *testing.T
	account   *lambdarun.Account
	functions map[string]*lambdarun.Function
	url       string // of the HTTP API
	hub       *hubspotfake.Fake
	force     *salesforcefake.Fake
	apps      [2]string // addresses
	conn      crm.Connection
	said      output
}

func newCloud(t *testing.T, people int) *cloud {
	t.Helper()
	account, err := lambdarun.OpenAccount(t.Context())
	if errors.Is(err, awslocal.ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(account.Close)
	c := &cloud{t: t, account: account, functions: map[string]*lambdarun.Function{}}
	c.hub, c.force = hubspotfake.New(fakekit.Config{Seed: people}), salesforcefake.New(fakekit.Config{Seed: people})
	for i, f := range []fakekit.Fake{c.hub, c.force} {
		c.apps[i] = c.serve(f)
		ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = f.Core().Run(ctx, &http.Client{Timeout: fakekit.HookTimeout}) // until stop
		}()
		t.Cleanup(func() {
			stop()
			<-ended
		})
	}
	gateway := &lambdarun.Gateway{Routes: map[string]lambdarun.Invoker{}}
	c.url = c.serve(gateway)
	env := append([]string{
		"LOCKSTEP_PUBLIC_URL=" + c.url,
		"LOCKSTEP_ALLOW_HOSTS=" + strings.TrimPrefix(c.apps[0], "http://") + "," + strings.TrimPrefix(c.apps[1], "http://"),
	}, account.Env...)
	for name, o := range map[string]lambdarun.Options{
		"webhook": {Timeout: 10 * time.Second, Concurrency: 3}, "api": {Timeout: 25 * time.Second, Concurrency: 2},
		"pull": {Timeout: 30 * time.Second, Concurrency: 2}, "sync": {Timeout: time.Minute, Concurrency: 2}, "keeper": {Timeout: time.Minute},
	} {
		o.Name, o.Program, o.Env, o.Log = "lockstep-"+name, bootstrap(t, name), env, &c.said
		c.functions[name] = lambdarun.New(o)
		t.Cleanup(c.functions[name].Close)
	}
	gateway.Routes["/hooks/"], gateway.Routes["/v1/"] = c.functions["webhook"], c.functions["api"]
	t.Cleanup(func() {
		if t.Failed() {
			text := c.said.text()
			t.Logf("the functions said:\n%s", text[max(0, len(text)-8<<10):])
		}
	})
	return c
}

func (c *cloud) serve(h http.Handler) string {
	c.t.Helper()
	url, stop, err := lambdarun.Serve(c.t.Context(), h)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(stop)
	return url
}

// run lets the queue and the tick feed the functions until the test ends.
func (c *cloud) run() {
	ctx, stop := context.WithCancel(context.WithoutCancel(c.t.Context()))
	var wg sync.WaitGroup
	p := &lambdarun.Poller{
		Queue: c.account.Queue, Function: c.functions["sync"], Visibility: 6 * time.Minute, Workers: 2,
		Trouble: func(err error) { c.t.Errorf("sync: %v", err) },
	}
	wg.Go(func() { p.Run(ctx) })
	wg.Go(func() {
		t := time.NewTicker(200 * time.Millisecond)
		defer t.Stop()
		for ctx.Err() == nil {
			if _, err := c.functions["pull"].Invoke(context.WithoutCancel(ctx), []byte(`{"tick":true}`)); err != nil {
				c.t.Errorf("tick: %v", err)
				return
			}
			select {
			case <-t.C:
			case <-ctx.Done():
			}
		}
	})
	c.t.Cleanup(func() {
		stop()
		wg.Wait()
	})
}

// call asks the HTTP API, or a fake by its whole address.
func (c *cloud) call(method, path string, in, out any, header ...string) http.Header {
	c.t.Helper()
	var body io.Reader = http.NoBody
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			c.t.Fatal(err)
		}
		body = bytes.NewReader(b)
	}
	if strings.HasPrefix(path, "/") {
		path = c.url + path
		header = append(header, "Authorization", "Bearer "+c.account.AdminKey)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= http.StatusMultipleChoices {
		c.t.Fatalf("%s %s: %d, %v: %s", method, path, resp.StatusCode, err, b)
	}
	if out != nil {
		if err := json.Unmarshal(b, out); err != nil {
			c.t.Fatalf("%s %s: %v", method, path, err)
		}
	}
	return resp.Header
}

// connect makes accounts and connection by the API, as a script would.
func (c *cloud) connect() {
	c.t.Helper()
	var ids [2]string
	for i, credentials := range []map[string]string{
		{"kind": "token", "token": hubspotfake.PrivateToken, "webhook_secret": hubspotfake.ClientSecret},
		{"kind": "oauth2", "client_id": salesforcefake.ClientID, "client_secret": salesforcefake.ClientSecret},
	} {
		var made struct {
			ID string `json:"id"`
		}
		c.call("POST", "/v1/accounts", map[string]any{
			"app": []string{"hubspot", "salesforce"}[i], "name": "fake", "base_url": c.apps[i], "credentials": credentials,
		}, &made)
		var test struct {
			OK     bool   `json:"ok"`
			Detail string `json:"detail"`
		}
		if c.call("POST", "/v1/accounts/"+made.ID+"/test", nil, &test); !test.OK {
			c.t.Fatalf("the account does not work: %s", test.Detail)
		}
		ids[i] = made.ID
	}
	doc := testbed.Document()
	doc.Syncs[0].Conflict = crm.ConflictLeft
	b, err := json.Marshal(doc.Syncs)
	if err != nil {
		c.t.Fatal(err)
	}
	var syncs any
	if err := json.Unmarshal(b, &syncs); err != nil {
		c.t.Fatal(err)
	}
	c.call("POST", "/v1/connections", map[string]any{
		"name": "end to end", "default_country": "US", "left": map[string]string{"account": ids[0]}, "right": map[string]string{"account": ids[1]}, "syncs": stated(syncs),
	}, &c.conn)
}

// stated leaves out of a document what is not said: a default is not spelled "".
func stated(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if v[k] = stated(e); v[k] == nil {
				delete(v, k)
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		for i := range v {
			v[i] = stated(v[i])
		}
	case string:
		if v == "" {
			return nil
		}
	}
	return v
}

func (c *cloud) path(rest string) string { return "/v1/connections/" + string(c.conn.ID) + rest }

// until asks again and again until f says that it is so.
func (c *cloud) until(what string, f func() bool) {
	c.t.Helper()
	end := time.Now().Add(e2eTime)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		if time.Now().After(end) {
			c.t.Fatalf("%s: not within %s", what, e2eTime)
		}
		<-tick.C
	}
}

// quiet waits until nothing is under way.
func (c *cloud) quiet() (st engine.SyncStatus) {
	c.t.Helper()
	c.until("coming to rest", func() bool {
		var status struct {
			Syncs []engine.SyncStatus `json:"syncs"`
		}
		c.call("GET", c.path("/status"), nil, &status)
		if len(status.Syncs) != 1 {
			c.t.Fatalf("%d syncs, want one", len(status.Syncs))
		}
		st = status.Syncs[0]
		d, err := c.account.Queue.Depth(c.t.Context())
		if err != nil {
			c.t.Fatal(err)
		}
		return st.Backlog+st.Parked+int64(d.Visible+d.InFlight) == 0 && st.OpenRun == ""
	})
	return st
}

// pairs lists who is linked: left ID to right ID.
func (c *cloud) pairs() map[string]string {
	c.t.Helper()
	out := map[string]string{}
	for cursor := ""; ; {
		var page struct {
			Items []engine.RecordView `json:"items"`
			Next  string              `json:"next"`
		}
		c.call("GET", c.path("/syncs/contacts/records?state=in_sync&limit=100"+cursor), nil, &page)
		for _, v := range page.Items {
			l, r := string(v.ID), string(v.Partner)
			if v.Side == crm.Right {
				l, r = r, l
			}
			out[l] = r
		}
		if page.Next == "" {
			return out
		}
		cursor = "&cursor=" + page.Next
	}
}

// fields are the mapped fields that are compared as they stand.
var fields = [][2]string{{"email", "Email"}, {"firstname", "FirstName"}, {"lastname", "LastName"}, {"jobtitle", "Title"}, {"city", "MailingCity"}}

// differences compares all linked pairs by what the apps themselves hold.
func (c *cloud) differences(pairs map[string]string) []string {
	byID := func(rs []*fakekit.Record) map[string]map[string]string {
		m := map[string]map[string]string{}
		for _, r := range rs {
			m[r.ID] = r.Fields
		}
		return m
	}
	left, right := byID(c.hub.Core().Records("contacts")), byID(c.force.Core().Records("Contact"))
	var out []string
	for l, r := range pairs {
		a, b := left[l], right[r]
		if a == nil || b == nil {
			out = append(out, fmt.Sprintf("%s and %s: one is missing", l, r))
			continue
		}
		for _, f := range fields {
			if !strings.EqualFold(a[f[0]], b[f[1]]) {
				out = append(out, fmt.Sprintf("%s and %s differ in %s", l, r, f[0]))
			}
		}
	}
	return out
}

// TestEndToEnd runs the programs that are deployed: a first sync of 100 and
// 100 people, edits by schedule and by webhook in both directions, and in the
// end both sides agree.
func TestEndToEnd(t *testing.T) {
	t.Parallel()
	const people = 100
	c := newCloud(t, people)
	c.connect()
	c.call("POST", c.path("/start"), nil, nil)
	c.run()
	st := c.quiet()
	want := fakekit.Expected(people)
	for _, side := range crm.Sides {
		if got := st.States.Get(side)[crm.StateInSync]; got != int64(want.Linked) {
			t.Errorf("%s: %d are in sync after the first sync, want %d", side, got, want.Linked)
		}
	}
	pairs := c.pairs()
	if len(pairs) != want.Linked {
		t.Fatalf("%d pairs are linked, want %d", len(pairs), want.Linked)
	}
	if diff := c.differences(pairs); diff != nil {
		t.Fatalf("after the first sync: %v", diff)
	}
	var left, right string
	for left, right = range pairs {
		break
	}

	// By schedule: nobody has told us yet.
	c.change(c.hub.Core(), "contacts", left, "jobtitle", "Captain")
	firing := fmt.Sprintf(`{"workspace":"default","connection":%q,"sync":"contacts"}`, c.conn.ID)
	if _, err := c.functions["pull"].Invoke(t.Context(), []byte(firing)); err != nil {
		t.Fatal(err)
	}
	c.arrives(c.force.Core(), "Contact", right, "Title", "Captain")

	// By webhook, in both directions.
	var hooks struct {
		Items []struct {
			URL string `json:"url"`
		} `json:"items"`
	}
	c.call("GET", c.path("/webhooks"), nil, &hooks)
	if len(hooks.Items) != 2 {
		t.Fatalf("%d webhook addresses, want one a side", len(hooks.Items))
	}
	c.call("PUT", c.apps[0]+"/_fake/webhooks", map[string]string{"url": hooks.Items[0].URL, "secret": hubspotfake.ClientSecret}, nil)
	c.call("PUT", c.apps[1]+"/_fake/webhooks", map[string]string{"url": hooks.Items[1].URL}, nil)
	c.change(c.hub.Core(), "contacts", left, "city", "Trieste")
	c.arrives(c.force.Core(), "Contact", right, "MailingCity", "Trieste")
	c.change(c.force.Core(), "Contact", right, "Title", "Pilot")
	c.arrives(c.hub.Core(), "contacts", left, "jobtitle", "Pilot")

	c.quiet()
	if diff := c.differences(c.pairs()); diff != nil {
		t.Errorf("in the end: %v", diff)
	}
	if _, err := c.functions["keeper"].Invoke(t.Context(), []byte(`{"hour":true}`)); err != nil {
		t.Error(err)
	}
	if want := `"SyncsOverdue":0`; !strings.Contains(c.said.text(), want) {
		t.Errorf("keeper did not write %s", want)
	}
	if d, err := c.account.Queue.Depth(t.Context()); err != nil || d.Dead != 0 {
		t.Errorf("%d dead letters, %v; want none", d.Dead, err)
	}
	for name, f := range c.functions {
		n := f.Counts()
		t.Logf("%-8s %4d calls, %d starts", name, n.Calls, n.Starts)
		if n.Failed+n.Timeout > 0 || n.Calls == 0 {
			t.Errorf("%s: %+v, want calls, none of which failed", name, n)
		}
	}
	if text := c.said.text(); strings.Contains(text, "@example.") || strings.Contains(text, c.account.AdminKey) {
		t.Error("the log holds an address or the key")
	}
}

// change edits a record as a user of the app would.
func (c *cloud) change(app *fakekit.Core, object, id, field, value string) {
	c.t.Helper()
	if _, err := app.UpdateRecord(object, id, map[string]string{field: value}); err != nil {
		c.t.Fatal(err)
	}
}

// arrives waits for a value on the other side.
func (c *cloud) arrives(app *fakekit.Core, object, id, field, value string) {
	c.t.Helper()
	c.until(field+" on the other side", func() bool {
		for _, r := range app.Records(object) {
			if r.ID == id {
				return r.Fields[field] == value
			}
		}
		return false
	})
}

// TestColdStartNamesWhatIsMissing starts every function without an environment:
// it ends at once, and says every variable that it needs.
func TestColdStartNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	always := []string{"LOCKSTEP_SETTINGS_TABLE", "LOCKSTEP_LINKS_TABLE", "LOCKSTEP_LOG_TABLE", "LOCKSTEP_QUEUE_URL", "LOCKSTEP_DEAD_QUEUE_URL", "LOCKSTEP_KEY_ID", "LOCKSTEP_STAGE"}
	for name, more := range map[string][]string{
		"sync": nil, "pull": nil, "keeper": nil, "webhook": {"LOCKSTEP_PUBLIC_URL"}, "api": {"LOCKSTEP_PUBLIC_URL", "LOCKSTEP_ADMIN_KEY_PARAMETER"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said output
			f := lambdarun.New(lambdarun.Options{Name: name, Program: bootstrap(t, name), Log: &said})
			t.Cleanup(f.Close)
			if _, err := f.Invoke(t.Context(), []byte(`{}`)); !errors.Is(err, lambdarun.ErrExited) {
				t.Errorf("without an environment: %v, want the program to end", err)
			}
			for _, v := range append(more, always...) {
				if !strings.Contains(said.text(), v+" is not set") {
					t.Errorf("%s is not named: %s", v, said.text())
				}
			}
			if !strings.Contains(said.text(), "cold start failed") {
				t.Errorf("the log says %q", said.text())
			}
		})
	}
}
