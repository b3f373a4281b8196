package salesforce_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

func (w *world) write(t *testing.T, object string, writes ...connector.Write) []connector.Written {
	t.Helper()
	out, err := w.conn.BatchWrite(t.Context(), object, writes)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func contact(last, email string) connector.Write {
	return connector.Write{
		Op: connector.Create, Ref: last, Fields: crm.Fields{"LastName": crm.TextValue(last), "Email": crm.TextValue(email)},
	}
}

func TestDuplicates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.write(t, "Contact", contact("One", "one@example.com"))[0]
	for _, rule := range []string{"alert", "block"} {
		w.knob(t, "PUT", "/_fake/duplicate_rule", `{"rule":"`+rule+`"}`)
		got := w.write(t, "Contact", contact("Other", "ONE@example.com"))[0]
		if !fault.Is(got.Err, fault.Conflict) || fault.CodeOf(got.Err) != "duplicate_rule" {
			t.Errorf("%s: %v, want conflict, duplicate_rule", rule, got.Err)
		}
	}
	w.knob(t, "PUT", "/_fake/duplicate_rule", `{"rule":"off"}`)
	key := contact("Two", "two@example.com")
	key.Fields["Lockstep_Id__c"] = crm.TextValue("k-1")
	holder := w.write(t, "Contact", key)[0]
	key.Fields["Email"] = crm.TextValue("three@example.com")
	got := w.write(t, "Contact", key)[0]
	if fault.CodeOf(got.Err) != "already_exists" || got.Existing != holder.ID || holder.ID == first.ID {
		t.Errorf("the taken key: existing %q, %v, want %q and already_exists", got.Existing, got.Err, holder.ID)
	}
}

// TestWriteKinds writes each kind of value and reads it back.
func TestWriteKinds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := crm.Fields{
		"LastName": crm.TextValue("Kinds"), "HasOptedOutOfEmail": crm.BoolValue(true),
		"Score__c":  crm.NumberValue("12345678901234567.25"),
		"Birthdate": crm.TextValue("1990-02-28"), "Tags__c": crm.ListValue("Customer", "Partner"),
		"Last_Seen__c": crm.TextValue("2026-01-02T04:04:05+01:00"),
		"Level__c":     crm.TextValue("Primary"),
	}
	id := w.write(t, "Contact", connector.Write{Op: connector.Create, Fields: in, Ref: "r"})[0].ID
	want := map[string]crm.Value{
		"LastName": crm.TextValue("Kinds"), "HasOptedOutOfEmail": crm.BoolValue(true), "DoNotCall": crm.BoolValue(false),
		"Score__c":  crm.NumberValue("12345678901234567.25"),
		"Birthdate": crm.TextValue("1990-02-28"), "Tags__c": crm.TextValue("Customer;Partner"),
		"Last_Seen__c": crm.TextValue("2026-01-02T03:04:05.000+0000"),
		"Level__c":     crm.TextValue("Primary"), "FirstName": crm.NullValue(), "Name": crm.TextValue("Kinds"),
	}
	var names []string
	for n := range want {
		names = append(names, n)
	}
	reads, err := w.conn.BatchRead(t.Context(), "Contact", []crm.RecordID{id}, names)
	if err != nil || reads[0].Err != nil {
		t.Fatal(err, reads)
	}
	for n, v := range want {
		if got := reads[0].Record.Fields[n]; !got.Equal(v) {
			t.Errorf("%s = %#v, want %#v", n, got, v)
		}
	}
}

// TestRowsThatCannotSucceed are answered without being sent, beside the rows
// that are.
func TestRowsThatCannotSucceed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.person(t, "Here")
	out := w.write(t, "Contact",
		connector.Write{Op: connector.Update, ID: "not an id", Fields: crm.Fields{"LastName": crm.TextValue("x")}, Ref: "a"},
		connector.Write{Op: connector.Update, ID: id[:15], Fields: crm.Fields{"LastName": crm.TextValue("Short")}, Ref: "b"},
		connector.Write{Op: connector.Update, ID: id, Fields: crm.Fields{"Id": crm.TextValue("x")}, Ref: "c"},
		connector.Write{Op: connector.Update, ID: id, Fields: crm.Fields{"attributes": crm.TextValue("x")}, Ref: "d"},
		connector.Write{Op: connector.Update, ID: id, Fields: crm.Fields{"Name; DROP": crm.TextValue("x")}, Ref: "e"},
	)
	for i, kind := range []fault.Kind{fault.NotFound, fault.Other, fault.Invalid, fault.Invalid, fault.Invalid} {
		if fault.KindOf(out[i].Err) != kind {
			t.Errorf("row %d: %v, want %s", i, out[i].Err, kind)
		}
	}
	if out[1].ID != id {
		t.Errorf("the short ID came back as %q, want %q", out[1].ID, id)
	}
	if got := w.Fake.Live("Contact")[id]["LastName"]; got != "Short" {
		t.Errorf("LastName = %q, want the write by the short ID", got)
	}
	mixed := []connector.Write{contact("a", "a@example.com"), {Op: connector.Archive, ID: id, Ref: "z"}}
	if _, err := w.conn.BatchWrite(t.Context(), "Contact", mixed); !fault.Is(err, fault.Invalid) {
		t.Errorf("a mixed batch: %v, want invalid", err)
	}
}

// TestExchange keeps one row's request and answer, and no token.
func TestExchange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bad := contact("Bad", "not an address")
	out := w.write(t, "Contact", contact("Good", "good@example.com"), bad)
	x := out[1].Exchange
	if x == nil {
		t.Fatal("no exchange")
	}
	if x.Method != "POST" || x.Status != 200 || !strings.HasSuffix(x.URL, "/services/data/v67.0/composite/sobjects") {
		t.Errorf("%s %s -> %d", x.Method, x.URL, x.Status)
	}
	if !strings.Contains(x.Request, "not an address") || strings.Contains(x.Request, "Good") ||
		!strings.Contains(x.Response, "INVALID_EMAIL_ADDRESS") {
		t.Errorf("request %s\nresponse %s", x.Request, x.Response)
	}
	if strings.Contains(x.Request+x.Response+x.URL, "!") {
		t.Error("the exchange holds a token")
	}
}

func TestFindByNumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ids []crm.RecordID
	for _, score := range []string{"7", "12.50", "7"} {
		id, err := w.Fake.Create("Contact", map[string]string{"LastName": "N" + score, "Score__c": score})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	number := crm.Field{Name: "Score__c", Type: crm.TypeNumber}
	for round, field := range []crm.Field{number, {Name: "Score__c"}, number, {Name: "Score__c"}} {
		wantCalls := 1
		if field.Type == "" {
			wantCalls = 2 // the org says that it is a field of numbers
		}
		before := w.Fake.Calls()
		found, err := w.conn.BatchFind(t.Context(), "Contact", field, []string{"7", "x' OR", "12.50", "8", "1e9"},
			[]string{"LastName"})
		if err != nil {
			t.Fatal(err)
		}
		if len(found[0]) != 2 || len(found[2]) != 1 || found[2][0].ID != ids[1] ||
			len(found[1])+len(found[3])+len(found[4]) != 0 {
			t.Errorf("round %d found %d %d %d %d %d", round, len(found[0]), len(found[1]), len(found[2]), len(found[3]),
				len(found[4]))
		}
		if n := w.Fake.Calls() - before; n != wantCalls {
			t.Errorf("round %d took %d calls, want %d", round, n, wantCalls)
		}
	}
}

// TestS38_FindPhonesAndAddresses finds what was typed by what is meant.
func TestS38_FindPhonesAndAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fields := map[string]crm.Field{}
	list, err := w.conn.Fields(t.Context(), "Account")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		fields[f.Name] = f
	}
	for field, cases := range map[string][]struct{ held, asked string }{
		"Phone": {
			{"(212) 555-0122", "2125550122"},
			{"+44 20 7183 8750", "2071838750"},
			{"020 7183 8751 ext. 9", "2071838751"},
			{"5-55", "5-55"},
			{"12 34 56", "12 34 56"},
		},
		"Website": {
			{"https://www.Acme.com/de", "acme.com"},
			{"http://under_score.example", "under_score.example"},
			{"100%.example/a'b", "100%.example/a'b"},
		},
	} {
		var asked []string
		var want []crm.RecordID
		for _, c := range cases {
			id, err := w.Fake.Create("Account", map[string]string{"Name": c.held, field: c.held})
			if err != nil {
				t.Fatal(err)
			}
			want, asked = append(want, id), append(asked, c.asked)
		}
		asked = append(asked, "3125550199", "nobody.example")
		before := w.Fake.Calls()
		found, err := w.conn.BatchFind(t.Context(), "Account", fields[field], asked, []string{"Name"})
		if err != nil {
			t.Fatal(err)
		}
		if n := w.Fake.Calls() - before; n != 1 {
			t.Errorf("%s: %d calls, want 1", field, n)
		}
		for i := range asked {
			var got, wanted []crm.RecordID
			for _, r := range found[i] {
				got = append(got, r.ID)
			}
			if i < len(want) {
				wanted = want[i : i+1]
			}
			if diff := cmp.Diff(wanted, got); diff != "" {
				t.Errorf("%s %q (-want +got):\n%s", field, asked[i], diff)
			}
		}
	}
}

// TestFindLongValues asks for values whose query does not fit into one URL.
func TestFindLongValues(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	values := make([]string, 100)
	for i := range values {
		values[i] = strings.Repeat("ü", 60) + string(rune('a'+i%26)) + string(rune('a'+i/26))
	}
	values[7] = strings.Repeat("x", 300) // longer than any field
	want := w.person(t, values[99])
	found, err := w.conn.BatchFind(t.Context(), "Contact", crm.Field{Name: "LastName"}, values, []string{"LastName"})
	if err != nil {
		t.Fatal(err)
	}
	if len(found[99]) != 1 || found[99][0].ID != want || len(found[7]) != 0 {
		t.Errorf("found %d and %d records, want 1 and none", len(found[99]), len(found[7]))
	}
}

// TestFindManyRows follows the pages of a find.
func TestFindManyRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 25 {
		w.person(t, "Same")
	}
	w.knob(t, "PUT", "/_fake/page_rows", `{"rows":10}`)
	found, err := w.conn.BatchFind(t.Context(), "Contact", crm.Field{Name: "LastName"}, []string{"same"},
		[]string{"LastName"})
	if err != nil || len(found[0]) != 25 {
		t.Fatalf("%d of 25 records, %v", len(found[0]), err)
	}
	w.knob(t, "PUT", "/_fake/page_rows", `{"rows":1}`)
	if _, err := w.conn.BatchFind(t.Context(), "Contact", crm.Field{Name: "LastName"}, []string{"same"},
		nil); !fault.Is(err, fault.Invalid) || fault.CodeOf(err) != "too_many_matches" {
		t.Errorf("25 pages: %v, want invalid, too_many_matches", err)
	}
}

// TestS18_Quota stops calling when nine tenths of the day's calls are gone, and
// looks again after a rest.
func TestS18_Quota(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.person(t, "Somebody")
	w.org.Core().SetLimits(fakekit.Limits{Daily: 10})
	read := func() error {
		_, err := w.conn.BatchRead(t.Context(), "Contact", []crm.RecordID{id}, nil)
		return err
	}
	for i := range 9 {
		if err := read(); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	before := w.Fake.Calls()
	err := read()
	if !fault.Is(err, fault.Throttled) || fault.CodeOf(err) != "quota_exhausted" || fault.RetryAfter(err) > time.Minute ||
		!fault.Guessed(err) || w.Fake.Calls() != before {
		t.Errorf("at nine tenths: %v, retry after %s, %d calls, want throttled, a guessed minute and none", err,
			fault.RetryAfter(err), w.Fake.Calls()-before)
	}
	if _, err := w.conn.Test(t.Context()); err != nil {
		t.Errorf("a test by a person must go through: %v", err)
	}
	w.clock.Advance(time.Minute)
	if err = read(); fault.CodeOf(err) != "quota_exhausted" || w.Fake.Calls() == before {
		t.Errorf("after the rest, with the quota gone: %v", err)
	}
	w.org.Core().SetLimits(fakekit.Limits{Daily: 1000})
	w.clock.Advance(time.Minute)
	if err = read(); err != nil {
		t.Errorf("with a new quota: %v", err)
	}
}

// TestSaveDuplicates passes alert rules, and not block rules, where the account says so.
func TestSaveDuplicates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(t, "Contact", contact("One", "one@example.com"))
	conn, err := salesforce.Open(connector.Config{
		BaseURL: instance, Kind: crm.AuthOAuth2, Tokens: connectortest.NewTokens(w.Token), Now: w.clock.Now,
		SaveDuplicates: true,
		HTTP:           &http.Client{Transport: fakekit.Transport(w.org)},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.conn = conn
	for rule, want := range map[string]string{"alert": "", "block": "duplicate_rule"} {
		w.knob(t, "PUT", "/_fake/duplicate_rule", `{"rule":"`+rule+`"}`)
		got := w.write(t, "Contact", contact("Other", "one@example.com"))[0]
		if code := fault.CodeOf(got.Err); got.Err == nil != (want == "") || want != "" && code != want {
			t.Errorf("%s: %v, want %q", rule, got.Err, want)
		}
	}
}
