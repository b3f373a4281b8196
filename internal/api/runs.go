package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/pause"
)

func (s *server) registerRuns() {
	handle(s, "list-runs", s.listRuns)
	handle(s, "get-run", s.getRun)
	handle(s, "cancel-run", s.cancelRun)
	handle(s, "undo-run", s.undoRun)
	handle(s, "run-events", s.runEvents, mediaAnswer("text/event-stream", runEvent))
}

type runPath struct {
	ID crm.RunID `path:"id" maxLength:"200"`
}

func (s *server) listRuns(ctx context.Context, in *struct {
	ListInput
	Connection crm.ConnectionID `query:"connection" minLength:"1" maxLength:"200"`
},
) (*listOutput[engine.Run], error) {
	who := access.From(ctx)
	mine, err := s.visible(ctx, in.Connection)
	if err != nil {
		return nil, err
	}
	runs, next, err := s.Engine.ListRuns(ctx, who.Workspace, in.Connection, in.Limit, in.Cursor)
	if err != nil {
		return nil, err
	}
	until := make([]*engine.Run, len(runs))
	for i := range runs {
		until[i] = &runs[i]
		remedies(runs[i].Waiting)
		runs[i].Remedy = meanings[runs[i].Code].Remedy
	}
	if err := s.Engine.UndoUntil(ctx, who.Workspace, until...); err != nil {
		return nil, err
	}
	return listed(filter(runs, func(r engine.Run) bool { return mine(r.Connection) }), next), nil
}

// visible tells which connections' things the caller may see. Named is the
// connection that the request is about, "" when it is about all.
func (s *server) visible(ctx context.Context, named crm.ConnectionID) (func(crm.ConnectionID) bool, error) {
	if named != "" {
		if _, _, err := s.connection(ctx, named); err != nil {
			return nil, err
		}
		return func(id crm.ConnectionID) bool { return id == named }, nil
	}
	who := access.From(ctx)
	if who.Role != access.Member {
		return func(crm.ConnectionID) bool { return true }, nil
	}
	mine := map[crm.ConnectionID]bool{}
	err := s.eachConnection(ctx, who.Workspace, func(c *crm.Connection) { mine[c.ID] = who.Reads(c.Access) })
	return func(id crm.ConnectionID) bool { return mine[id] }, err
}

func filter[T any](list []T, keep func(T) bool) []T {
	out := make([]T, 0, len(list))
	for _, x := range list {
		if keep(x) {
			out = append(out, x)
		}
	}
	return out
}

// run loads a run whose connection the caller may use. A run outlives its
// connection's document; then only admins and viewers may look at it.
func (s *server) run(
	ctx context.Context, id crm.RunID, may func(access.Principal, crm.Access) bool,
) (engine.Run, error) {
	r, err := s.Engine.GetRun(ctx, access.From(ctx).Workspace, id)
	if err != nil {
		return r, err
	}
	remedies(r.Waiting)
	r.Remedy = meanings[r.Code].Remedy
	return r, s.mayUse(ctx, r.Connection, may)
}

// mayUse checks the access rule of the connection that something belongs to.
func (s *server) mayUse(ctx context.Context, id crm.ConnectionID, may func(access.Principal, crm.Access) bool) error {
	_, _, err := s.connectionFor(ctx, id, may)
	//nolint:errorlint // connectionFor returns it unwrapped
	if p, ok := err.(*Problem); ok && p.Status == http.StatusNotFound &&
		access.From(ctx).Role != access.Member {
		return nil
	}
	return err
}

func (s *server) getRun(ctx context.Context, in *runPath) (*runOutput, error) {
	r, err := s.run(ctx, in.ID, access.Principal.Reads)
	if err != nil {
		return nil, err
	}
	if err := s.Engine.UndoUntil(ctx, access.From(ctx).Workspace, &r); err != nil {
		return nil, err
	}
	return &runOutput{Body: r}, nil
}

func (s *server) cancelRun(ctx context.Context, in *runPath) (*runOutput, error) {
	r, err := s.run(ctx, in.ID, access.Principal.Changes)
	if err != nil {
		return nil, err
	}
	return answer(s.Engine.CancelRun(ctx, access.From(ctx).Workspace, r.ID))
}

func (s *server) undoRun(ctx context.Context, in *runPath) (*planOutput, error) {
	r, err := s.run(ctx, in.ID, access.Principal.Changes)
	if err != nil {
		return nil, err
	}
	p, err := s.Engine.UndoRun(ctx, access.From(ctx).Workspace, r.ID)
	if err != nil {
		return nil, err
	}
	return &planOutput{Location: "/v1/plans/" + string(p.ID), Body: p}, nil
}

// runEvent is one event of a stream.
var runEvent = &huma.Schema{
	Type: huma.TypeObject, Required: []string{"event", "data"}, AdditionalProperties: true,
	Properties: map[string]*huma.Schema{
		"event": {Type: huma.TypeString, Enum: []any{"run"}}, "data": {Type: huma.TypeString, Description: "The run as JSON"},
	},
}

const (
	eventEvery = 500 * time.Millisecond
	// recheckEvery is after how many looks the key is asked for again.
	recheckEvery = 4
	eventsFor    = 15 * time.Minute // then the client connects again
)

// ended reports whether a run will not change any more.
func ended(r engine.Run) bool {
	return r.State == engine.RunDone || r.State == engine.RunFailed || r.State == engine.RunCancelled
}

// runEvents streams a run until it ends: an event "run" with the run at first
// and whenever it changed, a comment as a sign of life in between.
func (s *server) runEvents(ctx context.Context, in *runPath) (*huma.StreamResponse, error) {
	first, err := s.run(ctx, in.ID, access.Principal.Reads)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		_, w := humago.Unwrap(hctx)
		s.stream(ctx, w, first)
	}}, nil
}

func (s *server) stream(ctx context.Context, w http.ResponseWriter, r engine.Run) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	until := s.Now().Add(eventsFor)
	last, looks := "", 0
	for quiet := 0; ; quiet++ {
		_ = out.SetWriteDeadline(time.Now().Add(requestTime)) // for this event; not every host has one
		b, err := json.Marshal(r)
		if err != nil {
			return
		}
		switch {
		case string(b) != last:
			last, quiet = string(b), 0
			_, err = fmt.Fprintf(w, "event: run\ndata: %s\n\n", b)
		case quiet%20 == 19:
			_, err = fmt.Fprint(w, ": waiting\n\n")
		}
		if err != nil || out.Flush() != nil || ended(r) || s.Now().After(until) || pause.For(ctx, eventEvery) != nil {
			return
		}
		if looks++; looks%recheckEvery == 0 && !stillLetIn(ctx) {
			return
		}
		next, err := s.run(ctx, r.ID, access.Principal.Reads)
		if err != nil && !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.Throttled) {
			return
		}
		if err == nil {
			r = next
		}
	}
}
