package hubspot_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

const primaryCompany = "associations.companies.hubspot_1"

// portal is a fake with a connector that tells what it sends.
type portal struct {
	*testing.T
	fake *hubspotfake.Fake
	connector.Connector
	sent []string
}

func newPortal(t *testing.T) *portal {
	t.Helper()
	f, fake := fixture(t, connectortest.NewClock())
	p := &portal{T: t, fake: fake}
	p.Connector = f.Open(t, connectortest.Tools{
		Tokens: connectortest.NewTokens(f.Token), Wrap: func(rt http.RoundTripper) http.RoundTripper {
			return trip(func(r *http.Request) (*http.Response, error) {
				if i := strings.Index(r.URL.Path, "/batch/"); i > 0 {
					p.sent = append(p.sent, r.URL.Path[i+len("/batch/"):])
				}
				return rt.RoundTrip(r)
			})
		},
	})
	return p
}

// made is the ID of a record that a user makes.
func (p *portal) made(object string, fields map[string]string) string {
	p.Helper()
	r, err := p.fake.Core().CreateRecord(object, fields)
	if err != nil {
		p.Fatal(err)
	}
	return r.ID
}

// companies are the IDs of new companies.
func (p *portal) companies(n int) []string {
	p.Helper()
	out := make([]string, n)
	for i := range out {
		out[i] = p.made("companies", map[string]string{"name": fmt.Sprintf("Company %d", i)})
	}
	return out
}

// define makes a call that an admin of the portal makes.
func (p *portal) define(path, body string) (out struct {
	Results []struct {
		Type int `json:"typeId"`
	} `json:"results"`
},
) {
	p.Helper()
	req, err := http.NewRequestWithContext(p.Context(), http.MethodPost,
		"https://api.hubapi.com/crm/associations/2026-03/"+path, strings.NewReader(body))
	if err != nil {
		p.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+hubspotfake.PrivateToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := fakekit.Transport(p.fake).RoundTrip(req)
	if err != nil {
		p.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || resp.StatusCode > 201 {
		p.Fatal(resp.Status, err)
	}
	return out
}

// label makes a label between contacts and companies, and names its field.
func (p *portal) label(word string) string {
	p.Helper()
	made := p.define("contacts/companies/labels",
		`{"label":"`+word+`","name":"`+strings.ToLower(strings.ReplaceAll(word, " ", "_"))+`"}`)
	return fmt.Sprintf("associations.companies.user_%d", made.Results[0].Type)
}

func (p *portal) limit(field string, most int) {
	p.Helper()
	p.define("definitions/configurations/contacts/companies/batch/create", fmt.Sprintf(
		`{"inputs":[{"category":"USER_DEFINED","typeId":%s,"maxToObjectIds":%d}]}`, field[strings.LastIndex(field, "_")+1:],
		most))
}

func (p *portal) write(object string, op connector.Op, id string, fields crm.Fields) connector.Written {
	p.Helper()
	p.sent = nil
	out, err := p.BatchWrite(p.Context(), object, []connector.Write{{Op: op, ID: crm.RecordID(id), Fields: fields}})
	if err != nil {
		p.Fatal(err)
	}
	return out[0]
}

// holds demands what a record's fields list, pairs of a name and IDs.
func (p *portal) holds(object, id, what string, pairs ...string) {
	p.Helper()
	var names []string
	for i := 0; i < len(pairs); i += 2 {
		names = append(names, pairs[i])
	}
	p.sent = nil
	got, err := p.BatchRead(p.Context(), object, []crm.RecordID{crm.RecordID(id)}, names)
	if err != nil || got[0].Err != nil {
		p.Fatal(what, got, err)
	}
	if len(p.sent) != 2 {
		p.Errorf("%s: read by %v, want one call for the record and one for all its associations", what, p.sent)
	}
	for i := 0; i < len(pairs); i += 2 {
		if list := strings.Join(got[0].Record.Fields[pairs[i]].Items(), " "); list != pairs[i+1] {
			p.Errorf("%s: %s lists %q, want %q", what, pairs[i], list, pairs[i+1])
		}
	}
}

// TestFieldsOfAssociations: an object has a field for all records of another one, and
// one for each label that the portal has between them.
func TestFieldsOfAssociations(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	decides, one := p.label("Decision maker"), p.label("Billing contact")
	p.limit(one, 1)
	p.limit(decides, 2)
	fields := func(object string) map[string]crm.Field {
		t.Helper()
		all, err := p.Fields(t.Context(), object)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]crm.Field{}
		for _, f := range all {
			if strings.HasPrefix(f.Name, "associations.") {
				out[f.Name] = f
			}
		}
		return out
	}
	want := map[string]map[string]string{ // by object and field, its label and whether it lists several
		"contacts": {
			aboutCompanies: "Company true", primaryCompany: "Company: Primary false", decides: "Company: Decision maker true",
			one: "Company: Billing contact false",
		},
		"companies": {},
		"deals": {
			aboutContacts: "Contact true", aboutCompanies: "Company true",
			"associations.companies.hubspot_5": "Company: Primary false",
		},
		"notes": {aboutContacts: "Contact false", aboutCompanies: "Company false", "associations.deals": "Deal false"},
	}
	for object, fieldsWanted := range want {
		got := fields(object)
		if len(got) != len(fieldsWanted) {
			t.Errorf("%s has %v", object, got)
		}
		for name, said := range fieldsWanted {
			f := got[name]
			to := strings.Split(name, ".")[1]
			if s := fmt.Sprintf("%s %t", f.Label, f.Multiple); s != said || f.Type != crm.TypeReference || f.ReferenceTo != to {
				t.Errorf("%s: %s is %+v, want %s", object, name, f, said)
			}
		}
	}
}

// TestLabelsAreWritten: the companies of a contact, and those with a label, are brought
// to what is wanted, and nothing else is touched.
func TestLabelsAreWritten(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	label, other := p.label("Decision maker"), p.label("Billing contact")
	c := p.companies(4)
	list := func(ids ...string) string { return strings.Join(ids, " ") }
	made := p.write("contacts", connector.Create, "", crm.Fields{
		"email": crm.TextValue("ann@example.com"), aboutCompanies: crm.ListValue(c[0], c[1]), label: crm.TextValue(c[1]),
		primaryCompany: crm.TextValue(c[0]),
	})
	if made.Err != nil {
		t.Fatal(made.Err)
	}
	ann := string(made.ID)
	p.holds("contacts", ann, "created", aboutCompanies, list(c[0], c[1]), label, c[1], primaryCompany, c[0], other, "")
	for _, step := range []struct {
		name   string
		fields crm.Fields
		sent   string
		all    string
		label  string
		main   string
	}{
		{
			"a label more", abouts(label, list(c[0], c[1])), "read create read", list(c[0], c[1]), list(c[0], c[1]), c[0],
		},
		{
			"a label of a company that is new", abouts(label, list(c[1], c[2])), "read labels/archive create read",
			list(c[0], c[1], c[2]), list(c[1], c[2]), c[0],
		},
		{"the main one", abouts(primaryCompany, c[2]), "read create read", list(c[0], c[1], c[2]), list(c[1], c[2]), c[2]},
		{
			"no main one", abouts(primaryCompany, ""), "read labels/archive read", list(c[0], c[1], c[2]), list(c[1], c[2]), "",
		},
		{
			"one company less takes its label along", abouts(aboutCompanies, list(c[0], c[1]), label, c[1]),
			"read archive read", list(c[0], c[1]), c[1], "",
		},
		{
			"all at once", abouts(aboutCompanies, list(c[1], c[3]), label, c[3], primaryCompany, c[3]),
			"read associate/default archive create labels/archive create read", list(c[1], c[3]), c[3], c[3],
		},
		{"the last label", abouts(label, ""), "read labels/archive read", list(c[1], c[3]), "", c[3]},
		{"the last company", abouts(aboutCompanies, ""), "read archive read", "", "", ""},
	} {
		w := p.write("contacts", connector.Update, ann, step.fields)
		if w.Err != nil {
			t.Errorf("%s: %v", step.name, w.Err)
		}
		if got := strings.Join(p.sent, " "); got != step.sent {
			t.Errorf("%s: sent %s, want %s", step.name, got, step.sent)
		}
		p.holds("contacts", ann, step.name, aboutCompanies, step.all, label, step.label, primaryCompany, step.main, other, "")
	}
}

// TestLabelsOfOnePlace: a label that the portal limits to one company moves to another
// one; one more is refused for that field, and the other rows go on.
func TestLabelsOfOnePlace(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	label := p.label("Decision maker")
	p.limit(label, 1)
	c := p.companies(2)
	ann := p.made("contacts", map[string]string{"email": "ann@example.com", label: c[0]})
	bob := p.made("contacts", map[string]string{"email": "bob@example.com"})
	if w := p.write("contacts", connector.Update, ann, abouts(label, c[1])); w.Err != nil {
		t.Error(w.Err)
	}
	p.holds("contacts", ann, "moved", label, c[1], aboutCompanies, strings.Join(c, " "))
	out, err := p.BatchWrite(t.Context(), "contacts", []connector.Write{
		{Op: connector.Update, ID: crm.RecordID(ann), Fields: abouts(label, strings.Join(c, " "))},
		{Op: connector.Update, ID: crm.RecordID(bob), Fields: abouts(label, c[0])},
	})
	if err != nil || out[1].Err != nil || !fault.Is(out[0].Err, fault.Invalid) ||
		!strings.Contains(fmt.Sprint(fault.FieldFaults(out[0].Err)), label) {
		t.Errorf("one too many: %+v, %v", out, err)
	}
	p.holds("contacts", bob, "the other row", label, c[0])
	w := p.write("contacts", connector.Create, "", crm.Fields{
		"email": crm.TextValue("eve@example.com"), label: crm.ListValue(c...),
	})
	if !fault.Is(w.Err, fault.Invalid) || !strings.Contains(fmt.Sprint(fault.FieldFaults(w.Err)), label) {
		t.Errorf("a create with one too many: %+v", w)
	}
}

// TestUpsertsAreAssociated: what an upsert made or found is associated after it.
func TestUpsertsAreAssociated(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	label := p.label("Decision maker")
	c := p.companies(2)
	for i, fields := range []crm.Fields{
		abouts(aboutCompanies, c[0], label, c[0]), abouts(aboutCompanies, c[1], label, ""),
	} {
		fields["lastname"] = crm.TextValue(fmt.Sprintf("Roe %d", i))
		out, err := p.BatchWrite(t.Context(), "contacts", []connector.Write{
			{
				Op: connector.Upsert, Key: connector.Key{Field: hubspotfake.UniqueProperty, Value: "k1"}, Fields: fields,
			},
			{ // one that HubSpot refuses, and that is nobody to be associated
				Op: connector.Upsert, Key: connector.Key{Field: hubspotfake.UniqueProperty, Value: "k2"},
				Fields: crm.Fields{"score": crm.TextValue("x"), aboutCompanies: crm.TextValue(c[0])},
			},
		})
		if err != nil || out[0].Err != nil || out[0].Created != (i == 0) || out[1].Err == nil {
			t.Fatalf("%+v, %v", out, err)
		}
		if i == 0 {
			p.holds("contacts", string(out[0].ID), "made", aboutCompanies, c[0], label, c[0])
		} else {
			p.holds("contacts", string(out[0].ID), "found", aboutCompanies, c[1], label, "")
		}
	}
}

// TestVeryManyAssociations are read to the last page.
func TestVeryManyAssociations(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	c := p.companies(1203)
	ann := p.made("contacts", map[string]string{"email": "ann@example.com", aboutCompanies: strings.Join(c, ";")})
	got, err := p.BatchRead(t.Context(), "contacts", []crm.RecordID{crm.RecordID(ann)}, []string{aboutCompanies})
	if err != nil || !slices.Equal(got[0].Record.Fields[aboutCompanies].Items(), c) {
		t.Errorf("%d of %d, %v", len(got[0].Record.Fields[aboutCompanies].Items()), len(c), err)
	}
	if w := p.write("contacts", connector.Update, ann, abouts(aboutCompanies, "")); w.Err != nil {
		t.Error(w.Err)
	}
	p.holds("contacts", ann, "ended", aboutCompanies, "")
}

// TestNoAssociationsForThisToken: objects that a token may not see leave their fields
// out, and not the whole list.
func TestNoAssociationsForThisToken(t *testing.T) {
	t.Parallel()
	f, fake := fixture(t, connectortest.NewClock())
	c := f.Open(t, connectortest.Tools{
		Tokens: connectortest.NewTokens(f.Token), Wrap: func(rt http.RoundTripper) http.RoundTripper {
			return trip(func(r *http.Request) (*http.Response, error) {
				if strings.HasSuffix(r.URL.Path, "/labels") {
					r = r.Clone(r.Context())
					r.Header.Set("Authorization", "Bearer "+fake.TokenWith("crm.objects.owners.read").Access)
				}
				return rt.RoundTrip(r)
			})
		},
	})
	fields, err := c.Fields(t.Context(), "contacts")
	if err != nil || len(fields) == 0 || slices.ContainsFunc(fields, func(f crm.Field) bool {
		return strings.HasPrefix(f.Name, "associations.")
	}) {
		t.Errorf("%d fields, %v", len(fields), err)
	}
}
