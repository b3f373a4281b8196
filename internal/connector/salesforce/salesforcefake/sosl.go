package salesforcefake

import (
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// A search in the words of SOSL:
// salesforce-soql-sosl/guide/sforce-api-calls-sosl-syntax.

// search is a parsed FIND.
type search struct {
	terms [][]term // one of these must match; of each, all terms
	in    string   // ALL, NAME, EMAIL, PHONE or SIDEBAR
	from  []query
	limit int
}

// term is a word or a phrase; not excludes what has it.
type term struct {
	words []string // with * and ? standing for anything
	not   bool
}

const maxFound = 2000

func malformedSearch(format string, args ...any) *refusal {
	bad := malformedQuery(format, args...)
	bad.code = "MALFORMED_SEARCH"
	return bad
}

// findText cuts "FIND {…}" off a search; a backslash keeps a bracket.
func findText(s string) (text, rest string, bad *refusal) {
	s = strings.TrimSpace(s)
	head, s, ok := strings.Cut(s, "{")
	if !ok || !strings.EqualFold(strings.TrimSpace(head), "FIND") {
		return "", "", malformedSearch("No search term found. The search term must be enclosed in braces.")
	}
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '}':
			return s[:i], s[i+1:], nil
		}
	}
	return "", "", malformedSearch("No search term found. The search term must be enclosed in braces.")
}

// readTerms reads words, "phrases", AND, OR and AND NOT; words side by side are
// all wanted. Brackets are not understood here.
func readTerms(s string) ([][]term, *refusal) {
	all, not := [][]term{nil}, false
	for len(s) > 0 {
		if s = strings.TrimLeft(s, " \t\n"); s == "" {
			break
		}
		var raw string
		quoted := s[0] == '"'
		raw, s = nextTerm(s)
		switch {
		case !quoted && strings.EqualFold(raw, "OR"):
			all = append(all, nil)
			continue
		case !quoted && (strings.EqualFold(raw, "AND") || strings.EqualFold(raw, "NOT")):
			not = strings.EqualFold(raw, "NOT")
			continue
		}
		if t := (term{wordsOf(raw), not}); t.words != nil {
			all[len(all)-1] = append(all[len(all)-1], t)
		}
		not = false
	}
	letters := 0
	for _, terms := range all {
		for _, t := range terms {
			for _, w := range t.words {
				letters = max(letters, len(strings.Trim(w, "*?")))
			}
		}
	}
	if letters < 2 {
		return nil, malformedSearch("search term must be longer than one character: %s", s)
	}
	return all, nil
}

// nextTerm takes a word or a quoted phrase off the front, escapes undone.
func nextTerm(s string) (raw, rest string) {
	var b strings.Builder
	quoted := s[0] == '"'
	i := 0
	if quoted {
		i = 1
	}
	for ; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case quoted && s[i] == '"':
			return b.String(), s[i+1:]
		case !quoted && (s[i] == ' ' || s[i] == '\t' || s[i] == '\n'):
			return b.String(), s[i:]
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}

// wordsOf splits text as the index does: at everything but letters and digits.
func wordsOf(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '*' && r != '?'
	})
}

// parseSearch reads FIND {…} IN … FIELDS RETURNING … LIMIT.
func parseSearch(objects []*object, s string) (search, *refusal) {
	text, rest, bad := findText(s)
	if bad != nil {
		return search{}, bad
	}
	out := search{in: "ALL", limit: maxFound}
	if out.terms, bad = readTerms(text); bad != nil {
		return search{}, bad
	}
	toks, bad := lex(rest)
	if bad != nil {
		return search{}, bad
	}
	p := &parser{objects: objects, toks: toks, query: query{limit: -1}}
	if p.take("IN") {
		out.in = strings.ToUpper(p.next().text)
		if !slices.Contains([]string{"ALL", "NAME", "EMAIL", "PHONE", "SIDEBAR"}, out.in) {
			return search{}, malformedSearch("unexpected token: '%s'", out.in)
		}
		if bad := p.want("FIELDS"); bad != nil {
			return search{}, bad
		}
	}
	if out.from, bad = p.returnings(); bad != nil {
		return search{}, bad
	}
	p.query = query{limit: -1}
	if bad := p.limits(); bad != nil {
		return search{}, bad
	}
	if t := p.peek(); t.kind != tokEnd {
		return search{}, unexpected(t)
	}
	if p.query.limit >= 0 {
		out.limit = min(p.query.limit, maxFound)
	}
	return out, nil
}

// returnings reads RETURNING; without it the IDs of every object are returned.
func (p *parser) returnings() ([]query, *refusal) {
	var out []query
	if !p.take("RETURNING") {
		for _, o := range p.objects {
			if !o.readOnly {
				out = append(out, bareQuery(o))
			}
		}
		return out, nil
	}
	for {
		t := p.next()
		o, ok := find(p.objects, t.text)
		if t.kind != tokName || !ok || o.readOnly {
			return nil, refuse(http.StatusBadRequest, "INVALID_TYPE", "sObject type '%s' is not supported.", t.text)
		}
		q, bad := p.returned(o)
		if bad != nil {
			return nil, bad
		}
		out = append(out, q)
		if !p.take(",") {
			return out, nil
		}
	}
}

func bareQuery(o *object) query {
	id, _ := o.column("Id")
	return query{object: o, columns: []*column{id}, limit: -1}
}

// returned reads the brackets behind an object: fields, WHERE, ORDER BY, LIMIT.
func (p *parser) returned(o *object) (query, *refusal) {
	p.query = bareQuery(o)
	if !p.take("(") {
		return p.query, nil
	}
	var names []string
	for {
		t := p.next()
		if t.kind != tokName {
			return query{}, unexpected(t)
		}
		names = append(names, t.text)
		if !p.take(",") {
			break
		}
	}
	p.query.columns = nil
	for _, step := range []func() *refusal{func() *refusal { return p.resolve(names) }, p.wheres, p.orders, p.limits} {
		if bad := step(); bad != nil {
			return query{}, bad
		}
	}
	return p.query, p.want(")")
}

// searchFor answers GET …/search: what the index knows by now, which lags.
func (f *org) searchFor(w http.ResponseWriter, r *http.Request) {
	s, bad := parseSearch(f.objects, r.URL.Query().Get("q"))
	if bad != nil {
		f.fail(w, bad)
		return
	}
	rows := []map[string]any{}
	for _, from := range s.from {
		for _, rec := range f.lookFor(s, from) {
			if len(rows) < s.limit {
				rows = append(rows, show(from.object, rec, from.columns))
			}
		}
	}
	f.write(w, http.StatusOK, map[string]any{"searchRecords": rows})
}

func (f *org) lookFor(s search, q query) []*fakekit.Record {
	var out []*fakekit.Record
	f.tables[q.object.name].Indexed().Ascend(time.Time{}, "", func(r *fakekit.Record) bool {
		if !r.Deleted && s.matches(q.object, r) && (q.where == nil || q.where.holds(q.object, r)) {
			out = append(out, r)
		}
		return true
	})
	q.sort(out)
	out = out[min(q.offset, len(out)):]
	if q.limit >= 0 && len(out) > q.limit {
		out = out[:q.limit]
	}
	return out
}

// matches reports whether a record has the terms in the fields that are searched.
func (s search) matches(o *object, r *fakekit.Record) bool {
	var texts [][]string
	for i := range o.columns {
		c := &o.columns[i]
		if v := get(o, r, c); v != "" && s.looksAt(c) {
			texts = append(texts, wordsOf(v))
			if c.kind == "phone" { // a number is found by its digits, too
				texts = append(texts, []string{strings.Join(wordsOf(v), "")})
			}
		}
	}
	return slices.ContainsFunc(s.terms, func(all []term) bool {
		return len(all) > 0 && !slices.ContainsFunc(all, func(t term) bool {
			has := slices.ContainsFunc(texts, t.in)
			return has == t.not
		})
	})
}

func (s search) looksAt(c *column) bool {
	switch s.in {
	case "NAME":
		return slices.Contains([]string{"Name", "FirstName", "LastName"}, c.name)
	case "EMAIL":
		return c.kind == "email"
	case "PHONE":
		return c.kind == "phone"
	}
	switch c.kind {
	case "string", "email", "phone", "url", "textarea", "picklist", "multipicklist":
		return c.formula == nil
	}
	return false
}

// in reports whether a text has the term's words, one behind the other.
func (t term) in(words []string) bool {
	for i := range words {
		if len(words)-i < len(t.words) {
			return false
		}
		ok := true
		for j, w := range t.words {
			ok = ok && wild(words[i+j], w)
		}
		if ok {
			return true
		}
	}
	return false
}

// wild matches * (any characters) and ? (one).
func wild(v, pattern string) bool {
	return like(v, strings.NewReplacer("*", "%", "?", "_").Replace(pattern))
}
