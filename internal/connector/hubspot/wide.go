package hubspot

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/scan"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// maxURL is the longest URL that we ask for. HubSpot's servers end the request
// with 414 at about 16,000 characters, some say at 8,000:
// github.com/PostHog/posthog/pull/31617, github.com/airweave-ai/airweave/pull/1064.
const maxURL = 7_000

// wideURL reports whether a listing of so many properties has too long a URL.
func wideURL(base string, fields []string) bool {
	return len(base)+len(url.QueryEscape(strings.Join(fields, ",")))+500 > maxURL
}

// wideFind reports whether the properties leave too little of a search for the
// values that it asks for.
func wideFind(fields []string) bool { return len(strings.Join(fields, `","`)) > maxSearchBody/2 }

// fill reads the values of records that a listing could not carry: their number
// is bounded by the URL, or by the body of a search, that of a batch read is not.
func (s source) fill(ctx context.Context, records []crm.Record) error {
	return scan.Fill(records, batchSize, func(ids []crm.RecordID) ([]connector.Read, error) {
		return s.a.BatchRead(ctx, s.object, ids, s.fields)
	})
}

// widen reads rows that were found anew, with all the properties wanted.
func (a *account) widen(ctx context.Context, op, object string, rows []row, asked []string) ([]row, error) {
	out := rows[:0:0]
	for part := range slices.Chunk(rows, batchSize) {
		ids := make([]crm.RecordID, len(part))
		for i, r := range part {
			ids[i] = crm.RecordID(r.ID)
		}
		got, _, bad, err := a.readRows(ctx, op, object, ids, batchReadBody{Properties: asked})
		for _, e := range bad { // one that was found and cannot be shown is not nobody
			err = cmp.Or(err, e)
		}
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			if r, ok := got[id]; ok {
				out = append(out, r)
			}
		}
	}
	return out, nil
}
