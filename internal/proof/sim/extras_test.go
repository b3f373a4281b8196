package sim

import (
	"context"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
)

// TestAppsKeepTheirExtras: what an app can do besides, it can do in a world, and
// each call of it is a boundary of its own.
func TestAppsKeepTheirExtras(t *testing.T) {
	t.Parallel()
	for _, wrap := range []func(connector.Connector) connector.Connector{
		func(c connector.Connector) connector.Connector { return appIO{Connector: c, w: &world{}} },
		func(c connector.Connector) connector.Connector { return jointIO{Connector: c, w: &world{}} },
		func(c connector.Connector) connector.Connector { return opMarked{c, t} },
	} {
		connectortest.Forwards(t, nil, wrap)
	}
}

// opMarked looks whether each call has a mark.
type opMarked struct {
	connector.Connector
	t *testing.T
}

func (m opMarked) Extras() connector.Extras {
	return m.Connector.Extras().Around(func(_ context.Context, method string, do func() error) error {
		if extraOps[method] == 0 {
			m.t.Errorf("calls of %q have no mark", method)
		}
		return do()
	})
}
