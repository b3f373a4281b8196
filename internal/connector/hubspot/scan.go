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
	"github.com/lockstep-crm/lockstep/internal/connector/scan"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Changes implements connector.Connector.
func (a *account) Changes(ctx context.Context, req connector.ChangesRequest) (connector.ChangesPage, error) {
	base, err := path("hubspot: list "+req.Object, objectsPath, req.Object)
	if err != nil {
		return connector.ChangesPage{}, err
	}
	src := source{a: a, object: req.Object, base: base, fields: req.Fields}
	return scan.Next(ctx, src, req, scan.Options{Overlap: overlap}, a.now())
}

// source lists one object.
type source struct {
	a      *account
	object string
	base   string
	fields []string
}

// place is where Since goes on: at a time, or among the records of one instant
// after an ID.
type place struct {
	from time.Time
	tie  bool
	id   string // with tie: the last ID seen; "" = none yet
}

// text forms: "1767225600000" and "1767225600000/1234".
func (p place) String() string {
	if p.tie {
		return milliseconds(p.from) + "/" + p.id
	}
	return milliseconds(p.from)
}

func parsePlace(s string) (place, error) {
	ms, id, tie := strings.Cut(s, "/")
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil || tie && id != "" && !recordID(id) {
		return place{}, fault.New("hubspot: list", fault.Invalid, connector.CodePosition, "the position is not one of ours")
	}
	return place{from: time.UnixMilli(n).UTC(), tie: tie, id: id}, nil
}

// Since implements scan.Source. Offsets end at 10,000 results, so each page is
// a new search: "modified at or after the last time seen", in ascending order.
// Where one instant fills a whole page, that instant is listed by record ID
// until it is used up, and the search goes on a millisecond later.
//
// Source: https://developers.hubspot.com/docs/api-reference/search/guide.md
func (s source) Since(ctx context.Context, q scan.Query) (scan.Result, error) {
	at := place{from: q.From}
	if q.From.Before(time.UnixMilli(0)) {
		at.from = time.UnixMilli(0).UTC() // HubSpot is younger than that
	}
	if q.After != "" {
		var err error
		if at, err = parsePlace(q.After); err != nil {
			return scan.Result{}, err
		}
	}
	body := s.query(at, s.fields)
	wide := size(body) > maxSearchBody
	if wide {
		body = s.query(at, nil)
	}
	if q.Newest {
		body.Sorts[0].Direction = "DESCENDING"
	}
	r := request{op: "hubspot: list " + s.object, method: http.MethodPost, path: s.base + "/search", body: body}
	var out page
	a, err := s.a.client.call(ctx, r, &out)
	if err != nil {
		return scan.Result{}, err
	}
	res := scan.Result{Total: -1, Now: a.now}
	if out.Total != nil && *out.Total >= 0 {
		res.Total = *out.Total
	}
	if res.Records, err = s.records(r, out.Results); err != nil {
		return scan.Result{}, err
	}
	if !q.Newest {
		if res.Next, err = at.next(r, res.Records, out.Paging.Next.After != ""); err != nil {
			return scan.Result{}, err
		}
	}
	if wide {
		err = s.fill(ctx, res.Records)
	}
	return res, err
}

func (s source) query(at place, fields []string) searchBody {
	modified := modifiedProperty(s.object)
	body := searchBody{
		Groups: []groupBody{{Filters: []filterBody{{Property: modified, Operator: "GTE", Value: milliseconds(at.from)}}}},
		Sorts:  []sortBody{{Property: modified, Direction: "ASCENDING"}},
		Limit:  pageSize, Properties: withMerged(fields),
	}
	if at.tie {
		filters := []filterBody{{Property: modified, Operator: "EQ", Value: milliseconds(at.from)}}
		if at.id != "" {
			filters = append(filters, filterBody{Property: "hs_object_id", Operator: "GT", Value: at.id})
		}
		body.Groups[0].Filters = filters
		body.Sorts[0].Property = "hs_object_id"
	}
	return body
}

// next is the place after a page; more says that HubSpot has more results.
func (p place) next(r request, records []crm.Record, more bool) (string, error) {
	if len(records) == 0 {
		if more {
			return "", malformed(r, "HubSpot's page is empty and not the last")
		}
		if p.tie {
			return place{from: p.from.Add(time.Millisecond)}.String(), nil
		}
		return "", nil
	}
	last := records[len(records)-1]
	switch {
	case p.tie && more:
		if !moves(p.id, string(last.ID)) {
			return "", malformed(r, "HubSpot repeats a page")
		}
		return place{from: p.from, tie: true, id: string(last.ID)}.String(), nil
	case p.tie:
		return place{from: p.from.Add(time.Millisecond)}.String(), nil
	case !more:
		return "", nil
	}
	latest := last.ModifiedAt.Truncate(time.Millisecond)
	switch {
	case latest.Before(p.from):
		return "", malformed(r, "HubSpot's page is out of order")
	case latest.Equal(p.from):
		return place{from: p.from, tie: true}.String(), nil
	}
	return place{from: latest}.String(), nil
}

// moves reports whether record IDs went up.
func moves(before, after string) bool {
	return before == "" || len(after) > len(before) || len(after) == len(before) && after > before
}

// records turns rows into records, each with its time.
func (s source) records(r request, rows []row) ([]crm.Record, error) {
	modified := modifiedProperty(s.object)
	out := make([]crm.Record, 0, len(rows))
	for i := range rows {
		rec, ok := rows[i].record()
		if !ok {
			return nil, malformed(r, "HubSpot's answer has a record without an ID")
		}
		// The property is what the search sorts by; updatedAt is the same time.
		if v, err := time.Parse(time.RFC3339Nano, rec.Fields[modified].Text()); err == nil {
			rec.ModifiedAt = v.UTC()
		}
		if rec.ModifiedAt.IsZero() {
			return nil, malformed(r, "HubSpot's answer has a record without a time")
		}
		if !slices.Contains(s.fields, modified) {
			delete(rec.Fields, modified)
		}
		takeMerged(&rec, s.fields)
		out = append(out, rec)
	}
	return out, nil
}

// All implements scan.Source, by the list, which shows every record at once
// while the search index lags.
func (s source) All(ctx context.Context, after string) (scan.Result, error) {
	bare := s
	wide := wideURL(s.base, s.fields)
	if wide {
		bare.fields = nil
	}
	out, a, err := bare.list(ctx, after, false)
	if err != nil {
		return scan.Result{}, err
	}
	r := request{op: "hubspot: list " + s.object}
	records, err := s.records(r, out.Results)
	if err == nil && wide {
		err = s.fill(ctx, records)
	}
	return scan.Result{Records: records, Next: out.Paging.Next.After, Total: -1, Now: a.now}, err
}

// list reads one page of the list.
func (s source) list(ctx context.Context, after string, archived bool) (page, answer, error) {
	q := url.Values{"limit": {strconv.Itoa(listSize)}, "archived": {strconv.FormatBool(archived)}}
	if after != "" {
		q.Set("after", after)
	}
	q.Set("properties", strings.Join(withMerged(s.fields), ","))
	r := request{op: "hubspot: list " + s.object, method: http.MethodGet, path: s.base, query: q}
	var out page
	a, err := s.a.client.call(ctx, r, &out)
	if err != nil {
		return page{}, answer{}, err
	}
	if next := out.Paging.Next.After; next != "" && (next == after || len(out.Results) == 0 || len(next) > 500) {
		return page{}, answer{}, malformed(r, "HubSpot repeats a page")
	}
	return out, a, nil
}

// Deleted implements connector.Deletions: a sweep through the archived records.
// HubSpot lists all it still has, in no order that is promised; those archived
// before the last sweep began are left out. Merged records come without their
// survivor, which a read by their ID answers.
//
// Errors: Invalid with code "cursor_expired" when the last sweep is older than
// HubSpot remembers; then only a full scan tells what is gone.
func (a *account) Deleted(ctx context.Context, object, cursor, position string) (connector.DeletedPage, error) {
	op := "hubspot: list deleted " + object
	base, err := path(op, objectsPath, object)
	if err != nil {
		return connector.DeletedPage{}, err
	}
	since, okCursor := sweepTime(cursor)
	began, after, _ := strings.Cut(position, "/")
	start, okStart := sweepTime(began)
	if !okCursor || !okStart || position != "" && after == "" {
		return connector.DeletedPage{}, fault.New(op, fault.Invalid, connector.CodePosition, "the position is not one of ours")
	}
	src := source{a: a, object: object, base: base}
	out, ans, err := src.list(ctx, after, true)
	if err != nil {
		return connector.DeletedPage{}, err
	}
	if start.IsZero() {
		start = ans.now
	}
	if !since.IsZero() && start.Sub(since) > archiveDays-overlap {
		return connector.DeletedPage{}, fault.New(op, fault.Invalid, connector.CodeExpired, "HubSpot has forgotten archived records since the last sweep; a full scan is needed")
	}
	result := connector.DeletedPage{}
	for i := range out.Results {
		rec, ok := out.Results[i].record()
		if !ok {
			return connector.DeletedPage{}, malformed(request{op: op}, "HubSpot's answer has a record without an ID")
		}
		if at := out.Results[i].ArchivedAt; !since.IsZero() && !at.IsZero() && at.Before(since.Add(-overlap)) {
			continue
		}
		result.Records = append(result.Records, crm.Record{ID: rec.ID, Deleted: true, ModifiedAt: out.Results[i].ArchivedAt.UTC()})
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

// sweepTime reads milliseconds; "" is the zero time.
func sweepTime(s string) (time.Time, bool) {
	if s == "" {
		return time.Time{}, true
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	if n < 0 { // HubSpot did not tell its time when the sweep began
		return time.Time{}, true
	}
	return time.UnixMilli(n).UTC(), true
}

var _ scan.Source = source{}
