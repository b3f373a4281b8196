package carddav

import (
	"cmp"
	"context"
	"encoding/xml"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// multistatus is the answer of most calls: RFC 4918 section 13, with the token of RFC 6578.
type multistatus struct {
	XMLName   xml.Name   `xml:"DAV: multistatus"`
	Responses []response `xml:"DAV: response"`
	Token     string     `xml:"DAV: sync-token"`
}

// response is about one resource: its status, or one for each of its properties.
type response struct {
	Href   string `xml:"DAV: href"`
	Status string `xml:"DAV: status"`
	Stats  []struct {
		Prop   props  `xml:"DAV: prop"`
		Status string `xml:"DAV: status"`
	} `xml:"DAV: propstat"`
}

type href struct {
	Href string `xml:"DAV: href"`
}

// props are the properties that are asked for.
type props struct {
	Etag     string `xml:"DAV: getetag"`
	Modified string `xml:"DAV: getlastmodified"`
	Label    string `xml:"DAV: displayname"`
	Kind     struct {
		Book *struct{} `xml:"urn:ietf:params:xml:ns:carddav addressbook"`
	} `xml:"DAV: resourcetype"`
	User  href `xml:"DAV: current-user-principal"`
	Homes struct {
		Hrefs []string `xml:"DAV: href"`
	} `xml:"urn:ietf:params:xml:ns:carddav addressbook-home-set"`
	Card string `xml:"urn:ietf:params:xml:ns:carddav address-data"`
}

// code is the number of a status line; "" = there is none.
func code(line string) string {
	_, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	number, _, _ := strings.Cut(rest, " ")
	return number
}

// has are the properties that the server has of the resource.
func (s *response) has() (props, bool) {
	for _, one := range s.Stats {
		if code(one.Status) == "200" {
			return one.Prop, true
		}
	}
	return props{}, false
}

// name is the last part of a resource's path; "" for that of a collection.
func (s *response) name() string {
	u, err := url.Parse(strings.TrimSpace(s.Href))
	if err != nil || strings.HasSuffix(u.Path, "/") {
		return ""
	}
	return path.Base("/" + u.Path)
}

// modified is when a card was changed, as far as anybody says.
func (p *props) modified(c *card) time.Time {
	t, err := http.ParseTime(strings.TrimSpace(p.Modified))
	if err != nil {
		t = c.revised()
	}
	return t.UTC()
}

// name is what people call an address book.
func (p *props) name(at place) string {
	return rest.Clip(cmp.Or(strings.TrimSpace(p.Label), path.Base(at.path)), 100)
}

// place is where something is on the server.
type place struct {
	base string // "" = the account's own
	path string // decoded
}

// escaped is a path as addresses have it.
func escaped(p string) string { return (&url.URL{Path: p}).EscapedPath() }

// namespaces are those of the elements that we send.
const namespaces = ` xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"`

// quoted is a text within XML.
func quoted(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}

// request is a call with an XML body, of an element and what is in it.
func request(op, method string, at place, depth, element, inner string) rest.Request {
	return rest.Request{
		Op: op, Method: method, Base: at.base, Path: escaped(at.path), Header: http.Header{"Depth": {depth}},
		Body: rest.Raw{
			Type: "application/xml; charset=utf-8",
			Text: `<?xml version="1.0" encoding="utf-8"?>` + "\n<" + element + namespaces + ">" + inner + "</" + element + ">",
		},
	}
}

// ask makes a call that is answered with a multistatus.
func (a *account) ask(ctx context.Context, r rest.Request) (*multistatus, rest.Answer, error) {
	got, err := a.client.Call(ctx, r, nil)
	if err != nil {
		return nil, got, err
	}
	out := new(multistatus)
	if got.Status != http.StatusMultiStatus || xml.Unmarshal(got.Body, out) != nil {
		return nil, got, rest.Malformed(r, "the answer is none of a CardDAV server's")
	}
	return out, got, nil
}

// inBook makes a call about the address book: where that is missing, nothing is said of
// any contact.
func (a *account) inBook(ctx context.Context, r rest.Request) (*multistatus, error) {
	out, _, err := a.ask(ctx, r)
	if fault.Is(err, fault.NotFound) {
		return nil, noBook(r.Op)
	}
	return out, err
}

func noBook(op string) error {
	return fault.New(op, fault.NotFound, connector.CodeObject, "the address book is not there, or was renamed")
}

// about reads what an address book says of itself.
func (a *account) about(ctx context.Context, op string, at place) (props, rest.Request, error) {
	r := request(op, "PROPFIND", at, "0", "D:propfind", "<D:prop><D:resourcetype/><D:displayname/></D:prop>")
	out, err := a.inBook(ctx, r)
	if err != nil {
		return props{}, r, err
	}
	for i := range out.Responses {
		if p, ok := out.Responses[i].has(); ok {
			return p, r, nil
		}
	}
	return props{}, r, rest.Malformed(r, "the address book says nothing of itself")
}

// synced are the properties that make up a record, as a server is asked for them. One
// that does not leave out others sends whole cards.
var synced = func() string {
	var b strings.Builder
	for _, name := range []string{
		"VERSION", "UID", "REV", "KIND", "X-ADDRESSBOOKSERVER-KIND", "FN", "N", "NICKNAME", "ORG", "TITLE", "EMAIL", "TEL",
		"ADR", "BDAY", "NOTE", "URL", "CATEGORIES",
	} {
		b.WriteString(`<C:prop name="` + name + `"/>`)
	}
	return `<D:prop><D:getetag/><D:getlastmodified/><C:address-data>` + b.String() + `</C:address-data></D:prop>`
}()

// row is what is said of one card: the card, or a status.
type row struct {
	status string
	props  props
	card   *card // nil = it is no contact
}

// cards are the rows of an answer by ID.
func (m *multistatus) cards() map[crm.RecordID]row {
	out := make(map[crm.RecordID]row, len(m.Responses))
	for i := range m.Responses {
		s := &m.Responses[i]
		one, ok := id(s.name())
		if !ok {
			continue
		}
		p, has := s.has()
		if !has || p.Card == "" {
			out[one] = row{status: cmp.Or(code(s.Status), "none")}
			continue
		}
		out[one] = row{props: p, card: parse(p.Card)}
	}
	return out
}

// cut reports whether the server says that it left something out: by 507 about the
// collection itself. Source: RFC 6352 8.6.2, RFC 6578 3.6.
func (m *multistatus) cut() bool {
	for i := range m.Responses {
		if code(m.Responses[i].Status) == "507" {
			return true
		}
	}
	return false
}
