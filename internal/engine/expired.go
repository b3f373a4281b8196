package engine

import (
	"context"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

const (
	codeCursorExpired = "cursor_expired" // the app has forgotten where a listing stood
	codeLongPause     = "long_pause"     // nobody looked for longer than apps remember
)

// everythingBecause is what the run of a full listing says that nobody asked for.
var everythingBecause = map[string]string{
	codeCursorExpired: codeCursorExpired + ": an app has forgotten where the last listing stood, so everything is listed",
	codeLongPause:     codeLongPause + ": the sync stood still for more than 14 days, so everything is listed",
}

// rememberedFor is how long apps can be trusted to tell what happened: the
// recycle bins with the shortest memory keep 15 days.
const rememberedFor = 14 * 24 * time.Hour

// stoodTooLong reports whether a sync was last pulled so long ago that a listing
// of changes does not tell all that happened since.
func (e *Engine) stoodTooLong(st *scanState) bool {
	return !st.LatestPull.IsZero() && e.Now().Sub(st.LatestPull) > rememberedFor
}

// everything makes a run begin anew, with a listing of all records of both
// sides: only that tells what is gone.
func (s *session) everything(r *storedRun, why string) {
	s.Mark("lists_everything")
	s.Log.Warn("everything is listed", "connection", s.con, "sync", s.sync, "run", r.Run.ID, "code", why)
	r.Full, r.Because, r.Salt = true, why, s.NewID("slt")
	r.Phase, r.Position, r.Moved = phaseLeft, "", false
	r.Cursor, r.Mark, r.Again, r.Audit = crm.PerSide[string]{}, crm.PerSide[string]{}, nil, nil
}

// sweepAnew lets the next sweep of deletions begin with all that the apps know:
// the listing of everything found what is gone, and their old places have
// expired, too.
func (s *session) sweepAnew(ctx context.Context) error {
	for range 5 {
		st, err := s.loadScan(ctx, s.scope)
		if err != nil {
			return err
		}
		st.Sweep, st.SweptAt = crm.PerSide[string]{}, s.Now()
		if err = s.saveScan(ctx, s.scope, st); !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return fault.New("engine: sweep anew", fault.Unavailable, "busy", "the sync is busy")
}

// pullEverything is a pull that lists all there is. The run is stored before it
// begins, so that it goes on in any process, and is the only one.
func (s *session) pullEverything(ctx context.Context, r *storedRun, st *scanState, why string) error {
	s.everything(r, why)
	if st.OpenRun != r.Run.ID {
		ok, err := s.openPull(ctx, r, st)
		if err != nil || !ok {
			return err
		}
	} else if err := s.saveRun(ctx, s.ws, r); err != nil {
		return err
	}
	return s.advance(ctx, r)
}

// openPull stores a pull and makes it the sync's open run. False: another one
// was faster.
func (s *session) openPull(ctx context.Context, r *storedRun, st *scanState) (bool, error) {
	st.OpenRun = r.Run.ID
	open, err := s.scanWrite(s.scope, st)
	if err != nil {
		return false, err
	}
	err = s.launch(ctx, s.scope, r, open) // in one: a run that nobody knows of would be open for ever
	if fault.Is(err, fault.Conflict) {
		s.Mark("pull_lost_race")
		return false, nil
	}
	if err != nil {
		return false, err
	}
	r.version, r.unsaved = r.version+1, false // versions grow by one with every write
	st.version++
	return true, nil
}

// expired reports whether an app has forgotten where a run's listing stood.
func (s *session) expired(r *storedRun, err error) bool {
	return fault.CodeOf(err) == codeCursorExpired && !r.Full
}

// because is the code of a run that lists everything although nobody asked.
func (r *Run) because() string {
	for code, text := range everythingBecause {
		if strings.HasPrefix(r.Detail, text) {
			return code
		}
	}
	return ""
}
