package hooks

import (
	"net/http"
	"time"

	"github.com/lockstep-crm/lockstep/internal/api"
	"github.com/lockstep-crm/lockstep/internal/app/cloud"
)

// New returns the surface for deliveries on the parts of a function. It calls
// nobody.
func New(c *cloud.Cloud) (http.Handler, error) {
	return api.NewHooks(api.HookOptions{
		Engine: c.Engine, Accounts: c.Accounts, Drivers: c.Drivers, Now: time.Now, NewID: c.NewID, Logger: c.Log,
		PublicURL: c.Environment.PublicURL, AllowHosts: []string{"*"}, // API Gateway lets its own names in only
	})
}
