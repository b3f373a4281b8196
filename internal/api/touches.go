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
		"the direction holds for each record when it changes next, and for all with a resync",
	},
	{
		"match", func(s *crm.Sync) any { return []any{s.Match, s.AvoidDuplicates} },
		"pairs that are linked stay linked; who is not is matched anew when it changes next, and all with a resync",
	},
	{
		"rules", func(s *crm.Sync) any { return s.Rules },
		"each record is judged anew when it changes next, and all with a resync; nothing is deleted",
	},
	{
		"mappings", func(s *crm.Sync) any { return []any{s.Mappings, s.Associations} },
		"each linked pair is compared under the new mappings when one of the two changes next, and all with a resync",
	},
	{"writing", func(s *crm.Sync) any {
		return []any{s.Behavior, s.FillBlanksOnly, s.Conflict, s.Deletes, s.Unsubscribes, s.Stamp, s.Activities}
	}, "it holds for whatever is written from then on"},
	{
		"timing", func(s *crm.Sync) any { return []any{s.Schedule, s.Initial, s.SecondLook, s.AuditHours} },
		"no record is written for it",
	},
}

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
			Detail: "times and phone numbers are read anew when a record changes next, and all with a resync",
		})
	}
	if !sameJSON([]any{old.Description, old.Access, old.Notify, old.Shared}, []any{
		fresh.Description, fresh.Access, fresh.Notify, fresh.Shared,
	}) {
		out = append(out, touched{What: "people", Detail: "no record is written for it"})
	}
	for i := range old.Syncs {
		was := &old.Syncs[i]
		n := known(status, was.ID)
		is := fresh.Sync(was.ID)
		if is == nil {
			out = append(out, touched{
				Sync: was.ID, What: "sync_removed", Records: n,
				Detail: "it syncs nothing any more; records in both apps stay as they are",
			})
			continue
		}
		for _, part := range syncParts {
			if !sameJSON(part.of(was), part.of(is)) {
				one := touched{Sync: was.ID, What: part.what, Detail: part.say, Records: n}
				if part.what == "timing" {
					one.Records = crm.PerSide[int64]{}
				}
				out = append(out, one)
			}
		}
	}
	for i := range fresh.Syncs {
		if old.Sync(fresh.Syncs[i].ID) == nil {
			out = append(out, touched{
				Sync: fresh.Syncs[i].ID, What: "sync_added",
				Detail: "both sides are read whole once the connection runs, as initial says",
			})
		}
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
