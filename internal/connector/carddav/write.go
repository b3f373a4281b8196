package carddav

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"unicode"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// BatchWrite implements connector.Connector, one card a call: new ones with If-None-Match,
// changed ones read before and sent back with If-Match. Source: RFC 6352 section 6.3.2.
func (a *account) BatchWrite(ctx context.Context, name string, writes []connector.Write) ([]connector.Written, error) {
	const op = "carddav: write"
	if err := check(op, name, 0, 0); err != nil {
		return nil, err
	}
	b, err := rows.Prepare(op, writes, 1, func(w connector.Write) (connector.Write, crm.RecordID, error) {
		return w, w.ID, prepare(op, w)
	})
	if err != nil {
		return nil, err
	}
	if len(b.Rows) == 0 {
		return b.Out, ctx.Err()
	}
	row := b.Rows[0]
	at, err := a.found(ctx, op)
	if err != nil {
		return nil, err
	}
	r := rest.Request{Op: b.Op, Base: at.base, Path: escaped(at.path + string(row.ID)), Header: http.Header{}}
	var got rest.Answer
	switch b.Kind {
	case connector.Create:
		if row.ID, err = a.compose(&r, at, row.Body.Fields); err != nil {
			return nil, err
		}
	case connector.Update:
		r, got, err = a.edit(ctx, r, row.Body)
	case connector.Archive:
		r.Method = http.MethodDelete
		if row.Body.Etag != "" {
			r.Header.Set("If-Match", row.Body.Etag)
		}
	case connector.Upsert: // refused before
	}
	if err == nil {
		r.Write = true
		if got, err = a.client.Call(ctx, r, nil); err == nil && !accepted(got) {
			return nil, rest.Malformed(r, "the answer to a write is none of a CardDAV server's")
		}
	}
	if err != nil {
		e, ofRow := rows.OfRow(err, b.Kind)
		if !ofRow {
			return nil, err
		}
		b.Settle(row, connector.Written{ID: row.Body.ID, Err: e, Exchange: a.client.Exchange(r, got, got.Body)})
		return b.Out, nil
	}
	b.Receipt = a.client.Receipt(r, got)
	b.Settle(row, connector.Written{ID: row.ID, Created: b.Kind == connector.Create})
	return b.Out, nil
}

// accepted reports whether an answer is one to a write that went through: without a body, or
// with one that was made for people.
func accepted(got rest.Answer) bool {
	kind := got.Header.Get("Content-Type")
	said := strings.HasPrefix(kind, "text/") || strings.Contains(kind, "xml")
	return got.Status != http.StatusMultiStatus && (len(got.Body) == 0 || said)
}

var day = regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)

// prepare checks a write.
func prepare(op string, w connector.Write) error {
	if w.Op != connector.Create && w.Op != connector.Update && w.Op != connector.Archive {
		return fault.New(op, fault.Unsupported, connector.CodeUnsupported, "CardDAV has no such write")
	}
	if _, ok := id(string(w.ID)); !ok && w.Op != connector.Create {
		return gone(op)
	}
	for field, v := range w.Fields {
		of, ok := known[field]
		bad := &fault.Error{Op: op, Kind: fault.Invalid, Code: connector.CodeValue, Field: field}
		odd := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }
		switch {
		case v.Kind() == crm.Absent:
		case !ok || of.ReadOnly:
			bad.Code, bad.Message = connector.CodeReadOnly, "cards have no such property, or it is not written"
			return bad
		case strings.ContainsFunc(strings.Join(append(v.Items(), v.Text()), ""), odd):
			bad.Message = "cards take no control characters"
			return bad
		case field == "BDAY" && !v.Blank() && !day.MatchString(v.Text()):
			bad.Message = "a birthday is a date such as 2001-02-03"
			return bad
		}
	}
	return nil
}

// written are the fields of a write that say something.
func written(fields crm.Fields) crm.Fields {
	out := crm.Fields{}
	for field, v := range fields {
		if v.Kind() != crm.Absent {
			out[field] = v
		}
	}
	return out
}

// compose makes a call of a new card.
func (a *account) compose(r *rest.Request, at place, fields crm.Fields) (crm.RecordID, error) {
	var u [16]byte
	if _, err := io.ReadFull(a.chance, u[:]); err != nil {
		return "", fmt.Errorf("%s: make a UID: %w", r.Op, err)
	}
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80 // RFC 9562, version 4
	uid := fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
	c := fresh(uid)
	c.write(written(fields), a.client.Clock())
	one := crm.RecordID(uid + ".vcf")
	r.Path = escaped(at.path + string(one))
	r.Header.Set("If-None-Match", "*")
	put(r, c)
	return one, nil
}

// edit makes a call of a card as it is, with other values. Where there is none to be made, it
// returns the one that said so.
func (a *account) edit(ctx context.Context, r rest.Request, w connector.Write) (rest.Request, rest.Answer, error) {
	get := r
	get.Method, get.Header = http.MethodGet, http.Header{
		"Accept": {"text/vcard"}, "Accept-Encoding": {"identity"}, // packed ones may have another etag
	}
	got, err := a.client.Call(ctx, get, nil)
	if err != nil {
		return get, got, err
	}
	c, tag := parse(string(got.Body)), strong(got.Header.Get("ETag"))
	begins := strings.ToUpper(string(got.Body[:min(len(got.Body), 20)]))
	switch {
	case c == nil && strings.Contains(begins, "BEGIN:VCARD"):
		return get, got, gone(r.Op) // it became a group, or is of another version
	case c == nil || tag == "":
		return get, got, rest.Malformed(get, "the answer is no card, or has no etag")
	case w.Etag != "" && w.Etag != tag:
		return get, got, fault.New(r.Op, changed.Kind, changed.Code, changed.Text)
	}
	c.write(written(w.Fields), a.client.Clock())
	r.Header.Set("If-Match", tag)
	put(&r, c)
	return r, rest.Answer{}, nil
}

func put(r *rest.Request, c *card) {
	r.Method = http.MethodPut
	r.Body = rest.Raw{Type: "text/vcard; charset=utf-8", Text: c.String()}
}
