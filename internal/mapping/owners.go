package mapping

import (
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// CodeUnknownOwner says of a field that the other app has no active user of the
// address: nobody is assigned there. It fails nothing.
const CodeUnknownOwner = "unknown_owner"

// Users tells who is who in the two apps. A user of one is the user of the other
// with the same e-mail address. It only knows what was asked for before.
type Users interface {
	// Email returns the address of a side's user, active or not.
	Email(side crm.Side, id string) (string, bool)
	// ID returns the user of a side to whom records can be given, by the canonical
	// form of the address.
	ID(side crm.Side, email string) (string, bool)
}

// WithUsers returns the mapping with somebody to ask about users. Without, users
// are their IDs, and nobody is known in the other app.
func (c *Compiled) WithUsers(u Users) *Compiled {
	out := *c
	out.users = u
	return &out
}

// Assigns reports whether the mapping is about users: canonical values are their
// e-mail addresses.
func (c *Compiled) Assigns() bool { return c.domain == domainOwner }

// NamesUsers reports whether a side's field holds users, by their IDs.
func (c *Compiled) NamesUsers(side crm.Side) bool {
	return c.domain == domainOwner && c.end(side).typ == crm.TypeOwner
}

// Knows reports whether a side can hold a canonical value: a mapping of users
// needs an active user of that address there, an association a twin of what is
// named, all others can.
func (c *Compiled) Knows(side crm.Side, v crm.Value) bool {
	ok := true
	switch {
	case v.Blank():
	case c.domain == domainReference, c.domain == domainReferences:
		for _, key := range RecordsNamed(v) {
			_, live := c.partnerOf(side, key)
			ok = ok && live
		}
	case c.NamesUsers(side):
		_, ok = c.userOf(side, v.Text())
	case c.domain == domainOwner:
		ok = isAddress(v.Text())
	}
	return ok
}

// UserRemark says of a side's field that nobody could be assigned.
func (c *Compiled) UserRemark(side crm.Side) string {
	return string(side) + " field " + c.end(side).names[0] + ": the app has no active user with this e-mail address, so " +
		"that it was left as it is; add the user there or change the owner"
}

func (c *Compiled) userOf(side crm.Side, email string) (string, bool) {
	if c.users == nil || !isAddress(email) {
		return "", false
	}
	return c.users.ID(side, email)
}

func isAddress(s string) bool { return strings.Contains(s, "@") }

// parseOwner reads a user as the address, and who has none, or is not known any
// more, as a text that is no address. An address in the place of an ID is one
// that a person typed.
func (c *Compiled) parseOwner(e *end, raw crm.Value) (crm.Value, bool) {
	text := CanonicalText(raw.Text())
	if e.typ == crm.TypeOwner && !isAddress(text) {
		email, ok := "", false
		if c.users != nil {
			email, ok = c.users.Email(e.side, text)
		}
		if !ok {
			return crm.TextValue(string(e.side) + " user " + text), text != ""
		}
		text = email
	}
	return addressOrText(text), true
}

// addressOrText is a canonical address, or the text as it is.
func addressOrText(text string) crm.Value {
	if email, ok := CanonicalEmail(text); ok {
		return crm.TextValue(email)
	}
	return textOrNull(CanonicalText(text))
}

// rawOwner writes the user of an address by its ID, and to a field of texts the
// address.
func (c *Compiled) rawOwner(e *end, v, _ crm.Value) (crm.Value, error) {
	if e.typ != crm.TypeOwner {
		return v, nil
	}
	id, ok := c.userOf(e.side, v.Text())
	if !ok {
		return crm.Value{}, c.fail(e, CodeUnknownOwner, "the app has no active user with this e-mail address")
	}
	return crm.TextValue(id), nil
}
