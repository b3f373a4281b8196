package reconcile

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// BenchmarkPlan plans a linked pair of twelve mappings: with nothing changed,
// which is what most plans find, and with one edit. Reading phone numbers costs
// several times all the rest together, so there is a line without.
func BenchmarkPlan(b *testing.B) {
	s := compile(baseSync(twelve()...))
	p := Pair{Left: ann(), Right: annRight(), Linked: true, Now: noon}
	p = apply(p, s.Plan(p))
	edited := p
	edited.Left = &crm.Record{ID: "L1", Fields: p.Left.Fields.Clone()}
	edited.Left.Fields["title"] = crm.TextValue("CEO")
	plain := compile(baseSync(append(twelve()[:1], twelve()[2:]...)...))
	b.Run("without phone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if plan := plain.Plan(p); plan.Outcome == "" {
				b.Fatal("no outcome")
			}
		}
	})
	for name, pair := range map[string]Pair{"unchanged": p, "edited": edited, "create": {Left: p.Left, Now: noon}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if plan := s.Plan(pair); plan.Outcome == "" {
					b.Fatal("no outcome")
				}
			}
		})
	}
}
