package fakekit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// ErrDropped is what a caller in process gets when a fake drops the
// connection, with or without the effect of the call having landed.
var ErrDropped = errors.New("fakekit: connection dropped")

// Transport serves requests by h without sockets, in the caller's own
// goroutine. A dropped connection is ErrDropped; a context that has ended is
// its error.
func Transport(h http.Handler) http.RoundTripper { return transport{h} }

type transport struct{ h http.Handler }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	ctx := req.Context()
	if req.Body != nil {
		defer func() { _ = req.Body.Close() }()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	in := req.Clone(ctx)
	if in.Body == nil {
		in.Body = http.NoBody
	}
	if in.Host == "" {
		in.Host = req.URL.Host
	}
	in.RequestURI = req.URL.RequestURI()
	in.RemoteAddr = "127.0.0.1:1"
	rec := &recorder{header: http.Header{}, status: http.StatusOK}
	defer func() {
		switch p := recover(); {
		case p == nil:
		case p == http.ErrAbortHandler: //nolint:errorlint // a panic value, compared as net/http does
			resp, err = nil, ErrDropped
			if ctx.Err() != nil {
				err = ctx.Err()
			}
		default:
			panic(p)
		}
	}()
	t.h.ServeHTTP(rec, in)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &http.Response{
		Status:     fmt.Sprintf("%d %s", rec.status, http.StatusText(rec.status)),
		StatusCode: rec.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: rec.header, Body: io.NopCloser(bytes.NewReader(rec.body.Bytes())),
		ContentLength: int64(rec.body.Len()), Request: req,
	}, nil
}

// Client returns an HTTP client whose calls h serves in process.
func Client(h http.Handler) *http.Client {
	return &http.Client{
		Transport:     Transport(h),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Hosts serves requests in process by host name ("api.example.com"); other
// hosts are refused with an error.
func Hosts(by map[string]http.Handler) http.RoundTripper { return hosts(by) }

type hosts map[string]http.Handler

// RoundTrip implements http.RoundTripper.
func (h hosts) RoundTrip(req *http.Request) (*http.Response, error) {
	if f, ok := h[strings.ToLower(req.URL.Host)]; ok {
		return transport{f}.RoundTrip(req)
	}
	return nil, fmt.Errorf("fakekit: no fake for host %s", req.URL.Host)
}

var (
	_ http.RoundTripper = transport{}
	_ http.RoundTripper = hosts{}
)
