package reconcile

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// A mapping can be changed from now on: then it holds for edits, and what differs
// at that moment is left apart in every pair that is older than the change. Each
// such change makes a revision of its own, so that a pair tells by what it
// remembers whether it was looked at since.

// holds makes a revision of a line that was changed from now on.
func (one *spec) holds(line crm.ChangedLine) {
	one.all = line.All
	if line.Later > 0 {
		one.revision += sinceMark + strconv.FormatInt(line.Later, 36)
	}
	if line.FromNowOn() {
		one.later = line.Later
	}
}

// sinceMark separates a mapping's own revision from the change that it holds since.
const sinceMark = "@"

// Meaning is a revision without the change that it holds since.
func Meaning(revision string) string {
	of, _, _ := strings.Cut(revision, sinceMark)
	return of
}

// lastingFor are the lines that do not hold for every pair, for the digest; nil = all do.
func (s *Settings) lastingFor() (out []string) {
	for i := range s.specs {
		if line := s.lasting[s.specs[i].id]; line.Later > 0 {
			out = append(out, fmt.Sprint(s.specs[i].id, line))
		}
	}
	return out
}

// older reports whether a pair was linked before the mapping was changed from now
// on, so that what differed then is left apart.
func (one *spec) older(linked bool, joined int64) bool { return linked && joined < one.later }

// since names, in a difference, the change that it was left apart by.
func (one *spec) since() string { return strconv.FormatInt(one.later, 10) }

// lastsOn reports whether what was left apart by a change from now on still is:
// until the mapping is applied to all.
func (one *spec) lastsOn(d *crm.Difference) bool {
	at, err := strconv.ParseInt(d.Terms, 10, 64)
	return err != nil || at > one.all
}

// fromNowOn leaves apart what differs when an older pair is first looked at under
// a change that holds from now on. What a person decides is decided.
func (c *cell) fromNowOn() bool {
	if !c.old || c.forced || c.base.kind != unknown {
		return false
	}
	c.rule = RuleSettled
	c.differ(crm.ReasonFromNowOn, c.v)
	return true
}

// Later returns what is to be remembered of a linked pair that is older than a
// change from now on, before anybody edits it: what differs, and what does not.
// Nothing is written for it, whatever rules and behaviours say. changed is false
// where all of it is remembered already.
func (s *Settings) Later(p Pair) (base crm.Base, changed bool) {
	if p.Left == nil || p.Right == nil {
		return p.Base, false
	}
	m := &merger{s: s, records: [2]*crm.Record{p.Left, p.Right}, base: p.Base, at: p.occasion()}
	for i := range s.specs {
		one := &s.specs[i]
		if one.m == nil || !one.older(true, p.Joined) || p.Base[one.id].Revision == one.revision {
			continue
		}
		c := &m.cell
		*c = cell{spec: one, old: true, now: m.at.now}
		c.raw = [2]crm.Fields{p.Left.Fields, p.Right.Fields}
		c.base = one.recall(p.Base, c.raw, m.at)
		if err := m.observe(c); err != nil {
			continue // it fails by itself, and is met when it fits
		}
		switch {
		case c.closed():
		case c.bothBlank(), c.equal(), c.stillSettled(), c.fromNowOn():
			if c.differs {
				c.remember = c.settle(c.before, crm.Difference{Reason: c.settled}, c.rest, c.raw)
			}
			if !c.keep {
				m.settle(c.id, c.remember)
			}
		}
	}
	return m.base, m.changed
}

// Revision is what a base entry of a mapping is of; "" where there is no such
// mapping that works.
func (s *Settings) Revision(id crm.MappingID) string {
	if one := s.spec(id); one != nil {
		return one.revision
	}
	return ""
}

// Older reports whether a pair that was linked under a version of the connection
// is older than a change of any mapping from now on.
func (s *Settings) Older(joined int64) bool {
	for i := range s.specs {
		if s.specs[i].m != nil && s.specs[i].older(true, joined) {
			return true
		}
	}
	return false
}
