package scan

import (
	"context"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// TestTroubleOfTheValuesShows: a page whose values could not be read is none.
func TestTroubleOfTheValuesShows(t *testing.T) {
	t.Parallel()
	records := []crm.Record{{ID: "1"}, {ID: "2", Deleted: true}, {ID: "3"}}
	for at := range 2 {
		calls := 0
		err := Fill(records, 1, func(ids []crm.RecordID) ([]connector.Read, error) {
			if calls++; calls == at+1 {
				return nil, fault.New("test: read", fault.Unavailable, "", "")
			}
			return []connector.Read{{ID: ids[0], Record: &crm.Record{ID: ids[0]}}}, nil
		})
		if !fault.Is(err, fault.Unavailable) || calls != at+1 {
			t.Errorf("trouble at call %d: %v after %d calls", at, err, calls)
		}
	}
	if err := Fill(nil, 0, func([]crm.RecordID) ([]connector.Read, error) { return nil, context.Canceled }); err != nil {
		t.Errorf("of nobody: %v", err)
	}
}

// TestPlacesOfNoScan: where a scan begins and ends is what a scan has said, or
// nothing.
func TestPlacesOfNoScan(t *testing.T) {
	t.Parallel()
	first, second := mark(time.UnixMilli(1)), mark(time.UnixMilli(2))
	for _, c := range []struct {
		from, until string
		good        bool
	}{
		{"", "", true},
		{"", first, true},
		{first, "", true},
		{first, second, true},
		{"x", "", false},
		{"", "x", false},
		{first, "x", false},
		{markPrefix + "x", "", false},
		{"x", first, false},
	} {
		var p position
		if err := p.between(c.from, c.until); (err == nil) != c.good ||
			err != nil && fault.CodeOf(err) != "cursor_malformed" {
			t.Errorf("from %q until %q: %v", c.from, c.until, err)
		}
	}
}
