// Package carddav connects to one address book of any CardDAV server (RFC 6352): Nextcloud,
// Fastmail, iCloud, Radicale, Xandikos and the like. Its records are vCards of versions 3.0
// and 4.0 (RFC 2426, RFC 6350).
//
// The traps of the protocol, and what this package does about each:
//
//   - A write replaces a whole card. It is read before, and changed line by line: what is
//     not synced stays as it was, byte for byte, such as photos, X- properties, types of
//     addresses, and the folding of lines. It goes out with If-Match, so whoever changed
//     the card in between wins.
//   - Servers keep what they are sent, or make something else of it, and say no more than
//     an etag. What they made of a write is read later.
//   - Changes are told by sync-collection (RFC 6578), in pages or all at once, without the
//     cards. A server that has forgotten where a listing ended has everything listed. One that
//     has no sync-collection is listed whole each time, and its etags are compared.
//   - An answer may be cut off by the server; one that is not is handed out in pages of ours,
//     and its own token is kept, so that what changes meanwhile is told by the next listing.
//   - Nobody has to say when a card was changed: the server's time, or else that of the card.
//   - Names and addresses have parts whose writing servers compare as they like: people are
//     looked up by e-mail, phone, full name and UID. Phones are compared here, whatever stands
//     between their digits.
//   - Groups are cards, too (KIND, or Apple's own property). They are left alone, and so is
//     what is no card of these versions.
//   - Servers name themselves by addresses that proxies in front of them do not have. Of what
//     they name only the path counts; another host is asked only where both belong to one
//     of the providers that the app names, as those of iCloud do.
//
// The library github.com/emersion/go-vcard reads names, groups and parameters of properties, and
// says which of several is preferred. It does not write cards: it orders their lines
// anew. Its sibling for WebDAV decodes cards, knows no If-Match and hides statuses.
package carddav
