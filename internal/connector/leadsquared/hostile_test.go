package leadsquared_test

import (
	"cmp"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

const one = "0acb9356-bcd1-4128-b63a-97f52cb8cc3c"

const ann = `{"ProspectID":"` + one + `","ModifiedOn":"2026-01-02 10:00:00.000","FirstName":"Ann"}`

// answering returns a connector whose calls all get this answer.
func answering(t testing.TB, status int, body string) connector.Connector {
	t.Helper()
	return opened(t, fakekit.Transport(connectortest.Says(status, body)), connectortest.NewClock().Now)
}

// TestX13_Answers gives wrong answers: each is malformed, none is an empty page.
func TestX13_Answers(t *testing.T) {
	t.Parallel()
	list := func(body string) error {
		_, err := answering(t, 200, body).Changes(t.Context(), connector.ChangesRequest{
			Object: "leads", Fields: []string{"FirstName"}, Full: true,
		})
		return err
	}
	since := func(body string) error {
		_, err := answering(t, 200, body).Changes(t.Context(), connector.ChangesRequest{
			Object: "leads", Cursor: "@1900000000000",
		})
		return err
	}
	if err := list(`{"RecordCount":1,"Leads":[` + ann + `]}`); err != nil {
		t.Fatal(err)
	}
	write := func(body string) error {
		_, err := answering(t, 200, body).BatchWrite(t.Context(), "leads", []connector.Write{
			{Op: connector.Update, ID: one, Fields: crm.Fields{"FirstName": crm.TextValue("x")}},
		})
		return err
	}
	_, errFields := answering(t, 200, `[]`).Fields(t.Context(), "leads")
	_, errTest := answering(t, 200, `{}`).Test(t.Context())
	reads, errRead := answering(t, 200, `{"RecordCount":1,"Leads":[`+strings.Replace(ann, "ModifiedOn", "At", 1)+
		`]}`).BatchRead(t.Context(), "leads", []crm.RecordID{one}, nil)
	if errRead == nil {
		errRead = reads[0].Err
	}
	for name, err := range map[string]error{
		"leads missing":      list(`{"RecordCount":1}`),
		"odd ID":             list(`{"Leads":[` + strings.Replace(ann, one, "7", 1) + `]}`),
		"odd time":           list(`{"Leads":[` + strings.Replace(ann, "2026-01-02 10", "yesterday 10", 1) + `]}`),
		"odd value":          list(`{"Leads":[` + strings.Replace(ann, `"Ann"`, `{"a":1}`, 1) + `]}`),
		"odd attributes":     list(`{"Leads":[{"LeadPropertyList":{"a":1}}]}`),
		"out of order":       list(`{"Leads":[` + ann + `,` + strings.Replace(ann, "2026", "2025", 1) + `]}`),
		"not asked for":      since(`{"Leads":[` + ann + `]}`),
		"no fields":          errFields,
		"no user":            errTest,
		"a row without time": errRead,
		"no success":         write(`{"Status":"Error"}`),
		"another lead":       write(`{"Status":"Success","Message":{"Id":"` + strings.Replace(one, "0a", "0b", 1) + `"}}`),
	} {
		if fault.CodeOf(err) != connector.CodeMalformed {
			t.Errorf("%s: %v, want malformed_answer", name, err)
		}
	}
}

// TestFields: types, and what LeadSquared works out whether or not it says so.
func TestFields(t *testing.T) {
	t.Parallel()
	described, want := []string{}, map[string]string{
		"ProspectID": "text read-only", "ProspectAutoId": "number read-only", "ProspectStage": "option",
		"CreatedOn": "datetime read-only", "ModifiedOn": "datetime read-only",
		"CreatedBy": "text read-only", "ModifiedBy": "text read-only", "ModifiedByName": "text", "OwnerId": "text",
		"OwnerIdName":  "text read-only",
		"EmailAddress": "email unique", "Phone": "phone unique", "mx_Locked": "text read-only", "mx_Key": "text unique",
		"mx_Needed": "text required", "mx_Day": "datetime",
	}
	kinds := map[string]string{
		"ProspectAutoId": `"Number"`, "ProspectStage": `"Select"`, "EmailAddress": `"Email"`, "Phone": `"Phone"`,
		"mx_Day":    `"Date"`,
		"mx_Locked": `"Text","IsReadOnly":true`, "mx_Key": `"Text","IsUnique":true`, "mx_Needed": `"Text","IsMandatory":true`,
	}
	for name := range want {
		described = append(described, `{"SchemaName":"`+name+`","DataType":`+cmp.Or(kinds[name], `"Text"`)+`}`)
	}
	fields, err := answering(t, 200, "["+strings.Join(described, ",")+"]").Fields(t.Context(), "leads")
	if err != nil || len(fields) != len(want) {
		t.Fatalf("%d fields, %v", len(fields), err)
	}
	for _, f := range fields {
		got := string(f.Type)
		for word, set := range map[string]bool{" read-only": f.ReadOnly, " unique": f.Unique, " required": f.Required} {
			if set {
				got += word
			}
		}
		if got != want[f.Name] || f.Label != f.Name {
			t.Errorf("%s, %q, is %s, want %s", f.Name, f.Label, got, want[f.Name])
		}
	}
}

// FuzzLeadSquaredAnswer gives arbitrary answers to every call: no panic, and either a
// whole result or a classified error.
func FuzzLeadSquaredAnswer(f *testing.F) {
	f.Add(200, `{"RecordCount":1,"Leads":[`+ann+`]}`)
	f.Add(200, `{"Leads":[{"LeadPropertyList":[{"Attribute":"ProspectID","Value":"`+one+
		`"},{"Attribute":"ModifiedOn","Value":"2026-01-02 10:00:00"}]}]}`)
	f.Add(200, `[`+ann+`]`)
	f.Add(500, `{"ExceptionType":"MXDuplicateEntryException","ExceptionMessage":"for key 'UQ_Prospect_Base_Phone'"}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		c, ctx := answering(t, status, body), t.Context()
		reads, errRead := c.BatchRead(ctx, "leads", []crm.RecordID{one}, []string{"FirstName"})
		found, errFind := c.BatchFind(ctx, "leads", crm.Field{Name: "EmailAddress"}, []string{"a@example.com"},
			[]string{"FirstName"})
		wrote, errWrite := c.BatchWrite(ctx, "leads", []connector.Write{
			{Op: connector.Create, Fields: crm.Fields{"FirstName": crm.TextValue("x")}},
		})
		page, errScan := c.Changes(ctx, connector.ChangesRequest{Object: "leads"})
		_, errFields := c.Fields(ctx, "leads")
		_, errTest := c.Test(ctx)
		for _, err := range []error{errRead, errFind, errWrite, errScan, errFields, errTest} {
			if err != nil && fault.KindOf(err) == fault.Other {
				t.Fatalf("unclassified: %v", err)
			}
		}
		if errRead == nil && len(reads) != 1 || errFind == nil && len(found) != 1 || errWrite == nil && len(wrote) != 1 ||
			errScan == nil && (page.Next == "") == (page.Cursor == "") {
			t.Fatal("an answer has another number of entries than were asked for, or a page neither or both of position and " +
				"cursor")
		}
	})
}
