package leadsquared_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/leadsquared/leadsquaredfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

const calls = leadsquaredfake.PhoneCalls

// TestActivitiesOfATypeAreAnObject: custom types are objects with fields of their own, and
// what LeadSquared notes by itself is none.
func TestActivitiesOfATypeAreAnObject(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	list, err := a.Objects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, o := range list {
		ids = append(ids, o.ID)
	}
	if want := []string{"leads", calls, leadsquaredfake.Visits}; !slices.Equal(ids, want) {
		t.Errorf("objects %v, want %v", ids, want)
	}
	fields, err := a.Fields(t.Context(), calls)
	if err != nil {
		t.Fatal(err)
	}
	is := map[string]crm.Field{}
	for _, f := range fields {
		if is[f.Name] = f; f.Find != crm.FindNone {
			t.Errorf("%s is said to be searched", f.Name)
		}
	}
	if f := is["mx_Custom_1"]; f.Label != "Outcome" || !slices.Equal(f.Options, []crm.Option{
		{Value: "Reached", Label: "Reached"}, {Value: "No answer", Label: "No answer"},
	}) {
		t.Errorf("the outcome is %+v", f)
	}
	if is["mx_Custom_2"].Type != crm.TypeNumber || is["mx_Custom_3"].Type != crm.TypeDateTime ||
		!is["RelatedProspectId"].Required {
		t.Errorf("described as %+v", fields)
	}
	for _, object := range []string{"activities", "activities.", "activities.1", "activities.0201", "activities.x"} {
		if _, err := a.Fields(t.Context(), object); !fault.Is(err, fault.NotFound) {
			t.Errorf("fields of %q: %v, want that there is no such object", object, err)
		}
	}
}

// TestAnActivityStaysWhereItIsPosted: what it is about and when it took place are said
// when it is made. Everything else can be changed.
func TestAnActivityStaysWhereItIsPosted(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	ann, bob := a.create(map[string]string{"LastName": "Roe"}), a.create(map[string]string{"LastName": "Doe"})
	shown := func(id crm.RecordID) crm.Fields {
		t.Helper()
		reads, err := a.BatchRead(t.Context(), calls, []crm.RecordID{id}, []string{
			"RelatedProspectId", "CreatedOn", "ActivityEvent_Note", "mx_Custom_1", "mx_Custom_2", "mx_Custom_3",
		})
		if err != nil || reads[0].Err != nil {
			t.Fatal(err, reads)
		}
		return reads[0].Record.Fields
	}
	fields := crm.Fields{
		"RelatedProspectId": crm.TextValue(strings.ToUpper(string(ann))), "CreatedOn": crm.TextValue("2026-01-02T10:30:00+01:00"),
		"ActivityEvent_Note": crm.TextValue("call"), "mx_Custom_1": crm.TextValue("Reached"), "mx_Custom_2": crm.NumberValue("12"),
		"mx_Custom_3": crm.TextValue("2026-03-02T09:30:00Z"),
	}
	made := connectortest.Save(t, a, calls, "", fields)
	fields["RelatedProspectId"], fields["CreatedOn"] = crm.TextValue(string(ann)), crm.TextValue("2026-01-02T09:30:00Z")
	fields["mx_Custom_2"] = crm.TextValue("12")
	got := shown(made.ID)
	for name, want := range fields {
		if !got[name].Equal(want) {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	for name, v := range map[string]crm.Value{
		"RelatedProspectId": crm.TextValue(string(bob)), "CreatedOn": crm.TextValue("2026-01-03T09:30:00Z"),
	} {
		before := a.fake.Core().Requests().Total
		out, err := a.BatchWrite(t.Context(), calls, []connector.Write{{
			Op: connector.Update, ID: made.ID, Fields: crm.Fields{name: v, "mx_Custom_2": crm.TextValue("13")},
		}})
		if err != nil || !fault.Is(out[0].Err, fault.Invalid) || a.fake.Core().Requests().Total != before {
			t.Errorf("a write of %s: %+v, %v, want it refused without a call", name, out, err)
		}
	}
	connectortest.Save(t, a, calls, made.ID, crm.Fields{
		"ActivityEvent_Note": crm.TextValue("called"), "mx_Custom_1": crm.NullValue(),
	})
	got = shown(made.ID)
	if got["ActivityEvent_Note"].Text() != "called" || !got["mx_Custom_1"].Blank() || got["mx_Custom_2"].Text() != "12" {
		t.Errorf("after an update %v", got)
	}
	for _, w := range []connector.Write{
		{Op: connector.Create, Fields: crm.Fields{"ActivityEvent_Note": crm.TextValue("of nobody")}},
		{Op: connector.Create, Fields: crm.Fields{"RelatedProspectId": crm.TextValue("nobody")}},
	} {
		out, err := a.BatchWrite(t.Context(), calls, []connector.Write{w})
		if err != nil || !fault.Is(out[0].Err, fault.Invalid) {
			t.Errorf("%v: %+v, %v, want it refused", w.Fields, out, err)
		}
	}
}

// TestActivitiesAreListedByTheirType: in the order of modification, a second that fills
// more than a page as well, and those of another type not at all.
func TestActivitiesAreListedByTheirType(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	ann := string(a.create(map[string]string{"LastName": "Roe"}))
	made := func(object string, fields map[string]string) {
		t.Helper()
		fields["RelatedProspectId"] = ann
		if _, err := a.fake.Core().CreateRecord(object, fields); err != nil {
			t.Fatal(err)
		}
	}
	made(leadsquaredfake.Visits, map[string]string{"mx_Custom_1": "Ghent"})
	a.clock.Advance(time.Minute)
	const many = 2100
	for range many {
		made(calls, map[string]string{})
	}
	a.clock.Advance(time.Minute)
	made(calls, map[string]string{"mx_Custom_2": "5"})
	a.clock.Advance(time.Hour)
	seen := map[crm.RecordID]bool{}
	req := connector.ChangesRequest{Object: calls, Fields: []string{"RelatedProspectId", "mx_Custom_1", "mx_Custom_2"}}
	for {
		page, err := a.Changes(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			seen[r.ID] = true
			if r.Fields["RelatedProspectId"].Text() != ann || !r.Fields["mx_Custom_1"].Blank() || r.CreatedAt.IsZero() {
				t.Fatalf("listed %+v", r)
			}
		}
		if req.Position = page.Next; page.Next == "" {
			break
		}
	}
	if len(seen) != many+1 {
		t.Errorf("%d calls listed, want %d", len(seen), many+1)
	}
	if _, err := a.BatchFind(t.Context(), calls, crm.Field{Name: "mx_Custom_1"}, []string{"x"}, nil); fault.CodeOf(err) !=
		connector.CodeKey {
		t.Errorf("a look-up: %v, want it refused", err)
	}
}

// TestOddActivities: what names no lead or no time is not taken for an activity.
func TestOddActivities(t *testing.T) {
	t.Parallel()
	const one = "00000001-ac71-11e2-9e64-000000000001"
	lead, at := `"RelatedProspectId":"00000001-51aa-11e2-9e64-000000000001"`, `"CreatedOn":"2026-03-01 10:00:00"`
	for answer, good := range map[string]bool{
		`{"ID":"` + one + `",` + lead + `,` + at + `}`:             true,
		`{"ID":"` + one + `",` + at + `}`:                          false,
		`{"ID":"` + one + `",` + lead + `}`:                        false,
		`{"ID":"00000002` + one[8:] + `",` + lead + `,` + at + `}`: false,
		`{` + lead + `,` + at + `}`:                                false,
	} {
		c := opened(t, &scripted{answer: answer}, connectortest.NewClock().Now)
		reads, err := c.BatchRead(t.Context(), calls, []crm.RecordID{one}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if (reads[0].Err == nil) != good || !good && fault.CodeOf(reads[0].Err) != connector.CodeMalformed {
			t.Errorf("%s is read with %v", answer, reads[0].Err)
		}
	}
}
