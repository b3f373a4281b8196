package sim

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// waiting reports whether any work is left on the queue or in the store.
func (w *world) waiting() bool { return w.backlog() != "" }

// status is where the connection stands.
func (w *world) status() crm.Status {
	if c := w.connection(); c != nil {
		return c.Status
	}
	return ""
}

// connection is the connection as it is stored; nil = it is not.
func (w *world) connection() *crm.Connection {
	item, err := w.store.Get(w.ctx, store.ConnectionKey(workspace, connection))
	if err != nil {
		return nil
	}
	if item.Version != w.connOf { // decoding it each time would cost more than the work itself
		c, err := store.DecodeConnection(item)
		if err != nil {
			return nil
		}
		w.conn, w.connOf = c, item.Version
	}
	return w.conn
}

// backlog names what is left to do; "" = nothing.
func (w *world) backlog() string {
	if what := w.inQueue(); what != "" {
		return what
	}
	if w.set.erasing && w.erasing() {
		return "an open erasure"
	}
	if w.status() == crm.StatusHalted {
		return "" // only an admin can go on
	}
	return w.backlogOf(connection, syncID)
}

// inQueue says that messages are on the queue, if that is so.
func (w *world) inQueue() string {
	if d, err := w.queue.Depth(w.ctx); err == nil && d.Visible+d.InFlight > 0 {
		return "messages on the queue"
	}
	return ""
}

// drains lets time pass, with ticks, until nothing waits anywhere: left names what
// does. Meanwhile, if there is one, is called in each turn.
func (w *world) drains(left func() string, meanwhile func(turn int)) {
	for turn := 0; turn < 200 && w.failed() == ""; turn++ {
		w.tick()
		w.run(w.now.Add(time.Minute))
		if meanwhile != nil {
			meanwhile(turn)
		}
		if len(w.tasks) == 0 && left() == "" {
			return
		}
	}
	if w.failed() == "" {
		w.violated("S30", "without faults the backlog does not drain: "+left())
	}
}

// stays runs two rounds in which nothing happens and nothing may be written.
func (w *world) stays(round func()) {
	if w.failed() != "" {
		return
	}
	before := w.writes
	round()
	w.run(w.now.Add(time.Hour))
	round()
	if n := w.writes - before; n > 0 && w.failed() == "" {
		w.violated("S5", fmt.Sprintf("quiet rounds wrote to the apps %d times", n))
	}
}

// backlogOf names what is left to do for a sync of a connection.
func (w *world) backlogOf(con crm.ConnectionID, sync crm.SyncID) string {
	scope := "#" + string(con) + "#" + string(sync)
	for kind, name := range kinds {
		if w.holds(kind + scope) {
			return name
		}
	}
	head := store.Key{Table: store.Links, Workspace: workspace, Partition: "h" + scope, Sort: "lease"}
	if it, err := w.store.Get(w.ctx, head); err == nil && strings.Contains(string(it.Data), `"intent"`) {
		return "an open intent"
	}
	head.Sort = "scan"
	if it, err := w.store.Get(w.ctx, head); err == nil && strings.Contains(string(it.Data), `"open_run"`) {
		return "an open run" + w.openRun(it.Data)
	}
	return ""
}

// holds reports whether anything waits in a partition of the links.
func (w *world) holds(partition string) bool {
	page, err := w.store.Query(w.ctx, store.Query{
		Table: store.Links, Workspace: workspace, Partition: partition, Limit: 1,
	})
	return err == nil && len(page.Items) > 0
}

// openRun tells of a run that does not end.
func (w *world) openRun(scan []byte) string {
	var st struct {
		Open crm.RunID `json:"open_run"`
	}
	if json.Unmarshal(scan, &st) != nil {
		return ""
	}
	it, err := w.store.Get(w.ctx, store.Key{
		Table: store.Log, Workspace: workspace, Partition: "runs", Sort: string(st.Open),
	})
	if err != nil {
		return ": " + err.Error()
	}
	raw, _ := unpacked(it.Data)
	counts, _ := w.store.Get(w.ctx, store.Key{
		Table: store.Log, Workspace: workspace, Partition: "runcounts#" + string(st.Open), Sort: "counts",
	})
	return fmt.Sprintf(" %s, counters %v", raw, counts.Counters)
}

// unpacked is what the engine packed, or left as the JSON it is.
func unpacked(b []byte) ([]byte, error) {
	if len(b) > 0 && (b[0] == '{' || b[0] == '[') {
		return b, nil
	}
	r := unpackers.Get().(io.ReadCloser)
	defer unpackers.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(b), nil); err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// unpackers are at rest: making one costs more than what it unpacks.
var unpackers = sync.Pool{New: func() any { return flate.NewReader(nil) }}

var kinds = map[string]string{
	"p": "parked chunks", "n": "hints in the inbox", "x": "deletions noticed", "i": "open intents", "y": "open plans",
	"v":     "records whose change is weighed, or waits for a decision",
	"wleft": "records that wait for a right on the left", "wright": "records that wait for a right on the right",
}

// checkDeadLetters holds given-up work to S21: it is on the admin's list, with
// its reason, and never only in the queue's own dead-letter queue. One that was
// acknowledged and came again too often, for want of its removal, is a copy of
// what is done or waits in the store.
func (w *world) checkDeadLetters() {
	for _, id := range w.queue.DeadIDs() {
		if !w.acked[id] && w.failed() == "" {
			w.violated("S21", "message "+id+" ended in the queue, where no admin sees it")
		}
	}
}

// checkAll holds the world at rest to everything that must be true then.
func (w *world) checkAll(when string, full bool) {
	if w.failed() != "" {
		return
	}
	entries := w.log()
	w.checkLosers(entries)
	w.checkConflicts(entries)
	for i, a := range w.apps {
		for _, r := range a.rows() {
			if !r.deleted && w.failed() == "" {
				w.checkRecord(when, ref{sideOf(i), r.id}, r, full)
			}
		}
	}
	w.checkForgotten(when)
	if full {
		w.checkMerges(when)
		w.checkCounters()
	}
	w.checkRuns(when)
}

// absorbed reports whether a record of the other side that was merged away had
// x's identity: its survivor keeps the address as a second one.
func (w *world) absorbed(r ref, x row) bool {
	own, has := w.identity(r.side, x.fields)
	other := r.side.Other()
	return has && slices.ContainsFunc(w.apps[other.Index()].rows(), func(o row) bool {
		e, has := w.identity(other, o.fields)
		return o.into != "" && has && e == own
	})
}

// checkRecord holds one live record to S1 and S4.
func (w *world) checkRecord(when string, r ref, x row, full bool) {
	l, ok := w.link(r)
	if w.forgotten.bore[r] && !w.erased(r) {
		return // it has another address by now: whether it was known as the person's before is a matter of moments
	}
	if w.erased(r) {
		if ok {
			w.violated("X11", fmt.Sprintf("%s: %s %s was erased and is %s again", when, r.side, r.id, l.State))
		}
		return
	}
	if !ok {
		if way := crm.WayTo(r.side.Other()); !w.set.sync.Direction.Allows(way) && !full {
			return
		}
		w.violated("S1", fmt.Sprintf("%s: nothing is known of %s %s", when, r.side, r.id))
		return
	}
	other := r.side.Other()
	twin, alive := w.apps[other.Index()].get(l.id(other))
	alive = alive && !twin.deleted && l.paired()
	if !full && !w.rounded.IsZero() && (w.acted[r].After(w.rounded) || w.acted[ref{other, twin.id}].After(w.rounded)) {
		return // a user came back to it after the last pull
	}
	w.checkRules(when, r, x, l)
	w.checkPolicy(when, r, x, l, full)
	switch l.State {
	case crm.StateInSync, crm.StateConflict, crm.StateFailing:
		if l.paired() && !alive {
			if spared := w.hands.unsure[ref{other, twin.id}]; full || w.set.apps[other.Index()].DeletedFeed && !w.set.real &&
				!spared {
				w.violated("S16", fmt.Sprintf("%s: %s %s is %s with a record that is gone", when, r.side, r.id, l.State))
			}
			return
		}
		if l.State == crm.StateFailing && (l.Code == "already_exists" || takenField(l)) &&
			(!full || w.hasDouble(r, x) || alive && w.hasDouble(ref{other, twin.id}, twin) || w.absorbed(r, x)) {
			return // the app keeps addresses unique, and a user gave one to two people, or one person two
		}
		if l.State == crm.StateFailing && w.refusalStands(r, x, l) {
			if alive && r.side == crm.Left {
				w.checkRefused(when, l, x, twin)
			}
			return
		}
		if l.State == crm.StateFailing {
			w.violated("S1", fmt.Sprintf("%s: %s %s fails: %s", when, r.side, r.id, l.Code))
			return
		}
		if alive && r.side == crm.Left {
			w.checkPair(when, l, x, twin)
		}
	case crm.StateDuplicate:
		// a survivor of a merge is found by both addresses
		if full && l.Code != "merged_twin" && !w.hasDouble(r, x) && !w.absorbed(r, x) {
			w.violated("S1", fmt.Sprintf("%s: %s %s is a duplicate (%s) of nobody", when, r.side, r.id, l.Code))
		}
	case crm.StateExcluded:
		w.checkExcluded(when, r, x, l)
	case crm.StateDeleted:
		if alive && full {
			w.violated("S1", fmt.Sprintf("%s: %s %s and its twin live and count as deleted", when, r.side, r.id))
		}
	case crm.StateWaiting:
		w.violated("S1", fmt.Sprintf("%s: %s %s still waits", when, r.side, r.id))
	default:
		w.violated("S1", fmt.Sprintf("%s: %s %s is in no state", when, r.side, r.id))
	}
}

func (w *world) checkExcluded(when string, r ref, x row, l linkView) {
	_, has := w.identity(r.side, x.fields)
	if l.paired() && l.Code == reconcile.CodeNoIdentity {
		other := r.side.Other()
		twin, _ := w.apps[other.Index()].get(l.id(other))
		if w.set.sync.AvoidsDuplicates() && (w.keyless(r.side, x.fields) || w.keyless(other, twin.fields)) {
			w.mark("audited_lost_key")
			return
		}
	}
	if l.Code == codeUnlinked && w.hands.apart[r] {
		w.mark("audited_apart")
		return
	}
	if w.set.rules && l.Code == reconcile.CodeFiltered {
		return // see checkRules
	}
	way := crm.WayTo(r.side.Other())
	b := w.set.sync.Behavior.Get(way)
	if has && w.set.sync.Direction.Allows(way) && b.Creates() && b.Updates() {
		w.violated("S1", fmt.Sprintf("%s: %s %s is left out (%s) for no reason", when, r.side, r.id, l.Code))
	}
}

// keyless reports whether a record has no key at all by which it is matched.
func (w *world) keyless(side crm.Side, f crm.Fields) bool {
	return f[w.apps[side.Index()].field(w.set.key)].Blank()
}

// hasDouble reports whether any other record explains why this one is a
// duplicate: one of its own side with the same identity, or a twin that is taken.
func (w *world) hasDouble(r ref, x row) bool {
	mine := w.addresses(r.side, x.fields)
	n := [2]int{}
	for i, a := range w.apps {
		for _, o := range a.rows() {
			theirs := w.addresses(sideOf(i), o.fields)
			shared := slices.ContainsFunc(mine, func(e string) bool { return slices.Contains(theirs, e) })
			if shared && !o.deleted && (ref{sideOf(i), o.id}) != r {
				n[i]++
			}
		}
	}
	return n[r.side.Index()] > 0 || n[1-r.side.Index()] > 0
}

// checkPair holds a linked pair to S1: nothing is left to do, and what travels
// both ways is equal on both sides and in the base.
func (w *world) checkPair(when string, l linkView, left, right row) {
	if w.set.sync.AvoidsDuplicates() && !l.ByHand &&
		(w.keyless(crm.Left, left.fields) || w.keyless(crm.Right, right.fields)) {
		w.violated("S32", fmt.Sprintf("%s: the pair %s, %s has lost its key and is %s", when, left.id, right.id, l.State))
		return
	}
	lr, rr := crm.Record{ID: left.id, Fields: left.fields}, crm.Record{ID: right.id, Fields: right.fields}
	p := w.settingsNow().Reconcile(reconcile.Pair{
		Left: &lr, Right: &rr, Linked: true, Joined: l.Joined, Base: l.Base, Origin: crm.Left, Now: w.now,
	})
	if !p.Empty() {
		w.violated("S1", fmt.Sprintf("%s: the pair %s, %s is %s and there is still something to write: %s", when, left.id,
			right.id, l.State, ruleNames(p)))
		return
	}
	if open := w.opened(left, right); w.set.rules && (!open[0] || !open[1]) {
		return // what is shut keeps them apart
	}
	for i := range w.set.sync.Mappings {
		m := &w.set.sync.Mappings[i]
		a, b := w.canonical(crm.Left, m.ID, left.fields), w.canonical(crm.Right, m.ID, right.fields)
		if !a.Equal(b) && !(a.Blank() && b.Blank()) {
			d := l.Base[m.ID].Settled
			if w.explained(d, a, b) {
				continue
			}
			if l.Code == reconcile.CodeChangedByApp && w.free(m) && w.twoWay(m) && w.unsettled(m, l, a, b) != "" &&
				!w.secondary(m, l, left, right) {
				w.violated("S35", fmt.Sprintf("%s: %s of %s, %s differs beside a field that the app kept", when, m.ID, left.id,
					right.id))
				return
			}
			if w.free(m) && w.twoWay(m) && l.State != crm.StateConflict {
				if why := w.unsettled(m, l, a, b); why != "" && !w.secondary(m, l, left, right) {
					w.violated("S1", fmt.Sprintf("%s: %s of %s, %s differs: %s", when, m.ID, left.id, right.id, why))
					return
				}
			}
			continue
		}
		if !w.twoWay(m) || !w.free(m) {
			continue
		}
		if agreed, ok := l.Base[m.ID]; !ok || !agreed.Is(a) {
			w.violated("S1", fmt.Sprintf("%s: %s of %s, %s is equal and the base differs", when, m.ID, left.id, right.id))
			return
		}
		if t := w.tokens[tokenKey(m.ID, a)]; t != nil && unique(m.ID) && (t.over[ref{crm.Left, left.id}] ||
			t.over[ref{crm.Right, right.id}]) && !t.shared && !w.reprieved[tokenKey(m.ID, a)] {
			w.violated("S4", fmt.Sprintf("%s: %s of %s, %s holds a value that was replaced", when, m.ID, left.id, right.id))
			return
		}
	}
}

// unsettled says why a difference that the link calls settled is none; "" when
// it is: one side is as its own user emptied it, and the mapping does not clear.
func (w *world) unsettled(m *crm.Mapping, l linkView, left, right crm.Value) string {
	d := l.Base[m.ID].Settled
	if d == nil {
		return "it is not settled"
	}
	empty := crm.Left
	if right.Blank() {
		empty = crm.Right
	}
	switch {
	case d.Reason == crm.ReasonUndone && w.discarded[m.ID]: // an admin did not want it
		w.mark("audited_discarded")
		return ""
	case d.Reason == crm.ReasonFromNowOn && w.lasting[m.ID].FromNowOn() && l.Joined < w.lasting[m.ID].Later:
		w.mark("audited_from_now_on") // an admin wanted the pair left as it was
		return ""
	case d.Reason != crm.ReasonCleared:
		return "it is settled as " + string(d.Reason)
	case !left.Blank() && !right.Blank():
		return "neither side is blank"
	case m.Clear.Get(crm.WayTo(empty.Other())):
		return "the mapping clears"
	case m.ID == modelapp.Tags:
		return "what is taken out of a list is taken out on both sides"
	// the app kept its blank, and a user saved the record since
	case strings.Contains(left.Text()+right.Text(), modelapp.MarkKept):
	case w.survivors[ref{empty, l.id(empty)}]: // a merge took what its record lacked
	case !w.last[cellKey{ref{empty, l.id(empty)}, m.ID}].user:
		return "its user did not empty it"
	}
	w.mark("audited_cleared")
	return ""
}

// secondary reports whether two first values differ rightly: one of them is a
// further value of the other record.
func (w *world) secondary(m *crm.Mapping, l linkView, left, right row) bool {
	d := l.Base[m.ID].Settled
	if d == nil || d.Reason != crm.ReasonSecondary || string(m.ID) != w.set.key {
		return false
	}
	for side, pair := range [2][2]row{{left, right}, {right, left}} {
		email, ok := w.identity(sideOf(side), pair[0].fields)
		if ok && slices.Contains(w.addresses(sideOf(1-side), pair[1].fields), email) {
			w.mark("audited_secondary")
			return true
		}
	}
	return false
}

// addresses are all keys by which a record is known, the first one first.
func (w *world) addresses(side crm.Side, f crm.Fields) []string {
	var out []string
	if email, ok := w.identity(side, f); ok {
		out = append(out, email)
	}
	for part := range strings.SplitSeq(f[furtherKeys].Text(), ";") {
		if key, ok := w.keyOf(crm.TextValue(part)); ok {
			out = append(out, key)
		}
	}
	return out
}

func ruleNames(p reconcile.Decision) string {
	var out []string
	for _, f := range p.Fields {
		if f.Rule != reconcile.RuleAgreed {
			out = append(out, string(f.Mapping)+" "+string(f.Rule))
		}
	}
	return strings.Join(out, ", ")
}

// log reads the whole log, whatever the clocks of its writers said.
func (w *world) log() []engine.Entry {
	var out []engine.Entry
	w.store.Each(store.Log, func(it store.Item) bool {
		if !strings.HasPrefix(it.Partition, "g#") {
			return true
		}
		key := pageKey{it.Key, it.Version}
		if page, ok := w.pages[key]; ok {
			out = append(out, page...)
			return true
		}
		var page []engine.Entry
		raw, err := unpacked(it.Data)
		if err == nil {
			err = json.Unmarshal(raw, &page)
		}
		if err != nil {
			w.violated("S2", "a page of the log cannot be read: "+err.Error())
		}
		w.pages[key] = page
		out = append(out, page...)
		return err == nil
	})
	return out
}

// pageKey names one state of a page of the log.
type pageKey struct {
	store.Key
	version int64
}

// contested are the rules under which a value of a user may lose, in the log.
var contested = []reconcile.FieldRule{
	reconcile.RuleConflictLeft, reconcile.RuleConflictRight, reconcile.RuleConflictNewest, reconcile.RuleFirstDifference,
}

// checkLosers looks for each overwritten value in the log (S2).
func (w *world) checkLosers(entries []engine.Entry) {
	type lost struct {
		ref
		field string
		value string
	}
	found := map[lost]bool{}
	for i := range entries {
		e := &entries[i]
		for _, d := range e.Diffs {
			if !slices.Contains(contested, reconcile.FieldRule(d.Rule)) {
				continue
			}
			id := e.Record
			if d.Side != e.Side {
				id = e.Partner
			}
			found[lost{ref{d.Side, id}, d.Field, w.spelled(d.Side, d.Mapping, d.Field, d.Before)}] = true
			w.reprieved[tokenKey(d.Mapping, w.canonical(d.Side, d.Mapping, crm.Fields{d.Field: d.After}))] = true
		}
	}
	for _, l := range w.losers {
		if w.erased(l.ref) {
			continue // the log tells of them no more
		}
		m := w.compiled.Mapping(l.mapping)
		field := m.Names(l.side)[0]
		if !found[lost{l.ref, field, w.spelled(l.side, l.mapping, field, l.before)}] && !w.toldAtLeast(entries, l, field) {
			w.violated("S2", fmt.Sprintf("%s of %s %s was overwritten at step %d and no conflict tells of it", l.mapping, l.side,
				l.id, l.step))
			return
		}
	}
}

// spelled is a value as everybody spells it: a connector may show a phone otherwise than
// its app keeps it.
func (w *world) spelled(side crm.Side, m crm.MappingID, field string, v crm.Value) string {
	if c := w.canonical(side, m, crm.Fields{field: v}); !c.Blank() {
		return c.Text()
	}
	return v.Text()
}

// checkConflicts holds every conflict in the log to S3: what lost was typed by
// a user of its side.
func (w *world) checkConflicts(entries []engine.Entry) {
	for i := range entries {
		for _, d := range entries[i].Diffs {
			rule := reconcile.FieldRule(d.Rule)
			if !slices.Contains(contested[:3], rule) || !unique(d.Mapping) || d.Before.Blank() {
				continue
			}
			m := w.mappingOf(d.Mapping)
			if m == nil || !w.free(m) || !w.twoWay(m) {
				continue
			}
			t := w.tokens[tokenKey(d.Mapping, w.canonical(d.Side, d.Mapping, crm.Fields{d.Field: d.Before}))]
			if t == nil {
				continue
			}
			id := entries[i].Record
			if d.Side != entries[i].Side {
				id = entries[i].Partner
			}
			won := tokenKey(d.Mapping, w.canonical(d.Side, d.Mapping, crm.Fields{d.Field: d.After}))
			again := w.tokens[won] != nil && w.tokens[won].shared // and somebody typed it once more
			ours := t.at.side != d.Side && !t.shared              // we wrote what lost
			// a user who saw the winner there replaced it
			seen := t.instead == won && t.at.ref == ref{d.Side, id} && !t.shared && !again
			if !ours && !seen {
				continue
			}
			if w.survivors[ref{d.Side, id}] {
				continue // it got the link of another record: what we once wrote there was not agreed on with this twin
			}
			if w.set.apps[d.Side.Index()].History && !w.set.real && !w.set.picky {
				// An app that keeps its value and is then saved by a user shows no difference between the two.
				w.violated("S3", fmt.Sprintf("a conflict of %s at %s is none: what lost was ours", d.Mapping,
					entries[i].Time.Sub(epoch)))
				return
			}
			w.unprovable++
		}
	}
}

// countSettled recounts the pairs with settled fields, as status shows them.
func (w *world) countSettled(want map[string]int64, l linkView) {
	if !l.paired() || l.State != crm.StateInSync && l.State != crm.StateConflict && l.State != crm.StateFailing {
		return
	}
	reasons := l.Base.Reasons()
	for _, why := range reasons {
		want["settled:"+string(why)]++
	}
	if len(reasons) > 0 {
		want["settled:links"]++
	}
}

func (w *world) mappingOf(id crm.MappingID) *crm.Mapping {
	for i := range w.set.sync.Mappings {
		if w.set.sync.Mappings[i].ID == id {
			return &w.set.sync.Mappings[i]
		}
	}
	return nil
}

// checkCounters holds the counters to a recount.
func (w *world) checkCounters() {
	want := map[string]int64{}
	for r, l := range w.links {
		if l.To == "" {
			for _, side := range crm.Sides {
				if l.id(side) == "" {
					continue
				}
				want[string(side)+":"+string(l.State)]++
				if l.Code != "" && l.State != crm.StateInSync {
					want["why:"+string(side)+":"+string(l.State)+":"+l.Code]++
				}
			}
			if l.Left != "" && l.Right != "" && l.State != crm.StateDeleted {
				want["pairs"]++
			}
		}
		_ = r
		w.countSettled(want, l)
	}
	it, err := w.store.Get(w.ctx, store.Key{
		Table: store.Links, Workspace: workspace, Partition: "h#" + string(connection) + "#" + string(syncID), Sort: "counts",
	})
	if err != nil && len(want) > 0 {
		w.violated("counters", "there are no counters")
		return
	}
	for k, n := range it.Counters {
		if want[k] != n {
			w.violated("counters", fmt.Sprintf("%s is counted as %d and there are %d", k, n, want[k]))
			return
		}
	}
}
