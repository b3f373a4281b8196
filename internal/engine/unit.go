package engine

import (
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// unit is one record, or one pair, on its way through the five steps. What a step
// finds out stands in a struct of that step, for those after it to read.
type unit struct {
	side   crm.Side // whose record asked
	id     crm.RecordID
	hint   hint
	jobs   []*job       // chunks that asked; the first counts it
	named  crm.RecordID // by the first of them
	both   bool         // hints of both sides were merged: look at both whatever the digests say
	told   []hint       // of merges on the other side: of a pair whose ends were merged, only one end leads
	beside bool         // a plan's change and something else that was heard of the record
	into   *unit        // merged into another unit of this batch
	took   []*unit      // those merged into this one: found to be its twin
	// a plan's, in a draft that was brought its pair
	brought bool
	link    *link // nil = never seen

	back *takeBack // what is to be taken back; nil = nothing

	remembered
	answered
	verdict
	deed
	fate fate
}

// remembered is what the store holds of a unit beside its link.
type remembered struct {
	born     crm.RecordID       // the record of the other side that it was about to be stored with, while the pair was not
	unborn   *formerPair        // what is remembered of that record by itself; nil = nothing, or unknown
	versions crm.PerSide[int64] // item versions under the left and the right record's key
	before   []counted          // states it was counted in before
	absorbed []counted          // the same of a twin that it may be paired with
	aside    string             // why a right twin that a person joins it with was set aside
	lapsed   *link              // the deleted pair of its left twin
	leaves   *formerPair        // the deleted pair that this twin still belongs to
	rival    crm.RecordID       // of its own side: the record that its twin is linked to
	recalled bool               // its link holds what is not stored yet: see recall
	// Of hint.Resolve, with the values that lie elsewhere.
	resolutions map[crm.MappingID]Resolution
	former      *link // its pair in another sync that joins the same objects: see inherit
	ended       *link // one of another sync whose other record was deleted
}

// answered is what the apps told of its records.
type answered struct {
	rec     crm.PerSide[*crm.Record] // as read now; nil = not read or not there
	absent  crm.PerSide[bool]        // read, and not there
	moved   crm.PerSide[*crm.Record] // read, and merged into another record
	unread  error                    // why one of its records could not be read
	match   reconcile.Match          // of an unlinked record
	lookups []reconcile.Lookup
	keys    []reconcile.Key                       // its identity keys, when unlinked
	twins   []crm.RecordID                        // others of its own side with the same identity
	byApp   crm.PerSide[uint64]                   // the mappings of our last write to a side that nobody edited since
	was     crm.PerSide[map[crm.MappingID]string] // what they held before that write
}

// verdict is what the second step made of it.
type verdict struct {
	decided  bool // decision is set
	decision reconcile.Decision
	quiet    bool            // nothing to do, nothing to store
	idle     bool            // failed before, and nothing changed since: not tried again
	keeps    bool            // what is remembered of it stays as it is: a request to link could not be carried out
	others   []crm.RecordID  // records that the decision is about, beside its own
	claims   []string        // identity keys to claim before the create
	mass     []massKind      // what its decision replaces
	counted  []massKind      // of that what was counted when it was heard of before
	discard  []crm.MappingID // mappings whose change a person does not want
}

// deed is what came of the writes.
type deed struct {
	written    crm.PerSide[*connector.Written]
	said       crm.PerSide[*connector.Exchange] // the last call about it, answered for good
	failures   crm.PerSide[error]               // of its write on a side, for good
	unassigned crm.PerSide[[]string]            // fields to which a side's app has no such user any more
	refused    crm.PerSide[[]refusedField]      // fields that a side's app refused, by themselves
	narrowed   crm.PerSide[int]                 // how often the write was narrowed; negative: it is to be repeated
	more       bool                             // narrowed as often as it may be: what is left of the write was not tried
	stored     []reconcile.Stored               // what an app stored otherwise than it was sent
}

func (u *unit) own() *crm.Record { return u.rec.Get(u.side) }

func (u *unit) partner() *crm.Record { return u.rec.Get(u.side.Other()) }

// decide sets a decision that came from elsewhere than reconcile.
func (u *unit) decide(o crm.Outcome, st crm.State, code, detail string) {
	u.decision = reconcile.Decision{Outcome: o, State: st, Code: code, Detail: detail}
	u.decided = true
}

// rests reports whether what was decided for a side waits in the store, untried.
func (u *unit) rests(side crm.Side) bool { return u.fate.barred.Get(side) || u.fate.weighed }

// comesAgain puts a record off that an app has no answer for now: a limit is no
// fault of the record, whatever else it is gets more time with every try.
func (u *unit) comesAgain(err error) {
	u.fate.blameless = fault.Is(err, fault.Throttled)
	wait := time.Second
	if !u.fate.blameless {
		wait = recordWaits.After(u.hint.Tries + 1)
	}
	u.deferFor(max(wait, fault.RetryAfter(err)), fault.CodeOf(err))
}

func (u *unit) deferFor(d time.Duration, why string) { u.fate.putOff(d, why) }

// lot is what is written together: whole chunks, up to Tuning.LotSize records.
type lot struct {
	id         string
	jobs       []*job
	units      []*unit
	intent     *intent
	stored     []int64 // versions of the stored intent's items
	inLease    bool    // the intent is stored with the lease instead
	unfinished bool    // some of it has neither an outcome nor waits in the store
}

// quiet reports whether nothing in the lot is to be written or remembered.
func (l *lot) quiet() bool {
	return !slices.ContainsFunc(l.units, func(u *unit) bool { return !u.quiet })
}

// claims reports whether the lot makes identities its own.
func (l *lot) claims() bool {
	return slices.ContainsFunc(l.units, func(u *unit) bool { return len(u.claims) > 0 })
}

// putOff lets what was not written wait; it is no fault of the records.
func (l *lot) putOff(wait time.Duration, why string) {
	for _, u := range l.units {
		if u.fate.untried && !u.fate.unknown {
			u.fate.untried, u.fate.blameless = false, true
			u.deferFor(wait, why)
		}
	}
}

// lots packs chunks, in order, into lots.
func (s *session) lots(jobs []*job, us []*unit) []*lot {
	byJob := map[*job][]*unit{}
	for _, u := range us {
		byJob[u.jobs[0]] = append(byJob[u.jobs[0]], u)
	}
	var out []*lot
	for _, j := range jobs {
		last := len(out) - 1
		if last < 0 || len(out[last].units)+len(byJob[j]) > s.lotSize() && len(out[last].units) > 0 ||
			len(out[last].jobs) >= 20 {
			out = append(out, &lot{id: s.NewID("int")})
			last++
		}
		out[last].jobs = append(out[last].jobs, j)
		out[last].units = append(out[last].units, byJob[j]...)
	}
	return out
}
