package rest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// TestRefusalsMeanWhatIsWritten: what is made of every status with every kind of
// body, of reads and of writes, is in testdata.
func TestRefusalsMeanWhatIsWritten(t *testing.T) {
	t.Parallel()
	words := map[string]rest.Meaning{
		"LIMIT":    {Kind: fault.Throttled, Code: "rate_limited", Wait: 3 * time.Second, Guessed: true},
		"TAKEN":    {Kind: fault.Conflict, Code: "already_exists", Text: "somebody holds it"},
		"BAD":      {Kind: fault.Invalid, Code: "invalid_value"},
		"BAD@case": {Kind: fault.Invalid, Code: "rejected_by_rule"},
	}
	bodies := []struct {
		name     string
		problems []rest.Problem
	}{
		{"nothing said", nil},
		{"an unknown word", []rest.Problem{{Words: []string{"ODD"}}}},
		{"an unknown word with a text", []rest.Problem{{Words: []string{"ODD"}, Text: "what it says"}}},
		{"a limit", []rest.Problem{{Words: []string{"LIMIT"}}}},
		{"taken", []rest.Problem{{Words: []string{"TAKEN"}, Fields: []string{"email"}}}},
		{"taken, with a text", []rest.Problem{{Words: []string{"TAKEN"}, Text: "what it says"}}},
		{"bad fields", []rest.Problem{
			{Words: []string{"BAD"}, Fields: []string{"a", "b"}}, {Words: []string{"TAKEN"}, Fields: []string{"c", "a"}},
		}},
		{"a case of bad", []rest.Problem{{Words: []string{"BAD@case", "BAD"}, Fields: []string{"a"}}}},
		{"unknown, then bad", []rest.Problem{
			{Words: []string{"ODD"}, Fields: []string{"a"}}, {Words: []string{"BAD"}, Fields: []string{"b"}},
		}},
	}
	var out strings.Builder
	for _, plain := range []bool{false, true} {
		for _, write := range []bool{false, true} {
			for _, b := range bodies {
				e := rest.Errors{
					Name: "Acme", Words: words, Plain: plain, Read: func(int, []byte) []rest.Problem { return b.problems },
					Statuses: map[int]rest.Meaning{
						418: {Kind: fault.Denied, Code: "teapot", Text: "it is a teapot", Wait: time.Minute},
					},
				}
				fmt.Fprintf(&out, "plain %t, write %t, %s\n", plain, write, b.name)
				alike := map[string]string{}
				var order []string
				for _, status := range []int{300, 304, 400, 401, 403, 404, 405, 408, 409, 410, 418, 422, 429, 499, 500, 503} {
					r := rest.Request{Op: "acme: do", Method: http.MethodPost, Write: write}
					f := e.Classify(r, rest.Answer{Status: status})
					said := fmt.Sprintf("%v %s after %s guessed %t landed %t fields %v: %s",
						f.Kind, f.Code, f.RetryAfter, f.Guessed, f.MayHaveLanded, fault.FieldFaults(f),
						strings.ReplaceAll(f.Message, fmt.Sprint(status), "…"))
					if alike[said] == "" {
						order = append(order, said)
					}
					alike[said] += fmt.Sprintf(" %d", status)
				}
				for _, said := range order {
					fmt.Fprintf(&out, " %s: %s\n", alike[said], said)
				}
			}
		}
	}
	written.Check(t, "meanings.txt", out.String())
}
