package api

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// appTable is an app as the tests know it.
type appTable struct {
	id      crm.AppID
	host    string
	objects map[string][]crm.Field
}

var (
	hubspotLike = appTable{id: "hubspot", host: "api.hubspot.example.com", objects: map[string][]crm.Field{
		"contacts": {
			{Name: "email", Label: "Email", Type: crm.TypeEmail, Unique: true},
			{Name: "firstname", Label: "First name", Type: crm.TypeText},
			{Name: "lastname", Label: "Last name", Type: crm.TypeText},
			{Name: "phone", Label: "Phone", Type: crm.TypePhone},
			{Name: "score", Label: "Score", Type: crm.TypeNumber},
			{Name: "vip", Label: "VIP", Type: crm.TypeBoolean},
			{Name: "createdate", Label: "Created", Type: crm.TypeDateTime, ReadOnly: true},
		},
		"companies": {
			{Name: "name", Label: "Name", Type: crm.TypeText}, {Name: "domain", Label: "Domain", Type: crm.TypeText},
		},
	}}
	salesforceLike = appTable{id: "salesforce", host: "login.salesforce.example.com", objects: map[string][]crm.Field{
		"Contact": {
			{Name: "Email", Label: "Email", Type: crm.TypeEmail},
			{Name: "FirstName", Label: "First Name", Type: crm.TypeText},
			{Name: "LastName", Label: "Last Name", Type: crm.TypeText, Required: true},
			{Name: "Phone", Label: "Phone", Type: crm.TypePhone},
			{Name: "Score__c", Label: "Score", Type: crm.TypeNumber},
			{Name: "VIP__c", Label: "VIP", Type: crm.TypeBoolean},
			{Name: "Id", Label: "ID", Type: crm.TypeText, ReadOnly: true},
		},
		"Account": {
			{Name: "Name", Label: "Name", Type: crm.TypeText, Required: true},
			{Name: "Website", Label: "Website", Type: crm.TypeURL},
		},
	}}
)

func (w *world) driver(a appTable) connector.Driver {
	app := crm.App{
		ID: a.id, Name: string(a.id), Hosts: []string{a.host},
		Auth: []crm.AuthMethod{
			{Kind: crm.AuthToken, Fields: []crm.AuthField{{Name: "token", Label: "Token", Secret: true, Required: true}}},
			{Kind: crm.AuthOAuth2},
		},
		Abilities: []crm.Ability{crm.AbilityWebhooks, crm.AbilityRecordTimes},
	}
	return connector.Driver{
		App: app,
		Open: func(connector.Config) (connector.Connector, error) {
			return &tableConnector{w: w, app: app, table: a}, nil
		},
		Webhooks: testHooks{},
	}
}

// tableConnector answers discovery from a table; it holds no records.
type tableConnector struct {
	connector.Connector
	w     *world
	app   crm.App
	table appTable
}

func (c *tableConnector) App() crm.App { return c.app }

// Extras are none, unless the world says how fields are deleted.
func (c *tableConnector) Extras() (x connector.Extras) {
	if c.w.removes != nil && c.w.drivers[c.app.ID].App.Can(crm.AbilityDeleteField) {
		x.DeleteField = func(_ context.Context, object, field string) error { return c.w.removes(object, field) }
	}
	return x
}

func (c *tableConnector) reach() error {
	if c.w.down.Load() {
		return fault.New("test: call", fault.Unavailable, "", "the app does not answer")
	}
	return nil
}

func (c *tableConnector) Test(context.Context) (connector.Identity, error) {
	return connector.Identity{ExternalID: "portal-1", Name: "Portal"}, c.reach()
}

func (c *tableConnector) Objects(context.Context) ([]crm.Object, error) {
	var out []crm.Object
	for id := range c.table.objects {
		out = append(out, crm.Object{ID: id, Label: id})
	}
	slices.SortFunc(out, func(a, b crm.Object) int { return strings.Compare(a.ID, b.ID) })
	return out, c.reach()
}

func (c *tableConnector) Fields(_ context.Context, object string) ([]crm.Field, error) {
	if err := c.reach(); err != nil {
		return nil, err
	}
	fields, ok := c.table.objects[object]
	if !ok {
		return nil, fault.New("test: fields", fault.NotFound, "unknown_object", "there is no such object")
	}
	return slices.DeleteFunc(slices.Clone(fields), func(f crm.Field) bool { return f.Name == c.w.gone }), nil
}

// testHooks checks an HMAC over address, time and body.
type testHooks struct{}

func signHook(trust secret.Text, url string, at time.Time, body []byte) string {
	m := hmac.New(sha256.New, []byte(trust.Reveal()))
	fmt.Fprintf(m, "%s\n%d\n", url, at.Unix())
	m.Write(body)
	return strconv.FormatInt(at.Unix(), 10) + " " + hex.EncodeToString(m.Sum(nil))
}

func (testHooks) Verify(req connector.WebhookRequest, trust connector.WebhookTrust, now time.Time) error {
	denied := fault.New("test: verify", fault.Denied, "forged_webhook", "")
	stamp, _, _ := strings.Cut(req.Header.Get("X-Signature"), " ")
	sec, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || now.Sub(time.Unix(sec, 0)).Abs() > 5*time.Minute {
		return denied
	}
	if !hmac.Equal([]byte(req.Header.Get("X-Signature")),
		[]byte(signHook(trust.Secret, req.URL, time.Unix(sec, 0), req.Body))) {
		return denied
	}
	return nil
}

func (testHooks) Parse(req connector.WebhookRequest) ([]connector.Event, error) {
	var ids []crm.RecordID
	if err := json.Unmarshal(req.Body, &ids); err != nil {
		return nil, fault.New("test: parse", fault.Invalid, "malformed_webhook", "the delivery is no list of IDs")
	}
	events := make([]connector.Event, len(ids))
	for i, id := range ids {
		events[i] = connector.Event{Kind: connector.EventChanged, Object: "contacts", ID: id}
		if portal, own, named := strings.Cut(string(id), "/"); named { // else it does not say whose it is
			events[i].ExternalID, events[i].ID = portal, crm.RecordID(own)
		}
	}
	return events, nil
}

func (testHooks) Reply() connector.Reply { return connector.Reply{Status: 204} }
