// Package leadsquared connects to the leads of one LeadSquared account, and the activities
// about them, through version 2 of its API.
//
// The traps of the API, and what this package does about each:
//
//   - Every account lives at the host of its region. The wrong one answers 401, as wrong
//     keys do, and names the right one in its text: that is shown.
//   - A double, and a lead that is not there, are answered with status 500. What the
//     exception is called tells them from trouble of LeadSquared's.
//   - E-mail and phone are unique, and which fields are besides is the customer's choice.
//   - A lead is read in two shapes: as an object, and as a list of attributes.
//   - Times are whole seconds without a zone, which is UTC, and ranges of them are closed.
//     Listings go on by page number: within one second only, and from its first page again
//     when the second holds fewer leads than before.
//   - A lead that is captured under its ID with another e-mail becomes a second lead. Leads
//     are created and updated, and never captured.
//   - Bulk calls do not name the rows they answer for, so leads are written one by one.
//   - Activities are listed by their type, read by an ID one by one, and stay with the lead
//     that they were posted on. One posted with an e-mail may make a lead: that is never done.
//   - Whoever does not answer a webhook with 200 may lose it: a delivery that is refused is
//     answered with 200 and an error in the body.
//   - Deletions come by webhook only, and deleting is for good: this package never does.
//
// Sources are named where they matter; docs/apps/leadsquared.md lists them.
package leadsquared
