package api

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

func (s *server) registerRecords() {
	handle(s, "list-records", s.listRecords)
	handle(s, "export-links", s.exportLinks, csvAnswer)
	handle(s, "import-links", s.importLinks, orAnswers(http.StatusOK, "LinkedPairs", "A dry run: nothing was linked"))
	handle(s, "get-record", s.getRecord)
	handle(s, "explain-record", s.explainRecord)
	handle(s, "sync-record", s.syncRecord)
	handle(s, "link-records", s.linkRecords)
	handle(s, "unlink-record", s.unlinkRecord)
	resolve := s.registry().Schema(reflect.TypeFor[resolveRequest](), true, "")
	handle(s, "resolve-record", s.resolveRecord, jsonBody(resolve, true))
	handle(s, "resolve-records", s.resolveRecords,
		orAnswers(http.StatusOK, "ResolvedRecords", "A dry run: nothing was decided"))
	handle(s, "unfreeze-record", s.unfreezeRecord)
	handle(s, "record-history", s.recordHistory)
	handle(s, "restore-record", s.restoreRecord)
}

// RecordPath names a record of a sync.
type RecordPath struct {
	SyncPath
	Side   crm.Side     `path:"side" enum:"left,right"`
	Record crm.RecordID `path:"record" maxLength:"500"`
}

func (s *server) listRecords(ctx context.Context, in *struct {
	SyncPath
	ListInput
	State crm.State `query:"state" enum:"in_sync,excluded,duplicate,conflict,failing,waiting,deleted"`
	Code  string    `query:"code" minLength:"1" maxLength:"100" doc:"Why they are in their state: what the status counts as reasons"`
	Q     string    `query:"q" minLength:"1" maxLength:"500" doc:"An exact ID or identity key"`
},
) (*listOutput[engine.RecordView], error) {
	ws, err := s.syncOf(ctx, in.SyncPath, access.Principal.Reads)
	if err != nil {
		return nil, err
	}
	records, next, err := s.Engine.ListRecords(ctx, ws, in.ID, in.Sync,
		engine.RecordFilter{State: in.State, Code: in.Code, Q: in.Q}, in.Limit, in.Cursor)
	if err != nil {
		return nil, err
	}
	if access.From(ctx).Masked() {
		for i := range records {
			records[i] = maskRecord(records[i])
		}
	}
	return listed(records, next), nil
}

type recordOutput struct {
	Body engine.RecordView
}

func (s *server) getRecord(ctx context.Context, in *RecordPath) (*recordOutput, error) {
	ws, err := s.syncOf(ctx, in.SyncPath, access.Principal.Reads)
	if err != nil {
		return nil, err
	}
	r, err := s.Engine.GetRecord(ctx, ws, in.ID, in.Sync, in.Side, in.Record)
	if err != nil {
		return nil, err
	}
	if access.From(ctx).Masked() {
		r = maskRecord(r)
	}
	if r.Unread != nil {
		r.Unread.Remedy = meanings[r.Unread.Code].Remedy
	}
	return &recordOutput{Body: r}, nil
}

type explanationOutput struct {
	Body engine.Explanation
}

func (s *server) explainRecord(ctx context.Context, in *RecordPath) (*explanationOutput, error) {
	ws, err := s.syncOf(ctx, in.SyncPath, access.Principal.Reads)
	if err != nil {
		return nil, err
	}
	x, err := s.Engine.Explain(ctx, ws, in.ID, in.Sync, in.Side, in.Record)
	if err != nil {
		return nil, err
	}
	if access.From(ctx).Masked() {
		x = maskExplanation(x)
	}
	some(&x.Match)
	some(&x.Filters)
	some(&x.Fields)
	return &explanationOutput{Body: x}, nil
}

// change checks the way to a record for those calls that work on it.
func (s *server) recordOf(ctx context.Context, in RecordPath) (crm.WorkspaceID, error) {
	return s.syncOf(ctx, in.SyncPath, access.Principal.Changes)
}

func (s *server) syncRecord(ctx context.Context, in *RecordPath) (*runOutput, error) {
	ws, err := s.recordOf(ctx, *in)
	if err != nil {
		return nil, err
	}
	return answer(s.Engine.SyncRecord(ctx, ws, in.ID, in.Sync, in.Side, in.Record))
}

func (s *server) linkRecords(ctx context.Context, in *struct {
	RecordPath
	Body struct {
		Partner crm.RecordID `json:"partner" minLength:"1" maxLength:"500" doc:"ID of the record on the other side"`
	} `nameHint:"LinkRequest"`
},
) (*runOutput, error) {
	ws, err := s.recordOf(ctx, in.RecordPath)
	if err != nil {
		return nil, err
	}
	return answer(s.Engine.LinkRecords(ctx, ws, in.ID, in.Sync, in.Side, in.Record, in.Body.Partner))
}

func (s *server) unlinkRecord(ctx context.Context, in *RecordPath) (*runOutput, error) {
	ws, err := s.recordOf(ctx, *in)
	if err != nil {
		return nil, err
	}
	return answer(s.Engine.UnlinkRecord(ctx, ws, in.ID, in.Sync, in.Side, in.Record))
}

// resolveRequest says for each mapping in conflict which side wins, or what
// value both sides get.
type resolveRequest struct {
	Fields map[crm.MappingID]resolution `json:"fields" minProperties:"1" maxProperties:"500"`
}

// resolution is "left", "right", or {"value": …}.
type resolution struct {
	side  crm.Side
	value *crm.Value
}

// Schema implements huma.SchemaProvider.
func (resolution) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{Description: "The side that wins, or a value of one's own", AnyOf: []*huma.Schema{
		{Type: huma.TypeString, Enum: []any{"left", "right"}},
		{
			Type: huma.TypeObject, Required: []string{"value"}, AdditionalProperties: false,
			Properties: map[string]*huma.Schema{"value": r.Schema(reflect.TypeFor[crm.Value](), true, "")},
		},
	}}
}

// UnmarshalJSON reads either form.
func (v *resolution) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &v.side)
	}
	var own struct {
		Value crm.Value `json:"value"`
	}
	err := json.Unmarshal(b, &own)
	v.value = &own.Value
	return err
}

func (s *server) resolveRecord(ctx context.Context, in *RecordPath) (*runOutput, error) {
	ws, err := s.recordOf(ctx, *in)
	if err != nil {
		return nil, err
	}
	var want resolveRequest
	if err := json.Unmarshal(bodyOf(ctx), &want); err != nil {
		return nil, problem(http.StatusBadRequest, CodeInvalidDocument, "")
	}
	c, _, err := s.changeable(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	fields := make(map[crm.MappingID]engine.Resolution, len(want.Fields))
	for id, r := range want.Fields {
		if !hasMapping(c.Sync(in.Sync), id) {
			return nil, problem(http.StatusBadRequest, CodeUnknownKey, "the sync has no such mapping",
				ProblemItem{
					Pointer: "/fields/" + escape(string(id)), Detail: "use the ID of a mapping of this sync", Code: CodeUnknownKey,
				})
		}
		fields[id] = engine.Resolution{Side: r.side, Value: r.value}
	}
	return answer(s.Engine.ResolveRecord(ctx, ws, in.ID, in.Sync, in.Side, in.Record, fields))
}

func (s *server) unfreezeRecord(ctx context.Context, in *struct {
	RecordPath
	Body struct {
		Field string `json:"field" minLength:"1" maxLength:"200" doc:"ID of the mapping, or the name of a mapped field of the record"`
	} `nameHint:"UnfreezeRequest"`
},
) (*runOutput, error) {
	ws, err := s.recordOf(ctx, in.RecordPath)
	if err != nil {
		return nil, err
	}
	fields, err := s.mappingsNamed(ctx, in.RecordPath, in.Body.Field)
	if err != nil {
		return nil, err
	}
	return answer(s.Engine.UnfreezeRecord(ctx, ws, in.ID, in.Sync, in.Side, in.Record, fields))
}

// mappingsNamed are the mappings that a body means by a field.
func (s *server) mappingsNamed(ctx context.Context, in RecordPath, name string) ([]crm.MappingID, error) {
	c, _, err := s.changeable(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	fields := mappingsOf(c.Sync(in.Sync), in.Side, name)
	if len(fields) == 0 {
		return nil, problem(http.StatusBadRequest, CodeUnknownKey, "the sync has no such mapping",
			ProblemItem{
				Pointer: "/field", Detail: "use the ID of a mapping of this sync, or a field that it maps on the " +
					string(in.Side) + " side", Code: CodeUnknownKey,
			})
	}
	return fields, nil
}

func (s *server) recordHistory(ctx context.Context, in *struct {
	RecordPath
	ListInput
	Field string `query:"field" minLength:"1" maxLength:"200" doc:"ID of a mapping, or the name of a mapped field of the record"`
},
) (*listOutput[engine.FieldChange], error) {
	ws, err := s.syncOf(ctx, in.SyncPath, access.Principal.Reads)
	if err != nil {
		return nil, err
	}
	var fields []crm.MappingID
	if in.Field != "" {
		c, _, err := s.connection(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		if fields = mappingsOf(c.Sync(in.Sync), in.Side, in.Field); len(fields) == 0 {
			fields = []crm.MappingID{crm.MappingID(in.Field)} // one that the sync had is still in the log
		}
	}
	changes, next, err := s.Engine.FieldHistory(ctx, ws, in.ID, in.Sync, in.Side, in.Record, fields, in.Limit, in.Cursor)
	if err != nil {
		return nil, err
	}
	if access.From(ctx).Masked() {
		for i := range changes {
			changes[i].Before, changes[i].After = maskValue(changes[i].Before), maskValue(changes[i].After)
		}
	}
	return listed(changes, next), nil
}

func (s *server) restoreRecord(ctx context.Context, in *struct {
	RecordPath
	Body struct {
		Entry string `json:"entry" minLength:"1" maxLength:"300" doc:"The log entry that wrote what is to be put back"`
		Field string `json:"field,omitempty" minLength:"1" maxLength:"200" doc:"ID of a mapping, or the name of a mapped field of the record; absent = all that the entry wrote"`
	} `nameHint:"RestoreRequest"`
},
) (*runOutput, error) {
	ws, err := s.recordOf(ctx, in.RecordPath)
	if err != nil {
		return nil, err
	}
	var fields []crm.MappingID
	if in.Body.Field != "" {
		if fields, err = s.mappingsNamed(ctx, in.RecordPath, in.Body.Field); err != nil {
			return nil, err
		}
	}
	return answer(s.Engine.RestoreRecord(ctx, ws, in.ID, in.Sync, in.Side, in.Record, fields, in.Body.Entry))
}

// mappingsOf are the mapping that has the name as its ID, else those that map a
// field of that name on a side.
func mappingsOf(s *crm.Sync, side crm.Side, name string) []crm.MappingID {
	if hasMapping(s, crm.MappingID(name)) {
		return []crm.MappingID{crm.MappingID(name)}
	}
	if s == nil {
		return nil
	}
	var out []crm.MappingID
	lines := s.Lines()
	for i := range lines {
		if m := &lines[i]; slices.Contains(m.Names(side), name) {
			out = append(out, m.ID)
		}
	}
	return out
}

func hasMapping(s *crm.Sync, id crm.MappingID) bool {
	if s == nil {
		return false
	}
	return slices.ContainsFunc(s.Lines(), func(m crm.Mapping) bool { return m.ID == id })
}

var _ json.Unmarshaler = (*resolution)(nil)
