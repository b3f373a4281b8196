package modelapp

import (
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// stored returns the fields that a record has after f was written over old, as
// this app stores values, or the refusal of one of them.
func (a *App) stored(old, f crm.Fields) (crm.Fields, error) {
	out := make(crm.Fields, len(old)+len(f))
	for k, v := range old {
		out[k] = v
	}
	for k, v := range f {
		if !a.has(k) {
			return nil, &fault.Error{Op: "model: write", Kind: fault.Invalid, Code: codeMissing, Field: k, Message: "there is no such field"}
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
