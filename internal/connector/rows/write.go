package rows

import (
	"errors"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Row is one write that is sent.
type Row[B any] struct {
	At   int // the caller's place
	ID   crm.RecordID
	Body B
	done bool
}

// Done reports whether the row has its answer.
func (r *Row[B]) Done() bool { return r.done }

// Batch is one call of BatchWrite.
type Batch[B any] struct {
	Op   string
	Kind connector.Op
	Rows []*Row[B]
	Out  []connector.Written

	Receipt *connector.Exchange // of the call, once it is answered: every row that was written has it
}

// Prepare makes the rows of a call. body answers with what is sent for a write and
// the ID of the record it names; a refusal is the row's outcome, and it is not sent.
// A write that
// the app does not have at all (Unsupported) fails the call, and so does Mixed.
func Prepare[B any](
	op string, writes []connector.Write, limit int, body func(connector.Write) (B, crm.RecordID, error),
) (*Batch[B], error) {
	b := &Batch[B]{Op: op, Out: make([]connector.Written, len(writes))}
	if err := Limit(op, len(writes), limit); err != nil || len(writes) == 0 {
		return b, err
	}
	b.Kind = writes[0].Op
	b.Op += ": " + string(b.Kind)
	for i, w := range writes {
		if w.Op != b.Kind {
			return nil, Mixed(op)
		}
		sent, id, err := body(w)
		switch {
		case fault.Is(err, fault.Unsupported) || fault.CodeOf(err) == connector.CodeMixed:
			return nil, err
		case err != nil:
			b.Out[i] = connector.Written{ID: w.ID, Err: err}
		default:
			b.Rows = append(b.Rows, &Row[B]{At: i, ID: id, Body: sent})
		}
	}
	return b, nil
}

// OfRow returns the error of a call that writes one record where it is the record's
// outcome: a refusal, and not a call that may be made again.
func OfRow(err error, kind connector.Op) (*fault.Error, bool) {
	var e *fault.Error
	if !errors.As(err, &e) || e.MayHaveLanded || e.Code == connector.CodeObject {
		return nil, false
	}
	if e.Kind == fault.NotFound && kind == connector.Create { // it cannot be the one that is missing
		e.Kind, e.Code = fault.Invalid, connector.CodeValue
	}
	return e, e.Kind == fault.Invalid || e.Kind == fault.Conflict || e.Kind == fault.NotFound
}

// Mixed is the refusal of a call whose writes cannot be made by one request.
func Mixed(op string) error {
	return fault.New(op, fault.Invalid, connector.CodeMixed, "all writes of a call must do the same, by the same key")
}

// Settle gives a row its answer; the first one counts.
func (b *Batch[B]) Settle(r *Row[B], w connector.Written) {
	if r.done {
		return
	}
	if w.Err == nil {
		w.Exchange = b.Receipt
	}
	r.done, b.Out[r.At] = true, w
}

// Finish ends the call: a row that the app said nothing about may have been written.
func (b *Batch[B]) Finish(name string, exchange func(*Row[B]) *connector.Exchange) []connector.Written {
	for _, r := range b.Rows {
		if r.done {
			continue
		}
		e := &fault.Error{
			Op: b.Op, Kind: fault.Unavailable, Code: connector.CodeMalformed,
			Message: name + "'s answer does not name the record", MayHaveLanded: true,
		}
		b.Settle(r, connector.Written{ID: r.ID, Err: e, Exchange: exchange(r)})
	}
	return b.Out
}
