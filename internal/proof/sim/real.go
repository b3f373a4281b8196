package sim

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce/salesforcefake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// realApp is an app behind its own connector: the connector's requests are
// served in process by the handlers of the app's fake, and users do what they
// do through the fake's knobs.
type realApp struct {
	core   *fakekit.Core
	conn   connector.Connector
	name   string
	fields map[string]string // the app's field by logical name
	needed string            // the last name, which Salesforce wants: without it a record rightly fails
	tokens *grant
	hide   func(field string, away bool) error
	hidden []string
}

// tokenLife is shorter than any app's access token lives: what is renewed later
// than that had expired by itself.
const tokenLife = 25 * time.Minute

// newHubSpot and newSalesforce open the two real apps.
func newHubSpot(w *world) (*realApp, error) {
	fake := hubspotfake.New(fakekit.Config{Now: func() time.Time { return w.now }, Rand: w.seed})
	fake.SetMerges(hubspotfake.Merges{KeepID: w.seed%2 == 0})
	mint := func() secret.Text { return secret.NewText(fake.OAuthToken().Access) }
	a := &realApp{core: fake.Core(), name: "contacts", needed: "lastname", fields: map[string]string{
		modelapp.Email: "email", modelapp.First: "firstname", modelapp.Last: "lastname", modelapp.Phone: "phone",
		modelapp.City: "city",
	}}
	a.hide = func(field string, away bool) error {
		return fake.ChangeProperty(a.name, field, hubspotfake.PropertyChange{Archived: &away})
	}
	return a, a.connect(w, hubspot.Driver(), fake, "", mint)
}

func newSalesforce(w *world) (*realApp, error) {
	fake := salesforcefake.New(fakekit.Config{Now: func() time.Time { return w.now }, Rand: w.seed})
	mint := func() secret.Text { access, _ := fake.Token(); return secret.NewText(access) }
	a := &realApp{core: fake.Core(), name: "Contact", needed: "LastName", fields: map[string]string{
		modelapp.Email: "Email", modelapp.First: "FirstName", modelapp.Last: "LastName", modelapp.Phone: "Phone",
		modelapp.City: "MailingCity",
	}}
	a.hide = func(field string, away bool) error {
		return fake.ChangeField(a.name, field, salesforcefake.FieldChange{Hidden: &away})
	}
	return a, a.connect(w, salesforce.Driver(), fake, "https://fake.my.salesforce.com", mint)
}

func (a *realApp) connect(
	w *world, d connector.Driver, h http.Handler, base string, mint func() secret.Text,
) (err error) {
	a.tokens = &grant{w: w, mint: mint, life: tokenLife}
	a.tokens.renew()
	a.conn, err = d.Open(connector.Config{
		Kind: crm.AuthOAuth2, BaseURL: base, Tokens: a.tokens, HTTP: fakekit.Client(h), Now: func() time.Time {
			return w.now
		},
	})
	return err
}

// traits are what the judges have to know of the app.
func (a *realApp) traits(o *modelapp.Options) {
	app := a.conn.App()
	o.History, o.Conditional, o.Unique = app.Can(crm.AbilityHistory), false, false
	o.Trim, o.Phones = false, false
	o.Lag = connector.FindLag(a.conn, a.name, crm.Field{Name: a.fields[modelapp.Email], Type: crm.TypeEmail})
	o.FindNow = o.Lag == 0
}

func (a *realApp) open() connector.Connector   { return a.conn }
func (a *realApp) object() string              { return a.name }
func (a *realApp) field(logical string) string { return a.fields[logical] }

var errNeeded = errors.New("sim: the app does not let a user type that")

// typed are the fields as a user types them.
func (a *realApp) typed(f crm.Fields) (map[string]string, error) {
	out := make(map[string]string, len(f))
	for k, v := range f {
		if slices.Contains(a.hidden, k) {
			return nil, errNeeded
		}
		if out[k] = v.Text(); k == a.needed && strings.TrimSpace(out[k]) == "" {
			return nil, errNeeded
		}
	}
	return out, nil
}

func (a *realApp) create(f crm.Fields) (crm.RecordID, error) {
	typed, err := a.typed(f)
	if err != nil {
		return "", err
	}
	r, err := a.core.CreateRecord(a.name, typed)
	if err != nil {
		return "", err
	}
	return crm.RecordID(r.ID), nil
}

func (a *realApp) edit(id crm.RecordID, f crm.Fields) error {
	typed, err := a.typed(f)
	if err != nil {
		return err
	}
	_, err = a.core.UpdateRecord(a.name, string(id), typed)
	return err
}

func (a *realApp) delete(id crm.RecordID) error { return a.core.DeleteRecord(a.name, string(id)) }

func (a *realApp) restore(id crm.RecordID) error {
	_, err := a.core.RestoreRecord(a.name, string(id))
	return err
}

func (a *realApp) merge(id, into crm.RecordID) (crm.RecordID, error) {
	r, err := a.core.MergeRecord(a.name, string(id), string(into))
	if err != nil {
		return "", err
	}
	return crm.RecordID(r.ID), nil
}

// archive takes the right to see a field away. The last name stays: without it
// Salesforce makes nobody.
func (a *realApp) archive(field string, away bool) bool {
	if field == a.needed || a.hide(field, away) != nil {
		return false
	}
	if away {
		a.hidden = append(a.hidden, field)
	} else {
		a.hidden = slices.DeleteFunc(a.hidden, func(f string) bool { return f == field })
	}
	return true
}

func (a *realApp) get(id crm.RecordID) (row, bool) {
	a.core.Lock()
	defer a.core.Unlock()
	t, ok := a.core.Table(a.name)
	if !ok {
		return row{}, false
	}
	r, ok := t.Get(string(id))
	if !ok {
		return row{}, false
	}
	return a.row(r), true
}

func (a *realApp) rows() []row {
	all := a.core.Records(a.name)
	out := make([]row, len(all))
	for i, r := range all {
		out[i] = a.row(r)
	}
	return out
}

// furtherEmails is where HubSpot keeps the other addresses of a contact.
const furtherEmails = "hs_additional_emails"

func (a *realApp) row(r *fakekit.Record) row {
	f := make(crm.Fields, len(a.fields))
	for _, name := range a.fields {
		if v := r.Fields[name]; v != "" {
			f[name] = crm.TextValue(v)
		}
	}
	if v := r.Fields[furtherEmails]; v != "" {
		f[furtherEmails] = crm.TextValue(v)
	}
	return row{crm.RecordID(r.ID), f, r.Deleted, crm.RecordID(r.MergedInto)}
}

func (a *realApp) expireToken() { a.core.ExpireTokens(); a.tokens.expired() }

func (a *realApp) revoke(gone bool) {
	a.tokens.gone = gone
	if gone {
		a.core.RevokeTokens()
		return
	}
	a.core.AllowTokens()
	a.tokens.renew()
}

var _ app = (*realApp)(nil)
