package access

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/store"
)

var keeper = Principal{Workspace: home, Key: "key_1", Name: "n", Role: Admin}

// threeDays writes a trail of three days with a day between without any.
func threeDays(t *testing.T) (*parts, *Audit, [][]string) {
	t.Helper()
	p := newParts()
	audit := NewAudit(p.store, p.Now, p.newID)
	var ids [][]string
	for day, n := range []int{3, 1, 4} {
		p.Advance(time.Duration(24+24*(day%2)) * time.Hour)
		ids = append(ids, nil)
		for range n {
			id, err := audit.Record(t.Context(), keeper, AuditEntry{Action: "change", Target: "x"})
			if err != nil {
				t.Fatal(err)
			}
			ids[day] = append(ids[day], id)
		}
	}
	return p, audit, ids
}

// checked says what a look at the whole chain finds, oldest day first.
func checked(t *testing.T, audit *Audit) string {
	t.Helper()
	var out []string
	for cursor := ""; ; {
		days, next, err := audit.Days(t.Context(), home, 2, cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range days {
			if d.Intact != (len(d.Problems) == 0) {
				t.Errorf("intact %t with %q", d.Intact, d.Problems)
			}
			out = append([]string{fmt.Sprintf("%d: %s", d.Entries, strings.Join(d.Problems, "; "))}, out...)
		}
		if cursor = next; cursor == "" {
			return strings.Join(out, " | ")
		}
	}
}

// TestAuditChain: whatever is changed, removed or added behind the trail's back, a look
// at its chain finds, and says where.
func TestAuditChain(t *testing.T) {
	t.Parallel()
	entry := func(id string) store.Key {
		return store.Key{Table: store.Settings, Workspace: home, Partition: auditPartition, Sort: id}
	}
	write := func(t *testing.T, p *parts, w store.Write) {
		t.Helper()
		if _, err := p.store.Write(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	drop := func(t *testing.T, p *parts, k store.Key) {
		t.Helper()
		write(t, p, store.Write{Op: store.Delete, Item: store.Item{Key: k}})
	}
	get := func(t *testing.T, p *parts, k store.Key) store.Item {
		t.Helper()
		it, err := p.store.Get(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		return it
	}
	rewrite := func(t *testing.T, p *parts, id string, change func(e *AuditEntry)) {
		t.Helper()
		var e AuditEntry
		if _, err := unpack(get(t, p, entry(id)).Data, &e); err != nil {
			t.Fatal(err)
		}
		change(&e)
		data, _, err := pack(&e)
		if err != nil {
			t.Fatal(err)
		}
		write(t, p, store.Write{Item: store.Item{Key: entry(id), Data: data}})
	}
	for name, c := range map[string]struct {
		harm func(t *testing.T, p *parts, ids [][]string)
		want string
	}{
		"nothing": {func(*testing.T, *parts, [][]string) {}, "3:  | 1:  | 4: "},
		"one is altered": {
			func(t *testing.T, p *parts, ids [][]string) {
				rewrite(t, p, ids[0][1], func(e *AuditEntry) { e.Actor.Name = "somebody else" })
			}, "3: entry C follows another one than entry B, as it is now | 1:  | 4: ",
		},
		"the last of a day is altered": {
			func(t *testing.T, p *parts, ids [][]string) {
				rewrite(t, p, ids[0][2], func(e *AuditEntry) { e.Target = "y" })
			}, "3: entry C, the last of the day, is not as it was written | 1:  | 4: ",
		},
		"one is gone": {
			func(t *testing.T, p *parts, ids [][]string) { drop(t, p, entry(ids[2][1])) },
			"3:  | 1:  | 4: 1 entries are missing before G",
		},
		"the last is gone": {
			func(t *testing.T, p *parts, ids [][]string) { drop(t, p, entry(ids[2][3])) },
			"3:  | 1:  | 4: 1 entries are missing at the end",
		},
		"the end of the chain is gone": {
			func(t *testing.T, p *parts, _ [][]string) { drop(t, p, headKey(home, 8)) },
			"3:  | 1:  | 3: entry H is behind the end of the chain",
		},
		"a whole day is gone, its end too": {
			func(t *testing.T, p *parts, ids [][]string) {
				drop(t, p, entry(ids[1][0]))
				drop(t, p, headKey(home, 4))
			}, "4: the end of the chain after entry 4 is gone, so that nothing up to it can be checked | " +
				"4: entry E follows another one than the last entry of the day before, as it is now",
		},
		"one was put in": {
			func(t *testing.T, p *parts, ids [][]string) {
				data, _, err := pack(&AuditEntry{ID: ids[0][1] + "a", Action: "made up"})
				if err != nil {
					t.Fatal(err)
				}
				write(t, p, store.Write{Item: store.Item{Key: entry(ids[0][1] + "a"), Data: data}})
			}, "3: entry Ba is in no chain | 1:  | 4: ",
		},
		"one was put in with a number": {
			func(t *testing.T, p *parts, ids [][]string) {
				it := get(t, p, entry(ids[0][1]))
				var e AuditEntry
				if _, err := unpack(it.Data, &e); err != nil {
					t.Fatal(err)
				}
				e.ID, e.Action = ids[0][1]+"a", "made up"
				data, _, err := pack(&e)
				if err != nil {
					t.Fatal(err)
				}
				write(t, p, store.Write{Item: store.Item{Key: entry(e.ID), Data: data}})
			}, "3: entry Ba has the number 2, as entry B has | 1:  | 4: ",
		},
		"one is no entry any more": {
			func(t *testing.T, p *parts, ids [][]string) {
				write(t, p, store.Write{Item: store.Item{Key: entry(ids[0][0]), Data: []byte("garbage")}})
			}, "3: entry A cannot be read as what was written; 1 entries are missing before B | 1:  | 4: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, audit, ids := threeDays(t)
			c.harm(t, p, ids)
			got, letter := checked(t, audit), 'A'
			for _, day := range ids {
				for _, id := range day {
					got = strings.ReplaceAll(got, id, string(letter))
					letter++
				}
			}
			if got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// TestAuditChainOfMany: who appends at the same time is in one chain, and nobody's entry
// is lost.
func TestAuditChainOfMany(t *testing.T) {
	t.Parallel()
	p := newParts()
	var mu sync.Mutex
	audit := NewAudit(p.store, p.Now, func(prefix string) string {
		mu.Lock()
		defer mu.Unlock()
		return p.newID(prefix)
	})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				if _, err := audit.Record(t.Context(), keeper, AuditEntry{Action: "change"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := checked(t, audit); got != "40: " {
		t.Error(got)
	}
}
