package modelapp

import (
	"strconv"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// Token makes a new access token; those before are refused from now on.
func (a *App) Token() secret.Text {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.made++
	a.valid = "model-token-" + strconv.Itoa(a.made)
	return secret.NewText(a.valid)
}

// ExpireTokens makes the app refuse the tokens made so far, and returns how
// many it hit.
func (a *App) ExpireTokens() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.valid = ""
	return a.made
}

// Break makes batch reads fail at these records alone, until it is called again.
func (a *App) Break(ids ...crm.RecordID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.broken = map[crm.RecordID]bool{}
	for _, id := range ids {
		a.broken[id] = true
	}
}

// RevokeTokens makes the app refuse every token until AllowTokens.
func (a *App) RevokeTokens() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone = true
	return a.made
}

// AllowTokens takes a revocation back.
func (a *App) AllowTokens() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone = false
}
