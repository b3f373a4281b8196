package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// birth is what a worker was about to make on a side for Bob of the other one.
func (d *desk) birth(side crm.Side, keyed bool) *intent {
	e := intentEntry{
		Side: side, Create: true, Lag: deskLag, Intended: map[crm.MappingID]string{
			"city": crm.TextValue("Rome").Digest(), "gone": "of a mapping that was taken out",
		},
	}
	if side == crm.Right {
		e.Left = bobLeft
	} else {
		e.Right = bobRight
	}
	if !keyed {
		e.Cursor = "since then"
		return &intent{ID: "int", Entries: []intentEntry{e}}
	}
	e.Claims = []string{bobMail}
	e.Look = []reconcile.Key{{
		Side: side, Field: deskFields[side.Index()][1], Canonical: bobMail,
		Spellings: []string{"bob@example.com", "BOB@example.com"},
	}}
	other := d.conn.Account(side)
	d.putJSON(claimKey(d.sc.ws, other, d.s.end(side).object, bobMail), claimed{V: 1, Scope: d.s.name(), Intent: "int"})
	return &intent{ID: "int", Entries: []intentEntry{e}}
}

// unfinished are creates of which nobody knows whether they landed, by what the
// apps and the store hold by the time that somebody looks.
var unfinished = []struct {
	name    string
	side    crm.Side
	keyless bool
	lay     func(d *desk)
}{
	{"made", crm.Right, false, func(d *desk) { d.person(crm.Right, bobRight, "Rome", "bob@example.com") }},
	{"made, and edited since", crm.Right, false, func(d *desk) { d.person(crm.Right, bobRight, "Oslo", "Bob@example.com") }},
	{"not made", crm.Right, false, func(*desk) {}},
	{"not made, and the claim is another one's by now", crm.Right, false, func(d *desk) {
		d.putJSON(claimKey(d.sc.ws, d.conn.Account(crm.Right), "Person", bobMail), claimed{V: 1, Intent: "int_other"})
	}},
	{"not made, and the claim cannot be read", crm.Right, false, func(d *desk) {
		d.put(claimKey(d.sc.ws, d.conn.Account(crm.Right), "Person", bobMail), []byte("garbage"), nil)
	}},
	{"one of two", crm.Right, false, func(d *desk) {
		d.person(crm.Right, annRight, "Oslo", "bob@example.com")
		d.person(crm.Right, bobRight, "Rome", "bob@example.com")
	}},
	{"one of two, and edited since", crm.Right, false, func(d *desk) {
		d.person(crm.Right, annRight, "Oslo", "bob@example.com")
		d.person(crm.Right, bobRight, "Bergen", "bob@example.com")
		d.apps[1].past = map[crm.RecordID]map[string][]crm.Value{
			annRight: {"City": {crm.TextValue("Oslo"), crm.TextValue("Lund")}},
			bobRight: {"City": {crm.TextValue("Bergen"), crm.TextValue("Rome")}},
		}
	}},
	{"one of three, all alike", crm.Right, false, func(d *desk) {
		for _, id := range []crm.RecordID{annRight, bobRight, "r_third"} {
			d.person(crm.Right, id, "Rome", "bob@example.com")
		}
	}},
	{"one of two alike, whose alias says so", crm.Right, false, func(d *desk) {
		d.person(crm.Right, annRight, "Rome", "bob@example.com")
		d.person(crm.Right, bobRight, "Rome", "bob@example.com")
		alias, err := aliasItem(d.sc, crm.Right, bobRight, bobLeft, false)
		d.put(alias.Key, alias.Data, err)
	}},
	{"one found by an address that is another one", crm.Right, false, func(d *desk) {
		d.person(crm.Right, bobRight, "Rome", "not.bob@example.com")
	}},
	{"its source is linked by now", crm.Right, false, func(d *desk) {
		d.putLink(&link{Left: bobLeft, Right: bobRight, State: crm.StateInSync})
		d.person(crm.Right, bobRight, "Rome", "bob@example.com")
	}},
	{"its source was taken apart", crm.Right, false, func(d *desk) {
		d.putLink(&link{Left: bobLeft, State: crm.StateExcluded, Code: codeUnlinked})
		d.person(crm.Right, bobRight, "Rome", "bob@example.com")
	}},
	{"its source is remembered by itself", crm.Right, false, func(d *desk) {
		d.putLink(&link{
			Left: bobLeft, State: crm.StateFailing, Code: "a", Detail: "b", Settings: "c", SeenL: "d",
			Others: []crm.RecordID{"e"}, Made: d.now.Add(-1),
		})
		d.person(crm.Right, bobRight, "Rome", "bob@example.com")
	}},
	{"what was made is another one's", crm.Right, false, func(d *desk) {
		d.putLink(&link{Left: annLeft, Right: bobRight, State: crm.StateInSync})
		d.person(crm.Right, bobRight, "Rome", "bob@example.com")
	}},
	{"what was made was taken apart", crm.Right, false, func(d *desk) {
		d.putLink(&link{Right: bobRight, State: crm.StateExcluded, Code: codeUnlinked})
		d.person(crm.Right, bobRight, "Rome", "bob@example.com")
	}},
	{"what was made was seen by itself", crm.Right, false, func(d *desk) {
		d.putLink(&link{Right: bobRight, State: crm.StateExcluded, Code: "filtered"})
		d.person(crm.Right, bobRight, "Rome", "bob@example.com")
	}},
	{"what was made was seen by itself, and edited", crm.Right, false, func(d *desk) {
		d.putLink(&link{Right: bobRight, State: crm.StateExcluded, Code: "filtered"})
		d.person(crm.Right, bobRight, "Oslo", "bob@example.com")
		d.apps[1].past = map[crm.RecordID]map[string][]crm.Value{bobRight: {"City": {crm.TextValue("Rome")}}}
	}},
	{"what was found never held what was written", crm.Right, false, func(d *desk) {
		d.putLink(&link{Right: bobRight, State: crm.StateExcluded, Code: "filtered"})
		d.person(crm.Right, bobRight, "Oslo", "bob@example.com")
	}},
	{"made on the left", crm.Left, false, func(d *desk) { d.person(crm.Left, bobLeft, "Rome", "bob@example.com") }},
	{"made on the left, and its alias stored", crm.Left, false, func(d *desk) {
		alias, err := aliasItem(d.sc, crm.Right, bobRight, bobLeft, false)
		d.put(alias.Key, alias.Data, err)
		d.person(crm.Left, bobLeft, "Oslo", "robert@example.com")
	}},
	{"made on the left, its alias stored, and gone", crm.Left, false, func(d *desk) {
		alias, err := aliasItem(d.sc, crm.Right, bobRight, bobLeft, false)
		d.put(alias.Key, alias.Data, err)
	}},
	{"one of two on the left, alike", crm.Left, false, func(d *desk) {
		d.person(crm.Left, bobLeft, "Rome", "bob@example.com")
		d.person(crm.Left, annLeft, "Rome", "bob@example.com")
	}},
	{"without a key, listed on the second page", crm.Right, true, func(d *desk) {
		d.person(crm.Right, annRight, "Oslo", "")
		d.person(crm.Right, bobRight, "Rome", "")
		d.apps[1].order = []crm.RecordID{annRight, bobRight}
	}},
	{"without a key, the cursor was forgotten", crm.Right, true, func(d *desk) {
		d.person(crm.Right, bobRight, "Rome", "")
		d.apps[1].order, d.apps[1].old = []crm.RecordID{bobRight}, true
	}},
	{"without a key, and deleted", crm.Right, true, func(d *desk) {
		r := d.person(crm.Right, bobRight, "Rome", "")
		r.Deleted = true
		d.apps[1].rows[bobRight], d.apps[1].order = *r, []crm.RecordID{bobRight}
	}},
	{"without a key, and the one that is like it is another one's", crm.Right, true, func(d *desk) {
		d.putLink(&link{Left: annLeft, Right: annRight, State: crm.StateInSync})
		d.person(crm.Right, annRight, "Rome", "")
		d.person(crm.Right, bobRight, "Rome", "")
		d.apps[1].order = []crm.RecordID{annRight, bobRight}
	}},
	{"without a key, not listed", crm.Right, true, func(*desk) {}},
	{"without a key, on the left", crm.Left, true, func(d *desk) {
		d.person(crm.Left, bobLeft, "Rome", "")
		d.apps[0].order = []crm.RecordID{bobLeft}
	}},
	{"without a key, and every mapping was taken out", crm.Right, true, func(d *desk) {
		d.person(crm.Right, bobRight, "Rome", "")
		d.apps[1].order = []crm.RecordID{bobRight}
		delete(d.intended.Entries[0].Intended, "city")
	}},
}

// TestS6_UnfinishedCreates: what becomes of a create whose worker ended, before and
// after the app's index has had its time; whatever request fails, it says so, and
// the next worker comes to the same end.
func TestS6_UnfinishedCreates(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for _, c := range unfinished {
		fmt.Fprintf(&out, "# %s\n\n", c.name)
		for _, late := range []bool{false, true} {
			if !late && !c.keyless && c.name != "made" && !strings.Contains(c.name, "alias stored") {
				continue // its claim is waited for, whatever there is
			}
			story := plays(t, func(d *desk) {
				d.intended = d.birth(c.side, !c.keyless)
				c.lay(d)
				if late {
					d.s.stood("intent int")
					d.now = d.now.Add(deskLag)
				}
			}, func(d *desk) (string, error) {
				rest, err := d.s.recoverCreates(t.Context(), d.intended)
				return fmt.Sprintf("%d open, waits %+v", len(rest), d.s.coming), err
			})
			fmt.Fprintf(&out, "late %t\n%s\n", late, story)
		}
	}
	written.Check(t, "desk/unfinished.txt", out.String())
}
