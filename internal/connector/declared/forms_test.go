package declared_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/declared"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// oddApp lists by POST, writes pairs, names the site in its paths and takes its key in the
// address.
const oddApp = `
app: {id: odd, name: Odd CRM, example: "https://one.odd.example", hosts: [odd.example], headers: {X-Client: Lockstep}}
auth:
  - kind: token
    send: query
    name: key
    fields: [{name: token, label: Key, secret: true}, {name: site, label: Site}]
account: {post: "/sites/{account.site}/whoami", body: {what: me}, has: /me}
limits: {read: 3, page: 2}
objects:
  leads:
    label: Leads
    id: {at: /Id}
    modified: {at: /Stamp, format: epoch_ms}
    fields:
      Email: {type: email}
      Name: {at: /Name/full, to: /FullName}
      Owner: {at: /Owner/Id}
      Note: {omitted: true}
      Gone: {}
      Tags: {type: list, codec: commas}
    list:
      post: "/sites/{account.site}/leads/search"
      body: {paging: {index: "{page}", size: "{size}"}, sort: none}
      items: /rows
      page: {kind: offset}
      since: {body: {paging: {index: "{page}", size: "{size}"}, after: "{since}", sort: Stamp}, format: epoch_ms, grain: 1ms}
    read: {post: "/sites/{account.site}/leads/search", body: {ids: "{ids}"}, items: /rows}
    find: [{post: "/sites/{account.site}/leads/search", body: {where: ["{field}", "{value}"]}, fields: [Email], items: /rows}]
    create: {post: "/sites/{account.site}/leads", into: /attributes, pairs: {name: Attribute, value: Value}, body: {source: sync}, id: /Message/Id}
    update: {post: "/sites/{account.site}/leads/{id}", pairs: {name: Attribute, value: Value}, clear: empty}
errors: {texts: [{at: /error, has: odd, code: invalid_value}]}
`

// TestForms: what the model document has no use for.
func TestForms(t *testing.T) {
	t.Parallel()
	d, err := declared.Parse("odd.yaml", []byte(oddApp))
	if err != nil {
		t.Fatal(err)
	}
	var calls []string
	row := `{"Id":"a%","Stamp":"1767225600000","Email":"a@example.com","Name":{"full":"Ann"},"Owner":null,"Tags":"x, y"}`
	answers := map[string]string{
		"whoami": `{"me":true}`, "search": `{"rows":[` + strings.Replace(row, "a%", "a1", 1) + `]}`,
		"leads": `{"Message":{"Id":"a9"}}`, "a1": `{}`,
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		calls = append(calls, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("X-Client")+" "+string(body))
		parts := strings.Split(r.URL.Path, "/")
		_, _ = w.Write([]byte(answers[parts[len(parts)-1]]))
	})
	c, err := d.Driver().Open(connector.Config{
		Kind: crm.AuthToken, BaseURL: "https://one.odd.example", Now: time.Now, HTTP: &http.Client{
			Transport: fakekit.Transport(h),
		},
		Credentials: map[string]secret.Text{"token": secret.NewText("k&y"), "site": secret.NewText("s/1")},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if _, err := c.Test(ctx); err != nil {
		t.Error(err)
	}
	page, err := c.Changes(ctx, connector.ChangesRequest{Object: "leads", Fields: []string{"Name", "Tags"}, Full: true})
	if err != nil || len(page.Records) != 1 || page.Records[0].Fields["Name"].Text() != "Ann" ||
		!slices.Equal(page.Records[0].Fields["Tags"].Items(), []string{"x", "y"}) {
		t.Errorf("listed: %+v, %v", page, err)
	}
	if _, err := c.Changes(ctx, connector.ChangesRequest{Object: "leads", Cursor: "@1767225599000"}); err != nil {
		t.Error(err)
	}
	if got, err := c.BatchRead(ctx, "leads", []crm.RecordID{"a1", "b2", "no such"}, nil); err != nil ||
		got[0].Err != nil || got[1].Err == nil || got[2].Err == nil {
		t.Errorf("read: %+v, %v", got, err)
	}
	if got, err := c.BatchRead(ctx, "leads", []crm.RecordID{"a1"}, []string{
		"Owner", "Note", "Gone", "nothing",
	}); err != nil || len(got[0].Record.Fields) != 2 {
		t.Errorf("below a null, and left out: %+v, %v", got[0].Record, err)
	} else if f := got[0].Record.Fields; f["Owner"].Kind() != crm.Null || f["Note"].Kind() != crm.Null {
		t.Errorf("below a null, and left out: %v", f)
	}
	if got, err := c.BatchFind(ctx, "leads", crm.Field{Name: "Email"}, []string{`a"@example.com`}, nil); err != nil ||
		len(got[0]) != 1 {
		t.Errorf("found: %+v, %v", got, err)
	}
	for _, w := range []connector.Write{
		{Op: connector.Create, Fields: crm.Fields{
			"Email": crm.TextValue("b@example.com"), "Name": crm.TextValue("Bo"), "Tags": crm.NullValue(),
		}},
		{Op: connector.Update, ID: "a1", Fields: crm.Fields{"Name": crm.NullValue(), "Tags": crm.ListValue("p", "q")}},
	} {
		if out, err := c.BatchWrite(ctx, "leads", []connector.Write{w}); err != nil || out[0].Err != nil {
			t.Errorf("%s: %+v, %v", w.Op, out, err)
		}
	}
	const at = "POST /sites/s%2F1/"
	want := []string{
		at + `whoami?key=k%26y Lockstep {"what":"me"}`,
		at + `leads/search?key=k%26y Lockstep {"paging":{"index":0,"size":2},"sort":"none"}`,
		at + `leads/search?key=k%26y Lockstep {"after":"1767225599000","paging":{"index":0,"size":2},"sort":"Stamp"}`,
		at + `leads/search?key=k%26y Lockstep {"ids":"a1,b2"}`,
		at + `leads/search?key=k%26y Lockstep {"ids":"a1"}`,
		at + `leads/search?key=k%26y Lockstep {"where":["Email","a\"@example.com"]}`,
		at + `leads?key=k%26y Lockstep {"attributes":[{"Attribute":"Email","Value":"b@example.com"},{"Attribute":"FullName","Value":"Bo"}],"source":"sync"}`,
		at + `leads/a1?key=k%26y Lockstep [{"Attribute":"FullName","Value":""},{"Attribute":"Tags","Value":"p,q"}]`,
	}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// TestEvents: deliveries in the forms that the documents at hand have.
func TestEvents(t *testing.T) {
	t.Parallel()
	model := edited(t)
	at := strings.Index(model, "hooks:")
	parse := func(hooks, body string) ([]connector.Event, error) {
		d, err := declared.Parse("x.yaml", []byte(model[:at]+"hooks:\n  verify: {kind: none}\n"+hooks))
		if err != nil {
			t.Fatal(err)
		}
		return d.Driver().Webhooks.Parse(connector.WebhookRequest{Method: http.MethodPost, Body: []byte(body)})
	}
	event := func(kind connector.EventKind, id crm.RecordID) connector.Event {
		return connector.Event{Kind: kind, Object: "people", ID: id}
	}
	one := "  word: /what\n  id: /ids\n  map: {made: {object: people, kind: changed}, gone: {object: people, kind: " +
		"deleted, id: /old}}\n"
	keyed := "  events: \"\"\n  word: \"@key\"\n  id: /p/id\n  map: {made: {object: people, kind: changed}}\n"
	for name, c := range map[string]struct {
		hooks, body string
		want        []connector.Event
		bad         bool
	}{
		"a list of records": {
			one, `{"what":"made","ids":[7,8,7]}`, []connector.Event{
				event(connector.EventChanged, "7"), event(connector.EventChanged, "8"),
			}, false,
		},
		"one record": {
			one, `{"what":"made","ids":"7"}`,
			[]connector.Event{event(connector.EventChanged, "7")},
			false,
		},
		"at another place": {
			one, `{"what":"gone","old":9}`,
			[]connector.Event{event(connector.EventDeleted, "9")},
			false,
		},
		"an unknown word":      {one, `{"what":"seen","ids":[7]}`, nil, false},
		"no word":              {one, `{"ids":[7]}`, nil, true},
		"no record":            {one, `{"what":"made"}`, nil, true},
		"an odd record":        {one, `{"what":"made","ids":[7,{}]}`, nil, true},
		"a list of deliveries": {one, `[{"what":"made","ids":[7]}]`, nil, true},
		"by word": {
			keyed, `{"made":[{"p":{"id":7}},{"p":{"id":8}}],"seen":[{"p":{"id":9}}],"at":"now"}`,
			[]connector.Event{event(connector.EventChanged, "7"), event(connector.EventChanged, "8")},
			false,
		},
		"by word, nothing": {keyed, `{}`, nil, false},
		"by word, odd":     {keyed, `{"made":[7]}`, nil, true},
	} {
		got, err := parse(c.hooks, c.body)
		if (err != nil) != c.bad {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	many, _ := json.Marshal(map[string]any{"what": "made", "ids": slices.Repeat([]int{1}, 50_000)})
	if got, err := parse(one, string(many)); err != nil || len(got) != 1 {
		t.Errorf("one record, often: %d events, %v", len(got), err)
	}
}
