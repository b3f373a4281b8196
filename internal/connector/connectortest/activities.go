package connectortest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// testActivities makes an activity of each kind about a person, and follows which one
// it is about through every call that shows it.
func testActivities(t *testing.T, s *suite) {
	listed, err := s.conn.Objects(t.Context())
	if err != nil {
		t.Fatalf("Objects: %v", err)
	}
	for i := range s.app.Objects {
		o := &s.app.Objects[i]
		if o.Activity == nil {
			continue
		}
		found := slices.IndexFunc(listed, func(l crm.Object) bool { return o.Is(l.ID) })
		if found < 0 || listed[found].Activity.Parent(s.Object) != o.Activity.Parent(s.Object) {
			t.Errorf("discovery does not list %s as the activity object that the app describes", o.ID)
			continue
		}
		if o.Activity.Parent(s.Object) == "" {
			t.Errorf("%s can be about no %s", o.ID, s.Object)
			continue
		}
		one := *o
		one.ID = listed[found].ID // of a family
		t.Run(o.ID, func(t *testing.T) { s.activity(t, &one, 10*i) })
	}
}

// activity is testActivities for one object.
func (s *suite) activity(t *testing.T, o *crm.Object, first int) {
	parent := o.Activity.Parent(s.Object)
	people := s.must(t, first, 2)
	fields, err := s.conn.Fields(t.Context(), o.ID)
	if err != nil {
		t.Fatalf("Fields: %v", err)
	}
	write := connector.Write{Op: connector.Create, Fields: crm.Fields{parent: crm.TextValue(string(people[0]))}, Ref: "a"}
	for _, f := range fields {
		if slices.ContainsFunc(o.Activity.Parents, func(p crm.ActivityParent) bool { return p.Field == f.Name }) &&
			(f.Type != crm.TypeReference || f.ReadOnly) {
			t.Errorf("%s is no reference that can be written: %+v", f.Name, f)
		}
		if f.Required && f.Name != parent {
			write.Fields[f.Name] = s.filling(f)
		}
	}
	made := s.activityWritten(t, o.ID, write)
	s.shows(t, o.ID, made, parent, people[0])

	about := people[0]
	for _, to := range []crm.RecordID{people[1], ""} {
		move := connector.Write{Op: connector.Update, ID: made, Fields: crm.Fields{parent: crm.TextValue(string(to))}}
		if to == "" {
			move.Fields[parent] = crm.NullValue()
		}
		if o.Activity.Fixed {
			s.stays(t, o.ID, move, parent)
		} else {
			s.activityWritten(t, o.ID, move)
			about = to
		}
		s.shows(t, o.ID, made, parent, about)
	}

	if err := s.Fake.Delete(s.Object, people[1]); err != nil {
		t.Fatalf("deleting a person: %v", err)
	}
	for _, w := range []connector.Write{
		{Op: connector.Create, Fields: write.Fields.Clone(), Ref: "b"}, {Op: connector.Update, ID: made, Fields: crm.Fields{}},
	} {
		w.Fields[parent] = crm.TextValue(string(people[1]))
		out, err := s.conn.BatchWrite(t.Context(), o.ID, []connector.Write{w})
		if err == nil {
			err = out[0].Err
		}
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s about a person who is gone: %v, want it refused", w.Op, err)
		}
	}
	s.shows(t, o.ID, made, parent, about)
	for _, f := range fields {
		if !f.Required || f.Name == parent {
			continue
		}
		w := connector.Write{Op: connector.Create, Fields: write.Fields.Clone(), Ref: "c"}
		delete(w.Fields, f.Name)
		out, err := s.conn.BatchWrite(t.Context(), o.ID, []connector.Write{w})
		if err == nil {
			err = out[0].Err
		}
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("without the required field %s: %v, want it refused", f.Name, err)
		}
	}
}

// stays demands that a write of what an activity is about is refused, and names the field.
func (s *suite) stays(t *testing.T, object string, w connector.Write, parent string) {
	t.Helper()
	out, err := s.conn.BatchWrite(t.Context(), object, []connector.Write{w})
	if err == nil {
		err = out[0].Err
	}
	var e *fault.Error
	if !errors.As(err, &e) || e.Kind != fault.Invalid || e.Field != parent {
		t.Errorf("an activity that stays was moved: %v, want %s refused", err, parent)
	}
}

// filling is a value that a required field takes.
func (s *suite) filling(f crm.Field) crm.Value {
	switch f.Type { //nolint:exhaustive // all others take a text
	case crm.TypeDateTime:
		return crm.TextValue(s.clock.Now().Format(time.RFC3339))
	case crm.TypeDate:
		return crm.TextValue(s.clock.Now().Format(time.DateOnly))
	case crm.TypeOption:
		return crm.TextValue(f.Options[0].Value)
	}
	return crm.TextValue("filled")
}

func (s *suite) activityWritten(t *testing.T, object string, w connector.Write) crm.RecordID {
	t.Helper()
	out, err := s.conn.BatchWrite(t.Context(), object, []connector.Write{w})
	if err != nil || out[0].Err != nil || out[0].ID == "" {
		t.Fatalf("%s of %s: %+v, %v", w.Op, object, out, err)
	}
	for name, v := range w.Fields {
		if r := out[0].Record; r != nil && r.Fields[name].Kind() != crm.Absent && r.Fields[name].Blank() != v.Blank() {
			t.Errorf("%s was answered as %v", name, r.Fields[name])
		}
	}
	return out[0].ID
}

// shows asks every call that shows an activity what it is about.
func (s *suite) shows(t *testing.T, object string, id crm.RecordID, parent string, about crm.RecordID) {
	t.Helper()
	check := func(call string, r *crm.Record) {
		t.Helper()
		switch {
		case r == nil:
			t.Errorf("%s does not show the activity", call)
		case r.Fields[parent].Kind() == crm.Absent:
			t.Errorf("%s says nothing of %s", call, parent)
		case r.Fields[parent].Text() != string(about):
			t.Errorf("%s: the activity is about %q, want %q", call, r.Fields[parent].Text(), about)
		case r.CreatedAt.IsZero():
			t.Errorf("%s does not say when the activity was made", call)
		}
	}
	reads, err := s.conn.BatchRead(t.Context(), object, []crm.RecordID{id}, []string{parent})
	if err != nil || reads[0].Err != nil {
		t.Fatalf("BatchRead: %+v, %v", reads, err)
	}
	check("BatchRead", reads[0].Record)
	s.settle()
	for _, full := range []bool{true, false} {
		req := connector.ChangesRequest{Object: object, Fields: []string{parent}, Full: full}
		var found *crm.Record
		for {
			page, err := s.conn.Changes(t.Context(), req)
			if err != nil {
				t.Fatalf("Changes: %v", err)
			}
			for i := range page.Records {
				if page.Records[i].ID == id {
					found = &page.Records[i]
				}
			}
			if req.Position = page.Next; page.Next == "" {
				break
			}
		}
		check("Changes", found)
	}
}
