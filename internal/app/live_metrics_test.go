package app

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/lockstep-crm/lockstep/internal/api"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/telemetry"
)

const metricsToken = "the-token-of-the-metrics"

// onMetered runs a test on the whole program with metrics, on either storage.
func onMetered(t *testing.T, test func(t *testing.T, l *live)) {
	t.Helper()
	onEachStore(t, func(t *testing.T, o Options) {
		o.MetricsToken = secret.NewText(metricsToken)
		test(t, launched(t, o, engine.Tuning{}))
	})
}

// scraped are the metrics by name, as Prometheus reads them.
type scraped map[string]*dto.MetricFamily

// scrape reads the metrics a while after they were last read.
func (l *live) scrape() scraped {
	l.t.Helper()
	l.move(11 * time.Second)
	return l.scrapeNow()
}

func (l *live) scrapeNow() scraped {
	l.t.Helper()
	a := l.want(200, "GET", "/metrics", nil, "Authorization", "Bearer "+metricsToken)
	if kind := a.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/plain; version=0.0.4") {
		l.t.Errorf("the metrics are %s", kind)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	all, err := parser.TextToMetricFamilies(bytes.NewReader(a.body))
	if err != nil {
		l.t.Fatalf("not readable by Prometheus: %v", err)
	}
	return all
}

// sum adds up what has these labels, given in pairs. Of a histogram it is the count.
func (s scraped) sum(d telemetry.Measured, labels ...string) (sum float64) {
	for _, m := range s[d.Name].GetMetric() {
		has := map[string]string{}
		for _, p := range m.GetLabel() {
			has[p.GetName()] = p.GetValue()
		}
		fits := true
		for i := 0; i < len(labels); i += 2 {
			fits = fits && has[labels[i]] == labels[i+1]
		}
		if fits {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

// TestLive_MetricsTellWhatHappened: the program runs by itself, and what Prometheus
// reads of it is what the apps, the status and the log know. It asks no app, names nobody,
// and every metric of the table is there, with its labels and no others.
func TestLive_MetricsTellWhatHappened(t *testing.T) {
	t.Parallel()
	onMetered(t, func(t *testing.T, l *live) {
		const canary = "zebedee"
		for i := range 5 {
			l.person(crm.Left, fmt.Sprintf("%s%d", canary, i), "city", canary)
		}
		for i := range 4 {
			l.person(crm.Right, fmt.Sprintf("%s%d", canary, 3+i))
		}
		l.connect([2]string{`"name":"One"`, `"name":"` + canary + `"`})
		id := l.id()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- l.app.Run(ctx) }()
		defer func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
		l.want(202, "POST", l.con+"/start", nil)
		l.until("the first sync", func() bool { return l.idle() && l.living(crm.Left) == 7 && l.living(crm.Right) == 7 })

		l.hub.Core().SetWebhooks(fakekit.Webhooks{URL: l.shownHook().URL, Secret: "of somebody else"})
		first := l.twin(crm.Left, canary+"0")
		l.edit(crm.Left, first, "city", "Berlin")
		for _, d := range l.hub.Core().Take() {
			l.post(d.Packed)
		}
		l.hub.Core().SetWebhooks(fakekit.Webhooks{URL: l.shownHook().URL, Secret: hubspotfake.ClientSecret})
		l.edit(crm.Left, first, "city", "Bern")
		for _, d := range l.hub.Core().Take() {
			l.post(d.Packed)
		}
		l.until("the change", func() bool {
			return l.held(crm.Right, l.twin(crm.Right, canary+"0"))["MailingCity"] == "Bern" && l.idle()
		})

		asked := func() int { return l.hub.Core().Requests().Total + l.force.Core().Requests().Total }
		before := asked()
		got := l.scrape()
		if n := asked() - before; n != 0 {
			t.Errorf("a scrape asked the apps %d times", n)
		}
		_, st := l.standing()
		con := []string{"connection", id, "sync", "contacts"}
		for what, c := range map[string]struct{ got, want float64 }{
			"calls to HubSpot":    {got.sum(telemetry.Calls, "app", "hubspot"), float64(l.hub.Core().Requests().Total)},
			"calls to Salesforce": {got.sum(telemetry.Calls, "app", "salesforce"), float64(l.force.Core().Requests().Total)},
			"throttled":           {got.sum(telemetry.Calls, "result", "throttled"), float64(l.hub.Core().Requests().Throttled)},
			"created":             {got.sum(telemetry.Records, append(con, "outcome", "created")...), 5},
			"updated":             {got.sum(telemetry.Records, append(con, "outcome", "updated")...), float64(st.Outcomes["today"][crm.Updated])},
			"linked":              {got.sum(telemetry.Records, append(con, "outcome", "linked")...), float64(st.Outcomes["today"][crm.Linked])},
			"in sync, left":       {got.sum(telemetry.States, append(con, "side", "left", "state", "in_sync")...), 7},
			"in sync, right":      {got.sum(telemetry.States, append(con, "side", "right", "state", "in_sync")...), 7},
			"backlog":             {got.sum(telemetry.Backlog, con...), float64(st.Backlog)},
			"parked":              {got.sum(telemetry.Parked, con...), float64(st.Parked)},
			"waiting":             {got.sum(telemetry.Oldest, con...), 0},
			"dead":                {got.sum(telemetry.Dead, "connection", id), float64(st.Dead)},
			"accepted":            {got.sum(telemetry.Deliveries, "app", "hubspot", "result", "accepted", "code", ""), 1},
			"refused":             {got.sum(telemetry.Deliveries, "app", "hubspot", "result", "refused", "code", "forged_webhook"), 1},
			"active":              {got.sum(telemetry.Connections, "status", "active"), 1},
			"age":                 {got.sum(telemetry.Age, "connection", id), 0},
			"latest pull":         {got.sum(telemetry.LatestPull, con...), float64(st.LatestPull.Unix())},
			"failed looks":        {got.sum(telemetry.LooksFailed), 0},
			"in the queue":        {got.sum(telemetry.Queued), 0},
			"build":               {got.sum(telemetry.Build), 1},
			"refused accounts":    {got.sum(telemetry.Unauthorized), 0},
			"late":                {got.sum(telemetry.Overdue), 0},
		} {
			if int64(c.got) != int64(c.want) {
				t.Errorf("%s: %v, want %v", what, c.got, c.want)
			}
		}
		for _, way := range []crm.Way{crm.ToLeft, crm.ToRight} {
			if got.sum(telemetry.Lag, append(con, "direction", string(way))...) == 0 {
				t.Errorf("no change took its time %s", way)
			}
		}
		if used, left := got.sum(telemetry.CallsUsed, "app", "hubspot"), got.sum(telemetry.CallsLeft, "app",
			"hubspot"); used <= 0 || left <= 0 {
			t.Errorf("HubSpot: %v calls used, %v left", used, left)
		}

		l.want(200, "POST", l.con+"/pause", nil)
		l.edit(crm.Left, first, "city", "Basel")
		for _, d := range l.hub.Core().Take() {
			l.post(d.Packed)
		}
		if err := l.app.Alerts.Round(ctx, api.DefaultWorkspace); err != nil {
			t.Fatal(err)
		}
		l.until("the hint to be put aside", func() bool { _, st := l.standing(); return st.Inbox == 1 })
		l.move(time.Minute)
		later := l.scrape()
		if _, st := l.standing(); later.sum(telemetry.Backlog, con...) != float64(st.Backlog) || st.Backlog != 1 {
			t.Errorf("backlog while it is off: %v, want %d as in the status", later.sum(telemetry.Backlog, con...), st.Backlog)
		}
		if waited := later.sum(telemetry.Oldest, con...); waited < 60 || waited > 3600 {
			t.Errorf("what waits has done so for %v s, want a minute or more", waited)
		}
		if n := later.sum(telemetry.AlertsOpen, "connection", id, "code", "switched_off"); n != 1 {
			t.Errorf("%v alerts that it is off", n)
		}
		if n := later.sum(telemetry.Connections, "status", "paused"); n != 1 {
			t.Errorf("%v connections are paused", n)
		}
		l.metricsAreTheTable(later)
		text := l.want(200, "GET", "/metrics", nil, "Authorization", "Bearer "+metricsToken).body
		for _, secret := range []string{canary, "example.com", "Berlin", metricsToken, l.token, hubspotfake.PrivateToken} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("the metrics hold %q", secret)
			}
		}
		problems, err := promlint.New(bytes.NewReader(text)).Lint()
		for _, p := range problems {
			if strings.HasPrefix(p.Metric, "lockstep_") {
				t.Errorf("promlint: %s: %s", p.Metric, p.Text)
			}
		}
		if err != nil {
			t.Error(err)
		}

		l.want(202, "DELETE", l.con+"?confirm="+canary, nil, "If-Match", "*")
		l.until("the connection to be gone", func() bool { return l.do("GET", l.con, nil).status == 404 })
		for name, f := range l.scrape() {
			for _, m := range f.GetMetric() {
				for _, p := range m.GetLabel() {
					if p.GetName() == "connection" {
						t.Errorf("%s still tells of the connection that is gone", name)
					}
				}
			}
		}
	})
}

// until waits while the program works by itself.
func (l *live) until(what string, there func() bool) {
	l.t.Helper()
	for deadline := time.Now().Add(time.Minute); !there(); pause(l.t.Context(), nil, 20*time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("%s does not come; the log: %s", what, l.said.text())
		}
	}
}

// metricsAreTheTable demands what telemetry lists, and nothing else of our own.
func (l *live) metricsAreTheTable(all scraped) {
	l.t.Helper()
	kinds := map[telemetry.Kind]dto.MetricType{
		telemetry.Counter: dto.MetricType_COUNTER, telemetry.Gauge: dto.MetricType_GAUGE,
		telemetry.Histogram: dto.MetricType_HISTOGRAM,
	}
	var want []string
	for _, d := range telemetry.AllMeasured {
		want = append(want, d.Name)
		f := all[d.Name]
		if f == nil {
			continue // told below
		}
		if f.GetType() != kinds[d.Kind] || f.GetHelp() != d.Help {
			l.t.Errorf("%s is a %s: %s", d.Name, f.GetType(), f.GetHelp())
		}
		for _, m := range f.GetMetric() {
			names := []string{}
			for _, p := range m.GetLabel() {
				names = append(names, p.GetName())
			}
			if labels := slices.Sorted(slices.Values(d.Labels)); !slices.Equal(names, labels) {
				l.t.Errorf("%s has the labels %v, want %v", d.Name, names, labels)
			}
		}
	}
	var got []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if strings.HasPrefix(name, "lockstep_") {
			got = append(got, name)
		}
	}
	if slices.Sort(want); !slices.Equal(got, want) {
		l.t.Errorf("metrics\n%v, want\n%v", got, want)
	}
	for _, name := range []string{"go_goroutines", "process_resident_memory_bytes"} {
		if all[name] == nil {
			l.t.Errorf("%s is missing", name)
		}
	}
}

// TestLive_MetricsHaveATokenOfTheirOwn: it opens the metrics and nothing else, and
// nothing else opens them. Without one there are none.
func TestLive_MetricsHaveATokenOfTheirOwn(t *testing.T) {
	t.Parallel()
	onMetered(t, func(t *testing.T, l *live) {
		viewer := l.must(201, "POST", "/v1/keys", map[string]any{"name": "v", "role": "viewer"})["key"].(string)
		for _, as := range []string{
			"Bearer " + l.token, "Bearer " + viewer, "Bearer " + metricsToken + "x", "Bearer " + metricsToken[1:], "Bearer",
			"Basic " + metricsToken, metricsToken,
		} {
			a := l.want(401, "GET", "/metrics", nil, "Authorization", as)
			if bytes.Contains(a.body, []byte("lockstep_")) || a.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%q is answered %s", as, a.body)
			}
		}
		l.want(200, "GET", "/v1/apps", nil) // the keys are as good as before
		l.want(200, "GET", "/v1/apps", nil, "Authorization", "Bearer "+viewer)
		for _, path := range []string{"/v1/apps", "/v1/workspace", "/v1/keys", "/v1/accounts"} {
			l.want(401, "GET", path, nil, "Authorization", "Bearer "+metricsToken)
		}
		l.want(401, "POST", "/v1/session", map[string]any{}, "Authorization", "Bearer "+metricsToken)
		l.scrape() // nor is the token worse for having been shown elsewhere
		l.want(405, "POST", "/metrics", nil, "Authorization", "Bearer "+metricsToken)
		l.want(405, "DELETE", "/metrics", nil, "Authorization", "Bearer "+metricsToken)
		if a := l.want(200, "HEAD", "/metrics", nil, "Authorization", "Bearer "+metricsToken); len(a.body) != 0 {
			t.Errorf("HEAD is answered with %d bytes", len(a.body))
		}
		// Nor is it a page of the console.
		l.want(401, "GET", "/metrics", nil, "Authorization", "Bearer "+l.token, "Accept", "text/html")
		if strings.Contains(l.heard.text(), metricsToken) {
			t.Error("the token is in the log")
		}
	})
	onEachStore(t, func(t *testing.T, o Options) {
		l := launched(t, o, engine.Tuning{})
		for _, token := range []string{l.token, metricsToken} {
			l.want(404, "GET", "/metrics", nil, "Authorization", "Bearer "+token)
		}
	})
}

// TestMetricsTokenIsNoKey: an operator who gives the same twice is told.
func TestMetricsTokenIsNoKey(t *testing.T) {
	t.Parallel()
	same := secret.NewText("one-and-the-same-text")
	_, err := Open(t.Context(), Options{DataDir: t.TempDir(), AdminKey: same, MetricsToken: same})
	if err == nil || !strings.Contains(err.Error(), "MetricsToken") {
		t.Errorf("opened with %v", err)
	}
}

// TestLive_AScrapeOfManyConnections reads a part of them, the next one the next
// part, whatever there is: each is told of in the end, with its age.
func TestLive_AScrapeOfManyConnections(t *testing.T) {
	t.Parallel()
	const many, part = 1000, 50
	onMetered(t, func(t *testing.T, l *live) {
		l.connect()
		first, _, err := store.LoadConnection(t.Context(), l.app.Store, api.DefaultWorkspace, crm.ConnectionID(l.id()))
		if err != nil {
			t.Fatal(err)
		}
		for i := range many {
			c := *first
			c.ID, c.Name, c.Status = crm.ConnectionID(fmt.Sprintf("con_z%04d", i)), fmt.Sprint("Many ", i), crm.StatusActive
			if _, err := store.SaveConnection(t.Context(), l.app.Store, api.DefaultWorkspace, &c, 0); err != nil {
				t.Fatal(err)
			}
		}
		counted := l.counted()
		known := 0
		var longest time.Duration
		for range many/part + 2 {
			before, began := counted(), time.Now()
			got := l.scrape()
			longest = max(longest, time.Since(began))
			d := counted().Since(before)
			var pages int64
			for _, n := range d.Queries {
				pages += n
			}
			if d.Read() > 12*part || pages > 3*part || d.Written() != 0 {
				t.Fatalf("a scrape read %d items and %d pages and wrote %d", d.Read(), pages, d.Written())
			}
			ages := len(got[telemetry.Age.Name].GetMetric())
			if ages < known || ages > known+part {
				t.Fatalf("a scrape tells of %d connections, the one before of %d", ages, known)
			}
			known = ages
			again := counted()
			l.scrapeNow()
			if d := counted().Since(again); d.Read() != 0 {
				t.Fatalf("a scrape at once read %d items", d.Read())
			}
		}
		if known != many+1 {
			t.Errorf("after all scrapes %d connections are told of, want %d", known, many+1)
		}
		got := l.scrape()
		if age := got[telemetry.Age.Name].GetMetric(); age[0].GetGauge().GetValue() > 11*(many/part+3) {
			t.Errorf("one is %v s old", age[0].GetGauge().GetValue())
		}
		t.Logf("the longest scrape took %v", longest)
	})
}

// counted tells what the storage was asked for.
func (l *live) counted() func() store.Counts {
	l.t.Helper()
	s := l.app.Store
	for {
		if c, ok := s.(interface{ Counts() store.Counts }); ok {
			return c.Counts
		}
		w, ok := s.(store.Wrapped)
		if !ok {
			l.t.Fatalf("%T counts nothing", s)
		}
		s = w.Unwrap()
	}
}
