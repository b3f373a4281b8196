// Package realgeeksfake is a Real Geeks site behind its Lead Router: leads are taken in,
// and told to one destination. Nothing can be asked for.
//
// Sources: [R1] developers.realgeeks.com/incoming-leads-api, [R3] github.com/RealGeeks/lead_router.py,
// [R4] developers.realgeeks.com/blog, [R6] developers.realgeeks.com/leads,
// [R9] developers.realgeeks.com/outgoing-leads-api, [R13] github.com/RealGeeks/lead_router_receiver.
//
// What no source says, and this package takes for so: a change of an unknown lead is
// answered with 404; a role that is none and an e-mail address without @ are refused with
// 400; a double is known by its e-mail address alone; a delivery has the fields that ever
// had a value; deliveries are tried eight times, as one third party saw it.
package realgeeksfake
