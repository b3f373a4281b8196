package realgeeks

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/hook"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// webhooks hears Real Geeks' Lead Router.
// Source: developers.realgeeks.com/outgoing-leads-api, github.com/RealGeeks/lead_router_receiver.
type webhooks struct{}

var signature = hook.HMAC{Hash: sha256.New, Decode: hex.DecodeString}

// Verify implements connector.Webhooks. The time of sending is not signed, and a delivery
// that comes late is all that tells of its lead: age refuses none.
func (webhooks) Verify(req connector.WebhookRequest, trust connector.WebhookTrust, _ time.Time) error {
	const op = "realgeeks: verify webhook"
	if err := signature.Check(op, trust.Secret, req.Header.Values("X-Lead-Router-Signature"), req.Body); err != nil {
		return err
	}
	var d delivery
	if json.Unmarshal(req.Body, &d) != nil || req.Method != http.MethodPost {
		return hook.Denied(op, connector.CodeDelivery, "the body is not a lead")
	}
	want, known := id(trust.ExternalID)
	if one, ok := id(d.Site); !ok || !known || !hook.Same(string(one), string(want)) {
		return hook.Denied(op, connector.CodeForeign, "the delivery is for another site")
	}
	return nil
}

// delivery is what of a lead is no value.
type delivery struct {
	ID      string    `json:"id"`
	Site    string    `json:"site_uuid"`
	Action  string    `json:"action"`
	Created time.Time `json:"created"`
}

// told are the actions whose deliveries hold the lead.
var told = map[string]bool{"created": true, "updated": true, "activity_added": true, "user_updated": true}

// values are the fields that a delivery may hold.
var values = []string{
	"first_name", "last_name", "email", "second_email", "phone", "phone2",
	"street_address", "city", "state", "zip", "source", "source_details",
	"agent_name", "agent_email", "role",
}

// Parse implements connector.Webhooks. The header's action counts before the body's.
func (webhooks) Parse(req connector.WebhookRequest) ([]connector.Event, error) {
	const op = "realgeeks: parse webhook"
	var d delivery
	var all map[string]json.RawMessage
	if json.Unmarshal(req.Body, &d) != nil || json.Unmarshal(req.Body, &all) != nil || all == nil {
		return nil, hook.Malformed(op, "the delivery is not a lead")
	}
	action := req.Header.Get("X-Lead-Router-Action")
	if action == "" {
		action = d.Action
	}
	if !told[action] {
		return nil, nil // of what is not synced, or made after this was written
	}
	one, ok := id(d.ID)
	owner, known := id(d.Site)
	if !ok || !known {
		return nil, hook.Malformed(op, "the delivery names no lead, or no site")
	}
	at, err := time.Parse(time.RFC3339Nano, req.Header.Get("X-Lead-Router-Timestamp"))
	if err != nil {
		at = d.Created // the older ones had no header
	}
	rec := &crm.Record{ID: one, Fields: crm.Fields{}, ModifiedAt: at.UTC(), CreatedAt: d.Created.UTC()}
	for _, f := range values {
		raw, sent := all[f]
		if !sent {
			continue
		}
		var v crm.Value
		if v.UnmarshalJSON(raw) != nil {
			return nil, hook.Malformed(op, "the value of "+f+" is not what Real Geeks documents")
		}
		switch rec.Fields[f] = v; {
		case v.Blank():
			rec.Fields[f] = crm.NullValue()
		case phones[f]:
			rec.Fields[f] = crm.TextValue(abroad(v.Text()))
		}
	}
	return []connector.Event{
		{Kind: connector.EventChanged, Object: object, ID: one, At: rec.ModifiedAt, ExternalID: string(owner), Record: rec},
	}, nil
}

// Reply implements connector.Webhooks.
func (webhooks) Reply() connector.Reply { return connector.Reply{Status: http.StatusOK} }

var _ connector.Webhooks = webhooks{}
