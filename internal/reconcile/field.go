package reconcile

import (
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// gate says whether one side of a pair may be written at all. Directions are
// not in here: they are fixed and part of the spec.
type gate uint8

const (
	gateOpen     gate = iota
	gateBehavior      // create_only or nothing: known records are not changed
	gateFilter        // no rule lets the source record through
	gateHeld          // the rules look at a field that is gone
)

// cell is one mapping of one pair while it is decided. Arrays are by side.
type cell struct {
	*spec
	gates     [2]gate
	base      memory
	raw       [2]crm.Fields
	shown     [2]crm.Fields // raw, but that of several records that a reference names it has one: see chooseOne
	others    [2][]string   // the other ones
	v         [2]crm.Value  // canonical, as observed
	blank     [2]bool
	protected bool
	old       bool                        // the pair is older than a change of the mapping from now on
	byApp     [2]bool                     // nobody edited the side since we wrote it
	was       [2]map[crm.MappingID]string // what the mappings held before that
	now       time.Time
	forced    bool // a person decided: what moved travels, a blank too
	later     int  // side of the later record, for policy newest
	returns   bool // see Pair.Returns

	rule     FieldRule
	winner   int // -1 = neither
	after    crm.Value
	merged   bool
	write    [2]bool
	remember crm.Agreed
	keep     bool         // the old base entry stays
	settled  crm.Reason   // the sides are left different: why
	differs  bool         // and that is new
	lacks    crm.Side     // of an unknown owner or a partner without a link: the app that has none
	rest     [2]crm.Value // what they then hold
	before   memory       // and the agreement that stays known beside it
	review   bool
	filtered bool // withheld because of a rule
}

// table is how a field is decided: the first row that answers wins.
//
//	closed           neither way is open: left alone
//	bothBlank        a default value on first meeting, else agreed
//	equal            agreed in silence
//	stillSettled     left apart for a reason, and nobody has moved since
//	fromNowOn        the mapping was changed from now on, and the pair is older
//	changedByApp     the app stored something else than was written, and nobody moved
//	secondary        one side's value is another one that the other record holds
//	protect          the match step forbids the field on first meeting
//	shortened        the host of everybody is all that one side keeps of a page's address
//	unticked         a checkbox that is blank on one side and No on the other
//	oneWay           the target follows the source
//	setMerge         lists: additions and removals of both sides
//	oneBlank         filled, or cleared: erased, or settled
//	firstDifference  no agreement yet: the policy
//	oneMoved         the side that moved since the last agreement
//	bothMoved        a conflict of edits: the policy
var table = [...]func(*cell) bool{
	(*cell).closed, (*cell).bothBlank, (*cell).equal, (*cell).stillSettled, (*cell).fromNowOn, (*cell).changedByApp,
	(*cell).secondary, (*cell).protect, (*cell).shortened, (*cell).unticked, (*cell).oneWay,
	(*cell).setMerge, (*cell).oneBlank, (*cell).firstDifference, (*cell).oneMoved, (*cell).bothMoved,
}

func (c *cell) decide() {
	c.winner = -1
	for _, row := range table {
		if row(c) {
			return
		}
	}
}

func (c *cell) closed() bool {
	if c.open[0] || c.open[1] {
		return false
	}
	c.stay(RuleClosed)
	return true
}

// bothBlank writes the default value of an open way when the field is met for
// the first time, and never again: clearing it is an edit. It is no user's
// value, so it does not travel back; the blank at its source stays. If each way
// has a default of its own, the policy picks whose blank is to be filled.
func (c *cell) bothBlank() bool {
	if !c.blank[0] || !c.blank[1] {
		return false
	}
	d, target := c.defaultValue()
	if c.base.met || target < 0 || c.old {
		c.agree(c.v[0])
		return true
	}
	if !c.m.Knows(crm.Sides[target], d) { // it is met when the user is there
		c.stay(RuleSettled)
		return true
	}
	c.rule, c.winner, c.after = RuleDefault, 1-target, d
	c.write[target] = true
	c.differ(crm.ReasonDefault, pairOf(target, d, c.v[1-target]))
	c.before = c.beforeDefault(d)
	return true
}

func (c *cell) equal() bool {
	if !same(c.v[0], c.v[1]) {
		return false
	}
	c.agree(c.v[0])
	return true
}

// stillSettled leaves a settled difference as it is. Under another revision of
// the mapping it is remembered anew, for canonical values may be others now.
func (c *cell) stillSettled() bool {
	if c.base.kind != settled || c.moved(0) || c.moved(1) {
		return c.filledInstead()
	}
	d := c.base.diff
	if d.Reason.Lacks() && c.m.Knows(d.Side, c.v[1-d.Side.Index()]) {
		return c.tryAgain(1 - d.Side.Index())
	}
	if c.base.again {
		return c.tryAgain(1 - d.Side.Index())
	}
	c.rule, c.settled = c.settledRule(d.Reason), d.Reason
	c.keep = true
	if c.base.stale {
		c.remember, c.keep = c.settle(c.base, *d, c.v, c.raw), false
	}
	return true
}

// filledInstead: where nobody could be assigned and the app lets no field of
// users be blank, it has put somebody there by itself, who is nobody's choice.
func (c *cell) filledInstead() bool {
	if c.base.kind != settled || c.base.diff.Reason != crm.ReasonUnknownOwner || c.base.stale {
		return false
	}
	d, side := c.base.diff, c.base.diff.Side.Index()
	if d.Held[side] != "" || !c.demanded[side] || c.blank[side] || c.moved(1-side) ||
		c.m.Knows(d.Side, c.v[1-side]) {
		return false
	}
	c.rule, c.settled = RuleSettled, d.Reason
	c.remember = c.settle(c.base, crm.Difference{Reason: d.Reason, Side: d.Side}, c.v, c.raw)
	return true
}

// tryAgain sends a refused value to the side that refused it once more. Which
// side's value it is was decided when it was refused. Lists go by their own rules.
func (c *cell) tryAgain(source int) bool {
	switch {
	case c.set:
		return false
	case c.blank[source]:
		c.cleared(source)
	default:
		c.assign(source, changed(source))
	}
	return true
}

// changedByApp leaves alone what an app made of our own write: nobody typed it,
// so it neither travels back nor is written over again, unless a person chose it.
func (c *cell) changedByApp() bool {
	if c.forced {
		return false
	}
	for side := range c.v {
		switch {
		case !c.byApp[side] || c.base.kind != agreed || c.set || !c.moved(side):
			continue
		case c.m.Joins() != "" && !c.m.Knows(crm.Sides[1-side], c.v[side]): // what it names has lost its twin
			continue
		case c.moved(1 - side): // only there did somebody type
			c.assign(1-side, changed(1-side))
			return true
		}
		d := crm.Difference{Reason: crm.ReasonChangedByApp, Side: crm.Sides[side], Since: c.now}
		if was, known := c.was[side][c.id]; known && was == Trace(c.v[side]) {
			d.Note = NoteKept
		}
		if c.uncovers(c.v[1-side], c.v[side]) && d.Note != NoteKept {
			d = crm.Difference{Reason: crm.ReasonCleared}
		}
		c.settled, c.rule = d.Reason, c.settledRule(d.Reason)
		c.remember = c.settle(c.base, d, c.v, c.raw)
		return true
	}
	return false
}

// settledRule is the rule by which a settled difference is shown.
func (c *cell) settledRule(why crm.Reason) FieldRule {
	switch why {
	case crm.ReasonProtected:
		return RuleProtected
	case crm.ReasonRestrained:
		switch {
		case c.only[0] != "":
			return c.only[0]
		case c.only[1] != "":
			return c.only[1]
		}
		return RuleClosed
	case crm.ReasonCleared:
		return RuleBlankKept
	case crm.ReasonDefault, crm.ReasonRefused, crm.ReasonChangedByApp, crm.ReasonUndone,
		crm.ReasonFromNowOn, crm.ReasonInvalidPhone, crm.ReasonNotClearable, crm.ReasonSecondary,
		crm.ReasonUnknownOwner, crm.ReasonNotLinked:
	}
	return RuleSettled
}

// secondary leaves both sides as they are when they first meet and one holds, as
// its only or first value, what is a further value of the other record: a
// contact is the same person under each of its addresses. Only a later edit of
// either first value travels.
func (c *cell) secondary() bool {
	if c.base.kind != unknown || c.alike == nil || c.blank[0] || c.blank[1] || !c.alike.holdsFirst(c.raw, c.country) {
		return false
	}
	c.rule = RuleSettled
	c.differ(crm.ReasonSecondary, c.v)
	return true
}

func (c *cell) protect() bool {
	if !c.protected {
		return false
	}
	c.rule = RuleProtected
	c.differ(crm.ReasonProtected, c.v)
	return true
}

// shortened: an app that drops the path of a web address keeps the same few words
// for all who have a page at a host of everybody, and that is no news of the
// company. The address stays where it is whole, until it is edited there.
func (c *cell) shortened() bool {
	if !c.open[0] || !c.open[1] || c.forced {
		return false
	}
	for side := range c.v {
		if c.moved(1-side) || !c.m.Shortened(c.v[side], c.v[1-side]) {
			continue
		}
		c.rule, c.settled = RuleSettled, crm.ReasonChangedByApp
		c.remember = c.settle(c.base, crm.Difference{Reason: crm.ReasonChangedByApp, Side: crm.Sides[side], Since: c.now},
			c.v, c.raw)
		return true
	}
	return false
}

// unticked: a checkbox that is blank on one side is unknown, and not "No". Where
// the other side says No and did not say Yes before, that is what apps put into
// a checkbox that nobody touched: nothing is written because of it.
func (c *cell) unticked() bool {
	if !c.checkbox || c.blank[0] == c.blank[1] {
		return false
	}
	full := 0
	if c.blank[0] {
		full = 1
	}
	if yes, ok := c.v[full].Bool(); yes || !ok || c.forced || c.base.saidYes(full) {
		return false
	}
	why := crm.ReasonDefault
	if c.moved(1 - full) {
		why = crm.ReasonCleared
	}
	c.rule = RuleSettled
	c.differ(why, c.v)
	return true
}

// oneWay lets the target follow the source, whoever moved, unless other
// connections bring an edit of the target to the source. What a person
// cleared at the source stays on the target, unless the mapping clears; on
// first meeting a blank never erases.
func (c *cell) oneWay() bool {
	if c.open[0] && c.open[1] {
		return false
	}
	target := 0
	if c.open[1] {
		target = 1
	}
	source := 1 - target
	switch {
	case c.returns && !c.forced && c.base.kind != unknown && c.moved(target) && !c.moved(source):
		c.stay(RuleReturns)
	case c.blank[source]:
		c.follow(source)
	case c.blank[target]:
		c.hold(source, c.v[source], RuleFillBlank)
	case c.base.kind == agreed && !c.moved(target):
		c.hold(source, c.v[source], changed(source))
	default:
		c.hold(source, c.v[source], RuleOneWay)
	}
	return true
}

// follow is oneWay for a blank source and a target that holds something.
func (c *cell) follow(source int) {
	target := 1 - source
	switch known := c.base.kind; {
	case known != unknown && c.moved(source), known == agreed && c.clear[target]:
		c.cleared(source)
	case known == settled:
		c.rule = RuleBlankKept
		c.differ(c.base.diff.Reason, c.v)
	case known == unknown && !c.fallback[target].Blank(): // so that it is not written when the target is cleared
		c.rule = RuleBlankKept
		c.differ(crm.ReasonDefault, c.v)
	default:
		c.stay(RuleBlankKept)
	}
}

// cleared is for a side that a person emptied while nobody touched the other. A
// blank travels where the mapping clears, and what was taken out of a list
// travels always, the last item too. Else the two are settled: the one stays
// empty, the other keeps what it has.
func (c *cell) cleared(empty int) {
	full := 1 - empty
	switch {
	case !c.clear[full] && !c.set && !c.forced:
		c.rule = RuleBlankKept
		c.differ(crm.ReasonCleared, c.v)
	case c.demanded[full]:
		c.rule = RuleSettled
		c.differ(crm.ReasonNotClearable, c.v)
	default:
		c.hold(empty, c.v[empty], RuleBlankErased)
	}
}

// oneBlank: a side that was blank before is filled. One that was not has been
// cleared, which is an edit like any other; against an edit of the other side
// it is a conflict. Only where blanks are all that may be written, what becomes
// blank is filled again.
func (c *cell) oneBlank() bool {
	if c.blank[0] == c.blank[1] {
		return false
	}
	empty := 0
	if c.blank[1] {
		empty = 1
	}
	full := 1 - empty
	switch {
	case c.base.kind == unknown || !c.moved(empty) || c.refills(empty):
		c.assign(full, RuleFillBlank)
	case !c.moved(full) && c.unagreed(full):
		c.erase(empty)
	case !c.moved(full):
		c.cleared(empty)
	default:
		c.clearedOrEdited(empty)
	}
	return true
}

// unagreed reports whether a side's value was only settled beside another one,
// and a blank of the other side would erase it: that is a conflict, as between
// two values, and not an edit of what both had.
func (c *cell) unagreed(full int) bool {
	return c.base.kind == settled && c.clear[full] && !c.demanded[full] && !c.set && !c.forced &&
		!(c.base.had && c.base.entry.Is(c.v[full]))
}

// erase lets a clearing travel over such a value: see oneMoved.
func (c *cell) erase(empty int) {
	if c.policy == crm.ConflictReview {
		c.stay(RuleConflictReview)
		c.review = true
		return
	}
	c.hold(empty, c.v[empty], [2]FieldRule{RuleConflictLeft, RuleConflictRight}[empty])
}

// refills reports whether a side that was emptied is filled again.
func (c *cell) refills(empty int) bool {
	return c.only[empty] == RuleFillOnly && c.withheld(empty) == ""
}

// clearedOrEdited decides between a clearing and an edit by the policy.
func (c *cell) clearedOrEdited(empty int) {
	winner, rule := c.byPolicy()
	if winner == empty && c.unlessBlank {
		winner, rule = 1-empty, [2]FieldRule{RuleConflictLeft, RuleConflictRight}[1-empty]
	}
	switch {
	case winner < 0:
		c.stay(RuleConflictReview)
		c.review = true
	case winner != empty:
		c.assign(winner, rule)
	case c.clear[1-empty] && !c.demanded[1-empty]:
		c.hold(empty, c.v[empty], rule)
	default:
		c.cleared(empty)
	}
}

func (c *cell) firstDifference() bool {
	if c.base.kind != unknown {
		return false
	}
	winner, _ := c.byPolicy()
	if winner < 0 {
		c.stay(RuleFirstReview)
		c.review = true
		return true
	}
	c.assign(winner, RuleFirstDifference)
	return true
}

// oneMoved: the side that moved wins. If the other side's value was never agreed
// on (the two were settled), replacing it counts as a conflict, and a person is
// asked where the policy says so. A further value of one side that is the first
// one of the other was known to both.
func (c *cell) oneMoved() bool {
	if c.moved(0) == c.moved(1) {
		return false
	}
	winner := 0
	if c.moved(1) {
		winner = 1
	}
	switch {
	case c.base.had && c.base.entry.Is(c.v[1-winner]), c.base.kind == settled && c.base.diff.Reason == crm.ReasonSecondary:
		c.assign(winner, changed(winner))
	case c.policy == crm.ConflictReview:
		c.stay(RuleConflictReview)
		c.review = true
	default:
		c.assign(winner, [2]FieldRule{RuleConflictLeft, RuleConflictRight}[winner])
	}
	return true
}

func (c *cell) bothMoved() bool {
	winner, rule := c.byPolicy()
	if only, ok := c.linked(); ok && winner != only {
		winner, rule = only, [2]FieldRule{RuleConflictLeft, RuleConflictRight}[only]
	}
	if winner < 0 {
		c.stay(RuleConflictReview)
		c.review = true
		return true
	}
	c.assign(winner, rule)
	return true
}

// linked is the only side of an association whose record has a twin, if there is
// one: a merge or a deletion can end the pair of what the other side still names,
// and that is nobody's edit.
func (c *cell) linked() (side int, ok bool) {
	if c.m.Joins() == "" || c.blank[0] || c.blank[1] {
		return 0, false
	}
	left, right := c.m.Knows(crm.Right, c.v[0]), c.m.Knows(crm.Left, c.v[1])
	if right {
		side = 1
	}
	return side, left != right
}

// byPolicy returns the winner of a difference, -1 for a person to decide.
func (c *cell) byPolicy() (winner int, rule FieldRule) {
	switch c.policy {
	case crm.ConflictRight:
		return 1, RuleConflictRight
	case crm.ConflictNewest:
		return c.later, RuleConflictNewest
	case crm.ConflictReview:
		return -1, RuleConflictReview
	case crm.ConflictLeft:
	}
	return 0, RuleConflictLeft
}

func (c *cell) moved(side int) bool { return c.base.moved(side, c.v[side]) }

func changed(side int) FieldRule {
	if side == 0 {
		return RuleLeftChanged
	}
	return RuleRightChanged
}

// withheld says why a side may not be written now; "" when it may.
func (c *cell) withheld(target int) FieldRule {
	switch {
	case !c.open[target] || c.gates[target] != gateOpen:
		return RuleClosed
	case !c.blank[target] && c.only[target] != "":
		return c.only[target]
	}
	return ""
}

// stay leaves both sides and the base as they are.
func (c *cell) stay(rule FieldRule) { c.rule, c.keep = rule, true }

// agree remembers a value that both sides hold.
func (c *cell) agree(v crm.Value) {
	c.rule, c.after = RuleAgreed, v
	c.remember = crm.Agree(c.revision, v)
}

// assign gives the winner's value to the other side. Text that is no phone
// number does not take the place of one.
func (c *cell) assign(winner int, rule FieldRule) {
	if !c.forced && !c.m.MayReplace(c.v[winner], c.v[1-winner]) {
		c.rule = RuleSettled
		c.differ(crm.ReasonInvalidPhone, c.v)
		return
	}
	c.hold(winner, c.v[winner], rule)
}

// hold makes v the value of both sides as far as they may be written. When the
// loser may not be, nothing is written and the two are settled; a filter
// passes, so there the last agreement stays in force instead.
func (c *cell) hold(winner int, v crm.Value, rule FieldRule) {
	loser := 1 - winner
	if why := c.withheld(loser); why != "" && !same(v, c.v[loser]) {
		c.rule = why
		if c.filtered = c.gates[loser] == gateFilter; c.filtered || c.gates[loser] == gateHeld {
			c.keep = true
			return
		}
		c.differ(crm.ReasonRestrained, c.v)
		return
	}
	if to := crm.Sides[loser]; !same(v, c.v[loser]) && !c.m.Knows(to, v) {
		c.rule, c.lacks = RuleSettled, to
		why, _ := c.m.Lack()
		c.differ(why, c.v)
		return
	}
	c.rule = rule
	c.winner, c.after, c.remember = winner, v, crm.Agree(c.revision, v)
	for side := range c.v {
		c.write[side] = !same(v, c.v[side]) && c.withheld(side) == ""
	}
}

// differ settles the field: its sides hold rest and are left so.
func (c *cell) differ(why crm.Reason, rest [2]crm.Value) {
	c.settled, c.differs, c.rest, c.before = why, true, rest, c.base
}

// pairOf puts the value of a side and that of the other in order.
func pairOf[T any](side int, own, other T) [2]T {
	if side == 0 {
		return [2]T{own, other}
	}
	return [2]T{other, own}
}

// defaultValue returns the default to write when both sides are blank, and the
// side whose way has it; -1 when no open way has one.
func (c *cell) defaultValue() (d crm.Value, target int) {
	usable := func(side int) bool {
		return c.open[side] && c.gates[side] == gateOpen && !c.fallback[side].Blank()
	}
	first, _ := c.byPolicy() // the side whose missing value counts
	if first < 0 {
		first = c.later
	}
	for _, side := range [2]int{1 - first, first} {
		if usable(side) {
			return c.fallback[side], side
		}
	}
	return crm.NullValue(), -1
}
