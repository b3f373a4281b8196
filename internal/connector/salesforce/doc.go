// Package salesforce is the connector to Salesforce, through its REST API at
// the pinned version v67.0.
//
// Terms:
//
//   - An org is one Salesforce account; its ID (00D…) is the account's external
//     ID. After login all calls go to the org's own host, the instance URL.
//   - An sObject is a record type: Contact, Lead, Account, Opportunity and
//     custom ones (…__c).
//   - SystemModstamp is the time of the last change by anybody, people and
//     automation alike, in whole seconds of Salesforce's clock. It is what
//     scans go by.
//
// Guarantees and limits:
//
//   - IDs have 15 or 18 characters for the same record. This connector takes
//     both and always answers with 18, which is safe where case is ignored.
//   - A scan pages by (SystemModstamp, Id), never by a server-side cursor, so
//     that a position holds for any time. It lists records in the recycle bin
//     as deleted, and the losers of merges with their survivor. Transactions
//     that commit late have older times; scans look back a minute for them.
//   - What left the recycle bin is listed by Deleted, for at most 15 days.
//   - Finds are made by SOQL, which compares text without regard to case and
//     sees every committed write at once. Phones are stored as people typed
//     them: ask for each spelling (+14155550100, (415) 555-0100 …) as a value
//     of its own. Blank values and those over 255 characters find nothing.
//     Values so long that the query would not fit into a URL cost more than
//     one request for the call.
//   - Writes go through the sObject collections, 200 records a call, each row
//     for itself (allOrNone false). They do not answer with stored values and
//     cannot be made conditional.
//   - Salesforce tells its daily usage with each answer. At nine tenths of the
//     quota, which the org shares with all its tools, this connector stops
//     calling for a quarter of an hour.
//   - Outbound messages carry no signature. Their only proofs are the secret
//     in the webhook's URL and the org ID inside.
//
// Facts and their sources are listed in docs/apps/salesforce.md.
package salesforce
