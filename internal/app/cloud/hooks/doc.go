// Package hooks is the HTTP surface of the function that takes deliveries of
// apps in, and nothing else: without the REST surface it is half as large.
package hooks
