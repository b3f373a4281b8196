package engine

import (
	"context"
	"encoding/json"
	"hash/fnv"
	"slices"
	"strings"
	"unicode"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/rule"
)

// What a preview costs at most, and what it shows.
const (
	previewPages    = 2   // listed of each side, one call each
	previewLooked   = 400 // records of each side that rules are tried on
	previewExamples = 3   // shown of a kind
)

// PreviewSample is what a preview looked at. Plans and scans keep no values of
// source fields, only what they would change and fingerprints, so that the
// records are read for it.
type PreviewSample struct {
	From     string             `json:"from" enum:"sample,records" doc:"sample = the first records that each app lists; records = those named"`
	Looked   crm.PerSide[int]   `json:"looked"`
	Complete crm.PerSide[bool]  `json:"complete" doc:"These are all records of that side"`
	Calls    crm.PerSide[int64] `json:"calls"`
}

// RulesPreview is what rules let through of a sample.
type RulesPreview struct {
	Sample  PreviewSample `json:"sample"`
	ToRight WayPreview    `json:"to_right"`
	ToLeft  WayPreview    `json:"to_left"`
}

// WayPreview is one direction of it.
type WayPreview struct {
	Open     bool            `json:"open" doc:"The sync's direction lets anything travel this way"`
	Passes   int             `json:"passes"`
	Excluded int             `json:"excluded"`
	Held     int             `json:"held" doc:"Nothing is known of them: a rule looks at a field that is gone"`
	Passing  []PreviewRecord `json:"passing" nullable:"false" doc:"Up to three that pass"`
	Failing  []PreviewRecord `json:"failing" nullable:"false" doc:"Up to three that do not"`
}

// PreviewRecord is one example of what a filter does.
type PreviewRecord struct {
	Side    crm.Side       `json:"side"`
	ID      crm.RecordID   `json:"id"`
	Fields  crm.Fields     `json:"fields" doc:"What rules and match steps look at, as the app holds it"`
	Clauses []FilterClause `json:"clauses" nullable:"false"`
}

// MappingsPreview is what records would become.
type MappingsPreview struct {
	Sample  PreviewSample   `json:"sample"`
	Records []PreviewedPair `json:"records" nullable:"false"`
}

// PreviewedPair is one record and what would be done about it.
type PreviewedPair struct {
	Side    crm.Side       `json:"side"`
	ID      crm.RecordID   `json:"id"`
	Partner crm.RecordID   `json:"partner,omitempty"`
	Outcome crm.Outcome    `json:"outcome"`
	Code    string         `json:"code,omitempty"`
	Detail  string         `json:"detail,omitempty"`
	Fields  []FieldVerdict `json:"fields" nullable:"false" doc:"The decision on each mapping, in canonical form"`
	Writes  []Diff         `json:"writes" nullable:"false" doc:"What would be written, as each app wants it"`
}

// notShown stands for values that nobody sees: of passwords and of fields that
// are written once.
const notShown = "(not shown)"

// preview opens a session under a document that is not stored.
func (e *Engine) preview(
	ctx context.Context, ws crm.WorkspaceID, conn *crm.Connection, sync crm.SyncID,
) (*session, error) {
	b, err := json.Marshal(conn)
	if err != nil {
		return nil, fault.Wrap("engine: preview", fault.Other, err)
	}
	h := fnv.New64a()
	_, _ = h.Write(b) // a hash takes anything
	c := *conn
	c.Version = -1 - int64(h.Sum64()>>1) // half of it: no stored version is negative
	s, err := e.open(ctx, scope{ws, conn.ID, sync}, &c)
	if err != nil {
		return nil, err
	}
	if s.brakes, err = s.loadBrakes(ctx, s.scope); err != nil {
		return nil, err
	}
	return s, s.learnErasedNow(ctx)
}

// sample lists the first records of a side, those of erased people left out.
func (s *session) sample(
	ctx context.Context, side crm.Side, most, pages int,
) (out []crm.Record, complete bool, err error) {
	req := connector.ChangesRequest{Object: s.end(side).object, Full: true}
	for range pages {
		req.Fields = s.end(side).fields
		page, err := s.askChanges(ctx, side, req)
		if err != nil {
			return nil, false, err
		}
		for i := range page.Records {
			r := &page.Records[i]
			if r.Deleted || r.MergedInto != "" || s.isErased(side, r) {
				continue
			}
			if len(out) == most {
				return out, false, nil
			}
			out = append(out, *r)
		}
		if req.Position = page.Next; req.Position == "" {
			return out, true, nil
		}
	}
	return out, false, nil
}

// PreviewRules tries the rules of a document that need not be stored on some
// records of each side. It writes nothing.
func (e *Engine) PreviewRules(
	ctx context.Context, ws crm.WorkspaceID, conn *crm.Connection, sync crm.SyncID,
) (RulesPreview, error) {
	ctx = connector.Foreground(ctx)
	s, err := e.preview(ctx, ws, conn, sync)
	if err != nil {
		return RulesPreview{}, err
	}
	out := RulesPreview{Sample: PreviewSample{From: "sample"}}
	for _, side := range crm.Sides {
		way := crm.WayTo(side.Other())
		records, complete, err := s.sample(ctx, side, previewLooked, previewPages)
		if err != nil {
			return RulesPreview{}, err
		}
		out.Sample.Looked.Set(side, len(records))
		out.Sample.Complete.Set(side, complete)
		seen := s.previewWay(way, side, records)
		if way == crm.ToRight {
			out.ToRight = seen
		} else {
			out.ToLeft = seen
		}
	}
	out.Sample.Calls = s.asked()
	return out, nil
}

func (s *session) asked() crm.PerSide[int64] {
	return crm.PerSide[int64]{Left: s.end(crm.Left).calls, Right: s.end(crm.Right).calls}
}

func (s *session) previewWay(way crm.Way, side crm.Side, records []crm.Record) WayPreview {
	out := WayPreview{Open: s.set.Open(way), Passing: []PreviewRecord{}, Failing: []PreviewRecord{}}
	hidden := s.hidden(side)
	for i := range records {
		traces := s.set.FilterTraces(way, &records[i], s.Now())
		passes := len(traces) == 0 || slices.ContainsFunc(traces, func(t rule.RuleTrace) bool { return t.On && t.Pass })
		held := !passes && slices.ContainsFunc(traces, func(t rule.RuleTrace) bool { return t.On && len(t.Held) > 0 })
		into := &out.Failing
		switch {
		case passes:
			out.Passes++
			into = &out.Passing
		case held:
			out.Held++
			continue
		default:
			out.Excluded++
		}
		if len(*into) < previewExamples {
			*into = append(*into, s.example(way, side, &records[i], traces, hidden))
		}
	}
	return out
}

// example shows what rules and match steps look at in a record.
func (s *session) example(
	way crm.Way, side crm.Side, r *crm.Record, traces []rule.RuleTrace, hidden map[string]bool,
) PreviewRecord {
	out := PreviewRecord{Side: side, ID: r.ID, Fields: crm.Fields{}, Clauses: []FilterClause{}}
	show := func(name string) {
		if v, ok := r.Fields[name]; ok {
			out.Fields[name] = hide(v, hidden[name])
		}
	}
	for _, step := range s.conf.Match.Get(way) {
		for _, pair := range step.Pairs {
			show(pair[side.Index()])
		}
	}
	for _, t := range traces {
		for _, c := range t.Clauses {
			show(c.Field)
			out.Clauses = append(out.Clauses, FilterClause{
				Rule: t.Rule, Way: way, Field: c.Field, Op: string(c.Op), Wanted: hide(c.Wanted, hidden[c.Field]),
				Value: hide(c.Value, hidden[c.Field]), Holds: c.Result,
			})
		}
	}
	return out
}

func hide(v crm.Value, hidden bool) crm.Value {
	if !hidden || v.Blank() {
		return v
	}
	return crm.TextValue(notShown)
}

// hidden are the fields of a side whose values nobody sees.
func (s *session) hidden(side crm.Side) map[string]bool {
	out := map[string]bool{}
	for _, name := range s.end(side).fields {
		f := s.set.Field(side, name)
		if IsPassword(f) {
			out[name] = true
		}
	}
	for i := range s.conf.Mappings {
		m := &s.conf.Mappings[i]
		secret := m.WriteOnce
		for _, other := range crm.Sides {
			for _, name := range m.Names(other) {
				secret = secret || IsPassword(s.set.Field(other, name))
			}
		}
		for _, name := range m.Names(side) {
			out[name] = out[name] || secret
		}
	}
	return out
}

// IsPassword reports whether a field holds a person's own password, by what the
// app calls it, however that is spelled.
func IsPassword(f crm.Field) bool {
	word := func(s string) bool {
		return strings.Contains(strings.ToLower(strings.Map(func(r rune) rune {
			if unicode.IsLetter(r) {
				return r
			}
			return -1
		}, s)), "password")
	}
	return word(f.Name) || word(f.Label)
}

// PreviewMappings works out what records would become under a document that
// need not be stored: those named, else the first few of each side. It writes
// nothing.
func (e *Engine) PreviewMappings(
	ctx context.Context, ws crm.WorkspaceID, conn *crm.Connection, sync crm.SyncID, records []crm.RecordRef,
) (MappingsPreview, error) {
	ctx = connector.Foreground(ctx)
	s, err := e.preview(ctx, ws, conn, sync)
	if err != nil {
		return MappingsPreview{}, err
	}
	out := MappingsPreview{Sample: PreviewSample{From: "records"}, Records: []PreviewedPair{}}
	if len(records) == 0 {
		out.Sample.From = "sample"
		for _, side := range crm.Sides {
			found, complete, err := s.sample(ctx, side, previewExamples, 1)
			if err != nil {
				return MappingsPreview{}, err
			}
			out.Sample.Complete.Set(side, complete)
			for i := range found {
				records = append(records, crm.RecordRef{Side: side, ID: found[i].ID})
			}
		}
	}
	for _, ref := range records { // each by itself: two that are one pair are two questions
		u := &unit{side: ref.Side, id: ref.ID, hint: hint{ID: ref.ID, Force: true}, jobs: []*job{{chunk: &chunk{}}}}
		one, err := s.previewPair(ctx, u)
		if err != nil {
			return MappingsPreview{}, err
		}
		out.Sample.Looked.Set(ref.Side, out.Sample.Looked.Get(ref.Side)+1)
		out.Records = append(out.Records, one)
	}
	out.Sample.Calls = s.asked()
	return out, nil
}

func (s *session) previewPair(ctx context.Context, u *unit) (PreviewedPair, error) {
	if err := s.loadLinks(ctx, []*unit{u}); err != nil {
		return PreviewedPair{}, err
	}
	seen, err := s.observe(ctx, []*unit{u})
	if err != nil {
		return PreviewedPair{}, err
	}
	u = seen[0]
	if u.unread != nil {
		return PreviewedPair{}, u.unread
	}
	out := PreviewedPair{Side: u.side, ID: u.id, Fields: []FieldVerdict{}, Writes: []Diff{}}
	if u.own() == nil && !u.erased() {
		out.Outcome, out.Code, out.Detail = crm.Skipped, "record_unknown", "the app has no such record"
		return out, nil
	}
	s.decide([]*unit{u})
	out.Partner, out.Outcome, out.Code, out.Detail = u.recID(u.side.Other()), u.decision.Outcome, u.decision.Code,
		u.decision.Detail
	for i := range u.decision.Fields {
		out.Fields = append(out.Fields, s.hiddenVerdict(&u.decision.Fields[i]))
	}
	out.Writes = append(out.Writes, s.shown(s.diffs(u))...)
	return out, nil
}

// secretMapping reports whether a mapping has a hidden field.
func (s *session) secretMapping(id crm.MappingID) bool {
	m := s.set.Mapping(id)
	return m != nil && slices.ContainsFunc(crm.Sides[:], func(side crm.Side) bool {
		return slices.ContainsFunc(m.Names(side), func(name string) bool { return s.secretFields()[side.Index()][name] })
	})
}

// veiledFields are a record's fields without the values that nobody sees.
func (s *session) veiledFields(side crm.Side, fields crm.Fields) crm.Fields {
	out := make(crm.Fields, len(fields))
	for name, v := range fields {
		out[name] = hide(v, s.secretFields()[side.Index()][name])
	}
	return out
}

// hiddenVerdict is the decision on a mapping, as it may be seen.
func (s *session) hiddenVerdict(f *reconcile.FieldDecision) FieldVerdict {
	secret := s.secretMapping(f.Mapping)
	return FieldVerdict{
		Mapping: f.Mapping, Left: hide(f.Left, secret), Right: hide(f.Right, secret), Winner: f.Winner,
		After: hide(f.After, secret),
		Rule:  string(f.Rule), Reason: f.Reason, Code: f.Code, Detail: f.Detail,
	}
}
