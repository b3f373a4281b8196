package engine

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Origin says where a message comes from, for logs and metrics.
type Origin struct {
	Chunk      string           `json:"id"`
	Connection crm.ConnectionID `json:"con"`
	Sync       crm.SyncID       `json:"sync"`
	Side       crm.Side         `json:"side"`  // whose records are to be looked at
	Trace      string           `json:"trace"` // as Config.Trace named it; the same when the work was parked or sent again
	Since      time.Time        `json:"since"` // when the change was heard of
}

// OriginOf reads the origin of a message; the zero Origin when it is none of ours.
func OriginOf(body []byte) Origin {
	var o Origin
	if json.Unmarshal(body, &o) != nil {
		return Origin{}
	}
	return o
}

// Lag is the time from hearing of a change to now, when its work has ended; false
// for a message that does not say.
func (o Origin) Lag(now time.Time) (time.Duration, bool) {
	return max(now.Sub(o.Since), 0), !o.Since.IsZero()
}

// Booked are the outcomes that a write to the store books of a sync: each record
// that was not left as it was, once.
type Booked struct {
	Connection crm.ConnectionID
	Sync       crm.SyncID
	Outcomes   map[crm.Outcome]int64
}

// BookedBy reads what a write books; false for any other write.
func BookedBy(w *store.Write) (Booked, bool) {
	of, ok := strings.CutPrefix(w.Item.Key.Partition, "day#")
	if !ok || w.Op != store.Add || w.Item.Key.Table != store.Log {
		return Booked{}, false
	}
	con, sync, _ := strings.Cut(of, "#")
	b := Booked{Connection: crm.ConnectionID(con), Sync: crm.SyncID(sync)}
	for name, n := range w.Item.Counters {
		if o, ok := strings.CutPrefix(name, "o:"); ok {
			if b.Outcomes == nil {
				b.Outcomes = map[crm.Outcome]int64{}
			}
			b.Outcomes[crm.Outcome(o)] += n
		}
	}
	return b, b.Outcomes != nil
}
