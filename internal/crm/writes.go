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

// Writes names the fields that a sync may write on a side.
func (s *Sync) Writes(side Side) map[string]bool {
	way := WayTo(side)
	out := map[string]bool{}
	if !s.Direction.Allows(way) || s.Behavior.Get(way) == BehaviorNothing {
		return out
	}
	for i := range s.Mappings {
		m := &s.Mappings[i]
		if !m.On() || !m.Way().Allows(way) {
			continue
		}
		for _, name := range m.Names(side) {
			out[name] = true
		}
	}
	return out
}
