package account

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// smallApp is an app that only a workspace knows, by smallDocument.
const (
	smallApp      crm.AppID = "small"
	smallDocument string    = `app: {id: small, name: Small CRM, base: "https://api.small.example", hosts: [small.example], blank: "null"}
auth: [{kind: token, send: bearer, fields: [{name: token, label: Token, secret: true}]}]
account: {get: /me, id: /id, label: /name}
limits: {calls: 10, per: 1s}
objects:
  people:
    label: People
    id: {at: /id, form: number}
    fields: {email: {label: E-mail, type: email}}
    list: {get: /people, query: {page: "{page}"}, items: /items, page: {kind: number, first: 1}}
    read: {get: "/people/{id}", record: ""}
    create: {post: /people, record: ""}
    update: {put: "/people/{id}", record: ""}
`
)

var smallDraft = Draft{App: smallApp, Name: "Small", Credentials: Credentials{
	Kind: crm.AuthToken, Fields: map[string]secret.Text{"token": secret.NewText("t")},
}}

// document is the version of the workspace's document of smallApp, which is put if it is
// not there.
func (w *world) document() (int64, error) {
	s := w.worker()
	if d, err := s.Document(context.Background(), ws, smallApp); err == nil {
		return d.Version, nil
	}
	d, err := s.PutDocument(context.Background(), ws, smallApp, 0, smallDocument)
	return d.Version, err
}

// described is an account of an app that a document of the workspace describes.
func (w *world) described() (Account, error) {
	if _, err := w.document(); err != nil {
		return Account{}, err
	}
	return w.worker().Create(context.Background(), ws, smallDraft)
}

// renamed is smallDocument of an app that is called otherwise.
func renamed(name string) string { return strings.Replace(smallDocument, "Small CRM", name, 1) }

// TestDocuments: accounts go by the document of their workspace as it is now, in whatever
// process, and the apps of another workspace are not touched.
func TestDocuments(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s, elsewhere := w.worker(), w.worker()
	called := func(s *Service, a Account) string {
		t.Helper()
		_, app, err := s.Open(t.Context(), ws, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		return app.Name
	}
	a, err := w.described()
	if err != nil {
		t.Fatal(err)
	}
	if got := called(s, a) + called(elsewhere, a); got != "Small CRMSmall CRM" {
		t.Errorf("the app is called %q", got)
	}
	d, err := s.PutDocument(t.Context(), ws, smallApp, 1, renamed("Other CRM"))
	if err != nil || d.Version != 2 || d.Name != "Other CRM" {
		t.Fatalf("%+v, %v", d, err)
	}
	if got := called(s, a) + called(elsewhere, a); got != "Other CRMOther CRM" {
		t.Errorf("after the change, the app is called %q", got)
	}
	for workspace, want := range map[crm.WorkspaceID]bool{ws: true, other: false} {
		all, err := s.Apps(t.Context(), workspace)
		if _, ok := all[smallApp]; ok != want || err != nil {
			t.Errorf("%s has the app: %t, %v", workspace, ok, err)
		}
		_, err = s.Create(t.Context(), workspace, smallDraft)
		named := fault.CodeOf(err) == CodeUnknownApp && strings.Contains(err.Error(), "plaincrm")
		if (err == nil) != want || !want && !named {
			t.Errorf("an account in %s: %v", workspace, err)
		}
	}
	if list, err := s.Documents(t.Context(), ws); err != nil || len(list) != 1 || list[0].Text != d.Text {
		t.Errorf("the documents are %+v, %v", list, err)
	}
}

// TestDocumentsRefused: what would leave accounts without an app, or send their secrets
// where they were not meant to go, is refused, and changes nothing.
func TestDocumentsRefused(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	a, err := w.described()
	if err != nil {
		t.Fatal(err)
	}
	hosts := func(list string) string {
		return strings.Replace(smallDocument, "hosts: [small.example]", "hosts: ["+list+"]", 1)
	}
	put := func(app crm.AppID, seen int64, text string) func() error {
		return func() error { _, err := s.PutDocument(t.Context(), ws, app, seen, text); return err }
	}
	remove := func(app crm.AppID, seen int64) func() error {
		return func() error { return s.DeleteDocument(t.Context(), ws, app, seen) }
	}
	for name, c := range map[string]struct {
		do   func() error
		code string
	}{
		"nothing":        {put(smallApp, 1, ""), CodeBadDocument},
		"of another app": {put("other", 0, smallDocument), CodeBadDocument},
		"of a connector in Go": {
			put("hubspot", 0, strings.Replace(smallDocument, "id: small", "id: hubspot", 1)), CodeBadDocument,
		},
		"another host":      {put(smallApp, 1, hosts("small.example, evil.example")), CodeHostAdded},
		"is there":          {put(smallApp, 0, smallDocument), "stale_version"},
		"was never there":   {put(smallApp, 7, smallDocument), "stale_version"},
		"used":              {remove(smallApp, 1), CodeAppInUse},
		"used, any version": {remove(smallApp, 0), CodeAppInUse},
		"older":             {remove(smallApp, 7), "stale_version"},
		"none":              {remove("none", 0), "not_found"},
		"no ID":             {remove("", 0), "not_found"},
		"too long an ID":    {remove(crm.AppID(strings.Repeat("a", 500)), 0), "not_found"},
	} {
		if err := c.do(); err == nil || fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %q", name, err, c.code)
		}
	}
	d, err := s.Document(t.Context(), ws, smallApp)
	if err != nil || d.Version != 1 || d.Text != smallDocument {
		t.Errorf("the document is %+v, %v", d, err)
	}
	if err := s.Delete(t.Context(), ws, a.ID, 0); err != nil {
		t.Fatal(err)
	}
	if err := put(smallApp, 1, hosts("small.example, evil.example"))(); err != nil {
		t.Errorf("without accounts: %v", err)
	}
	if err := remove(smallApp, 2)(); err != nil {
		t.Errorf("without accounts: %v", err)
	}
}

// TestDocumentsAreBounded: a workspace has so many and no more.
func TestDocumentsAreBounded(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	for i := range maxDocuments + 1 {
		app := fmt.Sprintf("small%d", i)
		text := strings.Replace(smallDocument, "id: small", "id: "+app, 1)
		_, err := s.PutDocument(t.Context(), ws, crm.AppID(app), 0, text)
		if want := i == maxDocuments; (fault.CodeOf(err) == CodeTooManyDocuments) != want || !want && err != nil {
			t.Fatalf("the document no. %d: %v", i+1, err)
		}
	}
	list, err := s.Documents(t.Context(), ws)
	if err != nil || len(list) != maxDocuments {
		t.Errorf("%d documents, %v", len(list), err)
	}
	all, err := s.Apps(t.Context(), ws)
	if err != nil || len(all) != len(w.drivers())+maxDocuments {
		t.Errorf("%d apps, %v", len(all), err)
	}
}

// TestADocumentInPlaceOfTheProgramsOwn: it is put in place and taken away under the
// accounts of the app, which go by the program's again.
func TestADocumentInPlaceOfTheProgramsOwn(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	own, problems := w.worker().CheckDocument(smallApp, smallDocument)
	if problems != nil {
		t.Fatal(problems)
	}
	s := w.worker(func(o *Options) { o.Drivers[smallApp] = own })
	a, err := s.Create(t.Context(), ws, smallDraft)
	if err != nil {
		t.Fatal(err)
	}
	called := func() string {
		t.Helper()
		_, app, err := s.Open(t.Context(), ws, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		return app.Name
	}
	names := []string{called()}
	wider := strings.Replace(renamed("Corrected CRM"), "[small.example]", "[evil.example]", 1)
	if _, err := s.PutDocument(t.Context(), ws, smallApp, 0, wider); fault.CodeOf(err) != CodeHostAdded {
		t.Errorf("another host: %v", err)
	}
	if _, err := s.PutDocument(t.Context(), ws, smallApp, 0, renamed("Corrected CRM")); err != nil {
		t.Fatal(err)
	}
	names = append(names, called())
	if err := s.DeleteDocument(t.Context(), ws, smallApp, 1); err != nil {
		t.Fatal(err)
	}
	if names = append(names, called()); !slices.Equal(names, []string{"Small CRM", "Corrected CRM", "Small CRM"}) {
		t.Errorf("the app is called %q", names)
	}
}

// TestAnAccountBesideItsDocument: an account that is made while the document of its app is
// put, changed or removed goes by what is there in the end, or is not made.
func TestAnAccountBesideItsDocument(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	if _, err := s.PutDocument(t.Context(), ws, smallApp, 0, smallDocument); err != nil {
		t.Fatal(err)
	}
	once := func(do func()) *Service {
		done := false
		return w.worker(func(o *Options) {
			id := o.NewID
			o.NewID = func(prefix string) string { // between reading the document and writing the account
				if !done {
					done = true
					do()
				}
				return id(prefix)
			}
		})
	}
	changed := once(func() {
		if _, err := s.PutDocument(t.Context(), ws, smallApp, 1, renamed("Other CRM")); err != nil {
			t.Error(err)
		}
	})
	a, err := changed.Create(t.Context(), ws, smallDraft)
	if err != nil || a.Document != 2 {
		t.Errorf("beside a change: %+v, %v", a, err)
	}
	if err := s.Delete(t.Context(), ws, a.ID, 0); err != nil {
		t.Fatal(err)
	}
	removed := once(func() {
		if err := s.DeleteDocument(t.Context(), ws, smallApp, 2); err != nil {
			t.Error(err)
		}
	})
	if _, err := removed.Create(t.Context(), ws, smallDraft); fault.CodeOf(err) != CodeUnknownApp {
		t.Errorf("beside a removal: %v", err)
	}
	if list, _, err := s.List(t.Context(), ws, 0, ""); err != nil || len(list) != 0 {
		t.Errorf("accounts are left: %+v, %v", list, err)
	}
}
