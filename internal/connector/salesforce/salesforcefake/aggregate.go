package salesforcefake

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// Aggregates: salesforce-soql-sosl/guide/sforce-api-calls-soql-select-agg-functions.

// selected is an item of SELECT: a field, or a function of one.
type selected struct{ fn, name, alias string }

// output is an item of an aggregate query's answer.
type output struct {
	key string  // in the answer
	col *column // in a group's record
}

// aggregate is a function that groups are asked for; source is its field.
type aggregate struct {
	fn     string
	source *column
	col    *column
}

func isFunction(name string) bool {
	switch strings.ToUpper(name) {
	case "COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX":
		return true
	}
	return false
}

// inGroup is a column of a group's record. The mark keeps its name apart from
// the fields that records compute.
func inGroup(name, kind string) *column { return &column{name: "\x00" + name, kind: kind} }

func numeric(kind string) bool {
	return kind == "double" || kind == "currency" || kind == "percent" || kind == "int"
}

// function resolves a function of a field, and asks every group for it.
func (p *parser) function(fn, field string) (*column, *refusal) {
	c, bad := p.column(field)
	if bad != nil {
		return nil, bad
	}
	fn = strings.ToUpper(fn)
	kind := c.kind
	switch {
	case fn == "COUNT" || fn == "COUNT_DISTINCT":
		kind = "int"
	case fn == "SUM" || fn == "AVG":
		kind = "double"
		if !numeric(c.kind) {
			return nil, malformedQuery("field %s does not support aggregate operator %s", c.name, fn)
		}
	case slices.Contains([]string{"id", "reference", "boolean", "textarea", "address", "multipicklist"}, c.kind):
		return nil, malformedQuery("field %s does not support aggregate operator %s", c.name, fn)
	}
	a := aggregate{fn, c, inGroup(fn+"("+c.name+")", kind)}
	for _, known := range p.query.aggregates {
		if known.col.name == a.col.name {
			return known.col, nil
		}
	}
	p.query.aggregates = append(p.query.aggregates, a)
	return a.col, nil
}

// groups reads GROUP BY and HAVING, and resolves what was selected.
func (p *parser) groups() *refusal {
	if p.take("GROUP") {
		if bad := p.want("BY"); bad != nil {
			return bad
		}
		for {
			t := p.next()
			if t.kind != tokName {
				return unexpected(t)
			}
			c, bad := p.column(t.text)
			if bad != nil {
				return bad
			}
			switch c.kind {
			case "textarea", "multipicklist", "address", "datetime", "double", "currency", "percent":
				return malformedQuery("field '%s' can not be grouped in a query call", c.name)
			}
			p.query.groupBy = append(p.query.groupBy, c)
			if !p.take(",") {
				break
			}
		}
	}
	p.query.grouped = p.query.groupBy != nil ||
		slices.ContainsFunc(p.selected, func(s selected) bool { return s.fn != "" })
	if !p.query.grouped {
		return p.plainFields()
	}
	for _, s := range p.selected {
		if bad := p.output(s); bad != nil {
			return bad
		}
	}
	if !p.take("HAVING") {
		return nil
	}
	if p.query.groupBy == nil {
		return malformedQuery("HAVING without GROUP BY")
	}
	c, bad := p.expression()
	p.query.having = c
	return bad
}

// plainFields resolves the fields of a query that does not group.
func (p *parser) plainFields() *refusal {
	names := make([]string, len(p.selected))
	for i, s := range p.selected {
		if s.alias != "" {
			return malformedQuery("only aggregate expressions use field aliasing")
		}
		names[i] = s.name
	}
	return p.resolve(names)
}

func (p *parser) output(s selected) *refusal {
	out := output{key: s.alias}
	var bad *refusal
	if s.fn != "" {
		out.col, bad = p.function(s.fn, s.name)
		out.key = cmp.Or(out.key, fmt.Sprintf("expr%d", p.unnamed))
		if s.alias == "" {
			p.unnamed++
		}
	} else if out.col, bad = p.operand(token{tokName, s.name}); bad == nil {
		out.key = cmp.Or(out.key, out.col.name[1:])
	}
	if bad == nil && slices.ContainsFunc(p.query.outputs, func(o output) bool { return o.key == out.key }) {
		bad = malformedQuery("duplicate alias: %s", out.key)
	}
	p.query.outputs = append(p.query.outputs, out)
	return bad
}

// operand is what a comparison or a sort is about: a field, or behind GROUP BY
// a grouped field or a function.
func (p *parser) operand(t token) (*column, *refusal) {
	if !p.query.grouped {
		return p.column(t.text)
	}
	if isFunction(t.text) && p.take("(") {
		field := p.next()
		if field.kind != tokName {
			return nil, unexpected(field)
		}
		if bad := p.want(")"); bad != nil {
			return nil, bad
		}
		return p.function(t.text, field.text)
	}
	c, bad := p.column(t.text)
	if bad != nil {
		return nil, bad
	}
	if !slices.Contains(p.query.groupBy, c) {
		return nil, malformedQuery("Field must be grouped or aggregated: %s", c.name)
	}
	return inGroup(c.name, c.kind), nil
}

// summarise answers a query that groups.
func (f *org) summarise(w http.ResponseWriter, q query, all bool) {
	plain := q
	plain.order, plain.limit, plain.offset = nil, -1, 0
	var keys []string
	members := map[string][]*fakekit.Record{}
	for _, r := range f.run(plain, all) {
		var key strings.Builder
		for _, c := range q.groupBy {
			key.WriteString(strings.ToLower(get(q.object, r, c)) + "\x00")
		}
		if members[key.String()] == nil {
			keys = append(keys, key.String())
		}
		members[key.String()] = append(members[key.String()], r)
	}
	if q.groupBy == nil && keys == nil {
		keys = []string{""} // no records are a group of none
	}
	var groups []*fakekit.Record
	for i, k := range keys {
		g := q.group(i, members[k])
		if q.having == nil || q.having.holds(q.object, g) {
			groups = append(groups, g)
		}
	}
	q.sort(groups)
	groups = groups[min(q.offset, len(groups)):]
	if q.limit >= 0 && len(groups) > q.limit {
		groups = groups[:q.limit]
	}
	if len(groups) > maxRows {
		f.fail(w, refuse(http.StatusBadRequest, "EXCEEDED_ID_LIMIT",
			"Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch"))
		return
	}
	rows := make([]map[string]any, 0, len(groups))
	for _, g := range groups {
		row := map[string]any{"attributes": map[string]string{"type": "AggregateResult"}}
		for _, o := range q.outputs {
			row[o.key] = groupValue(g.Fields[o.col.name], o.col.kind)
		}
		rows = append(rows, row)
	}
	f.write(w, http.StatusOK, map[string]any{"totalSize": len(rows), "done": true, "records": rows})
}

func groupValue(v, kind string) any {
	switch {
	case v == "":
		return nil
	case kind == "boolean":
		return v == "true"
	case numeric(kind):
		return json.Number(v)
	}
	return v
}

// group is the record that stands for a group.
func (q query) group(n int, members []*fakekit.Record) *fakekit.Record {
	g := &fakekit.Record{ID: fmt.Sprintf("%09d", n), Fields: map[string]string{}}
	for _, c := range q.groupBy {
		g.Fields[inGroup(c.name, c.kind).name] = get(q.object, members[0], c)
	}
	for _, a := range q.aggregates {
		var values []string
		for _, r := range members {
			if v := get(q.object, r, a.source); v != "" {
				values = append(values, v)
			}
		}
		g.Fields[a.col.name] = a.of(values)
	}
	return g
}

// of computes a function of values, blank ones left out.
func (a aggregate) of(values []string) string {
	switch a.fn {
	case "COUNT":
		return strconv.Itoa(len(values))
	case "COUNT_DISTINCT":
		seen := map[string]bool{}
		for _, v := range values {
			seen[strings.ToLower(v)] = true
		}
		return strconv.Itoa(len(seen))
	}
	if len(values) == 0 {
		return ""
	}
	switch a.fn {
	case "MIN":
		return slices.MinFunc(values, func(x, y string) int { return order(a.source, x, y) })
	case "MAX":
		return slices.MaxFunc(values, func(x, y string) int { return order(a.source, x, y) })
	}
	sum := 0.0
	for _, v := range values {
		n, _ := strconv.ParseFloat(v, 64) // checked when it was stored
		sum += n
	}
	if a.fn == "AVG" {
		sum /= float64(len(values))
	}
	return strconv.FormatFloat(sum, 'f', -1, 64)
}
