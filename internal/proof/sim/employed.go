package sim

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// employers are the companies of both apps of noted, in some of its seeds: a sync of
// their own, and an association of the people with them. HubSpot lists the companies of
// a contact, Salesforce names one account. No company changes its name, so that the
// same name on both sides is the same company.
type employers struct {
	*noted
	by     *chance                    // beside what other users do, so that seeds without companies stay as they were
	fields [2]string                  // by which a person names companies
	names  [2]map[crm.RecordID]string // of companies, by ID, closed ones too
	open   [2]map[crm.RecordID]bool   // those that nobody closed
	closed bool                       // somebody closed one, which changes people untold
	had    map[ref]map[string]bool    // the companies that a person was ever with
}

const firmsSync crm.SyncID = "firms"

// firmKinds are the objects of companies, and their fields of the name.
var firmKinds = [2][2]string{{"companies", "name"}, {"Account", "Name"}}

// found gives the apps of a seed their companies, if it is one of those that have some.
func (n *noted) found() *employers {
	e := &employers{noted: n, by: newChance(n.seed ^ 0x6669726d73), had: map[ref]map[string]bool{}}
	if !e.by.in(400) {
		return nil
	}
	e.fields = [2]string{pick(e.by, "associations.companies", "associations.companies.hubspot_1"), "AccountId"}
	for i := range e.names {
		e.names[i], e.open[i] = map[crm.RecordID]string{}, map[crm.RecordID]bool{}
	}
	n.links[firmsSync] = map[ref]linkView{}
	return e
}

// association is the association of a seed.
func (e *employers) association() crm.Association {
	a := crm.Association{Left: e.fields[0], Right: e.fields[1], Sync: firmsSync}
	a.Clear.ToRight, a.Clear.ToLeft = e.by.in(500), e.by.in(500)
	return a
}

// document is the sync of the companies.
func (e *employers) document() crm.Sync {
	return crm.Sync{
		ID: firmsSync, Direction: crm.DirectionBoth, Schedule: "manual", Conflict: crm.ConflictLeft,
		Left: crm.ObjectEnd{Object: firmKinds[0][0]}, Right: crm.ObjectEnd{Object: firmKinds[1][0]},
		Match: crm.SameMatch(crm.MatchStep{
			By: crm.MatchByAnyKey, Pairs: [][2]string{{firmKinds[0][1], firmKinds[1][1]}},
		}),
		Mappings: []crm.Mapping{{ID: "name", Left: []string{firmKinds[0][1]}, Right: []string{firmKinds[1][1]}}},
	}
}

// settler makes a company that was there before us, on one side or on both.
func (e *employers) settler() {
	first, name := e.by.n(3), e.name()
	for app := range e.names {
		if first == 2 || first == app {
			e.opens(app, name)
		}
	}
}

func (e *employers) name() string {
	e.typing++
	return "Firm" + strconv.Itoa(e.typing)
}

func (e *employers) opens(app int, name string) {
	r, err := e.apps[app].core.CreateRecord(firmKinds[app][0], map[string]string{firmKinds[app][1]: name})
	if err != nil {
		panic(err) // a name is all it takes
	}
	e.names[app][crm.RecordID(r.ID)], e.open[app][crm.RecordID(r.ID)] = name, true
	e.changes++
	e.tell("USER founds %s %s: %s", sideOf(app), r.ID, name)
}

// does is one thing that happens to companies and who is with them.
func (e *employers) does() {
	app := e.by.n(2)
	switch k := e.by.n(100); {
	case k < 10:
		e.opens(app, e.name())
	case k < 13:
		e.closes(app)
	case k < 60:
		e.moves(app, k < 22)
	}
}

// closes deletes a company.
func (e *employers) closes(app int) {
	all := slices.Sorted(maps.Keys(e.open[app]))
	if len(all) < 3 {
		return
	}
	id := all[e.by.n(len(all))]
	if e.apps[app].core.DeleteRecord(firmKinds[app][0], string(id)) != nil {
		return
	}
	delete(e.open[app], id)
	e.closed = true
	e.changes++
	e.mark("firm_closed")
	e.tell("USER closes %s %s", sideOf(app), id)
}

// moves lets a person be with one company more, with another one, or with none. Of the
// other side of a sync of one way, users leave what we made alone.
func (e *employers) moves(app int, none bool) {
	people, all := slices.Sorted(maps.Keys(e.peopleOf[app])), slices.Sorted(maps.Keys(e.open[app]))
	if len(people) == 0 || len(all) == 0 || !e.travels(sideOf(app)) {
		return
	}
	id, chosen := people[e.by.n(len(people))], []string{string(all[e.by.n(len(all))])}
	if other := string(all[e.by.n(len(all))]); app == 0 && other != chosen[0] && e.by.in(500) {
		chosen = append(chosen, other)
	}
	if none {
		chosen = nil
	}
	value := strings.Join(chosen, ";")
	change := map[string]string{e.fields[app]: value}
	if app == 0 { // HubSpot counts no contact as modified for its companies alone
		change["jobtitle"] = "Of " + strconv.Itoa(int(e.changes))
	}
	if _, err := e.apps[app].core.UpdateRecord(e.apps[app].object(), string(id), change); err != nil {
		e.mark("user_refused")
		return
	}
	e.changes++
	e.mark("firm_chosen")
	e.has(ref{sideOf(app), id}, app, chosen)
	e.tell("USER puts %s %s with %q", sideOf(app), id, value)
}

// has notes with which companies a person is.
func (e *employers) has(r ref, app int, firms []string) {
	if e.had[r] == nil {
		e.had[r] = map[string]bool{}
	}
	for _, id := range firms {
		e.had[r][e.names[app][crm.RecordID(id)]] = true
	}
}

// merged has a survivor be where the others were.
func (e *employers) merged(side crm.Side, from, into crm.RecordID) {
	to := ref{side, into}
	if e.had[to] == nil {
		e.had[to] = map[string]bool{}
	}
	maps.Copy(e.had[to], e.had[ref{side, from}])
}

// wrote holds each write to a person to what users chose: nobody is put with a company
// with which nobody ever put them, here or over there.
func (e *employers) wrote(side crm.Side, object string, w *connector.Write, out *connector.Written) {
	app := side.Index()
	if object == firmKinds[app][0] {
		if w.Op == connector.Create && out.Err == nil {
			e.names[app][out.ID], e.open[app][out.ID] = w.Fields[firmKinds[app][1]].Text(), true
		}
		return
	}
	v, set := w.Fields[e.fields[app]]
	if !set || out.Err != nil {
		return
	}
	for _, id := range v.Items() {
		if name := e.names[app][crm.RecordID(id)]; !e.may(ref{side, out.ID}, name) {
			e.violated("S1", fmt.Sprintf("%s on the %s is put with %s, with whom no user ever put them or their twin",
				out.ID, side, name))
			return
		}
	}
	e.has(ref{side, out.ID}, app, v.Items())
	e.mark("firm_written")
}

// may reports whether a person, or somebody over there whom they were ever linked to or
// are about to be, was with a company.
func (e *employers) may(r ref, name string) bool {
	if e.had[r][name] {
		return true
	}
	for _, twin := range append(e.twins(r), e.namesakes(r)...) {
		for id := twin.id; id != ""; id = e.into[ref{twin.side, id}] {
			if e.had[ref{twin.side, id}][name] {
				return true
			}
		}
	}
	return false
}

// namesakes are the people of the other side with the same address.
func (e *employers) namesakes(r ref) (out []ref) {
	own, ok := e.apps[r.side.Index()].get(r.id)
	if !ok {
		return nil
	}
	there := e.apps[r.side.Other().Index()]
	email := own.fields[e.apps[r.side.Index()].field(modelapp.Email)].Text()
	for _, x := range there.rows() {
		if strings.EqualFold(x.fields[there.field(modelapp.Email)].Text(), email) {
			out = append(out, ref{r.side.Other(), x.id})
		}
	}
	return out
}

// check holds the people of a world at rest to their companies: both sides name the same,
// or the record says why not. HubSpot may list more: the one that both agreed on counts.
// Neither app changes what it is told, so that this is no reason. all says that everything
// was looked at once more.
func (e *employers) check(when string, all bool) {
	if e.closed && !all {
		return
	}
	line := e.sync.Associations[0].Line()
	var with [2]map[crm.RecordID]crm.Value
	for i := range e.apps {
		with[i] = e.listed(sideOf(i), e.apps[i].object(), e.fields[i])
	}
	for _, id := range slices.Sorted(maps.Keys(e.peopleOf[0])) {
		l, linked := e.pairOf(syncID, ref{crm.Left, id})
		if !linked || !e.peopleOf[1][l.Right] || l.State != crm.StateInSync {
			continue
		}
		left, alone := e.named(0, with[0][id])
		right, lonely := e.named(1, with[1][l.Right])
		why := crm.Reason("")
		if d := l.Base[line.ID].Settled; d != nil {
			why = d.Reason
			e.mark("firm_" + string(why))
		}
		switch {
		case len(right) == 1 && slices.Contains(left, right[0]), len(left) == alone && len(right) == lonely:
		case len(left) == 0 && !e.travels(crm.Right), len(right) == 0 && !e.travels(crm.Left):
			// A blank empties nobody who was linked only then.
		case why == "", why == crm.ReasonChangedByApp, why == crm.ReasonNotLinked && alone+lonely == 0:
			e.violated("S1", fmt.Sprintf("%s: %s is with %v and %s with %v: %q", when, id, left, l.Right, right, why))
			return
		}
	}
	e.mark("firms_audited")
}

// named are the companies of a field by name, and how many of them have no twin.
func (e *employers) named(app int, field crm.Value) (names []string, alone int) {
	for _, firm := range field.Items() {
		r := ref{sideOf(app), crm.RecordID(firm)}
		names = append(names, e.names[app][r.id])
		if _, linked := e.pairOf(firmsSync, r); !linked || !e.open[app][r.id] {
			alone++
		}
	}
	return names, alone
}
