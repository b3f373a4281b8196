package googlecontacts_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/googlecontacts"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

const ann = `{"resourceName":"people/c7","etag":"e","metadata":{"sources":[{"type":"CONTACT","id":"7","etag":"s","updateTime":"2026-01-02T10:00:00Z"}]},` +
	`"names":[{"givenName":"Ann"}]}`

// answering returns a connector whose calls get these answers by turns, the last one for ever.
func answering(t testing.TB, status int, bodies ...string) connector.Connector {
	t.Helper()
	c, err := googlecontacts.Open(connector.Config{
		Kind: crm.AuthOAuth2, Now: connectortest.NewClock().Now,
		Tokens: connectortest.NewTokens(func() secret.Text { return secret.NewText("t") }),
		HTTP:   fakekit.Client(connectortest.Says(status, bodies...)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestX13_Answers gives wrong answers: each is malformed, none is an empty page.
func TestX13_Answers(t *testing.T) {
	t.Parallel()
	list := func(body string) error {
		_, err := answering(t, 200, body).Changes(t.Context(), connector.ChangesRequest{
			Object: "contacts", Fields: []string{"names/givenName"}, Full: true,
		})
		return err
	}
	page := func(person, more string) string { return `{"connections":[` + person + `],` + more + `}` }
	if err := list(page(ann, `"nextSyncToken":"x"`)); err != nil {
		t.Fatal(err)
	}
	find := func(body string) error {
		_, err := answering(t, 200, body).BatchFind(t.Context(), "contacts", crm.Field{Name: "emailAddresses"},
			[]string{"a@example.com"}, nil)
		return err
	}
	read := func(body string) error {
		out, err := answering(t, 200, body).BatchRead(t.Context(), "contacts", []crm.RecordID{"c7"},
			[]string{"names/givenName"})
		if err == nil {
			err = out[0].Err
		}
		return err
	}
	write := func(bodies ...string) error {
		out, err := answering(t, 200, bodies...).BatchWrite(t.Context(), "contacts", []connector.Write{
			{Op: connector.Update, ID: "c7", Fields: crm.Fields{"nicknames": crm.TextValue("x")}},
		})
		if err == nil {
			err = out[0].Err
		}
		return err
	}
	row := `{"responses":[{"requestedResourceName":"people/c7","person":` + ann + `}]}`
	for name, err := range map[string]error{
		"no token at the end": list(page(ann, `"totalItems":1`)),
		"more of nothing":     list(page("", `"nextPageToken":"x"`)),
		"no name":             list(page(strings.Replace(ann, "people/c7", "c7", 1), `"nextSyncToken":"x"`)),
		"no time":             list(page(strings.Replace(ann, "updateTime", "at", 1), `"nextSyncToken":"x"`)),
		"no source":           list(page(strings.Replace(ann, "CONTACT", "PROFILE", 1), `"nextSyncToken":"x"`)),
		"odd field":           list(page(strings.Replace(ann, `[{"givenName":"Ann"}]`, `"Ann"`, 1), `"nextSyncToken":"x"`)),
		"null in a field": list(page(strings.Replace(ann, `[{"givenName":"Ann"}]`, `[null]`, 1),
			`"nextSyncToken":"x"`)),
		"found on a same page": find(page(ann, `"nextPageToken":"x"`)),
		"no rows":              read(`{}`),
		"a row about nothing":  read(`{"responses":[{"requestedResourceName":"people/c7"}]}`),
		"a row of another": read(strings.Replace(row, `"requestedResourceName":"people/c7"`,
			`"requestedResourceName":"c7"`, 1)),
		"a row without a time": read(strings.Replace(row, "updateTime", "at", 1)),
		"a write of nothing":   write(row, `{}`),
		"a write of another":   write(row, `{"updateResult":{"people/c8":{"person":`+ann+`}}}`),
		"a write under a name ": write(row, `{"updateResult":{"people/c7":{"person":`+strings.Replace(ann, "c7", "c8", 1)+
			`}}}`),
	} {
		if fault.CodeOf(err) != connector.CodeMalformed {
			t.Errorf("%s: %v, want malformed_answer", name, err)
		}
	}
}

// TestX13_PagesWithoutEnd: an address book, or its labels, may have thirty pages. One more,
// and Google is not asked on and on, though each page names another one.
func TestX13_PagesWithoutEnd(t *testing.T) {
	t.Parallel()
	const most = 30
	pages := func(n int, more, last string) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = fmt.Sprintf(`{"nextPageToken":"%d"%s}`, i, more)
		}
		return append(out, `{`+last+`}`)
	}
	label := func(i int) string {
		return fmt.Sprintf(`"contactGroups":[{"resourceName":"contactGroups/%d","groupType":"USER_CONTACT_GROUP","name":"L%d"}]`,
			i, i)
	}
	find := func(bodies []string) error {
		_, err := answering(t, 200, bodies...).BatchFind(t.Context(), "contacts", crm.Field{Name: "emailAddresses"},
			[]string{"a@example.com"}, nil)
		return err
	}
	row := `{"responses":[{"requestedResourceName":"people/c7","person":` + strings.Replace(ann, `"names"`,
		`"memberships":[{"contactGroupMembership":{"contactGroupResourceName":"contactGroups/9"}}],"names"`, 1) + `}]}`
	read := func(bodies []string) error {
		out, err := answering(t, 200, append([]string{row}, bodies...)...).BatchRead(t.Context(), "contacts",
			[]crm.RecordID{"c7"}, []string{"memberships"})
		if err == nil && out[0].Record.Fields["memberships"].Text() != "L9" {
			t.Errorf("the label on the last page is not read: %v", out[0].Record.Fields)
		}
		return err
	}
	people := `,"connections":[` + ann + `]`
	for name, pair := range map[string][2]error{
		"people": {
			find(pages(most-1, people, people[1:]+`,"nextSyncToken":"x"`)), find(pages(most, people, people[1:])),
		},
		"labels": {read(pages(most-1, ","+label(1), label(9))), read(pages(most, ","+label(1), label(9)))},
	} {
		if pair[0] != nil || fault.CodeOf(pair[1]) != connector.CodeMalformed {
			t.Errorf("%d pages of %s: %v; one more: %v, want malformed_answer", most, name, pair[0], pair[1])
		}
	}
}

// FuzzGoogleAnswer gives arbitrary answers to every call: no panic, and either a whole
// result or a classified error.
func FuzzGoogleAnswer(f *testing.F) {
	f.Add(200, `{"connections":[`+ann+`],"nextSyncToken":"x"}`)
	f.Add(200, `{"responses":[{"requestedResourceName":"people/c7","person":`+ann+`}]}`)
	f.Add(400, `{"error":{"status":"FAILED_PRECONDITION","details":[{"reason":"EXPIRED_SYNC_TOKEN","contactErrors":{"0":{"code":3}}}]}}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		c, ctx := answering(t, status, body), t.Context()
		reads, errRead := c.BatchRead(ctx, "contacts", []crm.RecordID{"c7"}, []string{
			"names/givenName", "memberships", "birthdays",
		})
		found, errFind := c.BatchFind(ctx, "contacts", crm.Field{Name: "emailAddresses"}, []string{"a@example.com"},
			[]string{"urls"})
		wrote, errWrite := c.BatchWrite(ctx, "contacts", []connector.Write{
			{Op: connector.Update, ID: "c7", Fields: crm.Fields{"memberships": crm.ListValue("x"), "names/givenName": {}}},
		})
		made, errMade := c.BatchWrite(ctx, "contacts", []connector.Write{
			{Op: connector.Create, Fields: crm.Fields{"urls": crm.TextValue("x")}},
		})
		page, errScan := c.Changes(ctx, connector.ChangesRequest{Object: "contacts"})
		_, errTest := c.Test(ctx)
		for _, err := range []error{errRead, errFind, errWrite, errMade, errScan, errTest} {
			if err != nil && fault.KindOf(err) == fault.Other {
				t.Fatalf("unclassified: %v", err)
			}
		}
		if errRead == nil && len(reads) != 1 || errFind == nil && len(found) != 1 || errWrite == nil && len(wrote) != 1 ||
			errMade == nil && len(made) != 1 ||
			errScan == nil && (page.Next == "") == (page.Cursor == "") {
			t.Fatal("an answer has another number of entries than were asked for, or a page neither or both of position and " +
				"cursor")
		}
	})
}
