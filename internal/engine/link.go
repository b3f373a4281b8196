package engine

import (
	"encoding/json"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

const linkFormat = 1

// link is what is remembered of a pair, or of one record without a twin.
type link struct {
	V        int            `json:"v"`
	Left     crm.RecordID   `json:"l,omitempty"`
	Right    crm.RecordID   `json:"r,omitempty"`
	State    crm.State      `json:"s"`
	Code     string         `json:"c,omitempty"`
	Detail   string         `json:"d,omitempty"`
	Base     crm.Base       `json:"b,omitempty"`
	SeenL    string         `json:"sl,omitempty"` // digest of the mapped fields as last read or written
	SeenR    string         `json:"sr,omitempty"`
	Settings string         `json:"cfg,omitempty"` // digest of the settings that decided
	Others   []crm.RecordID `json:"o,omitempty"`   // candidates of an ambiguous match, members of a duplicate group
	Claims   []string       `json:"k,omitempty"`   // identities claimed for a record we created
	Claimed  crm.Side       `json:"ks,omitempty"`  // the side those claims are on
	Made     time.Time      `json:"m"`             // when the pair, or the record's item, came to be
	By       crm.RunID      `json:"by,omitempty"`  // the run that made it
	Since    time.Time      `json:"t"`             // when the state last changed
	Pages    []string       `json:"p,omitempty"`   // the last log pages that mention it, newest first
	AliasOf  crm.RecordID   `json:"to,omitempty"`  // an alias: look at this left record (or, for a merged right one, right record)
	Merged   bool           `json:"mg,omitempty"`  // the alias is a merge's loser on the same side
}

// maxPages bounds link.Pages.
const maxPages = 8

func (l *link) paired() bool { return l != nil && l.Left != "" && l.Right != "" && l.AliasOf == "" }

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
	l.V = linkFormat
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

func decodeLink(it store.Item) (*link, error) {
	var l link
	if err := json.Unmarshal(it.Data, &l); err != nil {
		return nil, fault.Wrap("engine: decode link", fault.Other, err)
	}
	if l.V != linkFormat {
		return nil, fault.New("engine: decode link", fault.Invalid, "unknown_format", "the link was written by a newer version of Lockstep")
	}
	return &l, nil
}

func aliasItem(sc scope, side crm.Side, id, to crm.RecordID, merged bool) (store.Item, error) {
	b, err := json.Marshal(link{V: linkFormat, AliasOf: to, Merged: merged})
	return store.Item{Key: sc.record(side, id), Data: b}, err
}
