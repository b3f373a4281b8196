package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// underLatest works jobs under the settings as they are when the lease is taken:
// whoever worked the sync under newer ones meanwhile is not followed by older ones.
func (e *Engine) underLatest(ctx context.Context, jobs []*job) error {
	for range 3 {
		if err := e.process(ctx, jobs); !errors.Is(err, errOutdated) {
			return err
		}
		e.Mark("settings_outdated")
		jobs = slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return j.done })
	}
	return errLeased // they change faster than work begins
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
	s.hand = jobs[0].hand
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
	if err := s.acquire(ctx); err != nil {
		return err
	}
	if err := s.recoverIntents(ctx); err != nil {
		return fmt.Errorf("finish open intents: %w", err)
	}
	return s.workJobs(ctx, jobs)
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
	if err := s.loadTakeBacks(ctx, us); err != nil {
		return err
	}
	s.decide(us)
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
	if wait, ok := waits(actErr); ok {
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

// observe is the first step: read both sides as they are now, and look for the
// twins of records that have none. What a pull saw unchanged is not read. Where
// a merge comes to light, links follow it first and everything is looked at
// anew; the units returned are those to go on with.
func (s *session) observe(ctx context.Context, us []*unit) ([]*unit, error) {
	for range mergeRounds {
		look, err := s.readPairs(ctx, us)
		if err != nil {
			return us, err
		}
		again, err := s.followMerges(ctx, look)
		if err != nil {
			return us, fmt.Errorf("follow merges: %w", err)
		}
		if !again {
			err := s.findTwins(ctx, look)
			s.sparesRead(look)
			return us, err
		}
		if us, err = s.afresh(ctx, us); err != nil {
			return us, err
		}
	}
	return us, fault.New("engine: observe", fault.Unavailable, "merges_unsettled",
		"the app tells of one merge after the other")
}

// decide is the second step: for every unit, what is to be done. Nothing
// is asked or written here.
func (s *session) decide(us []*unit) {
	b := batch{
		session: s, units: map[unitKey]bool{}, creates: map[string][]*unit{},
		pairs: map[unitKey]*unit{}, births: map[unitKey]*unit{},
	}
	for _, u := range us {
		b.units[unitKey{u.side, u.id}] = true
	}
	for _, u := range us {
		if u.decided {
			u.stays()
			continue
		}
		if err := s.guarded(func() error { b.decideOne(u); return nil }); err != nil {
			u.decide(crm.Failed, crm.StateFailing, "internal_error", "an internal check failed on this record")
		}
		u.stays()
		s.checkExpected(u)
	}
}

// intend is the third step: claim the identities of records to be created and
// store what is about to be written. Without writes there is nothing to intend.
func (s *session) intend(ctx context.Context, l *lot) error {
	if l.claims() {
		if err := s.ensureLease(ctx, nil); err != nil {
			return err
		}
	}
	if err := s.claim(ctx, l); err != nil {
		return fmt.Errorf("claim identities: %w", err)
	}
	in := s.intentOf(ctx, l)
	if len(in.Entries) == 0 {
		if l.quiet() {
			return nil
		}
		return s.ensureLease(ctx, nil)
	}
	l.intent = in
	return s.storeIntent(ctx, l)
}

// act is the fourth step: write to the apps what was intended, in batches. A
// row's failure is its own. An error of a whole call ends the step; what was
// not tried any more is undone, and what may have landed stays open.
func (s *session) act(ctx context.Context, l *lot) error {
	if l.intent == nil {
		return nil
	}
	for _, side := range crm.Sides {
		for _, op := range []connector.Op{connector.Update, connector.Create, connector.Upsert, connector.Archive} {
			for rows := s.rows(l, side, op); len(rows) > 0; rows = again(side, rows) {
				for part := range slices.Chunk(rows, max(s.end(side).app.Limits.WriteBatch, 1)) {
					if s.bars[side.Index()] { // nothing else would come of it
						for _, r := range part {
							r.u.fate.barred.Set(side, true)
						}
						continue
					}
					if err := s.write(ctx, side, part); err != nil {
						s.abandon(l)
						return err
					}
				}
			}
		}
	}
	return nil
}

// settle is the last step: remember what both sides now agree on, tell the log,
// then, in one transaction, clear the intent, count, and store what has to wait.
// A chunk thus counts once, however often it is delivered.
func (s *session) settle(ctx context.Context, l *lot) error {
	b := s.openBooks(l)
	for _, u := range l.units {
		b.unit(ctx, u)
	}
	if err := b.keepBarred(ctx); err != nil {
		return err
	}
	if err := b.storeLinks(ctx); err != nil {
		return err
	}
	if err := b.storePages(ctx); err != nil {
		return err
	}
	if err := b.close(ctx); err != nil {
		return err
	}
	s.forgetDecided(ctx, l)
	return nil
}
