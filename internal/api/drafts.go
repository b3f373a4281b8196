package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// A draft is a connection that was never started. It may be half-finished: what
// can be read is stored, and everything that keeps it from being started is
// listed with it. Only the start, and what needs a whole document, refuses it.

// connection is a connection as it is shown: the document, and what a draft lacks.
type connection struct {
	crm.Connection
	Problems []ProblemItem `json:"problems,omitzero" readOnly:"true" doc:"Of a draft: everything that keeps it from being started, as far as is known without asking the apps; absent once it was started. The server says it: sent back it is not looked at"`

	Touches []touched `json:"touches,omitzero" readOnly:"true" doc:"In the answer of a save, once the connection was started: what was changed means for the records of each sync. Sent back it is not looked at"`
	Applied *applied  `json:"applied,omitempty" readOnly:"true" doc:"In that answer: to whom it applies, and the runs that see to it. Sent back it is not looked at"`
}

// whomToAsk says what a look at a document may ask the apps.
type whomToAsk int

const (
	askOrFail  whomToAsk = iota // they are asked, and without an answer there is no result
	askIfThere                  // they are asked; that one does not answer is a problem of its own
	askNobody                   // what was last read has to do
)

// steps asks that every step of the set-up was gone through: without one of them
// a start would do nothing.
func (v *validation) steps() {
	if len(v.c.Syncs) == 0 {
		v.add("/syncs", CodeStepMissing, "there is no sync yet: add one, with the object of either account that it joins")
	}
	for i := range v.c.Syncs {
		s, at := &v.c.Syncs[i], "/syncs/"+strconv.Itoa(i)
		if s.Direction == crm.DirectionOff {
			continue
		}
		if !mapped(s) { // that a match step is missing is said of any document
			v.add(at+"/mappings", CodeStepMissing,
				"no mapping is on, so that no value would travel: add some of GET …/suggestions")
		}
	}
}

// works asks that a connection that was started goes on doing something: to empty
// it is no way to stop it, for there are ways that say what they do.
func (v *validation) works() {
	if len(v.c.Syncs) == 0 {
		v.add("/syncs", CodeDoesNothing, "without a sync it would do nothing: to stop it for a while set enabled to false "+
			"or pause it, to be rid of it DELETE the connection")
	}
	for i := range v.c.Syncs {
		if s := &v.c.Syncs[i]; s.Direction != crm.DirectionOff && !mapped(s) {
			v.add("/syncs/"+strconv.Itoa(i)+"/mappings", CodeDoesNothing,
				"no mapping is on, so that no value would travel: to stop the sync set its direction to off, to be rid of it "+
					"DELETE …/syncs/%s", s.ID)
		}
	}
}

func mapped(s *crm.Sync) bool {
	return slices.ContainsFunc(s.Mappings, func(m crm.Mapping) bool { return m.On() && m.Direction != crm.DirectionOff })
}

// lacks lists what keeps a draft from being started; others are all connections
// of the workspace, nil = not read yet. Never nil without an error.
func (s *server) lacks(
	ctx context.Context, c *crm.Connection, others []crm.Connection, asks whomToAsk,
) ([]ProblemItem, error) {
	ws := access.From(ctx).Workspace
	value, p := strictJSON(encodeDocument(c))
	if p != nil {
		return p.Errors, nil // deeper or longer than what can be sent: nothing more is looked at
	}
	form := s.formOf(value)
	v, err := s.validate(ctx, ws, nil, c, asks)
	if err != nil {
		return nil, err
	}
	if others == nil {
		if others, err = s.allConnections(ctx, ws); err != nil {
			return nil, err
		}
	}
	taken, _ := otherWriters(ctx, c, others)
	out := form.found
	some(&out)
	for _, p := range append(v.problems, taken...) {
		out = append(out, ProblemItem{Pointer: p.Pointer, Code: p.Code, Detail: p.Detail})
	}
	return out, nil
}

// formOf holds a document against the form that a started connection has. A
// document of 1 MiB has an end, so that everything is listed.
func (s *server) formOf(value any) *checker {
	c := &checker{schemas: s.registry(), patterns: &s.patterns, most: maxBody}
	c.value(documentInput(), "", value)
	return c
}

// shown is a stored connection as an answer has it.
func (s *server) shown(ctx context.Context, c *crm.Connection) (*connectionOutput, error) {
	out := connectionAnswer(c)
	if c.Status != crm.StatusDraft {
		return out, nil
	}
	var err error
	out.Body.Problems, err = s.lacks(ctx, c, nil, askNobody)
	return out, err
}

// incomplete refuses what needs a whole document.
func incomplete(lacks []ProblemItem) *Problem {
	return problem(http.StatusConflict, CodeIncomplete, "the draft has "+strconv.Itoa(len(lacks))+
		" problem(s): GET the connection lists them all", lacks[:min(len(lacks), maxItems)]...)
}

// whole refuses a draft that has problems. What was started is whole.
func (s *server) whole(ctx context.Context, c *crm.Connection) error {
	if c.Status != crm.StatusDraft {
		return nil
	}
	lacks, err := s.lacks(ctx, c, nil, askOrFail)
	if err != nil {
		return err
	}
	if len(lacks) > 0 {
		return incomplete(lacks)
	}
	return nil
}

// asWhole does what makes a draft a connection that runs. Nothing is saved
// between the look at the document and that.
func (s *server) asWhole(ctx context.Context, c *crm.Connection, do func() error) error {
	for range 8 {
		if err := s.whole(ctx, c); err != nil {
			return err
		}
		if c.Status != crm.StatusDraft {
			return do()
		}
		now, err := s.ifSame(ctx, c, do)
		if now == nil || err != nil {
			return err
		}
		c = now
	}
	return problem(http.StatusConflict, CodeBusy, "")
}

// ifSame does it unless the draft was changed meanwhile: then that is returned.
func (s *server) ifSame(ctx context.Context, c *crm.Connection, do func() error) (*crm.Connection, error) {
	unlock, err := s.saveLock(ctx, access.From(ctx).Workspace)
	if err != nil {
		return nil, err
	}
	defer unlock()
	now, _, err := s.changeable(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	if now.Version != c.Version {
		return now, nil
	}
	if err := s.refuseOtherWriters(ctx, now); err != nil { // one that was started meanwhile
		return nil, err
	}
	return nil, do()
}

const (
	inputSuffix = "Input" // of the form in which a whole document is sent
	draftSuffix = "Draft" // of the form in which a draft is sent
)

// draftForm adds to the schemas the form in which drafts are taken: what is said
// of a whole document by required keys, words and lengths of texts is a remark
// there. Keys and types are as they are, and so is how many a list may hold: each
// of its items is stored with all its defaults, so that a small body could fill
// the memory.
func draftForm(r huma.Registry, input string) *huma.Schema {
	name := input[len(schemaPrefix):]
	draft := strings.TrimSuffix(name, inputSuffix) + draftSuffix
	schemas := r.Map()
	ref := &huma.Schema{Ref: schemaPrefix + draft}
	if schemas[draft] == nil {
		out := &huma.Schema{}
		schemas[draft] = out
		*out = *loose(r, schemas[name])
	}
	return ref
}

// loose is a schema without what a draft need not keep to.
func loose(r huma.Registry, s *huma.Schema) *huma.Schema {
	if s == nil {
		return nil
	}
	if s.Ref != "" {
		out := draftForm(r, s.Ref)
		out.Description = s.Description
		return out
	}
	c := *s
	c.Required = nil
	unbind(&c)
	c.Items = loose(r, s.Items)
	c.AnyOf = nil
	for _, one := range s.AnyOf {
		c.AnyOf = append(c.AnyOf, loose(r, one))
	}
	if extra, ok := s.AdditionalProperties.(*huma.Schema); ok {
		c.AdditionalProperties = loose(r, extra)
	}
	if s.Properties != nil {
		c.Properties = make(map[string]*huma.Schema, len(s.Properties))
		for key, p := range s.Properties {
			c.Properties[key] = loose(r, p)
		}
	}
	return &c
}

// unbind takes the words and the bounds of texts and numbers off a schema.
func unbind(s *huma.Schema) {
	s.Pattern, s.Format = "", ""
	s.MinLength, s.MaxLength, s.Minimum, s.Maximum, s.MinProperties = nil, nil, nil, nil, nil
	if words := slices.DeleteFunc(slices.Clone(s.Enum), func(w any) bool { return w == nil }); len(words) > 0 {
		s.Enum = nil
		s.Description = "Before a start: one of " + joined(words)
	}
}

// loosen changes the schemas of an answer to what a draft may have in it. What the
// server says by itself is always one of its words.
func loosen(r huma.Registry, s *huma.Schema, seen map[string]bool) {
	switch {
	case s == nil || s.ReadOnly || seen[s.Ref]:
		return
	case s.Ref != "":
		seen[s.Ref] = true
		loosen(r, r.SchemaFromRef(s.Ref), seen)
		return
	}
	unbind(s)
	loosen(r, s.Items, seen)
	for _, one := range s.AnyOf {
		loosen(r, one, seen)
	}
	for _, p := range s.Properties {
		loosen(r, p, seen)
	}
	if extra, ok := s.AdditionalProperties.(*huma.Schema); ok {
		loosen(r, extra, seen)
	}
}

// wrongForm is everything that is wrong with the form of a document, or of a part
// of one, if that refuses it. A draft is refused for what it cannot hold.
func (s *server) wrongForm(of *crm.Connection, strict *huma.Schema, value any) *Problem {
	c := &checker{schemas: s.registry(), patterns: &s.patterns}
	c.value(strict, "", value)
	p := c.problem()
	if p == nil || of.Status != crm.StatusDraft {
		return p
	}
	if c.hard == "" {
		return nil
	}
	p.Code, p.Type = c.hard, docsPath+"#"+c.hard
	return p
}

// unreadable refuses a body that does not fit its schema. One that may be a draft
// is refused for what no draft holds; the answer then lists the rest as well.
func (s *server) unreadable(schema *huma.Schema, value any) *Problem {
	strict := strictForm(schema)
	if strict == nil {
		return checkBody(s.registry(), &s.patterns, schema, value)
	}
	return s.wrongForm(&crm.Connection{Status: crm.StatusDraft}, strict, value)
}

// strictForm is the schema of a whole document in place of a draft's; nil where
// a schema has no drafts.
func strictForm(s *huma.Schema) *huma.Schema {
	if s == nil {
		return nil
	}
	if name, is := strings.CutSuffix(s.Ref, draftSuffix); is {
		return &huma.Schema{Ref: name + inputSuffix}
	}
	if items := strictForm(s.Items); items != nil {
		c := *s
		c.Items = items
		return &c
	}
	var any []*huma.Schema
	for _, one := range s.AnyOf {
		if strict := strictForm(one); strict != nil {
			one = strict
		}
		any = append(any, one)
	}
	if slices.Equal(any, s.AnyOf) {
		return nil
	}
	c := *s
	c.AnyOf = any
	return &c
}

// problemsOf are the places of a refusal as problems of a document.
func problemsOf(p *Problem) []mapping.Problem {
	if p == nil {
		return nil
	}
	out := make([]mapping.Problem, len(p.Errors))
	for i, e := range p.Errors {
		out[i] = mapping.Problem{Pointer: e.Pointer, Code: e.Code, Detail: e.Detail}
	}
	return out
}
