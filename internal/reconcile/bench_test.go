package reconcile

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// BenchmarkReconcile decides on a linked pair of twelve mappings: with nothing changed,
// which is what most decisions find, and with one edit. Reading phone numbers costs
// several times all the rest together, so there is a line without.
func BenchmarkReconcile(b *testing.B) {
	s := compile(baseSync(twelve()...))
	p := Pair{Left: ann(), Right: annRight(), Linked: true, Now: noon}
	p = apply(p, s.Reconcile(p))
	edited := p
	edited.Left = &crm.Record{ID: "L1", Fields: p.Left.Fields.Clone()}
	edited.Left.Fields["title"] = crm.TextValue("CEO")
	plain := compile(baseSync(append(twelve()[:1], twelve()[2:]...)...))
	b.Run("without phone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if decision := plain.Reconcile(p); decision.Outcome == "" {
				b.Fatal("no outcome")
			}
		}
	})
	for name, pair := range map[string]Pair{"unchanged": p, "edited": edited, "create": {Left: p.Left, Now: noon}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if decision := s.Reconcile(pair); decision.Outcome == "" {
					b.Fatal("no outcome")
				}
			}
		})
	}
}
