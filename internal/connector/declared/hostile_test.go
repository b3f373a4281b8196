package declared_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/declared"
	"github.com/lockstep-crm/lockstep/internal/connector/declared/vendorsfake"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// opened is an account of a document whose calls h answers.
func opened(t testing.TB, document string, h http.Handler) connector.Connector {
	t.Helper()
	d, err := declared.Parse("x.yaml", []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	cfg := keyed(crm.AuthAPIKey, "api_key", vendorsfake.ExampleKey)
	cfg.HTTP, cfg.Now = &http.Client{Transport: fakekit.Transport(h)}, func() time.Time {
		return time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	}
	c, err := d.Driver().Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const person = `{"id":7,"email":"a@example.com","last_name":"Ann","created_at":"2026-01-01T10:00:00Z","updated_at":"2026-01-02T10:00:00Z","custom":{"score":5}}`

func rowsOf(rows, next string) string { return `{"data":[` + rows + `],"next":` + next + `}` }

// TestX13_DeclaredAnswers gives wrong answers to every call: each is malformed, none is
// an empty page or another record.
func TestX13_DeclaredAnswers(t *testing.T) {
	t.Parallel()
	model := edited(t)
	at := func(status int, body string) connector.Connector {
		return opened(t, model, connectortest.Says(status, body))
	}
	list := func(body string) error {
		_, err := at(200, body).Changes(t.Context(), connector.ChangesRequest{
			Object: "people", Fields: []string{"last_name", "score"}, Full: true,
		})
		return err
	}
	read := func(body string) error {
		_, err := at(200, body).BatchRead(t.Context(), "people", []crm.RecordID{"7"}, []string{"last_name"})
		return err
	}
	write := func(op connector.Op, body string) error {
		_, err := at(200, body).BatchWrite(t.Context(), "people", []connector.Write{
			{Op: op, ID: "7", Fields: crm.Fields{"last_name": crm.TextValue("B")}},
		})
		return err
	}
	swap := func(old, with string) string { return rowsOf(strings.Replace(person, old, with, 1), "null") }
	if err := list(rowsOf(person, "null")); err != nil {
		t.Fatal(err)
	}
	_, since := at(200, rowsOf(person, "null")).Changes(t.Context(), connector.ChangesRequest{
		Object: "people", Cursor: "@1900000000000",
	})
	_, find := at(200, `{"data":7}`).BatchFind(t.Context(), "people", crm.Field{Name: "email"}, []string{"a@example.com"},
		nil)
	_, fields := at(200, `{"fields":null}`).Fields(t.Context(), "people")
	_, test := at(200, `{"workspace":{}}`).Test(t.Context())
	for name, err := range map[string]error{
		"no list":             list(`{"items":[]}`),
		"a number":            list(`{"data":7}`),
		"no ID":               list(swap(`"id":7,`, "")),
		"odd ID":              list(swap(`"id":7`, `"id":"7'"`)),
		"no time":             list(swap(`"updated_at":"2026-01-02T10:00:00Z",`, "")),
		"odd time":            list(swap("2026-01-02T10:00:00Z", "yesterday")),
		"odd value":           list(swap(`"Ann"`, `{"first":"Ann"}`)),
		"odd list":            list(swap(`"Ann"`, `["a",{"b":1}]`)),
		"more of nothing":     list(rowsOf("", `"x"`)),
		"odd cursor":          list(rowsOf(person, `"`+strings.Repeat("x", 3000)+`"`)),
		"no record":           list(rowsOf("null", "null")),
		"not asked for":       since,
		"read without ID":     read(swap(`"id":7,`, "")),
		"found nothing known": find,
		"no fields":           fields,
		"no account":          test,
		"created nobody":      write(connector.Create, `{"data":{}}`),
		"wrote nobody":        write(connector.Update, `{}`),
		"wrote another":       write(connector.Update, `{"data":`+strings.Replace(person, `"id":7`, `"id":8`, 1)+`}`),
		"deleted another":     write(connector.Archive, `{"data":{"id":8}}`),
	} {
		if fault.CodeOf(err) != connector.CodeMalformed {
			t.Errorf("%s: %v, want malformed_answer", name, err)
		}
	}
	other := strings.Replace(person, `"id":7`, `"id":8`, 1)
	if got, err := at(200, rowsOf(other, "null")).BatchRead(t.Context(), "people", []crm.RecordID{"7"}, nil); err != nil ||
		!fault.Is(got[0].Err, fault.NotFound) {
		t.Errorf("another record than was asked for: %v, %v", got, err)
	}
}

// TestRefusals: words, texts, statuses and flags of the document become codes.
func TestRefusals(t *testing.T) {
	t.Parallel()
	model := edited(t, "  request_id: X-Request-Id", `  problems: /errors
  statuses: {402: missing_permission, 404: not_found, 503: rate_limited}
  texts: [{at: /message, has: Already Exists, code: already_exists}, {at: /message, has: no such value, code: invalid_value}]
  failed: {at: /ok, is: "false"}`, "word: /error/code", "word: /code", "field: /error/field", "field: /name")
	for name, c := range map[string]struct {
		status int
		body   string
		kind   fault.Kind
		code   string
		field  string
	}{
		"a word": {
			400, `{"errors":[{"code":"too_long","name":"last_name"}]}`, fault.Invalid, connector.CodeTooLong,
			"last_name",
		},
		"a text":           {400, `{"message":"The e-mail already exists."}`, fault.Conflict, connector.CodeExists, ""},
		"a status":         {402, `{}`, fault.Denied, connector.CodePermission, ""},
		"told by a 500":    {500, `{"message":"There is no such value"}`, fault.Invalid, connector.CodeValue, ""},
		"a limit by a 503": {503, `{}`, fault.Throttled, connector.CodeRate, ""},
		"a flag": {
			200, `{"ok":false,"errors":[{"code":"bad_option","name":"level"}]}`, fault.Invalid, connector.CodeOption, "level",
		},
		"an unknown word": {
			400, `{"errors":[{"code":"new","name":"last_name"}]}`, fault.Invalid, connector.CodeRejected,
			"",
		},
		"a hostile field": {
			400, `{"errors":[{"code":"too_long","name":"Ann <ann@example.com>"}]}`, fault.Invalid,
			connector.CodeTooLong, "",
		},
		"no JSON":          {400, `<html>`, fault.Invalid, connector.CodeRejected, ""},
		"nothing is there": {404, `{}`, fault.NotFound, "not_found", ""},
	} {
		out, err := opened(t, model, connectortest.Says(c.status, c.body)).BatchWrite(t.Context(), "people",
			[]connector.Write{{Op: connector.Update, ID: "7", Fields: crm.Fields{"last_name": crm.TextValue("B")}}})
		if err == nil {
			err = out[0].Err
		}
		named := ""
		if f := fault.FieldFaults(err); len(f) > 0 {
			named = f[0].Field
		}
		if fault.KindOf(err) != c.kind || fault.CodeOf(err) != c.code || named != c.field {
			t.Errorf("%s: %s %s about %q, want %s %s about %q", name, fault.KindOf(err), fault.CodeOf(err), named, c.kind,
				c.code, c.field)
		}
	}
}

// TestCodecs: values in forms that JSON does not tell, read and written.
func TestCodecs(t *testing.T) {
	t.Parallel()
	types := ""
	for _, f := range []string{
		"epoch_s: {type: datetime, codec: epoch_s}", "epoch_ms: {type: datetime, codec: epoch_ms}",
		"sql: {type: datetime, codec: sql}", "day: {type: date, codec: day}",
		"ten: {type: phone, codec: ten_digits}", "commas: {type: list, codec: commas}",
		"semis: {type: list, codec: semicolons}", "names: {type: list, codec: names}",
		"number: {type: option, codec: number}", "list: {type: list}", "nested: {at: /name/first, to: /first}",
	} {
		types += "      " + f + "\n"
	}
	model := edited(t, "      email: {label: E-mail, type: email}\n", "      email: {label: E-mail, type: email}\n"+types)
	var sent string
	c := opened(t, model, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch {
			raw := make([]byte, r.ContentLength)
			_, _ = r.Body.Read(raw)
			sent = string(raw)
		}
		row := strings.TrimSuffix(person, "}") + `,"epoch_s":1767225600,"epoch_ms":"1767225600123","sql":"2026-01-01 00:00:00","day":"2026-01-01T05:00:00+05:00",
			"ten":"4155550100","commas":"a, b","semis":"a;b;","names":[{"name":"x"},"y"],"number":12,"list":["p","q"],"name":{"first":"Jo"}}`
		if r.Method == http.MethodPatch {
			_, _ = fmt.Fprintf(w, `{"data":%s}`, row)
			return
		}
		_, _ = w.Write([]byte(rowsOf(row, "null")))
	}))
	want := map[string]struct {
		read  string
		write crm.Value
		sent  string
	}{
		"epoch_s":  {"2026-01-01T00:00:00Z", crm.TextValue("2026-01-02T00:00:00Z"), `"epoch_s":1767312000`},
		"epoch_ms": {"2026-01-01T00:00:00Z", crm.TextValue("2026-01-02T00:00:00Z"), `"epoch_ms":1767312000000`},
		"sql":      {"2026-01-01T00:00:00Z", crm.TextValue("2026-01-02T03:04:05+01:00"), `"sql":"2026-01-02 02:04:05"`},
		"day":      {"2026-01-01", crm.TextValue("2026-01-02"), `"day":"2026-01-02"`},
		"ten":      {"4155550100", crm.TextValue("+1 (415) 555-0101"), `"ten":"4155550101"`},
		"commas":   {"a;b", crm.ListValue("c", "d"), `"commas":"c,d"`},
		"semis":    {"a;b", crm.ListValue("c", "d"), `"semis":"c;d"`},
		"names":    {"x;y", crm.ListValue("c"), `"names":["c"]`},
		"number":   {"12", crm.TextValue("13"), `"number":13`},
		"list":     {"p;q", crm.NullValue(), `"list":null`},
		"nested":   {"Jo", crm.TextValue("<Al>"), `"first":"<Al>"`},
	}
	var names []string
	fields := crm.Fields{}
	for name, w := range want {
		names = append(names, name)
		fields[name] = w.write
	}
	got, err := c.BatchRead(t.Context(), "people", []crm.RecordID{"7"}, names)
	if err != nil || got[0].Err != nil {
		t.Fatal(err, got)
	}
	out, err := c.BatchWrite(t.Context(), "people", []connector.Write{{Op: connector.Update, ID: "7", Fields: fields}})
	if err != nil || out[0].Err != nil {
		t.Fatal(err, out)
	}
	for name, w := range want {
		if v := got[0].Record.Fields[name].Text(); v != w.read {
			t.Errorf("%s is read as %q, want %q", name, v, w.read)
		}
		if !strings.Contains(sent, w.sent) {
			t.Errorf("%s is not sent as %s in %s", name, w.sent, sent)
		}
	}
	out, err = c.BatchWrite(t.Context(), "people", []connector.Write{
		{Op: connector.Update, ID: "7", Fields: crm.Fields{"ten": crm.TextValue("+49 30 123456789")}},
	})
	if err != nil || fault.CodeOf(out[0].Err) != connector.CodeValue || fault.FieldFaults(out[0].Err)[0].Field != "ten" {
		t.Errorf("a number of other length: %v, %v", out, err)
	}
}

// TestNeededToCreate: what a new record lacks is told before anything is sent.
func TestNeededToCreate(t *testing.T) {
	t.Parallel()
	model := edited(t, "    label: People\n", "    label: People\n    any_of: [[email], [first_name, phone]]\n")
	for name, c := range map[string]struct {
		fields crm.Fields
		field  string
	}{
		"no last name": {crm.Fields{"email": crm.TextValue("a@example.com")}, "last_name"},
		"blank last name": {
			crm.Fields{"email": crm.TextValue("a@example.com"), "last_name": crm.TextValue(" ")}, "last_name",
		},
		"neither":        {crm.Fields{"last_name": crm.TextValue("A"), "phone": crm.TextValue("1")}, "email"},
		"one of the two": {crm.Fields{"last_name": crm.TextValue("A"), "email": crm.TextValue("a@example.com")}, ""},
		"the other one": {
			crm.Fields{"last_name": crm.TextValue("A"), "first_name": crm.TextValue("B"), "phone": crm.TextValue("1")}, "",
		},
		"what cannot be": {
			crm.Fields{"last_name": crm.TextValue("A"), "email": crm.TextValue("a@example.com"), "owner/x": crm.TextValue("1")},
			"",
		},
	} {
		calls := 0
		out, err := opened(t, model, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			calls++
			_, _ = w.Write([]byte(`{"data":` + person + `}`))
		})).BatchWrite(t.Context(), "people", []connector.Write{{Op: connector.Create, Fields: c.fields}})
		if err != nil {
			t.Fatal(name, err)
		}
		if c.field == "" {
			if out[0].Err != nil || calls != 1 {
				t.Errorf("%s: %v after %d calls", name, out[0].Err, calls)
			}
			continue
		}
		if f := fault.FieldFaults(out[0].Err); fault.CodeOf(out[0].Err) != connector.CodeRequired || len(f) != 1 ||
			f[0].Field != c.field || calls != 0 {
			t.Errorf("%s: %v after %d calls, want %s", name, out[0].Err, calls, c.field)
		}
	}
}

// FuzzDeclaredAnswer gives arbitrary answers to every call: no panic, and either a whole
// result or a classified error.
func FuzzDeclaredAnswer(f *testing.F) {
	f.Add(200, rowsOf(person, `"x"`))
	f.Add(200, `{"data":`+person+`}`)
	f.Add(200, `{"fields":[{"key":"a","kind":"choice","choices":[1,null,{"id":"x"}]}]}`)
	f.Add(403, `<html>`)
	model := edited(f)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		c, ctx := opened(t, model, connectortest.Says(status, body)), t.Context()
		reads, errRead := c.BatchRead(ctx, "people", []crm.RecordID{"7"}, []string{"email", "score", "owner"})
		found, errFind := c.BatchFind(ctx, "people", crm.Field{Name: "email"}, []string{"a@example.com"}, []string{"tags"})
		wrote, errWrite := c.BatchWrite(ctx, "people", []connector.Write{
			{Op: connector.Update, ID: "7", Fields: crm.Fields{"email": crm.NullValue()}},
		})
		page, errScan := c.Changes(ctx, connector.ChangesRequest{Object: "people"})
		_, errFields := c.Fields(ctx, "people")
		_, errOwner := c.Extras().OwnerEmail(ctx, "7")
		_, errTest := c.Test(ctx)
		for _, err := range []error{errRead, errFind, errWrite, errScan, errFields, errOwner, errTest} {
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

// TestExampleFakeIsStrict: what the model's API does not know is refused.
func TestExampleFakeIsStrict(t *testing.T) {
	t.Parallel()
	fake := vendorsfake.Example(fakekit.Config{Seed: 5})
	for call, want := range map[string]string{
		"GET /v1/people?limit=101":                               `400 {"error":{"code":"bad_value","field":"limit"`,
		"GET /v1/people?updated_sinc=1":                          `400 {"error":{"code":"unknown_parameter","field":"updated_sinc"`,
		"GET /v1/people?updated_since=1":                         `400 {"error":{"code":"bad_value","field":"updated_since"`,
		"GET /v1/people?cursor=%25":                              `400 {"error":{"code":"bad_value","field":"cursor"`,
		"GET /v1/nothing":                                        `404 `,
		"PUT /v1/people":                                         `405 `,
		"POST /v1/people []":                                     `400 {"error":{"code":"bad_body"`,
		`POST /v1/people {"person":{}}`:                          `400 {"error":{"code":"required","field":"last_name"`,
		`POST /v1/people {"person":{"last_name":"A","pet":"x"}}`: `400 {"error":{"code":"unknown_field","field":"pet"`,
		`POST /v1/people {"person":{"last_name":"A","custom":{"score":"x"}}}`:     `400 {"error":{"code":"bad_value","field":"score"`,
		`POST /v1/people {"person":{"last_name":"A","custom":{"level":"brass"}}}`: `400 {"error":{"code":"bad_option","field":"level"`,
		`POST /v1/people {"person":{"last_name":"A","custom":{"visits":1}}}`:      `400 {"error":{"code":"read_only","field":"visits"`,
		`POST /v1/people {"person":{"last_name":"` + strings.Repeat("x", 81) +
			`"}}`: `400 {"error":{"code":"too_long","field":"last_name"`,
		`PATCH /v1/people/9 {"person":{"last_name":"A"}}`: `404 {"error":{"code":"not_found"`,
	} {
		method, rest, _ := strings.Cut(call, " ")
		path, body, _ := strings.Cut(rest, " ")
		req := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		req.Header.Set("X-Api-Key", vendorsfake.ExampleKey)
		w := httptest.NewRecorder()
		fake.ServeHTTP(w, req)
		if got := fmt.Sprint(w.Code, " ", w.Body); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", call, got, want)
		}
	}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/me", nil)
	w := httptest.NewRecorder()
	if fake.ServeHTTP(w, req); w.Code != 401 {
		t.Errorf("without a key: %d", w.Code)
	}
}
