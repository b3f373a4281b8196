package hubspot

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// request is one call of the API.
type request struct {
	op     string // for errors: "hubspot: read contacts"
	method string
	path   string
	query  url.Values
	body   any // nil = none
	write  bool
}

// answer is what came back, apart from the decoded body.
type answer struct {
	status int
	now    time.Time // HubSpot's own time; zero when it did not say
	id     string    // HubSpot's name of the request, for its support
	raw    []byte
	// retryAfter is the wait HubSpot asked for; zero when it did not.
	retryAfter time.Duration
}

// client makes calls with a token that it renews once per call.
type client struct {
	base   string
	tokens connector.Tokens
	http   *http.Client
}

// call makes one request, and the same once more with a new token when the
// first is refused with 401. out is nil for answers without a body.
func (c *client) call(ctx context.Context, r request, out any) (answer, error) {
	var body []byte
	if r.body != nil {
		var err error
		if body, err = encode(r.body); err != nil {
			return answer{}, &fault.Error{Op: r.op, Kind: fault.Invalid, Code: connector.CodeValue, Err: err}
		}
	}
	token, err := c.tokens.Token(ctx)
	if err != nil {
		return answer{}, err
	}
	a, err := c.once(ctx, r, body, token.Reveal())
	if err == nil && a.status == http.StatusUnauthorized {
		fresh, renewErr := c.tokens.Renew(ctx, token)
		if renewErr != nil {
			return a, renewErr
		}
		a, err = c.once(ctx, r, body, fresh.Reveal())
	}
	if err != nil {
		return a, err
	}
	if a.status >= 300 {
		return a, classify(r, a)
	}
	if out == nil {
		return a, nil
	}
	if err := json.Unmarshal(a.raw, out); err != nil {
		return a, malformed(r, "HubSpot's answer is not what its documents say")
	}
	return a, nil
}

// encode writes JSON with every character as it is.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

func (c *client) once(ctx context.Context, r request, body []byte, token string) (answer, error) {
	u := c.base + r.path
	if len(r.query) > 0 {
		u += "?" + r.query.Encode()
	}
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u, reader)
	if err != nil {
		return answer{}, &fault.Error{Op: r.op, Kind: fault.Invalid, Message: "the request cannot be made"}
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, unreachable(ctx, r, err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, connector.MaxResponse+1))
	if err != nil {
		return answer{}, unreachable(ctx, r, err)
	}
	if len(raw) > connector.MaxResponse {
		return answer{}, malformed(r, "HubSpot's answer is too large")
	}
	a := answer{status: resp.StatusCode, raw: raw, id: requestID(resp.Header)}
	if t, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		a.now = t.UTC()
	}
	a.retryAfter = retryAfter(resp.Header)
	return a, nil
}

var idPattern = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,100}$`)

// requestID is the name HubSpot's support finds a call by.
func requestID(h http.Header) string {
	if id := h.Get("X-HubSpot-Correlation-Id"); idPattern.MatchString(id) {
		return id
	}
	return ""
}
