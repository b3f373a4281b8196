package engine_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

const day = 24 * time.Hour

// latestPull is the newest pull of the bed's connection.
func (g *goneBed) latestPull() engine.Run {
	g.t.Helper()
	runs, _, err := g.Engine.ListRuns(g.ctx, testbed.Workspace, testbed.Connection, 20, "")
	g.must(err)
	i := slices.IndexFunc(runs, func(r engine.Run) bool { return r.Kind == engine.RunPull })
	if i < 0 {
		g.t.Fatal("there is no pull")
	}
	return runs[i]
}

// forgetful are ways in which an app forgets what was deleted.
var forgetful = map[string]struct {
	forget func(g *goneBed)
	why    string
}{
	"Salesforce, sixteen days": {func(g *goneBed) {
		g.delete(g.ids[:3])
		g.Move(16 * day)
		g.knob(g.Force.Core(), "POST", "/_fake/empty_bin", "")
	}, "long_pause"},
	"Salesforce, its log purged early": {func(g *goneBed) {
		g.delete(g.ids[:3])
		g.knob(g.Force.Core(), "POST", "/_fake/empty_bin", "")
		g.knob(g.Force.Core(), "PUT", "/_fake/deleted_log", `{"keep":"1h"}`)
		g.Move(2 * day)
	}, "cursor_expired"},
	"HubSpot, three months": {func(g *goneBed) {
		for _, id := range g.twins(3) {
			g.must(g.Hub.Core().DeleteRecord("contacts", id))
		}
		g.Move(91 * day)
	}, "long_pause"},
}

// twins are the first n HubSpot records.
func (g *goneBed) twins(n int) []string {
	var out []string
	for _, r := range g.Hub.Core().Records("contacts")[:n] {
		out = append(out, r.ID)
	}
	return out
}

func (g *goneBed) knob(core *fakekit.Core, method, path, body string) {
	g.t.Helper()
	w := httptest.NewRecorder()
	core.ServeHTTP(w, httptest.NewRequestWithContext(g.ctx, method, path, strings.NewReader(body)))
	if w.Code != http.StatusOK {
		g.t.Fatalf("%s answered %d", path, w.Code)
	}
}

// TestS16_WhatTheAppHasForgotten: deletions that are older than an app
// remembers are found by one listing of everything, which its run explains.
func TestS16_WhatTheAppHasForgotten(t *testing.T) {
	t.Parallel()
	for name, tt := range forgetful {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGoneBed(t, 20)
			tt.forget(g)
			g.must(g.Pull(g.ctx))
			g.settle()
			r := g.latestPull()
			if !strings.HasPrefix(r.Detail, tt.why+": ") || r.State != engine.RunDone {
				t.Errorf("the pull is %s and says %q, want %s", r.State, r.Detail, tt.why)
			}
			g.want("three vanished", 3, false)
			g.Move(testbed.Overlap)
			g.must(g.Pull(g.ctx))
			if again := g.latestPull(); again.ID != r.ID && again.Detail != "" {
				t.Errorf("the next pull lists everything again: %q", again.Detail)
			}
		})
	}
}

// forgetting is an app that has forgotten where its listing stood.
type forgetting struct {
	*mortal
	forgot *bool
}

// Changes implements connector.Connector.
func (f forgetting) Changes(ctx context.Context, req connector.ChangesRequest) (connector.ChangesPage, error) {
	if *f.forgot && !req.Full {
		return connector.ChangesPage{}, fault.New("forgetting: list changes", fault.Invalid, "cursor_expired",
			"it has forgotten")
	}
	return f.mortal.Changes(ctx, req)
}

// TestS16_AnAppForgetsBesideNews: the other app's news are stored with the pull
// by the time that an app turns out to have forgotten. The same pull lists
// everything, and brings the news and what is gone.
func TestS16_AnAppForgetsBesideNews(t *testing.T) {
	t.Parallel()
	for name, news := range map[string]bool{"news": true, "none": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forgot := false
			made, err := testbed.New(t.Context(),
				testbed.Options{People: 30, Wrap: func(id crm.AccountID, c connector.Connector) connector.Connector {
					if id != testbed.RightAccount {
						return c
					}
					return forgetting{&mortal{c, func() {}}, &forgot}
				}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			b, ctx := bed{made, t}, t.Context()
			b.start()
			b.must(b.Quiet(ctx))
			hub, force := b.twins(ctx)
			other := b.pairs()[0]
			if other[0] == hub {
				other = b.pairs()[1]
			}
			b.must(b.Force.Core().DeleteRecord("Contact", other[1]))
			if news {
				b.editHub(hub, "city", "Ghent")
			}
			runs, _, err := b.Engine.ListRuns(ctx, testbed.Workspace, testbed.Connection, 100, "")
			b.must(err)
			before := len(runs)
			forgot = true
			b.Move(testbed.Overlap)
			b.must(b.Engine.Pull(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts))
			forgot = false
			b.drain()
			b.settle(20 * time.Minute)
			runs, _, err = b.Engine.ListRuns(ctx, testbed.Workspace, testbed.Connection, 100, "")
			b.must(err)
			everything := 0
			for _, r := range runs[:len(runs)-before] {
				if strings.HasPrefix(r.Detail, "cursor_expired: ") {
					everything++
				}
				if r.State != engine.RunDone {
					t.Errorf("the %s %s is %s", r.Kind, r.ID, r.State)
				}
			}
			if everything != 1 {
				t.Errorf("%d runs list everything, want one", everything)
			}
			if got := b.get("Contact", force)["MailingCity"]; news && got != "Ghent" {
				t.Errorf("the news did not arrive: %q", got)
			}
			if v := b.record(crm.Left, other[0]); v.State != crm.StateDeleted {
				t.Errorf("the twin of what is gone is %s", v.State)
			}
		})
	}
}

// TestS24_ResumeAfterALongPause: resuming after more than fourteen days lists
// everything, whatever the schedule; after less it does not.
func TestS24_ResumeAfterALongPause(t *testing.T) {
	t.Parallel()
	for days, full := range map[int]bool{13: false, 15: true} {
		g := newGoneBed(t, 20)
		g.must(g.Engine.PauseConnection(g.ctx, testbed.Workspace, testbed.Connection))
		g.delete(g.ids[:3])
		g.Move(time.Duration(days) * day)
		_, err := g.Engine.StartConnection(g.ctx, testbed.Workspace, testbed.Connection)
		g.must(err)
		if full {
			st, err := g.Engine.Status(g.ctx, testbed.Workspace, testbed.Connection)
			g.must(err)
			if !slices.Contains(st[0].Warnings, "long_pause") {
				t.Errorf("the status warns of %v", st[0].Warnings)
			}
		}
		g.settle()
		if got := strings.HasPrefix(g.latestPull().Detail, "long_pause: "); got != full {
			t.Errorf("after %d days: everything is listed %v, want %v", days, got, full)
		}
		g.want("three vanished", 3, false)
		if n := len(g.live(crm.Right)); n != 17 {
			t.Errorf("%d records live on the right", n)
		}
	}
}

func (g *goneBed) live(side crm.Side) (out []string) {
	core, object := g.Hub.Core(), "contacts"
	if side == crm.Right {
		core, object = g.Force.Core(), "Contact"
	}
	for _, r := range core.Records(object) {
		if !r.Deleted {
			out = append(out, r.ID)
		}
	}
	return out
}
