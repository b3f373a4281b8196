package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// TestX11_ErasuresAreAskedForByName: who may be named how, what is answered about it, and
// when it may be lifted; nobody is taken for erased, or not erased, because a request failed.
func TestX11_ErasuresAreAskedForByName(t *testing.T) {
	t.Parallel()
	s := &stories{t: t}
	lay := func(d *desk) {
		d.brief = true
		d.ErasureKey = aKey
		for id, r := range map[string]ErasureRequest{
			"ers_1": {Email: "ann@example.com", Phone: "+4930123456"},
			"ers_2": {Record: &AppRecord{"acc_left", "person", bobLeft}},
			"ers_3": {Email: "cyd@example.com"},
		} {
			_, err := d.Erase(t.Context(), d.sc.ws, id, r)
			d.must(err)
		}
		for _, id := range []string{"ers_2", "ers_3"} {
			x, err := d.loadErasure(t.Context(), d.sc.ws, id)
			d.must(err)
			x.Work, x.Erasure.State, x.Erasure.EndedAt = nil, ErasureDone, d.now
			d.must(d.storeErasure(t.Context(), d.sc.ws, x))
		}
		_, err := d.LiftErasure(t.Context(), d.sc.ws, "ers_3")
		d.must(err)
	}
	record := func(account crm.AccountID, object string, id crm.RecordID) ErasureRequest {
		return ErasureRequest{Record: &AppRecord{account, object, id}}
	}
	for _, c := range []struct {
		name string
		who  ErasureRequest
	}{
		{"nobody", ErasureRequest{}},
		{"no address", ErasureRequest{Email: "ann"}},
		{"no number", ErasureRequest{Phone: "123"}},
		{"a record of no account", record("", "person", bobLeft)},
		{"a record of no object", record("acc_left", "", bobLeft)},
		{"a record without an ID", record("acc_left", "person", "")},
		{"an address", ErasureRequest{Email: " Ann@Example.com"}},
		{"a number", ErasureRequest{Phone: "+49 30 123456"}},
		{"an address and a number", ErasureRequest{Email: "ann@example.com", Phone: "+4930123456"}},
		{"an address and another's record", ErasureRequest{
			Email: "ann@example.com", Record: &AppRecord{"acc_left", "person", bobLeft},
		}},
		{"a record", record("acc_left", "person", bobLeft)},
		{"a record of the other account", record("acc_right", "person", bobLeft)},
		{"who was let in again", ErasureRequest{Email: "cyd@example.com"}},
		{"somebody else", ErasureRequest{Email: "dan@example.com"}},
	} {
		s.play("find "+c.name, lay, func(d *desk) (string, error) {
			x, err := d.FindErasure(t.Context(), d.sc.ws, c.who)
			return x.ID, err
		})
		s.play("erase "+c.name, lay, func(d *desk) (string, error) {
			x, err := d.Erase(t.Context(), d.sc.ws, "ers_4", c.who)
			return fmt.Sprintf("%s %s by %s", x.ID, x.State, x.By), err
		})
	}
	for _, id := range []string{"ers_1", "ers_2", "ers_3", "ers_none"} {
		s.play("get "+id, lay, func(d *desk) (string, error) {
			x, err := d.GetErasure(t.Context(), d.sc.ws, id)
			return compact(x), err
		})
		s.play("lift "+id, lay, func(d *desk) (string, error) {
			x, err := d.LiftErasure(t.Context(), d.sc.ws, id)
			return fmt.Sprintf("%s %s, blocked %t, lifted %t", x.ID, x.State, x.Blocked, x.LiftedAt.Equal(d.now)), err
		})
	}
	s.play("list", lay, func(d *desk) (string, error) {
		said := ""
		for cursor := ""; ; {
			page, next, err := d.ListErasures(t.Context(), d.sc.ws, 2, cursor)
			if err != nil {
				return "", err
			}
			for i := range page {
				said += page[i].ID + " "
			}
			if cursor = next; next == "" {
				return said, nil
			}
			said += "and "
		}
	})
	s.play("nobody has a key", func(d *desk) { d.brief = true }, func(d *desk) (string, error) {
		_, err := d.Erase(t.Context(), d.sc.ws, "ers_4", ErasureRequest{Email: "ann@example.com"})
		return "", err
	})
	s.play("a key that cannot be had", func(d *desk) {
		d.brief = true
		d.ErasureKey = func(context.Context, crm.WorkspaceID) ([]byte, error) { return nil, fmt.Errorf("no key") }
	}, func(d *desk) (string, error) {
		_, err := d.Erase(t.Context(), d.sc.ws, "ers_4", ErasureRequest{Email: "ann@example.com"})
		return "", err
	})
	written.Check(t, "desk/erasures.txt", s.out.String())
}

// TestWhoIsCounted: each record that was worked once, as what became of it, in its sync's
// day, and in the run of webhooks that it came with.
func TestWhoIsCounted(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	hooks := d.webhookRun(d.sc)
	b := d.s.openBooks(&lot{jobs: []*job{{chunk: &chunk{Run: hooks}}}})
	for _, c := range []struct {
		outcome crm.Outcome
		chunk   chunk
		into    *unit
	}{
		{crm.Created, chunk{Run: "run", Counted: true}, nil},
		{crm.Updated, chunk{Run: hooks}, nil},
		{crm.Updated, chunk{Run: hooks, Counted: true}, nil},
		{crm.Unchanged, chunk{Run: hooks}, nil},
		{crm.Failed, chunk{Run: "run"}, &unit{}}, // another one stands for it
	} {
		u := &unit{jobs: []*job{{chunk: &c.chunk}}, into: c.into}
		u.decision.Outcome = c.outcome
		b.count(u)
		if _, told := b.outcomes[u]; told != (c.into == nil) {
			t.Errorf("%s: told %t", c.outcome, told)
		}
	}
	if got, want := compact(b.day), `{"o:created":1,"o:updated":2}`; got != want {
		t.Errorf("the day counts %s, want %s", got, want)
	}
	if got, want := compact(b.runs), `{"`+string(hooks)+`":{"o:updated":1,"records":1}}`; got != want {
		t.Errorf("the runs count %s, want %s", got, want)
	}
	d.s.ends[0].calls = 3
	b.calls()
	if b.runs[hooks]["calls:left"] != 3 || len(b.runs[hooks]) != 3 || d.s.ends[0].calls != 0 {
		t.Errorf("calls are charged as %v, and %d are left", b.runs[hooks], d.s.ends[0].calls)
	}
	d.now = d.now.Add(time.Hour)
	for _, w := range b.counterWrites() {
		kept := runRetention
		if strings.HasPrefix(place(w.Item.Key), "day ") {
			kept = daysKept // of which the months of a year are counted
		}
		if w.Item.Expires.Sub(d.now) != kept {
			t.Errorf("%s is kept until %s", place(w.Item.Key), w.Item.Expires)
		}
	}
}
