package parts

import (
	"os"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/apps"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Drivers returns the apps, with those of the documents in a folder; "" = the program's
// own only.
//
// Errors: Invalid with code "invalid_config", for a folder that is not there and for
// documents that cannot be used, each problem with its line.
func Drivers(folder string) (map[crm.AppID]connector.Driver, error) {
	if folder == "" {
		return apps.Drivers(), nil
	}
	if at, err := os.Stat(folder); err != nil || !at.IsDir() {
		return nil, fault.New("read app documents", fault.Invalid, connector.CodeConfig, "LOCKSTEP_APP_DOCUMENTS: "+folder+
			" is no folder that can be read")
	}
	return apps.With(os.DirFS(folder))
}

// Documents reads what workspaces describe for themselves.
type Documents = apps.Reader
