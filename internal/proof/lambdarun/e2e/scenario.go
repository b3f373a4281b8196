package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/pause"
	"github.com/lockstep-crm/lockstep/internal/proof/apiclient"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

// Scenario says how much is done. What is done follows from it alone.
type Scenario struct {
	People    int     // in each app at first
	Edits     int     // on each side; half by schedule, half by webhook
	Newcomers int     // on each side
	Poisoned  int     // people whose record on the left cannot be read for a while
	Share     float64 // of webhook events doubled, and as many out of order
	// Latency is how long each call to an app takes, if it is not 0: then the
	// scenario is a first sync and nothing else.
	Latency time.Duration
	Trouble Trouble // spread over first sync, edits by schedule and by webhook

	// Say is told what is going on; nil = nothing.
	Say func(format string, args ...any)
	// Outage comes after the edits, when everything is quiet; optional.
	Outage func(context.Context, *Run) error
}

// Limits of the waits.
const (
	restTime = 4 * time.Minute
	lookTime = 100 * time.Millisecond
	// calm is how long nothing must have been going on: longer than a tick and
	// what it sends take to be seen.
	calm = 1500 * time.Millisecond
	// waves is in how many portions edits are typed, a firing after each.
	waves     = 5
	wave      = 700 * time.Millisecond // between two of them
	keystroke = 3 * time.Millisecond   // between two edits, so that each has a time of its own
)

// Result is what came of a run.
type Result struct {
	Happened []string
	Figures  []Figure
	People   [2][]string // what each app holds in the end, a line a record, sorted; without IDs
	Took     time.Duration
}

// apiTries bounds the attempts of a call that only reads: the function may be
// killed while it answers.
const apiTries = 20

// Run is a scenario under way.
type Run struct {
	Scenario
	Deployment Deployment

	apps     [2]*app
	api      apiclient.Client
	conn     crm.Connection
	pairs    map[string]string // left to right, after the first sync
	edits    []edit
	poisoned []person
	dead     []engine.DeadItem
	redriven int
	before   [2]map[string]int // records by e-mail address at the start
	figures  []Figure
	started  time.Time
}

// Play starts two apps, has open start the deployment for them, and goes
// through the scenario. An error is a run that could not be brought to its end;
// what it found wrong stands in the figures.
func (s Scenario) Play(
	ctx context.Context, open func(ctx context.Context, hosts []string) (Deployment, error),
) (_ *Result, err error) {
	if s.Say == nil {
		s.Say = func(string, ...any) {}
	}
	r := &Run{Scenario: s, started: time.Now()}
	var stops closers
	defer stops.Close()
	if r.apps, err = startApps(ctx, s.People, &stops); err != nil {
		return nil, err
	}
	if r.Deployment, err = open(ctx, []string{r.apps[0].host(), r.apps[1].host()}); err != nil {
		return nil, err
	}
	stops.add(r.Deployment.Close)
	for i, a := range r.apps {
		r.before[i] = a.addresses()
	}
	r.api = apiclient.Client{HTTP: httpClient(time.Minute), Tries: apiTries}
	r.api.Base, r.api.Key = r.Deployment.Address()
	if s.Latency > 0 {
		return r.playSlowly(ctx)
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"connect both accounts", r.connect},
		{"first sync", r.firstSync},
		{"edits by schedule", r.bySchedule},
		{"edits by webhook", r.byWebhook},
		{"records that cannot be read", r.withPoison},
		{"an outage", r.outage},
		{"a last look", r.quietly},
	} {
		began := time.Now()
		if err := step.do(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", step.name, err)
		}
		s.Say("%6.1f s  %s took %.1f s", time.Since(r.started).Seconds(), step.name, time.Since(began).Seconds())
	}
	if err := r.judge(ctx); err != nil {
		return nil, err
	}
	out := &Result{Figures: r.figures, Took: time.Since(r.started)}
	happened, figures := r.Deployment.Report()
	out.Figures = append(out.Figures, figures...)
	out.Happened = append(r.happened(), happened...)
	for i, a := range r.apps {
		out.People[i] = a.people()
	}
	return out, nil
}

// connect makes accounts and connection by the API.
func (r *Run) connect(ctx context.Context) error {
	var ids [2]string
	for i, a := range r.apps {
		var made struct {
			ID string `json:"id"`
		}
		if err := r.api.Call(ctx, http.MethodPost, "/v1/accounts", map[string]any{
			"app": a.name, "name": "fake", "base_url": a.url, "credentials": a.credentials,
		}, &made); err != nil {
			return err
		}
		var test struct {
			OK     bool   `json:"ok"`
			Detail string `json:"detail"`
		}
		if err := r.api.Call(ctx, http.MethodPost, "/v1/accounts/"+made.ID+"/test", nil, &test); err != nil {
			return err
		}
		if !test.OK {
			return fmt.Errorf("the account at %s does not work: %s", a.name, test.Detail)
		}
		ids[i] = made.ID
	}
	doc := testbed.Document()
	doc.Syncs[0].Conflict = crm.ConflictLeft
	b, err := json.Marshal(doc.Syncs)
	if err != nil {
		return err
	}
	var syncs any
	if err := json.Unmarshal(b, &syncs); err != nil {
		return err
	}
	return r.api.Call(ctx, http.MethodPost, "/v1/connections", map[string]any{
		"name": "end to end", "default_country": "US", "left": map[string]string{"account": ids[0]},
		"right": map[string]string{"account": ids[1]}, "syncs": stated(syncs),
	}, &r.conn)
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

func (r *Run) path(rest string) string { return "/v1/connections/" + string(r.conn.ID) + rest }

// trouble is part n of three of the trouble that was asked for.
func (r *Run) trouble(n int) Trouble {
	part := func(all int) int { return all*(n+1)/3 - all*n/3 }
	syncs := part(r.Trouble.Syncs)
	return Trouble{Kills: syncs + part(r.Trouble.Kills-r.Trouble.Syncs), Syncs: syncs, Stalls: part(r.Trouble.Stalls)}
}

// firstSync starts the connection and plans the edits from who is linked then.
func (r *Run) firstSync(ctx context.Context) error {
	if err := r.api.Call(ctx, http.MethodPost, r.path("/start"), nil, nil); err != nil {
		return err
	}
	r.Deployment.Start(ctx)
	r.Deployment.Disturb(ctx, r.trouble(0))
	if err := r.Rest(ctx); err != nil {
		return err
	}
	pairs, err := r.linked(ctx)
	if err != nil {
		return err
	}
	r.pairs = pairs
	left := r.apps[0].live()
	var all []person
	for l, rt := range pairs {
		if rec := left[l]; rec != nil {
			all = append(all, person{strings.ToLower(rec.Fields[fields[0][mailField]]), [2]string{l, rt}})
		}
	}
	if len(all) < 2*r.Edits+r.Poisoned {
		return fmt.Errorf("%d pairs are linked, too few for %d edits a side", len(all), r.Edits)
	}
	r.edits, r.poisoned = plan(all, r.Edits, r.Poisoned)
	return nil
}

// linked lists who is linked: left ID to right ID.
func (r *Run) linked(ctx context.Context) (map[string]string, error) {
	views, err := apiclient.List[engine.RecordView](ctx, &r.api, r.path("/syncs/contacts/records?state=in_sync"))
	out := map[string]string{}
	for _, v := range views {
		l, rt := string(v.ID), string(v.Partner)
		if v.Side == crm.Right {
			l, rt = rt, l
		}
		if other, twice := out[l]; twice && other != rt {
			return nil, fmt.Errorf("%s is linked to %s and to %s", l, other, rt)
		}
		out[l] = rt
	}
	return out, err
}

// fire has the schedule fire.
func (r *Run) fire(ctx context.Context) error {
	return r.Deployment.Fire(ctx, r.conn.ID, testbed.Contacts)
}

// bySchedule types the first half of the edits; nobody tells us of them.
func (r *Run) bySchedule(ctx context.Context) error {
	r.Deployment.Disturb(ctx, r.trouble(1))
	for n := range waves {
		if err := r.typeWave(ctx, 0, n); err != nil {
			return err
		}
		if err := r.fire(ctx); err != nil {
			return err
		}
		if err := pause.For(ctx, wave); err != nil {
			return err
		}
	}
	if err := r.Rest(ctx); err != nil {
		return err
	}
	if err := r.fire(ctx); err != nil { // for what a firing before it may not have got to
		return err
	}
	return r.Rest(ctx)
}

// byWebhook types the other half, of which the apps tell, doubled and out of order.
func (r *Run) byWebhook(ctx context.Context) error {
	var hooks struct {
		Items []struct {
			URL string `json:"url"`
		} `json:"items"`
	}
	if err := r.api.Call(ctx, http.MethodGet, r.path("/webhooks"), nil, &hooks); err != nil {
		return err
	}
	if len(hooks.Items) != len(r.apps) {
		return errors.New("there is not one webhook address a side")
	}
	for i, a := range r.apps {
		a.hear(hooks.Items[i].URL, r.Share)
	}
	r.Deployment.Disturb(ctx, r.trouble(2))
	for n := range waves {
		if err := r.typeWave(ctx, 1, n); err != nil {
			return err
		}
		if err := pause.For(ctx, wave); err != nil {
			return err
		}
	}
	return r.Rest(ctx)
}

// typeWave types portion n of one half of the edits and newcomers.
func (r *Run) typeWave(ctx context.Context, half, n int) error {
	part := func(all int) (from, to int) {
		from, size := half*all/2, (half+1)*all/2-half*all/2
		return from + n*size/waves, from + (n+1)*size/waves
	}
	from, to := part(len(r.edits))
	for _, e := range r.edits[from:to] {
		if err := r.typeIn(e); err != nil {
			return err
		}
		if err := pause.For(ctx, keystroke); err != nil {
			return err
		}
	}
	from, to = part(r.Newcomers)
	for side, a := range r.apps {
		for _, f := range newcomers(side, r.Newcomers)[from:to] {
			if _, err := a.core.CreateRecord(a.object, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// typeIn is one edit by a user of the app.
func (r *Run) typeIn(e edit) error {
	a := r.apps[e.side]
	_, err := a.core.UpdateRecord(a.object, e.who.ids[e.side], map[string]string{a.fields[e.field]: e.value})
	return err
}

// withPoison edits some people whose records cannot be read, among others whose
// can: those end as dead items and nobody else does. Then the records are
// mended and the dead items sent again.
func (r *Run) withPoison(ctx context.Context) error {
	if r.Poisoned == 0 {
		return nil
	}
	var ids []string
	for _, p := range r.poisoned {
		ids = append(ids, p.ids[0])
	}
	r.apps[0].poison.plant(ids...)
	for i, p := range r.poisoned {
		mate := r.edits[i].who
		for _, e := range []edit{
			{mate, 0, 5, fmt.Sprintf("Mate %d", i)},
			{p, 0, 4, fmt.Sprintf("Poisoned %d", i)},
		} {
			r.edits = append(r.edits, e)
			if err := r.typeIn(e); err != nil {
				return err
			}
		}
	}
	if err := r.Rest(ctx); err != nil {
		return err
	}
	var err error
	if r.dead, err = apiclient.List[engine.DeadItem](ctx, &r.api, "/v1/dead-letters"); err != nil {
		return err
	}
	r.apps[0].poison.plant()
	var sent struct {
		Sent int `json:"sent"`
	}
	if err := r.api.Call(ctx, http.MethodPost, "/v1/dead-letters/redrive", nil, &sent); err != nil {
		return err
	}
	r.redriven = sent.Sent
	return r.Rest(ctx)
}

func (r *Run) outage(ctx context.Context) error {
	if r.Outage == nil {
		return nil
	}
	return r.Outage(ctx, r)
}

// quietly looks once more when all is done, as schedules do: nothing may be
// written for it.
func (r *Run) quietly(ctx context.Context) error {
	for _, a := range r.apps {
		a.hear("", 0)
	}
	if err := r.fire(ctx); err != nil {
		return err
	}
	if err := r.Rest(ctx); err != nil {
		return err
	}
	before := [2]string{r.apps[0].stamp(), r.apps[1].stamp()}
	if err := r.fire(ctx); err != nil {
		return err
	}
	if err := r.Rest(ctx); err != nil {
		return err
	}
	changed := 0
	for i, a := range r.apps {
		if a.stamp() != before[i] {
			changed++
		}
	}
	r.figures = append(r.figures, figure("apps written to by a look at what is in step", "0", changed, changed == 0))
	return nil
}

// Rest waits until nothing has been under way for a while, and all the trouble
// that was asked for was made.
func (r *Run) Rest(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, restTime)
	defer cancel()
	since := time.Now()
	for {
		what, err := r.underWay(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("not at rest within %s: %s", restTime, what)
		}
		if err != nil {
			return err
		}
		if what != "" {
			since = time.Now()
		} else if time.Since(since) >= calm {
			return nil
		}
		if err := pause.For(ctx, lookTime); err != nil {
			return fmt.Errorf("not at rest within %s: %s", restTime, what)
		}
	}
}

// underWay says what is still going on; "" = nothing.
func (r *Run) underWay(ctx context.Context) (string, error) {
	if r.Deployment.Troubled() {
		return "trouble", nil
	}
	for _, a := range r.apps {
		if n, _, _, _ := a.sent(); n > 0 {
			return fmt.Sprintf("%d webhook deliveries of %s", n, a.name), nil
		}
	}
	var status struct {
		Syncs []engine.SyncStatus `json:"syncs"`
	}
	if err := r.api.Call(ctx, http.MethodGet, r.path("/status"), nil, &status); err != nil {
		return "the status", err
	}
	if len(status.Syncs) != 1 {
		return "", fmt.Errorf("%d syncs, want one", len(status.Syncs))
	}
	d, err := r.Deployment.Depth(ctx)
	if err != nil {
		return "the queue", err
	}
	st := status.Syncs[0]
	switch {
	case st.Backlog+st.Parked+st.Inbox > 0 || st.OpenRun != "":
		return fmt.Sprintf("%d records, %d parked chunks, %d hints, run %q", st.Backlog, st.Parked, st.Inbox, st.OpenRun), nil
	case d.Visible+d.InFlight > 0:
		return fmt.Sprintf("%d messages, %d in hand", d.Visible, d.InFlight), nil
	case r.Deployment.Busy():
		return "a batch in hand", nil
	}
	return "", nil
}
