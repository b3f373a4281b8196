package api

import (
	"context"
	"net/http"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// ResolveRecordsRequest is one decision about many records.
type ResolveRecordsRequest struct {
	Filter struct {
		State crm.State `json:"state" enum:"conflict,duplicate" doc:"The records that wait for a decision"`
		Code  string    `json:"code,omitempty" minLength:"1" maxLength:"100" doc:"Why they do: what the status counts as reasons; absent = whatever the reason"`
		Field string    `json:"field,omitempty" minLength:"1" maxLength:"200" doc:"Of conflicts: ID of a mapping, or the name of a field of either app; absent = every field that waits"`
	} `json:"filter"`
	Choice engine.Choice `json:"choice" enum:"left,right,link,apart" doc:"left, right: that side's values win in the fields of a pair that wait. link: each record is linked with the one of the other app that it fits, where there is one that nothing is linked to. apart: they are left alone until a person links them"`
	DryRun bool          `json:"dry_run,omitempty" doc:"Only say what it would come to"`
}

// ResolvedRecords is what a decision about many records comes to.
type ResolvedRecords struct {
	DryRun    bool                  `json:"dry_run"`
	Decided   int                   `json:"decided" doc:"Records, a pair counts as one; at most 1,000 a call"`
	Undecided int                   `json:"undecided" doc:"Records that the filter names and the choice says nothing about: they wait as before"`
	More      bool                  `json:"more" doc:"There are further ones: the same call, once the run has ended, goes on with them"`
	Sample    []engine.ChosenRecord `json:"sample" doc:"Some of those that are decided"`
	Run       *engine.Run           `json:"run,omitempty" doc:"Carries it out; absent for a dry run"`
}

type resolvedOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     ResolvedRecords
}

func (s *server) resolveRecords(ctx context.Context, in *struct {
	SyncPath
	Body ResolveRecordsRequest
},
) (*resolvedOutput, error) {
	ws, err := s.syncOf(ctx, in.SyncPath, access.Principal.Changes)
	if err != nil {
		return nil, err
	}
	c, _, err := s.changeable(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	want := &in.Body
	f := engine.ResolveFilter{State: want.Filter.State, Code: want.Filter.Code}
	if want.Choice.OfValues() && f.State == crm.StateDuplicate {
		return nil, badChoice("/choice", "duplicates have no pair whose values could win: choose link or apart")
	}
	if want.Filter.Field != "" {
		if !want.Choice.OfValues() {
			return nil, badChoice("/filter/field", "link and apart are about records and not about fields: leave the field out")
		}
		for _, side := range crm.Sides {
			f.Mappings = append(f.Mappings, mappingsOf(c.Sync(in.Sync), side, want.Filter.Field)...)
		}
		if len(f.Mappings) == 0 {
			return nil, problem(http.StatusBadRequest, CodeUnknownKey, "the sync has no such mapping", ProblemItem{
				Pointer: "/filter/field", Code: CodeUnknownKey,
				Detail: "use the ID of a mapping of this sync, or a field that it maps on either side",
			})
		}
	}
	r, err := s.Engine.ResolveRecords(ctx, ws, in.ID, in.Sync, f, want.Choice, want.DryRun)
	if err != nil {
		return nil, err
	}
	out := &resolvedOutput{Status: http.StatusOK, Body: ResolvedRecords{
		DryRun: want.DryRun, Decided: r.Decided, Undecided: r.Undecided, More: r.More, Sample: r.Sample, Run: r.Run,
	}}
	some(&out.Body.Sample)
	if r.Run != nil {
		out.Status, out.Location = http.StatusAccepted, runAddress(r.Run.ID)
	}
	return out, nil
}

// badChoice refuses a decision that makes no sense of what it is about.
func badChoice(pointer, remedy string) error {
	return problem(http.StatusUnprocessableEntity, CodeChoiceUnfit, "the choice does not go with the filter",
		ProblemItem{Pointer: pointer, Detail: remedy, Code: CodeChoiceUnfit})
}
