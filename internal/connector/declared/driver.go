package declared

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// readBatch is how many records one call reads by a list of IDs, and how many a page
// holds, where the document says nothing.
const readBatch, pageSize = 50, 100

// app is an app as its document describes it.
type app struct {
	doc  *Document
	desc crm.App
	api  *rest.App
}

// Driver makes the driver of a document that was parsed.
func (d *Document) Driver() connector.Driver {
	a := &app{doc: d, desc: d.describe()}
	a.api = &rest.App{
		Describe: func() crm.App { return a.desc },
		Base:     d.App.Base, Example: d.App.Example,
		Auth: map[crm.AuthKind]rest.Auth{}, Logins: map[crm.AuthKind]*rest.Login{},
		Errors:    d.refusals(),
		RequestID: d.Errors.RequestID, Reset: d.Errors.RetryAfter,
		Prepare: func(_ rest.Request, h http.Header) {
			for name, value := range d.App.Headers {
				h.Set(name, value)
			}
		},
	}
	for _, w := range d.Auth {
		kind := crm.AuthKind(w.Kind)
		switch w.Send {
		case "header":
			a.api.Auth[kind] = rest.Header(w.Name, w.Prefix)
		case "query":
			a.api.Auth[kind] = rest.Query(w.Name)
		case "basic":
			a.api.Auth[kind] = rest.Basic
		default:
			a.api.Auth[kind] = rest.Bearer
		}
		if w.Login != nil {
			a.api.Logins[kind] = a.login(w)
		}
	}
	driver := connector.Driver{App: a.desc, Open: a.open}
	if d.Hooks != nil {
		driver.Webhooks = webhooks{d}
	}
	return driver
}

// login is how what an admin entered becomes a token.
func (a *app) login(w *authPart) *rest.Login {
	return &rest.Login{
		Request: func(values []string) rest.Request {
			v := vars{}
			for i, f := range w.Fields {
				v[f.Name] = []string{values[i]}
			}
			return w.Login.request(a.op("log in"), v)
		},
		Token: func(body []byte) (string, time.Duration, bool) {
			var got answer
			if json.Unmarshal(body, &got) != nil {
				return "", 0, false
			}
			e := entry{v: got.v}
			seconds, _ := strconv.ParseFloat(e.text(w.Login.Expires), 64)
			return e.text(&w.Login.Token), time.Duration(min(max(seconds, 0), 1e9) * float64(time.Second)), true
		},
	}
}

func (a *app) op(what string) string { return string(a.desc.ID) + ": " + what }

// describe is the app as it is shown and paced.
func (d *Document) describe() crm.App {
	l := d.Limits
	out := crm.App{
		ID: crm.AppID(d.App.ID), Name: d.App.Name, Blank: blanks[d.App.Blank], Blanks: map[string]crm.Blank{},
		Warnings: d.App.Warnings, Hosts: d.App.Hosts,
		SignsWebhooks: d.Hooks != nil && d.Hooks.Verify.Kind != "none",
		Limits: crm.Limits{
			ReadBatch: 1, FindBatch: 1, WriteBatch: 1, PageSize: orElse(l.Page, pageSize),
			BurstCalls: l.Calls, BurstWindow: l.Per, SearchCalls: l.Searches, SearchWindow: l.SearchPer,
			DailyCalls: l.Daily, IndexLag: l.Lag,
		},
	}
	for _, w := range d.Auth {
		m := crm.AuthMethod{Kind: crm.AuthKind(w.Kind)}
		for _, f := range w.Fields {
			m.Fields = append(m.Fields, crm.AuthField{Name: f.Name, Label: f.Label, Secret: f.Secret, Required: !f.Optional})
		}
		out.Auth = append(out.Auth, m)
	}
	all := map[crm.Ability]bool{crm.AbilityRecordTimes: true, crm.AbilityAnswerValues: true, crm.AbilityArchive: true}
	batch := orElse(l.Read, readBatch)
	for _, name := range slices.Sorted(maps.Keys(d.Objects)) {
		o := d.Objects[name]
		out.Objects = append(out.Objects, crm.Object{ID: name, Label: o.Label})
		if o.Blank != "" {
			out.Blanks[name] = blanks[o.Blank]
		}
		if !o.Read.batch() {
			batch = 1
		}
		// An ability is one of the whole app.
		for ability, has := range map[crm.Ability]bool{
			crm.AbilityRecordTimes: o.Modified != nil, crm.AbilityArchive: o.Delete != nil,
			crm.AbilityAnswerValues: o.Create.Record != nil && o.Update.Record != nil,
		} {
			all[ability] = all[ability] && has
		}
	}
	out.Limits.ReadBatch = batch
	all[crm.AbilityWebhooks], all[crm.AbilityOwners] = d.Hooks != nil, d.Owners != nil
	for _, ability := range slices.Sorted(maps.Keys(all)) {
		if all[ability] {
			out.Abilities = append(out.Abilities, ability)
		}
	}
	return out
}

// blanks are the ways to say blank, as documents name them.
var blanks = map[string]crm.Blank{
	"": crm.BlankOmitted, "omitted": crm.BlankOmitted, "null": crm.BlankNull, "empty": crm.BlankEmpty,
}

func orElse(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

// open returns a connector to one account.
//
// Errors: Invalid, naming every problem.
func (a *app) open(cfg connector.Config) (connector.Connector, error) {
	c, err := a.api.Open(cfg)
	if err != nil {
		return nil, err
	}
	one := &account{app: a, client: c, settings: vars{"size": {strconv.Itoa(a.desc.Limits.PageSize)}}}
	for _, w := range a.doc.Auth {
		for _, f := range w.Fields {
			if w.Kind == string(cfg.Kind) && !f.Secret {
				one.settings["account."+f.Name] = []string{cfg.Credentials[f.Name].Reveal()}
			}
		}
	}
	return one, nil
}

// account is one account of the app.
type account struct {
	*app
	client   *rest.Client
	settings vars
}

// App implements connector.Connector.
func (a *account) App() crm.App { return a.desc }

// call makes a call and decodes its answer. A status of nothing is an empty answer.
func (a *account) call(ctx context.Context, r rest.Request, nothing []int) (any, rest.Answer, error) {
	got, err := a.client.Call(ctx, r, nil)
	if err != nil {
		if !slices.Contains(nothing, got.Status) || got.Status < 300 {
			return nil, got, err
		}
		// The page of a gateway says nothing about records.
		var none map[string]any
		if len(got.Body) > 0 && json.Unmarshal(got.Body, &none) != nil {
			err = rest.Malformed(r, "the refusal is not what "+a.desc.Name+" documents")
			return nil, got, err
		}
		return nil, got, nil
	}
	var out answer
	if json.Unmarshal(got.Body, &out) != nil {
		return nil, got, rest.Malformed(r, "the answer is not what "+a.desc.Name+" documents")
	}
	if f := a.doc.Errors.Failed; f != nil && (entry{v: out.v}).text(&f.At) == f.Is {
		got.Status = http.StatusUnprocessableEntity
		return nil, got, a.api.Errors.Classify(r, got)
	}
	return out.v, got, nil
}

// find returns a record type, for a call about n of something.
func (a *account) find(op, name string, n, limit int) (*object, error) {
	o := a.doc.Objects[name]
	if o == nil {
		return nil, fault.New(op, fault.NotFound, connector.CodeObject,
			a.desc.Name+" has no such object, or it is not synced")
	}
	return o, rows.Limit(op, n, limit)
}

// Test implements connector.Connector.
func (a *account) Test(ctx context.Context) (connector.Identity, error) {
	return a.prove(ctx, a.op("test"))
}

// prove makes the call that proves the credentials.
func (a *account) prove(ctx context.Context, op string) (connector.Identity, error) {
	p := a.doc.Account
	r := p.request(op, a.settings)
	doc, _, err := a.call(ctx, r, nil)
	if err != nil {
		return connector.Identity{}, err
	}
	e := entry{v: doc}
	id := e.text(p.ID)
	if _, has := e.at(p.Has); !has || p.ID != nil && id == "" {
		return connector.Identity{}, rest.Malformed(r, "the answer is not what "+a.desc.Name+" documents")
	}
	who := connector.Identity{ExternalID: rest.Clip(id, 200), Name: a.desc.Name}
	if label := strings.TrimSpace(e.text(p.Name)); label != "" {
		who.Name += " " + rest.Clip(label, 60)
	}
	return who, nil
}

// Objects implements connector.Connector. What the account may see of them shows when
// they are used; the one call makes sure that the credentials open anything at all.
func (a *account) Objects(ctx context.Context) ([]crm.Object, error) {
	if _, err := a.prove(ctx, a.op("list objects")); err != nil {
		return nil, err
	}
	return a.desc.Objects, nil
}

// Extras implements connector.Connector.
func (a *account) Extras() connector.Extras {
	if a.doc.Owners == nil {
		return connector.Extras{}
	}
	return connector.Extras{OwnerByEmail: a.ownerByEmail, OwnerEmail: a.ownerEmail}
}

var _ connector.Connector = (*account)(nil)
