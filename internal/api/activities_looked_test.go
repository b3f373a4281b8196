package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// withActivities are drivers whose apps have notes.
func (w *world) withActivities() {
	put := func(a appTable, objects map[string][]crm.Field, known ...crm.Object) {
		all := map[string][]crm.Field{}
		maps.Copy(all, a.objects)
		maps.Copy(all, objects)
		a.objects = all
		d := w.driver(a)
		d.App.Objects = known
		open := d.Open
		d.Open = func(cfg connector.Config) (connector.Connector, error) {
			c, err := open(cfg)
			if c, ok := c.(*tableConnector); ok {
				c.app.Objects = known
			}
			return c, err
		}
		w.drivers[a.id] = d
	}
	about := func(pairs ...string) (of *crm.ActivityObject) {
		of = new(crm.ActivityObject)
		for i := 0; i < len(pairs); i += 2 {
			of.Parents = append(of.Parents, crm.ActivityParent{Object: pairs[i], Field: pairs[i+1]})
		}
		return of
	}
	put(hubspotLike, map[string][]crm.Field{
		"notes": {
			{Name: "body", Label: "Body", Type: crm.TypeText, Required: true},
			{Name: "about", Label: "About", Type: crm.TypeReference, ReferenceTo: "contacts"},
			{Name: "firm", Label: "Firm", Type: crm.TypeReference, ReferenceTo: "companies"},
			{Name: "made", Label: "Made", Type: crm.TypeDateTime, ReadOnly: true, Required: true},
		},
	}, crm.Object{ID: "contacts", Label: "Contacts"},
		crm.Object{ID: "notes", Label: "Notes", Activity: about("contacts", "about", "companies", "firm")},
		crm.Object{ID: "calls", Label: "Calls", Activity: about("companies", "firm")})
	put(salesforceLike, map[string][]crm.Field{
		"Task": {
			{Name: "Body", Label: "Body", Type: crm.TypeText},
			{Name: "WhoId", Label: "Who", Type: crm.TypeReference, ReferenceTo: "Contact"},
			{Name: "Kind", Label: "Kind", Type: crm.TypeText, Required: true},
		},
	}, crm.Object{ID: "Task", Label: "Tasks", Activity: about("Contact", "WhoId")},
		crm.Object{ID: "Gone", Label: "Gone", Activity: about("Contact", "WhoId")})
	put(appTable{id: "plain", host: "plain.example.com"}, map[string][]crm.Field{"things": {
		{Name: "name", Label: "Name", Type: crm.TypeText},
	}})
}

// TestActivitiesAreLookedAtAsWritten saves drafts with activities of every kind; what
// is said of each is in testdata.
func TestActivitiesAreLookedAtAsWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.withActivities()
	w.accounts()
	plain := w.must(201, "POST", "/v1/accounts",
		`{"app":"plain","name":"Plain","credentials":{"kind":"token","token":"pat-9"}}`).json(t)["id"].(string)
	const (
		contacts = `"left":{"object":"contacts"},"right":{"object":"Contact"}`
		mapping  = `{"id":"b","left":["body"],"right":["Body"]}`
		kind     = `{"id":"k","right":["Kind"],"transform":{"type":"static","options":{"value":"note"}},"direction":"to_right"}`
	)
	ends := func(left, right string) string {
		return `"enabled":true,"left":` + left + `,"right":` + right
	}
	notes := ends(`{"object":"notes"}`, `{"object":"Task"}`)
	var out strings.Builder
	for _, c := range []struct{ name, right, sync, activities string }{
		{"none", "", contacts, ``},
		{"off", "", contacts, `"enabled":false`},
		{"off, and named wrongly", "", contacts, `"enabled":false,"left":{"object":"companies"}`},
		{"of one side", "", contacts, ends(`{"object":"notes"}`, `{"object":""}`)},
		{"without a mapping", "", contacts, notes},
		{
			"with a mapping that is off", "", contacts,
			notes + `,"mappings":[{"id":"b","left":["body"],"right":["Body"],"enabled":false}]`,
		},
		{"without what one app demands", "", contacts, notes + `,"mappings":[` + mapping + `]`},
		{"one way", "", contacts + `,"direction":"to_left"`, notes + `,"mappings":[` + mapping + `]`},
		{"updates only", "", contacts, notes + `,"behavior":{"to_right":"update_only"},"mappings":[` + mapping + `]`},
		{"with all", "", contacts, notes + `,"mappings":[` + mapping + `,` + kind + `]`},
		{"of a field that is none", "", contacts, notes + `,"mappings":[{"id":"b","left":["ghost"],"right":["Body"]},` + kind + `]`},
		{"of an object that is no activity", "", contacts, ends(`{"object":"companies"}`, `{"object":"Account"}`)},
		{"of an object that is not there", "", contacts, ends(`{"object":"ghosts"}`, `{"object":"Task"}`)},
		{"of an object without fields", "", contacts, ends(`{"object":"notes"}`, `{"object":"Gone"}`) + `,"mappings":[` + mapping + `]`},
		{"about others", "", contacts, ends(`{"object":"calls"}`, `{"object":"Task"}`)},
		{"by another field", "", contacts, ends(`{"object":"notes","parent":"firm"}`, `{"object":"Task"}`)},
		{
			"by that field", "", contacts,
			ends(`{"object":"notes","parent":"about"}`, `{"object":"Task"}`) + `,"mappings":[` + mapping + `,` + kind + `]`,
		},
		{
			"of an app that has none", plain, `"left":{"object":"contacts"},"right":{"object":"things"}`,
			ends(`{"object":"notes"}`, `{"object":"things"}`),
		},
		{"as records of a sync", "", `"left":{"object":"notes"},"right":{"object":"Task"}`, ``},
	} {
		right := string(w.right)
		if c.right != "" {
			right = c.right
		}
		sync := `{"id":"s",` + c.sync
		if c.activities != "" {
			sync += `,"activities":{` + c.activities + `}`
		}
		r := w.do("POST", "/v1/connections", fmt.Sprintf(`{"name":%q,"left":{"account":%q},"right":{"account":%q},"syncs":[%s]}`,
			c.name, w.left, right, sync+`}`))
		fmt.Fprintf(&out, "%s: %s\n", c.name, told(r, false))
		if r.status != 201 {
			continue
		}
		var saved struct{ Problems, Warnings []ProblemItem }
		if err := json.Unmarshal(r.body, &saved); err != nil {
			t.Fatal(err)
		}
		for _, p := range slices.Concat(saved.Problems, saved.Warnings) {
			if strings.Contains(p.Pointer, "activities") || strings.HasSuffix(p.Pointer, "/object") {
				fmt.Fprintf(&out, "  %s %s %s\n", p.Pointer, p.Code, p.Detail)
			}
		}
	}
	written.Check(t, "activities.txt", out.String())
}

// TestListsOfNothing asks for all there is of a workspace with one bare draft. Where a
// list is empty it is a list, and null is where nothing is known; both are in testdata.
func TestListsOfNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.accounts()
	id := w.must(201, "POST", "/v1/connections", `{"name":"Bare"}`).json(t)["id"].(string)
	var out strings.Builder
	for _, line := range strings.Split(accessMatrix, "\n") {
		path, isGet := strings.CutPrefix(line, "GET ")
		path, _, _ = strings.Cut(strings.TrimSpace(path), " ")
		switch {
		case strings.HasPrefix(path, "/v1/connections/{id}"):
			path = strings.Replace(path, "{id}", id, 1)
		case strings.HasPrefix(path, "/v1/accounts/{id}"):
			path = strings.Replace(path, "{id}", string(w.left), 1)
		}
		if !isGet || strings.Contains(path, "{") || path == "/v1/openapi.json" {
			continue
		}
		r := w.do("GET", path, "")
		fmt.Fprintf(&out, "%s %d", path, r.status)
		var doc any
		if json.Unmarshal(r.body, &doc) == nil {
			blanks(&out, "", doc)
		}
		fmt.Fprintln(&out)
	}
	written.Check(t, "nothing.txt", out.String())
}

// blanks names the places of a document that are null or empty.
func blanks(out *strings.Builder, at string, v any) {
	switch v := v.(type) {
	case nil:
		fmt.Fprintf(out, " %s=null", at)
	case []any:
		if len(v) == 0 {
			fmt.Fprintf(out, " %s=[]", at)
		}
		for i, x := range v {
			if i < 2 { // what is alike is told once
				blanks(out, fmt.Sprintf("%s/%d", at, i), x)
			}
		}
	case map[string]any:
		if len(v) == 0 {
			fmt.Fprintf(out, " %s={}", at)
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			blanks(out, at+"/"+k, v[k])
		}
	}
}
