package account

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Names of credential fields that mean the same for every app.
const (
	// FieldWebhookSecret is the signing secret of an app's webhooks where it
	// is not the secret of our OAuth client. Accepted for every app that calls us.
	FieldWebhookSecret = "webhook_secret"
	// With these two an account is its own OAuth client (client credentials).
	fieldClientID     = "client_id"
	fieldClientSecret = "client_secret"
)

// maxSecret bounds one credential field, in bytes; a private key in PEM fits easily.
const maxSecret = 16 << 10

// Credentials are what an admin enters for an account.
type Credentials struct {
	Kind   crm.AuthKind
	Fields map[string]secret.Text
}

// ownClient returns the OAuth client that the fields are, if they are one.
func ownClient(fields map[string]secret.Text) (connector.Client, bool) {
	id, key := fields[fieldClientID], fields[fieldClientSecret]
	return connector.Client{ID: id.Reveal(), Secret: key}, !id.Empty() && !key.Empty()
}

// check holds credentials against what the driver asks for and returns the
// fields that are not blank.
func (c Credentials) check(d connector.Driver) (map[string]secret.Text, error) {
	i := slices.IndexFunc(d.App.Auth, func(m crm.AuthMethod) bool { return m.Kind == c.Kind })
	if i < 0 {
		return nil, badCredential("credentials.kind", "unknown_auth_kind",
			fmt.Sprintf("%s does not offer this kind; it offers: %s", d.App.Name, kinds(d.App)))
	}
	known := map[string]bool{FieldWebhookSecret: d.Webhooks != nil}
	fields := map[string]secret.Text{}
	for _, f := range d.App.Auth[i].Fields {
		known[f.Name] = true
		v := c.Fields[f.Name]
		if f.Required && strings.TrimSpace(v.Reveal()) == "" {
			return nil, badCredential("credentials."+f.Name, "missing_credential", f.Label+" is required")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Fields)) {
		v := c.Fields[name].Reveal()
		switch {
		case !known[name]:
			return nil, badCredential("credentials", "unknown_credential",
				"a field is given that this kind of authorisation does not have")
		case len(v) > maxSecret || !utf8.ValidString(v) || strings.ContainsRune(v, 0):
			return nil, badCredential("credentials."+name, "invalid_credential",
				"the value is longer than 16 KiB or is not text")
		case strings.TrimSpace(v) != "":
			fields[name] = secret.NewText(v)
		}
	}
	if c.Kind != crm.AuthOAuth2 {
		return fields, nil
	}
	return fields, checkOwnClient(fields)
}

// complete refuses stored credentials that lack what the app asks for: they
// were tampered with, or the app asks for more than it did.
func complete(app crm.App, kind crm.AuthKind, fields map[string]secret.Text) error {
	for _, m := range app.Auth {
		for _, f := range m.Fields {
			if m.Kind == kind && f.Required && fields[f.Name].Empty() {
				return unreadable()
			}
		}
	}
	return nil
}

func unreadable() error {
	return fault.New("account: unseal", fault.Denied, "credentials_unreadable",
		"the stored secret cannot be opened; enter or authorise it again")
}

// checkOwnClient refuses OAuth accounts that could not get a token: those come
// from the browser flow.
func checkOwnClient(fields map[string]secret.Text) error {
	if _, ok := ownClient(fields); ok {
		return nil
	}
	switch {
	case !fields[fieldClientID].Empty():
		return badCredential("credentials."+fieldClientSecret, "missing_credential",
			"the client's secret is required with its ID")
	case !fields[fieldClientSecret].Empty():
		return badCredential("credentials."+fieldClientID, "missing_credential",
			"the client's ID is required with its secret")
	}
	return badCredential("credentials.kind", "needs_consent",
		"this kind is authorised in the browser: start an authorisation for the app instead")
}

func badCredential(field, code, message string) error {
	return &fault.Error{Op: "account: credentials", Kind: fault.Invalid, Code: code, Field: field, Message: message}
}

func kinds(app crm.App) string {
	names := make([]string, len(app.Auth))
	for i, m := range app.Auth {
		names[i] = string(m.Kind)
	}
	return strings.Join(names, ", ")
}

// storedCredential is the credential item: what was entered, what was granted,
// and who is refreshing it.
type storedCredential struct {
	V      int       `json:"v"`
	Fields []byte    `json:"fields,omitempty"` // sealed JSON object
	Grant  []byte    `json:"grant,omitempty"`  // sealed grant
	Serial int64     `json:"serial"`           // grows with every new grant
	Dead   bool      `json:"dead,omitempty"`   // the app said that the grant is gone
	Owner  string    `json:"owner,omitempty"`  // of the refresh under way
	Until  time.Time `json:"until,omitzero"`   // of the refresh under way, by its owner's clock

	version int64
}

// grant is what a token endpoint gave us, as it is sealed.
type grant struct {
	Access   string        `json:"access"`
	Refresh  string        `json:"refresh,omitempty"`
	Obtained time.Time     `json:"obtained"`
	Lifetime time.Duration `json:"lifetime,omitempty"` // zero = unknown
}

func credentialBinding(ws crm.WorkspaceID, id crm.AccountID, purpose string) secret.Binding {
	return secret.Binding{Workspace: string(ws), Subject: string(id), Purpose: purpose}
}

// sealJSON seals v's JSON.
func (s *Service) sealJSON(ctx context.Context, b secret.Binding, v any) ([]byte, error) {
	plain, err := encode(v)
	if err != nil {
		return nil, err
	}
	blob, err := s.o.Sealer.Seal(ctx, b, plain)
	if err != nil {
		return nil, fmt.Errorf("account: seal: %w", err)
	}
	return blob, nil
}

// openJSON opens what sealJSON sealed. Denied with code
// "credentials_unreadable" when the blob is not what was sealed for this place.
func (s *Service) openJSON(ctx context.Context, b secret.Binding, blob []byte, v any) error {
	plain, err := s.o.Sealer.Open(ctx, b, blob)
	if fault.Is(err, fault.Invalid) || err == nil && json.Unmarshal(plain, v) != nil {
		// The cause stays out: a decoder's error may quote what it read.
		return unreadable()
	}
	if err != nil {
		return fmt.Errorf("account: unseal: %w", err)
	}
	return nil
}

func (s *Service) sealFields(
	ctx context.Context, ws crm.WorkspaceID, id crm.AccountID, fields map[string]secret.Text,
) ([]byte, error) {
	if len(fields) == 0 {
		return nil, nil
	}
	plain := make(map[string]string, len(fields))
	for k, v := range fields {
		plain[k] = v.Reveal()
	}
	return s.sealJSON(ctx, credentialBinding(ws, id, purposeCredential), plain)
}

func (s *Service) openFields(
	ctx context.Context, ws crm.WorkspaceID, id crm.AccountID, c storedCredential,
) (map[string]secret.Text, error) {
	fields := map[string]secret.Text{}
	if c.Fields == nil {
		return fields, nil
	}
	var plain map[string]string
	if err := s.openJSON(ctx, credentialBinding(ws, id, purposeCredential), c.Fields, &plain); err != nil {
		return nil, err
	}
	for k, v := range plain {
		fields[k] = secret.NewText(v)
	}
	return fields, nil
}

func (s *Service) sealGrant(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID, g grant) ([]byte, error) {
	return s.sealJSON(ctx, credentialBinding(ws, id, purposeGrant), g)
}

// openGrant returns the zero grant when none is stored.
func (s *Service) openGrant(
	ctx context.Context, ws crm.WorkspaceID, id crm.AccountID, c storedCredential,
) (grant, error) {
	var g grant
	if c.Grant == nil {
		return g, nil
	}
	err := s.openJSON(ctx, credentialBinding(ws, id, purposeGrant), c.Grant, &g)
	return g, err
}

// loadCredential reads the credential item.
func (s *Service) loadCredential(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) (storedCredential, error) {
	item, err := s.o.Store.Get(ctx, credentialKey(ws, id))
	if fault.Is(err, fault.NotFound) {
		return storedCredential{}, noAccount("account: read credential")
	}
	if err != nil {
		return storedCredential{}, fmt.Errorf("account: read credential: %w", err)
	}
	return decodeCredential(item)
}

func decodeCredential(item store.Item) (storedCredential, error) {
	const op = "account: decode credential"
	var c storedCredential
	if err := decode(op, item.Data, &c); err != nil {
		return c, err
	}
	c.version = item.Version
	return c, checkFormat(op, c.V)
}

// credentialWrite is the change that stores c if it is still at its version.
func credentialWrite(ws crm.WorkspaceID, id crm.AccountID, c storedCredential) (store.Write, error) {
	c.V = formatVersion
	b, err := encode(c)
	return store.Write{Item: store.Item{Key: credentialKey(ws, id), Data: b}, If: store.IfVersion(c.version)}, err
}
