package wire

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// labelsFor is how long labels are known: one that is renamed goes by its old name
// until then.
const labelsFor = time.Minute

// Labels are the labels or tags of an account, as they were listed. They do not
// change: many read them at once. The zero value knows none.
type Labels struct {
	name map[string]string // by ID; empty for those of the app's own
	id   map[string]string // by name in lower case
	at   time.Time
}

// Name is the name of a label; empty for one that is not known, or is the app's own.
func (l *Labels) Name(id string) string { return l.name[id] }

// ID is the ID of the label of that name, in any case; empty when there is none.
func (l *Labels) ID(name string) string { return l.id[strings.ToLower(name)] }

// Names are the names of those labels, in order; what Name knows no name of is left out.
func (l *Labels) Names(ids ...string) []string {
	var out []string
	for _, id := range ids {
		if name := l.name[id]; name != "" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// With are these labels and one more.
func (l *Labels) With(id, name string) *Labels {
	out := &Labels{name: maps.Clone(l.name), id: maps.Clone(l.id), at: l.at}
	out.add(id, name)
	return out
}

func (l *Labels) add(id, name string) {
	if l.name == nil {
		l.name, l.id = map[string]string{}, map[string]string{}
	}
	l.name[id] = name
	if name != "" {
		l.id[strings.ToLower(name)] = id
	}
}

// LabelCache keeps the labels of an account for a minute. Its zero value is ready.
type LabelCache struct {
	mu   sync.Mutex
	last *Labels
}

// Get returns the labels at a time, the wanted ones among them: where one is not
// known, they are listed anew, as it is younger than what is. list adds each label
// by its ID; one of the app's own, which is nobody's value, has no name.
func (c *LabelCache) Get(now time.Time, wanted []string, list func(add func(id, name string)) error) (*Labels, error) {
	c.mu.Lock()
	known := c.last
	c.mu.Unlock()
	if known != nil {
		missing := slices.ContainsFunc(wanted, func(id string) bool { _, ok := known.name[id]; return !ok })
		if age := now.Sub(known.at); age == 0 || age > 0 && age < labelsFor && !missing {
			return known, nil
		}
	}
	fresh := &Labels{at: now}
	if err := list(fresh.add); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = fresh
	return fresh, nil
}

// Forget has the labels listed anew: one was made, or may have been.
func (c *LabelCache) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = nil
}

// FieldTypes remembers the types of the fields of objects, which fields keep. Its zero
// value is ready.
type FieldTypes struct {
	mu    sync.Mutex
	known map[string]map[string]string
}

// Of returns the types of an object's fields by their names, as describe gave them
// when it was first asked.
func (t *FieldTypes) Of(object string, describe func() (map[string]string, error)) (map[string]string, error) {
	t.mu.Lock()
	types := t.known[object]
	t.mu.Unlock()
	if types != nil {
		return types, nil
	}
	types, err := describe()
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = map[string]map[string]string{}
	}
	t.known[object] = types
	return types, nil
}
