package api

import (
	"slices"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// masked stands for a field value that a viewer must not see. Blanks stay
// blank: that a field is empty names nobody.
const masked = "•••"

func maskValue(v crm.Value) crm.Value {
	if v.Blank() {
		return v
	}
	return crm.TextValue(masked)
}

func maskFields(f crm.Fields) crm.Fields {
	if f == nil {
		return nil
	}
	out := make(crm.Fields, len(f))
	for name, v := range f {
		out[name] = maskValue(v)
	}
	return out
}

func maskDiffs(diffs []engine.Diff) []engine.Diff {
	out := make([]engine.Diff, len(diffs))
	for i, d := range diffs {
		d.Before, d.After = maskValue(d.Before), maskValue(d.After)
		out[i] = d
	}
	return out
}

// maskEntry also drops request and response, which hold values, and the
// address, which may hold a key to look records up by.
func maskEntry(e engine.Entry) engine.Entry {
	e.Diffs = maskDiffs(e.Diffs)
	e.URL = maskText(e.URL)
	e.Calls = slices.Clone(e.Calls)
	for i := range e.Calls {
		e.Calls[i].URL = maskText(e.Calls[i].URL)
	}
	e.Request, e.Response = maskText(e.Request), maskText(e.Response)
	return e
}

func maskText(s string) string {
	if s == "" {
		return ""
	}
	return masked
}

func maskRecord(r engine.RecordView) engine.RecordView {
	r.Values.Left, r.Values.Right = maskFields(r.Values.Left), maskFields(r.Values.Right)
	if r.Base != nil {
		base := make(map[crm.MappingID]any, len(r.Base))
		for id := range r.Base {
			base[id] = masked
		}
		r.Base = base
	}
	history := make([]engine.Entry, len(r.History))
	for i, e := range r.History {
		history[i] = maskEntry(e)
	}
	r.History = history
	return r
}

func maskExplanation(x engine.Explanation) engine.Explanation {
	filters := make([]engine.FilterClause, len(x.Filters))
	for i, f := range x.Filters {
		f.Value = maskValue(f.Value)
		filters[i] = f
	}
	fields := make([]engine.FieldVerdict, len(x.Fields))
	for i, f := range x.Fields {
		f.Left, f.Right = maskValue(f.Left), maskValue(f.Right)
		if f.After.Kind() != crm.Absent {
			f.After = maskValue(f.After)
		}
		fields[i] = f
	}
	x.Filters, x.Fields = filters, fields
	return x
}
