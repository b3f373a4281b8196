package app

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// shown is how one key of the settings shows that it means something. Exactly
// one of the three ways is used.
type shown struct {
	// A difference: what is seen with the value a and with b at the place. The
	// same other parts are set both times.
	at   string
	a, b string // JSON; "" = without the key
	with [][2]string
	see  func(w *shop) string // nil = the usual scene

	refused string // a is refused with this code at the place
	inert   string // why it has no effect; docs/api.md lists it
	owned   bool   // the server's: sent values are refused or ignored, as the schema says
}

func differs(at, a, b string, with ...[2]string) shown { return shown{at: at, a: a, b: b, with: with} }

// shop is one world in which a document is tried: a connection of its own
// between both apps, which are empty before.
type shop struct {
	*live
	doc    map[string]any
	value  string // under test
	status int    // of the attempt to start
}

// base is the document that every proof begins with.
func (l *live) base() map[string]any {
	var doc map[string]any
	text := fmt.Sprintf(`{"name":"Shop","description":"","enabled":true,"left":{"account":%q},"right":{"account":%q},
		"access":{"mode":"roles","roles":[],"attribute":""},"notify":{"enabled":false,"user":"","webhook":null},
		"time_zone":{"left":"UTC","right":"UTC"},"default_country":"US","syncs":[{
		"id":"contacts","left":{"object":"contacts"},"right":{"object":"Contact"},"direction":"both","schedule":"manual",
			"initial":"all",
		"match":[{"by":"any_key","pairs":[["email","Email"]]}],"rules":[],"stamp":{"to_right":{},"to_left":{}},
		"mappings":[
			{"id":"email","left":["email"],"right":["Email"],"transform":{"type":"email"}},
			{"id":"last","left":["lastname"],"right":["LastName"]},
			{"id":"city","left":["city"],"right":["MailingCity"]},
			{"id":"title","left":["jobtitle"],"right":["Title"]},
			{"id":"phone","left":["phone"],"right":["Phone"],"transform":{"type":"phone"}}
		]}]}`, l.left, l.right)
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		l.t.Fatal(err)
	}
	return doc
}

// put sets one place of a document, "syncs.0.direction"; "" takes the key away.
func put(t *testing.T, doc any, at, value string) {
	t.Helper()
	keys := strings.Split(at, ".")
	for _, k := range keys[:len(keys)-1] {
		switch d := doc.(type) {
		case map[string]any:
			if d[k] == nil {
				d[k] = map[string]any{}
			}
			doc = d[k]
		case []any:
			i, err := strconv.Atoi(k)
			if err != nil || i >= len(d) {
				t.Fatalf("no place %s", at)
			}
			doc = d[i]
		}
	}
	last := keys[len(keys)-1]
	d, ok := doc.(map[string]any)
	if !ok {
		t.Fatalf("no place %s", at)
	}
	if value == "" {
		delete(d, last)
		return
	}
	var v any
	if err := json.Unmarshal([]byte(value), &v); err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	d[last] = v
}

// open makes the connection and what users have in both apps before it starts.
func (w *shop) open() {
	w.t.Helper()
	a := w.do("POST", "/v1/connections", w.doc)
	if a.status != 201 {
		w.t.Fatalf("the document is not accepted: %d %s", a.status, a.body)
	}
	w.con = "/v1/connections/" + a.object()["id"].(string)
	w.sync = w.con + "/syncs/contacts"
	w.person(crm.Left, "ann", "jobtitle", "Cooper", "city", "Ghent", "lastname", "Roe", "phone", "(212) 555-0122",
		"company", "Acme", "last_visit", "2026-03-01T23:30:00Z")
	w.person(crm.Right, "ann", "Title", "", "MailingCity", "Lund", "LastName", "Roe")
	w.person(crm.Left, "bob", "jobtitle", "Smith", "phone", "030 901820")
	w.person(crm.Right, "cyd", "Title", "Judge", "Salutation", "Dr.", "Last_Seen__c", "2026-03-01T23:30:00.000+0000")
	w.person(crm.Left, "hal", "lastname", "Twin", "jobtitle", "Mason", "city", "Rome")
	w.person(crm.Right, "ida", "LastName", "Twin", "Title", "Mason", "MailingCity", "Oslo")
	if _, err := w.hub.Core().CreateRecord("contacts", map[string]string{
		"lastname": "Nokey", "city": "Bonn",
	}); err != nil {
		w.t.Fatal(err)
	}
}

// start starts it, as far as it may, and works what there is.
func (w *shop) start() {
	w.t.Helper()
	w.status = w.do("POST", w.con+"/start", nil).status
	w.drain()
}

// pulled looks for changes, as far as it may.
func (w *shop) pulled() {
	w.t.Helper()
	w.move(3 * time.Minute)
	w.do("POST", w.sync+"/pull", nil)
	w.drain()
}

// usual is a scene that goes through most of what a sync does: a first sync of
// people on both sides, edits of both users, a clearing, a conflict.
func usual(w *shop) string {
	w.open()
	w.start()
	w.change(crm.Left, "bob", "jobtitle", "Farmer")
	w.change(crm.Right, "cyd", "MailingCity", "Oslo")
	w.pulled()
	w.change(crm.Left, "ann", "jobtitle", "")
	w.change(crm.Right, "cyd", "Title", "Chief")
	w.change(crm.Left, "cyd", "city", "")
	w.change(crm.Left, "ann", "city", "Left town")
	w.change(crm.Right, "ann", "MailingCity", "Right town")
	w.pulled()
	return w.look()
}

// change edits somebody, if that side has them.
func (w *shop) change(side crm.Side, who, field, value string) {
	w.t.Helper()
	w.move(time.Second)
	core, object := w.core(side)
	for _, r := range core.Records(object) {
		if r.Deleted || !strings.HasPrefix(strings.ToLower(r.Fields["email"]+r.Fields["Email"]), who+"@") {
			continue
		}
		if _, err := core.UpdateRecord(object, r.ID, map[string]string{field: value}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// look describes what both apps hold and how the records stand, without IDs.
func (w *shop) look() string {
	w.t.Helper()
	lines := []string{fmt.Sprintf("start %d", w.status)}
	var ids []string // of one proof and not of the next
	for _, side := range crm.Sides {
		core, object := w.core(side)
		for _, r := range core.Records(object) {
			ids = append(ids, r.ID, "<"+r.Fields["email"]+r.Fields["Email"]+">")
		}
	}
	masked := strings.NewReplacer(ids...)
	for _, side := range crm.Sides {
		core, object := w.core(side)
		for _, r := range core.Records(object) {
			if r.Deleted {
				continue
			}
			var parts []string
			for name, v := range r.Fields {
				if v != "" && !slices.Contains([]string{"OwnerId", "lastmodifieddate", "createdate", "hs_object_id"}, name) {
					parts = append(parts, name+"="+masked.Replace(v))
				}
			}
			sort.Strings(parts)
			lines = append(lines, string(side)+" "+strings.Join(parts, " "))
		}
	}
	var page struct {
		Items []engine.RecordView `json:"items"`
	}
	if a := w.do("GET", w.sync+"/records?limit=200", nil); a.status == 200 {
		a.into(&page)
		for _, r := range page.Items {
			lines = append(lines, fmt.Sprintf("state %s %s %s %t", r.Side, r.State, r.Code, r.Partner != ""))
		}
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// close takes everything away again.
func (w *shop) close() {
	w.t.Helper()
	if w.con != "" {
		tag := w.want(200, "GET", w.con, nil)
		name, _ := tag.object()["name"].(string)
		w.want(202, "DELETE", w.con+"?confirm="+name, nil, "If-Match", tag.header.Get("ETag"))
		w.drain()
		w.con = ""
	}
	for _, side := range crm.Sides {
		core, object := w.core(side)
		for _, r := range core.Records(object) {
			if !r.Deleted {
				if err := core.DeleteRecord(object, r.ID); err != nil {
					w.t.Fatal(err)
				}
			}
		}
	}
}

// seen is what the proof sees with one value.
func (s *shown) seen(l *live, value string) string {
	l.t.Helper()
	w := &shop{live: l, doc: l.base(), value: value}
	for _, x := range s.with {
		put(l.t, w.doc, x[0], x[1])
	}
	if s.at != "" {
		put(l.t, w.doc, s.at, value)
	}
	defer w.close()
	if s.see != nil {
		return s.see(w)
	}
	return usual(w)
}
