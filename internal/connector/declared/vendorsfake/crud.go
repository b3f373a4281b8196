package vendorsfake

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit/restapp"
)

// handler is an endpoint of a fake.
type handler = func(w http.ResponseWriter, r *http.Request) *restapp.Refusal

// verbs are the endpoints that read and write one record, as patterns; "" = there is none.
type verbs struct {
	read, create, update, remove string
	status                       int // of a create
	// body takes the record out of what was sent; nil = it is all of it.
	body func(action string, body map[string]any) (map[string]any, *restapp.Refusal)
	// wrap is what is answered about a record.
	wrap func(action string, o *restapp.Object, rec *fakekit.Record, shown map[string]any) any
}

// routes makes the endpoints of an object.
func (v verbs) routes(f *restapp.Fake, o *restapp.Object) (out []fakekit.Route) {
	answer := func(w http.ResponseWriter, status int, action string, rec *fakekit.Record) *restapp.Refusal {
		fakekit.WriteJSON(w, status, v.wrap(action, o, rec, f.Show(o, rec)))
		return nil
	}
	missing := &restapp.Refusal{Status: http.StatusNotFound, Code: "not_found", Text: "no such record"}
	write := func(action string, status int) handler {
		return func(w http.ResponseWriter, r *http.Request) *restapp.Refusal {
			body, refused := f.Body(r)
			if refused == nil && v.body != nil {
				body, refused = v.body(action, body)
			}
			if refused != nil {
				return refused
			}
			values, refused := f.Values(o, body)
			if refused != nil {
				return refused
			}
			rec, refused := f.Save(o, r.PathValue("id"), values)
			if refused != nil {
				return refused
			}
			return answer(w, status, action, rec)
		}
	}
	if v.read != "" {
		out = append(out, fakekit.Route{
			Pattern: v.read,
			Handler: f.Known(func(w http.ResponseWriter, r *http.Request) *restapp.Refusal {
				rec, ok := f.Get(o, r.PathValue("id"))
				if !ok {
					return missing
				}
				return answer(w, http.StatusOK, "read", rec)
			}),
		})
	}
	if v.create != "" {
		out = append(out, fakekit.Route{Pattern: v.create, Write: true, Handler: f.Known(write("create", v.status))})
	}
	if v.update != "" {
		out = append(out, fakekit.Route{Pattern: v.update, Write: true, Handler: f.Known(write("update", http.StatusOK))})
	}
	if v.remove != "" {
		out = append(out, fakekit.Route{
			Pattern: v.remove, Write: true,
			Handler: f.Known(func(w http.ResponseWriter, r *http.Request) *restapp.Refusal {
				rec, ok := f.Get(o, r.PathValue("id"))
				if !ok || f.Delete(o.Name, rec.ID) != nil {
					return missing
				}
				return answer(w, http.StatusOK, "delete", rec)
			}),
		})
	}
	return out
}

// get is an endpoint that reads.
func get(f *restapp.Fake, path string, h handler) fakekit.Route {
	return fakekit.Route{Pattern: "GET " + path, Handler: f.Known(h)}
}

// always answers with the same.
func always(body any) handler {
	return func(w http.ResponseWriter, _ *http.Request) *restapp.Refusal {
		fakekit.WriteJSON(w, http.StatusOK, body)
		return nil
	}
}

// header presents the key in a header, behind a prefix.
func header(name, prefix string) func(*http.Request) string {
	return func(r *http.Request) string {
		if v := r.Header.Get(name); len(v) > len(prefix) && v[:len(prefix)] == prefix {
			return v[len(prefix):]
		}
		return ""
	}
}

// bearer presents a bearer token.
func bearer(r *http.Request) string {
	token, _ := fakekit.Bearer(r.Header.Get("Authorization"))
	return token
}

// numbers makes IDs that are numbers, hexes those of 17 hexadecimal digits, and uuids
// those of a version that nothing else makes.
func numbers(n int64) string { return strconv.FormatInt(1000+n, 10) }
func hexes(n int64) string   { return fmt.Sprintf("64e%014x", 0x1000+n) }
func uuids(n int64) string   { return fmt.Sprintf("20202020-1c25-4d02-bf25-%012d", n) }

// stamps write times.
func stampSeconds(t time.Time) any { return t.UTC().Format(time.RFC3339) }
func stampMillis(t time.Time) any  { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
func stampSQL(t time.Time) any     { return t.UTC().Format(time.DateTime) }

// waits tells the seconds of a limit in Retry-After.
func waits(h http.Header, wait time.Duration) {
	h.Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
}

// since reads a time of a query in a layout.
func since(text, layout string) (time.Time, *restapp.Refusal) {
	at, err := time.Parse(layout, text)
	if err != nil {
		return at, &restapp.Refusal{Status: http.StatusBadRequest, Code: "bad_value", Text: "a time is not one"}
	}
	return at, nil
}
