package app

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/alert"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// remedied is a kind of alert: how it comes about, and what the runbook says is to be
// done about it. Twelve people, p0 to p11, are in step before.
type remedied struct {
	tuning engine.Tuning
	begin  func(l *live)
	do     func(l *live)
	over   time.Duration // after what was done, until it is over
	then   func(l *live) // what holds afterwards; nil = both apps hold the same
}

// runbook follows docs/operations.md line by line.
var runbook = map[alert.Kind]remedied{
	alert.RunFailed: {
		begin: func(l *live) { l.failing(1) },
		do: func(l *live) {
			if r := l.runOf(l.opened(alert.RunFailed).Run); r.Detail == "" || r.Remedy == "" {
				l.t.Errorf("the run does not say what is to be done: %+v", r)
			}
			l.hub.Core().ClearFaults()
			l.run("POST", l.sync+"/resync", nil)
		},
	},
	alert.FailedInARow: {
		begin: func(l *live) { l.failing(5) },
		do: func(l *live) {
			l.hub.Core().ClearFaults()
			l.run("POST", l.sync+"/resync", nil)
		},
	},
	alert.ManyErrors: {
		begin: func(l *live) {
			l.refuse("bad")
			for i := range 12 {
				l.edit(crm.Left, l.twin(crm.Left, fmt.Sprintf("p%d", i)), "lastname", fmt.Sprintf("bad %d", i))
			}
			l.pull()
		},
		do: func(l *live) {
			entries := each[engine.Entry](l, "/v1/log?connection="+l.id())
			if !slices.ContainsFunc(entries, func(e engine.Entry) bool {
				return e.Outcome == crm.Failed && e.Code != "" && e.Message != ""
			}) {
				l.t.Errorf("the log gives no code: %+v", entries)
			}
			l.refuse("")
			l.run("POST", "/v1/log/retry?connection="+l.id(), nil)
		},
	},
	alert.SwitchedOff: {
		begin: func(l *live) { l.want(200, "POST", l.con+"/pause", nil) },
		do: func(l *live) {
			l.want(202, "POST", l.con+"/start", nil)
			l.drain()
		},
	},
	alert.NeedsAuth: {
		begin: func(l *live) {
			l.hub.Core().RevokeTokens()
			l.move(3 * time.Minute)
			l.begin("POST", l.sync+"/pull", nil)
			l.works(func() bool { return l.must(200, "GET", l.con, nil)["status"] == string(crm.StatusNeedsAuth) })
		},
		do: func(l *live) {
			l.hub.Core().AllowTokens()
			l.want(200, "POST", "/v1/accounts/"+string(l.left)+"/test", nil)
			l.drain()
		},
	},
	alert.MissingRight: {
		begin: func(l *live) {
			l.fault(&fakekit.Fault{Kind: fakekit.FaultFail, Endpoint: "GET /crm/v3/objects/contacts", Status: 403})
			l.edit(crm.Left, l.twin(crm.Left, "p1"), "city", "Ghent")
			l.move(3 * time.Minute)
			l.begin("POST", l.sync+"/resync", nil)
			l.works(func() bool { _, st := l.standing(); return len(st.Waiting) > 0 })
		},
		do: func(l *live) {
			l.hub.Core().ClearFaults() // the right is given
			l.move(2 * time.Hour)
			l.drain()
		},
	},
	alert.MassDeletion: {
		tuning: engine.Tuning{DeleteFloor: 3, DeleteShare: 0.01},
		begin: func(l *live) {
			l.vanish("p0", "p1", "p2", "p3", "p4")
			l.begin("POST", l.sync+"/resync", nil)
			l.drain()
		},
		do: func(l *live) {
			l.want(202, "POST", l.sync+"/deletions/confirm", nil)
			l.drain()
		},
	},
	alert.MassChange: {
		tuning: engine.Tuning{ChangeFloor: 5, ChangeShare: 0.3},
		begin: func(l *live) {
			var names []string
			for i := range 12 {
				names = append(names, fmt.Sprintf("p%d", i))
			}
			l.titled(names, "Title of ")
			l.titled(names, "")
		},
		do: func(l *live) {
			l.want(202, "POST", l.sync+"/mappings/title/changes/confirm", nil)
			l.drain()
		},
	},
	alert.Unreachable: {
		begin: func(l *live) {
			l.fault(&fakekit.Fault{Kind: fakekit.FaultDrop})
			l.edit(crm.Left, l.twin(crm.Left, "p1"), "city", "Ghent")
			l.move(3 * time.Minute)
			l.begin("POST", l.sync+"/pull", nil)
			l.works(func() bool { _, st := l.standing(); return len(st.Outages) > 0 })
			for range 6 {
				l.move(time.Minute)
				l.work()
				l.round()
			}
		},
		do: func(l *live) { // nothing while it is down
			l.hub.Core().ClearFaults()
			l.move(2 * time.Minute)
			l.drain()
		},
	},
	alert.Silence: {
		begin: func(l *live) {
			l.patch(l.con, `{"syncs":`+l.syncsWith(`"schedule":"manual"`, `"schedule":"5m"`)+`}`)
			l.drain()
			l.move(20 * time.Minute) // in which the schedule brings nothing
		},
		do: func(l *live) {
			if _, st := l.standing(); len(st.Waiting) > 0 {
				l.t.Errorf("it waits: %+v", st.Waiting)
			}
			l.run("POST", l.sync+"/pull", nil)
		},
	},
	alert.DeadLetters: {
		tuning: engine.Tuning{ChunkSize: 1, LotSize: 1, ReceiveCap: 2},
		begin: func(l *live) {
			l.edit(crm.Left, l.twin(crm.Left, "p1"), "city", "Ghent")
			if err := l.force.Core().Inject(fakekit.Fault{
				Kind: fakekit.FaultFail, Endpoint: "/services/data/v67.0/composite", Status: 503, Times: 1_000_000,
			}); err != nil {
				l.t.Fatal(err)
			}
			l.move(3 * time.Minute)
			l.begin("POST", l.sync+"/pull", nil)
			for range 30 {
				l.work()
				l.round()
				l.move(time.Minute)
			}
		},
		do: func(l *live) {
			for _, d := range each[engine.DeadItem](l, "/v1/dead-letters?connection="+l.id()) {
				if d.Reason == "" {
					l.t.Errorf("a dead item without its reason: %+v", d)
				}
			}
			l.force.Core().ClearFaults()
			l.must(200, "POST", "/v1/dead-letters/redrive?connection="+l.id(), nil)
			l.drain()
		},
	},
	alert.SchemaDrift: {
		begin: func(l *live) {
			l.archived("city", true)
			l.refreshed(0)
			l.pull()
			l.round()
			l.drain()
		},
		do: func(l *live) {
			l.archived("city", false)
			l.refreshed(0)
			l.pull()
			l.round()
			l.drain()
		},
	},
	alert.HooksRefused: {
		begin: func(l *live) {
			l.hub.Core().SetWebhooks(fakekit.Webhooks{URL: l.shownHook().URL, Secret: "of somebody else"})
			l.edit(crm.Left, l.twin(crm.Left, "p1"), "city", "Ghent")
			l.deliver(crm.Left)
		},
		do: func(l *live) {
			l.hub.Core().SetWebhooks(fakekit.Webhooks{URL: l.shownHook().URL, Secret: hubspotfake.ClientSecret})
			l.edit(crm.Left, l.twin(crm.Left, "p1"), "city", "Bruges")
			l.deliver(crm.Left)
		},
		over: 61 * time.Minute,
	},
	alert.QuotaSpent: {
		begin: func(l *live) {
			l.hub.Core().SetLimits(fakekit.Limits{Daily: 1})
			l.edit(crm.Left, l.twin(crm.Left, "p1"), "city", "Ghent")
			l.move(3 * time.Minute)
			l.begin("POST", l.sync+"/pull", nil)
			l.works(func() bool { _, st := l.standing(); return len(st.Waiting) > 0 })
		},
		do: func(l *live) { // have the app allow more
			l.hub.Core().SetLimits(fakekit.Limits{})
			l.move(2 * time.Hour)
			l.drain()
		},
	},
	alert.WriteLoop: {
		begin: func(l *live) { l.goesRound(l.twin(crm.Left, "p1"), l.twin(crm.Right, "p1")) },
		do: func(l *live) {
			for _, c := range each[crm.Connection](l, "/v1/connections") {
				if c.Name == "Beside" { // which closes the circle
					l.want(202, "DELETE", "/v1/connections/"+string(c.ID)+"?confirm=Beside", nil, "If-Match", "*")
				}
			}
			l.run("POST", l.record(crm.Left, l.twin(crm.Left, "p1"))+"/unfreeze", map[string]string{"field": "title"})
		},
	},
}

// TestRunbook_EachRemedyEndsItsAlert brings each kind of alert about, does what the
// runbook says, and demands that it is told once, that its end is told once, and that
// both apps hold the same again.
func TestRunbook_EachRemedyEndsItsAlert(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range alert.Kinds {
		if !strings.Contains(string(doc), "`"+string(kind)+"`") {
			t.Errorf("the runbook has no line about %s", kind)
		}
		c, ok := runbook[kind]
		if !ok {
			t.Errorf("no test does what the runbook says about %s", kind)
			continue
		}
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			c.follow(t, kind)
		})
	}
}

// TestRunbook_OtherWays follows the runbook where a line names several things to do, or
// several things that begin or end an alert.
func TestRunbook_OtherWays(t *testing.T) {
	t.Parallel()
	for _, c := range otherWays {
		t.Run(string(c.kind)+"/"+c.way, func(t *testing.T) {
			t.Parallel()
			kept := runbook[c.kind]
			if c.tuning == (engine.Tuning{}) {
				c.tuning = kept.tuning
			}
			if c.begin == nil {
				c.begin = kept.begin
			}
			if c.do == nil {
				c.do = kept.do
			}
			if c.over == 0 {
				c.over = kept.over
			}
			c.follow(t, c.kind)
		})
	}
}

// follow brings an alert about, does what is to be done, and looks at what comes of it.
func (c *remedied) follow(t *testing.T, kind alert.Kind) {
	t.Helper()
	onLive(t, c.tuning, func(t *testing.T, l *live) {
		l.users()
		for i := range 12 {
			l.person(crm.Left, fmt.Sprintf("p%d", i))
		}
		l.connect([2]string{`"conflict":"review"`, `"conflict":"left"`})
		l.patch(l.con, `{"notify":{"enabled":true,"user":"ops@example.com"}}`)
		l.start()
		l.pull()
		l.tell()
		if mails, _ := l.told.take(); len(mails) > 0 {
			t.Fatalf("told before anything is wrong: %+v", mails)
		}
		c.begin(l)
		l.tell()
		l.opened(kind)
		l.mailed(kind, "")
		c.do(l)
		l.move(c.over + 6*time.Minute)
		l.tell()
		if open := each[alert.Alert](l, "/v1/alerts?state=open"); len(open) > 0 {
			t.Errorf("still open: %+v", open)
		}
		l.mailed(kind, "over:")
		if c.then != nil {
			c.then(l)
		} else {
			l.inStep()
		}
	})
}

// otherWays are further ways of what the runbook says. What is left out is as there.
var otherWays = []struct {
	kind alert.Kind
	way  string
	remedied
}{
	{kind: alert.MassDeletion, way: "discarded", remedied: remedied{
		do: func(l *live) {
			l.want(200, "POST", l.sync+"/deletions/discard", nil)
			l.drain()
		},
		then: func(l *live) {
			if n, left := l.deleted(), l.living(crm.Right); n != 0 || left != 12 {
				l.t.Errorf("discarded, %d pairs ended, and %d people are left on the right", n, left)
			}
			l.begin("POST", l.sync+"/resync", nil)
			l.drain()
			l.tell()
			l.opened(alert.MassDeletion) // they are found gone by a full look,
			l.mailed(alert.MassDeletion, "")
			l.want(200, "POST", l.sync+"/deletions/discard", nil)
			l.drain()
			l.tell()
			l.mailed(alert.MassDeletion, "over:")
			l.move(25 * time.Hour)
			l.pull()
			l.tell()
			l.opened(alert.MassDeletion) // and by the audit
			l.mailed(alert.MassDeletion, "")
			for _, r := range l.hub.Core().Records("contacts") {
				if _, err := l.hub.Core().RestoreRecord("contacts", r.ID); r.Deleted && err != nil {
					l.t.Fatal(err)
				}
			}
			l.want(200, "POST", l.sync+"/deletions/discard", nil)
			l.drain()
			l.run("POST", l.sync+"/resync", nil)
			if n, left := l.deleted(), l.living(crm.Left); n != 0 || left != 12 {
				l.t.Errorf("brought back, %d pairs ended, and %d people are on the left", n, left)
			}
			l.inStep()
		},
	}},
	{kind: alert.MassChange, way: "discarded", remedied: remedied{
		do: func(l *live) {
			l.want(200, "POST", l.sync+"/mappings/title/changes/discard", nil)
			l.drain()
		},
		then: func(l *live) {
			l.run("POST", l.sync+"/resync", nil)
			for i := range 12 {
				ids := l.ids(fmt.Sprintf("p%d", i))
				left, right := l.held(crm.Left, ids[0])["jobtitle"], l.held(crm.Right, ids[1])["Title"]
				if left != "The same" || right != fmt.Sprintf("Title of p%d", i) {
					l.t.Errorf("discarded, p%d is %q on the left and %q on the right", i, left, right)
				}
			}
			l.edit(crm.Left, l.twin(crm.Left, "p3"), "jobtitle", "Chief")
			l.pull()
			if got := l.held(crm.Right, l.twin(crm.Right, "p3"))["Title"]; got != "Chief" {
				l.t.Errorf("an edit after that does not travel: %q", got)
			}
			l.rests()
		},
	}},
	{kind: alert.SwitchedOff, way: "enabled is false", remedied: remedied{
		begin: func(l *live) { l.patch(l.con, `{"enabled":false}`) },
		do: func(l *live) {
			l.edit(crm.Left, l.twin(crm.Left, "p1"), "city", "Ghent")
			l.patch(l.con, `{"enabled":true}`)
			l.drain()
		},
	}},
	{kind: alert.SwitchedOff, way: "the direction is off", remedied: remedied{
		begin: func(l *live) { l.patch(l.sync, `{"direction":"off"}`) },
		do: func(l *live) {
			l.edit(crm.Left, l.twin(crm.Left, "p1"), "city", "Ghent")
			l.patch(l.sync, `{"direction":"both"}`)
			l.drain()
		},
	}},
	{kind: alert.ManyErrors, way: "mended, then a run", remedied: remedied{
		do: func(l *live) {
			l.refuse("")
			l.run("POST", l.sync+"/resync", nil)
		},
	}},
	{kind: alert.NeedsAuth, way: "with other credentials", remedied: remedied{
		do: func(l *live) {
			l.hub.Core().AllowTokens()
			l.credentials(hubspotfake.ClientSecret)
			l.drain()
		},
	}},
	{kind: alert.MissingRight, way: "the account is tested", remedied: remedied{
		do: func(l *live) {
			l.hub.Core().ClearFaults()
			l.want(200, "POST", "/v1/accounts/"+string(l.left)+"/test", nil)
			l.drain()
		},
	}},
	{kind: alert.SchemaDrift, way: "the settings do without it", remedied: remedied{
		do: func(l *live) {
			l.want(204, "DELETE", l.sync+"/mappings/city", nil, "If-Match", "*")
			l.drain()
		},
	}},
	{kind: alert.HooksRefused, way: "the account is told the secret", remedied: remedied{
		do: func(l *live) {
			l.credentials("of somebody else")
			l.edit(crm.Left, l.twin(crm.Left, "p1"), "city", "Bruges")
			l.deliver(crm.Left)
		},
	}},
	{kind: alert.QuotaSpent, way: "waited for", remedied: remedied{
		begin: func(l *live) {
			l.hub.Core().SetLimits(fakekit.Limits{Daily: 30})
			for n := range 40 {
				l.edit(crm.Left, l.twin(crm.Left, "p1"), "city", fmt.Sprintf("Town %d", n))
				l.move(3 * time.Minute)
				l.want(202, "POST", l.sync+"/pull", nil)
				for range 20 {
					l.work()
					l.round()
				}
				if _, st := l.standing(); len(st.Waiting) > 0 {
					return
				}
			}
			l.t.Fatal("the calls of a day are never spent")
		},
		do: func(l *live) {
			l.move(25 * time.Hour)
			l.drain()
		},
		then: func(l *live) {
			l.hub.Core().SetLimits(fakekit.Limits{}) // to look at everything takes more than a day's
			l.inStep()
		},
	}},
	{kind: alert.WriteLoop, way: "the other connection leaves the field alone", remedied: remedied{
		do: func(l *live) {
			for _, c := range each[crm.Connection](l, "/v1/connections") {
				if c.Name == "Beside" {
					l.want(204, "DELETE", "/v1/connections/"+string(c.ID)+"/syncs/contacts/mappings/title", nil, "If-Match", "*")
					l.want(202, "POST", "/v1/connections/"+string(c.ID)+"/start", nil)
				}
			}
			l.run("POST", l.record(crm.Left, l.twin(crm.Left, "p1"))+"/unfreeze", map[string]string{"field": "title"})
		},
	}},
}

// credentials gives the left account its credentials anew, with a secret for webhooks.
func (l *live) credentials(secret string) {
	l.t.Helper()
	l.patch("/v1/accounts/"+string(l.left), fmt.Sprintf(
		`{"credentials":{"kind":"token","token":%q,"webhook_secret":%q}}`, hubspotfake.PrivateToken, secret))
}

// opened returns the open alert of a kind.
func (l *live) opened(kind alert.Kind) alert.Alert {
	l.t.Helper()
	open := each[alert.Alert](l, "/v1/alerts?state=open")
	i := slices.IndexFunc(open, func(a alert.Alert) bool { return a.Kind == kind })
	if i < 0 {
		_, st := l.standing()
		l.t.Fatalf("no %s is open, but %+v; status: %+v", kind, open, st)
	}
	return open[i]
}

// mailed demands one message about a kind since the last look, whose subject has a word.
func (l *live) mailed(kind alert.Kind, word string) {
	l.t.Helper()
	mails, _ := l.told.take()
	n := 0
	for _, m := range mails {
		if strings.Contains(m.Text, string(kind)) && strings.Contains(m.Subject, word) {
			n++
		}
	}
	if n != 1 {
		l.t.Errorf("%d messages about %s with %q, want 1: %+v", n, kind, word, mails)
	}
}

// fault makes every call of the left app that it is about fail until it is cleared.
func (l *live) fault(f *fakekit.Fault) {
	l.t.Helper()
	f.Times = 1_000_000
	if err := l.hub.Core().Inject(*f); err != nil {
		l.t.Fatal(err)
	}
}

// failing has runs of the sync fail, one after the other.
func (l *live) failing(times int) {
	l.t.Helper()
	for _, endpoint := range []string{"GET /crm/v3/objects/contacts", "POST /crm/v3/objects/contacts/search"} {
		l.fault(&fakekit.Fault{Kind: fakekit.FaultFail, Endpoint: endpoint, Status: 400})
	}
	failed := func() (n int) {
		for _, r := range each[engine.Run](l, "/v1/runs?connection="+l.id()) {
			if r.State == engine.RunFailed {
				n++
			}
		}
		return n
	}
	for failed() < times { // one may follow by itself: the program looks whether the app lists again
		before := failed()
		l.begin("POST", l.sync+"/resync", nil)
		l.works(func() bool { return failed() > before })
		l.move(time.Minute)
	}
}

// works works, without coming to rest, until something is so.
func (l *live) works(so func() bool) {
	l.t.Helper()
	for range 200 {
		l.work()
		l.round()
		if so() {
			return
		}
		l.move(time.Second)
	}
	_, st := l.standing()
	l.t.Fatalf("it does not come about; status: %+v", st)
}

// inStep demands that whoever is on the left holds the same on the right, after a pull,
// and that nothing is written any more.
func (l *live) inStep() {
	l.t.Helper()
	l.pull()
	for i := range 12 {
		who := fmt.Sprintf("p%d@example.com", i)
		core, object := l.core(crm.Left)
		for _, r := range core.Records(object) {
			if r.Deleted || r.Fields["email"] != who {
				continue
			}
			right := l.held(crm.Right, l.twin(crm.Right, fmt.Sprintf("p%d", i)))
			for left, name := range map[string]string{"lastname": "LastName", "jobtitle": "Title", "city": "MailingCity"} {
				if right[name] != r.Fields[left] {
					l.t.Errorf("%s: %s is %q on the left and %q on the right", who, left, r.Fields[left], right[name])
				}
			}
		}
	}
	l.rests()
}
