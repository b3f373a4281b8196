package rows

import "testing"

// TestRow139_SuggestionsSayWhy: each suggested mapping has a confidence and a
// reason, less certain pairs stand apart, and options without a counterpart are
// listed; whatever is suggested can be saved.
func TestRow139_SuggestionsSayWhy(t *testing.T) {
	row(t, func(w *world) {
		w.connect("direction", "to_right", "mappings.+",
			raw(`{"id":"stage","left":["lifecyclestage"],"right":["LeadSource"],"direction":"to_right"}`))
		var s struct {
			Items []struct {
				Mappings []raw
				Reasons  []struct {
					Mapping, Reason string
					Confidence      float64
				}
				Candidates []struct {
					Mapping    raw
					Reason     string
					Confidence float64
				}
				Options []struct {
					Mapping, Left, Right string
					Unmapped             struct{ Left, Right []string }
				}
			}
		}
		w.get(w.con+"/suggestions", &s)
		if len(s.Items) != 1 || len(s.Items[0].Reasons) == 0 {
			w.Fatalf("nothing is suggested: %+v", s)
		}
		one := s.Items[0]
		equal(w, "reasons", len(one.Reasons), len(one.Mappings))
		for _, r := range one.Reasons {
			if r.Mapping == "" || r.Reason == "" || r.Confidence < 0.8 || r.Confidence > 1 {
				w.Errorf("a mapping is suggested without saying why: %+v", r)
			}
		}
		for _, c := range one.Candidates {
			if c.Reason == "" || c.Confidence <= 0 || c.Confidence >= 0.8 {
				w.Errorf("what stands apart is sure, or says nothing: %+v", c)
			}
		}
		found := false
		for _, o := range one.Options {
			if o.Mapping == "stage" {
				found = len(o.Unmapped.Right) > 0
			}
		}
		if !found {
			w.Errorf("options without a counterpart are not listed: %+v", one.Options)
		}
		w.valid("mappings", one.Mappings)
	})
}
