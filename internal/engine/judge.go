package engine

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// ruleRefused and ruleChangedByApp name, in the log, what an app did to a value.
const (
	ruleRefused      = "refused"
	ruleChangedByApp = "changed_by_app"
)

// judge holds what the apps answered against what was meant: fields that they
// refused, writes that they refused whole, values that they stored otherwise.
// What follows from it is remembered and told; the other fields are agreed.
func (s *session) judge(u *unit) {
	u.stored = s.found(u)
	if slices.ContainsFunc(u.stored, func(x reconcile.Stored) bool { return x.Kept }) &&
		u.decision.Outcome == crm.Unchanged {
		s.Mark("kept_by_app")
		u.decision.Outcome = crm.Conflict
	}
	if u.decision.Outcome == crm.Deleted {
		s.judgeDeletion(u)
		u.judgeBurial()
		return
	}
	if len(u.decision.Fields) == 0 || !u.asked() {
		return
	}
	results := crm.PerSide[reconcile.Result]{Left: s.result(u, crm.Left), Right: s.result(u, crm.Right)}
	base, stored := s.set.Settle(s.pairOf(u), &u.decision, results)
	u.decision.Base = base
	u.stored = append(u.stored, stored...)
	s.sumUp(u)
}

// judgeDeletion says of a deletion what its app did not do to the other record.
// The pair has ended all the same.
func (s *session) judgeDeletion(u *unit) {
	other := u.side.Other()
	if len(u.decision.Fields) > 0 && u.asked() {
		results := crm.PerSide[reconcile.Result]{Left: s.result(u, crm.Left), Right: s.result(u, crm.Right)}
		u.decision.Base, _ = s.set.Settle(s.pairOf(u), &u.decision, results)
	}
	p := &u.decision
	if err := u.failures.Get(other); err != nil {
		s.Mark("deletion_failed")
		p.Outcome, p.Code = crm.Failed, fault.CodeOf(err)
		p.Detail = "the deletion could not be carried out on the other record: " + safeText(err)
	}
	for _, f := range u.refused.Get(other) {
		s.Mark("deletion_failed")
		p.Outcome, p.Code, p.Detail = crm.Failed, f.code, "the other record could not be tagged: the app refused "+f.field
	}
}

// found lists what an app turns out to have stored otherwise than it was sent
// by an earlier write, whose answer held no values.
func (s *session) found(u *unit) []reconcile.Stored {
	if u.byApp == (crm.PerSide[uint64]{}) || !u.decision.Rebase {
		return nil
	}
	var out []reconcile.Stored
	for i := range u.decision.Fields {
		f := &u.decision.Fields[i]
		d, old := u.decision.Base[f.Mapping].Settled, u.link.Base[f.Mapping].Settled
		if f.Reason != crm.ReasonChangedByApp || d == nil ||
			old != nil && old.Reason == d.Reason && old.Since.Equal(d.Since) {
			continue
		}
		x := reconcile.Stored{
			Mapping: f.Mapping, Side: d.Side, Sent: f.Right, Held: f.Left, Kept: d.Note == reconcile.NoteKept,
		}
		if d.Side == crm.Right {
			x.Sent, x.Held = f.Left, f.Right
		}
		out = append(out, x)
	}
	return out
}

// asked reports whether an app was asked to write something of the unit.
func (u *unit) asked() bool {
	return u.changed() || u.failed(crm.Left) || u.failed(crm.Right) || len(u.refused.Left)+len(u.refused.Right) > 0
}

// pairOf is what the unit's decision was made of.
func (s *session) pairOf(u *unit) reconcile.Pair {
	return reconcile.Pair{
		Left: u.rec.Left, Right: u.rec.Right, Origin: u.side, Now: s.started, Linked: u.link.paired(),
		Base: s.agreed(u, u.link),
	}
}

// result is what became of one side.
func (s *session) result(u *unit, side crm.Side) reconcile.Result {
	fields, answered := u.content(side)
	r := reconcile.Result{Failed: u.failed(side), Fields: fields, Answered: answered}
	for _, f := range u.refused.Get(side) {
		if reconcile.IsAct(f.mapping) {
			if r.Acts == nil {
				r.Acts = map[string]string{}
			}
			r.Acts[f.field] = f.code
			continue
		}
		if f.mapping != "" {
			if r.Refused == nil {
				r.Refused = map[crm.MappingID]string{}
			}
			r.Refused[f.mapping] = f.code
		}
	}
	return r
}

// content is what a side's record holds after its write, as far as known: as it
// was read, with what was written, or with what the app answered to that.
// What else an answer holds, somebody may have typed since we read.
func (u *unit) content(side crm.Side) (f crm.Fields, answered bool) {
	if r := u.rec.Get(side); r != nil {
		f = r.Fields.Clone()
	}
	if f == nil {
		f = crm.Fields{}
	}
	w := u.decision.Write(side)
	if w == nil || u.failed(side) {
		return f, false
	}
	maps.Copy(f, w.Fields)
	wr := u.written.Get(side)
	if wr == nil || wr.Record == nil {
		return f, false
	}
	for k := range w.Fields {
		f[k] = wr.Record.Fields[k]
	}
	return f, true
}

// sumUp gives the unit the outcome and the state that follow from its answers. A
// direction that failed comes before a value that needs a person, and that
// before fields that failed by themselves.
func (s *session) sumUp(u *unit) {
	p := &u.decision
	for _, x := range u.stored {
		s.Mark("changed_by_app")
		s.markIf(x.Kept, "kept_by_app")
	}
	for _, side := range crm.Sides {
		if err := u.failures.Get(side); err != nil {
			s.Mark("direction_failed")
			p.Outcome, p.State, p.Code, p.Detail = crm.Failed, crm.StateFailing, fault.CodeOf(err), safeText(err)
			return
		}
	}
	kept, troubles := s.set.Kept(p.Base), s.set.Troubles(p.Fields, p.Base)
	lacking, code := s.set.Lacking(p.Base)
	switch {
	case p.State == crm.StateConflict && p.Code == reconcile.CodeConflict: // a person is asked already
	case kept != "":
		p.State, p.Code, p.Detail = crm.StateConflict, reconcile.CodeChangedByApp, kept
		if len(u.stored) > 0 {
			p.Outcome = crm.Conflict
		}
	case troubles != "":
		p.State, p.Code, p.Detail = crm.StateFailing, reconcile.CodeFieldFailed, troubles
		if !u.changed() {
			p.Outcome = crm.Failed
		}
	case p.Code == "" && lacking != "":
		s.Mark("owner_refused")
		p.Code, p.Detail = code, lacking
		if !u.changed() {
			p.Outcome = crm.Skipped
		}
	}
}

// final reports whether the record failed for a reason that another try cannot
// change: it is tried once, and again when something changes or somebody asks.
func (u *unit) final() bool {
	if u.decision.State != crm.StateFailing {
		return false
	}
	permanent := func(err error) bool {
		switch fault.KindOf(err) {
		case fault.Invalid, fault.Unsupported, fault.Denied:
			return err != nil
		case fault.Conflict:
			return exists(err) || fault.CodeOf(err) == codeDuplicateRule
		case fault.Other, fault.NotFound, fault.Throttled, fault.Unavailable:
		}
		return false
	}
	return permanent(u.fate.err) || permanent(u.failures.Left) || permanent(u.failures.Right) || u.idle
}

// tell makes the log entries of a unit: one of the record, unless all that
// there is to say is what failed of it, and one for each field that failed.
func (b *books) tell(u *unit, old, l *link) []Entry {
	var out []Entry
	fields := b.fieldEntries(u, old)
	alone := u.decision.Outcome == crm.Failed && u.decision.Code == reconcile.CodeFieldFailed && len(fields) > 0
	if (u.logged(old, l) || len(u.stored) > 0) && !alone {
		e := b.entry(u, len(b.entries))
		e.Repaired = old != nil && old.State == crm.StateFailing && mended(u.decision.Outcome)
		out = append(out, e)
	}
	for _, e := range fields {
		e.ID = strconv.Itoa(len(b.entries) + len(out))
		out = append(out, e)
	}
	return out
}

// mended reports whether an outcome gets a record in step.
func mended(o crm.Outcome) bool { return o == crm.Created || o == crm.Updated || o == crm.Linked }

// fieldEntries tells of each field that failed by itself: refused by an app
// just now, or not fit to be written, which is told once.
func (b *books) fieldEntries(u *unit, old *link) []Entry {
	var out []Entry
	one := func(side crm.Side, d Diff, code, detail string) {
		e := b.entry(u, 0)
		e.Way, e.Outcome, e.Code, e.Message, e.Diffs = crm.WayTo(side), crm.Failed, code, detail, b.s.shown([]Diff{d})
		e.Behavior = b.s.conf.Behavior.Get(e.Way)
		if e.Behavior == "" {
			e.Behavior = crm.BehaviorCreateAndUpdate
		}
		e.Status, e.URL, e.Request, e.Response, e.Calls = 0, "", "", "", nil
		out = append(out, e)
	}
	for _, side := range crm.Sides {
		for _, f := range u.refused.Get(side) {
			switch f.code {
			case codeFieldMissing, mapping.CodeUnknownOwner:
				continue // said in the status, once, and of the record
			}
			one(side, Diff{Mapping: f.mapping, Side: side, Field: f.field, Before: f.before, After: f.value, Rule: ruleRefused},
				f.code,
				"the app refused "+f.field+"; the record's other fields are synced")
			out[len(out)-1].tellCall(side, f.request)
		}
	}
	for i := range u.decision.Fields {
		fp := &u.decision.Fields[i]
		if fp.Rule != reconcile.RuleFailed || old != nil && old.State == crm.StateFailing && strings.Contains(old.Detail,
			b.s.set.Label(fp.Mapping)) && !u.asks() {
			continue
		}
		side := b.s.set.Target(fp.Mapping, u.side)
		one(side, Diff{
			Mapping: fp.Mapping, Side: side, Field: b.s.set.Label(fp.Mapping), Before: fp.Left, After: fp.Right,
			Rule: string(fp.Rule),
		}, fp.Code, fp.Detail)
	}
	return out
}

// asks reports whether a person asked for this record.
func (u *unit) asks() bool {
	return slices.ContainsFunc(u.jobs, func(j *job) bool { return j.chunk.Kind == RunRetry || j.chunk.Kind == RunRecord })
}

// storedDiffs lists what an app stored otherwise than it was sent.
func (u *unit) storedDiffs(s *session) []Diff {
	var out []Diff
	for _, x := range u.stored {
		m := s.set.Mapping(x.Mapping)
		if m == nil {
			continue
		}
		out = append(out, Diff{
			Mapping: x.Mapping, Side: x.Side, Field: strings.Join(m.Names(x.Side), "+"), Before: x.Sent,
			After: x.Held, Rule: ruleChangedByApp,
		})
	}
	return out
}
