package declared

import (
	"crypto/sha1" //nolint:gosec // some apps sign with it
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/hook"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// webhooks hears an app as its document says.
type webhooks struct{ doc *Document }

var (
	hashes = map[string]func() hash.Hash{"": sha256.New, "sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}
	texts  = map[string]func(string) ([]byte, error){
		"": hex.DecodeString, "hex": hex.DecodeString, "base64": base64.StdEncoding.DecodeString,
	}
)

// Verify implements connector.Webhooks.
func (w webhooks) Verify(req connector.WebhookRequest, trust connector.WebhookTrust, now time.Time) error {
	op := w.doc.App.ID + ": verify webhook"
	if err := w.genuine(op, req, trust.Secret, now); err != nil {
		return err
	}
	var doc answer
	if doc.UnmarshalJSON(req.Body) != nil || req.Method != http.MethodPost {
		return hook.Denied(op, connector.CodeDelivery, "the body is not an event")
	}
	if w.doc.Hooks.Account == nil {
		return nil // deliveries name no account; the address does, and the secret
	}
	if named := (entry{v: doc.v}).text(w.doc.Hooks.Account); trust.ExternalID == "" ||
		!hook.Same(named, trust.ExternalID) {
		return hook.Denied(op, connector.CodeForeign, "the delivery is for another account")
	}
	return nil
}

// genuine checks what the delivery was sent with.
func (w webhooks) genuine(op string, req connector.WebhookRequest, key secret.Text, now time.Time) error {
	v := w.doc.Hooks.Verify
	sent := req.Header.Values(v.Header)
	switch v.Kind {
	case "basic":
		return hook.Basic(op, req.Header, v.User, key)
	case "secret":
		if key.Empty() {
			return hook.Denied(op, connector.CodeNoSecret, "there is no secret to check the delivery with")
		}
		if len(sent) != 1 || !hook.Same(sent[0], v.Prefix+key.Reveal()) {
			return hook.Denied(op, connector.CodeForged, "the secret does not fit")
		}
		return nil
	case "hmac":
	default:
		return nil
	}
	stamp := req.Header.Get(v.Timestamp)
	parts := make([][]byte, 0, len(v.Of))
	for _, part := range v.Of {
		switch part {
		case "body":
			parts = append(parts, req.Body)
		case "timestamp":
			parts = append(parts, []byte(stamp))
		case "url":
			parts = append(parts, []byte(req.URL))
		case "method":
			parts = append(parts, []byte(req.Method))
		default:
			parts = append(parts, []byte(part))
		}
	}
	if len(sent) == 1 {
		text, ok := strings.CutPrefix(sent[0], v.Prefix)
		if sent = []string{text}; !ok {
			sent = nil
		}
	}
	if err := (hook.HMAC{Hash: hashes[v.Hash], Decode: texts[v.Encoding]}).Check(op, key, sent, parts...); err != nil {
		return err
	}
	if v.Timestamp == "" {
		return nil
	}
	at, ok := parseTime(stamp, v.Format)
	if !ok {
		return hook.Denied(op, connector.CodeForged, "the delivery has no time")
	}
	return hook.Fresh(op, strconv.FormatInt(at.UnixMilli(), 10), now)
}

// Parse implements connector.Webhooks. Words that the document does not know are of
// what is not synced.
func (w webhooks) Parse(req connector.WebhookRequest) ([]connector.Event, error) {
	op, p := w.doc.App.ID+": parse webhook", w.doc.Hooks
	var doc answer
	if doc.UnmarshalJSON(req.Body) != nil {
		return nil, hook.Malformed(op, "the delivery is not JSON")
	}
	whole := entry{v: doc.v}
	list := []entry{whole}
	if p.Events != nil {
		var ok bool
		if list, ok = p.events(doc.v); !ok {
			return nil, hook.Malformed(op, "the delivery has no events")
		}
	}
	var hints hook.Hints
	for i, e := range list {
		if i > hook.MaxEvents {
			break
		}
		if _, ok := e.v.(map[string]any); !ok {
			return nil, hook.Malformed(op, "an event is not what "+w.doc.App.Name+" documents")
		}
		word := e.text(p.Word)
		if word == "" {
			word = whole.text(p.Word)
		}
		if word == "" && p.Word != nil {
			return nil, hook.Malformed(op, "an event does not say what happened")
		}
		m := p.Map[word]
		if m == nil {
			continue
		}
		one := connector.Event{Kind: connector.EventKind(m.Kind), Object: m.Object, ExternalID: whole.text(p.Account)}
		if p.At != nil {
			one.At, _ = p.At.time(e)
		}
		at := p.ID
		if m.ID != nil {
			at = *m.ID
		}
		ids, ok := w.ids(e, at, m.Object)
		if !ok {
			return nil, hook.Malformed(op, "an event names no record")
		}
		for _, id := range ids {
			one.ID = id
			hints.Add(one)
		}
	}
	return hints.Events(op)
}

// events lists those of a delivery: a list, one event, or a mapping whose keys are the
// words and whose values are lists.
func (p *hooksPart) events(doc any) ([]entry, bool) {
	v, ok := (entry{v: doc}).at(*p.Events)
	_, mapping := v.(map[string]any)
	switch {
	case !ok:
		return nil, false
	case mapping && p.Word != nil && *p.Word != atKey:
		return []entry{{v: v}}, true
	case !mapping:
		return entries(doc, *p.Events)
	}
	var out []entry
	words, _ := entries(v, "")
	for _, w := range words {
		if _, several := w.v.([]any); several { // else it is something else that a delivery says
			some, _ := entries(w.v, "")
			for _, e := range some {
				out = append(out, entry{w.key, e.v})
			}
		}
	}
	return out, true
}

// ids are the records of an event: one, or a list of them.
func (w webhooks) ids(e entry, at pointer, object string) (out []crm.RecordID, ok bool) {
	v, _ := e.at(at)
	list, several := v.([]any)
	if !several {
		list = []any{v}
	}
	for _, one := range list {
		id, ok := w.doc.Objects[object].ID.parse(scalar(one))
		if !ok {
			return nil, false
		}
		out = append(out, id)
	}
	return out, true
}

// Reply implements connector.Webhooks.
func (webhooks) Reply() connector.Reply { return connector.Reply{Status: http.StatusOK} }

var _ connector.Webhooks = webhooks{}
