package engine

import (
	"context"

	"github.com/lockstep-crm/lockstep/internal/store"
)

// loadHinted is loadLinks for what was just hinted at. Of a resync, which finds
// most records as they were, links are looked up with eventual consistency for
// half the price, once nobody wrote one for so long that every copy must agree
// by now. Whatever is not as before is read again as it is.
func (s *session) loadHinted(ctx context.Context, us []*unit) error {
	if !s.mayReadStale() {
		return s.loadLinks(ctx, us)
	}
	var seen, rest []*unit
	for _, u := range us {
		if u.hint.Digest != "" && u.jobs[0].chunk.Kind == RunResync {
			seen = append(seen, u)
		} else {
			rest = append(rest, u)
		}
	}
	if err := s.loadLinksBy(ctx, seen, s.Store.BatchGetStale); err != nil {
		return err
	}
	same := seen[:0:0]
	for _, u := range seen {
		if s.same(u) {
			s.Mark("same_by_stale_read")
			same = append(same, u)
		} else {
			u.forget()
			rest = append(rest, u)
		}
	}
	for len(rest) > 0 {
		if err := s.loadLinks(ctx, rest); err != nil {
			return err
		}
		same, rest = s.otherEnds(same, rest)
	}
	return nil
}

// otherEnds takes out of same the other ends of pairs that have to be looked
// at: the two become one unit, with the versions that are true now.
func (s *session) otherEnds(same, loaded []*unit) (still, again []*unit) {
	pairs := map[store.Key]bool{}
	for _, u := range loaded {
		if u.link.paired() {
			pairs[u.link.key(s.scope)] = true
		}
	}
	for _, u := range same {
		if pairs[u.link.key(s.scope)] {
			u.forget()
			again = append(again, u)
		} else {
			still = append(still, u)
		}
	}
	return still, again
}
