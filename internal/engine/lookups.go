package engine

import (
	"context"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// questions are values to look up, by side and field.
type questions map[questionKey][]string

type questionKey struct {
	side  crm.Side
	field string
}

func (q questions) add(keys []reconcile.Key) {
	for _, k := range keys {
		qk := questionKey{k.Side, k.Field}
		q[qk] = append(q[qk], k.Spellings...)
	}
}

// answers hold the records found for each value asked.
type answers map[questionKey]map[string][]crm.Record

// all returns the records found for any spelling of keys, each once.
func (a answers) all(keys []reconcile.Key) []crm.Record {
	var out []crm.Record
	for _, k := range keys {
		for _, sp := range k.Spellings {
			for _, r := range a[questionKey{k.Side, k.Field}][sp] {
				if !slices.ContainsFunc(out, func(o crm.Record) bool { return o.ID == r.ID }) {
					out = append(out, r)
				}
			}
		}
	}
	return out
}

// holds reports whether a record was found for any spelling of keys.
func (a answers) holds(keys []reconcile.Key, id crm.RecordID) bool {
	return slices.ContainsFunc(keys, func(k reconcile.Key) bool {
		return slices.ContainsFunc(k.Spellings, func(sp string) bool {
			return slices.ContainsFunc(a[questionKey{k.Side, k.Field}][sp], func(r crm.Record) bool { return r.ID == id })
		})
	})
}

// answer asks the apps, each value once, in as few calls as they allow.
func (s *session) answer(ctx context.Context, q questions) (answers, error) {
	out := answers{}
	order := make([]questionKey, 0, len(q))
	for k := range q {
		order = append(order, k)
	}
	slices.SortFunc(order, func(a, b questionKey) int {
		return slices.Compare([]string{string(a.side), a.field}, []string{string(b.side), b.field})
	})
	for _, k := range order {
		values := q[k]
		slices.Sort(values)
		values = slices.Compact(values)
		out[k] = make(map[string][]crm.Record, len(values))
		e := s.end(k.side)
		for part := range slices.Chunk(values, max(e.app.Limits.FindBatch, 1)) {
			got, err := s.batchFind(ctx, k, part)
			if err != nil {
				return nil, err
			}
			for i, v := range part {
				out[k][v] = got[i]
			}
		}
	}
	return out, nil
}

func (s *session) batchFind(parent context.Context, k questionKey, values []string) ([][]crm.Record, error) {
	e := s.end(k.side)
	cctx, done, err := s.ask(parent, k.side, askFind)
	if err != nil {
		return nil, err
	}
	asked := e.fields
	got, err := e.BatchFind(cctx, e.object, s.set.Field(k.side, k.field), values, asked)
	done()
	if field, missed := s.missed(k.side, err); missed {
		if err := s.without(parent, k.side, []string{field}); err != nil {
			return nil, err
		}
		return make([][]crm.Record, len(values)), nil // findTwins begins anew
	}
	if fault.CodeOf(err) == "too_many_matches" {
		return s.findApart(parent, k, values)
	}
	if err != nil {
		return nil, atSide(k.side, "find records", err)
	}
	if len(got) != len(values) {
		return nil, fault.New("engine: find records", fault.Unavailable, codeMalformed,
			"the app answered for other values than were asked")
	}
	var all []*crm.Record
	for i := range got {
		for n := range got[i] {
			if gone := s.lacking(k.side, asked, &got[i][n]); len(gone) > 0 {
				return got, s.without(parent, k.side, gone)
			}
			all = append(all, &got[i][n])
		}
	}
	if err := s.meet(parent, k.side, all...); err != nil {
		return nil, err
	}
	return got, nil
}

// findApart narrows down which value more records hold than an app lists, so
// that it never fails its batch mates. That value is nobody's identity: it is
// as if nobody had been found by it.
func (s *session) findApart(ctx context.Context, k questionKey, values []string) ([][]crm.Record, error) {
	if len(values) == 1 {
		s.Mark("value_of_too_many")
		return make([][]crm.Record, 1), nil
	}
	half := len(values) / 2
	first, err := s.batchFind(ctx, k, values[:half])
	if err != nil {
		return nil, err
	}
	rest, err := s.batchFind(ctx, k, values[half:])
	return append(first, rest...), err
}
