package rows

import "testing"

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
