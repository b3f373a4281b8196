package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Verdict is what to do with one delivery: remove it, or hand it back.
type Verdict struct {
	Receipt string
	Ack     bool
	Retry   time.Duration // visibility when not acknowledged
}

// job is one delivery on its way through the matcher and writer.
type job struct {
	queue.Delivery
	chunk   *chunk
	verdict *Verdict
	held    *hold  // shared by all that came together
	begun   bool   // its records were asked for
	done    bool   // has a verdict
	why     string // code of what it waits for
	told    told   // what was counted of its chunk before
}

func (j *job) ack()                      { j.verdict.Ack, j.done = true, true }
func (j *job) retry(after time.Duration) { j.verdict.Retry, j.done = after, true }

// Work is the matcher and writer: it works deliveries and says of each whether
// it may be removed. The answer has one verdict per delivery, in order, and
// never fails as a whole; one bad record never fails its chunk.
func (e *Engine) Work(ctx context.Context, ds []queue.Delivery) []Verdict {
	verdicts := make([]Verdict, len(ds))
	var order []string
	groups := map[string][]*job{}
	for i, d := range ds {
		verdicts[i].Receipt = d.Receipt
		first := groups[d.Group]
		if first == nil {
			order = append(order, d.Group)
			first = []*job{{held: &hold{since: e.Now()}}}
		}
		j := &job{Delivery: d, verdict: &verdicts[i], held: first[0].held}
		j.held.receipts = append(j.held.receipts, d.Receipt)
		groups[d.Group] = append(groups[d.Group], j)
	}
	for _, g := range order {
		e.workGroup(ctx, groups[g])
	}
	return verdicts
}

// workGroup works the deliveries of one message group: one sync's, in order.
func (e *Engine) workGroup(ctx context.Context, jobs []*job) {
	jobs = e.once(ctx, e.decode(jobs))
	if len(jobs) == 0 {
		return
	}
	started := e.Now()
	for len(jobs) > 0 {
		batch := e.together(jobs)
		e.workBatch(ctx, batch)
		jobs = jobs[len(batch):]
		if age := e.Now().Sub(started); age < 0 || age >= e.Tuning.Budget || !batch[0].verdict.Ack {
			break
		}
	}
	for _, j := range jobs {
		e.later(ctx, j)
	}
}

// later returns a delivery that there was no time to begin with. One that comes
// again and again for that is parked, so that it is not taken for one that
// kills its worker.
func (e *Engine) later(ctx context.Context, j *job) {
	if j.Receives < e.Tuning.AloneAfter-1 {
		j.retry(0)
		return
	}
	e.parkOrRetry(ctx, j, 0, "parked_for_time")
}

// leasedRetry is when a message that met another worker's lease comes again; it
// is four times as long after each further receive.
const leasedRetry = 250 * time.Millisecond

// handBack returns a delivery that was not worked, through no fault of its
// own. Before its receives are used up it is parked instead, so that waiting
// alone never makes a dead letter.
func (e *Engine) handBack(ctx context.Context, j *job, after time.Duration) {
	if j.Receives < e.Tuning.ReceiveCap-1 {
		j.retry(after)
		return
	}
	e.parkOrRetry(ctx, j, after, "parked_before_the_cap")
}

// once hands back the second delivery of a chunk that came twice in a batch:
// it must meet what the first one leaves behind.
func (e *Engine) once(ctx context.Context, jobs []*job) []*job {
	seen := map[string]bool{}
	out := jobs[:0:0]
	for _, j := range jobs {
		if seen[j.chunk.ID] {
			e.Mark("chunk_twice_in_batch")
			e.handBack(ctx, j, time.Second)
			continue
		}
		seen[j.chunk.ID] = true
		out = append(out, j)
	}
	return out
}

// decode reads the bodies. What cannot be read has no connection to be a dead
// item of: it stays on the queue until the dead-letter queue takes it.
func (e *Engine) decode(jobs []*job) []*job {
	readable := jobs[:0:0]
	for _, j := range jobs {
		c, err := decodeChunk(j.Body)
		if err != nil {
			e.Log.Error("message not readable", "message_id", j.ID, "receives", j.Receives, "error", err)
			e.Mark("unreadable_message")
			j.retry(e.Tuning.MaxRetry)
			continue
		}
		j.chunk = c
		readable = append(readable, j)
	}
	return readable
}

// together returns the leading jobs that may be worked side by side. One that
// was received twice before is worked alone.
func (e *Engine) together(jobs []*job) []*job {
	for i, j := range jobs {
		if j.Receives >= e.Tuning.AloneAfter {
			e.Mark("worked_alone")
			return jobs[:max(i, 1)]
		}
		if j.chunk.scope() != jobs[0].chunk.scope() || (j.chunk.Kind == RunPlan) != (jobs[0].chunk.Kind == RunPlan) {
			return jobs[:i]
		}
	}
	return jobs
}

// workBatch works jobs of one sync and gives each a verdict.
func (e *Engine) workBatch(ctx context.Context, jobs []*job) {
	err := e.guarded(func() error { return e.process(ctx, jobs) })
	for _, j := range jobs {
		if j.done {
			continue
		}
		if err == nil {
			j.ack()
			continue
		}
		e.failed(ctx, j, err)
	}
}

// guarded turns a panic into an error: an internal assertion fails its item
// with a log entry, never the process.
func (e *Engine) guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			e.Log.Error("internal error", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			e.Mark("panic_recovered")
			err = fault.New("engine: work", fault.Other, "internal_error", "an internal check failed")
		}
	}()
	return f()
}

// failed decides what becomes of a chunk whose work ended early: parked when
// it has to wait, redelivered when it may help, a dead item at the cap.
func (e *Engine) failed(ctx context.Context, j *job, err error) {
	kind, wait := fault.KindOf(err), fault.RetryAfter(err)
	j.why = fault.CodeOf(err)
	if fault.CodeOf(err) == "leased" {
		// Most holders let go long before their time is up.
		soon := leasedRetry << min(2*max(j.Receives-1, 0), 10)
		e.handBack(ctx, j, min(max(wait, leasedRetry), soon, e.Tuning.MaxRetry))
		return
	}
	level := slog.LevelWarn
	if kind == fault.Throttled {
		level = slog.LevelDebug // a limit: it goes on by itself
	}
	e.Log.Log(ctx, level, "chunk not finished", "connection", j.chunk.Connection, "sync", j.chunk.Sync, "chunk", j.chunk.ID,
		"receives", j.Receives, "kind", kind, "code", fault.CodeOf(err), "error", err)
	if kind == fault.Throttled {
		if wait <= 0 {
			wait = e.Tuning.MaxRetry
		}
		if wait <= e.Tuning.ParkAfter && j.Receives < e.Tuning.ReceiveCap {
			j.retry(wait)
			return
		}
		e.parkOrRetry(ctx, j, wait, "parked_throttled")
		return
	}
	if kind == fault.Denied {
		e.parkOrRetry(ctx, j, time.Minute, "parked_denied")
		return
	}
	if fault.CodeOf(err) == "paused" || fault.CodeOf(err) == "lease_ending" {
		if !j.begun {
			e.later(ctx, j)
			return
		}
		e.handBack(ctx, j, 0) // the next delivery sees the switch, or has time of its own
		return
	}
	if j.Receives >= e.Tuning.AloneAfter && len(j.chunk.Hints) > 1 && (kind == fault.Other || fault.CodeOf(err) == "malformed_answer") {
		if err := e.split(ctx, j, (len(j.chunk.Hints)+1)/2); err == nil {
			return
		}
	}
	if j.Receives >= e.Tuning.ReceiveCap {
		if e.outage(ctx, j.chunk.scope(), err) {
			e.parkOrRetry(ctx, j, e.Tuning.MaxRetry, "parked_in_outage")
			return
		}
		derr := e.bury(ctx, j.chunk, j.Receives, fault.CodeOf(err), safeText(err))
		for tries := 1; derr != nil && ctx.Err() == nil && tries < lastTries; tries++ {
			derr = e.bury(ctx, j.chunk, j.Receives, fault.CodeOf(err), safeText(err))
		}
		if derr != nil {
			e.Log.Error("dead item not stored", "chunk", j.chunk.ID, "error", derr)
			j.retry(e.Tuning.MaxRetry)
			return
		}
		e.Mark("dead_item")
		j.ack()
		return
	}
	j.retry(min(time.Second<<min(max(j.Receives-1, 0), 6), e.Tuning.MaxRetry))
}

// lastTries is how often a delivery whose receives are used up is parked, or
// made a dead item: after the queue's own cap nobody would come back for it.
const lastTries = 3

// parkOrRetry lets a chunk wait in the store, under the name of a rare state, or
// on the queue when it cannot be stored.
func (e *Engine) parkOrRetry(ctx context.Context, j *job, wait time.Duration, mark string) {
	j.chunk.Why = j.why
	err := e.park(ctx, j.chunk, wait)
	for tries := 1; err != nil && ctx.Err() == nil && j.Receives >= e.Tuning.ReceiveCap && tries < lastTries; tries++ {
		err = e.park(ctx, j.chunk, wait)
	}
	if err != nil {
		e.Log.Error("chunk not parked", "chunk", j.chunk.ID, "error", err)
		j.retry(e.Tuning.MaxRetry)
		return
	}
	e.Mark(mark)
	j.ack()
}

// split cuts a chunk into parts of so many records each: one that fails for a
// reason of ours or of one of its records, so that the culprit ends alone and
// its batch mates are worked, and one that takes longer than there is time.
func (e *Engine) split(ctx context.Context, j *job, size int) error {
	c := j.chunk
	counted, err := e.loadTold(ctx, c)
	if err != nil {
		return err
	}
	if err := e.touchAgenda(ctx, c.scope()); err != nil {
		return err
	}
	var ws []store.Write
	sent := int64(0)
	for hints := range slices.Chunk(counted.mark(c.Hints), size) {
		part := *c
		part.ID, part.Hints = fmt.Sprintf("%s-%d", c.ID, sent), hints
		sent++
		w, err := e.parkWrite(&part, time.Second)
		if err != nil {
			return err
		}
		ws = append(ws, w)
	}
	if c.Counted {
		ws = append(ws, store.Write{Item: store.Item{Key: c.scope().chunkDone(c.ID), Expires: e.Now().Add(runRetention)}, If: store.IfAbsent},
			store.Write{Op: store.Add, Item: store.Item{Key: runCounts(c.Workspace, c.Run), Expires: e.Now().Add(runRetention), Counters: map[string]int64{"chunks": 1, "sent": sent}}})
	}
	if err := e.Store.Transact(ctx, ws); err != nil {
		return err
	}
	e.Mark("chunk_split")
	j.ack()
	return nil
}

// safeText is what an admin may read of an error.
func safeText(err error) string {
	if f, ok := asFault(err); ok && f.Message != "" {
		return f.Message
	}
	return "the work could not be finished: " + fault.KindOf(err).String()
}

// process loads the connection, sorts out what may not run now, takes the
// lease, finishes what an earlier worker left, and runs the five steps.
func (e *Engine) process(ctx context.Context, jobs []*job) (err error) {
	sc := jobs[0].chunk.scope()
	conn, version, err := e.connectionAt(ctx, sc.ws, sc.con)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	defer func() { e.stands(ctx, sc, conn, version, err) }()
	jobs, err = e.admit(ctx, sc, conn, jobs)
	if err != nil || len(jobs) == 0 {
		return err
	}
	if waitedFor(jobs) {
		ctx = connector.Foreground(ctx)
	}
	s, err := e.open(ctx, sc, conn)
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			s.goesOn(ctx)
		}
	}()
	s.held = jobs[0].held
	if jobs[0].chunk.Kind == RunPlan {
		return s.planLots(ctx, jobs)
	}
	defer func() {
		if noted := s.noteHeld(context.WithoutCancel(ctx)); err == nil {
			err = noted
		}
	}()
	defer func() { s.release(context.WithoutCancel(ctx)) }()
	if lone(jobs) {
		vacant, err := s.findVacant(ctx)
		if err != nil {
			return err
		}
		if vacant {
			return s.workJobs(ctx, jobs)
		}
	}
	if err := s.take(ctx); err != nil {
		return err
	}
	if err := s.recoverIntents(ctx); err != nil {
		return fmt.Errorf("finish open intents: %w", err)
	}
	return s.workJobs(ctx, jobs)
}

// waitedFor reports whether a person waits for the work: a record they asked
// for, or a few changes that were just made in an app. A flood is bulk work.
func waitedFor(jobs []*job) bool {
	n := 0
	for _, j := range jobs {
		if j.chunk.Kind != RunWebhook && j.chunk.Kind != RunRecord {
			return false
		}
		n += len(j.chunk.Hints)
	}
	return n <= 10
}

// lone reports whether the work is one message with the hint of one record that
// no run waits for: what an app sends when a person saved something.
func lone(jobs []*job) bool {
	if len(jobs) != 1 || jobs[0].chunk.Counted || len(jobs[0].chunk.Hints) != 1 {
		return false
	}
	h := &jobs[0].chunk.Hints[0]
	return h.Into == "" && h.Op == "" // a merge and a person's wish write before they are planned
}

// admit gives a verdict to every job that must not run: those of deleted
// connections and older generations are dropped with a reason, those of a sync
// that is off go to its inbox, chunks that were counted already are done.
func (e *Engine) admit(ctx context.Context, sc scope, conn *crm.Connection, jobs []*job) ([]*job, error) {
	var open []*job
	for _, j := range jobs {
		switch {
		case conn == nil || conn.Status == crm.StatusDeleting:
			e.drop(j, "connection_deleted")
		case j.chunk.Generation != conn.Generation:
			e.drop(j, "older_generation")
		case conn.Sync(sc.sync) == nil:
			e.drop(j, "sync_not_found")
		default:
			if ok, code := runnable(conn, sc.sync); !ok && j.chunk.Kind != RunPlan {
				if j.chunk.Counted { // its run goes on when the sync is on again
					j.chunk.Why = code
					if err := e.park(ctx, j.chunk, 0); err != nil {
						return nil, err
					}
					e.Mark("parked_while_off")
					j.ack()
					continue
				}
				if err := e.toInbox(ctx, j.chunk, code); err != nil {
					return nil, err
				}
				e.Mark("inbox_while_off")
				j.ack()
				continue
			}
			open = append(open, j)
		}
	}
	return e.undone(ctx, sc, open)
}

func (e *Engine) drop(j *job, code string) {
	e.Log.Info("chunk dropped", "connection", j.chunk.Connection, "sync", j.chunk.Sync, "chunk", j.chunk.ID, "records", len(j.chunk.Hints), "code", code)
	e.Mark("dropped_" + code)
	j.ack()
}

// undone drops chunks that were finished and counted by an earlier delivery.
func (e *Engine) undone(ctx context.Context, sc scope, jobs []*job) ([]*job, error) {
	if len(jobs) == 0 {
		return jobs, nil
	}
	var keys []store.Key
	var counted []*job
	open := jobs[:0:0]
	for _, j := range jobs {
		if !j.chunk.Counted {
			open = append(open, j)
			continue
		}
		keys, counted = append(keys, sc.chunkDone(j.chunk.ID), sc.chunkTold(j.chunk.ID)), append(counted, j)
	}
	if len(keys) == 0 {
		return open, nil
	}
	items, err := e.Store.BatchGet(ctx, keys)
	if err != nil {
		return nil, err
	}
	kept := map[*job]bool{}
	for i, j := range counted {
		if items[2*i].Version != 0 {
			e.Mark("chunk_already_done")
			j.ack()
			continue
		}
		if j.told, err = toldOf(j.chunk, items[2*i+1]); err != nil {
			return nil, err
		}
		kept[j] = true
	}
	open = open[:0]
	for _, j := range jobs {
		if !j.chunk.Counted || kept[j] {
			open = append(open, j)
		}
	}
	return open, nil
}

// workJobs works as many chunks at once as the apps' pace allows, and then the
// next ones, while there is time.
func (s *session) workJobs(ctx context.Context, jobs []*job) error {
	for first := true; len(jobs) > 0; first = false {
		group, us, err := s.fitting(ctx, jobs, first)
		if err != nil {
			return err
		}
		if len(group) == 0 {
			return errTime
		}
		for _, j := range group {
			j.begun = true
		}
		if len(group) == 1 {
			if size, ok := s.tooLong(group[0], us); ok {
				if err := s.split(ctx, group[0], size); err != nil {
					return err
				}
				jobs = jobs[1:]
				continue
			}
		}
		if err := s.workTogether(ctx, group, us); err != nil {
			return err
		}
		jobs = jobs[len(group):]
	}
	return nil
}

// workTogether runs the five steps over lots of whole chunks.
func (s *session) workTogether(ctx context.Context, jobs []*job, us []*unit) (err error) {
	if us, err = s.observe(ctx, us); err != nil {
		return fmt.Errorf("observe: %w", err)
	}
	if err := s.storeRecalled(ctx, us); err != nil {
		return err
	}
	if err := s.heedDiscard(ctx, us); err != nil {
		return err
	}
	s.plan(us)
	if err := s.weigh(ctx, jobs, us); err != nil {
		return fmt.Errorf("weigh changes: %w", err)
	}
	s.setAside(us)
	defer func() {
		if lost := s.goWithout(ctx); err == nil {
			err = lost
		}
	}()
	for _, lot := range s.lots(jobs, us) {
		if s.over() {
			s.Mark("time_used_up")
			return errTime
		}
		finished, err := s.workLot(ctx, lot)
		if finished {
			for _, j := range lot.jobs {
				j.ack()
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// workLot writes one lot: intend, act, settle. finished says that everything in
// it has an outcome or waits in the store, even when err ends the work.
func (s *session) workLot(ctx context.Context, l *lot) (finished bool, err error) {
	if err := s.intend(ctx, l); err != nil {
		return false, fmt.Errorf("intend: %w", err)
	}
	actErr := s.act(ctx, l)
	if wait, ok := s.waits(actErr); ok {
		l.putOff(wait, fault.CodeOf(actErr))
	}
	if err := s.settle(ctx, l); err != nil {
		return false, fmt.Errorf("settle: %w", err)
	}
	if l.unfinished && actErr == nil {
		s.Mark("lot_unfinished")
		actErr = fault.New("engine: work", fault.Unavailable, "unfinished", "the fate of some records is not known yet")
	}
	return !l.unfinished, actErr
}

// waits reports whether an error only means "later", so that what was not
// written can wait in the store by itself while the rest of its chunk is done.
func (s *session) waits(err error) (wait time.Duration, ok bool) {
	switch {
	case err == nil:
		return 0, false
	case fault.Is(err, fault.Throttled):
		return max(fault.RetryAfter(err), time.Second), true
	case fault.CodeOf(err) == "paused", fault.CodeOf(err) == "lease_ending":
		return time.Second, true
	}
	return 0, false
}

// needAuthorization marks the connection, once, when work failed because an
// account's grant is gone. A connection that changed since the work began is
// left alone: somebody may have let us in again, and nobody would a second time.
func (e *Engine) needAuthorization(ctx context.Context, sc scope, began int64, cause error) {
	if fault.CodeOf(cause) != codeReauthorize {
		return
	}
	conn, version, err := store.LoadConnection(ctx, e.Store, sc.ws, sc.con)
	if err != nil || version != began || conn.Status != crm.StatusActive {
		return
	}
	conn.Status, conn.StatusAt = crm.StatusNeedsAuth, e.Now()
	if _, err := store.SaveConnection(ctx, e.Store, sc.ws, conn, version); err != nil {
		e.Log.Warn("connection not marked", "connection", sc.con, "error", err)
		return
	}
	var at *sideError
	if errors.As(cause, &at) && e.Refused != nil {
		if err := e.Refused(ctx, sc.ws, conn.Account(at.side)); err != nil {
			e.Log.Warn("account not marked", "connection", sc.con, "account", conn.Account(at.side), "error", err)
		}
	}
	e.Mark("needs_authorization")
	e.Log.Warn("connection needs authorization", "connection", sc.con)
}

// bury stores a dead item under its connection, with the reason. Its run goes
// on without it: one poisoned chunk must not hold up the sync.
func (e *Engine) bury(ctx context.Context, c *chunk, receives int, code, reason string) error {
	alone := *c
	alone.Counted = false // when it is redriven, no run waits for it
	body, err := json.Marshal(deadItem{V: 1, Chunk: alone, Receives: receives, Code: code, Reason: reason, At: e.Now()})
	if err != nil {
		return err
	}
	ws := []store.Write{{Item: store.Item{Key: dead(c.Workspace, c.Connection, c.ID), Data: body}}}
	if c.Counted {
		left, err := e.leftRun(ctx, c, crm.Failed)
		if err != nil {
			return err
		}
		ws = append(ws, left...)
	}
	if err = e.Store.Transact(ctx, ws); c.Counted && fault.Is(err, fault.Conflict) {
		return nil // it was finished by an earlier delivery after all
	}
	return err
}
