package engine

// The safety measures whose absence the simulation must notice.
const (
	guardLease          guard = "lease"            // one writer per sync
	guardLeaseDeadline  guard = "lease_deadline"   // the lease is looked at before every write: kept, or nothing is written that could outlast it
	guardPauseCheck     guard = "pause_check"      // the switch is read before every write
	guardIntent         guard = "intent"           // write-ahead before the app is written
	guardIntentLanded   guard = "intent_landed"    // recovery takes a landed value as agreed
	guardRecover        guard = "recover"          // open intents are finished first
	guardClaim          guard = "claim"            // identity is a primary key
	guardIndexLag       guard = "index_lag"        // an unknown create waits out the index lag
	guardOwnDuplicates  guard = "own_duplicates"   // two records of one side with one identity are left alone
	guardTwinTaken      guard = "twin_taken"       // a twin that is linked already is not linked again
	guardLinkVersion    guard = "link_version"     // a link is stored only over the version that was read
	guardDoneMarker     guard = "done_marker"      // a chunk counts once
	guardCountedOnce    guard = "counted_once"     // of a chunk that comes again, what has its outcome is not counted again
	guardReread         guard = "reread"           // the record is read again, not trusted from the message
	guardConfirmGone    guard = "confirm_gone"     // a 404 is confirmed before it counts
	guardTombstone      guard = "tombstone"        // a deleted pair is never created again
	guardMassDeletion   guard = "mass_deletion"    // a sudden emptiness halts
	guardCursorLast     guard = "cursor_last"      // the cursor moves after the chunks are queued
	guardPark           guard = "park"             // limits and quotas park instead of failing
	guardSendFailures   guard = "send_failures"    // failed entries of a batch send are noticed
	guardGeneration     guard = "generation"       // messages of an older generation are dropped
	guardInbox          guard = "inbox"            // hints that come while switched off are kept
	guardPartialFailure guard = "partial_failure"  // a row's failure is its own
	guardReceiveCap     guard = "receive_cap"      // poison ends as a dead item
	guardMissingConfirm guard = "missing_confirm"  // records missing from a listing are read before they count
	guardSeenAfterWrite guard = "seen_after_write" // what we wrote is remembered as seen
	guardParkDurable    guard = "park_durable"     // parked work is stored before its message is acknowledged
	guardRefusedFields  guard = "refused_fields"   // a refused value costs one field
	guardStoredValues   guard = "stored_values"    // what the app stored counts, not what was sent
	guardLeaseRenewal   guard = "lease_renewal"    // the lease is renewed while the work goes on
	guardFitting        guard = "fitting"          // no more is begun at once than the apps' pace allows
	guardDeniedWay      guard = "denied_direction" // what a missing right holds up is kept until the right is back
	guardHeld           guard = "held"             // a field that an app no longer shows is gone, not blank
	guardPlanStale      guard = "plan_stale"       // of a plan, only what would be done the same way still is applied
	guardReturning      guard = "returning"        // of a pair that was left out, both sides are looked at
	guardCursorExpired  guard = "cursor_expired"   // what an app has forgotten is found by a listing of everything
	guardMergeKeeps     guard = "merge_keeps_link" // of several linked records that are merged, the primary's link stays
	guardMassChange     guard = "mass_change"      // very many values replaced alike halt their mapping
	guardSecondLook     guard = "second_look"      // what was listed once is listed once more, when the index has had its time
	guardAudit          guard = "audit"            // what no listing shows is read now and then
	guardDiscarded      guard = "discarded"        // what an admin discarded halts again, in whatever portions it is noticed
	guardSeenKeys       guard = "seen_keys"        // records that a full listing saw with one key meet, whatever the app's search finds
	guardRowUnread      guard = "row_unread"       // a record that a batch read could not give is read again
	guardSetAside       guard = "set_aside"        // what was taken apart, or lost its twin to a merge, is left alone
	guardErased         guard = "erased_tombstone" // whatever comes of an erased person makes nobody
	guardLoop           guard = "loop"             // what goes round in a circle of connections is stopped
	guardStaleReads     guard = "stale_reads"      // links are read with eventual consistency only when nobody wrote one lately
)

// Guards lists all of them, for the table that removes one at a time.
var guards = []guard{
	guardLease, guardLeaseDeadline, guardPauseCheck, guardIntent, guardIntentLanded, guardRecover, guardClaim,
	guardIndexLag, guardOwnDuplicates, guardTwinTaken, guardLinkVersion, guardDoneMarker, guardCountedOnce, guardReread,
	guardConfirmGone, guardTombstone, guardMassDeletion, guardCursorLast, guardPark, guardSendFailures,
	guardGeneration, guardInbox, guardPartialFailure, guardReceiveCap, guardMissingConfirm, guardSeenAfterWrite, guardParkDurable,
	guardMassChange, guardReturning, guardLoop, guardCursorExpired, guardMergeKeeps, guardStaleReads, guardRefusedFields, guardStoredValues,
	guardLeaseRenewal, guardFitting, guardDeniedWay,
	guardHeld, guardPlanStale, guardSecondLook, guardAudit, guardErased,
	guardDiscarded, guardSeenKeys, guardRowUnread, guardSetAside,
}
