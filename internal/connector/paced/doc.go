// Package paced keeps a connector within its account's published limits,
// together with every other worker and connection of that account.
//
// Terms: the budget of an account is one store item, changed by conditional
// writes only. A slice is a number of calls that one worker took from it, to
// be made within a second; what is not used goes back when the worker next
// writes. A lane is what kind of call a slice is for: searches (Changes,
// BatchFind) have a budget of their own where the app declares one. A pause is
// what the app asked for with Retry-After.
//
// Guarantees, for all workers of an account together and as long as their
// clocks agree: in no window of the app's length are more calls started than
// the app allows; in no 24 hours more than its daily quota. Bulk work leaves a
// tenth of a window and a fifth of the quota to people (connector.Foreground).
// A call that nobody needs now (connector.Spare) is made only while half of what
// bulk work may use is free, and is refused at once otherwise.
// After an answer with Retry-After nobody calls before it has passed, other
// workers from their next look at the item on (Budget.Look). Where the app does not say when a limit ends, one call a
// minute goes out to see, and all others wait for its answer. A clock that is wrong costs pace, never
// more than the app's own limit does: times out of the future are taken for now.
//
// Price: one write per slice; a slice starts at a few calls and grows to a
// second's worth while it is used up. An app that publishes no limits costs no
// write but those of its Retry-After, and one read a second.
//
// The wrapped connector has the extras of the inner one, within the same budget.
package paced
