package app

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// hookView is what is shown of one side's webhooks.
type hookView struct {
	Side     crm.Side `json:"side"`
	URL      string   `json:"url"`
	Refused  []refusedHooks
	Problems []struct{ Code, Detail string }
}

type refusedHooks struct {
	Code    string    `json:"code"`
	Count   int       `json:"count"`
	Last    time.Time `json:"last"`
	Meaning string    `json:"meaning"`
	Remedy  string    `json:"remedy"`
}

// TestLive_Row66_RefusedWebhooksAreShown: deliveries to accounts that nobody ever
// tested. What is refused is counted by reason, with a remedy, where webhooks are
// shown and in the status; what is right is taken at once.
func TestLive_Row66_RefusedWebhooksAreShown(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		bare := l.account("hubspot", l.base0(crm.Left), map[string]string{"kind": "token", "token": hubspotfake.PrivateToken})
		l.connect([2]string{`"` + string(l.left) + `"`, `"` + string(bare) + `"`})
		ann := l.person(crm.Left, "ann")
		l.start()
		deliver := func(secret, city string) int {
			l.hub.Core().SetWebhooks(fakekit.Webhooks{URL: l.shownHook().URL, Secret: secret})
			l.edit(crm.Left, ann, "city", city)
			status := 0
			for _, d := range l.hub.Core().Take() {
				status = l.post(d.Packed)
			}
			return status
		}
		if status := deliver(hubspotfake.ClientSecret, "One"); status != http.StatusUnauthorized {
			t.Errorf("without a secret a delivery is answered with %d", status)
		}
		l.refusedOnce("no_secret")
		if p := l.shownHook().Problems; len(p) != 1 || p[0].Code != "no_secret" ||
			!strings.Contains(p[0].Detail, "webhook_secret") {
			t.Errorf("problems: %+v, want the missing secret", p)
		}
		l.want(200, "PATCH", "/v1/accounts/"+string(bare), `{"credentials":{"kind":"token","token":"`+
			hubspotfake.PrivateToken+`","webhook_secret":"`+hubspotfake.ClientSecret+`"}}`,
			"If-Match", "*", "Content-Type", "application/merge-patch+json")
		if status := deliver("of somebody else", "Two"); status != http.StatusUnauthorized {
			t.Errorf("a forged delivery is answered with %d", status)
		}
		l.refusedOnce("no_secret", "forged_webhook")
		if status := deliver(hubspotfake.ClientSecret, "Three"); status != http.StatusNoContent && status != http.StatusOK {
			t.Errorf("a delivery that is right is answered with %d", status)
		}
		l.drain()
		if got := l.held(crm.Right, l.twin(crm.Right, "ann"))["MailingCity"]; got != "Three" {
			t.Errorf("Salesforce holds %q after the delivery", got)
		}
		if p := l.shownHook().Problems; len(p) != 0 {
			t.Errorf("problems: %+v, want none", p)
		}
		l.move(25 * time.Hour)
		if _, st := l.standing(); slices.Contains(st.Warnings, "webhooks_refused") {
			t.Error("what was refused more than a day ago is still warned of")
		}
	})
}

// shownHook is the left side's.
func (l *live) shownHook() hookView {
	l.t.Helper()
	var hooks struct{ Items []hookView }
	l.want(200, "GET", l.con+"/webhooks", nil).into(&hooks)
	return hooks.Items[0]
}

// post makes one delivery.
func (l *live) post(p fakekit.Packed) int {
	l.t.Helper()
	req, err := p.Request(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// refusedOnce demands that these reasons, and no others, are shown.
func (l *live) refusedOnce(codes ...string) {
	l.t.Helper()
	var st struct {
		Syncs    []engine.SyncStatus `json:"syncs"`
		Webhooks []hookView          `json:"webhooks"`
	}
	l.want(200, "GET", l.con+"/status", nil).into(&st)
	if len(st.Webhooks) != 1 || st.Webhooks[0].Side != crm.Left ||
		!slices.Contains(st.Syncs[0].Warnings, "webhooks_refused") {
		l.t.Fatalf("status says %+v, warnings %v", st.Webhooks, st.Syncs[0].Warnings)
	}
	for _, shown := range [][]refusedHooks{st.Webhooks[0].Refused, l.shownHook().Refused} {
		if len(shown) != len(codes) {
			l.t.Errorf("refused: %+v, want %v", shown, codes)
		}
		for _, r := range shown {
			if !slices.Contains(codes, r.Code) || r.Count != 1 || r.Meaning == "" || r.Remedy == "" || r.Last.IsZero() {
				l.t.Errorf("refused: %+v, want one of %v, once, with meaning and remedy", r, codes)
			}
		}
	}
}
