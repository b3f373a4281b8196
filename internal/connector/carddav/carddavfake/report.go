package carddavfake

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// report answers the three reports of an address book: RFC 3253 section 3.6.
func (f *server) report(w http.ResponseWriter, r *http.Request) {
	in := body(r)
	switch {
	case in == nil:
		refuse(w, http.StatusBadRequest, "")
	case in.is(card, "addressbook-multiget"):
		f.multiget(w, in)
	case in.is(card, "addressbook-query"):
		f.query(w, r, in)
	case in.is(dav, "sync-collection") && !f.rules.NoSync:
		f.sync(w, r, in)
	default:
		refuse(w, http.StatusForbidden, "<d:supported-report/>")
	}
}

// multiget reads cards by their addresses: RFC 6352 section 8.7.
func (f *server) multiget(w http.ResponseWriter, in *element) {
	var out []string
	for i := range in.Inner {
		e := &in.Inner[i]
		if !e.is(dav, "href") {
			continue
		}
		u, err := url.Parse(strings.TrimSpace(e.Text))
		if err != nil {
			refuse(w, http.StatusBadRequest, "")
			return
		}
		name, inside := strings.CutPrefix(u.Path, Book)
		rec, err := f.live(name)
		switch {
		case !inside || err != nil:
			out = append(out, failed(u.Path, "404 Not Found"))
		case f.BrokenRow(name):
			out = append(out, failed(u.Path, "500 Internal Server Error"))
		default:
			out = append(out, response(u.Path, names(in), f.show(rec)))
		}
	}
	multistatus(w, out, "")
}

// query lists the cards that match: RFC 6352 section 8.6.
func (f *server) query(w http.ResponseWriter, r *http.Request, in *element) {
	filter := in.find(card, "filter")
	if filter == nil || r.Header.Get("Depth") != "1" {
		refuse(w, http.StatusForbidden, "<c:valid-filter/>")
		return
	}
	var out []string
	bad := false
	f.table.Each("", func(rec *fakekit.Record) bool {
		if rec.Deleted || r.URL.Path != Book {
			return true
		}
		ok, known := matches(filter, unfolded(contents(rec).text))
		if bad = !known; ok {
			out = append(out, response(Book+rec.ID, names(in), f.show(rec)))
		}
		return known
	})
	if bad {
		refuse(w, http.StatusForbidden, "<c:supported-collation/>")
		return
	}
	multistatus(w, out, "")
}

// matches applies a filter: RFC 6352 section 10.5. known is false for a collation that the
// server does not have.
func matches(filter *element, all []property) (ok, known bool) {
	every := filter.attr("test", "anyof") == "allof"
	for i := range filter.Inner {
		one, known := matchesProp(&filter.Inner[i], all)
		if !known {
			return false, false
		}
		if one != every {
			return one, true
		}
	}
	return every || len(filter.Inner) == 0, true
}

func matchesProp(filter *element, all []property) (ok, known bool) {
	name := strings.ToUpper(filter.attr("name", ""))
	own := slices.DeleteFunc(slices.Clone(all), func(p property) bool { return p.name != name })
	if filter.find(card, "is-not-defined") != nil || len(filter.Inner) == 0 {
		return (len(own) > 0) == (len(filter.Inner) == 0), true
	}
	every := filter.attr("test", "anyof") == "allof"
	for i := range filter.Inner {
		e := &filter.Inner[i]
		if !e.is(card, "text-match") {
			continue
		}
		fold := map[string]func(string) string{
			"i;ascii-casemap": asciiLower, "i;unicode-casemap": strings.ToLower, "i;octet": strings.Clone,
		}[e.attr("collation", "i;unicode-casemap")]
		if fold == nil {
			return false, false
		}
		hit := slices.ContainsFunc(own, func(p property) bool {
			return compare(fold(plain(p.value)), fold(e.Text), e.attr("match-type", "contains"))
		})
		if hit = hit != (e.attr("negate-condition", "no") == "yes"); hit != every {
			return hit, true
		}
	}
	return every, true
}

func compare(held, wanted, how string) bool {
	switch how {
	case "equals":
		return held == wanted
	case "starts-with":
		return strings.HasPrefix(held, wanted)
	case "ends-with":
		return strings.HasSuffix(held, wanted)
	}
	return strings.Contains(held, wanted)
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

const tokens = "http://fake.example/sync/" //nolint:gosec // a name, and no credential

// token is the name of a revision, given now.
func (f *server) token(rev int64) string {
	return tokens + strconv.FormatInt(rev, 10) + "/" + strconv.FormatInt(f.Now().Unix(), 10)
}

// since reads a token; false = it is none, or no longer known.
func (f *server) since(token string) (rev int64, ok bool) {
	first, second, _ := strings.Cut(strings.TrimPrefix(token, tokens), "/")
	rev, err := strconv.ParseInt(first, 10, 64)
	given, errAt := strconv.ParseInt(second, 10, 64)
	life := time.Duration(f.rules.TokenLife)
	return rev, err == nil && errAt == nil && (life == 0 || f.Now().Sub(time.Unix(given, 0)) < life)
}

// sync tells what changed since a token: RFC 6578 section 3.
func (f *server) sync(w http.ResponseWriter, r *http.Request, in *element) {
	level, from := in.find(dav, "sync-level"), in.find(dav, "sync-token")
	if level == nil || level.Text != "1" || from == nil || r.Header.Get("Depth") != "0" {
		refuse(w, http.StatusBadRequest, "")
		return
	}
	rev, first := int64(0), from.Text == ""
	if !first {
		var ok bool
		if rev, ok = f.since(from.Text); !ok {
			refuse(w, http.StatusForbidden, "<d:valid-sync-token/>")
			return
		}
	}
	var changed []*fakekit.Record
	if r.URL.Path == Book {
		f.table.Each("", func(rec *fakekit.Record) bool {
			if contents(rec).rev > rev && (!first || !rec.Deleted) {
				changed = append(changed, rec)
			}
			return true
		})
	}
	slices.SortFunc(changed, func(a, b *fakekit.Record) int { return cmp.Compare(contents(a).rev, contents(b).rev) })
	until, cut := f.rev, f.rules.SyncPage > 0 && len(changed) > f.rules.SyncPage
	if cut {
		changed = changed[:f.rules.SyncPage]
		until = contents(changed[len(changed)-1]).rev
	}
	var out []string
	for _, rec := range changed {
		if rec.Deleted {
			out = append(out, failed(Book+rec.ID, "404 Not Found"))
			continue
		}
		out = append(out, response(Book+rec.ID, names(in), f.show(rec)))
	}
	if cut { // RFC 6578 section 3.6
		out = append(out, failed(Book, "507 Insufficient Storage"))
	}
	multistatus(w, out, "<d:sync-token>"+text(f.token(until))+"</d:sync-token>")
}
