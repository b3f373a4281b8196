package api

import (
	"net/http"

	"github.com/lockstep-crm/lockstep/internal/access"
)

// level is who may call a route at all. What a member may see of it is decided
// by the access rules of connections, in the handlers.
type level uint8

const (
	public   level = iota // nobody has to be known
	reads                 // viewer, member, admin
	works                 // member, admin: runs, plans, records, retries
	admins                // admin: settings, accounts, keys, start and pause, what a guard has halted
	operates              // the operator's key
)

// allows is the access matrix together with routes.
func (l level) allows(p access.Principal) bool {
	switch l {
	case public:
		return true
	case reads:
		return p.Role.Valid()
	case works:
		return p.Role == access.Member || p.Role == access.Admin
	case admins:
		return p.Role == access.Admin
	case operates:
		return p.Operator
	}
	return false
}

func (l level) String() string {
	return [...]string{"nobody in particular", "viewer", "member", "admin", "operator"}[l]
}

// route is one call.
type route struct {
	id      string
	method  string
	path    string
	level   level
	tag     string
	summary string
	status  int  // of success; 0 = 200
	scoped  bool // belongs to a connection: its access rule applies
	acts    bool // a GET that changes something: not for HEAD, which previews and scanners of links send
}

// routes is the one table of calls: the server, the OpenAPI document and the
// test of the access matrix (X3) are all made from it.
var routes = []route{
	{
		id: "health", method: http.MethodGet, path: "/v1/health", level: public, tag: "system",
		summary: "Whether the program answers",
	},
	{
		id: "list-codes", method: http.MethodGet, path: "/v1/codes", level: reads, tag: "log",
		summary: "The error dictionary",
	},

	{
		id: "list-apps", method: http.MethodGet, path: "/v1/apps", level: reads, tag: "apps",
		summary: "Apps that can be connected",
	},
	{id: "get-app", method: http.MethodGet, path: "/v1/apps/{app}", level: reads, tag: "apps", summary: "One app"},
	{
		id: "list-partners", method: http.MethodGet, path: "/v1/apps/{app}/partners", level: reads, tag: "apps",
		summary: "Apps that can be connected with one",
	},
	{
		id: "set-client", method: http.MethodPut, path: "/v1/apps/{app}/client", level: admins, tag: "apps",
		summary: "Store our OAuth client at an app", status: 204,
	},
	{
		id: "list-app-documents", method: http.MethodGet, path: "/v1/app-documents", level: reads, tag: "apps",
		summary: "Apps that the workspace has described for itself",
	},
	{
		id: "get-app-document", method: http.MethodGet, path: "/v1/app-documents/{id}", level: reads, tag: "apps",
		summary: "The document of an app",
	},
	{
		id: "put-app-document", method: http.MethodPut, path: "/v1/app-documents/{id}", level: admins, tag: "apps",
		summary: "Describe an app, or describe it anew",
	},
	{
		id: "delete-app-document", method: http.MethodDelete, path: "/v1/app-documents/{id}", level: admins, tag: "apps",
		summary: "Remove the document of an app", status: 204,
	},
	{
		id: "validate-app-document", method: http.MethodPost, path: "/v1/app-documents/validate", level: admins, tag: "apps",
		summary: "Check the document of an app; stores nothing",
	},
	{
		id: "get-app-document-schema", method: http.MethodGet, path: "/v1/app-document-schema", level: public, tag: "apps",
		summary: "The grammar of documents as a JSON Schema, for editors",
	},
	{
		id: "list-accounts", method: http.MethodGet, path: "/v1/accounts", level: reads, tag: "accounts",
		summary: "Accounts",
	},
	{
		id: "create-account", method: http.MethodPost, path: "/v1/accounts", level: admins, tag: "accounts",
		summary: "Add an account", status: 201,
	},
	{
		id: "get-account", method: http.MethodGet, path: "/v1/accounts/{id}", level: reads, tag: "accounts",
		summary: "One account",
	},
	{
		id: "update-account", method: http.MethodPatch, path: "/v1/accounts/{id}", level: admins, tag: "accounts",
		summary: "Change an account (merge patch)",
	},
	{
		id: "delete-account", method: http.MethodDelete, path: "/v1/accounts/{id}", level: admins, tag: "accounts",
		summary: "Remove an account", status: 204,
	},
	{
		id: "test-account", method: http.MethodPost, path: "/v1/accounts/{id}/test", level: admins, tag: "accounts",
		summary: "Prove an account's credentials with a real call",
	},
	{
		id: "list-objects", method: http.MethodGet, path: "/v1/accounts/{id}/objects", level: reads, tag: "accounts",
		summary: "Record types of an account",
	},
	{
		id: "list-fields", method: http.MethodGet, path: "/v1/accounts/{id}/objects/{object}/fields", level: reads,
		tag: "accounts", summary: "Fields of a record type",
	},
	{
		id: "create-field", method: http.MethodPost, path: "/v1/accounts/{id}/objects/{object}/fields", level: admins,
		tag: "accounts", summary: "Create a custom field", status: 201,
	},
	{
		id: "delete-field", method: http.MethodDelete, path: "/v1/accounts/{id}/objects/{object}/fields/{field}",
		level: admins, tag: "accounts", summary: "Delete a custom field in the app", status: 204,
	},
	{
		id: "start-authorization", method: http.MethodPost, path: "/v1/oauth/{app}/authorizations", level: admins,
		tag: "accounts", summary: "Begin an authorisation in the browser", status: 201,
	},
	{
		id: "begin-authorization", method: http.MethodGet, path: "/v1/oauth/begin", level: public, tag: "accounts",
		summary: "Where the admin's browser begins; sends it to the app", status: http.StatusFound, acts: true,
	},
	{
		id: "oauth-callback", method: http.MethodGet, path: "/v1/oauth/callback", level: public, tag: "accounts",
		summary: "Where the app sends the browser back to", acts: true,
	},

	{
		id: "list-presets", method: http.MethodGet, path: "/v1/presets", level: reads, tag: "connections",
		summary: "Ready-made connections",
	},
	{
		id: "list-connections", method: http.MethodGet, path: "/v1/connections", level: reads, tag: "connections",
		summary: "Connections", scoped: true,
	},
	{
		id: "create-connection", method: http.MethodPost, path: "/v1/connections", level: admins, tag: "connections",
		summary: "Create a connection as a draft", status: 201,
	},
	{
		id: "import-connection", method: http.MethodPost, path: "/v1/connections/import", level: admins, tag: "connections",
		summary: "Create or confirm a connection from YAML", status: 201,
	},
	{
		id: "plan-import", method: http.MethodPost, path: "/v1/connections/import/plan", level: admins, tag: "connections",
		summary: "What an import would change, and what that touches; stores nothing",
	},
	{
		id: "get-connection", method: http.MethodGet, path: "/v1/connections/{id}", level: reads, tag: "connections",
		summary: "One connection", scoped: true,
	},
	{
		id: "put-connection", method: http.MethodPut, path: "/v1/connections/{id}", level: admins, tag: "connections",
		summary: "Replace a connection's document", scoped: true,
	},
	{
		id: "patch-connection", method: http.MethodPatch, path: "/v1/connections/{id}", level: admins, tag: "connections",
		summary: "Change a connection (merge patch)", scoped: true,
	},
	{
		id: "delete-connection", method: http.MethodDelete, path: "/v1/connections/{id}", level: admins, tag: "connections",
		summary: "Delete a connection for good; records in both apps stay", status: 202, scoped: true,
	},
	{
		id: "export-connection", method: http.MethodGet, path: "/v1/connections/{id}/export", level: reads,
		tag: "connections", summary: "The document as YAML", scoped: true,
	},
	{
		id: "get-suggestions", method: http.MethodGet, path: "/v1/connections/{id}/suggestions", level: reads,
		tag: "connections", summary: "Default mappings, match steps and required fields", scoped: true,
	},
	{
		id: "validate-connection", method: http.MethodPost, path: "/v1/connections/{id}/validate", level: works,
		tag: "connections", summary: "Every problem of a document at once", scoped: true,
	},
	{
		id: "get-readiness", method: http.MethodGet, path: "/v1/connections/{id}/readiness", level: works, tag: "connections",
		summary: "What a start needs, and which of it is there", scoped: true,
	},
	{
		id: "export-readiness", method: http.MethodGet, path: "/v1/connections/{id}/readiness.csv", level: works,
		tag: "connections", summary: "What a start needs, and what the latest dry runs found of which records, as CSV",
		scoped: true,
	},
	{
		id: "start-connection", method: http.MethodPost, path: "/v1/connections/{id}/start", level: admins,
		tag: "connections", summary: "Start or resume", status: 202, scoped: true,
	},
	{
		id: "pause-connection", method: http.MethodPost, path: "/v1/connections/{id}/pause", level: admins,
		tag: "connections", summary: "Pause; nothing is written once this is answered", scoped: true,
	},
	{
		id: "get-status", method: http.MethodGet, path: "/v1/connections/{id}/status", level: reads, tag: "connections",
		summary: "Where every sync stands", scoped: true,
	},
	{
		id: "get-webhooks", method: http.MethodGet, path: "/v1/connections/{id}/webhooks", level: admins, tag: "connections",
		summary: "Webhook addresses of both sides", scoped: true,
	},
	{
		id: "rotate-webhooks", method: http.MethodPost, path: "/v1/connections/{id}/webhooks/rotate", level: admins,
		tag: "connections", summary: "New webhook addresses; the old ones work 24 h more, or end at once", scoped: true,
	},

	{
		id: "get-syncs", method: http.MethodGet, path: "/v1/connections/{id}/syncs", level: reads, tag: "connections",
		summary: "Read the syncs of a connection", scoped: true,
	},
	{
		id: "put-syncs", method: http.MethodPut, path: "/v1/connections/{id}/syncs", level: admins, tag: "connections",
		summary: "Replace the syncs of a connection", scoped: true,
	},
	{
		id: "create-sync", method: http.MethodPost, path: "/v1/connections/{id}/syncs", level: admins, tag: "connections",
		summary: "Add a sync, behind the others", status: 201, scoped: true,
	},
	{
		id: "get-sync", method: http.MethodGet, path: "/v1/connections/{id}/syncs/{sync}", level: reads, tag: "connections",
		summary: "Read one sync", scoped: true,
	},
	{
		id: "put-sync", method: http.MethodPut, path: "/v1/connections/{id}/syncs/{sync}", level: admins, tag: "connections",
		summary: "Replace one sync", scoped: true,
	},
	{
		id: "patch-sync", method: http.MethodPatch, path: "/v1/connections/{id}/syncs/{sync}", level: admins,
		tag: "connections", summary: "Change one sync (merge patch)", scoped: true,
	},
	{
		id: "delete-sync", method: http.MethodDelete, path: "/v1/connections/{id}/syncs/{sync}", level: admins,
		tag: "connections", summary: "Remove one sync; records in both apps stay", status: 204, scoped: true,
	},
	{
		id: "get-rules", method: http.MethodGet, path: "/v1/connections/{id}/syncs/{sync}/rules", level: reads,
		tag: "connections", summary: "Read the rules of a sync", scoped: true,
	},
	{
		id: "put-rules", method: http.MethodPut, path: "/v1/connections/{id}/syncs/{sync}/rules", level: admins,
		tag: "connections", summary: "Replace the rules of a sync", scoped: true,
	},
	{
		id: "create-rule", method: http.MethodPost, path: "/v1/connections/{id}/syncs/{sync}/rules", level: admins,
		tag: "connections", summary: "Add a rule, behind the others", status: 201, scoped: true,
	},
	{
		id: "get-rule", method: http.MethodGet, path: "/v1/connections/{id}/syncs/{sync}/rules/{part}", level: reads,
		tag: "connections", summary: "Read one rule", scoped: true,
	},
	{
		id: "put-rule", method: http.MethodPut, path: "/v1/connections/{id}/syncs/{sync}/rules/{part}", level: admins,
		tag: "connections", summary: "Replace one rule", scoped: true,
	},
	{
		id: "patch-rule", method: http.MethodPatch, path: "/v1/connections/{id}/syncs/{sync}/rules/{part}", level: admins,
		tag: "connections", summary: "Change one rule (merge patch)", scoped: true,
	},
	{
		id: "delete-rule", method: http.MethodDelete, path: "/v1/connections/{id}/syncs/{sync}/rules/{part}",
		level: admins, tag: "connections", summary: "Remove one rule", status: 204, scoped: true,
	},
	{
		id: "get-mappings", method: http.MethodGet, path: "/v1/connections/{id}/syncs/{sync}/mappings", level: reads,
		tag: "connections", summary: "Read the mappings of a sync", scoped: true,
	},
	{
		id: "put-mappings", method: http.MethodPut, path: "/v1/connections/{id}/syncs/{sync}/mappings", level: admins,
		tag: "connections", summary: "Replace the mappings of a sync", scoped: true,
	},
	{
		id: "create-mapping", method: http.MethodPost, path: "/v1/connections/{id}/syncs/{sync}/mappings", level: admins,
		tag: "connections", summary: "Add a mapping, behind the others", status: 201, scoped: true,
	},
	{
		id: "get-mapping", method: http.MethodGet, path: "/v1/connections/{id}/syncs/{sync}/mappings/{part}", level: reads,
		tag: "connections", summary: "Read one mapping", scoped: true,
	},
	{
		id: "put-mapping", method: http.MethodPut, path: "/v1/connections/{id}/syncs/{sync}/mappings/{part}", level: admins,
		tag: "connections", summary: "Replace one mapping", scoped: true,
	},
	{
		id: "patch-mapping", method: http.MethodPatch, path: "/v1/connections/{id}/syncs/{sync}/mappings/{part}",
		level: admins, tag: "connections", summary: "Change one mapping (merge patch)", scoped: true,
	},
	{
		id: "delete-mapping", method: http.MethodDelete, path: "/v1/connections/{id}/syncs/{sync}/mappings/{part}",
		level: admins, tag: "connections", summary: "Remove one mapping", status: 204, scoped: true,
	},
	{
		id: "get-match", method: http.MethodGet, path: "/v1/connections/{id}/syncs/{sync}/match", level: reads,
		tag: "connections", summary: "Read the match steps of a sync", scoped: true,
	},
	{
		id: "put-match", method: http.MethodPut, path: "/v1/connections/{id}/syncs/{sync}/match", level: admins,
		tag: "connections", summary: "Replace the match steps of a sync", scoped: true,
	},
	{
		id: "patch-match", method: http.MethodPatch, path: "/v1/connections/{id}/syncs/{sync}/match", level: admins,
		tag: "connections", summary: "Change the match steps of one way (merge patch)", scoped: true,
	},

	{
		id: "preview-rules", method: http.MethodPost, path: "/v1/connections/{id}/syncs/{sync}/rules/preview", level: works,
		tag: "connections", summary: "What rules would let through, on records that are there", scoped: true,
	},
	{
		id: "preview-mappings", method: http.MethodPost, path: "/v1/connections/{id}/syncs/{sync}/mappings/preview",
		level: works, tag: "connections", summary: "What records would become, on some that are there", scoped: true,
	},

	{
		id: "pull-sync", method: http.MethodPost, path: "/v1/connections/{id}/syncs/{sync}/pull", level: works, tag: "runs",
		summary: "Pull changes now", status: 202, scoped: true,
	},
	{
		id: "resync-sync", method: http.MethodPost, path: "/v1/connections/{id}/syncs/{sync}/resync", level: works,
		tag: "runs", summary: "Compare everything again", status: 202, scoped: true,
	},
	{
		id: "create-plan", method: http.MethodPost, path: "/v1/connections/{id}/syncs/{sync}/plans", level: works,
		tag: "plans", summary: "Dry run: writes nothing to either app", status: 202, scoped: true,
	},
	{
		id: "get-plan", method: http.MethodGet, path: "/v1/plans/{id}", level: reads, tag: "plans", summary: "One plan",
		scoped: true,
	},
	{
		id: "list-changes", method: http.MethodGet, path: "/v1/plans/{id}/changes", level: reads, tag: "plans",
		summary: "What a plan would do", scoped: true,
	},
	{
		id: "apply-plan", method: http.MethodPost, path: "/v1/plans/{id}/apply", level: works, tag: "plans",
		summary: "Do what the plan lists, and nothing else", status: 202, scoped: true,
	},
	{
		id: "list-runs", method: http.MethodGet, path: "/v1/runs", level: reads, tag: "runs", summary: "Runs, newest first",
		scoped: true,
	},
	{
		id: "get-run", method: http.MethodGet, path: "/v1/runs/{id}", level: reads, tag: "runs", summary: "One run",
		scoped: true,
	},
	{
		id: "run-events", method: http.MethodGet, path: "/v1/runs/{id}/events", level: reads, tag: "runs",
		summary: "Progress of a run as server-sent events", scoped: true,
	},
	{
		id: "cancel-run", method: http.MethodPost, path: "/v1/runs/{id}/cancel", level: works, tag: "runs",
		summary: "Cancel a run", scoped: true,
	},
	{
		id: "undo-run", method: http.MethodPost, path: "/v1/runs/{id}/undo", level: works, tag: "runs",
		summary: "Plan to take back what a run changed", status: 202, scoped: true,
	},
	{
		id: "confirm-deletions", method: http.MethodPost, path: "/v1/connections/{id}/syncs/{sync}/deletions/confirm",
		level: admins, tag: "runs", summary: "Let a halted sync's deletions through", status: 202, scoped: true,
	},
	{
		id: "confirm-changes", method: http.MethodPost,
		path: "/v1/connections/{id}/syncs/{sync}/mappings/{mapping}/changes/confirm", level: admins, tag: "runs",
		summary: "Let a halted mapping's mass change through", status: 202, scoped: true,
	},
	{
		id: "discard-changes", method: http.MethodPost,
		path: "/v1/connections/{id}/syncs/{sync}/mappings/{mapping}/changes/discard", level: admins, tag: "runs",
		summary: "Forget a halted mapping's mass change", scoped: true,
	},
	{
		id: "list-held", method: http.MethodGet, path: "/v1/connections/{id}/syncs/{sync}/held", level: reads, tag: "runs",
		summary: "What of a sync stands still while the rest goes on, with what waits", scoped: true,
	},
	{
		id: "release-held", method: http.MethodPost, path: "/v1/connections/{id}/syncs/{sync}/held/{mapping}/release",
		level: works, tag: "runs", summary: "Ask the apps whether what holds a part is over, and let it go on", status: 202,
		scoped: true,
	},
	{
		id: "discard-deletions", method: http.MethodPost, path: "/v1/connections/{id}/syncs/{sync}/deletions/discard",
		level: admins, tag: "runs", summary: "Forget a halted sync's deletions", scoped: true,
	},

	{
		id: "list-records", method: http.MethodGet, path: "/v1/connections/{id}/syncs/{sync}/records", level: reads,
		tag: "records", summary: "Known records", scoped: true,
	},
	{
		id: "get-record", method: http.MethodGet, path: "/v1/connections/{id}/syncs/{sync}/records/{side}/{record}",
		level: reads, tag: "records", summary: "All that is known of one record", scoped: true,
	},
	{
		id: "explain-record", method: http.MethodGet,
		path: "/v1/connections/{id}/syncs/{sync}/records/{side}/{record}/explain", level: reads, tag: "records",
		summary: "Why a record is where it is", scoped: true,
	},
	{
		id: "record-history", method: http.MethodGet,
		path: "/v1/connections/{id}/syncs/{sync}/records/{side}/{record}/history", level: reads, tag: "records",
		summary: "What was written to a record and its twin, newest first, back to the log's end", scoped: true,
	},
	{
		id: "restore-record", method: http.MethodPost,
		path: "/v1/connections/{id}/syncs/{sync}/records/{side}/{record}/restore", level: works, tag: "records",
		summary: "Put back what fields held before a log entry", status: 202, scoped: true,
	},
	{
		id: "sync-record", method: http.MethodPost, path: "/v1/connections/{id}/syncs/{sync}/records/{side}/{record}/sync",
		level: works, tag: "records", summary: "Sync one record now", status: 202, scoped: true,
	},
	{
		id: "link-records", method: http.MethodPost, path: "/v1/connections/{id}/syncs/{sync}/records/{side}/{record}/link",
		level: works, tag: "records", summary: "Link two records by hand", status: 202, scoped: true,
	},
	{
		id: "unlink-record", method: http.MethodPost,
		path: "/v1/connections/{id}/syncs/{sync}/records/{side}/{record}/unlink", level: works, tag: "records",
		summary: "Take a link apart", status: 202, scoped: true,
	},
	{
		id: "unfreeze-record", method: http.MethodPost,
		path: "/v1/connections/{id}/syncs/{sync}/records/{side}/{record}/unfreeze", level: works, tag: "records",
		summary: "Let a field go that went round in a circle of connections", status: 202, scoped: true,
	},
	{
		id: "export-links", method: http.MethodGet, path: "/v1/connections/{id}/syncs/{sync}/links.csv", level: reads,
		tag: "records", summary: "The linked pairs of a sync as CSV", scoped: true,
	},
	{
		id: "import-links", method: http.MethodPost, path: "/v1/connections/{id}/syncs/{sync}/links", level: works,
		tag: "records", summary: "Link pairs of records by their IDs, or see what would become of each", status: 202,
		scoped: true,
	},
	{
		id: "resolve-records", method: http.MethodPost, path: "/v1/connections/{id}/syncs/{sync}/records/resolve",
		level: works, tag: "records", status: 202,
		summary: "Decide many conflicts or duplicates at once, or see what that would come to",
		scoped:  true,
	},
	{
		id: "resolve-record", method: http.MethodPost,
		path: "/v1/connections/{id}/syncs/{sync}/records/{side}/{record}/resolve", level: works, tag: "records",
		summary: "Decide a record's conflicts", status: 202, scoped: true,
	},

	{
		id: "list-log", method: http.MethodGet, path: "/v1/log", level: reads, tag: "log", summary: "The log, newest first",
		scoped: true,
	},
	{
		id: "get-entry", method: http.MethodGet, path: "/v1/log/{id}", level: reads, tag: "log",
		summary: "One entry with request and response", scoped: true,
	},
	{
		id: "retry-entry", method: http.MethodPost, path: "/v1/log/{id}/retry", level: works, tag: "log",
		summary: "Work one entry's record again", status: 202, scoped: true,
	},
	{
		id: "retry-log", method: http.MethodPost, path: "/v1/log/retry", level: works, tag: "log",
		summary: "Work all failed records again", status: 202, scoped: true,
	},
	{
		id: "export-log", method: http.MethodGet, path: "/v1/log.csv", level: reads, tag: "log", summary: "The log as CSV",
		scoped: true,
	},
	{
		id: "list-dead", method: http.MethodGet, path: "/v1/dead-letters", level: works, tag: "log",
		summary: "Work that was given up", scoped: true,
	},
	{
		id: "redrive-dead", method: http.MethodPost, path: "/v1/dead-letters/redrive", level: works, tag: "log",
		summary: "Send given-up work again", scoped: true,
	},

	{
		id: "list-alerts", method: http.MethodGet, path: "/v1/alerts", level: reads, tag: "alerts",
		summary: "What is or was wrong with connections: open ones first, newest first", scoped: true,
	},
	{
		id: "test-notify", method: http.MethodPost, path: "/v1/connections/{id}/notify/test", level: admins, tag: "alerts",
		summary: "Send a test message to whoever hears of the connection's alerts", scoped: true,
	},
	{
		id: "rotate-notify-secret", method: http.MethodPost, path: "/v1/connections/{id}/notify/secret", level: admins,
		tag: "alerts", summary: "A new secret of the connection's outgoing webhook; it is shown once", status: 201,
		scoped: true,
	},
	{
		id: "list-users", method: http.MethodGet, path: "/v1/users", level: admins, tag: "alerts",
		summary: "Who may be chosen to hear of alerts",
	},

	{
		id: "create-erasure", method: http.MethodPost, path: "/v1/erasures", level: admins, tag: "erasures",
		summary: "Erase a person from all that is remembered", status: 202,
	},
	{
		id: "list-erasures", method: http.MethodGet, path: "/v1/erasures", level: admins, tag: "erasures",
		summary: "Receipts of erasures, newest first",
	},
	{
		id: "get-erasure", method: http.MethodGet, path: "/v1/erasures/{id}", level: admins, tag: "erasures",
		summary: "One receipt",
	},
	{
		id: "lift-erasure", method: http.MethodDelete, path: "/v1/erasures/{id}/block", level: admins, tag: "erasures",
		summary: "Let an erased person in again, as somebody new", status: 204,
	},

	{
		id: "open-session", method: http.MethodPost, path: "/v1/session", level: reads, tag: "workspace",
		summary: "Trade an API key for the console's cookie", status: 201,
	},
	{
		id: "get-session", method: http.MethodGet, path: "/v1/session", level: reads, tag: "workspace",
		summary: "Who calls, and what they may do",
	},
	{
		id: "end-session", method: http.MethodDelete, path: "/v1/session", level: reads, tag: "workspace",
		summary: "Sign out: end the session of the cookie", status: 204,
	},
	{
		id: "get-workspace", method: http.MethodGet, path: "/v1/workspace", level: reads, tag: "workspace",
		summary: "The caller's workspace",
	},
	{
		id: "update-workspace", method: http.MethodPatch, path: "/v1/workspace", level: admins, tag: "workspace",
		summary: "Change the workspace (merge patch)",
	},
	{id: "list-keys", method: http.MethodGet, path: "/v1/keys", level: admins, tag: "workspace", summary: "API keys"},
	{
		id: "create-key", method: http.MethodPost, path: "/v1/keys", level: admins, tag: "workspace",
		summary: "Create an API key; it is shown once", status: 201,
	},
	{
		id: "delete-key", method: http.MethodDelete, path: "/v1/keys/{id}", level: admins, tag: "workspace",
		summary: "End an API key at once", status: 204,
	},
	{
		id: "list-audit", method: http.MethodGet, path: "/v1/audit", level: admins, tag: "workspace",
		summary: "Who changed what, newest first",
	},
	{
		id: "check-audit", method: http.MethodGet, path: "/v1/audit/days", level: admins, tag: "workspace",
		summary: "The audit trail day by day, newest first, each checked: whether an entry was changed, removed or put in",
	},
	{
		id: "list-usage", method: http.MethodGet, path: "/v1/usage", level: reads, tag: "workspace",
		summary: "What each connection did in a month, and how many records it has", scoped: true,
	},
	{
		id: "list-workspaces", method: http.MethodGet, path: "/v1/workspaces", level: operates, tag: "workspace",
		summary: "All workspaces",
	},
	{
		id: "create-workspace", method: http.MethodPost, path: "/v1/workspaces", level: operates, tag: "workspace",
		summary: "Create a workspace", status: 201,
	},
}
