package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// readinessHeader are the columns of the readiness report. A row is of one kind:
// a need of the start, a count of what the latest dry run of a sync found, or one
// record that it found something of.
var readinessHeader = []string{
	"kind", "sync", "what", "met", "required", "pointer", "side", "record", "partner", "code", "count", "detail",
	"remedy", "plan",
}

// readinessSpot is where a readiness report goes on: in the records of a plan.
type readinessSpot struct {
	Plan   crm.PlanID `json:"p"`
	Cursor string     `json:"n,omitempty"`
}

func (s *server) exportReadiness(ctx context.Context, in *struct {
	ConnectionPath
	Cursor string `query:"cursor" maxLength:"8192"`
},
) (*csvOutput, error) {
	out, err := s.readinessOf(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	writeRow(&b, readinessHeader)
	at := readinessSpot{}
	if in.Cursor == "" {
		out.writeNeeds(&b)
		if len(out.Records) > 0 {
			at.Plan = out.Records[0].Plan
		}
	} else if at, err = out.resume(in.Cursor); err != nil {
		return nil, err
	}
	answer := &csvOutput{
		ContentType: "text/csv; charset=utf-8", Disposition: `attachment; filename="lockstep-readiness.csv"`,
	}
	if at, err = s.writeFound(ctx, &b, out, at); err != nil {
		return nil, err
	}
	if at.Plan != "" {
		text, err := json.Marshal(at)
		if err != nil {
			return nil, err
		}
		answer.Link = "</v1/connections/" + url.PathEscape(string(in.ID)) + "/readiness.csv?cursor=" +
			base64.RawURLEncoding.EncodeToString(text) + `>; rel="next"`
	}
	answer.Body = b.Bytes()
	return answer, nil
}

// resume finds the place of a cursor; the plan may have been followed by another.
func (r *readiness) resume(cursor string) (at readinessSpot, err error) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || json.Unmarshal(text, &at) != nil || !slices.ContainsFunc(r.Records, func(f planFigures) bool {
		return f.Plan == at.Plan
	}) {
		return at, problem(http.StatusBadRequest, "cursor_malformed", "")
	}
	return at, nil
}

// writeNeeds writes what a start needs, and what the dry runs counted.
func (r *readiness) writeNeeds(b *bytes.Buffer) {
	for _, n := range r.Needs {
		writeRow(b, []string{
			"need", string(n.Sync), n.What, strconv.FormatBool(n.Met), strconv.FormatBool(n.Required), n.Pointer, "", "", "",
			n.Code, "", n.Detail, n.Remedy, "",
		})
	}
	for _, f := range r.Records {
		count := func(what, code string, n int64) {
			writeRow(b, []string{
				"count", string(f.Sync), what, "", "", "", "", "", "", code, strconv.FormatInt(n, 10), meanings[code].Meaning,
				meanings[code].Remedy, string(f.Plan),
			})
		}
		for _, outcome := range sortedWords(f.Totals) {
			count(outcome, "", f.Totals[crm.Outcome(outcome)])
		}
		for _, code := range sortedWords(f.Codes) {
			count("", code, f.Codes[code])
		}
	}
}

func sortedWords[K ~string, V any](m map[K]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, string(k))
	}
	slices.Sort(out)
	return out
}

// writeFound writes the records of which a dry run had something to say, plan by
// plan, up to the size of one answer; it returns where to go on, empty at the end.
func (s *server) writeFound(
	ctx context.Context, b *bytes.Buffer, r *readiness, at readinessSpot,
) (readinessSpot, error) {
	stop := s.Now().Add(requestTime / 2)
	i := slices.IndexFunc(r.Records, func(f planFigures) bool { return f.Plan == at.Plan })
	for rows := 0; i >= 0 && i < len(r.Records); {
		f := &r.Records[i]
		at.Plan = f.Plan
		changes, next, err := s.Engine.PlanChanges(ctx, access.From(ctx).Workspace, f.Plan, 200, at.Cursor)
		if err != nil {
			return at, err
		}
		for n := range changes {
			if changes[n].Code != "" {
				writeRow(b, foundCells(f, &changes[n]))
				rows++
			}
		}
		if at.Cursor = next; next == "" {
			i++
			at = readinessSpot{}
			if i < len(r.Records) {
				at.Plan = r.Records[i].Plan
			}
		}
		if rows > csvRows-200 || b.Len() >= csvBytes-csvSlack || s.Now().After(stop) {
			return at, nil
		}
	}
	return readinessSpot{}, nil
}

func foundCells(f *planFigures, c *engine.Change) []string {
	return []string{
		"record", string(f.Sync), string(c.Action), "", "", "", string(c.Side), string(c.Record), string(c.Partner), c.Code,
		"", meaning(c.Code), meanings[c.Code].Remedy, string(f.Plan),
	}
}
