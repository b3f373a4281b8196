package hubspot_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

func create(fields map[string]string) connector.Write {
	f := crm.Fields{}
	for k, v := range fields {
		f[k] = crm.TextValue(v)
	}
	return connector.Write{Op: connector.Create, Fields: f}
}

func TestCreateNamesTheRecordInTheWay(t *testing.T) {
	t.Parallel()
	c, core, _ := open(t)
	old, err := core.CreateRecord("contacts", map[string]string{"email": "taken@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.BatchWrite(t.Context(), "contacts", []connector.Write{
		create(map[string]string{"email": "Taken@Example.com"}),
		create(map[string]string{"email": "new@example.com"}),
		create(map[string]string{"email": "NEW@example.com"}), // twice in one batch
		create(map[string]string{"phone": "+1 202 555 0100"}), // none of the properties that a contact needs
	})
	if err != nil {
		t.Fatal(err)
	}
	if !fault.Is(out[0].Err, fault.Conflict) || fault.CodeOf(out[0].Err) != "already_exists" ||
		string(out[0].Existing) != old.ID {
		t.Errorf("taken: %v, existing %q, want conflict with %q", out[0].Err, out[0].Existing, old.ID)
	}
	if out[1].Err != nil || !out[1].Created || out[1].Record.Fields["email"].Text() != "new@example.com" {
		t.Errorf("new: %+v", out[1])
	}
	if !fault.Is(out[2].Err, fault.Conflict) || out[2].Existing != out[1].ID {
		t.Errorf("twice: %v, existing %q, want conflict with %q", out[2].Err, out[2].Existing, out[1].ID)
	}
	if !fault.Is(out[3].Err, fault.Invalid) || fault.CodeOf(out[3].Err) != "required_field_missing" {
		t.Errorf("nothing needed given: %v, want invalid", out[3].Err)
	}
	ex := out[0].Exchange
	if ex == nil || ex.Status != 207 || !strings.Contains(ex.Request, "Taken@Example.com") ||
		!strings.Contains(ex.Response, "Existing ID") || strings.Contains(ex.Request, "new@") {
		t.Errorf("exchange %+v, want this row alone", ex)
	}
}

func TestTypedValuesGoAsHubSpotWantsThem(t *testing.T) {
	t.Parallel()
	c, core, _ := open(t)
	out, err := c.BatchWrite(t.Context(), "contacts", []connector.Write{{Op: connector.Create, Fields: crm.Fields{
		"lastname": crm.TextValue("O'Brien"), "birthday": crm.TextValue("2001-02-03"),
		"last_visit": crm.TextValue("2026-03-01T12:00:00.000Z"),
		"newsletter": crm.BoolValue(true), "score": crm.NumberValue("12.50"), "interests": crm.ListValue("tea", "chess"),
		"hubspot_owner_id": crm.TextValue("7002"), "city": crm.NullValue(), "state": {},
	}}})
	if err != nil || out[0].Err != nil {
		t.Fatal(err, out[0].Err)
	}
	got := core.Records("contacts")[0].Fields
	want := map[string]string{
		"lastname": "O'Brien", "birthday": "2001-02-03", "last_visit": "2026-03-01T12:00:00.000Z", "newsletter": "true",
		"score": "12.50", "interests": "tea;chess", "hubspot_owner_id": "7002",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

// script answers batch calls by a function of the decoded body.
func script(answer func(inputs []map[string]any) (int, string)) connector.Connector {
	return opened(fakekit.Transport(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		var in struct {
			Inputs []map[string]any `json:"inputs"`
		}
		_ = json.Unmarshal(b, &in)
		status, body := answer(in.Inputs)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})))
}

func TestRowsAreMatchedWhateverTheOrder(t *testing.T) {
	t.Parallel()
	const at = `"updatedAt":"2026-03-01T00:00:00Z"`
	tests := map[string]struct {
		op     connector.Op
		answer string
		want   []string // ID, or the kind of the error
	}{
		"create by trace": {
			connector.Create, `{"results":[{"id":"12","objectWriteTraceId":"1",` + at +
				`},{"id":"11","objectWriteTraceId":"0",` + at + `}]}`, []string{"11", "12"},
		},
		"create, a row of two without trace": {
			connector.Create, `{"results":[{"id":"12",` + at + `}]}`, []string{"unavailable", "unavailable"},
		},
		"create, one refused": {
			connector.Create, `{"results":[{"id":"11","objectWriteTraceId":"0"}],"errors":[{"category":"VALIDATION_ERROR","context":{"objectWriteTraceId":["1"]}}]}`, []string{"11", "invalid"},
		},
		"create, one unsaid": {
			connector.Create, `{"results":[{"id":"11","objectWriteTraceId":"0"}]}`, []string{"11", "unavailable"},
		},
		"create, an odd ID": {
			connector.Create, `{"results":[{"id":"x/1","objectWriteTraceId":"0"},{"id":"12","objectWriteTraceId":"1"}]}`,
			[]string{"unavailable", "12"},
		},
		"create, an unknown trace": {
			connector.Create, `{"results":[{"id":"11","objectWriteTraceId":"7"},{"id":"12","objectWriteTraceId":"1"}]}`,
			[]string{"unavailable", "12"},
		},
		"create, a trace twice": {
			connector.Create, `{"results":[{"id":"11","objectWriteTraceId":"1"},{"id":"12","objectWriteTraceId":"1"}]}`,
			[]string{"unavailable", "11"},
		},
		"update by ID": {connector.Update, `{"results":[{"id":"2"},{"id":"1"}]}`, []string{"1", "2"}},
		"update, errors by ID": {
			connector.Update, `{"results":[{"id":"2"}],"errors":[{"category":"OBJECT_NOT_FOUND","context":{"ids":["1"]}}]}`,
			[]string{"not_found", "2"},
		},
		"update, both in one error": {
			connector.Update, `{"results":[],"errors":[{"category":"OBJECT_NOT_FOUND","context":{"ids":["1","2"]}}]}`,
			[]string{"not_found", "not_found"},
		},
		"update, an error of nobody": {
			connector.Update, `{"results":[{"id":"1"}],"errors":[{"category":"OBJECT_NOT_FOUND","context":{"ids":["9"]}}]}`,
			[]string{"1", "unavailable"},
		},
		"update, an error that is no object": {
			connector.Update, `{"results":[{"id":"1"}],"errors":["no"]}`, []string{"1", "unavailable"},
		},
		"upsert by key": {
			connector.Upsert, `{"results":[{"id":"12","new":true,"properties":{"lockstep_key":"K-2"}},{"id":"11","properties":{"lockstep_key":"k-1"}}]}`, []string{"11", "12"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := script(func([]map[string]any) (int, string) { return 207, tc.answer })
			writes := []connector.Write{
				{Op: tc.op, ID: "1", Key: connector.Key{Field: "lockstep_key", Value: "k-1"}, Fields: crm.Fields{
					"city": crm.TextValue("a"),
				}},
				{Op: tc.op, ID: "2", Key: connector.Key{Field: "lockstep_key", Value: "k-2"}, Fields: crm.Fields{
					"city": crm.TextValue("b"),
				}},
			}
			out, err := c.BatchWrite(t.Context(), "contacts", writes)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range out {
				if w.Err == nil {
					got = append(got, string(w.ID))
					continue
				}
				got = append(got, fault.KindOf(w.Err).String())
				if fault.Is(w.Err, fault.Unavailable) != fault.MayHaveLanded(w.Err) {
					t.Errorf("%v: may have landed %t", w.Err, fault.MayHaveLanded(w.Err))
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOneRowRefusesTheBatch has HubSpot refuse the whole call and name the row.
func TestOneRowRefusesTheBatch(t *testing.T) {
	t.Parallel()
	c := script(func(in []map[string]any) (int, string) {
		return 400, fmt.Sprintf(`{"category":"VALIDATION_ERROR","context":{"objectWriteTraceId":[%q]},"errors":[{"code":"INVALID_EMAIL","in":"email"}]}`, in[1]["objectWriteTraceId"])
	})
	out, err := c.BatchWrite(t.Context(), "contacts", []connector.Write{create(nil), create(nil), create(nil)})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []fault.Kind{fault.Unavailable, fault.Invalid, fault.Unavailable} {
		if !fault.Is(out[i].Err, want) || fault.MayHaveLanded(out[i].Err) {
			t.Errorf("row %d: %v, want %s and nothing landed", i, out[i].Err, want)
		}
	}
	var e *fault.Error
	if !errors.As(out[1].Err, &e) || e.Field != "email" || out[1].Exchange == nil {
		t.Errorf("the bad row: %v, exchange %v", out[1].Err, out[1].Exchange)
	}
}

func TestALoneRowKeepsItsConflict(t *testing.T) {
	t.Parallel()
	c := script(func([]map[string]any) (int, string) {
		return 409, `{"category":"CONFLICT","message":"Contact already exists. Existing ID: 3401"}`
	})
	out, err := c.BatchWrite(t.Context(), "contacts", []connector.Write{
		create(map[string]string{"email": "a@example.com"}),
	})
	if err != nil || !fault.Is(out[0].Err, fault.Conflict) || out[0].Existing != "3401" {
		t.Errorf("%v, row %+v, want a conflict with 3401", err, out)
	}
	if _, err := c.BatchWrite(t.Context(), "contacts", []connector.Write{create(nil), create(nil)}); !fault.Is(err,
		fault.Conflict) {
		t.Errorf("two rows: %v, want the call's conflict: nobody knows whose it is", err)
	}
}

func TestWritesThatCannotBe(t *testing.T) {
	t.Parallel()
	c, core, _ := open(t)
	before := core.Requests().Total
	key := func(f, v string) connector.Write {
		return connector.Write{
			Op: connector.Upsert, Key: connector.Key{Field: f, Value: v}, Fields: crm.Fields{"lastname": crm.TextValue("x")},
		}
	}
	out, err := c.BatchWrite(t.Context(), "contacts", []connector.Write{
		key("email", "a@example.com"), key("hs_object_id", "1"), key("Bad Name", "1"), key(hubspotfake.UniqueProperty, ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range out {
		if !fault.Is(w.Err, fault.Invalid) {
			t.Errorf("key %d: %v, want invalid", i, w.Err)
		}
	}
	out, err = c.BatchWrite(t.Context(), "contacts", []connector.Write{{Op: connector.Archive, ID: "no/number"}})
	if err != nil || !fault.Is(out[0].Err, fault.NotFound) {
		t.Errorf("odd ID: %v %v, want not_found", err, out)
	}
	if _, err := c.BatchWrite(t.Context(), "contacts", []connector.Write{
		create(nil), {Op: connector.Archive, ID: "1"},
	}); !fault.Is(err, fault.Invalid) {
		t.Errorf("two kinds: %v, want invalid", err)
	}
	if _, err := c.BatchWrite(t.Context(), "contacts", []connector.Write{{Op: "rename", ID: "1"}}); !fault.Is(err,
		fault.Unsupported) {
		t.Errorf("unknown kind: %v, want unsupported", err)
	}
	if n := core.Requests().Total - before; n != 0 {
		t.Errorf("%d calls were made", n)
	}
}
