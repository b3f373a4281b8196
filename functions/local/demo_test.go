package main

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/config"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/apiclient"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/storages"
)

// show is a demo under test, with the program's clock in the test's hand.
type show struct {
	*demo
	out   *bytes.Buffer
	ahead atomic.Int64 // of the real time
}

// newShow starts both fakes and the program, and ends them with the test.
func newShow(t *testing.T, n int, on storages.Storage) *show {
	t.Helper()
	s := &show{out: new(bytes.Buffer)}
	s.demo = &demo{remote: remoteOf(on), screen: newScreen(&world{out: s.out, err: t.Output()}), people: n, schedule: "1m"}
	s.now = func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }
	t.Cleanup(func() {
		if err := s.stopFakes(); err != nil {
			t.Errorf("stopping the fakes: %v", err)
		}
	})
	if err := s.startFakes(t.Context(), demoApps, n); err != nil {
		t.Fatal(err)
	}
	conf := config.Checked{
		Host: "127.0.0.1", DataDir: t.TempDir(), AdminKey: testKey, AppTimeout: 6 * time.Second,
		LogLevel: "warn", LogFormat: "plain",
	}
	for _, f := range s.fakes {
		conf.AllowHosts = append(conf.AllowHosts, f.host)
	}
	p, err := s.start(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Errorf("stopping the program: %v", err)
		}
	})
	return s
}

// newDone is a show of 60 people whose steps are done, with nothing under way.
func newDone(t *testing.T, on storages.Storage) *show {
	t.Helper()
	s := newShow(t, 60, on)
	if err := s.steps(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, s.out)
	}
	if _, err := s.quiet(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDemo is what "make run" shows: every figure of the final table holds
// against the fakes' own dumps, each linked pair is equal, edits arrive by
// webhook within three seconds.
func TestDemo(t *testing.T) {
	t.Parallel()
	storages.Each(t, func(t *testing.T, on storages.Storage) {
		n := 1000
		switch {
		case testing.Short():
			n = 120
		case on.Cloud != nil:
			n = 300 // the same steps, in less time
		}
		s := newShow(t, n, on)
		if err := s.steps(t.Context()); err != nil {
			t.Fatalf("%v\n%s", err, s.out)
		}
		t.Log(s.out)
		for _, want := range []string{"Everything holds", "by webhook", "in_sync", "duplicate"} {
			if !strings.Contains(s.out.String(), want) {
				t.Errorf("the output does not say %q", want)
			}
		}
	})
}

// TestS11_DroppedWebhooks: what no webhook told of comes with the next pull of the
// schedule, from either side.
func TestS11_DroppedWebhooks(t *testing.T) {
	t.Parallel()
	storages.Each(t, func(t *testing.T, on storages.Storage) {
		s, ctx := newDone(t, on), t.Context()
		for _, f := range s.fakes {
			hooks := f.fake.Core().Webhooks()
			hooks.Drop = 1
			f.fake.Core().SetWebhooks(hooks)
		}
		pairs, err := s.linked(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var ids [2]crm.RecordID
		for l, r := range pairs {
			ids = [2]crm.RecordID{l, r}
			break
		}
		s.userEdit(t, 0, ids[0], "jobtitle", "Navigator")
		s.userEdit(t, 1, ids[1], "MailingCity", "Tórshavn")
		before := s.fakes[1].record(t, ids[1])["Title"]
		if before == "Navigator" {
			t.Fatal("the change arrived although its webhook was dropped")
		}
		s.ahead.Add(int64(61 * time.Second)) // one schedule later
		err = until(ctx, 20*time.Second, "the changes", func(context.Context) (bool, error) {
			return s.fakes[1].record(t, ids[1])["Title"] == "Navigator" && s.fakes[0].record(t, ids[0])["city"] == "Tórshavn",
				nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestS19_AuthorizedAgain: when an app takes its permission back the connection
// waits for an admin; once the account is let in again it goes on by itself,
// with what was changed meanwhile.
func TestS19_AuthorizedAgain(t *testing.T) {
	t.Parallel()
	storages.Each(t, func(t *testing.T, on storages.Storage) {
		s := newShow(t, 60, on)
		ctx := t.Context()
		if err := s.steps(ctx); err != nil {
			t.Fatalf("%v\n%s", err, s.out)
		}
		status := func(want crm.Status) {
			t.Helper()
			err := until(ctx, 20*time.Second, "status "+string(want), func(ctx context.Context) (bool, error) {
				err := s.api.Call(ctx, http.MethodGet, s.path(""), nil, &s.conn)
				return s.conn.Status == want, err
			})
			if err != nil {
				t.Fatalf("%v; it is %s", err, s.conn.Status)
			}
		}
		hubspot := s.fakes[0].fake.Core()
		hubspot.RevokeTokens()
		s.userEdit(t, 1, s.pair[1], "MailingCity", "Longyearbyen")
		status(crm.StatusNeedsAuth)
		hubspot.AllowTokens()
		var test struct {
			OK bool `json:"ok"`
		}
		if err := s.api.Call(ctx, http.MethodPost, "/v1/accounts/"+string(s.conn.Left.Account)+"/test", nil,
			&test); err != nil || !test.OK {
			t.Fatalf("the test of the account: %v, %v", test.OK, err)
		}
		status(crm.StatusActive)
		s.ahead.Add(int64(2 * time.Minute)) // what failed rests for a while
		err := until(ctx, 20*time.Second, "the change", func(context.Context) (bool, error) {
			return s.fakes[0].record(t, s.pair[0])["city"] == "Longyearbyen", nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// userEdit changes a record as somebody working in the app would.
func (s *show) userEdit(t *testing.T, side int, id crm.RecordID, field, value string) {
	t.Helper()
	f := s.fakes[side]
	if _, err := f.fake.Core().UpdateRecord(f.kind.Objects, string(id), map[string]string{field: value}); err != nil {
		t.Fatal(err)
	}
}

func (f *fakeServer) record(t *testing.T, id crm.RecordID) map[string]string {
	t.Helper()
	for _, r := range f.fake.Core().Records(f.kind.Objects) {
		if r.ID == string(id) {
			return r.Fields
		}
	}
	t.Fatalf("%s has no record %s", f.kind.name, id)
	return nil
}

// TestChecksNotice plants what the demo's checks are for: they must see it.
func TestChecksNotice(t *testing.T) {
	t.Parallel()
	storages.Each(t, func(t *testing.T, on storages.Storage) {
		s := newShow(t, 60, on)
		ctx := t.Context()
		if err := s.steps(ctx); err != nil {
			t.Fatalf("%v\n%s", err, s.out)
		}
		status, err := s.quiet(ctx)
		if err != nil {
			t.Fatal(err)
		}
		pairs, err := s.linked(ctx)
		if err != nil {
			t.Fatal(err)
		}
		fresh := func() (now [2]people) {
			for i, f := range s.fakes {
				if now[i], err = dump(ctx, f.url, f.kind.Objects); err != nil {
					t.Fatal(err)
				}
			}
			return now
		}
		var l, r crm.RecordID
		for l, r = range pairs {
			break
		}
		for name, c := range map[string]struct {
			plant func(now *[2]people)
			check func(now [2]people) error
		}{
			"a field differs": {
				func(now *[2]people) { now[1][r]["LastName"] += "x" },
				func(now [2]people) error { return s.checkPairs(pairs, now) },
			},
			"a record is gone": {
				func(now *[2]people) { delete(now[0], l) },
				func(now [2]people) error { return s.checkPairs(pairs, now) },
			},
			"somebody is lost": {
				func(now *[2]people) { delete(now[0], l) },
				func(now [2]people) error { return s.checkEverybody(now) },
			},
			"somebody is there twice": {
				func(now *[2]people) { now[0]["double"] = now[0][l] },
				func(now [2]people) error { return s.checkEverybody(now) },
			},
			"the app holds more than the states say": {
				func(now *[2]people) { now[1]["more"] = map[string]string{} },
				func(now [2]people) error { return s.checkCounts(status, now) },
			},
			"a record that is left out was written": {
				func(now *[2]people) {
					for id, fields := range now[0] {
						if fields["email"] == "" {
							now[0][id] = map[string]string{"firstname": "Written"}
						}
					}
				},
				func(now [2]people) error { _, err := s.checkUnwritten(ctx, now); return err },
			},
		} {
			now := fresh()
			if err := c.check(now); err != nil {
				t.Errorf("%s: before anything was planted: %v", name, err)
			}
			c.plant(&now)
			if err := c.check(now); err == nil {
				t.Errorf("%s: not noticed", name)
			}
		}
	})
}

func TestUnlike(t *testing.T) {
	t.Parallel()
	mapping := func(t crm.TransformType) []crm.Mapping {
		return []crm.Mapping{{ID: "m", Left: []string{"a"}, Right: []string{"b"}, Transform: crm.Transform{Type: t}}}
	}
	for name, c := range map[string]struct {
		transform   crm.TransformType
		left, right string
		same        bool
	}{
		"equal":              {crm.TransformNone, "Zoë", "Zoë", true},
		"another letter":     {crm.TransformNone, "Zoë", "Zoe", false},
		"case of names":      {crm.TransformNone, "smith", "Smith", false},
		"case of addresses":  {crm.TransformEmail, "ada@example.com", "ADA@example.com", true},
		"spelling of phones": {crm.TransformPhone, "(202) 555-0101", "+12025550101", true},
		"another phone":      {crm.TransformPhone, "(202) 555-0102", "+12025550101", false},
		"one side blank":     {crm.TransformPhone, "", "+12025550101", false},
	} {
		got := unlike(mapping(c.transform), "US", map[string]string{"a": c.left}, map[string]string{"b": c.right})
		if (got == nil) != c.same {
			t.Errorf("%s: differ = %v, want same = %v", name, got, c.same)
		}
	}
}

// TestS5_ResyncWritesNothing: comparing everything again after the demo finds
// nothing to do, in either app.
func TestS5_ResyncWritesNothing(t *testing.T) {
	t.Parallel()
	storages.Each(t, func(t *testing.T, on storages.Storage) {
		newDone(t, on).resync(t)
	})
}

// resync compares everything again and fails the test if anything was written.
func (d *demo) resync(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	var before [2]fakekit.Requests
	for i := range d.fakes {
		before[i] = d.requests(t, i)
	}
	var run engine.Run
	if err := d.api.Call(ctx, http.MethodPost, d.syncPath("/resync"), nil, &run); err != nil {
		t.Fatal(err)
	}
	err := until(ctx, 5*time.Minute, "the resync", func(ctx context.Context) (bool, error) {
		err := d.api.Call(ctx, http.MethodGet, "/v1/runs/"+string(run.ID), nil, &run)
		return !isOpen(run), err
	})
	if err != nil {
		t.Fatal(err)
	}
	for o, n := range run.Outcomes {
		if o != crm.Unchanged && o != crm.Excluded && o != crm.Duplicate && n > 0 {
			t.Errorf("the resync ended with %d %s", n, o)
		}
	}
	for i := range d.fakes {
		after := d.requests(t, i)
		written := 0
		for endpoint, n := range after.ByEndpoint {
			if !writes(endpoint) {
				continue
			}
			written += n
			if n != before[i].ByEndpoint[endpoint] {
				t.Errorf("%s: %d calls of %s during a resync", d.fakes[i].kind.name, n-before[i].ByEndpoint[endpoint], endpoint)
			}
		}
		if written == 0 {
			t.Errorf("%s: no write was ever counted: the test looks at the wrong endpoints", d.fakes[i].kind.name)
		}
	}
}

// writes reports whether a call of an endpoint changes records.
func writes(endpoint string) bool {
	method, path, _ := strings.Cut(endpoint, " ")
	if method == http.MethodPatch || method == http.MethodDelete {
		return true
	}
	return method == http.MethodPost && (strings.HasSuffix(path, "/create") || strings.HasSuffix(path, "/update") ||
		strings.HasSuffix(path, "/upsert") || strings.HasSuffix(path, "/archive") ||
		strings.HasSuffix(path, "/composite/sobjects"))
}

func (d *demo) requests(t *testing.T, side int) fakekit.Requests {
	t.Helper()
	var out fakekit.Requests
	if err := apiclient.New(d.fakes[side].url, "").Call(t.Context(), http.MethodGet, "/_fake/requests", nil,
		&out); err != nil {
		t.Fatal(err)
	}
	return out
}
