package reconcile

import (
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// further lists the fields that hold more values of a field, as its connector
// says; those that the schema lacks are not among them.
func (s *Settings) further(side int, name string) []string {
	return slices.DeleteFunc(slices.Clone(s.schema[side][name].Also), func(n string) bool {
		_, known := s.schema[side][n]
		return !known
	})
}

func (p *identity) equal(q identity) bool {
	return p.names == q.names && p.prefix == q.prefix
}

// spelled is one identity key of a record with the text that it was read from.
type spelled struct{ key, text string }

// read returns the identity keys that a record holds by this pair of fields, the
// first value's first, each once.
func (p *identity) read(side int, f crm.Fields, country string) []spelled {
	var out []spelled
	add := func(text string) {
		key, ok := p.form.Key(crm.TextValue(text), country)
		if ok && !slices.ContainsFunc(out, func(x spelled) bool { return x.key == p.prefix+key }) {
			out = append(out, spelled{p.prefix + key, text})
		}
	}
	for _, text := range single(f[p.names[side]]) {
		add(text)
	}
	for _, name := range p.also[side] {
		for _, text := range single(f[name]) {
			for part := range strings.SplitSeq(text, ";") {
				add(part)
			}
		}
	}
	return out
}

// single are the values of a field.
func single(v crm.Value) []string {
	switch {
	case v.Blank():
		return nil
	case v.Kind() == crm.List:
		return mapping.Items(v)
	}
	return []string{v.Text()}
}

// keys is read without the texts.
func (p *identity) keys(side int, f crm.Fields, country string) []string {
	var out []string
	for _, x := range p.read(side, f, country) {
		out = append(out, x.key)
	}
	return out
}

// agree reports whether two records of different sides share a key; a blank
// agrees with nothing.
func (p *identity) agree(side int, a, b crm.Fields, country string) bool {
	return share(p.keys(side, a, country), p.keys(1-side, b, country))
}

// differ reports whether both records hold a key and share none.
func (p *identity) differ(side int, a, b crm.Fields, country string) bool {
	return apart(p.keys(side, a, country), p.keys(1-side, b, country))
}

// holdsFirst reports whether the first value of one side's record is among the
// values of the other's.
func (p *identity) holdsFirst(raw [2]crm.Fields, country string) bool {
	for side, own := range raw {
		first := p.only(side).keys(side, own, country)
		if len(first) > 0 && slices.Contains(p.keys(1-side, raw[1-side], country), first[0]) {
			return true
		}
	}
	return false
}

// only is the pair without a side's further fields.
func (p *identity) only(side int) *identity {
	q := *p
	q.also[side] = nil
	return &q
}

func share(a, b []string) bool {
	return slices.ContainsFunc(a, func(k string) bool { return slices.Contains(b, k) })
}

func apart(a, b []string) bool { return len(a) > 0 && len(b) > 0 && !share(a, b) }

// ask returns the questions to the other side by one pair of fields.
func (s *Settings) ask(p *identity, side crm.Side, r *crm.Record) []Key {
	other := side.Other()
	var out []Key
	for _, x := range p.read(side.Index(), r.Fields, s.country) {
		out = append(out, s.key(p, other, x))
	}
	return out
}

// key is a question to one side.
func (s *Settings) key(p *identity, side crm.Side, x spelled) Key {
	field := p.names[side.Index()]
	return Key{Side: side, Field: field, Canonical: x.key, Spellings: p.wanted(x, s.schema[side.Index()][field].Find)}
}

// wanted are the texts to ask an app for that compares in this way. What is
// found is compared again.
func (p *identity) wanted(x spelled, how crm.Find) []string {
	key := strings.TrimPrefix(x.key, p.prefix)
	switch how {
	case crm.FindDigits:
		if digits := mapping.DialledDigits(key); p.form == mapping.FormPhone && digits != nil {
			return unique(append(digits, strings.TrimSpace(x.text), key))
		}
	case crm.FindWithin:
		if digits := mapping.NationalDigits(key); p.form == mapping.FormPhone && len(digits) >= leastDigits {
			return []string{digits}
		}
	case crm.FindPart:
		// The shortest way of writing a host is a part of all others.
		return slices.DeleteFunc(p.form.Spellings(key), func(sp string) bool {
			return sp != key && (strings.Contains(sp, key) || strings.HasPrefix(sp, "www.") || strings.Contains(sp, "/"))
		})
	case crm.FindText, crm.FindNone:
	}
	return p.spellings(x.key, x.text)
}

// leastDigits is how many digits of a phone number are looked for wherever they
// stand: fewer are in too many numbers.
const leastDigits = 7

// IdentityKeys returns the record's identity keys on its own side: those of
// every any_key step, of either way, in the order of the steps, with all values
// of those that have several. Two records of one side that share a Canonical are
// duplicates as Standing says; two of different sides are the same person, so
// the text serves as a claim too.
func (s *Settings) IdentityKeys(side crm.Side, r *crm.Record) []Key {
	if r == nil {
		return nil
	}
	var keys []Key
	for i := range s.keys {
		p := &s.keys[i]
		for _, x := range p.read(side.Index(), r.Fields, s.country) {
			known := func(k Key) bool { return k.Canonical == x.key && k.Field == p.names[side.Index()] }
			if !slices.ContainsFunc(keys, known) {
				k := s.key(p, side, x)
				k.Rank = s.rungs[i]
				keys = append(keys, k)
			}
		}
	}
	return keys
}

// KeysFor returns the questions that find a side's records by one identity key,
// as IdentityKeys writes it.
func (s *Settings) KeysFor(side crm.Side, canonical string) []Key {
	var out []Key
	for i := range s.keys {
		p := &s.keys[i]
		if text, ok := strings.CutPrefix(canonical, p.prefix); ok {
			out = append(out, s.key(p, side, spelled{canonical, text}))
		}
	}
	return out
}

// Identifies reports whether a field takes part in an any_key step.
func (s *Settings) Identifies(side crm.Side, field string) bool {
	return slices.ContainsFunc(s.keys, func(p identity) bool {
		return p.names[side.Index()] == field || slices.Contains(p.also[side.Index()], field)
	})
}
