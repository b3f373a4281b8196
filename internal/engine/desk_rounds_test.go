package engine

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// runs stores the desk's connection as one that is on.
func (d *desk) runs(status crm.Status) {
	d.opens()
	d.conn.Status = status
	_, version, err := store.LoadConnection(d.t.Context(), d.mem, d.sc.ws, d.sc.con)
	d.must(err)
	_, err = store.SaveConnection(d.t.Context(), d.mem, d.sc.ws, d.conn, version)
	d.must(err)
}

// queued empties the queue and tells what was in it.
func (d *desk) queued() string {
	d.t.Helper()
	var out []string
	ds, err := d.Queue.Receive(d.t.Context(), 10, time.Minute)
	d.must(err)
	for _, m := range ds {
		for _, err := range d.Queue.Delete(d.t.Context(), []string{m.Receipt}) {
			d.must(err)
		}
		c, err := decodeChunk(m.Body)
		d.must(err)
		out = append(out, fmt.Sprintf("%s of %s, counted %t: %s", c.Kind, c.Side, c.Counted, compact(c.Hints)))
	}
	return strings.Join(out, "; ")
}

// waitingItems is one of each thing that waits in the store for a round.
var waitingItems = map[string]func(d *desk){
	"nothing": func(*desk) {},
	"a parked chunk that is due": func(d *desk) {
		d.parkedChunk(-time.Second, false)
	},
	"a parked chunk that is not": func(d *desk) { d.parkedChunk(time.Second, false) },
	"a parked chunk of a run":    func(d *desk) { d.parkedChunk(-time.Second, true) },
	"hints in the inbox": func(d *desk) {
		for _, side := range crm.Sides {
			id := "x_" + crm.RecordID(side)
			d.putJSON(d.sc.inbox(side, id), inboxItem{V: 1, Hint: hint{ID: id}, At: d.now})
		}
	},
	"an inbox that cannot be read":  func(d *desk) { d.put(d.sc.inbox(crm.Left, "x"), []byte("{"), nil) },
	"a chunk that cannot be read":   func(d *desk) { d.put(d.sc.parked(d.now.Add(-1), "x"), []byte("{"), nil) },
	"a scan that cannot be read":    func(d *desk) { d.put(d.sc.scan(), []byte("{"), nil) },
	"a lease that cannot be read":   func(d *desk) { d.put(d.sc.lease(), []byte("{"), nil) },
	"changes that cannot be read":   func(d *desk) { d.put(d.sc.brakes(), []byte("{"), nil) },
	"an intent that cannot be read": func(d *desk) { d.put(d.sc.intent("int"), []byte("{"), nil) },
	"a halt that cannot be read":    func(d *desk) { d.put(d.sc.halt(), []byte("{"), nil) },
	"schemas that cannot be read": func(d *desk) {
		d.put(schemaKey(d.sc.ws, d.conn.Left.Account, "person"), []byte("{"), nil)
		d.put(d.sc.intent("int"), []byte("{"), nil)
	},
	"a run that is not there": func(d *desk) { d.putJSON(d.sc.scan(), scanState{V: 1, OpenRun: "run_none"}) },
	"a run that is over": func(d *desk) {
		d.putJSON(d.sc.scan(), scanState{V: 1, OpenRun: "run_over"})
		d.must(d.saveRun(d.t.Context(), d.sc.ws, &storedRun{V: 1, Phase: phaseOver, Run: Run{
			ID: "run_over", Connection: d.sc.con, Sync: d.sc.sync, State: RunDone,
		}}))
	},
	"a run that waits for its chunks": func(d *desk) {
		d.putJSON(d.sc.scan(), scanState{V: 1, OpenRun: "run_open"})
		d.must(d.saveRun(d.t.Context(), d.sc.ws, &storedRun{V: 1, Phase: phaseDrain, Sent: 1, Run: Run{
			ID: "run_open", Connection: d.sc.con, Sync: d.sc.sync, State: RunRunning,
		}}))
	},
	"a run that is open beside": func(d *desk) {
		d.put(d.sc.openRun("run_beside"), nil, nil)
		d.must(d.saveRun(d.t.Context(), d.sc.ws, &storedRun{V: 1, Phase: phaseDrain, Run: Run{
			ID: "run_beside", Kind: RunRecord, Connection: d.sc.con, Sync: d.sc.sync, State: RunRunning,
		}}))
	},
	"a run beside that is not there": func(d *desk) { d.put(d.sc.openRun("run_none"), nil, nil) },
	"an open intent": func(d *desk) {
		d.putLink(d.known())
		in := &intent{ID: "int", Entries: []intentEntry{{
			Side: crm.Right, Left: bobLeft, Right: bobRight,
			Intended: map[crm.MappingID]string{"city": crm.TextValue("Rome").Digest()},
		}}}
		d.person(crm.Right, bobRight, "Rome", "bob@example.com")
		b, err := in.encode()
		d.put(d.sc.intent("int"), b, err)
	},
	"an intent with the lease": func(d *desk) {
		d.putLink(d.known())
		in := &intent{ID: "int", Entries: []intentEntry{{
			Side: crm.Right, Left: bobLeft, Right: bobRight,
			Intended: map[crm.MappingID]string{"city": crm.TextValue("Rome").Digest()},
		}}}
		d.person(crm.Right, bobRight, "Rome", "bob@example.com")
		b, err := in.encode()
		d.must(err)
		d.putJSON(d.sc.lease(), lease{Epoch: 3, Intent: b})
	},
	"a decided change": func(d *desk) {
		d.putJSON(d.sc.brakes(), brakesItem{V: 1, List: []brake{
			{Mapping: "city", Side: crm.Right, Decision: decisionConfirmed, Decided: d.now.Add(-time.Minute)},
		}})
		d.putJSON(d.sc.stopped("city", crm.Left, bobLeft), barredItem{V: 1, Hint: hint{ID: bobLeft}, At: d.now})
	},
	"a change decided long ago": func(d *desk) {
		d.putJSON(d.sc.brakes(), brakesItem{V: 1, List: []brake{
			{Mapping: "city", Side: crm.Right, Decision: decisionDiscarded, Decided: d.now.Add(-decidedFor)},
			{Mapping: "tags", Side: crm.Right, Decision: decisionDiscarded, Decided: d.now.Add(-decidedFor + 1)},
			{Mapping: "gone", Side: crm.Right},
		}})
		d.putJSON(d.sc.stopped("gone", crm.Right, bobRight), barredItem{V: 1, Hint: hint{ID: bobRight}, At: d.now})
	},
	"a change that waits": func(d *desk) {
		d.putJSON(d.sc.brakes(), brakesItem{V: 1, List: []brake{{Mapping: "city", Side: crm.Right, Since: d.now}}})
		d.putJSON(d.sc.stopped("city", crm.Left, bobLeft), barredItem{V: 1, Hint: hint{ID: bobLeft}, At: d.now})
	},
	"a waiting record that cannot be read": func(d *desk) {
		d.putJSON(d.sc.brakes(), brakesItem{V: 1, List: []brake{{Mapping: "city", Decision: decisionConfirmed}}})
		d.put(d.sc.stopped("city", crm.Left, bobLeft), []byte("{"), nil)
	},
}

func (d *desk) parkedChunk(in time.Duration, counted bool) {
	c := d.newChunk(d.sc, d.conn, RunPull, "run", crm.Left, []hint{{ID: bobLeft}})
	c.Counted = counted
	b, err := c.encode()
	d.put(d.sc.parked(d.now.Add(in), "prk"), b, err)
}

// TestRoundsMayFail: what a round does about everything that waits for it, while
// the connection is on, paused, deleted and gone, and what is left when any of its
// requests fails.
func TestRoundsMayFail(t *testing.T) {
	t.Parallel()
	s := &stories{t: t}
	for _, name := range sortedNames(waitingItems) {
		for _, status := range []crm.Status{crm.StatusActive, crm.StatusPaused, crm.StatusDeleting} {
			if status != crm.StatusActive && strings.Contains(name, "cannot be read") {
				continue
			}
			s.play(fmt.Sprintf("%s, %s", name, status), func(d *desk) {
				d.runs(status)
				d.must(d.touchAgenda(t.Context(), d.sc))
				waitingItems[name](d)
				d.terse = true
				d.calm = status != crm.StatusActive && name != "nothing"
			}, func(d *desk) (string, error) {
				var said []string
				for range 3 {
					busy, err := d.Round(t.Context())
					if err != nil {
						return "", err
					}
					rests, _ := d.Backoff()
					said = append(said, fmt.Sprintf("busy %t, rests %s, queued %s", busy, rests, d.queued()))
					d.now = d.now.Add(11 * time.Minute)
				}
				return strings.Join(said, "\n  "), nil
			})
		}
	}
	written.Check(t, "desk/rounds.txt", s.out.String())
}

// TestLeasesMayFail: who takes the lease, from whom, and with what; and that nobody
// has it when a request for it fails.
func TestLeasesMayFail(t *testing.T) {
	t.Parallel()
	s := &stories{t: t}
	for _, c := range []struct {
		name  string
		lease *lease
		later time.Duration // since it was seen for the first time
	}{
		{"new", nil, 0},
		{"nobody's", &lease{Epoch: 3, Wrote: 2}, 0},
		{"nobody's, with an intent", &lease{Epoch: 3, Wrote: 2, Intent: []byte("[]")}, 0},
		{"somebody's", &lease{Owner: "own_other", Epoch: 3, Wrote: 2}, 0},
		{"somebody's for almost a lease", &lease{Owner: "own_other", Epoch: 3, Wrote: 2}, 80*time.Second - 1},
		{"somebody's for a lease", &lease{Owner: "own_other", Epoch: 3, Wrote: 2}, 80 * time.Second},
	} {
		for _, how := range []string{"acquire", "find vacant"} {
			s.play(c.name+", "+how, func(d *desk) {
				if c.lease != nil {
					d.putJSON(d.sc.lease(), *c.lease)
				}
				if c.later > 0 {
					_ = d.s.acquire(t.Context()) // it is seen
					d.now = d.now.Add(c.later)
					d.sit()
				}
			}, func(d *desk) (string, error) {
				var vacant bool
				var err error
				if how == "acquire" {
					err = d.s.acquire(t.Context())
				} else if vacant, err = d.s.findVacant(t.Context()); err == nil && vacant {
					err = d.s.ensureLease(t.Context(), []byte("[1]"))
				}
				said := fmt.Sprintf("vacant %t, mine %t, again after %s", vacant, d.s.lease != nil, fault.RetryAfter(err))
				if err != nil {
					return said, err
				}
				if d.s.lease != nil {
					d.s.writesLinks()
					said += fmt.Sprintf(", until %s", d.s.lease.Until.Sub(d.now))
					d.now = d.now.Add(41 * time.Second)
					if err := d.s.beat(t.Context()); err != nil {
						return said, err
					}
					said += fmt.Sprintf(", then %s, may write: %v", d.s.lease.Until.Sub(d.now), d.s.mayWrite(t.Context()))
				}
				d.s.release(context.Background())
				return said, nil
			})
		}
	}
	written.Check(t, "desk/leases.txt", s.out.String())
}

// TestWhoIsMissingFromAListing: of whom a full listing says nothing, a bounded number
// at a time on either side.
func TestWhoIsMissingFromAListing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const many = maxMissing + 3
	for i := range many {
		left, right := crm.RecordID(fmt.Sprintf("l_%05d", i)), crm.RecordID(fmt.Sprintf("r_%05d", i))
		l := &link{Left: left, Right: right, State: crm.StateInSync}
		switch i {
		case 0:
			l.State = crm.StateDeleted
		case 1:
			l.By = "run"
		}
		it, err := l.item(d.sc)
		d.put(it.Key, it.Data, err)
	}
	r := &storedRun{V: 1, Phase: phaseMissing, Salt: "salt", Run: Run{ID: "run", Kind: RunResync, Connection: d.sc.con}}
	seen := (&seenRecord{id: "l_00002"}).append(nil)
	seen = (&seenRecord{id: "l_00003", gone: true}).append(seen)
	d.put(d.sc.seenPage("run", crm.Left, 1), seen, nil)
	d.must(d.saveRun(t.Context(), d.sc.ws, r))
	var out strings.Builder
	for range 6 {
		if r.Phase != phaseMissing {
			break
		}
		r.Rest = nil
		d.must(d.s.stepMissing(t.Context(), r))
		first, last := "", ""
		if n := len(r.Rest); n > 0 {
			first, last = compact(r.Rest[0]), compact(r.Rest[n-1])
		}
		fmt.Fprintf(&out, "%d of the %s from %s until %s, then %s %q, listed %d, page %d, its listing kept %t\n", len(r.Rest),
			r.RestSide, first, last, r.Phase, r.Position, r.Listed, r.Seq, d.get(d.sc.seenPage("run", crm.Left, 1)) != nil)
	}
	written.Check(t, "desk/missing.txt", out.String())
}

// TestDecisionsAboutMassChanges: which decision covers a change that is met later.
func TestDecisionsAboutMassChanges(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	at := d.now
	item := &brakesItem{List: []brake{
		{Mapping: "city", Side: crm.Right, Value: "v", Decision: decisionConfirmed, Decided: at},
		{Mapping: "city", Side: crm.Right, Value: "v", Decision: decisionDiscarded, Decided: at.Add(time.Hour)},
		{Mapping: "city", Side: crm.Right, Value: "v"},
		{Mapping: "tags", Side: crm.Right, Value: "v", Decision: decisionConfirmed, Decided: at},
	}}
	city := massKind{Mapping: "city", Side: crm.Right, Value: "v"}
	for name, c := range map[string]struct {
		item *brakesItem
		kind massKind
		edit time.Duration // of the source, since the first decision
		hint crm.MappingID
		want string
	}{
		"none at all":                {nil, city, 0, "", ""},
		"edited before the first":    {item, city, -1, "", decisionConfirmed},
		"edited with the first":      {item, city, 0, "", decisionConfirmed},
		"edited after the first":     {item, city, 1, "", decisionDiscarded},
		"edited after both":          {item, city, time.Hour + 1, "", ""},
		"it waited for the decision": {item, city, 0, "city", decisionDiscarded},
		"another value":              {item, massKind{Mapping: "city", Side: crm.Right, Value: "w"}, -1, "", ""},
		"another side":               {item, massKind{Mapping: "city", Side: crm.Left, Value: "v"}, -1, "", ""},
		"another mapping":            {item, massKind{Mapping: "last", Side: crm.Right, Value: "v"}, -1, "", ""},
	} {
		u := &unit{side: crm.Left, hint: hint{Decided: c.hint}}
		u.rec.Left = &crm.Record{ModifiedAt: at.Add(c.edit)}
		got := ""
		if x := c.item.decided(c.kind, u); x != nil {
			got = x.Decision
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		u.rec.Left = nil
		if x := c.item.decided(c.kind, u); c.hint == "" && x != nil {
			t.Errorf("%s, and its source is not read: %+v", name, x)
		}
	}
	if item.waitsFor("city") != &item.List[2] || item.waitsFor("tags") != nil ||
		(*brakesItem)(nil).waitsFor("city") != nil {
		t.Error("one of the changes waits")
	}
}

// TestGarbageIsAnError: no item that cannot be read is taken for an empty one.
func TestGarbageIsAnError(t *testing.T) {
	t.Parallel()
	item := store.Item{Version: 1, Data: []byte("{")}
	for name, read := range map[string]func() error{
		"chunk":   func() error { _, err := decodeChunk(item.Data); return err },
		"erasure": func() error { _, err := decodeErasure(item); return err },
		"intent":  func() error { _, err := decodeIntent(item.Data); return err },
		"lease":   func() error { _, err := decodeLease(item); return err },
		"link":    func() error { _, err := decodeLink(item); return err },
		"head":    func() error { _, err := decodeHead(item); return err },
		"page":    func() error { _, err := decodePage(item); return err },
		"changes": func() error { _, _, err := decodeChanges(item); return err },
		"scan":    func() error { _, err := decodeScan(item); return err },
		"run":     func() error { _, err := decodeRun(item); return err },
		"schema":  func() error { _, err := decodeSchema(item); return err },
		"told":    func() error { _, err := toldOf(&chunk{}, item); return err },
		"connection": func() error {
			_, err := newDesk(t).decodeConnection(item)
			return err
		},
		"packed page":    func() error { _, err := decodePage(store.Item{Data: []byte{0, 1}}); return err },
		"packed run":     func() error { _, err := decodeRun(store.Item{Data: []byte{0, 1}}); return err },
		"packed intent":  func() error { _, err := decodeIntent([]byte{0, 1}); return err },
		"packed changes": func() error { _, _, err := decodeChanges(store.Item{Data: []byte{0, 1}}); return err },
		"halt": func() error {
			d := newDesk(t)
			d.put(d.sc.halt(), item.Data, nil)
			_, _, err := d.loadHalt(t.Context(), d.sc)
			return err
		},
		"brakes": func() error {
			d := newDesk(t)
			d.put(d.sc.brakes(), item.Data, nil)
			_, err := d.loadBrakes(t.Context(), d.sc)
			return err
		},
		"plan": func() error {
			d := newDesk(t)
			d.put(planKey(d.sc.ws, "pln"), item.Data, nil)
			_, _, err := d.loadPlan(t.Context(), d.sc.ws, "pln")
			return err
		},
		"agenda": func() error {
			d := newDesk(t)
			d.put(agendaKey(d.sc), item.Data, nil)
			_, err := d.Round(t.Context())
			return err
		},
		"dead": func() error {
			d := newDesk(t)
			d.put(dead(d.sc.ws, d.sc.con, "x"), item.Data, nil)
			_, _, err := d.ListDead(t.Context(), d.sc.ws, d.sc.con, 5, "")
			return err
		},
		"dead, sent again": func() error {
			d := newDesk(t)
			d.put(dead(d.sc.ws, d.sc.con, "x"), item.Data, nil)
			_, err := d.RedriveDead(t.Context(), d.sc.ws, d.sc.con)
			return err
		},
		"outages": func() error {
			d := newDesk(t)
			d.put(d.sc.outages(), item.Data, nil)
			_, _, err := d.loadOutages(t.Context(), d.sc)
			return err
		},
		"longest waiting": func() error { _, err := longestWaiting([]store.Item{item}, 1); return err },
	} {
		if err := read(); err == nil {
			t.Errorf("%s: garbage was read", name)
		}
	}
}

// TestPagesOfAListingAreReplaced: pages of a listing that is repeated take the place
// of those that an ended worker left, together with the run, and what it left
// beyond them goes.
func TestPagesOfAListingAreReplaced(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for _, there := range []int{0, 1, 2, 3, 4} {
		for _, listed := range []int{0, 1, 3, 5} { // a page holds three of them
			d := newDesk(t)
			r := &storedRun{V: 1, Salt: "salt", Seq: 7, Run: Run{ID: "run"}}
			for i := range there {
				key := d.sc.seenPage("run", crm.Left, 7)
				if i > 0 {
					key.Sort += string(rune('a' + i))
				}
				d.put(key, []byte("left by another one"), nil)
			}
			records := make([]crm.Record, listed)
			for i := range records {
				records[i].ID = crm.RecordID(strings.Repeat(fmt.Sprint(i), 100_000))
			}
			d.asked = nil
			again, err := d.s.saveSeen(t.Context(), r, crm.Left, records)
			fmt.Fprintf(&out, "%d there, %d listed: asks %s; with the run %s, %v\n", there, listed, strings.Join(d.asked, "; "),
				writesOf(again), err)
		}
	}
	written.Check(t, "desk/pages.txt", out.String())
}

// TestATextIsFoundInEveryForm: as it is, as JSON writes it, and in base64 whatever
// stands before and after it.
func TestATextIsFoundInEveryForm(t *testing.T) {
	t.Parallel()
	item := func(data string) store.Item { return store.Item{Data: []byte(data)} }
	if Trace(item(`{"n":"O\"Neil & sons"}`), []string{`O"Neil`}) == "" {
		t.Error("a text is not found as JSON writes it")
	}
	if Trace(item("nothing"), []string{""}) != "" || Trace(item("nothing"), []string{"some"}) != "" {
		t.Error("a text is found that is not there")
	}
	if Trace(item("of ann"), []string{"", "ann"}) != "ann" {
		t.Error("a text is not found beside an empty one")
	}
	intended, err := (&intent{ID: "int", Entries: []intentEntry{{Left: "l_ann"}}}).encode()
	if err != nil {
		t.Fatal(err)
	}
	packed, err := packOver(0, []byte("of ann"))
	if err != nil {
		t.Fatal(err)
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write([]byte("of ann")); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	for name, it := range map[string]store.Item{
		"a partition": {Key: store.Key{Partition: "of ann"}}, "a sort": {Key: store.Key{Sort: "of ann"}},
		"an index": {Index: "of ann"}, "an index sort": {IndexSort: "of ann"}, "packed": {Data: packed},
		"zipped": {Data: zipped.Bytes()}, "a lease": {Data: []byte(compact(lease{Intent: intended}))},
	} {
		if Trace(it, []string{"bob", "ann"}) != "ann" {
			t.Errorf("a text is not found in %s", name)
		}
	}
	for _, other := range []string{`{"n":"P\"Neil & sons"}`, `{"n":"O\"Neim"}`} {
		if Trace(item(other), []string{`O"Neil`}) != "" {
			t.Errorf("another text is found in %s", other)
		}
	}
	if Trace(item(base64.StdEncoding.EncodeToString([]byte("xxanna at home"))), []string{"anna"}) != "" {
		t.Error("a text is found that may stand there by chance")
	}
	for length := 7; length < 24; length++ {
		text := strings.Repeat("ann@example.com~", 2)[:length]
		for before := range 6 {
			for after := range 6 {
				for _, fill := range []byte{0, 0x55, 0xff} {
					whole := append(bytes.Repeat([]byte{fill}, before), text...)
					whole = append(whole, bytes.Repeat([]byte{^fill}, after)...)
					for name, enc := range map[string]*base64.Encoding{"standard": base64.StdEncoding, "URL": base64.RawURLEncoding} {
						first, last := slices.Clone(whole), slices.Clone(whole)
						first[before] ^= 1
						last[before+length-1] ^= 0x80
						if Trace(item(enc.EncodeToString(first)), []string{text}) != "" ||
							Trace(item(enc.EncodeToString(last)), []string{text}) != "" {
							t.Errorf("another text of %d bytes between %d and %d of %x is found in %s base64", length, before, after, fill,
								name)
						}
						if Trace(item(enc.EncodeToString(whole)), []string{text}) == "" {
							t.Errorf("%d bytes between %d and %d of %x are not found in %s base64", length, before, after, fill, name)
						}
					}
				}
			}
		}
	}
}
