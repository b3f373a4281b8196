package moving

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Step goes on with the move until it is done or ctx ends; done says that there
// is nothing left to do for anybody. The first Step only notes that the release
// before is ending, unless there is nothing to move because it was never used;
// Steps within Wait of it do nothing. home is the workspace that exists without an item.
//
// Several processes may step at once, and everything may be used meanwhile.
// Whoever makes the first item of an installation has to step before.
func (s *Store) Step(ctx context.Context, home crm.WorkspaceID) (done bool, err error) {
	m, err := s.state(ctx)
	if err != nil || m.Done {
		return m.Done, err
	}
	if m.Begun.IsZero() {
		_, err := s.sweep(ctx, home, func(context.Context, store.Item) error { return errFound })
		found := errors.Is(err, errFound)
		if err != nil && !found {
			return false, err
		}
		return !found, s.note(ctx, mark{V: 1, Begun: s.now().UTC(), Done: !found, version: m.version})
	}
	if m.waits(s.now()) {
		return false, nil
	}
	met, err := s.sweep(ctx, home, s.move)
	if err != nil {
		return false, err
	}
	// A process whose clock is slow may have made something in the former place
	// after we looked there. It gets as long again.
	if met > 0 || s.now().Before(m.Begun.Add(2*Wait)) {
		return false, nil
	}
	m.Done = true
	return true, s.note(ctx, m)
}

// errFound ends a sweep that only looks.
var errFound = errors.New("there is something to move")

// note stores the mark. Somebody who was faster has noted the same.
func (s *Store) note(ctx context.Context, m mark) error {
	const op = "moving: note"
	data, err := json.Marshal(m)
	if err != nil {
		return fault.Wrap(op, fault.Other, err)
	}
	_, err = s.Store.Write(ctx, store.Write{Item: store.Item{Key: markKey, Data: data}, If: store.IfVersion(m.version)})
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.mark.Done {
		s.mark = mark{} // to be read again
	}
	if fault.Is(err, fault.Conflict) {
		return nil
	}
	return err
}

// sweep calls f for everything that stands in its former place, and counts it.
func (s *Store) sweep(
	ctx context.Context, home crm.WorkspaceID, f func(context.Context, store.Item) error,
) (n int, err error) {
	err = s.eachWorkspace(ctx, home, func(ws crm.WorkspaceID) error {
		for _, q := range store.Apart(ws) {
			old, _ := store.FormerQuery(q)
			for {
				page, err := s.Store.Query(ctx, old)
				if err != nil {
					return err
				}
				for _, item := range page.Items {
					n++
					if err := f(ctx, item); err != nil {
						return err
					}
				}
				if old.Cursor = page.Next; old.Cursor == "" {
					break
				}
			}
		}
		return nil
	})
	return n, err
}

// move takes one item to its new place if nobody touches it meanwhile; who does
// is served first, and the next step takes it. What is in the new place already
// is the newer one.
func (s *Store) move(ctx context.Context, item store.Item) error {
	leave := store.Write{Op: store.Delete, Item: store.Item{Key: item.Key}, If: store.IfVersion(item.Version)}
	to := item
	to.Key = store.SettingsKey(item.Workspace, item.Sort)
	err := s.Store.Transact(ctx, []store.Write{{Item: to, If: store.IfAbsent}, leave})
	if !fault.Is(err, fault.Conflict) {
		return err
	}
	if _, err = s.Store.Get(ctx, to.Key); err == nil {
		_, err = s.Store.Write(ctx, leave)
	}
	if fault.Is(err, fault.Conflict) || fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}
