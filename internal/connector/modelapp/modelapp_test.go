package modelapp_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// wire carries calls over an http.RoundTripper, so that the suite's faults and
// tricks have something to get hold of. A reply's body is the number of the
// answer, which stays here.
type wire struct {
	mu      sync.Mutex
	faults  []fakekit.Fault
	answers []answer
	calls   int
}

type answer struct {
	value any
	err   error
}

type runKey struct{}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	run, _ := req.Context().Value(runKey{}).(func() (any, error))
	w.mu.Lock()
	w.calls++
	var f fakekit.Fault
	if len(w.faults) > 0 {
		f, w.faults = w.faults[0], w.faults[1:]
	}
	w.mu.Unlock()
	var a answer
	lost := fault.New("model: call", fault.Unavailable, "malformed_answer", "the answer makes no sense")
	switch f.Kind {
	case "":
		a.value, a.err = run()
	case fakekit.FaultFail:
		if f.After {
			_, _ = run()
		}
		a.err = status(f)
	case fakekit.FaultDrop:
		return nil, fakekit.ErrDropped
	case fakekit.FaultDelay, fakekit.FaultSlow:
		select {
		case <-req.Context().Done():
			return nil, req.Context().Err()
		case <-time.After(f.Delay):
		}
	case fakekit.FaultLoseReply:
		_, _ = run()
		return nil, fakekit.ErrDropped
	case fakekit.FaultMalformed, fakekit.FaultWrongType, fakekit.FaultHuge:
		_, _ = run()
		a.err = lost
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers = append(w.answers, a)
	return &http.Response{
		StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(strconv.Itoa(len(w.answers) - 1))),
	}, nil
}

func status(f fakekit.Fault) error {
	e := &fault.Error{Op: "model: call", Kind: fault.Unavailable, RetryAfter: f.RetryAfter}
	switch f.Status {
	case http.StatusTooManyRequests:
		e.Kind, e.Code = fault.Throttled, "rate_limited"
	case http.StatusForbidden:
		e.Kind, e.Code = fault.Denied, "missing_permission"
	}
	return e
}

func (w *wire) via(rt http.RoundTripper) modelapp.Via {
	return func(ctx context.Context, run func() (any, error)) (any, error) {
		req, err := http.NewRequestWithContext(context.WithValue(ctx, runKey{}, run), http.MethodPost,
			"https://model.example/", nil)
		if err != nil {
			return nil, err
		}
		resp, err := rt.RoundTrip(req)
		if err != nil {
			return nil, fault.Wrap("model: call", fault.Unavailable, err)
		}
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		n, err := strconv.Atoi(string(b))
		if err != nil {
			return nil, err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.answers[n].value, w.answers[n].err
	}
}

// fake lets the suite be the app's user.
type fake struct {
	app  *modelapp.App
	wire *wire
}

func values(fields map[string]string) crm.Fields {
	out := crm.Fields{}
	for k, v := range fields {
		out[k] = crm.TextValue(v)
	}
	return out
}

func (f fake) Create(_ string, fields map[string]string) (crm.RecordID, error) {
	return f.app.Create(values(fields))
}

func (f fake) Update(_ string, id crm.RecordID, fields map[string]string) error {
	return f.app.Edit(id, values(fields))
}

func (f fake) Delete(_ string, id crm.RecordID) error { return f.app.Delete(id) }

func (f fake) Merge(_ string, id, into crm.RecordID) (crm.RecordID, error) {
	return f.app.Merge(id, into)
}

func (f fake) Live(string) map[crm.RecordID]map[string]string {
	out := map[crm.RecordID]map[string]string{}
	for _, r := range f.app.Rows() {
		if r.Deleted {
			continue
		}
		out[r.ID] = map[string]string{}
		for k, v := range r.Fields {
			out[r.ID][k] = v.Text()
		}
	}
	return out
}

func (f fake) Inject(x fakekit.Fault) error {
	if x.Kind == "" {
		return errors.New("no kind")
	}
	f.wire.mu.Lock()
	defer f.wire.mu.Unlock()
	f.wire.faults = append(f.wire.faults, x)
	return nil
}

func (f fake) Break(ids ...crm.RecordID) { f.app.Break(ids...) }

func (f fake) ExpireTokens() int { return f.app.ExpireTokens() }
func (f fake) RevokeTokens() int { return f.app.RevokeTokens() }

func (f fake) Calls() int {
	f.wire.mu.Lock()
	defer f.wire.mu.Unlock()
	return f.wire.calls
}

func (f fake) Hook(string, string)                    {}
func (f fake) Deliveries() []connector.WebhookRequest { return nil }

func harness(o modelapp.Options) connectortest.Harness {
	o.Now = time.Now
	name := func(f string) string { return o.Prefix + f }
	driver := connector.Driver{App: modelapp.New(o).Open(nil, nil).App()}
	return connectortest.Harness{
		Driver: driver,
		New: func(_ testing.TB, clock *connectortest.Clock) connectortest.Fixture {
			o := o
			o.Now = clock.Now
			app, w := modelapp.New(o), &wire{}
			return connectortest.Fixture{
				Fake: fake{app, w}, ExternalID: "model-1", Token: app.Token,
				Open: func(_ testing.TB, tools connectortest.Tools) connector.Connector {
					return app.Open(tools.Tokens, w.via(tools.Transport(w)))
				},
			}
		},
		Object: modelapp.Object, Email: name(modelapp.Email), First: name(modelapp.First), Last: name(modelapp.Last),
		Phone: name(modelapp.Phone), External: name(modelapp.Key), BadField: name(modelapp.Rank),
		Bad:    crm.TextValue("platinum"),
		Settle: time.Minute,
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]modelapp.Options{
		"plain": {},
		"everything": {
			History: true, Upsert: true, Conditional: true, AnswerValues: true, DeletedFeed: true, Sweep: true, Archive: true,
			Merges: true, FindNow: true, Prefix: "x_", Lag: 10 * time.Second, Jitter: true,
		},
		"lagging":  {DeletedFeed: true, Lag: 10 * time.Second, Coarse: time.Second, PageSize: 7},
		"unique":   {Unique: true, Trim: true, Sweep: true, Conditional: true},
		"remember": {History: true, Merges: true, DeletedFeed: true, Jitter: true, Lag: 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connectortest.Run(t, harness(o))
		})
	}
}

// TestConditionalWrites shows that a write meant for another version changes nothing.
func TestConditionalWrites(t *testing.T) {
	t.Parallel()
	app := modelapp.New(modelapp.Options{Now: time.Now, Conditional: true})
	id, err := app.Create(crm.Fields{modelapp.Last: crm.TextValue("A")})
	if err != nil {
		t.Fatal(err)
	}
	c := app.Open(nil, nil)
	reads, err := c.BatchRead(t.Context(), modelapp.Object, []crm.RecordID{id}, []string{modelapp.Last})
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Edit(id, crm.Fields{modelapp.Last: crm.TextValue("B")}); err != nil {
		t.Fatal(err)
	}
	out, err := c.BatchWrite(t.Context(), modelapp.Object, []connector.Write{{
		Op: connector.Update, ID: id, Etag: reads[0].Record.Etag, Fields: crm.Fields{modelapp.Last: crm.TextValue("C")},
	}})
	if err != nil || !fault.Is(out[0].Err, fault.Conflict) {
		t.Errorf("the write: %v, %v, want conflict", err, out[0].Err)
	}
	if got := app.Rows()[0].Fields[modelapp.Last].Text(); got != "B" {
		t.Errorf("the record holds %q, want the user's value", got)
	}
}

// TestUniqueNamesTheRecordInTheWay shows what a refused second address says.
func TestUniqueNamesTheRecordInTheWay(t *testing.T) {
	t.Parallel()
	app := modelapp.New(modelapp.Options{Now: time.Now, Unique: true})
	id, err := app.Create(crm.Fields{modelapp.Email: crm.TextValue("a@example.com")})
	if err != nil {
		t.Fatal(err)
	}
	out, err := app.Open(nil, nil).BatchWrite(t.Context(), modelapp.Object, []connector.Write{{
		Op: connector.Create, Fields: crm.Fields{modelapp.Email: crm.TextValue("A@example.com ")},
	}})
	if err != nil || !fault.Is(out[0].Err, fault.Conflict) || fault.CodeOf(out[0].Err) != "already_exists" ||
		out[0].Existing != id {
		t.Errorf("the write: %v, %+v, want conflict naming %q", err, out[0], id)
	}
}

var (
	_ connectortest.Fake = fake{}
	_ http.RoundTripper  = (*wire)(nil)
)
