package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// decisions counts the decisions whose values are stored.
func (b *crashBed) decisions() (n int) {
	b.store.Each(store.Links, func(it store.Item) bool {
		if k, ok := store.KindOf(it.Key); ok && k.Name == "decided" {
			n++
		}
		return true
	})
	return n
}

// TestX11_DecidedValuesDoNotTravel: the value that a person decides on is stored
// where an erasure reaches it, and its message names the place alone. It goes once
// it was carried out; the message that comes again, or after its person was
// erased, brings nothing.
func TestX11_DecidedValuesDoNotTravel(t *testing.T) {
	t.Parallel()
	const typed = "Gibbet Lane"
	for name, erased := range map[string]bool{"carried out": false, "erased": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newCrashBed(t, -1, dieBefore, nil, nil)
			b.begin(true)
			b.rest()
			l, r := b.byEmail(crm.Left, ann), b.byEmail(crm.Right, ann)
			value := crm.TextValue(typed)
			b.ask(func(e *engine.Engine) error {
				_, err := e.ResolveRecord(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Left, l,
					map[crm.MappingID]engine.Resolution{"city": {Value: &value}})
				return err
			})
			sent, err := b.queue.Receive(t.Context(), 10, 0)
			if err != nil || len(sent) == 0 {
				t.Fatalf("%d messages, %v", len(sent), err)
			}
			for _, m := range sent {
				if strings.Contains(string(m.Body), typed) {
					t.Errorf("the message holds the value: %s", m.Body)
				}
			}
			if n := b.decisions(); n != 1 {
				t.Fatalf("the values of %d decisions are stored, want 1", n)
			}
			b.now = b.now.Add(time.Minute)
			if erased {
				b.erase(engine.ErasureRequest{Email: ann})
				for range 40 { // nobody works the queue meanwhile
					b.run(func(e *engine.Engine) { _, _ = e.Round(t.Context()) })
					b.now = b.now.Add(5 * time.Second)
				}
				b.gone = []string{typed}
				if left := b.traces(); len(left) > 0 {
					t.Errorf("after the erasure: %v", left)
				}
			}
			b.rest()
			want := typed
			if erased {
				want = ""
			}
			for side, id := range map[crm.Side]crm.RecordID{crm.Left: l, crm.Right: r} {
				if got := b.cityOf(side, ann); erased && got == typed || !erased && got != want {
					t.Errorf("the city of %s is %q", id, got)
				}
			}
			if n := b.decisions(); n != 0 {
				t.Errorf("the values of %d decisions stay", n)
			}
			if bad := b.unbalanced(); len(bad) > 0 {
				t.Error(bad)
			}
		})
	}
}
