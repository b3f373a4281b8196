package rest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Request is one call.
type Request struct {
	Op     string // for errors: "hubspot: read contacts"
	Method string // "" = GET
	Path   string // absolute on the account's host
	Query  url.Values
	Header http.Header // besides the app's own, or in place of them
	Body   any         // written as JSON, but for Raw; nil = none
	Write  bool        // changes something: a lost answer leaves the effect unknown
	Urgent bool        // goes out even when the quota is nearly spent
	Secret string      // that the body holds and nobody is to read; "" = nothing
	Base   string      // of another host of the app's; "" = the account's
}

// Raw is a body that is sent as it is.
type Raw struct{ Type, Text string }

// encoded is the body and its type.
func (r *Request) encoded() (body []byte, contentType string, err error) {
	switch b := r.Body.(type) {
	case nil:
		return nil, "", nil
	case Raw:
		return []byte(b.Text), b.Type, nil
	}
	body, err = Encode(r.Body)
	return body, "application/json; charset=utf-8", err
}

// Answer is what came back, apart from what Call decoded.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Now    time.Time     // the app's own time; zero when it did not say
	ID     string        // the app's name of the request, for its support
	Wait   time.Duration // the wait that the app asked for; zero when it did not
}

// Client makes calls to one account. Safe for concurrent use.
type Client struct {
	app  *App
	base string
	auth credentials
	http *http.Client
	now  func() time.Time

	mu     sync.Mutex
	resume time.Time     // no call before it: the quota is nearly spent
	skew   time.Duration // the app's clock minus ours, as last seen
}

// Call makes one request and decodes its answer into out, unless that is nil. The
// answer comes with an error too, as far as there was one.
func (c *Client) Call(ctx context.Context, r Request, out any) (Answer, error) {
	if err := ctx.Err(); err != nil {
		return Answer{}, &fault.Error{Op: r.Op, Kind: fault.Unavailable, Err: err}
	}
	if err := c.rested(ctx, r); err != nil {
		return Answer{}, err
	}
	body, contentType, err := r.encoded()
	if err != nil {
		return Answer{}, &fault.Error{
			Op: r.Op, Kind: fault.Invalid, Code: connector.CodeValue, Message: "a value cannot be written as JSON", Err: err,
		}
	}
	token, err := c.auth.token(ctx)
	if err != nil {
		return Answer{}, err
	}
	a, err := c.once(ctx, r, body, contentType, token)
	if err == nil && c.expired(a) && c.auth.tokens != nil {
		if token, err = c.auth.renew(ctx, token); err != nil {
			return a, err
		}
		a, err = c.once(ctx, r, body, contentType, token)
	}
	switch {
	case err != nil:
		return a, err
	case c.expired(a):
		return a, fault.New(r.Op, fault.Denied, connector.CodeReauthorize,
			c.app.Errors.Name+" refuses the credentials; connect the account again")
	case a.Status >= 300:
		return a, c.app.Errors.Classify(r, a)
	case out == nil:
		return a, nil
	}
	if err := json.Unmarshal(a.Body, out); err != nil {
		return a, Malformed(r, "the answer is not what "+c.app.Errors.Name+" documents")
	}
	return a, nil
}

// expired reports whether a new token may help.
func (c *Client) expired(a Answer) bool {
	return a.Status == http.StatusUnauthorized && (c.app.Renewable == nil || c.app.Renewable(a.Body))
}

func (c *Client) once(
	ctx context.Context, r Request, body []byte, contentType string, token []string,
) (Answer, error) {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, c.url(r), reader)
	if err != nil { // its text would repeat the address
		return Answer{}, fault.New(r.Op, fault.Invalid, connector.CodeRequest, "the request cannot be made")
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	if c.app.Prepare != nil {
		c.app.Prepare(r, req.Header)
	}
	maps.Copy(req.Header, r.Header)
	if token != nil {
		c.auth.put(req, token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, Unreachable(ctx, r, c.app.Errors.Name, err)
	}
	defer func() { _ = resp.Body.Close() }()
	c.note(resp.Header)
	raw, err := io.ReadAll(io.LimitReader(resp.Body, connector.MaxResponse+1))
	if err != nil {
		return Answer{}, Unreachable(ctx, r, c.app.Errors.Name, err)
	}
	if len(raw) > connector.MaxResponse {
		return Answer{}, Malformed(r, c.app.Errors.Name+"'s answer is too large")
	}
	a := Answer{Status: resp.StatusCode, Header: resp.Header, Body: raw, Wait: wait(resp.Header, c.app.Reset)}
	if t, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		a.Now = t.UTC()
	}
	if at, err := strconv.ParseInt(resp.Header.Get(c.app.ResetAt), 10, 64); err == nil && a.Wait == 0 && !a.Now.IsZero() {
		a.Wait = min(max(time.Unix(at, 0).Sub(a.Now), 0), longestWait)
	}
	if id := resp.Header.Get(c.app.RequestID); idPattern.MatchString(id) {
		a.ID = id
	}
	return a, nil
}

var idPattern = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,100}$`)

func (c *Client) url(r Request) string {
	address := cmp.Or(r.Base, c.base) + r.Path
	if len(r.Query) == 0 {
		return address
	}
	return address + "?" + r.Query.Encode()
}

// Clock is our own clock, as the account was opened with it.
func (c *Client) Clock() time.Time { return c.now() }

// Time is the app's time as far as we know it.
func (c *Client) Time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now().Add(c.skew)
}

// Encode writes JSON with every character as it is.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

// maxExchange bounds each body of an exchange, in bytes.
const maxExchange = 64 << 10

// Exchange is what was said about one row of a call, for the log. r has the row's
// part alone; credentials are no part of a Request.
func (c *Client) Exchange(r Request, a Answer, response []byte) *connector.Exchange {
	x := &connector.Exchange{
		Method: r.Method, URL: c.url(r), Status: a.Status, RequestID: a.ID, Response: r.shown(response),
	}
	sent, _, _ := r.encoded() // it was sent: it can be written
	x.Request = r.shown(sent)
	return x
}

// Receipt is what the log keeps of a call that did what it was to do: no bodies, and
// no query, in which values may stand. The rows of a batch share it.
func (c *Client) Receipt(r Request, a Answer) *connector.Exchange {
	r.Query = nil
	return &connector.Exchange{Method: r.Method, URL: c.url(r), Status: a.Status, RequestID: a.ID}
}

// shown is a body as it may be read, bounded.
func (r *Request) shown(b []byte) string {
	if r.Secret != "" {
		b = bytes.ReplaceAll(b, []byte(r.Secret), []byte("(not shown)"))
	}
	return string(bytes.ToValidUTF8(b[:min(len(b), maxExchange)], nil))
}

// Clip bounds a text that the app chose, in characters.
func Clip(s string, n int) string {
	r := []rune(s)
	return string(r[:min(n, len(r))])
}
