// Package hubspot connects to one HubSpot account through its CRM API.
//
// Objects go through the v3 paths, which the official client libraries use;
// tokens, owners and account details through those dated 2026-03. Both are
// constants of this package.
//
// The traps of the API, and what this package does about each:
//
//   - Incremental pulls are searches, and a search shows at most 10,000 results.
//     The scan never pages by offset: it asks again from the last time seen and,
//     where one instant fills a page, by record ID within that instant.
//   - The search index lags. Scans look back by Limits.IndexLag, and look-ups by
//     unique properties go around the index (FindLag).
//   - A batch create fails as a whole for one bad row, unless every row has an
//     objectWriteTraceId. Every row has, and answers are matched by it.
//   - A merge makes a new record with a new ID and archives both old ones.
//   - Archived records never show in searches. They come by webhook, and by a
//     sweep through the archived ones (Deletions).
//   - An upsert by e-mail is not a partial one. Upserts go by custom properties
//     with unique values only.
//
// Sources are named where they matter; docs/apps/hubspot.md lists them.
package hubspot
