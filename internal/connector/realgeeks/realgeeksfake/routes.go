package realgeeksfake

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// Routes implements fakekit.App. The order of the version's prefix is the vendor's [R1][R4].
func (f *site) Routes() []fakekit.Route {
	return []fakekit.Route{
		{Pattern: "POST /rest/sites/{site}/leads", Write: true, Handler: f.known(f.create)},
		{Pattern: "PATCH /rest/sites/{site}/leads/{lead}", Write: true, Handler: f.known(f.update(false))},
		{Pattern: "PATCH /v2/rest/sites/{site}/leads/{lead}", Write: true, Handler: f.known(f.update(true))},
	}
}

// wrong is an error of the API [R3].
type wrong struct {
	status int
	text   string
}

func (e *wrong) Error() string { return e.text }

func bad(text string) error { return &wrong{http.StatusBadRequest, text} }

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // whoever asked is gone
}

func fail(w http.ResponseWriter, status int, text string) {
	answer(w, status, map[string]string{"error": text})
}

// known lets integrations in that know their password, at the sites that they may touch [R1].
func (f *site) known(h func(r *http.Request) (int, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if _, state := f.Tokens().Check(user + ":" + password); state != fakekit.TokenValid {
			fail(w, http.StatusUnauthorized, "Unauthorized")
			return
		}
		if r.PathValue("site") != Site {
			fail(w, http.StatusForbidden, "Forbidden")
			return
		}
		status, err := h(r)
		var e *wrong
		if errors.As(err, &e) {
			fail(w, e.status, e.text)
			return
		}
		answer(w, status, struct{}{})
	}
}

// lead reads the lead of a body. Activities are taken and not kept.
func lead(r *http.Request) (map[string]string, error) {
	if ct := r.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/json") {
		return nil, &wrong{http.StatusUnsupportedMediaType, "Content-Type must be application/json"}
	}
	var in map[string]any
	if json.NewDecoder(r.Body).Decode(&in) != nil || in == nil {
		return nil, bad("Invalid JSON")
	}
	delete(in, "activities")
	out := make(map[string]string, len(in))
	for name, v := range in {
		text, ok := v.(string)
		if !ok && v != nil {
			return nil, bad("Field '" + name + "' is not a string.")
		}
		out[name] = text
	}
	return out, nil
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$`)

// known without dashes [R13].
func bare(id string) (string, bool) {
	id = strings.ToLower(id)
	return strings.ReplaceAll(id, "-", ""), uuid.MatchString(id)
}

// create makes a lead, under its sender's ID if it has one. A lead that is known already
// is changed instead, and the answer is the same [R1].
func (f *site) create(r *http.Request) (int, error) {
	in, err := lead(r)
	if err != nil {
		return 0, err
	}
	id, sent := in["id"]
	delete(in, "id")
	one, ok := bare(id)
	switch {
	case !sent:
		one = f.number()
	case !ok:
		return 0, bad("Field 'id' is not a valid UUID.")
	}
	if in["source"] == "" {
		return 0, bad("Field 'source' is required.")
	}
	rec, action := &fakekit.Record{ID: one, Fields: map[string]string{}, Created: f.Tick()}, "created"
	if old, err := f.live(one); err == nil {
		rec, action = old.Clone(), "updated"
	} else if found, _ := f.table.Live.Lookup("email", in["email"]); in["email"] != "" && len(found) > 0 {
		rec, action = found[0].Clone(), "updated"
	}
	_, err = f.save(rec, filled(in), action, false)
	return http.StatusCreated, err
}

// filled are the values that are not empty.
func filled(in map[string]string) map[string]string {
	out := map[string]string{}
	for name, v := range in {
		if v != "" {
			out[name] = v
		}
	}
	return out
}

// update changes what is sent. Only version 2 unsets [R4].
func (f *site) update(clears bool) func(r *http.Request) (int, error) {
	return func(r *http.Request) (int, error) {
		in, err := lead(r)
		if err != nil {
			return 0, err
		}
		one, ok := bare(r.PathValue("lead"))
		if !ok {
			return 0, bad("'" + strconv.Quote(r.PathValue("lead")) + "' is not a valid UUID.")
		}
		rec, err := f.live(one)
		if err != nil {
			return 0, err
		}
		if !clears {
			in = filled(in)
		}
		_, err = f.save(rec.Clone(), in, "updated", false)
		return http.StatusOK, err
	}
}

// Refuse implements fakekit.App: what stands in front of the API says so in HTML [R3].
func (*site) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	if status < http.StatusInternalServerError {
		fail(w, status, http.StatusText(status))
		return
	}
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("<html><body>" + http.StatusText(status) + "</body></html>"))
}

// Throttle implements fakekit.App: no limits are known.
func (*site) Throttle(w http.ResponseWriter, _ *http.Request, _ fakekit.LimitKind, _ time.Duration) {
	fail(w, http.StatusTooManyRequests, "Too many requests")
}

// Unknown implements fakekit.App.
func (*site) Unknown(w http.ResponseWriter, _ *http.Request, status int) {
	fail(w, status, http.StatusText(status))
}
