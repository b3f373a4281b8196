package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Mail is a mail in plain text.
type Mail struct {
	ID      string // the same at every attempt, for the Message-ID
	To      []string
	Subject string
	Text    string
}

// Mailer sends mail. The message of an error may be shown, and names nobody.
type Mailer interface {
	Send(ctx context.Context, m Mail) error
}

// event is a change of an alert that is told.
type event struct {
	id    string
	event string
	alert *Alert
}

// payload is the body of a webhook, in the form of
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
type payload struct {
	ID        string    `json:"-"`
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      any       `json:"data"`
}

func (e *event) payload(now time.Time) payload {
	a := *e.alert
	a.Deliveries = nil
	return payload{e.id, "alert." + e.event, now.UTC(), told{a, nil}}
}

// told is an alert as a webhook tells it: without how it is told.
type told struct {
	Alert
	Deliveries []Delivery `json:"deliveries,omitempty"`
}

func testPayload(id string, c *crm.Connection, now time.Time) payload {
	return payload{id, "alert.test", now.UTC(), map[string]string{"connection": string(c.ID), "connection_name": c.Name}}
}

func (p payload) body() ([]byte, error) { return json.Marshal(p) }

// stamp is how mails show a time.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// where names what an alert is about.
func (a *Alert) where() string {
	if a.Sync == "" {
		return a.ConnectionName
	}
	return a.ConnectionName + ", sync " + string(a.Sync)
}

// mailOf makes one mail of one change, or of several that waited.
func mailOf(c *crm.Connection, told []event) Mail {
	m := Mail{ID: told[0].id, Subject: fmt.Sprintf("[Lockstep] %s: %d alerts", c.Name, len(told))}
	if len(told) == 1 {
		a := told[0].alert
		m.Subject = "[Lockstep] " + a.where() + ": " + a.Summary
		if told[0].event == EventResolved {
			m.Subject = "[Lockstep] over: " + a.where() + ": " + a.Summary
		}
	}
	var b strings.Builder
	for i := range told {
		if i > 0 {
			b.WriteString("\n----\n\n")
		}
		told[i].text(&b)
	}
	m.Text = b.String()
	return m
}

func (e *event) text(b *strings.Builder) {
	a := e.alert
	line := func(name, text string) { fmt.Fprintf(b, "%-12s %s\n", name+":", text) }
	line("Connection", a.ConnectionName+" ("+string(a.Connection)+")")
	if a.Sync != "" {
		line("Sync", string(a.Sync))
	}
	line("What", a.Summary)
	if a.Detail != "" {
		line("Which", a.Detail)
	}
	line("Since", stamp(a.Since))
	if e.event == EventResolved {
		line("Over since", stamp(a.Until))
	} else {
		line("It means", a.Consequence)
		line("To do", a.Action)
	}
	line("Alert", string(a.Kind)+" "+a.ID+" (GET /v1/alerts)")
}

func testMail(id string, c *crm.Connection) Mail {
	return Mail{
		ID: id, Subject: "[Lockstep] " + c.Name + ": a test", Text: "This is a test. Alerts of the connection " + c.Name +
			" (" + string(c.ID) + ") come to this address.\n",
	}
}
