package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// The log and the dead items are kept per connection. This file lists them for
// a whole workspace.

// maxMerged bounds how many connections one list is merged from: the cursor
// holds a place in each of them and has to fit into an address.
const maxMerged = 30

// among lists the connections that a request is about: the one named, or all
// that the caller may use.
func (s *server) among(
	ctx context.Context, named crm.ConnectionID, may func(access.Principal, crm.Access) bool,
) ([]crm.ConnectionID, error) {
	if named != "" {
		_, _, err := s.connectionFor(ctx, named, may)
		return []crm.ConnectionID{named}, err
	}
	who := access.From(ctx)
	var ids []crm.ConnectionID
	err := s.eachConnection(ctx, who.Workspace, func(c *crm.Connection) {
		if may(who, c.Access) {
			ids = append(ids, c.ID)
		}
	})
	return ids, err
}

// spot is where a merged list stands in one connection: behind a cursor, with
// the first entries of that page given already.
type spot struct {
	Connection crm.ConnectionID `json:"c"`
	Cursor     string           `json:"n,omitempty"`
	Skip       int              `json:"s,omitempty"`
}

func encodeSpots(spots []spot) string {
	if len(spots) == 0 {
		return ""
	}
	b, err := json.Marshal(spots)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// decodeSpots reads a merged cursor, whose connections must be the caller's.
func decodeSpots(cursor string, among []crm.ConnectionID) ([]spot, error) {
	if cursor == "" {
		if len(among) > maxMerged {
			return nil, problem(http.StatusBadRequest, CodeConnectionNeeded, "there are too many connections to list at once",
				ProblemItem{Parameter: "query.connection", Detail: "name a connection", Code: CodeConnectionNeeded})
		}
		spots := make([]spot, len(among))
		for i, id := range among {
			spots[i].Connection = id
		}
		return spots, nil
	}
	bad := problem(http.StatusBadRequest, "cursor_malformed", "")
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return nil, bad
	}
	var spots []spot
	if err := json.Unmarshal(b, &spots); err != nil || len(spots) > maxMerged {
		return nil, bad
	}
	mine := map[crm.ConnectionID]bool{}
	for _, id := range among {
		mine[id] = true
	}
	kept := spots[:0]
	for _, x := range spots {
		if x.Skip < 0 || x.Skip > 1000 {
			return nil, bad
		}
		if mine[x.Connection] { // access may have been taken away since
			kept = append(kept, x)
			mine[x.Connection] = false
		}
	}
	return kept, nil
}

// entries reads one page of the log over all connections of a search, newest
// first.
func (s *server) entries(ctx context.Context, q *logSearch, limit int, cursor string) ([]engine.Entry, string, error) {
	ws := access.From(ctx).Workspace
	if q.filter.Connection != "" {
		return s.Engine.ListLog(ctx, ws, q.filter, limit, cursor)
	}
	spots, err := decodeSpots(cursor, q.among)
	if err != nil {
		return nil, "", err
	}
	heads := make([][]engine.Entry, len(spots))
	nexts := make([]string, len(spots))
	sighted := true
	for i, x := range spots {
		f := q.filter
		f.Connection = x.Connection
		page, next, err := s.Engine.ListLog(ctx, ws, f, limit+x.Skip, x.Cursor)
		if err != nil {
			return nil, "", err
		}
		heads[i], nexts[i] = page[min(x.Skip, len(page)):], next
		if len(heads[i]) == 0 && next != "" { // nothing found yet, but there is more to look at
			spots[i] = spot{Connection: x.Connection, Cursor: next}
			sighted = false
		}
	}
	if !sighted { // who is newest cannot be told before every connection has an entry
		return nil, encodeSpots(spots), nil
	}
	out := merge(spots, heads, nexts, limit)
	left := spots[:0]
	for i, x := range spots {
		switch {
		case len(heads[i]) > 0:
			left = append(left, x)
		case nexts[i] != "":
			left = append(left, spot{Connection: x.Connection, Cursor: nexts[i]})
		}
	}
	return out, encodeSpots(left), nil
}

// merge takes the newest entries off the heads, and moves the spots. It stops
// where a head runs out whose connection has more.
func merge(spots []spot, heads [][]engine.Entry, nexts []string, limit int) []engine.Entry {
	var out []engine.Entry
	for len(out) < limit {
		newest := -1
		for i := range heads {
			if len(heads[i]) > 0 && (newest < 0 || heads[i][0].Time.After(heads[newest][0].Time)) {
				newest = i
			}
		}
		if newest < 0 {
			return out
		}
		out = append(out, heads[newest][0])
		heads[newest] = heads[newest][1:]
		spots[newest].Skip++
		if len(heads[newest]) == 0 && nexts[newest] != "" {
			return out
		}
	}
	return out
}
