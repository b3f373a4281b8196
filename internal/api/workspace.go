package api

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

func (s *server) registerWorkspace() {
	handle(s, "health", func(context.Context, *empty) (*healthOutput, error) {
		return &healthOutput{Body: health{Status: "ok"}}, nil
	})
	handle(s, "get-workspace", s.getWorkspace)
	patch := s.registry().Schema(reflect.TypeFor[workspacePatch](), true, "")
	handle(s, "update-workspace", s.updateWorkspace, patchBody(patch))
	handle(s, "list-keys", s.listKeys)
	handle(s, "create-key", s.createKey)
	handle(s, "delete-key", s.deleteKey)
	handle(s, "list-audit", s.listAudit)
	handle(s, "list-usage", s.listUsage)
	handle(s, "check-audit", s.checkAudit)
	handle(s, "list-workspaces", s.listWorkspaces)
	handle(s, "create-workspace", s.createWorkspace)
}

type health struct {
	Status string `json:"status" enum:"ok"`
}

type healthOutput struct {
	Body health
}

// The bounds of how long the log is kept, in days.
const (
	logDaysMin     = 62
	logDaysMax     = 3650
	logDaysDefault = 90
)

type workspaceOutput struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     store.Workspace
}

// workspacePatch is a merge patch of a workspace.
type workspacePatch struct {
	Name     *string `json:"name,omitempty" minLength:"1" maxLength:"200"`
	TimeZone *string `json:"time_zone,omitempty" minLength:"1" maxLength:"100"`
	LogDays  *int    `json:"log_days,omitempty" minimum:"62" maximum:"3650"`
}

// workspace loads the caller's workspace. The workspace of the operator's key
// is there before anybody made it.
func (s *server) workspace(ctx context.Context) (store.Workspace, int64, error) {
	id := access.From(ctx).Workspace
	w, version, err := store.LoadWorkspace(ctx, s.Store, id)
	if fault.Is(err, fault.NotFound) && id == s.Home {
		w, version, err = store.Workspace{ID: id, Name: "Lockstep"}, 0, nil
	}
	if w.TimeZone == "" {
		w.TimeZone = "UTC"
	}
	if w.LogDays == 0 {
		w.LogDays = logDaysDefault
	}
	return w, version, err
}

func (s *server) getWorkspace(ctx context.Context, _ *empty) (*workspaceOutput, error) {
	w, version, err := s.workspace(ctx)
	if err != nil {
		return nil, err
	}
	return &workspaceOutput{ETag: etag(version), Body: w}, nil
}

func (s *server) updateWorkspace(ctx context.Context, in *struct {
	IfMatch string `header:"If-Match" doc:"ETag of the version that the change is based on; required"`
},
) (*workspaceOutput, error) {
	w, version, err := s.workspace(ctx)
	if err != nil {
		return nil, err
	}
	if p := checkMatch(in.IfMatch, version); p != nil {
		return nil, p
	}
	var patch workspacePatch
	if err := json.Unmarshal(bodyOf(ctx), &patch); err != nil {
		return nil, problem(http.StatusBadRequest, CodeInvalidDocument, "")
	}
	next := w
	if patch.Name != nil {
		next.Name = *patch.Name
	}
	if patch.TimeZone != nil {
		if _, err := time.LoadLocation(*patch.TimeZone); err != nil || *patch.TimeZone == "Local" {
			return nil, problem(http.StatusBadRequest, reconcile.CodeUnknownZone, "",
				ProblemItem{
					Pointer: "/time_zone", Detail: "use an IANA name such as \"America/New_York\"", Code: reconcile.CodeUnknownZone,
				})
		}
		next.TimeZone = *patch.TimeZone
	}
	if patch.LogDays != nil {
		next.LogDays = *patch.LogDays
	}
	who := access.From(ctx)
	err = s.audit.Do(ctx, who, requestID(ctx), "workspace.update", string(w.ID), plain(w), plain(next), func() error {
		version, err = store.SaveWorkspace(ctx, s.Store, next, version)
		return err
	})
	if fault.Is(err, fault.Conflict) {
		return nil, problem(http.StatusPreconditionFailed, CodeStaleVersion, "")
	}
	if err != nil {
		return nil, err
	}
	return &workspaceOutput{ETag: etag(version), Body: next}, nil
}

// plain is v as JSON for the audit trail.
func plain(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}

func (s *server) listWorkspaces(ctx context.Context, in *ListInput) (*listOutput[store.Workspace], error) {
	all, next, err := store.ListWorkspaces(ctx, s.Store, in.Limit, in.Cursor)
	if err != nil {
		return nil, err
	}
	return listed(all, next), nil
}

func (s *server) createWorkspace(ctx context.Context, in *struct {
	Body struct {
		Name     string `json:"name" minLength:"1" maxLength:"200"`
		TimeZone string `json:"time_zone,omitempty" maxLength:"100"`
		LogDays  int    `json:"log_days,omitempty" minimum:"62" maximum:"3650"`
	} `nameHint:"NewWorkspace"`
},
) (*workspaceOutput, error) {
	w := store.Workspace{
		ID: crm.WorkspaceID(s.NewID("wsp")), Name: in.Body.Name, TimeZone: in.Body.TimeZone, LogDays: in.Body.LogDays,
		CreatedAt: s.Now().UTC(),
	}
	or(&w.TimeZone, "UTC")
	if w.LogDays == 0 {
		w.LogDays = logDaysDefault
	}
	if _, err := time.LoadLocation(w.TimeZone); err != nil || w.TimeZone == "Local" {
		return nil, problem(http.StatusBadRequest, reconcile.CodeUnknownZone, "",
			ProblemItem{
				Pointer: "/time_zone", Detail: "use an IANA name such as \"America/New_York\"", Code: reconcile.CodeUnknownZone,
			})
	}
	var version int64
	err := s.audit.Do(ctx, access.From(ctx), requestID(ctx), "workspace.create", string(w.ID), nil, plain(w),
		func() error {
			var err error
			version, err = store.SaveWorkspace(ctx, s.Store, w, 0)
			return err
		})
	if err != nil {
		return nil, err
	}
	return &workspaceOutput{ETag: etag(version), Location: "/v1/workspace", Body: w}, nil
}

// keyView is a key as it is answered; the token only once.
type keyView struct {
	access.Key
	Token string `json:"key,omitempty" doc:"The bearer token; shown only in the answer that creates it"`
}

type keyOutput struct {
	Location string `header:"Location"`
	Body     keyView
}

func (s *server) listKeys(ctx context.Context, in *ListInput) (*listOutput[access.Key], error) {
	keys, next, err := s.keys.List(ctx, access.From(ctx).Workspace, in.Limit, in.Cursor)
	if err != nil {
		return nil, err
	}
	for i := range keys {
		keys[i].User = fullUser(keys[i].User)
	}
	return listed(keys, next), nil
}

func fullUser(u access.User) access.User {
	some(&u.Roles)
	if u.Attributes == nil {
		u.Attributes = map[string]crm.Value{}
	}
	return u
}

func (s *server) createKey(ctx context.Context, in *struct {
	Body struct {
		Name      string          `json:"name" minLength:"1" maxLength:"200"`
		Role      access.Role     `json:"role" enum:"admin,member,viewer"`
		Workspace crm.WorkspaceID `json:"workspace,omitempty" maxLength:"100" doc:"Another workspace than one's own: operator only"`
		ExpiresAt *time.Time      `json:"expires_at,omitempty" nullable:"true"`
		User      *keyUser        `json:"user,omitempty"`
	} `nameHint:"NewKey"`
},
) (*keyOutput, error) {
	who := access.From(ctx)
	want := access.Key{
		Name: in.Body.Name, Role: in.Body.Role, Workspace: who.Workspace, CreatedBy: who.Key,
		User: fullUser(in.Body.User.user()),
	}
	if ws := in.Body.Workspace; ws != "" && ws != who.Workspace {
		if !who.Operator {
			return nil, problem(http.StatusForbidden, CodeRoleTooLow, "only the operator makes keys for other workspaces",
				ProblemItem{Pointer: "/workspace", Detail: "leave it out", Code: CodeRoleTooLow})
		}
		if _, _, err := store.LoadWorkspace(ctx, s.Store, ws); err != nil {
			if fault.Is(err, fault.NotFound) {
				return nil, problem(http.StatusBadRequest, CodeUnknownValue, "there is no such workspace",
					ProblemItem{Pointer: "/workspace", Detail: "choose one of GET /v1/workspaces", Code: CodeUnknownValue})
			}
			return nil, err
		}
		want.Workspace = ws
	}
	if e := in.Body.ExpiresAt; e != nil {
		if !e.After(s.Now()) {
			return nil, problem(http.StatusBadRequest, CodeUnknownValue, "the key would have expired already",
				ProblemItem{Pointer: "/expires_at", Detail: "use a time in the future, or leave it out", Code: CodeUnknownValue})
		}
		want.ExpiresAt = e.UTC()
	}
	var out keyView
	err := s.audit.Do(ctx, who, requestID(ctx), "key.create", want.Name, nil, plain(want), func() error {
		key, token, err := s.keys.Create(ctx, want)
		out = keyView{key, token.Reveal()}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &keyOutput{Location: "/v1/keys/" + out.ID, Body: out}, nil
}

// keyUser is the user that a key acts as.
type keyUser struct {
	Email      string               `json:"email,omitempty" maxLength:"320"`
	Roles      []string             `json:"roles,omitempty" maxItems:"50"`
	Attributes map[string]crm.Value `json:"attributes,omitempty" maxProperties:"50"`
}

func (u *keyUser) user() access.User {
	if u == nil {
		return access.User{}
	}
	return access.User{Email: u.Email, Roles: u.Roles, Attributes: u.Attributes}
}

// deleteKey ends a key. Keys cannot be changed, so no version is asked for.
func (s *server) deleteKey(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"200"`
},
) (*struct{}, error) {
	who := access.From(ctx)
	k, err := s.keys.Get(ctx, who.Workspace, in.ID)
	if err != nil {
		return nil, err
	}
	return nil, s.audit.Do(ctx, who, requestID(ctx), "key.delete", k.ID, plain(k), nil, func() error {
		return s.keys.Delete(ctx, who.Workspace, k.ID)
	})
}

func (s *server) listAudit(ctx context.Context, in *ListInput) (*listOutput[access.AuditEntry], error) {
	entries, next, err := s.audit.List(ctx, access.From(ctx).Workspace, in.Limit, in.Cursor)
	if err != nil {
		return nil, err
	}
	return listed(entries, next), nil
}

// auditDays are the days that one call checks.
const auditDays = 31

func (s *server) checkAudit(ctx context.Context, in *ListInput) (*listOutput[access.AuditDay], error) {
	days, next, err := s.audit.Days(ctx, access.From(ctx).Workspace, min(in.Limit, auditDays), in.Cursor)
	if err != nil {
		return nil, err
	}
	return listed(days, next), nil
}
