package salesforce

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

const (
	// quotaShare is the part of the org's daily calls up to which we go.
	quotaShare = 0.9
	// quotaRest is how long we leave a spent or nearly spent quota alone. The
	// window rolls, so calls come back bit by bit, and only an answer tells.
	quotaRest = time.Minute
)

// client makes single requests to one org.
type client struct {
	base   string
	tokens connector.Tokens
	http   *http.Client
	now    func() time.Time

	duplicates bool // save past alert rules: guide/headers-duplicaterules

	mu     sync.Mutex
	resume time.Time     // no call before it: the quota is nearly spent
	skew   time.Duration // the org's clock minus ours, as last seen
}

// request is one call.
type request struct {
	op     string // for errors: "salesforce: read contacts"
	method string
	path   string // absolute on the instance
	query  url.Values
	body   any  // marshalled as JSON; nil = none
	write  bool // changes something: a lost answer leaves the effect unknown
	urgent bool // goes out even when the quota is nearly spent
}

// answer is a complete answer with status below 300.
type answer struct {
	status int
	body   []byte
	raw    []byte // of the request
	date   time.Time
}

// send makes the call, with at most one repeat after a token refresh.
func (c *client) send(ctx context.Context, r request) (answer, error) {
	if err := c.rested(ctx, r); err != nil {
		return answer{}, err
	}
	var raw []byte
	if r.body != nil {
		var err error
		if raw, err = marshal(r.body); err != nil {
			return answer{}, &fault.Error{Op: r.op, Kind: fault.Invalid, Code: connector.CodeValue, Message: "a value cannot be written as JSON", Err: err}
		}
	}
	token, err := c.tokens.Token(ctx)
	if err != nil {
		return answer{}, err
	}
	a, err := c.once(ctx, r, raw, token)
	if !sessionExpired(err) {
		return a, err
	}
	if token, err = c.tokens.Renew(ctx, token); err != nil {
		return answer{}, err
	}
	if a, err = c.once(ctx, r, raw, token); sessionExpired(err) {
		return a, fault.New(r.op, fault.Denied, connector.CodeReauthorize, "Salesforce refuses a token that was just renewed; connect the account again")
	}
	return a, err
}

func (c *client) once(ctx context.Context, r request, raw []byte, token secret.Text) (answer, error) {
	if err := ctx.Err(); err != nil {
		return answer{}, &fault.Error{Op: r.op, Kind: fault.Unavailable, Err: err}
	}
	target := c.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(raw))
	if err != nil {
		return answer{}, fault.New(r.op, fault.Invalid, connector.CodeRequest, "the request could not be built")
	}
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Sforce-Query-Options", "batchSize="+strconv.Itoa(pageSize))
	if r.write && c.duplicates {
		req.Header.Set("Sforce-Duplicate-Rule-Header", "allowSave=true")
	}
	if raw != nil {
		req.Header.Set("Content-Type", "application/json; charset=UTF-8")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, unreachable(ctx, r, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, connector.MaxResponse+1))
	c.note(resp.Header)
	switch {
	case err != nil:
		return answer{}, unreachable(ctx, r, err)
	case len(body) > connector.MaxResponse:
		return answer{}, malformed(r, "the answer is larger than 32 MiB")
	case resp.StatusCode >= 300:
		return answer{}, classify(r, resp.StatusCode, resp.Header, body)
	}
	date, _ := http.ParseTime(resp.Header.Get("Date")) // zero when absent: unknown
	return answer{status: resp.StatusCode, body: body, raw: raw, date: date}, nil
}

// rested refuses a call while the daily quota is nearly spent. A person who
// waits is let through.
func (c *client) rested(ctx context.Context, r request) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait := c.resume.Sub(c.now())
	if r.urgent || connector.IsForeground(ctx) || wait <= 0 {
		return nil
	}
	// A clock that was set back must not stop us for longer than the rest.
	return &fault.Error{
		Op: r.op, Kind: fault.Throttled, Code: connector.CodeQuota, RetryAfter: min(wait, quotaRest), Guessed: true,
		Message: "nine tenths of the org's daily API calls are used; the rest is left to its other tools",
	}
}

// note learns from an answer's header how much of the quota is used and what
// the org's clock says. Sources: guide/headers-api-usage; RFC 9110, Date.
func (c *client) note(h http.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if t, err := http.ParseTime(h.Get("Date")); err == nil {
		c.skew = t.Sub(now)
	}
	used, limit, ok := apiUsage(h.Get("Sforce-Limit-Info"))
	if !ok {
		return
	}
	c.resume = time.Time{}
	if float64(used) >= quotaShare*float64(limit) {
		c.resume = connector.AskAgain(now)
	}
}

// orgTime is the org's time as far as we know it.
func (c *client) orgTime() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now().Add(c.skew)
}

// apiUsage reads "api-usage=10018/100000", possibly among other parts.
func apiUsage(info string) (used, limit int, ok bool) {
	for part := range strings.SplitSeq(info, ",") {
		value, found := strings.CutPrefix(strings.TrimSpace(part), "api-usage=")
		if !found {
			continue
		}
		u, l, _ := strings.Cut(value, "/")
		used, errU := strconv.Atoi(u)
		limit, errL := strconv.Atoi(l)
		return used, limit, errU == nil && errL == nil && limit > 0
	}
	return 0, 0, false
}

// decode reads an answer's JSON into v.
func (a answer) decode(r request, v any) error {
	if err := json.Unmarshal(a.body, v); err != nil {
		return malformed(r, "the answer is not the JSON that Salesforce documents")
	}
	return nil
}

// marshal writes JSON without HTML escapes.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// query runs SOQL. all also lists what is in the recycle bin.
func (c *client) query(ctx context.Context, op, soql string, all, urgent bool) (queryPage, time.Time, error) {
	r := request{op: op, method: http.MethodGet, path: dataPath + "/query", query: url.Values{"q": {soql}}, urgent: urgent}
	if all {
		r.path = dataPath + "/queryAll"
	}
	return c.page(ctx, r)
}

// more follows a nextRecordsUrl, which is a path on the instance.
func (c *client) more(ctx context.Context, op, next string) (queryPage, error) {
	r := request{op: op, method: http.MethodGet, path: next}
	if !strings.HasPrefix(next, "/services/data/") || strings.ContainsAny(next, "?#\\") || strings.Contains(next, "..") {
		return queryPage{}, malformed(r, "the address of the next page is not a path of the API")
	}
	p, _, err := c.page(ctx, r)
	return p, err
}

func (c *client) page(ctx context.Context, r request) (queryPage, time.Time, error) {
	a, err := c.send(ctx, r)
	if err != nil {
		return queryPage{}, time.Time{}, err
	}
	var p queryPage
	if err := a.decode(r, &p); err != nil {
		return queryPage{}, time.Time{}, err
	}
	if p.TotalSize == nil || p.Done == nil || len(p.Records) > pageSize {
		return queryPage{}, time.Time{}, malformed(r, "the query's answer lacks a part or holds too many rows")
	}
	return p, a.date, nil
}
