package salesforcefake

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// get returns a record's value of a column as text; "" is null.
func get(o *object, r *fakekit.Record, c *column) string {
	switch c.name {
	case "Id":
		return r.ID
	case "IsDeleted":
		return strconv.FormatBool(r.Deleted)
	case "LastModifiedById":
		if by, ok := r.Extra.(string); ok {
			return by
		}
		return colleagueID
	case "MasterRecordId":
		return r.MergedInto
	case "CreatedDate":
		return r.Created.UTC().Format(outLayout)
	case "SystemModstamp", "LastModifiedDate":
		return r.Modified.UTC().Format(outLayout)
	case "Name":
		if o.name == "Contact" || o.name == "Lead" {
			return strings.TrimSpace(r.Fields["FirstName"] + " " + r.Fields["LastName"])
		}
	}
	if c.formula != nil {
		return c.formula(r)
	}
	v := r.Fields[c.name]
	if v == "" && c.kind == "boolean" {
		return "false"
	}
	return v
}

// holds evaluates a condition.
func (c *cond) holds(o *object, r *fakekit.Record) bool {
	switch c.op {
	case "and":
		return !slices.ContainsFunc(c.kids, func(k *cond) bool { return !k.holds(o, r) })
	case "or":
		return slices.ContainsFunc(c.kids, func(k *cond) bool { return k.holds(o, r) })
	case "not":
		return !c.kids[0].holds(o, r)
	}
	v := get(o, r, c.col)
	equal := func(lit literal) bool { return compare(c.col, v, lit) == 0 }
	switch c.op {
	case "in":
		return slices.ContainsFunc(c.args, equal)
	case "notin":
		return !slices.ContainsFunc(c.args, equal)
	case "=":
		return equal(c.args[0])
	case "!=":
		return !equal(c.args[0])
	case "like":
		return like(strings.ToLower(v), c.args[0].text)
	}
	if v == "" {
		return false
	}
	n := compare(c.col, v, c.args[0])
	switch c.op {
	case "<":
		return n < 0
	case "<=":
		return n <= 0
	case ">":
		return n > 0
	}
	return n >= 0
}

// compare orders a value against a literal; null is equal to null only.
func compare(c *column, v string, lit literal) int {
	if v == "" || lit.null {
		if v == "" && lit.null {
			return 0
		}
		return -1
	}
	switch c.kind {
	case "double", "currency", "percent", "int":
		n, _ := strconv.ParseFloat(v, 64) // checked when it was stored
		switch {
		case n < lit.num:
			return -1
		case n > lit.num:
			return 1
		}
		return 0
	case "datetime":
		t, _ := time.Parse(outLayout, v) // written by us
		return t.Compare(lit.at)
	case "id", "reference":
		return strings.Compare(v, lit.text)
	case "multipicklist":
		if strings.ToLower(v) == lit.text {
			return 0
		}
		return 1
	}
	return strings.Compare(strings.ToLower(v), lit.text)
}

// like matches % and _, which a backslash makes plain.
func like(v, pattern string) bool {
	type step struct {
		r    rune
		any  bool
		many bool
	}
	var steps []step
	esc := false
	for _, r := range pattern {
		switch {
		case !esc && r == '\\':
			esc = true
			continue
		case !esc && r == '%':
			steps = append(steps, step{many: true})
		case !esc && r == '_':
			steps = append(steps, step{any: true})
		default:
			steps = append(steps, step{r: r})
		}
		esc = false
	}
	// reach[i] says that the steps so far match the first i runes.
	runes := []rune(v)
	reach := make([]bool, len(runes)+1)
	reach[0] = true
	for _, s := range steps {
		now := make([]bool, len(runes)+1)
		for i := range now {
			switch {
			case s.many:
				now[i] = reach[i] || i > 0 && now[i-1]
			case i > 0:
				now[i] = reach[i-1] && (s.any || runes[i-1] == s.r)
			}
		}
		reach = now
	}
	return reach[len(runes)]
}

// lowest returns the least place in the order of changes that a condition lets
// through; the zero place when it says nothing about it.
func (c *cond) lowest() place {
	if c == nil {
		return place{}
	}
	var p place
	switch c.op {
	case "and":
		var at time.Time
		var id string
		for _, k := range c.kids {
			p = later(p, k.lowest())
			if k.col != nil && k.col.name == "SystemModstamp" && k.op == "=" {
				at = k.args[0].at
			}
			if k.col != nil && k.col.name == "Id" && k.op == ">" {
				id = k.args[0].text
			}
		}
		if !at.IsZero() {
			p = later(p, place{at, id})
		}
	case "or":
		for i, k := range c.kids {
			if q := k.lowest(); i == 0 || later(p, q) == p {
				p = q
			}
		}
	case ">", ">=", "=":
		if c.col.name == "SystemModstamp" && !c.args[0].null {
			p.at = c.args[0].at
			if c.op == ">" {
				p.at = p.at.Add(time.Second)
			}
		}
	}
	return p
}

func later(a, b place) place {
	if a.at.After(b.at) || a.at.Equal(b.at) && a.id > b.id {
		return a
	}
	return b
}

// afterID returns the ID that a condition lists behind: "" for all.
func (c *cond) afterID() string {
	switch {
	case c == nil:
		return ""
	case c.op == "and":
		id := ""
		for _, k := range c.kids {
			id = max(id, k.afterID())
		}
		return id
	case c.op == ">" && c.col.name == "Id":
		return c.args[0].text
	}
	return ""
}

// exact finds a comparison that a hash answers: Id or an indexed field equal to
// one of some values.
func (c *cond) exact(t *table) *cond {
	switch {
	case c == nil:
		return nil
	case c.op == "and":
		for _, k := range c.kids {
			if e := k.exact(t); e != nil {
				return e
			}
		}
	case c.op == "=" || c.op == "in":
		if slices.ContainsFunc(c.args, func(l literal) bool { return l.null }) {
			return nil
		}
		if c.col.name == "Id" {
			return c
		}
		if _, ok := t.Live.Lookup(c.col.name, "x"); ok {
			return c
		}
	}
	return nil
}

// orderIs reports whether the query is sorted by these columns, all one way.
func (q query) orderIs(desc bool, names ...string) bool {
	return slices.EqualFunc(q.order, names, func(k sortKey, name string) bool {
		return k.col.name == name && k.desc == desc
	})
}

// run lists what a query finds, in its order. all takes the recycle bin in.
func (f *org) run(q query, all bool) []*fakekit.Record {
	var out []*fakekit.Record
	most := -1
	if q.limit >= 0 {
		most = q.limit + q.offset
	}
	sorted := true // the source has the order already: stop at the limit
	visit := func(r *fakekit.Record) bool {
		if (all || !r.Deleted) && (q.where == nil || q.where.holds(q.object, r)) {
			out = append(out, r)
		}
		return !sorted || most < 0 || len(out) < most
	}
	t := f.tables[q.object.name]
	switch {
	case most == 0:
	case t == nil:
		sorted = false
		for _, r := range f.virtual[q.object.name] {
			visit(r)
		}
	case q.where.exact(t) != nil:
		sorted = false
		t.visitExact(q.where.exact(t), all, visit)
	case q.orderIs(false, "SystemModstamp", "Id"), q.orderIs(false, "SystemModstamp"):
		t.ascend(q.where.lowest(), all, visit)
	case q.orderIs(true, "SystemModstamp", "Id"), q.orderIs(true, "SystemModstamp"):
		t.descend(q.where.lowest(), all, visit)
	case len(q.order) == 0, q.orderIs(false, "Id"):
		t.Each(q.where.afterID(), visit)
	default:
		sorted = false
		t.Each("", visit)
	}
	if !sorted {
		q.sort(out)
	}
	if most >= 0 && len(out) > most {
		out = out[:most]
	}
	return out[min(q.offset, len(out)):]
}

// visitExact visits the records that a hash finds, each once, and the bin.
func (t *table) visitExact(c *cond, all bool, visit func(*fakekit.Record) bool) {
	seen := map[string]bool{}
	once := func(r *fakekit.Record) {
		if !seen[r.ID] {
			seen[r.ID] = true
			visit(r)
		}
	}
	for _, lit := range c.args {
		if c.col.name == "Id" {
			if r, ok := t.Get(lit.text); ok {
				once(r)
			}
			continue
		}
		found, _ := t.Live.Lookup(c.col.name, lit.text)
		for _, r := range found {
			once(r)
		}
	}
	if all {
		for _, r := range t.bin {
			once(r)
		}
	}
}

// sort orders records by the query's keys, then by ID; nulls come first.
func (q query) sort(list []*fakekit.Record) {
	slices.SortFunc(list, func(a, b *fakekit.Record) int {
		for _, k := range q.order {
			n := order(k.col, get(q.object, a, k.col), get(q.object, b, k.col))
			if k.desc {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return strings.Compare(a.ID, b.ID)
	})
}

func order(c *column, a, b string) int {
	if a == "" || b == "" {
		return len(a) - len(b)
	}
	switch c.kind {
	case "double", "currency", "percent", "int":
		x, _ := strconv.ParseFloat(a, 64) // checked when it was stored
		return compare(c, b, literal{num: x}) * -1
	case "id", "reference", "datetime", "date":
		return strings.Compare(a, b)
	}
	return strings.Compare(strings.ToLower(a), strings.ToLower(b))
}
