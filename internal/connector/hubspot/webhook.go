package hubspot

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/hook"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// webhooks hears HubSpot.
type webhooks struct{}

var signature = hook.HMAC{Hash: sha256.New, Decode: base64.StdEncoding.DecodeString}

// Verify implements connector.Webhooks: version 3 of the signature, over
// method, address, raw body and timestamp. An app has one address for all its
// accounts, so a delivery may carry events of several: it is refused when none
// is of trust's account, and callers pass over foreign events by Event.ExternalID.
//
// Source: https://developers.hubspot.com/changelog/introducing-version-3-of-webhook-signatures
func (webhooks) Verify(req connector.WebhookRequest, trust connector.WebhookTrust, now time.Time) error {
	const op = "hubspot: verify webhook"
	stamp := req.Header.Get("X-HubSpot-Request-Timestamp")
	sent := req.Header.Values("X-HubSpot-Signature-v3")
	if err := signature.Check(op, trust.Secret, sent, []byte(req.Method+req.URL), req.Body, []byte(stamp)); err != nil {
		return err
	}
	if err := hook.Fresh(op, stamp, now); err != nil {
		return err
	}
	if trust.ExternalID == "" {
		return hook.Denied(op, connector.CodeForeign, "the account is not known yet")
	}
	events, err := hook.List[hookEvent](req.Body)
	if err != nil || len(events) == 0 {
		return nil //nolint:nilerr // signed by HubSpot: it is Parse that says what is wrong
	}
	for _, e := range events {
		if e.PortalID.String() == trust.ExternalID {
			return nil
		}
	}
	return hook.Denied(op, connector.CodeForeign, "the delivery is for another account")
}

// hookEvent is one event of a delivery.
// Source: https://developers.hubspot.com/docs/api/webhooks
type hookEvent struct {
	PortalID   json.Number   `json:"portalId"`
	Type       string        `json:"subscriptionType"`
	ObjectType string        `json:"objectTypeId"`
	OccurredAt json.Number   `json:"occurredAt"`
	ObjectID   json.Number   `json:"objectId"`
	From       json.Number   `json:"fromObjectId"`
	FromType   string        `json:"fromObjectTypeId"`
	Primary    json.Number   `json:"primaryObjectId"`
	Merged     []json.Number `json:"mergedObjectIds"`
	New        json.Number   `json:"newObjectId"`
}

// Parse implements connector.Webhooks. Events of other objects and of kinds
// that say nothing about a record are left out; one record's events of a kind
// are one hint.
func (webhooks) Parse(req connector.WebhookRequest) ([]connector.Event, error) {
	const op = "hubspot: parse webhook"
	raw, err := hook.List[hookEvent](req.Body)
	if err != nil {
		return nil, hook.Malformed(op, "the delivery is no list of events")
	}
	if len(raw) > hook.MaxEvents {
		return nil, hook.Malformed(op, "the delivery has more than "+strconv.Itoa(hook.MaxEvents)+" events")
	}
	var hints hook.Hints
	for i := range raw {
		events, ok := raw[i].events()
		if !ok {
			return nil, hook.Malformed(op, "an event names no record or account")
		}
		for _, e := range events {
			hints.Add(e)
		}
	}
	return hints.Events(op)
}

// hookObjects names our objects by HubSpot's words for them: the singular of
// object subscriptions, and the type IDs of generic ones.
var hookObjects = map[string]string{
	"contact": "contacts", "company": "companies", "deal": "deals",
	"0-1": "contacts", "0-2": "companies", "0-3": "deals",
}

// hookKinds are the verbs that say something about one record.
var hookKinds = map[string]connector.EventKind{
	"creation": connector.EventChanged, "propertyChange": connector.EventChanged, "restore": connector.EventChanged,
	"associationChange": connector.EventChanged, "deletion": connector.EventDeleted,
	"privacyDeletion": connector.EventErased,
}

// events is what an event says; false means that it is malformed.
func (e *hookEvent) events() ([]connector.Event, bool) {
	noun, verb, ok := strings.Cut(e.Type, ".")
	if !ok || !recordID(e.PortalID.String()) {
		return nil, false
	}
	if noun == "object" {
		noun = cmp.Or(e.ObjectType, e.FromType)
	}
	out := connector.Event{
		Kind: hookKinds[verb], Object: hookObjects[noun], ID: crm.RecordID(e.ObjectID), ExternalID: e.PortalID.String(),
	}
	if ms, err := e.OccurredAt.Int64(); err == nil && ms > 0 {
		out.At = time.UnixMilli(ms).UTC()
	}
	switch {
	case out.Object == "": // of an object that is not synced
		return nil, true
	case verb == "merge":
		return e.merge(out)
	case out.Kind == "": // of a kind made after this was written
		return nil, true
	case verb == "associationChange" && e.From != "":
		out.ID = crm.RecordID(e.From)
	}
	return []connector.Event{out}, recordID(string(out.ID))
}

// merge tells that the merged records and, when the survivor is a new record,
// the primary one live on in it.
func (e *hookEvent) merge(out connector.Event) ([]connector.Event, bool) {
	survivor := e.New
	if survivor == "" {
		survivor = e.Primary
	}
	if !recordID(survivor.String()) || len(e.Merged) > hook.MaxEvents {
		return nil, false
	}
	losers := append([]json.Number{}, e.Merged...)
	if e.Primary != "" {
		losers = append(losers, e.Primary)
	}
	changed := out
	changed.Kind, changed.ID = connector.EventChanged, crm.RecordID(survivor)
	out.Kind, out.MergedInto = connector.EventMerged, crm.RecordID(survivor)
	if e.Primary != survivor {
		out.Primary = crm.RecordID(e.Primary)
	}
	var events []connector.Event
	for _, id := range losers {
		out.ID = crm.RecordID(id)
		if id == survivor {
			continue
		}
		if !recordID(id.String()) {
			return nil, false
		}
		events = append(events, out)
	}
	return append(events, changed), true
}

// Reply implements connector.Webhooks.
func (webhooks) Reply() connector.Reply { return connector.Reply{Status: http.StatusOK} }

var _ connector.Webhooks = webhooks{}
