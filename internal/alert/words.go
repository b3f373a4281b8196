package alert

import (
	"fmt"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// words are what a kind means and asks for.
type words struct {
	summary     func(c *Condition) string
	consequence string
	action      string
}

// dictionary says of every kind what changed, what that costs, and the one
// thing to do.
var dictionary = map[Kind]words{
	RunFailed: {
		func(c *Condition) string { return fmt.Sprintf("the run %s failed: %s", c.Run, c.Code) },
		"what the run was to bring across waits; other syncs go on",
		"read detail and remedy of the run: GET /v1/runs/{run}",
	},
	ManyErrors: {
		func(c *Condition) string { return fmt.Sprintf("%d of %d records are in error", c.Count, c.Of) },
		"these records are not written; the others are",
		"look at the codes, GET /v1/log?event=failed, mend the cause and retry: POST /v1/log/retry",
	},
	FailedInARow: {
		func(c *Condition) string {
			return fmt.Sprintf("%d attempts failed one after the other, the last with %s", c.Count, c.Code)
		},
		"nothing of the sync comes across any more",
		"read detail and remedy of the run: GET /v1/runs/{run}",
	},
	SwitchedOff: {
		func(c *Condition) string {
			if c.By == "" {
				return "it was switched off"
			}
			return "it was switched off by " + c.By
		},
		"nothing is synced until it is switched on again; what changes meanwhile waits in the apps",
		"if that was not meant, switch it on again; GET /v1/audit says who it was",
	},
	NeedsAuth: {
		func(c *Condition) string {
			return fmt.Sprintf("the app of the %s side refuses the credentials of account %s", c.Side, c.Account)
		},
		"nothing is synced; what came meanwhile is done afterwards",
		"authorise the account again: POST /v1/oauth/{app}/authorizations with the account, or PATCH /v1/accounts/{id} " +
			"with new credentials",
	},
	MissingRight: {
		func(c *Condition) string {
			return fmt.Sprintf("account %s of the %s side lacks a right in its app", c.Account, c.Side)
		},
		"what needs the right waits; the rest goes on",
		"give the account's user the right in the app; it is looked for once a minute",
	},
	MassDeletion: {
		func(c *Condition) string {
			return fmt.Sprintf("%d of %d linked records vanished on the %s side", c.Count, c.Of, c.Side)
		},
		"the connection is halted; none of these deletions was applied",
		"look whether they were meant to go, then POST …/deletions/confirm or …/deletions/discard",
	},
	MassChange: {
		func(c *Condition) string {
			return fmt.Sprintf("%d of %d values that mapping %s writes to the %s side would be replaced alike", c.Count, c.Of,
				c.Mapping, c.Side)
		},
		"the mapping is halted; the others go on",
		"look at the field in both apps, then POST …/mappings/{mapping}/changes/confirm or …/changes/discard",
	},
	Unreachable: {
		func(c *Condition) string {
			return fmt.Sprintf("the app of the %s side does not answer account %s: %s", c.Side, c.Account, c.Code)
		},
		"the syncs that need it wait; nothing is lost",
		"nothing while the app is down; if it is up, POST /v1/accounts/{id}/test says what it answers",
	},
	Silence: {
		func(c *Condition) string { return "no pull since " + c.Since.UTC().Format("2006-01-02 15:04 MST") },
		"changes that no webhook tells of do not come across",
		"look at the status: GET /v1/connections/{id}/status says what the sync waits for",
	},
	DeadLetters: {
		func(c *Condition) string { return fmt.Sprintf("%d pieces of work were given up", c.Count) },
		"their records are not in step",
		"read the reasons, GET /v1/dead-letters, then send them again: POST /v1/dead-letters/redrive",
	},
	SchemaDrift: {
		func(c *Condition) string {
			return fmt.Sprintf("%d parts of the settings rest because a field is gone or changed", c.Count)
		},
		"their values stay as they are; everything else goes on",
		"bring the fields back or give the right to see them, or change the settings: GET …/syncs/{sync}/held lists them; " +
			"POST …/held/{mapping}/release looks again at once",
	},
	HooksRefused: {
		func(c *Condition) string {
			return fmt.Sprintf("deliveries to account %s were refused %d times: %s", c.Account, c.Count, c.Code)
		},
		"changes of that app come across with the next pull, not at once",
		"compare address and secret with the app's settings: GET /v1/connections/{id}/webhooks",
	},
	QuotaSpent: {
		func(c *Condition) string { return fmt.Sprintf("the daily calls of account %s are used up", c.Account) },
		"the sync waits until there are calls again",
		"wait, or have the app allow more calls; GET …/status says until when",
	},
	WriteLoop: {
		func(c *Condition) string {
			return fmt.Sprintf("fields of %d pairs went round in a circle of connections", c.Count)
		},
		"these fields are written on neither side",
		"end the circle in the mappings, then let the records go: POST …/records/{side}/{id}/unfreeze",
	},
}

// describe makes the alert of a condition.
func describe(id string, c *crm.Connection, cond *Condition) *Alert {
	a := &Alert{ID: id, State: Open, Connection: c.ID, Condition: *cond, Deliveries: []Delivery{}}
	a.update(c, cond)
	return a
}

// update brings an open alert to what its condition is now; its beginning stays.
func (a *Alert) update(c *crm.Connection, cond *Condition) {
	since, by := a.Since, a.By
	a.Condition, a.ConnectionName = *cond, c.Name
	if !since.IsZero() {
		a.Since = since
	}
	if a.By == "" {
		a.By = by
	}
	w := dictionary[cond.Kind]
	a.Summary, a.Consequence, a.Action = w.summary(&a.Condition), w.consequence, w.action
}
