package mapping

import (
	"slices"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// CodePartnerNotLinked says of a reference that the record it names has no twin
// in the other app: nothing is written there. It fails nothing.
const CodePartnerNotLinked = "partner_not_linked"

// Partners tells which records the links of a sync join. It only knows what was
// asked for before.
type Partners interface {
	// Asked reports whether it was asked for the record.
	Asked(sync crm.SyncID, side crm.Side, id string) bool
	// Key returns the canonical form of a record that a field of a side names: the
	// ID of the left record of its pair. What lost a merge is its survivor. ok is
	// false where the record has no twin; of a left one the key is the same then.
	Key(sync crm.SyncID, side crm.Side, id string) (key string, ok bool)
	// Record returns the record of a side that a key stands for, if both records of
	// the pair are there.
	Record(sync crm.SyncID, side crm.Side, key string) (id string, ok bool)
	// Out says why a record that a field of a side names has no twin and is to have
	// none: its sync leaves it out, or it was deleted.
	Out(sync crm.SyncID, side crm.Side, id string) (code string, ok bool)
}

// WithPartners returns the mapping with somebody to ask about links. Without,
// nothing is linked.
func (c *Compiled) WithPartners(p Partners) *Compiled {
	out := *c
	out.partners = p
	return &out
}

// Joins returns the sync whose links join what the fields of an association name;
// "" for every other mapping.
func (c *Compiled) Joins() crm.SyncID {
	if c.domain != domainReference && c.domain != domainReferences {
		return ""
	}
	return c.spec.Joins
}

// JoinsSeveral reports whether both fields of an association name any number of
// records. Then its values are the sets of those that have a twin; the others stay
// where they are, and are added on the other side when they have one.
func (c *Compiled) JoinsSeveral() bool { return c.domain == domainReferences }

// HoldsSeveral reports whether a side's field of an association names any number of
// records where the other side names one.
func (c *Compiled) HoldsSeveral(side crm.Side) bool {
	return c.domain == domainReference && c.Joins() != "" && c.end(side).several()
}

// Lack is why a field is left apart whose value the other app does not have, and
// the code that says so.
func (c *Compiled) Lack() (crm.Reason, string) {
	if c.Joins() != "" {
		return crm.ReasonNotLinked, CodePartnerNotLinked
	}
	return crm.ReasonUnknownOwner, CodeUnknownOwner
}

// Out says why what a raw reference of a side names is to have no twin, if that is so.
func (c *Compiled) Out(side crm.Side, raw crm.Value) (code string, ok bool) {
	id := RecordNamed(raw)
	if c.partners == nil || id == "" || c.domain != domainReference {
		return "", false
	}
	return c.partners.Out(c.spec.Joins, side, id)
}

// LackRemark says of a side's field that nothing could be written to it.
func (c *Compiled) LackRemark(side crm.Side) string {
	switch c.domain {
	case domainReferences:
		return string(side) + " field " + c.end(side).names[0] + ": some of the records that the other side names have no " +
			"linked twin here in the sync " + string(c.spec.Joins) + "; each is added when its twin is linked"
	case domainReference:
	default:
		return c.UserRemark(side)
	}
	return string(side) + " field " + c.end(side).names[0] + ": what the other side names has no linked twin here in " +
		"the sync " + string(c.spec.Joins) + ", so that the field was left as it is; it is written when the twin is linked"
}

// RecordNamed is the ID that a raw reference holds, the first of several; "" = none.
func RecordNamed(raw crm.Value) string {
	if all := RecordsNamed(raw); len(all) > 0 {
		return all[0]
	}
	return ""
}

// RecordsNamed are the IDs that a raw reference holds: where an app keeps several, a
// list of them.
func RecordsNamed(raw crm.Value) []string {
	if raw.Kind() == crm.List {
		return raw.Items()
	}
	if raw.Blank() {
		return nil
	}
	return []string{plainText(raw)}
}

func (c *Compiled) partnerOf(side crm.Side, key string) (string, bool) {
	if c.partners == nil {
		return "", false
	}
	return c.partners.Record(c.spec.Joins, side, key)
}

// parseReference reads a record's ID as the left one of its pair, and who has no
// twin as a text that is no ID of the left side.
func (c *Compiled) parseReference(e *end, raw crm.Value) (crm.Value, bool) {
	id := RecordNamed(raw)
	if id == "" {
		return crm.NullValue(), true
	}
	if c.partners != nil {
		if key, ok := c.partners.Key(c.spec.Joins, e.side, id); ok || e.side == crm.Left && key != "" {
			return crm.TextValue(key), true
		}
	}
	if e.side == crm.Left {
		return crm.TextValue(id), true
	}
	return crm.TextValue("right record " + id), true
}

// rawReference writes the record of the side that a key stands for.
func (c *Compiled) rawReference(e *end, v, _ crm.Value) (crm.Value, error) {
	id, ok := c.partnerOf(e.side, v.Text())
	if !ok {
		return crm.Value{}, c.fail(e, CodePartnerNotLinked, "the record has no linked twin here")
	}
	return crm.TextValue(id), nil
}

// Unlinked are the records that a raw field of a side of several references names and
// that have no twin to be named on the other.
func (c *Compiled) Unlinked(side crm.Side, raw crm.Value) []string {
	if !c.JoinsSeveral() {
		return nil
	}
	return slices.DeleteFunc(RecordsNamed(raw), func(id string) bool { _, ok := c.keyOf(side, id); return ok })
}

// keyOf is what a record stands for whose pair is whole.
func (c *Compiled) keyOf(side crm.Side, id string) (key string, ok bool) {
	if c.partners == nil {
		return "", false
	}
	if key, ok = c.partners.Key(c.spec.Joins, side, id); !ok {
		return "", false
	}
	_, ok = c.partnerOf(side, key)
	return key, ok
}

// parseReferences reads the records that have a twin. One that nobody asked for cannot
// be told from one that has none, and would look as if it had been taken out: then the
// field cannot be read.
func (c *Compiled) parseReferences(e *end, raw crm.Value) (crm.Value, bool) {
	var keys []string
	for _, id := range RecordsNamed(raw) {
		if c.partners == nil || !c.partners.Asked(c.spec.Joins, e.side, id) {
			return crm.Value{}, false
		}
		if key, ok := c.keyOf(e.side, id); ok {
			keys = append(keys, key)
		}
	}
	return setOf(keys), true
}

// rawReferences writes the records of the side that keys stand for, beside those that
// are named there and have no twin.
func (c *Compiled) rawReferences(e *end, v, current crm.Value) (crm.Value, error) {
	ids := c.Unlinked(e.side, current)
	for _, key := range RecordsNamed(v) {
		id, ok := c.partnerOf(e.side, key)
		if !ok {
			return crm.Value{}, c.fail(e, CodePartnerNotLinked, "a record has no linked twin here")
		}
		ids = append(ids, id)
	}
	return setOf(ids), nil
}

// several reports whether a side's field holds any number of values.
func (e *end) several() bool { return e.known && len(e.fields) == 1 && e.fields[0].Multiple }

// checkReferences refuses an association of fields that name no records.
func (c *compiler) checkReferences() {
	for _, side := range crm.Sides {
		if e := c.end(side); e.known && e.typ != crm.TypeReference {
			c.add("/"+string(side)+"/0", CodeNotReference, "the %s field %q (%s) names no record: set one of the type "+
				"reference, or map the field", side, e.names[0], e.typ)
		}
	}
}
