package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// ruleTag is what rules tag a target with. Users know the tag, too.
const ruleTag = "by-rule"

var ranks = []string{"gold", "silver", "bronze"}

// version is what an admin saved, in force from a moment on.
type version struct {
	from     moment
	sync     crm.Sync
	compiled *reconcile.Settings
}

// ranked is what a record's rank was from a moment on.
type ranked struct {
	from moment
	rank string
}

// tagged is what became of the rules' tag of a record.
type tagged struct {
	byRule bool   // the rules added it, and nobody took it off
	early  bool   // while the pair was being made: a death then loses what it did
	taken  bool   // a person took off what the rules had added
	when   moment // of that
	ever   bool   // a person took it off at any time
	again  bool   // and put it back, or put it while a write of ours may be on its way: nobody can tell them apart
	edited moment // when a person last changed any of the tags
}

// drawRules gives the sync a filter by rank in at least one direction, and an
// action that tags whom it lets through.
func (w *world) drawRules(c *chance) {
	s := &w.set.sync
	first := c.n(2)
	for i := range 2 {
		if i == 1 && !c.in(600) {
			break
		}
		target := sideOf((first + i) % 2)
		source := target.Other()
		r := crm.Rule{
			ID: "to_" + string(target), Direction: crm.Direction(crm.WayTo(target)), Filter: w.rankFilter(c, source),
		}
		if c.in(700) {
			field := w.apps[target.Index()].field(modelapp.Tags)
			r.Actions, r.Undo = []crm.RuleAction{{Type: "add_tag", Field: field, Value: ruleTag}}, c.in(700)
		}
		s.Rules = append(s.Rules, r)
	}
}

// rankFilter lets one or two of the three ranks through.
func (w *world) rankFilter(c *chance, source crm.Side) *crm.Filter {
	n := c.n(len(ranks))
	in := slices.Delete(slices.Clone(ranks), n, n+1)
	if c.in(300) {
		in = in[:1]
	}
	return &crm.Filter{
		Field: w.apps[source.Index()].field(modelapp.Rank), Op: "in", Value: crm.ListValue(in...),
	}
}

// ruleOf is the sync's rule for a target; nil = everybody is let through.
func ruleOf(s *crm.Sync, target crm.Side) *crm.Rule {
	i := slices.IndexFunc(s.Rules, func(r crm.Rule) bool { return r.Direction == crm.Direction(crm.WayTo(target)) })
	if i < 0 {
		return nil
	}
	return &s.Rules[i]
}

// lets reports whether a sync lets a record of some rank through to a target.
// That is read from the settings by hand: the judge does not ask the rules.
func lets(s *crm.Sync, target crm.Side, rank string) bool {
	r := ruleOf(s, target)
	return r == nil || r.On() && slices.Contains(r.Filter.Value.Items(), rank)
}

// saveSettings lets an admin save other rules or other switches, while work is
// under way. Whom it is about is looked at with a resync, as saving says.
func (w *world) saveSettings() {
	c, at, err := store.LoadConnection(w.ctx, w.store, workspace, connection)
	if err != nil {
		return
	}
	s := c.Sync(syncID)
	s.Rules, s.Mappings = slices.Clone(s.Rules), slices.Clone(s.Mappings)
	switch w.user.n(4) {
	case 0:
		m := &s.Mappings[1+w.user.n(len(s.Mappings)-1)]
		m.Enabled = ptr(!m.On())
	case 1:
		s.Direction = pick(w.user, crm.DirectionBoth, crm.DirectionToRight, crm.DirectionToLeft)
	case 2:
		r := &s.Rules[w.user.n(len(s.Rules))]
		if len(r.Actions) == 0 {
			r.Enabled = ptr(!r.On())
			break
		}
		fallthrough
	default:
		r := &s.Rules[w.user.n(len(s.Rules))]
		source := crm.Left
		if r.Direction == crm.DirectionToLeft {
			source = crm.Right
		}
		r.Filter = w.rankFilter(w.user, source)
	}
	w.save(c, at, w.user.in(400))
}

// allOn puts every switch on for the end; the filters stay as they are.
func (w *world) allOn() {
	c, at, err := store.LoadConnection(w.ctx, w.store, workspace, connection)
	if err != nil || !w.set.rules {
		return
	}
	s := c.Sync(syncID)
	s.Direction, s.Mappings = crm.DirectionBoth, slices.Clone(s.Mappings)
	for i := range s.Mappings {
		s.Mappings[i].Enabled = nil
	}
	w.save(c, at, w.user.in(300))
}

// save saves settings for all, or from now on.
func (w *world) save(c *crm.Connection, at int64, fromNowOn bool) {
	was, _, err := store.LoadConnection(w.ctx, w.store, workspace, connection)
	if err != nil {
		return
	}
	c.Version++
	c.Changes, _ = was.Apply(c, c.Version, crm.Applying{FromNowOn: fromNowOn})
	if _, err := store.SaveConnection(w.ctx, w.store, workspace, c, at); err != nil {
		return
	}
	w.mark("settings_saved")
	if fromNowOn {
		w.mark("settings_saved_from_now_on")
	}
	s := &c.Syncs[0]
	w.tell("ADMIN saves direction %s, mappings off %v, rules %+v, from now on %t", s.Direction, switchesOf(s), s.Rules,
		fromNowOn)
	w.set.sync, w.lasting = *s, c.Changes[syncID].Lines
	w.inForceFrom(c)
	w.rejoined = true
}

func switchesOf(s *crm.Sync) (off []crm.MappingID) {
	for i := range s.Mappings {
		if !s.Mappings[i].On() {
			off = append(off, s.Mappings[i].ID)
		}
	}
	return off
}

// inForceFrom notes the settings of a connection as in force from now on.
func (w *world) inForceFrom(c *crm.Connection) {
	if w.set.rules {
		w.versions = append(w.versions, version{w.moment(), c.Syncs[0], w.compile(c)})
	}
}

// settingsNow are the settings in force, compiled.
func (w *world) settingsNow() *reconcile.Settings {
	if n := len(w.versions); n > 0 {
		return w.versions[n-1].compiled
	}
	return w.compiled
}

// under lists the settings that a task may work under: what it has read before its
// work began, or what was saved since.
func (w *world) under(t *task) []version {
	i := max(len(w.versions)-1, 0)
	for i > 0 && w.versions[i].from.step > t.settings.step {
		i--
	}
	return w.versions[i:]
}

// ranksOf follows a record's rank.
func (w *world) ranksOf(r ref, f crm.Fields) {
	if !w.set.rules {
		return
	}
	rank := f[w.apps[r.side.Index()].field(modelapp.Rank)].Text()
	if had := w.ranked[r]; len(had) == 0 || had[len(had)-1].rank != rank {
		w.ranked[r] = append(had, ranked{w.moment(), rank})
	}
}

// passed reports whether a version lets a record through to a target by any rank
// that it has had since a moment; failing asks for one that it does not let through.
func (w *world) passed(v *version, r ref, since moment, failing bool) bool {
	had := w.ranked[r]
	for i := range had {
		if i+1 < len(had) && had[i+1].from.step < since.step {
			continue
		}
		if lets(&v.sync, r.side.Other(), had[i].rank) != failing {
			return true
		}
	}
	return false
}

// readAt is when a task may have read a record first; zero = it never did.
func readAt(t *task, r ref) moment {
	seen, found := t.seen[r], t.found[r.side.Index()]
	if seen.step == 0 || found.step != 0 && found.step < seen.step {
		return found
	}
	return seen
}

// sourceOf is the record from which a write to r comes.
func (w *world) sourceOf(r ref, asked string) (ref, bool) {
	if l, ok := w.link(r); ok && l.paired() {
		return ref{r.side.Other(), l.id(r.side.Other())}, true
	}
	source, ok := cutRef(asked)
	return source, ok && source.side != r.side
}

// checkSettings holds a write to S12, S13 and S26: there is one version of the
// settings that was in force while its task worked, and that allows all of it.
func (w *world) checkSettings(t *task, r ref, asked string, changed []*crm.Mapping) {
	source, ok := w.sourceOf(r, asked)
	if !w.set.rules || len(changed) == 0 || !ok || w.failed() != "" {
		return
	}
	read := readAt(t, source)
	if read.step == 0 {
		return // it wrote what it had not read itself: a recovery
	}
	why := ""
	for _, v := range w.under(t) {
		if why = w.forbids(&v, r, source, read, changed); why == "" {
			w.mark("settings_obeyed")
			return
		}
	}
	w.violated("S13", fmt.Sprintf("%s %s was written from %s, and no version of the settings allows all of it: %s", r.side,
		r.id, source.id, why))
}

// mastered notes what was written while the sync went one way: it may replace what
// a user typed on the side that nothing comes from, and stands from then on.
func (w *world) mastered(t *task, m *crm.Mapping, v crm.Value) {
	if slices.ContainsFunc(w.under(t), func(x version) bool { return x.sync.Direction != crm.DirectionBoth }) {
		w.reprieved[tokenKey(m.ID, v)] = true
	}
}

// forbids says why a version of the settings does not allow a write; "" = it does.
func (w *world) forbids(v *version, r, source ref, read moment, changed []*crm.Mapping) string {
	way := crm.WayTo(r.side)
	if !v.sync.Direction.Allows(way) {
		return "S12: the direction is off"
	}
	for _, m := range changed {
		i := slices.IndexFunc(v.sync.Mappings, func(x crm.Mapping) bool { return x.ID == m.ID })
		if x := &v.sync.Mappings[i]; !x.On() || !x.Direction.Allows(way) {
			return "S12: " + string(m.ID) + " is off"
		}
	}
	if !w.passed(v, source, read, false) {
		return "S13: no rule let it through"
	}
	return ""
}

func tagsOf(f crm.Fields, a app) []string { return f[a.field(modelapp.Tags)].Items() }

// userTags follows what a person does to the tags of a record.
func (w *world) userTags(r ref, before, after crm.Fields) {
	if !w.set.tagging() || before == nil { // a birth, or a restored record, which has the tags that it had
		return
	}
	a := w.apps[r.side.Index()]
	was, is := tagsOf(before, a), tagsOf(after, a)
	if slices.Equal(was, is) {
		return
	}
	x := w.tagged[r]
	x.edited = w.moment()
	had, has := slices.Contains(was, w.set.ownTag()), slices.Contains(is, w.set.ownTag())
	switch {
	case had && !has:
		x.taken, x.when, x.ever, x.byRule = x.byRule, w.moment(), true, false
	case has && !had:
		x.again, x.byRule, x.taken = x.taken || w.mayBeWriting(), false, false
	}
	w.tagged[r] = x
}

// mayBeWriting reports whether a write of ours may be on its way, as far as
// what is stored says.
func (w *world) mayBeWriting() bool {
	scope := "#" + string(connection) + "#" + string(syncID)
	head, err := w.store.Get(w.ctx, store.Key{
		Table: store.Links, Workspace: workspace, Partition: "h" + scope, Sort: "lease",
	})
	return w.holds("i"+scope) || err == nil && strings.Contains(string(head.Data), `"intent"`)
}

// checkTags holds what we do to tags: nothing but the rule's tag changes, it comes
// while a rule lets the source through, once, and goes where the rule had put it.
func (w *world) checkTags(t *task, r ref, asked string, before, after crm.Fields) {
	a := w.apps[r.side.Index()]
	was, is := tagsOf(before, a), tagsOf(after, a)
	if !w.set.tagging() || slices.Equal(was, is) || w.failed() != "" {
		return
	}
	x := w.tagged[r]
	own := w.set.ownTag()
	if read := readAt(t, r); read.step < x.edited.step {
		w.races++
		w.mark("race_between_read_and_write")
		x.byRule = slices.Contains(is, own) && !slices.Contains(was, own)
		w.tagged[r] = x
		return
	}
	others := func(all []string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == own })
	}
	if !slices.Equal(others(was), others(is)) {
		w.violated("S13", fmt.Sprintf("the tags %v of %s %s became %v: no rule is about these", was, r.side, r.id, is))
		return
	}
	source, met := w.sourceOf(r, asked)
	if w.set.policies {
		added := slices.Contains(is, own)
		if from, ok := cutRef(asked); ok && from.side != r.side && !added {
			source = from // the twin that it has found since
		}
		w.checkGoneTag(t, r, source, met, x, added)
		x.byRule, x.early, x.taken, x.again = added, false, false, false
		w.tagged[r] = x
		return
	}
	read := readAt(t, source)
	let, shut := !met, !met // of two that only meet, it is not known yet whose twin it is
	for _, v := range w.under(t) {
		let = let || w.passed(&v, source, read, false)
		shut = shut || w.passed(&v, source, read, true)
	}
	if slices.Contains(is, ruleTag) {
		w.checkTagAdded(r, source, x, let || read.step == 0)
		l, known := w.link(r)
		x.byRule, x.early, x.taken, x.again = true, !known || !l.paired(), false, false
		w.mark("rule_tagged")
	} else {
		if !x.byRule && !x.again || !shut && read.step != 0 {
			w.violated("S13", fmt.Sprintf("the tag of %s %s was taken off: put there by the rule %v, let through %v", r.side,
				r.id, x.byRule, !shut))
		}
		x.byRule, x.again = false, false
		w.mark("rule_untagged")
	}
	w.tagged[r] = x
}

func (w *world) checkTagAdded(r, source ref, x tagged, let bool) {
	if !let {
		w.violated("S13", fmt.Sprintf("%s %s was tagged, and no rule lets %s through", r.side, r.id, source.id))
	}
	if !x.taken || x.early {
		return
	}
	for i := range w.versions { // it may have left and come again since a person took the tag off
		v := &w.versions[i]
		if i+1 < len(w.versions) && w.versions[i+1].from.step < x.when.step {
			continue
		}
		if w.passed(v, source, x.when, true) {
			return
		}
	}
	w.violated("S13", fmt.Sprintf("%s %s got a tag again that a person had taken off", r.side, r.id))
}

// opened reports whether a pair's records are let through to the left and to the right.
func (w *world) opened(left, right row) (open [2]bool) {
	for i, x := range []row{right, left} { // to the left comes what is on the right
		rank := x.fields[w.apps[1-i].field(modelapp.Rank)].Text()
		open[i] = lets(&w.set.sync, sideOf(i), rank)
	}
	return open
}

// checkRules holds a record at rest to S13: excluded if no rule lets it through,
// and only then; what is linked and let through is tagged, and untagged else.
func (w *world) checkRules(when string, r ref, x row, l linkView) {
	if !w.set.rules || w.failed() != "" || l.Code == codeUnlinked {
		return
	}
	filtered := l.State == crm.StateExcluded && l.Code == reconcile.CodeFiltered
	rank := x.fields[w.apps[r.side.Index()].field(modelapp.Rank)].Text()
	other := r.side.Other()
	if !l.paired() {
		if lets(&w.set.sync, other, rank) == filtered {
			w.violated("S13", fmt.Sprintf("%s: %s %s with rank %q is %s (%s)", when, r.side, r.id, rank, l.State, l.Code))
		}
		w.mark("audited_filter")
		return
	}
	twin, ok := w.apps[other.Index()].get(l.id(other))
	if !ok || r.side != crm.Left || l.State != crm.StateInSync && !filtered {
		return
	}
	open := w.opened(x, twin)
	if shut := !open[0] && !open[1]; shut != filtered && (shut || open[0] && open[1] || !w.differs(x, twin)) {
		w.violated("S13", fmt.Sprintf("%s: the pair %s, %s is %s (%s), let through to the left and right: %v", when, r.id,
			twin.id, l.State, l.Code, open))
		return
	}
	w.mark("audited_filter")
	for i, one := range []row{x, twin} {
		target := ref{sideOf(i), one.id}
		act := ruleOf(&w.set.sync, target.side)
		if act == nil || len(act.Actions) == 0 {
			continue
		}
		has, tag := slices.Contains(tagsOf(one.fields, w.apps[i]), ruleTag), w.tagged[target]
		switch {
		case open[i] && !has && !tag.ever:
			w.violated("S13", fmt.Sprintf("%s: %s %s is let through and has no tag", when, target.side, target.id))
		case !open[i] && has && tag.byRule && !tag.early && act.Undo:
			w.violated("S13", fmt.Sprintf("%s: %s %s is not let through any more and has its tag", when, target.side, target.id))
		default:
			w.mark("audited_tag")
		}
	}
}

// differs reports whether two records differ in a field: what a filter of one way
// withholds leaves the pair out.
func (w *world) differs(left, right row) bool {
	return slices.ContainsFunc(w.set.sync.Mappings, func(m crm.Mapping) bool {
		a, b := w.canonical(crm.Left, m.ID, left.fields), w.canonical(crm.Right, m.ID, right.fields)
		return m.On() && !a.Equal(b)
	})
}

// userDoesTags is a person who sets, takes off or replaces the tags of a record.
func (w *world) userDoesTags(side crm.Side, id crm.RecordID) {
	a := w.apps[side.Index()]
	x, _ := a.get(id)
	tags := slices.Clone(tagsOf(x.fields, a))
	switch at := slices.Index(tags, w.set.ownTag()); {
	case w.user.in(300):
		tags = append(w.value(modelapp.Tags).Items(), pick(w.user, nil, []string{w.set.ownTag()})...)
	case at >= 0:
		tags = slices.Delete(tags, at, at+1)
	default:
		tags = append(tags, w.set.ownTag())
	}
	w.userSets(side, id, modelapp.Tags, crm.ListValue(tags...))
}

// filtering lets users cross the filters all the time, and an admin change them.
func (s *settings) filtering() {
	s.model()
	s.rules, s.settled, s.steady, s.people, s.changes, s.hands = true, true, true, 15, 90, false
	s.edits, s.poison, s.revokes, s.floods, s.newcomers, s.generations, s.mass, s.rights, s.archives = false, false, false,
		false, false, false, false, false, false
	s.hooks, s.interval, s.pause, s.admin, s.resyncs = true, time.Minute, 8*time.Second, 0, true
	s.rate = map[string]int{
		"hook_lost": 200, "kill_after": 3, "delivered_twice": 60, "edit_between": 30, "app_lost_reply": 20, "rows_fail": 60,
	}
	for i := range s.apps {
		s.apps[i].Trim, s.apps[i].Phones = false, false
	}
}
