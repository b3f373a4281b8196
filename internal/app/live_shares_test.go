package app

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// TestX15_ViewersCauseNoCalls: whatever a viewer reads, and however often,
// neither app is asked for anything; what is stored is the answer, with its age,
// and what is not is refused.
func TestX15_ViewersCauseNoCalls(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		l.connect()
		id := l.person(crm.Left, "ada")
		l.start()
		key := l.must(201, "POST", "/v1/keys", map[string]any{"name": "v", "role": "viewer"})["key"].(string)
		asked := func() (n int) {
			for _, side := range crm.Sides {
				core, _ := l.core(side)
				n += core.Requests().Total
			}
			return n
		}
		as := []string{"Authorization", "Bearer " + key}
		before, requests := asked(), 0
		for range 3 {
			for _, path := range []string{
				l.con, l.con + "/status", l.con + "/export", l.con + "/suggestions", l.record(crm.Left, id),
				l.con + "/syncs/contacts/records", "/v1/log", "/v1/runs",
				"/v1/accounts", "/v1/accounts/" + string(l.left), "/v1/accounts/" + string(l.left) + "/objects/contacts/fields",
			} {
				l.want(200, "GET", path, nil, as...)
				requests++
			}
			for _, path := range []string{
				l.record(crm.Left, id) + "/explain", "/v1/accounts/" + string(l.left) + "/objects/contacts/fields?refresh=true",
				"/v1/accounts/" + string(l.left) + "/objects",
			} {
				l.refused(403, "viewer_asks_no_app", "GET", path, nil, as...)
				requests++
			}
		}
		caused := asked() - before
		if caused != 0 {
			t.Errorf("a viewer caused %d calls", caused)
		}
		t.Logf("%d requests of a viewer caused %d calls", requests, caused)
		l.must(200, "GET", l.record(crm.Left, id)+"/explain", nil)
		if asked() == before {
			t.Error("an admin's question did not reach the apps: this test sees nothing")
		}
	})
}
