package mapping

import "github.com/lockstep-crm/lockstep/internal/crm"

// CodePartnerNotLinked says of a reference that the record it names has no twin
// in the other app: nothing is written there. It fails nothing.
const CodePartnerNotLinked = "partner_not_linked"

// Partners tells which records the links of a sync join. It only knows what was
// asked for before.
type Partners interface {
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
	if c.domain != domainReference {
		return ""
	}
	return c.spec.Joins
}

// Lack is why a field is left apart whose value the other app does not have, and
// the code that says so.
func (c *Compiled) Lack() (crm.Reason, string) {
	if c.domain == domainReference {
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
	if c.domain != domainReference {
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

// checkReferences refuses an association of fields that name no records.
func (c *compiler) checkReferences() {
	for _, side := range crm.Sides {
		if e := c.end(side); e.known && e.typ != crm.TypeReference {
			c.add("/"+string(side)+"/0", CodeNotReference, "the %s field %q (%s) names no record: set one of the type "+
				"reference, or map the field", side, e.names[0], e.typ)
		}
	}
}
