package crm

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
)

// Changes say to whom changed settings of a sync apply. The server keeps them
// beside the document, by versions of the connection.
type Changes struct {
	// All is the last version that is to be applied to every record that was known
	// before, by a run; zero = there was none.
	All int64 `json:"all,omitempty"`
	// Later is the last version with a line that holds from now on: a run notes what
	// differs then. Zero = there was none.
	Later int64                     `json:"later,omitempty"`
	Lines map[MappingID]ChangedLine `json:"lines,omitempty"`
}

// ChangedLine says since when a mapping, or an association, holds as it is, and
// for whom. The zero ChangedLine is one that holds for every pair.
type ChangedLine struct {
	// Later is the version since which the line holds from now on: of pairs that are
	// older, what differed then is left apart.
	Later int64 `json:"later,omitempty"`
	// All is the last version with which it was applied to every pair: what was left
	// apart before is in force no longer.
	All int64 `json:"all,omitempty"`
}

// FromNowOn reports whether the line holds for older pairs from now on only.
func (l ChangedLine) FromNowOn() bool { return l.Later > l.All }

// maxGoneLines bounds what is kept of lines that the document has no longer.
const maxGoneLines = 200

// Prune forgets lines that the sync has no longer, but for the last ones: one of
// the same name may come back, and pairs remember what was left apart under it.
func (c *Changes) Prune(s *Sync) {
	there := map[MappingID]bool{}
	for _, m := range s.Lines() {
		there[m.ID] = true
	}
	for gone := len(c.Lines) - len(there); gone > maxGoneLines; gone-- {
		var oldest MappingID
		for id, l := range c.Lines {
			o := c.Lines[oldest]
			if !there[id] && (oldest == "" || max(l.Later, l.All) < max(o.Later, o.All) ||
				max(l.Later, l.All) == max(o.Later, o.All) && id < oldest) {
				oldest = id
			}
		}
		if oldest == "" {
			return
		}
		delete(c.Lines, oldest)
	}
}

// Clone returns an own copy.
func (c Changes) Clone() Changes {
	if c.Lines = maps.Clone(c.Lines); c.Lines == nil {
		c.Lines = map[MappingID]ChangedLine{}
	}
	return c
}

// Applying is to whom a change of settings applies.
type Applying struct {
	FromNowOn bool // else to all
	// Sync and Line say, of a change that applies to all, what of the rest is applied
	// to all as well: syncs of which nothing changed, and lines that were changed from
	// now on before. Nil = none.
	Sync func(SyncID) bool
	Line func(SyncID, MappingID) bool
}

// ChangedLines are the mappings and associations of a sync that are new or other
// than they were, and on; every = all that are on, because something that they
// all rest on was changed.
func (s *Sync) ChangedLines(was *Sync, every bool) (out []MappingID) {
	before := was.Lines()
	for _, m := range s.Lines() {
		i := slices.IndexFunc(before, func(o Mapping) bool { return o.ID == m.ID })
		if m.On() && (every || i < 0 || !alike(before[i], m)) {
			out = append(out, m.ID)
		}
	}
	return out
}

// ground is what all mappings of a sync rest on.
func (c *Connection) ground(s *Sync) any {
	return []any{c.TimeZone, c.Country, s.Direction, s.Behavior, s.FillBlanksOnly, s.Conflict}
}

// decides is what decides about the records of a sync, its lines left out.
func (c *Connection) decides(s *Sync) any {
	return []any{
		c.ground(s), c.Left, c.Right, s.Left, s.Right, s.Match, s.AvoidsDuplicates(), s.Rules, s.Deletes, s.Unsubscribes,
		s.Stamp, s.About != nil && s.About.Existing,
	}
}

func alike(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// DecidesOtherwise reports whether under other settings something else may be
// decided about the records that a sync knows. A line that went, or was switched
// off, decides nothing.
func (c *Connection) DecidesOtherwise(next *Connection, id SyncID) bool {
	was, is := c.Sync(id), next.Sync(id)
	return was != nil && is != nil &&
		(!alike(c.decides(was), next.decides(is)) || len(is.ChangedLines(was, false)) > 0)
}

// Apply says to whom the settings of next apply, which are saved over those of c as
// version. asked reports whether there is anything to say.
func (c *Connection) Apply(next *Connection, version int64, to Applying) (changes map[SyncID]Changes, asked bool) {
	changes = map[SyncID]Changes{}
	worked := next.Worked() // those of activities, too
	for i := range worked {
		is := &worked[i]
		was := c.Sync(is.ID)
		if was == nil {
			continue // its first run applies to everybody
		}
		kept := c.Changes[is.ID].Clone()
		lines := is.ChangedLines(was, !alike(c.ground(was), next.ground(is)))
		switch {
		case to.FromNowOn:
			for _, id := range lines {
				kept.Lines[id] = ChangedLine{Later: version, All: kept.Lines[id].All}
			}
			if len(lines) > 0 {
				kept.Later, asked = version, true
			}
		case c.DecidesOtherwise(next, is.ID), to.Sync != nil && to.Sync(is.ID):
			for id, line := range kept.Lines {
				if slices.Contains(lines, id) || to.Line != nil && to.Line(is.ID, id) {
					line.All = version
					kept.Lines[id] = line
				}
			}
			kept.All, asked = version, true
		}
		if kept.Prune(is); kept.All > 0 || kept.Later > 0 {
			changes[is.ID] = kept
		}
	}
	return changes, asked
}
