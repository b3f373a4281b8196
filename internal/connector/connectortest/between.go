package connectortest

import (
	"slices"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// testChangesBetween edits in rounds, takes the mark of the scan after each, and
// lists what lies between two marks: exactly what was last modified in between,
// however often it was listed before.
func testChangesBetween(t *testing.T, s *suite) {
	if !s.app.Can(crm.AbilityRecordTimes) {
		t.Skip("the app tells no times")
	}
	if s.NoMarks {
		if page, err := s.conn.Changes(t.Context(), connector.ChangesRequest{Object: s.Object}); err != nil ||
			page.Mark != "" {
			t.Errorf("a listing by tokens leaves the mark %q, %v", page.Mark, err)
		}
		return
	}
	ids := s.must(t, 0, s.app.Limits.PageSize+5)
	marks := []string{s.mark(t)}
	rounds := [][]crm.RecordID{ids[:3], ids[2:5], nil, ids[:s.app.Limits.PageSize+2], ids[3:4]}
	for n, round := range rounds {
		for _, id := range round {
			if err := s.Fake.Update(s.Object, id, map[string]string{s.First: "Round " + string(rune('a'+n))}); err != nil {
				t.Fatal(err)
			}
		}
		marks = append(marks, s.mark(t))
	}
	for n := range rounds {
		var want []crm.RecordID
		for _, id := range rounds[n] {
			if !slices.ContainsFunc(rounds[n+1:], func(later []crm.RecordID) bool { return slices.Contains(later, id) }) {
				want = append(want, id)
			}
		}
		got := s.between(t, marks[n], marks[n+1])
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("round %d: %d records between its marks, want %d: %.200v, %.200v", n, len(got), len(want), got, want)
		}
	}
}

// between lists what was modified between two marks, each record once.
func (s *suite) between(t *testing.T, from, until string) []crm.RecordID {
	t.Helper()
	var out []crm.RecordID
	req := connector.ChangesRequest{Object: s.Object, Fields: s.fields(), Cursor: from, Until: until}
	for range 10 {
		page, err := s.open(t).Changes(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Records {
			out = append(out, page.Records[i].ID)
		}
		if page.Next == "" {
			slices.Sort(out)
			return slices.Compact(out)
		}
		req.Position = page.Next
	}
	t.Fatal("the scan does not end")
	return nil
}

// mark lets everything settle, scans, and returns the mark of that.
func (s *suite) mark(t *testing.T) string {
	t.Helper()
	s.settle()
	s.clock.Advance(10 * time.Minute)
	req := connector.ChangesRequest{Object: s.Object, Fields: s.fields()}
	for range 20 {
		page, err := s.open(t).Changes(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if page.Next == "" {
			if page.Mark == "" {
				t.Fatal("a finished scan gave no mark")
			}
			s.clock.Advance(time.Minute)
			return page.Mark
		}
		req.Position = page.Next
	}
	t.Fatal("the scan does not end")
	return ""
}
