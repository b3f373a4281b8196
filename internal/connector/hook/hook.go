// Package hook checks and reads deliveries of webhooks: signatures and shared
// secrets in constant time, the window of a time of sending, bodies in bounds, and
// one hint for each record, however often a delivery names it.
package hook

import (
	"bytes"
	"crypto/hmac"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

const (
	// MaxAge is how old a delivery may be, and how far ahead of our clock.
	MaxAge = 5 * time.Minute
	// MaxEvents is how many events one delivery may have.
	MaxEvents = 1000
)

// Denied is the refusal of a delivery.
func Denied(op, code, why string) error { return fault.New(op, fault.Denied, code, why) }

// Malformed is a delivery that cannot be read.
func Malformed(op, why string) error {
	return fault.New(op, fault.Invalid, connector.CodeDelivery, why)
}

// HMAC is how an app signs.
type HMAC struct {
	Hash   func() hash.Hash
	Decode func(string) ([]byte, error) // the signature's text form
}

// Check checks a signature over the parts.
func (m HMAC) Check(op string, key secret.Text, sent []string, parts ...[]byte) error {
	if key.Empty() {
		return Denied(op, connector.CodeNoSecret, "there is no secret to check the signature with")
	}
	if len(sent) != 1 {
		return Denied(op, connector.CodeForged, "the delivery is not signed")
	}
	mac := hmac.New(m.Hash, []byte(key.Reveal()))
	for _, p := range parts {
		_, _ = mac.Write(p)
	}
	got, err := m.Decode(sent[0])
	if !hmac.Equal(got, mac.Sum(nil)) || err != nil {
		return Denied(op, connector.CodeForged, "the signature does not fit")
	}
	return nil
}

// Same compares what a delivery says with what it must say, in constant time.
func Same(got, want string) bool { return subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1 }

// Basic checks a delivery's user and password, of which the password is our secret.
func Basic(op string, h http.Header, user string, password secret.Text) error {
	if password.Empty() {
		return Denied(op, connector.CodeNoSecret, "there is no secret to check the delivery with")
	}
	u, p, ok := (&http.Request{Header: h}).BasicAuth()
	if okUser, okPassword := Same(u, user), Same(p, password.Reveal()); !ok || !okUser || !okPassword {
		return Denied(op, connector.CodeForged, "the user and password do not fit")
	}
	return nil
}

// Fresh checks a time of sending in milliseconds.
func Fresh(op, stamp string, now time.Time) error {
	ms, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return Denied(op, connector.CodeForged, "the delivery has no time")
	}
	if age := now.Sub(time.UnixMilli(ms)); age > MaxAge || age < -MaxAge {
		return Denied(op, connector.CodeStale, "the delivery is too old or from the future")
	}
	return nil
}

var (
	errNoList   = errors.New("no list of events")
	errTrailing = errors.New("data after the events")
)

// List reads a list of events one by one, and one more than a delivery may have at
// most: a body of empty objects would be a hundred times its size.
func List[E any](body []byte) ([]E, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('[') {
		return nil, errors.Join(errNoList, err)
	}
	var out []E
	for dec.More() {
		var e E
		if err := dec.Decode(&e); err != nil {
			return nil, err
		}
		if out = append(out, e); len(out) > MaxEvents {
			return out, nil
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errTrailing
	}
	return out, nil
}

// Hints collects events, one of each kind and record, with the latest time.
type Hints struct {
	list []connector.Event
	at   map[connector.Event]int // by event without its time
}

// Add takes an event.
func (h *Hints) Add(e connector.Event) {
	when := e.At
	e.At = time.Time{}
	if h.at == nil {
		h.at = map[connector.Event]int{}
	}
	i, ok := h.at[e]
	if !ok {
		i = len(h.list)
		h.at[e] = i
		h.list = append(h.list, e)
	}
	if when.After(h.list[i].At) {
		h.list[i].At = when
	}
}

// Events returns what was added, in order.
//
// Errors: Invalid when that is more than a delivery may be about.
func (h *Hints) Events(op string) ([]connector.Event, error) {
	if len(h.list) > MaxEvents {
		return nil, Malformed(op, "the delivery is about more than "+strconv.Itoa(MaxEvents)+" records")
	}
	return h.list, nil
}
