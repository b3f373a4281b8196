package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/apiclient"
)

// consents reports whether the fake lets nobody in but through its consent page.
func (f *fakeServer) consents() bool { return f.kind.Consent }

// consented makes an account as an admin's browser would: over the fake's consent page,
// where everybody agrees.
func (d *demo) consented(ctx context.Context, app string, f *fakeServer) (crm.AccountID, error) {
	err := d.api.Call(ctx, http.MethodPut, "/v1/apps/"+app+"/client", map[string]string{
		"client_id": f.kind.Credentials["client_id"], "client_secret": f.kind.Credentials["client_secret"],
		"redirect_uri": d.api.Base + "/v1/oauth/callback",
	}, nil)
	if err != nil {
		return "", err
	}
	var begun struct {
		URL string `json:"url"`
	}
	if err := d.api.Call(ctx, http.MethodPost, "/v1/oauth/"+app+"/authorizations", map[string]string{
		"name": f.kind.name + " (fake)", "base_url": f.url,
	}, &begun); err != nil {
		return "", err
	}
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	page, cookie, err := redirected(ctx, browser, begun.URL)
	if err != nil {
		return "", err
	}
	back, _, err := redirected(ctx, fakekit.Client(f.fake), page) // whichever host the page has
	if err != nil {
		return "", err
	}
	u, err := url.Parse(back)
	if err != nil {
		return "", err
	}
	if _, err := d.api.Do(ctx, http.MethodGet, "/v1/oauth/callback?"+u.RawQuery, nil, nil, "Cookie", cookie); err != nil {
		return "", err
	}
	accounts, err := apiclient.List[named](ctx, d.api, "/v1/accounts")
	if err != nil {
		return "", err
	}
	for _, a := range slices.Backward(accounts) { // they are listed as they were made
		if a.App == app {
			return crm.AccountID(a.ID), nil
		}
	}
	return "", fmt.Errorf("the consent of %s made no account", f.kind.name)
}

// redirected is where an address leads to, and the cookie that is set on the way.
func redirected(ctx context.Context, c *http.Client, from string) (to, set string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, http.NoBody)
	if err != nil {
		return "", "", err
	}
	resp, err := c.Do(req)
	if err != nil {
		return "", "", err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusFound {
		return "", "", fmt.Errorf("%s answered %d instead of leading on", from, resp.StatusCode)
	}
	set, _, _ = strings.Cut(resp.Header.Get("Set-Cookie"), "; ")
	return resp.Header.Get("Location"), set, nil
}
