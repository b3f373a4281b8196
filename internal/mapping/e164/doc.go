// Package e164 brings telephone numbers into E.164, the one form that is
// the same from everywhere: +493012345678.
//
// It does the part of libphonenumber that one call needs: telling what was
// dialled in front of a number (plus sign, international or national prefix,
// country code) from the number, by the numbering plan of a region, and asking
// whether what remains has a length that occurs there (Format) and is of a kind
// that is given out there (Valid). Whether a number is in use it cannot tell,
// and does not try.
//
// The plans are libphonenumber's (Apache License 2.0), taken from
// github.com/nyaruka/phonenumbers into plans.txt by
//
//	LOCKSTEP_UPDATE=1 go test ./internal/mapping/e164
//
// The same library judges the results: tests hold the answers for every kind
// of number, however it is written, against its own. It is not linked into the
// functions that are deployed, to which it would add 4 MB and 7 ms of every
// start; the program for one machine has it, to check its demo.
package e164
