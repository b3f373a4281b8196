// Package connector is the port to an app: what every connector can do, what
// some can do besides, and what they promise.
//
// One call of a batch method is one request to the app (plus at most one
// repeat after a token refresh). Callers slice by App().Limits. Connectors do
// not retry, wait or pace; decorators and the engine do. Connectors classify
// every failure once, as *fault.Error:
//
//   - Invalid: the app refused the request or row for good; Field names the
//     app's field when the app says so, Code is one of the error dictionary.
//   - NotFound: no such record or object. Never a deletion by itself.
//   - Conflict: the record exists already (Code "already_exists"), was changed
//     meanwhile (conditional write), or is locked.
//   - Denied: token revoked (Code "reauthorization_required") or a right is
//     missing (Code "missing_permission").
//   - Throttled: a limit; RetryAfter when the app says so; Code "rate_limited"
//     or "quota_exhausted".
//   - Unavailable: time-out, 5xx, malformed or oversized answer. A write whose
//     request may have reached the app has MayHaveLanded set.
//
// An app that only pushes (AbilityPush) answers Changes, BatchRead and BatchFind with
// Unsupported. Its deliveries carry the record (Event.Record), and package kept answers
// these calls from what was told.
//
// Answers of an app are hostile input: sizes are bounded (MaxResponse), types
// checked, repeating page positions refused (Unavailable, code "malformed_answer").
package connector

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// MaxResponse bounds one answer of an app, in bytes.
const MaxResponse = 32 << 20

// Connector talks to one account of one app. Safe for concurrent use.
type Connector interface {
	// App describes the app; no I/O.
	App() crm.App
	// Test makes one real call that proves the credentials.
	Test(ctx context.Context) (Identity, error)
	// Objects lists the record types the account may use.
	Objects(ctx context.Context) ([]crm.Object, error)
	// Fields lists an object's fields. NotFound for an unknown object.
	Fields(ctx context.Context, object string) ([]crm.Field, error)
	// Changes returns one page of an object's records, by modification or, in
	// a full scan, all of them. See ChangesRequest.
	Changes(ctx context.Context, req ChangesRequest) (ChangesPage, error)
	// BatchRead reads up to Limits.ReadBatch records by ID, each as it is now.
	// The answer has one entry per ID, in order; a record that is not there (or
	// archived) has Err NotFound. The whole call fails only as a whole.
	BatchRead(ctx context.Context, object string, ids []crm.RecordID, fields []string) ([]Read, error)
	// BatchFind returns, for each of up to Limits.FindBatch values, the records
	// (not archived) that hold it in field, or in a field of field.Also that the
	// app searches with it, by the app's own comparison (field.Find), which may
	// be looser than ours: callers compare again. Order as given. What the field
	// can do is what the schema handed in says, never what was asked before. May
	// lag behind writes by Limits.IndexLag, unless FindLag says less of the field.
	// Invalid with code "invalid_key" for a field that the app does not search, which
	// its schema says (crm.FindNone), and with code "too_many_matches" when more records hold the values
	// than anybody can be told by.
	BatchFind(ctx context.Context, object string, field crm.Field, values []string, fields []string) ([][]crm.Record,
		error)
	// BatchWrite makes up to Limits.WriteBatch writes, all of one Op, in one
	// request, and answers one entry per write, in order. A row's failure is in
	// its entry; err means no row is known to have been written (see
	// fault.MayHaveLanded).
	BatchWrite(ctx context.Context, object string, writes []Write) ([]Written, error)
	// Extras is what the app can do besides; no I/O, and the same every time.
	Extras() Extras
}

// Identity says who the credentials belong to.
type Identity struct {
	ExternalID string // portal or org ID: webhooks name it
	Name       string // shown to admins
	Detail     string // environment, scopes; no secrets
}

// ChangesRequest asks for one page.
type ChangesRequest struct {
	Object string
	Fields []string // fields wanted in Records
	// Cursor is what a finished scan returned, or its Mark; "" = from the
	// beginning of time. Ignored while Position is set.
	Cursor string
	// Until is the Mark of a later scan, "" = up to now: what was modified since
	// the place that it stands for is left out, and the scan ends there.
	Until string
	// Position is ChangesPage.Next of the page before in the same scan; "" starts a scan.
	Position string
	// Full asks for every live record whatever its age, through the app's most
	// consistent listing. The scan still ends with a Cursor that covers every
	// change made after its start.
	Full bool
}

// ChangesPage is one page of a scan. A record may come twice in one scan, and
// records of the scan before come again within the app's overlap: callers
// must not care.
type ChangesPage struct {
	Records []crm.Record // Deleted ones included where the app tells (AbilityDeletedFeed)
	// Next continues the scan, durable across processes; "" = the scan is complete.
	Next string
	// Cursor is set on the last page: start of the next incremental scan. It
	// never runs ahead of what was listed: at most the app's own time at the
	// start of the scan, less the overlap for its index lag.
	Cursor string
	// Mark comes with Cursor where the app tells its time: a short name of the place
	// up to which everything was listed after its index lag had passed. As the
	// Cursor of another scan it lists everything modified since, whatever was
	// listed before; two of them bound what was modified in between.
	Mark string
	// Total is the number of records in the whole scan when the app says so; 0 = unknown.
	Total int
}

// Read is one record read by ID. Of a record that lost a merge, where the app
// still knows it, the Record is Deleted and names its survivor in MergedInto.
type Read struct {
	ID     crm.RecordID
	Record *crm.Record // nil when Err is set
	Err    error
}

// Op is what a write does to its record.
type Op string

// The writes.
const (
	Create  Op = "create"
	Update  Op = "update"
	Upsert  Op = "upsert"  // by Key; only with AbilityUpsert
	Archive Op = "archive" // only with AbilityArchive
)

// Write is one write of one record.
type Write struct {
	Op     Op
	ID     crm.RecordID // update, archive
	Key    Key          // upsert
	Fields crm.Fields   // only what changes; Null clears
	Etag   string       // with AbilityConditional: write only if the record still has it
	Ref    string       // the caller's own reference, unique within the call
}

// Key is a field with External set, and a value that names one record.
type Key struct {
	Field string
	Value string
}

// Written is what became of one write.
type Written struct {
	ID       crm.RecordID // of the record written, new for creates
	Created  bool
	Record   *crm.Record  // as stored, with AbilityAnswerValues; else nil
	Existing crm.RecordID // on Conflict already_exists: the record in the way, when the app says
	// At is the app's own time when it had made the write, where it says and Record
	// is nil: what changed the record up to then was part of the write.
	At       time.Time
	Err      error
	Exchange *Exchange // what was said, for the log; of a row that was written, the call without its bodies
}

// Exchange is a request and its answer as the log keeps them: secrets
// redacted, each body at most 64 KiB.
type Exchange struct {
	Method, URL       string
	Status            int
	RequestID         string // the app's own, for its support
	Request, Response string
}

// DeletedPage is one page of deletions.
type DeletedPage struct {
	Records []crm.Record // ID, Deleted, MergedInto; fields empty
	Next    string
	Cursor  string
}

// Tokens hands out an account's access token. The implementation refreshes at
// most once per expiry across all workers.
type Tokens interface {
	// Token returns the present token, refreshed if its known expiry is near.
	Token(ctx context.Context) (secret.Text, error)
	// Renew is called after the app refused stale with 401; it returns a newer
	// token, refreshing only when nobody else has. Denied with code
	// "reauthorization_required" when the grant is gone.
	Renew(ctx context.Context, stale secret.Text) (secret.Text, error)
}

// Config is what a driver needs to open an account. It is checked whole and
// touches no network.
type Config struct {
	BaseURL     string                 // "" = the app's own; already checked against the host rules
	LoginURL    string                 // where the app's OAuth lives, when it is not BaseURL
	Credentials map[string]secret.Text // by crm.AuthField name; empty with OAuth
	Kind        crm.AuthKind

	SaveDuplicates bool // save past the app's duplicate rules; only with AbilitySaveDuplicates

	Tokens Tokens           // for oauth2, and for token kinds that a driver exchanges
	HTTP   *http.Client     // guarded, no redirects, time-outs set; required
	Now    func() time.Time // required
	Rand   io.Reader        // of IDs that are made here; nil = crypto/rand
}

// Driver is one app: its description and how to open, authorise and hear it.
type Driver struct {
	App  crm.App
	Open func(Config) (Connector, error)
	// OAuth is nil for apps without it.
	OAuth OAuth
	// Needs lists what a grant has to have (Grant.Scopes) for an object's records to be
	// read, or also written: of each entry one scope, the narrowest first. Empty for an
	// object of which it is not known; nil where grants say nothing.
	Needs func(object string, write bool) [][]string
	// Webhooks is nil for apps that do not call us.
	Webhooks Webhooks
	// Refused is the answer to a delivery that was refused for good, for a reason, a
	// code. It is for apps that switch a webhook off when it is not answered with
	// success; nil = they take a refusal. Our own trouble is still 503, so that the
	// app sends again.
	Refused func(code string) Reply
}

// Client is our OAuth client at an app.
type Client struct {
	ID          string
	Secret      secret.Text
	RedirectURI string
}

// Grant is what a token endpoint gave us.
type Grant struct {
	AccessToken  secret.Text
	RefreshToken secret.Text   // empty = keep the one in use
	ExpiresIn    time.Duration // zero = unknown: use until refused
	BaseURL      string        // host for data calls, when the app says; re-checked by the caller
	ExternalID   string        // portal or org ID
	Scopes       []string      // what was granted, in the app's words; empty = it does not say
}

// OAuth authorises accounts of one app. base is the login host, "" for the app's own.
//
// Errors: Denied with code "reauthorization_required" for invalid_grant;
// Throttled, Unavailable as usual; Invalid for a refused client.
type OAuth interface {
	// AuthorizeURL is where the admin's browser goes; challenge is PKCE S256.
	AuthorizeURL(base string, client Client, state, challenge string) string
	// Exchange turns a code into a grant.
	Exchange(ctx context.Context, h *http.Client, base string, client Client, code, verifier string) (Grant, error)
	// Refresh renews a grant. With an empty refresh token it uses client
	// credentials where the app has them, else answers Unsupported.
	Refresh(ctx context.Context, h *http.Client, base string, client Client, refresh secret.Text) (Grant, error)
}

// WebhookRequest is a delivery as it arrived.
type WebhookRequest struct {
	Method string
	URL    string // as the app called it: scheme, host, path, query
	Header http.Header
	Body   []byte // raw
}

// WebhookTrust is what a delivery is checked against.
type WebhookTrust struct {
	Secret     secret.Text // the app's signing secret for us; may be empty for apps without one
	ExternalID string      // portal or org the account belongs to; events of others are refused
}

// EventKind is what a webhook says happened.
type EventKind string

// The event kinds.
const (
	EventChanged EventKind = "changed" // created, edited, restored: read it again
	EventDeleted EventKind = "deleted"
	EventMerged  EventKind = "merged"
	EventErased  EventKind = "erased" // the app's user asked to forget the person
)

// Event is one hint out of a delivery. Its payload values are never merged, but for
// those of apps that only push.
type Event struct {
	Kind       EventKind
	Object     string
	ID         crm.RecordID
	MergedInto crm.RecordID // merged: the survivor
	Primary    crm.RecordID // merged: whose values the survivor has, where that is another record
	At         time.Time    // by the app's clock
	ExternalID string       // portal or org it belongs to
	// Record is what an app that only pushes (AbilityPush) tells of the record as it was
	// at At: nobody can ask for it again. A field that it leaves out is one of which the
	// delivery says nothing, Null one that was unset.
	Record *crm.Record
}

// Reply is what to answer when all events are safe.
type Reply struct {
	Status      int
	ContentType string
	Body        string
}

// Webhooks hears one app.
type Webhooks interface {
	// Verify checks authenticity on the raw body, in constant time. Denied when
	// forged, altered, too old (over 5 minutes) or from the future.
	Verify(req WebhookRequest, trust WebhookTrust, now time.Time) error
	// Parse splits a verified delivery into at most 1,000 events; Invalid when malformed.
	Parse(req WebhookRequest) ([]Event, error)
	// Reply is the answer the app takes as success.
	Reply() Reply
}
