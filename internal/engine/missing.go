package engine

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// maxMissing bounds how many missing records are kept with the run at a time.
const maxMissing = 2000

// stepMissing looks for links of one side whose record a full listing did not
// meet. Each is read before it counts as gone. They go out in the order of their
// IDs, and the run remembers the last one.
func (s *session) stepMissing(ctx context.Context, r *storedRun) error {
	side, after := crm.Left, r.Position
	if rest, ok := strings.CutPrefix(r.Position, onTheRight); ok {
		side, after = crm.Right, rest
	}
	seen, err := s.loadSeen(ctx, r, side)
	if err != nil {
		return err
	}
	var gone []crm.RecordID
	tells := s.end(side).app.Can(crm.AbilityPush) // what such an app never told is not gone
	err = s.eachLink(ctx, func(l *link) error {
		id := l.id(side)
		if tells || id == "" || string(id) <= after || l.State == crm.StateDeleted || l.By == r.Run.ID {
			return nil
		}
		if _, ok := slices.BinarySearch(seen, hash64(id)); !ok {
			s.Mark("missing_from_listing")
			gone = append(gone, id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(gone)
	more := len(gone) > maxMissing
	gone = gone[:min(len(gone), maxMissing)]
	for _, id := range gone {
		r.Rest = append(r.Rest, hint{ID: id, Gone: true})
	}
	r.RestSide = side
	r.Listed += int64(len(gone))
	r.Seq++
	switch {
	case more && side == crm.Left:
		r.Position = string(gone[len(gone)-1])
	case more:
		r.Position = onTheRight + string(gone[len(gone)-1])
	case side == crm.Left:
		r.Position = onTheRight
	default:
		r.Position, r.Phase = "", r.after(r.Phase)
	}
	if err := s.saveRun(ctx, s.ws, r); err != nil || more {
		return err
	}
	return s.dropSeen(ctx, r, side)
}

// onTheRight begins a run's position when the left side's missing records
// were found.
const onTheRight = "right\x00"

func (s *session) loadSeen(ctx context.Context, r *storedRun, side crm.Side) ([]uint64, error) {
	var out []uint64
	err := s.eachItem(ctx, store.Query{
		Table: store.Links, Workspace: s.ws, Partition: s.seenPage(r.Run.ID, side, 0).Partition,
	}, func(it store.Item) error {
		for b := it.Data; r.Salt == "" && len(b) >= 8; b = b[8:] {
			out = append(out, binary.BigEndian.Uint64(b))
		}
		if r.Salt == "" {
			return nil
		}
		return eachSeen(it.Data, func(x *seenRecord) {
			if !x.gone {
				out = append(out, hash64(x.id))
			}
		})
	})
	slices.Sort(out)
	return out, err
}

func (s *session) dropSeen(ctx context.Context, r *storedRun, side crm.Side) error {
	return s.eachItem(ctx, store.Query{
		Table: store.Links, Workspace: s.ws, Partition: s.seenPage(r.Run.ID, side, 0).Partition,
	}, func(it store.Item) error {
		_, err := s.Store.Write(ctx, store.Write{Op: store.Delete, Item: store.Item{Key: it.Key}})
		return err
	})
}

// eachLink calls f for the head of every link of the sync, aliases left out.
func (s *session) eachLink(ctx context.Context, f func(*link) error) error {
	for shard := range uint32(shards) {
		q := store.Query{Table: store.Links, Workspace: s.ws, Partition: s.shardPartition(shard), Limit: 500}
		err := s.eachItem(ctx, q, func(it store.Item) error {
			l, err := s.headOf(it)
			if err != nil || l.AliasOf != "" {
				return err
			}
			return f(l)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// recount sets the state counters right: a crash between a link and its
// counter leaves them off by a few, and a full run is the time to mend that.
func (s *session) recount(ctx context.Context) error {
	if !s.acquireSoon(ctx) {
		return nil // the sync is busy all the time; the counters are mended after the next full run
	}
	defer s.release(context.WithoutCancel(ctx))
	want := map[string]int64{}
	err := s.eachLink(ctx, func(l *link) error {
		for _, c := range l.counted() {
			want[string(c)]++
		}
		return nil
	})
	if err != nil {
		return err
	}
	item, err := s.Store.Get(ctx, s.counts())
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	for k, n := range item.Counters {
		want[k] -= n
	}
	ws := addWrite(nil, s.counts(), want, time.Time{})
	if len(ws) == 0 {
		return nil
	}
	s.Mark("counters_mended")
	_, err = s.Store.Write(ctx, ws[0])
	return err
}

// acquireSoon takes the lease, waiting a few seconds for a worker that is just
// letting go of it.
func (s *session) acquireSoon(ctx context.Context) bool {
	for range 5 {
		if s.acquire(ctx) == nil {
			return true
		}
		s.Sleep(ctx, time.Second)
	}
	return false
}

func hash64(id crm.RecordID) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	return h
}
