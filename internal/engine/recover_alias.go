package engine

import (
	"context"
	"fmt"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// mendAliases stores the right record's alias of every pair that lacks it. A
// link and its alias are two writes, and their worker may have died between
// the two: whoever looks the right record up would then find a stranger.
func (s *session) mendAliases(ctx context.Context, links []*link) error {
	keys := make([]store.Key, 0, len(links))
	var pairs []*link
	for _, l := range links {
		if l.paired() {
			pairs, keys = append(pairs, l), append(keys, s.record(crm.Right, l.Right))
		}
	}
	items, err := s.batchGet(ctx, keys)
	if err != nil {
		return err
	}
	for i, it := range items {
		if it.Version != 0 {
			held, err := decodeLink(it)
			if err != nil {
				return err
			}
			if held.AliasOf != "" || held.Right != pairs[i].Right {
				continue
			}
		}
		s.Mark("alias_mended")
		alias, err := aliasItem(s.scope, crm.Right, pairs[i].Right, pairs[i].Left, false)
		if err != nil {
			return err
		}
		if _, err := s.Store.Write(ctx, store.Write{Item: alias, If: store.IfVersion(it.Version)}); err != nil {
			return fmt.Errorf("mend alias: %w", err)
		}
	}
	return nil
}
