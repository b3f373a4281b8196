package googlecontacts

import (
	"context"
	"net/url"
	"strconv"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/scan"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Changes implements connector.Connector.
func (a *account) Changes(ctx context.Context, req connector.ChangesRequest) (connector.ChangesPage, error) {
	const op = "googlecontacts: list"
	if err := check(op, req.Object, 0); err != nil {
		return connector.ChangesPage{}, err
	}
	return scan.ByToken(ctx, lists{a, op, req.Fields}, req, scan.TokenOptions{Bound: mask}, a.client.Clock())
}

// lists lists contacts.
type lists struct {
	*account

	op     string
	fields []string
}

// listed is a page of contacts.
type listed struct {
	People []person `json:"connections"`
	Next   string   `json:"nextPageToken"`
	Token  string   `json:"nextSyncToken"`
	Total  int      `json:"totalItems"`
}

// list lists one page.
func (a *account) list(
	ctx context.Context, op string, q url.Values, after string,
) (out listed, r rest.Request, err error) {
	q.Set("personFields", mask)
	q.Set("sources", contactSource)
	q.Set("pageSize", strconv.Itoa(pageSize))
	if after != "" {
		q.Set("pageToken", after)
	}
	r = rest.Request{Op: op, Path: "/v1/people/me/connections", Query: q}
	_, err = a.client.Call(ctx, r, &out)
	if err == nil && out.Next != "" && len(out.People) == 0 {
		err = rest.Malformed(r, "Google's page is empty and not the last")
	}
	return out, r, err
}

// From implements scan.TokenSource. A contact that was given another name comes with those that
// it had, of which nothing else tells.
func (s lists) From(ctx context.Context, token, after string) (scan.TokenPage, error) {
	q := url.Values{"requestSyncToken": {"true"}}
	if token != "" {
		q.Set("syncToken", token)
	}
	out, r, err := s.list(ctx, s.op, q, after)
	if err != nil {
		return scan.TokenPage{}, err
	}
	var in []entry
	for i := range out.People {
		in = append(in, out.People[i].fields[labels]...)
	}
	known, err := s.labelled(ctx, s.op, s.fields, in...)
	if err != nil {
		return scan.TokenPage{}, err
	}
	page := scan.TokenPage{Records: make([]crm.Record, 0, len(out.People)), Next: out.Next, Token: out.Token}
	if token == "" {
		page.Total = max(out.Total, 0)
	}
	for i := range out.People {
		p := &out.People[i]
		rec, err := p.record(r, s.fields, known)
		if err != nil {
			return scan.TokenPage{}, err
		}
		for _, name := range p.Meta.Previous {
			if was, ok := idOf(name); ok && was != rec.ID && !rec.Deleted {
				page.Records = append(page.Records, crm.Record{ID: was, Deleted: true, MergedInto: rec.ID})
			}
		}
		page.Records = append(page.Records, rec)
	}
	return page, nil
}

var _ scan.TokenSource = lists{}
