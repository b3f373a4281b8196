package pipedrivefake

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

const (
	tokenLife = time.Hour // [A1]
	maxPage   = 500       // [S2]
	maxFound  = 100       // [S2] searchPersons
	maxIDs    = 100       // [S2] ids
)

// Routes implements fakekit.App. What a call costs is x-token-cost of the documents [S1][S2].
func (f *company) Routes() []fakekit.Route {
	out := []fakekit.Route{
		{Pattern: "GET /oauth/authorize", Handler: f.authorize, Free: true},
		{Pattern: "POST /oauth/token", Handler: f.token, Write: true, Free: true},
	}
	on := func(pattern string, cost int, h http.HandlerFunc) {
		writes, search := !strings.HasPrefix(pattern, "GET"), strings.HasSuffix(pattern, "/search")
		out = append(out, fakekit.Route{Pattern: pattern, Cost: cost, Write: writes, Search: search, Handler: f.known(h)})
	}
	on("GET /v1/users/me", 2, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, f.users[0], "") })
	on("GET /v1/users", 20, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, f.users, "") })
	on("GET /v1/users/{id}", 2, f.user)
	for _, o := range f.objects {
		path, described := "/api/v2/"+o.name, "/api/v2/"+o.singular+"Fields"
		on("GET "+described, 10, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, o.fields, "") })
		on("GET "+path, 10, func(w http.ResponseWriter, r *http.Request) { f.list(w, r, o) })
		if o.title != "" {
			on("GET "+path+"/search", 20, func(w http.ResponseWriter, r *http.Request) { f.search(w, r, o) })
		}
		on("GET "+path+"/{id}", 0, func(w http.ResponseWriter, r *http.Request) {
			rec, err := o.live(r.PathValue("id"))
			f.shown(w, o, rec, err)
		})
		on("POST "+path, 5, func(w http.ResponseWriter, r *http.Request) { f.saved(w, r, o, "") })
		on("PATCH "+path+"/{id}", 5, func(w http.ResponseWriter, r *http.Request) { f.saved(w, r, o, r.PathValue("id")) })
		on("DELETE "+path+"/{id}", 3, func(w http.ResponseWriter, r *http.Request) {
			if err := f.Delete(o.name, r.PathValue("id")); err != nil {
				f.shown(w, o, nil, err)
				return
			}
			answer(w, 200, map[string]json.Number{"id": json.Number(r.PathValue("id"))}, "")
		})
	}
	return out
}

// known lets calls with a good token through: of OAuth, or a user's own, which
// version 1 takes from the address too [S1][S2].
func (f *company) known(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, ok := fakekit.Bearer(r.Header.Get("Authorization"))
		if !ok {
			token = r.Header.Get("x-api-token")
		}
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			token = cmp.Or(token, r.URL.Query().Get("api_token"))
		}
		if _, state := f.Tokens().Check(token); state != fakekit.TokenValid {
			fail(w, http.StatusUnauthorized, "unauthorized access")
			return
		}
		if u := f.Usage(); u.Limits.Calls > 0 {
			tellPace(w.Header(), u, u.Limits.Window)
		}
		f.source = "api"
		defer func() { f.source = "app" }()
		h(w, r)
	}
}

// shown answers with one record, or says why not.
func (f *company) shown(w http.ResponseWriter, o *object, r *fakekit.Record, err error) {
	switch {
	case errors.Is(err, fakekit.ErrNotFound):
		fail(w, http.StatusNotFound, capital(o.singular)+" not found")
	case err != nil:
		fail(w, http.StatusBadRequest, capital(err.Error()))
	default:
		answer(w, http.StatusOK, f.show(o, r), "")
	}
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func (f *company) saved(w http.ResponseWriter, r *http.Request, o *object, id string) {
	fields, err := o.fieldsIn(r)
	if err != nil {
		f.shown(w, o, nil, err)
		return
	}
	rec, err := f.save(o.name, id, fields)
	f.shown(w, o, rec, err)
}

// place is where a page ended: a cursor says no more than that.
type place struct{ key, id int64 }

func (p place) cursor() string {
	return base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprint(p.key, " ", p.id)))
}

func placeOf(r *fakekit.Record, by string) place {
	id, _ := strconv.ParseInt(r.ID, 10, 64)
	switch by {
	case "update_time":
		return place{r.Modified.Unix(), id}
	case "add_time":
		return place{r.Created.Unix(), id}
	}
	return place{id: id}
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.key, o.key), cmp.Compare(p.id, o.id))
}

// list lists live records [S2] getPersons.
func (f *company) list(w http.ResponseWriter, r *http.Request, o *object) {
	q := r.URL.Query()
	var found []*fakekit.Record
	take := func(rec *fakekit.Record) bool {
		at := rec.Modified.Truncate(time.Second)
		since, errSince := time.Parse(time.RFC3339, cmp.Or(q.Get("updated_since"), "0001-01-01T00:00:00Z"))
		until, errUntil := time.Parse(time.RFC3339, cmp.Or(q.Get("updated_until"), "9999-01-01T00:00:00Z"))
		if errSince == nil && errUntil == nil && !at.Before(since) && at.Before(until) {
			found = append(found, rec)
		}
		return true
	}
	if ids := q.Get("ids"); ids != "" {
		list := strings.Split(ids, ",")
		if len(list) > maxIDs {
			fail(w, http.StatusBadRequest, "Parameter 'ids' has too many values")
			return
		}
		for _, id := range list {
			if rec, err := o.live(id); err == nil {
				take(rec)
			}
		}
	} else {
		o.table.Live.Ascend(time.Time{}, "", take)
	}
	f.page(w, q, found, maxPage, func(rec *fakekit.Record) any { return f.show(o, rec) }, func(data []any, next string) {
		answer(w, http.StatusOK, data, next)
	})
}

// page answers with one page of records in the order that was asked for.
func (f *company) page(
	w http.ResponseWriter, q url.Values, found []*fakekit.Record, most int, show func(*fakekit.Record) any,
	done func([]any, string),
) {
	limit, err := strconv.Atoi(cmp.Or(q.Get("limit"), "100"))
	if err != nil || limit < 1 || limit > most {
		fail(w, http.StatusBadRequest, "Parameter 'limit' is out of range")
		return
	}
	by, sign := q.Get("sort_by"), 1
	if q.Get("sort_direction") == "desc" {
		sign = -1
	}
	order := func(a, b place) int { return sign * a.compare(b) }
	slices.SortFunc(found, func(a, b *fakekit.Record) int { return order(placeOf(a, by), placeOf(b, by)) })
	if c := q.Get("cursor"); c != "" {
		var at place
		raw, err := base64.RawURLEncoding.DecodeString(c)
		if _, errScan := fmt.Sscan(string(raw), &at.key, &at.id); err != nil || errScan != nil {
			fail(w, http.StatusBadRequest, "Invalid cursor")
			return
		}
		found = slices.DeleteFunc(found, func(r *fakekit.Record) bool { return order(placeOf(r, by), at) <= 0 })
	}
	next := ""
	if len(found) > limit {
		found = found[:limit]
		next = placeOf(found[limit-1], by).cursor()
	}
	data := make([]any, len(found))
	for i, rec := range found {
		data[i] = show(rec)
	}
	done(data, next)
}

// search finds records by what the index knows of them [S2] searchPersons.
func (f *company) search(w http.ResponseWriter, r *http.Request, o *object) {
	q := r.URL.Query()
	term, exact := strings.ToLower(strings.TrimSpace(q.Get("term"))), q.Get("exact_match") == "true"
	if len([]rune(term)) < 2 && (!exact || term == "") {
		fail(w, http.StatusBadRequest, "Parameter 'term' is too short")
		return
	}
	named := map[string]string{"email": "emails", "phone": "phones", "name": "name", "title": "title"}
	var in []string
	for _, name := range strings.Split(cmp.Or(q.Get("fields"), "name,email,phone,title,custom_fields"), ",") {
		for _, d := range o.fields {
			searchable := d.Type == "varchar" || d.Type == "double" || d.Type == "phone"
			if d.Code == named[name] || name == "custom_fields" && d.Custom && searchable {
				in = append(in, d.Code)
			}
		}
	}
	var found []*fakekit.Record
	o.table.Indexed().Ascend(time.Time{}, "", func(rec *fakekit.Record) bool {
		if slices.ContainsFunc(in, func(code string) bool { return matches(rec.Fields[code], code, term, exact) }) {
			found = append(found, rec)
		}
		return true
	})
	f.page(w, q, found, maxFound, func(rec *fakekit.Record) any {
		shown := f.show(o, rec)
		item := map[string]any{"id": shown["id"], "name": shown["name"], "title": shown["title"]}
		return map[string]any{"result_score": 1, "item": item}
	}, func(data []any, next string) {
		answer(w, http.StatusOK, map[string]any{"items": data}, next)
	})
}

func matches(held, code, term string, exact bool) bool {
	values := []string{held}
	if code == "emails" || code == "phones" {
		values = split(held)
	}
	return slices.ContainsFunc(values, func(v string) bool {
		v = strings.ToLower(strings.TrimSpace(v))
		return v == term || !exact && strings.Contains(v, term)
	})
}

func (f *company) user(w http.ResponseWriter, r *http.Request) {
	for _, u := range f.users {
		if strconv.FormatInt(u.ID, 10) == r.PathValue("id") {
			answer(w, http.StatusOK, u, "")
			return
		}
	}
	fail(w, http.StatusNotFound, "User not found")
}

// authorize stands for the consent page: the user always agrees [A1].
func (f *company) authorize(w http.ResponseWriter, r *http.Request) {
	if !f.Tokens().Consent(w, r, ClientID, nil) {
		fail(w, http.StatusBadRequest, "invalid client or redirect_uri")
	}
}

// token gives and renews grants, to a client that names itself by Basic [A1].
func (f *company) token(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, word string) {
		fakekit.WriteJSON(w, status, map[string]any{"success": false, "error": word, "message": word})
	}
	id, secret, ok := r.BasicAuth()
	if !ok || id != ClientID || secret != ClientSecret {
		refuse(http.StatusUnauthorized, "invalid_client")
		return
	}
	var t fakekit.Token
	var err error
	switch r.PostFormValue("grant_type") {
	case "authorization_code":
		if _, err = f.Tokens().Redeem(r.PostForm.Get("code"), ClientID, r.PostForm.Get("redirect_uri"), ""); err == nil {
			t = f.Tokens().Issue("fake-", ClientID, tokenLife, nil, true)
		}
	case "refresh_token":
		t, err = f.Tokens().Renew("fake-", ClientID, r.PostForm.Get("refresh_token"), tokenLife)
	default:
		refuse(http.StatusBadRequest, "unsupported_grant_type")
		return
	}
	if err != nil {
		refuse(http.StatusBadRequest, "invalid_grant")
		return
	}
	fakekit.WriteJSON(w, http.StatusOK, map[string]any{
		"access_token": t.Access, "token_type": "Bearer", "refresh_token": t.Refresh, "api_domain": f.BaseURL(r),
		"scope": "base contacts:full deals:full activities:full admin", "expires_in": int(tokenLife/time.Second) - 1,
	})
}
