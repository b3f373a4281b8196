package app

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// mapping is one more mapping in the document, at syncs.0.mappings.5.
func mapping(parts string) [2]string {
	return [2]string{"syncs.0.mappings", `[{"id":"email","left":["email"],"right":["Email"],"transform":{"type":"email"}},
		{"id":"last","left":["lastname"],"right":["LastName"]},{"id":"city","left":["city"],"right":["MailingCity"]},
		{"id":"title","left":["jobtitle"],"right":["Title"]},{"id":"phone","left":["phone"],"right":["Phone"],
			"transform":{"type":"phone"}},
		{` + parts + `}]`}
}

const (
	city  = "syncs.0.mappings.2."
	title = "syncs.0.mappings.3."
	sixth = "syncs.0.mappings.5."
	step  = "syncs.0.match.0."
	rule1 = "syncs.0.rules.0."
)

var (
	filtered = [2]string{
		"syncs.0.rules", `[{"id":"r","direction":"to_right","enabled":true,"filter":{"field":"city","op":"equals","value":"Bonn"}}]`,
	}
	tagging = [2]string{
		"syncs.0.rules", `[{"id":"r","direction":"to_right","filter":{"field":"jobtitle","op":"not_equals","value":"Farmer"},
			"actions":[{"type":"add_tag","field":"Tags__c","value":"Customer"}]}]`,
	}
	setting = [2]string{
		"syncs.0.rules", `[{"id":"r","direction":"to_right",
			"actions":[{"type":"set_field","field":"Department","value":"Sales"}]}]`,
	}
	mirroring = [2]string{
		"syncs.0.rules", `[{"id":"r","direction":"to_right","filter":{"all":[
			{"field":"interests","op":"not_contains","value":"chess"},{"field":"interests","op":"not_contains","value":"tea"}]},
			"actions":[{"type":"add_tag","field":"Tags__c","value":"Customer"}],
			"other_way_around":{"enabled":true,"exclude":{"field":"interests","value":"chess"}}}]`,
	}
	tagGone = [2]string{
		"syncs.0.deletes", `{"to_left":"tag","tag":"chess","field":{"left":"interests"}}`,
	}
	tagOpted = [2]string{
		"syncs.0.unsubscribes", `{"to_left":"tag","tag":"chess","field":{"left":"interests"},
			"when":{"right":"HasOptedOutOfEmail"}}`,
	}
	tagOptedLeft = [2]string{
		"syncs.0.unsubscribes", `{"to_right":"tag","tag":"Customer","field":{"right":"Tags__c"},
			"when":{"left":"newsletter"}}`,
	}
	byNames = [2]string{
		"syncs.0.match", `[{"by":"all_keys","pairs":[["lastname","LastName"]],"verify":[["jobtitle","Title"]]}]`,
	}
	twoKeys = [2]string{
		"syncs.0.match", `[{"by":"any_key","pairs":[["email","Email"],["phone","Phone"]],"on_disagreement":"first"}]`,
	}
	byTheirID = [2]string{
		"syncs.0.match", `[{"by":"id","left":"company","right":"$id","on_missing":"next"},{"by":"any_key","pairs":[["email","Email"]]}]`,
	}
	byOurID = [2]string{
		"syncs.0.match", `[{"by":"id","left":"$id","right":"Department","on_missing":"next"},{"by":"any_key","pairs":[["email","Email"]]}]`,
	}
	joined  = mapping(`"id":"line","left":["company","city"],"right":["Company__c"],"direction":"to_right"`)
	dept    = mapping(`"id":"dept","left":["company"],"right":["Department"],"direction":"both","enabled":true,"conflict":null,"write_once":false,"policy":null`)
	tags    = mapping(`"id":"tags","left":["interests"],"right":["Tags__c"],"transform":{"type":"list"}`)
	options = mapping(`"id":"salute","left":["company"],"right":["Salutation"],"transform":{"type":"options","options":{"doctor":"Dr."}}`)
)

// settings is the whole document, key by key.
var settings = map[string]shown{
	"id": {owned: true}, "status": {owned: true}, "created_at": {owned: true}, "updated_at": {owned: true},
	"problems[].":   {owned: true},
	"touches[].":    {owned: true},
	"applied.":      {owned: true},
	"name":          {at: "name", a: `"Shop"`, b: `"Store"`, see: confirmed},
	"description":   {inert: "a note for people"},
	"enabled":       differs("enabled", "true", "false"),
	"left.account":  {at: "left.account", a: "LEFT", b: "BADLEFT", see: begun},
	"right.account": {at: "right.account", a: "RIGHT", b: "BADRIGHT", see: begun},
	"access.mode": {
		at: "access.mode", a: `"roles"`, b: `"user_attribute"`, with: [][2]string{
			{"access.roles", `["team"]`}, {"access.attribute", `"is_employee"`},
		}, see: visited,
	},
	"access.roles[]": {at: "access.roles", a: `["team"]`, b: `["others"]`, see: visited},
	"access.attribute": {
		at: "access.attribute", a: `"is_employee"`, b: `"is_guest"`, with: [][2]string{{"access.mode", `"user_attribute"`}},
		see: employed,
	},
	"notify.enabled": {
		at: "notify.enabled", a: "true", b: "false", with: [][2]string{{"notify.user", `"ops@example.com"`}}, see: hearing,
	},
	"notify.user": {
		at: "notify.user", a: `"ops@example.com"`, b: `"boss@example.com"`, with: [][2]string{{"notify.enabled", "true"}},
		see: hearing,
	},
	"notify.webhook": {
		at: "notify.webhook", a: "HOOKURL", b: "null", with: [][2]string{
			{"notify.enabled", "true"}, {"notify.user", `"ops@example.com"`},
		}, see: hearing,
	},
	"notify.digest": {
		at: "notify.digest", a: `"off"`, b: `"daily"`, with: [][2]string{
			{"notify", `{"enabled":true,"user":"ops@example.com","webhook":null}`},
		}, see: hearing,
	},

	"notify.quiet_hours.from": {
		at: "notify.quiet_hours.from", a: `"11:00"`, b: `"13:00"`, with: [][2]string{
			{"notify", `{"enabled":true,"user":"ops@example.com","webhook":null}`}, {"notify.quiet_hours.to", `"14:00"`},
		}, see: hearing,
	},
	"notify.quiet_hours.to": {
		at: "notify.quiet_hours.to", a: `"11:30"`, b: `"14:00"`, with: [][2]string{
			{"notify", `{"enabled":true,"user":"ops@example.com","webhook":null}`}, {"notify.quiet_hours.from", `"11:00"`},
		}, see: hearing,
	},
	"notify.quiet_hours.time_zone": {
		at: "notify.quiet_hours.time_zone", a: `"UTC"`, b: `"Asia/Tokyo"`, with: [][2]string{
			{"notify", `{"enabled":true,"user":"ops@example.com","webhook":null}`},
			{"notify.quiet_hours.from", `"11:00"`},
			{"notify.quiet_hours.to", `"14:00"`},
		}, see: hearing,
	},

	"time_zone.left": differs("time_zone.left", `"UTC"`, `"Asia/Tokyo"`, [2]string{
		"syncs.0.rules", `[{"id":"r","direction":"to_right","filter":{"field":"last_visit","op":"after","value":"2026-03-01"}}]`,
	}),
	"time_zone.right": differs("time_zone.right", `"UTC"`, `"Asia/Tokyo"`, [2]string{
		"syncs.0.rules", `[{"id":"r","direction":"to_left","filter":{"field":"Last_Seen__c","op":"after","value":"2026-03-01"}}]`,
	}),
	"shared":          {at: "shared", a: "false", b: "true", see: besideAnother},
	"default_country": differs("default_country", `"US"`, `"DE"`),

	"syncs[].id":           {at: "syncs.0.id", a: `"contacts"`, b: `"people"`, see: addressed},
	"syncs[].left.object":  {at: "syncs.0.left.object", a: `"contacts"`, b: `"companies"`, see: begun},
	"syncs[].right.object": {at: "syncs.0.right.object", a: `"Contact"`, b: `"Lead"`, see: begun},
	"syncs[].direction":    differs("syncs.0.direction", `"both"`, `"to_left"`),
	"syncs[].second_look": {
		at: "syncs.0.second_look", a: "60", b: "0", with: [][2]string{{"syncs.0.audit_hours", "0"}}, see: looked,
	},
	"syncs[].audit_hours": {
		at: "syncs.0.audit_hours", a: "1", b: "0", with: [][2]string{{"syncs.0.second_look", "0"}}, see: looked,
	},
	"syncs[].schedule":                  {at: "syncs.0.schedule", a: `"manual"`, b: `"5m"`, see: scheduled},
	"syncs[].initial":                   {at: "syncs.0.initial", a: `"all"`, b: `"changes_only"`, see: later},
	"syncs[].behavior.to_right":         differs("syncs.0.behavior.to_right", `"create_and_update"`, `"update_only"`),
	"syncs[].behavior.to_left":          differs("syncs.0.behavior.to_left", `"create_and_update"`, `"create_only"`),
	"syncs[].fill_blanks_only.to_right": differs("syncs.0.fill_blanks_only.to_right", "false", "true"),
	"syncs[].fill_blanks_only.to_left":  differs("syncs.0.fill_blanks_only.to_left", "false", "true"),
	"syncs[].conflict":                  differs("syncs.0.conflict", `"left"`, `"right"`),
	"syncs[].deletes.to_right":          {at: "syncs.0.deletes.to_right", a: `"ignore"`, b: `"archive"`, see: partedLeft},
	"syncs[].deletes.to_left":           {at: "syncs.0.deletes.to_left", a: `"ignore"`, b: `"archive"`, see: partedRight},
	"syncs[].deletes.tag": {
		at: "syncs.0.deletes.tag", a: `"chess"`, b: `"tea"`, with: [][2]string{tagGone}, see: partedRight,
	},
	"syncs[].deletes.field.left": {
		at: "syncs.0.deletes.field.left", a: `"interests"`, b: `"jobtitle"`, with: [][2]string{tagGone}, see: begun,
	},
	"syncs[].deletes.field.right": {
		at: "syncs.0.deletes.field.right", a: `"Tags__c"`, b: `"Title"`, with: [][2]string{
			{"syncs.0.deletes", `{"to_right":"tag","tag":"Customer","field":{"right":"Tags__c"}}`},
		}, see: begun,
	},
	"syncs[].unsubscribes.to_right": {
		at: "syncs.0.unsubscribes.to_right", a: `"ignore"`, b: `"tag"`, with: [][2]string{tagOptedLeft}, see: optedOut,
	},
	"syncs[].unsubscribes.to_left": {
		at: "syncs.0.unsubscribes.to_left", a: `"ignore"`, b: `"tag"`, with: [][2]string{tagOpted}, see: optedOut,
	},
	"syncs[].unsubscribes.tag": {
		at: "syncs.0.unsubscribes.tag", a: `"chess"`, b: `"tea"`, with: [][2]string{tagOpted}, see: optedOut,
	},
	"syncs[].unsubscribes.field.left": {
		at: "syncs.0.unsubscribes.field.left", a: `"interests"`, b: `"jobtitle"`, with: [][2]string{tagOpted}, see: begun,
	},
	"syncs[].unsubscribes.field.right": {
		at: "syncs.0.unsubscribes.field.right", a: `"Tags__c"`, b: `"Title"`, with: [][2]string{tagOptedLeft}, see: begun,
	},
	"syncs[].unsubscribes.when.left": {
		at: "syncs.0.unsubscribes.when.left", a: `"newsletter"`, b: `"jobtitle"`, with: [][2]string{tagOptedLeft}, see: begun,
	},
	"syncs[].unsubscribes.when.right": {
		at: "syncs.0.unsubscribes.when.right", a: `"HasOptedOutOfEmail"`, b: `"Title"`, with: [][2]string{tagOpted},
		see: begun,
	},
	"syncs[].avoid_duplicates": differs("syncs.0.avoid_duplicates", "true", "false"),
	"syncs[].match[].by": differs(step+"by", `"all_keys"`, `"any_key"`, twoKeys,
		[2]string{step + "on_disagreement", ""}),
	"syncs[].match[].left": {
		at: step + "left", a: `"company"`, b: `"website"`, with: [][2]string{byTheirID},
		see: named,
	},
	"syncs[].match[].right": {
		at: step + "right", a: `"Department"`, b: `"HubSpot_Id__c"`, with: [][2]string{byOurID}, see: named,
	},
	"syncs[].match[].on_missing": {
		at: step + "on_missing", a: `"next"`, b: `"error"`, with: [][2]string{byTheirID},
		see: named,
	},
	"syncs[].match[].write_back": differs(step+"write_back", "true", "false", byOurID),
	"syncs[].match.to_left[].write_back": differs("syncs.0.match.to_left.0.write_back", "true", "false",
		[2]string{
			"syncs.0.match", `{"to_right":[{"by":"any_key","pairs":[["email","Email"]]}],"to_left":` + byTheirID[1] + `}`,
		}, [2]string{"syncs.0.direction", `"to_left"`}),
	"syncs[].match[].pairs[][]": differs(step+"pairs", `[["email","Email"]]`, `[["lastname","LastName"]]`),
	"syncs[].match[].verify[][]": differs(step+"verify", `[["jobtitle","Title"]]`, `[["city","MailingCity"]]`,
		byNames),
	"syncs[].match[].on_disagreement": {
		at: step + "on_disagreement", a: `"first"`, b: `"error"`, with: [][2]string{twoKeys}, see: disagreeing,
	},
	"syncs[].match[].protect[]": {
		at: step + "protect", a: `[]`, b: `["city"]`, with: [][2]string{{"syncs.0.conflict", `"right"`}}, see: met,
	},
	"syncs[].match.to_left[].on_missing": {
		at: "syncs.0.match.to_left.0.on_missing", a: `"next"`, b: `"error"`, with: [][2]string{
			{"syncs.0.match", `{"to_right":[{"by":"any_key","pairs":[["email","Email"]]}],"to_left":` + byOurID[1] + `}`},
			{"syncs.0.direction", `"to_left"`},
		}, see: named,
	},
	"syncs[].match.to_left[].protect[]": {at: "syncs.0.match.to_left.0.protect", a: `[]`, b: `["city"]`, with: [][2]string{
		{"syncs.0.match", `{"to_right":[{"by":"any_key","pairs":[["email","Email"]]}],"to_left":[{"by":"any_key","pairs":[["email","Email"]]}]}`},
		{"syncs.0.conflict", `"right"`},
		{"syncs.0.direction", `"to_left"`},
	}, see: met},
	"syncs[].rules[].id": {
		at: rule1 + "id", a: `"r"`, b: `"s"`, with: [][2]string{filtered}, see: ruled,
	},
	"syncs[].rules[].direction": differs("syncs.0.rules",
		`[{"id":"r","direction":"to_right","filter":{"field":"city","op":"is_not_empty"}}]`,
		`[{"id":"r","direction":"to_left","filter":{"field":"MailingCity","op":"is_not_empty"}}]`),
	"syncs[].rules[].enabled": differs(rule1+"enabled", "true", "false", filtered),
	"syncs[].rules[].filter": differs(rule1+"filter", "null",
		`{"field":"city","op":"equals","value":"Bonn"}`, filtered),
	"syncs[].rules[].filter.field": differs(rule1+"filter.field", `"city"`, `"jobtitle"`, [2]string{
		"syncs.0.rules", `[{"id":"r","direction":"to_right","filter":{"field":"city","op":"equals","value":"Smith"}}]`,
	}),
	"syncs[].rules[].filter.op":    differs(rule1+"filter.op", `"equals"`, `"not_equals"`, filtered),
	"syncs[].rules[].filter.value": differs(rule1+"filter.value", `"Bonn"`, `"Ghent"`, filtered),
	"syncs[].rules[].filter.value[]": differs(rule1+"filter.value", `["Bonn"]`, `["Ghent"]`, filtered,
		[2]string{rule1 + "filter.op", `"in"`}),
	"syncs[].rules[].filter.all[]": differs(rule1+"filter", `{"all":[{"field":"city","op":"is_empty"}]}`,
		`{"all":[{"field":"city","op":"is_not_empty"}]}`, filtered),
	"syncs[].rules[].filter.any[]": differs(rule1+"filter", `{"any":[{"field":"city","op":"is_empty"}]}`,
		`{"any":[{"field":"city","op":"is_not_empty"}]}`, filtered),
	"syncs[].rules[].filter.not": differs(rule1+"filter", `{"not":{"field":"city","op":"is_empty"}}`,
		`{"not":{"field":"city","op":"is_not_empty"}}`, filtered),
	"syncs[].rules[].actions[].type":  differs(rule1+"actions.0.type", `"add_tag"`, `"remove_tag"`, tagging),
	"syncs[].rules[].actions[].field": differs(rule1+"actions.0.field", `"Department"`, `"Company__c"`, setting),
	"syncs[].rules[].actions[].value": differs(rule1+"actions.0.value", `"Sales"`, `"Service"`, setting),
	"syncs[].rules[].undo":            differs(rule1+"undo", "false", "true", tagging),
	"syncs[].rules[].other_way_around.enabled": {
		at: rule1 + "other_way_around.enabled", a: "true", b: "false", with: [][2]string{mirroring}, see: untagged,
	},
	"syncs[].rules[].other_way_around.exclude": {
		at: rule1 + "other_way_around.exclude", a: `{"field":"interests","value":"chess"}`, b: "null",
		with: [][2]string{mirroring}, see: begun,
	},
	"syncs[].rules[].other_way_around.exclude.field": {
		at: rule1 + "other_way_around.exclude.field", a: `"interests"`, b: `"jobtitle"`, with: [][2]string{mirroring},
		see: begun,
	},
	"syncs[].rules[].other_way_around.exclude.value": {
		at: rule1 + "other_way_around.exclude.value", a: `"chess"`, b: `"tea"`, with: [][2]string{mirroring}, see: untagged,
	},

	"syncs[].mappings[].id":             {at: "syncs.0.mappings.3.id", a: `"title"`, b: `"role"`, see: mapped},
	"syncs[].mappings[].left[]":         differs(sixth+"left", `["company","city"]`, `["city","company"]`, joined),
	"syncs[].mappings[].right[]":        differs(sixth+"right", `["Company__c"]`, `["Department"]`, joined),
	"syncs[].mappings[].direction":      differs(title+"direction", `"both"`, `"to_left"`),
	"syncs[].mappings[].enabled":        differs(title+"enabled", "true", "false"),
	"syncs[].mappings[].origin":         {inert: "says where the line came from, for whoever shows it"},
	"syncs[].mappings[].transform.type": differs("syncs.0.mappings.4.transform.type", `"phone"`, `"none"`),
	"syncs[].mappings[].transform.options.*": {
		at: sixth + "transform.options.doctor", a: `"Dr."`, b: `"Prof."`, with: [][2]string{options},
	},
	"syncs[].mappings[].default.to_right":   differs(sixth+"default.to_right", `null`, `"Sales"`, dept),
	"syncs[].mappings[].default.to_left":    differs(sixth+"default.to_left", `null`, `"Sales"`, dept),
	"syncs[].mappings[].default.to_right[]": differs(sixth+"default.to_right", `null`, `["Partner"]`, tags),
	"syncs[].mappings[].default.to_left[]":  differs(sixth+"default.to_left", `null`, `["tea"]`, tags),
	"syncs[].mappings[].conflict":           differs(city+"conflict", `"left"`, `"right"`),
	"syncs[].mappings[].clear.to_right": differs(title+"clear", `{"to_right":false,"to_left":false}`,
		`{"to_right":true,"to_left":false}`),
	"syncs[].mappings[].clear.to_left": {
		at: title + "clear", a: `{"to_right":false,"to_left":false}`, b: `{"to_right":false,"to_left":true}`,
		see: clearedRight,
	},
	"syncs[].mappings[].write_once": differs(title+"write_once", "false", "true"),
	"syncs[].mappings[].policy":     differs(city+"policy", `"always_left"`, `"always_right"`),
	"syncs[].stamp.to_right.*":      differs("syncs.0.stamp.to_right", `{}`, `{"Department":"Stamped"}`),
	"syncs[].stamp.to_left.*":       differs("syncs.0.stamp.to_left", `{}`, `{"company":"Stamped"}`),
	"syncs[].stamp.to_right.*[]":    differs("syncs.0.stamp.to_right", `{}`, `{"Tags__c":["Partner"]}`),
	"syncs[].stamp.to_left.*[]":     differs("syncs.0.stamp.to_left", `{}`, `{"interests":["tea"]}`),

	"syncs[].associations[].left": {
		at: "syncs.0.associations", a: `[{"left":"company","right":"AccountId","sync":"contacts"}]`,
		refused: "not_a_reference",
	},
	"syncs[].associations[].right": {
		at: "syncs.0.associations", a: `[{"left":"company","right":"AccountId","sync":"contacts"}]`,
		refused: "reference_to_other_object",
	},
	"syncs[].associations[].sync": {
		at: "syncs.0.associations", a: `[{"left":"company","right":"AccountId","sync":"nowhere"}]`,
		refused: "unknown_sync",
	},
	"syncs[].associations[].clear.": {
		at: "syncs.0.associations", a: `[{"left":"company","right":"LastName","sync":"contacts","clear":{"to_right":true,"to_left":true}}]`,
		refused: "not_a_reference",
	},
	"syncs[].activities.enabled": {
		at: "syncs.0.activities.enabled", a: "true", b: "false", with: [][2]string{noted}, see: noting,
	},
	"syncs[].activities.left.object": {
		at: "syncs.0.activities.left.object", a: `"contacts"`, with: [][2]string{noted}, refused: "not_an_activity",
	},
	"syncs[].activities.right.object": {
		at: "syncs.0.activities.right.object", a: `"Contact"`, with: [][2]string{noted}, refused: "not_an_activity",
	},
	"syncs[].activities.left.parent": {
		at: "syncs.0.activities.left.parent", a: `"associations.deals"`, with: [][2]string{noted}, refused: "activity_about_other",
	},
	"syncs[].activities.right.parent": {
		at: "syncs.0.activities.right.parent", a: `"WhatId"`, with: [][2]string{noted}, refused: "activity_about_other",
	},
	"syncs[].activities.behavior.": {
		at: "syncs.0.activities.behavior", a: `{"to_right":"create_only"}`, b: `{"to_right":"create_and_update"}`,
		with: [][2]string{noted}, see: noting,
	},
	"syncs[].activities.mappings[].": {
		at: "syncs.0.activities.mappings.0.direction", a: `"both"`, b: `"to_left"`, with: [][2]string{noted}, see: noting,
	},
	"syncs[].activities.existing": {
		at: "syncs.0.activities.existing", a: "true", b: "false", with: [][2]string{noted}, see: noting,
	},
	"syncs[].activities.system_notes": {inert: "no app tells notes that the system makes from those of people"},
}

// noted lets the notes of people be tasks of their twins.
var noted = [2]string{"syncs.0.activities", `{"enabled":true,"left":{"object":"notes"},"right":{"object":"Task"},"mappings":[
	{"id":"body","left":["hs_note_body"],"right":["Description"]},
	{"id":"time","left":["hs_timestamp"],"right":["CreatedDate"],"direction":"to_left","write_once":true,
		"transform":{"type":"datetime"}}]}`}

// noting is a note from before the start, one from after it that is edited later, and
// a task, and what becomes of them.
func noting(w *shop) string {
	w.open()
	hub, force := w.hub.Core(), w.force.Core()
	note := func(text string) string {
		r, err := hub.CreateRecord("notes", map[string]string{
			"hs_timestamp": "2026-03-01T10:00:00Z", "hs_note_body": text, "associations.contacts": w.twin(crm.Left, "ann"),
		})
		if err != nil {
			w.t.Fatal(err)
		}
		return r.ID
	}
	pull := func() {
		w.move(3 * time.Minute)
		w.do("POST", w.sync+".activities/pull", nil)
		w.drain()
	}
	before := len(force.Records("Task"))
	note("old")
	w.move(time.Minute)
	w.start()
	w.move(time.Minute)
	fresh := note("fresh")
	pull()
	if _, err := hub.UpdateRecord("notes", fresh, map[string]string{"hs_note_body": "edited"}); err != nil {
		w.t.Fatal(err)
	}
	pull()
	var texts []string
	for _, r := range force.Records("Task")[before:] {
		texts = append(texts, r.Fields["Description"]+" about somebody: "+strconv.FormatBool(r.Fields["WhoId"] != ""))
	}
	slices.Sort(texts)
	return strings.Join(texts, "\n")
}

// confirmed deletes the connection under a name.
func confirmed(w *shop) string {
	w.open()
	tag := w.want(200, "GET", w.con, nil).header.Get("ETag")
	return fmt.Sprint(w.do("DELETE", w.con+"?confirm=Nobody", nil, "If-Match", tag).status,
		w.do("GET", "/v1/connections", nil).object()["items"].([]any)[0].(map[string]any)["name"])
}

// visited reads the connection as a member with a role.
func visited(w *shop) string { return w.visit(`{"email":"m@example.com","roles":["team"]}`) }

// employed reads it as a member with an attribute.
func employed(w *shop) string {
	return w.visit(`{"email":"m@example.com","attributes":{"is_employee":true}}`)
}

func (w *shop) visit(user string) string {
	w.open()
	key := w.must(201, "POST", "/v1/keys", `{"name":"m","role":"member","user":`+user+`}`)["key"].(string)
	return fmt.Sprint(w.do("GET", w.con, nil, "Authorization", "Bearer "+key).status)
}

func addressed(w *shop) string {
	w.open()
	return fmt.Sprint(w.do("GET", w.sync+"/records", nil).status)
}

// begun tells whether the document can be started at all: the fields belong to the object.
func begun(w *shop) string {
	w.con = "/v1/connections/" + w.must(201, "POST", "/v1/connections", w.doc)["id"].(string)
	w.sync = w.con + "/syncs/contacts"
	return fmt.Sprint(w.do("POST", w.con+"/start", nil).status)
}

// besideAnother starts the document when another connection writes its fields.
func besideAnother(w *shop) string {
	other := w.base()
	put(w.t, other, "name", `"Other"`)
	at := "/v1/connections/" + w.must(201, "POST", "/v1/connections", other)["id"].(string)
	w.want(202, "POST", at+"/start", nil)
	defer w.want(202, "DELETE", at+"?confirm=Other", nil, "If-Match", "*")
	w.move(time.Minute)
	return begun(w)
}

// met is the first sync alone.
func met(w *shop) string {
	w.open()
	w.start()
	return w.look()
}

// later is a first sync of people who were there for long.
func later(w *shop) string {
	w.open()
	w.move(time.Hour)
	w.start()
	return w.look()
}

// looked counts what two hours of pulls ask HubSpot for when nothing changes.
func looked(w *shop) string {
	w.open()
	w.move(time.Hour)
	w.start()
	// Pages of archived records are left out: what other keys made becomes more.
	asked := func() (n int64) {
		for _, endpoint := range []string{"search", "batch/read"} {
			n += int64(w.hub.Core().Requests().ByEndpoint["POST /crm/v3/objects/{type}/"+endpoint])
		}
		return n
	}
	before := asked()
	const pulls = 8
	for range pulls {
		w.move(12 * time.Minute)
		w.pulled()
	}
	// One more or less is the moment at which an hour is over.
	return fmt.Sprintf("more than the pulls alone: %v", asked()-before > pulls+1)
}

// named is a first sync of people whose fields name each other by ID, or nobody.
func named(w *shop) string {
	w.open()
	jim, kay := w.person(crm.Right, "jim"), w.person(crm.Right, "kay")
	lou := w.person(crm.Left, "lou", "company", jim, "website", kay)
	mia := w.person(crm.Left, "mia", "company", "003000000000000AAA")
	w.person(crm.Right, "ned", "Department", lou, "HubSpot_Id__c", mia)
	w.person(crm.Right, "ora", "Department", "99999999")
	w.start()
	return w.look()
}

func scheduled(w *shop) string {
	w.open()
	w.start()
	_, st := w.standing()
	return fmt.Sprint(st.NextPull.IsZero())
}

func disagreeing(w *shop) string {
	w.open()
	w.change(crm.Left, "bob", "phone", "(212) 555-0147")
	w.person(crm.Right, "bob")
	w.person(crm.Right, "eve", "Phone", "(212) 555-0147")
	w.start()
	return w.look()
}

// ruled tells by which rule explain says that somebody is kept out.
func ruled(w *shop) string {
	w.open()
	w.start()
	said := string(w.want(200, "GET", w.record(crm.Left, w.twin(crm.Left, "bob"))+"/explain", nil).body)
	return fmt.Sprint(strings.Contains(said, `"rule":"r"`), strings.Contains(said, `"rule":"s"`))
}

// mapped asks for a line by its ID.
func mapped(w *shop) string {
	w.open()
	w.start()
	a := w.do("POST", w.sync+"/mappings/title/changes/discard", nil)
	return fmt.Sprint(a.status, a.code())
}

func clearedRight(w *shop) string {
	w.open()
	w.start()
	w.change(crm.Right, "bob", "Title", "")
	w.pulled()
	return w.look()
}

// partedLeft is a sync of people of whom one is deleted on the left.
func partedLeft(w *shop) string { return w.parted(crm.Left) }

// partedRight deletes them on the right.
func partedRight(w *shop) string { return w.parted(crm.Right) }

func (w *shop) parted(side crm.Side) string {
	w.open()
	w.start()
	core, object := w.core(side)
	if err := core.DeleteRecord(object, w.twin(side, "bob")); err != nil {
		w.t.Fatal(err)
	}
	for range 2 { // it is noticed, and confirmed
		w.move(3 * time.Minute)
		w.do("POST", w.sync+"/resync", nil)
		w.drain()
	}
	return w.look()
}

// optedOut is a first sync of people of whom one on each side wants no mail.
func optedOut(w *shop) string {
	w.open()
	w.person(crm.Right, "ned", "HasOptedOutOfEmail", "true")
	w.person(crm.Left, "oda", "newsletter", "true")
	w.start()
	return w.look()
}

// untagged is a sync where a person takes the tag of a rule off.
func untagged(w *shop) string {
	w.open()
	w.start()
	w.change(crm.Right, "bob", "Tags__c", "")
	w.pulled()
	return w.look()
}

// TestEverySettingMeansSomething walks the schema of a connection's document:
// each key changes what can be seen from outside, or is refused with a code and
// a remedy, or is in the list of those that have no effect, with the reason.
func TestEverySettingMeansSomething(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		keys := l.keys("/v1/connections/{id}", "put")
		if len(keys) < 90 {
			t.Errorf("%d keys found, want the whole document", len(keys))
		}
		same := differs("enabled", "true", "true")
		if one, again := same.seen(l, "true"), same.seen(l, "true"); one != again {
			t.Errorf("a new connection with the same people ends otherwise (-one +again):\n%s", cmp.Diff(one, again))
		}
		used := map[string]bool{}
		// What a key means does not hang on the storage: stand-ins for AWS, which are
		// slow, show a part of them, unless the long form is asked for.
		some := testing.Short() || strings.HasSuffix(t.Name(), "/dynamo") && os.Getenv("LOCKSTEP_LONG") == ""
		badLeft := l.account("hubspot", l.base0(crm.Left), map[string]string{
			"kind": "token", "token": "no-such-token-0000000000",
		})
		badRight := l.account("salesforce", l.base0(crm.Right), map[string]string{
			"kind": "oauth2", "client_id": "no-such-client", "client_secret": "no-such-secret",
		})
		names := strings.NewReplacer("BADLEFT", `"`+string(badLeft)+`"`, "BADRIGHT", `"`+string(badRight)+`"`, "HOOKURL",
			`"`+l.told.url+`"`, "LEFT", `"`+string(l.left)+`"`, "RIGHT", `"`+string(l.right)+`"`)
		for i, key := range keys {
			name, s := entryOf(key)
			if name == "" {
				t.Errorf("%s: accepted, and nothing says what it does", key)
				continue
			}
			if used[name] {
				continue
			}
			used[name] = true
			if some && i%4 != 0 {
				continue
			}
			l.each(t, key, func() {
				s.a, s.b = names.Replace(s.a), names.Replace(s.b)
				l.proved(s)
			})
		}
		for name := range settings {
			if !used[name] {
				t.Errorf("%s: no such key in the document", name)
			}
		}
	})
}

// beside is what else can be set: of an account and of the workspace.
var beside = map[string]map[string]shown{
	"/v1/accounts/{id}": {
		"name":     {inert: "a name for people"},
		"base_url": {a: "LEFTURL", b: "RIGHTURL", see: tested(`{"base_url":%s}`)},
		"credentials.kind": {
			a: `"token"`, b: `"basic"`, see: tested(`{"credentials":{"kind":%s,"token":"` + hubspotfake.PrivateToken + `"}}`),
		},
		"save_duplicates": {a: "false", b: "true", see: doubled},
		"budget.share":    {a: "0.5", b: "1", see: halved},
		"budget.calls":    {a: "2", b: "5", see: spent(`{"budget":{"calls":%s,"window":"30s"}}`)},
		"budget.window":   {a: `"30s"`, b: `"10m"`, see: spent(`{"budget":{"calls":2,"window":%s}}`)},
	},
	"/v1/workspace": {
		"name":      {inert: "a name for people"},
		"time_zone": {a: `"UTC"`, b: `"America/Los_Angeles"`, see: dated},
		"log_days":  {a: "3650", b: "62", see: keptLog},
	},
}

// tested changes an account and tests it.
func tested(patch string) func(w *shop) string {
	return func(w *shop) string {
		at := "/v1/accounts/" + string(w.account("hubspot", w.base0(crm.Left), map[string]string{
			"kind": "token", "token": hubspotfake.PrivateToken,
		}))
		a := w.do("PATCH", at, fmt.Sprintf(patch, w.value), "If-Match", "*", "Content-Type", "application/merge-patch+json")
		if a.status != 200 {
			return a.code()
		}
		return fmt.Sprint(w.must(200, "POST", at+"/test", nil)["ok"])
	}
}

// spent counts the calls that an account makes, of more than it may.
func spent(patch string) func(w *shop) string {
	return func(w *shop) string {
		w.open()
		id := w.person(crm.Left, "pam")
		w.start()
		w.patch("/v1/accounts/"+string(w.left), fmt.Sprintf(patch, w.value))
		defer w.patch("/v1/accounts/"+string(w.left), `{"budget":{}}`)
		w.move(time.Hour) // what was used before is over
		w.hub.Core().ResetRequests()
		for range 2 {
			for range 8 {
				w.do("GET", w.record(crm.Left, id)+"/explain", nil)
			}
			w.move(2 * time.Minute)
		}
		return fmt.Sprint(w.hub.Core().Requests().Total)
	}
}

// halved reads what an account keeps to: see TestLive_ABudgetIsKeptTo.
func halved(w *shop) string {
	at := "/v1/accounts/" + string(w.left)
	w.patch(at, fmt.Sprintf(`{"budget":{"share":%s}}`, w.value))
	defer w.patch(at, `{"budget":{}}`)
	return fmt.Sprint(w.must(200, "GET", at, nil)["limits"])
}

// doubled makes somebody whom a rule of the org takes for a double.
func doubled(w *shop) string {
	w.want(200, "PATCH", "/v1/accounts/"+string(w.right), `{"save_duplicates":`+w.value+`}`, "If-Match", "*",
		"Content-Type", "application/merge-patch+json")
	w.ruled("alert")
	defer w.ruled("off")
	put(w.t, w.doc, "syncs.0.match", `[{"by":"all_keys","pairs":[["lastname","LastName"],["email","Email"]]}]`)
	put(w.t, w.doc, "syncs.0.avoid_duplicates", "false")
	w.open()
	w.person(crm.Left, "pam", "lastname", "One")
	w.person(crm.Right, "pam", "LastName", "Two")
	w.start()
	return w.look()
}

// ruled sets the org's rule about doubles.
func (w *shop) ruled(rule string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), "PUT", w.base0(crm.Right)+"/_fake/duplicate_rule",
		strings.NewReader(`{"rule":"`+rule+`"}`))
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 200 {
		w.t.Fatalf("the rule is not set: %d", resp.StatusCode)
	}
}

// dated asks for today's log at two in the morning, UTC, of what was done in the evening.
func dated(w *shop) string {
	now := w.now().UTC()
	w.move(time.Date(now.Year(), now.Month(), now.Day()+1, 20, 0, 0, 0, time.UTC).Sub(now))
	w.open()
	w.start()
	w.move(6 * time.Hour)
	w.want(200, "PATCH", "/v1/workspace", `{"time_zone":`+w.value+`}`, "If-Match", "*", "Content-Type",
		"application/merge-patch+json")
	return fmt.Sprint(len(each[engine.Entry](w.live, "/v1/log?range=today&connection="+w.id())) > 0)
}

// keptLog asks for a log of 70 days ago.
func keptLog(w *shop) string {
	w.want(200, "PATCH", "/v1/workspace", `{"log_days":`+w.value+`}`, "If-Match", "*", "Content-Type",
		"application/merge-patch+json")
	w.move(time.Hour) // the program knows it by then
	w.open()
	w.start()
	from := w.now().Add(-time.Hour).UTC().Format(time.RFC3339)
	w.move(70 * 24 * time.Hour)
	return fmt.Sprint(len(each[engine.Entry](w.live, "/v1/log?from="+from+"&connection="+w.id())) > 0)
}

// TestEverySettingBesideMeansSomething is the same for accounts and the workspace.
func TestEverySettingBesideMeansSomething(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		urls := strings.NewReplacer("LEFTURL", `"`+l.base0(crm.Left)+`"`, "RIGHTURL", `"`+l.base0(crm.Right)+`"`)
		for _, path := range slices.Sorted(maps.Keys(beside)) {
			keys := l.keys(path, "patch")
			for _, key := range keys {
				s, ok := beside[path][key]
				if !ok {
					t.Errorf("%s %s: accepted, and nothing says what it does", path, key)
					continue
				}
				l.each(t, path+" "+key, func() {
					s.a, s.b = urls.Replace(s.a), urls.Replace(s.b)
					l.proved(s)
				})
			}
			if len(keys) != len(beside[path]) {
				t.Errorf("%s: %d keys and %d entries", path, len(keys), len(beside[path]))
			}
		}
	})
}

// each is one proof, a test of its own in the same world.
func (l *live) each(t *testing.T, name string, f func()) {
	t.Run(name, func(t *testing.T) {
		l.t = t
		f()
	})
	l.t = t
}

// entryOf is the entry of a key, or of what it is a part of: names that end in a dot.
func entryOf(key string) (string, shown) {
	if s, ok := settings[key]; ok {
		return key, s
	}
	for _, way := range []string{"to_right", "to_left"} { // the same steps for one way
		if base, ok := strings.CutPrefix(key, "syncs[].match."+way+"[]."); ok {
			return key, oneWay(settings["syncs[].match[]."+base], way)
		}
	}
	for name, s := range settings {
		if strings.HasSuffix(name, ".") && strings.HasPrefix(key, name) {
			return name, s
		}
	}
	return "", shown{}
}

// oneWay is the proof of a match step for one way of it: the other way would go
// by e-mail, and is closed: which of two ladders that disagree meets a person
// first is a matter of which side is worked on first.
func oneWay(s shown, way string) shown {
	const email = `[{"by":"any_key","pairs":[["email","Email"]]}]`
	other := map[string]string{"to_right": "to_left", "to_left": "to_right"}[way]
	steps, with := email, [][2]string{}
	for _, x := range s.with {
		if x[0] == "syncs.0.match" {
			steps = x[1]
			continue
		}
		with = append(with, [2]string{strings.Replace(x[0], "syncs.0.match.", "syncs.0.match."+way+".", 1), x[1]})
	}
	s.with = append([][2]string{
		{"syncs.0.match", fmt.Sprintf(`{%q:%s,%q:%s}`, way, steps, other, email)}, {"syncs.0.direction", strconv.Quote(way)},
	}, with...)
	s.at = strings.Replace(s.at, "syncs.0.match.", "syncs.0.match."+way+".", 1)
	return s
}

func (l *live) proved(s shown) {
	l.t.Helper()
	switch {
	case s.owned:
	case s.inert != "":
		text, err := os.ReadFile("../../docs/api.md")
		if err != nil || !strings.Contains(strings.ReplaceAll(string(text), "\n", " "), s.inert) {
			l.t.Errorf("docs/api.md does not say %q (%v)", s.inert, err)
		}
	case s.refused != "":
		w := &shop{doc: l.base()}
		for _, x := range s.with {
			put(l.t, w.doc, x[0], x[1])
		}
		if a := l.do("POST", "/v1/connections/validate", w.doc); a.status == 200 &&
			strings.Contains(string(a.body), s.refused) {
			l.t.Error("the document is refused without the setting, too")
		}
		put(l.t, w.doc, s.at, s.a)
		a := l.want(201, "POST", "/v1/connections", w.doc)
		a = l.do("POST", "/v1/connections/"+a.object()["id"].(string)+"/start", nil)
		if a.status != 409 || !strings.Contains(string(a.body), s.refused) ||
			!strings.Contains(string(a.body), `"/`+strings.ReplaceAll(s.at, ".", "/")) && !strings.Contains(string(a.body),
				`"/`+strings.ReplaceAll(s.at[:max(strings.LastIndex(s.at, "."), 0)], ".", "/")) ||
			!strings.Contains(string(a.body), "set ") && !strings.Contains(string(a.body), "leave ") {
			l.t.Errorf("%d %s, want %s at %s with a remedy", a.status, a.body, s.refused, s.at)
		}
	default:
		one, two := s.seen(l, s.a), s.seen(l, s.b)
		if one == two {
			l.t.Errorf("%s and %s make no difference:\n%s", s.a, s.b, one)
		}
		if testing.Short() {
			return
		}
		if again := s.seen(l, s.a); again != one {
			l.t.Errorf("%s is seen to differ from itself, so that nothing is shown (-one +again):\n%s", s.a,
				cmp.Diff(one, again))
		}
	}
}

// base0 is the address of an app.
func (l *live) base0(side crm.Side) string {
	l.t.Helper()
	id := map[crm.Side]crm.AccountID{crm.Left: l.left, crm.Right: l.right}[side]
	return l.must(200, "GET", "/v1/accounts/"+string(id), nil)["base_url"].(string)
}

// keys lists the keys of a call's body, down to the leaves.
func (l *live) keys(path, method string) []string {
	l.t.Helper()
	var doc struct {
		Components struct {
			Schemas map[string]json.RawMessage `json:"schemas"`
		} `json:"components"`
		Paths map[string]map[string]struct {
			RequestBody struct {
				Content map[string]struct {
					Schema json.RawMessage `json:"schema"`
				} `json:"content"`
			} `json:"requestBody"`
		} `json:"paths"`
	}
	l.want(200, "GET", "/v1/openapi.json", nil).into(&doc)
	found := map[string]bool{}
	for _, c := range doc.Paths[path][method].RequestBody.Content {
		walk(l.t, doc.Components.Schemas, c.Schema, "", nil, found)
	}
	return slices.Sorted(maps.Keys(found))
}

// walk notes the leaves of a schema. A schema inside itself is a leaf.
func walk(
	t *testing.T, all map[string]json.RawMessage, raw json.RawMessage, at string, within []string, found map[string]bool,
) {
	t.Helper()
	var s struct {
		Ref        string                     `json:"$ref"`
		OneOf      []json.RawMessage          `json:"oneOf"`
		AnyOf      []json.RawMessage          `json:"anyOf"`
		Properties map[string]json.RawMessage `json:"properties"`
		Items      json.RawMessage            `json:"items"`
		More       json.RawMessage            `json:"additionalProperties"`
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	if s.Ref != "" {
		name := s.Ref[strings.LastIndex(s.Ref, "/")+1:]
		if slices.Contains(within, name) || len(all[name]) == 0 {
			found[at] = true
			return
		}
		walk(t, all, all[name], at, append(slices.Clone(within), name), found)
		return
	}
	if some := slices.Concat(s.OneOf, s.AnyOf); len(some) > 0 {
		for _, one := range some {
			walk(t, all, one, at, within, found)
		}
		return
	}
	for name, sub := range s.Properties {
		if name != "$schema" {
			walk(t, all, sub, strings.TrimPrefix(at+"."+name, "."), within, found)
		}
	}
	switch {
	case len(s.Properties) > 0:
	case len(s.Items) > 0:
		walk(t, all, s.Items, at+"[]", within, found)
	case len(s.More) > 1 && s.More[0] == '{':
		walk(t, all, s.More, at+".*", within, found)
	default:
		found[at] = true
	}
}
