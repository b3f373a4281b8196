package api

import (
	"cmp"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// hub is the app that every other one has a preset with: what two apps have in common
// with its contacts, they have with each other.
const hub crm.AppID = "hubspot"

// peopleOf is what an app calls people, and the fields of them that have a known meaning.
type peopleOf struct {
	app     crm.AppID
	object  string
	label   string
	fields  map[string]pairOf // by ID; the app's own fields are those on the right
	byPhone bool              // they are looked up by their phones, and by no e-mail
}

// knownFields are those fields of people that a derived preset joins, in order.
var knownFields = []string{
	"email", "first_name", "last_name", "name", "phone", "mobile", "title", "company", "street", "city", "state",
	"postal_code", "country",
}

// peopleOfApps are the people of each app that has a preset with the hub's contacts, and
// of the hub.
func peopleOfApps() []peopleOf {
	own := peopleOf{app: hub, object: "contacts", label: "HubSpot contacts", fields: map[string]pairOf{}}
	var out []peopleOf
	for _, p := range slices.Concat(objectPairs, documentPairs) {
		if p.left != hub || p.leftObject != own.object || p.sync != "contacts" {
			continue
		}
		_, label, _ := strings.Cut(p.name, " and ")
		one := peopleOf{
			app: p.right, object: p.rightObject, label: label, fields: map[string]pairOf{},
			byPhone: p.match[0].Pairs[0][0] == "phone",
		}
		for _, x := range p.pairs {
			one.fields[x.id] = x
			if len(x.left) == 1 { // the hub has a first and a last name
				own.fields[x.id] = pairOf{id: x.id, right: x.left, transform: x.transform, origin: "default"}
			}
		}
		out = append(out, one)
	}
	return append(out, own)
}

// derivedPairs are a default for each two apps that no preset is written for, and for two
// accounts of each app, as far as they know people by the same key.
func derivedPairs() []objectPair {
	people := peopleOfApps()
	slices.SortFunc(people, func(a, b peopleOf) int { return cmp.Compare(a.app, b.app) })
	var out []objectPair
	for i, a := range people {
		for _, b := range people[i:] {
			if !haveOne(a.app, b.app) && !strangers(a, b) {
				out = append(out, a.with(b))
			}
		}
	}
	return out
}

// haveOne reports whether there is a preset of two apps.
func haveOne(a, b crm.AppID) bool {
	return slices.ContainsFunc(slices.Concat(objectPairs, documentPairs), func(p objectPair) bool {
		return p.left == a && p.right == b || p.left == b && p.right == a
	})
}

// with pairs the people of two apps by the knownFields of their fields.
func (a peopleOf) with(b peopleOf) objectPair {
	out := objectPair{
		preset: string(a.app) + "-" + string(b.app) + "-contacts", name: a.label + " and " + b.label, sync: "contacts",
		left: a.app, right: b.app, leftObject: a.object, rightObject: b.object, derived: true,
	}
	join := func(id string, left, right []string, transform crm.TransformType, origins ...string) {
		origin := "default"
		if slices.Contains(origins, "required") {
			origin = "required"
		}
		out.pairs = append(out.pairs, pairOf{id, left, right, transform, origin})
	}
	for _, id := range knownFields {
		x, has := a.fields[id]
		y, have := b.fields[id]
		switch {
		case has && have && id == "name":
			join(id, x.right, y.right, crm.TransformNone, x.origin, y.origin)
		case has && have:
			join(id, x.right, y.right, x.transform, x.origin, y.origin)
		case has && id == "name":
			join(id, x.right, b.names(), crm.TransformFullName, x.origin, b.fields["last_name"].origin)
		case have && id == "name":
			join(id, a.names(), y.right, crm.TransformFullName, a.fields["last_name"].origin, y.origin)
		}
	}
	key := "email"
	if a.byPhone || b.byPhone {
		key = "phone"
	}
	out.match = []crm.MatchStep{{
		By: crm.MatchByAnyKey, Pairs: [][2]string{{a.fields[key].right[0], b.fields[key].right[0]}}, OnDisagreement: "error",
	}}
	return out
}

// mailOnly are apps whose people are found by their e-mail alone.
var mailOnly = map[crm.AppID]bool{"clientsuccess": true}

// strangers reports whether one of two apps is asked by phones and the other by e-mails
// alone: nothing tells then who is who, and there is no default.
func strangers(a, b peopleOf) bool {
	return a.byPhone && mailOnly[b.app] || b.byPhone && mailOnly[a.app]
}

// names are the fields of a first and a last name.
func (a peopleOf) names() []string {
	return slices.Concat(a.fields["first_name"].right, a.fields["last_name"].right)
}
