package scan

import (
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Walk is a place in a listing that begins at a time and is in the order of times, for
// apps that are paged by a cursor, a number or an offset: nothing but the page within
// what one time listed is theirs. Each page that gets past its time begins anew at the
// time of its last record; After is the app's own place as long as it does not. So a
// record that moves to the end while the listing goes on moves no other one out of sight.
//
// Times are told apart by a grain, which is a day where an app's filter knows days only.
// Within one grain the app's own places count, and offsets may move: an overlap of a
// grain has what was moved out of sight listed by the next scan.
type Walk struct {
	From  time.Time
	After string
}

// String is the place's text form: "1767225600000", "1767225600000/cursor".
func (w Walk) String() string {
	s := strconv.FormatInt(w.From.UnixMilli(), 10)
	if w.After != "" {
		s += "/" + w.After
	}
	return s
}

// ParseWalk reads what String wrote; "" is the place at from, at the start of its grain.
func ParseWalk(op, s string, from time.Time, grain time.Duration) (Walk, error) {
	if s == "" {
		if epoch := time.UnixMilli(0).UTC(); from.Before(epoch) {
			from = epoch // no app is that old
		}
		return Walk{From: from.Truncate(grain)}, nil
	}
	ms, after, _ := strings.Cut(s, "/")
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil {
		return Walk{}, BadPosition(op)
	}
	return Walk{From: time.UnixMilli(n).UTC(), After: after}, nil
}

// Next is the place after a page, "" at the end. more says that the app has more of
// what was asked for, and after where it goes on.
func (w Walk) Next(op string, records []crm.Record, more bool, after string, grain time.Duration) (string, error) {
	for i, r := range records {
		if r.ModifiedAt.Before(w.From) {
			return "", malformed(op, "the app lists records that were not asked for")
		}
		if i > 0 && r.ModifiedAt.Truncate(grain).Before(records[i-1].ModifiedAt.Truncate(grain)) {
			return "", malformed(op, "the app listed records out of order")
		}
	}
	switch {
	case !more:
		return "", nil
	case len(records) == 0:
		return "", malformed(op, "the app's page is empty and not the last")
	}
	if latest := records[len(records)-1].ModifiedAt.Truncate(grain); latest.After(w.From) {
		return Walk{From: latest}.String(), nil
	}
	if after == "" || after == w.After {
		return "", malformed(op, "the app repeated a page position")
	}
	return Walk{From: w.From, After: after}.String(), nil
}
