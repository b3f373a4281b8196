package googlecontacts

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// status is google.rpc.Status as batches have one for each row. Its codes are those of gRPC.
type status struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// refusal is the error body of all Google APIs.
type refusal struct {
	Error struct {
		Code    int    `json:"code"`
		Status  string `json:"status"`
		Message string `json:"message"`
		Details []struct {
			Reason string            `json:"reason"`        // of google.rpc.ErrorInfo
			Rows   map[string]status `json:"contactErrors"` // of a batch, by number or resource name
		} `json:"details"`
	} `json:"error"`
}

func refusalOf(body []byte) refusal {
	var r refusal
	_ = json.Unmarshal(body, &r) // what is no such body names nothing
	return r
}

var changed = rest.Meaning{
	Kind: fault.Conflict, Code: connector.CodeLocked, Text: "somebody changed the contact meanwhile",
}

// refusals is what Google's statuses and words mean. An expired sync token is told by its
// reason; older documents have 410, and some saw a text alone.
// Source: people.connections.list, people.updateContact, google.rpc.Code.
var refusals = rest.Errors{
	Name: "Google",
	Statuses: map[int]rest.Meaning{
		http.StatusGone: {
			Kind: fault.Invalid, Code: connector.CodeExpired, Text: "Google has forgotten where the last listing stood",
		},
	},
	Words: map[string]rest.Meaning{
		"EXPIRED_SYNC_TOKEN": {
			Kind: fault.Invalid, Code: connector.CodeExpired, Text: "Google has forgotten where the last listing stood",
		},
		"ACCESS_TOKEN_SCOPE_INSUFFICIENT": {
			Kind: fault.Denied, Code: connector.CodePermission,
			Text: "the user did not allow access to the contacts: authorise again and tick the box",
		},
		"FAILED_PRECONDITION": changed,
		"rpc@5":               {Kind: fault.NotFound},
		"rpc@9":               changed,
		"rpc@13":              {Kind: fault.Unavailable, Text: "Google failed at this contact"},
		"rpc@14":              {Kind: fault.Unavailable, Text: "Google failed at this contact"},
	},
	Read: func(code int, body []byte) []rest.Problem {
		e := refusalOf(body).Error
		var words []string
		for _, d := range e.Details {
			if d.Reason != "" {
				words = append(words, d.Reason)
			}
		}
		if code == http.StatusBadRequest && strings.Contains(strings.ToLower(e.Message), "sync token is expired") {
			words = append(words, "EXPIRED_SYNC_TOKEN")
		}
		if code == http.StatusBadRequest && e.Status == "FAILED_PRECONDITION" {
			words = append(words, e.Status)
		}
		if words == nil {
			return nil
		}
		return []rest.Problem{{Words: words}}
	},
}

// problems are what is wrong with one row.
func (s status) problems() []rest.Problem {
	return []rest.Problem{{Words: []string{"rpc@" + strconv.Itoa(s.Code)}}}
}
