package api

import (
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/alert"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// tellers makes two users: one whose key is valid and one whose key has expired.
func (w *world) tellers() {
	w.t.Helper()
	w.key(`{"name":"ops","role":"member","user":{"email":"Ops@example.com","roles":["team-a"],"attributes":{"is_employee":true,"is_guest":false}}}`)
	w.key(`{"name":"second","role":"viewer","user":{"email":"ops@example.com"}}`)
	w.key(`{"name":"gone","role":"member","expires_at":"2026-03-31T13:00:00Z","user":{"email":"gone@example.com"}}`)
	w.key(`{"name":"robot","role":"member"}`)
}

// TestRow160_UsersToChoose lists whom keys act as, once each, and lets none be
// chosen that is not among them and active.
func TestRow160_UsersToChoose(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tellers()
	id := w.started("One")
	set := func(status int, user string) reply {
		t.Helper()
		return w.must(status, "PATCH", "/v1/connections/"+id, `{"notify":{"enabled":true,"user":"`+user+`"}}`, ifMatch("*"))
	}
	set(200, "gone@example.com")
	w.clock.Advance(2 * 3600e9)
	var got []string
	for _, u := range w.must(200, "GET", "/v1/users", "").json(t)["items"].([]any) {
		m := u.(map[string]any)
		got = append(got, strings.Join([]string{
			m["email"].(string), joinedWords(m["roles"]), joinedWords(m["attributes"]),
			map[any]string{true: "active", false: "not active"}[m["active"]],
		}, " "))
	}
	want := "gone@example.com   not active; Ops@example.com member,team-a,viewer is_employee active"
	if strings.Join(got, "; ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "; "), want)
	}
	if w.must(200, "GET", "/v1/users?limit=1", "").json(t)["next"] == nil {
		t.Error("no second page")
	}
	// What was chosen before stays, and the rest of the settings can be changed.
	w.must(200, "PATCH", "/v1/connections/"+id, `{"description":"x"}`, ifMatch("*"))
	set(200, "ops@example.com")
	for _, user := range []string{"gone@example.com", "nobody@example.com", "ops"} {
		p := set(400, user).problem(t)
		if len(p.Errors) != 1 || p.Errors[0].Pointer != "/notify/user" || p.Errors[0].Code != CodeUnknownUser ||
			!strings.Contains(p.Errors[0].Detail, "GET /v1/users") {
			t.Errorf("%s: %+v", user, p)
		}
	}
}

func joinedWords(v any) string {
	var out []string
	for _, x := range v.([]any) {
		out = append(out, x.(string))
	}
	return strings.Join(out, ",")
}

// TestNotifyIsChecked refuses what would tell nobody, or the wrong ones.
func TestNotifyIsChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tellers()
	id := w.started("One")
	for body, want := range map[string]string{
		`{"enabled":true}`:                                                 "/notify nobody_to_tell",
		`{"enabled":true,"webhook":""}`:                                    "/notify nobody_to_tell",
		`{"webhook":"http://hooks.example.com/x"}`:                         "/notify/webhook notify_webhook_refused",
		`{"webhook":"https://10.1.2.3/x"}`:                                 "/notify/webhook notify_webhook_refused",
		`{"webhook":"https://hooks.example.com/x?token=1"}`:                "/notify/webhook notify_webhook_refused",
		`{"quiet_hours":{"from":"25:00","to":"07:00"}}`:                    "/notify/quiet_hours/from unknown_value",
		`{"quiet_hours":{"from":"22:00","to":"7:00"}}`:                     "/notify/quiet_hours/to unknown_value",
		`{"quiet_hours":{"from":"07:00","to":"07:00"}}`:                    "/notify/quiet_hours/to unknown_value",
		`{"quiet_hours":{"from":"22:00","to":"07:00","time_zone":"Mars"}}`: "/notify/quiet_hours/time_zone unknown_time_zone",
		`{"quiet_hours":{"from":"22:00"}}`:                                 "/notify/quiet_hours missing_key",
		`{"digest":"weekly"}`:                                              "/notify/digest unknown_value",
	} {
		p := w.must(400, "PATCH", "/v1/connections/"+id, `{"notify":`+body+`}`, ifMatch("*")).problem(t)
		if len(p.Errors) == 0 || p.Errors[0].Pointer+" "+p.Errors[0].Code != want {
			t.Errorf("%s: got %+v, want %s", body, p.Errors, want)
		}
	}
	whole := `{"enabled":true,"user":"ops@example.com","webhook":"https://hooks.example.com/x","digest":"daily","quiet_hours":{"from":"22:00","to":"07:00","time_zone":"Europe/Berlin"}}`
	w.must(200, "PATCH", "/v1/connections/"+id, `{"notify":`+whole+`}`, ifMatch("*"))
	got := w.must(200, "GET", "/v1/connections/"+id, "").json(t)["notify"].(map[string]any)
	if got["digest"] != "daily" || got["quiet_hours"].(map[string]any)["from"] != "22:00" {
		t.Errorf("%v", got)
	}
	w.must(200, "PATCH", "/v1/connections/"+id, `{"notify":{"quiet_hours":null,"digest":"off"}}`, ifMatch("*"))
	before := w.must(200, "GET", "/v1/connections/"+id+"/export", "").body
	if !strings.Contains(string(before), "ops@example.com") {
		t.Errorf("the export has no user: %s", before)
	}
}

// TestNoMailServer lets no user be chosen to whom nothing could be sent.
func TestNoMailServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *Options) { o.Alerts = unmailed{o.Alerts} })
	w.tellers()
	id := w.started("One")
	p := w.must(422, "PATCH", "/v1/connections/"+id, `{"notify":{"enabled":true,"user":"ops@example.com"}}`,
		ifMatch("*")).problem(t)
	if p.Code != CodeUnsupportedSetting || !strings.Contains(p.Errors[0].Detail, "--smtp-server") {
		t.Errorf("%+v", p)
	}
	w.must(200, "PATCH", "/v1/connections/"+id, `{"notify":{"enabled":true,"webhook":"https://hooks.example.com/x"}}`,
		ifMatch("*"))
}

type unmailed struct{ Alerts }

func (unmailed) Mails() bool { return false }

// TestAlertsAreListed shows alerts to those who may see the connection.
func TestAlertsAreListed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c, _, err := store.LoadConnection(t.Context(), f.store, DefaultWorkspace, crm.ConnectionID(f.connection))
	if err != nil {
		t.Fatal(err)
	}
	c.Status = crm.StatusPaused
	if err := f.server.Alerts.(*alert.Service).Look(t.Context(), DefaultWorkspace, c); err != nil {
		t.Fatal(err)
	}
	for _, call := range f.callers {
		if call.column == "none" {
			continue
		}
		want := 1
		if call.column == "denied" || call.column == "foreign" {
			want = 0
		}
		items := f.must(200, "GET", "/v1/alerts?state=open", "", as(call.token)).json(t)["items"].([]any)
		if len(items) != want {
			t.Errorf("%s sees %d alerts, want %d", call.name, len(items), want)
			continue
		}
		if want == 1 {
			a := items[0].(map[string]any)
			if a["kind"] != "switched_off" || a["connection"] != f.connection || a["summary"] == "" || a["consequence"] == "" ||
				a["action"] == "" || len(a["deliveries"].([]any)) != 0 {
				t.Errorf("%v", a)
			}
		}
	}
	for query, want := range map[string]int{
		"state=resolved": 0, "kind=switched_off": 1, "kind=silence": 0, "connection=" + f.connection: 1,
	} {
		if n := len(f.must(200, "GET", "/v1/alerts?"+query, "").json(t)["items"].([]any)); n != want {
			t.Errorf("%s: %d alerts, want %d", query, n, want)
		}
	}
	f.must(404, "GET", "/v1/alerts?connection=con_none", "")
	f.must(400, "GET", "/v1/alerts?state=closed", "")
	f.must(400, "GET", "/v1/alerts?cursor=nonsense", "")
}

// TestNotifySecretIsShownOnce answers a secret of its own each time, and nothing
// else shows it.
func TestNotifySecretIsShownOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.connect("One")
	var all []string
	for i := range 2 {
		got := w.must(201, "POST", "/v1/connections/"+id+"/notify/secret", "").json(t)
		all = append(all, got["secret"].(string))
		if (got["old_until"] != nil) != (i > 0) {
			t.Errorf("%d: %v", i, got)
		}
	}
	if all[0] == all[1] || !strings.HasPrefix(all[0], "whsec_") {
		t.Errorf("%d secrets, or none", len(all))
	}
	stored := w.stored() + w.log.String()
	for _, path := range []string{
		"/v1/connections/" + id, "/v1/connections/" + id + "/export", "/v1/audit?limit=200",
		"/v1/alerts",
	} {
		stored += string(w.must(200, "GET", path, "").body)
	}
	for _, s := range all {
		if strings.Contains(stored, strings.TrimPrefix(s, "whsec_")) {
			t.Error("a secret can be had again")
		}
	}
	if p := w.must(409, "POST", "/v1/connections/"+id+"/notify/test", "").problem(t); p.Code != CodeNotifyOff {
		t.Errorf("%+v", p)
	}
}
