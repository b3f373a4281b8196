package api

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// maxEvents bounds one delivery.
const maxEvents = 1000

// serveHook takes a delivery of an app in. It answers success only when every
// event is queued; what is our own trouble is 503, so that the app sends again.
func (s *server) serveHook(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), requestTime)
	defer cancel()
	reply, p := s.takeIn(ctx, w, r)
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

func (s *server) takeIn(ctx context.Context, w http.ResponseWriter, r *http.Request) (connector.Reply, *Problem) {
	d, err := s.Accounts.LookupWebhook(ctx, r.PathValue("token"))
	if fault.Is(err, fault.NotFound) {
		return connector.Reply{}, problem(http.StatusNotFound, CodeNotFound, "there is no such address")
	}
	if err != nil {
		return connector.Reply{}, ourTrouble(err)
	}
	hooks := s.Drivers[d.App].Webhooks
	if hooks == nil {
		return connector.Reply{}, problem(http.StatusNotFound, CodeNotFound, "there is no such address")
	}
	if r.Method != http.MethodPost { // the app's check that somebody is there
		return connector.Reply{Status: http.StatusOK, ContentType: "text/plain; charset=utf-8", Body: "ok\n"}, nil
	}
	body, p := limitedBody(w, r)
	if p != nil {
		return connector.Reply{}, p
	}
	req := connector.WebhookRequest{Method: r.Method, URL: s.seenURL(r), Header: r.Header, Body: body}
	if err := hooks.Verify(req, d.Trust, s.Now()); err != nil {
		if fault.Is(err, fault.Denied) || fault.Is(err, fault.Invalid) {
			return connector.Reply{}, problem(http.StatusUnauthorized, CodeForgedWebhook, "")
		}
		return connector.Reply{}, ourTrouble(err)
	}
	events, err := hooks.Parse(req)
	if err != nil {
		p := problemOf(err)
		if fault.Is(err, fault.Invalid) {
			return connector.Reply{}, p
		}
		return connector.Reply{}, ourTrouble(err)
	}
	if len(events) > maxEvents {
		return connector.Reply{}, problem(http.StatusBadRequest, CodeTooManyEvents, "")
	}
	return s.queue(ctx, d, hooks, events)
}

// queue hands the account's own events over. A delivery that holds only events
// of other portals was not meant for this account.
func (s *server) queue(ctx context.Context, d account.Delivery, hooks connector.Webhooks, events []connector.Event) (connector.Reply, *Problem) {
	own := filter(events, func(e connector.Event) bool {
		return e.ExternalID == "" || d.Trust.ExternalID == "" || e.ExternalID == d.Trust.ExternalID
	})
	if len(own) == 0 && len(events) > 0 {
		return connector.Reply{}, problem(http.StatusUnauthorized, CodeForgedWebhook, "")
	}
	if len(own) > 0 {
		if err := s.Engine.Webhook(ctx, d.Workspace, d.Account, own); err != nil {
			return connector.Reply{}, ourTrouble(err)
		}
	}
	if err := s.Accounts.Delivered(ctx, d.Workspace, d.Account); err != nil { // only a display depends on it
		s.Logger.WarnContext(ctx, "delivery not noted", "request_id", requestID(ctx), "error", err.Error())
	}
	return hooks.Reply(), nil
}

// ourTrouble is 503 whatever its kind: an app gives up on a 4xx.
func ourTrouble(err error) *Problem {
	p := problem(http.StatusServiceUnavailable, "unavailable", "the delivery could not be taken in; send it again")
	p.cause = err
	p.retryAfter(max(fault.RetryAfter(err), 5*time.Second))
	return p
}

// seenURL is the address as the app called it, which signatures cover.
func (s *server) seenURL(r *http.Request) string {
	if s.public != nil {
		return s.public.Scheme + "://" + s.public.Host + r.URL.RequestURI()
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + r.URL.RequestURI()
}

// publicBase is where browsers and apps reach us: as configured, else as the
// present request did.
func (s *server) publicBase(ctx context.Context) string {
	if s.public != nil {
		return s.public.Scheme + "://" + s.public.Host
	}
	host, _ := ctx.Value(hostKey{}).(string)
	return "http://" + host
}

type hostKey struct{}
