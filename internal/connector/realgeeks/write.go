package realgeeks

import (
	"context"
	"encoding/hex"
	"io"
	"net/http"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// ours is the source of leads that have none of their own: one is demanded.
const ours = "Lockstep"

// BatchWrite implements connector.Connector: one lead a call. A new lead gets its ID here,
// because Real Geeks tells none.
// Source: developers.realgeeks.com/incoming-leads-api, developers.realgeeks.com/blog.
func (s *site) BatchWrite(ctx context.Context, name string, writes []connector.Write) ([]connector.Written, error) {
	const op = "realgeeks: write"
	if err := check(op, name, 0); err != nil {
		return nil, err
	}
	b, err := rows.Prepare(op, writes, 1, func(w connector.Write) (rest.Request, crm.RecordID, error) {
		return s.request(op, w)
	})
	if err != nil {
		return nil, err
	}
	if len(b.Rows) == 0 {
		return b.Out, ctx.Err()
	}
	sent := b.Rows[0]
	got, err := s.client.Call(ctx, sent.Body, new(map[string]any))
	if e, ofRow := rows.OfRow(err, b.Kind); ofRow {
		b.Settle(sent, connector.Written{ID: writes[0].ID, Err: e, Exchange: s.client.Exchange(sent.Body, got, got.Body)})
		return b.Out, nil
	}
	if err != nil {
		return nil, err
	}
	b.Receipt = s.client.Receipt(sent.Body, got)
	b.Settle(sent, connector.Written{ID: sent.ID, Created: b.Kind == connector.Create, At: got.Now})
	return b.Out, nil
}

func (s *site) request(op string, w connector.Write) (r rest.Request, one crm.RecordID, err error) {
	body := map[string]string{}
	for f, v := range w.Fields {
		switch {
		case v.Kind() == crm.Absent:
		case v.Blank():
			body[f] = "" // which clears
		case phones[f]:
			body[f] = home(v.Text())
		default:
			body[f] = v.Text()
		}
	}
	r = rest.Request{Op: op, Method: http.MethodPost, Path: "/rest/sites/" + s.uuid + "/leads", Write: true, Body: body}
	switch w.Op {
	case connector.Create:
		if one, err = s.fresh(); err != nil {
			return r, "", err
		}
		for f, v := range body {
			if v == "" {
				delete(body, f)
			}
		}
		body["id"] = dashed(one)
		if body["source"] == "" {
			body["source"] = ours
		}
		return r, one, nil
	case connector.Update:
		var ok bool
		if one, ok = id(string(w.ID)); !ok {
			return r, "", fault.New(op, fault.NotFound, "", "Real Geeks has no such lead")
		}
		r.Method, r.Path = http.MethodPatch, s.lead("/v2/rest", one)
		return r, one, nil
	case connector.Upsert, connector.Archive:
	}
	return r, "", fault.New(op, fault.Unsupported, connector.CodeUnsupported, "Real Geeks has no such write")
}

// fresh is a new UUID of chance (RFC 9562, version 4).
func (s *site) fresh() (crm.RecordID, error) {
	var b [16]byte
	if _, err := io.ReadFull(s.chance, b[:]); err != nil {
		return "", fault.New("realgeeks: write", fault.Unavailable, "", "no ID can be made: "+err.Error())
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return crm.RecordID(hex.EncodeToString(b[:])), nil
}
