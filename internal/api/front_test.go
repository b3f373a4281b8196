package api

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// deadlines is a connection that notes until when it may be read and written.
type deadlines struct {
	*httptest.ResponseRecorder

	read  []time.Time
	write time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.read = append(d.read, t)
	return nil
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.write = t
	return nil
}

// TestNobodyHoldsAConnection: a body has to come within a request's time, and an answer has
// to be taken within twice that; without a body nothing is waited for, nor once it is there.
func TestNobodyHoldsAConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, body := range []string{"", `{"name":"x","role":"viewer"}`} {
		d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequest(http.MethodPost, "http://localhost/v1/keys", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+operatorKey)
		r.Header.Set("Content-Type", "application/json")
		began := time.Now()
		w.handler.ServeHTTP(d, r)
		ended := time.Now()
		within := func(at time.Time, after time.Duration) bool {
			return !at.Before(began.Add(after)) && !at.After(ended.Add(after))
		}
		if !within(d.write, 2*requestTime) {
			t.Errorf("body %q: the answer may be taken until %s after the request", body, d.write.Sub(began))
		}
		if body != "" {
			if len(d.read) == 0 || !within(d.read[0], requestTime) {
				t.Fatalf("body %q: it may come until %s of %s, want for a request's time", body, d.read, began)
			}
			d.read = d.read[1:]
		}
		if slices.ContainsFunc(d.read, func(at time.Time) bool { return !at.IsZero() }) {
			t.Errorf("body %q: once it is there, it is waited for until %s", body, d.read)
		}
	}
}
