package paced

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Budget says whose budget a connector keeps, and how. Store, Account and Now
// are required.
type Budget struct {
	Store     store.Store
	Workspace crm.WorkspaceID
	Account   crm.AccountID
	Now       func() time.Time
	// Sleep waits; it may return early when ctx ends. nil = never wait.
	Sleep func(ctx context.Context, d time.Duration)
	// MaxWait is how long one call may wait for its turn, and for the next of the
	// shortest window at least; a longer wait is answered with Throttled at once.
	// 0 = never wait.
	MaxWait time.Duration
	// Look is how old our view of the item may be when a call is made without
	// taking a slice: how late we may hear of a pause that another worker was
	// told of. 0 = one second; negative = look before each call.
	Look time.Duration
	// OnCall is told of each call that goes out. Optional.
	OnCall func(account crm.AccountID, method string)
	// Holder names this worker in the item; "" = a random name.
	Holder string
	// Allowed is how much of the app's limits may be used; nil = all of it.
	Allowed *crm.Budget
}

// maxTries caps the loop around the conditional write.
const maxTries = 8

// firstSlice is what a worker takes first: most need no more.
const firstSlice = 4

// pacer takes slices from the budget item. No lock is held while it reads or writes.
type pacer struct {
	Budget
	lim limits

	mu     sync.Mutex
	view   ledger       // as last read or written
	viewAt time.Time    // zero = none
	told   *pause       // what the app asked of us and the item may not know; nil = nothing
	hand   []*held      // oldest first: the order decides, so it must not vary
	next   map[lane]int // calls to take next
	serial int
}

// held is a slice that we took.
type held struct {
	id         string
	lane       lane
	n, used    int
	hour       int64 // counted in
	start, end time.Time
	last       time.Time // of the last call
	foreground bool      // beyond what bulk work may take
	live       bool      // stored for sure
	closed     bool      // not to be used any more
	unsure     bool      // a write that gave it back may have landed
}

func newPacer(b Budget, l crm.Limits) *pacer {
	if b.Look == 0 {
		b.Look = time.Second
	}
	if b.Holder == "" {
		var raw [6]byte
		_, _ = rand.Read(raw[:]) // never fails: crypto/rand crashes the program instead
		b.Holder = hex.EncodeToString(raw[:])
	}
	return &pacer{Budget: b, lim: limitsOf(l), next: map[lane]int{}}
}

// admit lets one call of lane x out, or says when to come back.
func (p *pacer) admit(ctx context.Context, x lane) error {
	if err := connector.Allowed(ctx); err != nil {
		return err
	}
	foreground, spare := connector.IsForeground(ctx), connector.IsSpare(ctx)
	if spare {
		if err := p.tight(ctx, x); err != nil {
			return err
		}
	}
	most := p.MaxWait
	if most > 0 {
		most = max(most, p.lim.turn(x))
	}
	for waited := time.Duration(0); ; {
		b, err := p.try(ctx, x, foreground)
		if err != nil {
			return notSent(err)
		}
		if b == nil {
			return nil
		}
		if p.Sleep == nil || spare || waited+b.wait > most {
			return throttled(*b)
		}
		p.Sleep(ctx, b.wait)
		waited += max(b.wait, time.Millisecond)
		if err := ctx.Err(); err != nil {
			return notSent(err)
		}
	}
}

// tight refuses a call that nobody needs now where there is no room for it.
func (p *pacer) tight(ctx context.Context, x lane) error {
	if p.lim.none(x) {
		return nil
	}
	now := p.Now()
	if p.old(now) {
		if err := p.read(ctx, now); err != nil {
			return notSent(err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if b := p.view.tight(now, p.lim, x); b != nil {
		return throttled(*b)
	}
	return nil
}

func throttled(b blocked) error {
	message := "the account's calls are spent for the moment; others of its workers use them too"
	if b.code == connector.CodeQuota {
		message = "the account's daily calls are spent, or the part of them that bulk work may use"
	}
	// Full milliseconds, upwards: what reads as "over" must be over.
	wait := (b.wait + time.Millisecond - 1).Truncate(time.Millisecond)
	return &fault.Error{
		Op: "paced: take calls", Kind: fault.Throttled, Code: b.code, RetryAfter: max(wait, time.Millisecond),
		Guessed: b.guess, Message: message,
	}
}

// notSent returns err as the failure of a call that was never made.
func notSent(err error) error {
	kind := fault.KindOf(err)
	if kind != fault.Throttled && kind != fault.Other {
		kind = fault.Unavailable
	}
	return &fault.Error{Op: "paced: take calls", Kind: kind, RetryAfter: fault.RetryAfter(err), Err: err}
}

// try takes a call from what we hold, or a slice from the item. A non-nil
// blocked says why neither is possible.
func (p *pacer) try(ctx context.Context, x lane, foreground bool) (*blocked, error) {
	read := false
	for range maxTries {
		now := p.Now()
		if read || p.old(now) {
			if err := p.read(ctx, now); err != nil {
				return nil, err
			}
			read = true
		}
		b, done, write := p.spend(now, x, foreground)
		if done {
			return b, nil
		}
		if write == nil { // blocked by a view that may be old
			if read {
				return b, nil
			}
			read = true
			continue
		}
		err := p.put(ctx, write)
		switch {
		case err == nil && write.slice == nil:
			return b, nil // it only sets times right, or lets one call out to see
		case err == nil:
			read = false
		case fault.Is(err, fault.Conflict), fault.MayHaveLanded(err):
			read = true
		default:
			return nil, err
		}
	}
	return &blocked{wait: 200 * time.Millisecond, code: connector.CodeRate}, nil // many workers at once
}

// old reports whether the item has to be read before a call.
func (p *pacer) old(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	age := now.Sub(p.viewAt)
	return p.viewAt.IsZero() || p.Look < 0 || age < 0 || age >= p.Look
}

// read looks at the item.
func (p *pacer) read(ctx context.Context, now time.Time) error {
	item, err := p.Store.Get(ctx, p.key())
	l := ledger{V: formatVersion}
	switch {
	case err == nil:
		if l, err = decodeLedger(item); err != nil {
			return err
		}
	case !fault.Is(err, fault.NotFound):
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.view, p.viewAt = l, now
	p.heeded(now)
	return nil
}

// longest is want, or what could not be stored before if that is longer.
func (p *pacer) longest(want pause) pause {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.told != nil && p.told.Until > want.Until {
		return *p.told
	}
	return want
}

// heeded puts what the app asked of us back into a view of an item in which it
// could not be stored. The next slice stores it with it.
func (p *pacer) heeded(now time.Time) {
	if p.told == nil {
		return
	}
	if left := time.UnixMilli(p.told.Until).Sub(now); left <= 0 || left > maxPause+time.Second {
		p.told = nil // over, or our clock was set back
		return
	}
	if p.view.Pause == nil || p.view.Pause.Until < p.told.Until {
		p.view = p.view.clone()
		p.view.Pause = p.told
	}
}

func (p *pacer) key() store.Key {
	return store.Key{
		Table: store.Settings, Workspace: p.Workspace, Partition: "budget#" + string(p.Account), Sort: "budget",
	}
}

// change is a write of the item that we want to make.
type change struct {
	ledger  ledger
	slice   *held   // taken by it; nil = none
	settled []*held // given back by it
}

// spend uses one call of what we hold. When there is none it returns the
// change that takes some, or, with neither, why nothing can be taken.
func (p *pacer) spend(now time.Time, x lane, foreground bool) (b *blocked, done bool, c *change) {
	p.mu.Lock()
	defer p.mu.Unlock()
	free := p.lim.none(x)
	if p.view.paused(now) == nil && !p.view.due(now) && (free || p.use(now, x, foreground)) {
		return nil, true, nil
	}
	c = &change{ledger: p.view.clone()}
	moved := c.ledger.tidy(now, p.lim)
	p.settle(c, now)
	room, b := c.ledger.room(now, p.lim, x, foreground)
	switch {
	case b == nil && c.ledger.due(now):
		c.ledger.ask(now, p.lim, x)
		return nil, false, c
	case b != nil && moved:
		return b, false, c
	case b != nil:
		return b, false, nil
	case free:
		return nil, true, nil
	}
	p.take(c, now, x, foreground, room)
	return nil, false, c
}

// take puts a slice of at most room calls into c and into our hand.
func (p *pacer) take(c *change, now time.Time, x lane, foreground bool, room int) {
	if foreground {
		// What is left to bulk work is taken as such, so that bulk work may use the rest of it.
		if bulk, _ := c.ledger.room(now, p.lim, x, false); bulk > 0 {
			room, foreground = min(room, bulk), false
		}
	}
	most, valid := p.lim.most(x)
	p.serial++
	h := &held{
		id: p.Holder + "." + strconv.Itoa(p.serial), lane: x, n: min(room, p.size(x, most)),
		hour: hourOf(now), start: now, end: now.Add(valid), foreground: foreground,
	}
	c.slice = h
	c.ledger.Slices = append(c.ledger.Slices, slice{ID: h.id, Lane: x, N: h.n, End: h.end.UnixMilli()})
	if p.lim.daily > 0 {
		c.ledger.Hours[h.hour] += h.n
	}
	p.hand = append(p.hand, h)
}

// size is how many calls to take next: as many again as were used of the
// slice before, doubled.
func (p *pacer) size(x lane, most int) int {
	n, ok := p.next[x]
	if !ok {
		n = firstSlice
	}
	return max(1, min(n, most))
}

// use takes one call from a slice in hand.
func (p *pacer) use(now time.Time, x lane, foreground bool) bool {
	for _, h := range p.hand {
		if h.lane != x || !h.live || h.closed || h.used >= h.n || h.foreground && !foreground {
			continue
		}
		if now.Before(h.start) || !now.Before(h.end) {
			continue
		}
		h.used++
		h.last = now
		return true
	}
	return false
}

// settle gives back, in c, what we did not use of slices that are over.
func (p *pacer) settle(c *change, now time.Time) {
	there := map[string]int{}
	for i, s := range c.ledger.Slices {
		if s.ID != "" {
			there[s.ID] = i
		}
	}
	for _, h := range p.hand {
		over := h.closed || h.used >= h.n || now.Before(h.start) || !now.Before(h.end)
		if !over || !h.live && !h.closed { // not stored yet: somebody of us is writing it
			continue
		}
		h.closed = true
		c.settled = append(c.settled, h)
		i, ok := there[h.id]
		if n := c.ledger.Hours[h.hour]; n > 0 && p.lim.daily > 0 && (ok || h.live && !h.unsure) {
			c.ledger.Hours[h.hour] = max(0, n-(h.n-h.used))
		}
		if !ok {
			continue
		}
		s := &c.ledger.Slices[i]
		s.ID, s.N = "", h.used
		if h.used > 0 {
			s.End = min(s.End, h.last.UnixMilli()+1)
		}
	}
	kept := c.ledger.Slices[:0]
	for _, s := range c.ledger.Slices {
		if s.N > 0 {
			kept = append(kept, s)
		}
	}
	c.ledger.Slices = kept
}

// put makes the change, and takes what came of it into our books.
func (p *pacer) put(ctx context.Context, c *change) error {
	now := p.Now()
	version, err := p.write(ctx, c.ledger, now)
	p.mu.Lock()
	defer p.mu.Unlock()
	h := c.slice
	switch {
	case err == nil:
		c.ledger.version = version
		p.view, p.viewAt = c.ledger, now
		if p.told != nil && c.ledger.Pause != nil && c.ledger.Pause.Until >= p.told.Until {
			p.told = nil // stored
		}
		for _, s := range c.settled {
			p.drop(s)
			if s.live {
				p.next[s.lane] = max(firstSlice, 2*s.used)
			}
		}
		if h != nil {
			h.live = true
		}
	case fault.MayHaveLanded(err):
		for _, s := range c.settled {
			s.unsure = true // given back again only if it is still in the item
		}
		if h != nil {
			h.closed = true // given back if it is found in the item
		}
	case h != nil:
		p.drop(h)
	}
	return err
}

func (p *pacer) drop(h *held) {
	p.hand = slices.DeleteFunc(p.hand, func(x *held) bool { return x == h })
}

func (p *pacer) write(ctx context.Context, l ledger, now time.Time) (int64, error) {
	l.V = formatVersion
	b, err := json.Marshal(l)
	if err != nil {
		return 0, fault.Wrap("paced: encode budget", fault.Other, err)
	}
	return p.Store.Write(ctx, store.Write{
		Item: store.Item{Key: p.key(), Data: b, Expires: now.Add(keepFor)}, If: store.IfVersion(l.version),
	})
}

// answered ends a pause that nobody knew the end of: the app answered a call
// that went out to see.
func (p *pacer) answered(ctx context.Context) {
	p.mu.Lock()
	asked := p.view.Pause != nil && p.view.Pause.Asked != 0
	p.mu.Unlock()
	if !asked {
		return
	}
	ctx = context.WithoutCancel(ctx)
	for range maxTries {
		now := p.Now()
		if p.read(ctx, now) != nil {
			return // the next one who asks ends it
		}
		p.mu.Lock()
		c := &change{ledger: p.view.clone()}
		p.settle(c, now)
		p.mu.Unlock()
		if c.ledger.Pause == nil || c.ledger.Pause.Asked == 0 {
			return // somebody was told otherwise meanwhile
		}
		c.ledger.tidy(now, p.lim)
		c.ledger.Pause = nil
		if err := p.put(ctx, c); !fault.Is(err, fault.Conflict) && !fault.MayHaveLanded(err) {
			return
		}
	}
}

// heed keeps a Retry-After for all workers of the account. A guess is for the
// account's next turn to ask.
func (p *pacer) heed(ctx context.Context, d time.Duration, code string, guess bool) {
	if d <= 0 {
		return
	}
	if code == "" {
		code = connector.CodeRate
	}
	now := p.Now()
	// Full seconds: answers to calls made side by side then ask for the same.
	until := now.Add(min(d, maxPause) + time.Second - 1).Truncate(time.Second)
	if guess {
		until = connector.AskAgain(now)
	}
	want := p.longest(pause{Set: now.UnixMilli(), Until: until.UnixMilli(), Code: code, Guess: guess})
	if p.remember(want) {
		return
	}
	// What the app said holds whether or not the caller still waits.
	ctx = context.WithoutCancel(ctx)
	for range maxTries {
		if p.read(ctx, now) != nil || p.remember(want) {
			return
		}
		p.mu.Lock()
		c := &change{ledger: p.view.clone()}
		p.settle(c, now)
		p.mu.Unlock()
		c.ledger.tidy(now, p.lim)
		c.ledger.Pause = &want
		err := p.put(ctx, c)
		if !fault.Is(err, fault.Conflict) && !fault.MayHaveLanded(err) {
			break
		}
	}
	// Stored or not, this worker keeps it.
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.view.Pause == nil || p.view.Pause.Until < want.Until {
		p.told = &want
		p.heeded(now)
	}
}

// remember closes what is in hand, and reports whether the pause is known already.
func (p *pacer) remember(want pause) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.hand {
		if h.live {
			h.closed = true
		}
	}
	return p.view.Pause != nil && p.view.Pause != p.told && p.view.Pause.Until >= want.Until && p.view.Pause.Asked == 0
}
