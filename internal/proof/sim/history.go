package sim

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// history is what the audit knows of the past of a world.
type history struct {
	compiled *reconcile.Settings
	mapped   map[mappedOn][]string // fields of a side of a mapping
	readings map[reading]crm.Value // canonical values of texts
	persons  map[string]string     // identities of texts; "" = none
	changes  int64                 // what users did
	typing   int                   // values typed so far
	reads    int64                 // calls that read records by ID
	writes   int64                 // rows written by us

	queued    map[ref]moment     // last asked for by a message on the queue
	inboxed   map[ref]moment     // last put into the inbox
	links     map[ref]linkView   // as stored now
	tokens    map[string]*token  // by mapping and canonical value
	last      map[cellKey]author // who wrote a field last
	touched   map[ref]moment     // when a user last saved a record
	losers    []loser            // must be in the log at the end
	made      map[ref]crm.RecordID
	removed   map[ref]bool    // deleted or merged away by a user
	renamed   map[ref]bool    // made by us, and given another identity by a user
	reprieved map[string]bool // values that won a conflict in the log
	emptied   map[cellKey]emptied
	kept      map[cellKey]moment    // when an app kept a value that both sides agreed on
	retained  map[cellKey]crm.Value // what an app kept against our last write, until a user saves the record

	versions []version                         // of the settings, where rules are changed
	lasting  map[crm.MappingID]crm.ChangedLine // to whom changed mappings apply
	ranked   map[ref][]ranked                  // by which filters let records through
	tagged   map[ref]tagged                    // what became of the rules' tags

	merges    []*merged
	survivors map[ref]bool // of merges by users

	mergedAway map[ref]moment // when a user merged a record into another one

	born     map[ref]time.Time
	absences []*absence   // of fields
	plans    []crm.PlanID // that an admin made
	listed   map[crm.PlanID]listed
	left     map[ref]moment // twins of records that were merged into another linked one

	hearsay    hearsay
	forgotten  forgotten
	hands      hands
	poisoned   map[ref]bool
	blipped    map[ref]bool    // were denied once
	counted    map[string]bool // chunks
	restored   map[ref]moment
	vanished   []time.Time // when links were ended because a record was deleted
	confirmed  time.Time   // when an admin last let deletions through
	paused     moment
	isPaused   bool
	flooded    map[ref]moment // deleted with very many others, which nobody has confirmed
	unasked    int            // of these, applied
	gaveUp     bool           // work became a dead item
	unprovable int64
	races      int64
	progress   int64 // links and chunks that were stored as done
}

func newHistory() history {
	return history{
		mapped: map[mappedOn][]string{}, readings: map[reading]crm.Value{}, persons: map[string]string{},
		queued: map[ref]moment{}, inboxed: map[ref]moment{}, links: map[ref]linkView{}, tokens: map[string]*token{},
		last: map[cellKey]author{}, touched: map[ref]moment{}, emptied: map[cellKey]emptied{}, kept: map[cellKey]moment{},
		retained: map[cellKey]crm.Value{}, made: map[ref]crm.RecordID{}, poisoned: map[ref]bool{}, blipped: map[ref]bool{},
		counted: map[string]bool{}, restored: map[ref]moment{}, removed: map[ref]bool{}, renamed: map[ref]bool{},
		reprieved: map[string]bool{}, survivors: map[ref]bool{}, born: map[ref]time.Time{}, left: map[ref]moment{},
		listed:  map[crm.PlanID]listed{},
		flooded: map[ref]moment{},

		mergedAway: map[ref]moment{}, ranked: map[ref][]ranked{}, tagged: map[ref]tagged{},

		hearsay: newHearsay(), forgotten: newForgotten(),
	}
}

// cellKey is one field of one record, by its mapping.
type cellKey struct {
	ref
	mapping crm.MappingID
}

// author says who wrote a field last.
type author struct {
	user bool
	when moment
}

// emptied is a field that a user cleared, and what both sides had agreed on.
type emptied struct {
	was  crm.Value
	when moment
}

// token is a value that a user typed; each is typed once.
type token struct {
	at   cellKey
	when moment
	over map[ref]bool // records where a user typed something else in its place

	instead string // of which value, on its own record

	shared bool // it was typed more than once: an e-mail address of two records
}

// loser is a value of a user that we wrote over without its having been agreed.
type loser struct {
	cellKey
	before crm.Value
	step   int64
}

// linkView is what an audit reads of a stored link.
type linkView struct {
	Left   crm.RecordID   `json:"l"`
	Right  crm.RecordID   `json:"r"`
	State  crm.State      `json:"s"`
	Code   string         `json:"c"`
	Detail string         `json:"d"`
	Base   crm.Base       `json:"b"`
	Others []crm.RecordID `json:"o"`
	To     crm.RecordID   `json:"to"`
	Merged bool           `json:"mg"`
	ByHand bool           `json:"hand"`
	Joined int64          `json:"jv"`
}

func (l linkView) paired() bool { return l.Left != "" && l.Right != "" && l.To == "" }

func (l linkView) id(s crm.Side) crm.RecordID {
	if s == crm.Left {
		return l.Left
	}
	return l.Right
}

// stored follows what the engine remembers as it is stored.
func (w *world) stored(x *store.Write) {
	if w.set.joint {
		if w.follow != nil {
			w.follow(x)
		}
		w.tell("stored %s %s: %s", x.Item.Partition, x.Item.Sort, x.Item.Data)
		return
	}
	if x.Item.Table != store.Links || x.Op == store.Add || x.Op == store.Check {
		return
	}
	switch kind, _, _ := strings.Cut(x.Item.Partition, "#"); kind {
	case "l":
		w.progress++
		w.storedLink(x)
	case "n":
		if side, id, ok := strings.Cut(x.Item.Sort, "#"); ok && x.Op == store.Put {
			w.inboxed[ref{crm.Side(side), crm.RecordID(id)}] = w.moment()
		}
	case "p", "k":
		if kind == "k" && x.Op == store.Put && !strings.HasSuffix(x.Item.Sort, "#told") { // that of one that comes again
			if w.counted[x.Item.Sort] {
				w.violated("S7", "chunk "+x.Item.Sort+" was counted twice")
			}
			w.counted[x.Item.Sort] = true
			w.progress++
		}
		w.tell("stored %s %s (op %d) %s", kind, x.Item.Sort, x.Op, x.Item.Data)
	case "d":
		if x.Op == store.Put {
			w.storedDead(x)
		}
	}
}

func (w *world) storedLink(x *store.Write) {
	side := crm.Left
	id, left := strings.CutPrefix(x.Item.Sort, "L#")
	if !left {
		side = crm.Right
		id = strings.TrimPrefix(x.Item.Sort, "R#")
	}
	r := ref{side, crm.RecordID(id)}
	if x.Op == store.Delete {
		delete(w.links, r)
		return
	}
	var l linkView
	if err := json.Unmarshal(x.Item.Data, &l); err != nil {
		w.violated("S1", "a link cannot be read")
		return
	}
	w.checkEnded(r, w.links[r], l)
	w.leftOut(r, l)
	w.followApart(r, l)
	if l.paired() {
		w.followApart(ref{crm.Right, l.Right}, l)
	}
	w.links[r] = l
	if massWaits(l) {
		w.halted[ref{crm.Left, l.Left}] = true
	}
	w.followed(l)
	w.tell("link %s %s: %s", r.side, r.id, x.Item.Data)
}

func (w *world) storedDead(x *store.Write) {
	var d struct {
		Receives int    `json:"receives"`
		Code     string `json:"code"`
	}
	w.mark("audited_dead_item")
	w.gaveUp = true
	err := json.Unmarshal(x.Item.Data, &d)
	if d.Code == "rate_limited" || d.Code == "quota_exhausted" {
		w.violated("S18", "a limit made a dead item")
	}
	// At the cap the store may be away: then the next receive must do it.
	if err != nil || d.Receives < w.receiveCap() || d.Receives > w.receiveCap() && (w.set.calm || w.set.toxic) {
		w.violated("S21", "a dead item was made at another receive than the cap")
	}
}

func (w *world) receiveCap() int {
	if n := w.set.tuning.ReceiveCap; n > 0 {
		return n
	}
	return defaultReceiveCap
}

// defaultReceiveCap is the engine's.
const defaultReceiveCap = 10

// link follows a record to what is remembered of it.
func (w *world) link(r ref) (linkView, bool) {
	l, ok := w.links[r]
	for range 4 {
		if !ok || l.To == "" {
			break
		}
		if l.Merged {
			r.id = l.To
			l, ok = w.links[ref{r.side, l.To}]
		} else {
			l, ok = w.links[ref{crm.Left, l.To}]
			if ok && l.Right != r.id && r.side == crm.Right {
				return linkView{}, false // it was paired with another one since
			}
		}
	}
	return l, ok
}

// canonical reads a mapping of a record; blank when it does not fit.
func (w *world) canonical(side crm.Side, id crm.MappingID, f crm.Fields) crm.Value {
	m := w.compiled.Mapping(id)
	if m == nil {
		return crm.NullValue()
	}
	cell := mappedOn{id, side}
	fields, known := w.mapped[cell]
	if !known {
		fields = m.Names(side)
		w.mapped[cell] = fields
	}
	if len(fields) != 1 || f[fields[0]].Kind() != crm.Text {
		return canonicalOf(m, side, f)
	}
	// The same texts are looked at after every write and at every rest.
	k := reading{cell, f[fields[0]].Text()}
	v, known := w.readings[k]
	if !known {
		v = canonicalOf(m, side, f)
		w.readings[k] = v
	}
	return v
}

func canonicalOf(m *mapping.Compiled, side crm.Side, f crm.Fields) crm.Value {
	v, err := m.Canonical(side, f)
	if err != nil {
		return crm.NullValue()
	}
	return v
}

// mappedOn is one side of a mapping.
type mappedOn struct {
	mapping crm.MappingID
	side    crm.Side
}

// reading is a text that a side of a mapping may hold.
type reading struct {
	mappedOn
	text string
}

func tokenKey(id crm.MappingID, v crm.Value) string { return string(id) + "\x00" + v.Text() }

// unique reports whether the values typed for a mapping are never typed again.
func unique(id crm.MappingID) bool { return id != "rank" && id != "tags" }

// typed enters what a user did to a record's fields.
func (w *world) typed(r ref, before, after crm.Fields) {
	w.hears(r, after)
	w.ranksOf(r, after)
	w.userTags(r, before, after)
	for _, m := range w.set.sync.Mappings {
		b, a := w.canonical(r.side, m.ID, before), w.canonical(r.side, m.ID, after)
		if b.Equal(a) {
			continue
		}
		k := cellKey{r, m.ID}
		w.last[k] = author{true, w.moment()}
		w.clears(k, b, a)
		if string(m.ID) == w.set.key && w.made[r] != "" {
			w.renamed[r] = true
		}
		if !unique(m.ID) {
			continue
		}
		if old := w.tokens[tokenKey(m.ID, b)]; old != nil && !a.Blank() {
			old.over[r] = true
		}
		if a.Blank() { // what was typed in place of others is gone: any of them may fill the blank
			for key, old := range w.tokens {
				if strings.HasPrefix(key, string(m.ID)+"\x00") {
					delete(old.over, r)
				}
			}
		}
		if !a.Blank() {
			key := tokenKey(m.ID, a)
			w.tokens[key] = &token{
				at: k, when: w.moment(), over: map[ref]bool{}, instead: tokenKey(m.ID, b), shared: w.tokens[key] != nil,
			}
		}
	}
}

// clears notes that a user emptied a field which both sides agreed on.
func (w *world) clears(k cellKey, before, after crm.Value) {
	delete(w.emptied, k)
	if l, ok := w.link(k.ref); ok && l.paired() && after.Blank() {
		if agreed, met := l.Base[k.mapping]; met && agreed.Settled == nil && agreed.Is(before) {
			w.emptied[k] = emptied{before, w.moment()}
		}
	}
}
