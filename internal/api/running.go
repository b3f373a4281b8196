package api

import (
	"context"
	"net/http"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

func (s *server) registerRunning() {
	handle(s, "start-connection", s.startConnection)
	handle(s, "pause-connection", s.pauseConnection)
	handle(s, "get-status", s.getStatus)
	handle(s, "get-readiness", s.getReadiness)
	handle(s, "export-readiness", s.exportReadiness, csvAnswer)
	handle(s, "get-webhooks", s.getWebhooks)
	handle(s, "rotate-webhooks", s.rotateWebhooks)
	handle(s, "pull-sync", s.startRun(engine.RunPull))
	handle(s, "resync-sync", s.startRun(engine.RunResync))
	handle(s, "confirm-deletions", s.confirmDeletions)
	handle(s, "discard-deletions", s.discardDeletions)
	handle(s, "list-held", s.listHeld)
	handle(s, "release-held", s.releaseHeld)
	handle(s, "confirm-changes", s.confirmChanges)
	handle(s, "discard-changes", s.discardChanges)
}

// started is the answer of start.
type started struct {
	Status   crm.Status    `json:"status"`
	Runs     []engine.Run  `json:"runs" nullable:"false"`
	Warnings []ProblemItem `json:"warnings" nullable:"false" doc:"What to know of the document; validate says the same before"`
}

type startedOutput struct {
	Location string `header:"Location"`
	Body     started
}

func (s *server) startConnection(ctx context.Context, in *connectionPath) (*startedOutput, error) {
	c, _, err := s.changeable(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if c.Status == crm.StatusDeleting {
		return nil, problem(http.StatusConflict, CodeDeleting, "")
	}
	who := access.From(ctx)
	var runs []engine.Run
	err = s.asWhole(ctx, c, func() error {
		return s.audit.Do(ctx, who, requestID(ctx), "connection.start", string(c.ID), statusJSON(c.Status),
			statusJSON(crm.StatusActive), func() error {
				var err error
				runs, err = s.Engine.StartConnection(ctx, who.Workspace, c.ID)
				return err
			})
	})
	if err != nil {
		return nil, err
	}
	some(&runs)
	out := &startedOutput{
		Body: started{Status: s.statusNow(ctx, c.ID, crm.StatusActive), Runs: runs, Warnings: s.warnings(ctx, c)},
	}
	if len(runs) > 0 {
		out.Location = runAddress(runs[0].ID)
	}
	return out, nil
}

func statusJSON(status crm.Status) []byte { return []byte(`{"status":"` + string(status) + `"}`) }

// statusNow reads the status after the engine changed it.
func (s *server) statusNow(ctx context.Context, id crm.ConnectionID, otherwise crm.Status) crm.Status {
	c, _, err := s.connection(ctx, id)
	if err != nil {
		return otherwise
	}
	return c.Status
}

func (s *server) pauseConnection(ctx context.Context, in *connectionPath) (*connectionOutput, error) {
	c, _, err := s.changeable(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if c.Status == crm.StatusDeleting {
		return nil, problem(http.StatusConflict, CodeDeleting, "")
	}
	who := access.From(ctx)
	err = s.audit.Do(ctx, who, requestID(ctx), "connection.pause", string(c.ID), statusJSON(c.Status),
		statusJSON(crm.StatusPaused), func() error {
			return s.Engine.PauseConnection(ctx, who.Workspace, c.ID)
		})
	if err != nil {
		return nil, err
	}
	if c, _, err = s.connection(ctx, in.ID); err != nil {
		return nil, err
	}
	return s.shown(ctx, c)
}

// connectionStatus is where a connection and its syncs stand.
type connectionStatus struct {
	Connection crm.ConnectionID    `json:"connection"`
	Status     crm.Status          `json:"status"`
	Enabled    bool                `json:"enabled"`
	Syncs      []engine.SyncStatus `json:"syncs" nullable:"false"`
	Webhooks   []webhookTrouble    `json:"webhooks" nullable:"false" doc:"Sides whose app's deliveries were refused, by reason, with what to do about it"`
	Warnings   []ProblemItem       `json:"warnings" nullable:"false" doc:"What to know of the document; pointers are into it"`
	Problems   []ProblemItem       `json:"problems,omitzero" doc:"Of a draft: what keeps it from being started; absent once it was started"`
}

// webhookTrouble is what was refused of one side's app.
type webhookTrouble struct {
	Side    crm.Side      `json:"side"`
	Account crm.AccountID `json:"account"`
	Refused []refusedHook `json:"refused" nullable:"false"`
}

// refusedFor is how long a refused delivery is warned of.
const refusedFor = 24 * time.Hour

// webhookTroubles lists what was refused of the apps of a connection; lately
// says that some of it is new.
func (s *server) webhookTroubles(
	ctx context.Context, c *crm.Connection,
) (out []webhookTrouble, lately bool, err error) {
	out = []webhookTrouble{}
	for _, side := range crm.Sides {
		refused, err := s.Accounts.Refusals(ctx, access.From(ctx).Workspace, c.Account(side))
		if err != nil {
			return nil, false, err
		}
		if len(refused) == 0 {
			continue
		}
		out = append(out, webhookTrouble{Side: side, Account: c.Account(side), Refused: refusedHooks(refused)})
		for _, r := range refused {
			lately = lately || s.Now().Sub(r.Last) < refusedFor
		}
	}
	return out, lately, nil
}

type statusOutput struct {
	Body connectionStatus
}

func (s *server) getStatus(ctx context.Context, in *connectionPath) (*statusOutput, error) {
	c, _, err := s.connection(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	syncs, err := s.Engine.Status(ctx, access.From(ctx).Workspace, c.ID)
	if err != nil {
		return nil, err
	}
	hooks, lately, err := s.webhookTroubles(ctx, c)
	if err != nil {
		return nil, err
	}
	for i := range syncs {
		if lately {
			syncs[i].Warnings = append(syncs[i].Warnings, CodeHooksRefused)
		}
		if err := s.toldOnly(ctx, c, &syncs[i]); err != nil {
			return nil, err
		}
		some(&syncs[i].Waiting)
		some(&syncs[i].Changes)
		remedies(syncs[i].Waiting)
	}
	shown, err := s.shown(ctx, c)
	if err != nil {
		return nil, err
	}
	return &statusOutput{
		Body: connectionStatus{
			Connection: c.ID, Status: c.Status, Enabled: c.Enabled, Syncs: syncs, Webhooks: hooks,
			Warnings: s.warnings(ctx, c), Problems: shown.Body.Problems,
		},
	}, nil
}

// remedies says of each cause of waiting what a person can do about it.
func remedies(waits []engine.Waiting) {
	for i := range waits {
		waits[i].Remedy = meanings[waits[i].Code].Remedy
		if waits[i].Detail == "" {
			waits[i].Detail = meaning(waits[i].Code)
		}
	}
}

// webhookView is where an app has to call us for one side.
type webhookView struct {
	Side         crm.Side      `json:"side"`
	Account      crm.AccountID `json:"account"`
	App          crm.AppID     `json:"app"`
	Supported    bool          `json:"supported" doc:"Whether the app calls us at all"`
	URL          string        `json:"url,omitempty" doc:"Secret: whoever has it can tell us to look at records"`
	Verification string        `json:"verification,omitempty" doc:"What deliveries are checked by"`
	LastDelivery time.Time     `json:"last_delivery,omitzero"`
	OldUntil     time.Time     `json:"old_until,omitzero" doc:"Until when the address before the last rotation works"`
	Refused      []refusedHook `json:"refused" nullable:"false" doc:"Deliveries that were refused, by reason, with what to do about it"`
	Problems     []ProblemItem `json:"problems" nullable:"false" doc:"Why deliveries would be refused as things are"`
}

// refusedHook counts the deliveries that were refused for one reason.
type refusedHook struct {
	account.Refusal
	Meaning string `json:"meaning"`
	Remedy  string `json:"remedy"`
}

func refusedHooks(all []account.Refusal) []refusedHook {
	out := make([]refusedHook, len(all))
	for i, r := range all {
		out[i] = refusedHook{Refusal: r, Meaning: meaning(r.Code), Remedy: meanings[r.Code].Remedy}
	}
	return out
}

func (s *server) getWebhooks(ctx context.Context, in *struct {
	ConnectionPath
	WholeInput
},
) (*listOutput[webhookView], error) {
	c, _, err := s.changeable(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	shown, err := s.shown(ctx, c)
	if err != nil {
		return nil, err
	}
	if len(shown.Body.Problems) > 0 {
		return paged(s.noWebhooks(ctx, c), in.WholeInput)
	}
	out, err := s.webhooks(ctx, c, s.Accounts.EnsureWebhook)
	if err != nil {
		return nil, err
	}
	return paged(out.Body.Items, in.WholeInput)
}

func (s *server) rotateWebhooks(ctx context.Context, in *struct {
	ConnectionPath
	Old string `query:"old" enum:"keep,revoke" default:"keep" doc:"keep: old addresses work 24 h more, until the app has the new one. revoke: they end at once, because somebody else has one"`
},
) (*listOutput[webhookView], error) {
	c, _, err := s.changeable(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if c.Status == crm.StatusDeleting {
		return nil, problem(http.StatusConflict, CodeDeleting, "")
	}
	if err := s.whole(ctx, c); err != nil {
		return nil, err
	}
	var out *listOutput[webhookView]
	err = s.audit.Do(ctx, access.From(ctx), requestID(ctx), "webhooks.rotate", string(c.ID), nil, nil, func() error {
		var err error
		out, err = s.webhooks(ctx, c, func(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) (account.Hook, error) {
			return s.Accounts.RotateWebhook(ctx, ws, id, in.Old == "revoke")
		})
		return err
	})
	return out, err
}

func (s *server) webhooks(
	ctx context.Context, c *crm.Connection, hook func(context.Context, crm.WorkspaceID, crm.AccountID) (account.Hook,
		error),
) (*listOutput[webhookView], error) {
	ws := access.From(ctx).Workspace
	var views []webhookView
	for i, side := range crm.Sides {
		a, err := s.Accounts.Get(ctx, ws, c.Account(side))
		if err != nil {
			return nil, err
		}
		view := webhookView{Side: side, Account: a.ID, App: a.App, Refused: []refusedHook{}, Problems: []ProblemItem{}}
		if i == 1 && c.Left.Account == c.Right.Account { // one hook per account: do not rotate twice
			hook = s.Accounts.EnsureWebhook
		}
		h, err := hook(ctx, ws, a.ID)
		switch {
		case fault.Is(err, fault.Unsupported):
		case err != nil:
			return nil, err
		default:
			view.Supported, view.URL = true, s.publicBase(ctx)+hooksPath+h.Token.Reveal()
			view.LastDelivery, view.OldUntil = h.LastDelivery, h.OldUntil
			view.Refused = refusedHooks(h.Refused)
			if a.ExternalID == "" {
				a = s.learn(ctx, ws, a)
			}
			d, err := s.driverOf(ctx, ws, a)
			if err != nil {
				return nil, err
			}
			signed := d.App.SignsWebhooks
			if signed && !h.Secret {
				view.Problems = append(view.Problems, ProblemItem{
					Code: "no_secret", Detail: meanings["no_secret"].Meaning + ": " + meanings["no_secret"].Remedy,
				})
			}
			if a.ExternalID == "" {
				view.Problems = append(view.Problems, ProblemItem{
					Code: "foreign_delivery", Detail: "the app has not told yet whose account this is: test the account",
				})
			}
			view.Verification = "the secret address"
			if signed {
				view.Verification = "signature"
			}
			if a.ExternalID != "" {
				view.Verification += ", and the account " + a.ExternalID
			}
		}
		views = append(views, view)
	}
	return listed(views, ""), nil
}

// noWebhooks are the sides of a draft that is not complete: no address is made
// for it, so that nobody tells an app to send what nothing listens to.
func (s *server) noWebhooks(ctx context.Context, c *crm.Connection) []webhookView {
	views := make([]webhookView, 0, len(crm.Sides))
	for _, side := range crm.Sides {
		a, err := s.Accounts.Get(ctx, access.From(ctx).Workspace, c.Account(side))
		if err != nil {
			a.ID = c.Account(side) // said by the draft's problems
		}
		views = append(views, webhookView{
			Side: side, Account: a.ID, App: a.App, Refused: []refusedHook{},
			Problems: []ProblemItem{{Code: CodeIncomplete, Detail: "the address exists once the draft has no problem"}},
		})
	}
	return views
}

// learnTime bounds the call by which we learn whose account it is.
const learnTime = 5 * time.Second

// learn asks the app whose account the credentials belong to, which deliveries
// are checked against. Whatever comes of it shows in the account.
func (s *server) learn(ctx context.Context, ws crm.WorkspaceID, a account.Account) account.Account {
	cctx, cancel := context.WithTimeout(ctx, learnTime)
	defer cancel()
	if _, err := s.Accounts.Test(cctx, ws, a.ID); err != nil {
		s.Logger.WarnContext(ctx, "account not known yet", "request_id", requestID(ctx), "account", string(a.ID), "code",
			fault.CodeOf(err))
	}
	if fresh, err := s.Accounts.Get(ctx, ws, a.ID); err == nil {
		return fresh
	}
	return a
}

// SyncPath names a sync of a connection.
type SyncPath struct {
	ID   crm.ConnectionID `path:"id" maxLength:"200"`
	Sync crm.SyncID       `path:"sync" maxLength:"51" doc:"A sync of the document, or <sync>.activities"`
}

// MappingPath names a mapping of a sync.
type MappingPath struct {
	SyncPath
	Mapping crm.MappingID `path:"mapping" maxLength:"100"`
}

type runOutput struct {
	Location string `header:"Location"`
	Body     engine.Run
}

func runAddress(id crm.RunID) string { return "/v1/runs/" + string(id) }

func runAnswer(r engine.Run) *runOutput {
	return &runOutput{Location: runAddress(r.ID), Body: r}
}

// answer is runAnswer for calls that return a run or an error.
func answer(r engine.Run, err error) (*runOutput, error) {
	if err != nil {
		return nil, err
	}
	return runAnswer(r), nil
}

// syncOf loads the connection of a sync, which must have that sync. May is
// what the caller must be allowed to do.
func (s *server) syncOf(
	ctx context.Context, in SyncPath, may func(access.Principal, crm.Access) bool,
) (crm.WorkspaceID, error) {
	c, _, err := s.connectionFor(ctx, in.ID, may)
	if err != nil {
		return "", err
	}
	if c.Sync(in.Sync) == nil {
		return "", problem(http.StatusNotFound, CodeNotFound, "the connection has no such sync")
	}
	return access.From(ctx).Workspace, nil
}

func (s *server) startRun(kind engine.RunKind) func(context.Context, *SyncPath) (*runOutput, error) {
	return func(ctx context.Context, in *SyncPath) (*runOutput, error) {
		ws, err := s.syncOf(ctx, *in, access.Principal.Changes)
		if err != nil {
			return nil, err
		}
		return answer(s.Engine.StartRun(ctx, ws, in.ID, in.Sync, kind))
	}
}

func (s *server) confirmDeletions(ctx context.Context, in *SyncPath) (*connectionOutput, error) {
	return s.decideDeletions(ctx, *in, "deletions.confirm", s.Engine.ConfirmDeletions)
}

func (s *server) discardDeletions(ctx context.Context, in *SyncPath) (*connectionOutput, error) {
	return s.decideDeletions(ctx, *in, "deletions.discard", s.Engine.DiscardDeletions)
}

func (s *server) decideDeletions(ctx context.Context, in SyncPath, action string,
	decide func(context.Context, crm.WorkspaceID, crm.ConnectionID, crm.SyncID) error,
) (*connectionOutput, error) {
	return s.decideHalt(ctx, in, action, "", func(ws crm.WorkspaceID) error { return decide(ctx, ws, in.ID, in.Sync) })
}

func (s *server) confirmChanges(ctx context.Context, in *MappingPath) (*connectionOutput, error) {
	return s.decideHalt(ctx, in.SyncPath, "changes.confirm", in.Mapping, func(ws crm.WorkspaceID) error {
		return s.Engine.ConfirmChanges(ctx, ws, in.ID, in.Sync, in.Mapping)
	})
}

func (s *server) discardChanges(ctx context.Context, in *MappingPath) (*connectionOutput, error) {
	return s.decideHalt(ctx, in.SyncPath, "changes.discard", in.Mapping, func(ws crm.WorkspaceID) error {
		return s.Engine.DiscardChanges(ctx, ws, in.ID, in.Sync, in.Mapping)
	})
}

// decideHalt carries out what a person decided about a sync, or a mapping of it,
// that halted, and writes it down.
func (s *server) decideHalt(
	ctx context.Context, in SyncPath, action string, mapping crm.MappingID, decide func(crm.WorkspaceID) error,
) (*connectionOutput, error) {
	ws, err := s.syncOf(ctx, in, access.Principal.Changes)
	if err != nil {
		return nil, err
	}
	target := string(in.ID) + "/" + string(in.Sync)
	if mapping != "" {
		target += "/" + string(mapping)
	}
	err = s.audit.Do(ctx, access.From(ctx), requestID(ctx), action, target, nil, nil, func() error { return decide(ws) })
	if err != nil {
		return nil, err
	}
	c, _, err := s.connection(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return s.shown(ctx, c)
}
