package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

func (s *server) registerAccounts() {
	handle(s, "list-accounts", s.listAccounts)
	handle(s, "create-account", s.createAccount)
	handle(s, "get-account", s.getAccount)
	patch := s.registry().Schema(reflect.TypeFor[accountPatch](), true, "")
	handle(s, "update-account", s.updateAccount, patchBody(patch))
	handle(s, "delete-account", s.deleteAccount)
	handle(s, "test-account", s.testAccount)
	handle(s, "list-objects", s.listObjects)
	handle(s, "list-fields", s.listFields)
	field := s.registry().Schema(reflect.TypeFor[newField](), true, "")
	handle(s, "create-field", s.createField, jsonBody(field, true))
	handle(s, "delete-field", s.deleteField)
	handle(s, "start-authorization", s.startAuthorization)
	// Apps add parameters of their own, which must not break the return.
	handle(s, "begin-authorization", s.beginAuthorization)
	handle(s, "oauth-callback", s.oauthCallback, func(op *huma.Operation) { op.SkipValidateParams = true })
}

// credentials are {kind, …}: the app's auth fields beside the kind.
type credentials map[string]string

// Schema implements huma.SchemaProvider.
func (credentials) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeObject, Description: "kind and the app's fields for that kind; never shown again",
		Properties: map[string]*huma.Schema{
			"kind": {Type: huma.TypeString, Enum: []any{"oauth2", "token", "api_key", "basic", "key_pair"}},
		},
		Required: []string{"kind"}, MaxProperties: bound(30), WriteOnly: true,
		AdditionalProperties: &huma.Schema{Type: huma.TypeString, MaxLength: bound(16 << 10)},
	}
}

func (c credentials) split() account.Credentials {
	out := account.Credentials{Kind: crm.AuthKind(c["kind"]), Fields: map[string]secret.Text{}}
	for name, value := range c {
		if name != "kind" {
			out.Fields[name] = secret.NewText(value)
		}
	}
	return out
}

type accountInput struct {
	Body struct {
		App         crm.AppID   `json:"app" minLength:"1" maxLength:"100"`
		Name        string      `json:"name" minLength:"1" maxLength:"200"`
		BaseURL     string      `json:"base_url,omitempty" maxLength:"2000"`
		Credentials credentials `json:"credentials"`
	} `nameHint:"NewAccount"`
}

type accountOutput struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     accountView
}

// accountView is an account with what stands still because of it.
type accountView struct {
	account.Account
	Problems []engine.Waiting `json:"problems" nullable:"false" doc:"What waits for this account: a right, a grant, a limit, an app that is silent"`
	Granted  granted          `json:"granted" readOnly:"true"`
	Limits   []accountLimit   `json:"limits,omitempty" readOnly:"true" doc:"What is kept to, of one account alone"`
}

// accountLimit is one limit that an account keeps to.
type accountLimit struct {
	Of      string  `json:"of" enum:"calls,searches,all" doc:"calls: those that are no searches, where the app counts searches apart"`
	Seconds float64 `json:"window_seconds"`
	Calls   int     `json:"calls" doc:"In use: what the app grants, by the account's budget"`
	Granted int     `json:"granted,omitempty" doc:"By the app; absent for a limit that the budget alone sets"`
	Used    *int    `json:"used,omitempty" doc:"Of a day's, by everything that Lockstep did with the account"`
}

// limits are what an account keeps to.
func (s *server) limits(ctx context.Context, ws crm.WorkspaceID, a account.Account) ([]accountLimit, error) {
	d, err := s.Accounts.Driver(ctx, ws, a)
	if err != nil {
		return nil, err
	}
	const day = 24 * 60 * 60
	granted, use := d.App.Limits, d.App.Limits.Within(a.Budget)
	var out []accountLimit
	if granted.BurstCalls > 0 {
		of := "all"
		if granted.SearchCalls > 0 {
			of = "calls"
		}
		out = append(out, accountLimit{of, granted.BurstWindow.Seconds(), use.BurstCalls, granted.BurstCalls, nil})
	}
	if granted.SearchCalls > 0 {
		out = append(out, accountLimit{"searches", granted.SearchWindow.Seconds(), use.SearchCalls, granted.SearchCalls, nil})
	}
	if use.OwnCalls > 0 {
		out = append(out, accountLimit{"all", use.OwnWindow.Seconds(), use.OwnCalls, 0, nil})
	}
	if granted.DailyCalls > 0 {
		used, _, err := s.Calls(ctx, ws, a)
		if err != nil {
			return nil, err
		}
		out = append(out, accountLimit{"all", day, use.DailyCalls, granted.DailyCalls, &used})
	}
	return out, nil
}

// AccountPath names an account.
type AccountPath struct {
	ID crm.AccountID `path:"id" maxLength:"200"`
}

// accountPatch is a merge patch of an account.
type accountPatch struct {
	Name        *string      `json:"name,omitempty" minLength:"1" maxLength:"200"`
	BaseURL     *string      `json:"base_url,omitempty" maxLength:"2000"`
	Credentials *credentials `json:"credentials,omitempty"`

	SaveDuplicates *bool `json:"save_duplicates,omitempty" doc:"Write past the app's duplicate rules; Salesforce lets alert rules be passed, not block rules"`

	Budget *crm.Budget `json:"budget,omitempty" doc:"Replaces the one that there is; an empty object lifts it"`
}

// accountAnswer shows an account that nothing is known to wait for.
func (s *server) accountAnswer(ctx context.Context, who access.Principal, a account.Account) *accountOutput {
	view := accountView{Account: a, Problems: []engine.Waiting{}, Granted: s.granted(ctx, who, a, nil)}
	return &accountOutput{ETag: etag(a.Revision), Body: view}
}

func (s *server) listAccounts(ctx context.Context, in *ListInput) (*listOutput[accountView], error) {
	ws := access.From(ctx).Workspace
	all, next, err := s.Accounts.List(ctx, ws, in.Limit, in.Cursor)
	if err != nil {
		return nil, err
	}
	waits, err := s.Engine.AccountWaits(ctx, ws)
	if err != nil {
		return nil, err
	}
	var read []crm.Connection // once, for all that told
	views := make([]accountView, len(all))
	for i, a := range all {
		views[i] = accountView{Account: a, Problems: waits[a.ID], Granted: s.granted(ctx, access.From(ctx), a, &read)}
		some(&views[i].Problems)
		remedies(views[i].Problems)
	}
	return listed(views, next), nil
}

func (s *server) getAccount(ctx context.Context, in *AccountPath) (*accountOutput, error) {
	ws := access.From(ctx).Workspace
	a, err := s.Accounts.Get(ctx, ws, in.ID)
	if err != nil {
		return nil, err
	}
	out := s.accountAnswer(ctx, access.From(ctx), a)
	waits, err := s.Engine.AccountWaits(ctx, ws)
	if err != nil {
		return nil, err
	}
	if out.Body.Problems = waits[a.ID]; len(waits[a.ID]) == 0 {
		out.Body.Problems = []engine.Waiting{}
	}
	remedies(out.Body.Problems)
	if out.Body.Limits, err = s.limits(ctx, ws, a); err != nil {
		return nil, err
	}
	return out, nil
}

func (s *server) createAccount(ctx context.Context, in *accountInput) (*accountOutput, error) {
	who := access.From(ctx)
	after, err := json.Marshal(map[string]any{
		"app": in.Body.App, "name": in.Body.Name, "base_url": in.Body.BaseURL, "credentials": "[redacted]",
	})
	if err != nil {
		return nil, err
	}
	var a account.Account
	err = s.audit.Do(ctx, who, requestID(ctx), "account.create", in.Body.Name, nil, after, func() error {
		var err error
		a, err = s.Accounts.Create(ctx, who.Workspace, account.Draft{
			App: in.Body.App, Name: in.Body.Name, BaseURL: in.Body.BaseURL, Credentials: in.Body.Credentials.split(),
		})
		return err
	})
	if err != nil {
		return nil, accountRefusal(err)
	}
	out := s.accountAnswer(ctx, who, s.learn(ctx, who.Workspace, a))
	out.Location = "/v1/accounts/" + string(a.ID)
	return out, nil
}

// accountRefusal points at the part of the body that was refused. An unknown
// app in a body is a bad body, not a missing resource.
func accountRefusal(err error) error {
	p := problemOf(err)
	if p.Code == account.CodeUnknownApp {
		p.Status, p.Title = http.StatusBadRequest, http.StatusText(http.StatusBadRequest)
		p.Errors = []ProblemItem{{Pointer: "/app", Detail: p.Detail, Code: p.Code}}
		return p
	}
	if len(p.Errors) == 1 && p.Status < http.StatusInternalServerError {
		if field, ok := strings.CutPrefix(p.Errors[0].Detail, "the app's field "); ok {
			p.Errors[0] = ProblemItem{Pointer: "/" + strings.ReplaceAll(field, ".", "/"), Detail: p.Detail, Code: p.Code}
		}
	}
	if p.Code == "budget_malformed" && len(p.Errors) == 1 {
		return p
	}
	if len(p.Errors) == 0 && p.Status == http.StatusBadRequest {
		p.Errors = []ProblemItem{{Pointer: "/base_url", Detail: p.Detail, Code: p.Code}}
	}
	return p
}

func (s *server) updateAccount(ctx context.Context, in *struct {
	AccountPath
	IfMatch string `header:"If-Match" doc:"ETag of the version that the change is based on; required"`
},
) (*accountOutput, error) {
	who := access.From(ctx)
	a, err := s.Accounts.Get(ctx, who.Workspace, in.ID)
	if err != nil {
		return nil, err
	}
	if p := checkMatch(in.IfMatch, a.Revision); p != nil {
		return nil, p
	}
	var patch accountPatch
	if err := json.Unmarshal(bodyOf(ctx), &patch); err != nil {
		return nil, problem(http.StatusBadRequest, CodeInvalidDocument, "")
	}
	change := account.Change{
		Name: patch.Name, BaseURL: patch.BaseURL, SaveDuplicates: patch.SaveDuplicates,
		Budget: patch.Budget,
	}
	if patch.Credentials != nil {
		c := patch.Credentials.split()
		change.Credentials = &c
	}
	before, after := accountAudit(a, accountPatch{}), accountAudit(a, patch)
	err = s.audit.Do(ctx, who, requestID(ctx), "account.update", string(a.ID), before, after, func() error {
		var err error
		a, err = s.Accounts.Update(ctx, who.Workspace, in.ID, a.Revision, change)
		return err
	})
	if fault.CodeOf(err) == CodeStaleVersion {
		return nil, problem(http.StatusPreconditionFailed, CodeStaleVersion, "")
	}
	if err != nil {
		return nil, accountRefusal(err)
	}
	s.schemas.forget(who.Workspace, a.ID, "")
	if change.Credentials != nil {
		s.resume(ctx, who.Workspace, a.ID)
	}
	return s.accountAnswer(ctx, who, a), nil
}

// resume lets connections go on that waited for an account. The account is
// stored whatever comes of it: a connection that still waits can be started.
func (s *server) resume(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) {
	if err := s.Engine.AccountAuthorized(ctx, ws, id); err != nil {
		s.Logger.ErrorContext(ctx, "connections not resumed", "request_id", requestID(ctx), "account", string(id), "error",
			err.Error())
	}
}

func accountAudit(a account.Account, patch accountPatch) []byte {
	doc := map[string]any{
		"name": a.Name, "base_url": a.BaseURL, "credentials": "unchanged", "save_duplicates": a.SaveDuplicates,
	}
	if patch.SaveDuplicates != nil {
		doc["save_duplicates"] = *patch.SaveDuplicates
	}
	if a.Budget != nil {
		doc["budget"] = a.Budget
	}
	if patch.Budget != nil {
		doc["budget"] = patch.Budget
	}
	if patch.Name != nil {
		doc["name"] = *patch.Name
	}
	if patch.BaseURL != nil {
		doc["base_url"] = *patch.BaseURL
	}
	if patch.Credentials != nil {
		doc["credentials"] = "replaced"
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return nil
	}
	return b
}

func (s *server) deleteAccount(ctx context.Context, in *struct {
	AccountPath
	IfMatch string `header:"If-Match" doc:"ETag of the version that the change is based on; required"`
},
) (*struct{}, error) {
	who := access.From(ctx)
	a, err := s.Accounts.Get(ctx, who.Workspace, in.ID)
	if err != nil {
		return nil, err
	}
	if p := checkMatch(in.IfMatch, a.Revision); p != nil {
		return nil, p
	}
	unlock, err := s.saveLock(ctx, who.Workspace) // no connection may come to use it meanwhile
	if err != nil {
		return nil, err
	}
	defer unlock()
	err = s.removeAccount(ctx, who, a, a.Version)
	if fault.CodeOf(err) == CodeStaleVersion {
		return nil, problem(http.StatusPreconditionFailed, CodeStaleVersion, "")
	}
	return nil, err
}

// removeAccount deletes an account that nothing uses; seen = 0 for whatever version there is.
func (s *server) removeAccount(ctx context.Context, who access.Principal, a account.Account, seen int64) error {
	err := s.audit.Do(ctx, who, requestID(ctx), "account.delete", string(a.ID), accountAudit(a, accountPatch{}), nil,
		func() error { return s.Accounts.Delete(ctx, who.Workspace, a.ID, seen) })
	s.schemas.forget(who.Workspace, a.ID, "")
	return err
}

type testResult struct {
	OK       bool     `json:"ok"`
	Identity identity `json:"identity"`
	Detail   string   `json:"detail"`
	Code     string   `json:"code,omitempty"`
}

type identity struct {
	ExternalID string `json:"external_id"`
	Name       string `json:"name"`
}

type testOutput struct {
	Body testResult
}

// testAccount answers 200 whatever the app says: the test was made. Only an
// account that is not there, or trouble of our own, is a problem.
func (s *server) testAccount(ctx context.Context, in *AccountPath) (*testOutput, error) {
	ws := access.From(ctx).Workspace
	if _, err := s.Accounts.Get(ctx, ws, in.ID); err != nil {
		return nil, err
	}
	id, err := s.Accounts.Test(ctx, ws, in.ID)
	if err != nil {
		p := problemOf(err)
		if p.Status == http.StatusInternalServerError {
			return nil, err
		}
		return &testOutput{Body: testResult{Detail: p.Detail, Code: p.Code}}, nil
	}
	s.resume(ctx, ws, in.ID) // what waited for the account is tried at once
	return &testOutput{Body: testResult{OK: true, Identity: identity{id.ExternalID, id.Name}, Detail: id.Detail}}, nil
}

func (s *server) listObjects(ctx context.Context, in *struct {
	AccountPath
	WholeInput
},
) (*listOutput[crm.Object], error) {
	conn, _, err := s.Accounts.Open(ctx, access.From(ctx).Workspace, in.ID)
	if err != nil {
		return nil, err
	}
	objects, err := conn.Objects(ctx)
	if err != nil {
		return nil, err
	}
	return paged(objects, in.WholeInput)
}

// ObjectPath names an object of an account.
type ObjectPath struct {
	ID     crm.AccountID `path:"id" maxLength:"200"`
	Object string        `path:"object" maxLength:"200"`
}

func (s *server) listFields(ctx context.Context, in *struct {
	ObjectPath
	WholeInput
	Refresh bool `query:"refresh" doc:"Ask the app again instead of answering what was read in the last five minutes"`
},
) (*listOutput[FieldView], error) {
	fields, err := s.fields(ctx, access.From(ctx).Workspace, in.ID, in.Object, in.Refresh)
	if err != nil {
		return nil, err
	}
	out := make([]FieldView, len(fields))
	for i, f := range fields {
		out[i] = FieldView{Field: f, Reason: unusable(f)}
	}
	return paged(out, in.WholeInput)
}

// FieldView is a field as it can be mapped.
type FieldView struct {
	crm.Field
	Reason string `json:"reason,omitempty" doc:"Why the field cannot be mapped, or one way only"`
}

// unusable says why a field cannot be mapped freely; "" = it can.
func unusable(f crm.Field) string {
	switch {
	case f.Type == crm.TypeReference:
		return "it holds the ID of a record of this app, which means nothing in another"
	case f.Type == crm.TypeOwner:
		return "it holds a user of this app, who means nothing in another"
	case f.ReadOnly:
		return "the app sets it itself: it can be read and not be written"
	}
	return ""
}

// newField is a custom field to be made.
type newField struct {
	Name    string        `json:"name" minLength:"1" maxLength:"100"`
	Label   string        `json:"label" minLength:"1" maxLength:"200"`
	Type    crm.FieldType `json:"type" enum:"text,email,phone,number,boolean,date,datetime,option,options,url"`
	Options []crm.Option  `json:"options,omitempty" maxItems:"1000"`
	Unique  bool          `json:"unique,omitempty"`
}

type fieldOutput struct {
	Body crm.Field
}

func (s *server) createField(ctx context.Context, in *ObjectPath) (*fieldOutput, error) {
	who := access.From(ctx)
	var want newField
	if err := json.Unmarshal(bodyOf(ctx), &want); err != nil {
		return nil, problem(http.StatusBadRequest, CodeInvalidDocument, "")
	}
	conn, app, err := s.Accounts.Open(ctx, who.Workspace, in.ID)
	if err != nil {
		return nil, err
	}
	create := conn.Extras().CreateField
	if create == nil {
		return nil, problem(http.StatusUnprocessableEntity, "unsupported",
			app.Name+" does not let us create fields: create it in the app")
	}
	var field crm.Field
	err = s.audit.Do(ctx, who, requestID(ctx), "field.create", string(in.ID)+"/"+in.Object, nil, bodyOf(ctx),
		func() error {
			var err error
			field, err = create(ctx, in.Object, crm.Field{
				Name: want.Name, Label: want.Label, Type: want.Type, Options: want.Options, Unique: want.Unique,
			})
			return err
		})
	if err != nil {
		return nil, err
	}
	s.schemas.forget(who.Workspace, in.ID, in.Object)
	return &fieldOutput{Body: field}, nil
}

type authorizationInput struct {
	App  crm.AppID `path:"app" maxLength:"100"`
	Body struct {
		Account crm.AccountID `json:"account,omitempty" maxLength:"200" doc:"An account to authorise again"`
		Name    string        `json:"name,omitempty" maxLength:"200" doc:"Name of the new account"`
		BaseURL string        `json:"base_url,omitempty" maxLength:"2000" doc:"Login host, when it is not the app's own"`
	} `nameHint:"NewAuthorization"`
}

type authorizationOutput struct {
	Body authorization
}

type authorization struct {
	URL string `json:"url" doc:"Where the admin's browser goes; good once, for ten minutes"`
}

func (s *server) startAuthorization(ctx context.Context, in *authorizationInput) (*authorizationOutput, error) {
	who := access.From(ctx)
	a, err := s.Accounts.Authorize(ctx, who.Workspace, account.AuthorizeRequest{
		App: in.App, User: who.Key, Account: in.Body.Account, Name: in.Body.Name, BaseURL: in.Body.BaseURL,
	})
	if err != nil {
		return nil, err
	}
	return &authorizationOutput{Body: authorization{URL: s.beginAt(ctx, a.Redirect) + "?state=" + a.State}}, nil
}

const (
	beginPath    = "/v1/oauth/begin"
	callbackPath = "/v1/oauth/callback"
)

// beginAt is the address where the browser begins: at the host to which the app
// sends it back, so that what it is given there comes along.
func (s *server) beginAt(ctx context.Context, redirect string) string {
	if base, ok := strings.CutSuffix(redirect, callbackPath); ok {
		return base + beginPath
	}
	return s.publicBase(ctx) + beginPath
}

type beginInput struct {
	State string `query:"state" maxLength:"500"`
}

type beginOutput struct {
	Status   int
	Location string `header:"Location"`
	Cookie   string `header:"Set-Cookie"`
}

// beginAuthorization binds an authorisation to the browser that begins it.
func (s *server) beginAuthorization(ctx context.Context, in *beginInput) (*beginOutput, error) {
	b, err := s.Accounts.Begin(context.WithoutCancel(ctx), in.State)
	if err != nil {
		return nil, err
	}
	back, err := url.Parse(b.Redirect)
	if err != nil {
		return nil, problem(http.StatusInternalServerError, CodeInternal, "")
	}
	// Lax: the app's page sends the browser back from another site, by a link.
	c := http.Cookie{ //nolint:gosec // not Secure only where the app sends the browser back to http, which is this machine
		Name: browserCookie(in.State), Value: b.Browser, Path: back.Path, MaxAge: int(account.StateFor.Seconds()),
		HttpOnly: true, Secure: back.Scheme == "https", SameSite: http.SameSiteLaxMode,
	}
	return &beginOutput{Status: http.StatusFound, Location: b.URL, Cookie: c.String()}, nil
}

// browserCookie is the name of the cookie of one authorisation: several may be
// under way in one browser.
func browserCookie(state string) string {
	sum := sha256.Sum256([]byte(state))
	return "lockstep_oauth_" + hex.EncodeToString(sum[:8])
}

type callbackInput struct {
	State            string `query:"state" maxLength:"500"`
	Code             string `query:"code" maxLength:"4096"`
	Error            string `query:"error" maxLength:"500"`
	ErrorDescription string `query:"error_description" maxLength:"4096" doc:"Not used: it is the app's text"`
	ErrorURI         string `query:"error_uri" maxLength:"4096" doc:"Not used"`
	Scope            string `query:"scope" maxLength:"8000" doc:"Not used"`
	Issuer           string `query:"iss" maxLength:"500" doc:"Not used"`
	Cookies          string `header:"Cookie" hidden:"true"`
}

// oauthCallback is called by a browser without a key: the state, and the cookie
// that only the browser has which began, stand for the admin who asked.
func (s *server) oauthCallback(ctx context.Context, in *callbackInput) (*accountOutput, error) {
	done, err := s.Accounts.Callback(context.WithoutCancel(ctx), account.CallbackRequest{
		State: in.State, Code: in.Code, Error: in.Error, Browser: cookie(in.Cookies, browserCookie(in.State)),
	})
	if err != nil {
		return nil, err
	}
	who := access.Principal{Workspace: done.Workspace, Key: done.User, Role: access.Admin}
	_, err = s.audit.Record(ctx, who, access.AuditEntry{
		Action: "account.authorize", Target: string(done.ID), Request: requestID(ctx),
	})
	if err != nil {
		return nil, err
	}
	s.schemas.forget(done.Workspace, done.ID, "")
	s.resume(context.WithoutCancel(ctx), done.Workspace, done.ID)
	return s.accountAnswer(ctx, who, done.Account), nil
}

// cookie is the value of one of the cookies in a header; "" = it has none of that name.
func cookie(header, name string) string {
	all, _ := http.ParseCookie(header) // a header that is none has none
	for _, c := range all {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}
