package api

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/account"
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
	Body     connection
}

func connectionAnswer(c *crm.Connection) *connectionOutput {
	return &connectionOutput{ETag: etag(c.Version), Body: connection{Connection: *c}}
}

func (s *server) registerConnections() {
	handle(s, "list-presets", func(ctx context.Context, in *WholeInput) (*listOutput[preset], error) {
		drivers, err := s.drivers(ctx)
		if err != nil {
			return nil, err
		}
		return paged(presetsOf(drivers), *in)
	})
	handle(s, "list-connections", s.listConnections)
	handle(s, "create-connection", s.createConnection, jsonBody(draftInput(), true))
	handle(s, "import-connection", s.importConnection, importBody, orAnswers(http.StatusOK, "Connection",
		"The connection of that name was like that already, or was changed as If-Match allowed"))
	handle(s, "plan-import", s.planImport, importBody)
	handle(s, "get-connection", s.getConnection)
	handle(s, "put-connection", s.putConnection, jsonBody(draftInput(), true))
	handle(s, "patch-connection", s.patchConnection, patchBody(anyObject("An RFC 7396 merge patch of the document")))
	handle(s, "delete-connection", s.deleteConnection)
	handle(s, "export-connection", s.exportConnection, mediaAnswer(yamlMedia, draftInput()))
	handle(s, "get-suggestions", s.getSuggestions)
	handle(s, "validate-connection", s.validateConnection,
		jsonBody(anyObject("A connection document; none checks the one that is stored"), false))
}

// importBody documents the two forms that import reads.
func importBody(op *huma.Operation) {
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		yamlMedia:          {Schema: draftInput()},
		"application/json": {Schema: draftInput()},
	}}
}

// orAnswers documents the other success of a call, and what its body is then.
func orAnswers(status int, schema, meaning string) func(*huma.Operation) {
	return func(op *huma.Operation) {
		op.Responses = map[string]*huma.Response{strconv.Itoa(status): {
			Description: meaning,
			Content:     map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Ref: schemaPrefix + schema}}},
		}}
	}
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

func (s *server) listConnections(ctx context.Context, in *ListInput) (*listOutput[connection], error) {
	who := access.From(ctx)
	all, next, err := store.ListConnections(ctx, s.Store, who.Workspace, in.Limit, in.Cursor)
	if err != nil {
		return nil, err
	}
	var mine []connection
	var others []crm.Connection // read once, for all drafts
	for i := range all {
		if !who.Reads(all[i].Access) {
			continue
		}
		one := connection{Connection: all[i]}
		if one.Status == crm.StatusDraft {
			if others == nil {
				if others, err = s.allConnections(ctx, who.Workspace); err != nil {
					return nil, err
				}
			}
			if one.Problems, err = s.lacks(ctx, &all[i], others, askNobody); err != nil {
				return nil, err
			}
		}
		mine = append(mine, one)
	}
	return listed(mine, next), nil
}

func (s *server) getConnection(ctx context.Context, in *connectionPath) (*connectionOutput, error) {
	c, _, err := s.connection(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return s.shown(ctx, c)
}

func (s *server) createConnection(ctx context.Context, in *struct {
	Preset string `query:"preset" minLength:"1" maxLength:"100" doc:"A preset whose syncs stand in for those of the document, for its apps in either order"`
},
) (*connectionOutput, error) {
	c, problems := s.readFilled(ctx, bodyOf(ctx), nil)
	if c != nil && in.Preset != "" {
		p, err := s.preset(ctx, in.Preset)
		if err != nil {
			return nil, err
		}
		if p == nil {
			return nil, problem(http.StatusBadRequest, CodeUnknownPreset, "", ProblemItem{
				Parameter: "query.preset", Detail: meaning(CodeUnknownPreset), Code: CodeUnknownPreset,
			})
		}
		if len(c.Syncs) == 0 {
			c.Syncs = p.syncs(s.appOf(ctx, c.Left.Account).ID, s.appOf(ctx, c.Right.Account).ID)
			normalize(c)
		}
	}
	return s.create(ctx, c, problems)
}

// create stores a new connection as a draft, whatever it lacks.
func (s *server) create(ctx context.Context, c *crm.Connection, problems []mapping.Problem) (*connectionOutput, error) {
	if c == nil || len(problems) > 0 {
		return nil, invalidDocument(problems)
	}
	who := access.From(ctx)
	lacks, err := s.lacks(ctx, c, nil, askIfThere)
	if err != nil {
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
	out.Body.Problems = lacks
	out.Location = "/v1/connections/" + string(c.ID)
	return out, nil
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

// SaveInput is a change that says to whom it applies.
type SaveInput struct {
	ChangeInput
	ApplyInput
}

func (s *server) putConnection(ctx context.Context, in *SaveInput) (*connectionOutput, error) {
	return s.change(ctx, &in.ChangeInput, applying{word: in.Apply}, func(*crm.Connection) ([]byte, error) {
		return bodyOf(ctx), nil
	})
}

func (s *server) patchConnection(ctx context.Context, in *SaveInput) (*connectionOutput, error) {
	return s.change(ctx, &in.ChangeInput, applying{word: in.Apply}, func(old *crm.Connection) ([]byte, error) {
		body, p := patchDocument(s.registry(), old, bodyOf(ctx))
		return body, orProblem(p, nil)
	})
}

// change replaces what clients own of a connection. The engine writes the same
// item for what it owns, so a lost race is repeated while the client's version
// still holds.
func (s *server) change(
	ctx context.Context, in *ChangeInput, to applying, body func(old *crm.Connection) ([]byte, error),
) (*connectionOutput, error) {
	old, _, err := s.changeable(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if p := changePrecondition(in.IfMatch, old); p != nil {
		return nil, p
	}
	if p := to.refuse(old); p != nil {
		return nil, p
	}
	document, err := body(old)
	if err != nil {
		return nil, err
	}
	value, p := strictJSON(document)
	if p != nil {
		return nil, p
	}
	wrong := s.wrongForm(old, documentInput(), value)
	if wrong != nil && (wrong.long || old.Status == crm.StatusDraft) {
		return nil, wrong
	}
	fresh, problems := s.readFilled(ctx, document, old)
	if fresh == nil {
		return nil, orProblem(wrong, invalidDocument(problems))
	}
	var lacks []ProblemItem
	if old.Status == crm.StatusDraft {
		if len(problems) > 0 {
			return nil, invalidDocument(problems)
		}
		lacks, err = s.lacks(ctx, fresh, nil, askIfThere)
	} else {
		err = s.refuseChange(ctx, old, fresh, problems, wrong)
	}
	if err != nil {
		return nil, err
	}
	unlock, err := s.saveLock(ctx, access.From(ctx).Workspace)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if old.Status != crm.StatusDraft {
		if err := s.refuseOtherWriters(ctx, fresh); err != nil {
			return nil, err
		}
	}
	for range 8 {
		now, seen, err := s.changeable(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		if p := changePrecondition(etag(old.Version), now); p != nil {
			return nil, p
		}
		if now.Status != old.Status && old.Status == crm.StatusDraft {
			return nil, problem(http.StatusConflict, CodeBusy, "the draft was started meanwhile: try again")
		}
		out, err := s.replace(ctx, now, fresh, seen, to)
		if err == nil {
			out.Body.Problems = lacks
			if old.Status != crm.StatusDraft {
				s.tell(ctx, now, out, to)
			}
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
	for _, is := range fresh.Worked() {
		was := old.Sync(is.ID)
		if was != nil && fresh.Enabled && is.Direction != crm.DirectionOff &&
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
func (s *server) refuseChange(
	ctx context.Context, old, fresh *crm.Connection, problems []mapping.Problem, wrong *Problem,
) error {
	if wrong == nil && sameWork(old, fresh) {
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
	v, err := s.validate(ctx, access.From(ctx).Workspace, old, fresh, askOrFail)
	if err != nil {
		return err
	}
	switch problems = append(problems, v.problems...); {
	case len(problems) == 0:
		return orProblem(wrong, nil)
	case wrong != nil:
		return invalidDocument(besides(problemsOf(wrong), problems))
	}
	return invalidDocument(problems)
}

// orProblem is an error only where there is a problem.
func orProblem(p, otherwise *Problem) error {
	switch {
	case p != nil:
		return p
	case otherwise != nil:
		return otherwise
	}
	return nil
}

// besides joins what two looks at a document found; of one place the first word counts.
func besides(first, second []mapping.Problem) []mapping.Problem {
	out := slices.Clone(first)
	for _, p := range second {
		if !slices.ContainsFunc(first, func(f mapping.Problem) bool { return f.Pointer == p.Pointer }) {
			out = append(out, p)
		}
	}
	return out
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
// says the same is no change, unless it is to apply to all what did not before.
func (s *server) replace(
	ctx context.Context, now, fresh *crm.Connection, seen int64, to applying,
) (*connectionOutput, error) {
	next := *fresh
	next.Status, next.Version, next.Generation, next.CreatedAt, next.UpdatedAt = now.Status, now.Version, now.Generation,
		now.CreatedAt, now.UpdatedAt
	before, after := encodeDocument(now), encodeDocument(&next)
	asked := false
	if now.Status != crm.StatusDraft {
		next.Changes, asked = to.follow(now, &next, now.Version+1)
	}
	if string(before) == string(after) && !asked {
		return connectionAnswer(now), nil
	}
	next.Version++
	next.UpdatedAt = s.Now().UTC()
	if next.Status != crm.StatusDraft {
		next.Begin(now, next.UpdatedAt)
	}
	who := access.From(ctx)
	next.Former, next.Arriving = now.Former, now.Arriving
	if moved(now, &next) {
		next.Generation++
		if next.Status != crm.StatusDraft { // of which nothing is known
			now.Leave(&next, next.UpdatedAt)
		}
		if err := s.Engine.Leaves(ctx, who.Workspace, &next); err != nil {
			return nil, err
		}
	}
	entry := access.AuditEntry{Action: "connection.update", Target: string(next.ID), Request: requestID(ctx)}
	if to.word != "" {
		entry.Comment = "apply=" + to.word
	}
	err := s.audit.DoSaying(ctx, who, entry, before, after, func() error {
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
	Confirm  string `query:"confirm" maxLength:"200" doc:"The connection's exact name; of a draft, which may have none, its ID does as well. Deleting cannot be undone"`
	Accounts string `query:"accounts" enum:"keep,unused" doc:"unused: its accounts go with it, with their credentials and their addresses for webhooks, as far as no other connection, draft or not, names them"`
},
) (*locationOutput, error) {
	c, _, err := s.changeable(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if p := checkMatch(in.IfMatch, c.Version); p != nil {
		return nil, p
	}
	byID := c.Status == crm.StatusDraft && in.Confirm == string(c.ID)
	if (in.Confirm != c.Name || c.Name == "") && !byID {
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
	if in.Accounts == "unused" {
		if err := s.deleteAccountsOf(ctx, c); err != nil {
			return nil, err
		}
	}
	return &locationOutput{Location: "/v1/connections/" + string(c.ID)}, nil
}

// deleteAccountsOf deletes the accounts of a connection that is being deleted, as far
// as no other one names them: with the credentials go the addresses for webhooks.
func (s *server) deleteAccountsOf(ctx context.Context, c *crm.Connection) error {
	who := access.From(ctx)
	unused := map[crm.AccountID]bool{c.Left.Account: true, c.Right.Account: true}
	err := s.eachConnection(ctx, who.Workspace, func(other *crm.Connection) {
		if other.ID != c.ID && other.Status != crm.StatusDeleting {
			delete(unused, other.Left.Account)
			delete(unused, other.Right.Account)
		}
	})
	for _, id := range slices.Sorted(maps.Keys(unused)) {
		if err != nil {
			break
		}
		var a account.Account
		if a, err = s.Accounts.Get(ctx, who.Workspace, id); err == nil {
			err = s.removeAccount(ctx, who, a, 0)
		}
		if fault.Is(err, fault.NotFound) { // of a draft that has none yet, or gone since
			err = nil
		}
	}
	return err
}

// locationOutput is an answer without a body that says where to look.
type locationOutput struct {
	Location string `header:"Location" doc:"Where to see how far it is; 404 once it is done"`
}
