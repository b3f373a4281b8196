package app

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/storages"
)

// changed sends a change of the connection.
func (l *live) changed(method, path string, body any) {
	l.t.Helper()
	l.want(200, method, path, body, "If-Match", l.want(200, "GET", path, nil).header.Get("ETag"))
}

// forgets works until syncs that were taken out, or joined to others, are forgotten.
func (l *live) forgets() {
	l.t.Helper()
	for range 10 {
		l.round()
		l.move(10 * time.Second) // claims are kept while a search may not find what was made
	}
}

// TestLeft_AnotherAccountIsOfOtherRecords: with another account on a side nobody is
// taken for who has the same ID in the account before: each is matched by key, nothing
// is overwritten, and nothing of those before is known any more but history.
func TestLeft_AnotherAccountIsOfOtherRecords(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, o Options) {
		const people = 6
		var l *live
		other := hubspotfake.New(fakekit.Config{Now: func() time.Time {
			if l == nil {
				return time.Now()
			}
			return l.now()
		}})
		srv := httptest.NewServer(other)
		storages.AtEnd(t, srv.Close)
		o.AllowHosts = append(o.AllowHosts, strings.TrimPrefix(srv.URL, "http://"))
		l = launched(t, o, engine.Tuning{})
		l.connect()
		var before []string
		for i := range people {
			l.person(crm.Left, fmt.Sprintf("before%d", i))
			before = append(before, fmt.Sprintf("before%d@example.com", i))
		}
		l.refuse("Of bad")
		bad := l.person(crm.Left, "bad")
		l.start()
		failed := each[engine.Entry](l, "/v1/log?event=failed")
		past := each[engine.FieldChange](l, l.record(crm.Right, l.twin(crm.Right, "before0"))+"/history?field=email")
		if len(failed) != 1 || len(past) != 1 {
			t.Fatalf("%d entries failed, %d changes of a field", len(failed), len(past))
		}
		next := l.account("hubspot", srv.URL, map[string]string{
			"kind": "token", "token": hubspotfake.PrivateToken, "webhook_secret": hubspotfake.ClientSecret,
		})
		for i := range people {
			if _, err := other.Core().CreateRecord("contacts", map[string]string{
				"email": fmt.Sprintf("now%d@example.com", i), "lastname": "Of now",
			}); err != nil {
				t.Fatal(err)
			}
		}
		if a, b := l.hub.Core().Records("contacts"), other.Core().Records("contacts"); a[0].ID != b[0].ID {
			t.Fatalf("the two accounts have no ID in common: %s, %s", a[0].ID, b[0].ID)
		}
		l.changed("PATCH", l.con, map[string]any{"left": map[string]any{"account": next}})
		l.refused(409, "ends_changed", "POST", l.sync+"/pull", nil)
		l.forgets()
		if left := l.traces(before...); slices.Contains(left, "claim") || slices.Contains(left, "link") {
			t.Errorf("of the records before, values are in items of %v", left)
		}
		l.drain()
		l.refused(409, "connection_changed", "POST", "/v1/log/"+failed[0].ID+"/retry",
			map[string]any{"values": map[string]string{"lastname": "Of good"}})
		l.refused(409, "connection_changed", "POST", l.record(crm.Right, l.twin(crm.Right, "before0"))+"/restore",
			map[string]string{"entry": past[0].Entry})
		for i := range people {
			for _, who := range []string{fmt.Sprintf("before%d", i), fmt.Sprintf("now%d", i)} {
				if l.twin(crm.Right, who) == "" {
					t.Errorf("%s is not in Salesforce", who)
				}
			}
		}
		if n := l.living(crm.Right); n != 2*people {
			t.Errorf("%d people in Salesforce, want %d", n, 2*people)
		}
		if n := len(other.Core().Records("contacts")); n != 2*people {
			t.Errorf("%d people in the other account, want %d: a first run follows by itself", n, 2*people)
		}
		for _, r := range l.hub.Core().Records("contacts") {
			if r.Deleted || r.ID != bad && !strings.HasPrefix(r.Fields["email"], "before") {
				t.Errorf("the account before was written to: %v", r)
			}
		}
	})
}

// TestLeft_ARemovedSyncIsForgotten: however a sync is taken out, its links go, and the
// claims that it made go with them; an erasure that is asked for meanwhile waits for
// that; what another sync of the connection makes of the same people is its own.
func TestLeft_ARemovedSyncIsForgotten(t *testing.T) {
	t.Parallel()
	const both = "the connection goes, too"
	for _, way := range []string{"DELETE of the sync", "PUT without it", "PATCH without it", both} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
				l.connect([2]string{`"syncs":[`, `"syncs":[{"id":"firms","left":{"object":"companies"},
					"right":{"object":"Account"},"schedule":"manual","match":[{"by":"any_key","pairs":[["domain","Website"]]}],
					"mappings":[{"id":"name","left":["name"],"right":["Name"]}]},`})
				var people []string
				for i := range 4 {
					l.person(crm.Left, fmt.Sprintf("left%d", i))
					l.person(crm.Right, fmt.Sprintf("right%d", i))
					people = append(people, fmt.Sprintf("left%d@example.com", i), fmt.Sprintf("right%d@example.com", i))
				}
				l.want(202, "POST", l.con+"/start", nil)
				l.drain()
				if held := l.traces(people...); !slices.Contains(held, "claim") || !slices.Contains(held, "link") {
					t.Fatalf("people are in items of %v alone", held)
				}
				doc := l.must(200, "GET", l.con, nil)
				firms := doc["syncs"].([]any)[:1]
				switch way {
				case "PUT without it":
					doc["syncs"] = firms
					l.changed("PUT", l.con, doc)
				case "PATCH without it":
					l.changed("PATCH", l.con, map[string]any{"syncs": firms})
				default:
					l.want(204, "DELETE", l.sync, nil, "If-Match", l.want(200, "GET", l.sync, nil).header.Get("ETag"))
				}
				if way == both {
					l.want(202, "DELETE", l.con+"?confirm=One", nil, "If-Match", "*")
					l.forgets()
					l.forgets()
					l.refused(404, "not_found", "GET", l.con, nil)
					if held := l.traces(people...); len(held) > 0 {
						t.Errorf("with the connection deleted, people are in items of %v", held)
					}
					return
				}
				x := l.must(202, "POST", "/v1/erasures", map[string]any{"email": people[0]})
				l.forgets()
				if held := l.traces(people...); !slices.Equal(held, []string{"log"}) {
					t.Errorf("of a sync that is gone, people are in items of %v, want history alone", held)
				}
				l.erased(x["id"].(string))
				if held := l.traces(people[0]); len(held) > 0 {
					t.Errorf("who was erased is in items of %v", held)
				}
			})
		})
	}
}
