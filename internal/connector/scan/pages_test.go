package scan

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
)

// TestS11_AScanGoesOnFromWhereItBegan: a record becomes visible behind the place
// that a long scan has reached: the next one lists it, for it goes on from when
// the first page was listed, and not the last.
func TestS11_AScanGoesOnFromWhereItBegan(t *testing.T) {
	t.Parallel()
	s := newShelf(3)
	for i := range 9 {
		s.put(fmt.Sprint(i), "old", 0)
	}
	_, cursor := scanAll(t, s, "", true)
	s.now = s.now.Add(time.Hour)
	for i := range 9 {
		s.put(fmt.Sprint(i), "new", 0)
		if i == 0 {
			s.put("x", "late", 30*time.Second) // does not show yet when the first page is listed
		}
		s.now = s.now.Add(time.Second)
	}
	req := connector.ChangesRequest{Object: "o", Fields: []string{"v"}, Cursor: cursor}
	for {
		page, err := Next(context.Background(), s, req, Options{Overlap: overlap, Remember: 50}, s.now)
		if err != nil {
			t.Fatal(err)
		}
		s.now = s.now.Add(20 * time.Minute) // an app that takes its time
		if page.Next == "" {
			cursor = page.Cursor
			break
		}
		req.Position = page.Next
	}
	seen, _ := scanAll(t, s, cursor, false)
	if seen["x"] != "late" {
		t.Errorf("the next scan shows %v, and not what changed while this one was under way", seen)
	}
}

// TestS11_TheCountTellsOfWhatTheNewestPageDoesNotShow: records become visible
// late, behind newer ones that are known: the newest page holds none of them,
// and the app's count is what tells.
func TestS11_TheCountTellsOfWhatTheNewestPageDoesNotShow(t *testing.T) {
	t.Parallel()
	s := newShelf(2)
	_, cursor := scanAll(t, s, "", true)
	s.put("late", "x", 20*time.Second)
	s.now = s.now.Add(2 * time.Second)
	for i := range 6 {
		s.put(fmt.Sprint(i), "x", 0)
	}
	s.now = s.now.Add(time.Second)
	seen, cursor := scanAll(t, s, cursor, false)
	if len(seen) != 6 {
		t.Fatalf("showed %v", seen)
	}
	s.now = s.now.Add(25 * time.Second)
	if page := s.visible(time.Time{})[5:]; slices.Contains(page, "late") {
		t.Fatal("the newest page holds it")
	}
	if seen, _ = scanAll(t, s, cursor, false); seen["late"] != "x" || len(seen) != 1 {
		t.Errorf("showed %v, want the late one alone", seen)
	}
}

// TestS11_WithoutACountNothingIsAskedForInVain: of an app that tells no totals the
// newest page proves nothing, so a scan soon after another lists its window at once.
func TestS11_WithoutACountNothingIsAskedForInVain(t *testing.T) {
	t.Parallel()
	s := newShelf(10)
	s.counts = false
	for i := range 4 {
		s.put(fmt.Sprint(i), "x", 0)
	}
	scan := func(cursor string) connector.ChangesPage {
		page, err := Next(context.Background(), s, connector.ChangesRequest{
			Object: "o", Fields: []string{"v"}, Cursor: cursor,
		}, Options{Overlap: overlap, Uncounted: true}, s.now)
		if err != nil || page.Cursor == "" {
			t.Fatalf("%+v, %v", page, err)
		}
		return page
	}
	first := scan("")
	s.now = s.now.Add(time.Second)
	s.calls = 0
	if page := scan(first.Cursor); s.calls != 1 || len(page.Records) != 0 {
		t.Errorf("a scan with nothing changed made %d calls and showed %d records, want 1 and none", s.calls,
			len(page.Records))
	}
	s.put("2", "y", 0)
	if page := scan(first.Cursor); len(page.Records) != 1 || page.Records[0].Fields["v"].Text() != "y" {
		t.Errorf("after an edit: %+v", page.Records)
	}
}
