package sqlitestore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/sqlitestore"
)

// TestEveryStatementMayFail lets whatever is read, put in, changed or taken out of
// a table fail, one at a time, under every call. Calls say so and change nothing;
// testdata says which call needs what.
func TestEveryStatementMayFail(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	var out strings.Builder
	for _, event := range []string{"INSERT", "UPDATE", "DELETE", "read"} {
		db, err := sqlitedb.Open(context.Background(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		clock := testclock.New()
		s, err := sqlitestore.Open(ctx, db, clock.Now)
		if err != nil {
			t.Fatal(err)
		}
		key := func(sort string) store.Key {
			return store.Key{Table: store.Links, Workspace: crm.WorkspaceID("w"), Partition: "p", Sort: sort}
		}
		put := func(sort string, c store.Condition, life time.Duration) store.Write {
			it := store.Item{Key: key(sort), Data: []byte(sort)}
			if life > 0 {
				it.Expires = clock.Now().Add(life)
			}
			return store.Write{Item: it, If: c}
		}
		for _, sort := range []string{"a", "b", "c"} {
			if _, err := s.Write(ctx, put(sort, store.IfAbsent, 0)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Write(ctx, put("old", store.IfAbsent, time.Second)); err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Minute)
		calls := func() string {
			var told strings.Builder
			tell := func(name string, n int, errs ...error) {
				fmt.Fprintf(&told, " %s %d", name, n)
				for _, err := range errs {
					if err != nil {
						fmt.Fprintf(&told, " %v", fault.KindOf(err))
					}
				}
				told.WriteByte(';')
			}
			it, err := s.Get(ctx, key("a"))
			tell("get", int(it.Version), err)
			items, err := s.BatchGet(ctx, []store.Key{key("a"), key("none"), key("old")})
			tell("batch get", len(items), err)
			page, err := s.Query(ctx, store.Query{Table: store.Links, Workspace: "w", Partition: "p", Limit: 10})
			tell("query", len(page.Items), err)
			v, err := s.Write(ctx, put("new", store.Always, 0))
			tell("put", int(v), err)
			v, err = s.Write(ctx, put("a", store.Always, 0))
			tell("replace", int(v), err)
			v, err = s.Write(ctx, put("old", store.IfAbsent, 0))
			tell("revive", int(v), err)
			v, err = s.Write(ctx, store.Write{Op: store.Delete, Item: store.Item{Key: key("b")}, If: store.Always})
			tell("delete", int(v), err)
			vs, errs := s.BatchWrite(ctx, []store.Write{
				put("x", store.IfAbsent, 0), put("a", store.IfAbsent, 0), put("c", store.Always, 0),
			})
			tell("batch write", len(vs), errs...)
			tell("transact", 0, s.Transact(ctx, []store.Write{
				put("y", store.IfAbsent, 0), put("c", store.Always, 0), {
					Op: store.Delete, Item: store.Item{Key: key("x")},
					If: store.Always,
				},
			}))
			n, err := s.Purge(ctx, 10)
			tell("purge", n, err)
			tell("scrub", 0, s.Scrub(ctx))
			return told.String()
		}
		exec := func(statement string) {
			t.Helper()
			if err := db.Update(context.Background(), func(tx *sqlitedb.Tx) error {
				_, err := tx.Exec(statement)
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		trouble, undo := "CREATE TRIGGER trouble BEFORE "+event+" ON links BEGIN SELECT RAISE(ABORT, 'not now'); END",
			"DROP TRIGGER trouble"
		if event == "read" {
			trouble, undo = "ALTER TABLE links RENAME TO elsewhere", "ALTER TABLE elsewhere RENAME TO links"
		}
		exec(trouble)
		fmt.Fprintf(&out, "%s:%s\n", event, calls())
		exec(undo)
		fmt.Fprintf(&out, "  then%s\n  %+v\n", calls(), s.Counts())
	}
	written.Check(t, "trouble.txt", out.String())
}
