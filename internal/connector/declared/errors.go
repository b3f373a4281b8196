package declared

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// kinds are the codes that a document may give a refusal, and what each means to us.
// "not_found" and "unavailable" are kinds without a code.
var kinds = map[string]fault.Kind{
	connector.CodeReauthorize: fault.Denied, connector.CodePermission: fault.Denied,
	connector.CodeRate: fault.Throttled, connector.CodeQuota: fault.Throttled,
	connector.CodeExists: fault.Conflict, connector.CodeLocked: fault.Conflict,
	connector.CodeUnsupported: fault.Unsupported, connector.CodeVersion: fault.Unsupported,
	connector.CodeRejected: fault.Invalid, connector.CodeField: fault.Invalid, connector.CodeReadOnly: fault.Invalid,
	connector.CodeRequired: fault.Invalid, connector.CodeValue: fault.Invalid, connector.CodeTooLong: fault.Invalid,
	connector.CodeOption: fault.Invalid, connector.CodeRule: fault.Invalid, connector.CodeDuplicate: fault.Invalid,
	connector.CodeStorage: fault.Invalid, connector.CodeExpired: fault.Invalid,
	notFound: fault.NotFound, unavailable: fault.Unavailable,
}

const notFound, unavailable = "not_found", "unavailable"

func meaning(code string) rest.Meaning {
	m := rest.Meaning{Kind: kinds[code], Code: code}
	if code == notFound || code == unavailable {
		m.Code = ""
	}
	return m
}

// refusals is what the app's statuses, words and texts mean.
func (d *Document) refusals() rest.Errors {
	out := rest.Errors{
		Name: d.App.Name, Plain: true, Statuses: map[int]rest.Meaning{}, Words: map[string]rest.Meaning{},
		Read: d.Errors.read,
	}
	for status, code := range d.Errors.Statuses {
		n, _ := strconv.Atoi(status) // it was checked
		out.Statuses[n] = meaning(code)
	}
	for word, code := range d.Errors.Words {
		out.Words[word] = meaning(code)
	}
	for i, t := range d.Errors.Texts {
		m := meaning(t.Code)
		m.Text = d.App.Name + " says that the " + strings.ReplaceAll(t.Code, "_", " ") // what it says may repeat values
		out.Words[textWord(i)] = m
	}
	return out
}

// textWord is our word for a text of the document.
func textWord(i int) string { return "text" + strconv.Itoa(i) + "@" }

// fieldName is what a field at fault may be called: it may be anything that a field holds.
var fieldName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./-]{0,79}$`)

// read finds the problems in a body.
func (p *errorsPart) read(_ int, body []byte) (out []rest.Problem) {
	var got answer
	if json.Unmarshal(body, &got) != nil {
		return nil
	}
	whole := entry{v: got.v}
	var first []string
	for i, t := range p.Texts {
		if strings.Contains(strings.ToLower(whole.text(&t.At)), strings.ToLower(t.Has)) {
			first = append(first, textWord(i))
		}
	}
	list := []entry{whole}
	if p.Problems != nil {
		list, _ = entries(got.v, *p.Problems)
	}
	for _, e := range list {
		one := rest.Problem{Words: slices.Clone(first)}
		if w := e.text(p.Word); w != "" {
			one.Words = append(one.Words, w)
		}
		if f := e.text(p.Field); fieldName.MatchString(f) {
			one.Fields = []string{f}
		}
		if out = append(out, one); len(out) == 50 {
			break
		}
	}
	if len(out) == 0 && first != nil {
		out = []rest.Problem{{Words: first}}
	}
	return out
}
