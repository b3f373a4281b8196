package fakekit

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
)

func TestFaultsSpoilCallsInOrder(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault   Fault
		method  string
		status  int
		body    string
		dropped bool
		landed  int
	}{
		"fail":           {fault: Fault{Kind: FaultFail, Status: 503}, status: 503, body: "refused with 503"},
		"fail with body": {fault: Fault{Kind: FaultFail, Status: 429, Body: "slow down"}, status: 429, body: "slow down"},
		"fail after landing": {
			fault: Fault{Kind: FaultFail, Status: 502, After: true}, status: 502, body: "refused with 502",
			landed: 1,
		},
		"lose reply": {fault: Fault{Kind: FaultLoseReply}, dropped: true, landed: 1},
		"drop":       {fault: Fault{Kind: FaultDrop}, dropped: true},
		"malformed":  {fault: Fault{Kind: FaultMalformed}, status: 200, body: "mad", landed: 1},
		"wrong type": {fault: Fault{Kind: FaultWrongType}, status: 200, body: `[[1,"two",{"results":3}]]`, landed: 1},
		"slow":       {fault: Fault{Kind: FaultSlow}, dropped: true, landed: 1},
		"delay":      {fault: Fault{Kind: FaultDelay, Delay: time.Hour}, status: 200, body: "made 1", landed: 1},
		"by method and path": {
			fault: Fault{Kind: FaultFail, Status: 500, Endpoint: "POST /no"}, status: 500, body: "refused with 500",
		},
		"by path": {
			fault: Fault{Kind: FaultFail, Status: 500, Endpoint: "/notes"}, status: 500, body: "refused with 500",
		},
		"of another method": {
			fault: Fault{Kind: FaultFail, Status: 500, Endpoint: "GET /notes"}, status: 200, body: "made 1", landed: 1,
		},
		"of another path": {
			fault: Fault{Kind: FaultFail, Status: 500, Endpoint: "/find"}, status: 200, body: "made 1",
			landed: 1,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testclock.New()
			d := newDiary(Config{Now: c.Now, Sleep: asleep(c)})
			if err := d.Inject(tc.fault); err != nil {
				t.Fatal(err)
			}
			status, body, err := call(t, d, "POST", "/notes", "hello")
			if errors.Is(err, ErrDropped) != tc.dropped || status != tc.status || body != tc.body {
				t.Errorf("got %d %q, error %v; want %d %q, dropped %t", status, body, err, tc.status, tc.body, tc.dropped)
			}
			if n := len(d.Records("notes")); n != tc.landed {
				t.Errorf("%d notes landed, want %d", n, tc.landed)
			}
			d.ClearFaults()
			if status, _, err := call(t, d, "POST", "/notes", "again"); status != 200 || err != nil {
				t.Errorf("next call: %d, %v", status, err)
			}
		})
	}
}

func TestLoseReplySparesReads(t *testing.T) {
	t.Parallel()
	d := newDiary(Config{})
	if err := d.Inject(Fault{Kind: FaultLoseReply}); err != nil {
		t.Fatal(err)
	}
	if status, _, err := call(t, d, "GET", "/notes/1", ""); status != 404 || err != nil {
		t.Errorf("read: %d, %v", status, err)
	}
	if _, _, err := call(t, d, "POST", "/notes", "x"); !errors.Is(err, ErrDropped) {
		t.Errorf("write: %v, want dropped", err)
	}
}

func TestDroppedConnectionsOverHTTP(t *testing.T) {
	t.Parallel()
	d := newDiary(Config{})
	srv := httptest.NewServer(d)
	t.Cleanup(srv.Close)
	if err := d.Inject(Fault{Kind: FaultLoseReply}); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(srv.URL+"/notes", "text/plain", strings.NewReader("x"))
	if err == nil {
		_ = resp.Body.Close()
		t.Fatalf("status %d, want a closed connection", resp.StatusCode)
	}
	if n := len(d.Records("notes")); n != 1 {
		t.Errorf("%d notes, want 1", n)
	}
}

func TestTransportHonoursContext(t *testing.T) {
	t.Parallel()
	d := newDiary(Config{})
	if err := d.Inject(Fault{Kind: FaultDelay, Delay: time.Hour, After: true}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "POST", "http://d/notes", strings.NewReader("x"))
	_, err := Transport(d).RoundTrip(req)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the context's", err)
	}
	if n := len(d.Records("notes")); n != 1 {
		t.Errorf("%d notes, want 1: the effect lands before the delay", n)
	}
}
