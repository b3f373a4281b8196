package hubspot

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/scan"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Changes implements connector.Connector.
func (a *account) Changes(ctx context.Context, req connector.ChangesRequest) (connector.ChangesPage, error) {
	src, err := a.source(req.Object, req.Fields)
	if err != nil {
		return connector.ChangesPage{}, err
	}
	return scan.Next(ctx, src, req, scan.Options{Overlap: overlap}, a.client.Clock())
}

// source lists one object.
type source struct {
	*account

	op, object, base string
	fields           []string // properties
	edges            []edge   // associations
}

func (a *account) source(object string, fields []string) (source, error) {
	op := "hubspot: list " + object
	base, err := path(op, objectsPath, object)
	fields, edges := apart(object, fields)
	return source{account: a, op: op, object: object, base: base, fields: fields, edges: edges}, err
}

// Since implements scan.Source. Offsets end at 10,000 results, so each page is
// a new search: "modified at or after the last time seen", in ascending order.
// Where one instant fills a whole page, that instant is listed by record ID
// until it is used up, and the search goes on a millisecond later.
//
// Source: https://developers.hubspot.com/docs/api-reference/search/guide.md
func (s source) Since(ctx context.Context, q scan.Query) (scan.Result, error) {
	at, err := scan.ParseInstant(s.op, q.After, q.From, recordID)
	if err != nil {
		return scan.Result{}, err
	}
	body := s.query(at, s.fields)
	wide := size(body) > maxSearchBody
	if wide {
		body = s.query(at, nil)
	}
	if q.Newest {
		body.Sorts[0].Direction = "DESCENDING"
	}
	r := rest.Request{Op: s.op, Method: http.MethodPost, Path: s.base + "/search", Body: body}
	var out page
	a, err := s.client.Call(ctx, r, &out)
	if err != nil {
		return scan.Result{}, err
	}
	res := scan.Result{Total: -1, Now: a.Now}
	if out.Total != nil && *out.Total >= 0 {
		res.Total = *out.Total
	}
	if res.Records, err = s.records(r, out.Results); err != nil {
		return scan.Result{}, err
	}
	if !q.Newest {
		var last string
		if n := len(res.Records); n > 0 {
			last = string(res.Records[n-1].ID)
		}
		if res.Next, err = at.Next(s.op, res.Records, out.Paging.Next.After != "", last, time.Millisecond); err != nil {
			return scan.Result{}, err
		}
	}
	if wide {
		err = s.fill(ctx, res.Records)
	}
	if err == nil {
		err = s.tellEnds(ctx, s.op, s.object, pointers(res.Records), s.edges)
	}
	return res, err
}

func (s source) query(at scan.Instant, fields []string) searchBody {
	modified := modifiedProperty(s.object)
	body := searchBody{
		Groups: []groupBody{{Filters: []filterBody{{Property: modified, Operator: "GTE", Value: milliseconds(at.From)}}}},
		Sorts:  []sortBody{{Property: modified, Direction: "ASCENDING"}},
		Limit:  pageSize, Properties: withMerged(fields),
	}
	if at.Tie {
		filters := []filterBody{{Property: modified, Operator: "EQ", Value: milliseconds(at.From)}}
		if at.After != "" {
			filters = append(filters, filterBody{Property: "hs_object_id", Operator: "GT", Value: at.After})
		}
		body.Groups[0].Filters = filters
		body.Sorts[0].Property = "hs_object_id"
	}
	return body
}

// records turns rows into records, each with its time.
func (s source) records(r rest.Request, rows []row) ([]crm.Record, error) {
	if err := whole(r, rows); err != nil {
		return nil, err
	}
	modified := modifiedProperty(s.object)
	out := make([]crm.Record, 0, len(rows))
	for i := range rows {
		rec, _ := rows[i].record()
		// The property is what the search sorts by; updatedAt is the same time.
		if v, err := time.Parse(time.RFC3339Nano, rec.Fields[modified].Text()); err == nil {
			rec.ModifiedAt = v.UTC()
		}
		if rec.ModifiedAt.IsZero() {
			return nil, rest.Malformed(r, "HubSpot's answer has a record without a time")
		}
		if !slices.Contains(s.fields, modified) {
			delete(rec.Fields, modified)
		}
		takeMerged(&rec, s.fields)
		out = append(out, rec)
	}
	return out, nil
}

// maxURL is the longest URL that we ask for. HubSpot's servers end the request
// with 414 at about 16,000 characters, some say at 8,000:
// github.com/PostHog/posthog/pull/31617, github.com/airweave-ai/airweave/pull/1064.
const maxURL = 7_000

// All implements scan.Source, by the list, which shows every record at once
// while the search index lags.
func (s source) All(ctx context.Context, after string) (scan.Result, error) {
	bare := s
	wide := len(s.base)+len(url.QueryEscape(strings.Join(s.fields, ",")))+500 > maxURL
	if wide {
		bare.fields = nil
	}
	out, a, err := bare.list(ctx, after, false)
	if err != nil {
		return scan.Result{}, err
	}
	records, err := s.records(rest.Request{Op: s.op}, out.Results)
	if err == nil && wide {
		err = s.fill(ctx, records)
	}
	if err == nil {
		err = s.tellEnds(ctx, s.op, s.object, pointers(records), s.edges)
	}
	return scan.Result{Records: records, Next: out.Paging.Next.After, Total: -1, Now: a.Now}, err
}

// fill reads the values of records that a listing could not carry: their number
// is bounded by the URL, or by the body of a search, that of a batch read is not.
func (s source) fill(ctx context.Context, records []crm.Record) error {
	return scan.Fill(records, batchSize, func(ids []crm.RecordID) ([]connector.Read, error) {
		return s.BatchRead(ctx, s.object, ids, s.fields)
	})
}

// list reads one page of the list.
func (s source) list(ctx context.Context, after string, archived bool) (page, rest.Answer, error) {
	q := url.Values{"limit": {strconv.Itoa(listSize)}, "archived": {strconv.FormatBool(archived)}}
	if after != "" {
		q.Set("after", after)
	}
	q.Set("properties", strings.Join(withMerged(s.fields), ","))
	r := rest.Request{Op: s.op, Method: http.MethodGet, Path: s.base, Query: q}
	var out page
	a, err := s.client.Call(ctx, r, &out)
	if err != nil {
		return page{}, a, err
	}
	if next := out.Paging.Next.After; next != "" && (next == after || len(out.Results) == 0 || len(next) > 500) {
		return page{}, a, rest.Malformed(r, "HubSpot repeats a page")
	}
	return out, a, whole(r, out.Results)
}

// Deleted is one of connector.Extras: a sweep through the archived records.
// HubSpot lists all it still has, in no order that is promised; those archived
// before the last sweep began are left out. Merged records come without their
// survivor, which a read by their ID answers.
//
// Errors: Invalid with code "cursor_expired" when the last sweep is older than
// HubSpot remembers; then only a full scan tells what is gone.
func (a *account) Deleted(ctx context.Context, object, cursor, position string) (connector.DeletedPage, error) {
	src, err := a.source(object, nil)
	if err != nil {
		return connector.DeletedPage{}, err
	}
	since, okCursor := sweepTime(cursor)
	began, after, _ := strings.Cut(position, "/")
	start, okStart := sweepTime(began)
	if !okCursor || !okStart || position != "" && after == "" {
		return connector.DeletedPage{}, scan.BadPosition(src.op)
	}
	out, ans, err := src.list(ctx, after, true)
	if err != nil {
		return connector.DeletedPage{}, err
	}
	if start.IsZero() {
		start = ans.Now
	}
	if !since.IsZero() && start.Sub(since) > archiveDays-overlap {
		return connector.DeletedPage{}, fault.New(src.op, fault.Invalid, connector.CodeExpired,
			"HubSpot has forgotten archived records since the last sweep; a full scan is needed")
	}
	result := connector.DeletedPage{}
	for i := range out.Results {
		at := out.Results[i].ArchivedAt
		if !since.IsZero() && !at.IsZero() && at.Before(since.Add(-overlap)) {
			continue
		}
		result.Records = append(result.Records, crm.Record{
			ID: crm.RecordID(out.Results[i].ID), Deleted: true, ModifiedAt: at.UTC(),
		})
	}
	if next := out.Paging.Next.After; next != "" {
		result.Next = milliseconds(start) + "/" + next
		return result, nil
	}
	result.Cursor = cursor
	if !start.IsZero() {
		result.Cursor = milliseconds(start)
	}
	return result, nil
}

// archiveDays is how long archived records are listed:
// knowledge.hubspot.com/records/restore-deleted-records.
const archiveDays = 90 * 24 * time.Hour

// sweepTime reads milliseconds; "" is the zero time, and so is what was written when
// HubSpot had not told its time.
func sweepTime(s string) (time.Time, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	if s == "" || err == nil && n < 0 {
		return time.Time{}, true
	}
	return time.UnixMilli(n).UTC(), err == nil
}

var _ scan.Source = source{}
