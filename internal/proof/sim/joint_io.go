package sim

import (
	"context"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// jointIO is the connector of one account of a small world as a process meets it.
type jointIO struct {
	connector.Connector
	w     *world
	wrote func(object string, w *connector.Write, out *connector.Written) // each row that landed
}

// jointCall is one request to the app: faults before, the request, faults after.
func jointCall[T any](c jointIO, op uint64, write bool, do func() (T, error)) (T, error) {
	var zero T
	j := c.w
	if err := j.enter(op); err != nil {
		return zero, err
	}
	if j.cur == nil {
		return do()
	}
	j.calls[0]++
	switch {
	case j.strike("app_429"):
		return zero, &fault.Error{
			Op: "sim: app", Kind: fault.Throttled, Code: "rate_limited",
			RetryAfter: time.Duration(j.rng.between(1, 90)) * time.Second,
		}
	case j.strike("app_5xx"):
		return zero, unavailable("sim: app", write)
	}
	j.sleep(j.latency(crm.Left) / 2)
	if j.cur.dead {
		return zero, errDead
	}
	out, err := do()
	j.sleep(j.latency(crm.Left) / 2)
	if err := j.leave(op); err != nil {
		return zero, err
	}
	if err == nil && write && j.strike("app_lost_reply") {
		return zero, unavailable("sim: app", true)
	}
	return out, err
}

// Fields implements connector.Connector.
func (c jointIO) Fields(ctx context.Context, object string) ([]crm.Field, error) {
	return jointCall(c, opFields, false, func() ([]crm.Field, error) { return c.Connector.Fields(ctx, object) })
}

// Changes implements connector.Connector.
func (c jointIO) Changes(ctx context.Context, req connector.ChangesRequest) (connector.ChangesPage, error) {
	return jointCall(c, opChanges, false, func() (connector.ChangesPage, error) { return c.Connector.Changes(ctx, req) })
}

// BatchRead implements connector.Connector.
func (c jointIO) BatchRead(
	ctx context.Context, object string, ids []crm.RecordID, fields []string,
) ([]connector.Read, error) {
	return jointCall(c, opRead, false, func() ([]connector.Read, error) {
		return c.Connector.BatchRead(ctx, object, ids, fields)
	})
}

// BatchFind implements connector.Connector.
func (c jointIO) BatchFind(
	ctx context.Context, object string, field crm.Field, values, fields []string,
) ([][]crm.Record, error) {
	return jointCall(c, opFind, false, func() ([][]crm.Record, error) {
		return c.Connector.BatchFind(ctx, object, field, values, fields)
	})
}

// BatchWrite implements connector.Connector.
func (c jointIO) BatchWrite(ctx context.Context, object string, ws []connector.Write) ([]connector.Written, error) {
	return jointCall(c, opAppWrite, true, func() ([]connector.Written, error) {
		out, err := c.Connector.BatchWrite(ctx, object, ws)
		for i := range out {
			if err == nil && out[i].Err == nil {
				c.w.writes++
				c.w.tell("WRITE %s (created %v): %v", out[i].ID, out[i].Created, shown(ws[i].Fields))
				c.wrote(object, &ws[i], &out[i])
			}
		}
		return out, err
	})
}

// Extras implements connector.Connector.
func (c jointIO) Extras() connector.Extras {
	return c.Connector.Extras().Around(func(_ context.Context, method string, do func() error) error {
		_, err := jointCall(c, extraOps[method], false, func() (struct{}, error) { return struct{}{}, do() })
		return err
	})
}

var _ connector.Connector = jointIO{}
