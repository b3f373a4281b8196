package crm

// Way is a mapping's direction with its policy shorthand taken into account.
func (m *Mapping) Way() Direction {
	if m.Policy == nil {
		return m.Direction
	}
	switch *m.Policy {
	case PolicyTwoWay, PolicyPreferRightUnless, PolicyPreferLeftUnless:
		return DirectionBoth
	case PolicyAlwaysRight:
		return DirectionToLeft
	case PolicyAlwaysLeft:
		return DirectionToRight
	case PolicyNone:
		return DirectionOff
	}
	return m.Direction
}

// Fills names the fields that the mappings and associations of a sync write on a side.
func (s *Sync) Fills(side Side) map[string]bool {
	way := WayTo(side)
	out := map[string]bool{}
	if !s.Direction.Allows(way) || s.Behavior.Get(way) == BehaviorNothing {
		return out
	}
	lines := s.Lines()
	for i := range lines {
		if !lines[i].Travels(way) {
			continue
		}
		for _, name := range lines[i].Names(side) {
			out[name] = true
		}
	}
	return out
}

// Travels reports whether values of a mapping go a way, as far as the mapping says.
func (m *Mapping) Travels(way Way) bool { return m.On() && m.Way().Allows(way) }

// Carries reports whether a sync brings edits a way to records that exist.
func (s *Sync) Carries(way Way) bool {
	b := s.Behavior.Get(way)
	return s.Direction.Allows(way) && b != BehaviorNothing && b != BehaviorCreateOnly
}

// Writes names all fields that a sync may write on a side: those of mappings, and
// those of the rules' actions and marks.
func (s *Sync) Writes(side Side) map[string]bool {
	way, out := WayTo(side), s.Fills(side)
	if !s.Direction.Allows(way) || s.Behavior.Get(way) == BehaviorNothing {
		return out
	}
	for i := range s.Rules {
		r := &s.Rules[i]
		if !r.On() {
			continue
		}
		for _, a := range r.Actions {
			if r.Direction.Allows(way) {
				out[a.Field] = true
			}
		}
		if o := r.OtherWayAround; o.Enabled && o.Exclude != nil && r.Direction.Allows(WayTo(side.Other())) {
			out[o.Exclude.Field] = true
		}
	}
	return out
}
