// Package googlecontactsfake is the contacts of one Google user on fakekit, written from
// the documents of the People API and for nobody's connector: contacts and contact
// groups, their listings with sync tokens, batches, and OAuth.
//
// What it does as documented: every read names the fields it wants; a page or sync token
// is good only with the parameters it was made for; sync tokens expire seven days after
// the full listing, and tell of deletions; a write shows in listings after its lag, and
// at once when it is read by name; an update replaces each field of its mask whole and
// must have the contact's etag; a batch that holds an invalid contact fails, and names
// the invalid ones; a contact is in one group at least; there is one name, birthday and
// biography.
//
// Sources: [D] the discovery document of people v1, [G] developers.google.com/people/v1/contacts,
// [A1] developers.google.com/identity/protocols/oauth2, [E] google.rpc's Status and ErrorInfo.
//
// Guesses, each with a knob where it matters: of a batch that fails nothing is saved
// (partial_batches); the token of a listing of changes lives no longer than that of the full
// one (renewed_tokens); an expired token answers 400 FAILED_PRECONDITION (expired_status);
// a full listing's token is of the moment at which it began.
package googlecontactsfake
