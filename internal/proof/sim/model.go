package sim

import (
	"context"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/modelapp"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// model is a model app of the world.
type model struct {
	*modelapp.App
	w      *world
	tokens *grant

	telling bool // a complete read tells what is blank from what is gone
}

func newModel(w *world, o modelapp.Options) *model {
	m := &model{App: modelapp.New(o), w: w, telling: o.Blank != crm.BlankOmitted || o.RefuseGone}
	m.tokens = &grant{w: w, mint: m.Token}
	m.tokens.renew()
	if w.set.lateness() {
		m.Late = w.lateness
	}
	return m
}

func (m *model) open() connector.Connector   { return m.App.Open(m.tokens, nil) }
func (m *model) object() string              { return modelapp.Object }
func (m *model) field(logical string) string { return m.Name(logical) }

func (m *model) create(f crm.Fields) (crm.RecordID, error)     { return m.Create(f) }
func (m *model) edit(id crm.RecordID, f crm.Fields) error      { return m.Edit(id, f) }
func (m *model) delete(id crm.RecordID) error                  { return m.Delete(id) }
func (m *model) restore(id crm.RecordID) error                 { return m.Restore(id) }
func (m *model) merge(a, b crm.RecordID) (crm.RecordID, error) { return m.Merge(a, b) }

func (m *model) archive(field string, away bool) bool {
	switch {
	case !away:
		m.Unarchive(field)
		return true
	case !m.telling:
		return false // to us, a field that is gone and one that is blank are the same
	}
	return m.Archive(field)
}

func (m *model) get(id crm.RecordID) (row, bool) {
	r, ok := m.Row(id)
	return row{r.ID, r.Fields, r.Deleted, r.Into}, ok
}

func (m *model) rows() []row {
	all := m.Rows()
	out := make([]row, len(all))
	for i, r := range all {
		out[i] = row{r.ID, r.Fields, r.Deleted, r.Into}
	}
	return out
}

func (m *model) expireToken() { m.ExpireTokens(); m.tokens.expired() }

func (m *model) revoke(gone bool) {
	m.tokens.gone = gone
	if gone {
		m.RevokeTokens()
		return
	}
	m.AllowTokens()
	m.tokens.renew()
}

// grant hands out the account's token; all processes share it, and it is made
// anew at most once per expiry.
type grant struct {
	w       *world
	mint    func() secret.Text
	current secret.Text
	gone    bool
	stale   bool
	life    time.Duration // 0 = a token lives until it is made to expire
	minted  time.Time
}

func (g *grant) renew() { g.current, g.minted = g.mint(), g.w.now }

// Token implements connector.Tokens.
func (g *grant) Token(context.Context) (secret.Text, error) { return g.current, nil }

// Renew implements connector.Tokens.
func (g *grant) Renew(_ context.Context, stale secret.Text) (secret.Text, error) {
	switch {
	case g.gone:
		return secret.Text{}, fault.New("sim: renew", fault.Denied, "reauthorization_required", "the grant is gone")
	case stale.Reveal() != g.current.Reveal():
		return g.current, nil
	}
	if !g.stale && (g.life == 0 || g.w.now.Sub(g.minted) < g.life) {
		g.w.violated("S19", "a token was renewed that had not expired")
	}
	g.stale = false
	g.w.mark("token_renewed")
	g.renew()
	return g.current, nil
}

func (g *grant) expired() { g.stale = true }

var (
	_ app              = (*model)(nil)
	_ connector.Tokens = (*grant)(nil)
)
