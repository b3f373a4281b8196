package realgeeks

import (
	"net/http"
	"regexp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// quoted is the field that a refusal names.
var quoted = regexp.MustCompile(`(?i)field '([a-z][a-z0-9_]{0,60})'`)

// refusals is what Real Geeks' statuses mean. Its texts repeat values and are not passed on.
var refusals = rest.Errors{
	Name: "Real Geeks",
	Statuses: map[int]rest.Meaning{
		http.StatusBadRequest:          {Kind: fault.Invalid, Code: connector.CodeRejected},
		http.StatusUnprocessableEntity: {Kind: fault.Invalid, Code: connector.CodeRejected},
	},
	Words: map[string]rest.Meaning{
		"field@": {Kind: fault.Invalid, Code: connector.CodeValue, Text: "Real Geeks refuses the value"},
	},
	Read: func(status int, body []byte) []rest.Problem {
		m := quoted.FindSubmatch(body)
		if m == nil || status != http.StatusBadRequest && status != http.StatusUnprocessableEntity {
			return nil
		}
		return []rest.Problem{{Words: []string{"field@"}, Fields: []string{string(m[1])}}}
	},
}
