package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/app"
	"github.com/lockstep-crm/lockstep/internal/config"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/apiclient"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
)

type demoCommand struct {
	settings
	Data   string `env:"LOCKSTEP_DEMO_DATA" placeholder:"FOLDER" help:"Keep the data in this folder, which must be new; without it a temporary one is used and removed."`
	Preset string `placeholder:"PRESET" help:"Show what one preset does instead, one of GET /v1/presets: a first sync of three records, an edit in either app, and what the log says; then exit."`
	People int    `default:"1000" placeholder:"N" help:"People in each app (${default}); 60 % of them are in both."`
	Once   bool   `help:"Exit after the checks: 0 when everything holds, 1 otherwise."`
}

// maxPeople bounds the demo: the fakes live in memory.
const maxPeople = 20_000

// Run shows Lockstep at work, and stays up unless Once is set.
func (c *demoCommand) Run(ctx context.Context, w *world) (err error) {
	if c.People < 10 || c.People > maxPeople {
		return fault.New("demo: settings", fault.Invalid, "invalid_config", fmt.Sprintf("--people is 10 to %d", maxPeople))
	}
	folder, remove, err := c.folder()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	conf, err := c.check(w, folder, "warn")
	if err != nil {
		return err
	}
	d := &demo{screen: newScreen(w), people: c.People, schedule: "1m"}
	defer func() { err = errors.Join(err, d.stopFakes()) }()
	if c.Preset != "" {
		s, err := storyOf(d, c.Preset)
		if err != nil {
			return err
		}
		return s.tell(ctx, conf)
	}
	if err := d.startFakes(ctx, demoApps, d.people); err != nil {
		return err
	}
	for _, f := range d.fakes {
		conf.AllowHosts = append(conf.AllowHosts, f.host)
	}
	return d.run(ctx, conf, c.Once)
}

// folder returns the data folder and what to do with it in the end. The demo
// counts what it finds, so it starts with nothing.
func (c *demoCommand) folder() (string, func() error, error) {
	if c.Data != "" {
		if _, err := os.Stat(filepath.Join(c.Data, sqlitedb.FileName)); err == nil {
			return "", nil, fault.New("demo: data folder", fault.Invalid, "folder_not_new",
				c.Data+" has been used; name a new folder, or go on with it by: lockstep serve --data "+c.Data)
		}
		return c.Data, func() error { return nil }, nil
	}
	dir, err := os.MkdirTemp("", "lockstep-demo-")
	return dir, func() error { return os.RemoveAll(dir) }, err
}

// demo is a running demo.
type demo struct {
	screen   *screen
	progress *progress
	people   int
	schedule string           // of the connection's sync
	now      func() time.Time // of the program; nil = time.Now
	remote   *app.Remote      // nil = the data folder
	fakes    [2]*fakeServer   // left, right
	api      *apiclient.Client
	conn     crm.Connection
	sync     crm.Sync
	before   [2]people       // what each app held at first
	pair     [2]crm.RecordID // somebody who is in both
}

// apps of the demo, left and right.
var demoApps = [2]string{"hubspot", "salesforce"}

func (d *demo) startFakes(ctx context.Context, apps [2]string, people int) (err error) {
	for i, name := range apps {
		if d.fakes[i], err = startFake(ctx, name, "127.0.0.1:0", fakekit.Config{Seed: people}); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) stopFakes() error {
	var errs []error
	for _, f := range d.fakes {
		if f != nil {
			errs = append(errs, f.stop())
		}
	}
	return errors.Join(errs...)
}

// run starts the program on the fakes and goes through the steps.
func (d *demo) run(ctx context.Context, conf config.Checked, once bool) error {
	p, err := d.start(ctx, conf)
	if err != nil {
		return err
	}
	err = d.steps(ctx)
	if err == nil && !once {
		d.invite(p)
		select {
		case <-ctx.Done():
		case <-p.ended:
		}
	}
	if ctx.Err() != nil && !once {
		err = nil // asked to stop
	}
	return errors.Join(err, p.stop())
}

// program is Lockstep as the demo runs it.
type program struct {
	app     *app.App
	server  *server
	cancel  context.CancelFunc
	ended   chan struct{} // closed when the server has stopped
	err     error         // why, once ended is closed
	unwatch func()        // ends the watch over its runs
}

// start opens the data folder and serves.
func (d *demo) start(ctx context.Context, conf config.Checked) (*program, error) {
	a, err := open(ctx, conf, d.remote, d.screen.logger(conf), d.now)
	if err != nil {
		return nil, err
	}
	s, err := d.listen(ctx, a, conf)
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	key, _ := a.AdminKey()
	d.api = apiclient.New(s.url, key.Reveal())
	d.progress = newProgress(d.screen, a.OpenRuns)
	p := &program{app: a, server: s, ended: make(chan struct{})}
	ctx, p.cancel = context.WithCancel(ctx)
	go func() {
		defer close(p.ended)
		p.err = s.run(ctx)
	}()
	p.unwatch = d.progress.start(ctx)
	return p, nil
}

// stop ends the program and gives its folder back.
func (p *program) stop() error {
	p.cancel()
	<-p.ended
	p.unwatch()
	return errors.Join(p.err, p.app.Close())
}

// listen takes another port when the usual one is in use: a demo should run.
func (d *demo) listen(ctx context.Context, a *app.App, conf config.Checked) (*server, error) {
	s, err := listen(ctx, a, conf)
	if fault.CodeOf(err) == "address_in_use" && conf.Port != 0 {
		conf.Port = 0
		return listen(ctx, a, conf)
	}
	return s, err
}

// steps is what a user would do over the API, and the checks.
func (d *demo) steps(ctx context.Context) error {
	started := time.Now()
	n := fakekit.Expected(d.people)
	d.screen.say("Two fake CRMs with made-up people:")
	for i, f := range d.fakes {
		d.screen.say("  %-10s  %s  %s people", f.kind.name, f.url, number(int64(n.Records[i])))
	}
	d.screen.say("%s of them are in both, %s with a field that differs; %s have no e-mail address; %s are %s people "+
		"entered twice or more.",
		number(int64(n.Shared)), number(int64(n.Conflicting)), number(int64(n.NoEmail[0]+n.NoEmail[1])),
		number(int64(n.DuplicateMembers)), number(int64(n.DuplicateGroups)))
	for i, f := range d.fakes {
		var err error
		if d.before[i], err = dump(ctx, f.url, f.kind.Objects); err != nil {
			return err
		}
	}
	for _, step := range []func(context.Context) error{d.connect, d.hear, d.planAndApply, d.verify, d.edits} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	d.screen.say("\nEverything holds, %.0f s after the start.", time.Since(started).Seconds())
	return nil
}

// connect makes both accounts and the connection between them, with what the
// program suggests for the two objects and one mapping of the user's own.
func (d *demo) connect(ctx context.Context) error {
	accounts, err := d.accounts(ctx, demoApps)
	if err != nil {
		return err
	}
	head, err := d.api.Do(ctx, http.MethodPost, "/v1/connections?preset=hubspot-salesforce-contacts", map[string]any{
		"name": "HubSpot <-> Salesforce", "default_country": "US",
		"left": map[string]any{"account": accounts[0]}, "right": map[string]any{"account": accounts[1]},
	}, &d.conn)
	if err != nil {
		return err
	}
	return d.suggested(ctx, head.Get("ETag"))
}

// accounts makes an account of either fake, and tries it.
func (d *demo) accounts(ctx context.Context, apps [2]string) (made [2]crm.AccountID, err error) {
	for i, f := range d.fakes {
		if made[i], err = d.account(ctx, apps[i], f); err != nil {
			return made, err
		}
		var test struct {
			OK     bool   `json:"ok"`
			Detail string `json:"detail"`
		}
		if err := d.api.Call(ctx, http.MethodPost, "/v1/accounts/"+string(made[i])+"/test", nil, &test); err != nil {
			return made, err
		}
		if !test.OK {
			return made, fmt.Errorf("the account at %s does not work: %s", f.kind.name, test.Detail)
		}
	}
	return made, nil
}

// account makes an account of a fake, through its consent page where there is no other way.
func (d *demo) account(ctx context.Context, app string, f *fakeServer) (crm.AccountID, error) {
	if f.consents() {
		return d.consented(ctx, app, f)
	}
	var made struct {
		ID crm.AccountID `json:"id"`
	}
	err := d.api.Call(ctx, http.MethodPost, "/v1/accounts", map[string]any{
		"app": app, "name": f.kind.name + " (fake)", "base_url": f.url, "credentials": f.kind.Credentials,
	}, &made)
	return made.ID, err
}

// suggested puts the suggested mappings into the connection.
func (d *demo) suggested(ctx context.Context, etag string) error {
	var suggestions struct {
		Items []struct {
			Mappings []crm.Mapping `json:"mappings"`
		} `json:"items"`
	}
	if err := d.api.Call(ctx, http.MethodGet, d.path("/suggestions"), nil, &suggestions); err != nil {
		return err
	}
	if len(suggestions.Items) != 1 || len(d.conn.Syncs) != 1 {
		return errors.New("the preset is not the one sync of contacts that it was")
	}
	s := &d.conn.Syncs[0]
	s.Schedule, s.Conflict = d.schedule, crm.ConflictLeft
	s.Mappings = append(suggestions.Items[0].Mappings, crm.Mapping{
		ID: "birthday", Left: []string{"birthday"}, Right: []string{"Birthdate"}, Direction: crm.DirectionBoth,
		Origin:    "custom",
		Transform: crm.Transform{Type: crm.TransformDate},
	})
	if _, err := d.api.Do(ctx, http.MethodPatch, d.path(""), map[string]any{"syncs": d.conn.Syncs}, &d.conn, "If-Match",
		etag); err != nil {
		return err
	}
	d.sync = d.conn.Syncs[0]
	d.screen.say("\nConnected: contacts <-> Contact, %d fields, both ways, matched by e-mail; where both sides differ "+
		"at first, HubSpot wins.", len(d.sync.Mappings))
	return nil
}

func (d *demo) path(rest string) string { return "/v1/connections/" + string(d.conn.ID) + rest }

func (d *demo) syncPath(rest string) string {
	return d.path("/syncs/" + string(d.sync.ID) + rest)
}

// hear has both fakes send their webhooks to us.
func (d *demo) hear(ctx context.Context) error {
	var hooks struct {
		Items []struct {
			Side crm.Side `json:"side"`
			URL  string   `json:"url"`
		} `json:"items"`
	}
	if err := d.api.Call(ctx, http.MethodGet, d.path("/webhooks"), nil, &hooks); err != nil {
		return err
	}
	for _, h := range hooks.Items {
		f := d.fakes[h.Side.Index()]
		knob := map[string]any{"url": h.URL, "secret": f.kind.HookSecret}
		if err := apiclient.New(f.url, "").Call(ctx, http.MethodPut, "/_fake/webhooks", knob, nil); err != nil {
			return err
		}
	}
	return nil
}

// planTime and runTime bound the waits, for the largest demo.
const planTime, runTime = 20 * time.Minute, 40 * time.Minute

// planAndApply works out what would be done, shows it, and does it.
func (d *demo) planAndApply(ctx context.Context) error {
	var plan engine.PlanView
	if err := d.api.Call(ctx, http.MethodPost, d.syncPath("/plans"), nil, &plan); err != nil {
		return err
	}
	err := until(ctx, planTime, "the plan", func(ctx context.Context) (bool, error) {
		err := d.api.Call(ctx, http.MethodGet, "/v1/plans/"+string(plan.ID), nil, &plan)
		return plan.State == engine.RunDone, err
	})
	if err != nil {
		return err
	}
	d.progress.look(ctx)
	d.screen.say("\nThe plan, before anything is written: %s", outcomes(plan.Totals))
	if err := d.showChanges(ctx, plan.ID); err != nil {
		return err
	}
	var run engine.Run
	if err := d.api.Call(ctx, http.MethodPost, "/v1/plans/"+string(plan.ID)+"/apply", nil, &run); err != nil {
		return err
	}
	d.screen.say("\nApplying it:")
	err = until(ctx, runTime, "applying the plan", func(ctx context.Context) (bool, error) {
		err := d.api.Call(ctx, http.MethodGet, "/v1/runs/"+string(run.ID), nil, &run)
		return !isOpen(run), err
	})
	d.progress.look(ctx)
	if err == nil && run.State != engine.RunDone {
		err = fmt.Errorf("the run ended as %s: %s", run.State, run.Detail)
	}
	if err != nil {
		return err
	}
	return addsUp(run)
}

// showChanges prints one change of each kind.
func (d *demo) showChanges(ctx context.Context, id crm.PlanID) error {
	shown := map[string]bool{}
	return apiclient.Each(ctx, d.api, "/v1/plans/"+string(id)+"/changes", func(c engine.Change) error {
		kind := string(c.Action) + c.Code
		if c.Action == crm.Created {
			kind += string(c.Side)
		}
		if shown[kind] {
			return nil
		}
		shown[kind] = true
		d.screen.say("  %s", d.sentence(c))
		return nil
	})
}

// sentence is a planned change in words.
func (d *demo) sentence(c engine.Change) string {
	own, other := d.fakes[c.Side.Index()].kind.name, d.fakes[c.Side.Other().Index()].kind.name
	s := fmt.Sprintf("%-9s  %s %s", c.Action, own, c.Record)
	switch {
	case c.Action == crm.Created:
		s += " -> new in " + other
	case c.Partner != "":
		s += " = " + other + " " + string(c.Partner)
	}
	var parts []string
	for i, diff := range c.Diffs {
		if i == 2 {
			parts = append(parts, fmt.Sprintf("and %d more fields", len(c.Diffs)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%s %s -> %s", diff.Field, quoted(diff.Before), quoted(diff.After)))
	}
	if len(parts) > 0 {
		s += ": " + strings.Join(parts, ", ")
		return s
	}
	if c.Reason == "" {
		c.Reason = strings.ReplaceAll(c.Code, "_", " ")
	}
	if c.Reason != "" {
		s += ": " + c.Reason
	}
	return s
}

func quoted(v crm.Value) string {
	if v.Blank() {
		return "(blank)"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return string(b)
}

// invite says how to go on.
func (d *demo) invite(p *program) {
	say := d.screen.say
	key, _ := p.app.AdminKey()
	say("\nLook at it in a browser: %s", consoleLink(p.server.url, key))
	say("\nBoth are kept in step until Ctrl-C. Edit somebody in one app, and look at the other:")
	say("  curl -X PATCH %s -d '{\"fields\": {\"jobtitle\": \"Pilot\"}}'", d.recordURL(0, d.pair[0]))
	say("  curl %s", d.recordURL(1, d.pair[1]))
	say("Lockstep's own API is described at %s/v1/openapi.json; the key is %s:", p.server.url, d.api.Key)
	say("  curl -H 'Authorization: Bearer %s' %s%s/status", d.api.Key, p.server.url, d.path(""))
	for _, f := range d.fakes {
		say("What else can be done to %s, such as failing calls or dropping webhooks: %s/_fake/openapi.json", f.kind.name,
			f.url)
	}
}

// recordURL is where a fake shows a record, and takes a user's edit of it.
func (d *demo) recordURL(i int, id crm.RecordID) string {
	return d.fakes[i].url + "/_fake/records/" + d.fakes[i].kind.Objects + "/" + string(id)
}
