package reconcile

import (
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// setMerge keeps additions and removals of both sides, the last item of a list
// too: what is blank on one side and was not before has been taken out there. A
// list that was blank before, or is filled again, is oneBlank's.
func (c *cell) setMerge() bool {
	if !c.set {
		return false
	}
	for side := range c.v {
		if c.blank[side] && (!c.moved(side) || c.refills(side)) {
			return false
		}
	}
	merged := mergeSets(c.base, c.v)
	if why, reason := c.halfErased(merged); why != "" {
		c.rule = why
		c.filtered = c.gates[0] == gateFilter || c.gates[1] == gateFilter
		if c.filtered || c.waits() {
			c.keep = true
			return true
		}
		c.differ(reason, c.v)
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
	if c.filtered || c.waits() || same(result[0], result[1]) {
		c.remember = c.setBase(c.base, result)
		return true
	}
	c.differ(crm.ReasonRestrained, result)
	return true
}

// halfErased says why a merge that leaves nothing cannot be written on both
// sides: then neither is.
func (c *cell) halfErased(merged crm.Value) (why FieldRule, reason crm.Reason) {
	if !merged.Blank() {
		return "", ""
	}
	for side := range c.v {
		w, r := c.withheld(side), crm.ReasonRestrained
		if w == "" && c.demanded[side] {
			w, r = RuleSettled, crm.ReasonNotClearable
		}
		if w != "" && !c.blank[side] && (why == "" || why == RuleClosed) {
			why, reason = w, r
		}
	}
	return why, reason
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

// waits reports whether the rules of a way look at a field that is gone: that
// passes, so what was agreed on stays in force.
func (c *cell) waits() bool { return c.gates[0] == gateHeld || c.gates[1] == gateHeld }
