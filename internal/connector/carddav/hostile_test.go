package carddav_test

import (
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/carddav"
	"github.com/lockstep-crm/lockstep/internal/connector/carddav/carddavfake"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

const (
	ann = "BEGIN:VCARD\nVERSION:3.0\nUID:a\nFN:Ann\nN:;Ann;;;\nEND:VCARD\n"
	row = `<d:response><d:href>/dav/addressbooks/ada/contacts/a.vcf</d:href><d:propstat><d:prop><d:getetag>"1"</d:getetag>` +
		`<c:address-data>` + ann + `</c:address-data></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>`
	token = `<d:sync-token>t</d:sync-token>`
	cut   = `<d:response><d:href>/dav/addressbooks/ada/contacts/</d:href><d:status>HTTP/1.1 507 Full</d:status></d:response>`
)

func multi(inner string) string {
	return `<d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:carddav">` + inner + `</d:multistatus>`
}

// answering returns a connector whose calls get these answers by turns, the last one for ever.
func answering(t testing.TB, status int, bodies ...string) connector.Connector {
	t.Helper()
	c, err := carddav.Open(connector.Config{
		Kind: crm.AuthBasic, BaseURL: address, Credentials: credentials(carddavfake.Book),
		Now: connectortest.NewClock().Now, HTTP: fakekit.Client(connectortest.Says(status, bodies...)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestX13_Answers gives wrong answers: each is malformed, none is an empty page, and none
// says that a contact is gone.
func TestX13_Answers(t *testing.T) {
	t.Parallel()
	list := func(bodies ...string) error {
		_, err := answering(t, 207, bodies...).Changes(t.Context(), connector.ChangesRequest{Object: "contacts", Full: true})
		return err
	}
	read := func(body string) error {
		out, err := answering(t, 207, body).BatchRead(t.Context(), "contacts", []crm.RecordID{"a.vcf"}, []string{"FN"})
		if err == nil {
			err = out[0].Err
		}
		return err
	}
	if err := list(multi(row+token), multi(row)); err != nil {
		t.Fatal(err)
	}
	if err := read(multi(row)); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"a page for people":      list("<html><body>Log in</body></html>"),
		"half an answer":         list(multi(row + token)[:200]),
		"no token":               list(multi(row)),
		"no cards":               list(multi(row+token), multi("")),
		"cards of nobody's":      list(multi(row+token), multi(strings.ReplaceAll(row, "a.vcf", "b.vcf"))),
		"a page for people read": read("<html></html>"),
		"nothing about it":       read(multi("")),
		"another one":            read(multi(strings.ReplaceAll(row, "a.vcf", "b.vcf"))),
		"no card":                read(multi(strings.Replace(row, "address-data", "address-date", 2))),
		"a row that failed":      read(multi(`<d:response><d:href>a.vcf</d:href><d:status>HTTP/1.1 500 No</d:status></d:response>`)),
	} {
		if fault.CodeOf(err) != connector.CodeMalformed {
			t.Errorf("%s: %v, want malformed_answer", name, err)
		}
	}
	// A listing that is cut off at the same place for ever.
	c := answering(t, 207, multi(row+cut+token), multi(row), multi(row+cut+token))
	page, err := c.Changes(t.Context(), connector.ChangesRequest{Object: "contacts", Full: true})
	if err != nil || page.Next == "" {
		t.Fatalf("%+v, %v", page, err)
	}
	if _, err := c.Changes(t.Context(), connector.ChangesRequest{
		Object: "contacts", Full: true, Position: page.Next,
	}); fault.CodeOf(err) != connector.CodeMalformed {
		t.Errorf("a listing that does not go on: %v", err)
	}
	// A search that is cut off finds nobody for sure.
	if _, err := answering(t, 207, multi(row+cut)).BatchFind(t.Context(), "contacts", crm.Field{Name: "EMAIL"},
		[]string{"a@example.com"}, nil); fault.CodeOf(err) != connector.CodeMatches {
		t.Errorf("a search that is cut off: %v", err)
	}
}

// FuzzCardDAVAnswer gives arbitrary answers to every call: no panic, and either a whole
// result or a classified error.
func FuzzCardDAVAnswer(f *testing.F) {
	f.Add(207, multi(row+token))
	f.Add(207, multi(row+cut+token))
	f.Add(200, ann)
	f.Add(403, `<d:error xmlns:d="DAV:"><d:valid-sync-token/></d:error>`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		c, ctx := answering(t, status, body), t.Context()
		reads, errRead := c.BatchRead(ctx, "contacts", []crm.RecordID{"a.vcf"}, []string{"FN", "CATEGORIES", "BDAY", "TEL"})
		found, errFind := c.BatchFind(ctx, "contacts", crm.Field{Name: "TEL"}, []string{"+1 202 555 0100"}, []string{"FN"})
		wrote, errWrite := c.BatchWrite(ctx, "contacts", []connector.Write{
			{Op: connector.Update, ID: "a.vcf", Fields: crm.Fields{"N/given": crm.TextValue("x")}},
		})
		page, errScan := c.Changes(ctx, connector.ChangesRequest{Object: "contacts"})
		_, errTest := c.Test(ctx)
		for _, err := range []error{errRead, errFind, errWrite, errScan, errTest} {
			if err != nil && fault.KindOf(err) == fault.Other {
				t.Fatalf("unclassified: %v", err)
			}
		}
		if errRead == nil && len(reads) != 1 || errFind == nil && len(found) != 1 || errWrite == nil && len(wrote) != 1 ||
			errScan == nil && (page.Next == "") == (page.Cursor == "") {
			t.Fatal("an answer has another number of entries than were asked for, or a page neither or both of position " +
				"and cursor")
		}
	})
}
