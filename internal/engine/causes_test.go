package engine_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/paced"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

// cause is something that makes an app answer nothing of use.
type cause struct {
	code   string
	fault  crm.PerSide[fakekit.Fault]
	mended func(b bed, side crm.Side) // what a person does when it is over; nil = nothing
	most   int                        // calls to the app in ten minutes
}

func failing(status int, left, right string, after time.Duration) crm.PerSide[fakekit.Fault] {
	one := func(body string) fakekit.Fault {
		return fakekit.Fault{Kind: fakekit.FaultFail, Status: status, Body: body, Times: 1 << 20, RetryAfter: after}
	}
	return crm.PerSide[fakekit.Fault]{Left: one(left), Right: one(right)}
}

func statuses(left, right int, f crm.PerSide[fakekit.Fault]) crm.PerSide[fakekit.Fault] {
	f.Left.Status, f.Right.Status = left, right
	return f
}

// causes are what the apps' documentation says of each.
var causes = map[string]cause{
	"the day's quota": {code: "quota_exhausted", most: 11, fault: statuses(429, 403, failing(0,
		`{"status":"error","message":"You have reached your daily limit.","errorType":"RATE_LIMIT","policyName":"DAILY"}`,
		`[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]`, 0))},
	"a limit with an end": {code: "rate_limited", most: 25, fault: statuses(429, 403, failing(0, "",
		`[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"ConcurrentRequests (Concurrent API Requests) Limit exceeded."}]`,
		30*time.Second))},
	"an outage": {code: "app_unreachable", most: 150, fault: failing(http.StatusServiceUnavailable, "", "", 0)},
	"silence":   {code: "app_unreachable", most: 150, fault: crm.PerSide[fakekit.Fault]{Left: dropped, Right: dropped}},
	"an app's own work": {code: "app_unreachable", most: 150, fault: statuses(477, 503, failing(0, "",
		`[{"errorCode":"SERVER_UNAVAILABLE","message":"Server is down for maintenance"}]`, 10*time.Minute))},
	"a revoked grant": {
		code: "reauthorization_required", most: 25, fault: failing(http.StatusUnauthorized, "",
			`[{"errorCode":"INVALID_SESSION_ID","message":"Session expired or invalid"}]`, 0),
		mended: func(b bed, side crm.Side) {
			account := testbed.LeftAccount
			if side == crm.Right {
				account = testbed.RightAccount
			}
			b.must(b.Engine.AccountAuthorized(b.t.Context(), testbed.Workspace, account))
		},
	},
	"a right lost": {code: "missing_permission", most: 60, fault: failing(http.StatusForbidden,
		`{"status":"error","message":"This app hasn't been granted all required scopes to make this call.","category":"MISSING_SCOPES","errors":[{"context":{"requiredGranularScopes":["crm.objects.contacts.read"]}}]}`,
		`[{"errorCode":"API_DISABLED_FOR_ORG","message":"The REST API is not enabled for this Organization."}]`, 0)},
}

var dropped = fakekit.Fault{Kind: fakekit.FaultDrop, Times: 1 << 20}

// pacedBed is a bed whose accounts keep to budgets, as they do in the program.
func pacedBed(t *testing.T) bed {
	t.Helper()
	clock := testbed.NewClock()
	items := memstore.New(clock.Now)
	b, err := testbed.New(t.Context(), testbed.Options{
		People: 30, Clock: clock, Store: items,
		Wrap: func(id crm.AccountID, c connector.Connector) connector.Connector {
			return paced.Wrap(c, paced.Budget{
				Store: items, Workspace: testbed.Workspace, Account: id, Now: clock.Now, Holder: "one", MaxWait: time.Second,
				Sleep: func(_ context.Context, d time.Duration) { clock.Move(d) },
			})
		},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return bed{b, t}
}

// works are the ways in which work comes to wait. Each is begun after prepare,
// and done says that nothing of it is left.
var works = map[string]struct {
	prepare func(b bed)
	begin   func(b bed, hubs, forces []string)
}{
	"webhooks": {settled, func(b bed, hubs, forces []string) {
		b.tell(0, hubs, 1)
		b.tell(1, forces, 1)
	}},
	"a pull": {settled, func(b bed, _, _ []string) {
		_ = b.Engine.Pull(b.t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts) // the app refuses
	}},
	"a first sync": {func(bed) {}, func(b bed, _, _ []string) {
		_, err := b.Engine.StartConnection(b.t.Context(), testbed.Workspace, testbed.Connection)
		b.must(err)
	}},
	"a plan applied": {settled, nil},
}

func settled(b bed) {
	b.start()
	b.must(b.Quiet(b.t.Context()))
}

// TestS34_WhateverItWaitsFor stops every kind of work by every cause on either
// side for ten minutes: what it waits for is said, the app is hardly asked, and
// within a minute of the cause's end everything is done.
func TestS34_WhateverItWaitsFor(t *testing.T) {
	t.Parallel()
	for why, c := range causes {
		for what, w := range works {
			for _, side := range crm.Sides {
				t.Run(why+", "+what+", "+string(side), func(t *testing.T) {
					t.Parallel()
					b := pacedBed(t)
					w.prepare(b)
					hubs, forces := b.firstPairs(8)
					for i := range 4 {
						b.editHub(hubs[i], "city", "Ghent")
						b.editForce(forces[i+4], "MailingCity", "Lund")
					}
					begin := w.begin
					if begin == nil {
						b.Move(testbed.Overlap)
						p, err := b.Engine.CreatePlan(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, nil)
						b.must(err)
						b.drain()
						begin = func(b bed, _, _ []string) {
							_, err := b.Engine.ApplyPlan(t.Context(), testbed.Workspace, p.ID)
							b.must(err)
						}
					}
					b.Move(testbed.Overlap)
					app := b.core(map[crm.Side]string{crm.Left: "contacts", crm.Right: "Contact"}[side])
					b.must(app.Inject(c.fault.Get(side)))
					since := b.Now()
					begin(b, hubs[:4], forces[4:])
					b.serve(2*time.Minute, true)
					app.ResetRequests()
					for range 10 {
						b.serve(time.Minute, true)
						b.saysWhy(side, c.code, since)
					}
					if n := app.Requests().Total; n > c.most {
						t.Errorf("%d calls in ten minutes, want at most %d", n, c.most)
					}
					app.ClearFaults()
					if c.mended != nil {
						c.mended(b, side)
					}
					b.serve(65*time.Second, true)
					for i := range 4 {
						if got := b.get("Contact", forces[i])["MailingCity"]; got != "Ghent" {
							t.Errorf("Salesforce holds %q a minute after the end", got)
						}
						if hub, force := b.get("contacts", hubs[i+4])["city"],
							b.get("Contact", forces[i+4])["MailingCity"]; hub != force || hub != "Lund" && what != "a first sync" {
							t.Errorf("HubSpot holds %q, Salesforce %q a minute after the end", hub, force)
						}
					}
					if st := b.status(); len(st.Waiting) != 0 || st.Dead != 0 || st.OpenRun != "" {
						t.Errorf("a minute after the end: waiting %+v, %d dead items, run %q", st.Waiting, st.Dead, st.OpenRun)
					}
				})
			}
		}
	}
}

// saysWhy demands that status, and every open run, name what is waited for.
func (b bed) saysWhy(side crm.Side, code string, since time.Time) {
	b.t.Helper()
	named := func(ws []engine.Waiting) bool {
		for _, w := range ws {
			if w.Code == code && w.Side == side && !w.Since.Before(since) && w.Since.Before(since.Add(2*time.Minute)) {
				return true
			}
		}
		return false
	}
	st := b.status()
	if !named(st.Waiting) {
		b.t.Errorf("%s after it began, status says %+v", b.Now().Sub(since), st.Waiting)
	}
	runs, _, err := b.Engine.ListRuns(b.t.Context(), testbed.Workspace, "", 10, "")
	b.must(err)
	for i := range runs {
		if runs[i].State == engine.RunRunning && !named(runs[i].Waiting) {
			b.t.Errorf("%s after it began, run %s says %+v", b.Now().Sub(since), runs[i].Kind, runs[i].Waiting)
		}
	}
}
