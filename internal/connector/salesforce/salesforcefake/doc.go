// Package salesforcefake is a Salesforce org made up for tests and the demo: an
// HTTP server that speaks REST v31.0 to v67.0, OAuth and outbound messages, and
// refuses what Salesforce refuses, with its bodies. Knobs are those of fakekit
// under /_fake/, and these of its own:
//
//   - PUT /_fake/page_rows: rows per page at most, whatever was asked for
//   - PUT /_fake/late_commit: user edits carry a SystemModstamp that much in the
//     past, as transactions do that commit late
//   - PUT /_fake/duplicate_rule: off, alert or block on a known e-mail
//   - PUT /_fake/deleted_log: how long deletions are remembered
//   - POST /_fake/empty_bin: empties the recycle bin
//   - PUT /_fake/session: how long sessions live
//
// The knob /_fake/lag holds for searches (SOSL): queries see each committed
// write at once.
//
// Objects: Contact, Lead, Account and Opportunity, each with the external ID
// Lockstep_Id__c; User and Organization can be queried. SystemModstamp has whole
// seconds. Records are listed through sorted indexes by (SystemModstamp, Id) and
// by Id, and looked up by Id, e-mail and external ID through hashes.
//
// What it leaves out: SOQL functions other than aggregates, relationships and
// scopes are MALFORMED_QUERY or INVALID_FIELD; Bulk, Composite Graph and Tree,
// Tooling and SOAP calls are 404. An outbound message may hold notifications about several
// objects; Salesforce sends one per object.
//
// Where Salesforce may take more than it documents, the fake is the stricter of
// the two: unknown query parameters are errors here, so that a typo in a caller
// cannot pass.
//
// Sources are the pages named in docs/apps/salesforce.md; each rule names its own.
package salesforcefake
