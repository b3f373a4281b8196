package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// opens lets the engine open the desk's apps, which have the fields of the sync
// and a password.
func (d *desk) opens() {
	d.Engine.Open = func(_ context.Context, _ crm.WorkspaceID, id crm.AccountID) (connector.Connector, error) {
		side := 0
		if id == d.conn.Right.Account {
			side = 1
		}
		return d.apps[side], d.fails("open " + string(id))
	}
}

func (a *sayer) Fields(_ context.Context, object string) ([]crm.Field, error) {
	out := []crm.Field{
		{Name: "email", Type: crm.TypeEmail},
		{Name: "city", Type: crm.TypeText},
		{Name: "tags", Type: crm.TypeList, Multiple: true},
		{Name: "password", Type: crm.TypeText},
		{Name: "vip", Type: crm.TypeBoolean},
	}
	for i := range out {
		if a.side == crm.Right {
			out[i].Name = strings.ToUpper(out[i].Name[:1]) + out[i].Name[1:]
		}
	}
	return out, a.d.fails(fmt.Sprintf("%s fields of %s", a.side, object))
}

// TestPreviewsAreAsWritten: what rules would let through and records would become,
// under a document that is not stored: of a sample, of records that are named, of
// those that are gone, and without what nobody is to see.
func TestPreviewsAreAsWritten(t *testing.T) {
	t.Parallel()
	s := &stories{t: t}
	lay := func(d *desk) {
		d.opens()
		secret := crm.Mapping{ID: "secret", Left: []string{"password"}, Right: []string{"Password"}}
		d.conn.Syncs[0].Mappings = append(d.conn.Syncs[0].Mappings, secret)
		vips := &crm.Filter{All: []crm.Filter{
			{Field: "vip", Op: "is_true"}, {Field: "password", Op: "not_equals", Value: crm.TextValue("hunter2")},
		}}
		d.conn.Syncs[0].Rules = []crm.Rule{{ID: "vips", Direction: crm.DirectionToRight, Filter: vips}}
		for i := range 9 {
			for _, side := range crm.Sides {
				id := crm.RecordID(fmt.Sprintf("%c_%d", side[0], i))
				r := d.person(side, id, []string{"Rome", "Oslo"}[(i+side.Index())%2], fmt.Sprint(i, "@example.com"))
				if side == crm.Left {
					r.Fields["vip"], r.Fields["password"] = crm.BoolValue(i%2 == 0), crm.TextValue("secret")
				} else {
					r.Fields["Password"], r.Fields["Vip"] = crm.TextValue(""), crm.NullValue()
				}
				r.Deleted = i == 1
				if i == 3 {
					r.MergedInto = "elsewhere"
				}
				d.apps[side.Index()].rows[id] = *r
				d.apps[side.Index()].order = append(d.apps[side.Index()].order, id)
			}
		}
		d.putLink(&link{Left: "l_4", Right: "r_4", State: crm.StateInSync})
		d.apps[0].page, d.apps[1].page = 4, 20
		delete(d.apps[1].rows, "r_6")
		d.apps[1].order = slices.DeleteFunc(d.apps[1].order, func(id crm.RecordID) bool { return id == "r_6" })
	}
	ref := func(side crm.Side, id crm.RecordID) crm.RecordRef { return crm.RecordRef{Side: side, ID: id} }
	s.play("rules", lay, func(d *desk) (string, error) {
		p, err := d.PreviewRules(t.Context(), d.sc.ws, d.conn, d.sc.sync)
		return compact(p), err
	})
	for _, c := range []struct {
		name string
		refs []crm.RecordRef
	}{
		{"a sample", nil},
		{"linked", []crm.RecordRef{ref(crm.Left, "l_4"), ref(crm.Right, "r_4")}},
		{"new", []crm.RecordRef{ref(crm.Left, "l_6")}},
		{"excluded", []crm.RecordRef{ref(crm.Left, "l_5")}},
		{"gone", []crm.RecordRef{ref(crm.Left, "l_1"), ref(crm.Right, "none")}},
	} {
		s.play("mappings, "+c.name, lay, func(d *desk) (string, error) {
			p, err := d.PreviewMappings(t.Context(), d.sc.ws, d.conn, d.sc.sync, c.refs)
			return compact(p), err
		})
	}
	s.play("of a sync that is not there", lay, func(d *desk) (string, error) {
		p, err := d.PreviewMappings(t.Context(), d.sc.ws, d.conn, "none", nil)
		return compact(p), err
	})
	written.Check(t, "desk/previews.txt", s.out.String())
}

// TestX11_APreviewShowsNothingOfTheErased: whoever was erased is left alone, known by an ID
// or by what their record holds, and nothing of them is shown; others are as ever.
func TestX11_APreviewShowsNothingOfTheErased(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.opens()
	d.ErasureKey = aKey
	for _, id := range []crm.RecordID{"l_ann", "l_bob", "l_cyd"} {
		d.person(crm.Left, id, "Rome", string(id[2:])+"@example.com")
	}
	for id, r := range map[string]ErasureRequest{
		"ers_1": {Email: "ann@example.com"},
		"ers_2": {Record: &AppRecord{d.conn.Left.Account, "person", "l_bob"}},
	} {
		_, err := d.Erase(t.Context(), d.sc.ws, id, r)
		d.must(err)
	}
	p, err := d.PreviewMappings(t.Context(), d.sc.ws, d.conn, d.sc.sync, []crm.RecordRef{
		{Side: crm.Left, ID: "l_ann"}, {Side: crm.Left, ID: "l_bob"}, {Side: crm.Left, ID: "l_cyd"},
	})
	d.must(err)
	for i, one := range p.Records {
		erased := i < 2
		if (one.Code == CodeErased) != erased || (one.Outcome == crm.Excluded) != erased ||
			(len(one.Fields)+len(one.Writes) == 0) != erased {
			t.Errorf("%s: %s", one.ID, compact(one))
		}
	}
	if len(p.Records) != 3 {
		t.Errorf("%d of 3 are shown", len(p.Records))
	}
}

// TestPasswordsAreKnownByName: whatever the case, by name or label.
func TestPasswordsAreKnownByName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"Password": true, "user_PASSWORD_2": true, "pass word": true, "pass_word": true, "Pass-Word": true, "passport": false, "word": false,
	} {
		if IsPassword(crm.Field{Name: name}) != want || IsPassword(crm.Field{Label: name}) != want {
			t.Errorf("%q: want %t", name, want)
		}
	}
}

// deskCalls are the calls of admins and others, each with what it needs.
func deskCalls(ctx context.Context, d *desk, sync crm.SyncID) map[string]func() error {
	ws, con := d.sc.ws, d.sc.con
	return map[string]func() error{
		"start":   func() error { _, err := d.StartConnection(ctx, ws, con); return err },
		"pause":   func() error { return d.PauseConnection(ctx, ws, con) },
		"delete":  func() error { return d.DeleteConnection(ctx, ws, con) },
		"catchup": func() error { return d.CatchUp(ctx, ws, con, []crm.SyncID{sync}) },
		"resync":  func() error { _, err := d.StartRun(ctx, ws, con, sync, RunResync); return err },
		"pull":    func() error { return d.Pull(ctx, ws, con, sync) },
		"plan":    func() error { _, err := d.CreatePlan(ctx, ws, con, sync, nil); return err },
		"plan of one": func() error {
			_, err := d.CreatePlan(ctx, ws, con, sync, []crm.RecordRef{{Side: crm.Left, ID: bobLeft}})
			return err
		},
		"sync":    func() error { _, err := d.SyncRecord(ctx, ws, con, sync, crm.Left, bobLeft); return err },
		"link":    func() error { _, err := d.LinkRecords(ctx, ws, con, sync, crm.Left, bobLeft, bobRight); return err },
		"unlink":  func() error { _, err := d.UnlinkRecord(ctx, ws, con, sync, crm.Left, bobLeft); return err },
		"confirm": func() error { return d.ConfirmDeletions(ctx, ws, con, sync) },
		"discard": func() error { return d.DiscardDeletions(ctx, ws, con, sync) },
		"changes": func() error { return d.ConfirmChanges(ctx, ws, con, sync, "city") },
		"revert":  func() error { return d.DiscardChanges(ctx, ws, con, sync, "none") },
		"resolve": func() error {
			how := map[crm.MappingID]Resolution{"city": {Side: crm.Left}}
			_, err := d.ResolveRecord(ctx, ws, con, sync, crm.Left, bobLeft, how)
			return err
		},
		"resolve all": func() error {
			_, err := d.ResolveRecords(ctx, ws, con, sync, ResolveFilter{State: crm.StateConflict}, ChoiceLeft, false)
			return err
		},
		"pairs": func() error {
			_, _, err := d.LinkPairs(ctx, ws, con, sync, []PairOfIDs{{bobLeft, bobRight}, {annLeft, "r_ann"}}, false)
			return err
		},
		"retry":     func() error { _, err := d.RetryFailed(ctx, ws, LogFilter{Connection: con, Sync: sync}); return err },
		"redrive":   func() error { _, err := d.RedriveDead(ctx, ws, con); return err },
		"held list": func() error { _, err := d.ListHeld(ctx, ws, con, sync); return err },
		"release":   func() error { _, err := d.ReleaseHeld(ctx, ws, con, sync, "title"); return err },
		"held":      func() error { _, err := d.Held(ctx, ws, con); return err },
		"status":    func() error { _, err := d.Status(ctx, ws, con); return err },
		"records":   func() error { _, _, err := d.ListRecords(ctx, ws, con, sync, RecordFilter{}, 10, ""); return err },
		"record":    func() error { _, err := d.GetRecord(ctx, ws, con, sync, crm.Left, bobLeft); return err },
		"explain":   func() error { _, err := d.Explain(ctx, ws, con, sync, crm.Left, bobLeft); return err },
		"stranger": func() error {
			_, err := d.Explain(ctx, ws, con, sync, crm.Left, "stranger")
			return err
		},
	}
}

// TestWhatIsRefused: what every call answers in every state of a connection, and
// what it leaves in store and queue.
func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	states := map[string]func(c *crm.Connection){
		"switched off": func(c *crm.Connection) { c.Status, c.Enabled = crm.StatusActive, false },
		"sync off": func(c *crm.Connection) {
			c.Status, c.Syncs[0].Direction = crm.StatusActive, crm.DirectionOff
		},
	}
	for _, status := range []crm.Status{
		crm.StatusDraft, crm.StatusActive, crm.StatusPaused, crm.StatusNeedsAuth, crm.StatusHalted, crm.StatusDeleting,
	} {
		states[string(status)] = func(c *crm.Connection) { c.Status = status }
	}
	for _, state := range sortedNames(states) {
		for _, sync := range []crm.SyncID{"people", "none"} {
			for _, name := range sortedNames(deskCalls(t.Context(), newDesk(t), sync)) {
				d := newDesk(t)
				d.opens()
				states[state](d.conn)
				_, version, err := store.LoadConnection(t.Context(), d.mem, d.sc.ws, d.sc.con)
				d.must(err)
				_, err = store.SaveConnection(t.Context(), d.mem, d.sc.ws, d.conn, version)
				d.must(err)
				d.bob()
				d.person(crm.Right, bobRight, "Oslo", "bob@example.com")
				d.putLink(d.known())
				d.asked = nil
				err = deskCalls(t.Context(), d, sync)[name]()
				conn, _, loaded := store.LoadConnection(t.Context(), d.mem, d.sc.ws, d.sc.con)
				now := "gone"
				if loaded == nil {
					now = string(conn.Status)
				}
				sent := 0
				ds, received := d.Queue.Receive(t.Context(), 10, time.Minute)
				d.must(received)
				for _, m := range ds {
					c, err := decodeChunk(m.Body)
					d.must(err)
					sent += len(c.Hints)
				}
				fmt.Fprintf(&out, "%s, %s: %s %v; then %s, %d requests, %d hints, came by %s\n", state, sync, name, err, now,
					len(d.asked), sent, d.met())
			}
		}
	}
	written.Check(t, "desk/refused.txt", out.String())
}

// TestCallsMayFail: a call that fails at any of its requests says so.
func TestCallsMayFail(t *testing.T) {
	t.Parallel()
	s := &stories{t: t}
	for _, name := range sortedNames(deskCalls(t.Context(), newDesk(t), "people")) {
		s.play(name, func(d *desk) {
			d.opens()
			d.conn.Status = crm.StatusActive
			_, version, err := store.LoadConnection(t.Context(), d.mem, d.sc.ws, d.sc.con)
			d.must(err)
			_, err = store.SaveConnection(t.Context(), d.mem, d.sc.ws, d.conn, version)
			d.must(err)
			d.bob()
			d.person(crm.Right, bobRight, "Oslo", "bob@example.com")
			d.putLink(d.known())
		}, func(d *desk) (string, error) { return "", deskCalls(t.Context(), d, "people")[name]() })
	}
	written.Check(t, "desk/calls.txt", s.out.String())
}

// TestMalformedQuestions: cursors and names that no list returned.
func TestMalformedQuestions(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.opens()
	ctx, ws, con := t.Context(), d.sc.ws, d.sc.con
	d.must(d.savePlan(ctx, ws, &storedPlan{V: 1, Plan: PlanView{ID: "pln"}}, 0))
	day := d.now.Format("20060102")
	var out strings.Builder
	for _, cursor := range []string{
		"?", encodeText([]byte("{")), encodeText([]byte(`{"s":-1}`)), encodeText([]byte(`{"d":"yesterday"}`)),
		encodeText([]byte(`{"d":"2026-11-20","s":-1}`)), encodeText([]byte(`{"d":"2026-11-20"}`)),
		encodeText([]byte(`{"s":16}`)), encodeText([]byte(`{"h":99}`)), encodeText([]byte("[]")),
	} {
		_, _, log := d.ListLog(ctx, ws, LogFilter{Connection: con}, 5, cursor)
		_, _, records := d.ListRecords(ctx, ws, con, "people", RecordFilter{}, 5, cursor)
		_, _, changes := d.PlanChanges(ctx, ws, "pln", 5, cursor)
		_, _, dead := d.ListDead(ctx, ws, con, 5, cursor)
		_, _, runs := d.ListRuns(ctx, ws, "", 5, cursor)
		fmt.Fprintf(&out, "%q: log %q, records %q, changes %q, dead %q, runs %q\n", cursor, fault.CodeOf(log),
			fault.CodeOf(records), fault.CodeOf(changes), fault.CodeOf(dead), fault.CodeOf(runs))
	}
	_, _, err := d.ListLog(ctx, ws, LogFilter{}, 5, "")
	fmt.Fprintf(&out, "log of nobody: %v\n", err)
	long := strings.Repeat("x", 65)
	for _, id := range []string{
		"", "log_", "x_con~" + day + "~1.00~0", "log_a~b~c", "log_con~" + day + "~1.00~0~0", "log_con~today~1.00~0",
		"log_con~" + day + "~1.00~x", "log_con~" + day + "~1.00~-1", "log_" + long + "~" + day + "~1.00~0",
		"log_con~" + day + "~" + long + "~0", "log_con~" + day + "~1.00~0", "log_con~" + day + "~1.00~7",
		"log_" + long[1:] + "~" + day + "~" + long[1:] + "~0",
	} {
		ref, err := parseEntryID(id)
		fmt.Fprintf(&out, "%q is %+v, %q\n", id, ref, fault.CodeOf(err))
	}
	con, d.s.con = "con_con", "con_con" // as such names are
	pages, err := d.s.logPages("pg_1", following(nil, Entry{Record: "a"}, Entry{Record: "b"}), 7)
	d.must(err)
	d.must(d.mem.Transact(ctx, pages))
	for i := range 3 {
		e, err := d.GetEntry(ctx, ws, entryID(con, d.now, "pg_1.00", i))
		fmt.Fprintf(&out, "entry %d: %s %q\n", i, e.Record, fault.CodeOf(err))
	}
	written.Check(t, "desk/malformed.txt", out.String())
}

// TestPairsOfSiblings: what a sync takes over of another one that joins the same
// objects: its pairs, what they agreed on, their ends, and the creates under way.
func TestPairsOfSiblings(t *testing.T) {
	t.Parallel()
	s := &stories{t: t}
	there := scope{"ws", "con", "other"}
	put := func(d *desk, l *link) {
		it, err := l.item(there)
		d.put(it.Key, it.Data, err)
		if l.paired() {
			it, err = aliasItem(there, crm.Right, l.Right, l.Left, false)
			d.put(it.Key, it.Data, err)
		}
	}
	for _, c := range []struct {
		name string
		lay  func(d *desk)
	}{
		{"nothing there", func(*desk) {}},
		{"a pair", func(d *desk) { put(d, &link{Left: bobLeft, Right: bobRight, State: crm.StateInSync}) }},
		{"another's pair", func(d *desk) { put(d, &link{Left: annLeft, Right: annRight, State: crm.StateInSync}) }},
		{"a single", func(d *desk) { put(d, &link{Left: bobLeft, State: crm.StateExcluded}) }},
		{"a pair that ended", func(d *desk) {
			put(d, &link{Left: bobLeft, Right: bobRight, State: crm.StateDeleted, Code: "deleted_on_right"})
		}},
		{"a pair that both have, left out here", func(d *desk) {
			put(d, &link{Left: bobLeft, Right: bobRight, State: crm.StateInSync})
			d.putLink(&link{Left: bobLeft, Right: bobRight, State: crm.StateExcluded, Since: d.now})
		}},
		{"a pair that both have, left out in both, here later", func(d *desk) {
			put(d, &link{Left: bobLeft, Right: bobRight, State: crm.StateExcluded, Since: d.now})
			d.putLink(&link{Left: bobLeft, Right: bobRight, State: crm.StateExcluded, Since: d.now.Add(1)})
		}},
		{"a pair that both have, left out in both, there later", func(d *desk) {
			put(d, &link{Left: bobLeft, Right: bobRight, State: crm.StateExcluded, Since: d.now.Add(1)})
			d.putLink(&link{Left: bobLeft, Right: bobRight, State: crm.StateExcluded, Since: d.now})
		}},
		{"another twin there", func(d *desk) {
			put(d, &link{Left: bobLeft, Right: annRight, State: crm.StateInSync})
			d.putLink(&link{Left: bobLeft, Right: bobRight, State: crm.StateExcluded})
		}},
		{"worked here", func(d *desk) {
			put(d, &link{Left: bobLeft, Right: bobRight, State: crm.StateInSync})
			d.putLink(&link{Left: bobLeft, Right: bobRight, State: crm.StateInSync})
		}},
		{"set aside here", func(d *desk) {
			put(d, &link{Left: bobLeft, Right: bobRight, State: crm.StateInSync})
			d.putLink(&link{Left: bobLeft, State: crm.StateExcluded, Code: codeUnlinked})
		}},
		{"a create under way", func(d *desk) {
			in := &intent{ID: "int", Entries: []intentEntry{
				{Side: crm.Right, Create: true, Left: bobLeft, Claims: []string{bobMail}, Lag: time.Second},
				{Side: crm.Right, Left: annLeft, Right: annRight},
			}}
			b, err := in.encode()
			d.put(there.intent("int"), b, err)
		}},
		{"an intent that cannot be read", func(d *desk) { d.put(there.intent("int"), []byte("{"), nil) }},
	} {
		s.play(c.name, func(d *desk) {
			other := d.conn.Syncs[0]
			other.ID = "other"
			d.conn.Syncs = append(d.conn.Syncs, other)
			c.lay(d)
			d.lays = func(d *desk) {
				d.s.conf = &d.conn.Syncs[0]
				u := d.newcomer(crm.Left, bobLeft, "bob@example.com")
				asked := d.newcomer(crm.Left, annLeft, "ann@example.com")
				asked.hint.Op = opLink
				d.units = []*unit{u, asked}
				b := d.s.Store
				d.s.Store = d.mem
				d.must(d.s.loadLinks(t.Context(), d.units))
				d.s.Store = b
			}
			d.lays(d)
		}, func(d *desk) (string, error) {
			err := d.s.inherit(t.Context(), d.units)
			u := d.units[0]
			return fmt.Sprintf("twins %v, former %s, ended %s, beside %+v", u.hint.Twins, stateOf(u.former), stateOf(u.ended),
				d.s.beside), err
		})
	}
	written.Check(t, "desk/siblings.txt", s.out.String())
}

// TestTwinsAreFound: a record without a twin, from its hint to the verdict, by what
// the other app and the store hold.
func TestTwinsAreFound(t *testing.T) {
	t.Parallel()
	s := &stories{t: t}
	twin := func(d *desk) { d.person(crm.Right, bobRight, "Rome", "bob@example.com") }
	bob := hint{ID: bobLeft}
	for _, c := range []struct {
		name string
		hint hint
		lay  func(d *desk)
	}{
		{"nobody", bob, func(*desk) {}},
		{"one", bob, twin},
		{"one of looser ways", bob, func(d *desk) { d.person(crm.Right, bobRight, "Rome", "not.bob@example.com") }},
		{"two", bob, func(d *desk) {
			twin(d)
			d.person(crm.Right, annRight, "Rome", "bob@example.com")
		}},
		{"a double of its own side", bob, func(d *desk) { d.person(crm.Left, annLeft, "Rome", "bob@example.com") }},
		{"linked to another one", bob, func(d *desk) {
			twin(d)
			d.putLink(&link{Left: annLeft, Right: bobRight, State: crm.StateInSync})
		}},
		{"of a deleted pair", bob, func(d *desk) {
			twin(d)
			d.putLink(&link{Left: annLeft, Right: bobRight, State: crm.StateDeleted})
		}},
		{"of its own deleted pair", bob, func(d *desk) {
			twin(d)
			d.putLink(&link{Left: bobLeft, Right: bobRight, State: crm.StateDeleted})
		}},
		{"taken apart", bob, func(d *desk) {
			twin(d)
			d.putLink(&link{Right: bobRight, State: crm.StateExcluded, Code: codeUnlinked})
		}},
		{"taken apart, and joined by hand", hint{ID: bobLeft, Op: opLink, Partner: bobRight}, func(d *desk) {
			twin(d)
			d.putLink(&link{Right: bobRight, State: crm.StateExcluded, Code: codeUnlinked})
		}},
		{"taken apart, an alias for a pair that was never stored", bob, func(d *desk) {
			twin(d)
			it, err := asideAlias(d.sc, bobRight, annLeft, codeUnlinked)
			d.put(it.Key, it.Data, err)
		}},
		{"taken apart, an alias for a pair of another", hint{ID: bobLeft, Op: opLink, Partner: bobRight}, func(d *desk) {
			twin(d)
			it, err := asideAlias(d.sc, bobRight, annLeft, codeUnlinked)
			d.put(it.Key, it.Data, err)
			it, err = (&link{Left: annLeft, Right: annRight, State: crm.StateInSync}).item(d.sc)
			d.put(it.Key, it.Data, err)
		}},
		{"known by itself", bob, func(d *desk) {
			twin(d)
			d.putLink(&link{Right: bobRight, State: crm.StateExcluded, Code: "filtered"})
		}},
		{"an alias for a pair that was never stored", bob, func(d *desk) {
			twin(d)
			it, err := aliasItem(d.sc, crm.Right, bobRight, annLeft, false)
			d.put(it.Key, it.Data, err)
		}},
		{"an alias for a pair that cannot be read", bob, func(d *desk) {
			twin(d)
			it, err := aliasItem(d.sc, crm.Right, bobRight, annLeft, false)
			d.put(it.Key, it.Data, err)
			d.put(d.sc.record(crm.Left, annLeft), []byte("{"), nil)
		}},
		{"what is known of it cannot be read", bob, func(d *desk) {
			twin(d)
			d.put(d.sc.record(crm.Right, bobRight), []byte("{"), nil)
		}},
		{"named by a listing", hint{ID: bobLeft, Twins: []crm.RecordID{bobRight, "r_gone"}}, func(d *desk) {
			d.person(crm.Right, bobRight, "Rome", "bob@example.com")
		}},
		{"named by a listing, and another one by now", hint{ID: bobLeft, Twins: []crm.RecordID{bobRight}}, func(d *desk) {
			d.person(crm.Right, bobRight, "Rome", "robert@example.com")
		}},
		{"a double named by a listing", hint{ID: bobLeft, Doubles: []crm.RecordID{annLeft}}, func(d *desk) {
			d.person(crm.Left, annLeft, "Rome", "bob@example.com")
		}},
		{"named by the app as in the way", hint{ID: bobLeft, Holder: bobRight}, func(d *desk) {
			d.person(crm.Right, bobRight, "Rome", "robert@example.com")
		}},
		{"its own alias was stored", bob, func(d *desk) {
			d.person(crm.Right, bobRight, "Rome", "robert@example.com")
			d.putLink(&link{Left: bobLeft, State: crm.StateWaiting, Code: codeCreateInFlight, Others: []crm.RecordID{bobRight}})
		}},
		{"its own alias was stored, and the twin is gone", bob, func(d *desk) {
			d.putLink(&link{Left: bobLeft, State: crm.StateWaiting, Code: codeCreateInFlight, Others: []crm.RecordID{bobRight}})
		}},
		{"joined by hand with nobody", hint{ID: bobLeft, Op: opLink, Partner: "r_none"}, func(*desk) {}},
	} {
		s.play(c.name, func(d *desk) {
			d.bob()
			c.lay(d)
			d.jobs = []*job{{chunk: &chunk{ID: "chk", Side: crm.Left, Kind: RunPull, Hints: []hint{c.hint}}}}
		}, func(d *desk) (string, error) {
			us, err := d.s.gather(t.Context(), d.jobs)
			if err == nil {
				us, err = d.s.observe(t.Context(), us)
			}
			if err != nil {
				return "", err
			}
			d.s.decide(us)
			said := ""
			for _, u := range us {
				said += u.fullVerdict() + fmt.Sprintf("; rival %q, aside %q, born %q, absorbed %v, leaves %t, lapsed %t",
					u.rival, u.aside, u.born, u.absorbed, u.leaves != nil, u.lapsed != nil)
			}
			return said, nil
		})
	}
	written.Check(t, "desk/twins.txt", s.out.String())
}

// TestAuditsFindWhatDiffers: what reading known records again reports, counts and
// how far it comes.
func TestAuditsFindWhatDiffers(t *testing.T) {
	t.Parallel()
	s := &stories{t: t}
	for _, n := range []int{1, 3, 100} {
		s.play(fmt.Sprint(n, " links at a time"), func(d *desk) {
			for i, state := range []crm.State{
				crm.StateInSync, crm.StateConflict, crm.StateFailing, crm.StateDeleted, crm.StateExcluded, crm.StateInSync,
				crm.StateInSync, crm.StateInSync,
			} {
				left, right := crm.RecordID(fmt.Sprint("l_", i)), crm.RecordID(fmt.Sprint("r_", i))
				d.known()
				l := d.known()
				l.Left, l.Right, l.State = left, right, state
				r := d.person(crm.Right, right, "Rome", "bob@example.com")
				d.person(crm.Left, left, "Rome", "bob@example.com")
				switch l.SeenR = r.Fields.Digest(deskFields[1]); i {
				case 5:
					d.person(crm.Right, right, "Oslo", "bob@example.com")
				case 6:
					delete(d.apps[0].rows, left)
				case 7:
					d.apps[1].rows[right] = crm.Record{ID: right, Deleted: true, MergedInto: "r_0", Merged: []crm.RecordID{"r_9"}}
				}
				d.putLink(l)
			}
			d.putLink(&link{Left: "l_single", State: crm.StateExcluded})
			d.putLink(&link{Right: "r_single", State: crm.StateExcluded})
			d.putLink(&link{Left: "l_aside", State: crm.StateExcluded, Code: codeUnlinked})
			d.put(d.sc.record(crm.Left, "l_newer"), []byte(`{"v":99}`), nil)
		}, func(d *desk) (string, error) {
			var out strings.Builder
			a := &auditState{}
			for range 20 {
				links, err := d.s.auditLinks(t.Context(), a, n)
				if err != nil {
					return out.String(), err
				}
				round := &auditRound{}
				found, err := d.s.lookAt(t.Context(), links, round)
				if err != nil {
					return out.String(), err
				}
				fmt.Fprintf(&out, "\n  %d links until %q: %d looked at, %d equal, left %s, right %s", len(links), a.Place,
					round.Looked, round.Equal, compact(found.Left), compact(found.Right))
				if a.Place == "" {
					break
				}
			}
			return out.String(), nil
		})
	}
	var sizes strings.Builder
	for _, n := range []int{0, 1, 99, auditSlice - 1, auditSlice, auditSlice + 1, 3*auditSlice + 7} {
		d := newDesk(t)
		for _, batch := range []int{0, 1, 100} {
			d.s.ends[0].app.Limits.ReadBatch, d.s.ends[1].app.Limits.ReadBatch = batch, 50
			fmt.Fprintf(&sizes, "%d due, %d a call: %d\n", n, batch, d.s.auditSize(n))
		}
	}
	written.Check(t, "desk/audits.txt", s.out.String()+sizes.String())
}

// TestVerdictsAreSettled: what a lot leaves in the store once its records were
// decided on and written, by what the apps answered.
func TestVerdictsAreSettled(t *testing.T) {
	t.Parallel()
	s := &stories{t: t}
	answers := map[string]func(u *unit, side crm.Side){
		"taken": func(u *unit, side crm.Side) {
			u.written.Set(side, &connector.Written{ID: "made_" + u.recID(side) + crm.RecordID("_for_"+u.id)})
		},
		"refused": func(u *unit, side crm.Side) {
			u.fail(side, fault.New("desk: write", fault.Invalid, "rejected", "no"))
		},
		"unknown":    func(u *unit, _ crm.Side) { u.fate.unknown = true },
		"not tried":  func(u *unit, _ crm.Side) { u.fate.untried = true },
		"put off":    func(u *unit, _ crm.Side) { u.deferFor(time.Minute, "limited") },
		"given up":   func(u *unit, _ crm.Side) { u.deferFor(time.Minute, "record_gone"); u.hint.Tries = maxTries },
		"barred":     func(u *unit, side crm.Side) { u.fate.barred.Set(side, true) },
		"weighed":    func(u *unit, _ crm.Side) { u.fate.weighed = true },
		"in the end": func(u *unit, _ crm.Side) { u.fate.err = fault.New("desk", fault.Other, "odd", "odd") },
	}
	for _, c := range verdictsOn {
		for _, how := range sortedNames(answers) {
			if how != "taken" && !slices.Contains([]string{"one of each side, and one without a key", "pairs"}, c.name) {
				continue
			}
			s.play(c.name+", "+how, func(d *desk) {
				d.calm = how != "taken" || c.name == "records that are not there" || c.name == "pairs"
			}, func(d *desk) (string, error) {
				us := c.lay(d)
				if len(us) > 12 {
					us = us[:12]
				}
				ids := 0
				d.NewID = func(prefix string) string { ids++; return fmt.Sprintf("%s_%08d", prefix, ids) }
				for _, u := range us {
					u.jobs[0] = &job{chunk: &chunk{
						ID: "chk_" + string(u.id), Side: u.side, Kind: RunPull, Run: "run", Counted: true, Hints: []hint{u.hint},
						Workspace: "ws", Connection: "con", Sync: "people",
					}, verdict: &Verdict{}}
					u.named = u.id
				}
				d.s.decide(us)
				l := &lot{id: "int_lot", units: us}
				for _, u := range us {
					l.jobs = append(l.jobs, u.jobs[0])
				}
				l.intent = d.s.intentOf(t.Context(), l)
				for _, u := range us {
					for _, side := range crm.Sides {
						if u.decision.Write(side) != nil && !u.fate.stopped() {
							answers[how](u, side)
						}
					}
				}
				err := d.s.settle(t.Context(), l)
				return fmt.Sprintf("unfinished %t, %s", l.unfinished, compact(l.intent)), err
			})
		}
	}
	written.Check(t, "desk/settled.txt", s.out.String())
}
