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
	if err := check(op, req.Object, 0, 0); err != nil {
		return connector.ChangesPage{}, err
	}
	return scan.Next(ctx, source{a, op, req.Fields}, req, scan.Options{Overlap: overlap, Uncounted: true},
		a.client.Clock())
}

// source lists leads.
type source struct {
	*account

	op     string
	fields []string
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
// Source: apidocs.leadsquared.com/get-leads-by-date-range.
func (s source) Since(ctx context.Context, q scan.Query) (scan.Result, error) {
	at, err := scan.ParseInstant(s.op, q.After, q.From, placePattern.MatchString)
	if err != nil {
		return scan.Result{}, err
	}
	at.From = at.From.Truncate(grain)
	page, held, until, by := 1, 0, s.client.Time().Add(ahead), "ModifiedOn"
	if at.Tie {
		until, by = at.From, "ProspectAutoId"
		if first, count, ok := strings.Cut(at.After, ":"); ok {
			page, _ = strconv.Atoi(first) // it has the pattern
			held, _ = strconv.Atoi(count)
		}
	}
	r := rest.Request{Op: s.op, Method: http.MethodPost, Path: leads + "Leads.RecentlyModified", Body: map[string]any{
		"Parameter": map[string]string{"FromDate": at.From.UTC().Format(layout), "ToDate": until.UTC().Format(layout)},
		"Columns":   columns(s.fields), "Paging": paging(page, pageSize), "Sorting": map[string]string{
			"ColumnName": by, "Direction": "0",
		},
	}}
	var ans list
	got, err := s.client.Call(ctx, r, &ans)
	if err != nil {
		return scan.Result{}, err
	}
	if ans.Leads == nil && ans.Count != 0 {
		return scan.Result{}, rest.Malformed(r, "the answer has no leads")
	}
	res := scan.Result{Records: make([]crm.Record, 0, len(ans.Leads)), Total: -1, Now: got.Now}
	last := at.From
	for _, l := range ans.Leads {
		rec, err := l.record(r, s.fields)
		if err != nil {
			return scan.Result{}, err
		}
		// the range or the order was not understood
		if rec.ModifiedAt.Before(last) && !at.Tie || rec.ModifiedAt.After(until) {
			return scan.Result{}, rest.Malformed(r, "LeadSquared lists leads that were not asked for, or out of order")
		}
		if last = rec.ModifiedAt; at.Tie {
			last = at.From
		}
		res.Records = append(res.Records, rec)
	}
	more := len(ans.Leads) >= pageSize
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
