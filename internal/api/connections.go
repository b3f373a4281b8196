package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// page is one page of a list.
type page[T any] struct {
	Items []T    `json:"items" nullable:"false"`
	Next  string `json:"next,omitempty" doc:"Cursor of the next page; absent at the end"`
}

// ListInput are the parameters of every list. It is exported, like the other
// embedded inputs, because reflection does not see unexported ones.
type ListInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"Items a page"`
	Cursor string `query:"cursor" maxLength:"8192" doc:"next of the page before"`
}

type listOutput[T any] struct {
	Body page[T]
}

// WholeInput are the parameters of lists that are short enough to come whole.
type WholeInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" doc:"Items a page; without it the list comes whole"`
	Cursor string `query:"cursor" maxLength:"8192" doc:"next of the page before"`
}

// paged cuts a list that is at hand as a whole into pages.
func paged[T any](items []T, in WholeInput) (*listOutput[T], error) {
	at := 0
	if in.Cursor != "" {
		n, err := strconv.Atoi(in.Cursor)
		if err != nil || n < 1 || n >= len(items) {
			return nil, problem(http.StatusBadRequest, "cursor_malformed", "")
		}
		at = n
	}
	items = items[at:]
	if in.Limit == 0 || len(items) <= in.Limit {
		return listed(items, ""), nil
	}
	return listed(items[:in.Limit], strconv.Itoa(at+in.Limit)), nil
}

func listed[T any](items []T, next string) *listOutput[T] {
	some(&items)
	return &listOutput[T]{Body: page[T]{Items: items, Next: next}}
}

type connectionPath struct {
	ID crm.ConnectionID `path:"id" maxLength:"200" doc:"con_…"`
}

// ConnectionPath names a connection, for inputs that have more.
type ConnectionPath connectionPath

type connectionOutput struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     crm.Connection
}

func connectionAnswer(c *crm.Connection) *connectionOutput {
	return &connectionOutput{ETag: etag(c.Version), Body: *c}
}

func (s *server) registerConnections() {
	handle(s, "list-presets", func(_ context.Context, in *WholeInput) (*listOutput[preset], error) {
		return paged(s.presets(), *in)
	})
	handle(s, "list-connections", s.listConnections)
	handle(s, "create-connection", s.createConnection, jsonBody(draftInput(), true))
	handle(s, "import-connection", s.importConnection, importBody, importAnswer)
	handle(s, "plan-import", s.planImport, importBody)
	handle(s, "get-connection", s.getConnection)
	handle(s, "put-connection", s.putConnection, jsonBody(documentInput(), true))
	handle(s, "patch-connection", s.patchConnection, patchBody(anyObject("An RFC 7396 merge patch of the document")))
	handle(s, "delete-connection", s.deleteConnection)
	handle(s, "export-connection", s.exportConnection, mediaAnswer(yamlMedia, documentInput()))
	handle(s, "get-suggestions", s.getSuggestions)
	handle(s, "validate-connection", s.validateConnection,
		jsonBody(anyObject("A connection document; none checks the one that is stored"), false))
}

// importBody documents the two forms that import reads.
func importBody(op *huma.Operation) {
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		yamlMedia:          {Schema: documentInput()},
		"application/json": {Schema: documentInput()},
	}}
}

// importAnswer documents the other success of an import.
func importAnswer(op *huma.Operation) {
	op.Responses = map[string]*huma.Response{"200": {
		Description: "The connection of that name was like that already, or was changed as If-Match allowed",
		Content:     map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Ref: schemaPrefix + "Connection"}}},
	}}
}

// connection loads a connection that the caller may read. NotFound for one of
// another workspace, Denied by its access rule.
func (s *server) connection(ctx context.Context, id crm.ConnectionID) (*crm.Connection, int64, error) {
	return s.connectionFor(ctx, id, access.Principal.Reads)
}

// changeable loads a connection that the caller may change.
func (s *server) changeable(ctx context.Context, id crm.ConnectionID) (*crm.Connection, int64, error) {
	return s.connectionFor(ctx, id, access.Principal.Changes)
}

func (s *server) connectionFor(
	ctx context.Context, id crm.ConnectionID, may func(access.Principal, crm.Access) bool,
) (*crm.Connection, int64, error) {
	who := access.From(ctx)
	c, seen, err := store.LoadConnection(ctx, s.Store, who.Workspace, id)
	if fault.Is(err, fault.NotFound) {
		return nil, 0, problem(http.StatusNotFound, CodeNotFound, "there is no such connection")
	}
	if err != nil {
		return nil, 0, err
	}
	if !may(who, c.Access) {
		return nil, 0, problem(http.StatusForbidden, CodeAccessDenied, "")
	}
	return c, seen, nil
}

func (s *server) listConnections(ctx context.Context, in *ListInput) (*listOutput[crm.Connection], error) {
	who := access.From(ctx)
	all, next, err := store.ListConnections(ctx, s.Store, who.Workspace, in.Limit, in.Cursor)
	if err != nil {
		return nil, err
	}
	mine := all[:0]
	for _, c := range all {
		if who.Reads(c.Access) {
			mine = append(mine, c)
		}
	}
	return listed(mine, next), nil
}

func (s *server) getConnection(ctx context.Context, in *connectionPath) (*connectionOutput, error) {
	c, _, err := s.connection(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return connectionAnswer(c), nil
}

func (s *server) createConnection(ctx context.Context, in *struct {
	Preset string `query:"preset" maxLength:"100" doc:"A preset whose syncs stand in for those of the document"`
},
) (*connectionOutput, error) {
	c, problems := readDocument(bodyOf(ctx), nil)
	if in.Preset == "" && !hasKey(bodyOf(ctx), "syncs") {
		problems = append(problems, mapping.Problem{
			Code: CodeMissingKey, Detail: "the key syncs is missing; give the syncs, or ?preset= to take those of a preset",
		})
	}
	if c != nil && in.Preset != "" {
		p, ok := s.preset(in.Preset)
		if !ok {
			return nil, problem(http.StatusBadRequest, CodeUnknownPreset, "", ProblemItem{
				Parameter: "query.preset", Detail: meaning(CodeUnknownPreset), Code: CodeUnknownPreset,
			})
		}
		if len(c.Syncs) == 0 {
			c.Syncs = p.Syncs
			normalize(c)
		}
	}
	return s.create(ctx, c, problems)
}

// create stores a new connection, or refuses it with all its problems.
func (s *server) create(ctx context.Context, c *crm.Connection, problems []mapping.Problem) (*connectionOutput, error) {
	if err := s.refuseInvalid(ctx, nil, c, problems); err != nil {
		return nil, err
	}
	who := access.From(ctx)
	unlock, err := s.saveLock(ctx, who.Workspace)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := s.refuseOtherWriters(ctx, c); err != nil {
		return nil, err
	}
	c.ID = crm.ConnectionID(s.NewID("con"))
	c.CreatedAt = s.Now().UTC()
	c.UpdatedAt, c.Version, c.Generation = c.CreatedAt, 1, 1
	err = s.audit.Do(ctx, who, requestID(ctx), "connection.create", string(c.ID), nil, encodeDocument(c), func() error {
		_, err := store.SaveConnection(ctx, s.Store, who.Workspace, c, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := connectionAnswer(c)
	out.Location = "/v1/connections/" + string(c.ID)
	return out, nil
}

func (s *server) refuseInvalid(ctx context.Context, old, c *crm.Connection, problems []mapping.Problem) error {
	if c != nil {
		v, err := s.validate(ctx, access.From(ctx).Workspace, old, c)
		if err != nil {
			return err
		}
		problems = append(problems, v.problems...)
	}
	if len(problems) > 0 {
		return invalidDocument(problems)
	}
	return nil
}

func (s *server) refuseOtherWriters(ctx context.Context, c *crm.Connection) error {
	p, _, err := s.otherWriters(ctx, access.From(ctx).Workspace, c)
	if err != nil {
		return err
	}
	if p != nil {
		return p
	}
	return nil
}

// ChangeInput names a connection and the version that a change is based on.
type ChangeInput struct {
	ID      crm.ConnectionID `path:"id" maxLength:"200"`
	IfMatch string           `header:"If-Match" doc:"ETag of the version that the change is based on; required"`
}

func (s *server) putConnection(ctx context.Context, in *ChangeInput) (*connectionOutput, error) {
	return s.change(ctx, in, func(*crm.Connection) ([]byte, error) { return bodyOf(ctx), nil })
}

func (s *server) patchConnection(ctx context.Context, in *ChangeInput) (*connectionOutput, error) {
	return s.change(ctx, in, func(old *crm.Connection) ([]byte, error) {
		merged, body, p := patchDocument(s.registry(), old, bodyOf(ctx))
		if p == nil {
			p = checkBody(s.registry(), &s.patterns, documentInput(), merged)
		}
		if p != nil {
			return nil, p
		}
		return body, nil
	})
}

// change replaces what clients own of a connection. The engine writes the same
// item for what it owns, so a lost race is repeated while the client's version
// still holds.
func (s *server) change(
	ctx context.Context, in *ChangeInput, body func(old *crm.Connection) ([]byte, error),
) (*connectionOutput, error) {
	old, _, err := s.changeable(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if p := changePrecondition(in.IfMatch, old); p != nil {
		return nil, p
	}
	document, err := body(old)
	if err != nil {
		return nil, err
	}
	fresh, problems := readDocument(document, old)
	if err := s.refuseChange(ctx, old, fresh, problems); err != nil {
		return nil, err
	}
	unlock, err := s.saveLock(ctx, access.From(ctx).Workspace)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := s.refuseOtherWriters(ctx, fresh); err != nil {
		return nil, err
	}
	for range 8 {
		now, seen, err := s.changeable(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		if p := changePrecondition(etag(old.Version), now); p != nil {
			return nil, p
		}
		out, err := s.replace(ctx, now, fresh, seen)
		if err == nil {
			s.caughtUp(ctx, old, fresh)
		}
		if !fault.Is(err, fault.Conflict) {
			return out, err
		}
	}
	return nil, problem(http.StatusConflict, CodeBusy, "")
}

// caughtUp lets syncs that a change switched on look at once what they missed.
// The change is stored whatever comes of it: the next pull looks as well.
func (s *server) caughtUp(ctx context.Context, old, fresh *crm.Connection) {
	var on []crm.SyncID
	for i := range fresh.Syncs {
		was := old.Sync(fresh.Syncs[i].ID)
		if was != nil && fresh.Enabled && fresh.Syncs[i].Direction != crm.DirectionOff &&
			(!old.Enabled || was.Direction == crm.DirectionOff) {
			on = append(on, was.ID)
		}
	}
	if len(on) == 0 || old.Status != crm.StatusActive {
		return
	}
	if err := s.Engine.CatchUp(ctx, access.From(ctx).Workspace, old.ID, on); err != nil {
		s.Logger.ErrorContext(ctx, "syncs do not catch up yet", "request_id", requestID(ctx), "connection", string(old.ID),
			"error", err.Error())
	}
}

func changePrecondition(ifMatch string, c *crm.Connection) *Problem {
	if p := checkMatch(ifMatch, c.Version); p != nil {
		return p
	}
	if c.Status == crm.StatusDeleting {
		return problem(http.StatusConflict, CodeDeleting, "")
	}
	return nil
}

// refuseChange checks the new document. What an app's schema says is asked
// only when something that depends on it changed: a connection can be renamed,
// switched off or given to others while an app is away.
func (s *server) refuseChange(ctx context.Context, old, fresh *crm.Connection, problems []mapping.Problem) error {
	if fresh == nil {
		return invalidDocument(problems)
	}
	if sameWork(old, fresh) {
		v := &validation{ctx: ctx, s: s, ws: access.From(ctx).Workspace, old: old, c: fresh}
		v.head()
		if err := v.notify(); err != nil {
			return err
		}
		if problems = append(problems, v.problems...); len(problems) > 0 {
			return invalidDocument(problems)
		}
		return nil
	}
	return s.refuseInvalid(ctx, old, fresh, problems)
}

func sameWork(a, b *crm.Connection) bool {
	return a.Left == b.Left && a.Right == b.Right && a.Country == b.Country && a.TimeZone == b.TimeZone &&
		sameJSON(a.Syncs, b.Syncs)
}

func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// replace writes fresh over now, keeping what the server owns. A document that
// says the same is no change.
func (s *server) replace(ctx context.Context, now, fresh *crm.Connection, seen int64) (*connectionOutput, error) {
	next := *fresh
	next.Status, next.Version, next.Generation, next.CreatedAt, next.UpdatedAt = now.Status, now.Version, now.Generation,
		now.CreatedAt, now.UpdatedAt
	before, after := encodeDocument(now), encodeDocument(&next)
	if string(before) == string(after) {
		return connectionAnswer(now), nil
	}
	next.Version++
	next.UpdatedAt = s.Now().UTC()
	if moved(now, &next) {
		next.Generation++
	}
	who := access.From(ctx)
	err := s.audit.Do(ctx, who, requestID(ctx), "connection.update", string(next.ID), before, after, func() error {
		_, err := store.SaveConnection(ctx, s.Store, who.Workspace, &next, seen)
		return err
	})
	if err != nil {
		return nil, err
	}
	return connectionAnswer(&next), nil
}

func (s *server) deleteConnection(ctx context.Context, in *struct {
	ChangeInput
	Confirm string `query:"confirm" maxLength:"200" doc:"The connection's exact name. Deleting cannot be undone"`
},
) (*locationOutput, error) {
	c, _, err := s.changeable(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if p := checkMatch(in.IfMatch, c.Version); p != nil {
		return nil, p
	}
	if in.Confirm != c.Name {
		return nil, problem(http.StatusBadRequest, CodeConfirmName, "", ProblemItem{
			Parameter: "query.confirm", Detail: meaning(CodeConfirmName), Code: CodeConfirmName,
		})
	}
	who := access.From(ctx)
	unlock, err := s.saveLock(ctx, who.Workspace)
	if err != nil {
		return nil, err
	}
	defer unlock()
	now, _, err := s.changeable(ctx, in.ID) // nobody saves it any more
	if err != nil {
		return nil, err
	}
	if p := checkMatch(etag(c.Version), now.Version); p != nil {
		return nil, p
	}
	err = s.audit.Do(ctx, who, requestID(ctx), "connection.delete", string(c.ID), encodeDocument(c), nil, func() error {
		return s.Engine.DeleteConnection(ctx, who.Workspace, c.ID)
	})
	if err != nil {
		return nil, err
	}
	return &locationOutput{Location: "/v1/connections/" + string(c.ID)}, nil
}

// locationOutput is an answer without a body that says where to look.
type locationOutput struct {
	Location string `header:"Location" doc:"Where to see how far it is; 404 once it is done"`
}
