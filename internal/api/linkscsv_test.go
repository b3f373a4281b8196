package api

import (
	"strconv"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// TestLinksComeInParts: pairs of any number, each once, the left one first whatever side
// it was listed from, and no cell is a formula; what is no pair any more is not in it.
func TestLinksComeInParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.connect("One")
	const pairs = 25_000
	for i := range pairs {
		v := engine.RecordView{
			Side: crm.Left, ID: crm.RecordID("l" + strconv.Itoa(i)), Partner: crm.RecordID("r" + strconv.Itoa(i)),
			State: crm.StateInSync, Since: w.now(),
		}
		if i%3 == 0 {
			v.Side, v.ID, v.Partner = crm.Right, v.Partner, v.ID
		}
		w.engine.records = append(w.engine.records, v)
	}
	w.engine.records = append(w.engine.records,
		engine.RecordView{Side: crm.Left, ID: "lone", State: crm.StateExcluded},
		engine.RecordView{Side: crm.Left, ID: "gone", Partner: "gone", State: crm.StateDeleted},
		engine.RecordView{Side: crm.Left, ID: "=1+1", Partner: "@x", State: crm.StateConflict, Code: "conflict"})
	seen, parts, last := map[string]bool{}, 0, []string(nil)
	for target := "/v1/connections/" + id + "/syncs/contacts/links.csv"; target != ""; parts++ {
		r := w.must(200, "GET", target, "")
		rows := parseCSV(t, string(r.body))[1:]
		if len(rows) > csvRows || len(r.body) > csvBytes {
			t.Fatalf("%d rows and %d bytes in one part", len(rows), len(r.body))
		}
		for _, row := range rows {
			if seen[row[0]] {
				t.Errorf("%v stands twice", row)
			}
			seen[row[0]], last = true, row
			if row[0][0] == 'l' && row[1] != "r"+row[0][1:] {
				t.Errorf("%v", row)
			}
		}
		target, _, _ = strings.Cut(strings.TrimPrefix(r.header.Get("Link"), "<"), ">")
	}
	if len(seen) != pairs+1 || parts < 3 || strings.Join(last[:4], " ") != "'=1+1 '@x conflict conflict" {
		t.Errorf("%d pairs in %d parts, the last %v", len(seen), parts, last)
	}
}
