// Package rows keeps the port's promise of one entry for each thing asked for, in
// order, over apps that answer as they like: fewer, more, twice, in another order.
package rows

import (
	"context"
	"slices"
	"strconv"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Limit refuses a call that holds more than limit.
func Limit(op string, n, limit int) error {
	if n <= limit {
		return nil
	}
	return fault.New(op, fault.Invalid, connector.CodeTooLarge, "more than "+strconv.Itoa(limit)+" in one call")
}

// IDs is how an app writes its record IDs: the one form of an ID that may have
// several, and whether a text can be one at all.
type IDs func(text string) (crm.RecordID, bool)

// Read answers BatchRead. What can be no ID is missing without being asked for; call
// gets every other one once, in its one form, and answers as it finds them. What it
// has no entry for is missing, too.
func Read(
	ctx context.Context, ids []crm.RecordID, parse IDs, missing error,
	call func(asked []crm.RecordID) (map[crm.RecordID]connector.Read, error),
) ([]connector.Read, error) {
	out := make([]connector.Read, len(ids))
	asked, places := make([]crm.RecordID, 0, len(ids)), map[crm.RecordID][]int{}
	for i, id := range ids {
		out[i] = connector.Read{ID: id, Err: missing}
		if one, ok := parse(string(id)); ok {
			if places[one] == nil {
				asked = append(asked, one)
			}
			places[one] = append(places[one], i)
		}
	}
	if len(asked) == 0 {
		return out, ctx.Err()
	}
	got, err := call(asked)
	if err != nil {
		return nil, err
	}
	for _, id := range asked {
		r, ok := got[id]
		if !ok {
			continue
		}
		for n, i := range places[id] {
			out[i].Record, out[i].Err = r.Record, r.Err
			if n > 0 && r.Record != nil { // who asks twice owns two
				rec := *r.Record
				rec.Fields = rec.Fields.Clone()
				out[i].Record = &rec
			}
		}
	}
	return out, nil
}

// Found is a record of a look-up, with what it holds where the values were looked for.
type Found struct {
	Record crm.Record
	Holds  []string
}

// Match is how records are handed to the values that they may answer to. It need be
// no stricter than the app: callers compare again.
type Match struct {
	Fold  func(string) string           // values that fold alike are the same; those that fold to "" find nothing
	Like  func(value, held string) bool // folded ones that match besides; nil = none
	Stray bool                          // a record that answers to none goes to all
}

// Hand answers BatchFind: one list for each value. A record found by several requests
// is handed out once, and each that gets it has fields of its own.
func (m Match) Hand(values []string, found []Found) [][]crm.Record {
	out := make([][]crm.Record, len(values))
	at := make(map[string][]int, len(values))
	var all []int
	for i, v := range values {
		if k := m.Fold(v); k != "" {
			at[k] = append(at[k], i)
			all = append(all, i)
		}
	}
	seen := map[crm.RecordID]bool{}
	for _, f := range found {
		if f.Record.Deleted || seen[f.Record.ID] {
			continue
		}
		seen[f.Record.ID] = true
		var places []int
		for _, held := range f.Holds {
			held = m.Fold(held)
			places = append(places, at[held]...)
			for _, i := range all {
				if m.Like != nil && m.Like(m.Fold(values[i]), held) {
					places = append(places, i)
				}
			}
		}
		if places == nil && m.Stray {
			places = slices.Clone(all)
		}
		slices.Sort(places)
		for _, i := range slices.Compact(places) {
			rec := f.Record
			rec.Fields = rec.Fields.Clone()
			out[i] = append(out[i], rec)
		}
	}
	return out
}
