package hubspotfake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// associationRoutes are the paths of v3, v4 and 2026-03 (S: associations.json).
func (f *account) associationRoutes(add func(r fakekit.Route, scope string, e endpoint)) {
	const read, write = "crm.objects.{type}.read", "crm.objects.{type}.write"
	for _, base := range []string{
		"/crm/v4/objects/{type}/{id}/associations", "/crm/objects/2026-03/{type}/{id}/associations",
	} {
		add(fakekit.Route{Pattern: "GET " + base + "/{toType}"}, read, f.listAssociations)
		add(fakekit.Route{Pattern: "PUT " + base + "/{toType}/{toID}", Write: true}, write, f.putAssociation)
		add(fakekit.Route{Pattern: "PUT " + base + "/default/{toType}/{toID}", Write: true}, write, f.putDefault)
		add(fakekit.Route{Pattern: "DELETE " + base + "/{toType}/{toID}", Write: true}, write, f.dropAssociation)
	}
	for _, base := range []string{"/crm/v4/associations/{type}/{toType}", "/crm/associations/2026-03/{type}/{toType}"} {
		add(fakekit.Route{Pattern: "GET " + base + "/labels"}, read, f.labels)
		add(fakekit.Route{Pattern: "POST " + base + "/batch/read"}, read, f.readMany)
		add(fakekit.Route{Pattern: "POST " + base + "/batch/create", Write: true}, write, f.associateMany)
		add(fakekit.Route{Pattern: "POST " + base + "/batch/associate/default", Write: true}, write, f.defaultMany)
		add(fakekit.Route{Pattern: "POST " + base + "/batch/archive", Write: true}, write, f.dropMany)
		add(fakekit.Route{Pattern: "POST " + base + "/batch/labels/archive", Write: true}, write, f.unlabelMany)
	}
	f.labelRoutes(add)
	const v3 = "/crm/v3/associations/{type}/{toType}"
	add(fakekit.Route{Pattern: "GET " + v3 + "/types"}, read, f.types)
	add(fakekit.Route{Pattern: "POST " + v3 + "/batch/read"}, read, f.readNamed)
	add(fakekit.Route{Pattern: "POST " + v3 + "/batch/create", Write: true}, write, f.associateNamed)
	add(fakekit.Route{Pattern: "POST " + v3 + "/batch/archive", Write: true}, write, f.dropMany)
}

// labelled is a new association in the answers of v4 (S).
type labelled struct {
	FromType string   `json:"fromObjectTypeId"`
	FromID   string   `json:"fromObjectId"`
	ToType   string   `json:"toObjectTypeId"`
	ToID     string   `json:"toObjectId"`
	Labels   []string `json:"labels"`
}

func newLabelled(from, to *object, a, b end, made []kind) labelled {
	out := labelled{from.typeID, a.id, to.typeID, b.id, []string{}}
	for _, k := range made {
		if k.label != "" {
			out.Labels = append(out.Labels, k.label)
		}
	}
	return out
}

func (f *account) putAssociation(c *call) (int, any, *apiError) {
	to, e := f.toObject(c)
	if e != nil {
		return 0, nil, e
	}
	in := pairInput{From: ref{c.PathValue("id")}, To: ref{c.PathValue("toID")}}
	if e := c.decode(&in.Types); e != nil {
		return 0, nil, e
	}
	a, b, made, e := f.relate(c.o, to, in)
	if e != nil {
		return 0, nil, e
	}
	return http.StatusCreated, newLabelled(c.o, to, a, b, made), nil
}

// defaulted is a plain association in the answers of v4, which tell both sides (S).
type defaulted struct {
	From ref  `json:"from"`
	To   ref  `json:"to"`
	Spec spec `json:"associationSpec"`
}

func bothWays(a, b end, k kind) []defaulted {
	return []defaulted{
		{ref{a.id}, ref{b.id}, spec{"HUBSPOT_DEFINED", k.id}},
		{ref{b.id}, ref{a.id}, spec{"HUBSPOT_DEFINED", k.back}},
	}
}

func (f *account) putDefault(c *call) (int, any, *apiError) {
	to, e := f.toObject(c)
	if e != nil {
		return 0, nil, e
	}
	k := plain(c.o, to)
	a, b, _, e := f.relate(c.o, to, pairInput{
		From: ref{c.PathValue("id")}, To: ref{c.PathValue("toID")}, Types: []spec{{"HUBSPOT_DEFINED", k.id}},
	})
	if e != nil {
		return 0, nil, e
	}
	return http.StatusOK, f.together(bothWays(a, b, k), nil), nil
}

// together is the body of an association batch (S).
func (f *account) together(results any, errs []*apiError) any {
	now := f.Now().Format(stamp)
	for _, e := range errs {
		e.Status, e.Links = "error", &struct{}{}
	}
	return struct {
		Status      string      `json:"status"`
		Results     any         `json:"results"`
		StartedAt   string      `json:"startedAt"`
		CompletedAt string      `json:"completedAt"`
		NumErrors   int         `json:"numErrors,omitempty"`
		Errors      []*apiError `json:"errors,omitempty"`
	}{"COMPLETE", results, now, now, len(errs), errs}
}

// mixed is the status of a batch: 207 when some of it was refused (E2).
func mixed(errs []*apiError, full int) int {
	if len(errs) > 0 {
		return http.StatusMultiStatus
	}
	return full
}

// known is a record by any of its IDs; what is not there keeps the ID it was given.
func (f *account) known(o *object, id string) end {
	if r, e := f.find(o, "", id); e == nil {
		id = r.ID
	}
	return end{o.name, id}
}

// dropAssociation answers 204 for one that is not there, too.
func (f *account) dropAssociation(c *call) (int, any, *apiError) {
	to, e := f.toObject(c)
	if e != nil {
		return 0, nil, e
	}
	f.end(f.known(c.o, c.PathValue("id")), f.known(to, c.PathValue("toID")), sourceAPI)
	return http.StatusNoContent, nil, nil
}

func (f *account) labels(c *call) (int, any, *apiError) {
	to, e := f.toObject(c)
	if e != nil {
		return 0, nil, e
	}
	out := []label{}
	for _, k := range f.between(c.o, to) {
		out = append(out, k.shown())
	}
	return http.StatusOK, map[string]any{"results": out}, nil
}

func (f *account) types(c *call) (int, any, *apiError) {
	to, e := f.toObject(c)
	if e != nil {
		return 0, nil, e
	}
	type typeRow struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	out := []typeRow{}
	for _, k := range f.between(c.o, to) {
		out = append(out, typeRow{fmt.Sprint(k.shownID()), k.name})
	}
	return http.StatusOK, map[string]any{"results": out}, nil
}

// pairs reads the inputs of a batch of associations to write.
func (f *account) pairs(c *call) (*object, []pairInput, *apiError) {
	to, e := f.toObject(c)
	if e != nil {
		return nil, nil, e
	}
	var in struct {
		Inputs []pairInput `json:"inputs"`
	}
	if e := c.decode(&in); e != nil {
		return nil, nil, e
	}
	return to, in.Inputs, manyAtMost(len(in.Inputs), maxAssociate)
}

func manyAtMost(n, most int) *apiError {
	if n == 0 {
		return invalid("inputs must not be empty")
	}
	if n > most {
		return invalid("Batch size %d exceeds the limit of %d", n, most)
	}
	return nil
}

func (f *account) associateMany(c *call) (int, any, *apiError) {
	to, inputs, e := f.pairs(c)
	if e != nil {
		return 0, nil, e
	}
	results, errs := []labelled{}, []*apiError(nil)
	for _, in := range inputs {
		a, b, made, e := f.relate(c.o, to, in)
		if e != nil {
			errs = append(errs, e)
			continue
		}
		results = append(results, newLabelled(c.o, to, a, b, made))
	}
	return mixed(errs, http.StatusCreated), f.together(results, errs), nil
}

func (f *account) defaultMany(c *call) (int, any, *apiError) {
	to, inputs, e := f.pairs(c)
	if e != nil {
		return 0, nil, e
	}
	k := plain(c.o, to)
	results, errs := []defaulted{}, []*apiError(nil)
	for _, in := range inputs {
		in.Types = []spec{{"HUBSPOT_DEFINED", k.id}}
		a, b, _, e := f.relate(c.o, to, in)
		if e != nil {
			errs = append(errs, e)
			continue
		}
		results = append(results, bothWays(a, b, k)...)
	}
	return mixed(errs, http.StatusOK), f.together(results, errs), nil
}

// associateNamed is the batch of v3, which names kinds by words.
func (f *account) associateNamed(c *call) (int, any, *apiError) {
	to, inputs, e := f.pairs(c)
	if e != nil {
		return 0, nil, e
	}
	type made struct {
		From ref    `json:"from"`
		To   ref    `json:"to"`
		Type string `json:"type"`
	}
	results, errs := []made{}, []*apiError(nil)
	for _, in := range inputs {
		i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == in.Type && k.from == c.o.name && k.to == to.name })
		if i < 0 {
			errs = append(errs, invalid("%q is no association type from %s to %s", in.Type, c.o.name, to.name))
			continue
		}
		in.Types = []spec{{"HUBSPOT_DEFINED", kinds[i].id}}
		a, b, _, e := f.relate(c.o, to, in)
		if e != nil {
			errs = append(errs, e)
			continue
		}
		results = append(results, made{ref{a.id}, ref{b.id}, in.Type})
	}
	return mixed(errs, http.StatusCreated), f.together(results, errs), nil
}

// dropMany is the batch archive of v3 and v4: v4 gives several in to.
func (f *account) dropMany(c *call) (int, any, *apiError) {
	to, e := f.toObject(c)
	if e != nil {
		return 0, nil, e
	}
	var in struct {
		Inputs []struct {
			From ref    `json:"from"`
			To   oneOr  `json:"to"`
			Type string `json:"type"`
		} `json:"inputs"`
	}
	if e := c.decode(&in); e != nil {
		return 0, nil, e
	}
	if e := manyAtMost(len(in.Inputs), maxAssociate); e != nil {
		return 0, nil, e
	}
	for _, i := range in.Inputs {
		for _, far := range i.To {
			f.end(f.known(c.o, i.From.ID), f.known(to, far.ID), sourceAPI)
		}
	}
	return http.StatusNoContent, nil, nil
}

func (f *account) unlabelMany(c *call) (int, any, *apiError) {
	to, inputs, e := f.pairs(c)
	if e != nil {
		return 0, nil, e
	}
	for _, in := range inputs {
		ks, e := f.pick(c.o, to, in.From.ID, in.Types)
		if e != nil {
			return 0, nil, e
		}
		for _, k := range ks {
			f.unlabel(f.known(c.o, in.From.ID), f.known(to, in.To.ID), k, sourceAPI)
		}
	}
	return http.StatusNoContent, nil, nil
}

// alone is the error for a record without associations (O).
func alone(o, to *object, id string) *apiError {
	return &apiError{
		Category: catNotFound, SubCategory: "crm.associations.NO_ASSOCIATIONS_FOUND",
		Message: fmt.Sprintf("No %s is associated with %s %s.", to.singular, o.singular, id),
		Context: map[string][]string{"fromObjectId": {id}, "fromObjectType": {o.singular}, "toObjectType": {to.singular}},
	}
}

// askMany reads the IDs of a batch read of associations.
func (f *account) askMany(c *call, each func(to *object, id, after string)) *apiError {
	to, e := f.toObject(c)
	if e != nil {
		return e
	}
	var in struct {
		Inputs []struct {
			ID    string `json:"id"`
			After string `json:"after"`
		} `json:"inputs"`
	}
	if e := c.decode(&in); e != nil {
		return e
	}
	if e := manyAtMost(len(in.Inputs), maxAssociations); e != nil {
		return e
	}
	for _, i := range in.Inputs {
		each(to, i.ID, i.After)
	}
	return nil
}

func (f *account) readMany(c *call) (int, any, *apiError) {
	type found struct {
		From   ref     `json:"from"`
		To     []far   `json:"to"`
		Paging *paging `json:"paging,omitempty"`
	}
	results, errs := []found{}, []*apiError(nil)
	e := f.askMany(c, func(to *object, id, after string) {
		a, bad := f.live(c.o, id)
		if bad != nil {
			errs = append(errs, alone(c.o, to, id))
			return
		}
		list, next := f.far(c.o, a.id, to, after, associationPage)
		if len(list) == 0 {
			errs = append(errs, alone(c.o, to, id))
			return
		}
		results = append(results, found{ref{a.id}, list, next})
	})
	if e != nil {
		return 0, nil, e
	}
	return mixed(errs, http.StatusOK), f.together(results, errs), nil
}

func (f *account) readNamed(c *call) (int, any, *apiError) {
	type found struct {
		From ref        `json:"from"`
		To   []namedEnd `json:"to"`
	}
	results, errs := []found{}, []*apiError(nil)
	e := f.askMany(c, func(to *object, id, _ string) {
		a, bad := f.live(c.o, id)
		var list []namedEnd
		if bad == nil {
			list = f.named(c.o, a.id, to)
		}
		if len(list) == 0 {
			errs = append(errs, alone(c.o, to, id))
			return
		}
		results = append(results, found{ref{a.id}, list})
	})
	if e != nil {
		return 0, nil, e
	}
	return mixed(errs, http.StatusOK), f.together(results, errs), nil
}

// oneOr is one reference or a list of them.
type oneOr []ref

// UnmarshalJSON implements json.Unmarshaler.
func (l *oneOr) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]ref)(l))
	}
	var one ref
	if err := json.Unmarshal(b, &one); err != nil {
		return fmt.Errorf("a reference: %w", err)
	}
	*l = oneOr{one}
	return nil
}
