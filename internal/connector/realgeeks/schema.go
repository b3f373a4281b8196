package realgeeks

import (
	"context"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Fields implements connector.Connector. The API describes no fields.
// Source: developers.realgeeks.com/leads.
func (s *site) Fields(ctx context.Context, name string) ([]crm.Field, error) {
	if err := check("realgeeks: fields", name, 0); err != nil {
		return nil, err
	}
	if _, err := s.Test(ctx); err != nil {
		return nil, err
	}
	roles := crm.Field{Name: "role", Label: "Role", Type: crm.TypeOption, OpenOptions: true}
	for _, r := range []string{"Buyer", "Seller", "Buyer and Seller", "Renter"} {
		roles.Options = append(roles.Options, crm.Option{Value: r, Label: r})
	}
	return []crm.Field{
		{Name: "first_name", Label: "First name", Type: crm.TypeText},
		{Name: "last_name", Label: "Last name", Type: crm.TypeText},
		{Name: "email", Label: "Email", Type: crm.TypeEmail, Also: []string{"second_email"}},
		{Name: "second_email", Label: "Second email", Type: crm.TypeEmail},
		{Name: "phone", Label: "Phone", Type: crm.TypePhone, Find: crm.FindDigits, Also: []string{"phone2"}},
		{Name: "phone2", Label: "Second phone", Type: crm.TypePhone, Find: crm.FindDigits},
		{Name: "street_address", Label: "Street", Type: crm.TypeText},
		{Name: "city", Label: "City", Type: crm.TypeText},
		{Name: "state", Label: "State", Type: crm.TypeText},
		{Name: "zip", Label: "Zip", Type: crm.TypeText},
		{Name: "source", Label: "Source", Type: crm.TypeText},
		{Name: "source_details", Label: "Source details", Type: crm.TypeText},
		{Name: "agent_name", Label: "Agent", Type: crm.TypeText, ReadOnly: true},
		{Name: "agent_email", Label: "Agent's email", Type: crm.TypeEmail, ReadOnly: true},
		roles,
	}, nil
}
