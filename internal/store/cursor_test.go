package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

func query(onIndex bool) store.Query {
	return store.Query{Table: store.Links, Workspace: "ws", Partition: "p", OnIndex: onIndex, Prefix: "a"}
}

func TestCursorRoundTrip(t *testing.T) {
	t.Parallel()
	for _, q := range []store.Query{query(false), query(true)} {
		want := store.Position{Sort: "a/ü"}
		if q.OnIndex {
			want.Partition, want.ItemSort = "other", "s\x00"
		}
		q.Cursor = store.EncodeCursor(&q, want)
		got, ok, err := store.DecodeCursor("test", &q)
		if err != nil || !ok {
			t.Fatalf("decode: %v, %v", ok, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
}

func TestCursorCannotLeaveTheRange(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		q  store.Query
		at string
	}{
		"prefix": {store.Query{Prefix: "a/"}, "b"},
		"from":   {store.Query{From: "b"}, "a"},
		"to":     {store.Query{To: "b"}, "b"},
	} {
		c.q.Table, c.q.Partition = store.Log, "p"
		c.q.Cursor = store.EncodeCursor(&c.q, store.Position{Sort: c.at})
		if _, _, err := store.DecodeCursor("test", &c.q); !fault.Is(err, fault.Invalid) ||
			fault.CodeOf(err) != "cursor_malformed" {
			t.Errorf("%s: %v, want cursor_malformed", name, err)
		}
	}
}

// FuzzStoreCursor: whatever stands in a cursor is refused as Invalid, or means
// a position that makes the same position again; it never panics.
func FuzzStoreCursor(f *testing.F) {
	for _, onIndex := range []bool{false, true} {
		q := query(onIndex)
		f.Add(store.EncodeCursor(&q, store.Position{Sort: "a1", Partition: "p", ItemSort: "s"}), onIndex)
	}
	f.Add("", false)
	f.Add("AQ", true)
	f.Add("////", false)
	f.Fuzz(func(t *testing.T, cursor string, onIndex bool) {
		q := query(onIndex)
		q.Cursor = cursor
		p, ok, err := store.DecodeCursor("fuzz", &q)
		if err != nil {
			if !fault.Is(err, fault.Invalid) || ok {
				t.Fatalf("error = %v, %v; want invalid", err, ok)
			}
			return
		}
		if ok != (cursor != "") {
			t.Fatalf("ok = %v for cursor %q", ok, cursor)
		}
		if !ok {
			return
		}
		again := query(onIndex)
		again.Cursor = store.EncodeCursor(&again, p)
		if q, _, err := store.DecodeCursor("fuzz", &again); err != nil || q != p {
			t.Fatalf("position %+v came back as %+v, %v", p, q, err)
		}
	})
}

func TestMeterSince(t *testing.T) {
	t.Parallel()
	var m store.Meter
	none := m.Counts()
	m.Wrote(&store.Write{Op: store.Add, Item: store.Item{Key: store.Key{Table: store.Log}}}, nil)
	m.Read(store.Log, 3)
	m.Queried(store.Settings, 2)
	d := m.Counts().Since(none)
	if d.Written() != 1 || d.Written(store.Links) != 0 || d.Read(store.Log) != 3 || d.Read() != 5 ||
		d.Queries[store.Settings] != 1 {
		t.Errorf("counts = %+v", d)
	}
	if d := m.Counts().Since(store.Counts{}); d.Written() != 1 {
		t.Errorf("since nothing: %+v", d)
	}
}

func TestMalformedWritesAreNotCounted(t *testing.T) {
	t.Parallel()
	var m store.Meter
	m.Wrote(&store.Write{Op: 9}, nil)
	m.Read("other", 1)
	if c := m.Counts(); c.Written() != 0 || c.Read() != 0 {
		t.Errorf("counts = %+v", c)
	}
}
