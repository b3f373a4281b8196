package connectortest

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

func testRead(t *testing.T, s *suite) {
	ids := s.must(t, 0, 4)
	if err := s.Fake.Delete(s.Object, ids[1]); err != nil {
		t.Fatal(err)
	}
	gone, unknown, odd := ids[1], missingLike(ids[0]), crm.RecordID("no' such\\id")
	asked := []crm.RecordID{ids[3], gone, unknown, ids[0], odd, ids[2]}
	reads, err := s.read(t.Context(), asked, s.fields())
	if err != nil {
		t.Fatalf("BatchRead: %v", err)
	}
	if len(reads) != len(asked) {
		t.Fatalf("BatchRead answered %d entries for %d IDs", len(reads), len(asked))
	}
	live := s.Fake.Live(s.Object)
	for i, r := range reads {
		if r.ID != asked[i] {
			t.Errorf("entry %d is about %q, want %q", i, r.ID, asked[i])
		}
		want, ok := live[asked[i]]
		if !ok {
			if !fault.Is(r.Err, fault.NotFound) || r.Record != nil {
				t.Errorf("entry %d: record %v, error %v, want not_found", i, r.Record, r.Err)
			}
			continue
		}
		if r.Err != nil || r.Record == nil {
			t.Errorf("entry %d: %v", i, r.Err)
			continue
		}
		if r.Record.ID != asked[i] || r.Record.Deleted {
			t.Errorf("entry %d is record %q, deleted %v", i, r.Record.ID, r.Record.Deleted)
		}
		if s.app.Can(crm.AbilityRecordTimes) && r.Record.ModifiedAt.IsZero() {
			t.Errorf("entry %d has no time of modification", i)
		}
		if diff := cmp.Diff(only(want, s.fields()), texts(r.Record.Fields, s.fields())); diff != "" {
			t.Errorf("entry %d (-want +got):\n%s", i, diff)
		}
	}
	calls := s.Fake.Calls()
	if none, err := s.conn.BatchRead(t.Context(), s.Object, nil, s.fields()); err != nil || len(none) != 0 ||
		s.Fake.Calls() != calls {
		t.Errorf("reading nothing: %v, %v, %d calls", none, err, s.Fake.Calls()-calls)
	}
	if _, err := s.conn.BatchRead(t.Context(), "no_such_object", ids[:1],
		s.fields()); fault.KindOf(err) != fault.NotFound && fault.KindOf(err) != fault.Invalid {
		t.Errorf("an unknown object: %v, want not_found or invalid", err)
	}
}

// testReadBroken breaks single rows: each has an error of its own that says
// neither that the record is gone nor that it can never be read, and the others
// are answered.
func testReadBroken(t *testing.T, s *suite) {
	ids := s.must(t, 0, 5)
	for _, broken := range [][]crm.RecordID{{ids[1]}, {ids[0], ids[4]}, ids} {
		s.Fake.Break(broken...)
		reads, err := s.read(t.Context(), ids, s.fields())
		if err != nil || len(reads) != len(ids) {
			t.Fatalf("with %d of %d rows broken: %d entries, %v", len(broken), len(ids), len(reads), err)
		}
		for i, r := range reads {
			bad := slices.Contains(broken, ids[i])
			if bad && (r.Record != nil || !fault.Is(r.Err, fault.Unavailable)) {
				t.Errorf("broken row %d: record %v, error %v, want unavailable", i, r.Record, r.Err)
			}
			if !bad && (r.Err != nil || r.Record == nil || r.Record.ID != ids[i]) {
				t.Errorf("whole row %d: record %v, error %v", i, r.Record, r.Err)
			}
		}
	}
	s.Fake.Break()
	if reads, err := s.read(t.Context(), ids, s.fields()); err != nil ||
		slices.ContainsFunc(reads, func(r connector.Read) bool { return r.Err != nil }) {
		t.Errorf("with all rows whole again: %v, %v", reads, err)
	}
}

// missingLike returns an ID that looks like id and that no record has.
func missingLike(id crm.RecordID) crm.RecordID {
	b := []byte(id)
	for i, c := range b {
		if c >= '0' && c <= '9' {
			b[i] = '9'
		}
	}
	return crm.RecordID(b)
}

func testFind(t *testing.T, s *suite) {
	ids := s.must(t, 0, 5)
	twin := s.person(2)
	twin[s.First] = "Twin"
	if id, err := s.Fake.Create(s.Object, twin); err == nil { // where the app lets two people share an address
		ids = append(ids, id)
	}
	if err := s.Fake.Delete(s.Object, ids[4]); err != nil {
		t.Fatal(err)
	}
	s.settle()
	asked := []string{email(3), "nobody@example.com", email(2), "", email(0), email(4)}
	var found [][]crm.Record
	for part := range slices.Chunk(asked, s.app.Limits.FindBatch) {
		some, err := s.conn.BatchFind(t.Context(), s.Object, s.field(t, s.Email), part, s.fields())
		if err != nil {
			t.Fatalf("BatchFind: %v", err)
		}
		if len(some) != len(part) {
			t.Fatalf("BatchFind answered %d entries for %d values", len(some), len(part))
		}
		found = append(found, some...)
	}
	live := s.Fake.Live(s.Object)
	for i, value := range asked {
		var want, got []crm.RecordID
		for id, f := range live {
			if value != "" && f[s.Email] == value {
				want = append(want, id)
			}
		}
		for _, r := range found[i] {
			if strings.EqualFold(r.Fields[s.Email].Text(), value) {
				got = append(got, r.ID)
			}
			if diff := cmp.Diff(only(live[r.ID], s.fields()), texts(r.Fields, s.fields())); diff != "" {
				t.Errorf("value %d, record %s (-want +got):\n%s", i, r.ID, diff)
			}
		}
		if value == "" && len(found[i]) > 0 {
			t.Errorf("a blank value found %d records", len(found[i]))
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("value %d (-want +got):\n%s", i, diff)
		}
	}
}

// testFindHostile looks for texts that would change a query if they were not quoted.
func testFindHostile(t *testing.T, s *suite) {
	if s.Nameless {
		t.Skip("the app looks nobody up by a last name; other texts are checked under Find")
	}
	names := []string{
		"O'Neil", `back\slash`, `quote"d`, `\'`, "Zoë Müller", "名前", "🙂 smile", "a,b;c", "percent%like_",
		"') OR (Id != '", "tab\there", "new\nline", "null", "a&b=c#d+e",
	}
	var asked []string
	want := map[string]crm.RecordID{}
	for i, n := range names {
		p := s.person(i)
		p[s.Last] = n
		id, err := s.Fake.Create(s.Object, p)
		if err != nil {
			t.Fatalf("name %d: %v", i, err)
		}
		want[n], asked = id, append(asked, n)
	}
	s.settle()
	last := s.field(t, s.Last)
	for part := range slices.Chunk(asked, max(1, min(s.app.Limits.FindBatch, len(asked)))) {
		found, err := s.conn.BatchFind(t.Context(), s.Object, last, part, s.fields())
		if err != nil {
			t.Fatalf("BatchFind: %v", err)
		}
		for i, name := range part {
			var got []crm.RecordID
			for _, r := range found[i] {
				if r.Fields[s.Last].Text() == name {
					got = append(got, r.ID)
				}
			}
			if diff := cmp.Diff([]crm.RecordID{want[name]}, got); diff != "" {
				t.Errorf("%q (-want +got):\n%s", name, diff)
			}
		}
	}
}

// testLimits asks for one more than each limit; nothing may be sent.
func testLimits(t *testing.T, s *suite) {
	l := s.app.Limits
	ids := make([]crm.RecordID, l.ReadBatch+1)
	values := make([]string, l.FindBatch+1)
	writes := make([]connector.Write, l.WriteBatch+1)
	for i := range ids {
		ids[i] = crm.RecordID(pad(i))
	}
	for i := range values {
		values[i] = email(i)
	}
	for i := range writes {
		writes[i] = connector.Write{Op: connector.Create, Fields: crm.Fields{s.Last: crm.TextValue(text(i))}, Ref: pad(i)}
	}
	_, errRead := s.conn.BatchRead(t.Context(), s.Object, ids, s.fields())
	_, errFind := s.conn.BatchFind(t.Context(), s.Object, crm.Field{Name: s.Email, Type: crm.TypeEmail}, values,
		s.fields())
	_, errWrite := s.conn.BatchWrite(t.Context(), s.Object, writes)
	all := map[string]error{"read": errRead, "find": errFind, "write": errWrite}
	if s.app.Can(crm.AbilityPush) {
		all = map[string]error{"write": errWrite} // of the others see Push
	}
	for name, err := range all {
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s over the limit: %v, want invalid", name, err)
		}
	}
	if n := s.Fake.Calls(); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}

// testConcurrent uses one instance from several goroutines, for the race detector.
func testConcurrent(t *testing.T, s *suite) {
	ids := s.must(t, 0, 8)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			w := connector.Write{
				Op: connector.Update, ID: ids[i], Fields: crm.Fields{s.First: crm.TextValue("New" + text(i))},
				Ref: pad(i),
			}
			if _, err := s.conn.BatchWrite(t.Context(), s.Object, []connector.Write{w}); err != nil {
				t.Errorf("write %d: %v", i, err)
			}
			reads, err := s.conn.BatchRead(t.Context(), s.Object, ids[i:i+1], s.fields())
			if err != nil || reads[0].Err != nil || reads[0].Record.Fields[s.First].Text() != "New"+text(i) {
				t.Errorf("read %d does not show the write: %v", i, err)
			}
		})
	}
	wg.Wait()
}

// testFindByEveryField looks records up by each field that they can be matched by.
// What the schema says of it is what the app does: records are looked up by it, or
// the look-up is refused as one by no key.
func testFindByEveryField(t *testing.T, s *suite) {
	values := map[crm.FieldType]string{
		crm.TypeText: "nobody", crm.TypeEmail: "nobody@example.com", crm.TypePhone: "+14155550199",
		crm.TypeURL: "https://nobody.example.com",
	}
	objects, err := s.conn.Objects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		fields, err := s.conn.Fields(t.Context(), o.ID)
		if err != nil {
			t.Fatalf("fields of %s: %v", o.ID, err)
		}
		for _, f := range fields {
			value, text := values[f.Type]
			if !text {
				continue
			}
			_, err := s.conn.BatchFind(t.Context(), o.ID, f, []string{value}, []string{f.Name})
			switch is := fault.CodeOf(err) == connector.CodeKey; {
			case f.Find == crm.FindNone && !is:
				t.Errorf("%s %s is said not to be searched, and a look-up answers %v", o.ID, f.Name, err)
			case f.Find != crm.FindNone && err != nil:
				t.Errorf("%s %s (%s) is said to be searched, and a look-up answers %v", o.ID, f.Name, f.Type, err)
			}
		}
	}
}
