package intercom

import (
	"crypto/sha1" //nolint:gosec // what Intercom signs with
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/hook"
)

// webhooks hears Intercom. Source: webhooks/webhook-notifications.
type webhooks struct{}

var errScheme = errors.New("not sha1")

var signature = hook.HMAC{Hash: sha1.New, Decode: func(s string) ([]byte, error) {
	text, ok := strings.CutPrefix(s, "sha1=")
	if !ok {
		return nil, errScheme
	}
	return hex.DecodeString(text)
}}

// delivery is one event: there is no more in a request.
type delivery struct {
	Topic string `json:"topic"`
	App   string `json:"app_id"`
	At    int64  `json:"created_at"`
	Data  struct {
		Item item `json:"item"`
	} `json:"data"`
}

// item is what an event is about: a record, or one with what was put on it.
type item struct {
	ID      string `json:"id"`
	Contact *struct {
		ID string `json:"id"`
	} `json:"contact"`
	Company *struct {
		ID string `json:"id"`
	} `json:"company"`
	From *struct {
		ID string `json:"id"`
	} `json:"merged_from"`
}

// Verify implements connector.Webhooks. The signature is over the body, which has no time
// of this attempt in it: an old delivery is a hint as good as any.
func (webhooks) Verify(req connector.WebhookRequest, trust connector.WebhookTrust, _ time.Time) error {
	const op = "intercom: verify webhook"
	if err := signature.Check(op, trust.Secret, req.Header.Values("X-Hub-Signature"), req.Body); err != nil {
		return err
	}
	var d delivery
	if json.Unmarshal(req.Body, &d) != nil || req.Method != http.MethodPost {
		return hook.Denied(op, connector.CodeDelivery, "the body is not an event")
	}
	if trust.ExternalID == "" || !hook.Same(d.App, trust.ExternalID) {
		return hook.Denied(op, connector.CodeForeign, "the delivery is for another workspace")
	}
	return nil
}

// Parse implements connector.Webhooks.
func (webhooks) Parse(req connector.WebhookRequest) ([]connector.Event, error) {
	const op = "intercom: parse webhook"
	var d delivery
	if json.Unmarshal(req.Body, &d) != nil || d.Topic == "" {
		return nil, hook.Malformed(op, "the delivery is not an event")
	}
	what, _, _ := strings.Cut(d.Topic, ".")
	e := connector.Event{
		Kind: connector.EventChanged, Object: map[string]string{"contact": contacts.id, "company": companies.id}[what],
		ExternalID: d.App,
	}
	if e.Object == "" { // of what is not synced, or a ping
		return nil, nil
	}
	if d.At > 0 {
		e.At = time.Unix(d.At, 0).UTC()
	}
	named := d.Data.Item.ID
	if c := d.Data.Item.Contact; c != nil && e.Object == contacts.id {
		named = c.ID
	}
	if c := d.Data.Item.Company; c != nil && e.Object == companies.id {
		named = c.ID
	}
	var ok bool
	if e.ID, ok = id(named); !ok {
		return nil, hook.Malformed(op, "the event names no record")
	}
	switch {
	case strings.HasSuffix(d.Topic, ".deleted") && !strings.Contains(d.Topic, "tag"),
		strings.HasSuffix(d.Topic, ".archived"):
		e.Kind = connector.EventDeleted
	case strings.HasSuffix(d.Topic, ".merged") && d.Data.Item.From != nil:
		from, ok := id(d.Data.Item.From.ID)
		if !ok {
			return nil, hook.Malformed(op, "the event names no merged contact")
		}
		e.Kind, e.ID, e.MergedInto = connector.EventMerged, from, e.ID
	}
	return []connector.Event{e}, nil
}

// Reply implements connector.Webhooks: anything below 300 will do.
func (webhooks) Reply() connector.Reply { return connector.Reply{Status: http.StatusOK} }

var _ connector.Webhooks = webhooks{}
