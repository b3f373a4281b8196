package api

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// settings are all that a connection's document holds, one change each; every
// one is for admins alone (row 7).
const settings = `
{"name":"Mine"}
{"description":"mine"}
{"enabled":false}
{"left":{"account":"ACC"}}
{"right":{"account":"ACC"}}
{"access":{"roles":["team-a","team-b"]}}
{"access":{"mode":"user_attribute","attribute":"is_employee"}}
{"notify":{"enabled":true,"user":"m@example.com"}}
{"notify":{"quiet_hours":{"from":"22:00","to":"07:00"}}}
{"notify":{"webhook":"https://hooks.example.com/x"}}
{"time_zone":{"left":"Europe/Berlin"}}
{"default_country":"DE"}
{"syncs":[]}
{"description":null}
{"access":null}
{}
`

// TestX3_Row7_OnlyAdminsChangeSettings tries each of them as everybody who is
// no admin, in each way to write, and looks at what is stored.
func TestX3_Row7_OnlyAdminsChangeSettings(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	target := "/v1/connections/" + f.connection
	whole := f.body(route{id: "put-connection"})
	before := f.stored()
	tried := map[string]int{}
	for _, c := range f.callers {
		if c.column != "member" && c.column != "viewer" && c.column != "denied" {
			continue
		}
		for change := range strings.Lines(strings.TrimSpace(settings)) {
			change = strings.ReplaceAll(strings.TrimSpace(change), "ACC", string(f.right))
			f.must(403, "PATCH", target, change, ifMatch("*"), as(c.token)).problem(t)
			tried[c.column]++
		}
		for old, fresh := range map[string]string{
			string(f.left): string(f.right), `"Shared"`: `"Mine"`, `"conflict":"newest"`: `"conflict":"left"`,
			`"team-a"`:             `"team-b"`,
			`"id":"contacts",`:     `"id":"contacts","direction":"to_left",`,
			`"right":["LastName"]`: `"right":["LastName"],"enabled":false`,
		} {
			f.must(403, "PUT", target, edit(t, whole, old, fresh), ifMatch(f.tag), as(c.token)).problem(t)
			tried[c.column]++
		}
		for _, call := range []string{
			"start", "pause", "webhooks/rotate", "notify/test", "notify/secret", "syncs/contacts/deletions/confirm",
			"syncs/contacts/deletions/discard", "syncs/contacts/mappings/m1/changes/confirm",
		} {
			f.must(403, "POST", target+"/"+call, "", as(c.token)).problem(t)
		}
	}
	if after := f.stored(); after != before {
		t.Errorf("something was stored:\n%s\nbefore:\n%s", after, before)
	}
	if calls := f.engine.called(); len(calls) != 1 || !strings.HasPrefix(calls[0], "plan") { // the fixture's own
		t.Errorf("the engine was asked for %v", calls)
	}
	if tried["member"] != 22 || tried["viewer"] != 22 || tried["denied"] != 22 {
		t.Errorf("tried %v", tried)
	}
}

// TestX3_ListsHoldNothingOfOthers: what a list call answers to a member whom the
// connection keeps out, and to another workspace, names nothing of it.
func TestX3_ListsHoldNothingOfOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	seen := 0
	for _, c := range f.callers {
		if c.column == "none" || c.column == "viewer" {
			continue
		}
		for _, list := range []string{"/v1/connections", "/v1/runs", "/v1/log", "/v1/log.csv", "/v1/dead-letters"} {
			got := string(f.must(200, "GET", list, "", as(c.token)).body)
			shows := strings.Contains(got, f.connection) || strings.Contains(got, string(f.run)) || strings.Contains(got, canary)
			if inside := c.column != "denied" && c.column != "foreign"; shows != inside {
				t.Errorf("%s as %s shows the connection's things: %t\n%s", list, c.name, shows, got)
			} else if shows {
				seen++
			}
		}
	}
	if seen != 15 {
		t.Errorf("%d lists show something, want 15", seen)
	}
}

// TestX3_Row7_NoFieldOfADocumentIsForMembers changes every value that a stored
// connection holds, one at a time and however deep, as everybody who is no
// admin and in each way to write: nothing is stored. The same change by an
// admin is looked at, so that the walk is one.
func TestX3_Row7_NoFieldOfADocumentIsForMembers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	target := "/v1/connections/" + f.connection
	whole := f.must(200, "GET", target, "")
	var document map[string]any
	if err := json.Unmarshal(whole.body, &document); err != nil {
		t.Fatal(err)
	}
	places := eachPlace(document, "")
	before, looked := f.stored(), 0
	for _, at := range places {
		changed := changedAt(t, whole.body, at)
		key := strings.Split(at, "/")[1]
		patch := encoded(t, map[string]any{key: changed[key]})
		for _, c := range f.callers {
			if c.column != "member" && c.column != "viewer" && c.column != "denied" {
				continue
			}
			f.must(403, "PUT", target, encoded(t, changed), ifMatch("*"), as(c.token)).problem(t)
			f.must(403, "PATCH", target, patch, ifMatch("*"), as(c.token)).problem(t)
		}
		if after := f.stored(); after != before {
			t.Fatalf("%s was stored:\n%s\nbefore:\n%s", at, after, before)
		}
		if got := f.do("POST", target+"/validate", encoded(t, changed)); got.status != 200 && got.status != 400 {
			t.Errorf("%s, validated by an admin: %d: %s", at, got.status, got.body)
		} else {
			looked++
		}
	}
	if len(places) < 80 || looked != len(places) {
		t.Errorf("%d places, %d looked at", len(places), looked)
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// eachPlace lists the pointers of all that is no object with keys, and no list
// with items.
func eachPlace(v any, at string) (out []string) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out = append(out, eachPlace(v[key], at+"/"+key)...)
		}
		if len(v) > 0 {
			return out
		}
	case []any:
		for i := range v {
			out = append(out, eachPlace(v[i], at+"/"+strconv.Itoa(i))...)
		}
		if len(v) > 0 {
			return out
		}
	}
	return []string{at}
}

// changedAt is the document with another value at a pointer.
func changedAt(t *testing.T, document []byte, at string) map[string]any {
	t.Helper()
	var root map[string]any
	if err := json.Unmarshal(document, &root); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(at, "/")[1:]
	var in any = root
	for i, p := range parts {
		leaf := i == len(parts)-1
		switch v := in.(type) {
		case map[string]any:
			if in = v[p]; leaf {
				v[p] = other(in)
			}
		case []any:
			n, err := strconv.Atoi(p)
			if err != nil {
				t.Fatal(err)
			}
			if in = v[n]; leaf {
				v[n] = other(in)
			}
		}
	}
	return root
}

// other is another value of the same kind.
func other(v any) any {
	switch v := v.(type) {
	case bool:
		return !v
	case float64:
		return v + 1
	case string:
		return v + "x"
	case []any:
		return []any{"x"}
	case map[string]any:
		return map[string]any{"x": "y"}
	}
	return "x"
}
