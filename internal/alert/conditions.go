package alert

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// The thresholds.
const (
	// shareRecords is of how many records a share says something.
	shareRecords = 10
	// rolling is the time over which runs of fewer records are counted together.
	rolling = time.Hour
	// inARow is at which failed attempt it is told.
	inARow = 5
	// unreachableFor is how long an app may be away before it is told: restarts pass.
	unreachableFor = 5 * time.Minute
	// lateAfter is how many intervals may pass without a pull.
	lateAfter = 3
	// lateAtLeast is the shortest time without a pull that is told.
	lateAtLeast = 15 * time.Minute
	// refusedFor is how long after the last refused delivery it is over.
	refusedFor = time.Hour
	// repairedAfter is from when the absence of failing records says that those of
	// a run were repaired: its last records may be counted a moment after its end.
	repairedAfter = 5 * time.Minute
	// askedFor is how long the failure of a run is told that a person asked for:
	// there may be no other that could end it.
	askedFor = 24 * time.Hour
)

// The codes of the engine's statuses that conditions are told by.
const (
	codePermission = "missing_permission"
	codeQuota      = "quota_exhausted"
)

// tooMany reports whether more than 30 % are in error.
func tooMany(failed, all int64) bool { return failed*10 > all*3 }

// facts are what is known of a connection at one look.
type facts struct {
	conn     *crm.Connection
	syncs    []engine.SyncStatus
	accounts crm.PerSide[*login]
	ended    []engine.Run // since the look before, in the order of their ends
	counted  []counted    // records of small runs and of webhooks since the look before
	offBy    func(sync crm.SyncID) string
	now      time.Time
}

// login is an account as far as alerts are concerned.
type login struct {
	id       crm.AccountID
	status   account.Status
	refusals []account.Refusal
}

// counted are records that had an outcome.
type counted struct {
	sync        crm.SyncID
	failed, all int64
}

// memory is what has to be known of former looks.
type memory struct {
	V      int                        `json:"v"`
	Newest crm.RunID                  `json:"newest,omitempty"` // all runs up to it were seen
	Runs   []openRun                  `json:"runs,omitempty"`   // of these, the ones that had not ended
	On     bool                       `json:"on,omitempty"`
	Off    *off                       `json:"off,omitempty"`
	Syncs  map[crm.SyncID]*syncMemory `json:"syncs,omitempty"`
	Alerts []kept                     `json:"alerts,omitempty"` // those that are open
	Outbox []message                  `json:"outbox,omitempty"`
}

// openRun is a run that had not ended, with what was counted of it.
type openRun struct {
	ID     crm.RunID `json:"id"`
	Failed int64     `json:"failed,omitempty"`
	All    int64     `json:"all,omitempty"`
}

// kept is an open alert.
type kept struct {
	Key string `json:"key"`
	ID  string `json:"id"`
}

// syncMemory is what has to be known of a sync.
type syncMemory struct {
	On      bool                 `json:"on,omitempty"`
	Off     *off                 `json:"off,omitempty"`
	Failed  map[string]failedRun `json:"failed,omitempty"` // by group of kinds: the latest run that ended
	InARow  int64                `json:"in_a_row,omitempty"`
	Fifth   time.Time            `json:"fifth,omitzero"`
	Share   *share               `json:"share,omitempty"` // of the latest run of ten or more
	Samples []sample             `json:"samples,omitempty"`
	HourAt  time.Time            `json:"hour_at,omitzero"` // since when the rolling hour has too many errors
}

// off is since when, and by whom, something is switched off.
type off struct {
	Since time.Time `json:"since"`
	By    string    `json:"by,omitempty"`
}

// failedRun is a run that failed and was followed by none that did not.
type failedRun struct {
	Run   crm.RunID `json:"run"`
	Code  string    `json:"code,omitempty"`
	Since time.Time `json:"since"` // end of the first of them
	Last  time.Time `json:"last"`
	Count int64     `json:"count"`
}

// share is how many records of a run are in error.
type share struct {
	Run    crm.RunID `json:"run"`
	Failed int64     `json:"failed"`
	All    int64     `json:"all"`
	Since  time.Time `json:"since"`
}

// sample are records of the rolling hour.
type sample struct {
	At     time.Time `json:"at"`
	Failed int64     `json:"failed"`
	All    int64     `json:"all"`
}

// The groups of kinds of runs: a run heals the failure of one of its own group.
const (
	groupListing = "listing"
	groupPlan    = "plan"
	groupAsked   = "asked"
)

func groupOf(k engine.RunKind) string {
	switch k {
	case engine.RunInitial, engine.RunPull, engine.RunResync, engine.RunCatchUp, engine.RunChange:
		return groupListing
	case engine.RunPlan:
		return groupPlan
	case engine.RunWebhook, engine.RunRetry, engine.RunRecord, engine.RunApply:
		return groupAsked
	}
	return groupAsked
}

// isOn reports whether nobody has switched a connection off.
func isOn(c *crm.Connection) bool { return c.Enabled && c.Status != crm.StatusPaused }

// conditions says what is wrong with a connection, and brings the memory up to
// date. It looks at nothing but what it is given.
func conditions(f *facts, m *memory) []Condition {
	first := m.Syncs == nil
	if first {
		m.Syncs = map[crm.SyncID]*syncMemory{}
	}
	var out []Condition
	add := func(c Condition) {
		if c.Since.IsZero() {
			c.Since = f.now
		}
		out = append(out, c)
	}
	on := isOn(f.conn)
	m.Off = switched(m.Off, on, m.On || first && f.conn.Status == crm.StatusPaused, func() off {
		return off{cmp.Or(f.conn.StatusAt, f.conn.UpdatedAt, f.now), f.offBy("")}
	})
	m.On = on
	if m.Off != nil {
		add(Condition{Kind: SwitchedOff, Since: m.Off.Since, By: m.Off.By, Count: int64(len(f.conn.Syncs))})
	}
	remember(f, m)
	for i := range f.conn.Syncs {
		conf := &f.conn.Syncs[i]
		s := m.Syncs[conf.ID]
		works := conf.Direction != crm.DirectionOff
		s.Off = switched(s.Off, works, s.On, func() off { return off{cmp.Or(f.conn.UpdatedAt, f.now), f.offBy(conf.ID)} })
		s.On = works
		if s.Off != nil {
			add(Condition{Kind: SwitchedOff, Sync: conf.ID, Since: s.Off.Since, By: s.Off.By, Count: 1})
		}
		if s.Share != nil && f.now.Sub(s.Share.Since) >= repairedAfter && f.repaired(conf.ID) {
			s.Share = nil
		}
		s.runs(conf.ID, f.now, add)
	}
	for i := range f.syncs {
		ofStatus(f, &f.syncs[i], m.Syncs[f.syncs[i].Sync], add)
	}
	ofConnection(f, add)
	return together(out)
}

// together makes one condition of those that many syncs have for one reason,
// which is an account's and not theirs.
func together(all []Condition) []Condition {
	var out []Condition
	at := map[string]int{}
	for i := range all {
		c := all[i]
		if c.Kind != Unreachable && c.Kind != QuotaSpent {
			out = append(out, c)
			continue
		}
		c.Sync = ""
		first, again := at[c.key()]
		if !again {
			at[c.key()] = len(out)
			out = append(out, c)
			continue
		}
		one := &out[first]
		one.Count++
		if c.Since.Before(one.Since) {
			one.Since = c.Since
		}
	}
	return out
}

// repaired reports whether a sync has no failing record.
func (f *facts) repaired(id crm.SyncID) bool {
	i := slices.IndexFunc(f.syncs, func(st engine.SyncStatus) bool { return st.Sync == id })
	if i < 0 {
		return false
	}
	states := f.syncs[i].States
	return states.Left[crm.StateFailing]+states.Right[crm.StateFailing] == 0
}

// switched says whether something counts as switched off: that it is off now
// and was on before.
func switched(was *off, on, before bool, since func() off) *off {
	switch {
	case on:
		return nil
	case was != nil:
		return was
	case before:
		o := since()
		return &o
	}
	return nil
}

// remember takes in what ended since the look before.
func remember(f *facts, m *memory) {
	for i := range f.conn.Syncs {
		if id := f.conn.Syncs[i].ID; m.Syncs[id] == nil {
			m.Syncs[id] = &syncMemory{}
		}
	}
	for id := range m.Syncs {
		if f.conn.Sync(id) == nil {
			delete(m.Syncs, id)
		}
	}
	for i := range f.ended {
		if s := m.Syncs[f.ended[i].Sync]; s != nil {
			s.ended(&f.ended[i])
		}
	}
	for _, n := range f.counted {
		if s := m.Syncs[n.sync]; s != nil && n.all > 0 {
			s.Samples = append(s.Samples, sample{f.now, n.failed, n.all})
		}
	}
}

// ended takes in the end of a run.
func (s *syncMemory) ended(r *engine.Run) {
	group := groupOf(r.Kind)
	switch r.State {
	case engine.RunFailed:
		was, again := s.Failed[group]
		if !again {
			was.Since = r.EndedAt
		}
		if s.Failed == nil {
			s.Failed = map[string]failedRun{}
		}
		s.Failed[group] = failedRun{r.ID, r.Code, was.Since, r.EndedAt, was.Count + 1}
		if group == groupListing {
			if s.InARow++; s.InARow == inARow {
				s.Fifth = r.EndedAt
			}
		}
	case engine.RunDone:
		delete(s.Failed, group)
		if group == groupListing {
			s.InARow, s.Fifth = 0, time.Time{}
		}
	case engine.RunQueued, engine.RunRunning, engine.RunCancelled: // says nothing of what works
	}
	if sized(r) {
		switch {
		case !tooMany(r.InError, r.Records):
			s.Share = nil
		case s.Share == nil:
			s.Share = &share{r.ID, r.InError, r.Records, r.EndedAt}
		default:
			s.Share = &share{r.ID, r.InError, r.Records, s.Share.Since}
		}
	}
}

// sized reports whether a run is judged by itself; smaller ones, and the day of
// webhooks, are counted by the hour. A plan writes nothing.
func sized(r *engine.Run) bool {
	return r.Records >= shareRecords && r.Kind != engine.RunWebhook && r.Kind != engine.RunPlan
}

// runs says what is wrong with the runs of a sync.
func (s *syncMemory) runs(id crm.SyncID, now time.Time, add func(Condition)) {
	for _, group := range []string{groupListing, groupPlan, groupAsked} {
		r, ok := s.Failed[group]
		if ok && group != groupListing && now.Sub(r.Last) >= askedFor {
			delete(s.Failed, group)
			ok = false
		}
		if ok {
			add(Condition{Kind: RunFailed, Sync: id, Run: r.Run, Code: r.Code, Since: r.Since, Count: r.Count})
			break // the first of them: one alert that runs of a sync fail
		}
	}
	if r, ok := s.Failed[groupListing]; ok && s.InARow >= inARow {
		add(Condition{Kind: FailedInARow, Sync: id, Run: r.Run, Code: r.Code, Since: s.Fifth, Count: s.InARow})
	}
	s.Samples = slices.DeleteFunc(s.Samples, func(x sample) bool { return now.Sub(x.At) >= rolling })
	var failed, all int64
	for _, x := range s.Samples {
		failed, all = failed+x.Failed, all+x.All
	}
	switch {
	case all >= shareRecords && tooMany(failed, all):
		if s.HourAt.IsZero() {
			s.HourAt = now
		}
	case all >= shareRecords:
		s.HourAt, s.Share = time.Time{}, nil // what was written since says that it is over
	default:
		s.HourAt = time.Time{}
	}
	switch {
	case s.Share != nil:
		add(Condition{
			Kind: ManyErrors, Sync: id, Run: s.Share.Run, Since: s.Share.Since, Count: s.Share.Failed, Of: s.Share.All,
		})
	case !s.HourAt.IsZero():
		add(Condition{Kind: ManyErrors, Sync: id, Since: s.HourAt, Count: failed, Of: all})
	}
}

// ofStatus says what the engine's status of a sync shows to be wrong.
func ofStatus(f *facts, st *engine.SyncStatus, s *syncMemory, add func(Condition)) {
	conf := f.conn.Sync(st.Sync)
	if conf == nil || s == nil {
		return
	}
	if h := st.Halted; h != nil {
		add(Condition{Kind: MassDeletion, Sync: st.Sync, Side: h.Side, Since: h.Since, Count: h.Deletions, Of: h.Links})
	}
	for i := range st.Changes {
		h := &st.Changes[i]
		add(Condition{
			Kind: MassChange, Sync: st.Sync, Side: h.Side, Mapping: h.Mapping, Since: h.Since, Count: h.Count,
			Of: h.Links,
		})
	}
	for i := range st.Outages {
		if x := &st.Outages[i]; f.now.Sub(x.Since) >= unreachableFor {
			add(Condition{
				Kind: Unreachable, Sync: st.Sync, Side: x.Side, Account: x.Account, Code: x.Code, Since: x.Since,
				Count: 1,
			})
		}
	}
	ofWaits(st, add)
	if n := len(st.Held); n > 0 {
		since := slices.MinFunc(st.Held, func(a, b engine.HeldPart) int { return a.Since.Compare(b.Since) }).Since
		add(Condition{Kind: SchemaDrift, Sync: st.Sync, Since: since, Count: int64(n), Detail: driftSaid(st.Held)})
	}
	if st.Frozen != nil {
		add(Condition{Kind: WriteLoop, Sync: st.Sync, Count: st.Frozen.Links})
	}
	every := conf.Interval()
	if f.conn.Running() && conf.Direction != crm.DirectionOff && every > 0 && st.OpenRun == "" && !st.LatestPull.IsZero() {
		if age := f.now.Sub(st.LatestPull); age > max(lateAfter*every, lateAtLeast) {
			add(Condition{Kind: Silence, Sync: st.Sync, Since: st.LatestPull, Count: 1})
		}
	}
}

// ofWaits says what a sync waits for and somebody should know of: one condition
// for each side.
func ofWaits(st *engine.SyncStatus, add func(Condition)) {
	said := map[string]bool{}
	for i := range st.Waiting {
		w := &st.Waiting[i]
		var kind Kind
		switch w.Code {
		case codePermission:
			kind = MissingRight
		case codeQuota:
			kind = QuotaSpent
		default:
			continue
		}
		if c := (Condition{
			Kind: kind, Sync: st.Sync, Side: w.Side, Account: w.Account, Code: w.Code, Since: w.Since,
			Count: max(w.Records, 1),
		}); !said[c.key()] {
			said[c.key()] = true
			add(c)
		}
	}
}

// ofConnection says what is wrong with the connection as a whole.
func ofConnection(f *facts, add func(Condition)) {
	for _, side := range crm.Sides {
		a := f.accounts.Get(side)
		if a == nil {
			continue
		}
		if a.status == account.StatusNeedsAuth {
			add(Condition{Kind: NeedsAuth, Side: side, Account: a.id, Count: 1})
		}
		c := Condition{Kind: HooksRefused, Side: side, Account: a.id}
		for _, r := range a.refusals {
			if f.now.Sub(r.Last) < refusedFor {
				c.Count, c.Code = c.Count+r.Count, cmp.Or(c.Code, r.Code)
			}
		}
		if c.Count > 0 {
			add(c)
		}
	}
	if len(f.syncs) > 0 && f.syncs[0].Dead > 0 { // counted for the whole connection
		add(Condition{Kind: DeadLetters, Count: f.syncs[0].Dead})
	}
}

// driftsSaid is how many held parts an alert tells of; the status lists all.
const driftsSaid = 5

// driftSaid says of held parts what their fields were and are, and what would mend them.
func driftSaid(parts []engine.HeldPart) string {
	var said []string
	for i := range parts[:min(len(parts), driftsSaid)] {
		p := &parts[i]
		one := fmt.Sprintf("%s %s: the %s field %s ", p.Kind, p.ID, p.Side, p.Field)
		switch {
		case p.Was != nil && p.Is != nil:
			one += "was " + shapeSaid(p.Was, p.Is) + " and is " + shapeSaid(p.Is, p.Was)
		case p.Detail != "":
			one += "does not fit any more: " + p.Detail
		default:
			one += "is gone"
		}
		if b, err := json.Marshal(p.Repair); err == nil && p.Repair != nil {
			one += "; a patch of the mapping would mend it: " + string(b)
		}
		said = append(said, one)
	}
	if n := len(parts) - len(said); n > 0 {
		said = append(said, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(said, ". ")
}

// shapeSaid says of a field's shape what another one does not have.
func shapeSaid(s, o *engine.FieldShape) string {
	var words []string
	if s.Type != o.Type || s.Multiple != o.Multiple {
		kind := string(s.Type)
		if s.Multiple {
			kind += " of several"
		}
		words = append(words, kind)
	}
	switch {
	case s.ReadOnly && !o.ReadOnly:
		words = append(words, "read-only")
	case !s.ReadOnly && o.ReadOnly:
		words = append(words, "writable")
	}
	if len(s.Options) > 0 {
		var names []string
		for _, one := range s.Options[:min(len(s.Options), driftsSaid)] {
			names = append(names, one.Value)
		}
		words = append(words, "with "+strings.Join(names, ", "))
	} else if len(o.Options) > 0 {
		words = append(words, "without")
	}
	return strings.Join(words, ", ")
}
