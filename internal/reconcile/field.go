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
)

// cell is one mapping of one pair while it is decided. Arrays are by side.
type cell struct {
	*spec
	gates     [2]gate
	base      memory
	raw       [2]crm.Fields
	v         [2]crm.Value // canonical, as observed
	blank     [2]bool
	protected bool
	byApp     [2]bool // nobody edited the side since we wrote it
	now       time.Time
	later     int // side of the later record, for policy newest

	rule     FieldRule
	winner   int // -1 = neither
	after    crm.Value
	merged   bool
	write    [2]bool
	remember crm.Agreed
	keep     bool       // the old base entry stays
	reason   crm.Reason // settled: why
	review   bool
	filtered bool // withheld because of a rule
}

// table is how a field is decided: the first row that answers wins.
//
//	closed           neither way is open: left alone
//	bothBlank        a default value, else agreed
//	equal            agreed in silence
//	stillSettled     left apart for a reason, and nobody has moved since
//	changedByApp     the app stored something else than was written, and nobody moved
//	protect          the match step forbids the field on first meeting
//	oneWay           the target follows the source
//	setMerge         lists: additions and removals of both sides
//	oneBlank         filled, or erased where the mapping lets a blank erase
//	firstDifference  no agreement yet: the policy
//	oneMoved         the side that moved since the last agreement
//	bothMoved        a conflict of edits: the policy
var table = [...]func(*cell) bool{
	(*cell).closed, (*cell).bothBlank, (*cell).equal, (*cell).stillSettled, (*cell).changedByApp, (*cell).protect, (*cell).oneWay,
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

// bothBlank writes the default value of an open way. Where both ways are open
// the source gets it too: the default is then the value of both sides. If each
// way has a default of its own, the policy picks whose blank is to be filled.
func (c *cell) bothBlank() bool {
	if !c.blank[0] || !c.blank[1] {
		return false
	}
	d, target := c.defaultValue()
	if target < 0 {
		c.agree(c.v[0])
		return true
	}
	c.rule = RuleDefault
	c.hold(1-target, d)
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
		return false
	}
	d := c.base.diff
	c.rule, c.reason = c.settledRule(d.Reason), d.Reason
	if c.keep = !c.base.stale; !c.keep {
		c.remember = c.settle(c.base, *d, c.v, c.raw)
	}
	return true
}

// changedByApp leaves alone what an app made of our own write: nobody typed it,
// so it neither travels back nor is written over again.
func (c *cell) changedByApp() bool {
	for side := range c.v {
		if !c.byApp[side] || c.base.kind != agreed || !c.moved(side) || c.moved(1-side) {
			continue
		}
		c.rule, c.reason = RuleSettled, crm.ReasonChangedByApp
		c.remember = c.settle(c.base, crm.Difference{Reason: crm.ReasonChangedByApp, Side: crm.Sides[side], Since: c.now}, c.v, c.raw)
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
	case crm.ReasonCleared, crm.ReasonDefault, crm.ReasonRefused, crm.ReasonChangedByApp, crm.ReasonUndone,
		crm.ReasonFromNowOn, crm.ReasonInvalidPhone, crm.ReasonNotClearable:
	}
	return RuleSettled
}

func (c *cell) protect() bool {
	if !c.protected {
		return false
	}
	c.rule = RuleProtected
	c.differ(crm.ReasonProtected)
	return true
}

// oneWay lets the target follow the source, whoever moved. A blank source
// erases only where the mapping says so, and not on first meeting.
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
	case c.blank[source] && (!c.clear[target] || c.base.kind == unknown || c.base.kind == settled && !c.moved(source)):
		c.stay(RuleBlankKept)
	case c.blank[source]:
		c.erase(source, RuleBlankErased)
	case c.blank[target]:
		c.assign(source, RuleFillBlank)
	case c.base.kind == agreed && !c.moved(target):
		c.assign(source, changed(source))
	default:
		c.assign(source, RuleOneWay)
	}
	if !c.write[target] && c.base.kind != settled {
		c.keep = true
	}
	return true
}

// setMerge keeps additions and removals of both sides. A list that was emptied
// counts as a removal only where the mapping lets a blank erase; else oneBlank
// fills it again. Removals that together leave nothing were asked for on both.
func (c *cell) setMerge() bool {
	switch {
	case !c.set || c.base.kind == settled && (c.blank[0] || c.blank[1]):
		return false
	case c.blank[0] && !c.emptied(0), c.blank[1] && !c.emptied(1):
		return false
	}
	merged := mergeSets(c.base, c.v)
	if merged.Blank() {
		merged, _ = c.blankOrDefault(merged)
	}
	if why := c.halfErased(merged); why != "" {
		c.stay(why)
		c.filtered = c.gates[0] == gateFilter || c.gates[1] == gateFilter
		return true
	}
	c.after, c.merged = merged, true
	result := c.v
	for side := range c.v {
		if same(merged, c.v[side]) {
			c.winner = side
			continue
		}
		if why := c.withheld(side); why != "" {
			if c.rule == "" || c.rule == RuleClosed {
				c.rule = why
			}
			c.filtered = c.filtered || c.gates[side] == gateFilter
			continue
		}
		c.write[side], result[side] = true, merged
	}
	if c.write[0] || c.write[1] || c.rule == "" {
		c.rule = c.setRule()
	}
	c.remember = c.setBase(c.base, result)
	return true
}

// halfErased says why a merge that leaves nothing cannot be written on both
// sides. Written on one, it would look like a blank there and be filled again.
func (c *cell) halfErased(merged crm.Value) FieldRule {
	if !merged.Blank() {
		return ""
	}
	why := FieldRule("")
	for side := range c.v {
		if w := c.withheld(side); w != "" && !c.blank[side] && (why == "" || why == RuleClosed) {
			why = w
		}
	}
	return why
}

func (c *cell) setRule() FieldRule {
	switch left, right := c.moved(0), c.moved(1); {
	case c.base.kind == agreed && left && !right:
		return RuleLeftChanged
	case c.base.kind == agreed && right && !left:
		return RuleRightChanged
	}
	return RuleSetMerge
}

// oneBlank: a blank says nothing, so the other side's value fills it, whether
// it was never there or taken away. Only where the mapping lets a blank erase
// does taking away count, and then against an edit of the other side as a
// conflict.
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
	case c.emptied(empty) && c.moved(full):
		return false
	case c.emptied(empty):
		c.erase(empty, RuleBlankErased)
	case c.withheld(empty) != "":
		rule := RuleClosed
		if c.base.kind == agreed && c.moved(empty) {
			rule = RuleBlankKept
		}
		c.stay(rule)
		c.filtered = c.gates[empty] == gateFilter
	default:
		c.assign(full, RuleFillBlank)
	}
	return true
}

// emptied reports whether a side was blanked since the last agreement, and the
// mapping lets that erase the other side.
func (c *cell) emptied(side int) bool {
	return c.blank[side] && c.base.kind == agreed && c.moved(side) && c.clear[1-side]
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
// asked where the policy says so.
func (c *cell) oneMoved() bool {
	if c.moved(0) == c.moved(1) {
		return false
	}
	winner := 0
	if c.moved(1) {
		winner = 1
	}
	switch {
	case c.base.had && c.base.entry.Is(c.v[1-winner]):
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
	switch {
	case winner < 0:
		c.stay(RuleConflictReview)
		c.review = true
	case c.blank[winner]:
		c.erase(winner, rule)
	default:
		c.assign(winner, rule)
	}
	return true
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

// assign gives the winner's value to the other side.
func (c *cell) assign(winner int, rule FieldRule) {
	c.rule = rule
	c.hold(winner, c.v[winner])
}

// erase carries a blank over. Where that leaves both sides blank and a way has
// a default value, the default takes the blank's place at once.
func (c *cell) erase(winner int, rule FieldRule) {
	v, isDefault := c.blankOrDefault(c.v[winner])
	c.rule = rule
	if isDefault && rule == RuleBlankErased {
		c.rule = RuleDefault
	}
	c.hold(winner, v)
}

// hold makes v the value of both sides as far as they may be written. When the
// loser may not be, nothing is written and the two are left apart; a filter
// passes, so there the last agreement stays in force instead.
func (c *cell) hold(winner int, v crm.Value) {
	loser := 1 - winner
	if why := c.withheld(loser); why != "" && !same(v, c.v[loser]) {
		c.rule = why
		if c.filtered = c.gates[loser] == gateFilter; c.filtered {
			c.keep = true
			return
		}
		c.differ(crm.ReasonRestrained)
		return
	}
	c.winner, c.after, c.remember = winner, v, crm.Agree(c.revision, v)
	for side := range c.v {
		c.write[side] = !same(v, c.v[side]) && c.withheld(side) == ""
	}
	// A default whose blank source may not be filled: that blank was never a
	// value taken away, so it must not erase the default later.
	if left := c.v[winner]; !same(v, left) && !c.write[winner] && c.lone(loser) {
		c.remember = c.settle(memory{}, crm.Difference{Reason: crm.ReasonDefault}, pairOf(winner, left, v), c.raw)
	}
}

// differ leaves both sides as they are, for a reason.
func (c *cell) differ(why crm.Reason) {
	c.reason, c.remember = why, c.settle(c.base, crm.Difference{Reason: why}, c.v, c.raw)
}

// lone reports whether a default on a side must be told from an agreement.
func (one *spec) lone(target int) bool {
	return one.open[0] && one.open[1] && one.clear[target] && !one.set
}

// pairOf puts the value of a side and that of the other in order.
func pairOf(side int, own, other crm.Value) [2]crm.Value {
	if side == 0 {
		return [2]crm.Value{own, other}
	}
	return [2]crm.Value{other, own}
}

// blankOrDefault returns the default value that takes a blank's place.
func (c *cell) blankOrDefault(blank crm.Value) (v crm.Value, isDefault bool) {
	if d, target := c.defaultValue(); target >= 0 {
		return d, true
	}
	return blank, false
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
