package account

import (
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Draft is a new account as an admin describes it.
type Draft struct {
	App         crm.AppID
	Name        string
	BaseURL     string // "" = the app's own host
	Credentials Credentials
}

// Create stores an account with the credentials entered. It asks the app
// nothing; Test does.
//
// Errors: NotFound for an unknown app; Invalid with Field for a bad name,
// address or credential.
func (s *Service) Create(ctx context.Context, ws crm.WorkspaceID, draft Draft) (Account, error) {
	for range maxTries {
		a, err := s.create(ctx, ws, draft)
		if !fault.Is(err, fault.Conflict) { // else the app's document was changed meanwhile
			return a, err
		}
	}
	return Account{}, contended("account: create")
}

func (s *Service) create(ctx context.Context, ws crm.WorkspaceID, draft Draft) (Account, error) {
	d, document, err := s.driverFor(ctx, ws, draft.App)
	if err != nil {
		return Account{}, err
	}
	if err := checkName(draft.Name); err != nil {
		return Account{}, err
	}
	if err := s.checkBase(d.App, draft.BaseURL); err != nil {
		return Account{}, err
	}
	fields, err := draft.Credentials.check(d)
	if err != nil {
		return Account{}, err
	}
	now := s.o.Now().UTC()
	a := Account{
		ID: crm.AccountID(s.o.NewID("acc")), App: draft.App, Name: strings.TrimSpace(draft.Name), BaseURL: draft.BaseURL,
		Kind: draft.Credentials.Kind, Status: StatusOK, CreatedAt: now, UpdatedAt: now, Document: document,
	}
	if a.Kind == crm.AuthOAuth2 {
		a.LoginURL = a.BaseURL
	}
	var c storedCredential
	if c.Fields, err = s.sealFields(ctx, ws, a.ID, fields); err != nil {
		return Account{}, err
	}
	var same []store.Write
	if s.o.Documents.May(draft.App) {
		same = append(same, store.Write{
			Op: store.Check, Item: store.Item{Key: documentKey(ws, draft.App)}, If: store.IfVersion(document),
		})
	}
	return s.storeBoth(ctx, ws, a, c, same...)
}

// storeBoth writes account and credential, each if still at its version, and if what else
// is asked for holds.
func (s *Service) storeBoth(
	ctx context.Context, ws crm.WorkspaceID, a Account, c storedCredential, also ...store.Write,
) (Account, error) {
	aw, err := s.accountWrite(ws, &a)
	if err != nil {
		return a, err
	}
	cw, err := credentialWrite(ws, a.ID, c)
	if err != nil {
		return a, err
	}
	if err := s.o.Store.Transact(ctx, append([]store.Write{aw, cw}, also...)); err != nil {
		return a, fmt.Errorf("account: write: %w", err)
	}
	a.Version++ // versions grow by one with every write
	return a, nil
}

func checkName(name string) error {
	n := utf8.RuneCountInString(strings.TrimSpace(name))
	if n == 0 || n > 200 || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return &fault.Error{
			Op: "account: name", Kind: fault.Invalid, Code: "invalid_name", Field: "name",
			Message: "the name must have 1 to 200 printable characters",
		}
	}
	return nil
}

func (s *Service) checkBase(app crm.App, base string) error {
	if base == "" {
		return nil
	}
	return s.o.CheckURL(app, base)
}

// Get reads an account. NotFound for an unknown one, and for one of another workspace.
func (s *Service) Get(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) (Account, error) {
	return s.load(ctx, ws, id)
}

// List returns one page of a workspace's accounts, by ID; next is "" at the end.
func (s *Service) List(
	ctx context.Context, ws crm.WorkspaceID, limit int, cursor string,
) (accounts []Account, next string, err error) {
	page, err := s.o.Store.Query(ctx, store.Query{
		Table: store.Settings, Workspace: ws, Partition: accountKey(ws, "").Partition, Prefix: accountPrefix, Limit: limit,
		Cursor: cursor,
	})
	if err != nil {
		return nil, "", fmt.Errorf("account: list: %w", err)
	}
	accounts = make([]Account, len(page.Items))
	for i, item := range page.Items {
		if accounts[i], err = decodeAccount(item); err != nil {
			return nil, "", err
		}
	}
	return accounts, page.Next, nil
}

// Change is what an admin changes about an account; nil fields stay.
type Change struct {
	Name *string
	// BaseURL needs the credentials again: a stored secret is never sent to
	// another host than the one it was entered for. Not for accounts
	// authorised in the browser: there the app names the host.
	BaseURL     *string
	Credentials *Credentials
	// SaveDuplicates is for apps that can be told so.
	SaveDuplicates *bool
	// Budget replaces the account's; the zero Budget lifts it.
	Budget *crm.Budget
}

// Update changes an account that is still at version seen (0 = whatever it is).
// New credentials of an account whose portal is known are tried first, and
// refused if they belong to another portal, because the stored links name
// records of this one.
//
// Errors: NotFound; Invalid with Field; Conflict when it was changed meanwhile
// (code "stale_version") or for another portal (code "different_account"); what the trial call answers.
func (s *Service) Update(
	ctx context.Context, ws crm.WorkspaceID, id crm.AccountID, seen int64, change Change,
) (Account, error) {
	for range maxTries {
		a, err := s.load(ctx, ws, id)
		if err != nil {
			return Account{}, err
		}
		if seen != 0 && a.Revision != seen {
			return Account{}, fault.New("account: update", fault.Conflict, "stale_version",
				"the account was changed meanwhile; read it again")
		}
		fresh, c, err := s.changed(ctx, ws, a, change) // c is nil when the credentials stay
		if err != nil {
			return Account{}, err
		}
		fresh.Revision++
		fresh, err = s.storeChange(ctx, ws, fresh, c)
		if !fault.Is(err, fault.Conflict) {
			return fresh, err
		}
	}
	return Account{}, contended("account: update")
}

// storeChange writes the account and, when c is given, its credential.
func (s *Service) storeChange(
	ctx context.Context, ws crm.WorkspaceID, a Account, c *storedCredential,
) (Account, error) {
	if c != nil {
		return s.storeBoth(ctx, ws, a, *c)
	}
	w, err := s.accountWrite(ws, &a)
	if err != nil {
		return a, err
	}
	if a.Version, err = s.o.Store.Write(ctx, w); err != nil {
		return a, fmt.Errorf("account: write: %w", err)
	}
	return a, nil
}

// changed works out the items after change; the credential is nil when it stays.
func (s *Service) changed(
	ctx context.Context, ws crm.WorkspaceID, a Account, change Change,
) (Account, *storedCredential, error) {
	d, err := s.Driver(ctx, ws, a)
	if err != nil {
		return a, nil, err
	}
	if change.Name != nil {
		if err := checkName(*change.Name); err != nil {
			return a, nil, err
		}
		a.Name = strings.TrimSpace(*change.Name)
	}
	if change.SaveDuplicates != nil {
		if *change.SaveDuplicates && !d.App.Can(crm.AbilitySaveDuplicates) {
			return a, nil, &fault.Error{
				Op: "account: update", Kind: fault.Invalid, Code: "save_duplicates_unsupported", Field: "save_duplicates",
				Message: d.App.Name + " has no duplicate rules that an account may save past",
			}
		}
		a.SaveDuplicates = *change.SaveDuplicates
	}
	if change.Budget != nil {
		if field, message := change.Budget.Check(); field != "" {
			return a, nil, &fault.Error{
				Op: "account: update", Kind: fault.Invalid, Code: "budget_malformed", Field: "budget/" + field, Message: message,
			}
		}
		a.Budget = nil
		if *change.Budget != (crm.Budget{}) {
			a.Budget = new(*change.Budget)
		}
	}
	if change.BaseURL != nil && *change.BaseURL != a.BaseURL {
		if change.Credentials == nil {
			return a, nil, badBase("changing the address needs the credentials again; an account authorised in the browser " +
				"gets its address from the app")
		}
		if err := s.checkBase(d.App, *change.BaseURL); err != nil {
			return a, nil, err
		}
		a.BaseURL = *change.BaseURL
	}
	if change.Credentials == nil {
		return a, nil, nil
	}
	return s.withCredentials(ctx, ws, d, a, change)
}

func badBase(message string) error {
	return &fault.Error{
		Op: "account: base URL", Kind: fault.Invalid, Code: "base_url_fixed", Field: "base_url",
		Message: message,
	}
}

// withCredentials puts new credentials into place; the grant of the old ones goes.
func (s *Service) withCredentials(
	ctx context.Context, ws crm.WorkspaceID, d connector.Driver, a Account, change Change,
) (Account, *storedCredential, error) {
	fields, err := change.Credentials.check(d)
	if err != nil {
		return a, nil, err
	}
	c, err := s.loadCredential(ctx, ws, a.ID)
	if err != nil {
		return a, nil, err
	}
	switch {
	case change.Credentials.Kind != crm.AuthOAuth2:
		a.LoginURL = ""
	case change.BaseURL != nil || a.LoginURL == "":
		a.LoginURL = a.BaseURL
	}
	a.Kind, a.Status, a.Scopes = change.Credentials.Kind, StatusOK, nil
	if err := s.samePortal(ctx, d, a, fields); err != nil {
		return a, nil, err
	}
	sealed, err := s.sealFields(ctx, ws, a.ID, fields)
	return a, &storedCredential{Fields: sealed, Serial: c.Serial + 1, version: c.version}, err
}

// samePortal tries new credentials of an account whose portal is known.
func (s *Service) samePortal(ctx context.Context, d connector.Driver, a Account, fields map[string]secret.Text) error {
	if a.ExternalID == "" {
		return nil
	}
	conn, err := s.connect(d, a, fields, s.trialTokens(d, a, fields))
	if err != nil {
		return err
	}
	identity, err := conn.Test(connector.Foreground(ctx))
	if err != nil {
		return fmt.Errorf("account: try credentials: %w", err)
	}
	return checkPortal(a, identity.ExternalID)
}

// checkPortal refuses another portal than the account's.
func checkPortal(a Account, externalID string) error {
	if a.ExternalID == "" || externalID == "" || externalID == a.ExternalID {
		return nil
	}
	return fault.New("account: check portal", fault.Conflict, "different_account",
		"these credentials belong to another account of the app; create a new account for them, because what is stored "+
			"names records of the old one")
}

// Delete removes an account with its credentials and hooks. Seen is the
// version that the caller saw; 0 = whatever there is.
//
// Errors: NotFound; Conflict with code "account_in_use" while a connection
// names it that is not being deleted, with "stale_version" when it was changed since.
func (s *Service) Delete(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID, seen int64) error {
	for range maxTries {
		a, err := s.load(ctx, ws, id)
		if err != nil {
			return err
		}
		if seen != 0 && a.Version != seen {
			return fault.New("account: delete", fault.Conflict, "stale_version",
				"the account was changed meanwhile; read it again")
		}
		if err := s.unused(ctx, ws, id); err != nil {
			return err
		}
		err = s.erase(ctx, ws, a)
		if err == nil {
			s.forget(place{ws, id})
			return nil
		}
		if !fault.Is(err, fault.Conflict) {
			return fmt.Errorf("account: delete: %w", err)
		}
	}
	return contended("account: delete")
}

// erase deletes all that is stored of an account if it is still at its version.
func (s *Service) erase(ctx context.Context, ws crm.WorkspaceID, a Account) error {
	h, err := s.loadHook(ctx, ws, a.ID)
	if err != nil {
		return err
	}
	writes := []store.Write{
		{Op: store.Delete, Item: store.Item{Key: accountKey(ws, a.ID)}, If: store.IfVersion(a.Version)},
		{Op: store.Delete, Item: store.Item{Key: credentialKey(ws, a.ID)}},
		{Op: store.Delete, Item: store.Item{Key: settingsKey(ws, hookPrefix+string(a.ID))}},
		{Op: store.Delete, Item: store.Item{Key: settingsKey(ws, deliveryPrefix+string(a.ID))}},
		{Op: store.Delete, Item: store.Item{Key: settingsKey(ws, refusedPrefix+string(a.ID))}},
	}
	for _, hash := range h.hashes() {
		writes = append(writes, store.Write{Op: store.Delete, Item: store.Item{Key: hookKey(hash)}})
	}
	return s.o.Store.Transact(ctx, writes)
}

// unused refuses an account that a connection names, unless that is being deleted.
func (s *Service) unused(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) error {
	for cursor := ""; ; {
		page, next, err := store.ListConnections(ctx, s.o.Store, ws, store.MaxLimit, cursor)
		if err != nil {
			return fmt.Errorf("account: look for connections: %w", err)
		}
		for i := range page {
			names := page[i].Left.Account == id || page[i].Right.Account == id
			if names && page[i].Status != crm.StatusDeleting {
				return fault.New("account: delete", fault.Conflict, "account_in_use",
					"a connection uses the account; delete the connection first")
			}
		}
		if next == "" {
			return nil
		}
		cursor = next
	}
}
