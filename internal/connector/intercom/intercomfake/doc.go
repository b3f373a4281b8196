// Package intercomfake is an Intercom workspace on fakekit, written from Intercom's
// documents and for nobody's connector: contacts and companies with custom attributes,
// tags, admins, OAuth, webhooks.
//
// What it does as documented: the version in a header decides; before 2.17 a search knows
// days where later ones know seconds, and no "or equal"; a search shows new contacts
// late; a contact is read one by one, and a merged one names its survivor; a user's e-mail
// and external ID are unique; a contact needs an e-mail, an external ID or a role; at most
// ten tags are in a contact; companies are upserted by their own ID and have no search;
// limits are told in headers and by a time, not by Retry-After; webhooks are signed
// with SHA-1 and tried twice.
//
// Sources: [S] the OpenAPI documents of intercom/Intercom-OpenAPI, [C1] the changelog of
// 2.17, [A1] setting-up-oauth, [L1] rate-limiting, [E] the conflict's text, [W1] [W2]
// webhook models and notifications, all on developers.intercom.com but the first.
//
// Guesses: an archived contact is in no listing and answers 404; a tag of a contact has
// its ID alone; the list of companies is in the order of their making; e-mails compare
// whatever their case.
package intercomfake
