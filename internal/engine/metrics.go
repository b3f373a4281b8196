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

// DayOutcomes returns the outcomes that a write to the store books: each record
// that was not left as it was, once. nil for any other write.
func DayOutcomes(w *store.Write) map[crm.Outcome]int64 {
	if w.Op != store.Add || w.Item.Key.Table != store.Log || !strings.HasPrefix(w.Item.Key.Partition, "day#") {
		return nil
	}
	var out map[crm.Outcome]int64
	for name, n := range w.Item.Counters {
		if o, ok := strings.CutPrefix(name, "o:"); ok {
			if out == nil {
				out = map[crm.Outcome]int64{}
			}
			out[crm.Outcome(o)] += n
		}
	}
	return out
}
