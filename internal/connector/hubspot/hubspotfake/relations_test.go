package hubspotfake_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
)

// want makes a call and compares status and, as text, the answer's parts.
func (p *portal) want(status int, method, path, body string, parts ...string) map[string]any {
	p.t.Helper()
	got, out := p.do(method, path, body)
	raw, err := json.Marshal(out)
	if err != nil {
		p.t.Fatal(err)
	}
	if got != status {
		p.t.Fatalf("%s %s: %d %s, want %d", method, path, got, raw, status)
	}
	for _, part := range parts {
		if !strings.Contains(string(raw), part) {
			p.t.Errorf("%s %s: %s has no %s", method, path, raw, part)
		}
	}
	return out
}

// made creates a record by the API and returns its ID.
func (p *portal) made(object, body string) string {
	p.t.Helper()
	id, _ := p.want(201, "POST", "/crm/v3/objects/"+object, body)["id"].(string)
	return id
}

// TestBooleansOfQueries asks as the clients of several languages do.
func TestBooleansOfQueries(t *testing.T) {
	t.Parallel()
	p := newPortal(t, fakekit.Config{})
	id := p.contact(map[string]string{"email": "a@example.com"})
	if err := p.Core().DeleteRecord("contacts", id); err != nil {
		t.Fatal(err)
	}
	for value, found := range map[string]bool{
		"true": true, "True": true, "TRUE": true, "false": false, "False": false, "1": false, "": false,
	} {
		status := map[bool]int{true: 200, false: 404}[found]
		p.want(status, "GET", "/crm/v3/objects/contacts/"+id+"?archived="+value, "")
		list := p.want(200, "GET", "/crm/v3/objects/contacts?archived="+value, "")
		if n := len(list["results"].([]any)); (n == 1) != found {
			t.Errorf("archived=%s lists %d", value, n)
		}
	}
}

// TestAssociations makes, reads and ends associations by every path.
func TestAssociations(t *testing.T) {
	t.Parallel()
	p := newPortal(t, fakekit.Config{})
	ann, bob := p.contact(map[string]string{"email": "a@example.com"}),
		p.contact(map[string]string{"email": "b@example.com"})
	acme := p.made("companies", `{"properties":{"name":"Acme"}}`)
	deal := p.made("deals", `{"properties":{"dealname":"D","dealstage":"closedwon"},"associations":[{"to":{"id":"`+acme+
		`"},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":5}]}]}`)
	p.want(200, "GET", "/crm/v3/objects/deals/"+deal+"?associations=companies,contacts", "",
		`{"companies":{"results":[{"id":"`+acme+`","type":"deal_to_company_unlabeled"},{"id":"`+acme+
			`","type":"deal_to_company"}]}}`)

	one := "/crm/v4/objects/contacts/" + ann + "/associations/"
	p.want(200, "PUT", "/crm/v4/objects/contacts/"+ann+"/associations/default/companies/"+acme, "",
		`"associationTypeId":279`, `"associationTypeId":280`)
	p.want(201, "PUT", one+"company/"+acme, `[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":1}]`,
		`"labels":["Primary"]`, `"fromObjectTypeId":"0-1"`)
	p.want(200, "GET", one+"companies", "", `"toObjectId":"`+acme+`"`, `"typeId":1`, `"typeId":279`)
	p.want(200, "GET", "/crm/v4/objects/companies/"+acme+"/associations/contacts", "", `"toObjectId":"`+ann+`"`,
		`"typeId":2`, `"typeId":280`)
	p.want(207, "POST", "/crm/v4/associations/contacts/companies/batch/read", `{"inputs":[{"id":"`+ann+`"},{"id":"`+bob+
		`"}]}`, acme, "crm.associations.NO_ASSOCIATIONS_FOUND", "No company is associated with contact "+bob)
	p.want(200, "POST", "/crm/v3/associations/contacts/companies/batch/read", `{"inputs":[{"id":"`+ann+`"}]}`,
		`"type":"contact_to_company_unlabeled"`)

	// One that is of another type, and one that is not there.
	p.want(400, "PUT", "/crm/v4/objects/deals/"+deal+"/associations/companies/"+acme,
		`[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":1}]`, "CONTACT="+deal+" is not valid")
	p.want(207, "POST", "/crm/v4/associations/contacts/deals/batch/create",
		fmt.Sprintf(`{"inputs":[{"from":{"id":%q},"to":{"id":%q},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":4}]},{"from":{"id":"9"},"to":{"id":%q},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":4}]}]}`, bob, deal, deal), "CONTACT=9 is not valid")
	p.want(201, "POST", "/crm/v3/associations/contacts/deals/batch/create",
		fmt.Sprintf(`{"inputs":[{"from":{"id":%q},"to":{"id":%q},"type":"contact_to_deal"}]}`, ann, deal))

	// What was merged keeps its associations, and answers to its old ID.
	survivor, err := p.Core().MergeRecord("contacts", bob, ann)
	if err != nil {
		t.Fatal(err)
	}
	p.want(200, "GET", "/crm/v4/objects/deals/"+deal+"/associations/contacts", "", `"toObjectId":"`+survivor.ID+`"`)
	p.want(200, "GET", one+"deals", "", deal)

	// A label goes alone; the plain association takes its labels along.
	drop := func(id int) string {
		return fmt.Sprintf(`{"inputs":[{"from":{"id":%q},"to":{"id":%q},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":%d}]}]}`, survivor.ID, acme, id)
	}
	p.want(204, "POST", "/crm/v4/associations/contacts/companies/batch/labels/archive", drop(1))
	if out := p.want(200, "GET", one+"companies", "", `"typeId":279`); strings.Contains(fmt.Sprint(out), "typeId:1]") {
		t.Errorf("the label is still there: %v", out)
	}
	p.want(204, "POST", "/crm/v4/associations/contacts/companies/batch/labels/archive", drop(279))
	p.want(200, "GET", one+"companies", "", `"results":[]`)
	p.want(204, "DELETE", "/crm/v4/objects/deals/"+deal+"/associations/contacts/"+survivor.ID, "")
	p.want(200, "GET", one+"deals", "", `"results":[]`)
	p.want(404, "GET", "/crm/v4/objects/contacts/9/associations/deals", "")
	few := p.TokenWith("crm.objects.companies.read").Access
	if status, _, _ := p.as(few, "GET", one+"deals", ""); status != 403 {
		t.Errorf("without the right: %d, want 403", status)
	}
}

// TestPipelines changes the stages that deals can be in.
func TestPipelines(t *testing.T) {
	t.Parallel()
	p := newPortal(t, fakekit.Config{})
	const base = "/crm/v3/pipelines/deals"
	p.want(200, "GET", base, "", `"id":"default"`, `"id":"closedwon"`, `"isClosed":"true"`)
	p.want(400, "POST", base, `{"label":"New","displayOrder":1,"stages":[{"label":"S","displayOrder":0,"metadata":{}}]}`,
		"probability")
	p.want(400, "POST", "/crm/v3/pipelines/contacts", `{"label":"New","displayOrder":1,"stages":[]}`)
	made := p.want(201, "POST", base,
		`{"label":"New","displayOrder":1,"stages":[{"label":"First","displayOrder":0,"metadata":{"probability":"0.1"}}]}`)
	id, _ := made["id"].(string)
	first := made["stages"].([]any)[0].(map[string]any)["id"].(string)
	p.want(409, "POST", base, `{"label":"NEW","displayOrder":1,"stages":[]}`)

	// The properties know it at once, and a deal can stand in it.
	p.want(200, "GET", "/crm/v3/properties/deals/pipeline", "", `"value":"`+id+`"`)
	p.want(200, "GET", "/crm/v3/properties/deals/dealstage", "", `"value":"`+first+`"`, `"value":"closedwon"`)
	p.made("deals", `{"properties":{"dealname":"D","pipeline":"`+id+`","dealstage":"`+first+`"}}`)
	second := p.want(201, "POST", base+"/"+id+"/stages",
		`{"label":"Second","displayOrder":1,"metadata":{"probability":"1.0"}}`, `"isClosed":"true"`)["id"].(string)
	p.want(200, "PATCH", base+"/"+id+"/stages/"+second, `{"label":"Won"}`, `"label":"Won"`, `"probability":"1.0"`)
	p.want(200, "PATCH", base+"/"+id, `{"label":"Newer"}`, `"label":"Newer"`)
	p.want(204, "DELETE", base+"/"+id+"/stages/"+second, "")
	p.want(404, "GET", base+"/"+id+"/stages/"+second, "")
	p.want(400, "DELETE", base+"/"+id+"?validateDealStageUsagesBeforeDelete=True", "", "VALIDATION_ERROR")
	p.want(200, "GET", base+"/"+id+"/audit", "", `"action":"UPDATE"`, `"action":"CREATE"`)
	p.want(204, "DELETE", base+"/"+id, "")
	p.want(404, "GET", base+"/"+id, "")
	p.want(400, "POST", "/crm/v3/objects/deals", `{"properties":{"dealname":"D","pipeline":"`+id+
		`","dealstage":"closedwon"}}`, "INVALID_OPTION")
}

// TestDefinitionsOfProperties changes groups and properties as an app may.
func TestDefinitionsOfProperties(t *testing.T) {
	t.Parallel()
	p := newPortal(t, fakekit.Config{})
	const base = "/crm/v3/properties/contacts"
	p.want(201, "POST", base+"/groups", `{"name":"extra","label":"Extra","displayOrder":2}`, `"archived":false`)
	p.want(409, "POST", base+"/groups", `{"name":"extra","label":"Extra"}`)
	p.want(201, "POST", base, `{"name":"colour","label":"Colour","type":"enumeration","fieldType":"select","groupName":"extra","options":[{"label":"Red","value":"red"}]}`)
	p.want(400, "POST", base, `{"name":"size","label":"Size","type":"string","fieldType":"text","groupName":"no_such_group"}`)
	p.want(200, "PATCH", base+"/colour",
		`{"label":"Hue","options":[{"label":"Blue","value":"blue","displayOrder":0,"hidden":false}]}`, `"label":"Hue"`,
		`"value":"blue"`, `"groupName":"extra"`)
	p.want(400, "POST", "/crm/v3/objects/contacts", `{"properties":{"email":"a@example.com","colour":"red"}}`,
		"INVALID_OPTION")
	p.want(400, "PATCH", base+"/colour", `{"fieldType":"date"}`)
	p.want(400, "PATCH", base+"/firstname", `{"label":"Given name"}`, "read only")
	p.want(404, "PATCH", base+"/no_such_property", `{"label":"X"}`)
	p.want(400, "DELETE", base+"/groups/extra", "")
	p.want(207, "POST", base+"/batch/create",
		`{"inputs":[{"name":"b1","label":"B","type":"string","fieldType":"text","groupName":"extra"},{"name":"colour","label":"B","type":"string","fieldType":"text","groupName":"extra"}]}`, `"name":"b1"`, "OBJECT_ALREADY_EXISTS")
	p.want(207, "POST", base+"/batch/read", `{"archived":false,"inputs":[{"name":"b1"},{"name":"no_such_property"}]}`,
		`"name":"b1"`, "OBJECT_NOT_FOUND")
	p.want(204, "POST", base+"/batch/archive", `{"inputs":[{"name":"b1"},{"name":"colour"}]}`)
	p.want(404, "GET", base+"/colour", "")
	p.want(200, "GET", base+"/colour?archived=True", "", `"archived":true`)
	p.want(204, "DELETE", base+"/groups/extra", "")
	p.want(404, "GET", base+"/groups/extra", "")
}

// TestDomainsOfCompanies stores what people type, in every habit that HubSpot may have.
func TestDomainsOfCompanies(t *testing.T) {
	t.Parallel()
	p := newPortal(t, fakekit.Config{})
	for typed, kept := range map[string]string{
		"acme.com": "acme.com", "HTTPS://www.Acme.com/": "acme.com", "http://ACME.com/De": "acme.com/De",
		"www.acme.co.uk": "acme.co.uk", "shop.acme.com:8080": "shop.acme.com",
	} {
		p.want(201, "POST", "/crm/v3/objects/companies", fmt.Sprintf(`{"properties":{"name":"A","domain":%q}}`, typed),
			`"domain":"`+kept+`"`)
	}
	p.want(201, "POST", "/crm/v3/objects/companies", `{"properties":{"name":"A","website":"https://www.Acme.com/de"}}`,
		`"website":"https://www.Acme.com/de"`)
	p.want(200, "PUT", "/_fake/domains", `{"keep":"host"}`)
	p.want(201, "POST", "/crm/v3/objects/companies", `{"properties":{"name":"A","domain":"HTTPS://www.Acme.com/de?x=1"}}`,
		`"domain":"acme.com"`)
	p.want(200, "PUT", "/_fake/domains", `{"keep":"typed"}`)
	p.want(201, "POST", "/crm/v3/objects/companies", `{"properties":{"name":"A","domain":"https://www.acme.com"}}`,
		`"domain":"https://www.acme.com"`)
}

// TestRefreshTokens asks about a grant and ends it.
func TestRefreshTokens(t *testing.T) {
	t.Parallel()
	p := newPortal(t, fakekit.Config{})
	tok := p.OAuthToken()
	path := "/oauth/v1/refresh-tokens/" + tok.Refresh
	p.want(200, "GET", path, "", hubspotfake.ClientID, tok.Refresh)
	p.want(204, "DELETE", path, "")
	p.want(404, "GET", path, "")
	if status, _, _ := p.as(tok.Access, "GET", "/crm/v3/objects/contacts", ""); status != 401 {
		t.Errorf("the grant's access token still works: %d", status)
	}
}
