package sim

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/apps"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/fakes"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce/salesforcefake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// realApp is an app behind its own connector: the connector's requests are
// served in process by the handlers of the app's fake, and users do what they
// do through the fake's knobs.
type realApp struct {
	core   *fakekit.Core
	driver connector.Driver
	trust  connector.WebhookTrust // of its deliveries
	conn   connector.Connector
	name   string
	fields map[string]string // the app's field by logical name
	schema map[string]crm.Field
	needed []string // fields that nobody may leave blank: one of the two apps wants them
	// further is the key's field where the connector shows more of its entries than the
	// first one; "" = it does not
	further string
	person  fakes.Person
	tokens  *grant // nil = it is opened by credentials that do not end
	hide    func(field string, away bool) error
	hidden  []string
	push    bool // nobody can ask for its records
}

// tokenLife is shorter than any app's access token lives: what is renewed later
// than that had expired by itself.
const tokenLife = 25 * time.Minute

// newReal opens an app of the one list with its fake.
func newReal(w *world, id crm.AppID) (*realApp, error) {
	kind, driver := fakes.All()[id], apps.Drivers()[id]
	fake := kind.Start(fakekit.Config{Now: func() time.Time { return w.now }, Rand: w.seed})
	a := &realApp{
		core: fake.Core(), driver: driver, push: driver.App.Can(crm.AbilityPush), name: kind.Objects,
		person: kind.Person, fields: fieldsOf(kind.Person),
	}
	a.knobs(w, fake)
	cfg := connector.Config{
		Kind: crm.AuthOAuth2, BaseURL: "https://crm.example.com", HTTP: fakekit.Client(fake),
		Now: func() time.Time { return w.now }, Rand: newChance(w.seed ^ 0x72616e64),
	}
	if kind.Grant != nil {
		a.tokens = &grant{w: w, mint: func() secret.Text { return secret.NewText(kind.Grant(fake)) }, life: tokenLife}
		a.tokens.renew()
		cfg.Tokens = a.tokens
	} else {
		cfg.Kind, cfg.Credentials = crm.AuthKind(kind.Credentials["kind"]), map[string]secret.Text{}
		for name, v := range kind.Credentials {
			cfg.Credentials[name] = secret.NewText(v)
		}
	}
	var err error
	if a.conn, err = driver.Open(cfg); err != nil {
		return nil, err
	}
	all, err := a.conn.Fields(w.ctx, a.name)
	if err != nil {
		return nil, err
	}
	a.schema = map[string]crm.Field{}
	for _, f := range all {
		a.schema[f.Name] = f
	}
	if w.set.every && (w.set.hooks || a.push) {
		a.trust.Secret = secret.NewText(kind.HookSecret)
		a.listens(w, kind.HookSecret)
	}
	return a, nil
}

// knobs sets what one app alone has.
func (a *realApp) knobs(w *world, fake fakekit.Fake) {
	switch f := fake.(type) {
	case *hubspotfake.Fake:
		f.SetMerges(hubspotfake.Merges{KeepID: w.seed%2 == 0})
		a.hide = func(field string, away bool) error {
			return f.ChangeProperty(a.name, field, hubspotfake.PropertyChange{Archived: &away})
		}
	case *salesforcefake.Fake:
		a.hide = func(field string, away bool) error {
			return f.ChangeField(a.name, field, salesforcefake.FieldChange{Hidden: &away})
		}
	}
}

// openReal opens the two apps of a seed. What is synced is what both have, and what
// either wants of everybody is typed on both sides: without it a record rightly fails.
func (w *world) openReal() {
	var both [2]*realApp
	for i, id := range w.set.pair {
		a, err := newReal(w, id)
		if err != nil {
			panic(err) // their settings are complete
		}
		both[i], w.apps[i] = a, a
	}
	names := slices.Clone(personal)
	if w.set.key = keyOf(both[0].person, both[1].person); w.set.key == modelapp.Phone {
		names[0], names[3] = modelapp.Phone, modelapp.Email
	}
	for _, name := range names {
		if both[0].fields[name] != "" && both[1].fields[name] != "" {
			w.set.fields = append(w.set.fields, name)
		}
		if both[0].wants(name) || both[1].wants(name) {
			w.set.needed = append(w.set.needed, name)
		}
	}
	for i, a := range both {
		a.traits(w, &w.set.apps[i])
		if w.set.every {
			a.lags(w, newChance(w.seed^uint64(0x6c616773+i)))
		}
		for _, name := range w.set.needed {
			a.needed = append(a.needed, a.fields[name])
		}
		maps.DeleteFunc(a.fields, func(name, _ string) bool { return !slices.Contains(w.set.fields, name) })
	}
}

// wants reports whether the app demands a field of a new record.
func (a *realApp) wants(logical string) bool { return a.schema[a.fields[logical]].Required }

// personal are the fields of a person in every real app, by logical name.
var personal = []string{modelapp.Email, modelapp.First, modelapp.Last, modelapp.Phone, modelapp.City}

// fieldsOf are the fields that an app has of them.
func fieldsOf(p fakes.Person) map[string]string {
	out := map[string]string{}
	for i, field := range []string{p.Email, p.First, p.Last, p.Phone, p.City} {
		if field != "" {
			out[personal[i]] = field
		}
	}
	return out
}

// traits are what the judges have to know of the app.
func (a *realApp) traits(w *world, o *modelapp.Options) {
	app, key := a.conn.App(), a.schema[a.fields[w.set.key]]
	if len(key.Also) > 0 {
		a.further = key.Name
	}
	o.History, o.Conditional, o.Unique = app.Can(crm.AbilityHistory), app.Can(crm.AbilityConditional), false
	o.Trim, o.Phones, o.Absorbs = false, false, false
	o.Merges, o.DeletedFeed = app.Can(crm.AbilityMerges) && !mergedByHook[app.ID], app.Can(crm.AbilityDeletedFeed)
	o.Lag = connector.FindLag(a.conn, a.name, key)
	o.FindNow = o.Lag == 0
}

func (a *realApp) open() connector.Connector   { return a.conn }
func (a *realApp) object() string              { return a.name }
func (a *realApp) field(logical string) string { return a.fields[logical] }

var errNeeded = errors.New("sim: the app does not let a user type that")

var errUntold = errors.New("sim: the app would tell nobody of that")

// tenDigits are the last ten digits of a number.
func tenDigits(phone string) string {
	all := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, phone)
	return all[max(0, len(all)-10):]
}

// typed are the fields as a user types them.
func (a *realApp) typed(f crm.Fields) (map[string]string, error) {
	out := make(map[string]string, len(f))
	for k, v := range f {
		if slices.Contains(a.hidden, k) {
			return nil, errNeeded
		}
		if out[k] = v.Text(); a.person.TenDigits && k == a.fields[modelapp.Phone] {
			out[k] = tenDigits(out[k])
		}
		if slices.Contains(a.needed, k) && strings.TrimSpace(out[k]) == "" {
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
	if slices.ContainsFunc(a.needed, func(k string) bool { return typed[k] == "" && !slices.Contains(a.hidden, k) }) {
		return "", errNeeded
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

// delete does not happen where an app only pushes: it tells nobody, and nobody can ask.
func (a *realApp) delete(id crm.RecordID) error {
	if a.push {
		return errUntold
	}
	return a.core.DeleteRecord(a.name, string(id))
}

func (a *realApp) restore(id crm.RecordID) error {
	_, err := a.core.RestoreRecord(a.name, string(id))
	return err
}

func (a *realApp) merge(id, into crm.RecordID) (crm.RecordID, error) {
	if a.push {
		return "", errUntold // it would delete one of them
	}
	r, err := a.core.MergeRecord(a.name, string(id), string(into))
	if err != nil {
		return "", err
	}
	return crm.RecordID(r.ID), nil
}

// archive takes the right to see a field away. What is needed stays: without a last
// name Salesforce makes nobody.
func (a *realApp) archive(field string, away bool) bool {
	if a.hide == nil || slices.Contains(a.needed, field) || a.hide(field, away) != nil {
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

// furtherKeys is where HubSpot keeps the other addresses of a contact, and where a row
// has those of any app.
const furtherKeys = "hs_additional_emails"

func (a *realApp) row(r *fakekit.Record) row {
	f := make(crm.Fields, len(a.fields))
	for _, name := range a.fields {
		// of several entries the first one is the value
		if v, more, _ := strings.Cut(r.Fields[name], ";"); v != "" {
			if f[name] = crm.TextValue(v); name == a.further && more != "" {
				f[furtherKeys] = crm.TextValue(more)
			}
		}
	}
	if v := r.Fields[furtherKeys]; v != "" {
		f[furtherKeys] = crm.TextValue(v)
	}
	return row{crm.RecordID(r.ID), f, r.Deleted, crm.RecordID(r.MergedInto)}
}

func (a *realApp) expireToken() {
	if a.tokens != nil {
		a.core.ExpireTokens()
		a.tokens.expired()
	}
}

func (a *realApp) revoke(gone bool) {
	if gone {
		a.core.RevokeTokens()
	} else {
		a.core.AllowTokens()
	}
	if a.tokens == nil {
		return
	}
	if a.tokens.gone = gone; !gone {
		a.tokens.renew()
	}
}

var _ app = (*realApp)(nil)
