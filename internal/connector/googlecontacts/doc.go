// Package googlecontacts connects to the contacts of one Google user through the People
// API: "My Contacts", and not the "Other contacts" that mail leaves behind.
//
// The traps of the API, and what this package does about each:
//
//   - What changed is told by a sync token alone, which lives for a week and is held to the
//     parameters of its first call. All fields are asked for, whatever is mapped, so a
//     change of the mapping costs no token; an expired one makes everything be listed.
//   - Listings know of a write after minutes. They are never read for what was just written.
//   - A search matches beginnings, in a cache that wants to be warmed. Who holds a value is
//     looked for in the listing of all contacts, a thousand a call.
//   - An update replaces each of its fields whole, for all contacts of a batch alike, and
//     needs the contact's etag. Before one the contacts are read; what is not synced is
//     sent back as it was, such as the type of an address and all further ones.
//   - A batch with an invalid contact fails. Whether the others were saved nobody documents:
//     they count as unknown, and are looked for.
//   - Writes of one user have to come one after the other.
//   - A contact gets another name when it is linked to a profile. The old one is treated as
//     a record that lost a merge to the new one.
//   - Labels are groups with names of their own, which are made when one is missing.
//
// It is longer than its siblings by what the API leaves to its callers: a schema, labels
// that are made by name, and fields that are written whole.
//
// Sources are named where they matter; docs/apps/googlecontacts.md lists them.
package googlecontacts
