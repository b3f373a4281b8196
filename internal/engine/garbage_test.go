package engine_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// TestWhatCannotBeReadIsSaid: items of every kind that lie in the store of a busy
// world are replaced, one kind at a time, by something that is none. Whoever reads
// one says so; nobody takes it for an item that says nothing. What is said by whom
// is written down, and what the work logs that meets it.
func TestWhatCannotBeReadIsSaid(t *testing.T) {
	t.Parallel()
	plain, _ := crowded(t)
	var out strings.Builder
	for _, kind := range plain.kinds() {
		b, a := crowded(t)
		n := b.spoil(kind)
		var said []string
		for _, name := range slices.Sorted(maps.Keys(reads)) {
			b.eng = b.process()
			if err := reads[name](t.Context(), b.eng, a); err != nil {
				said = append(said, fmt.Sprintf("%s %v %s", name, fault.KindOf(err), fault.CodeOf(err)))
			}
		}
		fmt.Fprintf(&out, "%s, %d of them: %s\n", kind, n, strings.Join(said, ", "))
		b.eng = b.process()
		clear(b.said)
		err := b.eng.Webhook(t.Context(), ws, testbed.LeftAccount, []connector.Event{
			{Kind: connector.EventChanged, Object: modelapp.Object, ID: a.left},
		})
		b.heard(&out, "Webhook", err)
		b.now = b.now.Add(5 * time.Minute)
		b.heard(&out, "Pull", b.eng.Pull(t.Context(), ws, con, testbed.Contacts))
		for range 4 {
			b.turn()
		}
		_, err = b.eng.Round(t.Context())
		b.heard(&out, "Round", err)
		for _, what := range sortedKeys(b.said) {
			fmt.Fprintf(&out, "  logged %d %s\n", b.said[what], what)
		}
	}
	written.Check(t, "garbage.txt", out.String())
}

func (b *crashBed) heard(out *strings.Builder, call string, err error) {
	if err != nil {
		fmt.Fprintf(out, "  %s: %v %s\n", call, fault.KindOf(err), fault.CodeOf(err))
	}
}

// crowded is a bit of everything, and what waits in the store for one reason or another.
func crowded(t *testing.T) (*crashBed, asked) {
	t.Helper()
	b, a := bitOfEverything(t)
	b.says(crm.Right, 0, denied("missing_permission"), "BatchWrite")
	b.edit(crm.Left, a.left, "last", "Loe")
	b.hook(crm.Left, "changed", a.left)
	b.edit(crm.Left, a.other, "email", "good@example.com", "city", modelapp.MarkBent)
	b.hook(crm.Left, "changed", a.other)
	for range 3 {
		b.turn()
	}
	b.says(crm.Left, 0, limited("quota_exhausted", time.Hour), "BatchRead")
	b.hook(crm.Left, "changed", a.left)
	b.turn()
	b.rule = nil
	b.ask(func(e *engine.Engine) error {
		_, err := e.Erase(t.Context(), ws, "ers_00000001", engine.ErasureRequest{Email: "nobody@example.com"})
		return err
	})
	return b, a
}

// kinds are those of which there is an item.
func (b *crashBed) kinds() []string {
	met := map[string]bool{}
	for _, table := range store.Tables {
		b.store.Each(table, func(it store.Item) bool {
			if kind, ok := store.KindOf(it.Key); ok && len(it.Data) > 0 {
				met[kind.Name] = true
			}
			return true
		})
	}
	return sortedKeys(met)
}

// spoil makes every item of a kind unreadable.
func (b *crashBed) spoil(kind string) (n int) {
	b.t.Helper()
	var found []store.Item
	for _, table := range store.Tables {
		b.store.Each(table, func(it store.Item) bool {
			if k, ok := store.KindOf(it.Key); ok && k.Name == kind && len(it.Data) > 0 {
				found = append(found, it)
			}
			return true
		})
	}
	for _, it := range found {
		it.Data = []byte(`{"v":"none`)
		if _, err := b.store.Write(b.t.Context(), store.Write{Item: it}); err != nil {
			b.t.Fatal(err)
		}
	}
	return len(found)
}
