package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// fence writes what is remembered of a record that is not paired once more.
// Whoever began to pair it and has lost the lease since holds an older version
// now: its link, or the alias that goes before it, is refused.
// Of a pair that was about to be stored the fence remembers the other record:
// it is the twin, whatever the two are called by the time somebody looks.
func (s *session) fence(ctx context.Context, side crm.Side, id, twin crm.RecordID) error {
	u := &unit{side: side, id: id}
	if err := s.loadLinks(ctx, []*unit{u}); err != nil {
		return err
	}
	if u.link.paired() || u.link == nil && u.born != "" { // its alias says whose twin it is
		return nil
	}
	s.Mark("fenced")
	l := u.link.clone()
	if u.link == nil {
		l.setID(side, id)
		l.State, l.Code, l.Made, l.Since = crm.StateWaiting, codeCreateInFlight, s.Now(), s.Now()
	}
	if l.Code == codeCreateInFlight && twin != "" {
		l.Others = []crm.RecordID{twin}
	}
	item, err := l.item(s.scope)
	if err != nil {
		return err
	}
	ws := []store.Write{{Item: item, If: store.IfVersion(u.versions.Get(side))}}
	if u.link == nil {
		ws = addWrite(ws, s.counts(), map[string]int64{string(side) + ":" + string(crm.StateWaiting): 1}, time.Time{})
	}
	if err := s.Store.Transact(ctx, ws); err != nil {
		return fmt.Errorf("fence a record: %w", err)
	}
	return nil
}

// codeCreateInFlight marks a record whose twin may have been created already.
const codeCreateInFlight = "create_in_flight"
