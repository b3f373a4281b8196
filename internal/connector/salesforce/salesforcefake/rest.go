package salesforcefake

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// maxURL is the longest URI answered, and the most that URI and headers may have
// together: salesforce_app_limits_cheatsheet/salesforce_app_limits_platform_api.
const maxURL = 16_384

// headBytes is the size of a request's URI and headers.
func headBytes(r *http.Request) int {
	n := len(r.URL.RequestURI())
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v) + 4 // ": " and the end of the line
		}
	}
	return n
}

// withToken lets a call with a valid session through.
func (f *org) withToken(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		access, ok := fakekit.Bearer(r.Header.Get("Authorization"))
		if !ok {
			access, ok = strings.CutPrefix(r.Header.Get("Authorization"), "OAuth ")
		}
		if _, state := f.core.Tokens().Check(access); !ok || state != fakekit.TokenValid {
			w.Header().Set("WWW-Authenticate", "Token")
			f.fail(w, refuse(http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid"))
			return
		}
		h(w, r)
	}
}

// data is withToken for the data API: it checks version, length and parameters,
// and counts the call. Salesforce may let unknown parameters pass; the stricter
// fake finds a caller's typo.
func (f *org) data(h http.HandlerFunc, params []string) http.HandlerFunc {
	return f.withToken(func(w http.ResponseWriter, r *http.Request) {
		f.calls++
		for name := range r.URL.Query() {
			if !slices.Contains(params, name) {
				f.fail(w, refuse(http.StatusBadRequest, "INVALID_INPUT", "unknown parameter: %s", name))
				return
			}
		}
		major, minor, _ := strings.Cut(strings.TrimPrefix(r.PathValue("version"), "v"), ".")
		n, err := strconv.Atoi(major)
		switch {
		case err != nil || minor != "0" || n > newest || !strings.HasPrefix(r.PathValue("version"), "v"):
			f.fail(w, refuse(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist"))
		case n < oldest:
			f.fail(w, refuse(http.StatusGone, "UNSUPPORTED_API_VERSION", "GONE: The requested version is no longer supported"))
		case len(r.URL.RequestURI()) > maxURL:
			f.fail(w, refuse(http.StatusRequestURITooLong, "URI_TOO_LONG", "URI Too Long"))
		case headBytes(r) > maxURL:
			f.fail(w, refuse(http.StatusRequestHeaderFieldsTooLarge, "REQUEST_HEADER_FIELDS_TOO_LARGE",
				"Request Header Fields Too Large"))
		default:
			h(w, r)
		}
	})
}

func (f *org) versions(w http.ResponseWriter, _ *http.Request) {
	var out []map[string]string
	for v := oldest; v <= newest; v++ {
		n := strconv.Itoa(v) + ".0"
		out = append(out, map[string]string{"label": "Release " + n, "url": "/services/data/v" + n, "version": n})
	}
	f.write(w, http.StatusOK, out)
}

// resources lists what is under a version: guide/resources-discoveryresource.
func (f *org) resources(w http.ResponseWriter, r *http.Request) {
	base := "/services/data/" + r.PathValue("version") + "/"
	out := map[string]string{}
	for _, name := range []string{"composite", "limits", "query", "queryAll", "search", "sobjects"} {
		out[name] = base + name
	}
	f.write(w, http.StatusOK, out)
}

// basics is an object in short, with what was last seen of it:
// guide/resources-sobject-basic-info-get. Nobody has seen anything here.
func (f *org) basics(w http.ResponseWriter, r *http.Request) {
	if o, ok := f.object(w, r, false); ok {
		f.write(w, http.StatusOK, map[string]any{"objectDescribe": o.summary(), "recentItems": []any{}})
	}
}

// limits: salesforce-app-limits-cheatsheet/guide/salesforce-app-limits-platform-api.
func (f *org) limits(w http.ResponseWriter, _ *http.Request) {
	used, limit := f.usage()
	f.write(w, http.StatusOK, map[string]any{
		"DailyApiRequests": map[string]int{"Max": limit, "Remaining": max(0, limit-used)},
	})
}

func (f *org) globalDescribe(w http.ResponseWriter, _ *http.Request) {
	list := make([]map[string]any, len(f.objects))
	for i, o := range f.objects {
		list[i] = o.summary()
	}
	f.write(w, http.StatusOK, map[string]any{"encoding": "UTF-8", "maxBatchSize": writeRows, "sobjects": list})
}

// object is the object of a path; a call to one that is not there is refused.
func (f *org) object(w http.ResponseWriter, r *http.Request, writable bool) (*object, bool) {
	o, ok := find(f.objects, r.PathValue("object"))
	if !ok || writable && o.readOnly {
		f.fail(w, refuse(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist"))
		return nil, false
	}
	return o, true
}

func (f *org) describe(w http.ResponseWriter, r *http.Request) {
	if o, ok := f.object(w, r, false); ok {
		f.write(w, http.StatusOK, o.describe())
	}
}

// window reads start and end of the replication calls. Seconds are ignored.
// Sources: guide/resources-getupdated, guide/resources-getdeleted.
func (f *org) window(q url.Values, most time.Duration) (start, end time.Time, bad *refusal) {
	for _, p := range []struct {
		name string
		into *time.Time
	}{{"start", &start}, {"end", &end}} {
		t, err := parseDateTime(q.Get(p.name))
		if err != nil {
			return start, end, refuse(http.StatusBadRequest, "INVALID_REPLICATION_DATE", "%s is missing or not a dateTime",
				p.name)
		}
		*p.into = t.UTC().Truncate(time.Minute)
	}
	switch now := f.core.Now(); {
	case start.Before(now.Add(-most).Truncate(time.Minute)):
		return start, end, refuse(http.StatusBadRequest, "INVALID_REPLICATION_DATE",
			"startDate before org replication enabled date or too far in the past")
	case end.Sub(start) < time.Minute:
		return start, end, refuse(http.StatusBadRequest, "INVALID_REPLICATION_DATE",
			"endDate must be at least one minute after startDate")
	}
	return start, end, nil
}

// covered is up to when a replication call's answer is complete.
func (f *org) covered(end time.Time) string {
	if now := f.core.Now().Truncate(time.Second); now.Before(end) {
		end = now
	}
	return end.Format(outLayout)
}

const maxReplicated = 600_000

func (f *org) updated(w http.ResponseWriter, r *http.Request) {
	o, ok := f.object(w, r, true)
	if !ok {
		return
	}
	start, end, bad := f.window(r.URL.Query(), 30*24*time.Hour)
	if bad != nil {
		f.fail(w, bad)
		return
	}
	ids := []string{}
	f.tables[o.name].ascend(place{at: start}, false, func(r *fakekit.Record) bool {
		if !r.Modified.Before(end) {
			return false
		}
		ids = append(ids, r.ID)
		return true
	})
	if len(ids) > maxReplicated {
		f.fail(w, refuse(http.StatusBadRequest, "EXCEEDED_ID_LIMIT", "too many ids: narrow the window"))
		return
	}
	f.write(w, http.StatusOK, map[string]any{"ids": ids, "latestDateCovered": f.covered(end)})
}

func (f *org) deleted(w http.ResponseWriter, r *http.Request) {
	o, ok := f.object(w, r, true)
	if !ok {
		return
	}
	start, end, bad := f.window(r.URL.Query(), 15*24*time.Hour)
	if bad != nil {
		f.fail(w, bad)
		return
	}
	t := f.tables[o.name]
	earliest := f.core.Now().Add(-f.keepLog).Truncate(time.Minute)
	list := []map[string]string{}
	for _, d := range t.log {
		live := false
		if rec, ok := t.Get(d.id); ok {
			live = !rec.Deleted
		}
		if !live && !d.at.Before(start) && !d.at.Before(earliest) && d.at.Before(end) {
			list = append(list, map[string]string{"id": d.id, "deletedDate": d.at.Format(outLayout)})
		}
	}
	if len(list) > maxReplicated {
		f.fail(w, refuse(http.StatusBadRequest, "EXCEEDED_ID_LIMIT", "too many ids: narrow the window"))
		return
	}
	f.write(w, http.StatusOK, map[string]any{
		"deletedRecords": list, "earliestDateAvailable": earliest.Format(outLayout), "latestDateCovered": f.covered(end),
	})
}

// fieldsOf resolves the fields a read asks for; none means all.
func fieldsOf(o *object, names []string) ([]*column, *refusal) {
	var out []*column
	for _, n := range names {
		c, ok := o.column(strings.TrimSpace(n))
		if !ok {
			return nil, refuse(http.StatusBadRequest, "INVALID_FIELD", "No such column '%s' on sobject of type %s", n, o.name)
		}
		out = append(out, c)
	}
	if names == nil {
		for i := range o.columns {
			out = append(out, &o.columns[i])
		}
	}
	return out, nil
}

func recordURL(object, id string) string { return dataURL + "/sobjects/" + object + "/" + id }

// show is a record as an answer holds it.
func show(o *object, r *fakekit.Record, cols []*column) map[string]any {
	out := make(map[string]any, len(cols)+1)
	out["attributes"] = map[string]string{"type": o.name, "url": recordURL(o.name, r.ID)}
	for _, c := range cols {
		out[c.name] = jsonValue(o, r, c)
	}
	return out
}

func jsonValue(o *object, r *fakekit.Record, c *column) any {
	v := get(o, r, c)
	switch {
	case c.kind == "address":
		p := strings.TrimSuffix(c.name, "Address")
		return map[string]any{
			"street": r.Fields[p+"Street"], "city": r.Fields[p+"City"], "postalCode": r.Fields[p+"PostalCode"],
			"country": r.Fields[p+"Country"],
		}
	case v == "":
		return nil
	case c.kind == "boolean":
		return v == "true"
	case c.kind == "double" || c.kind == "currency" || c.kind == "percent" || c.kind == "int":
		return json.Number(v)
	}
	return v
}

func gone() *refusal {
	return refuse(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
}

// readOne: guide/resources-sobject-retrieve-get.
func (f *org) readOne(w http.ResponseWriter, r *http.Request) {
	o, ok := f.object(w, r, true)
	if !ok {
		return
	}
	rec, ok := f.tables[o.name].find(r.PathValue("id"))
	if !ok || rec.Deleted {
		f.fail(w, gone())
		return
	}
	f.showOne(w, r, o, rec)
}

func (f *org) showOne(w http.ResponseWriter, r *http.Request, o *object, rec *fakekit.Record) {
	var names []string
	if s := r.URL.Query().Get("fields"); s != "" {
		names = strings.Split(s, ",")
	}
	cols, bad := fieldsOf(o, names)
	if bad != nil {
		f.fail(w, bad)
		return
	}
	f.write(w, http.StatusOK, show(o, rec, cols))
}

// byKey finds live records by an external ID field: guide/dome-upsert.
func (f *org) byKey(o *object, field, value string) ([]*fakekit.Record, *column, *refusal) {
	c, ok := o.column(field)
	if !ok || !c.external && c.name != "Id" {
		return nil, nil, refuse(http.StatusNotFound, "NOT_FOUND",
			"Provided external ID field does not exist or is not accessible: %s", field)
	}
	if c.name == "Id" {
		r, ok := f.tables[o.name].find(value)
		if !ok || r.Deleted {
			return nil, c, nil
		}
		return []*fakekit.Record{r}, c, nil
	}
	found, _ := f.tables[o.name].Live.Lookup(c.name, value)
	return found, c, nil
}

// several answers 300 with the addresses of the matches: guide/dome-upsert.
func (f *org) several(w http.ResponseWriter, o *object, found []*fakekit.Record) {
	urls := make([]string, len(found))
	for i, r := range found {
		urls[i] = recordURL(o.name, r.ID)
	}
	f.write(w, http.StatusMultipleChoices, urls)
}

func (f *org) readByKey(w http.ResponseWriter, r *http.Request) {
	o, ok := f.object(w, r, true)
	if !ok {
		return
	}
	found, _, bad := f.byKey(o, r.PathValue("field"), r.PathValue("value"))
	switch {
	case bad != nil:
		f.fail(w, bad)
	case len(found) == 0:
		f.fail(w, gone())
	case len(found) > 1:
		f.several(w, o, found)
	default:
		f.showOne(w, r, o, found[0])
	}
}

// one reads the body of a single write; "attributes" may name the type.
func one(r *http.Request) (values, *refusal) {
	var in values
	if bad := decode(r, &in); bad != nil {
		return nil, bad
	}
	delete(in, "attributes")
	return in, nil
}

func made(r *fakekit.Record, created bool) map[string]any {
	return map[string]any{"id": r.ID, "success": true, "errors": []any{}, "created": created}
}

func (f *org) change(r *http.Request) change {
	return change{
		allowSave: strings.Contains(strings.ReplaceAll(r.Header.Get("Sforce-Duplicate-Rule-Header"), " ", ""),
			"allowSave=true"),
	}
}

// createOne: guide/dome-sobject-create.
func (f *org) createOne(w http.ResponseWriter, r *http.Request) {
	o, ok := f.object(w, r, true)
	if !ok {
		return
	}
	in, bad := one(r)
	if bad == nil {
		var rec *fakekit.Record
		if rec, bad = f.create(o, in, f.change(r)); bad == nil {
			out := made(rec, true)
			delete(out, "created")
			f.write(w, http.StatusCreated, out)
			return
		}
	}
	f.fail(w, bad)
}

func (f *org) updateOne(w http.ResponseWriter, r *http.Request) {
	o, ok := f.object(w, r, true)
	if !ok {
		return
	}
	in, bad := one(r)
	if bad == nil {
		_, bad = f.update(o, r.PathValue("id"), in, f.change(r))
	}
	if bad != nil {
		f.fail(w, single(bad))
		return
	}
	f.write(w, http.StatusNoContent, nil)
}

// single turns a row's "invalid cross reference" into what a call about one
// record says.
func single(bad *refusal) *refusal {
	if bad.code == "INVALID_CROSS_REFERENCE_KEY" && bad.fields == nil {
		return gone()
	}
	return bad
}

func (f *org) deleteOne(w http.ResponseWriter, r *http.Request) {
	o, ok := f.object(w, r, true)
	if !ok {
		return
	}
	if bad := f.remove(o, r.PathValue("id"), "", f.change(r)); bad != nil {
		f.fail(w, single(bad))
		return
	}
	f.write(w, http.StatusNoContent, nil)
}

// upsertOne: guide/dome-upsert. An empty value or the field in the body is refused.
func (f *org) upsertOne(w http.ResponseWriter, r *http.Request) {
	o, ok := f.object(w, r, true)
	if !ok {
		return
	}
	in, bad := one(r)
	if bad != nil {
		f.fail(w, bad)
		return
	}
	found, c, bad := f.byKey(o, r.PathValue("field"), r.PathValue("value"))
	if bad != nil {
		f.fail(w, bad)
		return
	}
	for name := range in {
		if strings.EqualFold(name, c.name) {
			f.fail(w, refuse(http.StatusBadRequest, "INVALID_FIELD", "The %s field should not be specified in the sobject data.",
				c.name).about(c.name))
			return
		}
	}
	if len(found) > 1 {
		f.several(w, o, found)
		return
	}
	if len(found) == 1 {
		rec, bad := f.update(o, found[0].ID, in, f.change(r))
		if bad != nil {
			f.fail(w, bad)
			return
		}
		f.write(w, http.StatusOK, made(rec, false))
		return
	}
	if r.URL.Query().Get("updateOnly") == "true" || c.name == "Id" {
		f.fail(w, gone())
		return
	}
	in[c.name], _ = json.Marshal(r.PathValue("value")) // a text always can be
	rec, bad := f.create(o, in, f.change(r))
	if bad != nil {
		f.fail(w, bad)
		return
	}
	f.write(w, http.StatusCreated, made(rec, true))
}
