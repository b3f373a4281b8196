package mapping

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// optionSet finds the exact option for a value that may differ in case.
type optionSet struct {
	exact  map[string]bool
	byFold map[string]string
	values []string // in the app's order, for messages
	closed bool     // the app refuses other values
}

func newOptionSet(values []string, closed bool) optionSet {
	s := optionSet{exact: map[string]bool{}, byFold: map[string]string{}, values: values, closed: closed}
	for _, v := range values {
		s.exact[v] = true
		s.byFold[Fold(v)] = v
	}
	return s
}

// optionsOf returns what a field of effective type t accepts.
func optionsOf(f crm.Field, t crm.FieldType) optionSet {
	if t == crm.TypeBoolean {
		return newOptionSet([]string{"true", "false"}, true)
	}
	values := make([]string, len(f.Options))
	for i, o := range f.Options {
		values[i] = o.Value
	}
	isOption := t == crm.TypeOption || t == crm.TypeOptions
	return newOptionSet(values, isOption && len(values) > 0 && !f.OpenOptions)
}

// twins adds the folds that stand for more than one of the set's values.
func (s optionSet) twins(into map[string]bool) {
	count := map[string]int{}
	for v := range s.exact {
		if count[Fold(v)]++; count[Fold(v)] > 1 {
			into[Fold(v)] = true
		}
	}
}

// lookup finds x exactly, else by case where that is not ambiguous.
func (s optionSet) lookup(x string, twins map[string]bool) (string, bool) {
	if s.exact[x] {
		return x, true
	}
	f := Fold(x)
	v, ok := s.byFold[f]
	return v, ok && !twins[f]
}

// maxListedOptions keeps messages readable; the schema has the rest.
const maxListedOptions = 20

// list names the options for a message.
func (s optionSet) list() string {
	n := min(len(s.values), maxListedOptions)
	quoted := make([]string, n)
	for i, v := range s.values[:n] {
		quoted[i] = strconv.Quote(v)
	}
	text := strings.Join(quoted, ", ")
	if more := len(s.values) - n; more > 0 {
		text += " and " + strconv.Itoa(more) + " more"
	}
	return text
}

// optionMap translates options. The canonical form of a value is the right
// side's option; a value that no pair names is itself, in the case in which the
// right side, else the left side, lists it.
type optionMap struct {
	sets    [2]optionSet // by side index
	keys    optionSet    // left ends of the pairs
	targets optionSet    // right ends of the pairs
	right   map[string]string
	left    map[string]string
	twins   map[string]bool // folds with several spellings: these match exactly only
	twoWay  bool
	toLeft  bool
}

func newOptionMap(sets [2]optionSet, pairs map[string]string, dir crm.Direction) *optionMap {
	m := &optionMap{sets: sets, right: map[string]string{}, left: map[string]string{}, twins: map[string]bool{}}
	m.toLeft = dir.Allows(crm.ToLeft)
	m.twoWay = m.toLeft && dir.Allows(crm.ToRight)
	keys := slices.Sorted(maps.Keys(pairs))
	targets := make([]string, 0, len(keys))
	for i, k := range keys {
		targets = append(targets, CanonicalText(pairs[k]))
		keys[i] = CanonicalText(k)
	}
	newOptionSet(keys, false).twins(m.twins)
	sets[0].twins(m.twins)
	sets[1].twins(m.twins)
	for i := range keys {
		keys[i] = orSame(sets[0].lookup(keys[i], m.twins))(keys[i])
		targets[i] = orSame(sets[1].lookup(targets[i], m.twins))(targets[i])
		m.right[keys[i]] = targets[i]
		if _, taken := m.left[targets[i]]; !taken {
			m.left[targets[i]] = keys[i]
		}
	}
	m.keys, m.targets = newOptionSet(keys, false), newOptionSet(targets, false)
	m.targets.twins(m.twins)
	return m
}

func orSame(found string, ok bool) func(string) string {
	return func(x string) string {
		if ok {
			return found
		}
		return x
	}
}

// setOf is the canonical list of items. They are one where they differ in case
// alone, unless options of an app differ in nothing else.
func (m *optionMap) setOf(items []string) crm.Value {
	if len(m.twins) > 0 {
		return setOf(items)
	}
	return tagsOf(items)
}

// oneToOne reports whether every right value stands for one left value.
func (m *optionMap) oneToOne() bool { return len(m.right) == len(m.left) }

// itself is the canonical form of a value that no pair names.
func (m *optionMap) itself(x string) string {
	if v, ok := m.sets[1].lookup(x, m.twins); ok {
		return v
	}
	if v, ok := m.sets[0].lookup(x, m.twins); ok {
		return v
	}
	return x
}

// canonical returns the canonical form of a value that is no left key.
func (m *optionMap) canonical(x string) string {
	if t, ok := m.targets.lookup(x, m.twins); ok {
		return t
	}
	return m.itself(x)
}

// read returns the canonical form of x as found on side. It reports false for
// a value that no pair names although its name means something else on the
// other side, so that it could not come back as itself.
func (m *optionMap) read(side crm.Side, x string) (string, bool) {
	_, target := m.targets.lookup(x, m.twins)
	k, key := m.keys.lookup(x, m.twins)
	switch {
	case side == crm.Left && key:
		return m.right[k], true
	case side == crm.Left:
		return m.canonical(x), !target || !m.twoWay
	default:
		return m.canonical(x), target || !key || !m.toLeft
	}
}

// write returns the option to store on side for canonical x; false when the
// side has no such option.
func (m *optionMap) write(side crm.Side, x string) (string, bool) {
	if side == crm.Left {
		if t, ok := m.targets.lookup(x, m.twins); ok {
			x = m.left[t]
		}
	}
	set := m.sets[side.Index()]
	if v, ok := set.lookup(x, m.twins); ok {
		return v, true
	}
	return x, !set.closed
}
