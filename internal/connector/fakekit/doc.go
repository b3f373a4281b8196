// Package fakekit is what all fake apps share: one pipeline in front of an
// app's handlers (latency, limits, injected faults, counting), a record table
// with a search index that lags, an outbox of webhooks, tokens that expire, a
// generator of people, and the knobs under /_fake/ that drive all of it.
//
// A fake is an http.Handler. It works behind a real server and, through
// Transport, inside a simulation without sockets. Apart from Core.Run it starts
// no goroutine; it reads time only from Config.Now and chance only from
// Config.Rand, and nothing it does depends on the order of a map: the same
// calls give the same answers.
//
// Terms:
//
//   - A knob is a call that a person or a test makes to set up or look at a
//     fake. Each knob of the HTTP surface has a Go method on Core of the same
//     meaning. The surface describes itself at GET /_fake/openapi.json.
//   - A user edit is a knob that changes records as somebody working in the app
//     would: it obeys the app's own rules and sends its webhooks.
//   - A fault spoils the next calls that match it, in the order in which the
//     faults were injected.
//   - An endpoint is "METHOD /pattern", as the app registered it; a fault's
//     endpoint is a method and a path prefix, either of which may be left out.
package fakekit
