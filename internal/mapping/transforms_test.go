package mapping

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestTransformsAreWhole: every row has a codec, works on the type that it takes
// an unknown field for, and joins two fields of the types that it is best for.
func TestTransformsAreWhole(t *testing.T) {
	t.Parallel()
	seen, best := map[crm.TransformType]bool{}, map[crm.FieldType]bool{}
	for _, r := range transforms {
		if seen[r.word] || r.word == "" || r.means == "" {
			t.Errorf("%q stands twice or says nothing: %+v", r.word, r)
		}
		seen[r.word] = true
		if int(r.domain) >= len(codecs) || codecs[r.domain].parse == nil {
			t.Errorf("%s: its domain has no codec", r.word)
		}
		if r.fits != nil && !fitsType(r.word, r.natural) {
			t.Errorf("%s does not work on %s", r.word, r.natural)
		}
		for _, f := range r.same {
			if best[f] {
				t.Errorf("%s has two transforms that are best", f)
			}
			best[f] = true
			joined := Env{
				Left:  map[string]crm.Field{"l": {Name: "l", Type: f}},
				Right: map[string]crm.Field{"r": {Name: "r", Type: f}},
			}
			m := crm.Mapping{ID: "m", Left: []string{"l"}, Right: []string{"r"}, Transform: crm.Transform{Type: r.word}}
			if _, problems := Compile(m, joined); len(problems) > 0 {
				t.Errorf("%s does not join two fields of %s: %v", r.word, f, problems)
			}
		}
	}
	for n, c := range codecs {
		if c.parse == nil {
			t.Errorf("domain %d has no codec", n)
		}
	}
	if rowOf("") != nil || rowOf("magic") != nil {
		t.Error("a transform that does not exist is found")
	}
}
