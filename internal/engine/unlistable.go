package engine

import (
	"context"
	"errors"

	"github.com/lockstep-crm/lockstep/internal/fault"
)

// codeListingRefused is what a sync waits for whose app refuses to list its
// records at all, whatever it is asked again.
const codeListingRefused = "listing_refused"

// refusedForGood reports whether an app refused a call in a way that the same
// call will not change: too many fields, an object that is gone, a request that
// it does not take. A cursor that is too old is not the app's last word.
func refusedForGood(err error) bool {
	var at *sideError
	if !errors.As(err, &at) || fault.CodeOf(err) == "cursor_expired" {
		return false
	}
	kind := fault.KindOf(err)
	return kind == fault.Invalid || kind == fault.Unsupported || kind == fault.NotFound
}

// refused ends a run whose listing an app refuses for good, and says so: it is
// no use to go on asking as if nothing were. The tick finds out when the app
// takes the question again, which a setting or somebody in the app has to bring
// about. It answers the error when the run goes on all the same.
func (s *session) refused(ctx context.Context, r *storedRun, err error) error {
	switch r.Phase {
	case phaseLeft, phaseRight, phaseAgainLeft, phaseAgainRight, phaseSweepLeft, phaseSweepRight:
	case phaseAudit, phaseAuditRight, phaseSendLeft, phaseSendRight, phaseApply, phaseUndo, phaseKnown, phaseDrain,
		phaseMissing, phaseConfirm, phaseOver:
		return err
	}
	if !refusedForGood(err) {
		return err
	}
	known, werr := s.noteRefusal(ctx, err)
	if werr != nil {
		return errors.Join(err, werr)
	}
	if r.version == 0 && known {
		return err // said by an earlier run
	}
	s.Mark("listing_refused")
	if r.Run.Kind == RunPlan {
		if perr := s.failPlan(ctx, r); perr != nil {
			return perr
		}
	}
	fresh := r.version == 0
	if ferr := s.finish(ctx, s.scope, r, RunFailed, codeListingRefused, safeSide(err)); ferr != nil {
		return ferr
	}
	if fresh {
		return err // whoever pulled has to know
	}
	return nil
}

// noteRefusal stores that the sync waits until an app lists again; known says
// that it did already.
func (s *session) noteRefusal(ctx context.Context, err error) (known bool, _ error) {
	var at *sideError
	if !errors.As(err, &at) {
		return false, nil
	}
	w := Waiting{
		Code: codeListingRefused, Side: at.side, Account: s.conn.Account(at.side), Since: s.Now(), Detail: refusal(err),
	}
	stored, _, lerr := s.loadOutages(ctx, s.scope)
	if lerr != nil {
		return false, lerr
	}
	for i := range stored.Waits {
		known = known || w.same(&stored.Waits[i])
	}
	if known {
		return true, nil
	}
	return false, s.noteWaiting(ctx, s.scope, &w)
}

// refusal is the app's word with its code or kind, safe to show.
func refusal(err error) string {
	return fault.CodeOf(err) + ": " + safeText(err)
}

// safeSide is what an admin may read of trouble with one app.
func safeSide(err error) string {
	var at *sideError
	if errors.As(err, &at) {
		return string(at.side) + ": " + at.doing + ": " + refusal(err)
	}
	return refusal(err)
}

// failPlan tells a plan that it will not be finished.
func (s *session) failPlan(ctx context.Context, r *storedRun) error {
	p, version, err := s.loadPlan(ctx, s.ws, r.Run.Plan)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	p.Plan.State = RunFailed
	return s.savePlan(ctx, s.ws, p, version)
}
