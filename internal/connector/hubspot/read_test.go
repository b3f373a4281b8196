package hubspot_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

func ids(rs []crm.Record) []string {
	out := []string{}
	for _, r := range rs {
		out = append(out, string(r.ID))
	}
	return out
}

// TestUniquePropertiesAreFoundWithoutLag looks new records up before the search
// index knows them.
func TestUniquePropertiesAreFoundWithoutLag(t *testing.T) {
	t.Parallel()
	c, core, _ := open(t)
	a, err := core.CreateRecord("contacts", map[string]string{
		"email": "new@example.com", hubspotfake.UniqueProperty: "K-1", "phone": "1",
	})
	if err != nil {
		t.Fatal(err)
	}
	key := crm.Field{Name: hubspotfake.UniqueProperty, Unique: true}
	for name, x := range map[string]struct {
		object string
		field  crm.Field
		now    bool
	}{
		"e-mail":            {"contacts", crm.Field{Name: "email"}, true},
		"unique property":   {"contacts", key, true},
		"phone":             {"contacts", crm.Field{Name: "phone"}, false},
		"another's e-mail":  {"companies", crm.Field{Name: "email"}, false},
		"unknown uniquely?": {"contacts", crm.Field{Name: hubspotfake.UniqueProperty}, false},
	} {
		if lag := connector.FindLag(c, x.object, x.field); (lag == 0) != x.now {
			t.Errorf("%s: found after %s", name, lag)
		}
	}
	find := func(field crm.Field, value string) []string {
		got, err := c.BatchFind(t.Context(), "contacts", field, []string{value}, []string{"email"})
		if err != nil {
			t.Fatal(err)
		}
		return ids(got[0])
	}
	// What the schema handed in says decides, whatever was asked before.
	for range 2 {
		if diff := cmp.Diff([]string{a.ID}, find(crm.Field{Name: "email"}, "NEW@example.com")); diff != "" {
			t.Errorf("by e-mail (-want +got):\n%s", diff)
		}
		if got := find(crm.Field{Name: hubspotfake.UniqueProperty}, "k-1"); len(got) != 0 {
			t.Errorf("a property not known to be unique was found at once: %v", got)
		}
		if diff := cmp.Diff([]string{a.ID}, find(key, "k-1")); diff != "" {
			t.Errorf("by unique property (-want +got):\n%s", diff)
		}
		if _, err := c.Fields(t.Context(), "contacts"); err != nil {
			t.Fatal(err)
		}
	}
	if got := find(crm.Field{Name: "phone"}, "1"); len(got) != 0 {
		t.Errorf("by phone before the index knows: %v", got)
	}
}

func TestContactsAnswerToOtherAddresses(t *testing.T) {
	t.Parallel()
	c, core, _ := open(t)
	a, _ := core.CreateRecord("contacts", map[string]string{
		"email": "main@example.com", "hs_additional_emails": "other@example.com",
	})
	got, err := c.BatchFind(t.Context(), "contacts", crm.Field{Name: "email"}, []string{
		"other@example.com", "main@example.com",
	}, []string{"email"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{{a.ID}, {a.ID}}, [][]string{ids(got[0]), ids(got[1])}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, leaked := got[0][0].Fields["hs_additional_emails"]; leaked {
		t.Error("a field came back that nobody asked for")
	}
}

// TestS38_PhonesAreFoundByTheirDigits asks HubSpot's calculated properties, all
// numbers in one call.
func TestS38_PhonesAreFoundByTheirDigits(t *testing.T) {
	t.Parallel()
	c, core, clock := open(t)
	fields, err := c.Fields(t.Context(), "contacts")
	if err != nil {
		t.Fatal(err)
	}
	phone := fields[slices.IndexFunc(fields, func(f crm.Field) bool { return f.Name == "phone" })]
	cases := []struct{ held, asked string }{
		{"(212) 555-0122", "2125550122"},
		{"+44 (0)20 7183 8750", "2071838750"},
		{"+44 20 7183 8751", "2071838751"},
		{"020 7183 8752", "02071838752"},
		{"+1 312.555.0177 x12", "3125550177"},
		{"ask for Ann", "Ask For Ann"},
	}
	var asked []string
	want := [][]string{}
	for i, x := range cases {
		r, err := core.CreateRecord("contacts", map[string]string{
			"email": fmt.Sprintf("p%d@example.com", i), "phone": x.held,
		})
		if err != nil {
			t.Fatal(err)
		}
		asked, want = append(asked, x.asked), append(want, []string{r.ID})
	}
	clock.Advance(lag)
	before := core.Requests().Total
	got, err := c.BatchFind(t.Context(), "contacts", phone, append(asked, "9999999"), []string{"email"})
	if err != nil {
		t.Fatal(err)
	}
	if n := core.Requests().Total - before; n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
	for i := range got {
		wanted := []string{}
		if i < len(want) {
			wanted = want[i]
		}
		if diff := cmp.Diff(wanted, ids(got[i])); diff != "" {
			t.Errorf("%d (-want +got):\n%s", i, diff)
		}
		for _, r := range got[i] {
			_, byPhone := r.Fields["phone"]
			if _, byDigits := r.Fields["hs_searchable_calculated_phone_number"]; byPhone || byDigits {
				t.Error("a field came back that nobody asked for")
			}
		}
	}
}

// TestLongLookupsAreCut keeps each search within 3,000 characters, and reads all
// pages of what it finds.
func TestLongLookupsAreCut(t *testing.T) {
	t.Parallel()
	c, core, clock := open(t)
	var values []string
	want := map[string][]string{}
	for i := range 100 {
		v := fmt.Sprintf("%s %d", strings.Repeat("long street name ", 5), i)
		values = append(values, v)
		for n := range 3 {
			r, err := core.CreateRecord("contacts", map[string]string{
				"email": fmt.Sprintf("p%d.%d@example.com", i, n), "address": v,
			})
			if err != nil {
				t.Fatal(err)
			}
			want[v] = append(want[v], r.ID)
		}
	}
	clock.Advance(lag)
	got, err := c.BatchFind(t.Context(), "contacts", crm.Field{Name: "address"}, values, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range values {
		if diff := cmp.Diff(want[v], ids(got[i])); diff != "" {
			t.Fatalf("value %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestUselessKeysAreRefused(t *testing.T) {
	t.Parallel()
	c, core, clock := open(t)
	for i := range 1201 {
		if _, err := core.CreateRecord("contacts", map[string]string{
			"email": fmt.Sprintf("p%d@example.com", i), "city": "Springfield",
		}); err != nil {
			t.Fatal(err)
		}
	}
	clock.Advance(lag)
	if _, err := c.BatchFind(t.Context(), "contacts", crm.Field{Name: "city"}, []string{"springfield"},
		nil); !fault.Is(err, fault.Invalid) || fault.CodeOf(err) != "too_many_matches" {
		t.Errorf("%v, want invalid, too_many_matches", err)
	}
	if _, err := c.BatchFind(t.Context(), "contacts", crm.Field{Name: "no such field"}, []string{"x"}, nil); !fault.Is(err,
		fault.Invalid) || fault.CodeOf(err) != "field_missing" {
		t.Errorf("%v, want invalid, field_missing", err)
	}
}

func TestX13_HostileReads(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"no ID":           `{"results":[{"properties":{}}]}`,
		"odd ID":          `{"results":[{"id":"1;drop","properties":{}}]}`,
		"error unsaid":    `{"results":[],"errors":[{}]}`,
		"list":            `[1]`,
		"results no list": `{"results":{"id":"1"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := hostile(207, body)
			if _, err := c.BatchRead(t.Context(), "contacts", []crm.RecordID{"1"}, nil); !fault.Is(err, fault.Unavailable) {
				t.Errorf("read: %v, want unavailable", err)
			}
			if _, err := c.BatchFind(t.Context(), "contacts", crm.Field{Name: "email"}, []string{"a@example.com"},
				nil); !fault.Is(err, fault.Unavailable) {
				t.Errorf("find: %v, want unavailable", err)
			}
		})
	}
	// A record that was not asked for is nobody's answer.
	reads, err := hostile(200, `{"results":[{"id":"2","properties":{}}]}`).BatchRead(t.Context(), "contacts",
		[]crm.RecordID{"1"}, nil)
	if err != nil || !fault.Is(reads[0].Err, fault.NotFound) {
		t.Errorf("another record: %v %v, want not_found", err, reads)
	}
}

func TestFieldTypes(t *testing.T) {
	t.Parallel()
	c, _, _ := open(t)
	contacts, err := c.Fields(t.Context(), "contacts")
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]crm.Field{}
	for _, f := range contacts {
		by[f.Name] = f
	}
	for name, want := range map[string]crm.FieldType{
		"email": crm.TypeEmail, "phone": crm.TypePhone, "birthday": crm.TypeDate, "last_visit": crm.TypeDateTime,
		"newsletter": crm.TypeBoolean,
		"score":      crm.TypeNumber, "interests": crm.TypeOptions, "lifecyclestage": crm.TypeOption,
		"hubspot_owner_id": crm.TypeOwner,
		"website":          crm.TypeURL, "notes_text": crm.TypeText, "createdate": crm.TypeDateTime,
		"hs_object_id": crm.TypeNumber,
	} {
		if by[name].Type != want {
			t.Errorf("%s is %q, want %q", name, by[name].Type, want)
		}
	}
	key, mail, id := by[hubspotfake.UniqueProperty], by["email"], by["hs_object_id"]
	if !key.External || !key.Unique || mail.External || !mail.Unique || !id.ReadOnly || id.External ||
		!by["interests"].Multiple || len(by["interests"].Options) != 4 {
		t.Errorf("flags: key %+v, e-mail %+v, ID %+v", key, mail, id)
	}
	deals, err := c.Fields(t.Context(), "deals")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range deals {
		if want := f.Name == "dealname" || f.Name == "dealstage"; f.Required != want {
			t.Errorf("%s required %t, want %t", f.Name, f.Required, want)
		}
	}
}

func TestCreateFieldsOfEveryType(t *testing.T) {
	t.Parallel()
	c, _, _ := open(t)
	creator := c.Extras()
	options := []crm.Option{{Value: "a", Label: "A"}, {Value: "b", Label: "B"}}
	for _, typ := range []crm.FieldType{
		crm.TypeText, crm.TypePhone, crm.TypeNumber, crm.TypeBoolean, crm.TypeDate, crm.TypeDateTime, crm.TypeOption,
		crm.TypeOptions,
	} {
		f := crm.Field{Label: "Made as " + string(typ), Type: typ}
		if typ == crm.TypeOption || typ == crm.TypeOptions {
			f.Options = options
		}
		made, err := creator.CreateField(t.Context(), "companies", f)
		if err != nil || made.Type != typ || made.Name != "made_as_"+string(typ) || len(made.Options) != len(f.Options) {
			t.Errorf("%s: %+v, %v", typ, made, err)
		}
	}
	yes, err := creator.CreateField(t.Context(), "deals", crm.Field{Name: "won_back", Type: crm.TypeBoolean})
	if err != nil || yes.Label != "won_back" || yes.Type != crm.TypeBoolean {
		t.Errorf("a name without a label: %+v, %v", yes, err)
	}
	made, err := creator.CreateField(t.Context(), "contacts", crm.Field{Label: "Key", Type: crm.TypeText, External: true})
	if err != nil || !made.External || !made.Unique {
		t.Errorf("external: %+v, %v", made, err)
	}
	if _, err := creator.CreateField(t.Context(), "contacts", crm.Field{Label: "日本", Type: crm.TypeText}); !fault.Is(err,
		fault.Invalid) {
		t.Errorf("a label without letters: %v, want invalid", err)
	}
	for _, typ := range []crm.FieldType{crm.TypeReference, crm.TypeEmail, crm.TypeURL} {
		if _, err := creator.CreateField(t.Context(), "contacts", crm.Field{Label: "x", Type: typ}); !fault.Is(err,
			fault.Unsupported) {
			t.Errorf("%s: %v, want unsupported", typ, err)
		}
	}
}
