package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

// TestS34_WideMappings: three hundred mapped properties fit neither into a
// search's body nor, with long names, into a URL. Listings, look-ups by phone
// and reads work all the same, and an edit of the last of them travels.
func TestS34_WideMappings(t *testing.T) {
	t.Parallel()
	for name, long := range map[string]string{"search": "", "url": strings.Repeat("_of_a_portal_with_long_names", 2)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			property := func(i int) string { return fmt.Sprintf("custom_property_%03d%s", i, long) }
			b := newBed(t, 20, func(c *crm.Connection) {
				sync := &c.Syncs[0]
				sync.Match = crm.SameMatch(crm.MatchStep{
					By: crm.MatchByAnyKey, Pairs: [][2]string{{"email", "Email"}, {"phone", "Phone"}},
				})
				for i := range wide {
					sync.Mappings = append(sync.Mappings, crm.Mapping{
						ID: crm.MappingID(fmt.Sprint("wide", i)), Left: []string{property(i)}, Right: []string{"Department"},
						Direction: crm.DirectionToLeft,
					})
				}
			})
			c, err := b.Open(t.Context(), testbed.Workspace, testbed.LeftAccount)
			b.must(err)
			for i := range wide {
				_, err := c.Extras().CreateField(t.Context(), "contacts", crm.Field{
					Name: property(i), Label: property(i), Type: crm.TypeText,
				})
				b.must(err)
			}
			if run := b.start(); run.State != engine.RunDone || run.Done != run.Total {
				t.Fatalf("%s, %d of %d: %s %s", run.State, run.Done, run.Total, run.Code, run.Detail)
			}
			hub, force := b.twins(t.Context())
			_, err = b.Force.Core().UpdateRecord("Contact", force, map[string]string{"Department": "Cooperage"})
			b.must(err)
			_, err = b.Hub.Core().UpdateRecord("contacts", hub, map[string]string{"city": "Ghent"})
			b.must(err)
			b.Move(5 * time.Minute)
			b.pull()
			if got := b.get("contacts", hub)[property(wide-1)]; got != "Cooperage" {
				t.Errorf("the last of the wide properties holds %q", got)
			}
			if got := b.get("Contact", force)["MailingCity"]; got != "Ghent" {
				t.Errorf("the city holds %q", got)
			}
			b.must(b.Quiet(t.Context()))
			b.resetCalls()
			b.pull()
			if left, right := b.calls(); left != 1 || right != 1 {
				t.Errorf("a pull with nothing changed made %d + %d calls, want 1 + 1", left, right)
			}
			if st := b.status(); len(st.Warnings) > 0 || st.Dead > 0 {
				t.Errorf("%d dead items, %v", st.Dead, st.Warnings)
			}
		})
	}
}

// wide is how many fields are mapped beside the usual ones.
const wide = 300

// wideForce is a Salesforce org with three hundred more fields, each with another
// value for each record.
type wideForce struct{ connector.Connector }

func wideName(i int) string { return fmt.Sprintf("Wide_%03d__c", i) }

func wideValue(id crm.RecordID, i int) string { return fmt.Sprintf("value %d of %s", i, id) }

func (w wideForce) Fields(ctx context.Context, object string) ([]crm.Field, error) {
	fields, err := w.Connector.Fields(ctx, object)
	for i := range wide {
		fields = append(fields, crm.Field{Name: wideName(i), Label: wideName(i), Type: crm.TypeText})
	}
	return fields, err
}

// known are the fields that the org has.
func (w wideForce) known(fields []string) []string {
	return slices.DeleteFunc(slices.Clone(fields), func(f string) bool { return strings.HasPrefix(f, "Wide_") })
}

func (w wideForce) widen(r *crm.Record, fields []string) {
	for i := range wide {
		if slices.Contains(fields, wideName(i)) {
			r.Fields[wideName(i)] = crm.TextValue(wideValue(r.ID, i))
		}
	}
}

func (w wideForce) Changes(ctx context.Context, req connector.ChangesRequest) (connector.ChangesPage, error) {
	fields := req.Fields
	req.Fields = w.known(fields)
	page, err := w.Connector.Changes(ctx, req)
	for i := range page.Records {
		w.widen(&page.Records[i], fields)
	}
	return page, err
}

func (w wideForce) BatchRead(
	ctx context.Context, object string, ids []crm.RecordID, fields []string,
) ([]connector.Read, error) {
	reads, err := w.Connector.BatchRead(ctx, object, ids, w.known(fields))
	for i := range reads {
		if reads[i].Record != nil {
			w.widen(reads[i].Record, fields)
		}
	}
	return reads, err
}

func (w wideForce) BatchFind(
	ctx context.Context, object string, field crm.Field, values, fields []string,
) ([][]crm.Record, error) {
	found, err := w.Connector.BatchFind(ctx, object, field, values, w.known(fields))
	for _, records := range found {
		for i := range records {
			w.widen(&records[i], fields)
		}
	}
	return found, err
}

// TestS34_WideRecordsOfManyPeople: what is about to be written to a hundred
// people in three hundred fields is more than one item of the store can hold.
func TestS34_WideRecordsOfManyPeople(t *testing.T) {
	t.Parallel()
	property := func(i int) string { return fmt.Sprintf("wide_%03d", i) }
	raw, err := testbed.New(t.Context(), testbed.Options{
		People: 200,
		Wrap: func(id crm.AccountID, c connector.Connector) connector.Connector {
			if id == testbed.RightAccount {
				return wideForce{c}
			}
			return c
		},
	}, func(c *crm.Connection) {
		for i := range wide {
			c.Syncs[0].Mappings = append(c.Syncs[0].Mappings, crm.Mapping{
				ID: crm.MappingID(fmt.Sprint("wide", i)), Left: []string{property(i)}, Right: []string{wideName(i)},
				Direction: crm.DirectionToLeft,
			})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	b := bed{raw, t}
	c, err := b.Open(t.Context(), testbed.Workspace, testbed.LeftAccount)
	b.must(err)
	for i := range wide {
		_, err := c.Extras().CreateField(t.Context(), "contacts", crm.Field{
			Name: property(i), Label: property(i), Type: crm.TypeText,
		})
		b.must(err)
	}
	run := b.start()
	if run.State != engine.RunDone || run.Done != run.Total || run.Outcomes[crm.Failed] > 0 {
		t.Fatalf("%s, %d of %d, %v: %s %s", run.State, run.Done, run.Total, run.Outcomes, run.Code, run.Detail)
	}
	hub, force := b.twins(t.Context())
	_, err = b.Engine.StartRun(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts, engine.RunResync)
	b.must(err)
	b.drain()
	if got, want := b.get("contacts", hub)[property(wide-1)], wideValue(crm.RecordID(force), wide-1); got != want {
		t.Errorf("the last of the wide properties holds %q, want %q", got, want)
	}
	if st := b.status(); st.Dead > 0 || st.Parked > 0 {
		t.Errorf("%d dead items, %d parked", st.Dead, st.Parked)
	}
	if b.Marks["intent_in_parts"] == 0 {
		t.Error("no intent was too large for one item")
	}
}
