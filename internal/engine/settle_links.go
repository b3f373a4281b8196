package engine

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// linkWrite is one write to what is remembered of records, with where these
// were counted and are now.
type linkWrite struct {
	store.Write
	from, to []counted
	parts    *unit // whose writes are stored all or none; nil = it stands alone
}

// keep adds the writes of a link and its alias.
func (b *books) keep(u *unit, old, l *link) {
	s := b.s
	item, err := l.item(s.scope)
	if err != nil {
		s.Log.Error("link not encoded", "sync", s.name(), "error", err)
		return
	}
	version := u.versions.Left
	if l.Left == "" {
		version = u.versions.Right
	}
	from := u.before
	if l.paired() {
		from = slices.Concat(from, u.absorbed)
	}
	b.links = append(b.links, linkWrite{
		Write: store.Write{Item: item, If: store.IfVersion(version)}, from: from, to: l.counted(),
	})
	if l.paired() && (!old.paired() || old.State == crm.StateDeleted && l.State != crm.StateDeleted) {
		b.joined = append(b.joined, crm.RecordRef{Side: crm.Left, ID: l.Left}, crm.RecordRef{Side: crm.Right, ID: l.Right})
	}
	if l.paired() && (!old.paired() || old.Left != l.Left || old.Right != l.Right) {
		aside := u.aside
		if u.side == crm.Right && old.setAside() {
			aside = old.Code
		}
		alias, err := asideAlias(s.scope, l.Right, l.Left, aside)
		if err == nil {
			w := linkWrite{Write: store.Write{Item: alias, If: store.IfVersion(u.versions.Right)}}
			if b.leave(u) {
				w.parts, b.links[len(b.links)-2].parts = u, u
			}
			if b.leaveUnborn(u, l) {
				w.parts = u
			}
			b.aliases = append(b.aliases, w)
			b.pairs[item.Key], b.pairs[alias.Key] = true, true
		}
	}
}

// storeLinks writes the aliases of new pairs, then links and notices side by
// side, each over the version that was read. An alias whose link is missing is
// passed over when it is met; a link whose alias belongs to another pair would
// be taken for one: a worker that lost its lease while it slept must not get
// that far.
func (b *books) storeLinks(ctx context.Context) error {
	if err := b.storeAwaited(ctx); err != nil {
		return err
	}
	if len(b.links) == 0 {
		return nil
	}
	if b.noticed {
		if err := b.s.touchAgenda(ctx, b.s.scope); err != nil {
			return err
		}
	}
	b.s.writesLinks()
	n := len(b.once(b.aliases))
	all := b.once(slices.Concat(b.aliases, b.links))
	for _, w := range all {
		for _, c := range w.from {
			b.states[string(c)]--
		}
		for _, c := range w.to {
			b.states[string(c)]++
		}
	}
	if err := b.storeApart(ctx, all); err != nil {
		return err
	}
	whole := func(w linkWrite) bool { return w.parts != nil }
	aliases, links := slices.DeleteFunc(slices.Clone(all[:n]), whole), slices.DeleteFunc(slices.Clone(all[n:]), whole)
	if len(aliases) > 0 {
		if err := b.batchWrite(ctx, aliases); err != nil {
			return err
		}
	}
	return b.batchWrite(ctx, links)
}

// storeApart stores what belongs together, each as a whole: pairs that are taken
// apart, where the version of the pair's link speaks for the alias too, which has
// none that tells, and records that get another twin than was begun.
func (b *books) storeApart(ctx context.Context, all []linkWrite) error {
	halves := map[*unit][]store.Write{}
	var order []*unit
	for _, w := range all {
		if w.parts == nil {
			continue
		}
		if len(halves[w.parts]) == 0 {
			order = append(order, w.parts)
		}
		halves[w.parts] = append(halves[w.parts], w.Write)
	}
	for _, u := range order {
		if err := b.s.Store.Transact(ctx, halves[u]); err != nil {
			return b.notStored(err)
		}
	}
	return nil
}

func (b *books) batchWrite(ctx context.Context, links []linkWrite) error {
	ws := make([]store.Write, len(links))
	for i := range links {
		ws[i] = links[i].Write
	}
	_, errs := b.s.Store.BatchWrite(ctx, ws)
	for _, err := range errs {
		if err != nil {
			return b.notStored(err)
		}
	}
	return nil
}

// notStored makes work that somebody else was ahead of come again.
func (b *books) notStored(err error) error {
	if !fault.Is(err, fault.Conflict) {
		return err
	}
	b.s.Mark("link_changed_meanwhile")
	return fault.Wrap("engine: store links", fault.Unavailable, err)
}

// storePages writes what the log tells of the lot.
func (b *books) storePages(ctx context.Context) error {
	if len(b.entries) == 0 {
		return nil
	}
	days, err := b.s.logDaysOf(ctx, b.s.ws)
	if err != nil {
		return err
	}
	pages, err := b.s.logPages(b.page, b.entries, days)
	if err != nil {
		return err
	}
	_, errs := b.s.Store.BatchWrite(ctx, pages)
	return errors.Join(errs...)
}

// once keeps one write for each key. Two units may notice the same absence, or
// one pair a record that another knows by itself: the pair is what counts.
func (b *books) once(ws []linkWrite) []linkWrite {
	at := map[store.Key]int{}
	out := ws[:0:0]
	for _, w := range ws {
		i, twice := at[w.Item.Key]
		switch {
		case !twice:
			at[w.Item.Key] = len(out)
			out = append(out, w)
		case b.pairs[w.Item.Key]:
			b.s.Mark("pair_over_single")
			if l, err := decodeLink(w.Item); err == nil && (l.AliasOf != "" || l.paired()) {
				out[i] = w
			}
		}
	}
	return out
}

// leaveUnborn closes the place of a pair of which only the alias was ever stored
// because the right record gets another twin: its writer may only be asleep.
// Both are stored or neither.
func (b *books) leaveUnborn(u *unit, l *link) bool {
	if u.born == "" || u.side != crm.Right || u.link != nil || u.born == l.Left {
		return false
	}
	p := u.unborn
	if p == nil {
		p = &formerPair{
			link: &link{Left: u.born, State: crm.StateDeleted, Code: "record_deleted", Made: b.s.Now(), Since: b.s.Now()},
		}
	}
	item, err := p.item(b.s.scope)
	if err != nil {
		b.s.Log.Error("link not encoded", "sync", b.s.name(), "error", err)
		return false
	}
	w := linkWrite{Write: store.Write{Item: item, If: store.IfVersion(p.version)}, parts: u}
	if u.unborn == nil {
		w.to = p.counted()
	}
	b.s.Mark("unborn_pair_left")
	b.aliases = append(b.aliases, w)
	return true
}

// forgetErased takes away what was remembered of an erased person's record
// before it was known for theirs, as of one whose keys could not be read for a
// while.
func (b *books) forgetErased(u *unit) {
	l := u.link
	if l == nil || l.paired() || l.AliasOf != "" || l.State == crm.StateDeleted {
		return
	}
	w := store.Write{
		Op: store.Delete, Item: store.Item{Key: l.key(b.s.scope)}, If: store.IfVersion(u.versions.Get(u.side)),
	}
	b.links = append(b.links, linkWrite{Write: w, from: u.before})
}

// leave takes the right record out of a deleted pair: it has another twin now.
// That is stored with the new pair or not at all: the deleted one may be restored
// at any time, and whoever does not see that it was left takes the record back.
func (b *books) leave(u *unit) bool {
	p := u.leaves
	if p == nil {
		return false
	}
	b.s.Mark("former_pair_left")
	l := p.clone()
	l.Right, l.SeenR, l.Base = "", "", nil
	item, err := l.item(b.s.scope)
	if err != nil {
		b.s.Log.Error("link not encoded", "sync", b.s.name(), "error", err)
		return false
	}
	w := linkWrite{
		Write: store.Write{Item: item, If: store.IfVersion(p.version)}, from: p.counted(), to: l.counted(),
		parts: u,
	}
	b.links = append(b.links, w)
	return true
}

// unlink makes two records of a pair, each under its own key.
func (b *books) unlink(u *unit) {
	s, now := b.s, b.s.Now()
	pages := withPage(pageRef(s.con, now, b.page), u.link.Pages)
	b.entries = append(b.entries, following(u.link.Pages, b.entry(u, len(b.entries)))...)
	for _, side := range crm.Sides {
		l := &link{
			State: crm.StateExcluded, Code: codeUnlinked, Settings: s.set.Digest(), Made: now, Since: now,
			Pages: pages,
		}
		l.setID(side, u.link.id(side))
		item, err := l.item(s.scope)
		if err != nil {
			s.Log.Error("link not encoded", "sync", s.name(), "error", err)
			return
		}
		cond := store.IfVersion(u.versions.Left)
		if side == crm.Right {
			cond = store.Always // the alias of the pair: the link's version, stored with it, speaks for both
		}
		w := linkWrite{Write: store.Write{Item: item, If: cond}, to: l.counted(), parts: u}
		if side == crm.Left {
			w.from = u.before
		}
		b.links = append(b.links, w)
	}
}

// noticeGone stores that a record was found missing; the tick counts and applies it.
func (b *books) noticeGone(u *unit) {
	side, id := u.side, u.id
	if u.own() != nil {
		side = side.Other()
		id = u.link.id(side)
	}
	b.noticed = true
	data, err := json.Marshal(goneItem{V: 1, At: b.s.Now()})
	if err == nil {
		b.links = append(b.links, linkWrite{Write: store.Write{Item: store.Item{Key: b.s.gone(side, id), Data: data}}})
	}
}

// rehintOthers looks again at records that waited for this one: duplicates of
// a deleted record may be alone now.
func (b *books) rehintOthers(u *unit, old *link) {
	b.links = append(b.links, linkWrite{
		Write: store.Write{Op: store.Delete, Item: store.Item{Key: b.s.gone(u.side, u.id)}},
	})
	if old == nil {
		return
	}
	for _, id := range old.Others {
		b.rehint = append(b.rehint, crm.RecordRef{Side: u.side, ID: id})
	}
	if old.paired() {
		if b.freed == nil {
			b.freed = map[crm.RecordRef]bool{}
		}
		other := u.side.Other()
		b.freed[crm.RecordRef{Side: other, ID: old.id(other)}] = true
	}
}

// rehintWaiting looks again at records that found their twin taken by a pair
// that has ended.
func (b *books) rehintWaiting(ctx context.Context) error {
	if len(b.freed) == 0 {
		return nil
	}
	q := store.Query{
		Table: store.Links, Workspace: b.s.ws, OnIndex: true, Partition: rareStates(b.s.scope, crm.StateDuplicate),
		Limit: 500,
	}
	return b.s.eachItem(ctx, q, func(it store.Item) error {
		l, err := decodeLink(it)
		if err != nil || l.Code != codeTwinTaken {
			return err
		}
		for _, side := range crm.Sides {
			if id := l.id(side); id != "" && slices.ContainsFunc(l.Others, func(o crm.RecordID) bool {
				return b.freed[crm.RecordRef{Side: side.Other(), ID: o}]
			}) {
				b.s.Mark("twin_free_again")
				b.rehint = append(b.rehint, crm.RecordRef{Side: side, ID: id})
			}
		}
		return nil
	})
}
