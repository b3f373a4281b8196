package connectortest

import (
	"context"
	"fmt"
	"sync"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// Kit makes a Fake of a fake app built on fakekit.
func Kit(core *fakekit.Core) Fake { return kit{core} }

type kit struct{ core *fakekit.Core }

func (k kit) Create(object string, fields map[string]string) (crm.RecordID, error) {
	r, err := k.core.CreateRecord(object, fields)
	if err != nil {
		return "", err
	}
	return crm.RecordID(r.ID), nil
}

func (k kit) Update(object string, id crm.RecordID, fields map[string]string) error {
	_, err := k.core.UpdateRecord(object, string(id), fields)
	return err
}

func (k kit) Delete(object string, id crm.RecordID) error {
	return k.core.DeleteRecord(object, string(id))
}

func (k kit) Merge(object string, id, into crm.RecordID) (crm.RecordID, error) {
	r, err := k.core.MergeRecord(object, string(id), string(into))
	if err != nil {
		return "", err
	}
	return crm.RecordID(r.ID), nil
}

func (k kit) Live(object string) map[crm.RecordID]map[string]string {
	out := map[crm.RecordID]map[string]string{}
	for _, r := range k.core.Records(object) {
		if !r.Deleted {
			out[crm.RecordID(r.ID)] = r.Fields
		}
	}
	return out
}

func (k kit) Break(ids ...crm.RecordID) {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = string(id)
	}
	k.core.Break(names...)
}

func (k kit) Inject(f fakekit.Fault) error { return k.core.Inject(f) }
func (k kit) ExpireTokens() int            { return k.core.ExpireTokens() }
func (k kit) RevokeTokens() int            { return k.core.RevokeTokens() }
func (k kit) Calls() int                   { return k.core.Requests().Total }

func (k kit) Hook(url, secret string) {
	k.core.SetWebhooks(fakekit.Webhooks{URL: url, Secret: secret})
}

func (k kit) Deliveries() []connector.WebhookRequest {
	var out []connector.WebhookRequest
	for _, d := range k.core.Take() {
		out = append(out, connector.WebhookRequest{
			Method: d.Packed.Method, URL: d.Packed.URL, Header: d.Packed.Header, Body: d.Packed.Body,
		})
	}
	return out
}

// Tokens is a connector.Tokens that makes a new token when the present one is
// refused, until it is told that the grant is gone.
type Tokens struct {
	mu      sync.Mutex
	mint    func() secret.Text
	current secret.Text
	renewed int
	gone    bool
}

// NewTokens returns tokens that mint makes.
func NewTokens(mint func() secret.Text) *Tokens { return &Tokens{mint: mint, current: mint()} }

// Token implements connector.Tokens.
func (t *Tokens) Token(context.Context) (secret.Text, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current, nil
}

// Renew implements connector.Tokens.
func (t *Tokens) Renew(_ context.Context, stale secret.Text) (secret.Text, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if stale.Reveal() != t.current.Reveal() {
		return t.current, nil
	}
	if t.gone {
		return secret.Text{}, fault.New("renew token", fault.Denied, "reauthorization_required", "the grant is gone")
	}
	t.renewed++
	t.current = t.mint()
	return t.current, nil
}

// Renewed counts the tokens made after the first.
func (t *Tokens) Renewed() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.renewed
}

// End makes the next Renew fail as a revoked grant does.
func (t *Tokens) End() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gone = true
}

func email(i int) string { return fmt.Sprintf("person%d@example.com", i) }

func pad(i int) string { return fmt.Sprintf("%06d", i) }

// text names number i in letters, for names.
func text(i int) string {
	b := []byte{}
	for ; ; i = i/26 - 1 {
		b = append([]byte{byte('a' + i%26)}, b...)
		if i < 26 {
			return string(b)
		}
	}
}

var _ connector.Tokens = (*Tokens)(nil)
