// Package alerts is what is wrong with connections, for the functions that look
// after it and that show it. It is apart from cloud, so that the others do not
// carry it.
package alerts

import (
	"crypto/rand"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/alert"
	"github.com/lockstep-crm/lockstep/internal/app/cloud"
)

// New returns the alerts on the parts of a function.
func New(c *cloud.Cloud) (*alert.Service, error) {
	return alert.New(alert.Options{
		Store: c.Store, Engine: c.Engine, Accounts: c.Accounts, Audit: access.NewAudit(c.Store, time.Now, c.NewID),
		HTTP: c.Guard.Client, CheckURL: c.Guard.CheckURL, Sealer: c.Sealer, Rand: rand.Reader, Now: time.Now, NewID: c.NewID,
		Log: c.Log,
	})
}
