// Package kept answers for apps that cannot be asked for their records
// (crm.AbilityPush): what their deliveries told, and what was written to them, is kept
// in the store, and Changes, BatchRead and BatchFind answer from there.
//
// Terms: a word is what a delivery or a write of ours said of a record, with the time at
// which it was said, by the app's clock.
//
// Guarantees: of each field the newest word counts, in whatever order words arrive, and
// one that came before, or is late, changes nothing. A write of ours is newer than every
// word that was kept when it was made. What arrived while it was made, and was said
// after the app answered, is newer than the write. Concurrent writers lose nothing.
//
// Limits: nobody knows what was never told, so a record that is not kept is no record
// that is not there (code "not_told"). Nothing is ever found deleted. An edit made within
// the second in which the app answered a write, and told after it, passes for the newer
// one until the app tells of our write.
//
// A record is looked up by e-mail addresses and by numbers through items of their own;
// by any other text everything that is kept of the object is looked through.
package kept
