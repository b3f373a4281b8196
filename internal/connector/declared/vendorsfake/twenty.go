package vendorsfake

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit/restapp"
)

// TwentyKey opens the fake.
const TwentyKey = "fake-twenty-key"

// Twenty returns a fake of a workspace, after the OpenAPI that Twenty makes of itself
// (packages/twenty-server, open-api) and its developers' pages on APIs and webhooks:
// filters as field[comparator]:value, pages of 60 by cursor, composite fields, deleted
// records out of sight.
func Twenty(cfg fakekit.Config) *restapp.Fake {
	object := func(name string, fields ...restapp.Field) *restapp.Object {
		return &restapp.Object{
			Name: name, ID: "/id", NewID: uuids, Created: "/createdAt", Modified: "/updatedAt", Stamp: stampMillis, Blank: "",
			Fields: fields,
		}
	}
	sub := func(name string, max int) restapp.Field {
		return restapp.Field{Name: name, At: "/" + strings.ReplaceAll(name, ".", "/"), Max: max}
	}
	people := object("people", sub("name.firstName", 0), sub("name.lastName", 0), sub("emails.primaryEmail", 0),
		sub("phones.primaryPhoneNumber", 0),
		restapp.Field{Name: "jobTitle", Max: 300}, restapp.Field{Name: "city"}, sub("linkedinLink.primaryLinkUrl", 0),
		restapp.Field{Name: "companyId"})
	companies := object("companies", restapp.Field{Name: "name"}, sub("domainName.primaryLinkUrl", 0),
		restapp.Field{Name: "employees", Kind: restapp.Number},
		sub("address.addressCity", 0), sub("address.addressCountry", 0))
	for o, unique := range map[*restapp.Object]string{
		people: "emails.primaryEmail", companies: "domainName.primaryLinkUrl",
	} {
		o.Rule = func(f *restapp.Fake, before, after *fakekit.Record) *restapp.Refusal {
			if v := after.Fields[unique]; v != "" && (before == nil || before.Fields[unique] != v) {
				if twins, _ := f.List(o, restapp.Asked{Match: restapp.Holds(unique, v)}); twins.Total > 0 {
					return &restapp.Refusal{Status: http.StatusBadRequest, Text: "A duplicate entry was detected"}
				}
			}
			return nil
		}
	}
	return restapp.New(restapp.Spec{
		ID: "twenty", Slot: 1, Keys: []string{TwentyKey}, Present: bearer, Objects: []*restapp.Object{people, companies},
		Wait: waits,
		Person: func(p fakekit.Person) restapp.Values {
			return restapp.Values{
				"name.firstName": p.First, "name.lastName": p.Last, "emails.primaryEmail": p.Email,
				"phones.primaryPhoneNumber": p.Phone,
			}
		},
		Refuse: func(w http.ResponseWriter, x restapp.Refusal) {
			text := x.Text
			if x.Code == "bad_value" || x.Code == "too_long" {
				text = "Invalid value: " + text
			}
			fakekit.WriteJSON(w, x.Status, map[string]any{
				"statusCode": x.Status, "error": http.StatusText(x.Status), "messages": []string{text},
			})
		},
		Routes: func(f *restapp.Fake) (out []fakekit.Route) {
			for one, o := range map[string]*restapp.Object{"Person": people, "Company": companies} {
				path := "/rest/" + o.Name
				out = append(out, verbs{
					create: "POST " + path, update: "PATCH " + path + "/{id}", remove: "DELETE " + path + "/{id}",
					status: http.StatusCreated,
					wrap: func(action string, _ *restapp.Object, rec *fakekit.Record, shown map[string]any) any {
						if action == "delete" {
							shown = map[string]any{"id": rec.ID}
						}
						return map[string]any{"data": map[string]any{action + one: shown}}
					},
				}.routes(f, o)...)
				out = append(out, get(f, path, func(w http.ResponseWriter, r *http.Request) *restapp.Refusal {
					return twentyList(f, o, w, r)
				}))
			}
			return out
		},
		Hook: &restapp.Hook{
			Limit: 1,
			Word: func(object, action string) string {
				one := map[string]string{"people": "person", "companies": "company"}[object]
				return one + "." + map[string]string{"create": "created", "update": "updated", "delete": "deleted"}[action]
			},
			Pack: twentyDelivery,
		},
	}, cfg)
}

var twentyFilter = regexp.MustCompile(`^([A-Za-z.]+)\[([a-z]+)\]:(.+)$`)

func twentyList(f *restapp.Fake, o *restapp.Object, w http.ResponseWriter, r *http.Request) *restapp.Refusal {
	q := r.URL.Query()
	limit, refused := restapp.Int(r, "limit", 60, 0, 60)
	if refused != nil {
		return refused
	}
	ask := restapp.Asked{
		Limit: limit, Cursor: q.Get("starting_after"), ByTime: q.Get("order_by") == "updatedAt[AscNullsFirst]",
	}
	if text := q.Get("filter"); text != "" {
		m := twentyFilter.FindStringSubmatch(text)
		if m == nil {
			return &restapp.Refusal{Status: http.StatusBadRequest, Text: "filter invalid"}
		}
		if refused := twentyWhere(o, m[1], m[2], m[3], &ask); refused != nil {
			return refused
		}
	}
	page, refused := f.List(o, ask)
	if refused != nil {
		return refused
	}
	end := ""
	if len(page.Records) > 0 {
		end = page.Next
	}
	fakekit.WriteJSON(w, http.StatusOK, map[string]any{
		"data": map[string]any{o.Name: page.Records}, "totalCount": page.Total,
		"pageInfo": map[string]any{"hasNextPage": page.Next != "", "endCursor": end},
	})
	return nil
}

func twentyWhere(o *restapp.Object, name, comparator, raw string, ask *restapp.Asked) *restapp.Refusal {
	refused := &restapp.Refusal{Status: http.StatusBadRequest, Text: "filter invalid"}
	if comparator == "in" && name == "id" {
		var ids []string
		if json.Unmarshal([]byte(raw), &ids) != nil {
			return refused
		}
		ask.Match = func(rec *fakekit.Record) bool { return slices.Contains(ids, rec.ID) }
		return nil
	}
	var value string
	if json.Unmarshal([]byte(raw), &value) != nil {
		return refused
	}
	if name == "updatedAt" && comparator == "gte" {
		ask.From, refused = since(value, time.RFC3339)
		return refused
	}
	if !slices.ContainsFunc(o.Fields, func(d restapp.Field) bool { return d.Name == name }) {
		return refused
	}
	switch comparator {
	case "eq":
		ask.Match = func(rec *fakekit.Record) bool { return rec.Fields[name] == value }
	case "ilike":
		pattern := regexp.QuoteMeta(strings.ToLower(value))
		pattern = strings.NewReplacer("%", ".*", "_", ".").Replace(pattern)
		like := regexp.MustCompile("(?s)^" + pattern + "$")
		ask.Match = func(rec *fakekit.Record) bool { return like.MatchString(strings.ToLower(rec.Fields[name])) }
	default:
		return refused
	}
	return nil
}

// twentyDelivery signs time and body.
func twentyDelivery(_ *restapp.Fake, hook fakekit.Webhooks, events []fakekit.Event, now time.Time) fakekit.Packed {
	e := events[0]
	one, _, _ := strings.Cut(e.Kind, ".")
	p := unsigned(hook, map[string]any{
		"targetUrl": hook.URL, "eventName": e.Kind, "objectMetadata": map[string]string{"nameSingular": one},
		"eventDate": e.At.UTC().Format(time.RFC3339Nano), "record": e.Data,
		"workspaceId": "20202020-0000-4000-8000-000000000031",
	})
	stamp := strconv.FormatInt(now.UnixMilli(), 10)
	mac := hmac.New(sha256.New, []byte(hook.Secret))
	mac.Write([]byte(stamp + ":" + string(p.Body)))
	p.Header.Set("X-Twenty-Webhook-Timestamp", stamp)
	p.Header.Set("X-Twenty-Webhook-Signature", hex.EncodeToString(mac.Sum(nil)))
	return p
}
