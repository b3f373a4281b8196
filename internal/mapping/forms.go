package mapping

import (
	"strings"
	"unicode/utf8"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Form is what identifies a record by one kind of value: how the value is
// brought into one spelling, whether it is an identity at all, and under which
// spellings an app may have stored it.
type Form string

// The forms. Each is named as the first part of the keys that it makes.
const (
	FormEmail  Form = "email"
	FormPhone  Form = "phone"
	FormDomain Form = "domain"
	FormURL    Form = "url"
	FormNumber Form = "number"
	FormText   Form = "text"
)

// Search says what an app can be asked so that it finds every spelling of a key.
type Search string

// The searches. Exact is possible for all forms: each of Spellings by itself.
const (
	SearchExact    Search = "exact"    // equal to one of the spellings, as far as the app ignores case
	SearchDigits   Search = "digits"   // the field's digits end in Tail: marks between them do not count
	SearchContains Search = "contains" // the field contains Tail: a scheme, a path or a subdomain may surround it
)

// form is a row of the table.
type form struct {
	// canonical returns the one spelling of an identity. It reports false for
	// what identifies nobody. A canonical form is its own canonical form.
	canonical func(s, country string) (string, bool)
	// spellings are those that people and apps write for a canonical form,
	// beside the form itself.
	spellings func(canonical string) []string
	// widest is the search that misses none.
	widest Search
	// tail is what the widest search looks for.
	tail func(canonical string) string
	// shared: one space of keys for all fields of a sync. A person's two e-mail
	// fields hold addresses of one kind; a name is never taken for a city.
	shared bool
	// crowd: more than two records of one side that hold the key have a thing in
	// common and not an identity (a switchboard, a holding, a frequent name).
	// Records that share an e-mail are duplicates, however many.
	crowd bool
}

// forms is the table of identity forms.
//
//	form     canonical                                   search for it  many on one side
//	email    NFC, ASCII lower case, IDNA                 exact          duplicates
//	phone    E.164 of a valid number                     digits         no identity
//	domain   host, IDNA, lower case, no leading www      contains       no identity
//	url      host as above, path, query; no scheme       contains       no identity
//	number   plain decimal                               exact          duplicates
//	text     trimmed, NFC, ASCII lower case              exact          no identity
//
// A key by which an app numbers its records (number) is exact, and those who
// share it are duplicates, as with e-mail.
var forms = map[Form]form{
	FormEmail: {
		canonical: func(s, _ string) (string, bool) { return CanonicalEmail(s) },
		widest:    SearchExact, tail: itself, spellings: emailSpellings, shared: true,
	},
	FormPhone: {
		canonical: func(s, country string) (string, bool) {
			number, valid, _ := CanonicalPhone(s, country)
			return number, valid
		},
		widest: SearchDigits, tail: lastDigits, spellings: phoneSpellings, shared: true, crowd: true,
	},
	FormDomain: {
		canonical: func(s, _ string) (string, bool) {
			host, ok := CanonicalDomain(s)
			return host, ok && IdentifiesCompany(host)
		},
		widest: SearchContains, tail: itself, spellings: domainSpellings, shared: true, crowd: true,
	},
	FormURL: {
		canonical: func(s, _ string) (string, bool) { return canonicalURL(s) },
		widest:    SearchContains, tail: itself, spellings: urlSpellings, crowd: true,
	},
	FormNumber: {
		canonical: func(s, _ string) (string, bool) { return CanonicalNumber(s) },
		widest:    SearchExact, tail: itself, spellings: none,
	},
	FormText: {
		canonical: func(s, _ string) (string, bool) {
			key := lowerASCII(CanonicalText(s))
			return key, key != ""
		},
		widest: SearchExact, tail: itself, spellings: none, crowd: true,
	},
}

func itself(canonical string) string { return canonical }

func none(string) []string { return nil }

// FormOf returns the form of a field type. A text may be a domain all the same:
// that is for the caller to know, who sees the field's name and its mapping.
func FormOf(t crm.FieldType) Form {
	switch t {
	case crm.TypeEmail:
		return FormEmail
	case crm.TypePhone:
		return FormPhone
	case crm.TypeNumber:
		return FormNumber
	case crm.TypeURL:
		return FormURL
	case crm.TypeText, crm.TypeBoolean, crm.TypeDate, crm.TypeDateTime, crm.TypeOption, crm.TypeOptions,
		crm.TypeList, crm.TypeReference, crm.TypeOwner:
	}
	return FormText
}

// Key returns the text under which a record is matched by a value of this form.
// Country is for phone numbers without a country code.
//
// It reports false for a blank value, for what is no identity (see forms), for
// several values at once, and for text with characters that Unicode's NFC
// replaces by ASCII ones: such a look-alike must not be taken for the real one.
// A key is its own key.
func (f Form) Key(v crm.Value, country string) (key string, ok bool) {
	if v.Blank() {
		return "", false
	}
	raw := v.Text()
	if v.Kind() == crm.List {
		items := Items(v)
		if len(items) != 1 {
			return "", false
		}
		raw = items[0]
	}
	if !utf8.ValidString(raw) || hidesASCII(raw) {
		return "", false
	}
	key, ok = forms[f].canonical(raw, country)
	if !ok {
		return "", false
	}
	return key, true
}

// Spellings are the texts under which an app may have stored a key, the typed
// one first, each once: what a search for equal text is asked for. They are
// the usual ones, not all: see Search.
func (f Form) Spellings(key string, typed ...string) []string {
	var out []string
	seen := map[string]bool{}
	for _, list := range [][]string{typed, {key}, forms[f].spellings(key)} {
		for _, s := range list {
			if s = strings.TrimSpace(s); s != "" && !seen[s] {
				seen[s] = true
				out = append(out, s)
			}
		}
	}
	return out
}

// Search returns what finds every spelling of a key in an app that can do more
// than compare whole texts, and what to look for. What it finds is to be
// compared by Key again: it may be more.
func (f Form) Search(key string) (how Search, tail string) {
	return forms[f].widest, forms[f].tail(key)
}

// Shared reports whether keys of all fields of this form are of one kind, so
// that one of a record's fields may be found in another field of its twin.
func (f Form) Shared() bool { return forms[f].shared }

// Crowds reports whether a key that more than two records of one side hold
// says nothing about any of them.
func (f Form) Crowds() bool { return forms[f].crowd }

// IdentityKey is the Key of the form of a field type.
func IdentityKey(t crm.FieldType, v crm.Value, country string) (key string, ok bool) {
	return FormOf(t).Key(v, country)
}
