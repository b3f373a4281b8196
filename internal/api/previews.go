package api

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// Previews show what rules and mappings that need not be saved would do with
// some records that are really there. They write nothing, and store nothing.

func (s *server) registerPreviews() {
	sync := s.registry().Map()["SyncInput"]
	rules, mappings := sync.Properties["rules"], sync.Properties["mappings"]
	records := s.registry().Schema(reflect.TypeFor[[]plannedRecord](), true, "records")
	records.MaxItems = bound(maxPreviewed)
	handle(s, "preview-rules", s.previewRules, jsonBody(partsObject(map[string]*huma.Schema{"rules": rules}), false))
	handle(s, "preview-mappings", s.previewMappings,
		jsonBody(partsObject(map[string]*huma.Schema{"mappings": mappings, "records": records}), false))
}

// maxPreviewed bounds the records that a preview may name.
const maxPreviewed = 10

// partsObject is an object of optional parts of a sync.
func partsObject(parts map[string]*huma.Schema) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, Properties: parts, AdditionalProperties: false}
}

type rulesPreviewOutput struct {
	Body engine.RulesPreview
}

func (s *server) previewRules(ctx context.Context, in *StepPath) (*rulesPreviewOutput, error) {
	c, _, err := s.unsaved(ctx, in, "rules")
	if err != nil {
		return nil, err
	}
	out, err := s.Engine.PreviewRules(ctx, access.From(ctx).Workspace, c, in.Sync)
	if err != nil {
		return nil, err
	}
	return &rulesPreviewOutput{Body: out}, nil
}

type mappingsPreviewOutput struct {
	Body engine.MappingsPreview
}

func (s *server) previewMappings(ctx context.Context, in *StepPath) (*mappingsPreviewOutput, error) {
	c, body, err := s.unsaved(ctx, in, "mappings")
	if err != nil {
		return nil, err
	}
	var want planRequest
	if text, err := json.Marshal(map[string]any{"records": body["records"]}); err != nil ||
		json.Unmarshal(text, &want) != nil {
		return nil, problem(http.StatusBadRequest, CodeInvalidDocument, "")
	}
	refs := make([]crm.RecordRef, len(want.Records))
	for i, r := range want.Records {
		refs[i] = crm.RecordRef{Side: r.Side, ID: r.ID}
	}
	out, err := s.Engine.PreviewMappings(ctx, access.From(ctx).Workspace, c, in.Sync, refs)
	if err != nil {
		return nil, err
	}
	return &mappingsPreviewOutput{Body: out}, nil
}

// unsaved is the stored document with one list of a sync as the body has it. A
// list with problems is refused, with pointers into the body; what is wrong
// elsewhere is no hindrance.
func (s *server) unsaved(ctx context.Context, in *StepPath, list string) (*crm.Connection, map[string]any, error) {
	old, _, err := s.changeable(ctx, in.ID)
	if err != nil {
		return nil, nil, err
	}
	doc, p := strictJSON(encodeDocument(old))
	if p != nil {
		return nil, nil, p
	}
	sync, _, p := locate(old, doc, stepPlace{sync: in.Sync})
	if p != nil {
		return nil, nil, p
	}
	if old.Status == crm.StatusDeleting {
		return nil, nil, problem(http.StatusConflict, CodeDeleting, "")
	}
	body := map[string]any{}
	if text := bodyOf(ctx); len(text) > 0 {
		value, p := strictJSON(text)
		if p != nil {
			return nil, nil, p
		}
		body, _ = value.(map[string]any)
	}
	if fresh, given := body[list]; given {
		sync.(map[string]any)[list] = fresh
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, nil, problem(http.StatusBadRequest, CodeInvalidDocument, "")
	}
	c, problems := s.readFilled(ctx, text, old)
	if c == nil { // it was read from a document
		return nil, nil, invalidDocument(problems)
	}
	v, err := s.validate(ctx, access.From(ctx).Workspace, old, c, askOrFail)
	if err != nil {
		return nil, nil, err
	}
	return c, body, inList(v.problems, c, in.Sync, list)
}

// inList refuses the problems that are within one list of a sync.
func inList(problems []mapping.Problem, c *crm.Connection, sync crm.SyncID, list string) error {
	var mine []mapping.Problem
	for i := range c.Syncs {
		if c.Syncs[i].ID != sync {
			continue
		}
		at := "/syncs/" + strconv.Itoa(i)
		for _, p := range problems {
			if strings.HasPrefix(p.Pointer, at+"/"+list+"/") || p.Pointer == at+"/left/object" ||
				p.Pointer == at+"/right/object" ||
				strings.HasSuffix(p.Pointer, "/account") {
				p.Pointer = strings.TrimPrefix(p.Pointer, at)
				mine = append(mine, p)
			}
		}
	}
	if mine != nil {
		return invalidDocument(mine)
	}
	return nil
}
