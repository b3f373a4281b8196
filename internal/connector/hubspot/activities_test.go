package hubspot_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

const (
	aboutContacts  = "associations.contacts"
	aboutCompanies = "associations.companies"
)

// abouts are fields of associations.
func abouts(pairs ...string) crm.Fields {
	f := crm.Fields{}
	for i := 0; i < len(pairs); i += 2 {
		if f[pairs[i]] = crm.ListValue(strings.Fields(pairs[i+1])...); pairs[i+1] == "" {
			f[pairs[i]] = crm.NullValue()
		}
	}
	return f
}

// TestActivitiesAreAboutRecords: what an activity is about is written and read as
// fields, several records the lowest ID first; only what changes is sent.
func TestActivitiesAreAboutRecords(t *testing.T) {
	t.Parallel()
	clock := connectortest.NewClock()
	f, fake := fixture(t, clock)
	var people []string
	for i := range 12 { // so that IDs of two lengths are among them is up to the fake
		r, err := fake.Core().CreateRecord("contacts", map[string]string{"email": fmt.Sprintf("p%d@example.com", i)})
		if err != nil {
			t.Fatal(err)
		}
		people = append(people, r.ID)
	}
	firm, err := fake.Core().CreateRecord("companies", map[string]string{"name": "Acme"})
	if err != nil {
		t.Fatal(err)
	}
	var sent []string
	c := f.Open(t, connectortest.Tools{
		Tokens: connectortest.NewTokens(f.Token), Wrap: func(rt http.RoundTripper) http.RoundTripper {
			return trip(func(r *http.Request) (*http.Response, error) {
				sent = append(sent, r.URL.Path[strings.LastIndex(r.URL.Path, "batch/"):])
				return rt.RoundTrip(r)
			})
		},
	})
	write := func(op connector.Op, id crm.RecordID, fields crm.Fields) connector.Written {
		t.Helper()
		sent = nil
		out, err := c.BatchWrite(t.Context(), "notes", []connector.Write{{Op: op, ID: id, Fields: fields}})
		if err != nil || out[0].Err != nil {
			t.Fatal(out, err)
		}
		return out[0]
	}
	fields := []string{"hs_note_body", aboutContacts, aboutCompanies}
	read := func(id crm.RecordID) string {
		t.Helper()
		got, err := c.BatchRead(t.Context(), "notes", []crm.RecordID{id}, fields)
		if err != nil || got[0].Err != nil {
			t.Fatal(got, err)
		}
		var out []string
		for _, name := range fields {
			out = append(out, strings.Join(got[0].Record.Fields[name].Items(), " "))
		}
		return strings.Join(out, "/")
	}
	both := people[11] + " " + people[2]
	sorted := slices.SortedFunc(slices.Values([]string{people[11], people[2]}), func(a, b string) int {
		return cmp.Or(len(a)-len(b), strings.Compare(a, b))
	})
	made := write(connector.Create, "", crm.Fields{
		"hs_note_body": crm.TextValue("hello"), "hs_timestamp": crm.TextValue("2026-03-02T09:00:00Z"),
		aboutContacts: crm.ListValue(people[11], people[2]), aboutCompanies: crm.TextValue(firm.ID),
	})
	if got := read(made.ID); got != "hello/"+strings.Join(sorted, " ")+"/"+firm.ID {
		t.Errorf("created: %s", got)
	}
	if v := made.Record.Fields[aboutContacts]; !slices.Equal(v.Items(), sorted) {
		t.Errorf("the answer to the create says %v", v.Items())
	}
	for _, step := range []struct {
		name   string
		fields crm.Fields
		sent   string
		want   string
	}{
		{
			"as it is", abouts(aboutContacts, both), "batch/read batch/read",
			"hello/" + strings.Join(sorted, " ") + "/" + firm.ID,
		},
		{
			"another one", abouts(aboutContacts, people[0]),
			"batch/read batch/associate/default batch/archive batch/read", "hello/" + people[0] + "/" + firm.ID,
		},
		{"none", abouts(aboutContacts, ""), "batch/read batch/archive batch/read", "hello//" + firm.ID},
		{
			"one more", abouts(aboutContacts, people[1]), "batch/read batch/associate/default batch/read",
			"hello/" + people[1] + "/" + firm.ID,
		},
		{
			"of both objects", abouts(aboutContacts, "", aboutCompanies, ""),
			"batch/read batch/archive batch/read batch/archive batch/read", "hello//",
		},
		{"with a property", crm.Fields{
			"hs_note_body": crm.TextValue("bye"), aboutContacts: crm.TextValue(people[3]),
		}, "batch/read batch/associate/default batch/update", "bye/" + people[3] + "/"},
		{"a property alone", crm.Fields{"hs_note_body": crm.TextValue("again")}, "batch/update", "again/" + people[3] + "/"},
		{
			"nothing said of it",
			crm.Fields{"hs_note_body": crm.TextValue("once more"), aboutContacts: {}},
			"batch/update",
			"once more/" + people[3] + "/",
		},
	} {
		w := write(connector.Update, made.ID, step.fields)
		if got := strings.Join(sent, " "); got != step.sent {
			t.Errorf("%s: sent %s", step.name, got)
		}
		if got := read(made.ID); got != step.want {
			t.Errorf("%s: it holds %s, want %s", step.name, got, step.want)
		}
		for name, v := range step.fields {
			if got := w.Record.Fields[name]; v.Kind() != crm.Absent && len(v.Items()) > 0 &&
				len(got.Items()) != len(v.Items()) || v.Blank() && v.Kind() != crm.Absent && got.Kind() != crm.Null {
				t.Errorf("%s: the answer says of %s %v", step.name, name, got.Items())
			}
		}
	}
}

type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestActivitiesInTrouble: whatever call fails, it shows.
func TestActivitiesInTrouble(t *testing.T) {
	t.Parallel()
	clock := connectortest.NewClock()
	f, fake := fixture(t, clock)
	ann, err := fake.Core().CreateRecord("contacts", map[string]string{"email": "a@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	note, err := fake.Core().CreateRecord("notes", map[string]string{
		"hs_note_body": "hello", "hs_timestamp": "2026-03-02T09:00:00Z", aboutContacts: ann.ID,
	})
	if err != nil {
		t.Fatal(err)
	}
	clock.Advance(lag)
	fields := []string{"hs_note_body", aboutContacts}
	// Each time somebody new, so that there is something to write whichever call fails.
	n := 0
	flip := func(fields crm.Fields) func(context.Context, connector.Connector) error {
		return func(ctx context.Context, c connector.Connector) error {
			n++
			one, err := fake.Core().CreateRecord("contacts", map[string]string{"email": fmt.Sprintf("n%d@example.com", n)})
			if err != nil {
				return err
			}
			fields[aboutContacts] = crm.TextValue(one.ID)
			return connectortest.Writing("notes", connector.Write{
				Op: connector.Update, ID: crm.RecordID(note.ID), Fields: fields,
			})(ctx, c)
		}
	}
	connectortest.InTrouble(t, f, map[string]func(context.Context, connector.Connector) error{
		"read":   connectortest.Reading("notes", crm.RecordID(note.ID), fields...),
		"fields": connectortest.Describing("notes"),
		"list":   connectortest.Listing("notes", fields...),
		"list since": func(ctx context.Context, c connector.Connector) error {
			_, err := c.Changes(ctx, connector.ChangesRequest{Object: "notes", Fields: fields})
			return err
		},
		"find":              connectortest.Finding("notes", crm.Field{Name: "hs_note_body"}, "hello", fields...),
		"about alone":       flip(crm.Fields{}),
		"about and a value": flip(crm.Fields{"hs_note_body": crm.TextValue("bye")}),
	})
}

// TestMovesInPart: what comes behind a write that landed says so, however surely it
// was refused itself; what comes before it does not.
func TestMovesInPart(t *testing.T) {
	t.Parallel()
	clock := connectortest.NewClock()
	f, fake := fixture(t, clock)
	people := map[string]string{}
	for _, name := range []string{"old", "new"} {
		r, err := fake.Core().CreateRecord("contacts", map[string]string{"email": name + "@example.com"})
		if err != nil {
			t.Fatal(err)
		}
		people[name] = r.ID
	}
	for refused, landed := range map[string]bool{
		"notes/contacts/batch/read": false, "batch/associate/default": false, "contacts/batch/archive": true,
		"notes/batch/update": true,
	} {
		note, err := fake.Core().CreateRecord("notes", map[string]string{
			"hs_note_body": "hello", "hs_timestamp": "2026-03-02T09:00:00Z", aboutContacts: people["old"],
		})
		if err != nil {
			t.Fatal(err)
		}
		c := f.Open(t, connectortest.Tools{
			Tokens: connectortest.NewTokens(f.Token), Wrap: func(rt http.RoundTripper) http.RoundTripper {
				return trip(func(r *http.Request) (*http.Response, error) {
					if !strings.HasSuffix(r.URL.Path, refused) {
						return rt.RoundTrip(r)
					}
					return &http.Response{
						StatusCode: http.StatusForbidden, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
						Body: io.NopCloser(strings.NewReader(`{"status":"error","message":"no"}`)),
					}, nil
				})
			},
		})
		_, err = c.BatchWrite(t.Context(), "notes", []connector.Write{{
			Op: connector.Update, ID: crm.RecordID(note.ID),
			Fields: crm.Fields{"hs_note_body": crm.TextValue("bye"), aboutContacts: crm.TextValue(people["new"])},
		}})
		if !fault.Is(err, fault.Denied) || fault.MayHaveLanded(err) != landed {
			t.Errorf("%s: %v, landed %t, want %t", refused, err, fault.MayHaveLanded(err), landed)
		}
	}
}

// TestWritesOfAssociationsThatCannotBe are told without a call.
func TestWritesOfAssociationsThatCannotBe(t *testing.T) {
	t.Parallel()
	c := script(func([]map[string]any) (int, string) {
		t.Error("it is sent")
		return 500, ""
	})
	for name, w := range map[string]struct {
		connector.Write

		kind fault.Kind
	}{
		"no ID": {connector.Write{Op: connector.Create, Fields: abouts(aboutContacts, "x")}, fault.Invalid},
		"one of two is no": {
			connector.Write{Op: connector.Update, ID: "1", Fields: abouts(aboutContacts, "7 ../8")}, fault.Invalid,
		},
	} {
		out, err := c.BatchWrite(t.Context(), "notes", []connector.Write{w.Write})
		if err == nil {
			err = out[0].Err
		}
		if !fault.Is(err, w.kind) || !strings.Contains(fmt.Sprint(fault.FieldFaults(err)), aboutContacts) {
			t.Errorf("%s: %+v, %v", name, out, err)
		}
	}
}

// associations answers what is asked of associations, and shows one note.
func associations(answer string) connector.Connector {
	return opened(fakekit.Transport(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", "Mon, 02 Mar 2026 09:30:00 GMT")
		if strings.Contains(r.URL.Path, "/associations/") {
			_, _ = io.WriteString(w, answer)
			return
		}
		_, _ = io.WriteString(w, `{"status":"COMPLETE","results":[`+row("1")+`]}`)
	})))
}

// TestAnswersAboutAssociations: numbers for IDs, one twice, and none at all are taken;
// what names no record, or an error that is none of those documented, is no answer.
func TestAnswersAboutAssociations(t *testing.T) {
	t.Parallel()
	of := func(note string, far ...string) string {
		return `{"from":{"id":` + note + `},"to":[{"toObjectId":` + strings.Join(far, `},{"toObjectId":`) + `}]}`
	}
	for name, c := range map[string]struct {
		answer, errors string
		want           string
		bad            bool
	}{
		"none":                {},
		"a text":              {answer: of(`"1"`, `"7"`), want: "7"},
		"a number":            {answer: of("1", "7"), want: "7"},
		"in order":            {answer: of("1", "10", "9", "100"), want: "9 10 100"},
		"one twice":           {answer: of("1", "7", "7"), want: "7"},
		"in two":              {answer: of("1", "9") + "," + of("1", "8"), want: "8 9"},
		"of another":          {answer: of("2", "7")},
		"no ID":               {answer: of("1", `"x"`), bad: true},
		"no such association": {errors: `{"category":"OBJECT_NOT_FOUND","message":"No contact is associated"}`},
		"another error":       {errors: `{"category":"RATE_LIMITS"}`, bad: true},
		"an odd error":        {errors: `{"category":"ODD"}`, bad: true},
	} {
		got, err := associations(`{"results":[`+c.answer+`],"errors":[`+c.errors+`]}`).BatchRead(t.Context(), "notes",
			[]crm.RecordID{"1"}, []string{aboutContacts})
		if c.bad {
			if !fault.Is(err, fault.Unavailable) || fault.CodeOf(err) != connector.CodeMalformed {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			continue
		}
		if err != nil || got[0].Err != nil || strings.Join(got[0].Record.Fields[aboutContacts].Items(), " ") != c.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestRefusedAssociationsFailTheirRows: an error names a record at either end, and the
// rows that it is of fail with the field; one that names none fails all. The others go
// on, and what was to be ended of a row that failed is left.
func TestRefusedAssociationsFailTheirRows(t *testing.T) {
	t.Parallel()
	held := `{"results":[{"from":{"id":1},"to":[{"toObjectId":5}]},{"from":{"id":2},"to":[{"toObjectId":6}]}]}`
	for name, c := range map[string]struct {
		context string
		failed  string // rows
	}{
		"nothing named":    {`{}`, "1 2"},
		"an activity":      {`{"fromObjectId":["1"]}`, "1"},
		"a record":         {`{"toObjectId":["8"]}`, "2"},
		"by another word":  {`{"objectId":["8"]}`, "2"},
		"among others":     {`{"ids":["99","7"]}`, "1"},
		"somebody unknown": {`{"ids":["99"]}`, "1 2"},
	} {
		var archived []string
		conn := opened(trip(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/archive") {
				b, _ := io.ReadAll(r.Body)
				archived = append(archived, string(b))
			}
			word := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
			body := map[string]string{
				"read": held, "archive": "",
				"default": `{"results":[],"errors":[{"category":"VALIDATION_ERROR","context":` + c.context + `}]}`,
			}[word]
			if word == "read" && !strings.Contains(r.URL.Path, "/associations/") {
				body = `{"status":"COMPLETE","results":[` + row("1") + "," + row("2") + `]}`
			}
			return &http.Response{
				StatusCode: 200, Header: http.Header{"Date": {"Mon, 02 Mar 2026 09:30:00 GMT"}},
				Body: io.NopCloser(strings.NewReader(body)), Request: r,
			}, nil
		}))
		out, err := conn.BatchWrite(t.Context(), "notes", []connector.Write{
			{Op: connector.Update, ID: "1", Fields: abouts(aboutContacts, "7")},
			{Op: connector.Update, ID: "2", Fields: abouts(aboutContacts, "8")},
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var failed []string
		for i, w := range out {
			if w.Err == nil {
				continue
			}
			failed = append(failed, string(w.ID))
			if !fault.Is(w.Err, fault.Invalid) || !strings.Contains(fmt.Sprint(fault.FieldFaults(w.Err)), aboutContacts) ||
				w.Exchange == nil {
				t.Errorf("%s: row %d: %+v", name, i, w)
			}
		}
		if got := strings.Join(failed, " "); got != c.failed {
			t.Errorf("%s: failed %s, want %s", name, got, c.failed)
		}
		ended := strings.Join(archived, "")
		for id, far := range map[string]string{"1": `"5"`, "2": `"6"`} {
			if strings.Contains(ended, far) == strings.Contains(c.failed, id) {
				t.Errorf("%s: of %s is ended: %s", name, id, ended)
			}
		}
	}
}

func row(id string) string {
	return `{"id":"` + id + `","properties":{},"createdAt":"2026-03-01T00:00:00Z","updatedAt":"2026-03-01T00:00:00Z"}`
}
