package reconcile

import (
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// recordID is the name under which match steps know a record's own ID.
const recordID = "$id"

// step is a match step of one way, ready to work.
type step struct {
	spec    crm.MatchStep
	index   int    // in the way's list
	at      string // JSON Pointer
	usable  bool   // a step with a problem is passed over
	held    bool   // a field of it is gone: nobody is made, or matched by a later step, for want of it
	pairs   []identity
	verify  []identity
	idSide  int    // by id: the side whose record ID is meant; -1 = two ordinary fields, in pairs[0]
	idField string // by id: the field that holds it, on the other side
}

// identity is a left and a right field that hold the same key.
type identity struct {
	names  [2]string   // by side
	also   [2][]string // by side: fields with further values
	form   mapping.Form
	prefix string // of Key.Canonical
}

// compileSteps checks the match steps of both ways. Steps that serve both are
// reported once.
func (s *Settings) compileSteps(k *check) {
	match := s.sync.Match
	missing := map[string]bool{}
	for to, side := range crm.Sides {
		way := crm.WayTo(side)
		at, quiet := "/match", k
		if match.Split() {
			at += "/" + string(way)
		} else if side == crm.Left { // crm.Sides begins with it; the right has the same list
			quiet = &check{s: s}
		}
		list := match.Get(way)
		if len(list) == 0 && s.sync.AvoidsDuplicates() && s.Open(way) && !missing[at] {
			missing[at] = true
			k.add(at, CodeMissingMatch, "say how a %s record finds its twin, or set avoid_duplicates to false: "+
				"without a match step every record would be left out", side.Other())
		}
		for i := range list {
			s.steps[to] = append(s.steps[to], s.compileStep(quiet, at+"/"+strconv.Itoa(i), i, list[i]))
		}
	}
	for _, st := range slices.Concat(s.steps[1], s.steps[0]) {
		if st.spec.By != crm.MatchByAnyKey || !st.usable {
			continue
		}
		for _, p := range st.pairs {
			if !slices.ContainsFunc(s.keys, p.equal) {
				s.keys, s.rungs = append(s.keys, p), append(s.rungs, st.index)
			}
		}
	}
}

func (s *Settings) compileStep(k *check, at string, index int, m crm.MatchStep) step {
	before := len(k.problems)
	out := step{spec: m, index: index, at: at, idSide: -1}
	oneOf(k, at+"/on_missing", CodeUnknownChoice, m.OnMissing, crm.MissingChoices...)
	oneOf(k, at+"/on_disagreement", CodeUnknownChoice, m.OnDisagreement, crm.DisagreementChoices...)
	switch m.By {
	case crm.MatchByID:
		s.compileID(k, &out)
	case crm.MatchByAnyKey, crm.MatchByAllKeys:
		if len(m.Pairs) == 0 {
			k.add(at+"/pairs", CodeMissingPairs, "name at least one left field with the right field that holds the same key")
		}
		out.pairs = s.compilePairs(k, at+"/pairs", m.Pairs)
	default:
		k.add(at+"/by", CodeUnknownStep, "there is no match step %q: use id, any_key or all_keys", m.By)
	}
	out.verify = s.compilePairs(k, at+"/verify", m.Verify)
	for i, name := range m.Protect {
		k.field(at+"/protect/"+strconv.Itoa(i), 0, name, false)
	}
	out.held = s.holdStep(at, index, &m)
	out.usable = len(k.problems) == before && !out.held && s.stepFieldsKnown(&out)
	return out
}

// stepFieldsKnown repeats what matters of the check where problems are reported
// elsewhere: no step may search by a field that is gone.
func (s *Settings) stepFieldsKnown(st *step) bool {
	if len(st.pairs) == 0 && (st.spec.By != crm.MatchByID || st.idSide < 0) {
		return false
	}
	for i := range crm.Sides {
		for _, name := range st.fields(i) {
			if _, known := s.schema[i][name]; name == "" || s.schema[i] != nil && !known {
				return false
			}
		}
	}
	return true
}

func (s *Settings) compileID(k *check, out *step) {
	m := out.spec
	switch {
	case m.Left == recordID && m.Right == recordID:
		k.add(out.at+"/left", CodeBadIDStep, "one side must be a field that holds the other side's ID, the other %q",
			recordID)
	case m.Right == recordID:
		if k.field(out.at+"/left", 0, m.Left, m.WriteBack) {
			out.idSide, out.idField = 1, m.Left
		}
	case m.Left == recordID:
		if k.field(out.at+"/right", 1, m.Right, m.WriteBack) {
			out.idSide, out.idField = 0, m.Right
		}
	default:
		left, right := k.field(out.at+"/left", 0, m.Left, false), k.field(out.at+"/right", 1, m.Right, false)
		if m.WriteBack {
			k.add(out.at+"/write_back", CodeBadIDStep, "only a record's own ID (%q) can be written back", recordID)
		}
		if left && right {
			out.pairs = []identity{s.identity(m.Left, m.Right)}
		}
	}
}

func (s *Settings) compilePairs(k *check, at string, pairs [][2]string) []identity {
	var out []identity
	for i, p := range pairs {
		at := at + "/" + strconv.Itoa(i)
		left, right := k.field(at+"/0", 0, p[0], false), k.field(at+"/1", 1, p[1], false)
		if left && right {
			out = append(out, s.identity(p[0], p[1]))
		}
	}
	return out
}

// identity decides as what two fields are compared: e-mail or phone if either
// side's schema says so; else as a mapping of the two with such a transform
// says; else by a field name with email, phone, mobile, domain or website in it
// where no schema or one of mere text or web address is known; else as the type
// that the schema gives, text by default. One form serves both sides, so that
// one person has one key wherever the record lies.
//
// E-mail addresses, phone numbers and domains are one space of keys each across
// all their fields; other keys carry the name of the left field, so that a name
// is never taken for a city.
func (s *Settings) identity(left, right string) identity {
	p := identity{names: [2]string{left, right}, also: [2][]string{s.further(0, left), s.further(1, right)}}
	types := [2]crm.FieldType{s.schema[0][left].Type, s.schema[1][right].Type}
	typ := types[0]
	if typ == "" || typ == crm.TypeText && types[1] != "" {
		typ = types[1]
	}
	guess := guessForm(left)
	if guess == "" {
		guess = guessForm(right)
	}
	said := s.formOfMapping(left, right)
	switch {
	case slices.Contains(types[:], crm.TypeEmail):
		p.form = mapping.FormEmail
	case slices.Contains(types[:], crm.TypePhone):
		p.form = mapping.FormPhone
	case said != "":
		p.form = said
	case guess != "" && (typ == "" || guess == mapping.FormDomain && (typ == crm.TypeURL || typ == crm.TypeText)):
		p.form = guess
	default:
		p.form = mapping.FormOf(typ)
	}
	p.prefix = string(p.form) + ":"
	if !p.form.Shared() {
		kind := string(typ)
		if kind == "" {
			kind = string(p.form)
		}
		p.prefix = kind + "/" + left + ":"
	}
	return p
}

// formOfMapping is the form that a mapping of the two fields declares.
func (s *Settings) formOfMapping(left, right string) mapping.Form {
	for _, m := range s.sync.Mappings {
		if m.On() && slices.Equal(m.Left, []string{left}) && slices.Equal(m.Right, []string{right}) {
			if form := mapping.FormOfTransform(m.Transform.Type); form != "" {
				return form
			}
		}
	}
	return ""
}

func guessForm(name string) mapping.Form {
	name = strings.ToLower(name)
	switch {
	case strings.Contains(name, "email"), strings.Contains(name, "e-mail"), strings.Contains(name, "e_mail"):
		return mapping.FormEmail
	case strings.Contains(name, "phone"), strings.Contains(name, "mobile"):
		return mapping.FormPhone
	case strings.Contains(name, "domain"), strings.Contains(name, "website"):
		return mapping.FormDomain
	}
	return ""
}

// fields returns the fields that the step looks at on a side; they may repeat.
func (st *step) fields(side int) []string {
	var names []string
	if st.idField != "" && st.idSide == 1-side {
		names = append(names, st.idField)
	}
	for _, p := range st.pairs {
		names = append(append(names, p.names[side]), p.also[side]...)
	}
	for _, p := range st.verify {
		names = append(append(names, p.names[side]), p.also[side]...)
	}
	return names
}

// HasIdentity reports whether the record can be told from others at all: by a
// key, by all keys of a step with what verifies them, or by an ID that it holds.
// A record's own ID says nothing about its twin.
func (s *Settings) HasIdentity(side crm.Side, r *crm.Record) bool {
	if r == nil {
		return false
	}
	steps := s.steps[side.Other().Index()]
	for i := range steps {
		if q, ok := s.question(&steps[i], side, r); ok && (q.ByID != "" || steps[i].idSide != side.Index()) {
			return true
		}
	}
	return false
}

// spellings are the texts under which an app may have stored the key.
func (p *identity) spellings(canonical, typed string) []string {
	return p.form.Spellings(strings.TrimPrefix(canonical, p.prefix), typed)
}

// unique drops blanks and repetitions and keeps the order.
func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
