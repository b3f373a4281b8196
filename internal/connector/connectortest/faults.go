package connectortest

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// canary is personal data that no error may repeat.
const canary = "canary4711"

// call is one outbound call of a connector.
type call struct {
	write bool
	do    func(ctx context.Context, c connector.Connector) error
}

// calls lists every outbound call, with personal data in each argument that takes any.
func (s *suite) calls(ids []crm.RecordID) map[string]call {
	whole := func(out []connector.Written, err error) error {
		if err == nil && len(out) > 0 {
			err = out[0].Err
		}
		return err
	}
	n := 700_000
	all := map[string]call{
		"test":    {do: func(ctx context.Context, c connector.Connector) error { _, err := c.Test(ctx); return err }},
		"objects": {do: func(ctx context.Context, c connector.Connector) error { _, err := c.Objects(ctx); return err }},
		"fields": {
			do: func(ctx context.Context, c connector.Connector) error { _, err := c.Fields(ctx, s.Object); return err },
		},
		"changes": {do: func(ctx context.Context, c connector.Connector) error {
			_, err := c.Changes(ctx, connector.ChangesRequest{Object: s.Object, Fields: s.fields()})
			return err
		}},
		"full": {do: func(ctx context.Context, c connector.Connector) error {
			_, err := c.Changes(ctx, connector.ChangesRequest{Object: s.Object, Fields: s.fields(), Full: true})
			return err
		}},
		"read": {do: func(ctx context.Context, c connector.Connector) error {
			_, err := c.BatchRead(ctx, s.Object, ids[:min(len(ids), s.app.Limits.ReadBatch)], s.fields())
			return err
		}},
		"find": {do: func(ctx context.Context, c connector.Connector) error {
			_, err := c.BatchFind(ctx, s.Object, crm.Field{Name: s.Email, Type: crm.TypeEmail}, []string{
				canary + "@example.com",
			}, s.fields())
			return err
		}},
		"create": {write: true, do: func(ctx context.Context, c connector.Connector) error {
			n++ // some apps take no two people with one address
			w := connector.Write{Op: connector.Create, Fields: values(s.person(n)), Ref: "r"}
			w.Fields[s.Last] = crm.TextValue(canary)
			return whole(c.BatchWrite(ctx, s.Object, []connector.Write{w}))
		}},
		"update": {write: true, do: func(ctx context.Context, c connector.Connector) error {
			w := connector.Write{Op: connector.Update, ID: ids[0], Fields: crm.Fields{s.Last: crm.TextValue(canary)}, Ref: "r"}
			return whole(c.BatchWrite(ctx, s.Object, []connector.Write{w}))
		}},
	}
	if s.app.Can(crm.AbilityPush) { // it makes no call to be asked: see Push
		maps.DeleteFunc(all, func(name string, c call) bool {
			return !c.write && name != "fields" && name != "objects" && name != "test"
		})
	}
	if s.app.Can(crm.AbilityArchive) {
		all["archive"] = call{write: true, do: func(ctx context.Context, c connector.Connector) error {
			return whole(c.BatchWrite(ctx, s.Object, []connector.Write{{Op: connector.Archive, ID: ids[1], Ref: "r"}}))
		}}
	}
	if s.app.Can(crm.AbilityOwners) {
		all["owner"] = call{do: func(ctx context.Context, c connector.Connector) error {
			_, err := c.Extras().OwnerByEmail(ctx, canary+"@example.com")
			return err
		}}
	}
	return all
}

// testFaults crosses every call with every fault: the kind of the error, no
// repeat by the connector itself, and no personal data or token in the text.
func testFaults(t *testing.T, s *suite) {
	const never = time.Hour
	faults := map[string]struct {
		fault    fakekit.Fault
		kind     fault.Kind
		retry    time.Duration
		landed   bool // a write's effect is unknown afterwards
		patience time.Duration
	}{
		"429": {
			fault: fakekit.Fault{Kind: fakekit.FaultFail, Status: 429, RetryAfter: 7 * time.Second}, kind: fault.Throttled,
			retry: 7 * time.Second,
		},
		"403": {fault: fakekit.Fault{Kind: fakekit.FaultFail, Status: 403}, kind: fault.Denied},
		"500": {fault: fakekit.Fault{Kind: fakekit.FaultFail, Status: 500}, kind: fault.Unavailable, landed: true},
		"502 html": {
			fault: fakekit.Fault{Kind: fakekit.FaultFail, Status: 502, Body: "<html>" + canary + "</html>"},
			kind:  fault.Unavailable, landed: true,
		},
		"503 landed": {
			fault: fakekit.Fault{Kind: fakekit.FaultFail, Status: 503, After: true}, kind: fault.Unavailable,
			landed: true,
		},
		"302": {
			fault: fakekit.Fault{Kind: fakekit.FaultFail, Status: 302, Body: "{}"}, kind: fault.Unavailable,
			landed: true,
		},
		"malformed":  {fault: fakekit.Fault{Kind: fakekit.FaultMalformed}, kind: fault.Unavailable, landed: true},
		"wrong type": {fault: fakekit.Fault{Kind: fakekit.FaultWrongType}, kind: fault.Unavailable, landed: true},
		"huge":       {fault: fakekit.Fault{Kind: fakekit.FaultHuge}, kind: fault.Unavailable, landed: true},
		"dropped":    {fault: fakekit.Fault{Kind: fakekit.FaultDrop}, kind: fault.Unavailable, landed: true},
		"timeout": {
			fault: fakekit.Fault{Kind: fakekit.FaultDelay, Delay: never}, kind: fault.Unavailable, landed: true,
			patience: 5 * time.Millisecond,
		},
		"stalled": {
			fault: fakekit.Fault{Kind: fakekit.FaultSlow, Delay: never}, kind: fault.Unavailable, landed: true,
			patience: 5 * time.Millisecond,
		},
	}
	ids := s.must(t, 0, 3)
	s.settle()
	made, all := len(ids), s.calls(ids)
	for name, f := range faults {
		for op, c := range all {
			t.Run(name+"/"+op, func(t *testing.T) {
				if op == "archive" { // some apps refuse to archive what a fault before has let them archive
					ids[1] = s.must(t, made, 1)[0]
					made++
				}
				if f.fault.Kind == fakekit.FaultHuge && op != "read" && op != "create" && op != "changes" {
					return // one of each sort: forty megabytes take their time
				}
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				at, most := "", 1
				if c.write {
					at, most = s.WriteAt, s.callsOf(c)
				}
				if op == "archive" {
					at = cmp.Or(s.ArchiveAt, at)
				}
				conn := s.Open(t, Tools{Tokens: s.tokens, Wrap: func(rt http.RoundTripper) http.RoundTripper {
					return impatient{rt, f.patience, stop, s.Fake.Calls, at}
				}})
				spoil := f.fault
				spoil.Endpoint = at
				if err := s.Fake.Inject(spoil); err != nil {
					t.Fatal(err)
				}
				before := s.Fake.Calls()
				err := c.do(ctx, conn)
				if !fault.Is(err, f.kind) {
					t.Fatalf("%v, want %s", err, f.kind)
				}
				if n := s.Fake.Calls() - before; n < 1 || n > most {
					t.Errorf("%d calls were made, want %d at most: connectors do not repeat", n, most)
				}
				if got := fault.RetryAfter(err); f.retry != 0 && got != f.retry {
					t.Errorf("RetryAfter = %s, want %s", got, f.retry)
				}
				if got := fault.MayHaveLanded(err); got != (c.write && f.landed) {
					t.Errorf("MayHaveLanded = %v, want %v", got, c.write && f.landed)
				}
				s.discreet(t, err)
			})
		}
	}
}

// callsOf is how many requests a call may take.
func (s *suite) callsOf(c call) int {
	if c.write {
		return max(1, s.WriteCalls)
	}
	return 1
}

// impatient gives up some time after the fake has got a call; 0 = never. The
// call must have got there: a fault that nobody ran into would hit the next one.
type impatient struct {
	next     http.RoundTripper
	patience time.Duration
	stop     context.CancelFunc
	calls    func() int
	at       string // of that endpoint only
}

// RoundTrip implements http.RoundTripper.
func (i impatient) RoundTrip(req *http.Request) (*http.Response, error) {
	if i.patience == 0 || !strings.HasPrefix(req.Method+" "+req.URL.Path, i.at) {
		return i.next.RoundTrip(req)
	}
	before := i.calls()
	var look func()
	look = func() {
		switch {
		case req.Context().Err() != nil: // over already
		case i.calls() == before:
			time.AfterFunc(time.Millisecond, look)
		default:
			time.AfterFunc(i.patience, i.stop)
		}
	}
	time.AfterFunc(time.Millisecond, look)
	return i.next.RoundTrip(req)
}

// discreet checks an error's text.
func (s *suite) discreet(t *testing.T, err error) {
	t.Helper()
	for _, secret := range []string{canary, s.tokens.current.Reveal()} {
		if strings.Contains(err.Error(), secret) {
			t.Error("the error's text holds personal data or a token")
		}
	}
}

// testLostReply lets a create land and loses its answer.
func testLostReply(t *testing.T, s *suite) {
	if err := s.Fake.Inject(fakekit.Fault{Kind: fakekit.FaultLoseReply}); err != nil {
		t.Fatal(err)
	}
	_, err := s.conn.BatchWrite(t.Context(), s.Object, []connector.Write{s.create(0)})
	if !fault.Is(err, fault.Unavailable) || !fault.MayHaveLanded(err) {
		t.Errorf("%v, may have landed %v, want unavailable and true", err, fault.MayHaveLanded(err))
	}
	if n := len(s.Fake.Live(s.Object)); n != 1 {
		t.Errorf("%d records exist, want the one whose answer was lost", n)
	}
}

// testCancelled checks that nothing goes out under a context that has ended.
func testCancelled(t *testing.T, s *suite) {
	ids := s.must(t, 0, 3)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range s.calls(ids) {
		if err := c.do(ctx, s.conn); err == nil {
			t.Errorf("%s under a cancelled context did not fail", name)
		} else if fault.KindOf(err) != fault.Unavailable {
			t.Errorf("%s: %v, want unavailable", name, err)
		}
	}
	if n := s.Fake.Calls(); n != 0 {
		t.Errorf("%d calls were made", n)
	}
	if n := len(s.Fake.Live(s.Object)); n != 3 {
		t.Errorf("%d records exist, want 3", n)
	}
}

// testTokenExpired checks that each call renews an expired token once and goes
// through.
func testTokenExpired(t *testing.T, s *suite) {
	if s.Fixed {
		t.Skip("the app's keys are renewed by nobody; that a refused one is told is checked under TokenRevoked")
	}
	if s.Fixed {
		t.Skip("the app's keys are renewed by nobody; that a refused one is told is checked under TokenRevoked")
	}
	ids := s.must(t, 0, 3)
	s.settle()
	all := s.calls(ids)
	names := slices.Sorted(maps.Keys(all))
	slices.SortStableFunc(names, func(a, b string) int { // what it deletes, the others could ask about once more
		return cmp.Compare(strings.Count(a, "archive"), strings.Count(b, "archive"))
	})
	for _, name := range names {
		c := all[name]
		if s.Fake.ExpireTokens() == 0 {
			t.Fatal("no token expired: the fixture's tokens must be able to")
		}
		renewed, calls := s.tokens.Renewed(), s.Fake.Calls()
		err := c.do(t.Context(), s.conn)
		if fault.Is(err, fault.NotFound) && name == "owner" {
			err = nil
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := s.tokens.Renewed() - renewed; n != 1 {
			t.Errorf("%s renewed %d times, want once", name, n)
		}
		most := s.callsOf(c)
		if name == "fields" {
			most = max(most, s.FieldCalls)
		}
		if n := s.Fake.Calls() - calls; n < 2 || n > 1+most {
			t.Errorf("%s made %d calls, want the refused one and its repeat", name, n)
		}
	}
}

func testTokenRevoked(t *testing.T, s *suite) {
	ids := s.must(t, 0, 3)
	s.Fake.RevokeTokens()
	s.tokens.End()
	for name, c := range s.calls(ids) {
		err := c.do(t.Context(), s.conn)
		if !fault.Is(err, fault.Denied) || fault.CodeOf(err) != "reauthorization_required" {
			t.Errorf("%s: %v, want denied, reauthorization_required", name, err)
		}
		if fault.MayHaveLanded(err) {
			t.Errorf("%s may have landed, though it was refused", name)
		}
		s.discreet(t, err)
	}
}

// testTokenRefused has the app refuse new tokens too: one renewal, then an end.
func testTokenRefused(t *testing.T, s *suite) {
	if s.Fixed {
		t.Skip("the app's keys are renewed by nobody; that a refused one is told is checked under TokenRevoked")
	}
	if s.Fixed {
		t.Skip("the app's keys are renewed by nobody; that a refused one is told is checked under TokenRevoked")
	}
	ids := s.must(t, 0, 3)
	for name, c := range s.calls(ids) {
		s.Fake.ExpireTokens()
		tokens := &Tokens{current: s.tokens.current, mint: s.Token}
		stale := s.Open(t, Tools{Tokens: refusing{tokens}})
		before := s.Fake.Calls()
		err := c.do(t.Context(), stale)
		if !fault.Is(err, fault.Denied) || fault.CodeOf(err) != "reauthorization_required" {
			t.Errorf("%s: %v, want denied, reauthorization_required", name, err)
		}
		if n := s.Fake.Calls() - before; n != 2 {
			t.Errorf("%s made %d calls, want 2", name, n)
		}
	}
}

// refusing hands out the expired token for ever.
type refusing struct{ *Tokens }

// Renew implements connector.Tokens.
func (r refusing) Renew(ctx context.Context, _ secret.Text) (secret.Text, error) { return r.Token(ctx) }
