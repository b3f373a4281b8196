package mapping

import (
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// dateLayout is how dates are written on every side and in canonical form.
const dateLayout = "2006-01-02"

// canonicalTimeLayout and rawTimeLayout are always used in UTC.
const (
	canonicalTimeLayout = "2006-01-02T15:04:05Z"
	rawTimeLayout       = "2006-01-02T15:04:05.000Z"
)

// Moment is a date, or an instant.
type Moment struct {
	Time     time.Time // an instant; for a date its midnight in UTC
	DateOnly bool
}

// Layouts accepted after "t", "z" and a blank separator were made "T" and "Z".
// Go accepts a fraction after the seconds of any of them.
var zonedLayouts = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07",
	"2006-01-02T15:04Z07:00", "2006-01-02T15:04Z0700", "2006-01-02T15:04Z07",
}
var localLayouts = []string{"2006-01-02T15:04:05", "2006-01-02T15:04"}

// ParseMoment reads a date (2006-01-02) or an instant: ISO 8601 with an offset,
// without one (then meant in zone; nil is UTC) or, when epoch is set, whole
// milliseconds since 1970 as text or number. Local notations such as 1/2/2026
// are refused, because countries read them differently.
func ParseMoment(v crm.Value, zone *time.Location, epoch bool) (Moment, bool) {
	if v.Kind() == crm.List || v.Kind() == crm.Bool {
		return Moment{}, false
	}
	s := strings.TrimSpace(v.Text())
	if t, err := time.Parse(dateLayout, s); err == nil {
		return Moment{Time: t, DateOnly: true}, inRange(t)
	}
	if epoch {
		if ms, ok := epochMillis(s); ok {
			t := time.UnixMilli(ms).UTC()
			return Moment{Time: t}, inRange(t)
		}
	}
	if len(s) < len("2006-01-02T15:04") || len(s) > 40 {
		return Moment{}, false
	}
	if c := s[10]; c == ' ' || c == 't' {
		s = s[:10] + "T" + s[11:]
	}
	if strings.HasSuffix(s, "z") {
		s = s[:len(s)-1] + "Z"
	}
	for _, layout := range zonedLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return Moment{Time: t.UTC()}, inRange(t.UTC())
		}
	}
	for _, layout := range localLayouts {
		if t, err := time.ParseInLocation(layout, s, orUTC(zone)); err == nil {
			return Moment{Time: t.UTC()}, inRange(t.UTC())
		}
	}
	return Moment{}, false
}

// epochMillis reads whole milliseconds; JSON may carry them as 1.7e12 or 5.0.
func epochMillis(s string) (int64, bool) {
	d, ok := CanonicalNumber(s)
	if !ok {
		return 0, false
	}
	ms, err := strconv.ParseInt(d, 10, 64)
	return ms, err == nil
}

// inRange keeps to years that are written with four digits, with room for the
// shift of a zone.
func inRange(t time.Time) bool { return t.Year() >= 1 && t.Year() <= 9999 }

func orUTC(zone *time.Location) *time.Location {
	if zone == nil {
		return time.UTC
	}
	return zone
}

// Instant returns the moment as an instant; a date begins at its midnight in
// zone. It reports false for a date that zone skipped.
func (m Moment) Instant(zone *time.Location) (time.Time, bool) {
	if !m.DateOnly {
		return m.Time, true
	}
	return startOfDay(m.Time, orUTC(zone))
}

// Date returns the moment's calendar day in zone as midnight UTC of that day.
func (m Moment) Date(zone *time.Location) time.Time {
	if m.DateOnly {
		return m.Time
	}
	return dayOf(m.Time, orUTC(zone))
}

func dayOf(t time.Time, zone *time.Location) time.Time {
	y, mo, d := t.In(zone).Date()
	return time.Date(y, mo, d, 0, 0, 0, 0, time.UTC)
}

// startOfDay finds the first whole hour that belongs to the day in zone:
// midnight, except where the clocks jump over it. A day that a zone left out
// altogether (Apia, 30 December 2011) has none.
func startOfDay(day time.Time, zone *time.Location) (time.Time, bool) {
	y, mo, d := day.Date()
	for hour := range 24 {
		t := time.Date(y, mo, d, hour, 0, 0, 0, zone)
		if dayOf(t, zone).Equal(day) {
			return t.UTC(), inRange(t.UTC())
		}
	}
	return time.Time{}, false
}

// Day returns the moment as the date that a field of dates holds. An instant
// that is midnight in UTC is the date itself there: that is how HubSpot writes
// dates. Every other instant falls on its day in zone.
func (m Moment) Day(zone *time.Location) Moment {
	day := m.Date(zone)
	if !m.DateOnly && m.Time.Equal(m.Time.Truncate(24*time.Hour)) {
		day = m.Date(time.UTC)
	}
	return Moment{Time: day, DateOnly: true}
}

// parseDate reads the canonical date of a raw value, from a field of dates or
// of instants.
func parseDate(raw crm.Value, holdsInstants, epoch bool, own, zone *time.Location) (crm.Value, bool) {
	m, ok := ParseMoment(raw, own, epoch)
	if !ok {
		return crm.Value{}, false
	}
	day := m.Date(zone)
	if !holdsInstants {
		day = m.Day(zone).Time
	}
	return crm.TextValue(day.Format(dateLayout)), inRange(day)
}

// parseInstant reads the canonical datetime of a raw value; a date without a
// time begins at midnight in zone.
func parseInstant(raw crm.Value, epoch bool, zone *time.Location) (crm.Value, bool) {
	m, ok := ParseMoment(raw, zone, epoch)
	if !ok {
		return crm.Value{}, false
	}
	t, ok := m.Instant(zone)
	if !ok {
		return crm.Value{}, false
	}
	return crm.TextValue(floorSecond(t).Format(canonicalTimeLayout)), true
}

// floorSecond drops the fraction; Truncate counts from year 1, so it is a floor.
func floorSecond(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
