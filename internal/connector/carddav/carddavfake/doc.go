// Package carddavfake is a CardDAV server with the address books of one user on fakekit, written
// from the RFCs and for nobody's connector: WebDAV (RFC 4918), the user's principal (RFC 5397,
// RFC 6764), address books (RFC 6352), sync-collection (RFC 6578), and vCard 3.0 and 4.0
// (RFC 2426, RFC 6350).
//
// What it does as they say: it finds its address books by /.well-known/carddav, the principal
// and its home; a card is kept as it was sent, byte for byte, and has a strong etag; PUT
// and DELETE hold to If-Match and If-None-Match; a card must have VERSION, UID, FN and, in
// version 3.0, N; two cards of an address book never have one UID; address-data is cut down
// to the properties asked for; addressbook-query compares whole values of properties by
// the collations that every server must know; sync-collection tells of what is gone by 404.
//
// What servers do as they like is set by PUT /_fake/carddav: how many changes an answer
// tells at once, how long a token is known, whether there is sync-collection at all, whether
// cards have a time of their last change, and how many address books there are.
//
// It reads and edits cards by itself, line by line, as another client of the user's would:
// an edit writes the lines of the card without folds.
package carddavfake
