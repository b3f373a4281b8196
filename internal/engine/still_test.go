package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/queue/memqueue"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

// stillBed is an engine over one connection that is off, so that nobody works
// what is put into the store.
type stillBed struct {
	*Engine
	t     *testing.T
	mem   *memstore.Store
	now   time.Time
	sc    scope
	conn  *crm.Connection
	marks map[string]int
}

func newStillBed(t *testing.T, key func(context.Context, crm.WorkspaceID) ([]byte, error)) *stillBed {
	t.Helper()
	b := &stillBed{
		t: t, now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), sc: scope{"ws", "con", "people"},
		marks: map[string]int{},
	}
	clock, ids := func() time.Time { return b.now }, 0
	b.mem = memstore.New(clock)
	var err error
	b.Engine, err = New(Config{
		Store: b.mem, Queue: memqueue.New(clock, memqueue.Options{}), Now: clock, ErasureKey: key,
		NewID: func(prefix string) string { ids++; return fmt.Sprintf("%s_%08d", prefix, ids) },
		Sleep: func(context.Context, time.Duration) {}, Mark: func(name string) { b.marks[name]++ },
		Open: func(context.Context, crm.WorkspaceID, crm.AccountID) (connector.Connector, error) {
			return nil, fault.New("test: open", fault.NotFound, "not_found", "nobody asks apps that want to be authorised")
		},
	})
	b.must(err)
	b.conn = &crm.Connection{
		ID: b.sc.con, Status: crm.StatusNeedsAuth, Left: crm.End{Account: "acc_left"}, Right: crm.End{Account: "acc_right"},
		Syncs: []crm.Sync{{ID: b.sc.sync, Left: crm.ObjectEnd{Object: "person"}, Right: crm.ObjectEnd{Object: "Person"}}},
	}
	_, err = store.SaveConnection(t.Context(), b.mem, b.sc.ws, b.conn, 0)
	b.must(err)
	return b
}

// session is a piece of work for the connection's sync, whose apps have the index lag given.
func (b *stillBed) session(lag time.Duration) *session {
	s := &session{Engine: b.Engine, scope: b.sc, conn: b.conn, conf: &b.conn.Syncs[0], started: b.now}
	for i, object := range []string{"person", "Person"} {
		s.ends[i] = end{app: crm.App{Limits: crm.Limits{IndexLag: lag}}, object: object}
	}
	return s
}

func aKey(context.Context, crm.WorkspaceID) ([]byte, error) {
	return []byte("a key of this world"), nil
}

func (b *stillBed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *stillBed) put(key store.Key, data []byte, err error) {
	b.t.Helper()
	b.must(err)
	_, err = b.mem.Write(b.t.Context(), store.Write{Item: store.Item{Key: key, Data: data}})
	b.must(err)
}

func (b *stillBed) putJSON(key store.Key, v any) {
	b.t.Helper()
	data, err := json.Marshal(v)
	b.put(key, data, err)
}

func (b *stillBed) putLink(l *link) {
	b.t.Helper()
	it, err := l.item(b.sc)
	b.put(it.Key, it.Data, err)
	if l.paired() {
		it, err = aliasItem(b.sc, crm.Right, l.Right, l.Left, false)
		b.put(it.Key, it.Data, err)
	}
	counts := map[string]int64{}
	for _, c := range l.counted() {
		counts[string(c)]++
	}
	b.must(b.mem.Transact(b.t.Context(), addWrite(nil, b.sc.counts(), counts, time.Time{})))
}

func (b *stillBed) merged(side crm.Side, loser, survivor crm.RecordID) {
	b.t.Helper()
	it, err := aliasItem(b.sc, side, loser, survivor, true)
	b.put(it.Key, it.Data, err)
}

// get reads an item; nil when there is none.
func (b *stillBed) get(key store.Key) []byte {
	b.t.Helper()
	it, err := b.mem.Get(b.t.Context(), key)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	b.must(err)
	return it.Data
}
