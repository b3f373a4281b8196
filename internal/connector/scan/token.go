package scan

import (
	"context"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// TokenSource lists one object of an app that ends each listing with a token, and
// lists from a token what changed since it was given. It tells no times that could
// be asked for, so there are no marks.
type TokenSource interface {
	// From lists one page, by one request: what changed since token, deletions
	// included, or every live record when it is "". after is TokenPage.Next of the
	// page before.
	//
	// Errors: Invalid with code "cursor_expired" for a token that the app no longer
	// knows.
	From(ctx context.Context, token, after string) (TokenPage, error)
}

// TokenPage is one page of a TokenSource.
type TokenPage struct {
	Records []crm.Record
	Next    string // "" = no more
	Token   string // of the last page: where the next listing begins
	Total   int    // of the whole listing; 0 = the app does not say
}

// TokenOptions tune ByToken for an app.
type TokenOptions struct {
	// Life is how long the app knows a token; 0 = for ever.
	Life time.Duration
	// Bound is what a token is good for besides its object, such as the fields that
	// were asked for: from another one it has expired.
	Bound string
}

// tokenCursor is where a listing by tokens ended.
type tokenCursor struct {
	Token string    `json:"t"`
	Given time.Time `json:"g,omitzero"` // by our own clock, at the start of the listing that ended with it
	Bound string    `json:"b,omitempty"`
}

// tokenPosition is where a listing by tokens stands between two pages.
type tokenPosition struct {
	Token string    `json:"t,omitempty"`
	After string    `json:"k"`
	Start time.Time `json:"n"`
	Bound string    `json:"b,omitempty"`
	Ring  ring      `json:"r,omitempty"`
}

// ByToken answers connector.Connector.Changes for a source that lists by tokens. now
// is our own clock; it tells when a token has outlived its life without asking.
//
// Errors: Invalid with code "cursor_expired" when only a full scan can tell what changed.
func ByToken(
	ctx context.Context, src TokenSource, req connector.ChangesRequest, opts TokenOptions, now time.Time,
) (connector.ChangesPage, error) {
	pos := tokenPosition{Start: now, Bound: opts.Bound}
	var err error
	switch {
	case req.Position != "":
		err = decode(req.Position, &pos)
	case req.Until != "" || strings.HasPrefix(req.Cursor, markPrefix):
		err = BadPosition("scan: read mark") // none was given
	case req.Cursor != "" && !req.Full:
		var last tokenCursor
		if err = decode(req.Cursor, &last); err == nil && last.Token != "" {
			pos.Token = last.Token
			if last.Bound != opts.Bound || opts.Life > 0 && now.Sub(last.Given) >= opts.Life {
				err = expired("the app no longer knows where the last listing ended")
			}
		}
	}
	if err == nil && pos.Bound != opts.Bound {
		err = expired("what is asked for changed during the listing")
	}
	if err != nil {
		return connector.ChangesPage{}, err
	}
	got, err := src.From(ctx, pos.Token, pos.After)
	if err != nil {
		return connector.ChangesPage{}, err
	}
	page := connector.ChangesPage{Records: got.Records, Total: got.Total}
	if got.Next == "" {
		if got.Token == "" {
			return connector.ChangesPage{}, malformed("scan: list page", "the last page of the app's listing has no token")
		}
		page.Cursor, err = encode(tokenCursor{Token: got.Token, Given: pos.Start, Bound: pos.Bound})
		return page, err
	}
	if err := pos.Ring.pass(got.Next); err != nil {
		return connector.ChangesPage{}, err
	}
	pos.After = got.Next
	page.Next, err = encode(pos)
	return page, err
}

func expired(why string) error {
	return fault.New("scan: list changes", fault.Invalid, connector.CodeExpired, why+"; a full scan is needed")
}
