package intercom

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/scan"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

func decode(b []byte, out any) error { return json.Unmarshal(b, out) }

// Changes implements connector.Connector.
func (a *account) Changes(ctx context.Context, req connector.ChangesRequest) (connector.ChangesPage, error) {
	o, err := find("intercom: list", req.Object, 0, 0)
	if err != nil {
		return connector.ChangesPage{}, err
	}
	src := source{a, "intercom: list " + o.id, o, req.Fields}
	if o == companies {
		return scan.ByListing(ctx, src, req, 0)
	}
	return scan.Next(ctx, src, req, scan.Options{Overlap: overlap, Uncounted: true}, a.client.Clock())
}

// source lists one object.
type source struct {
	*account

	op     string
	object object
	fields []string
}

// mostCompanies are as many as Intercom lists by page. The other way, its scroll, ends
// when a minute passes between two pages, and there is one for all. Source: GET /companies/scroll.
const mostCompanies = 10_000

// grain is how finely Intercom tells times.
const grain = time.Second

// placePattern is what a place of Intercom's may look like.
var placePattern = regexp.MustCompile(`^[A-Za-z0-9_=+/.:-]{1,1000}$`)

// Since implements scan.Source: contacts "updated at or after", in ascending order.
// Before 2.17 that would be days, and refused. Source: POST /contacts/search.
func (s source) Since(ctx context.Context, q scan.Query) (scan.Result, error) {
	at, err := scan.ParseWalk(s.op, q.After, q.From, grain)
	if err != nil {
		return scan.Result{}, err
	}
	if at.After != "" && !placePattern.MatchString(at.After) {
		return scan.Result{}, scan.BadPosition(s.op)
	}
	r := search(s.op, map[string]any{"field": "updated_at", "operator": ">=", "value": at.From.Unix()}, at.After)
	res, next, err := s.page(ctx, r)
	if err != nil {
		return scan.Result{}, err
	}
	res.Next, err = at.Next(s.op, res.Records, next != "", next, grain)
	return res, err
}

// All implements scan.Source and scan.Lister: contacts by Intercom's place, companies by
// page, in the order of their making.
func (s source) All(ctx context.Context, after string) (scan.Result, error) {
	if after != "" && !placePattern.MatchString(after) {
		return scan.Result{}, scan.BadPosition(s.op)
	}
	if s.object == companies {
		return s.companies(ctx, after)
	}
	q := url.Values{"per_page": {strconv.Itoa(pageSize)}}
	if after != "" {
		q.Set("starting_after", after)
	}
	res, next, err := s.page(ctx, rest.Request{Op: s.op, Path: s.object.path(), Query: q})
	res.Next = next
	return res, err
}

// companies lists one page by its number. What is deleted meanwhile moves others up, and
// one of them may be passed over: the next listing brings it. Source: POST /companies/list.
func (s source) companies(ctx context.Context, after string) (scan.Result, error) {
	number := 1
	if after != "" {
		n, err := strconv.Atoi(after)
		if err != nil || n < 2 {
			return scan.Result{}, scan.BadPosition(s.op)
		}
		number = n
	}
	r := rest.Request{Op: s.op, Method: http.MethodPost, Path: "/companies/list", Query: url.Values{
		"page": {strconv.Itoa(number)}, "per_page": {strconv.Itoa(companyPage)}, "order": {"asc"},
	}}
	res, _, err := s.page(ctx, r)
	if err == nil && len(res.Records) >= companyPage {
		res.Next = strconv.Itoa(number + 1)
	}
	return res, err
}

// page makes one call of a listing.
func (s source) page(ctx context.Context, r rest.Request) (res scan.Result, next string, err error) {
	var out list
	got, err := s.client.Call(ctx, r, &out)
	if err != nil {
		return res, "", err
	}
	if s.object == companies && out.Count > mostCompanies {
		return res, "", fault.New(s.op, fault.Unsupported, connector.CodeUnsupported,
			"Intercom lists 10,000 companies and no more, and the workspace has more")
	}
	if next = out.next(); next != "" && (len(out.Data) == 0 || !placePattern.MatchString(next)) {
		return res, "", rest.Malformed(r, "Intercom's page is empty and not the last, or names no next one")
	}
	if out.Data == nil {
		return res, "", rest.Malformed(r, "Intercom's page has no list of records")
	}
	res = scan.Result{Records: make([]crm.Record, 0, len(out.Data)), Total: -1, Now: got.Now}
	for _, w := range out.Data {
		rec, err := s.record(ctx, r, s.object, w, s.fields)
		if err != nil {
			return res, "", err
		}
		res.Records = append(res.Records, rec)
	}
	return res, next, nil
}

var (
	_ scan.Source = source{}
	_ scan.Lister = source{}
)
