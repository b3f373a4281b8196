package hubspotfake

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Most inputs of an association batch (G4).
const (
	maxAssociate    = 2_000
	maxAssociations = 1_000
	associationPage = 500
)

// kind is one sort of association, as it is named from one side (G4). A label
// makes it a labelled one, which holds beside the plain one.
type kind struct {
	from, to string
	id, back int    // back is the same one, from the other side
	label    string // "" = the plain association
	name     string // of the v3 paths
}

// kinds are HubSpot's own (G4).
var kinds = append([]kind{
	{"contacts", "companies", 279, 280, "", "contact_to_company_unlabeled"},
	{"contacts", "companies", 1, 2, "Primary", "contact_to_company"},
	{"companies", "contacts", 280, 279, "", "company_to_contact_unlabeled"},
	{"companies", "contacts", 2, 1, "Primary", "company_to_contact"},
	{"contacts", "deals", 4, 3, "", "contact_to_deal"},
	{"deals", "contacts", 3, 4, "", "deal_to_contact"},
	{"deals", "companies", 341, 342, "", "deal_to_company_unlabeled"},
	{"deals", "companies", 5, 6, "Primary", "deal_to_company"},
	{"companies", "deals", 342, 341, "", "company_to_deal_unlabeled"},
	{"companies", "deals", 6, 5, "Primary", "company_to_deal"},
	{"contacts", "contacts", 449, 449, "", "contact_to_contact"},
	{"companies", "companies", 450, 450, "", "company_to_company"},
	{"deals", "deals", 451, 451, "", "deal_to_deal"},
}, activityKinds()...)

// userDefined begins our numbers of the kinds that a portal's admins make: HubSpot
// counts the types of each category by themselves, so that both have a type 1.
const userDefined = 1 << 20

// category is who made a kind, and shownID its number there.
func (k kind) category() string {
	if k.id > userDefined {
		return "USER_DEFINED"
	}
	return "HUBSPOT_DEFINED"
}

func (k kind) shownID() int { return k.id % userDefined }

// all are HubSpot's own kinds and the portal's.
func (f *account) all() []kind { return append(slices.Clone(kinds), f.own...) }

// between are the kinds from one object to another, the plain one first.
func (f *account) between(from, to *object) []kind {
	return slices.DeleteFunc(f.all(), func(k kind) bool { return k.from != from.name || k.to != to.name })
}

// plain is the association without a label, which each pair of objects has.
func plain(from, to *object) kind {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.from == from.name && k.to == to.name })
	return kinds[i]
}

// end is one side of an association.
type end struct{ object, id string }

// edge is a record's association with another, of one or more kinds.
type edge struct {
	to    end
	kinds []int
}

// associate makes an association; a labelled one brings the plain one along (G4), and
// a new primary company takes the place of the one before (G5).
func (f *account) associate(a, b end, k kind, by source) {
	fresh := f.kindsOf(a, b) == nil
	if k.label == primary && !slices.Contains(f.kindsOf(a, b), k.id) {
		one, id := a, k.id
		if a.object == "companies" {
			one, id = b, k.back
		}
		for i, e := range f.edges[one] {
			if slices.Contains(e.kinds, id) {
				f.dropKind(e.to, one, f.inverse(id))
				f.edges[one][i].kinds = slices.DeleteFunc(e.kinds, func(held int) bool { return held == id })
			}
		}
	}
	f.join(a, b, k.id)
	f.join(b, a, k.back)
	if k.label != "" {
		from, _ := f.object(a.object)
		to, _ := f.object(b.object)
		k := plain(from, to)
		f.join(a, b, k.id)
		f.join(b, a, k.back)
	}
	if fresh || k.label == primary {
		f.tellEdge(a, b, k.label == primary, false, by)
	}
}

// primary is the label of a record's main company.
const primary = "Primary"

func (f *account) inverse(id int) int {
	all := f.all()
	return all[slices.IndexFunc(all, func(k kind) bool { return k.id == id })].back
}

func (f *account) dropKind(a, b end, id int) {
	for i, e := range f.edges[a] {
		if e.to == b {
			f.edges[a][i].kinds = slices.DeleteFunc(e.kinds, func(held int) bool { return held == id })
		}
	}
}

// tellEdge tells subscriptions of either end that an association was made or ended, or
// became the primary one (W1). Nothing tells of other labels.
func (f *account) tellEdge(a, b end, isPrimary, removed bool, by source) {
	for _, pair := range [][2]end{{a, b}, {b, a}} {
		from, _ := f.object(pair[0].object)
		to, _ := f.object(pair[1].object)
		if from.silent || to.silent {
			continue
		}
		f.event(from, "associationChange", pair[0].id, by, map[string]any{
			"associationType": strings.ToUpper(from.singular + "_to_" + to.singular), "fromObjectId": number(pair[0].id),
			"toObjectId": number(pair[1].id), "associationRemoved": removed, "isPrimaryAssociation": isPrimary,
		})
	}
}

func (f *account) join(a, b end, id int) {
	edges := f.edges[a]
	i := slices.IndexFunc(edges, func(e edge) bool { return e.to == b })
	if i < 0 {
		f.edges[a] = append(edges, edge{b, []int{id}})
		return
	}
	if !slices.Contains(edges[i].kinds, id) {
		edges[i].kinds = append(edges[i].kinds, id)
		slices.Sort(edges[i].kinds)
	}
}

// end ends an association, and tells of it.
func (f *account) end(a, b end, by source) {
	if f.kindsOf(a, b) != nil {
		f.part(a, b)
		f.tellEdge(a, b, false, true, by)
	}
}

// part ends an association altogether.
func (f *account) part(a, b end) {
	for _, pair := range [][2]end{{a, b}, {b, a}} {
		f.edges[pair[0]] = slices.DeleteFunc(f.edges[pair[0]], func(e edge) bool { return e.to == pair[1] })
	}
}

// unlabel ends one kind of an association; the plain one takes the labelled
// ones with it (G4).
func (f *account) unlabel(a, b end, k kind, by source) {
	if k.label == "" {
		f.end(a, b, by)
		return
	}
	f.dropKind(a, b, k.id)
	f.dropKind(b, a, k.back)
}

// moveEdges gives a survivor the associations of the records merged into it.
func (f *account) moveEdges(o *object, from, to string) {
	a, b := end{o.name, from}, end{o.name, to}
	for _, e := range slices.Clone(f.edges[a]) {
		back := f.kindsOf(e.to, a)
		f.part(a, e.to)
		if e.to == b {
			continue
		}
		for _, id := range e.kinds {
			f.join(b, e.to, id)
		}
		for _, id := range back {
			f.join(e.to, b, id)
		}
	}
	delete(f.edges, a)
}

func (f *account) kindsOf(a, b end) []int {
	for _, e := range f.edges[a] {
		if e.to == b {
			return slices.Clone(e.kinds)
		}
	}
	return nil
}

// forgetEdges drops the associations of a record that is gone for good.
func (f *account) forgetEdges(o *object, id string) {
	a := end{o.name, id}
	for _, e := range slices.Clone(f.edges[a]) {
		f.part(a, e.to)
	}
	delete(f.edges, a)
}

// edgesTo lists a record's associations with live records of an object, by ID.
func (f *account) edgesTo(o *object, id string, to *object) []edge {
	var out []edge
	for _, e := range f.edges[end{o.name, id}] {
		if e.to.object != to.name {
			continue
		}
		if r, ok := to.table.Get(e.to.id); ok && !r.Deleted {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b edge) int { return byNumber(a.to.id, b.to.id) })
	return out
}

func byNumber(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// spec names a kind of association in a body (S).
type spec struct {
	Category string `json:"associationCategory"`
	Type     int    `json:"associationTypeId"`
}

// label is a kind of association in an answer (S).
type label struct {
	Category string  `json:"category"`
	Type     int     `json:"typeId"`
	Label    *string `json:"label"`
}

func (k kind) shown() label {
	l := label{Category: k.category(), Type: k.shownID()}
	if k.label != "" {
		l.Label = &k.label
	}
	return l
}

type ref struct {
	ID string `json:"id"`
}

// pairInput is one association of a batch (S): v3 has a type, v4 has types.
type pairInput struct {
	From  ref    `json:"from"`
	To    ref    `json:"to"`
	Types []spec `json:"types"`
	Type  string `json:"type"`
}

// live resolves one side of an association, an old ID of a merged record too.
func (f *account) live(o *object, id string) (end, *apiError) {
	r, e := f.find(o, "", id)
	if e == nil && !r.Deleted {
		return end{o.name, r.ID}, nil
	}
	return end{}, badAssociation(o, id)
}

// badAssociation is the refusal of a record that is not there, or not of the
// kind's type: github.com/HubSpot/hubspot-api-nodejs/issues/646.
func badAssociation(o *object, id string) *apiError {
	name := strings.ToUpper(o.singular)
	e := invalid("One or more associations are invalid")
	e.Context = map[string][]string{
		"INVALID_OBJECT_IDS": {fmt.Sprintf("%s=%s is not valid", name, id)}, "objectId": {id}, "objectType": {name},
	}
	return e
}

func (f *account) kindOf(s spec) (kind, bool) {
	all := f.all()
	i := slices.IndexFunc(all, func(k kind) bool { return k.category() == s.Category && k.shownID() == s.Type })
	if i < 0 {
		return kind{}, false
	}
	return all[i], true
}

// pick checks the kinds that a caller names.
func (f *account) pick(from, to *object, fromID string, specs []spec) ([]kind, *apiError) {
	if len(specs) == 0 {
		return nil, invalid("at least one association type is needed")
	}
	var out []kind
	for _, s := range specs {
		k, ok := f.kindOf(s)
		if !ok {
			return nil, invalid("there is no association type %d of the category %q", s.Type, s.Category)
		}
		if k.from != from.name || k.to != to.name {
			wrong, _ := f.object(k.from)
			return nil, badAssociation(wrong, fromID)
		}
		out = append(out, k)
	}
	return out, nil
}

// relate makes the associations that one input names.
func (f *account) relate(from, to *object, in pairInput) (a, b end, made []kind, bad *apiError) {
	if a, bad = f.live(from, in.From.ID); bad != nil {
		return a, b, nil, bad
	}
	if b, bad = f.live(to, in.To.ID); bad != nil {
		return a, b, nil, bad
	}
	if made, bad = f.pick(from, to, in.From.ID, in.Types); bad != nil {
		return a, b, nil, bad
	}
	for _, k := range made {
		if bad = f.tooMany(a, b, k); bad != nil {
			return a, b, nil, bad
		}
	}
	for _, k := range made {
		f.associate(a, b, k, sourceAPI)
	}
	return a, b, made, nil
}

// associations are those that a create asks for beside the properties.
type newAssociation struct {
	To    ref    `json:"to"`
	Types []spec `json:"types"`
}

// checked resolves the associations of a record that is about to be made.
func (f *account) checked(o *object, in []newAssociation) (func(id string), *apiError) {
	type link struct {
		to end
		k  kind
	}
	var links []link
	for _, a := range in {
		if len(a.Types) == 0 {
			return nil, invalid("an association needs types")
		}
		first, ok := f.kindOf(a.Types[0])
		if !ok || first.from != o.name {
			return nil, invalid("there is no association type %d from %s", a.Types[0].Type, o.name)
		}
		to, _ := f.object(first.to)
		b, bad := f.live(to, a.To.ID)
		if bad != nil {
			return nil, bad
		}
		ks, bad := f.pick(o, to, a.To.ID, a.Types)
		if bad != nil {
			return nil, bad
		}
		for _, k := range ks {
			links = append(links, link{b, k})
			same := 0
			for _, l := range links {
				if l.k.id == k.id {
					same++
				}
			}
			if most := f.limits[k.id]; most > 0 && same > most {
				return nil, overLimit(k, "", b.id, most)
			}
			if bad := f.tooMany(end{o.name, ""}, b, k); bad != nil {
				return nil, bad
			}
		}
	}
	return func(id string) {
		for _, l := range links {
			f.associate(end{o.name, id}, l.to, l.k, sourceAPI)
		}
	}, nil
}

// associated is a record's associations in the answer of an object (S).
type associated struct {
	Results []namedEnd `json:"results"`
}

type namedEnd struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

// withAssociations adds to a row what the query's associations ask for.
func (f *account) withAssociations(c *call, shown row) (row, *apiError) {
	for _, name := range queryList(c, "associations") {
		to, ok := f.object(name)
		if !ok {
			return row{}, invalid("Unable to infer object type from: %s", name)
		}
		if named := f.named(c.o, shown.ID, to); len(named) > 0 {
			if shown.Associations == nil {
				shown.Associations = map[string]associated{}
			}
			shown.Associations[to.name] = associated{named}
		}
	}
	return shown, nil
}

func (f *account) named(o *object, id string, to *object) []namedEnd {
	var out []namedEnd
	for _, e := range f.edgesTo(o, id, to) {
		for _, k := range f.between(o, to) {
			if slices.Contains(e.kinds, k.id) {
				out = append(out, namedEnd{e.to.id, k.name})
			}
		}
	}
	return out
}

// toObject is the object at the far end of a path.
func (f *account) toObject(c *call) (*object, *apiError) {
	to, ok := f.object(c.PathValue("toType"))
	if !ok {
		return nil, invalid("Unable to infer object type from: %s", c.PathValue("toType"))
	}
	return to, nil
}

// far is an associated record in the answers of v4 (S).
type far struct {
	ID    string  `json:"toObjectId"`
	Types []label `json:"associationTypes"`
}

func (f *account) far(o *object, id string, to *object, after string, limit int) (out []far, next *paging) {
	out = []far{}
	for _, e := range f.edgesTo(o, id, to) {
		if after != "" && byNumber(e.to.id, after) <= 0 {
			continue
		}
		if len(out) == limit {
			return out, &paging{nextPage(out[limit-1].ID)}
		}
		types := []label{}
		for _, k := range f.between(o, to) {
			if slices.Contains(e.kinds, k.id) {
				types = append(types, k.shown())
			}
		}
		out = append(out, far{e.to.id, types})
	}
	return out, nil
}

func nextPage(after string) next { return next{After: after} }

// listAssociations is GET …/{id}/associations/{toType} (S).
func (f *account) listAssociations(c *call) (int, any, *apiError) {
	if e := c.allow("after", "limit"); e != nil {
		return 0, nil, e
	}
	to, e := f.toObject(c)
	if e != nil {
		return 0, nil, e
	}
	limit := associationPage
	if s := c.URL.Query().Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > associationPage {
			return 0, nil, invalid("limit must be between 1 and %d", associationPage)
		}
		limit = n
	}
	r, e := f.find(c.o, "", c.PathValue("id"))
	if e != nil || r.Deleted {
		return 0, nil, notFound()
	}
	found, next := f.far(c.o, r.ID, to, c.URL.Query().Get("after"), limit)
	return http.StatusOK, struct {
		Results []far   `json:"results"`
		Paging  *paging `json:"paging,omitempty"`
	}{found, next}, nil
}
