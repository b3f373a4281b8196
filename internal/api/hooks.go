package api

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// maxEvents bounds one delivery.
const maxEvents = 1000

// HookEngine is what deliveries ask of the engine; see Engine.
type HookEngine interface {
	Webhook(ctx context.Context, ws crm.WorkspaceID, account crm.AccountID, events []connector.Event) error
}

// HookAccounts is what deliveries ask of the accounts; see Accounts.
type HookAccounts interface {
	LookupWebhook(ctx context.Context, token string) (account.Delivery, error)
	Delivered(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) error
	RefusedDelivery(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID, code string) error
}

// HookOptions are what the surface of deliveries works with: a part of Options.
type HookOptions struct {
	Engine     HookEngine
	Accounts   HookAccounts
	Now        func() time.Time
	NewID      func(prefix string) string
	Logger     *slog.Logger
	PublicURL  string
	AllowHosts []string
	// Delivered is told what became of each delivery: Accepted, Refused with a code,
	// Troubled, or Unknown, for which there is no app. Optional.
	Delivered func(app crm.AppID, result, code string)
}

// What becomes of a delivery.
const (
	Accepted = "accepted"
	Refused  = "refused"
	Troubled = "failed"  // for a reason of our own: it is sent again
	Unknown  = "unknown" // nobody has the address
)

// hookServer takes deliveries in.
type hookServer struct {
	front
	engine   HookEngine
	accounts HookAccounts
	// delivered is told what became of each delivery; nil = nobody asks
	delivered func(app crm.AppID, result, code string)
	mux       *listedMux // only where it serves by itself
}

// NewHooks returns the surface for deliveries of apps alone: for a program that
// serves nothing else, and must start fast. fault.Invalid, naming everything
// that is missing or wrong in o.
func NewHooks(o HookOptions) (http.Handler, error) {
	s := &hookServer{
		front:  front{now: o.Now, newID: o.NewID, log: o.Logger, allow: o.AllowHosts},
		engine: o.Engine, accounts: o.Accounts, delivered: o.Delivered, mux: newListedMux(),
	}
	var wrong []string
	if o.Engine == nil || o.Accounts == nil || o.Now == nil || o.NewID == nil || o.Logger == nil {
		wrong = append(wrong, "Engine, Accounts, Now, NewID and Logger are all needed")
	}
	if text := s.address(o.PublicURL); text != "" {
		wrong = append(wrong, text)
	}
	if wrong != nil {
		return nil, fault.New("api: new hooks", fault.Invalid, "invalid_config", strings.Join(wrong, "; "))
	}
	s.register(s.mux)
	return s, nil
}

// register adds the routes of deliveries.
func (s *hookServer) register(mux *listedMux) {
	for _, method := range []string{http.MethodGet, http.MethodPost} { // GET serves HEAD too
		mux.HandleFunc(method+" "+hooksPath+"{token}", s.serveHook)
	}
}

// ServeHTTP implements http.Handler.
func (s *hookServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.meet(w, r, func(w http.ResponseWriter, r *http.Request, pattern *string) *Problem {
		if path.Clean(r.URL.Path) != r.URL.Path {
			return problem(http.StatusNotFound, CodeNotFound, "there is no such path")
		}
		if _, *pattern = s.mux.Handler(r); *pattern == "" {
			return noRoute(s.mux, r, func(string) bool { return false })
		}
		if p := checkAddress(r); p != nil {
			return p
		}
		s.mux.ServeHTTP(w, r)
		return nil
	})
}

// serveHook takes a delivery of an app in. It answers success only when every
// event is queued; what is our own trouble is 503, so that the app sends again.
func (s *hookServer) serveHook(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), requestTime)
	defer cancel()
	var came delivery
	reply, p := s.takeIn(ctx, w, r, &came)
	s.tell(r, came, p)
	if p != nil {
		s.write(ctx, w, p)
		return
	}
	if reply.ContentType != "" {
		w.Header().Set("Content-Type", reply.ContentType)
	}
	if reply.Status == 0 {
		reply.Status = http.StatusOK
	}
	w.WriteHeader(reply.Status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, reply.Body) // the app is gone: it will send again
	}
}

// delivery is what is told of one.
type delivery struct {
	app  crm.AppID // "" = nobody has the address
	code string    // why it was refused; "" = it was not
}

// tell tells what became of a delivery.
func (s *hookServer) tell(r *http.Request, came delivery, p *Problem) {
	switch {
	case s.delivered == nil || r.Method != http.MethodPost:
	case came.code != "":
		s.delivered(came.app, Refused, came.code)
	case p == nil:
		s.delivered(came.app, Accepted, "")
	case p.Status == http.StatusNotFound:
		s.delivered("", Unknown, "")
	default:
		s.delivered(came.app, Troubled, "")
	}
}

func (s *hookServer) takeIn(
	ctx context.Context, w http.ResponseWriter, r *http.Request, came *delivery,
) (connector.Reply, *Problem) {
	d, err := s.accounts.LookupWebhook(ctx, r.PathValue("token"))
	if fault.Is(err, fault.NotFound) {
		return connector.Reply{}, problem(http.StatusNotFound, CodeNotFound, "there is no such address")
	}
	if err != nil {
		return connector.Reply{}, ourTrouble(err)
	}
	app := d.Driver
	hooks := app.Webhooks
	if hooks == nil {
		return connector.Reply{}, problem(http.StatusNotFound, CodeNotFound, "there is no such address")
	}
	came.app = app.App.ID
	if r.Method != http.MethodPost { // the app's check that somebody is there
		return connector.Reply{Status: http.StatusOK, ContentType: "text/plain; charset=utf-8", Body: "ok\n"}, nil
	}
	body, p := limitedBody(w, r)
	if p != nil {
		came.code = p.Code
		return refusedBy(&app, p)
	}
	req := connector.WebhookRequest{Method: r.Method, URL: s.seenURL(r), Header: r.Header, Body: body}
	if err := hooks.Verify(req, d.Trust, s.now()); err != nil {
		if fault.Is(err, fault.Denied) || fault.Is(err, fault.Invalid) {
			s.refuse(ctx, d, came, fault.CodeOf(err))
			return refusedBy(&app, problem(http.StatusUnauthorized, CodeForgedWebhook, ""))
		}
		return connector.Reply{}, ourTrouble(err)
	}
	events, err := hooks.Parse(req)
	if err != nil {
		p := problemOf(err)
		if fault.Is(err, fault.Invalid) {
			s.refuse(ctx, d, came, fault.CodeOf(err))
			return refusedBy(&app, p)
		}
		return connector.Reply{}, ourTrouble(err)
	}
	if len(events) > maxEvents {
		s.refuse(ctx, d, came, CodeTooManyEvents)
		return refusedBy(&app, problem(http.StatusBadRequest, CodeTooManyEvents, ""))
	}
	return s.queue(ctx, d, &app, events, came)
}

// refusedBy is the answer to a delivery that is refused for good, in the app's own way where
// any other one would cost us the webhook.
func refusedBy(app *connector.Driver, p *Problem) (connector.Reply, *Problem) {
	if app.Refused != nil {
		return app.Refused(p.Code), nil
	}
	return connector.Reply{}, p
}

// refuse counts a delivery that was refused, by its reason, for the admin to see.
func (s *hookServer) refuse(ctx context.Context, d account.Delivery, came *delivery, code string) {
	came.code = code
	if err := s.accounts.RefusedDelivery(ctx, d.Workspace, d.Account, code); err != nil {
		s.log.WarnContext(ctx, "refused delivery not counted", "request_id", requestID(ctx), "account", string(d.Account),
			"code", code, "error", err.Error())
	}
}

// queue hands the account's own events over. A delivery that holds only events
// of other portals was not meant for this account.
func (s *hookServer) queue(
	ctx context.Context, d account.Delivery, app *connector.Driver, events []connector.Event, came *delivery,
) (connector.Reply, *Problem) {
	own := filter(events, func(e connector.Event) bool {
		return e.ExternalID == "" || d.Trust.ExternalID == "" || e.ExternalID == d.Trust.ExternalID
	})
	if len(own) == 0 && len(events) > 0 {
		s.refuse(ctx, d, came, "foreign_delivery")
		return refusedBy(app, problem(http.StatusUnauthorized, CodeForgedWebhook, ""))
	}
	if len(own) > 0 {
		if err := s.engine.Webhook(ctx, d.Workspace, d.Account, own); err != nil {
			return connector.Reply{}, ourTrouble(err)
		}
	}
	if err := s.accounts.Delivered(ctx, d.Workspace, d.Account); err != nil { // only a display depends on it
		s.log.WarnContext(ctx, "delivery not noted", "request_id", requestID(ctx), "error", err.Error())
	}
	return app.Webhooks.Reply(), nil
}

// ourTrouble is 503 whatever its kind: an app gives up on a 4xx.
func ourTrouble(err error) *Problem {
	p := problem(http.StatusServiceUnavailable, "unavailable", "the delivery could not be taken in; send it again")
	p.cause = err
	p.retryAfter(max(fault.RetryAfter(err), 5*time.Second))
	return p
}

// seenURL is the address as the app called it, which signatures cover.
func (f *front) seenURL(r *http.Request) string {
	if f.public != nil {
		return f.public.Scheme + "://" + f.public.Host + r.URL.RequestURI()
	}
	return scheme(r.TLS != nil) + "://" + r.Host + r.URL.RequestURI()
}

// publicBase is where browsers and apps reach us: as configured, else as the
// present request did.
func (f *front) publicBase(ctx context.Context) string {
	if f.public != nil {
		return f.public.Scheme + "://" + f.public.Host
	}
	host, _ := ctx.Value(hostKey{}).(string)
	secure, _ := ctx.Value(secureKey{}).(bool)
	return scheme(secure) + "://" + host
}

func scheme(secure bool) string {
	if secure {
		return "https"
	}
	return "http"
}

type hostKey struct{}

var _ http.Handler = (*hookServer)(nil)
