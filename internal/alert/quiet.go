package alert

import (
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// digestHour is when a daily digest goes out where there are no quiet hours,
// at whose end it goes out otherwise; UTC.
const digestHour = 8

// due is when a mail that is made now may be sent, and whether it was held and
// goes with others.
func due(n *crm.Notify, now time.Time) (at time.Time, held bool) {
	at = now
	switch n.Digest {
	case "", crm.DigestOff:
	case crm.DigestHourly:
		at, held = now.Truncate(time.Hour).Add(time.Hour), true
	case crm.DigestDaily:
		at, held = nextDaily(n.QuietHours, now), true
	}
	if end := quietUntil(n.QuietHours, at); !end.IsZero() {
		at, held = end, true
	}
	return at.UTC(), held
}

func nextDaily(q *crm.QuietHours, now time.Time) time.Time {
	hour, minute, zone := digestHour, 0, time.UTC
	if _, to, loc, ok := hours(q); ok {
		hour, minute, zone = to/60, to%60, loc
	}
	local := now.In(zone)
	at := time.Date(local.Year(), local.Month(), local.Day(), hour, minute, 0, 0, zone)
	if !at.After(now) {
		at = time.Date(local.Year(), local.Month(), local.Day()+1, hour, minute, 0, 0, zone)
	}
	return at
}

// quietUntil is when the quiet hours end that at is in; zero = it is in none.
func quietUntil(q *crm.QuietHours, at time.Time) time.Time {
	from, to, zone, ok := hours(q)
	if !ok || from == to {
		return time.Time{}
	}
	local := at.In(zone)
	minute := local.Hour()*60 + local.Minute()
	days := 0
	switch {
	case from < to && (minute < from || minute >= to), from > to && minute >= to && minute < from:
		return time.Time{}
	case from > to && minute >= from:
		days = 1
	}
	return time.Date(local.Year(), local.Month(), local.Day()+days, to/60, to%60, 0, 0, zone)
}

// hours reads quiet hours, in minutes of the day; ok is false for none.
func hours(q *crm.QuietHours) (from, to int, zone *time.Location, ok bool) {
	if q == nil {
		return 0, 0, nil, false
	}
	a, err1 := time.Parse("15:04", q.From)
	b, err2 := time.Parse("15:04", q.To)
	zone, err3 := time.LoadLocation(q.TimeZone)
	if err1 != nil || err2 != nil || err3 != nil {
		return 0, 0, nil, false // the API lets none of these in
	}
	return a.Hour()*60 + a.Minute(), b.Hour()*60 + b.Minute(), zone, true
}
