package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// page stores a page of the desk's log as it was written some time ago.
func (d *desk) page(name string, ago time.Duration, entries ...Entry) {
	d.t.Helper()
	at := d.now.Add(-ago)
	for i := range entries {
		e := &entries[i]
		e.Time, e.Connection = at.Add(time.Duration(i)*time.Minute), d.sc.con
		if e.Sync == "" {
			e.Sync = d.sc.sync
		}
	}
	now := d.now
	d.now = at
	ws, err := d.s.logPages(name, following(nil, entries...), deskDays)
	d.now = now
	d.must(err)
	d.must(d.mem.Transact(d.t.Context(), ws))
	for i := range ws { // entries are read under the name that connections have elsewhere
		ws[i].Item.Partition = strings.Replace(ws[i].Item.Partition, "#con#", "#con_con#", 1)
	}
	d.must(d.mem.Transact(d.t.Context(), ws))
}

// The log of a laden desk.
const (
	deskDays  = 7                         // that it is kept
	dayBefore = "log_con~20261120~0.00~0" // bob's pair is made
	today     = "log_con~20261121~1.00~"
)

// laden fills a desk with what a sync leaves in time: a log of two days, runs, a
// plan, dead items, counts.
func (d *desk) laden() {
	d.opens()
	d.runs(crm.StatusActive)
	city := func(before, after string) Diff {
		return Diff{
			Mapping: "city", Side: crm.Right, Field: "City", Before: crm.TextValue(before), After: crm.TextValue(after),
			Rule: "source_changed",
		}
	}
	tags := Diff{Mapping: "tags", Side: crm.Right, Field: "Tags", After: crm.TextValue("x"), Rule: ruleRefused}
	_, err := store.SaveWorkspace(d.t.Context(), d.mem, store.Workspace{ID: d.sc.ws, LogDays: deskDays}, 0)
	d.must(err)
	d.page("pg_0", 24*time.Hour, Entry{
		Run: "run_done", Side: crm.Left, Record: bobLeft, Partner: bobRight, Outcome: crm.Created,
		Diffs: []Diff{city("", "Oslo")},
	}, Entry{Run: "run_done", Side: crm.Left, Record: annLeft, Outcome: crm.Failed, Code: "rejected"})
	d.page("pg_1", time.Hour, Entry{
		Run: "run_done", Side: crm.Left, Record: bobLeft, Partner: bobRight, Outcome: crm.Updated,
		Diffs: []Diff{city("Oslo", "Rome"), {Side: crm.Right, Field: "Stamp", After: crm.TextValue("t"), Rule: "stamp"}},
	}, Entry{
		Run: "run_other", Side: crm.Right, Record: bobRight, Partner: bobLeft, Outcome: crm.Conflict, Code: "conflict",
		Diffs: []Diff{tags},
	}, Entry{Run: "run_other", Side: crm.Left, Record: annLeft, Outcome: crm.Failed, Code: "rejected"}, Entry{
		Run: "run_other", Side: crm.Right, Record: "r_carl", Outcome: crm.Failed, Code: "fields_refused", Diffs: []Diff{tags},
	}, Entry{Run: "run_other", Sync: "another", Side: crm.Left, Record: annLeft, Outcome: crm.Failed}, Entry{
		Run: "run_other", Side: crm.Left, Record: "l_dora", Outcome: crm.Duplicate, Code: "duplicate",
	}, Entry{Run: "run_other", Side: crm.Left, Record: "l_dora", Outcome: crm.Skipped, Code: "skipped"})
	bob := d.known()
	bob.Since = d.now.Add(-30 * time.Minute)
	for name, ago := range map[string]int{"pg_1": 0, "pg_0": 1} {
		bob.Pages = append(bob.Pages, pageRef(d.sc.con, d.now.AddDate(0, 0, -ago), name))
	}
	if bob.Pages[0] < bob.Pages[1] {
		bob.Pages[0], bob.Pages[1] = bob.Pages[1], bob.Pages[0]
	}
	d.putLink(bob)
	d.person(crm.Right, bobRight, "Rome", "bob@example.com")
	d.putLink(&link{Left: "l_carl", Right: "r_carl", State: crm.StateInSync, Since: d.now.Add(-2 * time.Hour)})

	for i, r := range []storedRun{
		{Phase: phaseOver, Listed: 7, Run: Run{ID: "run_done", Kind: RunResync, State: RunDone}},
		{Phase: phaseOver, Run: Run{ID: "run_other", Kind: RunPull, State: RunFailed, Code: "denied", Detail: "no"}},
		{Phase: phaseOver, Because: codeLongPause, Run: Run{ID: "run_plan", Kind: RunPlan, State: RunDone, Plan: "pln"}},
		{Phase: phaseOver, Generation: 7, Run: Run{ID: "run_moved", Kind: RunPull, State: RunDone}},
	} {
		r.V, r.Run.Connection, r.Run.Sync = 1, d.sc.con, d.sc.sync
		r.Run.CreatedAt, r.Run.EndedAt = d.now.AddDate(0, 0, -1), d.now.Add(-time.Duration(i)*time.Hour)
		d.must(d.saveRun(d.t.Context(), d.sc.ws, &r))
	}
	elsewhere := &storedRun{V: 1, Phase: phaseLeft, Listed: 2, Run: Run{
		ID: "run_elsewhere", Kind: RunPull, Connection: "con_gone", Sync: "x", State: RunRunning,
	}}
	d.must(d.saveRun(d.t.Context(), d.sc.ws, elsewhere))
	d.put(runOf(d.sc.ws, d.sc.con, "run_never_stored"), nil, nil)
	hooks, err := d.ensureWebhookRun(d.t.Context(), d.sc, d.conn)
	d.must(err)
	counts := func(id crm.RunID, of map[string]int64) {
		key, prefix := d.sc.tally(id)
		prefixed := map[string]int64{}
		for name, n := range of {
			prefixed[prefix+name] = n
		}
		d.must(d.mem.Transact(d.t.Context(), addWrite(nil, key, prefixed, time.Time{})))
	}
	counts("run_done", map[string]int64{"done": 7, "o:created": 3, "o:failed": 1, "calls:left": 4, "calls:right": 5})
	counts(hooks, map[string]int64{"done": 2, "o:updated": 2})
	counts("run_plan", map[string]int64{"p:created": 2, "p:updated": 1, "s:links": 1, "s:undone": 1, "done": 9})
	for ago, n := range map[int]int64{0: 1, 6: 10, 7: 100, 29: 1000, 30: 10000} {
		day := addWrite(nil, d.sc.day(d.now.AddDate(0, 0, -ago)), map[string]int64{"o:updated": n, "x": 5}, time.Time{})
		d.must(d.mem.Transact(d.t.Context(), day))
	}

	plan := func(id crm.PlanID, change func(p *storedPlan)) {
		p := &storedPlan{V: 1, Work: workOf(d.conn, d.sc.sync), Plan: PlanView{
			ID: id, Kind: planDryRun, Run: "run_plan", Connection: d.sc.con, Sync: d.sc.sync, State: RunDone,
			CreatedAt: d.now.Add(-time.Hour), Totals: map[crm.Outcome]int64{},
		}}
		change(p)
		d.must(d.savePlan(d.t.Context(), d.sc.ws, p, 0))
	}
	plan("pln", func(*storedPlan) {})
	plan("pln_open", func(p *storedPlan) { p.Plan.State = RunRunning })
	plan("pln_old", func(p *storedPlan) { p.Work = "of other settings" })
	plan("pln_older", func(p *storedPlan) { p.Work, p.Config = "", 1 })
	plan("pln_undo", func(p *storedPlan) { p.Plan.Kind, p.Plan.Undoes, p.Work = planUndo, "run_done", "" })
	plan("pln_moved", func(p *storedPlan) { p.Plan.Kind, p.Plan.Undoes, p.Generation = planUndo, "run_done", 7 })
	plan("pln_gone", func(p *storedPlan) { p.Plan.Connection, p.Plan.Sync = "con_gone", "x" })
	for name, side := range map[string]crm.Side{"chk_1": crm.Left, "chk_2": crm.Right} {
		b := []byte(fmt.Sprintf(`{"side":%q,"changes":[{"record":"1","digest":"a"},{"record":"2"},{"record":"3"}]}`, side))
		b, err := pack(b)
		d.put(planPage(d.sc.ws, "pln", name), b, err)
	}
	for i := range 3 {
		hints := []hint{{ID: crm.RecordID(fmt.Sprint("l_", i)), Digest: "d"}}
		c := d.newChunk(d.sc, d.conn, RunPull, "run_done", crm.Left, hints)
		c.Generation = 9
		d.putJSON(dead(d.sc.ws, d.sc.con, fmt.Sprint("chk_", i)), deadItem{
			V: 1, Chunk: *c, Receives: 12, Code: "odd", Reason: "an odd answer", At: d.now.Add(-time.Hour),
		})
	}
}

// busy opens a run of the desk's sync.
func (d *desk) busy(kind RunKind) {
	d.putJSON(d.sc.scan(), scanState{V: 1, OpenRun: "run_open", LatestPull: d.now.Add(-time.Minute)})
	d.must(d.saveRun(d.t.Context(), d.sc.ws, &storedRun{
		V: 1, Phase: phaseRight, Listed: 5, Seq: 2, Because: codeLongPause, From: &listedTo{}, Run: Run{
			ID: "run_open", Kind: kind, Connection: d.sc.con, Sync: d.sc.sync, State: RunRunning,
		},
	}))
}

// stuck lets everything of the desk's sync wait for something.
func (d *desk) stuck() {
	d.busy(RunPull)
	ago := func(by time.Duration) time.Time { return d.now.Add(-by) }
	d.putJSON(d.sc.outages(), outageItem{V: 1, Pull: true, Sides: crm.PerSide[*Outage]{
		Right: &Outage{Side: crm.Right, Account: recoverAcc, App: "app", Since: ago(time.Hour), Code: "no_answer"},
	}, Waits: []Waiting{
		{Code: codePermission, Side: crm.Left, Account: d.conn.Left.Account, Direction: crm.WayTo(crm.Left), Since: ago(1)},
		{Code: "limit", Side: crm.Left, Account: d.conn.Left.Account, Since: ago(2), Until: ago(-time.Hour)},
		{Code: "over", Side: crm.Left, Account: d.conn.Left.Account, Since: ago(time.Hour), Until: ago(waitGrace + 1)},
		{Code: "another account", Side: crm.Left, Account: "acc_before", Since: ago(2)},
	}})
	d.putJSON(d.sc.barred(crm.Left, crm.Right, bobRight), barredItem{V: 1, Hint: hint{ID: bobRight}, At: d.now})
	d.putJSON(d.sc.brakes(), brakesItem{V: 1, List: []brake{
		{Mapping: "city", Side: crm.Right, Since: ago(3), From: ago(4), Count: 5, Links: 6},
		{Mapping: "tags", Side: crm.Right, Value: "print", Since: ago(3), From: ago(4), Count: 5, Links: 6},
	}})
	d.putJSON(d.sc.stopped("tags", crm.Left, bobLeft), barredItem{V: 1, Hint: hint{ID: bobLeft}, At: d.now})
	d.putJSON(d.sc.stopped(weighing, crm.Left, bobLeft), barredItem{V: 1, Hint: hint{ID: bobLeft}, At: d.now})
	d.putJSON(d.sc.inbox(crm.Left, "x"), inboxItem{V: 1, Hint: hint{ID: "x"}, At: d.now})
	d.putJSON(d.sc.lease(), lease{Owner: "own", Since: ago(longLease + 1), Until: ago(-1)})
	c := d.newChunk(d.sc, d.conn, RunPull, "run_open", crm.Left, []hint{{ID: bobLeft}, {ID: annLeft}})
	c.Parked, c.Why = d.now, "busy"
	b, err := c.encode()
	d.put(d.sc.parked(d.now.Add(time.Hour), "prk"), b, err)
	circle := &link{Left: "l_loop", Right: "r_loop", State: crm.StateConflict, Code: "write_loop"}
	d.putListed(circle)
	d.must(d.mem.Transact(d.t.Context(), addWrite(nil, d.sc.counts(), map[string]int64{
		countFrozen + countLinks: 1, countSettled + countLinks: 3, countSettled + string(crm.ReasonUndone): 2,
	}, time.Time{})))
}

// glanced glances at the desk's connection; whatever waits is on the agenda.
func (d *desk) glanced(ctx context.Context) (Glance, error) {
	d.putJSON(agendaKey(d.sc), agendaItem{V: 1, Workspace: d.sc.ws, Connection: d.sc.con, Sync: d.sc.sync, Touched: d.now})
	return d.Glance(ctx, d.sc.ws, d.conn)
}

// halted is a desk whose admin has to decide about deletions.
func (d *desk) halted() {
	d.runs(crm.StatusHalted)
	since := d.now.Add(-time.Hour)
	d.putJSON(d.sc.halt(), haltItem{V: 1, Halt: Halt{Since: since, Deletions: 2, Links: 3, Side: crm.Right}})
	for _, side := range crm.Sides {
		d.putJSON(d.sc.gone(side, "x_"+crm.RecordID(side)), goneItem{V: 1, At: d.now})
	}
}

// deskReads are the questions and decisions that a laden desk has an answer to.
func deskReads(ctx context.Context, d *desk) map[string]func() (any, error) {
	ws, con, sync := d.sc.ws, d.sc.con, d.sc.sync
	paged := func(f func(cursor string) (any, string, error)) func() (any, error) {
		return func() (any, error) {
			var pages []any
			for cursor := ""; len(pages) < 20; {
				page, next, err := f(cursor)
				if err != nil {
					return nil, err
				}
				pages = append(pages, page)
				if cursor = next; next == "" {
					break
				}
			}
			return pages, nil
		}
	}
	log := func(f LogFilter, limit int) func() (any, error) {
		f.Connection = con
		return paged(func(cursor string) (any, string, error) {
			entries, next, err := d.ListLog(ctx, ws, f, limit, cursor)
			out := []string{}
			for _, e := range entries {
				out = append(out, fmt.Sprintf("%s %s %t", strings.TrimPrefix(e.ID, "log_con~"), e.Record, e.Resolved))
			}
			return out, next, err
		})
	}
	run := func(id crm.RunID) func() (any, error) { return func() (any, error) { return d.GetRun(ctx, ws, id) } }
	plan := func(id crm.PlanID) func() (any, error) { return func() (any, error) { return d.GetPlan(ctx, ws, id) } }
	apply := func(id crm.PlanID) func() (any, error) {
		return func() (any, error) { return d.ApplyPlan(ctx, ws, id) }
	}
	undo := func(id crm.RunID) func() (any, error) { return func() (any, error) { return d.UndoRun(ctx, ws, id) } }
	runs := func(con crm.ConnectionID) func() (any, error) {
		return paged(func(cursor string) (any, string, error) { return fmtPage(d.ListRuns(ctx, ws, con, 2, cursor)) })
	}
	history := func(rec crm.RecordID, fields ...crm.MappingID) func() (any, error) {
		return paged(func(cursor string) (any, string, error) {
			return fmtPage(d.FieldHistory(ctx, ws, con, sync, crm.Left, rec, fields, 1, cursor))
		})
	}
	restore := func(rec crm.RecordID, entry string, fields ...crm.MappingID) func() (any, error) {
		return func() (any, error) { return d.RestoreRecord(ctx, ws, con, sync, crm.Left, rec, fields, entry) }
	}
	entry := func(id string) func() (any, error) { return func() (any, error) { return d.GetEntry(ctx, ws, id) } }
	retry := func(id string, values crm.Fields) func() (any, error) {
		return func() (any, error) { return d.RetryEntry(ctx, ws, id, values) }
	}
	failed := func(f LogFilter) func() (any, error) {
		f.Connection, f.Sync = con, sync
		return func() (any, error) { return d.RetryFailed(ctx, ws, f) }
	}
	late := encodeText([]byte(`{"d":"2026-01-01"}`))
	return map[string]func() (any, error){
		"log":                    log(LogFilter{}, 2),
		"log of a record":        log(LogFilter{Record: bobRight}, 5),
		"log of a side":          log(LogFilter{Side: crm.Right}, 5),
		"log of a run":           log(LogFilter{Run: "run_done"}, 5),
		"log of a sync":          log(LogFilter{Sync: "another"}, 5),
		"log of a mapping":       log(LogFilter{Mapping: "tags"}, 5),
		"log of a code":          log(LogFilter{Code: "rejected"}, 5),
		"log of outcomes":        log(LogFilter{Outcomes: []crm.Outcome{crm.Updated, crm.Conflict}}, 5),
		"log from then":          log(LogFilter{From: d.now.Add(-59 * time.Minute)}, 5),
		"log until then":         log(LogFilter{To: d.now.Add(-59 * time.Minute)}, 5),
		"log to its last entry":  log(LogFilter{Code: "rejected", From: d.now.Add(-24 * time.Hour)}, 2),
		"log of no time":         log(LogFilter{From: d.now, To: d.now.AddDate(0, 0, -3)}, 5),
		"log of days to come":    log(LogFilter{From: d.now, To: d.now.AddDate(1, 0, 0)}, 5),
		"log that is not kept":   func() (any, error) { return fmtList(d.ListLog(ctx, ws, LogFilter{Connection: con}, 5, late)) },
		"entry":                  entry(today + "0"),
		"entry of a failure":     entry(today + "1"),
		"entry at the end":       entry(today + "6"),
		"entry of a refusal":     entry(today + "3"),
		"entry beyond the page":  entry(today + "7"),
		"run":                    run("run_done"),
		"run of webhooks":        run(d.webhookRun(d.sc)),
		"run that failed":        run("run_other"),
		"run of a plan":          run("run_plan"),
		"run of no connection":   run("run_elsewhere"),
		"run that is open":       run("run_open"),
		"runs":                   runs(""),
		"runs of the connection": runs(con),
		"cancel":                 func() (any, error) { return d.CancelRun(ctx, ws, "run_open") },
		"cancel what is over":    func() (any, error) { return d.CancelRun(ctx, ws, "run_done") },
		"plan":                   plan("pln"),
		"plan of no connection":  plan("pln_gone"),
		"plan's changes": paged(func(cursor string) (any, string, error) {
			changes, next, err := d.PlanChanges(ctx, ws, "pln", 2, cursor)
			out := []string{}
			for _, c := range changes {
				out = append(out, string(c.Record)+c.Digest)
			}
			return out, next, err
		}),
		"apply":                           apply("pln"),
		"apply what is not ready":         apply("pln_open"),
		"apply what is outdated":          apply("pln_old"),
		"apply what is older":             apply("pln_older"),
		"apply an undo":                   apply("pln_undo"),
		"apply an undo of other accounts": apply("pln_moved"),
		"undo":                            undo("run_done"),
		"undo of a plan":                  undo("run_plan"),
		"undo of what is open":            undo("run_open"),
		"undo of other accounts":          undo("run_moved"),
		"undo long after": func() (any, error) {
			d.now = time.Date(2026, 11, 20+deskDays, 9, 0, 0, 1, time.UTC)
			return d.UndoRun(ctx, ws, "run_done")
		},
		"undo at the last moment": func() (any, error) {
			d.now = time.Date(2026, 11, 20+deskDays, 9, 0, 0, 0, time.UTC)
			return d.UndoRun(ctx, ws, "run_done")
		},
		"until when runs can be undone": func() (any, error) {
			is := []*Run{{Kind: RunPull, CreatedAt: d.now}, {Kind: RunPlan, CreatedAt: d.now}}
			return is, d.UndoUntil(ctx, ws, is...)
		},
		"history":                     history(bobLeft),
		"history of a field":          history(bobLeft, "city"),
		"history of nobody":           history("l_nobody"),
		"restore":                     restore(bobLeft, today+"0"),
		"restore of another record":   restore("l_carl", today+"0"),
		"restore of what was refused": restore("l_carl", today+"3"),
		"restore of a field":          restore(bobLeft, today+"0", "tags"),
		"restore of the beginning":    restore(bobLeft, dayBefore, "city"),
		"restore of nobody":           restore("l_nobody", today+"0"),
		"retry":                       retry(today+"2", nil),
		"retry with values":           retry(today+"2", crm.Fields{"city": crm.TextValue("x")}),
		"retry of what went well":     retry(today+"0", nil),
		"retry all that failed":       failed(LogFilter{}),
		"retry all that is a problem": failed(LogFilter{Outcomes: []crm.Outcome{crm.Failed, crm.Duplicate, crm.Updated}}),
		"retry all of a side":         failed(LogFilter{Side: crm.Right}),
		"dead": paged(func(cursor string) (any, string, error) {
			return fmtPage(d.ListDead(ctx, ws, con, 2, cursor))
		}),
		"redrive":                 func() (any, error) { return d.RedriveDead(ctx, ws, con) },
		"status":                  func() (any, error) { return d.Status(ctx, ws, con) },
		"glance":                  func() (any, error) { return d.glanced(ctx) },
		"waits of accounts":       func() (any, error) { return d.AccountWaits(ctx, ws) },
		"due":                     func() (any, error) { return d.DuePulls(ctx, ws, d.now) },
		"due later":               func() (any, error) { return d.DuePulls(ctx, ws, d.now.Add(24*time.Hour)) },
		"settings changed":        func() (any, error) { return d.SettingsChanged(ctx, ws, con) },
		"authorized":              func() (any, error) { return nil, d.AccountAuthorized(ctx, ws, d.conn.Left.Account) },
		"forget leases":           func() (any, error) { return nil, d.ForgetLeases(ctx, ws) },
		"confirm":                 func() (any, error) { return nil, d.ConfirmDeletions(ctx, ws, con, sync) },
		"discard":                 func() (any, error) { return nil, d.DiscardDeletions(ctx, ws, con, sync) },
		"confirm a change":        func() (any, error) { return nil, d.ConfirmChanges(ctx, ws, con, sync, "city") },
		"discard a change":        func() (any, error) { return nil, d.DiscardChanges(ctx, ws, con, sync, "tags") },
		"confirm a change of all": func() (any, error) { return nil, d.ConfirmChanges(ctx, ws, con, sync, "all") },
		"unfreeze": func() (any, error) {
			return d.UnfreezeRecord(ctx, ws, con, sync, crm.Left, bobLeft, []crm.MappingID{"city"})
		},
		"resync": func() (any, error) { return d.StartRun(ctx, ws, con, sync, RunResync) },
		"pull":   func() (any, error) { return d.StartRun(ctx, ws, con, sync, RunPull) },
		"listen": func() (any, error) { return d.listen(ctx, d.sc, d.conn, true) },
	}
}

// fmtPage makes a page of any list one of a list of anything.
func fmtPage[T any](page []T, next string, err error) (any, string, error) { return page, next, err }

func fmtList[T any](page []T, next string, err error) (any, error) {
	return fmt.Sprintf("%d, more %t", len(page), next != ""), err
}

// TestReadsMayFail: what is answered about a sync that has been at work for long,
// while it rests, lists, waits for everything, and for its admin; a question of
// which a request fails is not answered by half.
func TestReadsMayFail(t *testing.T) {
	t.Parallel()
	s := &stories{t: t}
	states := map[string]func(d *desk){
		"rests": func(*desk) {}, "lists": func(d *desk) { d.busy(RunPull) }, "waits": (*desk).stuck, "halted": (*desk).halted,
	}
	only := map[string]string{ // what is asked while it does not rest
		"lists": "run that is open, cancel, undo of what is open, apply, resync, pull, due, due later, status, runs, settings changed",
		"waits": "run that is open, status, waits of accounts, authorized, forget leases, confirm a change, discard a change, " +
			"listen, due later",
		"halted": "confirm, discard, status, waits of accounts, apply, retry, restore, authorized, due later, resync",
	}
	for _, state := range sortedNames(states) {
		for _, name := range sortedNames(deskReads(t.Context(), newDesk(t))) {
			if state != "rests" && !strings.Contains(", "+only[state]+",", ", "+name+",") {
				continue
			}
			s.play(name+", "+state, func(d *desk) {
				d.laden()
				states[state](d)
				d.brief = true
			}, func(d *desk) (string, error) {
				said, err := deskReads(t.Context(), d)[name]()
				if err != nil {
					return "", err
				}
				return madeText.ReplaceAllString(fmt.Sprintf("%s; queued %s", compact(said), d.queued()), "$1"), nil
			})
		}
	}
	written.Check(t, "desk/reads.txt", s.out.String())
}

// TestValuesAreLookedUp: each value once, in as few calls as the apps allow; one that
// too many hold is nobody's, whoever is asked about with it, and whichever call fails
// is said.
func TestValuesAreLookedUp(t *testing.T) {
	t.Parallel()
	s := &stories{t: t}
	for _, c := range []struct {
		name  string
		apart func(d *desk)
	}{
		{"each by itself", func(*desk) {}},
		{"many hold one of them", func(d *desk) { d.apps[1].crowd = "c@example.com" }},
		{"many hold the last one", func(d *desk) { d.apps[1].crowd = "e@example.com" }},
		{"many hold the only one", func(d *desk) { d.apps[0].crowd = "l@example.com" }},
		{"an app answers for others", func(d *desk) { d.apps[1].odd = true }},
	} {
		s.play(c.name, func(d *desk) {
			for _, one := range []string{"a", "b", "c", "e"} {
				d.person(crm.Right, crm.RecordID("r_"+one), "Rome", one+"@example.com")
			}
			d.person(crm.Right, "r_also_a", "Rome", "a@example.com")
			d.person(crm.Left, "l_l", "Rome", "l@example.com")
			c.apart(d)
			d.brief = true
		}, func(d *desk) (string, error) {
			key := func(side crm.Side, spellings ...string) reconcile.Key {
				return reconcile.Key{Side: side, Field: deskFields[side.Index()][1], Spellings: spellings}
			}
			right := []reconcile.Key{
				key(crm.Right, "c@example.com", "a@example.com"), key(crm.Right, "a@example.com", "d@example.com"),
				key(crm.Right, "e@example.com", "b@example.com"),
			}
			q := questions{}
			q.add(right)
			q.add([]reconcile.Key{key(crm.Left, "l@example.com")})
			found, err := d.s.answer(t.Context(), q)
			if err != nil {
				return "", err
			}
			said := "asks " + strings.Join(d.asked, "; ")
			for _, keys := range [][]reconcile.Key{right, {key(crm.Left, "l@example.com")}, {key(crm.Left, "a@example.com")}} {
				for _, r := range found.all(keys) {
					said += fmt.Sprintf(", %s %t", r.ID, found.holds(keys, r.ID))
				}
				said += fmt.Sprintf("; nobody %t", found.holds(keys, "nobody"))
			}
			return said, nil
		})
	}
	written.Check(t, "desk/lookups.txt", s.out.String())
}

// TestWhoWaitsForAPartner: who waits for the link of another record is noted, and sent on
// its way by whoever links that one, or by the tick.
func TestWhoWaitsForAPartner(t *testing.T) {
	t.Parallel()
	s := &stories{t: t}
	waits := func(partner, record, refused crm.RecordID) awaitedItem {
		return awaitedItem{V: 1, Sync: "people", Side: crm.Left, Partner: partner, Record: record, Refused: refused}
	}
	put := func(d *desk, items ...awaitedItem) {
		for _, a := range items {
			d.putJSON(d.sc.awaited(a.Sync, a.Side, a.Partner, a.Record), a)
		}
	}
	linked := func(d *desk) { d.putLink(&link{Left: bobLeft, Right: bobRight, State: crm.StateInSync}) }
	many := func(d *desk) {
		d.calm = true
		for i := range awaitedPage + 1 {
			put(d, waits(crm.RecordID(fmt.Sprintf("l_%04d", i)), "l_of_many", ""))
		}
	}
	for _, c := range []struct {
		name string
		lay  func(d *desk)
	}{
		{"nobody", func(*desk) {}},
		{"no sync has partners", func(d *desk) { d.conn.Syncs[0].Associations = nil }},
		{"for one that is not linked", func(d *desk) { put(d, waits(bobLeft, "l_1", "")) }},
		{"for one that is linked", func(d *desk) {
			linked(d)
			put(d, waits(bobLeft, "l_1", ""), waits(bobLeft, "l_2", ""), waits(annLeft, "l_2", ""), waits(annLeft, "l_3", ""))
			right := waits(bobRight, "r_1", "")
			right.Side = crm.Right
			put(d, right)
		}},
		{"twice", func(d *desk) {
			linked(d)
			other := waits(bobRight, "l_1", "")
			d.putJSON(d.sc.awaited("people", crm.Left, bobLeft, "l_also"), waits(bobLeft, "l_1", ""))
			put(d, waits(bobLeft, "l_1", ""), other)
		}},
		{"for a pair that ended", func(d *desk) {
			d.putLink(&link{Left: bobLeft, Right: bobRight, State: crm.StateDeleted})
			put(d, waits(bobLeft, "l_1", ""))
		}},
		{"for a single", func(d *desk) {
			d.putLink(&link{Left: bobLeft, State: crm.StateExcluded})
			put(d, waits(bobLeft, "l_1", ""))
		}},
		{"for another twin", func(d *desk) {
			linked(d)
			put(d, waits(bobLeft, "l_1", bobRight), waits(bobLeft, "l_2", "r_before"))
		}},
		{"more than a page", many},
		{"more than a page, and one is linked", func(d *desk) {
			many(d)
			linked(d)
			put(d, waits(bobLeft, "l_1", ""))
		}},
		{"one cannot be read", func(d *desk) { d.put(d.sc.awaited("people", crm.Left, bobLeft, "l_1"), []byte("{"), nil) }},
	} {
		lay := func(d *desk) {
			d.runs(crm.StatusActive)
			d.conn.Syncs[0].Associations = []crm.Association{{Left: "boss", Right: "Boss", Sync: "people"}}
			c.lay(d)
			d.brief = true
		}
		for _, running := range []bool{true, false} {
			if !running && !strings.HasPrefix(c.name, "for one") {
				continue
			}
			s.play(fmt.Sprintf("%s, a tick, running %t", c.name, running), lay, func(d *desk) (string, error) {
				var said []string
				began := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
				for i := range 3 {
					d.now = began.Add(time.Duration(i) * probeEvery)
					waits, err := d.attendAwaited(t.Context(), d.sc, d.conn, running)
					if err != nil {
						return "", err
					}
					again, err := d.attendAwaited(t.Context(), d.sc, d.conn, running) // it is not due
					said = append(said, fmt.Sprintf("waits %t and %t, %v", waits, again, err))
				}
				return strings.Join(said, "; "), nil
			})
		}
		links := map[string][]crm.RecordRef{
			"nobody is linked": nil, "others are linked": {{Side: crm.Left, ID: "l_x"}, {Side: crm.Right, ID: bobLeft}},
			"two are linked": {{Side: crm.Left, ID: bobLeft}, {Side: crm.Right, ID: bobRight}},
		}
		for _, name := range sortedNames(links) {
			joined := links[name]
			if name != "two are linked" && !strings.HasPrefix(c.name, "for one that is linked") && c.name != "more than a page" {
				continue
			}
			s.play(c.name+", "+name, lay, func(d *desk) (string, error) {
				return "", (&books{s: d.s, joined: joined}).rousePartners(t.Context())
			})
		}
	}
	for _, live := range []bool{false, true} {
		s.play(fmt.Sprintf("noted, its partner is linked meanwhile %t", live), func(d *desk) {
			d.runs(crm.StatusActive)
			if live {
				linked(d)
			}
			d.brief = true
		}, func(d *desk) (string, error) {
			bob := waits(bobLeft, "l_1", "")
			b := &books{s: d.s, waiting: []awaitedItem{bob, bob, waits(annLeft, "l_2", "")}}
			err := b.storeAwaited(t.Context())
			return compact(b.rehint), err
		})
	}
	written.Check(t, "desk/partners.txt", s.out.String())
}
