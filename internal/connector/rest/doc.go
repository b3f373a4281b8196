// Package rest makes one HTTP call to an app as every connector must: bounded in
// size, without following redirects, with credentials that are renewed at most
// once, and with every failure classified once.
//
//   - An App says what calls of one app have in common; Open checks an account's
//     whole configuration, names every problem, and returns a Client.
//   - Client.Call makes one request, and the same once more with a new token when
//     the app refuses the one in use. Nothing goes out under a context that has ended.
//   - Errors is the table of what an app's statuses and words mean. What it does not
//     say is what the status usually means.
//   - A write whose request may have reached the app has MayHaveLanded set: no
//     complete answer, a redirect, 408 and 5xx.
//   - OAuth authorises accounts by golang.org/x/oauth2.
//
// An app's messages repeat values of fields: none is passed on. What is kept for
// the log is made of the request as it was asked for, which never holds a credential.
package rest
