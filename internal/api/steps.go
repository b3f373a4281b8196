package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// A step of the set-up is a part of a connection's document with an address and
// an ETag of its own: a sync, its rules, its mappings, its match steps, one rule,
// one mapping. Writing one leaves the rest of the document as it is, and is
// checked, stored and audited like a change of the whole.

// stepPlace is where a part stands in the document.
type stepPlace struct {
	sync crm.SyncID
	list string // "rules", "mappings" or "match"; "" = the sync itself
	id   string // of an element of the list; "" = the list

	schema *huma.Schema
}

// find returns the part of a decoded document, and what puts another one in its
// place; false when there is none.
func (p stepPlace) find(doc any) (part any, put func(any), found bool) {
	whole, _ := doc.(map[string]any)
	part, put, found = element(whole, "syncs", string(p.sync))
	sync, _ := part.(map[string]any)
	switch {
	case !found || p.list == "":
		return part, put, found
	case p.id == "":
		return sync[p.list], func(v any) { sync[p.list] = v }, true
	}
	return element(sync, p.list, p.id)
}

// element finds an element of a list by its ID.
func element(in map[string]any, list, id string) (part any, put func(any), found bool) {
	all, _ := in[list].([]any)
	for i := range all {
		if one, ok := all[i].(map[string]any); ok && one["id"] == id {
			return one, func(v any) { all[i] = v }, true
		}
	}
	return nil, nil, false
}

func (s *server) registerSteps() {
	part := func(name string) *huma.Schema { return &huma.Schema{Ref: schemaPrefix + name} }
	sync := s.registry().Map()["SyncInput"]
	for _, one := range []struct {
		name, list string
		element    bool
		schema     *huma.Schema
	}{
		{"sync", "", false, part("SyncInput")},
		{"rules", "rules", false, sync.Properties["rules"]},
		{"rule", "rules", true, part("RuleInput")},
		{"mappings", "mappings", false, sync.Properties["mappings"]},
		{"mapping", "mappings", true, part("MappingInput")},
		{"match", "match", false, sync.Properties["match"]},
	} {
		at := func(in *StepPath) stepPlace { return stepPlace{in.Sync, one.list, "", one.schema} }
		schema := loose(s.registry(), one.schema)
		if one.element {
			handle(s, "get-"+one.name, func(ctx context.Context, in *StepElement) (*stepOutput, error) {
				return s.getStep(ctx, in.ID, stepPlace{in.Sync, one.list, in.Part, one.schema})
			})
			handle(s, "put-"+one.name, func(ctx context.Context, in *stepElementChange) (*stepOutput, error) {
				return s.changeStep(ctx, in.ID, stepPlace{in.Sync, one.list, in.Part, one.schema}, in.IfMatch, replacePart)
			}, jsonBody(schema, true))
			handle(s, "patch-"+one.name, func(ctx context.Context, in *stepElementChange) (*stepOutput, error) {
				return s.changeStep(ctx, in.ID, stepPlace{in.Sync, one.list, in.Part, one.schema}, in.IfMatch, mergePatched)
			}, patchBody(anyObject("An RFC 7396 merge patch of the part")))
			continue
		}
		handle(s, "get-"+one.name, func(ctx context.Context, in *StepPath) (*stepOutput, error) {
			return s.getStep(ctx, in.ID, at(in))
		})
		handle(s, "put-"+one.name, func(ctx context.Context, in *stepChange) (*stepOutput, error) {
			return s.changeStep(ctx, in.ID, at(&in.StepPath), in.IfMatch, replacePart)
		}, jsonBody(schema, true))
		if one.list == "" {
			handle(s, "patch-"+one.name, func(ctx context.Context, in *stepChange) (*stepOutput, error) {
				return s.changeStep(ctx, in.ID, at(&in.StepPath), in.IfMatch, mergePatched)
			}, patchBody(anyObject("An RFC 7396 merge patch of the part")))
		}
	}
}

// StepPath names a sync.
type StepPath struct {
	ID   crm.ConnectionID `path:"id" maxLength:"200"`
	Sync crm.SyncID       `path:"sync" maxLength:"40"`
}

// StepElement names a rule or a mapping of a sync.
type StepElement struct {
	StepPath
	Part string `path:"part" maxLength:"200" doc:"ID of the rule or mapping"`
}

type stepChange struct {
	StepPath
	IfMatch string `header:"If-Match" doc:"ETag of the part that the change is based on; required"`
}

type stepElementChange struct {
	StepElement
	IfMatch string `header:"If-Match" doc:"ETag of the part that the change is based on; required"`
}

type stepOutput struct {
	ETag string `header:"ETag"`
	Body json.RawMessage
}

func replacePart(_, fresh any) any { return fresh }

// stepOf reads a part of a stored document.
func stepOf(c *crm.Connection, at stepPlace) (doc, part any, put func(any), p *Problem) {
	doc, p = strictJSON(encodeDocument(c))
	if p != nil {
		return nil, nil, nil, p
	}
	part, put, found := at.find(doc)
	if !found {
		what := "sync"
		if c.Sync(at.sync) != nil {
			what = strings.TrimSuffix(at.list, "s")
		}
		return nil, nil, nil, problem(http.StatusNotFound, CodeNotFound, "the connection has no such "+what)
	}
	return doc, part, put, nil
}

func stepAnswer(part any) (*stepOutput, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(part); err != nil {
		return nil, fmt.Errorf("write a part of a document: %w", err)
	}
	text := bytes.TrimSpace(b.Bytes())
	return &stepOutput{ETag: partTag(text), Body: text}, nil
}

// partTag is the version of a part: of what it says, whatever else of the
// document has changed.
func partTag(text []byte) string {
	sum := sha256.Sum256(text)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}

func (s *server) getStep(ctx context.Context, id crm.ConnectionID, at stepPlace) (*stepOutput, error) {
	c, _, err := s.connection(ctx, id)
	if err != nil {
		return nil, err
	}
	_, part, _, p := stepOf(c, at)
	if p != nil {
		return nil, p
	}
	return stepAnswer(part)
}

// changeStep puts what join makes of a part and the body in the part's place.
// Whoever changes another part meanwhile is no hindrance.
func (s *server) changeStep(
	ctx context.Context, id crm.ConnectionID, at stepPlace, ifMatch string, join func(part, body any) any,
) (*stepOutput, error) {
	change, p := strictJSON(bodyOf(ctx))
	if p == nil {
		p = checkRemovals(s.registry(), at.schema, change)
	}
	if p != nil {
		return nil, p
	}
	for range 8 {
		old, _, err := s.changeable(ctx, id)
		if err != nil {
			return nil, err
		}
		if p := checkPart(ifMatch, old, at); p != nil {
			return nil, p
		}
		out, err := s.change(ctx, &ChangeInput{ID: id, IfMatch: etag(old.Version)},
			func(old *crm.Connection) ([]byte, error) {
				doc, part, put, p := stepOf(old, at)
				if p != nil {
					return nil, p
				}
				fresh := join(part, change)
				if p := s.wrongForm(old, at.schema, fresh); p != nil {
					return nil, p // its places are those in the part
				}
				put(fresh)
				return json.Marshal(doc)
			})
		switch {
		case err != nil && problemOf(err).Code == CodeStaleVersion:
			continue // the document changed: the part may be as it was
		case err != nil:
			return nil, err
		}
		at := at
		// it may have another name now
		if one, ok := join(map[string]any{}, change).(map[string]any); ok && one["id"] != nil {
			at = at.renamed(fmt.Sprint(one["id"]))
		}
		_, part, _, p := stepOf(&out.Body.Connection, at)
		if p != nil {
			return nil, p
		}
		return stepAnswer(part)
	}
	return nil, problem(http.StatusConflict, CodeBusy, "")
}

func (p stepPlace) renamed(id string) stepPlace {
	switch {
	case p.id != "":
		p.id = id
	case p.list == "":
		p.sync = crm.SyncID(id)
	}
	return p
}

// checkPart is checkMatch for a part.
func checkPart(ifMatch string, c *crm.Connection, at stepPlace) *Problem {
	_, part, _, p := stepOf(c, at)
	if p != nil {
		return p
	}
	now, err := stepAnswer(part)
	switch {
	case err != nil:
		return problem(http.StatusInternalServerError, CodeInternal, "")
	case strings.TrimSpace(ifMatch) == "":
		return problem(http.StatusPreconditionRequired, CodePrecondition, "")
	}
	for tag := range strings.SplitSeq(ifMatch, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == now.ETag {
			return nil
		}
	}
	return problem(http.StatusPreconditionFailed, CodeStaleVersion, "").withHeader("ETag", now.ETag)
}
