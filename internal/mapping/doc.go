// Package mapping turns the fields of one app into those of another and back.
//
// A mapping is a lens with a canonical form in the middle. Canonical reads one
// side's raw fields into the canonical value, Render writes a canonical value
// as the raw fields that one side has to change. Two values that differ only
// in how an app likes to write them (white space, the case of an option, the
// format of a phone number, the zone of an instant) have one canonical form,
// so an app that reformats what it was sent does not look edited.
//
// The laws, for every mapping that may travel both ways (S15 in docs/invariants.md):
//
//   - GetPut: rendering what was just read changes nothing.
//   - PutGet: what was rendered reads back as the value that was rendered.
//   - The canonical form is idempotent.
//
// Compile refuses a two-way mapping that cannot keep them. Render checks PutGet
// once more for each value and fails that field instead of writing a value
// that would read back as another.
//
// Canonical forms:
//
//   - text: surrounding white space removed, CR LF and CR as LF, Unicode NFC.
//   - full name: words separated by one space.
//   - e-mail: NFC, local part in ASCII lower case, domain through IDNA.
//   - phone: E.164 of a valid number, with " ext. 5" after it where there is an
//     extension; anything else by its digits, and written as it was.
//   - domain: the host of a web address, through IDNA, without "www."; an
//     address at a host of everybody (mail, social, builders) keeps its path.
//   - number: exact plain decimal, without exponent, leading or trailing zeros.
//   - boolean: a boolean.
//   - date: 2006-01-02.
//   - datetime: RFC 3339 in UTC, whole seconds, because apps differ in the
//     fractions they keep.
//   - option: the exact value of the right side's option.
//   - list: items trimmed, NFC, unique, sorted by bytes.
//   - owner: the e-mail address of the user, canonical as above; who has none is a
//     text that names the side and the ID. See Users.
//
// Blank (absent, null, only white space, a list of nothing) is null in
// canonical form, whatever the type.
//
// Raw values come as apps send them: typed or as text, lists as lists or as
// "a;b;c". Raw values that Render returns are of the kind that the field's
// type calls for: Number for number, Bool for boolean, List for list, Text for
// everything else; several options are joined with ";", a date is 2006-01-02,
// a datetime 2006-01-02T15:04:05.000Z. Null empties a field. A connector whose
// app wants another notation converts.
//
// The package is pure: no I/O, no clock, no randomness. Its values may be used
// by several goroutines at once.
package mapping
