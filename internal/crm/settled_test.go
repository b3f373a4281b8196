package crm_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestS32_ADifferenceIsKeptWhole goes through every field of a difference: each
// is stored, read back and told apart by Same, so that none gets lost when one
// is added.
func TestS32_ADifferenceIsKeptWhole(t *testing.T) {
	t.Parallel()
	zero := crm.Settle("r", crm.Agree("r", crm.TextValue("a")), crm.Difference{})
	typ := reflect.TypeFor[crm.Difference]()
	for i := range typ.NumField() {
		d := crm.Difference{}
		switch f := reflect.ValueOf(&d).Elem().Field(i); f.Interface().(type) {
		case [2]string:
			f.Set(reflect.ValueOf([2]string{"", "x"}))
		case time.Time:
			f.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)))
		case int:
			f.SetInt(3)
		default:
			f.SetString("x")
		}
		entry := crm.Settle("r", crm.Agree("r", crm.TextValue("a")), d)
		if entry.Same(zero) || !entry.Same(entry) {
			t.Errorf("%s makes no difference", typ.Field(i).Name)
		}
		b, err := json.Marshal(entry)
		if err != nil {
			t.Fatal(err)
		}
		var back crm.Agreed
		if err := json.Unmarshal(b, &back); err != nil || !back.Same(entry) {
			t.Errorf("%s is read back as %s (%v)", typ.Field(i).Name, b, err)
		}
	}
}

func TestS32_TheAgreementBeforeStaysKnown(t *testing.T) {
	t.Parallel()
	a := crm.TextValue("a")
	if e := crm.Settle("r", crm.Agree("r", a), crm.Difference{Reason: crm.ReasonCleared}); !e.Is(a) || e.Settled == nil {
		t.Errorf("the agreement is lost: %#v", e)
	}
	if e := crm.Settle("r2", crm.Agree("r", a), crm.Difference{Reason: crm.ReasonCleared}); e.Kind != crm.Absent ||
		e.Revision != "r2" {
		t.Errorf("an agreement of another revision is kept: %#v", e)
	}
	base := crm.Base{
		"a": crm.Agree("r", a), "b": crm.Settle("r", crm.Agreed{}, crm.Difference{Reason: crm.ReasonCleared}),
		"c": crm.Settle("r", crm.Agreed{}, crm.Difference{Reason: crm.ReasonCleared}),
	}
	base["d"] = crm.Settle("r", crm.Agreed{}, crm.Difference{Reason: crm.ReasonDefault})
	if got := base.Reasons(); !slices.Equal(got, []crm.Reason{crm.ReasonCleared, crm.ReasonDefault}) {
		t.Errorf("the reasons are %v", got)
	}
}
