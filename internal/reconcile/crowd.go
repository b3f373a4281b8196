package reconcile

import (
	"slices"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// crowd is how many records of one side may hold a phone, domain or name before
// it stops being an identity there: three people at one number share a
// switchboard, and the number says about none of them who they are.
const crowd = 2

// Standing is what the records of a record's own side that hold one of its keys
// say about it.
type Standing struct {
	Twins   []crm.RecordID // its duplicates, in order
	Keys    []Key          // those of its keys that are its own: what to claim for it
	Crowded []Key          // those that too many hold to say anything
}

// Standing judges a record by the others of its side that share a key with it,
// as the app answered for IdentityKeys; records that share none may be among
// them.
//
// Records that share an e-mail are duplicates, however many. A phone, domain or
// name that more than two hold makes nobody a duplicate. One that two hold does,
// unless a key of an earlier step tells them apart, or, of two companies on one
// domain, the name. What tells two records apart is no key of either by itself.
func (s *Settings) Standing(side crm.Side, r *crm.Record, own []crm.Record) Standing {
	keys := s.IdentityKeys(side, r)
	holders := s.fellows(side, r, own)
	var out Standing
	for _, k := range keys {
		fellows := holders[k.Canonical]
		if s.crowds(k) && len(fellows) >= crowd {
			out.Crowded = append(out.Crowded, k)
			continue
		}
		shared := false
		for _, o := range fellows {
			if s.crowds(k) && s.toldApart(side, k, r, o) {
				shared = true
			} else if !slices.Contains(out.Twins, o.ID) {
				out.Twins = append(out.Twins, o.ID)
			}
		}
		if !shared {
			out.Keys = append(out.Keys, k)
		}
	}
	slices.Sort(out.Twins)
	return out
}

// Double reports whether two records of one side are duplicates as far as their
// own keys say.
func (s *Settings) Double(side crm.Side, a, b *crm.Record) bool {
	return b != nil && len(s.Standing(side, a, []crm.Record{*b}).Twins) > 0
}

// fellows are the other living records of a side by the keys of r that they hold.
func (s *Settings) fellows(side crm.Side, r *crm.Record, own []crm.Record) map[string][]*crm.Record {
	out := map[string][]*crm.Record{}
	if r == nil || len(own) == 0 {
		return out
	}
	mine := s.IdentityKeys(side, r)
	for _, o := range live(own) {
		if o.ID == r.ID {
			continue
		}
		for _, k := range s.IdentityKeys(side, o) {
			same := func(m Key) bool { return m.Canonical == k.Canonical }
			if slices.ContainsFunc(mine, same) && !slices.Contains(out[k.Canonical], o) {
				out[k.Canonical] = append(out[k.Canonical], o)
			}
		}
	}
	return out
}

// crowds reports whether many holders make a key none.
func (s *Settings) crowds(k Key) bool {
	i := s.keyAt(k)
	return i >= 0 && s.keys[i].form.Crowds()
}

// keyAt is the place of a key's pair in the ladder.
func (s *Settings) keyAt(k Key) int {
	return slices.IndexFunc(s.keys, func(p identity) bool {
		return p.names[k.Side.Index()] == k.Field && len(k.Canonical) >= len(p.prefix) &&
			k.Canonical[:len(p.prefix)] == p.prefix
	})
}

// toldApart reports whether two records of one side that share key k differ by
// an earlier step, or by name if k is a domain.
func (s *Settings) toldApart(side crm.Side, k Key, a, b *crm.Record) bool {
	at := s.keyAt(k)
	if at < 0 {
		return false
	}
	for i := range s.keys {
		p := &s.keys[i]
		byName := s.keys[at].form == mapping.FormDomain && p.form == mapping.FormText
		if (s.rungs[i] < s.rungs[at] || byName) && p.differOn(side.Index(), a.Fields, b.Fields, s.country) {
			return true
		}
	}
	return false
}

// differOn reports whether two records of one side hold a key each, and these differ.
func (p *identity) differOn(side int, a, b crm.Fields, country string) bool {
	return apart(p.keys(side, a, country), p.keys(side, b, country))
}

// judged is a record while its candidates are judged, with what is known of its
// own side.
type judged struct {
	s       *Settings
	side    crm.Side
	r       *crm.Record
	holders map[string][]*crm.Record
	holder  crm.RecordID // whom the app names as in the way of a second one; "" = nobody
	crowded []string     // canonical keys that were passed over
}

func (j *judged) named(c crm.Record) bool { return c.ID == j.holder && j.holder != "" && !c.Deleted }

// said returns the candidates for which a key speaks: none if it is crowded on
// either side; of several companies on one domain those of the record's name.
func (j *judged) said(p *identity, key string, found []*crm.Record) []*crm.Record {
	if !p.form.Crowds() {
		return found
	}
	fellows := j.holders[key]
	switch {
	case len(found) > crowd || len(fellows) >= crowd:
		j.crowded = append(j.crowded, key)
		return nil
	case p.form != mapping.FormDomain || len(found) < 2 && len(fellows) == 0:
		return found
	}
	return slices.DeleteFunc(slices.Clone(found), func(c *crm.Record) bool {
		return slices.ContainsFunc(j.s.keys, func(q identity) bool {
			return q.form == mapping.FormText && q.differ(j.side.Index(), j.r.Fields, c.Fields, j.s.country)
		})
	})
}
