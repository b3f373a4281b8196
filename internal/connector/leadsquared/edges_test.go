package leadsquared_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// scripted answers every call alike and keeps what was sent.
type scripted struct {
	answer string
	sent   []string
}

func (s *scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	s.sent = append(s.sent, string(body))
	return &http.Response{
		StatusCode: 200, Header: http.Header{"Date": {"Mon, 02 Mar 2026 09:30:00 GMT"}},
		Body: io.NopCloser(strings.NewReader(s.answer)), Request: r,
	}, nil
}

// TestSearches: digits of a phone number are looked for in their order, every other
// value as a whole, and a blank without a call.
func TestSearches(t *testing.T) {
	t.Parallel()
	phone := crm.Field{Name: "Phone", Find: crm.FindWithin}
	for _, c := range []struct {
		field      crm.Field
		value, how string
		looked     string
	}{
		{phone, "0147", "LIKE", "%0%1%4%7%"},
		{phone, "+1 808", "=", "+1 808"},
		{crm.Field{Name: "mx_No"}, "0147", "=", "0147"},
		{crm.Field{Name: "EmailAddress"}, "a@example.com", "=", "a@example.com"},
	} {
		s := &scripted{answer: "[]"}
		got, err := opened(t, s, connectortest.NewClock().Now).BatchFind(t.Context(), "leads", c.field, []string{
			c.value,
		}, nil)
		var sent struct {
			Parameter struct{ LookupName, LookupValue, SqlOperator string }
		}
		if err != nil || len(got) != 1 || len(s.sent) != 1 || json.Unmarshal([]byte(s.sent[0]), &sent) != nil ||
			sent.Parameter.LookupName != c.field.Name || sent.Parameter.LookupValue != c.looked ||
			sent.Parameter.SqlOperator != c.how {
			t.Errorf("%s in %s: sent %s, got %v, %v", c.value, c.field.Name, s.sent, got, err)
		}
	}
	for _, values := range [][]string{nil, {""}, {" "}} {
		s := &scripted{}
		got, err := opened(t, s, connectortest.NewClock().Now).BatchFind(t.Context(), "leads", phone, values, nil)
		if err != nil || len(got) != len(values) || len(s.sent) > 0 {
			t.Errorf("%q: sent %s, got %v, %v", values, s.sent, got, err)
		}
	}
}

// TestAValueOfTooMany: a hundred leads of one value are too many to tell apart, for
// there may be more of them.
func TestAValueOfTooMany(t *testing.T) {
	t.Parallel()
	for n, code := range map[int]string{99: "", 100: connector.CodeMatches} {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`{"ProspectID":"%08d-0000-0000-0000-000000000000",`+
				`"CreatedOn":"2026-03-01 00:00:00","ModifiedOn":"2026-03-01 00:00:00"}`, i))
		}
		s := &scripted{answer: "[" + strings.Join(all, ",") + "]"}
		got, err := opened(t, s, connectortest.NewClock().Now).BatchFind(t.Context(), "leads",
			crm.Field{Name: "LastName"}, []string{"Doe"}, nil)
		if code == "" && (err != nil || len(got[0]) != n) || code != "" && fault.CodeOf(err) != code {
			t.Errorf("%d: %v", n, err)
		}
	}
}

// TestFieldsThatAreMade: each type as LeadSquared calls it and shows it; a type or a
// label that it does not take is told without a call.
func TestFieldsThatAreMade(t *testing.T) {
	t.Parallel()
	said := map[crm.FieldType]string{
		crm.TypeText: "Text Textbox", crm.TypeNumber: "Number Textbox", crm.TypeEmail: "Email Email",
		crm.TypePhone: "Phone Textbox", crm.TypeURL: "Website URL", crm.TypeDate: "Date Date",
		crm.TypeDateTime: "Date DateTime", crm.TypeBoolean: "Boolean CheckBox",
	}
	make := func(f crm.Field) (crm.Field, string, error) {
		s := &scripted{answer: `{"Status":"Success"}`}
		got, err := opened(t, s, connectortest.NewClock().Now).Extras().CreateField(t.Context(), "leads", f)
		return got, strings.Join(s.sent, ""), err
	}
	for _, typ := range crm.FieldTypes {
		f := crm.Field{Name: "x", Label: "Shoe size 2", Type: typ}
		got, sent, err := make(f)
		if said[typ] == "" {
			if !fault.Is(err, fault.Unsupported) || sent != "" {
				t.Errorf("%s: sent %s, %v", typ, sent, err)
			}
			continue
		}
		var body struct{ DisplayName, DataType, RenderTypeTextValue string }
		if err != nil || json.Unmarshal([]byte(sent), &body) != nil || body.DisplayName != f.Label ||
			body.DataType+" "+body.RenderTypeTextValue != said[typ] || got.Name != "mx_Shoe_size_2" || got.Type != typ {
			t.Errorf("%s: sent %s, got %+v, %v", typ, sent, got, err)
		}
	}
	for label, ok := range map[string]bool{
		"": false, "Größe": false, "a-b": false, strings.Repeat("a", 60): true, strings.Repeat("a", 61): false, "a_B 1": true,
	} {
		_, sent, err := make(crm.Field{Name: "x", Label: label, Type: crm.TypeText})
		if ok != (err == nil) || ok != (sent != "") || !ok && (fault.CodeOf(err) != connector.CodeName ||
			!strings.Contains(fmt.Sprint(fault.FieldFaults(err)), "x")) {
			t.Errorf("%q: sent %s, %v", label, sent, err)
		}
	}
}
