package pipedrive

import (
	"context"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/scan"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Changes implements connector.Connector.
func (a *account) Changes(ctx context.Context, req connector.ChangesRequest) (connector.ChangesPage, error) {
	o, err := find("pipedrive: list", req.Object, 0, 0)
	if err != nil {
		return connector.ChangesPage{}, err
	}
	src := source{a, "pipedrive: list " + o.id, o, req.Fields}
	return scan.Next(ctx, src, req, scan.Options{Overlap: overlap, Uncounted: true}, a.client.Clock())
}

// source lists one object.
type source struct {
	*account

	op     string
	object object
	fields []string
}

// grain is how finely Pipedrive tells times.
const grain = time.Second

// Since implements scan.Source: "updated at or after the last time seen", in
// ascending order. Where one second fills a page, it is listed by itself, in the
// order of IDs and by the server's cursor. Source: openapi v2, getPersons.
func (s source) Since(ctx context.Context, q scan.Query) (scan.Result, error) {
	at, err := scan.ParseInstant(s.op, q.After, q.From, cursorPattern.MatchString)
	if err != nil {
		return scan.Result{}, err
	}
	at.From = at.From.Truncate(grain)
	v := url.Values{"updated_since": {at.From.Format(time.RFC3339)}, "sort_by": {"update_time"}, "sort_direction": {"asc"}}
	if at.Tie {
		v.Set("updated_until", at.From.Add(grain).Format(time.RFC3339))
		v.Set("sort_by", "id")
	}
	res, err := s.page(ctx, v, at.After)
	if err != nil {
		return scan.Result{}, err
	}
	for _, r := range res.Records {
		if r.ModifiedAt.Before(at.From) { // the parameter was not understood
			return scan.Result{}, rest.Malformed(rest.Request{Op: s.op}, "Pipedrive lists records that were not asked for")
		}
	}
	res.Next, err = at.Next(s.op, res.Records, res.Next != "", res.Next, grain)
	return res, err
}

// cursorPattern is what a cursor of Pipedrive's may look like.
var cursorPattern = regexp.MustCompile(`^[A-Za-z0-9_=+/.-]{1,500}$`)

// All implements scan.Source in the order of IDs.
func (s source) All(ctx context.Context, after string) (scan.Result, error) {
	if after != "" && !cursorPattern.MatchString(after) {
		return scan.Result{}, scan.BadPosition(s.op)
	}
	return s.page(ctx, url.Values{"sort_by": {"id"}, "sort_direction": {"asc"}}, after)
}

// page lists one page from a cursor on; Next is the server's.
func (s source) page(ctx context.Context, v url.Values, after string) (scan.Result, error) {
	v.Set("limit", strconv.Itoa(pageSize))
	if after != "" {
		v.Set("cursor", after)
	}
	r := rest.Request{Op: s.op, Path: s.object.path(), Query: v}
	out, got, err := call[[]row](ctx, s.account, r)
	if err != nil {
		return scan.Result{}, err
	}
	next := out.More.Next
	if next != "" && (next == after || len(out.Data) == 0 || !cursorPattern.MatchString(next)) {
		return scan.Result{}, rest.Malformed(r, "Pipedrive repeats a page")
	}
	types, err := s.typesFor(ctx, s.op, s.object, out.Data, s.fields)
	if err != nil {
		return scan.Result{}, err
	}
	res := scan.Result{Records: make([]crm.Record, 0, len(out.Data)), Next: next, Total: -1, Now: got.Now}
	for _, w := range out.Data {
		rec, err := w.record(r, s.fields, types)
		if err != nil {
			return scan.Result{}, err
		}
		if !rec.Deleted {
			res.Records = append(res.Records, rec)
		}
	}
	return res, nil
}
