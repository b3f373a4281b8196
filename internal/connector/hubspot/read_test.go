package hubspot_test

import (
	"fmt"
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
	lagger := c.(connector.FindLagger) //nolint:forcetypeassert // the suite checks it
	a, err := core.CreateRecord("contacts", map[string]string{"email": "new@example.com", hubspotfake.UniqueProperty: "K-1", "phone": "1"})
	if err != nil {
		t.Fatal(err)
	}
	if lagger.FindLag("contacts", "email") != 0 || lagger.FindLag("contacts", "phone") == 0 || lagger.FindLag("companies", "email") == 0 {
		t.Error("only the e-mail of contacts is known to be unique at first")
	}
	find := func(field, value string) []string {
		got, err := c.BatchFind(t.Context(), "contacts", field, []string{value}, []string{"email"})
		if err != nil {
			t.Fatal(err)
		}
		return ids(got[0])
	}
	if diff := cmp.Diff([]string{a.ID}, find("email", "NEW@example.com")); diff != "" {
		t.Errorf("by e-mail (-want +got):\n%s", diff)
	}
	if got := find(hubspotfake.UniqueProperty, "k-1"); len(got) != 0 {
		t.Errorf("a property not known to be unique was found at once: %v", got)
	}
	if _, err := c.Fields(t.Context(), "contacts"); err != nil {
		t.Fatal(err)
	}
	if lagger.FindLag("contacts", hubspotfake.UniqueProperty) != 0 {
		t.Error("discovery did not teach which properties are unique")
	}
	if diff := cmp.Diff([]string{a.ID}, find(hubspotfake.UniqueProperty, "k-1")); diff != "" {
		t.Errorf("by unique property (-want +got):\n%s", diff)
	}
	if got := find("phone", "1"); len(got) != 0 {
		t.Errorf("by phone before the index knows: %v", got)
	}
}

func TestContactsAnswerToOtherAddresses(t *testing.T) {
	t.Parallel()
	c, core, _ := open(t)
	a, _ := core.CreateRecord("contacts", map[string]string{"email": "main@example.com", "hs_additional_emails": "other@example.com"})
	got, err := c.BatchFind(t.Context(), "contacts", "email", []string{"other@example.com", "main@example.com"}, []string{"email"})
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
			r, err := core.CreateRecord("contacts", map[string]string{"email": fmt.Sprintf("p%d.%d@example.com", i, n), "address": v})
			if err != nil {
				t.Fatal(err)
			}
			want[v] = append(want[v], r.ID)
		}
	}
	clock.Advance(lag)
	got, err := c.BatchFind(t.Context(), "contacts", "address", values, nil)
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
		if _, err := core.CreateRecord("contacts", map[string]string{"email": fmt.Sprintf("p%d@example.com", i), "city": "Springfield"}); err != nil {
			t.Fatal(err)
		}
	}
	clock.Advance(lag)
	if _, err := c.BatchFind(t.Context(), "contacts", "city", []string{"springfield"}, nil); !fault.Is(err, fault.Invalid) || fault.CodeOf(err) != "too_many_matches" {
		t.Errorf("%v, want invalid, too_many_matches", err)
	}
	if _, err := c.BatchFind(t.Context(), "contacts", "no such field", []string{"x"}, nil); !fault.Is(err, fault.Invalid) || fault.CodeOf(err) != "unknown_field" {
		t.Errorf("%v, want invalid, unknown_field", err)
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
			if _, err := c.BatchFind(t.Context(), "contacts", "email", []string{"a@example.com"}, nil); !fault.Is(err, fault.Unavailable) {
				t.Errorf("find: %v, want unavailable", err)
			}
		})
	}
	// A record that was not asked for is nobody's answer.
	reads, err := hostile(200, `{"results":[{"id":"2","properties":{}}]}`).BatchRead(t.Context(), "contacts", []crm.RecordID{"1"}, nil)
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
		"email": crm.TypeEmail, "phone": crm.TypePhone, "birthday": crm.TypeDate, "last_visit": crm.TypeDateTime, "newsletter": crm.TypeBoolean,
		"score": crm.TypeNumber, "interests": crm.TypeOptions, "lifecyclestage": crm.TypeOption, "hubspot_owner_id": crm.TypeOwner,
		"website": crm.TypeURL, "notes_text": crm.TypeText, "createdate": crm.TypeDateTime, "hs_object_id": crm.TypeNumber,
	} {
		if by[name].Type != want {
			t.Errorf("%s is %q, want %q", name, by[name].Type, want)
		}
	}
	key, mail, id := by[hubspotfake.UniqueProperty], by["email"], by["hs_object_id"]
	if !key.External || !key.Unique || mail.External || !mail.Unique || !id.ReadOnly || id.External || !by["interests"].Multiple || len(by["interests"].Options) != 4 {
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
	creator := c.(connector.FieldCreator) //nolint:forcetypeassert // the suite checks it
	options := []crm.Option{{Value: "a", Label: "A"}, {Value: "b", Label: "B"}}
	for _, typ := range []crm.FieldType{
		crm.TypeText, crm.TypePhone, crm.TypeNumber, crm.TypeBoolean, crm.TypeDate, crm.TypeDateTime, crm.TypeOption, crm.TypeOptions,
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
	made, err := creator.CreateField(t.Context(), "contacts", crm.Field{Label: "Key", Type: crm.TypeText, External: true})
	if err != nil || !made.External || !made.Unique {
		t.Errorf("external: %+v, %v", made, err)
	}
	if _, err := creator.CreateField(t.Context(), "contacts", crm.Field{Label: "日本", Type: crm.TypeText}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a label without letters: %v, want invalid", err)
	}
	if _, err := creator.CreateField(t.Context(), "contacts", crm.Field{Label: "Ref", Type: crm.TypeReference}); !fault.Is(err, fault.Unsupported) {
		t.Errorf("a reference: %v, want unsupported", err)
	}
}
