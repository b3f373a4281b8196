package scan

import (
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// malformed is an app's answer that would have a scan go astray.
func malformed(op, why string) error {
	return fault.New(op, fault.Unavailable, connector.CodeMalformed, why)
}

// BadPosition is the refusal of a position that no scan returned.
func BadPosition(op string) error {
	return fault.New(op, fault.Invalid, connector.CodePosition, "the position is not one that a scan returned")
}

// Key is a place in the order of (time, ID), for apps that can be asked for what
// comes behind both.
type Key struct {
	At time.Time
	ID crm.RecordID
}

// String is the key's text form.
func (k Key) String() string { return k.At.UTC().Format(time.RFC3339Nano) + " " + string(k.ID) }

// ParseKey reads what String wrote; "" is the zero Key.
func ParseKey(op, s string, id func(string) (crm.RecordID, bool)) (Key, error) {
	if s == "" {
		return Key{}, nil
	}
	at, rest, _ := strings.Cut(s, " ")
	t, err := time.Parse(time.RFC3339Nano, at)
	one, ok := id(rest)
	if err != nil || !ok {
		return Key{}, BadPosition(op)
	}
	return Key{t, one}, nil
}

func (k Key) less(o Key) bool {
	if !k.At.Equal(o.At) {
		return k.At.Before(o.At)
	}
	return k.ID < o.ID
}

// Behind returns the key of a page's last record; the page must be in order and lie
// behind k.
func (k Key) Behind(op string, records []crm.Record) (Key, error) {
	last := k
	for _, r := range records {
		next := Key{r.ModifiedAt, r.ID}
		if last.ID != "" && !last.less(next) {
			return Key{}, malformed(op, "the app listed records out of order")
		}
		last = next
	}
	return last, nil
}

// Instant is a place for apps that sort by time alone: everything modified before
// From was listed. Where one instant fills a whole page, Tie has that instant listed
// by itself, behind After in an order that has no ties, and the scan goes on with
// the instant after it.
type Instant struct {
	From  time.Time
	Tie   bool
	After string
}

// String is the place's text form: "1767225600000", "1767225600000/1234".
func (i Instant) String() string {
	s := strconv.FormatInt(i.From.UnixMilli(), 10)
	if i.Tie {
		s += "/" + i.After
	}
	return s
}

// ParseInstant reads what String wrote; "" is the place at from. valid says whether
// an After can be one.
func ParseInstant(op, s string, from time.Time, valid func(string) bool) (Instant, error) {
	if s == "" {
		if epoch := time.UnixMilli(0).UTC(); from.Before(epoch) {
			from = epoch // no app is that old
		}
		return Instant{From: from}, nil
	}
	ms, after, tie := strings.Cut(s, "/")
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil || tie && after != "" && !valid(after) {
		return Instant{}, BadPosition(op)
	}
	return Instant{From: time.UnixMilli(n).UTC(), Tie: tie, After: after}, nil
}

// Next is the place after a page of records, "" at the end. more says that the app
// has more of what was asked for, after where it goes on within a tie, grain how
// finely the app tells times.
func (i Instant) Next(op string, records []crm.Record, more bool, after string, grain time.Duration) (string, error) {
	if len(records) == 0 && more {
		return "", malformed(op, "the app's page is empty and not the last")
	}
	switch {
	case i.Tie && more && after == i.After:
		return "", malformed(op, "the app repeated a page position")
	case i.Tie && more:
		return Instant{From: i.From, Tie: true, After: after}.String(), nil
	case i.Tie:
		return Instant{From: i.From.Add(grain)}.String(), nil
	case !more:
		return "", nil
	}
	latest := records[len(records)-1].ModifiedAt.Truncate(grain)
	switch {
	case latest.Before(i.From.Truncate(grain)):
		return "", malformed(op, "the app listed records out of order")
	case latest.Equal(i.From.Truncate(grain)):
		return Instant{From: latest, Tie: true}.String(), nil
	}
	return Instant{From: latest}.String(), nil
}
