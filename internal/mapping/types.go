package mapping

import (
	"slices"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// naturalDomain is the form in which two fields of one type are compared.
func naturalDomain(t crm.FieldType) domain {
	switch t {
	case crm.TypeNumber:
		return domainNumber
	case crm.TypeBoolean:
		return domainBool
	case crm.TypeDate:
		return domainDate
	case crm.TypeDateTime:
		return domainDateTime
	case crm.TypeEmail:
		return domainEmail
	case crm.TypeOption:
		return domainOption
	case crm.TypeOptions, crm.TypeList:
		return domainSet
	case crm.TypeText, crm.TypePhone, crm.TypeReference, crm.TypeURL, crm.TypeOwner:
		// Phones are free text in the apps; only the phone transform reads more into them.
	}
	return domainText
}

// severalItems reports whether a field of type t holds several values.
func severalItems(t crm.FieldType) bool { return t == crm.TypeOptions || t == crm.TypeList }

// takesText reports types that any text of another app may be tried in. An
// e-mail field wants the e-mail field of the other app (feature row 127), a text
// never names a record, and a user only under the transform of addresses.
func takesText(t crm.FieldType) bool {
	switch t {
	case crm.TypeText, crm.TypeURL, crm.TypePhone, crm.TypeOption:
		return true
	case crm.TypeNumber, crm.TypeBoolean, crm.TypeDate, crm.TypeDateTime, crm.TypeOptions, crm.TypeList,
		crm.TypeEmail, crm.TypeReference, crm.TypeOwner:
	}
	return false
}

// movesAsIs reports whether a field of type from may be written to one of type
// to without a transform.
func movesAsIs(from, to crm.FieldType) bool {
	switch {
	case from == to:
		// A record ID of one app means nothing in another.
		return from != crm.TypeReference
	case from == crm.TypeOwner && to == crm.TypeEmail, from == crm.TypeEmail && to == crm.TypeOwner:
		return true // a user is known by the address
	case to == crm.TypeText:
		return true
	case from == crm.TypeText:
		return takesText(to)
	case severalItems(from):
		return severalItems(to) || to == crm.TypeOption
	case from == crm.TypeOption:
		return severalItems(to)
	}
	return false
}

// remedy says which transform would join two types, if one does.
func remedy(a, b crm.FieldType) string {
	if a != b && (a == crm.TypeEmail || b == crm.TypeEmail) && a != crm.TypeOwner && b != crm.TypeOwner {
		return "map an e-mail field on both sides, built-in or custom"
	}
	for _, r := range transforms {
		if r.offered && slices.Contains(r.fits, a) && slices.Contains(r.fits, b) {
			return `set the transform "` + string(r.word) + `" or map a field of the same type`
		}
	}
	if a == crm.TypeOwner || b == crm.TypeOwner {
		return "a user is known in the other app by the e-mail address: map a field of users or addresses"
	}
	if a == crm.TypeReference || b == crm.TypeReference {
		return "the IDs of one app mean nothing in another; references to records travel as associations"
	}
	return "map a field of the same type"
}
