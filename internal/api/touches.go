package api

import (
	"context"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// touched is what changed settings mean for the records of one sync.
type touched struct {
	Sync    crm.SyncID         `json:"sync,omitempty" doc:"Absent = the connection as a whole"`
	What    string             `json:"what" enum:"sync_added,sync_removed,switch,objects,direction,match,rules,mappings,writing,timing,people"`
	Records crm.PerSide[int64] `json:"records" doc:"Records known on either side that it is about"`
	Detail  string             `json:"detail"`
	// of mappings
	Mappings []crm.MappingID `json:"mappings,omitempty" doc:"Of a sync's mappings: those that are new or changed, and on"`
	Follows  engine.RunKind  `json:"follows,omitempty" enum:"resync,change" doc:"The run by which all of the records are looked at; of a save with apply=from_now_on the one that notes what differs. Absent = none is needed. resync lists both apps whole, change goes through what is known"`
}

// syncParts are the parts of a sync by what changing them means. What none of
// them covers is about when and whom, not about records.
var syncParts = []struct {
	what string
	of   func(*crm.Sync) any
	say  string
}{
	{
		"objects", func(s *crm.Sync) any { return [2]string{s.Left.Object, s.Right.Object} },
		"the records are other ones: what is known of those before is left behind",
	},
	{
		"direction", func(s *crm.Sync) any { return s.Direction },
		"each record is looked at under the new direction",
	},
	{
		"match", func(s *crm.Sync) any { return []any{s.Match, s.AvoidDuplicates} },
		"pairs that are linked stay linked; who is not is matched anew",
	},
	{
		"rules", func(s *crm.Sync) any { return s.Rules },
		"each record is judged anew; nothing is deleted",
	},
	{
		"mappings", func(s *crm.Sync) any { return []any{s.Mappings, s.Associations} },
		"each linked pair is compared under the new mappings",
	},
	{"writing", func(s *crm.Sync) any {
		return []any{s.Behavior, s.FillBlanksOnly, s.Conflict, s.Deletes, s.Unsubscribes, s.Stamp, existing(s)}
	}, "it holds for whatever is written from then on, and what was kept back before is looked at anew"},
	{
		"timing", func(s *crm.Sync) any {
			if s.About != nil { // whom a sync of activities begins with is what existing says
				return []any{s.Schedule, s.SecondLook, s.AuditHours}
			}
			return []any{s.Schedule, s.Initial, s.SecondLook, s.AuditHours}
		},
		"no record is written for it",
	},
}

// existing reports whether a sync of activities takes those that are older, too.
func existing(s *crm.Sync) bool { return s.About != nil && s.About.Existing }

// touches says what a changed document means for the records of each sync.
func (s *server) touches(ctx context.Context, old, fresh *crm.Connection) ([]touched, error) {
	status, err := s.Engine.Status(ctx, access.From(ctx).Workspace, old.ID)
	if err != nil {
		return nil, err
	}
	out := []touched{}
	all := crm.PerSide[int64]{}
	for i := range status {
		n := known(status, status[i].Sync)
		all.Left, all.Right = all.Left+n.Left, all.Right+n.Right
	}
	switch {
	case old.Enabled != fresh.Enabled && !fresh.Enabled:
		out = append(out, touched{What: "switch", Records: all, Detail: "everything stops before the next write"})
	case old.Enabled != fresh.Enabled:
		out = append(out, touched{
			What: "switch", Records: all, Detail: "everything goes on, and what was missed is caught up",
		})
	}
	if old.Left != fresh.Left || old.Right != fresh.Right {
		out = append(out, touched{
			What: "objects", Records: all,
			Detail: "the records are those of another account: what is known of those before is left behind",
		})
	}
	if old.TimeZone != fresh.TimeZone || old.Country != fresh.Country {
		out = append(out, touched{
			What: "mappings", Records: all,
			Detail: "times and phone numbers are read anew",
		})
	}
	if !sameJSON([]any{old.Description, old.Access, old.Notify, old.Shared}, []any{
		fresh.Description, fresh.Access, fresh.Notify, fresh.Shared,
	}) {
		out = append(out, touched{What: "people", Detail: "no record is written for it"})
	}
	before := old.Worked() // activities are a sync of their own here
	for i := range before {
		was := &before[i]
		n := known(status, was.ID)
		is := fresh.Sync(was.ID)
		if is == nil {
			out = append(out, touched{
				Sync: was.ID, What: "sync_removed", Records: n,
				Detail: "it syncs nothing any more, and what is known of its pairs is forgotten; " +
					"records in both apps stay as they are",
			})
			continue
		}
		for _, part := range syncParts {
			if sameJSON(part.of(was), part.of(is)) {
				continue
			}
			one := touched{Sync: was.ID, What: part.what, Detail: part.say, Records: n}
			switch part.what {
			case "timing":
				one.Records = crm.PerSide[int64]{}
			case "mappings":
				one.Mappings = is.ChangedLines(was, false)
			}
			about := part.what != "timing" && (part.what != "mappings" || len(one.Mappings) > 0)
			if about && old.DecidesOtherwise(fresh, was.ID) {
				one.Follows = engine.Following(is)
			}
			out = append(out, one)
		}
	}
	for _, is := range fresh.Worked() {
		if old.Sync(is.ID) != nil {
			continue
		}
		one := touched{
			Sync: is.ID, What: "sync_added",
			Detail: "both sides are read whole once the connection runs, as initial says",
		}
		if is.About != nil {
			one.Detail = "activities that are made once they are on are synced, and older ones as existing says"
		}
		out = append(out, one)
	}
	return out, nil
}

// known counts the records that a sync knows and that are there.
func known(status []engine.SyncStatus, id crm.SyncID) (n crm.PerSide[int64]) {
	i := slices.IndexFunc(status, func(s engine.SyncStatus) bool { return s.Sync == id })
	if i < 0 {
		return n
	}
	for _, side := range crm.Sides {
		sum := int64(0)
		for state, count := range status[i].States.Get(side) {
			if state != crm.StateDeleted {
				sum += count
			}
		}
		n.Set(side, sum)
	}
	return n
}
