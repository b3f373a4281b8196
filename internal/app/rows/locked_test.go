package rows

import "testing"

// TestRow120_Row209_LockedSettings: what an app fixes is shown with its value and
// the reason, warned of, and cannot be changed in any way to write.
func TestRow120_Row209_LockedSettings(t *testing.T) {
	row(t, func(w *world) {
		w.right = w.app("mautic")
		mappings := raw(`[{"id":"email","left":["email"],"right":["email"],"transform":{"type":"email"}},{"id":"last","left":["lastname"],"right":["lastname"]}]`)
		w.connect("match", raw(`[{"by":"any_key","pairs":[["email","email"]]}]`), "mappings", mappings)
		var s struct {
			Items []struct {
				Locked []struct {
					Path, Reason string
					Locked       bool
					Value        any
				}
			}
		}
		w.get(w.con+"/suggestions", &s)
		if len(s.Items) != 1 || len(s.Items[0].Locked) != 1 {
			w.Fatalf("nothing is locked: %+v", s)
		}
		one := s.Items[0].Locked[0]
		if one.Path != "/avoid_duplicates" || !one.Locked || one.Value != true || one.Reason == "" {
			w.Errorf("what is locked is not said whole: %+v", one)
		}
		w.valid().says(`"locked_settings"`)
		w.want(200, "GET", w.con+"/status", nil).says(`"locked_settings"`, `"/syncs/0/avoid_duplicates"`)
		w.want(200, "PATCH", w.sync, raw(`{"avoid_duplicates":false}`), "If-Match", "*") // a draft holds it
		w.refused(w.call("POST", w.con+"/start", nil), 409, "setting_locked", "/syncs/0/avoid_duplicates")
		w.want(200, "PATCH", w.sync, raw(`{"avoid_duplicates":true}`), "If-Match", "*")
		w.start()
		w.want(200, "GET", w.con+"/status", nil).says(`"locked_settings"`)
		w.refused(w.tryChange("avoid_duplicates", false), 422, "setting_locked", "/syncs/0/avoid_duplicates")
		w.refused(w.call("PATCH", w.sync, raw(`{"avoid_duplicates":false}`), "If-Match", "*"), 422, "setting_locked",
			"/syncs/0/avoid_duplicates")
		doc := w.document("match", raw(`[{"by":"any_key","pairs":[["email","email"]]}]`), "mappings", mappings, "avoid_duplicates", false)
		w.refused(w.call("PUT", w.con, doc, "If-Match", "*"), 422, "setting_locked", "/syncs/0/avoid_duplicates")
		w.refused(w.call("PUT", w.sync, doc["syncs"].([]any)[0], "If-Match", "*"), 422, "setting_locked",
			"/syncs/0/avoid_duplicates")
		w.invalid("setting_locked", "/syncs/0/avoid_duplicates", "avoid_duplicates", false)
		w.want(200, "GET", w.sync, nil).says(`"avoid_duplicates":true`)
		w.change("avoid_duplicates", true, "schedule", "10m") // said as it is, it is no change
	})
}

// TestRow120_OtherPairs: what one pair of apps fixes is free between others.
func TestRow120_OtherPairs(t *testing.T) {
	row(t, func(w *world) {
		w.connect()
		var s struct{ Items []struct{ Locked []any } }
		w.get(w.con+"/suggestions", &s)
		for _, one := range s.Items {
			equal(w, "what is locked", len(one.Locked), 0)
		}
		w.start()
		w.change("avoid_duplicates", false)
		w.want(200, "GET", w.sync, nil).says(`"avoid_duplicates":false`)
	})
}
