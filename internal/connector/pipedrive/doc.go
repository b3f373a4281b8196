// Package pipedrive connects to one Pipedrive company through version 2 of its API;
// users, and nothing else, still go through version 1.
//
// The traps of the API, and what this package does about each:
//
//   - Deleted persons and organizations do not show in listings. They come by
//     webhook; what no webhook told is found by a full listing.
//   - Listings page by a cursor whose life nobody documents. An incremental scan goes
//     on from the last time seen, and uses a cursor only within one second.
//   - Unknown parameters are ignored without an error: a misspelt one would list
//     everything. What is listed is held against what was asked for.
//   - E-mails and phones are lists that a write replaces whole. Before one is changed
//     the record is read, and the other entries are kept.
//   - The person of an activity is the primary one of its participants, and written
//     among them only.
//   - Values are typed strictly, and options are named by numbers. Where a value does
//     not say what it is, the type of its field is looked up, once for each instance.
//   - There are no batches of writes, no upserts and no fields with unique values.
//   - Deliveries of webhooks carry a user and a password, and no signature.
//
// Sources are named where they matter; docs/apps/pipedrive.md lists them.
package pipedrive
