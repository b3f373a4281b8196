package googlecontactsfake

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

const (
	tokenLife = time.Hour // [A1]: about 3,600 s
	maxBatch  = 200       // [D] batchGet, batchCreateContacts, batchUpdateContacts
	maxDelete = 500       // [D] batchDeleteContacts
)

// Routes implements fakekit.App. A custom method is a part of the last segment, which
// the router knows whole.
func (f *book) Routes() []fakekit.Route {
	return []fakekit.Route{
		{Pattern: "GET /o/oauth2/v2/auth", Handler: f.authorize, Free: true},
		{Pattern: "POST /token", Handler: f.token, Write: true, Free: true},
		{Pattern: "GET /v1/people/me/connections", Handler: f.known(ScopeReadOnly, f.connections)},
		{Pattern: "GET /v1/people:batchGet", Handler: f.known(ScopeReadOnly, f.batchGet)},
		{Pattern: "GET /v1/people/{id}", Handler: f.known(ScopeReadOnly, f.get)},
		{Pattern: "POST /v1/people:batchCreateContacts", Write: true, Handler: f.known(ScopeContacts, f.batchCreate)},
		{Pattern: "POST /v1/people:batchUpdateContacts", Write: true, Handler: f.known(ScopeContacts, f.batchUpdate)},
		{Pattern: "POST /v1/people:batchDeleteContacts", Write: true, Handler: f.known(ScopeContacts, f.batchDelete)},
		{Pattern: "GET /v1/contactGroups", Handler: f.known(ScopeReadOnly, f.listGroups)},
		{Pattern: "POST /v1/contactGroups", Write: true, Handler: f.known(ScopeContacts, f.createGroup)},
	}
}

// known lets calls with a good token through that has the scope, which the wider one
// stands for too.
func (f *book) known(scope string, h func(w http.ResponseWriter, r *http.Request) *refusal) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		access, _ := fakekit.Bearer(r.Header.Get("Authorization"))
		token, state := f.Tokens().Check(access)
		var err *refusal
		switch {
		case state != fakekit.TokenValid:
			err = &refusal{
				401, "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other " +
					"valid authentication credential.", nil,
			}
		case !token.Can(scope) && !token.Can(ScopeContacts):
			err = &refusal{
				403, "Request had insufficient authentication scopes.", []any{errorInfo("ACCESS_TOKEN_SCOPE_INSUFFICIENT")},
			}
		default:
			err = h(w, r)
		}
		if err != nil {
			fail(w, err)
		}
	}
}

func invalid(text string) *refusal {
	return &refusal{400, strings.ToUpper(text[:1]) + text[1:] + ".", nil}
}

var notFound = &refusal{404, "Requested entity was not found.", nil}

// get reads one person by name: a contact, or the user [D].
func (f *book) get(w http.ResponseWriter, r *http.Request) *refusal {
	fields, err := mask(r.URL.Query().Get("personFields"))
	if err != nil {
		return invalid(err.Error())
	}
	if r.PathValue("id") == "me" {
		out := entry{"resourceName": resource(UserID), "etag": "%EgQBAgMF"}
		if slices.Contains(fields, "metadata") {
			out["metadata"] = entry{"sources": []entry{{"type": "PROFILE", "id": UserID, "etag": "#me"}}, "objectType": "PERSON"}
		}
		access, _ := fakekit.Bearer(r.Header.Get("Authorization"))
		if token, _ := f.Tokens().Check(access); slices.Contains(fields, "emailAddresses") && token.Can(ScopeEmail) {
			out["emailAddresses"] = []entry{{"metadata": entry{"primary": true, "verified": true}, "value": UserEmail}}
		}
		fakekit.WriteJSON(w, 200, out)
		return nil
	}
	rec, err := f.live(r.PathValue("id"))
	if err != nil {
		return notFound
	}
	fakekit.WriteJSON(w, 200, f.show(rec, fields))
	return nil
}

// batchGet reads contacts by their names, former ones too; each has a status [D].
func (f *book) batchGet(w http.ResponseWriter, r *http.Request) *refusal {
	q := r.URL.Query()
	fields, err := mask(q.Get("personFields"))
	names := q["resourceNames"]
	switch {
	case err != nil:
		return invalid(err.Error())
	case len(names) == 0 || len(names) > maxBatch:
		return invalid("resource_names must have between 1 and 200 values.")
	}
	var out []entry
	for _, name := range names {
		id, ok := strings.CutPrefix(name, "people/")
		if !ok || id == "" || strings.ContainsAny(id, "/ '\\") {
			return invalid("Resource name " + name + " is not valid.")
		}
		one := entry{"requestedResourceName": name}
		rec, err := f.live(id)
		switch {
		case err != nil:
			one["httpStatusCode"], one["status"] = 404, notFound.rpc()
		case f.BrokenRow(rec.ID):
			one["httpStatusCode"], one["status"] = 500, (&refusal{500, "Internal error encountered.", nil}).rpc()
		default:
			one["httpStatusCode"], one["status"], one["person"] = 200, entry{}, f.show(rec, fields)
		}
		out = append(out, one)
	}
	fakekit.WriteJSON(w, 200, entry{"responses": out})
	return nil
}

// made makes a contact of a body.
func (f *book) made(body map[string]json.RawMessage) (*fakekit.Record, *refusal) {
	fields, err := f.taken(body, slices.DeleteFunc(slices.Clone(allFields), func(n string) bool {
		return body[n] == nil || slices.Contains(fixed, n)
	}))
	if err != nil {
		return nil, invalid(err.Error())
	}
	c := &card{fields: fields}
	f.rewrite(c, nil)
	if err := f.allowed(c, false); err != nil {
		return nil, invalid(err.Error())
	}
	return &fakekit.Record{Created: f.Tick(), Extra: c}, nil
}

// rewrite applies the rules of the knobs to what the API writes.
func (f *book) rewrite(c *card, was map[string]string) {
	for name, v := range f.flat(c) {
		if now := f.Rewritten(Object, name, v, was[name], false); now != v {
			_ = f.set(c, name, now) // a rule's value that is no date stays out
		}
	}
}

// changed replaces the masked fields of a contact [D] updateContact.
func (f *book) changed(id string, body map[string]json.RawMessage, fields []string) (*fakekit.Record, *refusal) {
	old, err := f.live(id)
	if err != nil {
		return nil, notFound
	}
	var meta struct {
		Sources []struct{ Type, Etag string }
	}
	_ = json.Unmarshal(body["metadata"], &meta) // what is not there is refused below
	at := slices.IndexFunc(meta.Sources, func(s struct{ Type, Etag string }) bool { return s.Type == "CONTACT" })
	person, source := contents(old).etag()
	var etag string
	_ = json.Unmarshal(body["etag"], &etag)
	switch {
	case at < 0 || meta.Sources[at].Etag == "":
		return nil, invalid("person.metadata.sources must be specified for the contact to be updated.")
	case meta.Sources[at].Etag != source || etag != "" && etag != person:
		return nil, &refusal{
			412, "Request person.etag is different than the current person.etag. Clear local cache and get the latest person.",
			nil,
		}
	}
	taken, err := f.taken(body, fields)
	if err != nil {
		return nil, invalid(err.Error())
	}
	r, c := old.Clone(), contents(old).draft()
	was := f.flat(c)
	for name, list := range taken {
		c.fields[name] = list
	}
	f.rewrite(c, was)
	if err := f.allowed(c, false); err != nil {
		return nil, invalid(err.Error())
	}
	r.Extra = c
	return r, nil
}

func decoded(r *http.Request, into any) *refusal {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		return invalid("Invalid JSON payload received.")
	}
	return nil
}

// updatable reads the mask of an update.
func updatable(text string) ([]string, *refusal) {
	fields, err := mask(text)
	if err != nil || slices.ContainsFunc(fields, func(n string) bool { return slices.Contains(fixed, n) }) {
		return nil, invalid("Invalid updateMask path.")
	}
	return fields, nil
}

// stored makes the writes of a batch: all of them or, where the knob says so, those that
// are valid. What is wrong with a contact is said by its name [D].
func (f *book) stored(
	kind string, names []string, one func(int) (*fakekit.Record, *refusal),
) ([]*fakekit.Record, *refusal) {
	var valid []*fakekit.Record
	wrong := entry{}
	for i, name := range names {
		rec, err := one(i)
		if err != nil {
			wrong[name] = err.rpc()
			continue
		}
		valid = append(valid, rec)
	}
	if len(wrong) == 0 || f.rules.PartialBatches {
		for _, rec := range valid {
			f.store(rec, f.Tick())
		}
	}
	if len(wrong) == 0 {
		return valid, nil
	}
	return nil, &refusal{400, "Request contains an invalid contact.", []any{
		entry{"@type": "type.googleapis.com/google.people.v1." + kind + "ErrorDetails", "contactErrors": wrong},
	}}
}

// people are contacts as a batch answers with them, none without a mask.
func (f *book) people(saved []*fakekit.Record, mask []string) (out []entry) {
	for _, rec := range saved {
		out = append(out, entry{
			"httpStatusCode": 200, "requestedResourceName": resource(rec.ID), "status": entry{}, "person": f.show(rec, mask),
		})
	}
	return out
}

func (f *book) batchCreate(w http.ResponseWriter, r *http.Request) *refusal {
	var body struct {
		Contacts []struct{ ContactPerson map[string]json.RawMessage }
		ReadMask string
	}
	if err := decoded(r, &body); err != nil {
		return err
	}
	fields, errMask := mask(body.ReadMask)
	switch {
	case len(body.Contacts) == 0 || len(body.Contacts) > maxBatch:
		return invalid("contacts must have between 1 and 200 values.")
	case errMask != nil:
		return invalid(errMask.Error())
	}
	names := make([]string, len(body.Contacts))
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	saved, err := f.stored("BatchCreateContacts", names, func(i int) (*fakekit.Record, *refusal) {
		return f.made(body.Contacts[i].ContactPerson)
	})
	if err == nil {
		fakekit.WriteJSON(w, 200, entry{"createdPeople": f.people(saved, fields)})
	}
	return err
}

func (f *book) batchUpdate(w http.ResponseWriter, r *http.Request) *refusal {
	var body struct {
		Contacts             map[string]map[string]json.RawMessage
		UpdateMask, ReadMask string
	}
	if err := decoded(r, &body); err != nil {
		return err
	}
	fields, err := updatable(body.UpdateMask)
	shown, errMask := mask(body.ReadMask)
	switch {
	case err != nil:
		return err
	case len(body.Contacts) == 0 || len(body.Contacts) > maxBatch:
		return invalid("contacts must have between 1 and 200 values.")
	case errMask != nil:
		return invalid(errMask.Error())
	}
	names := slices.Sorted(maps.Keys(body.Contacts))
	saved, err := f.stored("BatchUpdateContacts", names, func(i int) (*fakekit.Record, *refusal) {
		return f.changed(strings.TrimPrefix(names[i], "people/"), body.Contacts[names[i]], fields)
	})
	if err != nil {
		return err
	}
	result := entry{}
	for i, one := range f.people(saved, shown) {
		result[names[i]] = one
	}
	fakekit.WriteJSON(w, 200, entry{"updateResult": result})
	return nil
}

// batchDelete deletes all or none: a name that is not there refuses the call.
func (f *book) batchDelete(w http.ResponseWriter, r *http.Request) *refusal {
	var body struct{ ResourceNames []string }
	if err := decoded(r, &body); err != nil {
		return err
	}
	if n := len(body.ResourceNames); n == 0 || n > maxDelete {
		return invalid("resource_names must have between 1 and 500 values.")
	}
	for _, name := range body.ResourceNames {
		if _, err := f.live(strings.TrimPrefix(name, "people/")); err != nil {
			return notFound
		}
	}
	for _, name := range body.ResourceNames {
		_ = f.Delete(Object, strings.TrimPrefix(name, "people/")) // it is there, or was named twice
	}
	fakekit.WriteJSON(w, 200, entry{})
	return nil
}

func (f *book) listGroups(w http.ResponseWriter, _ *http.Request) *refusal {
	var out []entry
	for _, g := range f.groups {
		out = append(out, g.show())
	}
	fakekit.WriteJSON(w, 200, entry{"contactGroups": out, "totalItems": len(out)})
	return nil
}

func (g group) show() entry {
	return entry{
		"resourceName": "contactGroups/" + g.ID, "groupType": g.Type, "name": g.Name, "formattedName": g.Name,
		"etag": "g" + g.ID,
	}
}

func (f *book) createGroup(w http.ResponseWriter, r *http.Request) *refusal {
	var body struct{ ContactGroup struct{ Name string } }
	if err := decoded(r, &body); err != nil {
		return err
	}
	name := body.ContactGroup.Name
	switch {
	case strings.TrimSpace(name) == "":
		return invalid("Contact group name is required.")
	case slices.ContainsFunc(f.groups, func(g group) bool { return strings.EqualFold(g.Name, name) }):
		return &refusal{409, "Contact group name already exists.", nil}
	}
	fakekit.WriteJSON(w, 200, f.named(name).show())
	return nil
}

// authorize stands for the consent page: the user always agrees [A1].
func (f *book) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	scopes := strings.Fields(q.Get("scope"))
	known := []string{ScopeContacts, ScopeReadOnly, ScopeEmail}
	if err != nil || back.Host == "" || q.Get("client_id") != ClientID || q.Get("response_type") != "code" ||
		len(scopes) == 0 ||
		slices.ContainsFunc(scopes, func(s string) bool { return !slices.Contains(known, s) }) {
		fail(w, invalid("Error 400: invalid_request"))
		return
	}
	if q.Get("access_type") == "offline" { // without it nobody gets a refresh token
		scopes = append(scopes, "offline")
	}
	back.RawQuery = url.Values{
		"code":  {f.Tokens().Code(ClientID, q.Get("redirect_uri"), q.Get("code_challenge"), scopes)},
		"state": {q.Get("state")}, "scope": {q.Get("scope")},
	}.Encode()
	http.Redirect(w, r, back.String(), //nolint:gosec // the caller names the address
		http.StatusFound)
}

// token gives and renews grants. The refresh token comes with the first one only [A1].
func (f *book) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		fakekit.WriteJSON(w, 400, entry{"error": "invalid_request"})
		return
	}
	v := r.PostForm
	if v.Get("client_id") != ClientID || v.Get("client_secret") != ClientSecret {
		fakekit.WriteJSON(w, 401, entry{"error": "invalid_client", "error_description": "The OAuth client was not found."})
		return
	}
	var t fakekit.Token
	var err error
	first := v.Get("grant_type") == "authorization_code"
	switch {
	case first:
		var scopes []string
		if scopes, err = f.Tokens().Redeem(v.Get("code"), ClientID, v.Get("redirect_uri"),
			v.Get("code_verifier")); err == nil {
			t = f.Tokens().Issue("fake-", ClientID, tokenLife, scopes, slices.Contains(scopes, "offline"))
		}
	case v.Get("grant_type") == "refresh_token":
		t, err = f.Tokens().Renew("fake-", ClientID, v.Get("refresh_token"), tokenLife)
	default:
		fakekit.WriteJSON(w, 400, entry{
			"error": "unsupported_grant_type", "error_description": "Invalid grant_type: " + v.Get("grant_type"),
		})
		return
	}
	if err != nil {
		fakekit.WriteJSON(w, 400, entry{"error": "invalid_grant", "error_description": "Token has been expired or revoked."})
		return
	}
	out := entry{
		"access_token": t.Access, "token_type": "Bearer", "expires_in": int(tokenLife/time.Second) - 1,
		"scope": strings.Join(slices.DeleteFunc(slices.Clone(t.Scopes), func(s string) bool { return s == "offline" }), " "),
	}
	if first && t.Refresh != "" {
		out["refresh_token"] = t.Refresh
	}
	fakekit.WriteJSON(w, 200, out)
}
