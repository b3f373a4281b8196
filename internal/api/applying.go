package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// A save of a connection that was started says to whom it applies: to all records
// that are known, by a run, or from now on.

// The words of apply.
const (
	applyAll       = "all"
	applyFromNowOn = "from_now_on"
)

// ApplyInput is what a save says of whom it applies to.
type ApplyInput struct {
	Apply string `query:"apply" enum:"all,from_now_on" doc:"Of a connection that was started: all (unless told) looks at every record that is known under the changed settings, by a run; from_now_on leaves apart what differs today in linked pairs under the changed mappings, and otherwise holds for each record when it changes next. all without a change applies what was saved from now on before"`
}

// applying is to whom a save applies, and where that was said.
type applying struct {
	word string // "" = as usual
	sync crm.SyncID
	line crm.MappingID
	part string // of the sync; "" = all of it
}

// follow notes with the settings to whom they apply, as version. asked says that
// there is something to note.
func (a applying) follow(now, next *crm.Connection, version int64) (changes map[crm.SyncID]crm.Changes, asked bool) {
	said := func(sync crm.SyncID) bool {
		parent, _ := sync.Parent()
		return a.word == applyAll && (a.sync == "" || a.sync == sync || a.sync == parent && a.part == "")
	}
	return now.Apply(next, version, crm.Applying{
		FromNowOn: a.word == applyFromNowOn,
		Sync:      said,
		Line: func(sync crm.SyncID, line crm.MappingID) bool {
			return said(sync) && (a.part == "" || a.part == "mappings") && (a.line == "" || a.line == line)
		},
	})
}

// applied is what a save says of whom it applies to.
type applied struct {
	To   string   `json:"to" enum:"all,from_now_on"`
	Runs []appRun `json:"runs" nullable:"false" doc:"Runs that it began; of a sync that is off, or that another run is open of, one begins after that"`
}

// appRun is a run that a save began.
type appRun struct {
	Sync crm.SyncID     `json:"sync"`
	Run  crm.RunID      `json:"run"`
	Kind engine.RunKind `json:"kind" enum:"resync,change"`
}

// refuse refuses to say of a draft to whom it applies: nobody is linked yet.
func (a applying) refuse(old *crm.Connection) *Problem {
	if a.word == "" || old.Status != crm.StatusDraft {
		return nil
	}
	return problem(http.StatusConflict, CodeNotStarted, "", ProblemItem{
		Parameter: "query.apply", Detail: meaning(CodeNotStarted), Code: CodeNotStarted,
	})
}

// tell adds to the answer of a save what it touches, and lets the runs begin. The
// change is stored whatever comes of it: the tick begins what this does not.
func (s *server) tell(ctx context.Context, old *crm.Connection, out *connectionOutput, a applying) {
	fresh := &out.Body.Connection
	if fresh.Version == old.Version {
		return
	}
	touches, err := s.touches(ctx, old, fresh)
	if err != nil {
		s.notDone(ctx, "tell what a change touches", old.ID, err)
	}
	if a.word == applyFromNowOn {
		noting(fresh, touches)
	}
	out.Body.Touches = touches
	said := &applied{To: a.word, Runs: []appRun{}}
	if said.To == "" {
		said.To = applyAll
	}
	runs, err := s.Engine.SettingsChanged(ctx, access.From(ctx).Workspace, old.ID)
	if err != nil {
		s.notDone(ctx, "apply changed settings", old.ID, err)
	}
	for i := range runs {
		said.Runs = append(said.Runs, appRun{runs[i].Sync, runs[i].ID, runs[i].Kind})
	}
	out.Body.Applied = said
}

// noting says of what a save touches from now on which run follows: one that notes
// what differs under mappings, and none for what holds when a record changes next.
func noting(fresh *crm.Connection, touches []touched) {
	for i := range touches {
		one := &touches[i]
		notes := one.What != "rules" && one.What != "match" && fresh.Changes[one.Sync].Later == fresh.Version
		if one.Follows != "" && notes {
			one.Follows = engine.RunChange
			continue
		}
		one.Follows = ""
	}
}

// saidOf is what the answer of a part says of it, in a header: the answer itself
// is the part.
func saidOf(c *connection) string {
	if c.Applied == nil {
		return ""
	}
	short := make([]touched, len(c.Touches))
	for i := range c.Touches {
		short[i] = c.Touches[i]
		short[i].Detail = ""
	}
	b, err := json.Marshal(struct {
		applied
		Touches []touched `json:"touches"`
	}{*c.Applied, short[:min(len(short), maxTold)]})
	if err != nil {
		return ""
	}
	return string(b)
}

// maxTold bounds the touches of a header.
const maxTold = 20

// notDone logs what a save could not do beside saving.
func (s *server) notDone(ctx context.Context, what string, id crm.ConnectionID, err error) {
	s.Logger.ErrorContext(ctx, "not done with a save", "what", what, "request_id", requestID(ctx),
		"connection", string(id), "error", err.Error())
}
