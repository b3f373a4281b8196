package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// contested are the rules under which a value that somebody typed gives way to
// another one that was not agreed on either.
var contested = []reconcile.FieldRule{
	reconcile.RuleConflictLeft, reconcile.RuleConflictRight, reconcile.RuleConflictNewest, reconcile.RuleFirstDifference,
}

// lost lists the users' values that a unit's write on side takes the place of
// without their having been agreed, or because a person decided so. The intent
// keeps them, so that the log can tell of them whoever finishes the work.
func (s *session) lost(u *unit, side crm.Side) []Diff {
	gives := func(m crm.MappingID, r reconcile.FieldRule) bool {
		_, decided := u.resolutions[m]
		return decided || slices.Contains(contested, r)
	}
	if !slices.ContainsFunc(u.decision.Fields, func(f reconcile.FieldDecision) bool { return gives(f.Mapping, f.Rule) }) {
		return nil
	}
	return slices.DeleteFunc(s.diffs(u), func(d Diff) bool {
		return d.Side != side || d.Before.Blank() || !gives(d.Mapping, reconcile.FieldRule(d.Rule))
	})
}

// logLost enters the losers of an intent's writes in the log. A record that
// still holds such a value was not written, and has lost nothing. The page is
// named after the intent: told twice, it is there once.
func (s *session) logLost(ctx context.Context, in *intent, pairs []*openPair) error {
	var entries []logEntry
	for _, p := range pairs {
		for _, side := range crm.Sides {
			e, r := p.entries.Get(side), p.rec.Get(side)
			if e == nil {
				continue
			}
			// Of a record that is gone since nobody can tell, nor of one whose app only pushes: it
			// may have been written and not told yet. Better one entry too many.
			shown := r != nil && !s.end(side).app.Can(crm.AbilityPush)
			diffs := slices.DeleteFunc(slices.Clone(e.Lost), func(d Diff) bool {
				return shown && r.Fields[d.Field].Equal(d.Before)
			})
			if len(diffs) == 0 {
				continue
			}
			s.Mark("loser_logged_by_recovery")
			way := crm.WayTo(side)
			entries = append(entries, logEntry{Entry: Entry{
				Time: s.Now(), Connection: s.con, Sync: s.sync, Side: side, Way: way, Record: p.hint.on(side),
				Partner: p.hint.on(side.Other()), Outcome: crm.Updated, Behavior: s.conf.Behavior.Get(way), Diffs: s.shown(diffs),
				Settings: s.conn.Version,
			}})
		}
	}
	if len(entries) == 0 {
		return nil
	}
	days, err := s.logDaysOf(ctx, s.ws)
	if err != nil {
		return err
	}
	pages, err := s.logPages("pg_"+strings.TrimPrefix(in.ID, "int_"), entries, days)
	if err != nil {
		return err
	}
	if err = s.Store.Transact(ctx, pages); fault.Is(err, fault.Conflict) {
		return nil // whoever recovered before has told it
	}
	return err
}
