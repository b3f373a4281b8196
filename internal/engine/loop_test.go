package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// beside stores a second connection of the same accounts that writes the same
// fields.
func (b bed) beside() {
	b.t.Helper()
	c := testbed.Document()
	c.ID, c.Name, c.Status = "con_beside", "beside", crm.StatusPaused
	_, err := store.SaveConnection(b.t.Context(), b.Store, ws, c, 0)
	b.must(err)
}

// TestS5_WhatGoesRoundIsStopped: a field that other connections write on both
// sides is frozen once its pair was written over and over within an hour: neither
// side is written, the record says why, and everything else of it goes on. Both
// sides alike, or a person's decision, let it go. A field that nobody else writes
// may be edited as often as one likes.
func TestS5_WhatGoesRoundIsStopped(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		beside, resolve, release bool
	}{
		"alone": {}, "alike again": {beside: true}, "decided": {beside: true, resolve: true}, "let go": {
			beside: true, release: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 3, nil)
			b.start()
			if c.beside {
				b.beside()
			}
			hub, force := b.twins(t.Context())
			titles := func() (string, string) {
				return b.get("contacts", hub)["jobtitle"], b.get("Contact", force)["Title"]
			}
			edit := func(n int) {
				if title := fmt.Sprintf("title %d", n); n%2 == 0 {
					b.editHub(hub, "jobtitle", title)
				} else {
					b.editForce(force, "Title", title)
				}
				b.Move(2 * time.Minute)
				b.pull()
			}
			rounds := 0
			for left, right := titles(); left == right && rounds < 25; left, right = titles() {
				rounds++
				edit(rounds)
			}
			if !c.beside {
				if v := b.record(crm.Left, hub); rounds != 25 || v.State != crm.StateInSync {
					t.Fatalf("after %d edits the record is %s (%s)", rounds, v.State, v.Code)
				}
				return
			}
			if v := b.record(crm.Left, hub); rounds <= 7 || rounds > 20 || v.State != crm.StateConflict ||
				v.Code != "write_loop" {
				t.Fatalf("after %d rounds the record is %s (%s), want it stopped after the seventh", rounds, v.State, v.Code)
			}
			b.editHub(hub, "city", "Ghent")
			b.Move(2 * time.Hour) // it is frozen for longer than the hour
			b.pull()
			left, right := titles()
			if got := b.get("Contact", force)["MailingCity"]; got != "Ghent" || left == right {
				t.Errorf("the city is %q; the titles are %q and %q, want them left apart", got, left, right)
			}
			b.saysFrozen(hub, force)
			want := left
			switch {
			case c.release:
				_, err := b.Engine.UnfreezeRecord(t.Context(), ws, con, testbed.Contacts, crm.Left, crm.RecordID(hub),
					[]crm.MappingID{"last"})
				if !fault.Is(err, fault.Conflict) || fault.CodeOf(err) != "not_frozen" {
					t.Errorf("a field that is not frozen: %v", err)
				}
				_, err = b.Engine.UnfreezeRecord(t.Context(), ws, con, testbed.Contacts, crm.Left, "nobody",
					[]crm.MappingID{b.titleOf()})
				if !fault.Is(err, fault.NotFound) || fault.CodeOf(err) != "record_unknown" {
					t.Errorf("a record that nobody knows: %v", err)
				}
				b.finished(b.Engine.UnfreezeRecord(t.Context(), ws, con, testbed.Contacts, crm.Right, crm.RecordID(force),
					[]crm.MappingID{b.titleOf()}))
				if want, _ = titles(); want != left && want != right {
					t.Errorf("let go, the titles became %q, want %q or %q", want, left, right)
				}
			case c.resolve:
				chosen := map[crm.MappingID]engine.Resolution{b.titleOf(): {Side: crm.Left}}
				b.finished(b.Engine.ResolveRecord(t.Context(), ws, con, testbed.Contacts, crm.Left, crm.RecordID(hub), chosen))
			default:
				want = right
				b.editHub(hub, "jobtitle", right)
				b.Move(2 * time.Minute)
				b.pull()
			}
			if left, right := titles(); left != want || right != want {
				t.Errorf("the titles are %q and %q, want %q", left, right, want)
			}
			if v := b.record(crm.Left, hub); v.State != crm.StateInSync {
				t.Errorf("in the end the record is %s (%s)", v.State, v.Code)
			}
			if st := b.status(); st.Frozen != nil || slices.Contains(st.Warnings, "write_loop") {
				t.Errorf("in the end the status says %+v, %v", st.Frozen, st.Warnings)
			}
			b.editForce(force, "Title", "Mayor")
			b.Move(2 * time.Minute)
			b.pull()
			if left, _ := titles(); left != "Mayor" {
				t.Errorf("an edit after it was let go does not travel: %q", left)
			}
		})
	}
}

// saysFrozen looks whether record, explanation and status say that the title went
// round, since when, and what helps.
func (b bed) saysFrozen(hub, force string) {
	b.t.Helper()
	one := func(where string, fields []engine.FrozenField) {
		b.t.Helper()
		if len(fields) != 1 || fields[0].Mapping != b.titleOf() || fields[0].Code != "write_loop" ||
			!strings.Contains(fields[0].Remedy, "/unfreeze") || b.Now().Sub(fields[0].Since) < 2*time.Hour ||
			b.Now().Sub(fields[0].Since) > 3*time.Hour {
			b.t.Errorf("the %s says %+v", where, fields)
		}
	}
	v, err := b.Engine.GetRecord(b.t.Context(), ws, con, testbed.Contacts, crm.Right, crm.RecordID(force))
	b.must(err)
	one("record", v.Frozen)
	x, err := b.Engine.Explain(b.t.Context(), ws, con, testbed.Contacts, crm.Left, crm.RecordID(hub))
	b.must(err)
	one("explanation", x.Frozen)
	st := b.status()
	if st.Frozen == nil || st.Frozen.Links != 1 || len(st.Frozen.Records) != 1 ||
		!slices.Contains(st.Warnings, "write_loop") {
		b.t.Fatalf("the status says %+v, %v", st.Frozen, st.Warnings)
	}
	r := st.Frozen.Records[0]
	if r.Side != crm.Left || string(r.ID) != hub || string(r.Partner) != force {
		b.t.Errorf("the status names %+v", r)
	}
	one("status", []engine.FrozenField{r.FrozenField})
}

// titleOf is the mapping of the job title.
func (b bed) titleOf() crm.MappingID {
	b.t.Helper()
	conn, _, err := store.LoadConnection(b.t.Context(), b.Store, ws, con)
	b.must(err)
	for _, m := range conn.Syncs[0].Mappings {
		if len(m.Left) == 1 && m.Left[0] == "jobtitle" {
			return m.ID
		}
	}
	b.t.Fatal("nothing maps the job title")
	return ""
}

// visited is a connector whose account another connection writes to at the very
// moment in which we do, as the same user.
type visited struct {
	mortal
	visit func(ctx context.Context, c connector.Connector, writes []connector.Write)
}

func (v *visited) BatchWrite(
	ctx context.Context, object string, writes []connector.Write,
) ([]connector.Written, error) {
	out, err := v.Connector.BatchWrite(ctx, object, writes)
	if v.visit != nil {
		v.visit(ctx, v.Connector, writes)
	}
	return out, err
}

// TestS1_WhatAnotherConnectionBringsTravels: our own user writes for every
// connection. What another one brings to a field is an edit, which travels on; it
// counts as what the app made of our write only where nobody else writes the field.
func TestS1_WhatAnotherConnectionBringsTravels(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"alone": "Cooper", "beside another": "Mayor"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			right := &visited{}
			wrap := func(id crm.AccountID, c connector.Connector) connector.Connector {
				if id != testbed.RightAccount {
					return c
				}
				right.mortal = mortal{c, func() {}}
				return right
			}
			bd, err := testbed.New(t.Context(), testbed.Options{People: 3, Wrap: wrap}, nil)
			if err != nil {
				t.Fatal(err)
			}
			b := bed{bd, t}
			b.start()
			if name != "alone" {
				b.beside()
			}
			hub, force := b.twins(t.Context())
			right.visit = func(ctx context.Context, c connector.Connector, writes []connector.Write) {
				right.visit = nil
				w := connector.Write{Op: connector.Update, ID: writes[0].ID, Fields: crm.Fields{"Title": crm.TextValue("Mayor")}}
				_, err := c.BatchWrite(ctx, "Contact", []connector.Write{w})
				b.must(err)
			}
			b.editHub(hub, "jobtitle", "Cooper")
			for range 3 {
				b.Move(2 * time.Minute)
				b.pull()
			}
			if got := b.get("Contact", force)["Title"]; got != "Mayor" {
				t.Fatalf("the other connection's value is %q", got)
			}
			if got := b.get("contacts", hub)["jobtitle"]; got != want {
				t.Errorf("the title is %q, want %q: %s", got, want, b.record(crm.Left, hub).Code)
			}
		})
	}
}
