package account

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Document is an app that a workspace has described for itself.
type Document struct {
	App       crm.AppID
	Name      string // the app's
	Text      string // YAML, as it was sent
	UpdatedAt time.Time
	Version   int64 // grows with every change; the ETag
}

// DocumentReader knows the grammar of documents.
type DocumentReader interface {
	// Read makes the driver of an app's document, or answers all that is wrong with it, each
	// problem with its line.
	Read(app crm.AppID, text []byte) (connector.Driver, []string)
	// May reports whether an app can be described by a document: a connector in Go cannot.
	May(app crm.AppID) bool
	// Schema is the grammar as a JSON Schema, for editors.
	Schema() ([]byte, error)
}

// storedDocument is the form of a document.
type storedDocument struct {
	V         int       `json:"v"`
	Name      string    `json:"name"`
	Text      string    `json:"text"`
	UpdatedAt time.Time `json:"updated_at"`
}

// The codes of refusals of documents.
const (
	CodeBadDocument      = "invalid_app_document"
	CodeAppInUse         = "app_in_use"
	CodeHostAdded        = "host_added"
	CodeTooManyDocuments = "too_many_documents"
)

// maxDocuments bounds the documents of one workspace: all are read to list its apps.
const maxDocuments = 50

// maxDocumentAccounts bounds the accounts that change with their app in one transaction.
const maxDocumentAccounts = 90

const documentPrefix = "app_document#"

func documentKey(ws crm.WorkspaceID, app crm.AppID) store.Key {
	return settingsKey(ws, documentPrefix+string(app))
}

// described is an app of a document, with the version that it was made of.
type described struct {
	version int64
	driver  connector.Driver
}

// appPlace names an app of a workspace.
type appPlace struct {
	ws  crm.WorkspaceID
	app crm.AppID
}

// CheckDocument reads a document as PutDocument does, and answers its app and all that is
// wrong with it, each problem with its line.
func (s *Service) CheckDocument(app crm.AppID, text string) (connector.Driver, []string) {
	return s.o.Documents.Read(app, []byte(text))
}

// DocumentSchema is the grammar of documents as a JSON Schema.
func (s *Service) DocumentSchema() ([]byte, error) { return s.o.Documents.Schema() }

// Documents lists the documents of a workspace, by app.
func (s *Service) Documents(ctx context.Context, ws crm.WorkspaceID) ([]Document, error) {
	page, err := s.o.Store.Query(ctx, store.Query{
		Table: store.Settings, Workspace: ws, Partition: accountKey(ws, "").Partition, Prefix: documentPrefix,
		Limit: maxDocuments,
	})
	if err != nil {
		return nil, fmt.Errorf("account: list documents: %w", err)
	}
	out := make([]Document, len(page.Items))
	for i, item := range page.Items {
		if out[i], err = decodeDocument(item); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Document returns the document of an app. NotFound where the workspace has none of it.
func (s *Service) Document(ctx context.Context, ws crm.WorkspaceID, app crm.AppID) (Document, error) {
	const op = "account: read document"
	if app == "" || len(app) > maxID {
		return Document{}, noDocument(op)
	}
	item, err := s.o.Store.Get(ctx, documentKey(ws, app))
	if fault.Is(err, fault.NotFound) {
		return Document{}, noDocument(op)
	}
	if err != nil {
		return Document{}, fmt.Errorf("%s: %w", op, err)
	}
	return decodeDocument(item)
}

func noDocument(op string) error {
	return fault.New(op, fault.NotFound, "", "the workspace has no document of such an app")
}

func decodeDocument(item store.Item) (Document, error) {
	const op = "account: decode document"
	var d storedDocument
	if err := decode(op, item.Data, &d); err != nil {
		return Document{}, err
	}
	if err := checkFormat(op, d.V); err != nil {
		return Document{}, err
	}
	return Document{
		App: crm.AppID(strings.TrimPrefix(item.Key.Sort, documentPrefix)), Name: d.Name, Text: d.Text,
		UpdatedAt: d.UpdatedAt, Version: item.Version,
	}, nil
}

// PutDocument stores the document of an app, which may also be one that the program knows
// by a document of its own: the workspace's takes its place. The accounts of the app go by
// it from then on. seen is the version that it replaces; 0 = there was none.
//
// Errors: Invalid with code "invalid_app_document", naming every problem with its line;
// Conflict with code "stale_version", with "host_added" when the accounts that there are
// could be sent to a host that their secrets were not entered for, and with
// "too_many_documents".
func (s *Service) PutDocument(
	ctx context.Context, ws crm.WorkspaceID, app crm.AppID, seen int64, text string,
) (Document, error) {
	const op = "account: put document"
	driver, problems := s.CheckDocument(app, text)
	if problems != nil {
		return Document{}, &fault.Error{
			Op: op, Kind: fault.Invalid, Code: CodeBadDocument, Field: "document", Message: strings.Join(problems, "\n"),
		}
	}
	if seen == 0 {
		all, err := s.Documents(ctx, ws)
		if err != nil {
			return Document{}, err
		}
		if len(all) >= maxDocuments {
			return Document{}, fault.New(op, fault.Conflict, CodeTooManyDocuments,
				fmt.Sprintf("a workspace has at most %d documents; remove one that no account uses", maxDocuments))
		}
	}
	d := Document{App: app, Name: driver.App.Name, Text: text, UpdatedAt: s.o.Now().UTC(), Version: seen + 1}
	b, err := encode(storedDocument{V: formatVersion, Name: d.Name, Text: d.Text, UpdatedAt: d.UpdatedAt})
	if err != nil {
		return d, err
	}
	put := store.Write{Item: store.Item{Key: documentKey(ws, app), Data: b}, If: store.IfVersion(seen)}
	return d, s.moveAccounts(ctx, op, ws, app, put, d.Version, func() error {
		return s.sameHosts(ctx, ws, app, seen, driver)
	})
}

// sameHosts refuses a document by which secrets could go to a host that they were not
// entered for.
func (s *Service) sameHosts(
	ctx context.Context, ws crm.WorkspaceID, app crm.AppID, seen int64, fresh connector.Driver,
) error {
	old, ok := s.o.Drivers[app]
	if seen != 0 {
		var err error
		if old, err = s.described(ctx, ws, app, seen); err != nil {
			return err
		}
	} else if !ok {
		return nil
	}
	for _, host := range fresh.App.Hosts {
		if !slices.Contains(old.App.Hosts, host) {
			return fault.New("account: put document", fault.Conflict, CodeHostAdded, "accounts of "+old.App.Name+
				" are there, whose secrets were not entered for "+host+": remove them first, or give the app another id")
		}
	}
	return nil
}

// DeleteDocument removes the document of an app that is still at version seen (0 =
// whatever it is). Accounts of an app that the program knows, too, go by the program's.
//
// Errors: NotFound; Conflict with code "stale_version", and with "app_in_use" while there
// are accounts of an app that nothing else describes.
func (s *Service) DeleteDocument(ctx context.Context, ws crm.WorkspaceID, app crm.AppID, seen int64) error {
	const op = "account: delete document"
	d, err := s.Document(ctx, ws, app)
	if err != nil {
		return err
	}
	if seen != 0 && d.Version != seen {
		return staleDocument(op)
	}
	gone := store.Write{
		Op: store.Delete, Item: store.Item{Key: documentKey(ws, app)}, If: store.IfVersion(d.Version),
	}
	return s.moveAccounts(ctx, op, ws, app, gone, 0, func() error {
		program, ok := s.o.Drivers[app]
		if !ok {
			return fault.New(op, fault.Conflict, CodeAppInUse, "accounts use the app; remove them first")
		}
		return s.sameHosts(ctx, ws, app, d.Version, program)
	})
}

func staleDocument(op string) error {
	return fault.New(op, fault.Conflict, "stale_version", "the document was changed meanwhile; read it again")
}

// moveAccounts makes a change of a document together with what it means for the app's
// accounts, which allowed may refuse where there are any. An account that is made or
// changed meanwhile is looked at again.
func (s *Service) moveAccounts(
	ctx context.Context, op string, ws crm.WorkspaceID, app crm.AppID, change store.Write, version int64,
	allowed func() error,
) error {
	for range maxTries {
		users, err := s.ofApp(ctx, ws, app)
		if err != nil {
			return err
		}
		if len(users) > 0 {
			if err := allowed(); err != nil {
				return err
			}
		}
		if len(users) > maxDocumentAccounts {
			return fault.New(op, fault.Conflict, CodeAppInUse,
				fmt.Sprintf("more than %d accounts use the app: give the app another id", maxDocumentAccounts))
		}
		writes := []store.Write{change}
		for i := range users {
			users[i].Document = version
			w, err := s.accountWrite(ws, &users[i])
			if err != nil {
				return err
			}
			writes = append(writes, w)
		}
		err = s.o.Store.Transact(ctx, writes)
		if err == nil {
			return nil
		}
		if !fault.Is(err, fault.Conflict) {
			return fmt.Errorf("%s: %w", op, err)
		}
		now, err := s.Document(ctx, ws, app)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if store.IfVersion(now.Version) != change.If {
			return staleDocument(op)
		}
	}
	return contended(op)
}

// ofApp lists a workspace's accounts of an app.
func (s *Service) ofApp(ctx context.Context, ws crm.WorkspaceID, app crm.AppID) ([]Account, error) {
	var out []Account
	for cursor := ""; ; {
		page, next, err := s.List(ctx, ws, store.MaxLimit, cursor)
		if err != nil {
			return nil, err
		}
		for i := range page {
			if page[i].App == app {
				out = append(out, page[i])
			}
		}
		if next == "" {
			return out, nil
		}
		cursor = next
	}
}

// described returns the driver of a document that is at version least, or later.
func (s *Service) described(
	ctx context.Context, ws crm.WorkspaceID, app crm.AppID, least int64,
) (connector.Driver, error) {
	at := appPlace{ws, app}
	s.mu.Lock()
	known, ok := s.documents[at]
	s.mu.Unlock()
	if ok && known.version >= least {
		return known.driver, nil
	}
	d, err := s.Document(ctx, ws, app)
	if err != nil {
		return connector.Driver{}, err
	}
	return s.read(ws, d)
}

// read makes the driver of a document, and remembers it.
func (s *Service) read(ws crm.WorkspaceID, d Document) (connector.Driver, error) {
	at := appPlace{ws, d.App}
	s.mu.Lock()
	known, ok := s.documents[at]
	s.mu.Unlock()
	if ok && known.version == d.Version {
		return known.driver, nil
	}
	driver, problems := s.CheckDocument(d.App, d.Text)
	if problems != nil { // an older version of Lockstep took it
		return driver, fault.New("account: read document", fault.Invalid, CodeBadDocument,
			"the stored document of "+d.Name+" is not understood by this version: "+strings.Join(problems, "; "))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.documents) >= maxOpened {
		clear(s.documents) // each is read again when it is asked for
	}
	s.documents[at] = described{d.Version, driver}
	return driver, nil
}

// Driver returns the driver of an account's app.
//
// Errors: NotFound with code "unknown_app".
func (s *Service) Driver(ctx context.Context, ws crm.WorkspaceID, a Account) (connector.Driver, error) {
	if a.Document == 0 {
		return s.driver(a.App)
	}
	return s.described(ctx, ws, a.App, a.Document)
}

// driverFor returns what an app of a workspace is made by, and the version of the document
// where that is the workspace's own; UnknownApp for another.
func (s *Service) driverFor(
	ctx context.Context, ws crm.WorkspaceID, app crm.AppID,
) (connector.Driver, int64, error) {
	if driver, ok := s.o.Drivers[app]; ok && !s.o.Documents.May(app) {
		return driver, 0, nil
	}
	d, err := s.Document(ctx, ws, app)
	switch {
	case err == nil:
		driver, err := s.read(ws, d)
		return driver, d.Version, err
	case !fault.Is(err, fault.NotFound):
		return connector.Driver{}, 0, err
	}
	if driver, ok := s.o.Drivers[app]; ok {
		return driver, 0, nil
	}
	all, err := s.Apps(ctx, ws)
	if err != nil {
		return connector.Driver{}, 0, err
	}
	return connector.Driver{}, 0, UnknownApp(all)
}

// Apps returns the apps of a workspace: the program's, and those of its own documents. A
// document that this version does not understand is left out, which its accounts say.
func (s *Service) Apps(ctx context.Context, ws crm.WorkspaceID) (map[crm.AppID]connector.Driver, error) {
	all, err := s.Documents(ctx, ws)
	if err != nil || len(all) == 0 {
		return s.o.Drivers, err
	}
	out := maps.Clone(s.o.Drivers)
	for i := range all {
		if driver, err := s.read(ws, all[i]); err == nil {
			out[all[i].App] = driver
		}
	}
	return out, nil
}
