package carddavfake

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// element is any XML.
type element struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Inner   []element  `xml:",any"`
	Text    string     `xml:",chardata"`
}

const (
	dav  = "DAV:"
	card = "urn:ietf:params:xml:ns:carddav"
)

// is reports whether an element has a name.
func (e *element) is(space, name string) bool {
	return e.XMLName.Space == space && e.XMLName.Local == name
}

// find is the first child of a name, nil when there is none.
func (e *element) find(space, name string) *element {
	for i := range e.Inner {
		if e.Inner[i].is(space, name) {
			return &e.Inner[i]
		}
	}
	return nil
}

// attr is an attribute, or what it is without being there.
func (e *element) attr(name, otherwise string) string {
	for _, a := range e.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return otherwise
}

// body reads a request's XML; nil = it is none.
func body(r *http.Request) *element {
	out := new(element)
	if xml.NewDecoder(r.Body).Decode(out) != nil {
		return nil
	}
	return out
}

func text(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}

func href(path string) string {
	return "<d:href>" + text((&url.URL{Path: path}).EscapedPath()) + "</d:href>"
}

// names are the properties that a request asks for.
func names(request *element) (out []element) {
	if p := request.find(dav, "prop"); p != nil {
		return p.Inner
	}
	return nil
}

// response is one of a multistatus: the properties asked for that there are, and those that
// there are not.
func response(path string, asked []element, has func(*element) (string, bool)) string {
	var found, missing strings.Builder
	for i := range asked {
		e := &asked[i]
		prefix := map[string]string{dav: "d:", card: "c:"}[e.XMLName.Space]
		value, ok := has(e)
		switch {
		case prefix == "":
			missing.WriteString(`<x:` + e.XMLName.Local + ` xmlns:x="` + text(e.XMLName.Space) + `"/>`)
		case ok:
			found.WriteString("<" + prefix + e.XMLName.Local + ">" + value + "</" + prefix + e.XMLName.Local + ">")
		default:
			missing.WriteString("<" + prefix + e.XMLName.Local + "/>")
		}
	}
	out := "<d:response>" + href(path)
	if found.Len() > 0 || missing.Len() == 0 {
		out += "<d:propstat><d:prop>" + found.String() + "</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat>"
	}
	if missing.Len() > 0 {
		out += "<d:propstat><d:prop>" + missing.String() + "</d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat>"
	}
	return out + "</d:response>"
}

// failed is a response that is a status alone.
func failed(path, status string) string {
	return "<d:response>" + href(path) + "<d:status>HTTP/1.1 " + status + "</d:status></d:response>"
}

func multistatus(w http.ResponseWriter, responses []string, more string) {
	w.Header().Set("Content-Type", "application/xml; charset=utf-8")
	w.WriteHeader(http.StatusMultiStatus)
	_, _ = w.Write([]byte(`<?xml version="1.0" encoding="utf-8"?>` + "\n" + //nolint:gosec // each text in it is escaped
		`<d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:carddav">` + strings.Join(responses, "") + more +
		"</d:multistatus>"))
}

// refuse answers with a status and the precondition that failed: RFC 4918 section 16.
func refuse(w http.ResponseWriter, status int, precondition string) {
	w.Header().Set("Content-Type", "application/xml; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`<?xml version="1.0" encoding="utf-8"?>` + "\n" +
		`<d:error xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:carddav">` + precondition + "</d:error>"))
}

// show are the properties of a card.
func (f *server) show(r *fakekit.Record) func(*element) (string, bool) {
	return func(e *element) (string, bool) {
		c := contents(r)
		switch {
		case e.is(dav, "getetag"):
			return text(c.etag()), true
		case e.is(dav, "getlastmodified"):
			return f.modified(r), !f.rules.NoTimes
		case e.is(dav, "getcontenttype"):
			return "text/vcard; charset=utf-8", true
		case e.is(dav, "resourcetype"):
			return "", true
		case e.is(card, "address-data"):
			return text(part(c.text, e)), true
		}
		return "", false
	}
}

func (f *server) modified(r *fakekit.Record) string {
	return r.Modified.UTC().Truncate(time.Second).Format(http.TimeFormat)
}

// part is a card with the properties asked for: RFC 6352 section 10.4.
func part(text string, data *element) string {
	var wanted []string
	for i := range data.Inner {
		if data.Inner[i].is(card, "prop") {
			wanted = append(wanted, strings.ToUpper(data.Inner[i].attr("name", "")))
		}
	}
	if wanted == nil {
		return text
	}
	return joined(slices.DeleteFunc(unfolded(text), func(p property) bool {
		return !slices.Contains(wanted, p.name) && p.name != "BEGIN" && p.name != "END"
	}))
}

// Refuse implements fakekit.App.
func (*server) Refuse(w http.ResponseWriter, _ *http.Request, status int) { refuse(w, status, "") }

// Throttle implements fakekit.App.
func (*server) Throttle(w http.ResponseWriter, _ *http.Request, _ fakekit.LimitKind, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(max(wait+time.Second-1, time.Second)/time.Second)))
	refuse(w, http.StatusTooManyRequests, "")
}

// Unknown implements fakekit.App.
func (*server) Unknown(w http.ResponseWriter, _ *http.Request, status int) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("<!DOCTYPE html><title>" + http.StatusText(status) + "</title>"))
}
