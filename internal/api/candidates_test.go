package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// TestCandidates: fields are paired by name, label and type; the surer pair wins
// a field, and what no save would take is not among them.
func TestCandidates(t *testing.T) {
	t.Parallel()
	left := []crm.Field{
		{Name: "city", Label: "City", Type: crm.TypeText},
		{Name: "x1", Label: "Favourite colour", Type: crm.TypeText},
		{Name: "mobilephone", Label: "Mobile", Type: crm.TypePhone},
		{Name: "budget", Label: "Budget", Type: crm.TypeNumber},
		{Name: "owner", Label: "Owner", Type: crm.TypeOwner},
		{Name: "parent", Label: "Parent", Type: crm.TypeReference},
		{Name: "created", Label: "Created", Type: crm.TypeDateTime, ReadOnly: true},
		{Name: "town", Label: "Town", Type: crm.TypeText},
	}
	right := []crm.Field{
		{Name: "City__c", Label: "City", Type: crm.TypeText},
		{Name: "Colour", Label: "favourite Colour", Type: crm.TypeText},
		{Name: "cell", Label: "Cell", Type: crm.TypePhone},
		{Name: "Budget", Label: "Budget", Type: crm.TypeText},
		{Name: "owner", Label: "Owner", Type: crm.TypeOwner},
		{Name: "parent", Label: "Parent", Type: crm.TypeReference},
		{Name: "created", Label: "Created", Type: crm.TypeDateTime, ReadOnly: true},
	}
	got := map[string]string{}
	sure := map[string]float64{}
	env := mapping.Env{Left: byName(left), Right: byName(right)}
	for _, c := range candidates([2][]crm.Field{left, right}) {
		l := c.Mapping.Left[0]
		got[l] = c.Mapping.Right[0] + " " + string(c.Mapping.Transform.Type) + " " + string(c.Mapping.Direction)
		sure[l] = c.Confidence
		if c.Reason == "" {
			t.Errorf("%s has no reason", l)
		}
		if _, problems := mapping.Compile(c.Mapping, env); problems != nil {
			t.Errorf("%s: no save takes it: %v", l, problems)
		}
	}
	want := map[string]string{
		"city": "City__c none both", "x1": "Colour none both", "mobilephone": "cell phone both",
		"budget": "Budget number both", "owner": "owner none both",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if sure["city"] < sureEnough || sure["x1"] < sureEnough || sure["mobilephone"] >= sureEnough ||
		sure["budget"] >= sureEnough {
		t.Errorf("confidences %v", sure)
	}
}

// TestOptionFits: what the document says of options counts first; the rest goes
// by value, then by label, and what is left is listed.
func TestOptionFits(t *testing.T) {
	t.Parallel()
	l := crm.Field{
		Name: "stage", Options: []crm.Option{
			{Value: "lead", Label: "Lead"},
			{Value: "cust", Label: "Customer"},
			{Value: "lost", Label: "Lost"},
			{Value: "vip", Label: "V.I.P."},
		},
	}
	r := crm.Field{
		Name: "Status", Options: []crm.Option{
			{Value: "Lead", Label: "Lead"},
			{Value: "10", Label: "customer"},
			{Value: "Gone", Label: "Gone"},
			{Value: "VIP", Label: "Special"},
			{Value: "New", Label: "New"},
		},
	}
	m := crm.Mapping{ID: "s", Transform: crm.Transform{Options: map[string]string{"lost": "Gone"}}}
	got := fitOptions(&m, l, r)
	if diff := cmp.Diff(map[string]string{"lead": "Lead", "cust": "10", "lost": "Gone", "vip": "VIP"},
		got.Suggested); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(crm.PerSide[[]string]{Left: []string{}, Right: []string{"New"}}, got.Unmapped); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	l.Options = append(l.Options, crm.Option{Value: "odd"})
	if got := fitOptions(&m, l, r); len(got.Unmapped.Left) != 1 || got.Unmapped.Left[0] != "odd" {
		t.Errorf("unmapped %v", got.Unmapped)
	}
	r.OpenOptions = true
	if got := fitOptions(&m, l, r); len(got.Unmapped.Left) != 0 {
		t.Errorf("an open list of options takes every value: %v", got.Unmapped)
	}
}
