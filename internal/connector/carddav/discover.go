package carddav

import (
	"context"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

const (
	mostRedirects = 5
	mostHomes     = 5
)

// found is where the address book is: at the path that the account's settings have, or
// where the server says. Source: RFC 6764 section 6, RFC 5397, RFC 6352 7.1.1.
func (a *account) found(ctx context.Context, op string) (place, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.book != nil {
		return *a.book, nil
	}
	if strings.HasPrefix(a.wanted, "/") {
		a.book = &place{path: directory(a.wanted)}
		return *a.book, nil
	}
	at, err := a.discover(ctx, op)
	if err == nil {
		a.book = &at
	}
	return at, err
}

// directory is a collection's path: it ends with a slash.
func directory(p string) string { return strings.TrimRight(p, "/") + "/" }

func (a *account) discover(ctx context.Context, op string) (place, error) {
	user, err := a.user(ctx, op)
	if err != nil {
		return place{}, err
	}
	const homes = "<D:prop><C:addressbook-home-set/></D:prop>"
	out, _, err := a.ask(ctx, request(op, "PROPFIND", user, "0", "D:propfind", homes))
	if err != nil {
		return place{}, unlisted(op, err)
	}
	var books []place
	var names []string
	for i := range out.Responses {
		p, _ := out.Responses[i].has()
		for _, h := range p.Homes.Hrefs[:min(len(p.Homes.Hrefs), mostHomes)] {
			b, n, err := a.books(ctx, op, a.at(user, h))
			if err != nil {
				return place{}, unlisted(op, err)
			}
			books, names = append(books, b...), append(names, n...)
		}
	}
	return a.chosen(op, books, names)
}

// unlisted is what it means that something is missing on the way to the address book.
func unlisted(op string, err error) error {
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Unsupported) {
		return misplaced(op, "the server does not say where its address books are: give the path of one")
	}
	return err
}

func misplaced(op, text string) error {
	return &fault.Error{
		Op: op, Kind: fault.Invalid, Code: connector.CodeConfig, Field: "address_book", Message: text,
	}
}

// user is where the server keeps what it knows of the user.
func (a *account) user(ctx context.Context, op string) (place, error) {
	const who = "<D:prop><D:current-user-principal/></D:prop>"
	at, retried := place{path: "/.well-known/carddav"}, false
	for range mostRedirects {
		out, got, err := a.ask(ctx, request(op, "PROPFIND", at, "0", "D:propfind", who))
		to := got.Header.Get("Location")
		switch missing := fault.Is(err, fault.NotFound) || fault.Is(err, fault.Unsupported) || fault.Is(err, fault.Invalid); {
		case got.Status >= 300 && got.Status < 400 && to != "":
			at = a.at(at, to)
			continue
		case missing && !retried: // the address exists for this alone, and not on every server
			at, retried = place{path: "/"}, true
			continue
		case err != nil:
			return place{}, unlisted(op, err)
		}
		for i := range out.Responses {
			if p, _ := out.Responses[i].has(); p.User.Href != "" {
				return a.at(at, p.User.Href), nil
			}
		}
		if retried || at.path == "/" {
			break
		}
		at, retried = place{path: "/"}, true
	}
	return place{}, misplaced(op, "the server does not say who the user is: give the path of an address book")
}

// books are the address books below one place.
func (a *account) books(ctx context.Context, op string, home place) (books []place, names []string, err error) {
	r := request(op, "PROPFIND", home, "1", "D:propfind", "<D:prop><D:resourcetype/><D:displayname/></D:prop>")
	out, _, err := a.ask(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	for i := range out.Responses {
		if p, _ := out.Responses[i].has(); p.Kind.Book != nil {
			at := a.at(home, out.Responses[i].Href)
			at.path = directory(at.path)
			books, names = append(books, at), append(names, p.name(at))
		}
	}
	return books, names, nil
}

// chosen is the address book of the account's settings.
func (a *account) chosen(op string, books []place, names []string) (place, error) {
	if len(books) == 1 && a.wanted == "" {
		return books[0], nil
	}
	var fit []place
	for i, at := range books {
		if a.wanted != "" && (strings.EqualFold(a.wanted, names[i]) || a.wanted == path.Base(at.path)) {
			fit = append(fit, at)
		}
	}
	slices.Sort(names)
	switch list := rest.Clip(strings.Join(names, ", "), 300); {
	case len(fit) == 1:
		return fit[0], nil
	case len(books) == 0:
		return place{}, misplaced(op, "the user has no address book: make one, or give the path of one")
	case a.wanted == "":
		return place{}, misplaced(op, "the user has several address books, choose one: "+list)
	case len(fit) > 1:
		return place{}, misplaced(op, "several address books have that name: give the path of one")
	default:
		return place{}, misplaced(op, "there is no address book of that name, but: "+list)
	}
}

// at is where an address leads that was given at a place. Another host is taken over only
// where one of the app's own providers has both: credentials go nowhere else.
func (a *account) at(from place, address string) place {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil {
		return place{path: "/"}
	}
	to := place{base: from.base, path: u.Path}
	if !strings.HasPrefix(to.path, "/") {
		to.path = path.Join("/", path.Dir(from.path), to.path)
	}
	if u.Scheme == "https" && related(a.base, u.Hostname()) && (u.Port() == "" || u.Port() == "443") {
		to.base = "https://" + u.Hostname()
	}
	return to
}

// related reports whether the account's host and another one are of the same provider.
func related(base, host string) bool {
	own, err := url.Parse(base)
	return err == nil && slices.ContainsFunc(app().Hosts, func(provider string) bool {
		return below(own.Hostname(), provider) && below(host, provider)
	})
}

func below(host, provider string) bool {
	host = strings.ToLower(host)
	return host == provider || strings.HasSuffix(host, "."+provider)
}
