package salesforce_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce/salesforcefake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// world is one org and one connector to it.
type world struct {
	connectortest.Fixture
	clock *connectortest.Clock
	org   *salesforcefake.Fake
	conn  connector.Connector
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{clock: connectortest.NewClock()}
	w.Fixture, w.org = fixture(t, w.clock)
	w.conn = w.Open(t, connectortest.Tools{Tokens: connectortest.NewTokens(w.Token)})
	return w
}

// knob turns one of the fake's knobs.
func (w *world) knob(t *testing.T, method, path, body string) {
	t.Helper()
	rec := httptest.NewRecorder()
	w.org.ServeHTTP(rec, httptest.NewRequest(method, path, strings.NewReader(body)))
	if rec.Code != http.StatusOK {
		t.Fatalf("%s %s: %d %s", method, path, rec.Code, rec.Body)
	}
}

func (w *world) person(t *testing.T, last string) crm.RecordID {
	t.Helper()
	id, err := w.Fake.Create("Contact", map[string]string{"LastName": last})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// scan runs a scan to its end and counts its pages.
func (w *world) scan(
	t *testing.T, cursor string, full bool,
) (seen map[crm.RecordID]crm.Record, next string, pages int) {
	t.Helper()
	seen = map[crm.RecordID]crm.Record{}
	req := connector.ChangesRequest{Object: "Contact", Fields: []string{"LastName"}, Cursor: cursor, Full: full}
	for {
		page, err := w.conn.Changes(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, r := range page.Records {
			seen[r.ID] = r
		}
		if page.Next == "" {
			return seen, page.Cursor, pages
		}
		req.Position = page.Next
	}
}

// TestS11_ShortPages lists everything though Salesforce answers with fewer rows
// than asked for, which is not the end.
func TestS11_ShortPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 50 {
		w.person(t, "Tied") // all at one instant
	}
	w.knob(t, "PUT", "/_fake/page_rows", `{"rows":7}`)
	for name, full := range map[string]bool{"changes": false, "all": true} {
		seen, _, pages := w.scan(t, "", full)
		if len(seen) != 50 || pages < 8 {
			t.Errorf("%s: %d of 50 records on %d pages", name, len(seen), pages)
		}
	}
}

// TestS11_EqualTimestampsOfBulkLoads lists records of which many have the same
// time: 2,000 of 20,000, and with LOCKSTEP_LONG=1 10,000 of 100,000.
func TestS11_EqualTimestampsOfBulkLoads(t *testing.T) {
	t.Parallel()
	before, tied, after := 9_000, 2_000, 9_000
	if os.Getenv("LOCKSTEP_LONG") != "" {
		before, tied, after = 45_000, 10_000, 45_000
	}
	w := newWorld(t)
	want := map[crm.RecordID]bool{}
	add := func(n, together int) {
		for i := range n {
			want[w.person(t, "Loaded")] = true
			if i%together == together-1 {
				w.clock.Advance(time.Second) // Salesforce stamps by the second
			}
		}
		w.clock.Advance(time.Second)
	}
	add(before, 150)
	add(tied, tied)
	add(after, 150)
	w.clock.Advance(5 * time.Minute)
	seen, cursor, pages := w.scan(t, "", false)
	missed := 0
	for id := range want {
		if _, ok := seen[id]; !ok {
			missed++
		}
	}
	t.Logf("%d records, %d with one time: %d missed, %d pages", len(want), tied, missed, pages)
	if missed > 0 || len(seen) != len(want) {
		t.Errorf("%d of %d records missed, %d listed", missed, len(want), len(seen))
	}
	w.clock.Advance(5 * time.Minute)
	if again, _, _ := w.scan(t, cursor, false); len(again) != 0 {
		t.Errorf("the next scan lists %d records, want none", len(again))
	}
}

// TestS11_LateCommit sees a change whose transaction began before the last scan
// and committed after it.
func TestS11_LateCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(t, "First")
	w.clock.Advance(10 * time.Minute)
	_, cursor, _ := w.scan(t, "", false)
	w.clock.Advance(5 * time.Second)
	w.knob(t, "PUT", "/_fake/late_commit", `{"by":"50s"}`)
	late := w.person(t, "Late")
	w.clock.Advance(time.Second)
	seen, _, _ := w.scan(t, cursor, false)
	if _, ok := seen[late]; !ok {
		t.Error("the late change was missed")
	}
}

// TestS11_SameSecond sees the second of two edits within one second, which
// Salesforce stamps alike.
func TestS11_SameSecond(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.person(t, "One")
	_, cursor, _ := w.scan(t, "", false)
	w.clock.Advance(300 * time.Millisecond)
	if err := w.Fake.Update("Contact", id, map[string]string{"LastName": "Two"}); err != nil {
		t.Fatal(err)
	}
	seen, _, _ := w.scan(t, cursor, false)
	if got := seen[id].Fields["LastName"].Text(); got != "Two" {
		t.Errorf("the scan shows %q, want the second edit", got)
	}
}

// TestS22_Clock scans and lists deletions with an app whose clock is a day off.
func TestS22_Clock(t *testing.T) {
	t.Parallel()
	for name, off := range map[string]time.Duration{"ahead": 24 * time.Hour, "behind": -24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.org.Core().SetClock(off)
			gone, kept := w.person(t, "Gone"), w.person(t, "Kept")
			_, cursor, _ := w.scan(t, "", false)
			w.clock.Advance(5 * time.Minute)
			if err := w.Fake.Delete("Contact", gone); err != nil {
				t.Fatal(err)
			}
			w.clock.Advance(5 * time.Minute)
			seen, _, _ := w.scan(t, cursor, false)
			if !seen[gone].Deleted || seen[kept].Deleted {
				t.Errorf("the scan says deleted: %v and %v, want true and false", seen[gone].Deleted, seen[kept].Deleted)
			}
			// A fresh instance has not seen the app's clock yet.
			fresh := w.Open(t, connectortest.Tools{Tokens: connectortest.NewTokens(w.Token)}).Extras()
			var last connector.DeletedPage
			for range 3 { // the first look may cover only what our clock knows of
				page, err := fresh.Deleted(t.Context(), "Contact", last.Cursor, "")
				if err != nil {
					t.Fatal(err)
				}
				last.Cursor, last.Records = page.Cursor, append(last.Records, page.Records...)
			}
			if len(last.Records) == 0 || last.Records[0].ID != gone {
				t.Errorf("the listing has %d deletions, want the one", len(last.Records))
			}
		})
	}
}

func TestS16_DeletionsForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(t, "Somebody")
	sweep := w.conn.Extras()
	page, err := sweep.Deleted(t.Context(), "Contact", "", "")
	if err != nil || page.Next != "" || page.Cursor == "" {
		t.Fatalf("Deleted: %+v, %v", page, err)
	}
	for name, forget := range map[string]func(){
		"log purged":      func() { w.clock.Advance(3 * time.Hour); w.knob(t, "PUT", "/_fake/deleted_log", `{"keep":"2h"}`) },
		"16 days without": func() { w.clock.Advance(16 * 24 * time.Hour) },
	} {
		forget()
		// The session has ended meanwhile; a fresh one does not matter here.
		conn := w.Open(t, connectortest.Tools{Tokens: connectortest.NewTokens(w.Token)})
		_, err := conn.Extras().Deleted(t.Context(), "Contact", page.Cursor, "")
		if !fault.Is(err, fault.Invalid) || fault.CodeOf(err) != "cursor_expired" {
			t.Errorf("%s: %v, want invalid, cursor_expired", name, err)
		}
		// From nothing, it is simply what the app still knows.
		if _, err := conn.Extras().Deleted(t.Context(), "Contact", "", ""); err != nil {
			t.Errorf("%s: starting anew: %v", name, err)
		}
	}
}

// TestS16_EmptiedBin: what left the recycle bin no longer comes with the
// changes, and the sweep still tells.
func TestS16_EmptiedBin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gone := w.person(t, "Gone")
	_, cursor, _ := w.scan(t, "", false)
	w.clock.Advance(5 * time.Minute)
	if err := w.Fake.Delete("Contact", gone); err != nil {
		t.Fatal(err)
	}
	w.knob(t, "POST", "/_fake/empty_bin", "")
	w.clock.Advance(5 * time.Minute)
	if seen, _, _ := w.scan(t, cursor, false); seen[gone].Deleted {
		t.Error("the emptied bin is listed all the same: this test tests nothing")
	}
	page, err := w.conn.Extras().Deleted(t.Context(), "Contact", "", "")
	if err != nil || len(page.Records) != 1 || page.Records[0].ID != gone {
		t.Errorf("Deleted: %+v, %v, want the one deletion", page.Records, err)
	}
}

func TestRestoredRecordComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.person(t, "Back")
	if err := w.Fake.Delete("Contact", id); err != nil {
		t.Fatal(err)
	}
	seen, cursor, _ := w.scan(t, "", false)
	if !seen[id].Deleted {
		t.Fatal("the deletion was not listed")
	}
	w.clock.Advance(2 * time.Second)
	if _, err := w.org.Core().RestoreRecord("Contact", string(id)); err != nil {
		t.Fatal(err)
	}
	if seen, _, _ = w.scan(t, cursor, false); seen[id].ID != id || seen[id].Deleted {
		t.Error("the restored record was not listed as live")
	}
}
