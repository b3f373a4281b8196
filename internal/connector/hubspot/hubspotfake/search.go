package hubspotfake

import (
	"encoding/json"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// Limits of search (G3).
const (
	maxSearchPage  = 200
	maxResults     = 10_000
	maxGroups      = 5
	maxFilters     = 6
	maxAllFilters  = 18
	maxSearchBytes = 3_000
)

type searchInput struct {
	Groups     []filterGroup     `json:"filterGroups"`
	Sorts      []json.RawMessage `json:"sorts"`
	Query      string            `json:"query"`
	Properties []string          `json:"properties"`
	Limit      *int              `json:"limit"`
	After      json.RawMessage   `json:"after"`
}

type filterGroup struct {
	Filters []filter `json:"filters"`
}

type filter struct {
	Property string   `json:"propertyName"`
	Op       string   `json:"operator"`
	Value    *string  `json:"value"`
	High     *string  `json:"highValue"`
	Values   []string `json:"values"`

	p   *property
	set map[string]bool
}

type order struct {
	property   string
	descending bool
}

// search answers from the index, which lags (G3). Archived records never show.
func (f *account) search(c *call) (int, any, *apiError) {
	var in searchInput
	if len(c.body) > maxSearchBytes {
		return 0, nil, invalid("The request body is longer than %d characters", maxSearchBytes)
	}
	if e := c.decode(&in); e != nil {
		return 0, nil, e
	}
	limit, after, e := in.page()
	if e != nil {
		return 0, nil, e
	}
	if e := in.check(c.o); e != nil {
		return 0, nil, e
	}
	sort, e := in.order(c.o)
	if e != nil {
		return 0, nil, e
	}
	rows, total := c.o.choose(in, sort, after, limit)
	out := struct {
		Total   int     `json:"total"`
		Results []row   `json:"results"`
		Paging  *paging `json:"paging,omitempty"`
	}{Total: total, Results: []row{}}
	for _, r := range rows {
		out.Results = append(out.Results, c.o.show(r, in.Properties))
	}
	if after+len(rows) < total && len(rows) > 0 {
		out.Paging = &paging{next{After: strconv.Itoa(after + len(rows))}}
	}
	return http.StatusOK, out, nil
}

// page reads limit (default 10, at most 200) and after, an offset as text;
// nothing is shown beyond 10,000 results (G3).
func (in *searchInput) page() (limit, after int, e *apiError) {
	limit = 10
	if in.Limit != nil {
		limit = *in.Limit
	}
	if limit < 1 || limit > maxSearchPage {
		return 0, 0, invalid("limit must be between 1 and %d", maxSearchPage)
	}
	if s := strings.Trim(string(in.After), `"`); s != "" && s != "null" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return 0, 0, invalid("invalid paging token")
		}
		after = n
	}
	if after+limit > maxResults {
		return 0, 0, invalid("Cannot page beyond %d results", maxResults)
	}
	return limit, after, nil
}

func (in *searchInput) check(o *object) *apiError {
	all := 0
	if len(in.Groups) > maxGroups {
		return invalid("at most %d filter groups are allowed", maxGroups)
	}
	for g := range in.Groups {
		fs := in.Groups[g].Filters
		if all += len(fs); len(fs) == 0 || len(fs) > maxFilters || all > maxAllFilters {
			return invalid("a filter group has 1 to %d filters, all together at most %d", maxFilters, maxAllFilters)
		}
		for i := range fs {
			if e := fs[i].prepare(o); e != nil {
				return e
			}
		}
	}
	return nil
}

var operators = []string{
	"LT", "LTE", "GT", "GTE", "EQ", "NEQ", "BETWEEN", "IN", "NOT_IN",
	"HAS_PROPERTY", "NOT_HAS_PROPERTY", "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN",
}

func (x *filter) prepare(o *object) *apiError {
	var ok bool
	if x.p, ok = o.prop(x.Property); !ok {
		return invalid("There was a problem with the request: property %q does not exist", x.Property)
	}
	if !slices.Contains(operators, x.Op) {
		return invalid("operator must be one of %v", operators)
	}
	switch x.Op {
	case "IN", "NOT_IN":
		if len(x.Values) == 0 {
			return invalid("%s needs values", x.Op)
		}
		x.set = map[string]bool{}
		for _, v := range x.Values {
			x.set[v] = true
		}
	case "BETWEEN":
		if x.Value == nil || x.High == nil {
			return invalid("BETWEEN needs value and highValue")
		}
	case "HAS_PROPERTY", "NOT_HAS_PROPERTY":
	default:
		if x.Value == nil {
			return invalid("%s needs a value", x.Op)
		}
	}
	if x.p.Type == "datetime" && x.Value != nil {
		if _, ok := instant(*x.Value); !ok {
			return invalid("%q is no time", *x.Value)
		}
	}
	return nil
}

// order reads the one sort rule: an object, or a property's name with a minus
// in front for descending (S).
func (in *searchInput) order(o *object) (order, *apiError) {
	if len(in.Sorts) > 1 {
		return order{}, invalid("only one sort rule is allowed")
	}
	if len(in.Sorts) == 0 {
		return order{property: "hs_object_id"}, nil
	}
	var rule struct {
		Property  string `json:"propertyName"`
		Direction string `json:"direction"`
	}
	var name string
	if json.Unmarshal(in.Sorts[0], &name) == nil {
		rule.Property, rule.Direction = strings.TrimPrefix(name, "-"), "ASCENDING"
		if strings.HasPrefix(name, "-") {
			rule.Direction = "DESCENDING"
		}
	} else if err := json.Unmarshal(in.Sorts[0], &rule); err != nil {
		return order{}, invalid("invalid sort rule")
	}
	if _, ok := o.prop(rule.Property); !ok || rule.Direction != "ASCENDING" && rule.Direction != "DESCENDING" &&
		rule.Direction != "" {
		return order{}, invalid("invalid sort rule")
	}
	return order{rule.Property, rule.Direction == "DESCENDING"}, nil
}

// choose returns one page of the records that match, and how many there are.
func (o *object) choose(in searchInput, by order, after, limit int) ([]*fakekit.Record, int) {
	view := o.table.Indexed()
	from, to := in.window(o)
	match := func(r *fakekit.Record) bool { return in.matches(o, r) }
	if found, ok := in.lookup(view); ok {
		return page(sorted(filtered(found, match), o, by), after, limit)
	}
	switch {
	case in.onlySince(o) && by.property == o.modified:
		return o.since(view, from, by.descending, after, limit)
	case by.property == o.modified && !by.descending, by.property == "hs_object_id" && !by.descending && from.Equal(to):
		// The index is in this order already: count what matches, keep the page.
		var rows []*fakekit.Record
		n := 0
		view.Ascend(from, "", func(r *fakekit.Record) bool {
			if r.Modified.After(to) {
				return false
			}
			if match(r) {
				if n >= after && len(rows) < limit {
					rows = append(rows, r)
				}
				n++
			}
			return true
		})
		return rows, n
	}
	var all []*fakekit.Record
	view.Ascend(from, "", func(r *fakekit.Record) bool {
		if !r.Modified.After(to) && match(r) {
			all = append(all, r)
		}
		return !r.Modified.After(to)
	})
	return page(sorted(all, o, by), after, limit)
}

// since is the query of an incremental pull, served from the index alone.
func (o *object) since(view *fakekit.View, from time.Time, descending bool, after, limit int) ([]*fakekit.Record, int) {
	var rows []*fakekit.Record
	n := 0
	take := func(r *fakekit.Record) bool {
		if n >= after {
			rows = append(rows, r)
		}
		n++
		return len(rows) < limit
	}
	if descending {
		view.Descend(from, take)
	} else {
		view.Ascend(from, "", take)
	}
	return rows, view.CountFrom(from)
}

var distantFuture = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// window is the range of modification times outside of which nothing matches.
func (in *searchInput) window(o *object) (from, to time.Time) {
	if len(in.Groups) != 1 {
		return time.Time{}, distantFuture
	}
	to = distantFuture
	for _, x := range in.Groups[0].Filters {
		if x.Property != o.modified {
			continue
		}
		switch x.Op {
		case "EQ":
			from = later(from, *x.Value)
			to = from
		case "GTE", "GT":
			from = later(from, *x.Value)
		case "BETWEEN":
			from = later(from, *x.Value)
		}
	}
	return from, to
}

func later(t time.Time, value string) time.Time {
	if v, ok := instant(value); ok && v.After(t) {
		return v
	}
	return t
}

// onlySince reports whether the query is "modified at or after" and nothing else.
func (in *searchInput) onlySince(o *object) bool {
	if in.Query != "" {
		return false
	}
	if len(in.Groups) == 0 {
		return true
	}
	fs := in.Groups[0].Filters
	return len(in.Groups) == 1 && len(fs) == 1 && fs[0].Property == o.modified && fs[0].Op == "GTE"
}

// lookup finds candidates by an indexed property; ok is false when every group
// does not have one.
func (in *searchInput) lookup(view *fakekit.View) ([]*fakekit.Record, bool) {
	if len(in.Groups) == 0 {
		return nil, false
	}
	var out []*fakekit.Record
	for _, g := range in.Groups {
		found, ok := g.lookup(view)
		if !ok {
			return nil, false
		}
		out = append(out, found...)
	}
	return unique(out), true
}

func (g filterGroup) lookup(view *fakekit.View) ([]*fakekit.Record, bool) {
	for _, x := range g.Filters {
		values := x.Values
		switch x.Op {
		case "EQ":
			values = []string{*x.Value}
		case "IN":
		default:
			continue
		}
		var out []*fakekit.Record
		indexed := false
		for _, v := range values {
			found, ok := view.Lookup(x.Property, v)
			indexed = ok
			if !ok {
				break
			}
			out = append(out, found...)
		}
		if indexed {
			return out, true
		}
	}
	return nil, false
}

func unique(rs []*fakekit.Record) []*fakekit.Record {
	slices.SortFunc(rs, func(a, b *fakekit.Record) int { return fakekit.CompareID(a.ID, b.ID) })
	return slices.CompactFunc(rs, func(a, b *fakekit.Record) bool { return a.ID == b.ID })
}

func filtered(rs []*fakekit.Record, keep func(*fakekit.Record) bool) []*fakekit.Record {
	return slices.DeleteFunc(rs, func(r *fakekit.Record) bool { return !keep(r) })
}

func sorted(rs []*fakekit.Record, o *object, by order) []*fakekit.Record {
	slices.SortStableFunc(rs, func(a, b *fakekit.Record) int {
		n := o.compare(a, b, by.property)
		if by.descending {
			n = -n
		}
		if n == 0 {
			n = fakekit.CompareID(a.ID, b.ID)
		}
		return n
	})
	return rs
}

func (o *object) compare(a, b *fakekit.Record, property string) int {
	switch property {
	case "hs_object_id":
		return fakekit.CompareID(a.ID, b.ID)
	case o.modified:
		return a.Modified.Compare(b.Modified)
	}
	x, _ := o.stored(a, property)
	y, _ := o.stored(b, property)
	return strings.Compare(strings.ToLower(x), strings.ToLower(y))
}

func page(rs []*fakekit.Record, after, limit int) ([]*fakekit.Record, int) {
	total := len(rs)
	return rs[min(after, total):min(after+limit, total)], total
}

// matches reports whether any group holds (and the full text, if one is asked for).
func (in *searchInput) matches(o *object, r *fakekit.Record) bool {
	if in.Query != "" && !fullText(r, in.Query) {
		return false
	}
	if len(in.Groups) == 0 {
		return true
	}
	return slices.ContainsFunc(in.Groups, func(g filterGroup) bool {
		return !slices.ContainsFunc(g.Filters, func(x filter) bool { return !x.holds(o, r) })
	})
}

// fullText looks where HubSpot looks (G3).
func fullText(r *fakekit.Record, query string) bool {
	for _, p := range []string{
		"firstname", "lastname", "email", "phone", "hs_additional_emails", "fax", "mobilephone",
		"company", "name", "domain", "dealname",
	} {
		if strings.Contains(strings.ToLower(r.Fields[p]), strings.ToLower(query)) {
			return true
		}
	}
	return false
}

func (x *filter) holds(o *object, r *fakekit.Record) bool {
	v, has := o.stored(r, x.Property)
	switch x.Op {
	case "HAS_PROPERTY":
		return has
	case "NOT_HAS_PROPERTY":
		return !has
	case "NEQ":
		return !has || x.compare(v, *x.Value) != 0
	case "NOT_IN":
		return !has || !x.in(v)
	}
	if !has {
		return false
	}
	switch x.Op {
	case "EQ":
		return x.compare(v, *x.Value) == 0
	case "LT":
		return x.compare(v, *x.Value) < 0
	case "LTE":
		return x.compare(v, *x.Value) <= 0
	case "GT":
		return x.compare(v, *x.Value) > 0
	case "GTE":
		return x.compare(v, *x.Value) >= 0
	case "BETWEEN":
		return x.compare(v, *x.Value) >= 0 && x.compare(v, *x.High) <= 0
	case "IN":
		return x.in(v)
	case "CONTAINS_TOKEN":
		return x.token(v)
	case "NOT_CONTAINS_TOKEN":
		return !x.token(v)
	}
	return false
}

// in compares as IN does: its texts must be in lower case to find anything (G3).
func (x *filter) in(v string) bool {
	if x.p.Type == "string" {
		v = strings.ToLower(v)
	}
	return x.set[v]
}

func (x *filter) token(v string) bool {
	want := strings.ToLower(strings.Trim(*x.Value, "*"))
	return slices.ContainsFunc(strings.Fields(strings.ToLower(v)), func(t string) bool {
		return strings.Contains(t, want)
	})
}

// compare orders two values by the property's type. Enumeration values are
// case-sensitive, other texts are not (G3).
func (x *filter) compare(a, b string) int {
	switch x.p.Type {
	case "datetime", "date":
		s, okS := instant(a)
		t, okT := instant(b)
		if okS && okT {
			return s.Compare(t)
		}
	case "number":
		s, okS := new(big.Float).SetString(a)
		t, okT := new(big.Float).SetString(b)
		if okS && okT {
			return s.Cmp(t)
		}
	case "enumeration":
		return strings.Compare(a, b)
	}
	return strings.Compare(strings.ToLower(a), strings.ToLower(b))
}

// instant reads milliseconds or ISO 8601.
func instant(v string) (time.Time, bool) {
	if ms, err := strconv.ParseInt(v, 10, 64); err == nil {
		return time.UnixMilli(ms).UTC(), true
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, v); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
