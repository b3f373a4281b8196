package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// deleting is a world whose left app deletes fields: what it was asked for is noted,
// and its answer is err.
func deleting(t *testing.T) (w *world, asked *[]string, answer *error) {
	t.Helper()
	w, asked, answer = newWorld(t), new([]string), new(error)
	d := w.drivers["hubspot"]
	d.App.Abilities = append(slices.Clone(d.App.Abilities), crm.AbilityDeleteField)
	w.drivers["hubspot"] = d
	w.removes = func(object, field string) error {
		*asked = append(*asked, object+"."+field)
		return *answer
	}
	w.accounts()
	return w, asked, answer
}

func (w *world) fieldAt(account crm.AccountID, object, field string) string {
	return fmt.Sprintf("/v1/accounts/%s/objects/%s/fields/%s?confirm=%s", account, object, field, field)
}

// TestRow148_AFieldThatIsNamedIsKept: by a draft as well, by what is switched off, by
// a connection that has the account on its other side, by activities. What another
// account, another object or a connection that is being deleted calls so is not it.
func TestRow148_AFieldThatIsNamedIsKept(t *testing.T) {
	t.Parallel()
	w, asked, _ := deleting(t)
	field := w.fieldAt(w.left, "contacts", "score")
	second := w.must(201, "POST", "/v1/accounts",
		`{"app":"hubspot","name":"Second","credentials":{"kind":"token","token":"pat-3"}}`).json(t)["id"].(string)
	const joined = `"id":"s","left":{"object":"contacts"},"right":{"object":"Contact"}`
	draft := func(left, right crm.AccountID, sync string) string {
		return fmt.Sprintf(`{"name":"Draft","left":{"account":%q},"right":{"account":%q},"syncs":[{%s}]}`, left, right, sync)
	}
	off := `{"id":"m","left":["score"],"right":["Score__c"],"enabled":false}`
	for name, tt := range map[string]struct {
		document string
		at       string // where it is named; "" = nowhere
	}{
		"mapping": {
			draft(w.left, w.right, joined+`,"mappings":[{"id":"m","left":["lastname","score"],"right":["LastName"]}]`),
			"/syncs/0/mappings/0/left/1",
		},
		"mapping that is off": {draft(w.left, w.right, joined+`,"mappings":[`+off+`]`), "/syncs/0/mappings/0/left/0"},
		"sync that is off": {
			draft(w.left, w.right, joined+`,"direction":"off","mappings":[`+off+`]`), "/syncs/0/mappings/0/left/0",
		},
		"match key": {
			draft(w.left, w.right, joined+`,"match":[{"by":"any_key","pairs":[["score","Score__c"]]}]`),
			"/syncs/0/match/0/pairs/0/0",
		},
		"filter": {
			draft(w.left, w.right, joined+`,"rules":[{"id":"r","direction":"to_right","enabled":false,`+
				`"filter":{"not":{"any":[{"field":"score","op":"greater_than","value":3}]}}}]`),
			"/syncs/0/rules/0/filter/not/any/0/field",
		},
		"stamp": {draft(w.left, w.right, joined+`,"stamp":{"to_right":{},"to_left":{"score":1}}`), "/syncs/0/stamp/to_left/score"},
		"right side": {
			draft(w.right, w.left, `"id":"s","left":{"object":"Contact"},"right":{"object":"contacts"},`+
				`"mappings":[{"id":"m","left":["Score__c"],"right":["score"]}]`), "/syncs/0/mappings/0/right/0",
		},
		"activities": {
			draft(w.left, w.right, `"id":"s","left":{"object":"companies"},"right":{"object":"Account"},"activities":{`+
				`"left":{"object":"contacts"},"right":{"object":"Contact"},"mappings":[`+off+`]}`),
			"/syncs/0/activities/mappings/0/left/0",
		},
		"the other side's name": {
			draft(w.left, w.right, joined+`,"mappings":[{"id":"m","left":["lastname"],"right":["score"]}]`), "",
		},
		"other account": {draft(crm.AccountID(second), w.right, joined+`,"mappings":[`+off+`]`), ""},
		"other object": {
			draft(w.left, w.right, `"id":"s","left":{"object":"companies"},"right":{"object":"Contact"},"mappings":[`+off+`]`), "",
		},
	} {
		made := w.must(201, "POST", "/v1/connections", tt.document)
		id := made.json(t)["id"].(string)
		*asked = nil
		got := w.do("DELETE", field, "")
		if tt.at == "" {
			if got.status != http.StatusNoContent || len(*asked) != 1 {
				t.Errorf("%s: got %d, %d calls: %s", name, got.status, len(*asked), got.body)
			}
		} else {
			p, _ := got.asProblem()
			want := fmt.Sprintf("the connection %q (%s) names it at %s", "Draft", id, tt.at)
			if got.status != http.StatusConflict || p.Code != CodeFieldMapped || len(p.Errors) != 1 ||
				p.Errors[0].Detail != want {
				t.Errorf("%s: got %d, want 409 and %q: %s", name, got.status, want, got.body)
			}
			if *asked != nil {
				t.Errorf("%s: the app was asked for %v", name, *asked)
			}
		}
		key := store.ConnectionKey(DefaultWorkspace, crm.ConnectionID(id))
		if _, err := w.store.Write(t.Context(), store.Write{Op: store.Delete, Item: store.Item{Key: key}}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRow148_EveryPlaceIsSaid up to a bound, of every connection, those on further
// pages too.
func TestRow148_EveryPlaceIsSaid(t *testing.T) {
	t.Parallel()
	w, asked, _ := deleting(t)
	for i := range 120 {
		w.must(201, "POST", "/v1/connections", fmt.Sprintf(`{"name":"Draft %d","left":{"account":%q},"right":{"account":%q},`+
			`"syncs":[{"id":"s","left":{"object":"contacts"},"right":{"object":"Contact"},`+
			`"mappings":[{"id":"m","left":["score"],"right":["Score__c"]}]}]}`, i, w.left, w.right))
	}
	p, _ := w.must(409, "DELETE", w.fieldAt(w.left, "contacts", "score"), "").asProblem()
	if want := min(120, maxItems); len(p.Errors) != want {
		t.Errorf("%d places are named, want %d", len(p.Errors), want)
	}
	byDetail := func(a, b ProblemItem) int { return strings.Compare(a.Detail, b.Detail) }
	if !slices.IsSortedFunc(p.Errors, byDetail) || *asked != nil {
		t.Errorf("in no order, or the app was asked for %v: %v", *asked, p.Errors)
	}
}

// TestRow148_DeletingAField asks for the name, looks at the app as it is now, and
// writes down who deleted what, so that it can be made again.
func TestRow148_DeletingAField(t *testing.T) {
	t.Parallel()
	w, asked, answer := deleting(t)
	field := w.fieldAt(w.left, "contacts", "score")
	w.must(200, "GET", "/v1/accounts/"+string(w.left)+"/objects/contacts/fields", "") // known from now on
	w.down.Store(true)
	for _, confirm := range []string{"", "?confirm=", "?confirm=Score", "?confirm=score%20"} {
		p, _ := w.must(400, "DELETE", strings.TrimSuffix(field, "?confirm=score")+confirm, "").asProblem()
		if p.Code != CodeConfirmName || len(p.Errors) != 1 || p.Errors[0].Parameter != "query.confirm" {
			t.Errorf("confirm %q: %+v", confirm, p)
		}
	}
	w.must(503, "DELETE", field, "") // what it was known to have is not what it has
	w.down.Store(false)
	w.must(404, "DELETE", w.fieldAt(w.left, "contacts", "none"), "")
	w.must(404, "DELETE", w.fieldAt(w.left, "none", "score"), "")
	w.must(404, "DELETE", w.fieldAt("acc_none", "contacts", "score"), "")
	w.must(422, "DELETE", w.fieldAt(w.right, "Contact", "Score__c"), "")
	if *asked != nil {
		t.Fatalf("the app was asked to delete %v", *asked)
	}
	before := len(w.audited())
	for _, tt := range []struct {
		err    error
		status int
		code   string
		says   string
	}{
		{fault.New("app", fault.NotFound, "", "no such property"), 404, "not_found", "no such property"},
		{fault.New("app", fault.Invalid, connector.CodeRejected, "it is the app's own"), 400, "rejected", "it is the app's own"},
		{fault.New("app", fault.Denied, connector.CodePermission, "the app wants a scope"), 403, "missing_permission", "a scope"},
		{fault.New("app", fault.Conflict, connector.CodeLocked, ""), 409, connector.CodeLocked, ""},
		{&fault.Error{Kind: fault.Throttled, Code: connector.CodeRate, RetryAfter: 7 * time.Second}, 503, "rate_limited", ""},
		{&fault.Error{Kind: fault.Unavailable, MayHaveLanded: true}, 503, "unavailable", ""},
		{errors.New("boom"), 500, "other", ""},
		{nil, 204, "", ""},
	} {
		w.must(200, "GET", "/v1/accounts/"+string(w.left)+"/objects/contacts/fields", "")
		*asked, *answer = nil, tt.err
		got, want := w.do("DELETE", field, ""), []string{"contacts.score"}
		if fault.MayHaveLanded(tt.err) { // the field is there still: once more
			want = append(want, want...)
		}
		if got.status != tt.status || !slices.Equal(*asked, want) {
			t.Errorf("%v: got %d, asked for %v: %s", tt.err, got.status, *asked, got.body)
		}
		if tt.err != nil {
			if p, _ := got.asProblem(); p.Code != tt.code || !strings.Contains(p.Detail, tt.says) {
				t.Errorf("%v: %s", tt.err, got.body)
			}
		}
		if _, known := w.server.schemas.get(objectPlace{DefaultWorkspace, w.left, "contacts"}); known {
			t.Errorf("%v: the fields are held for known", tt.err)
		}
	}
	entries := w.audited()[before:]
	if len(entries) != 8+7 {
		t.Fatalf("%d entries of the trail, want one for each try and one more for each that failed", len(entries))
	}
	end := entries[len(entries)-1]
	b, err := json.Marshal(end.Changes)
	if err != nil || end.Action != "field.delete" || end.Target != string(w.left)+"/contacts/score" || end.Failed ||
		!strings.Contains(string(b), `"Score"`) || !strings.Contains(string(b), `"number"`) {
		t.Errorf("the trail says %+v, %s, %v", end, b, err)
	}
}

// TestRow148_AnAnswerThatWasLost: the field that is gone is deleted, the one that is
// not is asked for once more.
func TestRow148_AnAnswerThatWasLost(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		landed bool  // before the answer was lost
		second error // what the app says when it is asked once more
		asked  int
	}{
		"after it was deleted": {landed: true, asked: 1},
		"on its way there":     {asked: 2},
		"and it lands late":    {asked: 2, second: fault.New("app", fault.NotFound, "", "no such property")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _, _ := deleting(t)
			calls := 0
			w.removes = func(_, field string) error {
				if calls++; calls == 2 {
					return tt.second
				}
				if tt.landed {
					w.gone = field
				}
				return &fault.Error{Kind: fault.Unavailable, MayHaveLanded: true}
			}
			w.must(204, "DELETE", w.fieldAt(w.left, "contacts", "score"), "")
			if calls != tt.asked {
				t.Errorf("asked %d times, want %d", calls, tt.asked)
			}
		})
	}
}
