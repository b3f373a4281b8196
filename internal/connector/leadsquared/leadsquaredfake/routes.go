package leadsquaredfake

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
	layout   = "2006-01-02 15:04:05" // UTC [L4]
	maxPage  = 5000                  // [L4]
	maxByIDs = 10_000                // [L18]
)

// Routes implements fakekit.App.
func (f *account) Routes() []fakekit.Route {
	leads := "/v2/LeadManagement.svc/"
	return []fakekit.Route{
		{Pattern: "GET /v2/Authentication.svc/UserByAccessKey.Get", Handler: f.known(f.self)},
		{Pattern: "GET " + leads + "LeadsMetaData.Get", Handler: f.known(f.metadata)},
		{Pattern: "POST " + leads + "CreateLeadField", Write: true, Handler: f.known(f.createField)},
		{Pattern: "POST " + leads + "Leads.RecentlyModified", Handler: f.known(f.recent)},
		{Pattern: "POST " + leads + "Leads.Get", Search: true, Handler: f.known(f.search)},
		{Pattern: "POST " + leads + "Leads/Retrieve/ByIds", Handler: f.known(f.byIDs)},
		{Pattern: "POST " + leads + "Lead.Create", Write: true, Handler: f.known(f.create)},
		{Pattern: "POST " + leads + "Lead.Update", Write: true, Handler: f.known(f.update)},
		{Pattern: "GET " + activities + "ActivityTypes.Get", Handler: f.known(f.types)},
		{Pattern: "GET " + activities + "CustomActivity/GetActivitySetting", Handler: f.known(f.setting)},
		{Pattern: "POST " + activities + "CustomActivity/RetrieveByActivityEvent", Handler: f.known(f.byEvent)},
		{Pattern: "GET " + activities + "GetActivityDetails", Handler: f.known(f.details)},
		{Pattern: "POST " + activities + "Create", Write: true, Handler: f.known(f.postActivity)},
		{Pattern: "POST " + activities + "CustomActivity/Update", Write: true, Handler: f.known(f.updateActivity)},
	}
}

// wrong is an exception of the API. Most have status 500 [L6].
type wrong struct {
	status     int
	kind, text string
}

func (e *wrong) Error() string { return e.text }

func exception(kind, text string) error { return &wrong{http.StatusInternalServerError, kind, text} }

func bad(text string) error {
	return &wrong{http.StatusBadRequest, "MXInvalidInputException", text}
}

// fail is the error body of every call.
func fail(w http.ResponseWriter, status int, kind, text string) {
	fakekit.WriteJSON(w, status, map[string]string{"Status": "Error", "ExceptionType": kind, "ExceptionMessage": text})
}

// known lets calls with good keys through, at the account's own host only [L2][L3].
func (f *account) known(h func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		key := cmp.Or(r.Header.Get("x-LSQ-AccessKey"), q.Get("accessKey")) + "/" + cmp.Or(r.Header.Get("x-LSQ-SecretKey"),
			q.Get("secretKey"))
		if f.region != "" && r.Host != f.region {
			fail(w, http.StatusUnauthorized, "MXAccessDeniedException",
				"Your account is not available in this region. Use the API host "+f.region+" instead.")
			return
		}
		if _, state := f.Tokens().Check(key); state != fakekit.TokenValid {
			fail(w, http.StatusUnauthorized, "MXAccessDeniedException", "Access denied: check your access key and secret key.")
			return
		}
		var e *wrong
		if err := h(w, r); errors.As(err, &e) {
			fail(w, e.status, e.kind, e.text)
		}
	}
}

func (f *account) self(w http.ResponseWriter, r *http.Request) error {
	fakekit.WriteJSON(w, 200, map[string]any{
		"UserId": KeysUser, "EmailAddress": "alex@example.com", "FirstName": "Alex",
		"TimeZone":             "Asia/Kolkata",
		"LSQCommonServiceURLs": map[string]string{"api": cmp.Or(f.region, r.Host), "app": "app.leadsquared.com"},
	})
	return nil
}

func (f *account) metadata(w http.ResponseWriter, r *http.Request) error {
	out := slices.Clone(f.fields)
	for i := range out {
		if r.URL.Query().Get("excludeOptionSets") == "1" {
			out[i].Options = nil
		}
	}
	fakekit.WriteJSON(w, 200, out)
	return nil
}

// createField makes a custom field; its name comes from its label [L9].
func (f *account) createField(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		DisplayName, DataType, RenderTypeTextValue string
		IsMandatory                                bool
	}
	types := []string{"Text", "Number", "Email", "Phone", "Website", "Date", "Time", "Select", "Boolean"}
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.DisplayName == "" || !slices.Contains(types, in.DataType) ||
		in.RenderTypeTextValue == "" {
		return bad("DisplayName, DataType and RenderTypeTextValue are required")
	}
	name := "mx_" + strings.ReplaceAll(in.DisplayName, " ", "_")
	if _, taken := f.field(name); taken {
		return exception("MXDuplicateEntryException", "Lead field "+name+" already exists")
	}
	f.fields = append(f.fields, field{Name: name, Label: in.DisplayName, Type: in.DataType, Mandatory: in.IsMandatory})
	fakekit.WriteJSON(w, 200, map[string]any{"Status": "Success", "Message": map[string]string{"Id": name}})
	return nil
}

// asked is the body of every listing.
type asked struct {
	Parameter struct{ FromDate, ToDate, LookupName, LookupValue, SqlOperator string }
	Search    struct{ LeadIds []string } `json:"SearchParameters"`
	Columns   struct {
		CSV string `json:"Include_CSV"`
	}
	Paging  struct{ PageIndex, PageSize int }
	Sorting struct{ ColumnName, Direction string }
}

func ask(r *http.Request, most int) (in asked, err error) {
	if json.NewDecoder(r.Body).Decode(&in) != nil {
		return in, bad("The message body is not as per API specification")
	}
	if in.Paging.PageIndex < 1 || in.Paging.PageSize < 1 || in.Paging.PageSize > most {
		return in, bad("PageIndex starts at 1, PageSize is between 1 and " + strconv.Itoa(most))
	}
	return in, nil
}

// columns are the names of a list, as the fields are called.
func (f *account) columns(csv string) (out []string) {
	for name := range strings.SplitSeq(csv, ",") {
		for _, d := range f.fields {
			if strings.EqualFold(d.Name, strings.TrimSpace(name)) {
				out = append(out, d.Name)
			}
		}
	}
	return out
}

// show is a lead as a flat object. One that the knob has broken has no times.
func (f *account) show(r *fakekit.Record, columns []string) map[string]any {
	out := map[string]any{}
	for _, name := range columns {
		switch name {
		case "ProspectID":
			out[name] = r.ID
		case "CreatedOn", "ModifiedOn":
			at := map[string]time.Time{"CreatedOn": r.Created, "ModifiedOn": r.Modified}[name]
			if out[name] = at.UTC().Format(layout) + ".000"; f.BrokenRow(r.ID) {
				out[name] = nil
			}
		default:
			if out[name] = r.Fields[name]; r.Fields[name] == "" {
				out[name] = nil
			}
		}
	}
	return out
}

// page sorts leads, takes a page of them and writes each with render.
func page[T any](f *account, in asked, found []*fakekit.Record, render func(map[string]any) T) []T {
	key := func(r *fakekit.Record) string {
		switch in.Sorting.ColumnName {
		case "ModifiedOn":
			return r.Modified.UTC().Format(layout)
		case "CreatedOn":
			return r.Created.UTC().Format(layout)
		}
		return ""
	}
	number := func(r *fakekit.Record) int { n, _ := strconv.Atoi(r.Fields["ProspectAutoId"]); return n }
	slices.SortFunc(found, func(a, b *fakekit.Record) int {
		c := cmp.Or(strings.Compare(key(a), key(b)), cmp.Compare(number(a), number(b)))
		if in.Sorting.Direction == "1" {
			return -c
		}
		return c
	})
	from := min((in.Paging.PageIndex-1)*in.Paging.PageSize, len(found))
	out := []T{}
	for _, r := range found[from:min(from+in.Paging.PageSize, len(found))] {
		out = append(out, render(f.show(r, f.columns(in.Columns.CSV))))
	}
	return out
}

func flat(lead map[string]any) map[string]any { return lead }

// pair is one attribute of a lead.
type pair struct {
	Attribute string
	Value     any
}

// listed is a lead as a listing by date has it [L4].
func listed(lead map[string]any) map[string][]pair {
	out := []pair{}
	for name, v := range lead {
		out = append(out, pair{name, v})
	}
	slices.SortFunc(out, func(a, b pair) int { return strings.Compare(a.Attribute, b.Attribute) })
	return map[string][]pair{"LeadPropertyList": out}
}

// recent lists what was modified within a closed range [L4].
func (f *account) recent(w http.ResponseWriter, r *http.Request) error {
	in, err := ask(r, maxPage)
	if err != nil {
		return err
	}
	from, errFrom := time.Parse(layout, in.Parameter.FromDate)
	to, errTo := time.Parse(layout, in.Parameter.ToDate)
	if errFrom != nil || errTo != nil {
		return bad("FromDate and ToDate are required as YYYY-MM-DD HH:MM:SS")
	}
	var found []*fakekit.Record
	f.table.Indexed().Ascend(from, "", func(rec *fakekit.Record) bool {
		if rec.Modified.Truncate(time.Second).After(to) {
			return false
		}
		found = append(found, rec)
		return true
	})
	n := len(found)
	fakekit.WriteJSON(w, 200, map[string]any{"RecordCount": n, "Leads": page(f, in, found, listed)})
	return nil
}

// search finds leads by one criterion [L5].
func (f *account) search(w http.ResponseWriter, r *http.Request) error {
	in, err := ask(r, maxPage)
	if err != nil {
		return err
	}
	name := f.columns(in.Parameter.LookupName)
	want := in.Parameter.LookupValue
	var match func(string) bool
	switch in.Parameter.SqlOperator {
	case "=":
		match = func(v string) bool { return strings.EqualFold(strings.TrimRight(v, " "), strings.TrimRight(want, " ")) }
	case "LIKE":
		match = func(v string) bool { return like(strings.ToLower(v), strings.ToLower(want)) }
	}
	if len(name) != 1 || match == nil {
		return bad("LookupName and SqlOperator are required")
	}
	var found []*fakekit.Record
	f.table.Indexed().Ascend(time.Time{}, "", func(rec *fakekit.Record) bool {
		if v := rec.Fields[name[0]]; v != "" && match(v) {
			found = append(found, rec)
		}
		return true
	})
	fakekit.WriteJSON(w, 200, page(f, in, found, flat))
	return nil
}

// like is SQL's comparison with % for any text.
func like(v, pattern string) bool {
	parts := strings.Split(pattern, "%")
	for i, part := range parts {
		at := strings.Index(v, part)
		if at < 0 || i == 0 && at > 0 {
			return false
		}
		v = v[at+len(part):]
	}
	return v == "" || parts[len(parts)-1] == ""
}

func (f *account) byIDs(w http.ResponseWriter, r *http.Request) error {
	in, err := ask(r, maxByIDs)
	if err != nil {
		return err
	}
	if len(in.Search.LeadIds) == 0 || in.Columns.CSV == "" {
		return bad("LeadIds and Include_CSV are required")
	}
	var found []*fakekit.Record
	for _, id := range in.Search.LeadIds {
		if rec, err := f.live(id); err == nil && !slices.Contains(found, rec) {
			found = append(found, rec)
		}
	}
	fakekit.WriteJSON(w, 200, map[string]any{"RecordCount": len(found), "Leads": page(f, in, found, flat)})
	return nil
}

// attributes reads the body of a write: a list of pairs [L8].
func attributes(r *http.Request) (map[string]string, error) {
	var list []struct {
		Attribute string
		Value     *string
	}
	if json.NewDecoder(r.Body).Decode(&list) != nil {
		return nil, bad("The message body is not as per API specification")
	}
	out := map[string]string{}
	for _, p := range list {
		if out[p.Attribute] = ""; p.Value != nil {
			out[p.Attribute] = *p.Value
		}
	}
	return out, nil
}

func saved(w http.ResponseWriter, rec *fakekit.Record, err error) error {
	if err == nil {
		said := map[string]any{"Id": rec.ID, "AffectedRows": 1}
		fakekit.WriteJSON(w, 200, map[string]any{"Status": "Success", "Message": said})
	}
	return err
}

func (f *account) create(w http.ResponseWriter, r *http.Request) error {
	fields, err := attributes(r)
	if err != nil {
		return err
	}
	rec, err := f.save("", fields, false)
	return saved(w, rec, err)
}

func (f *account) update(w http.ResponseWriter, r *http.Request) error {
	id := r.URL.Query().Get("leadId")
	if id == "" {
		return &wrong{http.StatusBadRequest, "MXMandatoryAttributeMissingException", "leadId is required"}
	}
	fields, err := attributes(r)
	if err != nil {
		return err
	}
	rec, err := f.save(id, fields, false)
	return saved(w, rec, err)
}

// Refuse implements fakekit.App.
func (*account) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	fail(w, status, "MXException", http.StatusText(status))
}

// Throttle implements fakekit.App: without Retry-After [L24].
func (f *account) Throttle(w http.ResponseWriter, _ *http.Request, _ fakekit.LimitKind, _ time.Duration) {
	fail(w, http.StatusTooManyRequests, "MXAPIRateLimitExceededException", "API calls exceeded the limit of "+
		strconv.Itoa(f.Usage().Limits.Calls)+" in 5 second(s)")
}

// Unknown implements fakekit.App.
func (*account) Unknown(w http.ResponseWriter, _ *http.Request, status int) {
	fail(w, status, "MXException", "The API could not be found")
}
