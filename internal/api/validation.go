package api

import (
	"context"
	"encoding/json"

	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// validationReport is the answer of validate.
type validationReport struct {
	Valid    bool            `json:"valid"`
	Problems []ProblemItem   `json:"problems" nullable:"false"`
	Warnings []ProblemItem   `json:"warnings" nullable:"false" doc:"What is saved all the same, and worth a look"`
	Changes  []settingChange `json:"changes" nullable:"false" doc:"What saving would change of what is stored: the first 1,000 places, with values up to 256 KiB in all; none for a document that does not fit its form"`
	Touches  []touched       `json:"touches" nullable:"false" doc:"What the changes mean for records that are known"`
	// Held is no problem: saving goes on, and so does everything else.
	Held []engine.HeldPart `json:"held,omitempty" doc:"What rests because a field is gone; see the code field_missing"`
}

type validationOutput struct {
	Body validationReport
}

// validateConnection reports what saving would refuse, and stores nothing.
func (s *server) validateConnection(ctx context.Context, in *connectionPath) (*validationOutput, error) {
	old, _, err := s.changeable(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	c, problems := old, []mapping.Problem(nil)
	var items []ProblemItem
	if body := bodyOf(ctx); len(body) > 0 {
		value, p := strictJSON(body)
		if p == nil {
			p = s.wrongForm(old, documentInput(), value)
		}
		if p != nil && (value == nil || p.long) {
			return report(p.Errors), nil
		}
		if p != nil {
			items = p.Errors
		}
		// What can be read of the document is looked at all the same.
		if c, problems = s.readFilled(ctx, body, old); p != nil {
			problems = nil
		}
	}
	if c == nil {
		return report(items), nil
	}
	out, err := s.looked(ctx, old, c, problems)
	if err != nil {
		return nil, err
	}
	out.Changes, out.Touches = []settingChange{}, []touched{}
	if items == nil { // what does not fit the form changes nothing
		if out.Changes, out.Touches, err = s.differences(ctx, old, c); err != nil {
			return nil, err
		}
		out.Changes = brief(out.Changes)
	}
	out.Problems = append(items, out.Problems...)
	some(&out.Problems)
	out.Valid = len(out.Problems) == 0
	return &validationOutput{Body: *out}, nil
}

const (
	maxChanges      = 1000
	maxChangeValues = 256 << 10 // bytes
)

// brief bounds what an answer repeats of a document.
func brief(all []settingChange) []settingChange {
	all = all[:min(len(all), maxChanges)]
	size := 0
	for i := range all {
		text, err := json.Marshal(all[i])
		if size += len(text); err != nil || size > maxChangeValues {
			all[i].Before, all[i].After = nil, nil
		}
	}
	return all
}

func report(items []ProblemItem) *validationOutput {
	some(&items)
	return &validationOutput{Body: validationReport{
		Valid: len(items) == 0, Problems: items, Warnings: []ProblemItem{}, Changes: []settingChange{}, Touches: []touched{},
	}}
}
