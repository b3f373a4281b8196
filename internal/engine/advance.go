package engine

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// after is the phase that follows.
func (r *storedRun) after(p phase) phase {
	switch p {
	case phaseLeft:
		return phaseRight
	case phaseRight:
		switch {
		case r.Run.Kind != RunPull || r.Full:
		case r.Again != nil:
			return phaseAgainLeft
		default:
			return r.after(phaseAgainRight)
		}
		if r.Salt != "" {
			return phaseSendLeft
		}
		return phaseDrain
	case phaseAgainLeft:
		return phaseAgainRight
	case phaseAgainRight:
		if r.Audit != nil {
			return phaseAudit
		}
		return phaseSweepLeft
	case phaseAudit:
		return phaseAuditRight
	case phaseAuditRight:
		return phaseSweepLeft
	case phaseSendLeft:
		return phaseSendRight
	case phaseSendRight:
		return phaseDrain
	case phaseSweepLeft:
		return phaseSweepRight
	case phaseSweepRight, phaseApply, phaseUndo, phaseKnown:
		return phaseDrain
	case phaseDrain:
		if r.wholly() && r.Run.Kind != RunPlan {
			return phaseMissing
		}
		return phaseOver
	case phaseMissing:
		return phaseConfirm
	case phaseConfirm, phaseOver:
		return phaseOver
	}
	return phaseOver
}

// listing reports whether the phase asks an app for a page of what was modified.
func (p phase) listing() bool { return p == phaseLeft || p == phaseRight || p.again() }

// again reports whether the phase is part of a second look.
func (p phase) again() bool { return p == phaseAgainLeft || p == phaseAgainRight }

// side is the side that the phase lists.
func (p phase) side() crm.Side {
	if p == phaseRight || p == phaseAgainRight {
		return crm.Right
	}
	return crm.Left
}

// sendRest queues hints that were listed, as far as the window allows. full
// says that some have to wait.
func (s *session) sendRest(ctx context.Context, r *storedRun) (full bool, err error) {
	for r.turn(); len(r.Rest) > 0; r.turn() {
		counters, err := s.counters(ctx, s.scope, r.Run.ID)
		if err != nil {
			return false, err
		}
		room := s.Tuning.Window - int(r.Sent+counters["sent"]-counters["chunks"])
		if room <= 0 {
			return true, nil
		}
		var cs []*chunk
		rest := r.Rest
		for _, p := range r.parts(s.Tuning.ChunkSize, room) {
			c := s.newChunk(s.scope, s.conn, r.Run.Kind, r.Run.ID, r.RestSide, slices.Clone(rest[:p.Hints]))
			c.Generation, c.Counted, c.Plan = r.Generation, true, r.Run.Plan
			c.ID = p.ID
			cs, rest = append(cs, c), rest[p.Hints:]
		}
		if err := s.send(ctx, cs); err != nil {
			return false, err
		}
		r.Sent += int64(len(cs))
		r.Rest, r.Named, r.unsaved = slices.Clone(rest), r.Named[min(len(cs), len(r.Named)):], true
	}
	return false, nil
}

// namedPart is a part of what a run has listed, as it is sent: its name, and how
// many hints it has.
type namedPart struct {
	ID    string `json:"id"`
	Hints int    `json:"n"`
}

// parts divides what waits into what is sent as one, most of them at most. Those
// that had a name before somebody was taken out of them keep it: they may have been
// sent, and not noted.
func (r *storedRun) parts(size, most int) (ps []namedPart) {
	for rest := r.Rest; len(rest) > 0 && len(ps) < most; rest = rest[ps[len(ps)-1].Hints:] {
		if len(ps) < len(r.Named) {
			ps = append(ps, r.Named[len(ps)])
			continue
		}
		n := min(size, len(rest))
		ps = append(ps, namedPart{chunkID(r, rest[:n]), n})
	}
	return ps
}

// names are those of all that waits, of both sides.
func (r *storedRun) names(size int) []namedPart {
	own, then := r.parts(size, math.MaxInt), *r
	then.Rest, then.RestSide, then.Named = r.Then, r.RestSide.Other(), r.Named[min(len(own), len(r.Named)):]
	return append(own, then.parts(size, math.MaxInt)...)
}

// chunkID names a chunk by its page and content, so that sending it once more
// after a crash makes no second one.
func chunkID(r *storedRun, hints []hint) string {
	f := crm.Fields{}
	for _, h := range hints {
		f[string(h.ID)] = crm.TextValue(fmt.Sprint(h.Digest, h.Expect, h.Gone, h.Into, len(h.Merged), h.Entry))
	}
	names := make([]string, 0, len(f))
	for n := range f {
		names = append(names, n)
	}
	return fmt.Sprintf("chk_%s_%s_%d_%s", r.Run.ID, r.RestSide, r.Seq, f.Digest(names))
}

// Advance goes on with an open run: sends what waits, lists further pages
// while the window has room, and ends it when everything was worked. It
// reports whether the run is over.
func (e *Engine) Advance(ctx context.Context, ws crm.WorkspaceID, id crm.RunID) (over bool, err error) {
	over, _, err = e.advance(ctx, ws, id)
	return over, err
}

// advance is Advance, and says whether the run stands still until its sync may work.
func (e *Engine) advance(ctx context.Context, ws crm.WorkspaceID, id crm.RunID) (over, stands bool, err error) {
	r, err := e.loadRun(ctx, ws, id)
	if err != nil || !r.open() {
		return true, false, err
	}
	sc := scope{ws, r.Run.Connection, r.Run.Sync}
	conn, err := e.connection(ctx, ws, r.Run.Connection)
	if fault.Is(err, fault.NotFound) ||
		err == nil && (conn.Generation != r.Generation || conn.Status == crm.StatusDeleting) {
		r.From = nil // a place in another account's list
		return true, false, e.finish(ctx, sc, r, RunCancelled, "connection_changed",
			"the connection was deleted or joined to other accounts")
	}
	if err != nil {
		return false, false, err
	}
	if ok, _ := runnable(conn, sc.sync); !ok && r.Run.Kind != RunPlan {
		return false, true, nil // goes on when the sync is on again
	}
	if r.waitsForPairs(conn) {
		return false, true, nil
	}
	s, err := e.open(ctx, sc, conn)
	if err != nil {
		return false, false, err
	}
	if s.tombs, err = e.tombsOf(ctx, ws, 0, false); err != nil {
		return false, false, err
	}
	if err := s.advance(ctx, r); err != nil {
		return false, false, err
	}
	s.goesOn(ctx)
	return !r.open(), false, nil
}

// listFor is how long a run is gone on with before the tick looks after the
// next sync: an app that lists slowly must not hold up the others.
const listFor = 50 * time.Second

func (s *session) advance(ctx context.Context, r *storedRun) (err error) {
	defer func() {
		if kept := s.keep(ctx, r); err == nil {
			err = kept
		}
	}()
	for r.open() {
		if s.Now().Sub(s.started) > min(s.Tuning.Budget, listFor) {
			return nil
		}
		if err := s.moveCursors(ctx, r); err != nil {
			return err
		}
		s.noteHeldParts(r)
		full, err := s.sendRest(ctx, r)
		if err != nil || full {
			return err
		}
		moved, err := s.step(ctx, r)
		if err != nil {
			return s.refused(ctx, r, err)
		}
		if !moved {
			return nil
		}
	}
	return nil
}

// step does one page, or one change of phase. moved is false when the run has
// to wait for its chunks.
func (s *session) step(ctx context.Context, r *storedRun) (moved bool, err error) {
	switch r.Phase {
	case phaseLeft, phaseRight, phaseAgainLeft, phaseAgainRight:
		return true, s.stepList(ctx, r)
	case phaseAudit, phaseAuditRight:
		return true, s.stepAudit(ctx, r)
	case phaseSendLeft, phaseSendRight:
		return true, s.stepSend(ctx, r)
	case phaseSweepLeft, phaseSweepRight:
		return true, s.stepSweep(ctx, r)
	case phaseApply:
		return true, s.stepApply(ctx, r)
	case phaseUndo:
		return true, s.stepUndo(ctx, r)
	case phaseKnown:
		return true, s.stepKnown(ctx, r)
	case phaseDrain, phaseConfirm:
		counters, err := s.counters(ctx, s.scope, r.Run.ID)
		if err != nil {
			return false, err
		}
		if counters["chunks"] < r.Sent+counters["sent"] {
			return false, nil
		}
		r.Phase = r.after(r.Phase)
		if r.Phase == phaseOver {
			return true, s.conclude(ctx, r)
		}
		return true, s.saveRun(ctx, s.ws, r)
	case phaseMissing:
		return true, s.stepMissing(ctx, r)
	case phaseOver:
		return true, s.conclude(ctx, r)
	}
	return false, fault.New("engine: advance run", fault.Other, "internal_error", "the run is in an unknown phase")
}

func (s *session) conclude(ctx context.Context, r *storedRun) error {
	if r.Full && r.Run.Kind != RunPlan {
		if err := s.recount(ctx); err != nil {
			return err
		}
	}
	if r.Run.Kind == RunPlan {
		return s.finishPlan(ctx, r)
	}
	if r.Because != "" {
		if err := s.sweepAnew(ctx); err != nil {
			return err
		}
	}
	return s.finish(ctx, s.scope, r, RunDone, "", "")
}
