package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// TestWhoIsAdmitted: which chunks are worked, which are dropped, and which wait, by what
// has become of their connection and what was counted of them; none is taken for done, or
// for kept, because a request failed.
func TestWhoIsAdmitted(t *testing.T) {
	t.Parallel()
	s := &stories{t: t}
	kinds := map[string]chunk{
		"of a webhook": {Kind: RunWebhook}, "of a run": {Kind: RunPull, Counted: true},
		"of a plan": {Kind: RunPlan, Counted: true}, "of an earlier start": {Kind: RunPull, Generation: 1},
		"of no sync": {Kind: RunPull, Sync: "none"},
	}
	for _, c := range []struct {
		name string
		lay  func(d *desk)
	}{
		{"is on", func(d *desk) { d.runs(crm.StatusActive) }},
		{"is paused", func(d *desk) { d.runs(crm.StatusPaused) }},
		{"is being deleted", func(d *desk) { d.runs(crm.StatusDeleting) }},
		{"is gone", func(d *desk) { d.conn = nil }},
	} {
		s.play(c.name, func(d *desk) {
			d.brief = true
			c.lay(d)
		}, func(d *desk) (string, error) {
			said := ""
			for _, name := range sortedNames(kinds) {
				mine := kinds[name]
				mine.V, mine.ID, mine.Workspace, mine.Connection = 1, "chk_"+name, d.sc.ws, d.sc.con
				mine.Side, mine.Hints, mine.Run = crm.Left, []hint{{ID: bobLeft}}, "run"
				sc := d.sc
				if mine.Sync == "" {
					mine.Sync = sc.sync
				}
				sc.sync = mine.Sync
				j := &job{chunk: &mine, verdict: &Verdict{}}
				open, err := d.admit(t.Context(), sc, d.conn, []*job{j})
				if err != nil {
					return "", err
				}
				said += fmt.Sprintf("\n    %s: worked %t, %s", name, len(open) == 1, compact(j.verdict))
			}
			return said, nil
		})
	}
	s.play("what was counted", func(d *desk) {
		d.brief = true
		d.runs(crm.StatusActive)
		d.put(d.sc.chunkDone("chk_done"), nil, nil)
		d.putJSON(d.sc.chunkTold("chk_told"), toldItem{V: 1, IDs: []crm.RecordID{bobLeft}})
	}, func(d *desk) (string, error) {
		var jobs []*job
		for _, id := range []string{"chk_new", "chk_done", "chk_told", "chk_lone"} {
			c := &chunk{ID: id, Workspace: d.sc.ws, Connection: d.sc.con, Sync: d.sc.sync, Counted: id != "chk_lone"}
			c.Hints = []hint{{ID: bobLeft}, {ID: annLeft}}
			jobs = append(jobs, &job{chunk: c, verdict: &Verdict{}})
		}
		open, err := d.admit(t.Context(), d.sc, d.conn, jobs)
		if err != nil {
			return "", err
		}
		said := fmt.Sprintf("the done one %s, open", compact(jobs[1].verdict))
		for _, j := range open {
			said += fmt.Sprintf(" %s %v", j.chunk.ID, j.told.ids)
		}
		return said, nil
	})
	s.play("told of nothing that can be read", func(d *desk) {
		d.runs(crm.StatusActive)
		d.put(d.sc.chunkTold("chk"), []byte("["), nil)
		d.brief = true
	}, func(d *desk) (string, error) {
		j := &job{chunk: &chunk{ID: "chk", Counted: true, Sync: d.sc.sync}, verdict: &Verdict{}}
		_, err := d.admit(t.Context(), d.sc, d.conn, []*job{j})
		return compact(j.verdict), err
	})
	written.Check(t, "desk/admitted.txt", s.out.String())
	for name, c := range map[string]struct {
		jobs []*job
		want bool
	}{
		"one":            {[]*job{{chunk: &chunk{Hints: []hint{{ID: "a"}}}}}, true},
		"none":           {nil, false},
		"two messages":   {[]*job{{chunk: &chunk{Hints: []hint{{}}}}, {chunk: &chunk{Hints: []hint{{}}}}}, false},
		"two records":    {[]*job{{chunk: &chunk{Hints: []hint{{}, {}}}}}, false},
		"of a run":       {[]*job{{chunk: &chunk{Counted: true, Hints: []hint{{}}}}}, false},
		"a merge":        {[]*job{{chunk: &chunk{Hints: []hint{{Into: "b"}}}}}, false},
		"a wish":         {[]*job{{chunk: &chunk{Hints: []hint{{Op: opUnlink}}}}}, false},
		"nobody's chunk": {[]*job{{chunk: &chunk{}}}, false},
	} {
		if lone(c.jobs) != c.want {
			t.Errorf("%s: lone %t", name, !c.want)
		}
	}
}

// TestOurOwnUserIsAskedForOnce: an app that cannot say is asked again with the next need
// of it; one that does not answer now is no reason to take an edit for ours.
func TestOurOwnUserIsAskedForOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		fails  bool
		again  int // how often it is asked when it is needed twice
		silent bool
	}{
		"it says":        {nil, false, 1, false},
		"it cannot say":  {nil, false, 0, true},
		"unsupported":    {fault.New("desk", fault.Unsupported, "unsupported", ""), false, 2, false},
		"not found":      {fault.New("desk", fault.NotFound, "not_found", ""), false, 2, false},
		"invalid":        {fault.New("desk", fault.Invalid, "invalid", ""), false, 2, false},
		"a right":        {fault.New("desk", fault.Denied, codePermission, ""), false, 2, false},
		"the grant":      {fault.New("desk", fault.Denied, codeReauthorize, ""), true, 2, false},
		"it is away":     {fault.New("desk", fault.Unavailable, "unavailable", ""), true, 2, false},
		"it is too busy": {fault.New("desk", fault.Throttled, "limit", ""), true, 2, false},
	} {
		d := newDesk(t)
		d.Log = slog.New(slog.DiscardHandler)
		d.selves.drop(d.conn.Left.Account)
		asked := 0
		if !c.silent {
			d.apps[0].self = func(context.Context) (string, error) {
				asked++
				return ourUser, c.err
			}
		}
		want := ourUser
		if c.err != nil || c.silent {
			want = ""
		}
		for range 2 {
			who, err := d.s.self(t.Context(), crm.Left)
			if (err != nil) != c.fails || who != want {
				t.Errorf("%s: %q, %v", name, who, err)
			}
		}
		if asked != c.again {
			t.Errorf("%s: asked %d times, want %d", name, asked, c.again)
		}
	}
}

// TestOurLastWriteIsReadAsWritten: and what is none is told from it.
func TestOurLastWriteIsReadAsWritten(t *testing.T) {
	t.Parallel()
	w := lastWrite{time.UnixMilli(1_700_000_000_123), 37, "layout"}
	for _, side := range crm.Sides {
		l := &link{}
		if side == crm.Left {
			l.WroteL = w.String()
		} else {
			l.WroteR = w.String()
		}
		got, ok := l.lastWrite(side)
		if !ok || !got.at.Equal(w.at) || got.fields != w.fields || got.layout != w.layout {
			t.Errorf("%s: %+v, %t", side, got, ok)
		}
		if _, ok := l.lastWrite(side.Other()); ok {
			t.Errorf("the other side of the %s was written", side)
		}
	}
	for text, want := range map[string]bool{
		"": false, "1": false, "1.": false, "1.1": true, "1.1.": true, "?.1.x": false, "1.?.x": false, "1.-1.x": false,
	} {
		if _, ok := (&link{WroteL: text}).lastWrite(crm.Left); ok != want {
			t.Errorf("%q: read %t", text, ok)
		}
	}
}

// TestWhatOthersWrite: which fields of a side other syncs write, too: of connections that
// are no drafts, on the same account and object, but not of those that join the same.
func TestWhatOthersWrite(t *testing.T) {
	t.Parallel()
	writes := func(id crm.SyncID, left, right string) crm.Sync {
		return crm.Sync{
			ID: id, Left: crm.ObjectEnd{Object: left}, Right: crm.ObjectEnd{Object: right}, Direction: crm.DirectionBoth,
			Mappings: []crm.Mapping{{ID: "m", Left: []string{"city"}, Right: []string{"City"}, Direction: crm.DirectionBoth}},
		}
	}
	for name, c := range map[string]struct {
		other crm.Connection
		own   []crm.Sync
		want  string
	}{
		"nobody": {want: "[] []"},
		"another one": {
			other: crm.Connection{Left: crm.End{Account: "acc_left"}, Right: crm.End{Account: "acc_x"}}, want: "[city] []",
		},
		"the other way round": {
			other: crm.Connection{Left: crm.End{Account: "acc_x"}, Right: crm.End{Account: recoverAcc}}, want: "[] [city]",
		},
		"a draft": {other: crm.Connection{Status: crm.StatusDraft, Left: crm.End{Account: "acc_left"}}, want: "[] []"},
		"of another object": {other: crm.Connection{Left: crm.End{Account: "acc_left"}, Syncs: []crm.Sync{
			writes("x", "company", "Company"),
		}}, want: "[] []"},
		"a sibling that joins the same":    {own: []crm.Sync{writes("sibling", "person", "Person")}, want: "[] []"},
		"a sibling that joins another one": {own: []crm.Sync{writes("sibling", "person", "Lead")}, want: "[city] []"},
	} {
		d := newDesk(t)
		d.opens()
		d.conn.Syncs = append(d.conn.Syncs, c.own...)
		d.runs(crm.StatusActive)
		d.s.conf = &d.conn.Syncs[0]
		if c.other.Left.Account+c.other.Right.Account != "" {
			c.other.ID, c.other.Enabled = "con_other", true
			if c.other.Status == "" {
				c.other.Status = crm.StatusPaused
			}
			if c.other.Syncs == nil {
				c.other.Syncs = []crm.Sync{writes("x", "person", "Person")}
			}
			_, err := store.SaveConnection(t.Context(), d.mem, d.sc.ws, &c.other, 0)
			d.must(err)
		}
		var got [2][]crm.MappingID
		for i, side := range crm.Sides {
			d.asked = nil
			for range 2 {
				shared, err := d.s.shared(t.Context(), side)
				d.must(err)
				got[i] = d.s.set.Placed(shared)
			}
			if len(d.asked) != 1-i { // once for both sides
				t.Errorf("%s, %s: asks %v, want it once in all", name, side, d.asked)
			}
		}
		if text := fmt.Sprint(got[0], " ", got[1]); text != c.want {
			t.Errorf("%s: others write %s, want %s", name, text, c.want)
		}
		d.s.elsewhere, d.s.beyond = [2]*uint64{}, nil
		d.asked, d.at = nil, 0
		if _, err := d.s.shared(t.Context(), crm.Left); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v, want what the store says", name, err)
		}
	}
}

// TestAnEngineNeedsItsParts: what is missing is said before anything is worked.
func TestAnEngineNeedsItsParts(t *testing.T) {
	t.Parallel()
	whole := newDesk(t).Config
	for name, take := range map[string]func(c *Config){
		"store": func(c *Config) { c.Store = nil }, "queue": func(c *Config) { c.Queue = nil },
		"apps": func(c *Config) { c.Open = nil }, "clock": func(c *Config) { c.Now = nil },
		"names": func(c *Config) { c.NewID = nil }, "sleep": func(c *Config) { c.Sleep = nil },
	} {
		c := whole
		take(&c)
		if e, err := New(c); fault.CodeOf(err) != "incomplete_configuration" || e != nil {
			t.Errorf("without its %s: %v", name, err)
		}
	}
	bare := whole
	bare.Log, bare.Trace, bare.Mark, bare.Decoded = nil, nil, nil, nil
	e, err := New(bare)
	if err != nil {
		t.Fatal(err)
	}
	e.Log.Info("heard by nobody")
	e.Mark("seen by nobody")
	if e.Decoded == nil || !strings.HasPrefix(e.Trace(), "trc_") {
		t.Errorf("what may be left out is missing: %v, %q", e.Decoded, e.Trace())
	}
}

// TestADeletedConnectionGoesAPageAtATime: who has more than a page is looked at again at
// once, and the connection stays until nothing of it is left.
func TestADeletedConnectionGoesAPageAtATime(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.runs(crm.StatusDeleting)
	d.must(d.touchAgenda(t.Context(), d.sc))
	for i := range 501 {
		id := crm.RecordID(fmt.Sprint("x_", i))
		d.putJSON(d.sc.inbox(crm.Left, id), inboxItem{V: 1, Hint: hint{ID: id}, At: d.now})
	}
	for round, want := range []bool{true, false, false} {
		busy, err := d.Round(t.Context())
		if err != nil || busy != want {
			t.Errorf("round %d: busy %t, %v", round, busy, err)
		}
		_, err = d.connection(t.Context(), d.sc.ws, d.sc.con)
		if gone := fault.Is(err, fault.NotFound); gone != (round > 0) {
			t.Errorf("after round %d the connection is gone %t: %v", round, gone, err)
		}
	}
	if left := d.remembers(); left != "" {
		t.Errorf("what is left: %s", left)
	}
}

var errDesk = errors.New("desk")

// TestAnOutageIsOfOneApp: what is an outage, and what is not; the one that stands is kept.
func TestAnOutageIsOfOneApp(t *testing.T) {
	t.Parallel()
	away := atSide(crm.Right, "read", fault.New("desk", fault.Unavailable, "no_answer", "away"))
	for name, c := range map[string]struct {
		err  error
		conn bool
		want bool
	}{
		"an app is away":  {away, true, true},
		"no connection":   {away, false, false},
		"the store is":    {fault.New("desk", fault.Unavailable, "unavailable", ""), true, false},
		"an app refuses":  {atSide(crm.Right, "read", fault.New("desk", fault.Invalid, "invalid", "")), true, false},
		"something else":  {errDesk, true, false},
		"nothing happens": {nil, true, false},
	} {
		d := newDesk(t)
		d.opens()
		conn := d.conn
		if !c.conn {
			conn = nil
		}
		for range 3 {
			d.noteOutage(t.Context(), d.sc, conn, c.err)
			d.now = d.now.Add(outageNotedFor / 2)
		}
		known, version, err := d.loadOutages(t.Context(), d.sc)
		d.must(err)
		if got := known.Sides.Right != nil; got != c.want || known.out() > 1 || known.Sides.Left != nil {
			t.Fatalf("%s: noted %t, %d", name, got, known.out())
		}
		if !c.want {
			continue
		}
		o := known.Sides.Right
		if began := d.now.Add(-3 * outageNotedFor / 2); version != 1 || !o.Since.Equal(began) || o.App != "app" ||
			o.Code != "no_answer" || o.Detail != "away" || o.Account != d.conn.Right.Account {
			t.Errorf("%s: noted %s, stored %d times", name, compact(o), version)
		}
		for _, at := range []struct {
			later time.Duration
			want  bool
		}{{longOutage - 3*outageNotedFor/2 - 1, false}, {1, true}} {
			if d.now = d.now.Add(at.later); d.outage(t.Context(), d.sc, away) != at.want {
				t.Errorf("after %s the app is out %t", d.now.Sub(o.Since), !at.want)
			}
		}
		if d.outage(t.Context(), d.sc, atSide(crm.Left, "read", fault.New("desk", fault.Unavailable, "x", ""))) ||
			d.outage(t.Context(), d.sc, errDesk) {
			t.Error("another one is out")
		}
	}
}
