package engine

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

const linkFormat = 1

// link is what is remembered of a pair, or of one record without a twin.
type link struct {
	V       int          `json:"v"`
	Left    crm.RecordID `json:"l,omitempty"`
	Right   crm.RecordID `json:"r,omitempty"`
	State   crm.State    `json:"s"`
	Code    string       `json:"c,omitempty"`
	Detail  string       `json:"d,omitempty"`
	Base    crm.Base     `json:"b,omitempty"`
	Reasons []crm.Reason `json:"z,omitempty"`  // why fields of the base are settled, for whoever counts: see item
	SeenL   string       `json:"sl,omitempty"` // digest of the mapped fields as last read or written
	SeenR   string       `json:"sr,omitempty"`
	// our last write to a side whose app did not answer with values: see lastWrite
	WroteL   string         `json:"wl,omitempty"`
	WroteR   string         `json:"wr,omitempty"`
	WasL     string         `json:"hl,omitempty"` // what the mappings of that write held before it, one trace each
	WasR     string         `json:"hr,omitempty"`
	Settings string         `json:"cfg,omitempty"`  // digest of the settings that decided
	Others   []crm.RecordID `json:"o,omitempty"`    // candidates of an ambiguous match, members of a duplicate group
	Claims   []string       `json:"k,omitempty"`    // identities claimed for a record we created
	Claimed  crm.Side       `json:"ks,omitempty"`   // the side those claims are on
	Made     time.Time      `json:"m"`              // when the pair, or the record's item, came to be
	By       crm.RunID      `json:"by,omitempty"`   // the run that made it
	Joined   int64          `json:"jv,omitempty"`   // version of the connection when the two were paired
	Since    time.Time      `json:"t"`              // when the state last changed
	Pages    []string       `json:"p,omitempty"`    // the last log pages that mention it, newest first
	ByHand   bool           `json:"hand,omitempty"` // a person joined the two
	// an alias: look at this left record (or, for a merged right one, right record)
	AliasOf crm.RecordID `json:"to,omitempty"`
	Once    bool         `json:"on,omitempty"` // it failed for good: tried again when something changes, or daily
	Merged  bool         `json:"mg,omitempty"` // the alias is a merge's loser on the same side

	Loop *loop `json:"lp,omitempty"` // how often it was written within the hour

	// Awaits are writes of which nobody could tell whether they landed, because
	// their fields, or their record, were not to be read when their writer's work
	// was taken over: see recall.
	Awaits map[crm.MappingID]awaited `json:"aw,omitempty"`
}

// awaited is a value that was about to be written to a side: its digest.
type awaited struct {
	Side   crm.Side `json:"s"`
	Digest string   `json:"d"`
}

// maxPages bounds link.Pages.
const maxPages = 8

func (l *link) paired() bool { return l != nil && l.Left != "" && l.Right != "" && l.AliasOf == "" }

// clone returns an own copy of a link. What a base holds of one field is never
// changed, only replaced.
func (l *link) clone() *link {
	if l == nil {
		return &link{}
	}
	c := *l
	c.Base, c.Others, c.Claims, c.Pages = maps.Clone(l.Base), slices.Clone(l.Others), slices.Clone(l.Claims),
		slices.Clone(l.Pages)
	c.Awaits = maps.Clone(l.Awaits)
	c.Loop = l.Loop.clone()
	return &c
}

// sameLink reports whether two links say the same, apart from what was last
// seen, which costs a read at most, and what follows from the base.
func sameLink(a, b *link) bool {
	return a.Left == b.Left && a.Right == b.Right && a.State == b.State && a.Code == b.Code && a.Detail == b.Detail &&
		a.Settings == b.Settings && a.Claimed == b.Claimed && a.By == b.By && a.Joined == b.Joined && a.ByHand == b.ByHand &&
		a.AliasOf == b.AliasOf && a.Merged == b.Merged && a.Once == b.Once &&
		a.Made.Equal(b.Made) && a.Since.Equal(b.Since) && slices.Equal(a.Others, b.Others) &&
		slices.Equal(a.Claims, b.Claims) &&
		maps.EqualFunc(a.Base, b.Base, crm.Agreed.Same) && maps.Equal(a.Awaits, b.Awaits) && a.Loop.same(b.Loop)
}

func (l *link) id(s crm.Side) crm.RecordID {
	if s == crm.Left {
		return l.Left
	}
	return l.Right
}

func (l *link) setID(s crm.Side, id crm.RecordID) {
	if s == crm.Left {
		l.Left = id
	} else {
		l.Right = id
	}
}

func (l *link) seen(s crm.Side) string {
	if s == crm.Left {
		return l.SeenL
	}
	return l.SeenR
}

func (l *link) setSeen(s crm.Side, d string) {
	if s == crm.Left {
		l.SeenL = d
	} else {
		l.SeenR = d
	}
}

// await notes a write of what cannot be read now, for when it can.
func (l *link) await(id crm.MappingID, side crm.Side, digest string) {
	if l.Awaits == nil {
		l.Awaits = map[crm.MappingID]awaited{}
	}
	l.Awaits[id] = awaited{side, digest}
}

// key is where the link itself is stored: under its left record if it has one.
func (l *link) key(sc scope) store.Key {
	if l.Left != "" {
		return sc.record(crm.Left, l.Left)
	}
	return sc.record(crm.Right, l.Right)
}

// rare states enter the sparse index so that they can be listed.
func rare(s crm.State) bool { return s != crm.StateInSync && s != crm.StateExcluded }

// rareStates is the index partition of a sync's links in such a state.
func rareStates(sc scope, s crm.State) string { return "s#" + sc.name() + "#" + string(s) }

// codeTwinTaken marks a record whose twin has another one.
const codeTwinTaken = "twin_taken"

func (l *link) item(sc scope) (store.Item, error) {
	l.V, l.Reasons = linkFormat, l.Base.Reasons()
	b, err := json.Marshal(l)
	if err != nil {
		return store.Item{}, fault.Wrap("engine: encode link", fault.Other, err)
	}
	it := store.Item{Key: l.key(sc), Data: b}
	if l.AliasOf == "" && rare(l.State) {
		it.Index = rareStates(sc, l.State)
		it.IndexSort = it.Sort
	}
	return it, nil
}

var errNewerLink = fault.New("engine: decode link", fault.Invalid, "unknown_format",
	"the link was written by a newer version of Lockstep")

func decodeLink(it store.Item) (*link, error) {
	var l link
	if err := json.Unmarshal(it.Data, &l); err != nil {
		return nil, fault.Wrap("engine: decode link", fault.Other, err)
	}
	if l.V != linkFormat {
		return nil, errNewerLink
	}
	return &l, nil
}

// linkHead is the part of a link that says whose it is and how it stands.
type linkHead struct {
	V       int          `json:"v"`
	Left    crm.RecordID `json:"l"`
	Right   crm.RecordID `json:"r"`
	State   crm.State    `json:"s"`
	Code    string       `json:"c"`
	By      crm.RunID    `json:"by"`
	Reasons []crm.Reason `json:"z"`
	AliasOf crm.RecordID `json:"to"`
	Loop    *loop        `json:"lp"`
}

// decodeHead is decodeLink for whoever goes through all links.
func decodeHead(it store.Item) (*link, error) {
	var h linkHead
	if err := json.Unmarshal(it.Data, &h); err != nil {
		return nil, fault.Wrap("engine: decode link", fault.Other, err)
	}
	if h.V != linkFormat {
		return nil, errNewerLink
	}
	return &link{
		V: h.V, Left: h.Left, Right: h.Right, State: h.State, Code: h.Code, By: h.By, Reasons: h.Reasons,
		AliasOf: h.AliasOf, Loop: h.Loop,
	}, nil
}

func aliasItem(sc scope, side crm.Side, id, to crm.RecordID, merged bool) (store.Item, error) {
	return link{AliasOf: to, Merged: merged}.alias(sc, side, id)
}

// asideAlias is the alias of a right record that was set aside, if code says
// so, until a person joined it. Should the pair's link never be stored, the
// alias is all that remembers that.
func asideAlias(sc scope, id, to crm.RecordID, code string) (store.Item, error) {
	return link{AliasOf: to, Code: code}.alias(sc, crm.Right, id)
}

func (l link) alias(sc scope, side crm.Side, id crm.RecordID) (store.Item, error) {
	l.V = linkFormat
	b, err := json.Marshal(l)
	return store.Item{Key: sc.record(side, id), Data: b}, err
}

// restored is what an alias, whose pair is not stored, replaced: a right record
// that was set aside. Nil: there was nothing of the kind.
func (l *link) restored(id crm.RecordID) *link {
	if l == nil || l.AliasOf == "" || l.Merged {
		return nil
	}
	state := crm.StateDuplicate
	if l.Code == codeUnlinked {
		state = crm.StateExcluded
	}
	if r := (&link{Right: id, State: state, Code: l.Code}); r.setAside() {
		return r
	}
	return nil
}

// counted is the name of a counter that a link adds one to: of one record in
// one state, of those by code, of pairs with settled fields, of those by reason, of
// pairs with frozen fields.
type counted string

// The names of counters begin with the side, or with countReason, countSettled
// or countFrozen; countPairs is one by itself.
const (
	countReason  = "why:" // then side, state and code
	countSettled = "settled:"
	countFrozen  = "frozen:"
	countLinks   = "links" // however many fields and reasons
	countPairs   = "pairs" // that are linked, whatever their state
)

// counted says where the link and its records are counted.
func (l *link) counted() []counted {
	var out []counted
	for _, side := range crm.Sides {
		if l.id(side) == "" {
			continue
		}
		name := string(side) + ":" + string(l.State)
		out = append(out, counted(name))
		if l.Code != "" && l.State != crm.StateInSync {
			out = append(out, counted(countReason+name+":"+l.Code))
		}
	}
	if l.paired() && l.State != crm.StateDeleted {
		out = append(out, countPairs)
	}
	told := l.State == crm.StateInSync || l.State == crm.StateConflict || l.State == crm.StateFailing
	if l.Loop != nil && len(l.Loop.Frozen) > 0 && told {
		out = append(out, countFrozen+countLinks)
	}
	if len(l.Reasons) > 0 && told {
		out = append(out, countSettled+countLinks)
		for _, why := range l.Reasons {
			out = append(out, counted(countSettled+string(why)))
		}
	}
	return out
}
