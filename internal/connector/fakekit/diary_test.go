package fakekit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
)

// diary is the smallest app there is: notes that can be written and read.
type diary struct {
	*Core
	notes *Table
	n     int
}

func newDiary(cfg Config) *diary {
	d := &diary{Core: New(cfg)}
	d.notes = d.NewTable("notes")
	d.notes.IndexOn("word", strings.ToLower)
	d.Start(d)
	return d
}

func (d *diary) Name() string { return "diary" }
func (d *diary) Slot() int    { return 0 }
func (d *diary) Routes() []Route {
	return []Route{
		{Pattern: "GET /notes/{id}", Handler: func(w http.ResponseWriter, r *http.Request) {
			n, ok := d.notes.Get(r.PathValue("id"))
			if !ok {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			_ = json.NewEncoder(w).Encode(n.Fields)
		}},
		{Pattern: "POST /notes", Write: true, Handler: func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			n, _ := d.Create("notes", map[string]string{"word": string(b)})
			_, _ = fmt.Fprintf(w, "made %s", n.ID)
		}},
		{Pattern: "GET /find", Search: true, Handler: func(w http.ResponseWriter, r *http.Request) {
			found, _ := d.notes.Indexed().Lookup("word", r.URL.Query().Get("q"))
			_, _ = fmt.Fprint(w, len(found))
		}},
	}
}

func (d *diary) Seed(people []Person, at time.Time) {
	for _, p := range people {
		d.put(map[string]string{"word": p.Email}, at)
	}
}

func (d *diary) put(f map[string]string, at time.Time) *Record {
	d.n++
	r := &Record{ID: fmt.Sprint(d.n), Fields: maps.Clone(f), Created: at, Modified: at}
	d.notes.Put(r)
	return r
}

func (d *diary) Create(_ string, f map[string]string) (*Record, error) {
	r := d.put(f, d.Tick())
	d.Emit(Event{Object: "notes", ID: r.ID, Kind: "made", At: r.Modified})
	return r, nil
}

func (d *diary) Update(_, id string, f map[string]string) (*Record, error) {
	old, ok := d.notes.Get(id)
	if !ok {
		return nil, ErrNotFound
	}
	r := old.Clone()
	for k, v := range f {
		r.Set(k, v)
	}
	r.Modified = d.Tick()
	d.notes.Put(r)
	return r, nil
}

func (d *diary) Delete(_, id string) error {
	r, ok := d.notes.Get(id)
	if !ok {
		return ErrNotFound
	}
	r = r.Clone()
	r.Deleted, r.DeletedAt = true, d.Tick()
	d.notes.Put(r)
	return nil
}

func (d *diary) Restore(_, id string) (*Record, error) {
	return nil, errors.New("notes stay deleted")
}

func (d *diary) Merge(_, _, _ string) (*Record, error) {
	return nil, errors.New("notes do not merge")
}

func (d *diary) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "refused with %d", status)
}

func (d *diary) Throttle(w http.ResponseWriter, _ *http.Request, kind LimitKind, _ time.Duration) {
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = fmt.Fprint(w, kind)
}

func (d *diary) Unknown(w http.ResponseWriter, _ *http.Request, status int) { w.WriteHeader(status) }

func (d *diary) Pack(hook Webhooks, events []Event, attempt int, now time.Time) Packed {
	ids := []string{}
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return Packed{
		Method: "POST", URL: hook.URL, Header: http.Header{
			"X-Attempt": {fmt.Sprint(attempt)}, "X-At": {now.Format(time.RFC3339)},
		},
		Body: []byte(strings.Join(ids, ",")),
	}
}
func (d *diary) PackLimit() int                        { return 3 }
func (d *diary) Accepted(status int, body []byte) bool { return status == 200 }
func (d *diary) RetryIn(n int) (time.Duration, bool)   { return time.Minute, n < 3 }

// asleep waits by moving the clock on.
func asleep(c *testclock.Clock) func(context.Context, time.Duration) error {
	return func(ctx context.Context, d time.Duration) error {
		c.Advance(d)
		return ctx.Err()
	}
}

func call(t *testing.T, h http.Handler, method, path, body string) (int, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://diary.example.com"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := Transport(h).RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b), nil
}
