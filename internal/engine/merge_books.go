package engine

import (
	"context"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// mergeBooks collect what one step of a merge changes in the store.
type mergeBooks struct {
	*session
	g       *merging
	kept    crm.RecordID // the partner that stays
	page    string
	ws      []store.Write
	entries []logEntry
	states  map[string]int64
}

func (s *session) mergeBooks(g *merging, kept crm.RecordID) *mergeBooks {
	return &mergeBooks{session: s, g: g, kept: kept, page: s.NewID("pg"), states: map[string]int64{}}
}

func (b *mergeBooks) count(cs []counted, n int64) {
	for _, c := range cs {
		b.states[string(c)] += n
	}
}

// trace makes a loser's ID stand for the survivor. What was noticed of its
// absence is no deletion.
func (b *mergeBooks) trace(u *unit) error {
	item, err := aliasItem(b.scope, u.side, u.id, b.g.survivor.id, true)
	if err != nil {
		return err
	}
	b.ws = append(b.ws, store.Write{Item: item, If: store.IfVersion(u.versions.Get(u.side))},
		store.Write{Op: store.Delete, Item: store.Item{Key: b.gone(u.side, u.id)}})
	b.count(u.before, -1)
	return nil
}

// setAside leaves the partner of a pair that ends to itself.
func (b *mergeBooks) setAside(u *unit) error {
	l := b.leftOver(u)
	item, err := l.item(b.scope)
	if err != nil {
		return err
	}
	w := store.Write{Item: item} // the pair's alias, which only its link's holder writes
	if l.Left != "" {
		w.If = store.IfVersion(u.versions.Left)
	}
	b.ws = append(b.ws, w)
	b.count(l.counted(), 1)
	if l.Code == codeMergedTwin {
		b.log(u.link.Pages, Entry{
			Side: u.side.Other(), Record: u.link.id(u.side.Other()), Partner: u.id, Outcome: crm.Duplicate,
			Code: codeMergedTwin, Message: l.Detail,
		})
	}
	return nil
}

// leftOver is what is remembered of the partner of a pair that a merge ends.
func (b *mergeBooks) leftOver(u *unit) *link {
	other, now := u.side.Other(), b.Now()
	l := &link{
		State: crm.StateDuplicate, Code: codeMergedTwin, Made: now, Since: now, Claims: slices.Clone(u.link.Claims),
		Claimed: u.link.Claimed,
	}
	l.Detail = "the record it was linked to was merged into another one, which is linked to " + string(b.kept)
	l.Others = []crm.RecordID{b.kept}
	if !u.partnerAlive() {
		l.State, l.Code, l.Detail, l.Others = crm.StateDeleted, u.link.Code, u.link.Detail, nil
	}
	l.setID(other, u.link.id(other))
	l.Pages = withPage(pageRef(b.con, now, b.page), u.link.Pages)
	return l
}

// follow re-keys a link to the survivor, with its base. A pair that the
// survivor had of its own ends.
func (b *mergeBooks) follow(u *unit) error {
	s := b.g.survivor
	own := s.link
	l := u.link.clone()
	l.setID(u.side, s.id)
	l.setSeen(u.side, "")
	l.Pages = withPage(pageRef(b.con, b.Now(), b.page), l.Pages)
	item, err := l.item(b.scope)
	if err != nil {
		return err
	}
	alias, err := aliasItem(b.scope, crm.Right, l.Right, l.Left, false)
	if err != nil {
		return err
	}
	if err := b.trace(u); err != nil {
		return err
	}
	b.count(s.before, -1)
	b.count(l.counted(), 1)
	if u.side == crm.Left {
		b.ws = append(b.ws, store.Write{Item: item, If: store.IfVersion(s.versions.Left)}, store.Write{Item: alias})
	} else {
		b.ws = append(b.ws, store.Write{Item: item, If: store.IfVersion(u.versions.Left)}, store.Write{
			Item: alias, If: store.IfVersion(s.versions.Right),
		})
	}
	b.log(u.link.Pages, Entry{
		Side: u.side, Record: s.id, Partner: b.kept, Outcome: crm.Linked, Code: codeMergeFollowed,
		Message: "the link followed a merge of " + string(u.id),
	})
	if !own.paired() {
		return nil
	}
	b.Mark("merge_of_two_pairs")
	return b.setAside(s)
}

// log tells of a merge. Pages are those of the link that follows it.
func (b *mergeBooks) log(pages []string, e Entry) {
	e.Time, e.Connection, e.Sync, e.Run = b.Now(), b.con, b.sync, b.g.job.chunk.Run
	e.Way = crm.WayTo(e.Side.Other())
	e.Behavior = b.conf.Behavior.Get(e.Way)
	e.Settings = b.conn.Version
	b.entries = append(b.entries, following(pages, e)...)
}

func (b *mergeBooks) commit(ctx context.Context) error {
	days, err := b.logDaysOf(ctx, b.session.ws)
	if err != nil {
		return err
	}
	pages, err := b.logPages(b.page, b.entries, days)
	if err != nil {
		return err
	}
	ws := append(b.ws, pages...)
	ws = addWrite(ws, b.counts(), b.states, time.Time{})
	err = b.Store.Transact(ctx, ws)
	if fault.Is(err, fault.Conflict) {
		return fault.Wrap("engine: follow merge", fault.Unavailable, err)
	}
	return err
}
