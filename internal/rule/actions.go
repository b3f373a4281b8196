package rule

import (
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// The actions of rules. A tag is an item of a field of several values, which is
// what apps call tags, labels or lists.
const (
	ActionAddTag    = "add_tag"
	ActionRemoveTag = "remove_tag"
	ActionAddToList = "add_to_list"
	ActionSetField  = "set_field"
)

// Actions lists all.
var Actions = []string{ActionAddTag, ActionRemoveTag, ActionAddToList, ActionSetField}

// Adds reports whether an action adds an item to a field of several.
func Adds(action string) bool { return action == ActionAddTag || action == ActionAddToList }

// Several reports whether a field takes several values.
func Several(f crm.Field) bool {
	return f.Type == crm.TypeOptions || f.Type == crm.TypeList || f.Multiple
}

// ActionValue returns what a field is to hold that an action sets. False: the
// text does not fit, or an action cannot set such a field.
func ActionValue(f crm.Field, text string) (crm.Value, bool) {
	text = strings.TrimSpace(text)
	switch f.Type {
	case crm.TypeNumber:
		n, ok := mapping.CanonicalNumber(text)
		return crm.NumberValue(n), ok
	case crm.TypeBoolean:
		b, ok := mapping.ParseBool(crm.TextValue(text))
		return crm.BoolValue(b), ok
	case crm.TypeText, crm.TypeURL, crm.TypeOption, "":
		return crm.TextValue(text), !Several(f) && offers(f, text)
	case crm.TypeEmail, crm.TypePhone, crm.TypeDate, crm.TypeDateTime, crm.TypeReference, crm.TypeOwner,
		crm.TypeOptions, crm.TypeList:
	}
	return crm.Value{}, false
}

// offers reports whether a field takes a value as far as its options go.
func offers(f crm.Field, value string) bool {
	if len(f.Options) == 0 || f.OpenOptions {
		return true
	}
	return slices.ContainsFunc(f.Options, func(o crm.Option) bool { return o.Value == value })
}

// actions checks that each action exists and can be carried out on a side.
func (c *ruleCompiler) actions(actions []crm.RuleAction, side crm.Side, at string) {
	for i, a := range actions {
		at := at + "/actions/" + strconv.Itoa(i)
		switch {
		case !slices.Contains(Actions, a.Type):
			c.add(at+"/type", CodeUnknownAction, "there is no action "+strconv.Quote(a.Type)+": use "+
				strings.Join(Actions, ", "))
			_, _ = c.writable(a.Field, side, at+"/field")
		case a.Type == ActionSetField:
			c.settable(a, side, at)
		default:
			c.taggable(a.Field, a.Value, side, at+"/field", at+"/value")
		}
		if strings.TrimSpace(a.Value) == "" {
			c.add(at+"/value", CodeWrongValue, "give the tag to add or to remove, or the value to set")
		}
	}
}

// writable checks that a field exists and that the app takes it. False: there
// is nothing more to be said of it.
func (c *ruleCompiler) writable(name string, side crm.Side, at string) (crm.Field, bool) {
	fields := c.env.fields(side)
	field, found := fields[name]
	quoted := "the " + string(side) + " field " + strconv.Quote(name)
	switch {
	case name == "":
		c.add(at, mapping.CodeMissingField, "name the field of the "+string(side)+" object that the action writes")
	case fields == nil, c.gone(side, name):
	case !found:
		c.add(at, mapping.CodeUnknownField, quoted+" does not exist: choose one of the object's fields")
	case field.ReadOnly:
		c.add(at, mapping.CodeReadOnlyField, quoted+" is read-only in the app: choose another field")
	default:
		return field, true
	}
	return field, false
}

// taggable checks that a field takes a tag beside others.
func (c *ruleCompiler) taggable(name, tag string, side crm.Side, at, atValue string) {
	field, ok := c.writable(name, side, at)
	quoted := "the " + string(side) + " field " + strconv.Quote(name)
	switch {
	case !ok:
	case !Several(field):
		c.add(at, mapping.CodeIncompatible, quoted+" ("+string(field.Type)+") does not hold several values: "+
			c.remedy(side))
	case !offers(field, strings.TrimSpace(tag)) && strings.TrimSpace(tag) != "":
		c.add(atValue, mapping.CodeUnknownOption, quoted+" has no option "+strconv.Quote(tag)+
			": choose one of its options, or make this one in the app")
	}
}

// CheckTag checks that a field of a side takes a tag. Problems of the field have
// the pointer "", those of the tag "/tag".
func CheckTag(field, tag string, side crm.Side, env Env) []mapping.Problem {
	c := &ruleCompiler{env: env}
	c.taggable(field, tag, side, "", "/tag")
	return c.problems
}

// remedy names the fields of a side that take tags, if there are any.
func (c *ruleCompiler) remedy(side crm.Side) string {
	var names []string
	for name, f := range c.env.fields(side) {
		if Several(f) && !f.ReadOnly {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "the object has no field for tags or lists, so use set_field"
	}
	slices.Sort(names)
	return "choose " + strings.Join(names[:min(len(names), 10)], ", ")
}

// settable checks that a field can be set to the value of an action.
func (c *ruleCompiler) settable(a crm.RuleAction, side crm.Side, at string) {
	field, ok := c.writable(a.Field, side, at+"/field")
	quoted := "the " + string(side) + " field " + strconv.Quote(a.Field) + " (" + string(field.Type) + ")"
	switch _, fits := ActionValue(field, a.Value); {
	case !ok || fits || strings.TrimSpace(a.Value) == "":
	case Several(field):
		c.add(at+"/field", mapping.CodeIncompatible, quoted+" holds several values: use add_tag or remove_tag")
	case slices.Contains([]crm.FieldType{crm.TypeOption, crm.TypeText, crm.TypeURL, ""}, field.Type):
		c.add(at+"/value", mapping.CodeUnknownOption, quoted+" has no option "+strconv.Quote(a.Value)+
			": choose one of its options")
	case field.Type == crm.TypeNumber, field.Type == crm.TypeBoolean:
		c.add(at+"/value", CodeWrongValue, quoted+" does not take "+strconv.Quote(a.Value)+
			": give a number for a number, true or false for a checkbox")
	default:
		c.add(at+"/field", mapping.CodeIncompatible, quoted+
			" cannot be set by a rule: choose a text, option, number, checkbox or address of the web")
	}
}

// extras checks undo and the other way around, which build on filter and actions.
func (c *ruleCompiler) extras(r *crm.Rule, source crm.Side, at string) {
	switch {
	case !r.Undo:
	case r.Filter == nil:
		c.add(at+"/undo", CodeIncomplete, "undo takes the actions back when the filter is not met: give the rule a filter, "+
			"or set undo to false")
	case len(r.Actions) == 0:
		c.add(at+"/undo", CodeIncomplete, "undo takes the rule's actions back: give it an action, or set undo to false")
	}
	o := r.OtherWayAround
	at += "/other_way_around"
	switch {
	case !o.Enabled:
	case r.Direction != crm.DirectionToRight && r.Direction != crm.DirectionToLeft:
		c.add(at+"/enabled", CodeIncomplete, "the other way around mirrors a rule of one way: set the rule's direction to "+
			"to_right or to_left")
	case len(tagsOf(r.Actions)) == 0:
		c.add(at+"/enabled", CodeIncomplete, "the other way around goes by the tags that the rule adds: give it an action "+
			"add_tag")
	case o.Exclude == nil:
		c.add(at+"/exclude", CodeIncomplete, "name the mark that keeps a source record out when its twin's tag was taken "+
			"off: field and value, as the rule's filter looks for them")
	case !leavesOut(r.Filter, o.Exclude):
		c.add(at+"/exclude", CodeIncomplete, "the rule's filter has to leave out what has this mark: add a clause with "+
			"field "+strconv.Quote(o.Exclude.Field)+", op not_contains and value "+strconv.Quote(o.Exclude.Value))
	}
	if o.Enabled && o.Exclude != nil {
		c.taggable(o.Exclude.Field, o.Exclude.Value, source, at+"/exclude/field", at+"/exclude/value")
	}
}

func tagsOf(actions []crm.RuleAction) []crm.RuleAction {
	return slices.DeleteFunc(slices.Clone(actions), func(a crm.RuleAction) bool { return !Adds(a.Type) })
}

// leavesOut reports whether a filter never passes a record that has the mark.
func leavesOut(f *crm.Filter, mark *crm.Exclude) bool {
	if f == nil {
		return false
	}
	if f.Field == mark.Field && f.Op == "not_contains" && mapping.Fold(f.Value.Text()) == mapping.Fold(mark.Value) {
		return true
	}
	return slices.ContainsFunc(f.All, func(x crm.Filter) bool { return leavesOut(&x, mark) })
}

// mirror adds, to the rules of the way back, that records with the rule's tags
// may travel.
func (c *ruleCompiler) mirror(r *crm.Rule, way crm.Way, back int) {
	tags := tagsOf(r.Actions)
	if !r.On() || !r.OtherWayAround.Enabled || r.Direction == crm.DirectionBoth || r.Direction == "" || len(tags) == 0 {
		return
	}
	has := &crm.Filter{}
	for _, a := range tags {
		has.All = append(has.All, crm.Filter{Field: a.Field, Op: "contains", Value: crm.TextValue(a.Value)})
	}
	filter, problems := c.filter(has, way.Target())
	if len(problems) == 0 { // else the actions have them
		c.out.ways[back] = append(c.out.ways[back], compiled{id: r.ID, on: true, filter: filter})
	}
}

// react notes what a rule that is on makes of what it said.
func (c *compiled) react(d *Decision, t *RuleTrace) {
	if !c.on || len(t.Held) > 0 {
		return
	}
	if c.mark != nil {
		d.Mirrors = append(d.Mirrors, Mirror{Pass: t.Pass, Tags: tagsOf(c.actions), Mark: *c.mark})
	}
	if !t.Pass && c.undo {
		d.Undo = append(d.Undo, c.actions...)
	}
}
