package hubspot

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

const (
	headerSignature = "X-HubSpot-Signature-v3"
	headerTimestamp = "X-HubSpot-Request-Timestamp"
	// maxAge is how old a delivery may be, and how far ahead of our clock:
	// changelog/introducing-version-3-of-webhook-signatures.
	maxAge = 5 * time.Minute
	// maxEvents is how many events one delivery may have; HubSpot sends up to 100.
	maxEvents = 1000
)

// webhooks hears HubSpot.
type webhooks struct{}

// Verify implements connector.Webhooks: version 3 of the signature, over
// method, address, raw body and timestamp. An app has one address for all its
// accounts, so a delivery may carry events of several: it is refused when none
// is of trust's account, and callers pass over foreign events by Event.ExternalID.
//
// Source: https://developers.hubspot.com/changelog/introducing-version-3-of-webhook-signatures
func (webhooks) Verify(req connector.WebhookRequest, trust connector.WebhookTrust, now time.Time) error {
	const op = "hubspot: verify webhook"
	denied := func(code, message string) error { return fault.New(op, fault.Denied, code, message) }
	if trust.Secret.Empty() {
		return denied(connector.CodeNoSecret, "there is no secret to check the signature with")
	}
	sent, stamp := req.Header.Values(headerSignature), req.Header.Values(headerTimestamp)
	if len(sent) != 1 || len(stamp) != 1 {
		return denied(connector.CodeForged, "the delivery is not signed")
	}
	mac := hmac.New(sha256.New, []byte(trust.Secret.Reveal()))
	_, _ = io.WriteString(mac, req.Method+req.URL)
	_, _ = mac.Write(req.Body)
	_, _ = io.WriteString(mac, stamp[0])
	got, err := base64.StdEncoding.DecodeString(sent[0])
	if !hmac.Equal(got, mac.Sum(nil)) || err != nil {
		return denied(connector.CodeForged, "the signature does not fit")
	}
	ms, err := strconv.ParseInt(stamp[0], 10, 64)
	if err != nil {
		return denied(connector.CodeForged, "the delivery has no time")
	}
	if age := now.Sub(time.UnixMilli(ms)); age > maxAge || age < -maxAge {
		return denied(connector.CodeStale, "the delivery is too old or from the future")
	}
	if trust.ExternalID == "" {
		return denied(connector.CodeForeign, "the account is not known yet")
	}
	events, err := decodeEvents(req.Body)
	if err != nil || len(events) == 0 {
		return nil //nolint:nilerr // signed by HubSpot: it is Parse that says what is wrong
	}
	for _, e := range events {
		if e.PortalID.String() == trust.ExternalID {
			return nil
		}
	}
	return denied(connector.CodeForeign, "the delivery is for another account")
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
	Primary    json.Number   `json:"primaryObjectId"`
	Merged     []json.Number `json:"mergedObjectIds"`
	New        json.Number   `json:"newObjectId"`
}

var (
	errNoList   = errors.New("no list of events")
	errTrailing = errors.New("data after the events")
)

// decodeEvents reads a list of events one by one, and one more than a delivery
// may have at most: a body of empty objects would be a hundred times its size.
func decodeEvents(body []byte) ([]hookEvent, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('[') {
		return nil, errors.Join(errNoList, err)
	}
	var out []hookEvent
	for dec.More() {
		var e hookEvent
		if err := dec.Decode(&e); err != nil {
			return nil, err
		}
		if out = append(out, e); len(out) > maxEvents {
			return out, nil
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errTrailing
	}
	return out, nil
}

// Parse implements connector.Webhooks. Events of other objects and of kinds
// that say nothing about a record are left out; one record's events of a kind
// are one hint.
func (webhooks) Parse(req connector.WebhookRequest) ([]connector.Event, error) {
	const op = "hubspot: parse webhook"
	invalid := func(message string) error { return fault.New(op, fault.Invalid, connector.CodeDelivery, message) }
	raw, err := decodeEvents(req.Body)
	if err != nil {
		return nil, invalid("the delivery is no list of events")
	}
	if len(raw) > maxEvents {
		return nil, invalid("the delivery has more than " + strconv.Itoa(maxEvents) + " events")
	}
	events := hints{at: map[connector.Event]int{}}
	for i := range raw {
		if !events.add(&raw[i]) {
			return nil, invalid("an event names no record or account")
		}
	}
	if len(events.list) > maxEvents {
		return nil, invalid("the delivery is about more than " + strconv.Itoa(maxEvents) + " records")
	}
	return events.list, nil
}

// hints collects events, one of each kind and record.
type hints struct {
	list []connector.Event
	at   map[connector.Event]int // by event without its time
}

// hookObjects names our objects by HubSpot's words for them: the singular of
// object subscriptions, and the type IDs of generic ones.
var hookObjects = map[string]string{
	"contact": "contacts", "company": "companies", "deal": "deals",
	"0-1": "contacts", "0-2": "companies", "0-3": "deals",
}

// add takes an event; false means that it is malformed.
func (h *hints) add(e *hookEvent) bool {
	noun, verb, ok := strings.Cut(e.Type, ".")
	if !ok || !recordID(e.PortalID.String()) {
		return false
	}
	if noun == "object" {
		noun = e.ObjectType
	}
	object := hookObjects[noun]
	if object == "" {
		return true // of an object that is not synced
	}
	out := connector.Event{Object: object, ExternalID: e.PortalID.String()}
	var when time.Time
	if ms, err := e.OccurredAt.Int64(); err == nil && ms > 0 {
		when = time.UnixMilli(ms).UTC()
	}
	id := e.ObjectID
	switch verb {
	case "creation", "propertyChange", "restore":
		out.Kind = connector.EventChanged
	case "associationChange":
		out.Kind = connector.EventChanged
		if e.From != "" {
			id = e.From
		}
	case "deletion":
		out.Kind = connector.EventDeleted
	case "privacyDeletion":
		out.Kind = connector.EventErased
	case "merge":
		return h.merge(e, out, when)
	default:
		return true // of a kind made after this was written
	}
	return h.put(out, id, when)
}

// merge tells that the merged records and, when the survivor is a new record,
// the primary one live on in it.
func (h *hints) merge(e *hookEvent, out connector.Event, when time.Time) bool {
	survivor := e.New
	if survivor == "" {
		survivor = e.Primary
	}
	if !recordID(survivor.String()) || len(e.Merged) > maxEvents {
		return false
	}
	losers := append([]json.Number{}, e.Merged...)
	if e.Primary != "" {
		losers = append(losers, e.Primary)
	}
	out.Kind, out.MergedInto = connector.EventMerged, crm.RecordID(survivor)
	if e.Primary != survivor {
		out.Primary = crm.RecordID(e.Primary)
	}
	for _, id := range losers {
		if id == survivor {
			continue
		}
		if !h.put(out, id, when) {
			return false
		}
	}
	out.Kind, out.MergedInto, out.Primary = connector.EventChanged, "", ""
	return h.put(out, survivor, when)
}

func (h *hints) put(e connector.Event, id json.Number, when time.Time) bool {
	if !recordID(id.String()) {
		return false
	}
	e.ID = crm.RecordID(id)
	if i, ok := h.at[e]; ok {
		if when.After(h.list[i].At) {
			h.list[i].At = when
		}
		return true
	}
	h.at[e] = len(h.list)
	e.At = when
	h.list = append(h.list, e)
	return true
}

// Reply implements connector.Webhooks.
func (webhooks) Reply() connector.Reply { return connector.Reply{Status: http.StatusOK} }

var _ connector.Webhooks = webhooks{}
