package leadsquared

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/hook"
)

// hookHeader is the header of ours that a webhook is made with; its value is the secret.
const hookHeader = "X-Lockstep-Secret"

// webhooks hears LeadSquared. Deliveries carry headers of our own and are not signed, so
// the body is a hint and nothing more. Source: apidocs.leadsquared.com/webhooks.
type webhooks struct{}

// delivery is a lead, or one before and after a change.
type delivery struct {
	lead

	Before, After lead
}

// read finds the leads of a body: one, or several that were grouped.
func read(body []byte) ([]delivery, error) {
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) {
		return hook.List[delivery](body)
	}
	var d delivery
	err := json.Unmarshal(body, &d)
	return []delivery{d}, err
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *delivery) UnmarshalJSON(b []byte) error {
	var both struct{ Before, After lead }
	if err := json.Unmarshal(b, &d.lead); err != nil {
		return err
	}
	if err := json.Unmarshal(b, &both); err != nil {
		return err
	}
	d.Before, d.After = both.Before, both.After
	return nil
}

// Verify implements connector.Webhooks. A delivery tells no time and no account.
func (webhooks) Verify(req connector.WebhookRequest, trust connector.WebhookTrust, _ time.Time) error {
	const op = "leadsquared: verify webhook"
	switch {
	case trust.Secret.Empty():
		return hook.Denied(op, connector.CodeNoSecret, "there is no secret to check the delivery with")
	case !hook.Same(req.Header.Get(hookHeader), trust.Secret.Reveal()):
		return hook.Denied(op, connector.CodeForged, "the header does not fit")
	case req.Method != http.MethodPost || len(req.Body) == 0:
		return hook.Denied(op, connector.CodeDelivery, "the body is not a lead")
	}
	return nil
}

// Parse implements connector.Webhooks. What happened is told by the address.
func (webhooks) Parse(req connector.WebhookRequest) ([]connector.Event, error) {
	const op = "leadsquared: parse webhook"
	list, err := read(req.Body)
	if err != nil {
		return nil, hook.Malformed(op, "the delivery is not a lead")
	}
	kind := connector.EventChanged
	if u, err := url.Parse(req.URL); err == nil && strings.Contains(strings.ToLower(u.Query().Get("eventType")),
		"delete") {
		kind = connector.EventDeleted
	}
	var hints hook.Hints
	for _, d := range list {
		one, ok := id("")
		for _, l := range []lead{d.lead, d.After, d.Before} {
			for _, name := range []string{"ProspectID", "ProspectId", "RelatedProspectId"} {
				if !ok {
					one, ok = id(l.text(name))
				}
			}
		}
		if !ok {
			return nil, hook.Malformed(op, "the delivery names no lead")
		}
		at := d.After.text("ModifiedOn")
		if at == "" {
			at = d.text("ModifiedOn")
		}
		when, _ := moment(at) // it is no more than a help
		hints.Add(connector.Event{Kind: kind, Object: object, ID: one, At: when})
	}
	return hints.Events(op)
}

// Reply implements connector.Webhooks.
func (webhooks) Reply() connector.Reply {
	return connector.Reply{Status: http.StatusOK, ContentType: "application/json", Body: `{"Status":"Success"}`}
}

// refused answers a delivery that was refused: anything but 200 may switch the webhook off.
// Source: apidocs.leadsquared.com/webhook-best-practices.
func refused(code string) connector.Reply {
	body, _ := json.Marshal(map[string]string{"Status": "Error", "StatusReason": code}) // texts can be written
	return connector.Reply{Status: http.StatusOK, ContentType: "application/json", Body: string(body)}
}

var _ connector.Webhooks = webhooks{}
