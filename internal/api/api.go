package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/api/idempotency"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// DefaultWorkspace is the workspace of the operator's key, unless Options say otherwise.
const DefaultWorkspace crm.WorkspaceID = "default"

// Options are what the surface works with.
type Options struct {
	Engine   Engine
	Accounts Accounts
	Alerts   Alerts
	Store    store.Store
	Now      func() time.Time
	// NewID makes an identifier that sorts by time: NewID("con") is "con_…".
	NewID  func(prefix string) string
	Logger *slog.Logger

	// PublicURL is how apps and browsers reach us, without path: scheme, host
	// and perhaps port. Webhook signatures cover it. Empty: as the request says.
	PublicURL string
	// AllowHosts are host names, without port, that requests may be sent to
	// beside loopback addresses and the host of PublicURL. "*" allows all: only
	// where something in front of us checks.
	AllowHosts []string
	// Proxies are the networks of proxies whose X-Forwarded-For is believed. Optional.
	Proxies []netip.Prefix
	// AdminKey is the operator's key: admin of Home and allowed to manage
	// workspaces. Empty: there is none.
	AdminKey secret.Text
	// Home is the workspace of AdminKey; "" = DefaultWorkspace.
	Home crm.WorkspaceID
	// Auth authenticates bearer tokens that are no API key, such as those of a
	// user pool. Optional.
	Auth access.Authenticator
	// WithoutHooks says that another program takes the deliveries of apps in:
	// their addresses are none here.
	WithoutHooks bool
	// Budgets are what each caller may spend, and each source fail; nil = nothing
	// is refused.
	Budgets *Budgets
	// Metrics answers GET metricsPath for whoever shows MetricsToken, which opens nothing
	// else. Optional, both or none: without them there is no such path.
	Metrics      http.Handler
	MetricsToken secret.Text
	// Delivered is told of each delivery of a webhook. Optional; see HookOptions.
	Delivered func(app crm.AppID, result, code string)
	// Version is shown in the OpenAPI document. Optional.
	Version string
	// Calls are how many calls of its day an account has used, and how many it may; 0 for
	// an app that publishes no daily limit.
	Calls func(ctx context.Context, ws crm.WorkspaceID, a account.Account) (used, daily int, err error)
}

// server is the surface.
type server struct {
	Options
	front
	keys     *access.Keys
	audit    *access.Audit
	answers  *idempotency.Memory
	mux      *listedMux
	huma     huma.API
	routes   map[string]*served // by pattern
	literal  map[string]bool    // paths of routes without placeholders
	document func() []byte      // the OpenAPI document, written when it is asked for first
	patterns sync.Map           // compiled patterns of schemas
	schemas  *schemaCache
	logins   *logins
	saving   sync.Mutex // one connection is saved at a time in this process
	jobs     jobCache
}

// served is a route as it is served.
type served struct {
	route
	op *huma.Operation
}

// New returns the surface. fault.Invalid, naming everything that is missing or
// wrong in o.
func New(o Options) (http.Handler, error) {
	const op = "api: new"
	var wrong []string
	for name, missing := range map[string]bool{
		"Engine": o.Engine == nil, "Accounts": o.Accounts == nil, "Alerts": o.Alerts == nil, "Store": o.Store == nil,
		"Now": o.Now == nil, "NewID": o.NewID == nil, "Logger": o.Logger == nil,
	} {
		if missing {
			wrong = append(wrong, name+" is missing")
		}
	}
	if o.Home == "" {
		o.Home = DefaultWorkspace
	}
	if o.Version == "" {
		o.Version = "0"
	}
	s := &server{
		Options: o, front: front{now: o.Now, newID: o.NewID, log: o.Logger, allow: o.AllowHosts, proxies: o.Proxies},
		mux: newListedMux(), routes: map[string]*served{}, literal: map[string]bool{},
	}
	if text := s.address(o.PublicURL); text != "" {
		wrong = append(wrong, text)
	}
	switch {
	case (o.Metrics == nil) != o.MetricsToken.Empty():
		wrong = append(wrong, "Metrics and MetricsToken go together")
	case !o.MetricsToken.Empty() && o.MetricsToken.Reveal() == o.AdminKey.Reveal():
		wrong = append(wrong, "MetricsToken is the admin key")
	}
	if wrong != nil {
		return nil, fault.New(op, fault.Invalid, "invalid_config", strings.Join(wrong, "; "))
	}
	s.keys = access.NewKeys(o.Store, o.Now, o.NewID, o.AdminKey, o.Home)
	s.audit = access.NewAudit(o.Store, o.Now, o.NewID)
	s.answers = idempotency.New(o.Store, o.Now)
	s.schemas = newSchemaCache(o.Now)
	if o.Budgets != nil {
		s.logins = newLogins(o.Budgets.now)
	}
	if err := s.build(); err != nil {
		return nil, fault.Wrap(op, fault.Other, err)
	}
	return s, nil
}

// build registers every route and makes the document.
func (s *server) build() error {
	humaErrors()
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Lockstep", Version: s.Version,
				Description: "Two-way CRM sync. Errors are problems (RFC 9457) whose codes GET /v1/codes explains; " +
					"lists are paged by cursor; changes need If-Match; every POST takes an Idempotency-Key.",
			},
			Components: &huma.Components{
				Schemas: newRegistry(),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					bearer: {Type: "http", Scheme: "bearer", Description: "An API key (lsk_…)"},
				},
			},
			Security: []map[string][]string{{bearer: {}}},
		},
		Formats: map[string]huma.Format{
			"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat,
		},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	}
	s.huma = humago.New(s.mux, config)
	s.registerAll()
	for i := range routes {
		if _, ok := s.routes[routes[i].method+" "+routes[i].path]; !ok {
			return fmt.Errorf("the route %s has no handler", routes[i].id)
		}
		s.literal[routes[i].path] = true
	}
	finishSchemas(s.registry())
	s.document = sync.OnceValue(func() []byte {
		document, _ := json.Marshal(s.huma.OpenAPI()) // it holds nothing that cannot be encoded
		return document
	})
	s.mux.HandleFunc("GET "+openAPIPath, s.serveDocument)
	s.mux.HandleFunc("GET "+docsPath, s.serveErrorPage)
	if !s.WithoutHooks {
		hooks := &hookServer{front: s.front, engine: s.Engine, accounts: s.Accounts, delivered: s.Delivered}
		hooks.register(s.mux)
	}
	if s.Metrics != nil {
		s.mux.HandleFunc("GET "+metricsPath, s.serveMetrics)
	}
	return nil
}

const (
	bearer      = "bearer"
	openAPIPath = "/v1/openapi.json"
	docsPath    = "/docs/errors"
	hooksPath   = "/hooks/"
	metricsPath = "/metrics"
)

func (s *server) registry() huma.Registry { return s.huma.OpenAPI().Components.Schemas }

func (s *server) registerAll() {
	s.registerApps()
	s.registerAccounts()
	s.registerConnections()
	s.registerSteps()
	s.registerPreviews()
	s.registerRunning()
	s.registerRuns()
	s.registerPlans()
	s.registerRecords()
	s.registerLog()
	s.registerAlerts()
	s.registerErasures()
	s.registerWorkspace()
	s.registerSession()
}

// empty is the input or output of a call without any.
type empty struct{}

// operation makes the OpenAPI operation of a route.
func operation(id string) (*served, huma.Operation) {
	for i := range routes {
		r := routes[i]
		if r.id != id {
			continue
		}
		op := huma.Operation{
			OperationID: r.id, Method: r.method, Path: r.path, Summary: r.summary, Tags: []string{r.tag},
			DefaultStatus: r.status, SkipValidateBody: true, MaxBodyBytes: 2 * maxBody, BodyReadTimeout: -1,
			Errors: []int{400, 404, 405, 421, 500, 503},
		}
		if op.DefaultStatus == 0 {
			op.DefaultStatus = http.StatusOK
		}
		if r.level == public {
			op.Security = []map[string][]string{}
		} else {
			op.Description = "Role: " + r.level.String() + "."
			op.Errors = append(op.Errors, 401, 403)
		}
		if r.method != http.MethodGet {
			op.Errors = append(op.Errors, 409, 412, 413, 415, 422, 428)
		}
		return &served{route: r}, op
	}
	panic("api: no route " + id)
}

// handle registers a route's handler.
func handle[I, O any](s *server, id string, h func(context.Context, *I) (*O, error), adapt ...func(*huma.Operation)) {
	sv, op := operation(id)
	for _, f := range adapt {
		f(&op)
	}
	huma.Register(s.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, in)
		if err != nil {
			return nil, s.refusal(ctx, err)
		}
		return out, nil
	})
	sv.op = s.registered(op.Method, op.Path)
	// by net/http
	sv.op.Responses["431"] = &huma.Response{
		Description: "Request Header Fields Too Large: answered before anything " +
			"was read",
		Content: map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: huma.TypeString}}},
	}
	s.routes[op.Method+" "+op.Path] = sv
}

// registered finds the operation in the document, with its schemas.
func (s *server) registered(method, path string) *huma.Operation {
	item := s.huma.OpenAPI().Paths[path]
	switch method {
	case http.MethodGet:
		return item.Get
	case http.MethodPost:
		return item.Post
	case http.MethodPut:
		return item.Put
	case http.MethodPatch:
		return item.Patch
	default:
		return item.Delete
	}
}

func (s *server) serveDocument(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(s.document()) // the client is gone: nobody to tell
}

var _ http.Handler = (*server)(nil)

// Document returns the OpenAPI document alone, for programs that make clients
// of it; nothing is served.
func Document(version string) ([]byte, error) {
	s := &server{
		Options: Options{Version: version, Now: time.Now}, mux: newListedMux(), routes: map[string]*served{},
		literal: map[string]bool{},
	}
	if err := s.build(); err != nil {
		return nil, fault.Wrap("api: document", fault.Other, err)
	}
	return s.document(), nil
}
