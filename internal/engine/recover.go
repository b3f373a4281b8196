package engine

import (
	"context"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// recoverIntents finishes or refutes what an earlier worker of the sync left
// open: whatever it wrote and could not settle any more. A value that landed
// is agreed on, so that it does not look like an edit of the other side; a
// create that landed is found by its identity; one that did not is free to be
// made again, once the app's index lag has passed.
func (s *session) recoverIntents(ctx context.Context) error {
	if err := s.recoverLone(ctx); err != nil {
		return err
	}
	cursor := ""
	for {
		page, err := s.Store.Query(ctx, store.Query{
			Table: store.Links, Workspace: s.ws, Partition: s.scope.intent("x").Partition, Cursor: cursor,
		})
		if err != nil {
			return err
		}
		for _, it := range page.Items {
			if err := s.recoverIntent(ctx, it); err != nil {
				return err
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

// recoverAlone finishes open intents of a sync that nothing else is under way
// for: the messages they came from may have been dropped as out of date.
func (e *Engine) recoverAlone(ctx context.Context, sc scope, conn *crm.Connection) error {
	open, err := e.intentOpen(ctx, sc)
	if err != nil || !open {
		return err
	}
	s, err := e.open(ctx, sc, conn)
	if err != nil {
		return err
	}
	if err := s.acquire(ctx); err != nil {
		if causeOf(err) == causeLeased {
			return nil // its worker is at it
		}
		return err
	}
	defer s.release(context.WithoutCancel(ctx))
	s.Mark("recovered_alone")
	return s.recoverIntents(ctx)
}

// intentOpen reports whether anything that a worker of the sync wrote is not settled.
func (e *Engine) intentOpen(ctx context.Context, sc scope) (bool, error) {
	l, err := e.loadLease(ctx, sc)
	if err != nil || len(l.Intent) > 0 {
		return err == nil, err
	}
	return e.intentStored(ctx, sc)
}

// intentStored is intentOpen for intents that are items of their own.
func (e *Engine) intentStored(ctx context.Context, sc scope) (bool, error) {
	page, err := e.Store.Query(ctx, store.Query{
		Table: store.Links, Workspace: sc.ws, Partition: sc.intent("x").Partition,
		Limit: 1,
	})
	return err == nil && len(page.Items) > 0, err
}

// recoverLone recovers the intent that came with the lease.
func (s *session) recoverLone(ctx context.Context) error {
	if len(s.lease.Intent) == 0 {
		return nil
	}
	in, err := decodeIntent(s.lease.Intent)
	if err != nil {
		return err
	}
	s.Mark("lone_intent_recovered")
	if _, err := s.recoverEntries(ctx, in); err != nil { // it creates nothing, so nothing of it has to wait
		return err
	}
	return s.dropIntent(ctx)
}

func (s *session) recoverIntent(ctx context.Context, it store.Item) error {
	in, err := decodeIntent(it.Data)
	if err != nil {
		return err
	}
	rest, err := s.recoverEntries(ctx, in)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		_, err = s.Store.Write(ctx, store.Write{
			Op: store.Delete, Item: store.Item{Key: it.Key}, If: store.IfVersion(it.Version),
		})
	} else if len(rest) < len(in.Entries) {
		in.Entries = rest
		var data []byte
		if data, err = in.encode(); err != nil {
			return err
		}
		_, err = s.Store.Write(ctx, store.Write{Item: store.Item{Key: it.Key, Data: data}, If: store.IfVersion(it.Version)})
	}
	return err
}

// recoverEntries returns the entries of which nobody can tell yet.
func (s *session) recoverEntries(ctx context.Context, in *intent) ([]intentEntry, error) {
	s.Mark("intent_recovered")
	s.writesLinks()
	pairs, err := s.lookAtPairs(ctx, in)
	if err != nil {
		return nil, err
	}
	for _, p := range pairs {
		if _, err := s.recoverEntry(ctx, in, p.entry(), &findings{pair: p}); err != nil {
			return nil, err
		}
	}
	return s.recoverCreates(ctx, in)
}

// recoverCreates goes through an intent's creates.
func (s *session) recoverCreates(ctx context.Context, in *intent) ([]intentEntry, error) {
	var rest []intentEntry
	stood := s.stood("intent " + in.ID)
	for i := range in.Entries {
		e := &in.Entries[i]
		if !e.Create {
			continue
		}
		f, err := s.lookAtCreate(ctx, e, stood)
		if err != nil {
			return nil, err
		}
		open, err := s.recoverEntry(ctx, in, e, f)
		if err != nil {
			return nil, err
		}
		if open {
			rest = append(rest, *e)
		}
	}
	if stood == 0 {
		return rest, s.wakeFor(ctx, rest)
	}
	for i := range rest {
		s.coming.wait(&rest[i])
	}
	return rest, nil
}

// findings are what recovery knows of one entry.
type findings struct {
	pair    *openPair     // of an update
	stood   time.Duration // for which the intent has been open under our own eyes
	born    *crm.Record   // the record that was made, which its source's alias names
	blind   bool          // a field that the record would be found by is gone
	looked  bool          // the apps and links below were asked
	linked  bool          // its source is linked by now
	found   *crm.Record   // what seems to be the record that was made
	lacking bool          // the app was seen to lack a field meanwhile: that nothing was found proves nothing
}

// landing is what became of an entry.
type landing uint8

const (
	pairStands     landing = iota // what landed of an update is agreed on
	pairEnded                     // of two records that are no pair: whoever was pairing them is refused
	createLanded                  // its record is joined to its source
	createLinked                  // somebody has joined its source
	createLost                    // it did not land, or the normal match knows better
	createOpen                    // it may have landed, and cannot be found yet
	createBlind                   // it cannot be looked for while a field is gone
	createUnlooked                // it is to be looked for
)

// fateOf tells what became of an entry from what is known of it.
func fateOf(e *intentEntry, f *findings) landing {
	keyless := len(e.Claims) == 0
	waits := f.stood < e.Lag
	switch {
	case f.pair != nil && f.pair.link.paired():
		return pairStands
	case f.pair != nil:
		return pairEnded
	case f.born != nil:
		return createLanded
	case f.blind:
		return createBlind
	case waits && !keyless: // its claim makes others wait
		return createOpen
	case !f.looked:
		return createUnlooked
	case f.linked:
		return createLinked
	case f.found != nil:
		return createLanded
	case f.lacking:
		return createBlind
	case waits:
		return createOpen
	}
	return createLost
}

// recoverEntry does what follows from an entry's fate. open says that nobody can tell yet.
func (s *session) recoverEntry(ctx context.Context, in *intent, e *intentEntry, f *findings) (open bool, err error) {
	switch fateOf(e, f) {
	case pairStands:
		return false, s.agreeLanded(ctx, f.pair)
	case pairEnded:
		if err := s.fence(ctx, crm.Left, f.pair.id, f.pair.hint.Partner); err != nil {
			return false, err
		}
		return false, s.fence(ctx, crm.Right, f.pair.hint.Partner, f.pair.id)
	case createLinked:
		return false, nil
	case createBlind:
		s.Mark("create_waits_for_field")
		return true, nil
	case createOpen, createUnlooked:
		s.markIf(!f.looked, "create_waits_for_index")
		return true, nil
	case createLanded:
		if err := s.join(ctx, e, f); err != nil {
			return false, err
		}
	case createLost:
		if err := s.leaveToMatch(ctx, e); err != nil {
			return false, err
		}
	}
	s.freeClaims(ctx, e.Side, e.Claims, in.ID)
	return false, nil
}
