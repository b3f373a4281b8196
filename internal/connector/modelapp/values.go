package modelapp

import (
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// stored returns the fields that a record has after f was written over old, as
// this app stores values, or the refusal of one of them.
func (a *App) stored(old, f crm.Fields, byUser bool) (crm.Fields, error) {
	f, err := a.conduct(old, f, byUser)
	if err != nil {
		return nil, err
	}
	out := make(crm.Fields, len(old)+len(f))
	for k, v := range old {
		out[k] = v
	}
	for k, v := range f {
		if !a.has(k) && !(byUser && a.archived[k]) { // a merge carries what nobody sees
			return nil, &fault.Error{
				Op: "model: write", Kind: fault.Invalid, Code: codeMissing, Field: k, Message: "there is no such field",
			}
		}
		if v.Blank() {
			delete(out, k)
			continue
		}
		kept, err := a.value(strings.TrimPrefix(k, a.opts.Prefix), v)
		if err != nil {
			return nil, err
		}
		out[k] = kept
	}
	return out, nil
}

// conduct is what a picky app does to marked texts.
func (a *App) conduct(old, f crm.Fields, byUser bool) (crm.Fields, error) {
	if !a.opts.Picky || byUser {
		return f, nil
	}
	refusal := &fault.Error{
		Op: "model: write", Kind: fault.Invalid, Code: "rejected_by_rule", Message: "a rule of the app refuses the record",
	}
	out := f.Clone()
	for k, v := range f {
		if v.Kind() != crm.Text {
			continue
		}
		switch text := v.Text(); {
		case strings.Contains(text, MarkRefused):
			refusal.Fields = append(refusal.Fields, fault.FieldFault{Field: k, Code: "invalid_value"})
		case strings.Contains(text, MarkBent):
			out[k] = crm.TextValue(strings.ToUpper(text))
		case strings.Contains(text, MarkKept):
			out[k] = old[k]
		}
	}
	if len(refusal.Fields) > 0 {
		slices.SortFunc(refusal.Fields, func(a, b fault.FieldFault) int { return strings.Compare(a.Field, b.Field) })
		refusal.Code, refusal.Field = "invalid_value", refusal.Fields[0].Field
		return nil, refusal
	}
	for _, v := range f {
		if v.Kind() == crm.Text && strings.Contains(v.Text(), MarkRule) {
			return nil, refusal
		}
	}
	return out, nil
}

func (a *App) value(name string, v crm.Value) (crm.Value, error) {
	refuse := func(why string) error {
		return &fault.Error{Op: "model: write", Kind: fault.Invalid, Code: "invalid_value", Field: a.Name(name), Message: why}
	}
	switch name {
	case Tags:
		return crm.ListValue(v.Items()...), nil
	case Rank:
		if !slices.ContainsFunc(ranks, func(o crm.Option) bool { return o.Value == v.Text() }) {
			return v, refuse("there is no such rank")
		}
	case Score:
		if strings.Trim(v.Text(), "0123456789") != "" {
			return v, refuse("a score is a whole number")
		}
		return crm.NumberValue(v.Text()), nil
	case Phone:
		if a.opts.Phones {
			return crm.TextValue(national(v.Text())), nil
		}
	}
	if a.opts.Trim && v.Kind() == crm.Text {
		return crm.TextValue(strings.TrimSpace(v.Text())), nil
	}
	return v, nil
}

// national writes North American numbers as people there do; others stay.
func national(s string) string {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
	if len(digits) == 11 && digits[0] == '1' && strings.HasPrefix(strings.TrimSpace(s), "+1") {
		return "(" + digits[1:4] + ") " + digits[4:7] + "-" + digits[7:]
	}
	return s
}
