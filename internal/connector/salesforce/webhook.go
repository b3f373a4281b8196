package salesforce

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/hook"
)

const (
	outboundSpace = "http://soap.sforce.com/2005/09/outbound"
	schemaSpace   = "http://www.w3.org/2001/XMLSchema-instance"

	maxDelivery = 1 << 20 // bytes
	// per envelope: atlas.en-us.246.0.api.meta/api/sforce_api_om_outboundmessaging_notifications.htm
	maxNotifications = 100
	maxDepth         = 32
)

// webhooks hears outbound messages. They carry no signature: the webhook's URL
// is the secret, and the org ID inside must be the account's.
type webhooks struct{}

// Verify implements connector.Webhooks. Outbound messages carry no time of
// sending; being hints they do no harm when they are old or repeated.
func (webhooks) Verify(req connector.WebhookRequest, trust connector.WebhookTrust, _ time.Time) error {
	const op = "salesforce: verify outbound message"
	m, err := parseMessage(req.Body)
	if req.Method != http.MethodPost || err != nil {
		return hook.Denied(op, connector.CodeDelivery, "the body is not an outbound message")
	}
	want, ok := long(trust.ExternalID)
	got, isID := long(m.org)
	if !ok || !isID || !hook.Same(string(got), string(want)) {
		return hook.Denied(op, connector.CodeForeign, "the message is not from the org of this account")
	}
	return nil
}

// Parse implements connector.Webhooks: one event per record named.
func (webhooks) Parse(req connector.WebhookRequest) ([]connector.Event, error) {
	const op = "salesforce: parse outbound message"
	m, err := parseMessage(req.Body)
	org, ok := long(m.org)
	if err != nil || !ok {
		return nil, hook.Malformed(op, "the body is not an outbound message of an org")
	}
	var hints hook.Hints
	for _, n := range m.notes {
		id, ok := long(n.id)
		if !ok || !named(n.object) {
			return nil, hook.Malformed(op, "a notification names no object or record")
		}
		hints.Add(connector.Event{Kind: connector.EventChanged, Object: n.object, ID: id, At: n.at, ExternalID: string(org)})
	}
	return hints.Events(op)
}

// Reply implements connector.Webhooks. Anything else is taken as a failure and
// sent again for 24 hours.
func (webhooks) Reply() connector.Reply {
	return connector.Reply{
		Status:      http.StatusOK,
		ContentType: "text/xml; charset=utf-8",
		Body: `<?xml version="1.0" encoding="UTF-8"?>` +
			`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>` +
			`<notificationsResponse xmlns="` + outboundSpace + `"><Ack>true</Ack></notificationsResponse>` +
			`</soapenv:Body></soapenv:Envelope>`,
	}
}

// message is what we take out of an envelope.
type message struct {
	org   string
	notes []note
}

type note struct {
	object string
	id     string
	at     time.Time
}

var errMessage = errors.New("not an outbound message")

// parseMessage walks the envelope token by token, so that nothing grows beyond
// what we keep. Document types, and with them all entities, are refused.
func parseMessage(body []byte) (message, error) {
	if len(body) > maxDelivery {
		return message{}, errMessage
	}
	d := xml.NewDecoder(bytes.NewReader(body))
	var m message
	var path []string
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			if len(path) > 0 || m.org == "" || len(m.notes) == 0 {
				return message{}, errMessage
			}
			return m, nil
		}
		if err != nil {
			return message{}, errMessage
		}
		switch t := tok.(type) {
		case xml.Directive:
			return message{}, errMessage
		case xml.StartElement:
			if path = append(path, t.Name.Local); len(path) > maxDepth {
				return message{}, errMessage
			}
			if err := m.enter(path, t); err != nil {
				return message{}, err
			}
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			m.text(path, string(t))
		}
	}
}

// within returns the path below the notifications element.
func within(path []string) []string {
	for i, p := range path {
		if p == "notifications" {
			return path[i+1:]
		}
	}
	return nil
}

func (m *message) enter(path []string, t xml.StartElement) error {
	if t.Name.Local == "notifications" && t.Name.Space != outboundSpace {
		return errMessage
	}
	in := within(path)
	switch {
	case len(in) == 1 && in[0] == "Notification":
		if m.notes = append(m.notes, note{}); len(m.notes) > maxNotifications {
			return errMessage
		}
	case len(in) == 2 && in[0] == "Notification" && in[1] == "sObject":
		for _, a := range t.Attr {
			if a.Name.Local == "type" && a.Name.Space == schemaSpace {
				_, m.notes[len(m.notes)-1].object, _ = strings.Cut(a.Value, ":")
			}
		}
	}
	return nil
}

func (m *message) text(path []string, s string) {
	in := within(path)
	switch {
	case len(in) == 1 && in[0] == "OrganizationId":
		m.org += s
	case len(in) == 3 && in[0] == "Notification" && in[1] == "sObject":
		n := &m.notes[len(m.notes)-1]
		switch in[2] {
		case colID:
			n.id += s
		case colModified:
			if t, err := time.Parse(time.RFC3339, s); err == nil {
				n.at = t.UTC()
			}
		}
	}
}

var _ connector.Webhooks = webhooks{}
