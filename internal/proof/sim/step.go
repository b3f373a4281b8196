package sim

import (
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

var errDead = fault.New("sim: request", fault.Unavailable, "process_ended", "the process has ended")

// enter is the boundary before a request: others may go on, and the process
// may end. An error means that the request is not made.
func (w *world) enter(op uint64) error {
	t := w.cur
	if t == nil {
		return nil // the audit looks without being seen
	}
	if t.dead {
		return errDead
	}
	w.step(op)
	if w.rng.in(w.set.yields) {
		w.yield()
	}
	if t.dead {
		return errDead
	}
	if w.hostile && w.rng.in(w.set.rate["kill"]) {
		w.kill(t.proc)
		return errDead
	}
	return nil
}

// leave is the boundary after a request that took effect: the process may end
// without having seen the answer.
func (w *world) leave(op uint64) error {
	t := w.cur
	if t == nil {
		return nil
	}
	w.step(op + 1)
	if w.hostile && w.rng.in(w.set.rate["kill_after"]) {
		w.fault("kill_after")
		w.kill(t.proc)
		return errDead
	}
	if w.rng.in(w.set.yields / 2) {
		w.yield()
	}
	if t.dead {
		return errDead
	}
	return nil
}

// maxSteps is far beyond what any seed takes.
const maxSteps = 1_500_000

// step counts a boundary and enters it in the trace.
func (w *world) step(op uint64) {
	if w.steps++; w.steps == maxSteps {
		w.violated("S30", "the seed does not come to an end")
	}
	w.note(op<<32 ^ uint64(w.cur.id))
	w.note(uint64(w.now.UnixNano()))
}

// note enters a number in the trace.
func (w *world) note(n uint64) {
	h := w.trace ^ n
	h *= 0x100000001b3
	w.trace = h ^ h>>29
}

// strike decides whether a fault happens now.
func (w *world) strike(name string) bool {
	if !w.hostile || !w.rng.in(w.set.rate[name]) {
		return false
	}
	w.fault(name)
	return true
}

func (w *world) fault(name string) {
	w.faults[name]++
	w.tell("FAULT %s", name)
}

func unavailable(op string, landed bool) error {
	return &fault.Error{
		Op: op, Kind: fault.Unavailable, Code: "injected", Message: "the simulation made this fail",
		MayHaveLanded: landed,
	}
}

// latency is how long a request to an app takes.
func (w *world) latency(side crm.Side) time.Duration {
	if usual := w.set.latency[side.Index()]; usual > 0 {
		return usual - usual/8 + w.rng.upTo(usual/4)
	}
	if w.strike("app_slow") {
		return time.Duration(w.rng.between(4000, 19000)) * time.Millisecond
	}
	return time.Duration(w.rng.between(40, 400)) * time.Millisecond
}
