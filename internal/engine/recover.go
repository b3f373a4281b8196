package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// recoverIntents finishes or refutes what an earlier worker of the sync left
// open: whatever it wrote and could not settle any more. A value that landed
// is agreed on, so that it does not look like an edit of the other side; a
// create that landed is found by its identity; one that did not is free to be
// made again, once the app's index lag has passed.
func (s *session) recoverIntents(ctx context.Context) error {
	cursor := ""
	for {
		page, err := s.Store.Query(ctx, store.Query{Table: store.Links, Workspace: s.ws, Partition: s.scope.intent("x").Partition, Cursor: cursor})
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

func (s *session) recoverIntent(ctx context.Context, it store.Item) error {
	in, err := decodeIntent(it)
	if err != nil {
		return err
	}
	s.Mark("intent_recovered")
	var updates, creates []intentEntry
	for _, e := range in.Entries {
		if e.Create {
			creates = append(creates, e)
		} else {
			updates = append(updates, e)
		}
	}
	if err := s.recoverUpdates(ctx, updates); err != nil {
		return err
	}
	rest, err := s.recoverCreates(ctx, in, creates)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		_, err = s.Store.Write(ctx, store.Write{Op: store.Delete, Item: store.Item{Key: it.Key}, If: store.IfVersion(it.Version)})
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

// recoverUpdates takes every intended value that the app holds, or held since
// by its own history, as agreed.
func (s *session) recoverUpdates(ctx context.Context, entries []intentEntry) error {
	for _, side := range crm.Sides {
		var us []*unit
		var es []intentEntry
		for _, e := range entries {
			if e.Side == side && e.Left != "" && e.Right != "" {
				us = append(us, &unit{side: crm.Left, id: e.Left})
				es = append(es, e)
			}
		}
		if len(us) == 0 {
			continue
		}
		if err := s.loadLinks(ctx, us); err != nil {
			return err
		}
		if err := s.read(ctx, side, us, func(u *unit) crm.RecordID {
			if side == crm.Left {
				return u.id
			}
			return u.linkedRight(es, us)
		}); err != nil {
			return err
		}
		past, err := s.history(ctx, side, us, es)
		if err != nil {
			return err
		}
		for i, u := range us {
			if err := s.agreeLanded(ctx, side, u, es[i], past[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// linkedRight returns the right record of the entry that u stands for.
func (u *unit) linkedRight(es []intentEntry, us []*unit) crm.RecordID {
	for i := range us {
		if us[i] == u {
			return es[i].Right
		}
	}
	return ""
}

// history reads the app's own past values where it keeps them.
func (s *session) history(ctx context.Context, side crm.Side, us []*unit, es []intentEntry) ([]map[string][]crm.Value, error) {
	out := make([]map[string][]crm.Value, len(us))
	e := s.end(side)
	h, ok := e.Connector.(connector.Historian)
	if !ok || !e.app.Can(crm.AbilityHistory) {
		return out, nil
	}
	step := max(e.app.Limits.ReadBatch/2, 1)
	for from := 0; from < len(us); from += step {
		to := min(from+step, len(us))
		ids := make([]crm.RecordID, 0, to-from)
		for i := from; i < to; i++ {
			id := es[i].Left
			if side == crm.Right {
				id = es[i].Right
			}
			ids = append(ids, id)
		}
		cctx, cancel := s.call(ctx, side)
		got, err := h.History(cctx, e.object, ids, e.fields)
		cancel()
		if err != nil {
			return nil, fmt.Errorf("%s: read history: %w", side, err)
		}
		copy(out[from:to], got)
	}
	return out, nil
}

// agreeLanded stores the base of one pair whose write landed, unless its link
// was settled before the crash.
func (s *session) agreeLanded(ctx context.Context, side crm.Side, u *unit, e intentEntry, past map[string][]crm.Value) error {
	r := u.rec.Get(side)
	if !u.link.paired() || u.versions.Left != e.Version || r == nil || !s.on(guardIntentLanded) {
		return nil
	}
	l := u.link.clone()
	if l.Base == nil {
		l.Base = crm.Base{}
	}
	landed := false
	for id, want := range e.Intended {
		m := s.set.Mapping(id)
		if m == nil {
			continue
		}
		if v, err := m.Canonical(side, r.Fields); err == nil && v.Digest() == want {
			l.Base[id] = crm.Agree(m.Revision(), v)
			landed = true
			s.Mark("landed_value_agreed")
			continue
		}
		if v, ok := s.heldBefore(m.Names(side), id, side, r.Fields, past, want); ok {
			l.Base[id] = crm.Agree(m.Revision(), v)
			landed = true
			s.Mark("landed_value_in_history")
		}
	}
	if !landed {
		s.Mark("intended_write_lost")
		return nil
	}
	l.SeenL, l.SeenR = "", ""
	item, err := l.item(s.scope)
	if err != nil {
		return err
	}
	_, err = s.Store.Write(ctx, store.Write{Item: item, If: store.IfVersion(u.versions.Left)})
	return err
}

// heldBefore reports whether the record held the intended value at some time
// since: our write landed, and somebody edited it afterwards. Only mappings of
// one field can be told from history.
func (s *session) heldBefore(names []string, id crm.MappingID, side crm.Side, now crm.Fields, past map[string][]crm.Value, want string) (crm.Value, bool) {
	m := s.set.Mapping(id)
	if len(names) != 1 || past == nil {
		return crm.Value{}, false
	}
	for i, v := range past[names[0]] {
		if i > 20 {
			break // far older than any open intent
		}
		f := now.Clone()
		f[names[0]] = v
		if c, err := m.Canonical(side, f); err == nil && c.Digest() == want {
			return c, true
		}
	}
	return crm.Value{}, false
}

// recoverCreates looks for records whose creation may have landed. It returns
// the entries that cannot be decided yet.
func (s *session) recoverCreates(ctx context.Context, in *intent, entries []intentEntry) ([]intentEntry, error) {
	var rest []intentEntry
	for _, e := range entries {
		age := s.Now().Sub(in.At)
		switch {
		case len(e.Claims) == 0:
			open, err := s.recoverKeyless(ctx, in, e)
			if err != nil {
				return nil, err
			}
			if open {
				rest = append(rest, e)
			}
		case age >= 0 && age < e.Lag && s.on(guardIndexLag):
			s.Mark("create_waits_for_index")
			rest = append(rest, e) // its claim makes others wait
		default:
			// Found or not, the app's search can be trusted by now: the normal match decides.
			s.Mark("create_left_to_match")
			s.freeClaims(ctx, e.Side, e.Claims, in.ID)
		}
	}
	return rest, nil
}

// recoverKeyless looks for a record without identity that we may have created:
// the newest record that holds exactly what we were about to write and is not
// linked. It then becomes the pair's other half.
func (s *session) recoverKeyless(ctx context.Context, in *intent, e intentEntry) (open bool, err error) {
	lag := s.end(e.Side).app.Limits.IndexLag
	found, err := s.lookForCreated(ctx, in, e)
	if err != nil {
		return false, err
	}
	if found == "" {
		age := s.Now().Sub(in.At)
		return age >= 0 && age < lag, nil
	}
	s.Mark("keyless_create_found")
	u := &unit{side: e.Side.Other(), id: e.source()}
	if err := s.loadLinks(ctx, []*unit{u}); err != nil || u.link.paired() {
		return false, err
	}
	l := u.link.clone()
	l.setID(u.side, u.id)
	l.setID(e.Side, found)
	l.State, l.Made, l.Since = crm.StateInSync, s.Now(), s.Now()
	item, err := l.item(s.scope)
	if err != nil {
		return false, err
	}
	alias, err := aliasItem(s.scope, crm.Right, l.Right, l.Left, false)
	if err != nil {
		return false, err
	}
	return false, s.Store.Transact(ctx, []store.Write{{Item: item, If: store.IfVersion(u.versions.Left)}, {Item: alias, If: store.IfVersion(u.versions.Right)}})
}

func (s *session) lookForCreated(ctx context.Context, in *intent, e intentEntry) (crm.RecordID, error) {
	end := s.end(e.Side)
	names := make([]string, 0, len(e.Fields))
	for n := range e.Fields {
		names = append(names, n)
	}
	want := e.Fields.Digest(names)
	req := connector.ChangesRequest{Object: end.object, Fields: end.fields, Cursor: e.Cursor}
	for {
		cctx, cancel := s.call(ctx, e.Side)
		page, err := end.Changes(cctx, req)
		cancel()
		if err != nil {
			return "", fmt.Errorf("%s: look for a created record: %w", e.Side, err)
		}
		for _, r := range page.Records {
			if r.Deleted || r.Fields.Digest(names) != want {
				continue
			}
			u := &unit{side: e.Side, id: r.ID}
			if err := s.loadLinks(ctx, []*unit{u}); err != nil {
				return "", err
			}
			if !u.link.paired() {
				return r.ID, nil
			}
		}
		if page.Next == "" {
			return "", nil
		}
		req.Position = page.Next
	}
}

// sendRehints asks for another look at records that waited for a decision on others.
func (s *session) sendRehints(ctx context.Context, refs []crm.RecordRef) error {
	for _, side := range crm.Sides {
		var hints []hint
		for _, r := range refs {
			if r.Side == side {
				hints = append(hints, hint{ID: r.ID, Force: true})
			}
		}
		if len(hints) == 0 {
			continue
		}
		s.Mark("duplicates_looked_at_again")
		c := s.newChunk(s.scope, s.conn, RunWebhook, s.webhookRun(s.scope), side, hints)
		if err := s.park(ctx, c, time.Second); err != nil {
			return err
		}
	}
	return nil
}
