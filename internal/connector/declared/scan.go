package declared

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/scan"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Changes implements connector.Connector: by times where the app can be asked for them,
// and else by comparing everything.
func (a *account) Changes(ctx context.Context, req connector.ChangesRequest) (connector.ChangesPage, error) {
	o, err := a.find(a.op("list"), req.Object, 0, 0)
	if err != nil {
		return connector.ChangesPage{}, err
	}
	src := source{a, a.op("list " + o.name), o, req.Fields}
	if o.List.Since == nil {
		return scan.ByListing(ctx, src, req, 0)
	}
	return scan.Next(ctx, src, req, scan.Options{
		Overlap: o.List.Since.Overlap, Uncounted: true, Unordered: o.List.Since.Order != "time",
		Moving: o.List.Since.Order != "time" && o.List.Page != nil && o.List.Page.Kind == "number",
	}, a.client.Clock())
}

// source lists one object.
type source struct {
	*account

	op     string
	object *object
	fields []string
}

// Since implements scan.Source. Records in the order of times are listed as a Walk;
// others by the app's own pages, from the same time on.
func (s source) Since(ctx context.Context, q scan.Query) (scan.Result, error) {
	since := s.object.List.Since
	at, err := scan.ParseWalk(s.op, "", q.From, since.Grain)
	if since.Order == "time" {
		at, err = scan.ParseWalk(s.op, q.After, q.From, since.Grain)
	} else {
		at.After = q.After
	}
	if err != nil {
		return scan.Result{}, err
	}
	res, err := s.page(ctx, s.settings.with("since", formatTime(at.From, since.Format)), at.After, since.Query, since.Body)
	if err != nil {
		return scan.Result{}, err
	}
	if since.Order == "time" {
		if res.Next, err = at.Next(s.op, res.Records, res.Next != "", res.Next, since.Grain); err != nil {
			return scan.Result{}, err
		}
	}
	for _, r := range res.Records {
		if s.object.Modified != nil && r.ModifiedAt.Before(at.From) {
			return scan.Result{}, rest.Malformed(rest.Request{Op: s.op}, s.desc.Name+" lists records that were not asked for")
		}
	}
	// A filter that knows days only lists the whole day.
	res.Records = slices.DeleteFunc(res.Records, func(r crm.Record) bool {
		return !r.ModifiedAt.IsZero() && r.ModifiedAt.Before(q.From)
	})
	return res, nil
}

// All implements scan.Source and scan.Lister.
func (s source) All(ctx context.Context, after string) (scan.Result, error) {
	return s.page(ctx, s.settings, after, s.object.List.All, nil)
}

// page lists one page; Next is the app's own place of the next one.
func (s source) page(
	ctx context.Context, v vars, after string, query map[string]string, body any,
) (scan.Result, error) {
	l := s.object.List
	place, first := after, ""
	if l.Page != nil && l.Page.Kind != "cursor" {
		place, first, _ = strings.Cut(after, " ")
	}
	if l.Page != nil && place == "" {
		place = l.Page.start()
	}
	if len(after) > maxCursor || strings.ContainsFunc(place, func(r rune) bool { return r < ' ' || r > '~' }) {
		return scan.Result{}, scan.BadPosition(s.op)
	}
	if _, err := strconv.Atoi(place); err != nil && l.Page != nil && l.Page.Kind != "cursor" {
		return scan.Result{}, scan.BadPosition(s.op)
	}
	c := l.call
	if body != nil {
		c.Body = body
	}
	r := c.request(s.op, v.with("page", place), query)
	doc, got, err := s.call(ctx, r, l.Nothing)
	if err != nil {
		return scan.Result{}, err
	}
	res := scan.Result{Total: -1, Now: got.Now, Records: []crm.Record{}}
	if doc == nil {
		return res, nil
	}
	list, ok := entries(doc, l.Items)
	if !ok {
		return scan.Result{}, rest.Malformed(r, "the answer is not what "+s.desc.Name+" documents")
	}
	if total, err := strconv.Atoi((entry{v: doc}).text(l.Total)); err == nil && total >= 0 {
		res.Total = total
	}
	for _, e := range list {
		rec, err := s.record(r, s.object, e, s.fields)
		if err != nil {
			return scan.Result{}, err
		}
		if !rec.Deleted {
			res.Records = append(res.Records, rec)
		}
	}
	if l.Page != nil {
		res.Next = l.Page.next(entry{v: doc}, place, len(list), s.desc.Limits.PageSize)
	}
	again := false
	// numbers go on for ever: the page tells whether it is another one
	if res.Next != "" && len(list) > 0 && l.Page.Kind != "cursor" {
		again = first == list[0].text(&s.object.ID.At)
		res.Next += " " + list[0].text(&s.object.ID.At)
	}
	if res.Next != "" && (again || res.Next == after || len(list) == 0 || len(res.Next) > maxCursor) {
		return scan.Result{}, rest.Malformed(r, s.desc.Name+" repeats a page")
	}
	return res, nil
}

// maxCursor bounds an app's cursor, in bytes.
const maxCursor = 2000

// start is the place of the first page.
func (p *pagePart) start() string {
	if p.Kind == "cursor" {
		return ""
	}
	return strconv.Itoa(p.First)
}

// next is the place behind a page of n entries, "" at the end. Offsets step back by a
// twentieth: a record that is deleted meanwhile moves the others forward.
func (p *pagePart) next(doc entry, place string, n, size int) string {
	more := n >= size
	switch {
	case p.Last != nil:
		more = !doc.is(p.Last)
	case p.More != nil:
		more = doc.is(p.More)
	case p.Next != nil:
		more = doc.is(p.Next)
	}
	if !more {
		return ""
	}
	if p.Kind == "cursor" {
		return doc.text(p.Next)
	}
	at, _ := strconv.Atoi(place) // it was checked
	if p.Kind == "offset" {
		return strconv.Itoa(at + n - n/20)
	}
	return strconv.Itoa(at + 1)
}

// longestOverlap bounds how far a listing looks back.
const longestOverlap = 7 * 24 * time.Hour

var (
	_ scan.Source = source{}
	_ scan.Lister = source{}
)
