// Package engine is the matcher and writer and everything around it: intake of
// webhooks, pulls and full listings, matching, deciding, writing, retry, dead
// items, plans and what an admin may ask for.
//
// The heart is Work, which takes chunks of record IDs from the queue through
// five steps: observe (read both sides as they are now), decide (purely),
// intend (store what is about to be written), act (write in batches), settle
// (remember the agreement, count, log).
//
// Guarantees, proved by the simulation: nobody is lost or doubled whatever is
// delivered twice, late or never and wherever a process stops; a value once
// agreed does not come back as a change; an edit on either side wins or is
// listed as the loser of a conflict; while a sync is off nothing is written;
// every record that entered has an outcome. State counters may be off by the
// records of a lot whose worker died between a link and its counter; the next
// full run mends them.
//
// The package uses ports only: store, queue and connector. It starts no
// goroutines, reads no clock but Config.Now and draws no chance.
//
// # Rooms
//
// Each file belongs to one; internal/proof/arch holds the list against the folder.
//
//   - The writer (one lot through its five steps): writer, unit, fate, act,
//     decide, intent, observe, settle, settle_close, settle_counts, settle_links,
//     judge, users, partners
//   - Deliveries (what the queue hands over, sorts, parks and sends again):
//     deliver, chunk, intake, kept, triage, causes, backoff, park, told
//   - Records and links (what is remembered of a pair, and who holds it): link,
//     link_load, gather, claims, stale, recall, inherit, elsewhere, attribute
//   - Twins (which record of the other app is the same): twins, lookups, byhand, inbulk, pairs, arrive,
//     decided
//   - Merges and what is gone (records that became one, or none): merge,
//     merge_books, merge_find, gone, tombs
//   - Recovery (what an ended process had begun): recover, recover_create,
//     recover_fence, recover_log, recover_update
//   - Refusals and brakes (what does not go on, since when and why): refuse,
//     again, held, drift, release, barred, brakes, mass, loop, unlistable, outage, waiting
//   - Runs (asked-for work from start to end, plans included): runs, advance,
//     missing, seen, plans, preview, changes
//   - Undo (what a run or an entry of the log changed, put back): undo, takeback,
//     provenance
//   - Pulls (what changed in the apps, without a webhook): pull, sweep, expired,
//     secondlook, audit, lease, pace
//   - The log and what is told (entries, status, counts): log, status, glance, metrics,
//     usage, first_seen
//   - What an admin asks for (of a connection, a record, a failure): admin,
//     records, retry
//   - Privacy (a person's data leaves every place): erasure, erase_find,
//     erase_pages, erase_scrub, erase_trace, claims_erase, former
//   - Ground (what all rooms stand on): engine, session, connection, schemas,
//     keys, tick, local, types, memo, decoded, pack
package engine
