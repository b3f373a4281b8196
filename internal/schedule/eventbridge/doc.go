// Package eventbridge keeps schedules in a group of EventBridge Scheduler.
//
// UpdateSchedule resets every field that a request leaves out, so that every
// put sends all of them. What is put is an update first, since most puts are
// changes or repetitions; an absent schedule is then created.
//
// A schedule fires the target with the identifiers of its sync as JSON. It is
// tried again once and for a minute only: the next firing does what this one
// missed, and more.
package eventbridge
