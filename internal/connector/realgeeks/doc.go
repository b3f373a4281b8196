// Package realgeeks connects to the leads of one Real Geeks site through the Lead Router:
// leads are written by its Incoming Leads API, and read by nothing. What the site holds is
// what its signed deliveries have told.
//
// The traps of the API, and what this package does about each:
//
//   - There is no listing, no look-up and no reading by ID. Each delivery carries the lead,
//     with the time at which it was sent: that is the observation, and package kept answers
//     from it.
//   - A lead's ID is chosen by whoever makes it, and not told back. IDs come with dashes and
//     without; they have none here.
//   - A new lead that the CRM knows already changes that one in silence, and its delivery
//     has the ID that the CRM knows it by.
//   - Only version 2 of the change clears: an empty text does.
//   - A field that a delivery has with an empty value was cleared; one that it does not have
//     says nothing.
//   - The time of a delivery is not signed. It decides between two deliveries of one lead,
//     and an old one is no reason to refuse it: nobody can ask for the lead again.
//   - Numbers of the United States have no country code, all others have one. Here all do.
//   - Whoever deletes a lead tells nobody.
//   - Agents would be told of activities: none are written.
//
// Sources are named where they matter; docs/apps/realgeeks.md lists them.
package realgeeks
