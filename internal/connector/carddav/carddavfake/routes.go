package carddavfake

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

const (
	root      = "/dav/"
	principal = "/dav/principals/ada/"
	home      = "/dav/addressbooks/ada/"
	maxCard   = 1 << 20 // octets of a card
)

// Routes implements fakekit.App.
func (f *server) Routes() []fakekit.Route {
	moved := func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, root, http.StatusMovedPermanently) }
	return []fakekit.Route{
		{Pattern: "PROPFIND /.well-known/carddav", Handler: moved},
		{Pattern: "PROPFIND /{$}", Handler: f.known(f.about)},
		{Pattern: "PROPFIND " + root + "{$}", Handler: f.known(f.about)},
		{Pattern: "PROPFIND " + principal + "{$}", Handler: f.known(f.about)},
		{Pattern: "PROPFIND " + home + "{$}", Handler: f.known(f.books)},
		{Pattern: "PROPFIND " + home + "{book}/{$}", Handler: f.known(f.members)},
		{Pattern: "REPORT " + home + "{book}/{$}", Handler: f.known(f.report)},
		{Pattern: "GET " + home + "{book}/{card}", Handler: f.known(f.get)},
		{Pattern: "PUT " + home + "{book}/{card}", Handler: f.known(f.put), Write: true},
		{Pattern: "DELETE " + home + "{book}/{card}", Handler: f.known(f.remove), Write: true},
	}
}

// known lets in who knows the password: RFC 7617.
func (f *server) known(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if _, state := f.Tokens().Check(user + ":" + password); state != fakekit.TokenValid {
			w.Header().Set("WWW-Authenticate", `Basic realm="Contacts"`)
			refuse(w, http.StatusUnauthorized, "")
			return
		}
		if name := r.PathValue("book"); name != "" && !f.hasBook(name) {
			refuse(w, http.StatusNotFound, "")
			return
		}
		h(w, r)
	}
}

// bookNames are the last parts of the address books' paths, the first one's at first.
func (f *server) bookNames() []string {
	out := []string{"contacts"}
	for i := 2; i <= f.rules.Books; i++ {
		out = append(out, "book"+strconv.Itoa(i))
	}
	return out
}

// label is what people call an address book.
func label(name string) string {
	if number, further := strings.CutPrefix(name, "book"); further {
		return BookName + " " + number
	}
	return BookName
}

func (f *server) hasBook(name string) bool {
	for _, one := range f.bookNames() {
		if one == name {
			return true
		}
	}
	return false
}

// collection are the properties of what is no card.
func (f *server) collection(kind, label string) func(*element) (string, bool) {
	return func(e *element) (string, bool) {
		switch {
		case e.is(dav, "current-user-principal"):
			return href(principal), true
		case e.is(card, "addressbook-home-set") && kind == "principal":
			return href(home), true
		case e.is(dav, "resourcetype") && kind == "addressbook":
			return "<d:collection/><c:addressbook/>", true
		case e.is(dav, "resourcetype"):
			return "<d:collection/>", true
		case e.is(dav, "displayname") && label != "":
			return text(label), true
		case e.is(dav, "sync-token") && kind == "addressbook" && !f.rules.NoSync:
			return text(f.token(f.rev)), true
		}
		return "", false
	}
}

// asked reads a PROPFIND and its depth.
func asked(w http.ResponseWriter, r *http.Request) (props []element, deep, ok bool) {
	in := body(r)
	depth := r.Header.Get("Depth")
	if in == nil || !in.is(dav, "propfind") || depth != "0" && depth != "1" {
		refuse(w, http.StatusBadRequest, "<d:propfind-finite-depth/>")
		return nil, false, false
	}
	return names(in), depth == "1", true
}

func (f *server) about(w http.ResponseWriter, r *http.Request) {
	kind := ""
	if r.URL.Path == principal {
		kind = "principal"
	}
	if props, _, ok := asked(w, r); ok {
		multistatus(w, []string{response(r.URL.Path, props, f.collection(kind, ""))}, "")
	}
}

func (f *server) books(w http.ResponseWriter, r *http.Request) {
	props, deep, ok := asked(w, r)
	if !ok {
		return
	}
	out := []string{response(home, props, f.collection("", "Address books"))}
	for _, name := range f.bookNames() {
		if deep {
			out = append(out, response(home+name+"/", props, f.collection("addressbook", label(name))))
		}
	}
	multistatus(w, out, "")
}

// members is an address book, and with depth 1 its cards.
func (f *server) members(w http.ResponseWriter, r *http.Request) {
	props, deep, ok := asked(w, r)
	if !ok {
		return
	}
	out := []string{response(r.URL.Path, props, f.collection("addressbook", label(r.PathValue("book"))))}
	if deep && r.URL.Path == Book {
		f.table.Each("", func(rec *fakekit.Record) bool {
			if !rec.Deleted {
				out = append(out, response(Book+rec.ID, props, f.show(rec)))
			}
			return true
		})
	}
	multistatus(w, out, "")
}

func (f *server) get(w http.ResponseWriter, r *http.Request) {
	rec, err := f.card(r)
	if err != nil {
		refuse(w, http.StatusNotFound, "")
		return
	}
	w.Header().Set("Content-Type", "text/vcard; charset=utf-8")
	w.Header().Set("ETag", contents(rec).etag())
	if !f.rules.NoTimes {
		w.Header().Set("Last-Modified", f.modified(rec))
	}
	_, _ = w.Write([]byte(contents(rec).text))
}

// card is the one of a request's path.
func (f *server) card(r *http.Request) (*fakekit.Record, error) {
	if r.PathValue("book") != "contacts" {
		return nil, fakekit.ErrNotFound
	}
	return f.live(r.PathValue("card"))
}

// held reports whether a write's conditions are met: RFC 9110 section 13.
func held(r *http.Request, rec *fakekit.Record) bool {
	match, none := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	switch {
	case none == "*" && rec != nil:
		return false
	case match == "":
		return true
	}
	return rec != nil && (match == "*" || match == contents(rec).etag())
}

// put keeps a card: RFC 6352 section 6.3.2.
func (f *server) put(w http.ResponseWriter, r *http.Request) {
	sent, _ := io.ReadAll(r.Body) // the core has read it before
	old, _ := f.card(r)
	switch {
	case r.PathValue("book") != "contacts":
		refuse(w, http.StatusForbidden, "<d:need-privileges/>")
		return
	case !held(r, old):
		refuse(w, http.StatusPreconditionFailed, "")
		return
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "text/vcard"):
		refuse(w, http.StatusUnsupportedMediaType, "<c:supported-address-data/>")
		return
	case len(sent) > maxCard:
		refuse(w, http.StatusForbidden, "<c:max-resource-size/>")
		return
	}
	was, rec := map[string]string{}, &fakekit.Record{ID: r.PathValue("card"), Created: f.Tick()}
	if old != nil {
		was, rec = old.Fields, old.Clone()
	}
	stored := f.rewritten(string(sent), was)
	if valid(string(sent)) != nil || f.allowed(stored, false) != nil {
		refuse(w, http.StatusForbidden, "<c:valid-address-data/>")
		return
	}
	if other := f.sameUID(rec.ID, flat(stored)["UID"]); other != "" {
		refuse(w, http.StatusForbidden, "<c:no-uid-conflict>"+href(Book+other)+"</c:no-uid-conflict>")
		return
	}
	rec.Deleted, rec.DeletedAt = false, time.Time{}
	f.store(rec, stored, f.Tick())
	if stored == string(sent) { // only then may it have a strong etag
		w.Header().Set("ETag", contents(rec).etag())
	}
	if old == nil {
		w.WriteHeader(http.StatusCreated)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// rewritten applies the rules of the knobs to what is sent.
func (f *server) rewritten(text string, was map[string]string) string {
	for name, v := range flat(text) {
		if now := f.Rewritten(Object, name, v, was[name], false); now != v {
			if changed, err := with(text, name, now); err == nil { // a rule's value that is no date stays out
				text = changed
			}
		}
	}
	return text
}

// sameUID is another card with a UID, "" when there is none.
func (f *server) sameUID(name, uid string) (other string) {
	f.table.Each("", func(r *fakekit.Record) bool {
		if !r.Deleted && r.ID != name && r.Fields["UID"] == uid {
			other = r.ID
		}
		return other == ""
	})
	return other
}

func (f *server) remove(w http.ResponseWriter, r *http.Request) {
	rec, err := f.card(r)
	switch {
	case err != nil:
		refuse(w, http.StatusNotFound, "")
	case !held(r, rec):
		refuse(w, http.StatusPreconditionFailed, "")
	default:
		_ = f.Delete(Object, rec.ID) // it is there
		w.WriteHeader(http.StatusNoContent)
	}
}
