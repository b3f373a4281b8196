package intercomfake

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

const (
	maxPage    = 150    // [S]
	maxCompany = 60     // [S] companies/list
	mostListed = 10_000 // [S] companies/list; the refusal's text is observed: github.com/intercom/intercom-ruby/issues/304
	maxFilters = 15     // [S]
)

// Routes implements fakekit.App.
func (f *space) Routes() []fakekit.Route {
	people, firms := f.objects[0], f.objects[1]
	one := func(h func(w http.ResponseWriter, r *http.Request, o *object) error, o *object) http.HandlerFunc {
		return f.known(func(w http.ResponseWriter, r *http.Request) error { return h(w, r, o) })
	}
	return []fakekit.Route{
		{Pattern: "GET /oauth", Handler: f.authorize, Free: true},
		{Pattern: "POST /auth/eagle/token", Handler: f.token, Write: true, Free: true},
		{Pattern: "GET /me", Handler: f.known(f.me)},
		{Pattern: "GET /admins", Handler: f.known(func(w http.ResponseWriter, _ *http.Request) error {
			fakekit.WriteJSON(w, 200, map[string]any{"type": "admin.list", "admins": f.admins})
			return nil
		})},
		{Pattern: "GET /admins/{id}", Handler: f.known(f.admin)},
		{Pattern: "GET /data_attributes", Handler: f.known(f.described)},
		{Pattern: "GET /tags", Handler: f.known(func(w http.ResponseWriter, _ *http.Request) error {
			fakekit.WriteJSON(w, 200, map[string]any{"type": "list", "data": f.tags})
			return nil
		})},
		{Pattern: "POST /tags", Write: true, Handler: f.known(f.makeTag)},
		{Pattern: "GET /contacts", Handler: f.known(f.list)},
		{Pattern: "POST /contacts/search", Search: true, Handler: f.known(f.search)},
		{Pattern: "POST /contacts", Write: true, Handler: one(f.saved, people)},
		{Pattern: "GET /contacts/{id}", Handler: one(f.get, people)},
		{Pattern: "PUT /contacts/{id}", Write: true, Handler: one(f.saved, people)},
		{Pattern: "POST /contacts/{id}/archive", Write: true, Handler: one(f.archive, people)},
		{Pattern: "GET /contacts/{id}/tags", Handler: f.known(f.tagged)},
		{Pattern: "POST /contacts/{id}/tags", Write: true, Handler: f.known(f.tagging)},
		{Pattern: "DELETE /contacts/{id}/tags/{tag}", Write: true, Handler: f.known(f.untagging)},
		{Pattern: "POST /companies/list", Handler: f.known(f.listCompanies)},
		{Pattern: "GET /companies", Handler: f.known(f.findCompany)},
		{Pattern: "POST /companies", Write: true, Handler: one(f.upsert, firms)},
		{Pattern: "GET /companies/{id}", Handler: one(f.get, firms)},
		{Pattern: "PUT /companies/{id}", Write: true, Handler: one(f.saved, firms)},
		{Pattern: "DELETE /companies/{id}", Write: true, Handler: one(f.archive, firms)},
	}
}

// known lets calls with a good token through.
func (f *space) known(h func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, _ := fakekit.Bearer(r.Header.Get("Authorization"))
		if _, state := f.Tokens().Check(token); state != fakekit.TokenValid {
			fail(w, &refusal{401, "unauthorized", "Access Token Invalid", ""})
			return
		}
		if u := f.Usage(); u.Limits.Calls > 0 {
			f.pace(w.Header(), u.Limits.Window)
		}
		var e *refusal
		if err := h(w, r); errors.As(err, &e) {
			fail(w, e)
		}
	}
}

// version is the one that a call asks for, as a number that grows; without one the app's
// own counts.
func version(r *http.Request) float64 {
	_, minor, _ := strings.Cut(cmp.Or(r.Header.Get("Intercom-Version"), "2.11"), ".")
	n, _ := strconv.Atoi(minor)
	return 2 + float64(n)/100 // 2.9 came before 2.10
}

func (f *space) me(w http.ResponseWriter, _ *http.Request) error {
	a := f.admins[0]
	fakekit.WriteJSON(w, 200, map[string]any{
		"type": "admin", "id": a.ID, "email": a.Email, "name": a.Name,
		"app": map[string]string{
			"type": "app", "id_code": AppID, "name": "Made-up workspace", "region": "US", "timezone": "America/Los_Angeles",
		},
	})
	return nil
}

func (f *space) admin(w http.ResponseWriter, r *http.Request) error {
	for _, a := range f.admins {
		if a.ID == r.PathValue("id") {
			fakekit.WriteJSON(w, 200, a)
			return nil
		}
	}
	return &refusal{404, "admin_not_found", "Admin not found", ""}
}

func (f *space) described(w http.ResponseWriter, r *http.Request) error {
	o, err := f.object(r.URL.Query().Get("model"))
	if err != nil {
		return &refusal{400, "parameter_invalid", "model must be contact or company", "model"}
	}
	var out []attribute
	for _, a := range o.attributes {
		if !a.Archived || r.URL.Query().Get("include_archived") == "true" {
			out = append(out, a)
		}
	}
	fakekit.WriteJSON(w, 200, map[string]any{"type": "list", "data": out})
	return nil
}

func (f *space) makeTag(w http.ResponseWriter, r *http.Request) error {
	var in struct{ Name string }
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.Name == "" {
		return &refusal{400, "parameter_not_found", "Name not specified", "name"}
	}
	fakekit.WriteJSON(w, 200, f.tag(in.Name))
	return nil
}

// get reads one record; one that was merged names the other [S].
func (f *space) get(w http.ResponseWriter, r *http.Request, o *object) error {
	rec, ok := o.table.Get(r.PathValue("id"))
	switch {
	case ok && rec.MergedInto != "" && version(r) >= 2.16:
		w.Header().Set("Link", "</contacts/"+rec.MergedInto+`>; rel="canonical"`)
		return &refusal{410, "contact_merged", "Contact was merged", ""}
	case !ok || rec.Deleted:
		return &refusal{404, "not_found", capital(o.model) + " Not Found", ""}
	}
	fakekit.WriteJSON(w, 200, f.show(o, rec))
	return nil
}

func (f *space) saved(w http.ResponseWriter, r *http.Request, o *object) error {
	fields, err := o.fieldsIn(r)
	id := r.PathValue("id")
	if err == nil {
		err = f.save(o, &id, fields, false)
	}
	if err != nil {
		return err
	}
	rec, _ := o.live(id)
	fakekit.WriteJSON(w, 200, f.show(o, rec))
	return nil
}

// upsert makes a company, or changes the one with the company's own ID [S].
func (f *space) upsert(w http.ResponseWriter, r *http.Request, o *object) error {
	fields, err := o.fieldsIn(r)
	if err != nil {
		return err
	}
	id := ""
	if rec := f.holder(o, "company_id", fields["company_id"]); rec != nil && fields["company_id"] != "" {
		id = rec.ID
	}
	if err := f.save(o, &id, fields, false); err != nil {
		return err
	}
	rec, _ := o.live(id)
	fakekit.WriteJSON(w, 200, f.show(o, rec))
	return nil
}

func (f *space) archive(w http.ResponseWriter, r *http.Request, o *object) error {
	id := r.PathValue("id")
	what := map[string]string{"contact": "archived", "company": "deleted"}[o.model]
	if f.remove(o, id, "", what) != nil {
		return &refusal{404, "not_found", capital(o.model) + " Not Found", ""}
	}
	fakekit.WriteJSON(w, 200, map[string]any{"type": o.model, "id": id, what: true})
	return nil
}

func (f *space) contact(r *http.Request) (*fakekit.Record, error) {
	rec, err := f.objects[0].live(r.PathValue("id"))
	if err != nil {
		return nil, &refusal{404, "not_found", "User Not Found", ""}
	}
	return rec, nil
}

func (f *space) tagged(w http.ResponseWriter, r *http.Request) error {
	rec, err := f.contact(r)
	if err == nil {
		fakekit.WriteJSON(w, 200, f.tagsOf(rec, len(f.tags)+shownTags+1))
	}
	return err
}

// retag changes a contact's tags, which makes it another version.
func (f *space) retag(w http.ResponseWriter, r *http.Request, id string, change func([]string, string) []string) error {
	rec, err := f.contact(r)
	i := slices.IndexFunc(f.tags, func(t tag) bool { return t.ID == id })
	switch {
	case err != nil:
		return err
	case i < 0:
		return &refusal{404, "not_found", "Resource Not Found", ""}
	}
	own := rec.Clone()
	own.Set("tags", strings.Join(change(split(rec.Fields["tags"]), f.tags[i].Name), ";"))
	own.Modified = f.Tick()
	f.objects[0].table.Put(own)
	f.tell(f.objects[0], "tag.created", own, nil)
	fakekit.WriteJSON(w, 200, f.tags[i])
	return nil
}

func (f *space) tagging(w http.ResponseWriter, r *http.Request) error {
	var in struct{ ID string }
	if json.NewDecoder(r.Body).Decode(&in) != nil {
		return &refusal{400, "parameter_invalid", "the body is no JSON object", ""}
	}
	return f.retag(w, r, in.ID, func(all []string, name string) []string {
		return append(slices.DeleteFunc(all, func(s string) bool { return s == name }), name)
	})
}

func (f *space) untagging(w http.ResponseWriter, r *http.Request) error {
	return f.retag(w, r, r.PathValue("tag"), func(all []string, name string) []string {
		return slices.DeleteFunc(all, func(s string) bool { return s == name })
	})
}

// answer is a page of records.
func (f *space) answer(w http.ResponseWriter, o *object, list []*fakekit.Record, total int, pages map[string]any) {
	data := []any{}
	for _, rec := range list {
		data = append(data, f.show(o, rec))
	}
	pages["type"] = "pages"
	fakekit.WriteJSON(w, 200, map[string]any{"type": "list", "data": data, "total_count": total, "pages": pages})
}

// list lists contacts in the order of their making [S].
func (f *space) list(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	size, err := strconv.Atoi(cmp.Or(q.Get("per_page"), "10"))
	if err != nil || size < 1 || size > maxPage {
		return &refusal{400, "parameter_invalid", "per_page must be between 1 and 150", "per_page"}
	}
	o, after := f.objects[0], q.Get("starting_after")
	var found []*fakekit.Record
	o.table.Each(after, func(rec *fakekit.Record) bool {
		if !rec.Deleted {
			found = append(found, rec)
		}
		return len(found) <= size
	})
	pages := map[string]any{"per_page": size}
	if len(found) > size {
		found = found[:size]
		pages["next"] = map[string]any{"per_page": size, "starting_after": found[size-1].ID}
	}
	f.answer(w, o, found, o.table.Live.Len(), pages)
	return nil
}

// listCompanies pages by number, in the order of their making [S].
func (f *space) listCompanies(w http.ResponseWriter, r *http.Request) error {
	q, o := r.URL.Query(), f.objects[1]
	number, errNumber := strconv.Atoi(cmp.Or(q.Get("page"), "1"))
	size, errSize := strconv.Atoi(cmp.Or(q.Get("per_page"), "15"))
	if errors.Join(errNumber, errSize) != nil || number < 1 || size < 1 || size > maxCompany {
		return &refusal{400, "parameter_invalid", "page or per_page is out of range", ""}
	}
	if (number-1)*size >= mostListed {
		return &refusal{400, "bad_request", "page limit reached, please use scroll API", ""}
	}
	var all []*fakekit.Record
	o.table.Each("", func(rec *fakekit.Record) bool {
		if !rec.Deleted {
			all = append(all, rec)
		}
		return true
	})
	if q.Get("order") != "asc" {
		slices.Reverse(all)
	}
	from := min((number-1)*size, len(all))
	f.answer(w, o, all[from:min(from+size, len(all))], len(all), map[string]any{
		"page": number, "per_page": size, "total_pages": (len(all) + size - 1) / size,
	})
	return nil
}

// findCompany finds companies by name, or the one with a company's own ID [S].
func (f *space) findCompany(w http.ResponseWriter, r *http.Request) error {
	o, q := f.objects[1], r.URL.Query()
	if id := q.Get("company_id"); id != "" {
		rec := f.holder(o, "company_id", id)
		if rec == nil {
			return &refusal{404, "company_not_found", "Company Not Found", ""}
		}
		fakekit.WriteJSON(w, 200, f.show(o, rec))
		return nil
	}
	var found []*fakekit.Record
	o.table.Each("", func(rec *fakekit.Record) bool {
		if !rec.Deleted && q.Get("name") != "" && fold(rec.Fields["name"]) == fold(q.Get("name")) {
			found = append(found, rec)
		}
		return true
	})
	if len(found) == 0 {
		return &refusal{404, "company_not_found", "Company Not Found", ""}
	}
	f.answer(w, o, found, len(found), map[string]any{"page": 1, "per_page": 15, "total_pages": 1})
	return nil
}

// filter is a part of a search's query.
type filter struct {
	Field, Operator string
	Value           json.RawMessage
}

// matches reports whether a contact fits. Before 2.17 times are days, and there is no
// "or equal" for them [S][C1].
func (f *space) matches(q filter, rec *fakekit.Record, v float64) (bool, error) {
	var nested []filter
	if q.Operator == "AND" || q.Operator == "OR" {
		if json.Unmarshal(q.Value, &nested) != nil || len(nested) == 0 || len(nested) > maxFilters {
			return false, &refusal{400, "invalid_query", "a group has between 1 and 15 filters", ""}
		}
		fits := q.Operator == "AND"
		for _, one := range nested {
			ok, err := f.matches(one, rec, v)
			if err != nil {
				return false, err
			}
			if ok != fits {
				return ok, nil
			}
		}
		return fits, nil
	}
	if q.Field == "updated_at" || q.Field == "created_at" {
		return stampMatches(q, map[string]time.Time{"updated_at": rec.Modified, "created_at": rec.Created}[q.Field].Unix(), v)
	}
	if _, ok := f.objects[0].attribute(q.Field); !ok {
		return false, &refusal{400, "invalid_field", "Field '" + q.Field + "' cannot be searched", q.Field}
	}
	var want string
	if json.Unmarshal(q.Value, &want) != nil || q.Operator != "=" {
		return false, &refusal{400, "invalid_operator", "'" + q.Operator + "' is no valid operator here", ""}
	}
	return rec.Fields[q.Field] != "" && fold(rec.Fields[q.Field]) == fold(want), nil
}

const day = 86400

func stampMatches(q filter, at int64, v float64) (bool, error) {
	want, err := strconv.ParseInt(strings.Trim(string(q.Value), `"`), 10, 64)
	if v < 2.17 {
		at, want = at/day, want/day
	}
	switch {
	case err != nil:
	case q.Operator == ">":
		return at > want, nil
	case q.Operator == "<":
		return at < want, nil
	case q.Operator == "=":
		return at == want, nil
	case q.Operator == ">=" && v >= 2.17:
		return at >= want, nil
	case q.Operator == "<=" && v >= 2.17:
		return at <= want, nil
	}
	return false, &refusal{400, "invalid_operator", "'" + q.Operator + "' is no valid operator for times", ""}
}

// search finds contacts as the index knows them [S].
func (f *space) search(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Query filter
		Sort  struct{ Field, Order string }
		Paged struct {
			Size  int    `json:"per_page"`
			After string `json:"starting_after"`
		} `json:"pagination"`
	}
	err := json.NewDecoder(r.Body).Decode(&in)
	in.Paged.Size = cmp.Or(in.Paged.Size, 50)
	switch {
	case err != nil || in.Paged.Size < 1 || in.Paged.Size > maxPage:
		return &refusal{400, "parameter_invalid", "the query is no valid one", ""}
	case in.Sort.Order != "" && in.Sort.Order != "ascending" && in.Sort.Order != "descending":
		return &refusal{400, "invalid_sort_order", "order must be ascending or descending", ""}
	}
	o := f.objects[0]
	var found []*fakekit.Record
	o.table.Indexed().Ascend(time.Time{}, "", func(rec *fakekit.Record) bool {
		var ok bool
		if ok, err = f.matches(in.Query, rec, version(r)); ok {
			found = append(found, rec)
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	place := func(rec *fakekit.Record) string { return strconv.FormatInt(1e12+rec.Modified.Unix(), 10) + rec.ID }
	slices.SortFunc(found, func(a, b *fakekit.Record) int {
		c := strings.Compare(place(a), place(b))
		if in.Sort.Order == "descending" {
			return -c
		}
		return c
	})
	total := len(found)
	found = slices.DeleteFunc(found, func(rec *fakekit.Record) bool {
		return in.Paged.After != "" && (place(rec) <= in.Paged.After) == (in.Sort.Order != "descending")
	})
	pages := map[string]any{"per_page": in.Paged.Size, "total_pages": (total + in.Paged.Size - 1) / in.Paged.Size}
	if len(found) > in.Paged.Size {
		found = found[:in.Paged.Size]
		pages["next"] = map[string]any{"per_page": in.Paged.Size, "starting_after": place(found[in.Paged.Size-1])}
	}
	f.answer(w, o, found, total, pages)
	return nil
}

// authorize stands for the consent page: the user always agrees [A1].
func (f *space) authorize(w http.ResponseWriter, r *http.Request) {
	if !f.Tokens().Consent(w, r, ClientID, nil) {
		fail(w, &refusal{400, "parameter_invalid", "invalid client_id or redirect_uri", ""})
	}
}

// token gives a token that does not end, and no refresh token [A1].
func (f *space) token(w http.ResponseWriter, r *http.Request) {
	err := r.ParseForm()
	v := r.PostForm
	if err != nil || v.Get("client_id") != ClientID || v.Get("client_secret") != ClientSecret {
		fakekit.WriteJSON(w, 401, map[string]any{
			"type": "error.list", "errors": []any{map[string]string{"code": "unauthorized", "message": "invalid client"}},
		})
		return
	}
	if _, err := f.Tokens().Redeem(v.Get("code"), ClientID, v.Get("redirect_uri"), ""); err != nil {
		fakekit.WriteJSON(w, 400, map[string]any{
			"type": "error.list", "errors": []any{map[string]string{"code": "parameter_invalid", "message": "invalid code"}},
		})
		return
	}
	t := f.Tokens().Issue("fake-", ClientID, 0, nil, false)
	fakekit.WriteJSON(w, 200, map[string]string{"token_type": "Bearer", "token": t.Access, "access_token": t.Access})
}
