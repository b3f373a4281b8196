package leadsquared_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/leadsquared"
	"github.com/lockstep-crm/lockstep/internal/connector/leadsquared/leadsquaredfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// account is an account of a fake, with a connector to it.
type account struct {
	connector.Connector

	t     *testing.T
	fake  *leadsquaredfake.Fake
	clock *connectortest.Clock
	after atomic.Pointer[func()] // runs when a call is answered
}

func newAccount(t *testing.T) *account {
	t.Helper()
	clock := connectortest.NewClock()
	_, fake := fixture(t, clock)
	a := &account{t: t, fake: fake, clock: clock}
	a.Connector = opened(t, through(func(r *http.Request) (*http.Response, error) {
		resp, err := fakekit.Transport(fake).RoundTrip(r)
		if f := a.after.Swap(nil); f != nil {
			(*f)()
		}
		return resp, err
	}), clock.Now)
	return a
}

type through func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f through) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (a *account) create(fields map[string]string) crm.RecordID {
	a.t.Helper()
	r, err := a.fake.Core().CreateRecord("leads", fields)
	if err != nil {
		a.t.Fatal(err)
	}
	return crm.RecordID(r.ID)
}

func (a *account) write(op connector.Op, id crm.RecordID, fields crm.Fields) connector.Written {
	a.t.Helper()
	out, err := a.BatchWrite(a.t.Context(), "leads", []connector.Write{{Op: op, ID: id, Fields: fields}})
	if err != nil {
		a.t.Fatal(err)
	}
	return out[0]
}

// TestValues: all values are texts to LeadSquared; a truth value is a digit, a time has no
// zone, and nothing clears.
func TestValues(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	w := a.write(connector.Create, "", crm.Fields{
		"LastName": crm.TextValue("Roe"), "mx_Age": crm.NumberValue("12.5"), "mx_Member": crm.BoolValue(true),
		"mx_Visited_On": crm.TextValue("2026-03-02T10:30:00+01:00"), "Source": {},
	})
	if w.Err != nil || w.At.IsZero() {
		t.Fatalf("%+v", w)
	}
	want := map[string]string{
		"LastName": "Roe", "mx_Age": "12.5", "mx_Member": "1", "mx_Visited_On": "2026-03-02 09:30:00",
		"ProspectStage": "Prospect", "ProspectAutoId": "1", "ModifiedBy": leadsquaredfake.KeysUser,
	}
	if diff := cmp.Diff(want, a.fake.Core().Records("leads")[0].Fields); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	reads, err := a.BatchRead(t.Context(), "leads", []crm.RecordID{w.ID}, []string{
		"mx_Visited_On", "mx_Age", "Source", "CreatedOn",
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for name, v := range reads[0].Record.Fields {
		got[name] = fmt.Sprintf("%d %s", v.Kind(), v.Text())
	}
	if diff := cmp.Diff(map[string]string{
		"mx_Visited_On": "2 2026-03-02T09:30:00Z", "mx_Age": "2 12.5", "Source": "1 ",
		"CreatedOn": "2 2026-03-02T09:30:00Z",
	}, got); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	if w := a.write(connector.Update, w.ID, crm.Fields{
		"mx_Member": crm.BoolValue(false), "mx_Age": crm.NullValue(),
	}); w.Err != nil {
		t.Fatal(w.Err)
	}
	if f := a.fake.Core().Records("leads")[0].Fields; f["mx_Member"] != "0" || f["mx_Age"] != "" {
		t.Errorf("after the update: %v", f)
	}
}

// TestStatus500: a double and a lead that is gone are no trouble of LeadSquared's, and
// nothing was written; what is not known may have been.
func TestStatus500(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	id := a.create(map[string]string{"LastName": "Roe", "EmailAddress": "a@example.com"})
	w := a.write(connector.Create, "", crm.Fields{"EmailAddress": crm.TextValue("A@example.com")})
	if !fault.Is(w.Err, fault.Conflict) || fault.CodeOf(w.Err) != connector.CodeExists || fault.MayHaveLanded(w.Err) ||
		!strings.Contains(w.Err.Error(), "EmailAddress") {
		t.Errorf("a double: %v", w.Err)
	}
	if strings.Contains(strings.ToLower(w.Err.Error()), "a@example.com") || w.Exchange == nil || w.Exchange.Status != 500 {
		t.Errorf("a double's text and exchange: %v, %+v", w.Err, w.Exchange)
	}
	gone := crm.RecordID(strings.ReplaceAll(string(id), "1", "7"))
	if w := a.write(connector.Update, gone, crm.Fields{"LastName": crm.TextValue("X")}); !fault.Is(w.Err,
		fault.NotFound) || fault.MayHaveLanded(w.Err) {
		t.Errorf("a lead that is gone: %v", w.Err)
	}
	if w := a.write(connector.Update, id, crm.Fields{
		"mx_None": crm.TextValue("X"),
	}); fault.CodeOf(w.Err) != connector.CodeField || !strings.Contains(w.Err.Error(), "mx_None") {
		t.Errorf("a field that is not there: %v", w.Err)
	}
	if w := a.write(connector.Update, id, crm.Fields{
		"LastName": crm.NullValue(), "EmailAddress": crm.NullValue(),
	}); fault.CodeOf(w.Err) != connector.CodeRequired {
		t.Errorf("a lead without anything: %v", w.Err)
	}
	for _, body := range []string{`{"Status":"Error","ExceptionType":"MXException"}`, `<html>`} {
		if err := a.fake.Core().Inject(fakekit.Fault{Kind: fakekit.FaultFail, Status: 500, Body: body}); err != nil {
			t.Fatal(err)
		}
		if _, err := a.BatchWrite(t.Context(), "leads", []connector.Write{
			{Op: connector.Create, Fields: crm.Fields{"LastName": crm.TextValue("X")}},
		}); !fault.Is(err, fault.Unavailable) || !fault.MayHaveLanded(err) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// TestWrongRegion: keys that are good elsewhere are refused with the host to enter.
func TestWrongRegion(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	w := httptest.NewRecorder()
	a.fake.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "PUT", "/_fake/leadsquared/region",
		strings.NewReader(`{"host":"api-us11.leadsquared.com"}`)))
	_, err := a.Test(t.Context())
	if !fault.Is(err, fault.Denied) || fault.CodeOf(err) != connector.CodeReauthorize ||
		!strings.Contains(err.Error(), "https://api-us11.leadsquared.com") {
		t.Errorf("the wrong region: %v", err)
	}
	_, err = leadsquared.Open(connector.Config{
		Kind: crm.AuthAPIKey, HTTP: http.DefaultClient, Now: a.clock.Now, Credentials: map[string]secret.Text{
			"access_key": secret.NewText("a"),
		},
	})
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "api-in21.leadsquared.com") ||
		!strings.Contains(err.Error(), "secret key is required") {
		t.Errorf("without an address and a key: %v", err)
	}
}

// TestPagesWithinASecond: leads of a second that is listed by page are edited and deleted
// meanwhile: none of the others is passed over.
func TestPagesWithinASecond(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	var ids []crm.RecordID
	for i := range 2500 {
		ids = append(ids, a.create(map[string]string{"LastName": fmt.Sprint("L", i)}))
	}
	a.clock.Advance(lag * 6)
	seen, calls := map[crm.RecordID]bool{}, 0
	req := connector.ChangesRequest{Object: "leads", Fields: []string{"LastName"}}
	for {
		if calls++; calls == 3 || calls == 4 {
			edit := func() {
				a.clock.Advance(lag)
				_, err := a.fake.Core().UpdateRecord("leads", string(ids[10*calls]), map[string]string{"LastName": "New"})
				if err == nil {
					err = a.fake.Core().DeleteRecord("leads", string(ids[10*calls+1]))
				}
				if err != nil {
					t.Error(err)
				}
				a.clock.Advance(lag)
			}
			a.after.Store(&edit)
		}
		page, err := a.Changes(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			seen[r.ID] = true
		}
		if page.Next == "" {
			break
		}
		req.Position = page.Next
	}
	for i, id := range ids {
		if !seen[id] {
			t.Errorf("lead %d was never listed", i)
		}
	}
	if calls > 15 {
		t.Errorf("%d calls", calls)
	}
}

// TestDeliveries: several leads, one before and after a change, an activity's lead, a
// deletion by the address; and the answer to what is refused.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	hooks := leadsquared.Driver().Webhooks
	one, two := "0acb9356-bcd1-4128-b63a-97f52cb8cc3c", "3aee22bd-8419-422a-8242-c510df9af021"
	for name, c := range map[string]struct{ url, body, want string }{
		"a lead": {"", `{"ProspectID":"` + strings.ToUpper(one) + `","DoNotEmail":"0"}`, "changed " + one},
		"a change": {
			"?eventType=Lead_Post_Update", `{"Before":{"ProspectID":"` + one + `"},"After":{"ProspectID":"` + one +
				`","ModifiedOn":"2026-03-02 09:30:00"}}`, "changed " + one,
		},
		"several": {
			"", `[{"ProspectID":"` + one + `"},{"RelatedProspectId":"` + two + `"},{"ProspectID":"` + one + `"}]`,
			"changed " + one + ",changed " + two,
		},
		"a deletion":    {"?eventType=Lead_Post_Delete", `{"ProspectID":"` + one + `"}`, "deleted " + one},
		"without an ID": {"", `{"EmailAddress":"a@example.com"}`, ""},
		"no object":     {"", `"x"`, ""},
	} {
		events, err := hooks.Parse(connector.WebhookRequest{
			Method: "POST", URL: "https://lockstep.example/h/t" + c.url, Body: []byte(c.body),
		})
		var got []string
		for _, e := range events {
			got = append(got, string(e.Kind)+" "+string(e.ID))
		}
		if strings.Join(got, ",") != c.want || (c.want == "") != fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, %v; want %s", name, got, err, c.want)
		}
	}
	r := leadsquared.Driver().Refused("forged_webhook")
	if r.Status != 200 || r.Body != `{"Status":"Error","StatusReason":"forged_webhook"}` {
		t.Errorf("a refusal is answered with %+v", r)
	}
}

// TestWhoChangedIt: a lead names whoever changed it last, and we know ourselves there: an
// edit in the second of our write is a person's.
func TestWhoChangedIt(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	us, err := a.Extras().Self(t.Context())
	if err != nil || us == "" {
		t.Fatalf("we are %q, %v", us, err)
	}
	id := a.create(map[string]string{"FirstName": "Ann"})
	by := func() string {
		t.Helper()
		got, err := a.BatchRead(t.Context(), "leads", []crm.RecordID{id}, []string{"FirstName"})
		if err != nil || got[0].Err != nil {
			t.Fatal(err, got)
		}
		return got[0].Record.ModifiedBy
	}
	if who := by(); who == "" || who == us {
		t.Errorf("a person's lead was changed by %q, and we are %q", who, us)
	}
	a.write(connector.Update, id, crm.Fields{"FirstName": crm.TextValue("Anna")})
	if who := by(); who != us {
		t.Errorf("what we wrote was changed by %q, and we are %q", who, us)
	}
	if _, err := a.fake.Core().UpdateRecord("leads", string(id), map[string]string{"FirstName": "Anne"}); err != nil {
		t.Fatal(err)
	}
	if who := by(); who == us {
		t.Error("a person's edit in the second of our write passes for ours")
	}
}
