package leadsquared

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/scan"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Changes implements connector.Connector.
func (a *account) Changes(ctx context.Context, req connector.ChangesRequest) (connector.ChangesPage, error) {
	const op = "leadsquared: list"
	of, err := check(op, req.Object, 0, 0)
	if err != nil {
		return connector.ChangesPage{}, err
	}
	list := leadList
	if of != "" {
		list = activityList(of)
	}
	return scan.Next(ctx, source{a, op, list, req.Fields}, req, scan.Options{Overlap: overlap, Uncounted: true},
		a.client.Clock())
}

// source lists leads, or activities of one type.
type source struct {
	*account

	op string
	listing
	fields []string
}

// listing is what the two listings by date have of their own.
type listing struct {
	path   string
	within string // the order of records of one second
	ask    func(body, parameter map[string]any, fields []string)
	record func(l lead, r rest.Request, fields []string) (crm.Record, error)
}

// leadList lists leads. Source: apidocs.leadsquared.com/get-leads-by-date-range.
var leadList = listing{
	path: leads + "Leads.RecentlyModified", within: "ProspectAutoId", record: lead.record,
	ask: func(body, _ map[string]any, fields []string) { body["Columns"] = columns(fields) },
}

const (
	grain = time.Second // how finely LeadSquared tells times
	ahead = 24 * time.Hour
)

// placePattern is a page within one second, and how many leads that held when its first
// page was listed.
var placePattern = regexp.MustCompile(`^[1-9][0-9]{0,6}:[0-9]{1,9}$`)

// Since implements scan.Source: "modified from the last time seen", in ascending order.
// Where one second fills a page, it is listed by itself, in the order of lead numbers and
// by page. A lead that is edited meanwhile leaves that second, and all behind it move up:
// then the second is listed from its first page again.
func (s source) Since(ctx context.Context, q scan.Query) (scan.Result, error) {
	at, err := scan.ParseInstant(s.op, q.After, q.From, placePattern.MatchString)
	if err != nil {
		return scan.Result{}, err
	}
	at.From = at.From.Truncate(grain)
	page, held, until, by := 1, 0, s.client.Time().Add(ahead), "ModifiedOn"
	if at.Tie {
		until, by = at.From, s.within
		if first, count, ok := strings.Cut(at.After, ":"); ok {
			page, _ = strconv.Atoi(first) // it has the pattern
			held, _ = strconv.Atoi(count)
		}
	}
	parameter := map[string]any{"FromDate": at.From.UTC().Format(layout), "ToDate": until.UTC().Format(layout)}
	body := map[string]any{
		"Parameter": parameter, "Paging": paging(page, pageSize),
		"Sorting": map[string]string{"ColumnName": by, "Direction": "0"},
	}
	s.ask(body, parameter, s.fields)
	r := rest.Request{Op: s.op, Method: http.MethodPost, Path: s.path, Body: body}
	var ans list
	got, err := s.client.Call(ctx, r, &ans)
	if err != nil {
		return scan.Result{}, err
	}
	if ans.rows() == nil && ans.Count != 0 {
		return scan.Result{}, rest.Malformed(r, "the answer has no records")
	}
	res := scan.Result{Records: make([]crm.Record, 0, len(ans.rows())), Total: -1, Now: got.Now}
	last := at.From
	for _, l := range ans.rows() {
		rec, err := s.record(l, r, s.fields)
		if err != nil {
			return scan.Result{}, err
		}
		// the range or the order was not understood
		if rec.ModifiedAt.Before(last) && !at.Tie || rec.ModifiedAt.After(until) {
			return scan.Result{}, rest.Malformed(r, "LeadSquared lists records that were not asked for, or out of order")
		}
		if last = rec.ModifiedAt; at.Tie {
			last = at.From
		}
		res.Records = append(res.Records, rec)
	}
	more := len(ans.rows()) >= pageSize
	next := strconv.Itoa(page+1) + ":" + strconv.Itoa(ans.Count)
	if at.Tie && page > 1 && ans.Count < held {
		more, next = true, "1:"+strconv.Itoa(ans.Count)
	}
	res.Next, err = at.Next(s.op, res.Records, more, next, grain)
	return res, err
}

// All implements scan.Source in the order of modification: leads that are edited
// meanwhile come at the end once more, and none is passed over.
func (s source) All(ctx context.Context, after string) (scan.Result, error) {
	return s.Since(ctx, scan.Query{After: after})
}

var _ scan.Source = source{}
