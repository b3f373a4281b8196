// Package restapi is the HTTP surface of the functions that serve one.
package restapi
