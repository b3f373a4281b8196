package carddav

import (
	"encoding/xml"
	"net/http"
	"strconv"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

var (
	changed = rest.Meaning{
		Kind: fault.Conflict, Code: connector.CodeLocked, Text: "somebody changed the contact meanwhile",
	}
	forgotten = rest.Meaning{
		Kind: fault.Invalid, Code: connector.CodeExpired, Text: "the server has forgotten where the last listing stood",
	}
	refused = rest.Meaning{
		Kind: fault.Invalid, Code: connector.CodeValue, Text: "the server does not take the contact as it is",
	}
	tooLarge = rest.Meaning{
		Kind: fault.Invalid, Code: connector.CodeTooLong, Text: "the contact is larger than the server takes",
	}
	full = rest.Meaning{Kind: fault.Invalid, Code: connector.CodeStorage, Text: "the address book is full"}
	many = rest.Meaning{
		Kind: fault.Invalid, Code: connector.CodeMatches, Text: "more contacts match than the server lists",
	}
	denied = rest.Meaning{
		Kind: fault.Denied, Code: connector.CodePermission, Text: "the user may not do that in this address book",
	}
	without = rest.Meaning{Kind: fault.Unsupported, Code: connector.CodeUnsupported, Text: "the server cannot do that"}
)

// refusals is what statuses and preconditions mean. A precondition that failed is named by an
// element in the body, with 403 or 409; there is none with 412, which stands for the etag.
// Source: RFC 4918 section 16, RFC 3744 7.1.1, RFC 4331 6, RFC 6352 5.1, 6.3.2.1 and 8.6, RFC 6578 3.2.
var refusals = rest.Errors{
	Name: "the CardDAV server",
	Statuses: map[int]rest.Meaning{
		http.StatusGone:                 {Kind: fault.NotFound},
		http.StatusLocked:               {Kind: fault.Conflict, Code: connector.CodeLocked, Text: "the contact is locked"},
		http.StatusForbidden:            denied,
		http.StatusMethodNotAllowed:     without,
		http.StatusNotImplemented:       without,
		http.StatusUnsupportedMediaType: refused,
	},
	Words: map[string]rest.Meaning{
		"valid-sync-token":                {Kind: forgotten.Kind, Code: forgotten.Code, Text: forgotten.Text},
		"supported-report":                without,
		"valid-address-data":              refused,
		"supported-address-data":          refused,
		"supported-collation":             without,
		"supported-filter":                without,
		"max-resource-size":               tooLarge,
		"quota-not-exceeded":              full,
		"sufficient-disk-space":           full,
		"number-of-matches-within-limits": many,
		"need-privileges":                 denied,
		"no-uid-conflict": {
			Kind: fault.Conflict, Code: connector.CodeExists, Text: "another contact has the same UID",
		},
		"412@": changed,
		"413@": tooLarge,
		"507@": full,
	},
	Plain: true, // 507 refuses: nothing was written
	Read: func(status int, body []byte) []rest.Problem {
		var said struct {
			XMLName xml.Name                     `xml:"DAV: error"`
			Inner   []struct{ XMLName xml.Name } `xml:",any"`
		}
		_ = xml.Unmarshal(body, &said) // what is no such body names nothing
		var words []string
		for _, e := range said.Inner {
			words = append(words, e.XMLName.Local)
		}
		return []rest.Problem{{Words: append(words, strconv.Itoa(status)+"@")}}
	},
}
