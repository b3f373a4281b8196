package engine

import (
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// What is remembered of fields that an app changed.
const (
	maxChanged    = 100                 // fields of one object
	changedFor    = 90 * 24 * time.Hour // a field is then what it is
	maxOptionsWas = 300
)

// FieldShape is what of a field decides whether a mapping fits it.
type FieldShape struct {
	Type     crm.FieldType `json:"type"`
	Multiple bool          `json:"multiple,omitempty"`
	ReadOnly bool          `json:"read_only,omitempty"`
	Options  []crm.Option  `json:"options,omitempty" doc:"Those alone that are not there both before and after"`
}

// changedField is a field as it was before its app changed it.
type changedField struct {
	At  time.Time  `json:"at"`
	Was FieldShape `json:"was"`
}

func shapeOf(f *crm.Field) FieldShape {
	return FieldShape{f.Type, f.Multiple, f.ReadOnly, f.Options}
}

// differs reports whether two shapes of a field are not the same; labels are no part.
func (s *FieldShape) differs(o *FieldShape) bool {
	return s.Type != o.Type || s.Multiple != o.Multiple || s.ReadOnly != o.ReadOnly ||
		len(optionsBut(s.Options, o.Options))+len(optionsBut(o.Options, s.Options)) > 0
}

// optionsBut are the options that the others do not have.
func optionsBut(of, others []crm.Option) (out []crm.Option) {
	known := make(map[string]bool, len(others))
	for _, o := range others {
		known[o.Value] = true
	}
	for _, o := range of {
		if !known[o.Value] {
			out = append(out, o)
		}
	}
	return out
}

// followChanges keeps what fields were before their app changed them. One that is again
// as it was is forgotten.
func (cs *cachedSchema) followChanges(old *cachedSchema, now time.Time) {
	was := make(map[string]*crm.Field, len(old.Fields))
	for i := range old.Fields {
		was[old.Fields[i].Name] = &old.Fields[i]
	}
	cs.Changed = map[string]changedField{}
	for i := range cs.Fields {
		name, is := cs.Fields[i].Name, shapeOf(&cs.Fields[i])
		c, known := old.Changed[name]
		known = known && now.Sub(c.At) < changedFor
		if f := was[name]; f != nil && !known {
			if shape := shapeOf(f); shape.differs(&is) {
				shape.Options = shape.Options[:min(len(shape.Options), maxOptionsWas)]
				c, known = changedField{now, shape}, true
			}
		}
		if known && c.Was.differs(&is) && len(cs.Changed) < maxChanged {
			cs.Changed[name] = c
		}
	}
}

// tellChange says of a held part what its field was, and is, and what would mend it.
func (p *HeldPart) tellChange(cs *cachedSchema, code string, m *crm.Mapping) {
	c, known := cs.Changed[p.Field]
	i := slices.IndexFunc(cs.Fields, func(f crm.Field) bool { return f.Name == p.Field })
	if !known || i < 0 {
		return
	}
	is := shapeOf(&cs.Fields[i])
	was := c.Was
	was.Options, is.Options = optionsBut(c.Was.Options, is.Options), optionsBut(is.Options, c.Was.Options)
	p.Since, p.Was, p.Is = c.At, &was, &is
	if m != nil {
		p.Repair = repair(p, code, m)
	}
}

// repair is a merge patch that lets a mapping fit its field again; nil = nobody but a
// person can know one.
func repair(p *HeldPart, code string, m *crm.Mapping) map[string]any {
	switch code {
	case mapping.CodeReadOnlyField:
		if m.Direction == crm.DirectionBoth || m.Direction == "" {
			return map[string]any{"direction": crm.WayTo(p.Side.Other())}
		}
	case mapping.CodeUnknownOption:
		return repairOptions(p, m)
	}
	return nil
}

// repairOptions gives lines of a value map the new names of options: one that has the
// label of the old one, or is the only new one in the place of the only old one.
func repairOptions(p *HeldPart, m *crm.Mapping) map[string]any {
	named := map[string]string{}
	for _, old := range p.Was.Options {
		for _, fresh := range p.Is.Options {
			if strings.EqualFold(old.Label, fresh.Label) || len(p.Was.Options) == 1 && len(p.Is.Options) == 1 {
				named[old.Value] = fresh.Value
			}
		}
	}
	lines := map[string]any{}
	for left, right := range m.Transform.Options {
		switch {
		case p.Side == crm.Left && named[left] != "":
			lines[left], lines[named[left]] = nil, right
		case p.Side == crm.Right && named[right] != "":
			lines[left] = named[right]
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return map[string]any{"transform": map[string]any{"options": lines}}
}

// remedies say what helps where a part of the settings does not fit a field any more.
var remedies = map[string]string{
	mapping.CodeReadOnlyField: "let the field be written again in the app, or give the account's user the right to; " +
		"or set the mapping's direction to the other way",
	mapping.CodeIncompatible: "give the field its type back in the app, or map it with a transform that fits",
	mapping.CodeNotRoundTrip: "give the field its type back in the app, or set the mapping to one direction",
	mapping.CodeUnknownOption: "name the option that took its place in transform.options of the mapping, or bring it " +
		"back in the app",
	mapping.CodeBadDefault:   "choose a default that the field takes",
	mapping.CodeNotReference: "give the field its type back in the app, or map another one",
}

// remedyOf says what helps a held part.
func remedyOf(h *reconcile.Held) string {
	if h.Code == "" {
		return "bring the field back in the " + string(h.Side) + " app, or give the account's user the right to see it; " +
			"if it was renamed or is gone for good, name another in the settings"
	}
	return remedies[h.Code]
}
