package scan

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// defaultRemember bounds the remembered window: 16 bytes a record, so about
// 43 KB of cursor at most, well below the size limit of a stored item.
const defaultRemember = 2048

// ringSize is how many page positions a scan remembers to notice a circle.
const ringSize = 8

// ring holds the latest page positions of a scan, hashed.
type ring []uint64

// pass takes the step to the next page position.
//
// Errors: Unavailable when the scan has been there.
func (r *ring) pass(next string) error {
	h := hash(next)
	if slices.Contains(*r, h) {
		return malformed("scan: list page", "the app repeated a page position")
	}
	if *r = append(*r, h); len(*r) > ringSize {
		*r = (*r)[1:]
	}
	return nil
}

// cursor is what a finished scan leaves for the next one.
type cursor struct {
	From     time.Time `json:"f"`           // everything modified before it is settled: listed after its lag had passed
	Passed   time.Time `json:"p,omitzero"`  // our own clock at the last complete ascending pass; a heuristic for cost only
	Seen     seen      `json:"s,omitempty"` // records of the window [From, …) as last listed
	Overflow bool      `json:"o,omitempty"` // the window held more than Seen remembers
	Again    bool      `json:"g,omitempty"` // From was listed in pages that may have moved, and is listed once more
}

// position is where a scan stands between two pages.
type position struct {
	Full  bool      `json:"a,omitempty"`
	After string    `json:"k,omitempty"`
	Start time.Time `json:"n,omitzero"` // the app's time at the start of the scan
	Until time.Time `json:"u,omitzero"` // what was modified from then on is left out; zero = nothing is
	Last  cursor    `json:"c"`          // the cursor the scan started from
	Seen  seen      `json:"s,omitempty"`
	Over  bool      `json:"o,omitempty"`
	Ring  ring      `json:"r,omitempty"`
	Total int       `json:"t,omitempty"`
}

// seen maps a record's hashed ID to a hash of its time and values.
type seen map[uint64]uint64

// Next answers connector.Connector.Changes for a source. now is our own clock;
// it only decides when a cheap look may stand in for a full pass, so a wrong
// clock costs calls and never records.
//
// An incremental scan lists from the settled time on. While the last complete
// pass is younger than the overlap, one page of the newest records and the
// app's count can prove that nothing else is new: then the scan is one call.
// Values are compared besides times, because apps round times to seconds.
func Next(
	ctx context.Context, src Source, req connector.ChangesRequest, opts Options, now time.Time,
) (connector.ChangesPage, error) {
	if opts.Remember <= 0 {
		opts.Remember = defaultRemember
	}
	var pos position
	if req.Position != "" {
		if err := decode(req.Position, &pos); err != nil {
			return connector.ChangesPage{}, err
		}
		return step(ctx, src, req, opts, now, pos)
	}
	if req.Full {
		return step(ctx, src, req, opts, now, position{Full: true})
	}
	if err := pos.between(req.Cursor, req.Until); err != nil {
		return connector.ChangesPage{}, err
	}
	if opts.Memory > 0 && !pos.Last.From.IsZero() && now.Sub(pos.Last.From) > opts.Memory {
		return connector.ChangesPage{}, fault.New("scan: list changes", fault.Invalid, connector.CodeExpired,
			"the app has forgotten deletions since the last look; a full scan is needed")
	}
	if age := now.Sub(pos.Last.Passed); !pos.Last.Passed.IsZero() && age >= 0 && age < opts.Overlap &&
		!pos.Last.Overflow && !opts.Uncounted {
		page, done, err := newest(ctx, src, req, opts, pos.Last)
		if err != nil || done {
			return page, err
		}
	}
	return step(ctx, src, req, opts, now, pos)
}

// newest looks at the newest page only. done is false when that page and the
// count do not account for every record of the window.
func newest(
	ctx context.Context, src Source, req connector.ChangesRequest, opts Options, last cursor,
) (connector.ChangesPage, bool, error) {
	res, err := src.Since(ctx, Query{From: last.From, Newest: true})
	if err != nil {
		return connector.ChangesPage{}, false, err
	}
	known := make(seen, len(last.Seen)+len(res.Records))
	for id, d := range last.Seen {
		known[id] = d
	}
	fresh := known.add(res.Records, req.Fields, last.Seen)
	if res.Total != len(known) || len(known) > opts.Remember {
		return connector.ChangesPage{}, false, nil
	}
	end, err := encode(cursor{From: last.From, Passed: last.Passed, Seen: known})
	return connector.ChangesPage{Records: fresh, Cursor: end, Mark: mark(last.From), Total: len(fresh)}, true, err
}

// between reads where a scan begins and ends.
func (p *position) between(from, until string) (err error) {
	if until != "" {
		if p.Until, err = parseMark(until); err != nil {
			return err
		}
	}
	switch {
	case from == "":
		return nil
	case strings.HasPrefix(from, markPrefix):
		p.Last.From, err = parseMark(from)
		return err
	}
	return decode(from, &p.Last)
}

// step lists one page of a full or an ascending scan.
func step(
	ctx context.Context, src Source, req connector.ChangesRequest, opts Options, now time.Time, pos position,
) (connector.ChangesPage, error) {
	res, err := list(ctx, src, pos)
	if err != nil {
		return connector.ChangesPage{}, err
	}
	if pos.Start.IsZero() {
		pos.Start = res.Now
		pos.Total = max(res.Total, 0)
	}
	if pos.beyond(&res) && !opts.Unordered {
		res.Next = ""
	}
	records := res.Records
	if !pos.Full {
		records = pos.note(res.Records, req.Fields, opts)
	}
	page := connector.ChangesPage{Records: records, Total: pos.Total}
	if res.Next == "" {
		if !pos.Until.IsZero() {
			page.Cursor = mark(pos.Until)
			return page, nil
		}
		end := pos.finish(opts, now)
		page.Mark = mark(end.From)
		page.Cursor, err = encode(end)
		return page, err
	}
	if err := pos.Ring.pass(res.Next); err != nil {
		return connector.ChangesPage{}, err
	}
	pos.After = res.Next
	page.Next, err = encode(pos)
	return page, err
}

func list(ctx context.Context, src Source, pos position) (Result, error) {
	if pos.Full {
		return src.All(ctx, pos.After)
	}
	return src.Since(ctx, Query{From: pos.Last.From, After: pos.After})
}

// pastEnd is how many records after the end of a scan, one after the other, say
// that nothing before it is left: one alone may be out of order, because it was
// edited while the app answered (github.com/estuary/connectors/pull/2210).
const pastEnd = 3

// beyond takes out of a page what was modified after the end of the scan, and
// reports whether the page ends there: then nothing before it is left.
func (p *position) beyond(res *Result) bool {
	if p.Until.IsZero() {
		return false
	}
	past := func(r crm.Record) bool { return !r.ModifiedAt.Before(p.Until) }
	tail := res.Records[max(0, len(res.Records)-pastEnd):]
	over := len(tail) > 0 && !slices.ContainsFunc(tail, func(r crm.Record) bool { return !past(r) })
	res.Records = slices.DeleteFunc(res.Records, past)
	return over
}

// note remembers what the window held and returns the records that look new.
func (p *position) note(records []crm.Record, fields []string, opts Options) []crm.Record {
	if p.Seen == nil {
		p.Seen = seen{}
	}
	var window []crm.Record
	edge := p.Start.Add(-opts.Overlap)
	for _, r := range records {
		if p.Start.IsZero() || !r.ModifiedAt.Before(edge) {
			window = append(window, r)
		}
	}
	p.Seen.add(window, fields, nil)
	p.Over = p.Over || len(p.Seen) > opts.Remember
	if p.Over {
		p.Seen = seen{}
	}
	return seen{}.add(records, fields, p.Last.Seen)
}

// finish returns the cursor after a complete scan. Everything older than the
// app's own time at the start, less the overlap, was listed after its lag had
// passed and is settled.
func (p *position) finish(opts Options, now time.Time) cursor {
	if opts.Moving && len(p.Ring) > 0 && !p.Last.Again {
		return cursor{From: p.Last.From, Seen: p.Seen, Overflow: p.Over, Again: true}
	}
	if p.Start.IsZero() {
		return p.Last // the app tells no time: list from the same place again
	}
	from := p.Start.Add(-opts.Overlap)
	if from.Before(p.Last.From) {
		from = p.Last.From // the app's clock went back; the settled time does not
	}
	c := cursor{From: from, Seen: p.Seen, Overflow: p.Over}
	if !p.Full {
		c.Passed = now
	}
	return c
}

// add puts records into s and returns those that old does not hold alike.
func (s seen) add(records []crm.Record, fields []string, old seen) []crm.Record {
	fresh := make([]crm.Record, 0, len(records))
	for _, r := range records {
		id, d := hash(string(r.ID)), content(r, fields)
		if was, ok := old[id]; !ok || was != d {
			fresh = append(fresh, r)
		}
		s[id] = d
	}
	return fresh
}

func content(r crm.Record, fields []string) uint64 { return hash(looks(r, fields)) }

// looks is what two looks at a record differ in if it changed.
func looks(r crm.Record, fields []string) string {
	flags := "live"
	if r.Deleted {
		flags = "deleted " + string(r.MergedInto)
	}
	return r.ModifiedAt.UTC().Format(time.RFC3339Nano) + flags + r.Fields.Digest(fields)
}

func hash(s string) uint64 {
	h := sha256.Sum256([]byte(s))
	return binary.BigEndian.Uint64(h[:8])
}

// MarshalText packs the map in key order, 16 bytes a record.
func (s seen) MarshalText() ([]byte, error) {
	ids := make([]uint64, 0, len(s))
	for id := range s {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	raw := make([]byte, 0, 16*len(ids))
	for _, id := range ids {
		raw = binary.BigEndian.AppendUint64(raw, id)
		raw = binary.BigEndian.AppendUint64(raw, s[id])
	}
	return []byte(base64.RawURLEncoding.EncodeToString(raw)), nil
}

// UnmarshalText reads what MarshalText wrote.
func (s *seen) UnmarshalText(b []byte) error {
	raw, err := base64.RawURLEncoding.DecodeString(string(b))
	if err != nil || len(raw)%16 != 0 {
		return fault.New("scan: read cursor", fault.Invalid, connector.CodePosition, "the remembered window is damaged")
	}
	*s = make(seen, len(raw)/16)
	for ; len(raw) > 0; raw = raw[16:] {
		(*s)[binary.BigEndian.Uint64(raw)] = binary.BigEndian.Uint64(raw[8:])
	}
	return nil
}

// markPrefix begins a mark; no cursor begins with it.
const markPrefix = "@"

// mark is the short name of a time, rounded down to what is sure to be listed.
func mark(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return markPrefix + strconv.FormatInt(t.UnixMilli(), 10)
}

func parseMark(text string) (time.Time, error) {
	ms, err := strconv.ParseInt(strings.TrimPrefix(text, markPrefix), 10, 64)
	if err != nil || !strings.HasPrefix(text, markPrefix) {
		return time.Time{}, fault.New("scan: read mark", fault.Invalid, connector.CodePosition,
			"the mark is not one that a scan returned")
	}
	return time.UnixMilli(ms).UTC(), nil
}

// encode writes v with a checksum, so that a damaged or foreign text is
// refused instead of half-read.
func encode(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	h := fnv.New32a()
	h.Write(b)
	return base64.RawURLEncoding.EncodeToString(h.Sum(b)), nil
}

func decode(text string, v any) error {
	bad := fault.New("scan: read position", fault.Invalid, connector.CodePosition,
		"the position is not one that a scan returned")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) < 4 {
		return bad
	}
	body, sum := raw[:len(raw)-4], raw[len(raw)-4:]
	h := fnv.New32a()
	h.Write(body)
	if !slices.Equal(h.Sum(nil), sum) {
		return bad
	}
	if err := json.Unmarshal(body, v); err != nil {
		return bad
	}
	return nil
}
