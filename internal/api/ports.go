package api

import (
	"context"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/alert"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// Engine is what the surface asks of the sync engine. Errors are classified
// (fault.Kind); NotFound covers things of other workspaces.
type Engine interface {
	// StartConnection activates a draft or paused connection and, for a draft,
	// starts the first sync of every sync that wants one.
	StartConnection(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) ([]engine.Run, error)
	// PauseConnection returns when nothing more will be written.
	PauseConnection(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) error
	// DeleteConnection stops the connection at once; erasing goes on by itself.
	DeleteConnection(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) error
	Status(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) ([]engine.SyncStatus, error)
	// Usage tells of the month that an instant is in.
	Usage(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, in time.Time) (engine.Usage, error)
	// Leaves is told before a document is saved that takes syncs out, or joins them
	// to other records.
	Leaves(ctx context.Context, ws crm.WorkspaceID, next *crm.Connection) error
	// SettingsChanged begins the runs that saved settings ask for.
	SettingsChanged(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) ([]engine.Run, error)
	ToldSince(ctx context.Context, ws crm.WorkspaceID, account crm.AccountID, object string) (time.Time, error)

	// StartRun answers the open run of that kind when there is one.
	StartRun(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID,
		kind engine.RunKind) (engine.Run, error)
	GetRun(ctx context.Context, ws crm.WorkspaceID, run crm.RunID) (engine.Run, error)
	// ListRuns lists newest first; con "" lists all connections'.
	ListRuns(ctx context.Context, ws crm.WorkspaceID, con crm.ConnectionID, limit int, cursor string) ([]engine.Run,
		string, error)
	CancelRun(ctx context.Context, ws crm.WorkspaceID, run crm.RunID) (engine.Run, error)
	// UndoUntil says of runs until when they can be undone.
	UndoUntil(ctx context.Context, ws crm.WorkspaceID, runs ...*engine.Run) error
	// UndoRun plans to take back what a run changed.
	UndoRun(ctx context.Context, ws crm.WorkspaceID, run crm.RunID) (engine.PlanView, error)

	// CreatePlan plans the records, or everything when there are none.
	CreatePlan(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID,
		records []crm.RecordRef) (engine.PlanView, error)
	GetPlan(ctx context.Context, ws crm.WorkspaceID, plan crm.PlanID) (engine.PlanView, error)
	PlanChanges(ctx context.Context, ws crm.WorkspaceID, plan crm.PlanID, limit int, cursor string) ([]engine.Change,
		string, error)
	ApplyPlan(ctx context.Context, ws crm.WorkspaceID, plan crm.PlanID) (engine.Run, error)

	// PreviewRules and PreviewMappings try a document that need not be stored on
	// some records that are there; they write and store nothing.
	PreviewRules(ctx context.Context, ws crm.WorkspaceID, unsaved *crm.Connection, sync crm.SyncID) (engine.RulesPreview,
		error)
	PreviewMappings(ctx context.Context, ws crm.WorkspaceID, unsaved *crm.Connection, sync crm.SyncID,
		records []crm.RecordRef) (engine.MappingsPreview, error)

	ListRecords(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID,
		f engine.RecordFilter, limit int, cursor string) ([]engine.RecordView, string, error)
	GetRecord(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side,
		rec crm.RecordID) (engine.RecordView, error)
	Explain(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side,
		rec crm.RecordID) (engine.Explanation, error)
	SyncRecord(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side,
		rec crm.RecordID) (engine.Run, error)
	LinkRecords(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side, rec,
		partner crm.RecordID) (engine.Run, error)
	UnlinkRecord(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side,
		rec crm.RecordID) (engine.Run, error)
	ResolveRecord(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side,
		rec crm.RecordID, fields map[crm.MappingID]engine.Resolution) (engine.Run, error)
	LinkPairs(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, pairs []engine.PairOfIDs,
		dry bool) ([]engine.PairVerdict, *engine.Run, error)
	ResolveRecords(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID,
		f engine.ResolveFilter, choice engine.Choice, dry bool) (engine.Resolved, error)
	UnfreezeRecord(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side,
		rec crm.RecordID, fields []crm.MappingID) (engine.Run, error)

	// FieldHistory lists what was written to a record and its twin, newest first;
	// RestoreRecord puts back what fields held before an entry of it.
	FieldHistory(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side,
		rec crm.RecordID, fields []crm.MappingID, limit int, cursor string) ([]engine.FieldChange, string, error)
	RestoreRecord(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side,
		rec crm.RecordID, fields []crm.MappingID, entry string) (engine.Run, error)

	// ListLog lists one connection's log, newest first; it looks at a bounded
	// number of pages a call.
	ListLog(ctx context.Context, ws crm.WorkspaceID, f engine.LogFilter, limit int, cursor string) ([]engine.Entry, string,
		error)
	GetEntry(ctx context.Context, ws crm.WorkspaceID, id string) (engine.Entry, error)
	RetryEntry(ctx context.Context, ws crm.WorkspaceID, id string, values crm.Fields) (engine.Run, error)
	// RetryFailed needs the filter's connection and sync.
	RetryFailed(ctx context.Context, ws crm.WorkspaceID, f engine.LogFilter) (engine.Run, error)

	// ListDead lists one connection's dead items.
	ListDead(ctx context.Context, ws crm.WorkspaceID, con crm.ConnectionID, limit int, cursor string) ([]engine.DeadItem,
		string, error)
	// RedriveDead sends dead items again and says how many.
	RedriveDead(ctx context.Context, ws crm.WorkspaceID, con crm.ConnectionID) (int, error)
	ConfirmDeletions(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID) error
	// ConfirmChanges and DiscardChanges decide about a mass change that halted a mapping.
	ConfirmChanges(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID,
		mapping crm.MappingID) error
	DiscardChanges(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID,
		mapping crm.MappingID) error
	DiscardDeletions(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID) error

	// FindErasure answers the erasure that blocks somebody already, else NotFound.
	FindErasure(ctx context.Context, ws crm.WorkspaceID, r engine.ErasureRequest) (engine.Erasure, error)
	// Erase begins an erasure under an ID; of somebody who is erased already it
	// answers that one.
	Erase(ctx context.Context, ws crm.WorkspaceID, id string, r engine.ErasureRequest) (engine.Erasure, error)
	GetErasure(ctx context.Context, ws crm.WorkspaceID, id string) (engine.Erasure, error)
	ListErasures(ctx context.Context, ws crm.WorkspaceID, limit int, cursor string) ([]engine.Erasure, string, error)
	LiftErasure(ctx context.Context, ws crm.WorkspaceID, id string) (engine.Erasure, error)

	// Fields lists an object's fields as the engine plans with them; refresh asks
	// the app, and lets the engine plan with the answer.
	Fields(ctx context.Context, ws crm.WorkspaceID, account crm.AccountID, object string, refresh bool) ([]crm.Field,
		error)
	// Held lists, by sync, what rests because a field is gone; it asks no app.
	Held(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) (map[crm.SyncID][]engine.HeldPart, error)
	// ListHeld lists what of one sync stands still, with what waits; it asks no app.
	ListHeld(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID) ([]engine.HeldItem, error)
	// ReleaseHeld asks the apps whether what holds a part is over, and lets it go on.
	ReleaseHeld(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, part string) (engine.Run,
		error)
	// AccountWaits lists, by account, what stands still because of it.
	AccountWaits(ctx context.Context, ws crm.WorkspaceID) (map[crm.AccountID][]engine.Waiting, error)
	// CatchUp lets syncs that were switched on again look at once what they missed.
	CatchUp(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, syncs []crm.SyncID) error
	// AccountAuthorized resumes what waited for an account's authorisation.
	AccountAuthorized(ctx context.Context, ws crm.WorkspaceID, account crm.AccountID) error

	// Webhook takes the events of a verified delivery in: nil means that every
	// one is queued or in an inbox.
	Webhook(ctx context.Context, ws crm.WorkspaceID, account crm.AccountID, events []connector.Event) error
}

// Accounts is what the surface asks of account.Service.
type Accounts interface {
	// Apps are those that a workspace can connect, with those of its own documents.
	Apps(ctx context.Context, ws crm.WorkspaceID) (map[crm.AppID]connector.Driver, error)
	// Driver is what an account's app is made by.
	Driver(ctx context.Context, ws crm.WorkspaceID, a account.Account) (connector.Driver, error)
	Documents(ctx context.Context, ws crm.WorkspaceID) ([]account.Document, error)
	Document(ctx context.Context, ws crm.WorkspaceID, app crm.AppID) (account.Document, error)
	CheckDocument(app crm.AppID, text string) (connector.Driver, []string)
	DocumentSchema() ([]byte, error)
	PutDocument(ctx context.Context, ws crm.WorkspaceID, app crm.AppID, seen int64, text string) (account.Document, error)
	DeleteDocument(ctx context.Context, ws crm.WorkspaceID, app crm.AppID, seen int64) error

	Create(ctx context.Context, ws crm.WorkspaceID, draft account.Draft) (account.Account, error)
	Get(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) (account.Account, error)
	List(ctx context.Context, ws crm.WorkspaceID, limit int, cursor string) ([]account.Account, string, error)
	Update(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID, seen int64, change account.Change) (account.Account,
		error)
	Delete(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID, seen int64) error
	Test(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) (connector.Identity, error)
	Open(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) (connector.Connector, crm.App, error)
	SetClient(ctx context.Context, ws crm.WorkspaceID, app crm.AppID, c connector.Client) error
	Authorize(ctx context.Context, ws crm.WorkspaceID, req account.AuthorizeRequest) (account.Authorization, error)
	Begin(ctx context.Context, state string) (account.Begun, error)
	Callback(ctx context.Context, req account.CallbackRequest) (account.Authorized, error)
	EnsureWebhook(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) (account.Hook, error)
	RotateWebhook(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID, revoke bool) (account.Hook, error)
	LookupWebhook(ctx context.Context, token string) (account.Delivery, error)
	RefusedDelivery(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID, code string) error
	Refusals(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) ([]account.Refusal, error)
	Delivered(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) error
}

var (
	_ Engine   = (*engine.Engine)(nil)
	_ Accounts = (*account.Service)(nil)
)

// Alerts is what the surface asks of the alerts.
type Alerts interface {
	List(ctx context.Context, ws crm.WorkspaceID, f alert.Filter, limit int, cursor string) ([]alert.Alert, string, error)
	// Test sends a test message on every channel that the connection's notify wants.
	Test(ctx context.Context, ws crm.WorkspaceID, c *crm.Connection) []alert.Tested
	// RotateSecret answers the new secret of the webhook, and until when the one before counts.
	RotateSecret(ctx context.Context, ws crm.WorkspaceID, con crm.ConnectionID) (secret.Text, time.Time, error)
	// People lists who may be told.
	People(ctx context.Context, ws crm.WorkspaceID) ([]access.Person, error)
	// CheckWebhook answers what is wrong with an address, or "".
	CheckWebhook(raw string) string
	// Mails reports whether there is a mail server.
	Mails() bool
}

var _ Alerts = (*alert.Service)(nil)
