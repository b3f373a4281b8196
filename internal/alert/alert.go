package alert

import (
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Kind is what is wrong.
type Kind string

// The kinds of alert.
const (
	RunFailed    Kind = "run_failed"
	ManyErrors   Kind = "many_errors"         // more than 30 % of the records in error
	FailedInARow Kind = "failed_in_a_row"     // five failed attempts of a sync, one after the other
	SwitchedOff  Kind = "switched_off"        // by a user
	NeedsAuth    Kind = "needs_authorization" // an app refuses an account's credentials
	MissingRight Kind = "missing_right"
	MassDeletion Kind = "mass_deletion"
	MassChange   Kind = "mass_change"
	Unreachable  Kind = "app_unreachable"
	Silence      Kind = "silence" // a schedule has brought no pull
	DeadLetters  Kind = "dead_letters"
	SchemaDrift  Kind = "schema_drift"
	HooksRefused Kind = "webhooks_refused"
	QuotaSpent   Kind = "quota_used_up"
	WriteLoop    Kind = "write_loop"
)

// Kinds lists all.
var Kinds = []Kind{
	RunFailed, ManyErrors, FailedInARow, SwitchedOff, NeedsAuth, MissingRight, MassDeletion, MassChange,
	Unreachable, Silence, DeadLetters, SchemaDrift, HooksRefused, QuotaSpent, WriteLoop,
}

// State says whether an alert is over.
type State string

// The states of an alert.
const (
	Open     State = "open"
	Resolved State = "resolved"
)

// Condition is something that is wrong with a connection now.
type Condition struct {
	Kind    Kind          `json:"kind"`
	Sync    crm.SyncID    `json:"sync,omitempty" doc:"Absent where it is about the whole connection"`
	Side    crm.Side      `json:"side,omitempty"`
	Account crm.AccountID `json:"account,omitempty"`
	Mapping crm.MappingID `json:"mapping,omitempty"`
	Run     crm.RunID     `json:"run,omitempty"`
	Code    string        `json:"code,omitempty" doc:"See GET /v1/codes"`
	By      string        `json:"by,omitempty" doc:"Key of the user who did it; GET /v1/audit says more"`
	Since   time.Time     `json:"since"`
	Count   int64         `json:"count" doc:"Of what the summary speaks of: records, runs, messages, fields, deliveries"`
	Of      int64         `json:"of,omitempty" doc:"Out of how many"`
	Detail  string        `json:"detail,omitempty" doc:"Of fields that are gone or changed: which, what they were and are, and what would mend it"`
}

// key tells conditions apart that are there at once: what stays the same while
// one goes on.
func (c *Condition) key() string {
	return string(c.Kind) + "|" + string(c.Sync) + "|" + string(c.Side) + "|" + string(c.Mapping)
}

// Alert is a condition with its beginning and its end.
type Alert struct {
	ID             string           `json:"id"`
	State          State            `json:"state" enum:"open,resolved"`
	Connection     crm.ConnectionID `json:"connection"`
	ConnectionName string           `json:"connection_name"`
	Condition
	Until       time.Time  `json:"until,omitzero" doc:"When it was over"`
	Summary     string     `json:"summary" doc:"What changed"`
	Consequence string     `json:"consequence"`
	Action      string     `json:"action" doc:"The one thing to do"`
	Deliveries  []Delivery `json:"deliveries" nullable:"false" doc:"Messages about it; none where nobody was to be told"`
}

// The events that are told.
const (
	EventOpened   = "opened"
	EventResolved = "resolved"
)

// The channels.
const (
	ChannelMail    = "mail"
	ChannelWebhook = "webhook"
)

// The states of a delivery.
const (
	DeliveryPending   = "pending"
	DeliveryDelivered = "delivered"
	DeliveryFailed    = "failed"   // given up
	DeliveryUnwanted  = "unwanted" // notify was switched off before it was sent
)

// Delivery is how far the message about one change on one channel has come.
type Delivery struct {
	ID       string    `json:"id" doc:"The header webhook-id, the same at every attempt"`
	Channel  string    `json:"channel" enum:"mail,webhook"`
	Event    string    `json:"event" enum:"opened,resolved"`
	State    string    `json:"state" enum:"pending,delivered,failed,unwanted"`
	Attempts int       `json:"attempts"`
	Next     time.Time `json:"next_attempt,omitzero"`
	At       time.Time `json:"delivered_at,omitzero"`
	Error    string    `json:"last_error,omitempty" doc:"Of the last attempt that failed"`
	Fallback bool      `json:"fallback,omitempty" doc:"It went to the admins: the user chosen is not active any more"`
}
