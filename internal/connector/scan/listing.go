package scan

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Lister lists one object of an app that cannot be asked what changed. Each call is
// one request.
type Lister interface {
	// All lists one page of every live record, in an order that edits do not change.
	All(ctx context.Context, after string) (Result, error)
}

// defaultPrints bounds what ByListing remembers: 8 bytes a record, 43 KB of cursor.
const defaultPrints = 4096

// prints are fingerprints of records as last listed, ID and values in one, in order.
type prints []uint64

// listingCursor is what one listing leaves for the next one.
type listingCursor struct {
	Prints prints `json:"h"`
}

// listingPosition is where a listing stands between two pages.
type listingPosition struct {
	Full  bool   `json:"a,omitempty"`
	After string `json:"k"`
	Last  prints `json:"l,omitempty"`
	Now   prints `json:"h,omitempty"`
	Ring  ring   `json:"r,omitempty"`
}

// ByListing answers connector.Connector.Changes for an app without a filter by time:
// everything is listed each time, and what looks as it did at the last time is left
// out. Fingerprints of remember records are kept (0 = 4,096); records beyond those
// come again each time, which costs their reader work and loses nothing. Other fields
// asked for are other fingerprints. What is gone is found by a full scan.
func ByListing(
	ctx context.Context, src Lister, req connector.ChangesRequest, remember int,
) (connector.ChangesPage, error) {
	if remember <= 0 {
		remember = defaultPrints
	}
	pos := listingPosition{Full: req.Full}
	var err error
	switch {
	case req.Position != "":
		err = decode(req.Position, &pos)
	case req.Until != "" || strings.HasPrefix(req.Cursor, markPrefix):
		err = BadPosition("scan: read mark") // none was given
	case req.Cursor != "" && !req.Full:
		var last listingCursor
		err = decode(req.Cursor, &last)
		pos.Last = last.Prints
	}
	if err != nil {
		return connector.ChangesPage{}, err
	}
	res, err := src.All(ctx, pos.After)
	if err != nil {
		return connector.ChangesPage{}, err
	}
	page := connector.ChangesPage{Records: pos.fresh(res.Records, req.Fields, remember)}
	if pos.Full {
		page.Total = max(res.Total, 0)
	}
	if res.Next == "" {
		page.Cursor, err = encode(listingCursor{Prints: pos.Now})
		return page, err
	}
	if err := pos.Ring.pass(res.Next); err != nil {
		return connector.ChangesPage{}, err
	}
	pos.After = res.Next
	page.Next, err = encode(pos)
	return page, err
}

// fresh remembers records, as far as there is room, and returns those that were not
// listed alike.
func (p *listingPosition) fresh(records []crm.Record, fields []string, remember int) []crm.Record {
	out := make([]crm.Record, 0, len(records))
	for _, r := range records {
		print := hash(string(r.ID) + "\x00" + looks(r, fields))
		if _, same := slices.BinarySearch(p.Last, print); !same {
			out = append(out, r)
		}
		if at, twice := slices.BinarySearch(p.Now, print); !twice && len(p.Now) < remember {
			p.Now = slices.Insert(p.Now, at, print)
		}
	}
	return out
}

// MarshalText packs fingerprints in order, 8 bytes each.
func (p prints) MarshalText() ([]byte, error) {
	raw := make([]byte, 0, 8*len(p))
	for _, h := range p {
		raw = binary.BigEndian.AppendUint64(raw, h)
	}
	return []byte(base64.RawURLEncoding.EncodeToString(raw)), nil
}

// UnmarshalText reads what MarshalText wrote.
func (p *prints) UnmarshalText(b []byte) error {
	raw, err := base64.RawURLEncoding.DecodeString(string(b))
	if err != nil || len(raw)%8 != 0 {
		return fault.New("scan: read cursor", fault.Invalid, connector.CodePosition, "the remembered listing is damaged")
	}
	*p = make(prints, 0, len(raw)/8)
	for ; len(raw) > 0; raw = raw[8:] {
		*p = append(*p, binary.BigEndian.Uint64(raw))
	}
	return nil
}
