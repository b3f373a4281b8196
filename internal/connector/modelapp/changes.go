package modelapp

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// spot is where a scan stands: which scan, when it began, and the last record
// listed, by (modified, ID) or, in a full scan, by ID.
type spot struct {
	sort  byte // c = changes, f = full, d = deletions
	from  int64
	start int64
	at    int64
	until int64 // what was modified from then on is left out; 0 = nothing is
	id    crm.RecordID
}

func (s spot) encode() string {
	return strings.Join([]string{
		string(s.sort), strconv.FormatInt(s.from, 10), strconv.FormatInt(s.start, 10), strconv.FormatInt(s.at, 10),
		strconv.FormatInt(s.until, 10), string(s.id),
	}, "|")
}

func parseSpot(text string) (spot, error) {
	bad := fault.New("model: list", fault.Invalid, "cursor_malformed", "the position is not one of ours")
	p := strings.SplitN(text, "|", 6)
	if len(p) != 6 || len(p[0]) != 1 || !strings.Contains("cfd", p[0]) {
		return spot{}, bad
	}
	s := spot{sort: p[0][0], id: crm.RecordID(p[5])}
	for i, to := range []*int64{&s.from, &s.start, &s.at, &s.until} {
		n, err := strconv.ParseInt(p[i+1], 10, 64)
		if err != nil {
			return spot{}, bad
		}
		*to = n
	}
	return s, nil
}

// begin reads what a request asks for.
func begin(sort byte, cursor, position string, now time.Time) (spot, error) {
	if position != "" {
		return parseSpot(position)
	}
	s := spot{sort: sort, start: now.UnixNano()}
	if cursor != "" {
		n, err := strconv.ParseInt(cursor, 10, 64)
		if err != nil {
			return s, fault.New("model: list", fault.Invalid, "cursor_malformed", "the cursor is not one of ours")
		}
		s.from = n
	}
	s.at = s.from - 1
	return s, nil
}

// ending sets where a scan ends.
func (s *spot) ending(mark string) error {
	if mark == "" {
		return nil
	}
	n, err := strconv.ParseInt(mark, 10, 64)
	if err != nil {
		return fault.New("model: list", fault.Invalid, "cursor_malformed", "the mark is not one of ours")
	}
	s.until = n
	return nil
}

// cursor is where the next scan begins: before anything that this one may not
// have seen yet.
func (a *App) cursor(s spot) string {
	return strconv.FormatInt(s.start-int64(a.opts.overlap()), 10)
}

// Changes implements connector.Connector.
func (c *client) Changes(ctx context.Context, req connector.ChangesRequest) (connector.ChangesPage, error) {
	sort := byte('c')
	if req.Full {
		sort = 'f'
	}
	if _, err := begin(sort, req.Cursor, req.Position, time.Time{}); err != nil {
		return connector.ChangesPage{}, err
	}
	page, err := ask(ctx, c, false, func(a *App) (connector.ChangesPage, error) {
		s, err := begin(sort, req.Cursor, req.Position, a.opts.Now())
		if err != nil {
			return connector.ChangesPage{}, err
		}
		if req.Position == "" {
			if err := s.ending(req.Until); err != nil {
				return connector.ChangesPage{}, err
			}
		}
		if err := a.asked("list", req.Fields); err != nil {
			return connector.ChangesPage{}, err
		}
		if err := a.forgotten(s, req.Cursor, a.opts.DeletedFeed); err != nil {
			return connector.ChangesPage{}, err
		}
		if s.sort == 'f' {
			return a.listAll(s, req.Fields), checkObject(req.Object)
		}
		return a.listChanges(s, req.Fields), checkObject(req.Object)
	})
	if err == nil && page.Next != "" && page.Next == req.Position {
		err = malformed("the listing does not move on")
	}
	return page, err
}

// forgotten refuses a cursor from before what the app remembers of deletions.
func (a *App) forgotten(s spot, cursor string, tells bool) error {
	if a.opts.Memory == 0 || cursor == "" || s.sort == 'f' || !tells || time.Duration(s.start-s.from) <= a.opts.Memory {
		return nil
	}
	return fault.New("model: list", fault.Invalid, "cursor_expired", "the app has forgotten what was deleted since")
}

// purged reports whether the app tells nothing of a deletion any more.
func (a *App) purged(at time.Time, now time.Time) bool {
	return a.opts.Memory > 0 && now.Sub(at) > a.opts.Memory
}

// listAll lists every live record by ID, as it is now.
func (a *App) listAll(s spot, fields []string) connector.ChangesPage {
	var page connector.ChangesPage
	for _, r := range a.order {
		if r.deleted || r.id <= s.id {
			continue
		}
		if len(page.Records) == a.opts.PageSize {
			page.Next = s.encode()
			return page
		}
		page.Records = append(page.Records, a.show(a.complete(r.record(fields), fields)))
		s.id = r.id
	}
	page.Cursor = a.cursor(s)
	page.Mark = page.Cursor
	return page
}

// listChanges lists what the index knows by (modified, ID) from the cursor on.
func (a *App) listChanges(s spot, fields []string) connector.ChangesPage {
	type hit struct {
		row *row
		view
	}
	now := a.opts.Now()
	var hits []hit
	for _, r := range a.order {
		v := a.indexed(r, now)
		at := v.modified.UnixNano()
		if !v.known || at < s.from || at < s.at || at == s.at && r.id <= s.id || s.until != 0 && at >= s.until ||
			v.deleted && (!a.opts.DeletedFeed || a.purged(v.modified, now)) {
			continue
		}
		hits = append(hits, hit{r, *v})
	}
	slices.SortFunc(hits, func(x, y hit) int {
		return cmp.Or(x.modified.Compare(y.modified), cmp.Compare(x.row.id, y.row.id))
	})
	var page connector.ChangesPage
	for _, h := range hits {
		if len(page.Records) == a.opts.PageSize {
			page.Next = s.encode()
			return page
		}
		page.Records = append(page.Records, a.show(a.complete(h.record(h.row, fields), fields)))
		s.at, s.id = h.modified.UnixNano(), h.row.id
	}
	if s.until != 0 {
		page.Cursor = strconv.FormatInt(s.until, 10)
		return page
	}
	page.Cursor = a.cursor(s)
	page.Mark = page.Cursor
	return page
}

// Deleted is one of connector.Extras.
func (c *client) Deleted(ctx context.Context, object, cursor, position string) (connector.DeletedPage, error) {
	return ask(ctx, c, false, func(a *App) (connector.DeletedPage, error) {
		s, err := begin('d', cursor, position, a.opts.Now())
		if err != nil {
			return connector.DeletedPage{}, err
		}
		if err := a.forgotten(s, cursor, true); err != nil {
			return connector.DeletedPage{}, err
		}
		return a.listDeleted(s), checkObject(object)
	})
}

func (a *App) listDeleted(s spot) connector.DeletedPage {
	var page connector.DeletedPage
	for _, r := range a.order {
		if !r.deleted || r.id <= s.id || r.modified.UnixNano() < s.from || a.purged(r.modified, a.opts.Now()) {
			continue
		}
		if len(page.Records) == a.opts.PageSize {
			page.Next = s.encode()
			return page
		}
		rec := crm.Record{ID: r.id, Deleted: true, ModifiedAt: r.modified}
		if a.opts.Merges {
			rec.MergedInto = r.into
		}
		page.Records = append(page.Records, rec)
		s.id = r.id
	}
	page.Cursor = a.cursor(s)
	return page
}
