package app

import (
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// pulls pulls every five minutes until the field holds the value or the time is
// over, and returns how long it took.
func (l *live) pulls(side crm.Side, id, field, value string, most time.Duration) (after time.Duration, arrived bool) {
	l.t.Helper()
	for after = 0; after <= most; after += 5 * time.Minute {
		if l.held(side, id)[field] == value {
			return after, true
		}
		l.move(5 * time.Minute)
		l.run("POST", l.sync+"/pull", nil)
	}
	return after, l.held(side, id)[field] == value
}

// equality is what status says of the rereading.
func (l *live) equality() *engine.Equality {
	l.t.Helper()
	var st struct {
		Syncs []engine.SyncStatus `json:"syncs"`
	}
	l.want(200, "GET", l.con+"/status", nil).into(&st)
	return st.Syncs[0].Equality
}

// looks are the settings of looking again.
func looks(second, audit string) [2]string {
	return [2]string{`"schedule":"manual"`, `"schedule":"manual","second_look":` + second + `,"audit_hours":` + audit}
}

// TestS11_ALateChangeArrivesByTheSecondLook edits a record and makes a person
// whose changes enter HubSpot's search ten minutes late, and tells of neither.
func TestS11_ALateChangeArrivesByTheSecondLook(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		ann := l.person(crm.Left, "ann", "jobtitle", "Cooper")
		l.connect(looks("60", "0"))
		l.start()
		l.run("POST", l.sync+"/pull", nil)
		twin := l.twin(crm.Right, "ann")
		l.hub.Core().SetLag(10*time.Minute, false)
		l.edit(crm.Left, ann, "jobtitle", "Smith")
		l.person(crm.Left, "bob")
		after, arrived := l.pulls(crm.Right, twin, "Title", "Smith", 90*time.Minute)
		if !arrived || after < time.Hour {
			t.Errorf("after %s the change has arrived: %t; it should between an hour and an hour and a half", after, arrived)
		}
		l.twin(crm.Right, "bob")
		if n := l.living(crm.Right); n != 2 {
			t.Errorf("%d people on the right side, want 2", n)
		}
	})
}

// TestS11_SecondLookIsASetting holds the look to the time that the document
// says, and to none when it is off.
func TestS11_SecondLookIsASetting(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		ann := l.person(crm.Left, "ann", "jobtitle", "Cooper")
		l.connect(looks("0", "0"))
		l.start()
		twin := l.twin(crm.Right, "ann")
		l.hub.Core().SetLag(10*time.Minute, false)
		l.edit(crm.Left, ann, "jobtitle", "Smith")
		if after, arrived := l.pulls(crm.Right, twin, "Title", "Smith", 3*time.Hour); arrived {
			t.Errorf("a change that only a second look can see arrived after %s, with the look switched off", after)
		}
		etag := l.want(200, "GET", l.con, nil).header.Get("ETag")
		whole := strings.Replace(string(l.want(200, "GET", l.con, nil).body), `"second_look":0`, `"second_look":20`, 1)
		if !strings.Contains(whole, `"second_look":20`) || !strings.Contains(whole, `"audit_hours":0`) {
			t.Fatalf("the document does not show the settings: %s", whole)
		}
		l.want(200, "PUT", l.con, whole, "If-Match", etag)
		l.run("POST", l.sync+"/pull", nil)
		l.edit(crm.Left, ann, "jobtitle", "Wright")
		if after, arrived := l.pulls(crm.Right, twin, "Title", "Wright", time.Hour); !arrived || after < 20*time.Minute ||
			after > 35*time.Minute {
			t.Errorf("after %s the change has arrived: %t; it should between 20 and 35 minutes", after, arrived)
		}
		for _, bad := range []string{"-1", "1441", "1.5", `"60"`} {
			body := strings.Replace(whole, `"second_look":20`, `"second_look":`+bad, 1)
			if a := l.do("PUT", l.con, body, "If-Match", "*"); a.status != 400 ||
				!strings.Contains(string(a.body), "/syncs/0/second_look") {
				t.Errorf("second_look %s: %d %s", bad, a.status, a.body)
			}
			body = strings.Replace(whole, `"audit_hours":0`, `"audit_hours":`+strings.ReplaceAll(bad, "1441", "721"), 1)
			if a := l.do("PUT", l.con, body, "If-Match", "*"); a.status != 400 ||
				!strings.Contains(string(a.body), "/syncs/0/audit_hours") {
				t.Errorf("audit_hours %s: %d %s", bad, a.status, a.body)
			}
		}
		export := string(l.want(200, "GET", l.con+"/export", nil).body)
		for _, line := range []string{"second_look: 20", "audit_hours: 0"} {
			if !strings.Contains(export, line) {
				t.Errorf("the export has no %q:\n%s", line, export)
			}
		}
	})
}

// TestS11_AuditFindsWhatNoListingShows edits records on both sides in a way that
// no listing ever shows and no webhook tells of: reading what is known finds it,
// and status says how much was equal.
func TestS11_AuditFindsWhatNoListingShows(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		ids := []string{
			l.person(crm.Left, "ann", "jobtitle", "Cooper"), l.person(crm.Left, "bob"), l.person(crm.Left, "eve"),
			l.person(crm.Left, "kim"),
		}
		l.connect(looks("60", "24"))
		l.start()
		if e := l.equality(); e != nil {
			t.Errorf("nothing was read yet, and status says %+v", e)
		}
		twin := l.twin(crm.Right, "ann")
		l.hub.Core().SetLag(1000*time.Hour, false)
		l.edit(crm.Left, ids[0], "jobtitle", "Smith")
		after, arrived := l.pulls(crm.Right, twin, "Title", "Smith", 3*time.Hour)
		if !arrived || after < 30*time.Minute {
			t.Fatalf("after %s the change has arrived: %t; it should with the first look at everything", after, arrived)
		}
		e := l.equality()
		if e == nil || e.LastRound == nil || e.LastRound.Looked != 4 || e.LastRound.Equal != 3 ||
			e.LastRound.Different != 1 || e.Share == nil || *e.Share != 0.75 {
			t.Errorf("status says %+v, want that 3 of 4 were equal", e)
		}
		if err := l.hub.Core().DeleteRecord("contacts", ids[3]); err != nil {
			t.Fatal(err)
		}
		for range 16 {
			l.move(5 * time.Minute)
			l.run("POST", l.sync+"/pull", nil)
		}
		e = l.equality()
		if e == nil || e.LastRound == nil || e.LastRound.Looked < 3 || *e.Share < 0.75 {
			t.Errorf("status says %+v", e)
		}
		var gone engine.RecordView
		l.want(200, "GET", l.sync+"/records/left/"+ids[3], nil).into(&gone)
		if gone.State != crm.StateDeleted {
			t.Errorf("a record that is gone from everything is %s, want deleted", gone.State)
		}
	})
}
