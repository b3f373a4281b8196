// Package api is the REST surface: it decodes a request, asks one use case and
// encodes the answer. docs/api.md is its guide, GET /v1/openapi.json its full
// description, generated from the same values that serve.
//
// A request passes, in this order: an ID of its own, headers for browsers, the
// host check, the route, the caller, the caller's role (the table in
// routes.go), the body (size, encoding, strict JSON, schema), the memory for
// Idempotency-Key, and then its handler. Whatever goes wrong anywhere becomes
// application/problem+json with a code of the dictionary in codes.go.
//
// Nothing here logs bodies, values, tokens or paths with tokens in them.
package api
