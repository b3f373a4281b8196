// Package stack describes what Lockstep needs of AWS, one file per concern:
//
//	config.go     what an operator may choose, and what is wrong with it
//	data.go       the key and the three tables
//	queues.go     the change queue, its dead letters, undelivered events
//	functions.go  the five functions, their triggers and their logs
//	access.go     what each of them may do: one role each, written by hand
//	web.go        the HTTP APIs, throttling, access logs, a domain of one's own
//	users.go      the user pool behind the JWT authorizer
//	schedules.go  the group of schedules, the tick and the hour
//	alarms.go     alarms and the dashboard
//	budget.go     the guard over the bill
//	checks.go     rule packs, and why a rule is not followed
//
// Nothing here runs when nothing happens: there is no provisioned capacity, no
// network of our own and no server. What holds data has a fixed logical ID and
// a fixed name, which testdata pins: CloudFormation replaces a resource whose
// ID changes, and a table that is replaced is a table that is lost.
//
// Policies are written by hand, not by grant helpers, because those add
// actions with wildcards.
package stack
