// Package leadsquaredfake is a LeadSquared account on fakekit, written from LeadSquared's
// documents and for nobody's connector: leads with custom fields, their metadata, activities
// of custom types, webhooks.
//
// What it does as documented: keys come in two headers or in the address; the wrong region
// answers 401 and names the right one; a lead is written as a list of attributes and read in
// two shapes; e-mail and phone are unique, and a double is an error with status 500; an
// unknown lead is one too; times are UTC in whole seconds; date ranges are closed; an
// activity is posted on a lead, where it stays; webhooks carry headers of the customer's own
// and no signature, name what happened in their address, and are tried three times.
//
// Sources, all on apidocs.leadsquared.com but the last two: [L2] api-host, [L3]
// authentication, [L4] get-leads-by-date-range, [L5] search-by-lead-criteria, [L8]
// create-a-lead, [L9] create-custom-lead-field, [L17] get-lead-field-properties, [L18]
// get-leads-in-bulk-by-ids, [L31] get-details-of-activity-type, [L32]
// post-an-activity-to-lead, [L33] update-activity, [L34]
// bulk-retrieve-activities-by-activity-event, [L35] get-activity-details, [L24] rate-limits,
// [L26] webhooks, [L6] the Ruby library of dpaluy.
//
// Guesses: the details of an activity tell its lead and its times; one about a lead that is
// not there is refused as a lead that is not there; a lead that is merged gives its
// activities to the survivor; a type is a custom one where its EventType is 2; RecordCount
// counts all leads of a range; a listing can be sorted by ModifiedOn; a column that is not
// there is left out; the payload of an update has the lead before and after; a webhook of a
// deletion is told by its event's name; ModifiedBy is the ID of whoever changed the lead
// last, the keys' own user for what is written by them.
package leadsquaredfake
