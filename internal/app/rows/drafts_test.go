package rows

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// lacks demands what keeps the draft from being started, in the words of every
// place that shows it: "/syncs step_missing".
func (w *world) lacks(want ...string) {
	w.Helper()
	type said struct {
		ID, Status string
		Problems   []struct{ Pointer, Code, Detail, Remedy string }
		Needs      []struct {
			Pointer, Code, Remedy string
			Met, Required         bool
		}
		Ready, Valid bool
	}
	slices.Sort(want)
	hold := func(what string, s said) {
		w.Helper()
		got := []string{}
		for _, p := range s.Problems {
			got = append(got, p.Pointer+" "+p.Code)
			if p.Detail == "" || p.Remedy == "" {
				w.Errorf("%s: a problem without detail and remedy: %+v", what, p)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			w.Errorf("%s: the draft lacks %v, want %v", what, got, want)
		}
	}
	var one said
	for _, what := range []string{"", "/status"} {
		one = said{}
		w.get(w.con+what, &one)
		equal(w, "status at "+w.con+what, one.Status, "draft")
		hold("GET "+what, one)
	}
	all := list[said](w, "/v1/connections")
	i := slices.IndexFunc(all, func(s said) bool { return strings.HasSuffix(w.con, s.ID) })
	if i < 0 {
		w.Fatal("the draft is not in the list")
	}
	equal(w, "status in the list", all[i].Status, "draft")
	hold("the list", all[i])
	one = said{}
	w.want(200, "POST", w.con+"/validate", nil).into(&one)
	hold("validate", one)
	equal(w, "valid", one.Valid, len(want) == 0)
	one = said{}
	w.get(w.con+"/readiness", &one)
	equal(w, "ready", one.Ready, len(want) == 0)
	for _, p := range want {
		if !slices.ContainsFunc(one.Needs, func(n struct {
			Pointer, Code, Remedy string
			Met, Required         bool
		},
		) bool {
			return !n.Met && n.Required && strings.HasPrefix(p, n.Pointer+" ")
		}) {
			w.Errorf("the readiness does not need %s: %+v", p, one.Needs)
		}
	}
}

// half stores a draft, for the length of the test.
func (w *world) half(document string) {
	w.Helper()
	var c struct{ ID, Name string }
	w.want(201, "POST", "/v1/connections", raw(document)).into(&c)
	w.con = "/v1/connections/" + c.ID
	w.sync = w.con + "/syncs/people"
	w.forget(w.con, c.ID) // which may have no name
}

// idle demands that nothing can be done with a draft that is not complete.
func (w *world) idle(at string) {
	w.Helper()
	w.refused(w.call("POST", w.con+"/start", nil), 409, "connection_incomplete", at)
	w.refused(w.call("POST", w.con+"/webhooks/rotate", nil), 409, "connection_incomplete", at)
	for _, side := range list[struct{ URL string }](w, w.con+"/webhooks") {
		equal(w, "address of webhooks", side.URL, "")
	}
	status, _ := w.status()
	equal(w, "status after a start that was refused", status, "draft")
}

// TestRow26_SaveAndNext: a connection is saved step by step, each with an address
// of its own, whatever is missing or wrong in it; what is said of it everywhere is
// all that it lacks. Webhook addresses, plans and the start come with the last
// step. Once it runs nothing turns it into a half-finished one.
func TestRow26_SaveAndNext(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "city", "Ghent")
		w.half(`{"name":"Half"}`)
		w.forget(w.con, "Half")
		w.lacks("/left/account unknown_account", "/right/account unknown_account", "/syncs step_missing")
		w.idle("/syncs")
		w.want(200, "PATCH", w.con, raw(fmt.Sprintf(`{"left":{"account":%q},"right":{"account":%q},"syncs":[{"id":"people",
			"left":{"object":"contacts"},"direction":"sideways","match":[{"by":"magic"}],
			"mappings":[{"id":"last","left":["surname"],"right":["LastName"]},{"id":"none"}]}]}`,
			w.left.account, w.right.account)), "If-Match", "*")
		w.want(200, "GET", w.con, nil).says(`"sideways"`, `"magic"`, `"surname"`)
		w.idle("/syncs/0/direction")
		w.refused(w.call("POST", w.sync+"/plans", nil), 409, "connection_incomplete", "/syncs/0/right/object")
		tag := func(path string) string { return w.want(200, "GET", w.sync+path, nil).header.Get("ETag") }
		w.want(200, "PATCH", w.sync, raw(`{"direction":"both","right":{"object":"Contact"},"schedule":"manual"}`), "If-Match",
			tag(""))
		w.want(200, "PUT", w.sync+"/match", raw(`[]`), "If-Match", tag("/match"))
		w.want(200, "PUT", w.sync+"/mappings", raw(`[]`), "If-Match", tag("/mappings"))
		w.lacks("/syncs/0/match missing_match_step", "/syncs/0/mappings step_missing",
			"/syncs/0/mappings required_field_unmapped")
		w.idle("/syncs/0/match")
		w.refused(w.call("PUT", w.sync+"/match", raw(`[]`), "If-Match", `"old"`), 412, "stale_version")
		w.want(200, "PUT", w.sync+"/mappings", raw(`[{"id":"email","left":["email"],"right":["Email"]},
			{"id":"last","left":["lastname"],"right":["LastName"]},{"id":"city","left":["city"],"right":["MailingTown"]}]`),
			"If-Match", tag("/mappings"))
		w.want(200, "PUT", w.sync+"/match", by(byEmail), "If-Match", tag("/match"))
		w.lacks("/syncs/0/mappings/2/right/0 unknown_field")
		w.idle("/syncs/0/mappings/2/right/0")
		w.calm(w.right, "a draft")
		w.want(200, "PATCH", w.sync+"/mappings/city", raw(`{"right":["MailingCity"]}`), "If-Match", tag("/mappings/city"))
		w.lacks()
		if side := list[struct{ URL string }](w, w.con+"/webhooks"); len(side) != 2 || side[0].URL == "" {
			w.Errorf("no addresses for a complete draft: %+v", side)
		}
		w.hear(w.left)
		w.left.edit(w.left.id("ann"), "city", "Lund")
		w.heard(w.left)
		w.calm(w.right, "a complete draft")
		w.start()
		w.right.has("ann", "MailingCity", "Lund")

		before := w.want(200, "GET", w.con, nil)
		var doc map[string]any
		before.into(&doc)
		if _, still := doc["problems"]; still || doc["status"] != "active" {
			w.Errorf("a connection that runs still shows what a draft lacks: %s", before.body)
		}
		w.put(doc, "direction", "sideways", "mappings.city.right", []string{"MailingTown"}, "match", raw(`[{"by":"magic"}]`))
		for _, c := range []struct {
			method, path string
			body         any
			at           []string
		}{
			{"PUT", w.con, doc, []string{"/syncs/0/direction", "/syncs/0/match/0/by", "/syncs/0/mappings/2/right/0"}},
			{"PATCH", w.con, map[string]any{"syncs": doc["syncs"]}, []string{
				"/syncs/0/direction", "/syncs/0/match/0/by", "/syncs/0/mappings/2/right/0",
			}},
			{"PATCH", w.con, raw(`{"left":null,"syncs":null}`), nil},
			{"PATCH", w.sync, raw(`{"direction":"sideways"}`), []string{"/direction"}},
			{"PUT", w.sync + "/match", raw(`[{"by":"magic"}]`), nil},
			{"PUT", w.sync + "/mappings", raw(`[]`), []string{"/syncs/0/mappings"}},
			{"PUT", w.sync + "/mappings/city", raw(`{"id":"city","left":["city"],"right":["MailingTown"]}`), nil},
			{"PATCH", w.sync + "/mappings/last", raw(`{"enabled":false}`), []string{"/syncs/0/mappings"}},
			{"PUT", w.sync + "/rules", raw(`[{"id":"r","filter":{"field":"nowhere","op":"resembles"}}]`), nil},
		} {
			a := w.call(c.method, c.path, c.body, "If-Match", "*")
			if a.status != 400 {
				w.Errorf("%s: %d, want it refused: %s", a.call, a.status, a.body)
				continue
			}
			w.refused(a, 400, a.problem().Code, c.at...)
		}
		equal(w, "the document after all refusals", string(w.want(200, "GET", w.con, nil).body), string(before.body))
	})
}

// TestRow26_AStartedOneIsNotEmptied: a draft may lack everything, but what was
// started is not stopped by taking away what it does. The refusal says how it is.
func TestRow26_AStartedOneIsNotEmptied(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "city", "Ghent")
		w.connect()
		tag := func(path string) []string {
			w.Helper()
			return []string{"If-Match", w.want(200, "GET", path, nil).header.Get("ETag")}
		}
		w.want(200, "PATCH", w.con, raw(`{"syncs":[]}`), tag(w.con)...)
		w.lacks("/syncs step_missing")
		w.want(200, "PUT", w.con, w.document(), tag(w.con)...)
		w.start()
		before := w.want(200, "GET", w.con, nil)
		var doc map[string]any
		before.into(&doc)
		empty := func(a answer) {
			w.Helper()
			w.refused(a, 400, "does_nothing", "/syncs").says("enabled", "pause", "DELETE")
		}
		for _, status := range []string{"active", "paused"} {
			empty(w.call("PATCH", w.con, raw(`{"syncs":[]}`), tag(w.con)...))
			empty(w.call("PATCH", w.con, raw(`{"syncs":null}`), tag(w.con)...))
			w.put(doc, "/syncs", raw(`[]`))
			empty(w.call("PUT", w.con, doc, tag(w.con)...))
			empty(w.call("PUT", w.con+"/syncs", raw(`[]`), tag(w.con+"/syncs")...))
			empty(w.call("DELETE", w.sync, nil, tag(w.sync)...))
			w.invalid("does_nothing", "/syncs", "/syncs", raw(`[]`))
			off := []any{}
			for _, id := range []string{"last", "first", "city", "title", "phone"} {
				off = append(off, "mappings."+id+".enabled", false)
			}
			w.invalid("does_nothing", "/syncs/0/mappings", append(off, "match", by(`{"by":"any_key","pairs":[["mobilephone",
				"MobilePhone"]]}`), "mappings.email.enabled", false, "behavior", raw(`{"to_right":"update_only",
				"to_left":"update_only"}`))...).says("direction to off")
			w.refused(w.call("PUT", w.sync+"/mappings", raw(`[]`), "If-Match", "*"), 400, "does_nothing", "/syncs/0/mappings")
			after := w.want(200, "GET", w.con, nil)
			equal(w, "the version while "+status, after.header.Get("ETag"), before.header.Get("ETag"))
			if status == "active" {
				w.want(200, "POST", w.con+"/pause", nil)
				before = after
			}
		}
		w.want(200, "PATCH", w.sync, raw(`{"direction":"off"}`), tag(w.sync)...) // that is how
		w.want(200, "PUT", w.sync+"/mappings", raw(`[]`), "If-Match", "*")
	})
}

// TestRow26_WhatADraftRefuses: only what cannot be read. The rest is found as it
// was left, goes to a file and back, and is deleted by its name or its ID.
func TestRow26_WhatADraftRefuses(t *testing.T) {
	row(t, func(w *world) {
		for body, code := range map[string]string{
			`{"name":"x"`: "malformed_json", `{"name":1}`: "wrong_type", `{"nom":"x"}`: "unknown_key",
			`{"name":"x","syncs":[{"mappings":{}}]}`: "wrong_type", `{"syncs":[{"match":[{"by":"any_key","pairs":[["a"]]}]}]}`: "wrong_length",
			`{"name":"x","status":"active"}`: "server_owned", `{"name":"a\u0000b"}`: "unknown_value",
		} {
			w.refused(w.call("POST", "/v1/connections", body), 400, code)
		}
		member := w.as("member", `{"email":"m@example.com","roles":["member"]}`)
		w.refused(member.call("POST", "/v1/connections", raw(`{"name":"x"}`)), 403, "role_too_low")
		w.half(`{}`)
		w.refused(member.call("PATCH", w.con, raw(`{"name":"x"}`), "If-Match", "*"), 403, "role_too_low")
		equal(w, "a draft without a name", w.call("DELETE", w.con+"?confirm=", nil, "If-Match", "*").status, 400)
		id := strings.TrimPrefix(w.con, "/v1/connections/")
		w.want(202, "DELETE", w.con+"?confirm="+id, nil, "If-Match", "*")
		w.until("the end of the draft", func() bool { return w.call("GET", w.con, nil).status == 404 })

		long := strings.Repeat("x", 5000)
		w.half(`{"name":"Odd","default_country":"Nowhere","left":{"account":"` + long + `"},"syncs":[
			{"id":"` + long + `","left":{"object":"` + long + `"}},{"id":"a#b"},{"id":"a#b"}]}`)
		w.want(200, "GET", w.con, nil).says(`"Nowhere"`, long)
		w.want(200, "GET", w.con+"/status", nil).says(`"draft"`)
		w.idle("/default_country")
		file := string(w.want(200, "GET", w.con+"/export", nil).body)
		a := w.want(200, "POST", "/v1/connections/import/plan", file, "Content-Type", "application/yaml")
		a.says(`"action":"none"`, `"draft":true`, `"valid":false`, `"/default_country"`)
		w.want(200, "POST", "/v1/connections/import", file, "Content-Type", "application/yaml")
		other := strings.Replace(file, "Odd", "Even", 1)
		var made struct{ ID, Status string }
		w.want(201, "POST", "/v1/connections/import", other, "Content-Type", "application/yaml").into(&made)
		w.forget("/v1/connections/"+made.ID, "Even")
		equal(w, "status of what was imported", made.Status, "draft")
		equal(w, "the file of what was imported",
			string(w.want(200, "GET", "/v1/connections/"+made.ID+"/export", nil).body), other)
		w.want(202, "DELETE", w.con+"?confirm=Odd", nil, "If-Match", "*")
		w.until("the end of the odd draft", func() bool {
			return w.call("GET", w.con, nil).status == 404
		})
	})
}
