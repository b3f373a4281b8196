package intercom_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/intercom"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// TestEventsAreOfTheirRecords: what was put on a record is told with the record, a merge
// with both, and of anything that is not synced nothing is.
func TestEventsAreOfTheirRecords(t *testing.T) {
	t.Parallel()
	const one, two = "6762f0dd1bb69f9f2193bb83", "6762f0dd1bb69f9f2193bb84"
	at := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		topic, item string
		at          int64
		want        connector.Event
		none, bad   bool
	}{
		"a contact": {
			topic: "contact.user.updated", item: `{"id":"` + one + `"}`, at: at.Unix(),
			want: connector.Event{Kind: connector.EventChanged, Object: "contacts", ID: one, At: at},
		},
		"no time": {
			topic: "contact.user.created", item: `{"id":"` + one + `"}`,
			want: connector.Event{Kind: connector.EventChanged, Object: "contacts", ID: one},
		},
		"a tag of a contact": {
			topic: "contact.user.tag.created", item: `{"id":"7","contact":{"id":"` + one + `"}}`,
			want: connector.Event{Kind: connector.EventChanged, Object: "contacts", ID: one},
		},
		"a tag that is taken off": {
			topic: "contact.user.tag.deleted", item: `{"id":"7","contact":{"id":"` + one + `"}}`,
			want: connector.Event{Kind: connector.EventChanged, Object: "contacts", ID: one},
		},
		"a contact of a company": {
			topic: "company.contact.attached", item: `{"id":"7","contact":{"id":"` + two + `"},"company":{"id":"` + one + `"}}`,
			want: connector.Event{Kind: connector.EventChanged, Object: "companies", ID: one},
		},
		"a company of a contact": {
			topic: "contact.attached", item: `{"id":"7","contact":{"id":"` + two + `"},"company":{"id":"` + one + `"}}`,
			want: connector.Event{Kind: connector.EventChanged, Object: "contacts", ID: two},
		},
		"deleted": {
			topic: "contact.deleted", item: `{"id":"` + one + `"}`,
			want: connector.Event{Kind: connector.EventDeleted, Object: "contacts", ID: one},
		},
		"archived": {
			topic: "contact.archived", item: `{"id":"` + one + `"}`,
			want: connector.Event{Kind: connector.EventDeleted, Object: "contacts", ID: one},
		},
		"merged": {
			topic: "contact.merged", item: `{"id":"` + one + `","merged_from":{"id":"` + two + `"}}`,
			want: connector.Event{Kind: connector.EventMerged, Object: "contacts", ID: two, MergedInto: one},
		},
		"merged, and nobody said with whom": {
			topic: "contact.merged", item: `{"id":"` + one + `"}`,
			want: connector.Event{Kind: connector.EventChanged, Object: "contacts", ID: one},
		},
		"merged with nobody": {topic: "contact.merged", item: `{"id":"` + one + `","merged_from":{"id":"../1"}}`, bad: true},
		"of nobody":          {topic: "contact.user.updated", item: `{"id":"../1"}`, bad: true},
		"of a conversation":  {topic: "conversation.user.created", item: `{"id":"` + one + `"}`, none: true},
		"a ping":             {topic: "ping", item: `{}`, none: true},
		"no topic":           {item: `{"id":"` + one + `"}`, bad: true},
	} {
		got, err := intercom.Driver().Webhooks.Parse(connector.WebhookRequest{
			Method: http.MethodPost,
			Body:   fmt.Appendf(nil, `{"topic":%q,"app_id":"abc","created_at":%d,"data":{"item":%s}}`, c.topic, c.at, c.item),
		})
		switch c.want.ExternalID = "abc"; {
		case c.bad:
			if !fault.Is(err, fault.Invalid) || got != nil {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		case c.none:
			if err != nil || got != nil {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		case err != nil || len(got) != 1 || fmt.Sprint(got[0]) != fmt.Sprint(c.want):
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
