// Package pipedrivefake is a Pipedrive company on fakekit, written from Pipedrive's
// documents and for nobody's connector: persons, organizations and deals with custom
// fields and activities through version 2, users and OAuth, webhooks of version 2.
//
// What it does as documented: pages by opaque cursors; unknown parameters of a
// listing are ignored in silence; a search is for two characters at least and knows
// of a change only after its lag; deleted persons and organizations are in no
// listing; values are typed strictly; the person of an activity is its primary
// participant, and is not taken by itself; lists are replaced whole; times are whole
// seconds; every call costs tokens of a daily budget; every answer to a call tells
// of the burst limit; a receiver of webhooks that fails often is banned for a while,
// and misses what happens meanwhile.
//
// Sources: [S2] the OpenAPI document of version 2, [S1] that of version 1, [A1]
// marketplace-oauth-authorization, [L] core-api-concepts-rate-limiting, [E1]
// core-api-concepts-responses, [W1] guide-for-webhooks-v2, all on Pipedrive's site.
//
// Guesses: an activity about a record that is not there is refused; so is one without a
// subject or a type; a deleted record answers 404; a list that is sent replaces the old one;
// what failed counts towards a ban however long ago it was; a person's first name is
// what stands before the first blank.
package pipedrivefake
