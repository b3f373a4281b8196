// Package engine is the matcher and writer and everything around it: intake of
// webhooks, pulls and full listings, matching, planning, writing, retry, dead
// items, plans and what an admin may ask for.
//
// The heart is Work, which takes chunks of record IDs from the queue through
// five steps: observe (read both sides as they are now), plan (decide, purely),
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
package engine
