package connectortest

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// write makes the writes, in as many calls as the app's limit wants, and checks what
// holds for every call.
func (s *suite) write(t *testing.T, writes ...connector.Write) []connector.Written {
	t.Helper()
	var out []connector.Written
	for part := range slices.Chunk(writes, s.app.Limits.WriteBatch) {
		out = append(out, s.writeWhole(t, part)...)
	}
	return out
}

// writeWhole sends the rows again that an app refused because of others.
func (s *suite) writeWhole(t *testing.T, writes []connector.Write) []connector.Written {
	t.Helper()
	out := s.writeOnce(t, writes)
	var again []connector.Write
	var at []int
	for i, w := range out {
		if s.WholeBatches && fault.CodeOf(w.Err) == connector.CodeBatch && fault.Is(w.Err, fault.Unavailable) {
			again, at = append(again, writes[i]), append(at, i)
		}
	}
	if len(again) > 0 && len(again) < len(writes) {
		for n, w := range s.writeOnce(t, again) {
			out[at[n]] = w
		}
	}
	return out
}

func (s *suite) writeOnce(t *testing.T, writes []connector.Write) []connector.Written {
	t.Helper()
	before := s.Fake.Calls()
	out, err := s.conn.BatchWrite(t.Context(), s.Object, writes)
	if err != nil {
		t.Fatalf("BatchWrite: %v", err)
	}
	if len(out) != len(writes) {
		t.Fatalf("BatchWrite answered %d entries for %d writes", len(out), len(writes))
	}
	if n := s.Fake.Calls() - before; n > max(1, s.WriteCalls) {
		t.Errorf("one BatchWrite made %d calls", n)
	}
	for i, w := range out {
		if w.Err == nil && w.ID == "" {
			t.Errorf("entry %d names no record", i)
		}
		if w.Err != nil && w.Exchange != nil && (len(w.Exchange.Request) > 64<<10 || len(w.Exchange.Response) > 64<<10 ||
			w.Exchange.Status == 0) {
			t.Errorf("entry %d: the exchange is too large or has no status", i)
		}
		if x := w.Exchange; w.Err == nil && (x == nil || x.Method == "" || x.Status < 200 || x.Status > 299 ||
			x.Request != "" || x.Response != "" || !strings.Contains(x.URL, "://") || strings.ContainsAny(x.URL, "?#@ ")) {
			t.Errorf("entry %d: of a write that was made the call is to be told, without bodies and query: %+v", i, x)
		}
		if w.Err == nil && s.app.Can(crm.AbilityAnswerValues) && w.Record == nil && writes[i].Op != connector.Archive {
			t.Errorf("entry %d: answer_values is claimed and no record came back", i)
		}
	}
	return out
}

func (s *suite) create(i int) connector.Write {
	return connector.Write{Op: connector.Create, Fields: values(s.person(i)), Ref: "ref-" + pad(i)}
}

func testCreate(t *testing.T, s *suite) {
	bad := s.create(1)
	bad.Fields[s.BadField] = s.Bad
	out := s.write(t, s.create(0), bad, s.create(2))
	live := s.Fake.Live(s.Object)
	for _, i := range []int{0, 2} {
		if out[i].Err != nil || !out[i].Created {
			t.Fatalf("entry %d: created %v, error %v", i, out[i].Created, out[i].Err)
		}
		if diff := cmp.Diff(s.person(i), only(live[out[i].ID], s.fields())); diff != "" {
			t.Errorf("entry %d is not the record of its write (-want +got):\n%s", i, diff)
		}
	}
	if !fault.Is(out[1].Err, fault.Invalid) || out[1].Created {
		t.Errorf("the bad row: created %v, error %v, want invalid", out[1].Created, out[1].Err)
	}
	if out[1].Exchange == nil {
		t.Error("the bad row has no exchange for the log")
	}
	if len(live) != 2 {
		t.Errorf("%d records exist, want 2", len(live))
	}
	calls := s.Fake.Calls()
	if none, err := s.conn.BatchWrite(t.Context(), s.Object, nil); err != nil || len(none) != 0 ||
		s.Fake.Calls() != calls {
		t.Errorf("writing nothing: %v, %v", none, err)
	}
}

func testUpdate(t *testing.T, s *suite) {
	ids := s.must(t, 0, 3)
	out := s.write(t,
		connector.Write{
			Op: connector.Update, ID: ids[0], Fields: crm.Fields{
				s.First: crm.TextValue("Neu'n \\ ü 🙂"), s.Phone: crm.NullValue(),
			}, Ref: "a",
		},
		connector.Write{
			Op: connector.Update, ID: missingLike(ids[0]), Fields: crm.Fields{s.First: crm.TextValue("X")},
			Ref: "b",
		},
		connector.Write{Op: connector.Update, ID: ids[1], Fields: crm.Fields{s.BadField: s.Bad}, Ref: "c"},
		connector.Write{Op: connector.Update, ID: ids[2], Fields: crm.Fields{s.Last: crm.TextValue("Changed")}, Ref: "d"},
	)
	want := []map[string]string{s.person(0), s.person(1), s.person(2)}
	want[0][s.First] = "Neu'n \\ ü 🙂"
	delete(want[0], s.Phone)
	want[2][s.Last] = "Changed"
	live := s.Fake.Live(s.Object)
	for i, id := range ids {
		if diff := cmp.Diff(want[i], only(live[id], s.fields())); diff != "" {
			t.Errorf("record %d (-want +got):\n%s", i, diff)
		}
	}
	for i, kind := range []fault.Kind{fault.Other, fault.NotFound, fault.Invalid, fault.Other} {
		if (out[i].Err == nil) != (kind == fault.Other) || fault.KindOf(out[i].Err) != kind {
			t.Errorf("entry %d: %v, want %s", i, out[i].Err, kind)
		}
		if out[i].Created {
			t.Errorf("entry %d says that an update created a record", i)
		}
	}
	if out[0].ID != ids[0] || out[3].ID != ids[2] {
		t.Errorf("entries name %q and %q, want %q and %q", out[0].ID, out[3].ID, ids[0], ids[2])
	}
}

func testArchive(t *testing.T, s *suite) {
	ids := s.must(t, 0, 3)
	writes := []connector.Write{
		{Op: connector.Archive, ID: ids[2], Ref: "a"},
		{Op: connector.Archive, ID: ids[0], Ref: "b"},
	}
	if !s.app.Can(crm.AbilityArchive) {
		out, err := s.conn.BatchWrite(t.Context(), s.Object, writes[:min(len(writes), s.app.Limits.WriteBatch)])
		if err == nil && len(out) > 0 {
			err = out[0].Err
		}
		if !fault.Is(err, fault.Unsupported) {
			t.Errorf("archive is not claimed: %v, want unsupported", err)
		}
		return
	}
	for i, w := range s.write(t, writes...) {
		if w.Err != nil || w.ID != writes[i].ID {
			t.Errorf("entry %d: %q, %v", i, w.ID, w.Err)
		}
	}
	live := s.Fake.Live(s.Object)
	if _, kept := live[ids[1]]; len(live) != 1 || !kept {
		t.Errorf("%d records live, want only the one not archived", len(live))
	}
}

func testUpsert(t *testing.T, s *suite) {
	upsert := func(key string, i int) connector.Write {
		return connector.Write{
			Op: connector.Upsert, Key: connector.Key{Field: s.External, Value: key}, Fields: values(s.person(i)), Ref: key,
		}
	}
	if !s.app.Can(crm.AbilityUpsert) {
		w := upsert("k", 0)
		w.Key.Field = s.Email
		out, err := s.conn.BatchWrite(t.Context(), s.Object, []connector.Write{w})
		if err == nil && len(out) > 0 {
			err = out[0].Err
		}
		if !fault.Is(err, fault.Unsupported) {
			t.Errorf("upsert is not claimed: %v, want unsupported", err)
		}
		return
	}
	first := s.write(t, upsert("key-1", 1), upsert("key-2", 2))
	for i, w := range first {
		if w.Err != nil || !w.Created {
			t.Fatalf("entry %d: created %v, %v", i, w.Created, w.Err)
		}
	}
	again := upsert("key-2", 2)
	again.Fields[s.First] = crm.TextValue("Second")
	third := upsert("key-3", 3)
	bad := upsert("key-4", 4)
	bad.Fields[s.BadField] = s.Bad
	out := s.write(t, again, bad, third)
	if out[0].Err != nil || out[0].Created || out[0].ID != first[1].ID {
		t.Errorf("the known key: %+v, want an update of %q", out[0], first[1].ID)
	}
	if !fault.Is(out[1].Err, fault.Invalid) {
		t.Errorf("the bad row: %v, want invalid", out[1].Err)
	}
	if out[2].Err != nil || !out[2].Created {
		t.Errorf("the new key: created %v, %v", out[2].Created, out[2].Err)
	}
	live := s.Fake.Live(s.Object)
	if len(live) != 3 {
		t.Errorf("%d records exist, want 3", len(live))
	}
	if got := live[out[0].ID]; got[s.First] != "Second" || got[s.External] != "key-2" {
		t.Errorf("the record holds %q under key %q", got[s.First], got[s.External])
	}
}

func testFullBatch(t *testing.T, s *suite) {
	n := s.app.Limits.WriteBatch
	writes := make([]connector.Write, n)
	for i := range writes {
		writes[i] = s.create(i)
	}
	ids := make([]crm.RecordID, n)
	for i, w := range s.write(t, writes...) {
		if w.Err != nil {
			t.Fatalf("row %d: %v", i, w.Err)
		}
		ids[i] = w.ID
	}
	live := s.Fake.Live(s.Object)
	for i, id := range ids {
		if live[id][s.Email] != email(i) {
			t.Fatalf("entry %d does not name the record of its write", i)
		}
	}
	if len(live) != n {
		t.Errorf("%d records exist, want %d", len(live), n)
	}
}
