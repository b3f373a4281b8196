package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Changed settings hold for every record that is looked at from then on. To whom
// else they apply is stored with them, so that the runs which see to it begin
// whoever dies: one of everything known where they apply to all, and one that
// notes what differs, and writes nothing, where a mapping holds from now on.

// triedEvery is how long after such a run one that is still owed begins: an app
// that refuses to be listed is not asked by every tick.
const triedEvery = 10 * time.Minute

// knownPage is how many links a run over what is known goes through at once.
const knownPage = 500

// SettingsChanged begins the runs that a connection's saved settings ask for, as
// far as nothing is in the way: what it does not come to, the tick and the pulls do.
// It returns those that were begun for these settings, by whomever.
func (e *Engine) SettingsChanged(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) ([]Run, error) {
	conn, err := e.connection(ctx, ws, id)
	if err != nil {
		return nil, err
	}
	var out []Run
	for _, i := range startOrder(conn) {
		sc := scope{ws, id, conn.Syncs[i].ID}
		st, err := e.loadScan(ctx, sc)
		if err != nil {
			return out, err
		}
		if st.OwedBy != "" && st.Owed == askedRun(conn, sc.sync) { // the tick was faster
			run, err := e.GetRun(ctx, ws, st.OwedBy)
			if err != nil {
				return out, err
			}
			out = append(out, run)
			continue
		}
		kind, _ := st.owes(conn, sc.sync)
		if kind == "" {
			continue
		}
		if err := e.touchAgenda(ctx, sc); err != nil {
			return out, err
		}
		if ok, _ := runnable(conn, sc.sync); !ok || st.OpenRun != "" {
			continue // after that one, or when it is on again
		}
		run, err := e.startOwed(ctx, sc, conn, st)
		if err != nil {
			return out, err
		}
		if run.Kind == kind { // else another one came between
			out = append(out, run)
		}
	}
	return out, nil
}

// owes says which run the settings of a sync, or a person, ask for that has not been
// made; "" = none.
func (st *scanState) owes(conn *crm.Connection, id crm.SyncID) (kind RunKind, later bool) {
	conf, c := conn.Sync(id), conn.Changes[id]
	switch {
	case conf == nil || st.fresh(): // the first run looks at everything
		return "", false
	case st.Asked != "":
		return RunResync, false
	case c.Later > st.Later:
		return RunChange, true
	case c.All > st.All:
		return Following(conf), false
	}
	return st.asked(), false
}

// Following is the kind of the run that applies changed settings of a sync to all.
// Where the first run left those out who were there before, they stay unknown until
// something of them changes.
func Following(s *crm.Sync) RunKind {
	if s.Initial == "changes_only" {
		return RunChange
	}
	return RunResync
}

// owedRun names a run that settings ask for.
func owedRun(kind RunKind, later bool, version int64) string { return fmt.Sprint(kind, later, version) }

// askedRun names the run that the newest version of the settings itself asks for;
// "" = none.
func askedRun(conn *crm.Connection, id crm.SyncID) string {
	switch c, conf := conn.Changes[id], conn.Sync(id); {
	case conf == nil:
	case c.Later == conn.Version:
		return owedRun(RunChange, true, conn.Version)
	case c.All == conn.Version:
		return owedRun(Following(conf), false, conn.Version)
	}
	return ""
}

// attendOwed begins the run that a sync's settings ask for, if nothing else is open.
func (e *Engine) attendOwed(
	ctx context.Context, sc scope, conn *crm.Connection, st *scanState,
) (begun bool, err error) {
	if st.Anew && st.OpenRun == "" {
		_, err := e.startInitial(ctx, sc, conn)
		return err == nil, err
	}
	kind, later := st.owes(conn, sc.sync)
	if kind == "" || st.OpenRun != "" {
		return false, nil
	}
	tried := st.Asked == "" && st.Owed == owedRun(kind, later, conn.Version)
	if age := e.Now().Sub(st.OwedAt); tried && age >= 0 && age < triedEvery {
		return false, nil
	}
	e.Mark("change_followed_up")
	_, err = e.startOwed(ctx, sc, conn, st)
	return err == nil, err
}

// startOwed starts that run. Should another one have become open meanwhile, it is
// owed still.
func (e *Engine) startOwed(ctx context.Context, sc scope, conn *crm.Connection, st *scanState) (Run, error) {
	kind, later := st.owes(conn, sc.sync)
	return e.startRun(ctx, sc, conn, kind, func(r *storedRun) {
		r.Later, r.Full = later, kind == RunResync
		if kind == RunChange {
			r.Phase = phaseKnown
		}
	})
}

// settles notes what of the settings a run that has ended has been applied. One
// that a person cancelled is not begun again.
func (r *storedRun) settles(st *scanState) {
	if r.Run.State != RunDone && (r.Run.State != RunCancelled || r.Run.Code != "") {
		return
	}
	switch {
	case r.Run.Kind == RunPlan:
	case r.Later:
		st.Later = max(st.Later, r.Config)
	case r.Run.Kind == RunChange, r.wholly():
		st.All = max(st.All, r.Config)
	}
}

// stepKnown takes the next links to be gone through: all that is known, or the
// pairs that are older than what holds from now on.
func (s *session) stepKnown(ctx context.Context, r *storedRun) error {
	at := auditState{Place: r.Position}
	links, err := s.auditLinks(ctx, &at, knownPage)
	if err != nil {
		return err
	}
	r.RestSide = crm.Left
	for _, l := range links {
		h := hint{ID: l.Left, Force: true, Later: r.Later}
		switch {
		case r.Later && (!l.paired() || !s.set.Older(l.Joined)):
			continue
		case l.Left == "":
			h.ID = l.Right
			r.Then = append(r.Then, h)
		default:
			r.Rest = append(r.Rest, h)
		}
		r.Listed++
	}
	r.Seq++
	if r.Position = at.Place; r.Position == "" {
		r.Phase = r.after(r.Phase)
	}
	return s.saveRun(ctx, s.ws, r)
}

// decideLater notes of a pair what differs under a mapping that holds from now
// on. Whatever else is the matter with it is for another hint.
func (b *batch) decideLater(u *unit) {
	l := u.link
	u.quiet = true
	if !l.paired() || l.State == crm.StateDeleted {
		u.decide(crm.Unchanged, "", "", "")
		return
	}
	base, fresh := b.set.Later(b.pair(u, l))
	u.decide(crm.Unchanged, l.State, l.Code, l.Detail)
	u.others = l.Others
	if fresh {
		b.Mark("left_apart_from_now_on")
		u.quiet, u.decision.Link, u.decision.Base = false, true, base
	}
}

// rememberLater stores what differs, and nothing else of the pair: it has not been
// decided under the settings yet.
func (b *books) rememberLater(u *unit) {
	if u.decision.Base == nil { // it could not be found out
		return
	}
	l := u.link.clone()
	l.Base = u.decision.Base
	b.keep(u, u.link, l)
}

// errOutdated ends work that was begun under older settings than somebody has
// worked the sync under since: it begins anew, under those of now.
var errOutdated = fault.New("engine: take lease", fault.Conflict, codeOutdated,
	"the settings were changed, and others work under the new ones already")

const codeOutdated = "settings_outdated"

// outdated reports whether the sync has been worked under newer settings. So no
// record that was worked under them is worked under the ones before once more.
func (s *session) outdated(l *lease) bool { return l.Config > s.conn.Version }

// workOf is a fingerprint of what a plan was made under: all that decides about
// the records of a sync.
func workOf(conn *crm.Connection, id crm.SyncID) string {
	of := struct {
		Ends     [2]crm.End
		Zone     crm.PerSide[string]
		Country  string
		Syncs    []crm.Sync
		Changes  crm.Changes
		Existing bool // of activities: those that are older than the sync, too
	}{[2]crm.End{conn.Left, conn.Right}, conn.TimeZone, conn.Country, nil, conn.Changes[id], false}
	of.Changes.All, of.Changes.Later = 0, 0
	for i := range conn.Syncs { // of a record that several could take, the first has it
		one := conn.Syncs[i]
		one.Schedule, one.Initial, one.SecondLook, one.AuditHours = "", "", nil, nil
		one.Activities = crm.Activities{} // they are worked by a sync of their own
		of.Syncs = append(of.Syncs, one)
		if one.ID == id {
			of.Existing = one.About != nil && one.About.Existing
			break
		}
	}
	b, err := json.Marshal(of)
	if err != nil { // a value of an unknown kind: no two are the same
		b = []byte(err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:12])
}
