package salesforce

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/scan"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Changes implements connector.Connector. Incremental scans ask queryAll, so
// that the recycle bin is listed too; full ones ask query.
func (o *org) Changes(ctx context.Context, req connector.ChangesRequest) (connector.ChangesPage, error) {
	if err := names("salesforce: list "+label(req.Object), req.Object, req.Fields...); err != nil {
		return connector.ChangesPage{}, err
	}
	src := source{org: o, object: req.Object, fields: req.Fields}
	return scan.Next(ctx, src, req, scan.Options{Overlap: overlap, Memory: deletedDays - deletedEdge}, o.client.Clock())
}

// source lists one object.
type source struct {
	*org

	object string
	fields []string
}

// Since implements scan.Source. The first page asks without a limit, because
// only then totalSize counts all records; the server's cursor is dropped and
// the next page goes on by key.
func (s source) Since(ctx context.Context, q scan.Query) (scan.Result, error) {
	op := "salesforce: list changes of " + s.object
	var where []string
	if !q.From.IsZero() {
		where = append(where, colModified+" >= "+stamp(q.From))
	}
	after, err := scan.ParseKey(op, q.After, long)
	if err != nil {
		return scan.Result{}, err
	}
	if q.After != "" {
		where = append(where, fmt.Sprintf("(%[1]s > %[2]s OR (%[1]s = %[2]s AND %[3]s > %[4]s))",
			colModified, stamp(after.At), colID, quote(string(after.ID))))
	}
	order := "SystemModstamp ASC, Id ASC"
	if q.Newest {
		order = "SystemModstamp DESC, Id DESC"
	}
	res, err := s.list(ctx, op, where, order, q.After != "", true)
	if err != nil || q.Newest {
		res.Next = ""
		return res, err
	}
	last, err := after.Behind(op, res.Records)
	if err != nil {
		return scan.Result{}, err
	}
	if res.Next != "" {
		res.Next = last.String()
	}
	return res, nil
}

// All implements scan.Source by key.
func (s source) All(ctx context.Context, after string) (scan.Result, error) {
	op := "salesforce: list all of " + s.object
	var where []string
	if after != "" { // the ID of a record that was listed
		where = []string{colID + " > " + quote(after)}
	}
	res, err := s.list(ctx, op, where, "Id ASC", after != "", false)
	if err != nil || res.Next == "" {
		return res, err
	}
	last := res.Records[len(res.Records)-1].ID
	if string(last) <= after {
		return scan.Result{}, rest.Malformed(rest.Request{Op: op}, "the app listed records out of order")
	}
	res.Next = string(last)
	return res, nil
}

// list reads one page. Next is only a mark that there is more.
func (s source) list(
	ctx context.Context, op string, where []string, order string, limited, all bool,
) (scan.Result, error) {
	tail := " FROM " + s.object
	if len(where) > 0 {
		tail += " WHERE " + strings.Join(where, " AND ")
	}
	tail += " ORDER BY " + order
	if limited {
		tail += fmt.Sprintf(" LIMIT %d", pageSize)
	}
	soql := "SELECT " + strings.Join(columns(s.object, s.fields...), ", ") + tail
	wide := len(url.QueryEscape(soql)) > maxURL
	if wide { // a retrieve takes any number of fields, a URL does not
		soql = "SELECT " + strings.Join(columns(s.object), ", ") + tail
	}
	page, date, err := s.page(ctx, query(op, soql, all))
	if err != nil {
		return scan.Result{}, err
	}
	r := rest.Request{Op: op}
	res := scan.Result{Total: -1, Now: date}
	if res.Records, err = records(r, page.Records, s.fields); err != nil {
		return scan.Result{}, err
	}
	if wide {
		err := scan.Fill(res.Records, readBatch, func(ids []crm.RecordID) ([]connector.Read, error) {
			return s.BatchRead(ctx, s.object, ids, s.fields)
		})
		if err != nil {
			return scan.Result{}, err
		}
	}
	if !limited {
		res.Total = *page.TotalSize
	}
	// Pages may be shorter than asked for without being the last
	// (guide/headers-queryoptions), and a full one with a limit may be followed.
	if !*page.Done || limited && len(res.Records) == pageSize {
		res.Next = "more"
		if len(res.Records) == 0 {
			return scan.Result{}, rest.Malformed(r, "the app says there is more and lists nothing")
		}
	}
	return res, nil
}

const (
	// Salesforce lists deletions of the last 15 days: guide/resources-getdeleted.
	deletedDays = 15 * 24 * time.Hour
	deletedEdge = time.Hour   // kept from the far end, for clocks that differ
	deletedSpan = time.Minute // end must be at least so long after start
)

// Deleted is one of connector.Extras, by getDeleted, in one page. It also
// lists what left the recycle bin, but not the survivors of merges: those come
// with Changes.
//
// Errors: Invalid with code "cursor_expired" when Salesforce has forgotten
// deletions since the cursor; then only a full scan tells what is gone.
func (o *org) Deleted(ctx context.Context, object, cursor, position string) (connector.DeletedPage, error) {
	op := "salesforce: list deletions of " + label(object)
	if err := names(op, object); err != nil {
		return connector.DeletedPage{}, err
	}
	if position != "" {
		return connector.DeletedPage{}, scan.BadPosition(op) // there is only one page
	}
	if cursor != "" {
		start, err := time.Parse(time.RFC3339, cursor)
		if err != nil {
			return connector.DeletedPage{}, scan.BadPosition(op)
		}
		return o.deleted(ctx, op, object, start, true)
	}
	page, err := o.deleted(ctx, op, object, o.client.Time().Add(deletedEdge-deletedDays), false)
	if fault.CodeOf(err) == connector.CodeExpired {
		// Our clock was wrong; the refusal told us the org's time.
		page, err = o.deleted(ctx, op, object, o.client.Time().Add(deletedEdge-deletedDays), false)
	}
	return page, err
}

func (o *org) deleted(
	ctx context.Context, op, object string, start time.Time, resumed bool,
) (connector.DeletedPage, error) {
	// Seconds are ignored, so both ends are whole minutes.
	start = start.UTC().Truncate(time.Minute)
	end := o.client.Time().UTC().Truncate(time.Minute)
	if least := start.Add(2 * deletedSpan); end.Before(least) {
		end = least
	}
	r := rest.Request{
		Op: op, Path: dataPath + "/sobjects/" + object + "/deleted/",
		Query: url.Values{"start": {start.Format(time.RFC3339)}, "end": {end.Format(time.RFC3339)}},
	}
	var got deletedLog
	if _, err := o.client.Call(ctx, r, &got); err != nil {
		return connector.DeletedPage{}, err
	}
	earliest, errE := time.Parse(outLayout, got.Earliest)
	latest, errL := time.Parse(outLayout, got.Latest)
	if errors.Join(errE, errL) != nil || got.Records == nil {
		return connector.DeletedPage{}, rest.Malformed(r, "the listing, or one of its dates, is missing or not valid")
	}
	if resumed && start.Before(earliest.Truncate(time.Minute)) {
		return connector.DeletedPage{}, fault.New(op, fault.Invalid, connector.CodeExpired,
			"Salesforce has purged its log of deletions since the last look; a full scan is needed")
	}
	page := connector.DeletedPage{Records: make([]crm.Record, 0, len(got.Records))}
	for _, d := range got.Records {
		id, ok := long(d.ID)
		at, err := time.Parse(outLayout, d.At)
		if !ok || err != nil {
			return connector.DeletedPage{}, rest.Malformed(r, "a deletion has no valid ID or time")
		}
		page.Records = append(page.Records, crm.Record{ID: id, Deleted: true, ModifiedAt: at.UTC()})
	}
	if latest.Before(start) {
		latest = start // never back
	}
	page.Cursor = latest.UTC().Format(time.RFC3339)
	return page, nil
}

var _ scan.Source = source{}
