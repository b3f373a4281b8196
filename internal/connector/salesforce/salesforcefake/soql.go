package salesforcefake

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// query is a parsed SELECT.
type query struct {
	object  *object
	columns []*column
	count   bool // SELECT COUNT()
	where   *cond
	order   []sortKey
	limit   int // -1 = none
	offset  int

	grouped    bool // aggregates: the answer holds outputs of groups
	groupBy    []*column
	aggregates []aggregate
	outputs    []output
	having     *cond
}

type sortKey struct {
	col  *column
	desc bool
}

// cond is a node of WHERE: "and", "or", "not" over kids, or a comparison.
type cond struct {
	op   string // and, or, not; or = != < <= > >= like in notin
	kids []*cond
	col  *column
	args []literal
}

// literal is a value in a comparison.
type literal struct {
	null bool
	text string // folded for comparing
	at   time.Time
	num  float64
}

const (
	maxQuery = 100_000 // characters: salesforce-app-limits-cheatsheet, SOQL limits
	maxNest  = 32
)

// parser reads one query.
type parser struct {
	objects []*object
	toks    []token
	nest    int
	query   query

	selected []selected // until the object is known
	unnamed  int        // functions without an alias
}

// parseIn reads the shapes that connectors and client libraries send; everything
// else is MALFORMED_QUERY, as are Salesforce's own refusals.
// Source: salesforce-soql-sosl/guide/sforce-api-calls-soql-select.
func parseIn(objects []*object, soql string) (query, *refusal) {
	if strings.TrimSpace(soql) == "" {
		return query{}, malformedQuery("A query string has to be specified")
	}
	if len(soql) > maxQuery {
		return query{}, refuse(http.StatusBadRequest, "QUERY_TOO_COMPLICATED", "query is too long")
	}
	toks, bad := lex(soql)
	if bad != nil {
		return query{}, bad
	}
	p := &parser{objects: objects, toks: toks, query: query{limit: -1}}
	for _, step := range []func() *refusal{p.selects, p.wheres, p.groups, p.orders, p.limits} {
		if bad := step(); bad != nil {
			return query{}, bad
		}
	}
	if t := p.peek(); t.kind != tokEnd {
		return query{}, unexpected(t)
	}
	return p.query, nil
}

func (p *parser) peek() token { return p.toks[0] }

func (p *parser) next() token {
	t := p.toks[0]
	if len(p.toks) > 1 {
		p.toks = p.toks[1:]
	}
	return t
}

// take consumes a word if it comes next.
func (p *parser) take(word string) bool {
	if p.peek().is(word) {
		p.next()
		return true
	}
	return false
}

func (p *parser) want(word string) *refusal {
	if !p.take(word) {
		return unexpected(p.peek())
	}
	return nil
}

func unexpected(t token) *refusal {
	if t.kind == tokEnd {
		return malformedQuery("unexpected token: '<EOF>'")
	}
	return malformedQuery("unexpected token: '%s'", t.text)
}

// selects reads SELECT … FROM object.
func (p *parser) selects() *refusal {
	if bad := p.want("SELECT"); bad != nil {
		return bad
	}
	for {
		if bad := p.item(); bad != nil {
			return bad
		}
		if p.query.count || !p.take(",") {
			break
		}
	}
	if bad := p.want("FROM"); bad != nil {
		return bad
	}
	t := p.next()
	if t.kind != tokName {
		return unexpected(t)
	}
	o, ok := find(p.objects, t.text)
	if !ok {
		return refuse(http.StatusBadRequest, "INVALID_TYPE",
			"sObject type '%s' is not supported. If you are attempting to use a custom object, be sure to append the '__c' "+
				"after the entity name.", t.text)
	}
	p.query.object = o
	return nil
}

// item reads one thing to select: a field, COUNT() alone, or a function of a
// field; an alias may follow.
func (p *parser) item() *refusal {
	t := p.next()
	if t.kind != tokName {
		return unexpected(t)
	}
	s := selected{name: t.text}
	if isFunction(t.text) && p.take("(") {
		if len(p.selected) == 0 && t.is("COUNT") && p.take(")") {
			p.query.count = true
			return nil
		}
		field := p.next()
		if field.kind != tokName {
			return unexpected(field)
		}
		if bad := p.want(")"); bad != nil {
			return bad
		}
		s.fn, s.name = t.text, field.text
	}
	if next := p.peek(); next.kind == tokName && !next.is("FROM") {
		s.alias = p.next().text
	}
	p.selected = append(p.selected, s)
	return nil
}

func (p *parser) resolve(names []string) *refusal {
	seen := map[*column]bool{}
	for _, n := range names {
		c, bad := p.column(n)
		if bad != nil {
			return bad
		}
		if seen[c] {
			return refuse(http.StatusBadRequest, "INVALID_FIELD", "duplicate field selected: %s", c.name)
		}
		seen[c] = true
		p.query.columns = append(p.query.columns, c)
	}
	return nil
}

func (p *parser) column(name string) (*column, *refusal) {
	if head, _, dotted := strings.Cut(name, "."); dotted {
		return nil, refuse(http.StatusBadRequest, "INVALID_FIELD", "Didn't understand relationship '%s' in field path.", head)
	}
	c, ok := p.query.object.column(name)
	if !ok {
		return nil, refuse(http.StatusBadRequest, "INVALID_FIELD",
			"No such column '%s' on entity '%s'. If you are attempting to use a custom field, be sure to append the '__c' "+
				"after the custom field name.", name, p.query.object.name)
	}
	return c, nil
}

func (p *parser) wheres() *refusal {
	if !p.take("WHERE") {
		return nil
	}
	c, bad := p.expression()
	p.query.where = c
	return bad
}

// expression reads terms joined by AND or by OR; mixing them wants brackets.
func (p *parser) expression() (*cond, *refusal) {
	if p.nest++; p.nest > maxNest {
		return nil, malformedQuery("the query is nested too deeply")
	}
	defer func() { p.nest-- }()
	first, bad := p.term()
	if bad != nil {
		return nil, bad
	}
	var op string
	out := &cond{kids: []*cond{first}}
	for {
		t := p.peek()
		if !t.is("AND") && !t.is("OR") {
			break
		}
		if op != "" && !t.is(op) {
			return nil, unexpected(t)
		}
		op = strings.ToLower(p.next().text)
		kid, bad := p.term()
		if bad != nil {
			return nil, bad
		}
		out.kids = append(out.kids, kid)
	}
	if op == "" {
		return first, nil
	}
	out.op = op
	return out, nil
}

func (p *parser) term() (*cond, *refusal) {
	switch {
	case p.take("("):
		c, bad := p.expression()
		if bad != nil {
			return nil, bad
		}
		return c, p.want(")")
	case p.peek().is("NOT"):
		if p.nest++; p.nest > maxNest {
			return nil, malformedQuery("the query is nested too deeply")
		}
		defer func() { p.nest-- }()
		p.next()
		c, bad := p.term()
		return &cond{op: "not", kids: []*cond{c}}, bad
	}
	return p.comparison()
}

func (p *parser) comparison() (*cond, *refusal) {
	t := p.next()
	if t.kind != tokName {
		return nil, unexpected(t)
	}
	c, bad := p.operand(t)
	if bad != nil {
		return nil, bad
	}
	if c.kind == "address" || c.kind == "textarea" && c.length > 255 {
		return nil, refuse(http.StatusBadRequest, "INVALID_FIELD", "field '%s' can not be filtered in a query call", c.name)
	}
	out := &cond{col: c}
	switch t := p.next(); {
	case t.is("="), t.is("!="), t.is("<"), t.is("<="), t.is(">"), t.is(">="):
		out.op = t.text
	case t.is("<>"):
		out.op = "!="
	case t.is("LIKE"):
		out.op = "like"
	case t.is("IN"):
		out.op = "in"
	case t.is("NOT") && p.take("IN"):
		out.op = "notin"
	default:
		return nil, unexpected(t)
	}
	if out.op != "in" && out.op != "notin" {
		lit, bad := p.literal(c)
		if bad != nil {
			return nil, bad
		}
		out.args = []literal{lit}
		return out, out.fits(lit)
	}
	if bad := p.want("("); bad != nil {
		return nil, bad
	}
	for {
		lit, bad := p.literal(c)
		if bad != nil {
			return nil, bad
		}
		out.args = append(out.args, lit)
		if !p.take(",") {
			return out, p.want(")")
		}
	}
}

// fits checks an operator against the type of its column.
func (c *cond) fits(lit literal) *refusal {
	ordered := c.op == "<" || c.op == "<=" || c.op == ">" || c.op == ">="
	textual := quoted(c.col.kind)
	if c.op == "like" && !textual || ordered && (c.col.kind == "boolean" || c.col.kind == "multipicklist" || lit.null) {
		return refuse(http.StatusBadRequest, "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on %s field", c.col.kind)
	}
	return nil
}

// quoted reports whether the literals of a type stand in quotes.
func quoted(kind string) bool {
	switch kind {
	case "double", "currency", "percent", "int", "boolean", "date", "datetime":
		return false
	}
	return true
}

var numberPattern = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?$`)

// literal reads a value of a column's type:
// salesforce-soql-sosl/guide/sforce-api-calls-soql-select-dateformats.
func (p *parser) literal(c *column) (literal, *refusal) {
	t := p.next()
	if t.is("null") {
		return literal{null: true}, nil
	}
	switch {
	case t.kind == tokText && quoted(c.kind):
		if c.kind == "id" || c.kind == "reference" {
			id := full(t.text)
			if id == "" && t.text != "" {
				return literal{}, refuse(http.StatusBadRequest, "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: %s", t.text)
			}
			return literal{text: id, null: t.text == ""}, nil
		}
		return literal{text: strings.ToLower(t.text), null: t.text == ""}, nil
	case t.kind == tokText:
		return literal{}, refuse(http.StatusBadRequest, "INVALID_FIELD",
			"value of filter criterion for field '%s' must be of type %s and should not be enclosed in quotes", c.name,
			soqlType(c.kind))
	case t.kind == tokEnd || t.kind == tokSign:
		return literal{}, unexpected(t)
	case quoted(c.kind):
		return literal{}, refuse(http.StatusBadRequest, "INVALID_FIELD",
			"value of filter criterion for field '%s' must be of type string and should be enclosed in quotes", c.name)
	}
	wrong := refuse(http.StatusBadRequest, "INVALID_FIELD", "filter value of field '%s' must be of type %s: %s", c.name,
		soqlType(c.kind), t.text)
	switch c.kind {
	case "boolean":
		if t.is("true") || t.is("false") {
			return literal{text: strings.ToLower(t.text)}, nil
		}
	case "date":
		if at, err := time.Parse(time.DateOnly, t.text); err == nil {
			return literal{text: t.text, at: at}, nil
		}
	case "datetime":
		for _, layout := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.999Z07:00"} {
			if at, err := time.Parse(layout, t.text); err == nil {
				return literal{at: at.UTC().Truncate(time.Second)}, nil
			}
		}
	default:
		if numberPattern.MatchString(t.text) {
			if n, err := strconv.ParseFloat(t.text, 64); err == nil {
				return literal{num: n}, nil
			}
		}
	}
	return literal{}, wrong
}

func soqlType(kind string) string {
	if kind == "datetime" {
		return "dateTime"
	}
	return kind
}

func (p *parser) orders() *refusal {
	if !p.take("ORDER") {
		return nil
	}
	if bad := p.want("BY"); bad != nil {
		return bad
	}
	for {
		t := p.next()
		if t.kind != tokName {
			return unexpected(t)
		}
		c, bad := p.operand(t)
		if bad != nil {
			return bad
		}
		if c.kind == "textarea" || c.kind == "address" || c.kind == "multipicklist" {
			return malformedQuery("field '%s' can not be sorted in a query call", c.name)
		}
		k := sortKey{col: c}
		if p.take("DESC") {
			k.desc = true
		} else {
			p.take("ASC")
		}
		p.query.order = append(p.query.order, k)
		if !p.take(",") {
			return nil
		}
	}
}

func (p *parser) limits() *refusal {
	for _, part := range []struct {
		word string
		most int
		into *int
	}{{"LIMIT", 50_000_000, &p.query.limit}, {"OFFSET", 2000, &p.query.offset}} {
		if !p.take(part.word) {
			continue
		}
		t := p.next()
		n, err := strconv.Atoi(t.text)
		if t.kind != tokLiteral || err != nil || n < 0 {
			return unexpected(t)
		}
		if n > part.most {
			return refuse(http.StatusBadRequest, "NUMBER_OUTSIDE_VALID_RANGE", "%s is too large: at most %d", part.word,
				part.most)
		}
		*part.into = n
	}
	return nil
}
