package kept

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// overlap is how far a listing of what was told looks back before the one before it
// began: the index may lag, and clocks may differ.
const overlap = 2 * time.Minute

// place is where a scan stands: since when it runs, in which of several queries, and
// where in it.
type place struct {
	began time.Time
	query int
	at    string
}

func (p place) String() string {
	return strconv.FormatInt(p.began.UnixNano(), 36) + "." + strconv.Itoa(p.query) + "." + p.at
}

func placeOf(s string) (p place, ok bool) {
	began, rest, found := strings.Cut(s, ".")
	query, at, more := strings.Cut(rest, ".")
	n, err := strconv.ParseInt(began, 36, 64)
	if !found || !more || err != nil || n < 0 {
		return p, false
	}
	p.began, p.at = time.Unix(0, n), at
	p.query, err = strconv.Atoi(query)
	return p, err == nil && p.query >= 0
}

// Changes implements connector.Connector: what was kept since, or all that is kept.
func (c *conn) Changes(ctx context.Context, req connector.ChangesRequest) (connector.ChangesPage, error) {
	const op = "kept: changes"
	var page connector.ChangesPage
	bad := fault.New(op, fault.Invalid, connector.CodePosition, "this is no place that a listing returned")
	p := place{began: c.book.Now()}
	if req.Position != "" {
		var ok bool
		if p, ok = placeOf(req.Position); !ok {
			return page, bad
		}
	}
	queries := store.KeptRecords(c.book.ws, c.book.account, req.Object)
	if !req.Full && req.Cursor != "" {
		since, ok := placeOf(req.Cursor)
		if !ok {
			return page, bad
		}
		queries = []store.Query{store.KeptIndex(c.book.ws, c.book.account, req.Object, since.began)}
	}
	if p.query >= len(queries) {
		return page, bad
	}
	for len(page.Records) < pageSize && p.query < len(queries) {
		q := queries[p.query]
		q.Cursor, q.Limit = p.at, pageSize-len(page.Records)
		got, err := c.book.Store.Query(ctx, q)
		if err != nil {
			return connector.ChangesPage{}, err
		}
		for _, it := range got.Items {
			r, ok, err := store.DecodeKept(it)
			if err != nil {
				return connector.ChangesPage{}, err
			}
			if ok {
				page.Records = append(page.Records, record(&r, req.Fields))
			}
		}
		if p.at = got.Next; p.at == "" {
			p.query++
		}
	}
	if p.query < len(queries) {
		page.Next = p.String()
		return page, nil
	}
	page.Cursor = place{began: p.began.Add(-overlap)}.String()
	return page, nil
}
