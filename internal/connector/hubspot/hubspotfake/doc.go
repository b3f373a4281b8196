// Package hubspotfake is a HubSpot account that speaks HubSpot's CRM API over
// HTTP: contacts, companies and deals, notes, tasks, calls and meetings, associations,
// properties and their groups, pipelines, owners, search, batches, OAuth and signed
// webhooks. It refuses what HubSpot refuses, with HubSpot's error bodies; each rule
// names the page it comes from, by these marks:
//
//   - G1 https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide
//   - G2 https://developers.hubspot.com/docs/guides/crm/using-object-apis
//   - G3 https://developers.hubspot.com/docs/api-reference/search/guide.md
//   - G4 https://developers.hubspot.com/docs/api-reference/latest/crm/associations/associate-records/guide
//   - G5 https://developers.hubspot.com/docs/api-reference/latest/crm/associations/associations-schema/guide
//   - E1 https://developers.hubspot.com/docs/api-reference/error-handling
//   - E2 https://developers.hubspot.com/changelog/simplifying-batch-update-response-codes-for-crm-v3-apis
//   - N1 https://developers.hubspot.com/docs/api-reference/crm-notes-v3/guide
//   - N2 https://developers.hubspot.com/docs/api/crm/tasks
//   - N3 https://developers.hubspot.com/docs/api/crm/calls
//   - N4 https://developers.hubspot.com/docs/api/crm/meetings
//   - A1 https://developers.hubspot.com/docs/api-reference/2026-03/authentication/manage-oauth-tokens
//   - U1 https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
//   - U2 https://community.hubspot.com/t5/APIs-Integrations/Hubspot-User-experience/m-p/511719
//   - W1 https://developers.hubspot.com/docs/api/webhooks
//   - W3 https://developers.hubspot.com/changelog/introducing-version-3-of-webhook-signatures
//   - F1 https://developers.hubspot.com/docs/faq/how-should-timestamps-be-formatted-for-hubspots-apis
//   - F2 https://developers.hubspot.com/docs/faq/how-do-i-set-multiple-values-for-checkbox-properties
//   - F3 https://developers.hubspot.com/docs/api/faq
//   - S  HubSpot's public OpenAPI documents (HubSpot/HubSpot-public-api-spec-collection), read, not copied
//   - O  seen in the official client libraries or in reports about the live API, on no official page
//
// Where HubSpot takes more than it documents, the fake is the stricter of the
// two: unknown query parameters and body keys are errors here, so that a typo in
// a caller cannot pass.
//
// The same endpoints answer under the v3 paths and under those of 2026-03 (S).
package hubspotfake
