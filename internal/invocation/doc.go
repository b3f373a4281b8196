// Package invocation is what every function does around one invocation of it,
// whatever its trigger: a log whose lines name the request and the trace, an
// end of work that lies before the function's own, and the way from an event
// of API Gateway to an http.Handler and back.
//
// Lambda gives a process one event at a time, so the invocation under way is a
// property of the process: log lines carry it also when they were written
// without its context.
package invocation
