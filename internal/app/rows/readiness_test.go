package rows

import (
	"encoding/csv"
	"slices"
	"strings"
	"testing"
)

// TestRow32_Readiness: before a start, everything that it needs is listed with
// where it stands in the document and what to do, and with what a dry run found.
func TestRow32_Readiness(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann")
		w.left.make("contacts", map[string]string{"lastname": "Nobody"})
		w.connect()
		type report struct {
			Ready bool
			Needs []struct {
				What, Sync, Pointer, Code, Detail, Remedy string
				Met, Required                             bool
			}
			Records []struct {
				Sync   string
				Totals map[string]int
				Codes  map[string]int
			}
		}
		look := func() report {
			w.Helper()
			var r report
			w.get(w.con+"/readiness", &r)
			return r
		}
		needs := func(r report, what string, met bool, pointer string) {
			w.Helper()
			for _, n := range r.Needs {
				if n.What == what && n.Met == met && n.Pointer == pointer {
					if n.Detail == "" || !met && n.Remedy == "" {
						w.Errorf("%s says too little: %+v", what, n)
					}
					return
				}
			}
			w.Errorf("no need %s, met %v, at %s: %+v", what, met, pointer, r.Needs)
		}
		r := look()
		equal(w, "ready", r.Ready, true)
		needs(r, "account", true, "/left/account")
		needs(r, "account", true, "/right/account")
		needs(r, "settings", true, "")
		needs(r, "match", true, "/syncs/0/match")
		needs(r, "plan", false, "/syncs/0")
		w.plan()
		r = look()
		needs(r, "plan", true, "/syncs/0")
		if len(r.Records) != 1 || r.Records[0].Totals["created"] != 1 || r.Records[0].Codes["no_identity_key"] != 1 {
			w.Errorf("what the dry run found is not there: %+v", r.Records)
		}
		w.change("/enabled", false, "direction", "off")
		r = look()
		equal(w, "ready while it is switched off", r.Ready, false)
		needs(r, "switch", false, "/enabled")
		needs(r, "direction", false, "/syncs/0/direction")
		equal(w, "writes", w.left.written()+w.right.written(), 0)
	})
}

// TestRow32_ReadinessAsCSV: the same as a table, with each record of which the dry
// run had something to say, and no cell that a spreadsheet would run.
func TestRow32_ReadinessAsCSV(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann")
		nobody := w.left.make("contacts", map[string]string{"lastname": "Nobody"})
		w.connect()
		w.plan()
		read := func(path string) (rows []map[string]string) {
			w.Helper()
			a := w.want(200, "GET", path, nil)
			equal(w, "media type", a.header.Get("Content-Type"), "text/csv; charset=utf-8")
			equal(w, "lines", strings.Count(string(a.body), "\r\n"), strings.Count(string(a.body), "\n"))
			all, err := csv.NewReader(strings.NewReader(string(a.body))).ReadAll()
			if err != nil {
				w.Fatalf("%s: %v: %s", a.call, err, a.body)
			}
			for _, cells := range all[1:] {
				one := map[string]string{}
				for i, cell := range cells {
					one[all[0][i]] = cell
				}
				rows = append(rows, one)
			}
			return rows
		}
		rows := read(w.con + "/readiness.csv")
		has := func(want ...string) {
			w.Helper()
			if !slices.ContainsFunc(rows, func(one map[string]string) bool {
				for i := 0; i < len(want); i += 2 {
					if one[want[i]] != want[i+1] {
						return false
					}
				}
				return true
			}) {
				w.Errorf("no row %v: %v", want, rows)
			}
		}
		has("kind", "need", "what", "match", "met", "true", "sync", "people", "pointer", "/syncs/0/match")
		has("kind", "count", "sync", "people", "what", "created", "count", "1")
		has("kind", "count", "sync", "people", "code", "no_identity_key", "count", "1")
		has("kind", "record", "sync", "people", "side", "left", "record", nobody, "code", "no_identity_key")
		w.refused(w.call("GET", w.con+"/readiness.csv?cursor=AAAA", nil), 400, "cursor_malformed")

		draft := w.document("id", "=1+1")
		rows = read(w.save(draft) + "/readiness.csv")
		has("kind", "need", "sync", "'=1+1", "what", "match")
	})
}
