package api

import (
	"bytes"
	"context"
	"net/http"
	"net/url"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// linksHeader are the columns of the linked pairs of a sync.
var linksHeader = []string{"left", "right", "state", "code", "since"}

// exportLinks writes the pairs of a sync as CSV, so that somebody who leaves need not
// match again. It ends early, with a link to the next part, where an export of the log
// does. No app is asked.
func (s *server) exportLinks(ctx context.Context, in *struct {
	SyncPath
	Cursor string `query:"cursor" maxLength:"8192"`
},
) (*csvOutput, error) {
	ws, err := s.syncOf(ctx, in.SyncPath, access.Principal.Reads)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	writeRow(&b, linksHeader)
	cursor, stop := in.Cursor, s.Now().Add(requestTime/2)
	for rows := 0; ; {
		page, next, err := s.Engine.ListRecords(ctx, ws, in.ID, in.Sync, engine.RecordFilter{}, min(200, csvRows-rows),
			cursor)
		if err != nil {
			return nil, err
		}
		for i := range page {
			if v := &page[i]; v.Partner != "" && v.State != crm.StateDeleted {
				writeRow(&b, linkCells(v))
			}
		}
		rows, cursor = rows+len(page), next
		if cursor == "" || rows >= csvRows || b.Len() >= csvBytes-csvSlack || s.Now().After(stop) {
			break
		}
	}
	out := &csvOutput{
		ContentType: "text/csv; charset=utf-8", Disposition: `attachment; filename="lockstep-links.csv"`,
		Body: b.Bytes(),
	}
	if cursor != "" {
		out.Link = "</v1/connections/" + url.PathEscape(string(in.ID)) + "/syncs/" + url.PathEscape(string(in.Sync)) +
			"/links.csv?cursor=" + url.QueryEscape(cursor) + `>; rel="next"`
	}
	return out, nil
}

func linkCells(v *engine.RecordView) []string {
	left, right := v.ID, v.Partner
	if v.Side == crm.Right {
		left, right = right, left
	}
	return []string{string(left), string(right), string(v.State), v.Code, timeText(v.Since)}
}

// ImportLinksRequest are pairs that somebody brings.
type ImportLinksRequest struct {
	Pairs  []engine.PairOfIDs `json:"pairs" minItems:"1" maxItems:"1000" doc:"IDs of records that are one, as links.csv has them"`
	DryRun bool               `json:"dry_run,omitempty" doc:"Only say what would become of each"`
}

// LinkedPairs is what becomes of pairs that somebody brought.
type LinkedPairs struct {
	DryRun bool                 `json:"dry_run"`
	Items  []engine.PairVerdict `json:"items" doc:"One a pair, in their order"`
	Run    *engine.Run          `json:"run,omitempty" doc:"Links those that are not refused; absent for a dry run"`
}

type linkedOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     LinkedPairs
}

// importLinks links pairs by their IDs, so that somebody who comes from elsewhere need not
// match again.
func (s *server) importLinks(ctx context.Context, in *struct {
	SyncPath
	Body ImportLinksRequest
},
) (*linkedOutput, error) {
	ws, err := s.syncOf(ctx, in.SyncPath, access.Principal.Changes)
	if err != nil {
		return nil, err
	}
	items, run, err := s.Engine.LinkPairs(ctx, ws, in.ID, in.Sync, in.Body.Pairs, in.Body.DryRun)
	if err != nil {
		return nil, err
	}
	out := &linkedOutput{Status: http.StatusOK, Body: LinkedPairs{DryRun: in.Body.DryRun, Items: items, Run: run}}
	some(&out.Body.Items)
	if run != nil {
		out.Status, out.Location = http.StatusAccepted, runAddress(run.ID)
	}
	return out, nil
}
