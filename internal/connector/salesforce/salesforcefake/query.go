package salesforcefake

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

const (
	maxRows    = 2000 // per page: guide/resources-query-more-results
	minRows    = 200  // the least that Sforce-Query-Options can ask for: guide/headers-queryoptions
	maxCursors = 10   // open at once; the oldest goes
)

// cursor is the rest of a query: records as they were when it was asked.
type cursor struct {
	locator string
	query   query
	records []*fakekit.Record
}

// query: guide/resources-query, and queryAll beside it.
func (f *org) query(w http.ResponseWriter, r *http.Request) {
	q, bad := parseIn(f.objects, r.URL.Query().Get("q"))
	if bad != nil {
		f.fail(w, bad)
		return
	}
	all := strings.HasSuffix(strings.TrimSuffix(r.URL.Path, "/"), "/queryAll")
	if q.grouped {
		f.summarise(w, q, all)
		return
	}
	found := f.run(q, all)
	if q.count {
		f.write(w, http.StatusOK, map[string]any{"totalSize": len(found), "done": true, "records": []any{}})
		return
	}
	f.page(w, r, cursor{query: q, records: found}, 0)
}

// queryMore goes on at a nextRecordsUrl, "…/query/01g…-2000".
func (f *org) queryMore(w http.ResponseWriter, r *http.Request) {
	locator, at, _ := strings.Cut(r.PathValue("locator"), "-")
	start, err := strconv.Atoi(at)
	i := slices.IndexFunc(f.cursors, func(c cursor) bool { return c.locator == locator })
	if err != nil || i < 0 || start < 0 || start > len(f.cursors[i].records) {
		f.fail(w, refuse(http.StatusBadRequest, "INVALID_QUERY_LOCATOR", "invalid query locator"))
		return
	}
	f.page(w, r, f.cursors[i], start)
}

// page answers the records of a cursor from start on, and keeps the cursor when
// there are more.
func (f *org) page(w http.ResponseWriter, r *http.Request, c cursor, start int) {
	end := min(start+f.batchSize(r), len(c.records))
	rows := make([]map[string]any, 0, end-start)
	for _, rec := range c.records[start:end] {
		rows = append(rows, show(c.query.object, rec, c.query.columns))
	}
	out := map[string]any{"totalSize": len(c.records), "done": end == len(c.records), "records": rows}
	if end < len(c.records) {
		if c.locator == "" {
			f.lastID++
			c.locator = newID("01g", f.lastID)
			if f.cursors = append(f.cursors, c); len(f.cursors) > maxCursors {
				f.cursors = slices.Delete(f.cursors, 0, 1)
			}
		}
		out["nextRecordsUrl"] = fmt.Sprintf("/services/data/%s/query/%s-%d", r.PathValue("version"), c.locator, end)
	}
	f.write(w, http.StatusOK, out)
}

// batchSize is what the caller asked for, which Salesforce takes as a hint.
func (f *org) batchSize(r *http.Request) int {
	n := maxRows
	for part := range strings.SplitSeq(r.Header.Get("Sforce-Query-Options"), ",") {
		if v, ok := strings.CutPrefix(strings.TrimSpace(part), "batchSize="); ok {
			if asked, err := strconv.Atoi(v); err == nil {
				n = min(max(asked, minRows), maxRows)
			}
		}
	}
	return min(n, f.pageRows)
}
