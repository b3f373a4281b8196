// Package moving is a store whose secrets are on their way from the one
// partition in which all settings of a workspace stood to partitions of their
// own (store.SettingsKey), while functions of the release before and of this
// one work side by side.
//
// Whoever uses a Store names the new places. Until the move is done, a Store
// looks at both:
//
//   - It reads the new place, then the former, then the new one again: what is
//     moved in between is found.
//   - What stands in the former place is changed there, where the release before
//     sees it. The version of such an item carries a mark, so that a condition
//     never holds for another item than the one that was read.
//   - What is new is made in the former place as long as the release before may
//     still be at work, and in the new one afterwards; never in both.
//   - What is noted of deliveries is written to the new place only: the function
//     that notes it has no right to write to the former.
//
// Step makes the move, in small pieces that may be repeated, interrupted and
// made by several processes at once: each item goes in one transaction that
// nothing else may have touched it in. It is the business of the one function
// that has the right to write all of them.
//
// Where everything was moved, or there was nothing to move, a Store asks once
// and then stands aside.
package moving
