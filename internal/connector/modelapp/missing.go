package modelapp

import (
	"slices"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// codeMissing refuses a field that the object does not have.
const codeMissing = "field_missing"

// Archive takes a field away as an admin would: it is in no schema and no answer
// any more, and its values wait for Unarchive. It reports whether that changed
// anything.
func (a *App) Archive(field string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.archived[field] || !slices.Contains(a.names, field) {
		return false
	}
	a.archived[field] = true
	return true
}

// Unarchive brings a field back, with the values that it had.
func (a *App) Unarchive(field string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.archived, field)
}

// has reports whether the object has a field now.
func (a *App) has(field string) bool { return slices.Contains(a.names, field) && !a.archived[field] }

// visible refuses what a user types into a field that is gone.
func (a *App) visible(f crm.Fields) error {
	for k := range f {
		if !a.has(k) {
			return &fault.Error{
				Op: "model: edit", Kind: fault.Invalid, Code: codeMissing, Field: k, Message: "there is no such field",
			}
		}
	}
	return nil
}

// asked refuses a call for a field that is gone, where the app does that.
func (a *App) asked(what string, fields []string) error {
	for _, f := range fields {
		if a.opts.RefuseGone && a.archived[f] {
			return &fault.Error{
				Op: "model: " + what, Kind: fault.Invalid, Code: codeMissing, Field: f, Message: "there is no such field",
			}
		}
	}
	return nil
}

// complete makes a record what a read of the fields answers: without what is
// gone, and with every blank as the app says it.
func (a *App) complete(r crm.Record, fields []string) crm.Record {
	for _, f := range fields {
		_, sent := r.Fields[f]
		switch {
		case !a.has(f):
			delete(r.Fields, f)
		case sent || a.opts.Blank == crm.BlankOmitted:
		case a.opts.Blank == crm.BlankNull:
			r.Fields[f] = crm.NullValue()
		default:
			r.Fields[f] = crm.TextValue("")
		}
	}
	return r
}
