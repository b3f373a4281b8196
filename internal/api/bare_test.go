package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// TestASyncThatIsOffLacksNoStep: of a draft's sync without a mapping it is told that
// nothing would travel, unless it is off.
func TestASyncThatIsOffLacksNoStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.accounts()
	for direction, lacks := range map[string]bool{"both": true, "to_left": true, "off": false} {
		got := string(w.must(201, "POST", "/v1/connections", fmt.Sprintf(`{"name":"N","left":{"account":%q},"right":{"account":%q},
			"syncs":[{"id":"s","direction":%q,"left":{"object":"contacts"},"right":{"object":"Contact"}}]}`,
			w.left, w.right, direction)).body)
		if strings.Contains(got, `"/syncs/0/mappings"`) != lacks {
			t.Errorf("%s: %s", direction, got)
		}
	}
}

// TestAPlanOfADraftTellsItsForm: what of a document is not of its form is told of one
// that is a draft as well, beside the steps that it lacks.
func TestAPlanOfADraftTellsItsForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.accounts()
	got := string(w.must(200, "POST", "/v1/connections/import/plan", fmt.Sprintf(`{"name":"N","left":{"account":%q},
		"right":{"account":%q},"syncs":[{"id":"s","conflict":"sometimes","left":{"object":"contacts"},
		"right":{"object":"Contact"}}]}`, w.left, w.right)).body)
	for _, want := range []string{`"draft":true`, `"valid":false`, `"/syncs/0/conflict"`, `"/syncs/0/mappings"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not said: %s", want, got)
		}
	}
}

// TestWhatIsAskedForMoreCloselyMayFail: where a list is narrowed, each request to the
// engine that this takes may fail, and the list is none then.
func TestWhatIsAskedForMoreCloselyMayFail(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	record := "/v1/connections/" + f.connection + "/syncs/contacts/records/left/1/history?field="
	for _, path := range []string{
		"/v1/log?job_status=failure", "/v1/log?job_status=success", record + "email", record + "old",
	} {
		f.server.jobs.ended = nil // how a run ended is remembered
		f.engine.requests.Store(0)
		f.must(200, "GET", path, "")
		requests := f.engine.requests.Load()
		if requests == 0 {
			t.Errorf("%s asks the engine for nothing", path)
		}
		for n := int64(1); n <= requests; n++ {
			f.server.jobs.ended = nil
			f.engine.requests.Store(0)
			f.engine.failAt = n
			f.engine.fails = fault.New("test: engine", fault.Unavailable, "", "the engine does not answer")
			if r := f.do("GET", path, ""); r.status != 503 {
				t.Errorf("%s: request %d fails, and the answer is %d: %s", path, n, r.status, r.body)
			}
			f.engine.failAt = 0
		}
	}
}

// TestAnObjectWithoutFields: that an object has no fields is known of it, and not
// that nothing is known: a mapping of one is told.
func TestAnObjectWithoutFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.accounts()
	w.drivers["bare"] = w.driver(appTable{
		id: "bare", host: "api.bare.example.com", objects: map[string][]crm.Field{"things": nil},
	})
	bare := w.must(201, "POST", "/v1/accounts",
		`{"app":"bare","name":"Bare","credentials":{"kind":"token","token":"pat-9"}}`).json(t)["id"].(string)
	got := string(w.must(200, "GET", "/v1/accounts/"+bare+"/objects/things/fields", "").body)
	if !strings.Contains(got, `"items":[]`) {
		t.Errorf("its fields are %s", got)
	}
	got = string(w.must(201, "POST", "/v1/connections", fmt.Sprintf(`{"name":"N","left":{"account":%q},"right":{"account":%q},
		"syncs":[{"id":"s","left":{"object":"things"},"right":{"object":"Contact"},
		"mappings":[{"id":"m","left":["ghost"],"right":["LastName"]}]}]}`, bare, w.right)).body)
	if !strings.Contains(got, "/syncs/0/mappings/0/left/0") || !strings.Contains(got, "unknown_field") {
		t.Errorf("a mapping of a field that it has not: %s", got)
	}
}
