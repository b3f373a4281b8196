package crm

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Place is where a sync names a field.
type Place struct {
	Pointer string // JSON Pointer, relative to the sync
	Field   string
}

// Places lists where a sync names fields of a side's object, in the order of the
// document. What is switched off counts: whoever switches it on again expects the
// field to be there. So does what a draft has wrong otherwise.
func (s *Sync) Places(side Side) []Place {
	p := &places{side: side, way: WayTo(side)}
	p.policies(s)
	p.match(s)
	p.rules(s)
	for i := range s.Mappings {
		for n, name := range s.Mappings[i].Names(side) {
			p.add(name, "mappings", i, string(side), n)
		}
	}
	for i := range s.Associations {
		name := [2]string{s.Associations[i].Left, s.Associations[i].Right}[side.Index()]
		if s.About != nil { // activities have one, made of their parents
			p.add(name, string(side), "parent")
			continue
		}
		p.add(name, "associations", i, string(side))
	}
	return p.found
}

// places collects the places of one side.
type places struct {
	side  Side
	way   Way // to the side
	found []Place
}

func (p *places) add(field string, at ...any) {
	if field == "" || field == "$id" {
		return
	}
	var b strings.Builder
	for _, part := range at {
		b.WriteByte('/')
		switch part := part.(type) {
		case int:
			b.WriteString(strconv.Itoa(part))
		case string:
			b.WriteString(part)
		}
	}
	p.found = append(p.found, Place{b.String(), field})
}

// policies are what becomes of twins of the deleted and of the unsubscribed, and
// what is written once.
func (p *places) policies(s *Sync) {
	p.add(s.Deletes.Field.Get(p.side), "deletes/field", string(p.side))
	p.add(s.Unsubscribes.Field.Get(p.side), "unsubscribes/field", string(p.side))
	p.add(s.Unsubscribes.When.Get(p.side), "unsubscribes/when", string(p.side))
	for _, name := range slices.Sorted(maps.Keys(s.Stamp.Get(p.way))) {
		p.add(name, "stamp", string(p.way), strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
	}
}

func (p *places) match(s *Sync) {
	if !s.Match.Split() {
		p.steps(s.Match.ToRight, "match")
		return
	}
	p.steps(s.Match.ToRight, "match/to_right")
	p.steps(s.Match.ToLeft, "match/to_left")
}

func (p *places) steps(steps []MatchStep, at string) {
	n := p.side.Index()
	for i := range steps {
		step := &steps[i]
		p.add([2]string{step.Left, step.Right}[n], at, i, string(p.side))
		for k, pair := range step.Pairs {
			p.add(pair[n], at, i, "pairs", k, n)
		}
		for k, pair := range step.Verify {
			p.add(pair[n], at, i, "verify", k, n)
		}
		for k, name := range step.Protect {
			if p.side == Left {
				p.add(name, at, i, "protect", k)
			}
		}
	}
}

// rules look at the side that records come from, and act on the one they go to.
func (p *places) rules(s *Sync) {
	for i := range s.Rules {
		r := &s.Rules[i]
		d := r.Direction
		if d != DirectionToRight && d != DirectionToLeft { // a draft may say anything
			d = DirectionBoth
		}
		if from := WayTo(p.side.Other()); d.Allows(from) {
			if r.Filter != nil {
				p.filter(r.Filter, "rules/"+strconv.Itoa(i)+"/filter")
			}
			if e := r.OtherWayAround.Exclude; e != nil {
				p.add(e.Field, "rules", i, "other_way_around/exclude/field")
			}
		}
		if !d.Allows(p.way) {
			continue
		}
		for k := range r.Actions {
			p.add(r.Actions[k].Field, "rules", i, "actions", k, "field")
		}
	}
}

func (p *places) filter(f *Filter, at string) {
	p.add(f.Field, at, "field")
	for i := range f.All {
		p.filter(&f.All[i], at+"/all/"+strconv.Itoa(i))
	}
	for i := range f.Any {
		p.filter(&f.Any[i], at+"/any/"+strconv.Itoa(i))
	}
	if f.Not != nil {
		p.filter(f.Not, at+"/not")
	}
}
