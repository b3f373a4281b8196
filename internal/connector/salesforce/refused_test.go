package salesforce_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// alike answers every call alike.
type alike struct {
	body  string
	calls int
}

func (a *alike) RoundTrip(r *http.Request) (*http.Response, error) {
	a.calls++
	return &http.Response{
		StatusCode: 200, Header: http.Header{"Date": {"Mon, 02 Mar 2026 09:30:00 GMT"}},
		Body: io.NopCloser(strings.NewReader(a.body)), Request: r,
	}, nil
}

// TestWhatCannotBeAskedForIsNotSent: names that are none, writes of two keys, IDs that
// can be none, and places that no listing returned.
func TestWhatCannotBeAskedForIsNotSent(t *testing.T) {
	t.Parallel()
	const id = "003000000000001AAA"
	text := func(pairs ...string) crm.Fields {
		f := crm.Fields{}
		for i := 0; i < len(pairs); i += 2 {
			f[pairs[i]] = crm.TextValue(pairs[i+1])
		}
		return f
	}
	writing := func(writes ...connector.Write) func(context.Context, connector.Connector) error {
		return func(ctx context.Context, c connector.Connector) error {
			out, err := c.BatchWrite(ctx, "Contact", writes)
			for _, w := range out {
				if err == nil {
					err = w.Err
				}
			}
			return err
		}
	}
	upsert := func(field, value string) connector.Write {
		return connector.Write{
			Op: connector.Upsert, Key: connector.Key{Field: field, Value: value}, Fields: text("LastName", "Doe"),
		}
	}
	for name, c := range map[string]struct {
		do   func(context.Context, connector.Connector) error
		code string
	}{
		"two keys":     {writing(upsert("A__c", "1"), upsert("B__c", "1")), connector.CodeMixed},
		"two kinds":    {writing(upsert("A__c", "1"), contact("Doe", "")), connector.CodeMixed},
		"a blank key":  {writing(upsert("A__c", " ")), connector.CodeKey},
		"no key":       {writing(upsert("", "1")), connector.CodeKey},
		"a key's name": {writing(upsert("A c", "1")), connector.CodeKey},
		"an ID to set": {writing(connector.Write{Op: connector.Create, Fields: text("iD", id)}), connector.CodeField},
		"attributes": {
			writing(connector.Write{Op: connector.Update, ID: id, Fields: text("Attributes", "x")}), connector.CodeField,
		},
		"a field's name": {writing(connector.Write{Op: connector.Create, Fields: text("a b", "x")}), connector.CodeField},
		"no ID":          {writing(connector.Write{Op: connector.Update, ID: "7", Fields: text("LastName", "x")}), "not_found"},
		"no such write":  {writing(connector.Write{Op: "merge", ID: id}), connector.CodeUnsupported},
		"to read a field that is none": {func(ctx context.Context, c connector.Connector) error {
			_, err := c.BatchRead(ctx, "Contact", []crm.RecordID{id}, []string{"LastName", "a b"})
			return err
		}, connector.CodeField},
		"to find by a field that is none": {func(ctx context.Context, c connector.Connector) error {
			_, err := c.BatchFind(ctx, "Contact", crm.Field{Name: "a b"}, []string{"x"}, nil)
			return err
		}, connector.CodeField},
		"to list a field that is none": {func(ctx context.Context, c connector.Connector) error {
			_, err := c.Changes(ctx, connector.ChangesRequest{Object: "Contact", Fields: []string{"a b"}, Full: true})
			return err
		}, connector.CodeField},
		"a second page of deletions": {func(ctx context.Context, c connector.Connector) error {
			_, err := c.Extras().Deleted(ctx, "Contact", "2026-03-02T09:00:00Z", "2")
			return err
		}, connector.CodePosition},
		"deletions since no time": {func(ctx context.Context, c connector.Connector) error {
			_, err := c.Extras().Deleted(ctx, "Contact", "yesterday", "")
			return err
		}, connector.CodePosition},
		"a place that is none": {func(ctx context.Context, c connector.Connector) error {
			_, err := c.Changes(ctx, connector.ChangesRequest{Object: "Contact", Position: "x"})
			return err
		}, connector.CodePosition},
		"a place of a whole listing that is none": {func(ctx context.Context, c connector.Connector) error {
			_, err := c.Changes(ctx, connector.ChangesRequest{Object: "Contact", Full: true, Position: "x"})
			return err
		}, connector.CodePosition},
		"fields of no object": {func(ctx context.Context, c connector.Connector) error {
			_, err := c.Fields(ctx, "a b")
			return err
		}, connector.CodeObject},
	} {
		rt := &alike{}
		err := c.do(t.Context(), openOn(t, rt))
		if fault.CodeOf(err) != c.code || rt.calls != 0 {
			t.Errorf("%s: %v after %d calls, want %s after none", name, err, rt.calls, c.code)
		}
		if c.code == connector.CodeField && len(fault.FieldFaults(err)) != 1 {
			t.Errorf("%s: %v names no field", name, err)
		}
	}
}

// TestFieldsThatMeanSomethingTogether: the field that options depend on, the other
// parts of an address, and an amount's currency where an org has several.
func TestFieldsThatMeanSomethingTogether(t *testing.T) {
	t.Parallel()
	described := func(fields ...string) string {
		return `{"name":"Contact","fields":[` + strings.Join(fields, ",") + `]}`
	}
	field := func(name, typ, more string) string {
		return fmt.Sprintf(`{"name":%q,"label":%q,"type":%q,"createable":true,"updateable":true,"filterable":true%s}`, name, name, typ,
			more)
	}
	address := `,"compoundFieldName":"HomeAddress"`
	for name, c := range map[string]struct {
		fields []string
		want   map[string][]string
	}{
		"an amount in one currency": {[]string{field("Pay__c", "currency", "")}, map[string][]string{"Pay__c": nil}},
		"an amount in several": {
			[]string{field("Pay__c", "currency", ""), field("CurrencyIsoCode", "picklist", "")},
			map[string][]string{"Pay__c": {"CurrencyIsoCode"}, "CurrencyIsoCode": nil},
		},
		"dependent options": {
			[]string{field("City__c", "picklist", `,"controllerName":"Land__c"`), field("Land__c", "picklist", "")},
			map[string][]string{"City__c": {"Land__c"}, "Land__c": nil},
		},
		"a controller that is none": {
			[]string{field("City__c", "picklist", `,"controllerName":"a b"`)}, map[string][]string{"City__c": nil},
		},
		"parts of an address": {
			[]string{
				field("HomeAddress", "address", ""), field("HomeCity", "string", address), field("HomeStreet", "string", address),
				field("Other", "string", `,"compoundFieldName":"OtherAddress"`),
			},
			map[string][]string{"HomeCity": {"HomeStreet"}, "HomeStreet": {"HomeCity"}, "Other": nil},
		},
		"parts of a name": {
			[]string{
				field("Name", "string", ""), field("FirstName", "string", `,"compoundFieldName":"Name"`),
				field("LastName", "string", `,"compoundFieldName":"Name"`),
			},
			map[string][]string{"FirstName": nil, "LastName": nil},
		},
	} {
		got, err := openOn(t, &alike{body: described(c.fields...)}).Fields(t.Context(), "Contact")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, f := range got {
			if want, ok := c.want[f.Name]; ok && !slices.Equal(f.With, want) {
				t.Errorf("%s: %s goes with %q, want %q", name, f.Name, f.With, want)
			}
			delete(c.want, f.Name)
		}
		if len(c.want) > 0 {
			t.Errorf("%s: not listed: %v", name, c.want)
		}
	}
}
