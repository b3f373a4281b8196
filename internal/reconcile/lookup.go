package reconcile

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Codes of verdicts on a record's candidates; each is in the error dictionary.
const (
	CodeAmbiguous   = "ambiguous_match" // more than one candidate
	CodeKeyConflict = "key_conflict"    // its keys point to different records
	CodeDisagree    = "keys_disagree"   // the only candidate holds another of its keys otherwise
	CodeCrowded     = "crowded_key"     // too many records of one side hold what it has for keys
	CodeMissing     = "match_missing"   // it names a twin that is not there
)

// Results of TriedStep.
const (
	triedFound     = "found"
	triedNone      = "none"
	triedAmbiguous = "ambiguous"
	triedConflict  = "key_conflict"
	triedVerify    = "verify_failed"
	triedBlank     = "skipped_blank"
	triedDisagree  = "keys_disagree"
	triedCrowded   = "crowded_key"
	triedHeld      = "held"
)

// Lookups turns the match steps of the way that starts at the record's side
// into questions about the other side, in the order of the steps. Steps for
// which the record holds no key are left out.
func (s *Settings) Lookups(side crm.Side, r *crm.Record) []Lookup {
	if r == nil {
		return nil
	}
	var out []Lookup
	steps := s.steps[side.Other().Index()]
	for i := range steps {
		if q, ok := s.question(&steps[i], side, r); ok {
			out = append(out, q)
		}
	}
	return out
}

// question asks one step for a record; false when the record holds no key for it.
func (s *Settings) question(st *step, side crm.Side, r *crm.Record) (Lookup, bool) {
	q := Lookup{Step: st.index, Spec: st.spec}
	if !st.usable {
		return q, false
	}
	switch st.spec.By {
	case crm.MatchByID:
		return s.askByID(q, st, side, r)
	case crm.MatchByAnyKey:
		for i := range st.pairs {
			q.Keys = append(q.Keys, s.ask(&st.pairs[i], side, r)...)
		}
		return q, len(q.Keys) > 0 && s.canVerify(st, side, r)
	case crm.MatchByAllKeys:
		for i := range st.pairs {
			keys := s.ask(&st.pairs[i], side, r)
			if len(keys) == 0 {
				return q, false
			}
			q.Keys = append(q.Keys, keys...)
		}
		return q, s.canVerify(st, side, r)
	}
	return q, false
}

// canVerify reports whether the record holds what a twin is verified by; if
// not, nobody can pass and there is nothing to ask.
func (s *Settings) canVerify(st *step, side crm.Side, r *crm.Record) bool {
	return !slices.ContainsFunc(st.verify, func(p identity) bool {
		return len(p.keys(side.Index(), r.Fields, s.country)) == 0
	})
}

func (s *Settings) askByID(q Lookup, st *step, side crm.Side, r *crm.Record) (Lookup, bool) {
	switch {
	case st.idSide < 0: // two fields that hold one foreign ID
		q.Keys = s.ask(&st.pairs[0], side, r)
		return q, len(q.Keys) > 0
	case st.idSide == side.Index(): // the other side may hold this record's ID
		q.Keys = []Key{
			{Side: side.Other(), Field: st.idField, Canonical: "id:" + string(r.ID), Spellings: []string{string(r.ID)}},
		}
		return q, r.ID != ""
	default: // this record may hold the other side's ID
		q.ByID = heldID(r, st.idField)
		return q, q.ByID != ""
	}
}

// heldID reads a field that holds an ID. IDs are opaque and case-sensitive.
func heldID(r *crm.Record, field string) crm.RecordID {
	v := r.Get(field)
	if v.Blank() {
		return ""
	}
	return crm.RecordID(strings.TrimSpace(v.Text()))
}

// Decide judges what the app answered to the Lookups of the same record, in
// the same order; missing answers count as empty ones. Apps compare loosely,
// so every candidate is compared again by its identity keys. The first step
// that finds anybody decides; more than one candidate is never guessed about,
// and one person is never taken for two by a later step (feature rows 95, 98,
// 101 to 108, 111).
func (s *Settings) Decide(side crm.Side, r *crm.Record, answers [][]crm.Record) Match {
	return s.DecideAmong(side, r, answers, nil, "")
}

// DecideAmong is Decide with the records of the record's own side that share a
// key with it: a phone, domain or name that more than two records of one side
// hold is passed over, and companies on one domain are told apart by name. A
// record all of whose keys were passed over has none (MatchCrowded). Holder is
// the record, among the answers, that the app itself named as the one in the way
// of a second one; its word stands for the comparison of an any_key step.
func (s *Settings) DecideAmong(
	side crm.Side, r *crm.Record, answers [][]crm.Record, own []crm.Record, holder crm.RecordID,
) Match {
	m := Match{Kind: MatchNone}
	if r == nil {
		return m
	}
	j := &judged{s: s, side: side, r: r, holders: s.fellows(side, r, own), holder: holder}
	steps := s.steps[side.Other().Index()]
	asked, usable := 0, false
	for i := range steps {
		st := &steps[i]
		tried := TriedStep{
			Step: st.index, By: st.spec.By, Fields: unique(st.fields(side.Other().Index())), Result: triedBlank,
		}
		if st.held {
			tried.Result, tried.Fields = triedHeld, s.heldNames(HeldMatch, strconv.Itoa(st.index))
			m.Tried = append(m.Tried, tried)
			m.Kind, m.Code = MatchHeld, CodeFieldMissing
			break
		}
		if len(tried.Fields) == 0 {
			tried.Fields = []string{recordID}
		}
		q, ok := s.question(st, side, r)
		if !ok {
			m.Tried = append(m.Tried, tried)
			continue
		}
		var answer []crm.Record
		if asked < len(answers) {
			answer = answers[asked]
		}
		asked++
		j.crowded = nil
		j.judge(&m, &tried, st, &q, answer)
		if len(j.crowded) > 0 && tried.Result == triedNone {
			tried.Result = triedCrowded
		}
		// The record's own ID says nothing about who it is.
		usable = usable || len(j.crowded) < len(q.Keys) && st.idSide != side.Index() || q.ByID != ""
		m.Tried = append(m.Tried, tried)
		if m.Kind != MatchNone {
			break
		}
	}
	if m.Kind == MatchNone && asked > 0 && !usable && s.sync.AvoidsDuplicates() &&
		slices.ContainsFunc(m.Tried, func(t TriedStep) bool { return t.Result == triedCrowded }) {
		m.Kind, m.Code = MatchCrowded, CodeCrowded
	}
	return m
}

// judge lets one step decide; it leaves MatchNone when the next one may try.
func (j *judged) judge(m *Match, tried *TriedStep, st *step, q *Lookup, answer []crm.Record) {
	hits, crowded := j.candidates(st, q, live(answer))
	if i := slices.IndexFunc(answer, j.named); i >= 0 && st.spec.By == crm.MatchByAnyKey &&
		!slices.Contains(ids(hits), j.holder) {
		if st.spec.OnDisagreement != "error" {
			hits, crowded = nil, false
		}
		hits = append(hits, &answer[i])
	}
	tried.Candidates = len(hits)
	verified := slices.DeleteFunc(slices.Clone(hits), func(c *crm.Record) bool {
		return slices.ContainsFunc(st.verify, func(p identity) bool {
			return !p.agree(j.side.Index(), j.r.Fields, c.Fields, j.s.country)
		})
	})
	switch {
	case len(hits) == 0 && st.mustExist(j.side):
		m.Kind, m.Code, tried.Result = MatchMissing, CodeMissing, triedNone
	case len(hits) == 0:
		tried.Result = triedNone
	case len(verified) == 0:
		tried.Result = triedVerify
	case len(verified) == 1 && j.contradicted(st, verified[0]):
		m.Kind, m.Code, tried.Result = MatchConflict, CodeDisagree, triedDisagree
		m.Others = ids(verified)
	case len(verified) > 1 && !crowded && st.spec.By == crm.MatchByAnyKey:
		m.Kind, m.Code, tried.Result = MatchConflict, CodeKeyConflict, triedConflict
		m.Others = ids(verified)
	case len(verified) > 1:
		m.Kind, m.Code, tried.Result = MatchAmbiguous, CodeAmbiguous, triedAmbiguous
		m.Others = ids(verified)
	default:
		m.Kind, tried.Result = MatchFound, triedFound
		m.Record = verified[0]
		spec := st.spec
		m.Step = &spec
	}
}

// mustExist reports whether a record that names its twin is in error when
// there is none. A record that is merely not named by anybody is not.
func (st *step) mustExist(side crm.Side) bool {
	return st.spec.By == crm.MatchByID && st.spec.OnMissing == "error" && st.idSide != side.Index()
}

// contradicted reports whether the only candidate disagrees by another of the
// given keys, where the step says that all of them count.
func (j *judged) contradicted(st *step, c *crm.Record) bool {
	return st.spec.By == crm.MatchByAnyKey && st.spec.OnDisagreement == "error" &&
		slices.ContainsFunc(st.pairs, func(p identity) bool {
			passed := p.form.Crowds() && slices.ContainsFunc(p.keys(j.side.Index(), j.r.Fields, j.s.country),
				func(key string) bool {
					return len(j.holders[key]) >= crowd
				})
			return !passed && p.differ(j.side.Index(), j.r.Fields, c.Fields, j.s.country)
		})
}

// candidates compares the app's answer with the step's keys. Crowded says, of a
// step by any key, that a single one is shared by several candidates.
func (j *judged) candidates(st *step, q *Lookup, answer []*crm.Record) (hits []*crm.Record, crowded bool) {
	by := func(keep func(c *crm.Record) bool) []*crm.Record {
		return slices.DeleteFunc(slices.Clone(answer), func(c *crm.Record) bool { return !keep(c) })
	}
	agreed := func(p identity) []*crm.Record {
		return by(func(c *crm.Record) bool { return p.agree(j.side.Index(), j.r.Fields, c.Fields, j.s.country) })
	}
	switch {
	case q.ByID != "":
		// A read by ID is the app's own word: one record answers even under
		// another ID (a merged one as its survivor, a short ID as the long one).
		if exact := by(func(c *crm.Record) bool { return c.ID == q.ByID }); len(exact) == 1 {
			return exact, false
		}
		return answer, false
	case st.spec.By == crm.MatchByID && st.idSide >= 0:
		return by(func(c *crm.Record) bool { return heldID(c, st.idField) == j.r.ID }), false
	case st.spec.By == crm.MatchByAnyKey:
		return j.anyKey(st, answer)
	default:
		hits = answer
		for _, p := range st.pairs {
			same := agreed(p)
			hits = slices.DeleteFunc(slices.Clone(hits), func(c *crm.Record) bool { return !slices.Contains(same, c) })
		}
		return hits, false
	}
}

// anyKey unites the candidates of all pairs, or takes the first pair that has
// any where the order of the keys decides.
func (j *judged) anyKey(st *step, answer []*crm.Record) (hits []*crm.Record, crowded bool) {
	for i := range st.pairs {
		p := &st.pairs[i]
		for _, key := range p.keys(j.side.Index(), j.r.Fields, j.s.country) {
			found := j.said(p, key, slices.DeleteFunc(slices.Clone(answer), func(c *crm.Record) bool {
				return !slices.Contains(p.keys(1-j.side.Index(), c.Fields, j.s.country), key)
			}))
			crowded = crowded || len(found) > 1
			for _, c := range found {
				if !slices.Contains(hits, c) {
					hits = append(hits, c)
				}
			}
		}
		if len(hits) > 0 && st.spec.OnDisagreement != "error" {
			break
		}
	}
	return hits, crowded
}

// live returns the candidates that exist, each once, in a stable order.
func live(answer []crm.Record) []*crm.Record {
	var out []*crm.Record
	for i := range answer {
		c := &answer[i]
		same := func(x *crm.Record) bool { return x.ID == c.ID }
		if !c.Deleted && c.MergedInto == "" && !slices.ContainsFunc(out, same) {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b *crm.Record) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

func ids(records []*crm.Record) []crm.RecordID {
	out := make([]crm.RecordID, len(records))
	for i, r := range records {
		out[i] = r.ID
	}
	return out
}
