package dynamostore

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/store"
)

// TestRightsAreThoseOfTheRequests builds every kind of write as it is sent,
// first and anew, alone and in a transaction: the rights named are those of the
// requests, no more and no fewer.
func TestRightsAreThoseOfTheRequests(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := &Store{names: map[store.Table]string{store.Log: "log"}}
	for _, op := range []store.Op{store.Put, store.Delete, store.Add, store.Check} {
		for _, condition := range []store.Condition{store.Always, store.IfAbsent, store.IfExists, store.IfVersion(3)} {
			for _, expires := range []time.Time{{}, now.Add(time.Hour)} {
				w := store.Write{Op: op, If: condition, Item: store.Item{
					Key: store.Key{Table: store.Log, Workspace: "w", Partition: "p", Sort: "s"}, Counters: map[string]int64{"n": 1},
					Expires: expires,
				}}
				sent := map[string]bool{}
				for _, anew := range []bool{false, true} {
					// What is at a version or exists is never started anew; an Add without an
					// expiry makes the item itself, and a Put, where nothing expires, too.
					if anew && (op == store.Delete || op == store.Check || condition != store.Always ||
						op == store.Add && expires.IsZero()) {
						continue
					}
					r := build(&w, now, anew, nil)
					part := s.transactItem(&w, &r)
					switch {
					case part.Put != nil:
						sent[RightPut] = true
					case part.Update != nil:
						sent[RightUpdate] = true
					case part.Delete != nil:
						sent[RightDelete] = true
					case part.ConditionCheck != nil:
						sent[RightCheck] = true
					}
					if alone := w.Op != store.Delete && r.item != nil; op != store.Check && alone != (part.Put != nil) {
						t.Errorf("%s: alone and in a transaction it is sent otherwise", fmt.Sprint(op, condition))
					}
				}
				got := map[string]bool{}
				for _, right := range Rights(&w, false) {
					got[right] = true
				}
				if fmt.Sprint(got) != fmt.Sprint(sent) {
					t.Errorf("op %v if %+v, expires %v: rights %v, sent %v", op, condition, !expires.IsZero(), got, sent)
				}
			}
		}
	}
	drop := store.Write{Op: store.Delete}
	if got := Rights(&drop, true); !slices.Equal(got, []string{RightBatchDelete}) {
		t.Errorf("in a batch a deletion takes %v", got)
	}
	if drop.If = store.IfVersion(1); !slices.Equal(Rights(&drop, true), []string{RightDelete}) {
		t.Errorf("in a batch a conditional deletion takes %v", Rights(&drop, true))
	}
}
