package alert

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

var noon = time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)

// connection is one with two syncs that runs.
func connection() *crm.Connection {
	return &crm.Connection{
		ID: "con_1", Name: "Shop", Enabled: true, Status: crm.StatusActive, Left: crm.End{Account: "acc_l"},
		Right: crm.End{Account: "acc_r"},
		Syncs: []crm.Sync{{ID: "people", Schedule: "5m"}, {ID: "companies", Schedule: "manual"}},
	}
}

// seen are the facts of a connection with which nothing is wrong.
func seen(c *crm.Connection) *facts {
	f := &facts{conn: c, now: noon, offBy: func(sync crm.SyncID) string { return "key_of_" + string(sync) }}
	for i := range c.Syncs {
		f.syncs = append(f.syncs, engine.SyncStatus{Sync: c.Syncs[i].ID, LatestPull: noon})
	}
	for _, side := range crm.Sides {
		f.accounts.Set(side, &login{id: c.Account(side), status: account.StatusOK})
	}
	return f
}

// short says conditions in one line each.
func short(all []Condition) string {
	var out []string
	for i := range all {
		c := &all[i]
		out = append(out, strings.TrimRight(fmt.Sprintf("%s %s %s %d/%d", c.Kind, c.Sync, c.Side, c.Count, c.Of), " "))
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

func run(id string, kind engine.RunKind, state engine.RunState, failed, done int64) engine.Run {
	return engine.Run{
		ID: crm.RunID(id), Kind: kind, Sync: "people", State: state, EndedAt: noon, Records: done, InError: failed,
		Code: "listing_refused",
	}
}

// TestRow162_Shares holds the threshold at exactly 30 %, over ten records and more.
func TestRow162_Shares(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		failed, all int64
		want        string
	}{
		{3, 10, ""},
		{4, 10, "many_errors people  4/10"},
		{30, 100, ""},
		{31, 100, "many_errors people  31/100"},
		{300, 1000, ""},
		{301, 1000, "many_errors people  301/1000"},
		{9, 9, ""}, // fewer than ten say nothing
		{0, 0, ""},
	} {
		for name, ends := range map[string]func(*facts){
			"a run":    func(f *facts) { f.ended = []engine.Run{run("run_1", engine.RunPull, engine.RunDone, c.failed, c.all)} },
			"the hour": func(f *facts) { f.counted = []counted{{"people", c.failed, c.all}} },
		} {
			f := seen(connection())
			ends(f)
			if got := short(conditions(f, &memory{})); got != c.want {
				t.Errorf("%d of %d in %s: got %q, want %q", c.failed, c.all, name, got, c.want)
			}
		}
	}
}

// TestRow162_SharesOfTheHour adds small runs up over an hour, and not longer.
func TestRow162_SharesOfTheHour(t *testing.T) {
	t.Parallel()
	m, f := &memory{}, seen(connection())
	look := func(after time.Duration, failed, all int64) string {
		f.now = f.now.Add(after)
		f.counted = []counted{{"people", failed, all}}
		for i := range f.syncs {
			f.syncs[i].LatestPull = f.now
		}
		return short(conditions(f, m))
	}
	for i, step := range []struct {
		after       time.Duration
		failed, all int64
		want        string
	}{
		{0, 2, 5, ""}, // five records
		{20 * time.Minute, 1, 4, ""},
		{20 * time.Minute, 0, 1, ""},                         // 3 of 10
		{10 * time.Minute, 1, 1, "many_errors people  4/11"}, // more than 30 %
		{9 * time.Minute, 0, 0, "many_errors people  4/11"},  // and still
		{2 * time.Minute, 0, 0, ""},                          // the first five are over an hour old: 6 records say nothing
		{0, 4, 4, "many_errors people  6/10"},                // of the hour
		{time.Minute, 0, 40, ""},                             // what went well outweighs it
	} {
		if got := look(step.after, step.failed, step.all); got != step.want {
			t.Errorf("step %d: got %q, want %q", i, got, step.want)
		}
	}
}

// TestRow162_FifthAttempt tells at the fifth failed attempt in a row, not at the
// fourth, and not if one of them went well.
func TestRow162_FifthAttempt(t *testing.T) {
	t.Parallel()
	m, f := &memory{}, seen(connection())
	attempt := func(state engine.RunState) string {
		f.ended = []engine.Run{run("run_1", engine.RunPull, state, 0, 0)}
		return short(conditions(f, m))
	}
	for i, step := range []struct {
		state engine.RunState
		want  string
	}{
		{engine.RunFailed, "run_failed people  1/0"},
		{engine.RunFailed, "run_failed people  2/0"},
		{engine.RunFailed, "run_failed people  3/0"},
		{engine.RunFailed, "run_failed people  4/0"},
		{engine.RunDone, ""},
		{engine.RunFailed, "run_failed people  1/0"},
		{engine.RunFailed, "run_failed people  2/0"},
		{engine.RunCancelled, "run_failed people  2/0"}, // a person's doing says nothing
		{engine.RunFailed, "run_failed people  3/0"},
		{engine.RunFailed, "run_failed people  4/0"},
		{engine.RunFailed, "failed_in_a_row people  5/0; run_failed people  5/0"},
		{engine.RunFailed, "failed_in_a_row people  6/0; run_failed people  6/0"},
		{engine.RunDone, ""},
	} {
		if got := attempt(step.state); got != step.want {
			t.Errorf("attempt %d: got %q, want %q", i, got, step.want)
		}
	}
}

// TestRunsThatPeopleAskFor end by one of their own group, or after a day.
func TestRunsThatPeopleAskFor(t *testing.T) {
	t.Parallel()
	m, f := &memory{}, seen(connection())
	f.ended = []engine.Run{
		run("run_1", engine.RunApply, engine.RunFailed, 0, 0), run("run_2", engine.RunPull, engine.RunDone, 0, 3),
	}
	if got := short(conditions(f, m)); got != "run_failed people  1/0" {
		t.Errorf("after a pull that went well: %q, want the failed apply", got)
	}
	f.ended = nil
	f.now = noon.Add(24*time.Hour - time.Second)
	f.syncs[0].LatestPull = f.now
	if got := short(conditions(f, m)); got != "run_failed people  1/0" {
		t.Errorf("before a day is over: %q", got)
	}
	f.now = noon.Add(24 * time.Hour)
	if got := short(conditions(f, m)); got != "" {
		t.Errorf("after a day: %q", got)
	}
}

// TestEachKind begins and ends each kind that is told by what is there now.
func TestEachKind(t *testing.T) {
	t.Parallel()
	long := noon.Add(-time.Hour)
	for want, wrong := range map[string]func(*facts){
		"":                              func(*facts) {},
		"needs_authorization  left 1/0": func(f *facts) { f.accounts.Left.status = account.StatusNeedsAuth },
		"webhooks_refused  right 7/0": func(f *facts) {
			f.accounts.Right.refusals = []account.Refusal{{Code: "forged_webhook", Count: 7, Last: noon.Add(-59 * time.Minute)}}
		},
		"mass_deletion people left 60/100": func(f *facts) {
			f.syncs[0].Halted = &engine.Halt{Since: long, Deletions: 60, Links: 100, Side: crm.Left}
		},
		"mass_change people right 70/100": func(f *facts) {
			f.syncs[0].Changes = []engine.ChangeHalt{{Mapping: "m1", Side: crm.Right, Since: long, Count: 70, Links: 100}}
		},
		"app_unreachable  left 2/0": func(f *facts) {
			f.syncs[0].Outages, f.syncs[1].Outages = []engine.Outage{{Side: crm.Left, Since: long}},
				[]engine.Outage{{Side: crm.Left, Since: noon.Add(-5 * time.Minute)}}
		},
		"missing_right people left 3/0": func(f *facts) {
			f.syncs[0].Waiting = []engine.Waiting{{Code: codePermission, Side: crm.Left, Since: long, Records: 3}}
		},
		"quota_used_up  right 1/0": func(f *facts) {
			f.syncs[1].Waiting = []engine.Waiting{{Code: codeQuota, Side: crm.Right, Since: long}}
		},
		"schema_drift companies  2/0": func(f *facts) { f.syncs[1].Held = make([]engine.HeldPart, 2) },
		"write_loop people  4/0":      func(f *facts) { f.syncs[0].Frozen = &engine.Frozen{Links: 4} },
		"dead_letters   9/0":          func(f *facts) { f.syncs[0].Dead, f.syncs[1].Dead = 9, 9 },
		"silence people  1/0":         func(f *facts) { f.syncs[0].LatestPull = noon.Add(-15*time.Minute - time.Second) },
		"switched_off   2/0":          func(f *facts) { f.conn.Enabled = false },
		"switched_off people  1/0":    func(f *facts) { f.conn.Syncs[0].Direction = crm.DirectionOff },
		"run_failed people  1/0": func(f *facts) {
			f.ended = []engine.Run{run("r", engine.RunPull, engine.RunFailed, 0, 0)}
		},
		"switched_off   2/0; switched_off people  1/0": func(f *facts) {
			f.conn.Status, f.conn.Syncs[0].Direction = crm.StatusPaused, crm.DirectionOff
		},
	} {
		m, f := &memory{}, seen(connection())
		if got := short(conditions(f, m)); got != "" {
			t.Fatalf("nothing is wrong: %q", got)
		}
		wrong(f)
		all := conditions(f, m)
		if got := short(all); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		for i := range all {
			if c := &all[i]; c.Since.IsZero() || c.Kind == SwitchedOff && c.By != "key_of_"+string(c.Sync) {
				t.Errorf("%s: since %s, by %q", c.Kind, c.Since, c.By)
			}
		}
		f = seen(connection())
		f.ended = []engine.Run{run("r2", engine.RunPull, engine.RunDone, 0, 0)}
		if got := short(conditions(f, m)); got != "" {
			t.Errorf("%s: it is over, and %q is left", want, got)
		}
	}
}

// TestNotYet has what passes by itself, and what is no event, told of by nobody.
func TestNotYet(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]func(*facts){
		"an app that restarts": func(f *facts) {
			f.syncs[0].Outages = []engine.Outage{{Side: crm.Left, Since: noon.Add(-5*time.Minute + time.Second)}}
		},
		"three intervals": func(f *facts) { f.syncs[0].LatestPull = noon.Add(-15 * time.Minute) },
		"a sync by hand":  func(f *facts) { f.syncs[1].LatestPull = noon.Add(-24 * time.Hour) },
		"an open run":     func(f *facts) { f.syncs[0].LatestPull, f.syncs[0].OpenRun = noon.Add(-time.Hour), "run_1" },
		"an old refusal": func(f *facts) {
			f.accounts.Left.refusals = []account.Refusal{{Count: 7, Last: noon.Add(-time.Hour)}}
		},
		"off from the start": func(f *facts) { f.conn.Enabled, f.conn.Syncs[0].Direction = false, crm.DirectionOff },
		"a sync that is gone": func(f *facts) {
			f.syncs = append(f.syncs, engine.SyncStatus{Sync: "old", Frozen: &engine.Frozen{Links: 1}})
		},
		"a limit of a minute": func(f *facts) {
			f.syncs[0].Waiting = []engine.Waiting{{Code: "rate_limited", Side: crm.Left}}
		},
	} {
		f := seen(connection())
		c(f)
		if got := short(conditions(f, &memory{})); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestRepairedRecords end the alert about a run when none is failing any more.
func TestRepairedRecords(t *testing.T) {
	t.Parallel()
	m, f := &memory{}, seen(connection())
	f.syncs[0].States.Left = map[crm.State]int64{crm.StateFailing: 2}
	f.ended = []engine.Run{run("run_1", engine.RunPull, engine.RunDone, 6, 10)}
	conditions(f, m)
	f.ended, f.now = nil, noon.Add(10*time.Minute)
	if got := short(conditions(f, m)); got != "many_errors people  6/10" {
		t.Errorf("two are failing still: %q", got)
	}
	f.syncs[0].States.Left = nil
	if got := short(conditions(f, m)); got != "" {
		t.Errorf("all are repaired: %q", got)
	}
}

// TestWordsOfEveryKind: each kind says what changed, what it costs and one thing to do.
func TestWordsOfEveryKind(t *testing.T) {
	t.Parallel()
	if len(dictionary) != len(Kinds) {
		t.Errorf("%d kinds have words, of %d", len(dictionary), len(Kinds))
	}
	for _, k := range Kinds {
		a := describe("alt_1", connection(), &Condition{
			Kind: k, Sync: "people", Side: crm.Left, Account: "acc_l", Count: 4, Of: 9, Code: "some_code", Run: "run_1",
			Mapping: "m1", Since: noon,
		})
		if a.Summary == "" || a.Consequence == "" || a.Action == "" || strings.Contains(a.Summary, "%!") {
			t.Errorf("%s: %q, %q, %q", k, a.Summary, a.Consequence, a.Action)
		}
	}
}

// TestEveryKindIsInTheRunbook: the page for whoever runs the program says of each kind
// when it begins, what to do and when it is over, and of no kind that there is not.
func TestEveryKindIsInTheRunbook(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Alerts\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var told []string
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		if len(cells) != 4 || slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) == "" }) {
			t.Errorf("the line has not four cells: %s", line)
		}
		for kind := range strings.SplitSeq(cells[0], ",") {
			told = append(told, strings.Trim(kind, " `"))
		}
	}
	var want []string
	for _, k := range Kinds {
		want = append(want, string(k))
	}
	slices.Sort(told)
	slices.Sort(want)
	if !slices.Equal(told, want) {
		t.Errorf("the runbook tells of %v, and the kinds are %v", told, want)
	}
}
