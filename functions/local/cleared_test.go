package main

import (
	"net/http"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/apiclient"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/storages"
)

// titled are the two apps with people whose titles are cleared and filled.
type titled struct {
	companyApps
	ids [2]map[string]string // by side and e-mail address
}

var (
	titledObjects = [2]string{"contacts", "Contact"}
	titles        = [2]string{"jobtitle", "Title"}
	mails         = [2]string{"email", "Email"}
)

// TestRow119_ClearedOverTheAPI: what a person clears stays cleared and the other
// app keeps its value; a default value stays where it was written; a person
// without e-mail address is left alone until there is one again (row 94). Neither
// a resync nor a change of the mapping revives anything, and all of it is shown.
func TestRow119_ClearedOverTheAPI(t *testing.T) {
	t.Parallel()
	storages.Each(t, func(t *testing.T, on storages.Storage) {
		a := titled{companyApps: companyApps{newServed(t, 0, on), t, titledObjects}}
		for _, mail := range []string{"left@example.com", "right@example.com", "key@example.com"} {
			a.addTo(0, "contacts", map[string]string{"email": mail, "lastname": "Lee", "jobtitle": "CEO"})
			a.addTo(1, "Contact", map[string]string{"Email": mail, "LastName": "Lee", "Title": "CEO"})
		}
		a.addTo(0, "contacts", map[string]string{"email": "new@example.com", "lastname": "Lee"})
		a.connectPreset("hubspot-salesforce-contacts")
		a.remap(func(m *crm.Mapping) { m.Default.ToRight = crm.TextValue("Boss") })
		a.run(a.path("/start"))
		a.learn()
		a.edit(0, "left@example.com", titles[0], "")
		a.edit(1, "right@example.com", titles[1], "")
		a.edit(0, "key@example.com", mails[0], "")
		a.edit(1, "key@example.com", titles[1], "CTO")
		want := map[string][2]string{
			"left@example.com": {"", "CEO"}, "right@example.com": {"CEO", ""}, "key@example.com": {"CEO", "CTO"},
			"new@example.com": {"", "Boss"},
		}
		for _, clear := range []bool{false, false, true} {
			if clear { // what is settled is not fought over by a mapping that clears from now on
				a.remap(func(m *crm.Mapping) { m.Clear = crm.PerWay[bool]{ToRight: true, ToLeft: true} })
			}
			a.resync()
			a.titlesAre(want)
		}
		a.shown()
		a.edit(0, "key@example.com", mails[0], "key@example.com")
		a.edit(0, "left@example.com", titles[0], "CFO")
		a.edit(1, "new@example.com", titles[1], "Chair")
		a.edit(1, "right@example.com", titles[1], "CIO")
		a.resync()
		want = map[string][2]string{
			"left@example.com": {"CFO", "CFO"}, "right@example.com": {"CIO", "CIO"}, "key@example.com": {"CTO", "CTO"},
			"new@example.com": {"Chair", "Chair"},
		}
		a.titlesAre(want)
		a.edit(0, "left@example.com", titles[0], "")
		a.edit(1, "right@example.com", titles[1], "")
		a.resync()
		want["left@example.com"], want["right@example.com"] = [2]string{}, [2]string{} // with clear
		a.titlesAre(want)
		a.stop(t)
	})
}

// remap changes the mapping of titles as an admin would.
func (a *titled) remap(change func(*crm.Mapping)) {
	a.t.Helper()
	var now crm.Connection
	head, err := a.api.Do(a.t.Context(), http.MethodGet, a.path(""), nil, &now)
	if err != nil {
		a.t.Fatal(err)
	}
	for i := range now.Syncs[0].Mappings {
		if m := &now.Syncs[0].Mappings[i]; m.ID == "title" {
			change(m)
		}
	}
	if _, err := a.api.Do(a.t.Context(), http.MethodPatch, a.path(""), map[string]any{"syncs": now.Syncs}, nil, "If-Match",
		head.Get("ETag")); err != nil {
		a.t.Fatal(err)
	}
}

// learn finds out who is who.
func (a *titled) learn() {
	a.t.Helper()
	for side := range a.ids {
		a.ids[side] = map[string]string{}
		for id, f := range a.allOf(side, titledObjects[side]) {
			a.ids[side][f[mails[side]]] = id
		}
	}
}

func (a *titled) edit(side int, mail, field, value string) {
	a.t.Helper()
	path := "/_fake/records/" + titledObjects[side] + "/" + a.ids[side][mail]
	in := map[string]any{"fields": map[string]string{field: value}}
	if err := apiclient.New(a.fakes[side].url, "").Call(a.t.Context(), http.MethodPatch, path, in, nil); err != nil {
		a.t.Fatal(err)
	}
}

func (a *titled) resync() {
	a.t.Helper()
	var run engine.Run
	if err := a.api.Call(a.t.Context(), http.MethodPost, a.syncPath("/resync"), nil, &run); err != nil {
		a.t.Fatal(err)
	}
	if a.waitRun(a.t, &run, 0); run.State != engine.RunDone {
		a.t.Fatalf("the resync is %s: %s", run.State, run.Detail)
	}
}

func (a *titled) titlesAre(want map[string][2]string) {
	a.t.Helper()
	for side := range a.ids {
		all := a.allOf(side, titledObjects[side])
		for mail, titleOf := range want {
			if got := all[a.ids[side][mail]][titles[side]]; got != titleOf[side] {
				a.t.Errorf("the title of %s in app %d is %q, want %q", mail, side, got, titleOf[side])
			}
		}
	}
}

// shown holds status, record and explain to what is settled.
func (a *titled) shown() {
	a.t.Helper()
	var st struct {
		Syncs []engine.SyncStatus `json:"syncs"`
	}
	if err := a.api.Call(a.t.Context(), http.MethodGet, a.path("/status"), nil, &st); err != nil {
		a.t.Fatal(err)
	}
	n := st.Syncs[0].Settled
	if n.Reasons[crm.ReasonCleared] != 2 || n.Reasons[crm.ReasonDefault] < 1 || n.Links < 3 {
		a.t.Errorf("status counts %+v", n)
	}
	for mail, want := range map[string]crm.Reason{
		"left@example.com": crm.ReasonCleared, "new@example.com": crm.ReasonDefault,
	} {
		at := a.syncPath("/records/left/" + a.ids[0][mail])
		var rec engine.RecordView
		var why engine.Explanation
		if err := a.api.Call(a.t.Context(), http.MethodGet, at, nil, &rec); err != nil {
			a.t.Fatal(err)
		}
		if err := a.api.Call(a.t.Context(), http.MethodGet, at+"/explain", nil, &why); err != nil {
			a.t.Fatal(err)
		}
		found := crm.Reason("")
		for _, f := range rec.Settled {
			if f.Mapping == "title" {
				found = f.Reason
			}
		}
		for _, f := range why.Fields {
			if f.Mapping == "title" && f.Reason != want {
				a.t.Errorf("%s: explain says %q (%s)", mail, f.Reason, f.Rule)
			}
		}
		if found != want || rec.State != crm.StateInSync {
			a.t.Errorf("%s: settled as %q, want %q; it is %s", mail, found, want, rec.State)
		}
	}
	var gone engine.RecordView
	if err := a.api.Call(a.t.Context(), http.MethodGet, a.syncPath("/records/left/"+a.ids[0]["key@example.com"]), nil,
		&gone); err != nil {
		a.t.Fatal(err)
	}
	if gone.State != crm.StateExcluded || gone.Code != "no_identity_key" ||
		string(gone.Partner) != a.ids[1]["key@example.com"] {
		a.t.Errorf("without its key the pair is %s (%s), its partner %q", gone.State, gone.Code, gone.Partner)
	}
}
