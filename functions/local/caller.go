package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/config"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// keyVariable holds the API key of the commands that call a server; without it
// the admin's own is taken.
const keyVariable = "LOCKSTEP_KEY"

// remoteServer is the server that a command calls: this program elsewhere, or the
// deployed functions, which serve the same API.
type remoteServer struct {
	Server string `default:"http://127.0.0.1:8080" env:"LOCKSTEP_SERVER" placeholder:"URL" help:"Address of the API (${default}); the key is LOCKSTEP_KEY, else LOCKSTEP_ADMIN_KEY."`
}

// caller calls the API.
type caller struct {
	base, key string
	http      http.Client
}

func (r remoteServer) caller(w *world) (*caller, error) {
	const op = "client: server"
	u, err := url.Parse(r.Server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return nil, fault.New(op, fault.Invalid, "invalid_config",
			"--server: use an address such as https://sync.example.com")
	}
	key := w.env(keyVariable)
	if key == "" {
		key = w.env(config.AdminKeyVariable)
	}
	if key == "" {
		return nil, fault.New(op, fault.Invalid, "invalid_config",
			keyVariable+" is not set: put an API key of the server into it, one with the role admin; there is no flag, "+
				"because others can read those")
	}
	return &caller{base: strings.TrimSuffix(r.Server, "/"), key: key, http: http.Client{Timeout: time.Minute}}, nil
}

// refusal is how the API says no.
type refusal struct {
	Status int `json:"status"`
	Detail string
	Code   string
	Errors []place
}

// place is one thing that is wrong, or worth knowing, of a document.
type place struct{ Pointer, Detail, Code, Remedy string }

func (p place) String() string {
	at := p.Pointer
	if at == "" {
		at = "the document"
	}
	return at + ": " + p.Detail + " (" + p.Code + ")"
}

// Error implements error.
func (r *refusal) Error() string {
	var b strings.Builder
	b.WriteString(r.Detail + " (" + r.Code + ")")
	for _, one := range r.Errors {
		b.WriteString("\n  " + one.String())
	}
	return b.String()
}

// call makes one call and reads a JSON answer into out, or any answer when out
// is *[]byte. The error is a *refusal where the server answered.
func (c *caller) call(ctx context.Context, method, path, media string, body []byte, out any, header ...string) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fault.New("client: call", fault.Unavailable, "server_unreachable", "the server does not answer: "+err.Error()+
			"; is --server right?")
	}
	defer func() { _ = resp.Body.Close() }() // read to its end or given up
	text, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		r := &refusal{}
		if json.Unmarshal(text, r) != nil || r.Code == "" {
			r = &refusal{
				Detail: fmt.Sprintf("%s %s answered %d, and not as this API does; is --server right?", method, path,
					resp.StatusCode), Code: "server_unknown",
			}
		}
		r.Status = resp.StatusCode
		return r
	}
	if raw, ok := out.(*[]byte); ok {
		*raw = text
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s %s answered something else than this API does; is --server right? %w", method, path, err)
	}
	return nil
}

// listed reads a whole list, page by page.
func listed[T any](ctx context.Context, c *caller, path string) (all []T, err error) {
	for cursor := ""; ; {
		var page struct {
			Items []T
			Next  string
		}
		if err := c.call(ctx, http.MethodGet, path+"?limit=200&cursor="+url.QueryEscape(cursor), "", nil, &page); err != nil {
			return nil, err
		}
		if all = append(all, page.Items...); page.Next == "" {
			return all, nil
		}
		cursor = page.Next
	}
}

// only is the one that an argument means, by its ID or its exact name. kind is what such
// things are called in the address of their list.
func only(argument, kind, want string, all []named) (named, error) {
	var found []named
	for _, one := range all {
		if one.ID == want || one.Name == want {
			found = append(found, one)
		}
	}
	if len(found) != 1 {
		return named{}, fault.New("client: find", fault.Invalid, "invalid_config",
			fmt.Sprintf("%s: %d %s are called %q: name one of GET /v1/%s by its ID", argument, len(found), kind, want, kind))
	}
	return found[0], nil
}
