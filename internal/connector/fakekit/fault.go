package fakekit

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FaultKind says how a fault spoils a call.
type FaultKind string

// The faults.
const (
	// FaultFail answers Status instead of doing anything; with After, having done it.
	FaultFail FaultKind = "fail"
	// FaultDelay waits Delay before the call takes effect; with After, before the answer.
	FaultDelay FaultKind = "delay"
	// FaultLoseReply lets the effect land and drops the connection. Writes only.
	FaultLoseReply FaultKind = "lose_reply"
	// FaultDrop drops the connection before anything happens.
	FaultDrop FaultKind = "drop"
	// FaultMalformed cuts the answer in half, after the effect.
	FaultMalformed FaultKind = "malformed"
	// FaultWrongType answers JSON of another shape, after the effect.
	FaultWrongType FaultKind = "wrong_type"
	// FaultHuge answers Bytes bytes (default 40 MiB), after the effect.
	FaultHuge FaultKind = "huge"
	// FaultSlow sends the answer's first half, then nothing for Delay (default an hour).
	FaultSlow FaultKind = "slow"
)

// FaultKinds lists all.
var FaultKinds = []FaultKind{
	FaultFail, FaultDelay, FaultLoseReply, FaultDrop, FaultMalformed, FaultWrongType, FaultHuge, FaultSlow,
}

// Fault spoils the next Times calls that match it.
type Fault struct {
	Kind FaultKind
	// Endpoint is a method, a path prefix, or both with a blank between; "" = any call.
	Endpoint   string
	Times      int           // 0 = once
	Status     int           // fail: 100 to 599
	RetryAfter time.Duration // fail: whole seconds for the Retry-After header; 0 = none
	Body       string        // fail: instead of the app's own error body
	After      bool          // fail, delay: the effect lands first
	Delay      time.Duration // delay, slow
	Bytes      int           // huge

	hits int
}

// Inject adds a fault behind those that are waiting.
func (c *Core) Inject(f Fault) error {
	switch {
	case !slices.Contains(FaultKinds, f.Kind):
		return errors.New("kind must be one of fail, delay, lose_reply, drop, malformed, wrong_type, huge, slow")
	case f.Kind == FaultFail && (f.Status < 200 || f.Status > 599):
		return errors.New("status must be between 200 and 599")
	case f.Times < 0 || f.RetryAfter < 0 || f.Delay < 0 || f.Bytes < 0:
		return errors.New("times, retry_after, delay and bytes cannot be negative")
	}
	if f.Times == 0 {
		f.Times = 1
	}
	if f.Kind == FaultHuge && f.Bytes == 0 {
		f.Bytes = 40 << 20
	}
	if f.Kind == FaultSlow && f.Delay == 0 {
		f.Delay = time.Hour
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, &f)
	return nil
}

// ClearFaults forgets all faults and returns how many calls they had spoiled.
func (c *Core) ClearFaults() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = nil
	return c.counts.spoiled
}

// Faults returns what is still waiting, with Times left.
func (c *Core) Faults() []Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := make([]Fault, 0, len(c.faults))
	for _, f := range c.faults {
		g := *f
		g.Times -= g.hits
		left = append(left, g)
	}
	return left
}

func (c *Core) matchFault(r *http.Request, route *Route) *Fault {
	for i, f := range c.faults {
		if f.Kind == FaultLoseReply && (route == nil || !route.Write) || !f.matches(r) {
			continue
		}
		if f.hits++; f.hits >= f.Times {
			c.faults = slices.Delete(c.faults, i, i+1)
		}
		c.counts.spoiled++
		return f
	}
	return nil
}

func (f *Fault) matches(r *http.Request) bool {
	method, path, both := strings.Cut(strings.TrimSpace(f.Endpoint), " ")
	if !both && strings.HasPrefix(method, "/") {
		method, path = "", method
	}
	return (method == "" || strings.EqualFold(method, r.Method)) && strings.HasPrefix(r.URL.Path, strings.TrimSpace(path))
}

// before applies what a fault does ahead of the effect; false = the call is over.
func (c *Core) before(ctx context.Context, w http.ResponseWriter, r *http.Request, f *Fault) bool {
	switch f.Kind {
	case FaultDrop:
		panic(http.ErrAbortHandler)
	case FaultFail:
		if !f.After {
			c.fail(w, r, f)
			return false
		}
	case FaultDelay:
		if !f.After {
			c.wait(ctx, f.Delay)
		}
	case FaultLoseReply, FaultMalformed, FaultWrongType, FaultHuge, FaultSlow:
	}
	return true
}

// after applies what a fault does to the answer; false = the call is over.
func (c *Core) after(ctx context.Context, w http.ResponseWriter, r *http.Request, f *Fault, rec *recorder) bool {
	switch f.Kind {
	case FaultLoseReply:
		panic(http.ErrAbortHandler)
	case FaultFail:
		c.fail(w, r, f)
		return false
	case FaultDelay:
		if f.After {
			c.wait(ctx, f.Delay)
		}
	case FaultMalformed:
		rec.body.Truncate(rec.body.Len() / 2)
		if rec.body.Len() == 0 {
			rec.body.WriteString(`{"results":[`)
			rec.status = http.StatusOK
		}
	case FaultWrongType:
		rec.body.Reset()
		rec.body.WriteString(`[[1,"two",{"results":3}]]`)
		if rec.status == http.StatusNoContent {
			rec.status = http.StatusOK
		}
	case FaultHuge:
		writeHuge(w, rec, f.Bytes)
		return false
	case FaultSlow:
		half := rec.body.Bytes()[:rec.body.Len()/2]
		w.WriteHeader(rec.status)
		_, _ = w.Write(half)
		if fl, ok := w.(http.Flusher); ok {
			fl.Flush()
		}
		c.wait(ctx, f.Delay)
		panic(http.ErrAbortHandler)
	case FaultDrop:
	}
	return true
}

func (c *Core) fail(w http.ResponseWriter, r *http.Request, f *Fault) {
	rec := &recorder{header: http.Header{}, status: f.Status}
	c.mu.Lock()
	if f.Body == "" {
		c.app.Refuse(rec, r, f.Status)
	} else {
		rec.header.Set("Content-Type", "application/json;charset=utf-8")
		rec.body.WriteString(f.Body)
	}
	rec.header.Set("Date", c.now().Format(http.TimeFormat))
	c.mu.Unlock()
	rec.status = f.Status
	if f.RetryAfter > 0 {
		rec.header.Set("Retry-After", strconv.Itoa(int((f.RetryAfter+time.Second-1)/time.Second)))
	}
	rec.copyTo(w)
}

func (c *Core) wait(ctx context.Context, d time.Duration) {
	if err := c.cfg.Sleep(ctx, d); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// writeHuge sends a JSON text of n bytes.
func writeHuge(w http.ResponseWriter, rec *recorder, n int) {
	w.Header().Set("Content-Type", rec.header.Get("Content-Type"))
	w.WriteHeader(http.StatusOK)
	const open, end = `{"results":[],"filler":"`, `"}`
	_, _ = w.Write([]byte(open))
	block := []byte(strings.Repeat("x", 64<<10))
	for left := n - len(open) - len(end); left > 0; left -= len(block) {
		if _, err := w.Write(block[:min(left, len(block))]); err != nil {
			return
		}
	}
	_, _ = w.Write([]byte(end))
}
