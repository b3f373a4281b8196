// Package scrape tells Prometheus how a program fares: what it counted itself, and
// what the store says of the connections. A scrape asks no app and reads a bounded part of
// the store: of many connections those that were not looked at for longest, while the
// others are told of as they were, with the age of that.
package scrape
