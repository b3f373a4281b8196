package engine_test

import (
	"context"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

// lossy is a connector whose answers to writes get lost.
type lossy struct {
	mortal
	lose func(writes []connector.Write, out []connector.Written) error
}

func (c *lossy) BatchWrite(ctx context.Context, object string, writes []connector.Write) ([]connector.Written, error) {
	out, err := c.Connector.BatchWrite(ctx, object, writes)
	if err != nil {
		return out, err
	}
	return out, c.lose(writes, out)
}

// TestS28_ARecordHasOneOutcome: what became of some records of a chunk is not
// known, so that it comes again, once or several times: the others are counted
// with what became of them first, and nobody twice.
func TestS28_ARecordHasOneOutcome(t *testing.T) {
	t.Parallel()
	unknown := func() error {
		return &fault.Error{
			Op: "lossy: write", Kind: fault.Unavailable, Code: "no_answer", Message: "the answer was lost",
			MayHaveLanded: true,
		}
	}
	cases := map[string]struct {
		calls int // to the right side whose answers are lost
		rows  func(n int) []int
		tune  func(*engine.Tuning)
	}{
		"of one record": {calls: 1, rows: func(int) []int { return []int{0} }},
		"of every second, twice": {calls: 2, rows: func(n int) (odd []int) {
			for i := 1; i < n; i += 2 {
				odd = append(odd, i)
			}
			return odd
		}},
		"of whole calls":                {calls: 2},
		"of whole calls, in small lots": {calls: 3, tune: func(tu *engine.Tuning) { tu.ChunkSize, tu.LotSize = 20, 40 }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			left := c.calls
			o := testbed.Options{People: 120, Wrap: func(id crm.AccountID, app connector.Connector) connector.Connector {
				if id != testbed.RightAccount {
					return app
				}
				return &lossy{mortal{Connector: app}, func(_ []connector.Write, out []connector.Written) error {
					if left--; left < 0 {
						return nil
					}
					if c.rows == nil {
						return unknown()
					}
					for _, i := range c.rows(len(out)) {
						out[i] = connector.Written{Err: unknown()}
					}
					return nil
				}}
			}}
			if c.tune != nil {
				c.tune(&o.Tuning)
			}
			made, err := testbed.New(t.Context(), o, nil)
			if err != nil {
				t.Fatal(err)
			}
			b := bed{made, t}
			runs, err := b.Engine.StartConnection(t.Context(), testbed.Workspace, testbed.Connection)
			b.must(err)
			b.drain()
			run, err := b.Engine.GetRun(t.Context(), testbed.Workspace, runs[0].ID)
			b.must(err)
			sum := int64(0)
			for _, n := range run.Outcomes {
				sum += n
			}
			if run.State != engine.RunDone || run.Total == 0 || run.Done != run.Total || sum != run.Total {
				t.Errorf("the run is %s: %d records entered, %d are done, %d have an outcome: %v", run.State, run.Total, run.Done,
					sum, run.Outcomes)
			}
			if left >= 0 {
				t.Errorf("%d answers were not lost", left+1)
			}
			if b.Marks["counted_before_its_chunk"] == 0 && c.rows != nil {
				t.Error("no chunk came again for some of its records")
			}
		})
	}
}
