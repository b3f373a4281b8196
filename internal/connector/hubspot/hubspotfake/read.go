package hubspotfake

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// maxBatch is the most inputs of a batch (G1), maxPage of a list, ownerPage of a
// list of owners (S).
const (
	maxBatch  = 100
	maxPage   = 100
	ownerPage = 500
)

// row is a record as answers show it (S).
type row struct {
	ID         string                `json:"id"`
	Properties map[string]*string    `json:"properties"`
	History    map[string][]oldValue `json:"propertiesWithHistory,omitempty"`
	CreatedAt  string                `json:"createdAt"`
	UpdatedAt  string                `json:"updatedAt"`
	Archived   bool                  `json:"archived"`
	ArchivedAt string                `json:"archivedAt,omitempty"`
	TraceID    string                `json:"objectWriteTraceId,omitempty"`
	New        *bool                 `json:"new,omitempty"`

	Associations map[string]associated `json:"associations,omitempty"`
}

type oldValue struct {
	Value      string `json:"value"`
	Timestamp  string `json:"timestamp"`
	SourceType string `json:"sourceType"`
	SourceID   string `json:"sourceId,omitempty"`
}

type paging struct {
	Next next `json:"next"`
}

type next struct {
	After string `json:"after"`
	Link  string `json:"link,omitempty"`
}

// show renders a record. Properties that do not exist are left out in silence (G1).
func (o *object) show(r *fakekit.Record, names []string) row {
	if len(names) == 0 {
		names = o.defaults
	}
	out := row{
		ID: r.ID, Properties: make(map[string]*string, len(names)+3), Archived: r.Deleted,
		CreatedAt: r.Created.Format(stamp), UpdatedAt: r.Modified.Format(stamp),
	}
	if r.Deleted {
		out.ArchivedAt = r.DeletedAt.Format(stamp)
	}
	for _, n := range append([]string{"createdate", "hs_createdate", "hs_object_id", o.modified}, names...) {
		if _, ok := o.prop(n); !ok {
			continue
		}
		out.Properties[n] = nil
		if v, ok := o.stored(r, n); ok {
			out.Properties[n] = &v
		}
	}
	return out
}

// past returns a property's values, newest first, the present one included.
func (o *object) past(r *fakekit.Record, name string) []oldValue {
	if _, ok := o.prop(name); !ok {
		return nil
	}
	var out []oldValue
	for _, c := range o.history[r.ID] {
		if c.property == name {
			out = append(out, oldValue{c.value, c.at.Format(stamp), c.source.kind, c.source.id})
		}
	}
	slices.Reverse(out)
	if len(out) == 0 {
		if v, ok := o.stored(r, name); ok {
			by := o.maker(r.ID)
			out = append(out, oldValue{v, r.Created.Format(stamp), by.kind, by.id})
		}
	}
	return out
}

func commaList(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func queryList(c *call, name string) []string {
	var out []string
	for _, v := range c.URL.Query()[name] {
		out = append(out, commaList(v)...)
	}
	return out
}

// list is the object list: by ID, 10 a page unless asked, at most 100 (S).
func (f *account) list(c *call) (int, any, *apiError) {
	if e := c.allow("limit", "after", "properties", "propertiesWithHistory", "associations", "archived"); e != nil {
		return 0, nil, e
	}
	q := c.URL.Query()
	limit := 10
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxPage {
			return 0, nil, invalid("limit must be between 1 and %d", maxPage)
		}
		limit = n
	}
	after := q.Get("after")
	if after != "" {
		if _, err := strconv.ParseInt(after, 10, 64); err != nil {
			return 0, nil, invalid("invalid paging token")
		}
	}
	archived := c.flag("archived")
	names, withHistory := queryList(c, "properties"), queryList(c, "propertiesWithHistory")
	out := struct {
		Results []row   `json:"results"`
		Paging  *paging `json:"paging,omitempty"`
	}{Results: []row{}}
	c.o.table.Each(after, func(r *fakekit.Record) bool {
		if r.Deleted != archived || f.forgotten(r) {
			return true
		}
		if len(out.Results) == limit {
			out.Paging = &paging{next{After: out.Results[limit-1].ID}}
			return false
		}
		out.Results = append(out.Results, f.rowWithHistory(c.o, r, names, withHistory))
		return true
	})
	for i, shown := range out.Results {
		var e *apiError
		if out.Results[i], e = f.withAssociations(c, shown); e != nil {
			return 0, nil, e
		}
	}
	return http.StatusOK, out, nil
}

func (f *account) rowWithHistory(o *object, r *fakekit.Record, names, withHistory []string) row {
	shown := o.show(r, append(slices.Clone(names), withHistory...))
	if len(withHistory) > 0 {
		shown.History = map[string][]oldValue{}
		for _, n := range withHistory {
			if past := o.past(r, n); past != nil {
				shown.History[n] = past
			}
		}
	}
	return shown
}

// find returns the record that an ID, or a unique property's value, names.
func (f *account) find(o *object, idProperty, id string) (*fakekit.Record, *apiError) {
	if idProperty == "" || idProperty == "hs_object_id" {
		r, ok := o.table.Get(f.lives(o, id))
		if !ok || f.forgotten(r) {
			return nil, notFound()
		}
		return r, nil
	}
	if e := o.keyProperty(idProperty); e != nil {
		return nil, e
	}
	if found := f.holders(o, idProperty, id); len(found) > 0 {
		return found[0], nil
	}
	return nil, notFound()
}

// keyProperty refuses what cannot name a record: only unique properties, and
// the e-mail of contacts, can (G1).
func (o *object) keyProperty(name string) *apiError {
	p, ok := o.prop(name)
	if ok && (p.Unique || name == "email" && o.name == "contacts") {
		return nil
	}
	return invalid("The idProperty %q is not a unique property of %s", name, o.name)
}

// holders returns the live records with a value of a unique property; contacts
// answer to their additional e-mails too (G1).
func (f *account) holders(o *object, property, value string) []*fakekit.Record {
	found, _ := o.table.Live.Lookup(property, value)
	if property == "email" && len(found) == 0 {
		more, _ := o.table.Live.Lookup("hs_additional_emails", value)
		return more
	}
	return found
}

func (f *account) getOne(c *call) (int, any, *apiError) {
	if e := c.allow("properties", "propertiesWithHistory", "associations", "archived", "idProperty"); e != nil {
		return 0, nil, e
	}
	q := c.URL.Query()
	r, e := f.find(c.o, q.Get("idProperty"), c.PathValue("id"))
	if e != nil {
		return 0, nil, e
	}
	if r.Deleted != c.flag("archived") {
		return 0, nil, notFound()
	}
	shown, e := f.withAssociations(c, f.rowWithHistory(c.o, r, queryList(c, "properties"),
		queryList(c, "propertiesWithHistory")))
	if e != nil {
		return 0, nil, e
	}
	return http.StatusOK, shown, nil
}

// batchAnswer is the body of a batch (E1, S).
type batchAnswer struct {
	Status      string      `json:"status"`
	Results     []row       `json:"results"`
	StartedAt   string      `json:"startedAt"`
	CompletedAt string      `json:"completedAt"`
	NumErrors   int         `json:"numErrors,omitempty"`
	Errors      []*apiError `json:"errors,omitempty"`
}

func (f *account) answer(results []row, errs []*apiError, full int) (int, any, *apiError) {
	now := f.Now().Format(stamp)
	if results == nil {
		results = []row{}
	}
	for _, e := range errs {
		e.Status = "error"
		e.Links = &struct{}{}
	}
	a := batchAnswer{"COMPLETE", results, now, now, len(errs), errs}
	if len(errs) > 0 {
		full = http.StatusMultiStatus // E2
	}
	return full, a, nil
}

func (f *account) batchRead(c *call) (int, any, *apiError) {
	var in struct {
		Properties  []string `json:"properties"`
		WithHistory []string `json:"propertiesWithHistory"`
		IDProperty  string   `json:"idProperty"`
		Inputs      []struct {
			ID string `json:"id"`
		} `json:"inputs"`
	}
	if e := c.decode(&in); e != nil {
		return 0, nil, e
	}
	if e := c.allow("archived"); e != nil {
		return 0, nil, e
	}
	if e := batchSize(len(in.Inputs)); e != nil {
		return 0, nil, e
	}
	if in.IDProperty != "" && in.IDProperty != "hs_object_id" {
		if e := c.o.keyProperty(in.IDProperty); e != nil {
			return 0, nil, e
		}
	}
	archived := c.flag("archived")
	var results []row
	var missing []string
	var errs []*apiError
	seen := map[string]bool{}
	for _, i := range in.Inputs {
		if _, err := strconv.ParseUint(i.ID, 10, 64); in.IDProperty == "" && err != nil {
			return 0, nil, invalid("Invalid input: %q is not a valid object ID", i.ID)
		}
		r, e := f.find(c.o, in.IDProperty, i.ID)
		if e != nil || r.Deleted != archived {
			missing = append(missing, i.ID)
			continue
		}
		if f.BrokenRow(r.ID) {
			errs = append(errs, &apiError{
				Category: "INTERNAL_ERROR", Context: map[string][]string{"ids": {i.ID}}, Message: "internal error",
			})
			continue
		}
		if !seen[r.ID] {
			seen[r.ID] = true
			results = append(results, f.rowWithHistory(c.o, r, in.Properties, in.WithHistory))
		}
	}
	// The order of the answer is not promised: do not let callers rely on it.
	slices.Reverse(results)
	return f.answer(results, append(errs, missingRows(c.o, missing)...), http.StatusOK)
}

// missingRows is one error for all IDs that are not there (E1).
func missingRows(o *object, ids []string) []*apiError {
	if len(ids) == 0 {
		return nil
	}
	return []*apiError{{
		Category: catNotFound, Context: map[string][]string{"ids": ids},
		Message: fmt.Sprintf("Could not get some %s objects, they may be deleted or not exist. Check that ids are valid.",
			strings.ToUpper(o.singular)),
	}}
}

func batchSize(n int) *apiError {
	if n == 0 {
		return invalid("inputs must not be empty")
	}
	if n > maxBatch {
		return invalid("Batch size %d exceeds the limit of %d", n, maxBatch)
	}
	return nil
}

type ownerRow struct {
	ID        string `json:"id"`
	Email     string `json:"email"`
	Type      string `json:"type"`
	FirstName string `json:"firstName"`
	LastName  string `json:"lastName"`
	UserID    int    `json:"userId"`
	CreatedAt string `json:"createdAt"`
	UpdatedAt string `json:"updatedAt"`
	Archived  bool   `json:"archived"`
}

func (f *account) ownerRow(w owner) ownerRow {
	at := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Format(stamp)
	n, _ := strconv.Atoi(w.ID)
	return ownerRow{w.ID, w.Email, "PERSON", w.FirstName, w.LastName, n, at, at, w.archived}
}

func (f *account) listOwners(c *call) (int, any, *apiError) {
	if e := c.allow("email", "limit", "after", "archived"); e != nil {
		return 0, nil, e
	}
	q := c.URL.Query()
	mail, after, limit := q.Get("email"), q.Get("after"), ownerPage
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > ownerPage {
			return 0, nil, invalid("limit must be between 1 and %d", ownerPage)
		}
		limit = n
	}
	out := struct {
		Results []ownerRow `json:"results"`
		Paging  *paging    `json:"paging,omitempty"`
	}{Results: []ownerRow{}}
	for _, w := range f.owners { // by ID
		switch {
		case c.flag("archived") != w.archived, mail != "" && !strings.EqualFold(mail, w.Email), w.ID <= after:
			continue
		case len(out.Results) == limit:
			out.Paging = &paging{next{After: out.Results[limit-1].ID}}
			return http.StatusOK, out, nil
		}
		out.Results = append(out.Results, f.ownerRow(w))
	}
	return http.StatusOK, out, nil
}

func (f *account) getOwner(c *call) (int, any, *apiError) {
	if e := c.allow("idProperty", "archived"); e != nil {
		return 0, nil, e
	}
	for _, w := range f.owners {
		if w.ID == c.PathValue("id") && w.archived == c.flag("archived") {
			return http.StatusOK, f.ownerRow(w), nil
		}
	}
	return 0, nil, notFound()
}

// account is the account's details (S: accountInfo.json).
func (f *account) account(c *call) (int, any, *apiError) {
	if e := c.allow(); e != nil {
		return 0, nil, e
	}
	return http.StatusOK, map[string]any{
		"portalId": f.portal, "accountType": "DEVELOPER_TEST", "timeZone": "UTC", "companyCurrency": "USD",
		"additionalCurrencies": []string{}, "utcOffset": "+00:00", "utcOffsetMilliseconds": 0,
		"uiDomain": "app.hubspot.example.com", "dataHostingLocation": "na1",
	}, nil
}
