package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/lockstep-crm/lockstep/internal/pause"
)

// caller calls a REST surface as a script would.
type caller struct {
	base, key string
	client    *http.Client
}

// apiTries bounds the attempts of a call that only reads: the function may be
// killed while it answers.
const apiTries = 20

// call sends in as JSON, when it is not nil, and reads the answer into out,
// when that is not nil. What only reads is asked again when nobody answers.
func (c *caller) call(ctx context.Context, method, path string, in, out any) error {
	tries := 1
	if method == http.MethodGet {
		tries = apiTries
	}
	var err error
	for range tries {
		var again bool
		if again, err = c.once(ctx, method, path, in, out); !again {
			return err
		}
		if serr := pause.For(ctx, 100*time.Millisecond); serr != nil {
			return serr
		}
	}
	return err
}

// once makes one attempt; again says that another may help.
func (c *caller) once(ctx context.Context, method, path string, in, out any) (again bool, err error) {
	body := io.Reader(http.NoBody)
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return false, err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return false, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+c.key)
	resp, err := c.client.Do(r)
	if err != nil {
		return true, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return true, err
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return resp.StatusCode >= http.StatusInternalServerError, fmt.Errorf("%s %s answered %d: %s", method, path, resp.StatusCode, b)
	}
	if out == nil {
		return false, nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return false, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return false, nil
}

// list reads all pages of a list.
func list[T any](ctx context.Context, c *caller, path string) ([]T, error) {
	var all []T
	for cursor := ""; ; {
		var page struct {
			Items []T    `json:"items"`
			Next  string `json:"next"`
		}
		if err := c.call(ctx, http.MethodGet, path+"limit=200"+cursor, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all, nil
		}
		cursor = "&cursor=" + url.QueryEscape(page.Next)
	}
}
