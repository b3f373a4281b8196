package pipedrive

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/hook"
)

// hookUser is the user that a webhook is made with; its password is the secret.
const hookUser = "lockstep"

// webhooks hears Pipedrive. Deliveries carry a user and a password and are not
// signed, so the body is a hint and nothing more.
// Source: pipedrive.readme.io/docs/guide-for-webhooks-v2.
type webhooks struct{}

// delivery is one event: there is no more in a request.
type delivery struct {
	Meta *struct {
		Action  string    `json:"action"`
		Entity  string    `json:"entity"`
		ID      string    `json:"entity_id"`
		Company string    `json:"company_id"`
		At      time.Time `json:"timestamp"`
		Into    string    `json:"merged_to_id"`
	} `json:"meta"`
}

// Verify implements connector.Webhooks. A delivery that fails is repeated for three
// minutes with the same time in it, and being a hint it does no harm when it is old.
func (webhooks) Verify(req connector.WebhookRequest, trust connector.WebhookTrust, _ time.Time) error {
	const op = "pipedrive: verify webhook"
	if err := hook.Basic(op, req.Header, hookUser, trust.Secret); err != nil {
		return err
	}
	var d delivery
	if json.Unmarshal(req.Body, &d) != nil || d.Meta == nil || req.Method != http.MethodPost {
		return hook.Denied(op, connector.CodeDelivery, "the body is not an event")
	}
	if trust.ExternalID == "" || !hook.Same(d.Meta.Company, trust.ExternalID) {
		return hook.Denied(op, connector.CodeForeign, "the delivery is for another company")
	}
	return nil
}

// hookObjects are Pipedrive's words for our objects.
var hookObjects = map[string]string{
	"person": "persons", "organization": "organizations", "deal": "deals", "activity": activities,
}

// hookKinds are Pipedrive's words for what happened.
var hookKinds = map[string]connector.EventKind{
	"create": connector.EventChanged, "change": connector.EventChanged, "delete": connector.EventDeleted,
}

// Parse implements connector.Webhooks. A merge is the deletion of one record, which
// names the other, and a change of that.
func (webhooks) Parse(req connector.WebhookRequest) ([]connector.Event, error) {
	const op = "pipedrive: parse webhook"
	var d delivery
	if json.Unmarshal(req.Body, &d) != nil || d.Meta == nil {
		return nil, hook.Malformed(op, "the delivery is not an event")
	}
	m := d.Meta
	e := connector.Event{Kind: hookKinds[m.Action], Object: hookObjects[m.Entity], At: m.At.UTC(), ExternalID: m.Company}
	if e.Kind == "" || e.Object == "" { // of what is not synced, or made after this was written
		return nil, nil
	}
	var ok bool
	if e.ID, ok = id(m.ID); !ok {
		return nil, hook.Malformed(op, "the event names no record")
	}
	if into, ok := id(m.Into); ok && e.Kind == connector.EventDeleted && into != e.ID {
		e.Kind, e.MergedInto = connector.EventMerged, into
	}
	return []connector.Event{e}, nil
}

// Reply implements connector.Webhooks: anything below 300 will do.
func (webhooks) Reply() connector.Reply { return connector.Reply{Status: http.StatusOK} }
