// Package apiclient calls a REST surface that speaks JSON with bearer keys, our
// own or a fake's, as a user's script would. It is for the demo, the tests and
// the programs that measure; it knows none of the types that travel.
package apiclient

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

	"github.com/lockstep-crm/lockstep/internal/pause"
)

// Client calls one address. Make it with New, then change what is to differ.
type Client struct {
	Base string // scheme and host, before every path
	Key  string // bearer key; "" = none
	HTTP *http.Client
	// Tries bounds the attempts of a call that only reads when nobody answers, or
	// the answer is a 5xx: a tenth of a second apart. 0 = 1.
	Tries int
}

// New returns a client whose calls take 30 s at most.
func New(base, key string) *Client {
	return &Client{Base: base, Key: key, HTTP: &http.Client{Timeout: 30 * time.Second}}
}

// Refusal is an answer that is not a success.
type Refusal struct {
	Call   string // method and path
	Status int
	Body   string
}

// Error implements error.
func (r *Refusal) Error() string {
	return fmt.Sprintf("%s answered %d: %s", r.Call, r.Status, strings.TrimSpace(r.Body))
}

// Call sends in as JSON, when it is not nil, and reads the answer into out,
// when that is not nil. An answer that is no success is a *Refusal.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	_, err := c.Do(ctx, method, path, in, out)
	return err
}

// Do is Call with further headers, in pairs; it returns those of the answer.
func (c *Client) Do(ctx context.Context, method, path string, in, out any, header ...string) (http.Header, error) {
	tries := 1
	if method == http.MethodGet {
		tries = max(c.Tries, 1)
	}
	for {
		got, again, err := c.once(ctx, method, path, in, out, header)
		if tries--; !again || tries == 0 {
			return got, err
		}
		if err := pause.For(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// once makes one attempt; again says that another may help.
func (c *Client) once(
	ctx context.Context, method, path string, in, out any, header []string,
) (got http.Header, again bool, err error) {
	body := io.Reader(http.NoBody)
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, false, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, body)
	if err != nil {
		return nil, false, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.Key)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return nil, true, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end or given up
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, true, err
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return nil, resp.StatusCode >= http.StatusInternalServerError, &Refusal{
			method + " " + path, resp.StatusCode, string(b),
		}
	}
	if out != nil {
		if err := json.Unmarshal(b, out); err != nil {
			return nil, false, fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	return resp.Header, false, nil
}

// Each calls f for every item of a list, page by page.
func Each[T any](ctx context.Context, c *Client, path string, f func(T) error) error {
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	for cursor := ""; ; {
		var page struct {
			Items []T    `json:"items"`
			Next  string `json:"next"`
		}
		at := path + sep + "limit=200"
		if cursor != "" {
			at += "&cursor=" + url.QueryEscape(cursor)
		}
		if err := c.Call(ctx, http.MethodGet, at, nil, &page); err != nil {
			return err
		}
		for _, item := range page.Items {
			if err := f(item); err != nil {
				return err
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

// List returns all items of a list.
func List[T any](ctx context.Context, c *Client, path string) ([]T, error) {
	var all []T
	err := Each(ctx, c, path, func(item T) error {
		all = append(all, item)
		return nil
	})
	return all, err
}
