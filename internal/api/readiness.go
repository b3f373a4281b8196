package api

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// readiness says what a start needs and which of it is there.
type readiness struct {
	Ready   bool          `json:"ready" doc:"Everything that is required is there"`
	Needs   []need        `json:"needs" nullable:"false"`
	Records []planFigures `json:"records" nullable:"false" doc:"What the latest dry run found, by sync"`
}

// need is one thing that a start rests on.
type need struct {
	What     string     `json:"what" enum:"account,settings,switch,direction,match,mappings,plan"`
	Met      bool       `json:"met"`
	Required bool       `json:"required" doc:"A start is refused, or does nothing, without it"`
	Sync     crm.SyncID `json:"sync,omitempty"`
	Pointer  string     `json:"pointer" doc:"JSON Pointer into the document"`
	Code     string     `json:"code,omitempty"`
	Detail   string     `json:"detail"`
	Remedy   string     `json:"remedy,omitempty"`
}

// planFigures count what a plan found of the records of one sync.
type planFigures struct {
	Sync     crm.SyncID            `json:"sync"`
	Plan     crm.PlanID            `json:"plan"`
	MadeAt   time.Time             `json:"made_at"`
	Totals   map[crm.Outcome]int64 `json:"totals"`
	Codes    map[string]int64      `json:"codes" doc:"Records by the code of what is to be known of them, such as no_identity_key"`
	Complete bool                  `json:"complete" doc:"All of the plan's changes were counted by code"`
}

// countedChanges bounds the changes of a plan that are counted by code.
const countedChanges = 5000

type readinessOutput struct {
	Body readiness
}

func (s *server) getReadiness(ctx context.Context, in *connectionPath) (*readinessOutput, error) {
	out, err := s.readinessOf(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &readinessOutput{Body: *out}, nil
}

// readinessOf looks at everything that a start needs.
func (s *server) readinessOf(ctx context.Context, id crm.ConnectionID) (*readiness, error) {
	c, _, err := s.changeable(ctx, id)
	if err != nil {
		return nil, err
	}
	out := readiness{Needs: []need{}, Records: []planFigures{}}
	if err := s.accountNeeds(ctx, &out, c); err != nil {
		return nil, err
	}
	looked, err := s.looked(ctx, c, c, nil)
	if err != nil {
		return nil, err
	}
	settled := true
	for _, p := range looked.Problems {
		if p.Code == CodeStepMissing {
			continue // a need of its own
		}
		settled = false
		out.add(need{
			What: "settings", Required: true, Pointer: p.Pointer, Code: p.Code, Detail: p.Detail,
			Remedy: meanings[p.Code].Remedy,
		})
	}
	if settled {
		out.add(need{What: "settings", Required: true, Met: true, Detail: "the document has no problem"})
	}
	if c.Enabled {
		out.add(need{What: "switch", Required: true, Met: true, Pointer: "/enabled", Detail: "the connection is switched on"})
	} else {
		out.add(need{
			What: "switch", Required: true, Pointer: "/enabled", Code: reconcile.CodeSwitchedOff,
			Detail: "the connection is switched off", Remedy: "set enabled to true",
		})
	}
	if len(c.Syncs) == 0 {
		out.add(need{
			What: "direction", Required: true, Pointer: "/syncs", Detail: "there is no sync",
			Remedy: "add one: two objects, how they match, and mappings",
		})
	}
	plans, err := s.latestPlans(ctx, c)
	if err != nil {
		return nil, err
	}
	for i := range c.Syncs {
		out.syncNeeds(&c.Syncs[i], "/syncs/"+strconv.Itoa(i), plans[c.Syncs[i].ID])
	}
	for i := range c.Syncs {
		if p := plans[c.Syncs[i].ID]; p != nil {
			out.Records = append(out.Records, *p)
		}
	}
	out.Ready = !slices.ContainsFunc(out.Needs, func(n need) bool { return n.Required && !n.Met })
	return &out, nil
}

func (r *readiness) add(n need) { r.Needs = append(r.Needs, n) }

// accountNeeds asks that both accounts are there and let us in.
func (s *server) accountNeeds(ctx context.Context, out *readiness, c *crm.Connection) error {
	ws := access.From(ctx).Workspace
	waits, err := s.Engine.AccountWaits(ctx, ws)
	if err != nil {
		return err
	}
	for _, side := range crm.Sides {
		n := need{What: "account", Required: true, Met: true, Pointer: "/" + string(side) + "/account"}
		a, err := s.Accounts.Get(ctx, ws, c.Account(side))
		switch {
		case fault.Is(err, fault.NotFound):
			continue // said by the settings
		case err != nil:
			return err
		case len(waits[a.ID]) > 0:
			w := waits[a.ID][0]
			n.Met, n.Code, n.Detail, n.Remedy = false, w.Code, w.Detail, meanings[w.Code].Remedy
			if n.Detail == "" {
				n.Detail = meaning(w.Code)
			}
		default:
			n.Detail = fmt.Sprintf("the %s account %q lets us in, as far as is known", side, a.Name)
		}
		out.add(n)
	}
	return nil
}

// syncNeeds asks that a sync can do something at all.
func (r *readiness) syncNeeds(s *crm.Sync, at string, plan *planFigures) {
	if s.Direction == crm.DirectionOff {
		r.add(need{
			What: "direction", Sync: s.ID, Pointer: at + "/direction", Code: reconcile.CodeSwitchedOff,
			Detail: "the sync is off and does nothing", Remedy: "set its direction, or leave it off",
		})
		return
	}
	match := need{
		What: "match", Required: s.AvoidsDuplicates(), Met: true, Sync: s.ID, Pointer: at + "/match",
		Detail: "records are told apart by match steps",
	}
	if len(s.Match.Get(crm.ToRight)) == 0 && len(s.Match.Get(crm.ToLeft)) == 0 {
		match.Met, match.Detail, match.Remedy = false, "no match step says which records are the same",
			"add one of GET …/suggestions"
	}
	r.add(match)
	lines := need{
		What: "mappings", Required: true, Met: true, Sync: s.ID, Pointer: at + "/mappings", Detail: "there are mappings",
	}
	if !mapped(s) {
		lines.Met, lines.Detail, lines.Remedy = false, "no mapping is on, so that no value would travel",
			"add some of GET …/suggestions"
	}
	r.add(lines)
	looked := need{What: "plan", Met: plan != nil, Sync: s.ID, Pointer: at, Detail: "a dry run was made"}
	if plan == nil {
		looked.Detail, looked.Remedy = "nobody has looked at a dry run yet", "POST …/syncs/"+string(s.ID)+
			"/plans, and look at what it lists"
	}
	r.add(looked)
}

// latestPlans are the latest finished dry runs, by sync, among
// the last runs of the connection.
func (s *server) latestPlans(ctx context.Context, c *crm.Connection) (map[crm.SyncID]*planFigures, error) {
	ws := access.From(ctx).Workspace
	runs, _, err := s.Engine.ListRuns(ctx, ws, c.ID, 100, "")
	if err != nil {
		return nil, err
	}
	out := map[crm.SyncID]*planFigures{}
	for i := range runs {
		r := &runs[i]
		if r.Kind != engine.RunPlan || out[r.Sync] != nil || r.Plan == "" {
			continue
		}
		p, err := s.Engine.GetPlan(ctx, ws, r.Plan)
		if fault.Is(err, fault.NotFound) {
			continue // it expired
		}
		if err != nil {
			return nil, err
		}
		if p.State != engine.RunDone {
			continue // its run ends a moment after it
		}
		figures := &planFigures{Sync: r.Sync, Plan: p.ID, MadeAt: p.CreatedAt, Totals: p.Totals, Codes: map[string]int64{}}
		if err := s.countCodes(ctx, ws, figures); err != nil {
			return nil, err
		}
		out[r.Sync] = figures
	}
	return out, nil
}

func (s *server) countCodes(ctx context.Context, ws crm.WorkspaceID, f *planFigures) error {
	seen, cursor := 0, ""
	for seen < countedChanges {
		changes, next, err := s.Engine.PlanChanges(ctx, ws, f.Plan, 200, cursor)
		if err != nil {
			return err
		}
		for i := range changes {
			if changes[i].Code != "" {
				f.Codes[changes[i].Code]++
			}
		}
		seen += len(changes)
		if cursor = next; cursor == "" {
			f.Complete = true
			return nil
		}
	}
	return nil
}
