package carddav

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/scan"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Changes implements connector.Connector by sync-collection, or where a server has none by
// the etags of all cards. Which one a listing is by, its positions say.
func (a *account) Changes(ctx context.Context, req connector.ChangesRequest) (connector.ChangesPage, error) {
	const op = "carddav: list"
	if err := check(op, req.Object, 0, 0); err != nil {
		return connector.ChangesPage{}, err
	}
	l := lists{a, op}
	page, err := l.page(ctx, req)
	if err != nil {
		return connector.ChangesPage{}, err
	}
	page.Records, err = l.fill(ctx, page.Records, req.Fields)
	return page, err
}

// lists lists cards: IDs and etags, and of those that are gone that they are.
type lists struct {
	*account

	op string
}

const (
	byEtags = "etags:" // before a position of a listing of etags; none of the others has a colon
	etag    = "etag"
)

func (l lists) page(ctx context.Context, req connector.ChangesRequest) (connector.ChangesPage, error) {
	place := &req.Position
	if req.Position == "" && !req.Full {
		place = &req.Cursor
	}
	whole := false
	if *place, whole = strings.CutPrefix(*place, byEtags); !whole {
		page, err := scan.ByToken(ctx, l, req, scan.TokenOptions{Bound: l.wanted}, l.client.Clock())
		if !fault.Is(err, fault.Unsupported) {
			return page, err
		}
	}
	req.Fields = []string{etag}
	page, err := scan.ByListing(ctx, l, req, 0)
	if page.Next != "" {
		page.Next = byEtags + page.Next
	}
	if page.Cursor != "" {
		page.Cursor = byEtags + page.Cursor
	}
	return page, err
}

// sweep is a place in a listing by token: what the answer was asked for that is handed out
// in pages, the token of the first one, and the last ID of the page before.
type sweep struct {
	Since string `json:"s,omitempty"`
	Until string `json:"u,omitempty"`
	After string `json:"a,omitempty"`
}

func (s sweep) String() string {
	b, _ := json.Marshal(s) // made of texts
	return string(b)
}

// From implements scan.TokenSource. An answer that the server cut off is handed out
// as it is, and its token is where the next one begins. One that is whole is asked for
// again for each page of ours; that what has changed meanwhile is listed once more, the
// listing ends with the token that came first.
func (l lists) From(ctx context.Context, token, after string) (scan.TokenPage, error) {
	at := sweep{Since: token}
	if after != "" && json.Unmarshal([]byte(after), &at) != nil {
		return scan.TokenPage{}, scan.BadPosition(l.op)
	}
	out, r, err := l.sync(ctx, at.Since)
	if err != nil {
		return scan.TokenPage{}, err
	}
	if out.Token == "" {
		return scan.TokenPage{}, rest.Malformed(r, "the server's listing has no token")
	}
	all := out.listed()
	page := scan.TokenPage{Records: behind(all, at.After)}
	switch {
	case out.cut():
		if out.Token == at.Since {
			return scan.TokenPage{}, rest.Malformed(r, "the server's listing does not go on")
		}
		page.Next = sweep{Since: out.Token, Until: at.Until}.String()
	case len(page.Records) > pageSize:
		page.Records = page.Records[:pageSize]
		at.Until, at.After = cmp.Or(at.Until, out.Token), string(page.Records[pageSize-1].ID)
		page.Next = at.String()
	default:
		page.Token = cmp.Or(at.Until, out.Token)
	}
	if token == "" && !out.cut() {
		page.Total = len(all)
	}
	return page, nil
}

// sync asks for what changed since a token: RFC 6578 section 3.2.
func (l lists) sync(ctx context.Context, since string) (*multistatus, rest.Request, error) {
	at, err := l.found(ctx, l.op)
	if err != nil {
		return nil, rest.Request{}, err
	}
	r := request(l.op, "REPORT", at, "0", "D:sync-collection", "<D:sync-token>"+quoted(since)+
		"</D:sync-token><D:sync-level>1</D:sync-level><D:prop><D:getetag/><D:getlastmodified/></D:prop>")
	l.mu.Lock()
	without := l.noSync
	l.mu.Unlock()
	if without {
		return nil, r, fault.New(l.op, fault.Unsupported, connector.CodeUnsupported, "the server has no sync-collection")
	}
	out, err := l.inBook(ctx, r)
	if fault.Is(err, fault.Unsupported) {
		l.mu.Lock()
		l.noSync = true
		l.mu.Unlock()
		if since != "" { // it had it before
			err = fault.New(l.op, forgotten.Kind, forgotten.Code, forgotten.Text)
		}
	}
	return out, r, err
}

// All implements scan.Lister by what each card's etag is.
func (l lists) All(ctx context.Context, after string) (scan.Result, error) {
	at, err := l.found(ctx, l.op)
	if err != nil {
		return scan.Result{}, err
	}
	r := request(l.op, "PROPFIND", at, "1", "D:propfind", "<D:prop><D:getetag/><D:getlastmodified/></D:prop>")
	out, err := l.inBook(ctx, r)
	switch {
	case err != nil:
		return scan.Result{}, err
	case out.cut():
		return scan.Result{}, rest.Malformed(r, "the server does not list all contacts")
	}
	all := slices.DeleteFunc(out.listed(), func(r crm.Record) bool { return r.Deleted })
	page := scan.Result{Records: behind(all, after), Total: len(all)}
	if len(page.Records) > pageSize {
		page.Records = page.Records[:pageSize]
		page.Next = string(page.Records[pageSize-1].ID)
	}
	return page, nil
}

// listed are the cards of a listing in the order of their IDs, without values but the etag.
func (m *multistatus) listed() []crm.Record {
	out := make([]crm.Record, 0, len(m.Responses))
	for i := range m.Responses {
		s := &m.Responses[i]
		one, ok := id(s.name())
		if !ok { // the address book itself, or another one below it
			continue
		}
		p, has := s.has()
		gone := !has && (code(s.Status) == "404" || code(s.Status) == "410")
		if !has && !gone {
			continue
		}
		out = append(out, crm.Record{
			ID: one, Deleted: gone, ModifiedAt: p.modified(nil), Fields: crm.Fields{etag: crm.TextValue(p.Etag)},
		})
	}
	slices.SortFunc(out, func(a, b crm.Record) int { return cmp.Compare(a.ID, b.ID) })
	return slices.CompactFunc(out, func(a, b crm.Record) bool { return a.ID == b.ID })
}

// behind are the records whose IDs follow one.
func behind(all []crm.Record, after string) []crm.Record {
	i, _ := slices.BinarySearchFunc(all, crm.RecordID(after), func(r crm.Record, id crm.RecordID) int {
		return cmp.Compare(r.ID, id)
	})
	if i < len(all) && string(all[i].ID) == after {
		i++
	}
	return all[i:]
}

// fill reads the cards of a page. What is no contact is left out. One that is gone by
// now, or cannot be read, stays without values: whoever works it finds out.
func (l lists) fill(ctx context.Context, records []crm.Record, fields []string) ([]crm.Record, error) {
	out := make([]crm.Record, 0, len(records))
	for part := range slices.Chunk(records, batchSize) {
		var ids []crm.RecordID
		for _, r := range part {
			if !r.Deleted {
				ids = append(ids, r.ID)
			}
		}
		var found map[crm.RecordID]row
		if len(ids) > 0 {
			var r rest.Request
			var err error
			if found, r, err = l.cards(ctx, l.op, ids); err != nil {
				return nil, err
			}
			if !slices.ContainsFunc(ids, func(id crm.RecordID) bool { return found[id].status != "none" }) {
				return nil, rest.Malformed(r, "the server shows none of the contacts that it listed")
			}
		}
		for _, r := range part {
			got := found[r.ID]
			switch {
			case r.Deleted:
				r.Fields, r.ModifiedAt = nil, time.Time{}
			case got.card != nil:
				r = got.record(r.ID, fields)
			case got.status != "":
				r.Fields = nil
			default:
				continue
			}
			out = append(out, r)
		}
	}
	return out, nil
}

var (
	_ scan.TokenSource = lists{}
	_ scan.Lister      = lists{}
)
