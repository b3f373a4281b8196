package sim

import (
	"context"
	"iter"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// proc is a process: an engine with its caches, lost when it dies.
type proc struct {
	id   int
	eng  *engine.Engine
	skew time.Duration // how wrong its clock is
	busy int           // tasks under way
	life int           // grows with each death
}

// task is one call of a process, run as a coroutine.
type task struct {
	id   int
	name string
	proc *proc
	wake time.Time // not before
	dead bool      // its process ended: nothing it does has an effect
	coro *coroutine

	seen     map[ref]moment    // when it first read a record since it looked at the lease
	found    [2]moment         // when it first looked records up since then, by side
	checked  moment            // when it last read the switch
	settings moment            // when it had last read the settings as its work began
	late     int               // writes begun since a pause it has not seen
	calls    int               // requests to apps
	rows     []connector.Write // that it wrote last
	rowsOn   crm.Side
	orders   map[ref]bool // what it works is a plan's, and nothing else: these records
	idle     bool         // it found nothing to do
}

// coroutine runs one task after another: a new one for each would have to grow
// its stack anew.
type coroutine struct {
	next func() (struct{}, bool)
	stop func()
	hold func(struct{}) bool
	run  func() // what it is at; nil = nothing
}

// newCoroutine returns one that has nothing to do.
func newCoroutine() *coroutine {
	c := &coroutine{}
	c.next, c.stop = iter.Pull(func(yield func(struct{}) bool) {
		c.hold = yield
		for more := true; more; more = yield(struct{}{}) {
			c.run()
			c.run = nil
		}
	})
	return c
}

// ref names a record of one side.
type ref struct {
	side crm.Side
	id   crm.RecordID
}

// moment is an instant of the world: its number, and the time.
type moment struct {
	step int64
	at   time.Time
}

func (w *world) moment() moment {
	w.instant++
	return moment{w.instant, w.now}
}

// spawn starts a task that begins when the scheduler picks it.
func (w *world) spawn(p *proc, name string, run func(ctx context.Context, e *engine.Engine)) *task {
	w.taskID++
	t := &task{id: w.taskID, name: name, proc: p, wake: w.now, seen: map[ref]moment{}}
	p.busy++
	if n := len(w.rested); n > 0 {
		t.coro, w.rested = w.rested[n-1], w.rested[:n-1]
	} else {
		t.coro = newCoroutine()
	}
	t.coro.run = func() { run(w.ctx, w.engineOf(p)) }
	w.tasks = append(w.tasks, t)
	return t
}

// resume lets a task go on until it pauses or ends.
func (w *world) resume(t *task) {
	before := w.cur
	w.cur = t
	t.coro.next()
	w.cur = before
	if t.coro.run == nil {
		w.rested = append(w.rested, t.coro)
		for i, x := range w.tasks {
			if x == t {
				w.tasks = append(w.tasks[:i], w.tasks[i+1:]...)
				break
			}
		}
		if !t.dead {
			t.proc.busy--
		}
		if !t.idle {
			w.poke(0)
		}
	}
}

// kill ends a process and all that it was doing.
func (w *world) kill(p *proc) {
	w.fault("kill")
	for _, t := range w.tasks {
		if t.proc == p && !t.dead {
			t.dead = true
			t.wake = w.now
		}
	}
	p.eng, p.busy = nil, 0
	p.life++
	w.poke(visibility + time.Second)
}

// sleep lets the current task go on only after d, and others before it.
func (w *world) sleep(d time.Duration) {
	t := w.cur
	if t == nil || t.dead {
		return
	}
	t.wake = w.now.Add(d)
	if d == 0 || !w.othersBefore(t) {
		if d > 0 {
			w.advance(t.wake)
		}
		return
	}
	t.coro.hold(struct{}{})
}

// othersBefore reports whether anything else can happen before t goes on.
func (w *world) othersBefore(t *task) bool {
	if len(w.timers) > 0 && !w.timers[0].at.After(t.wake) {
		return true
	}
	for _, x := range w.tasks {
		if x != t && !x.wake.After(t.wake) {
			return true
		}
	}
	return false
}

// yield gives others a turn at this very instant.
func (w *world) yield() {
	if t := w.cur; t != nil && !t.dead && len(w.tasks) > 1 {
		t.wake = w.now
		t.coro.hold(struct{}{})
	}
}
