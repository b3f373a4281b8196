package connectortest

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// noField is a field that no app has.
const noField = "lockstep_no_such_field"

// testBlank holds the connector to what its App declares of blank fields, in
// every way to read a record completely: what is blank is there, or is left out,
// as declared; what the app does not have is never there.
func testBlank(t *testing.T, s *suite) {
	id := s.must(t, 0, 1)[0]
	if err := s.Fake.Update(s.Object, id, map[string]string{s.First: "", s.Phone: ""}); err != nil {
		t.Fatal(err)
	}
	s.settle()
	want := s.app.BlankOf(s.Object)
	if want != crm.BlankOmitted && want != crm.BlankNull && want != crm.BlankEmpty {
		t.Fatalf("the app says blank as %q, which is none of the ways there are", want)
	}
	look := func(how string, r *crm.Record) {
		t.Helper()
		for _, name := range []string{s.First, s.Phone} {
			v, sent := r.Fields[name]
			if sent != (want != crm.BlankOmitted) || !v.Blank() {
				t.Errorf("%s: the blank field %s is sent: %t, blank: %t; the app declares %q", how, name, sent, v.Blank(), want)
			}
		}
		for _, name := range []string{s.Email, s.Last} {
			if v := r.Fields[name]; v.Blank() {
				t.Errorf("%s: %s is blank", how, name)
			}
		}
		if _, sent := r.Fields[noField]; sent {
			t.Errorf("%s: a field that does not exist is sent", how)
		}
	}
	reads, err := s.conn.BatchRead(t.Context(), s.Object, []crm.RecordID{id}, s.fields())
	if err != nil || reads[0].Record == nil {
		t.Fatalf("BatchRead: %v %+v", err, reads)
	}
	look("read", reads[0].Record)
	found, err := s.conn.BatchFind(t.Context(), s.Object, s.field(t, s.Email), []string{email(0)}, s.fields())
	if err != nil || len(found[0]) != 1 {
		t.Fatalf("BatchFind: %v %+v", err, found)
	}
	look("found", &found[0][0])
	listed := 0
	all := s.scan(t, "", true, nil).records
	for i := range all {
		if all[i].ID == id {
			look("listed", &all[i])
			listed++
		}
	}
	if listed == 0 {
		t.Error("the record was not listed")
	}
	reads, err = s.conn.BatchRead(t.Context(), s.Object, []crm.RecordID{id}, append(s.fields(), noField))
	switch {
	case err != nil:
		if fault.CodeOf(err) != "field_missing" {
			t.Errorf("a field that does not exist is refused with %q (%v), want field_missing", fault.CodeOf(err), err)
		}
	case reads[0].Record == nil:
		t.Errorf("a field that does not exist: %v", reads[0].Err)
	default:
		look("read with a field that does not exist", reads[0].Record)
	}
}
