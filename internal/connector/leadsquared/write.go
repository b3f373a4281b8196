package leadsquared

import (
	"context"
	"net/http"
	"net/url"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// BatchWrite implements connector.Connector: one lead a call.
// Source: apidocs.leadsquared.com/create-a-lead, apidocs.leadsquared.com/update-a-lead.
func (a *account) BatchWrite(ctx context.Context, name string, writes []connector.Write) ([]connector.Written, error) {
	const op = "leadsquared: write"
	of, err := check(op, name, 0, 0)
	if err != nil {
		return nil, err
	}
	b, err := rows.Prepare(op, writes, 1, func(w connector.Write) (rest.Request, crm.RecordID, error) {
		if of != "" {
			return activityRequest(op, of, w)
		}
		return request(op, w)
	})
	if err != nil {
		return nil, err
	}
	if len(b.Rows) == 0 {
		return b.Out, ctx.Err()
	}
	sent := b.Rows[0]
	var ans struct {
		Status  string
		Message struct{ ID string }
	}
	got, err := a.client.Call(ctx, sent.Body, &ans)
	if e, ofRow := rows.OfRow(err, b.Kind); ofRow {
		b.Settle(sent, connector.Written{ID: sent.ID, Err: e, Exchange: a.client.Exchange(sent.Body, got, got.Body)})
		return b.Out, nil
	}
	if err != nil {
		return nil, err
	}
	one, ok := id(ans.Message.ID)
	if of != "" && sent.ID != "" && ans.Message.ID == "" { // nobody documents that an update tells it
		one, ok = sent.ID, true
	}
	if ans.Status != "Success" || !ok || sent.ID != "" && sent.ID != one {
		return nil, rest.Malformed(sent.Body, "the answer is no success, or names another record than was written")
	}
	b.Receipt = a.client.Receipt(sent.Body, got)
	b.Settle(sent, connector.Written{ID: one, Created: b.Kind == connector.Create, At: got.Now})
	return b.Out, nil
}

// request makes the call of a write.
func request(op string, w connector.Write) (r rest.Request, one crm.RecordID, err error) {
	r = rest.Request{Op: op, Method: http.MethodPost, Path: leads + "Lead.Create", Write: true, Body: attributes(w.Fields)}
	switch w.Op {
	case connector.Create:
		return r, "", nil
	case connector.Update:
		var ok bool
		if one, ok = id(string(w.ID)); !ok {
			return r, "", gone(op)
		}
		r.Path, r.Query = leads+"Lead.Update", url.Values{"leadId": {string(one)}}
		return r, one, nil
	case connector.Upsert, connector.Archive:
	}
	return r, "", fault.New(op, fault.Unsupported, connector.CodeUnsupported,
		"LeadSquared has no such write, or none that can be taken back")
}
