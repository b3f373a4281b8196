package api

import (
	"cmp"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// sureEnough is the confidence from which fields are mapped without being asked
// about one by one.
const sureEnough = 0.8

// suggestedFor says why a mapping is suggested.
type suggestedFor struct {
	Mapping    crm.MappingID `json:"mapping"`
	Confidence float64       `json:"confidence" minimum:"0" maximum:"1"`
	Reason     string        `json:"reason"`
}

// candidate is a mapping that may be meant.
type candidate struct {
	Mapping    crm.Mapping `json:"mapping"`
	Confidence float64     `json:"confidence" minimum:"0" maximum:"1"`
	Reason     string      `json:"reason"`
}

// synonyms are words that apps have for one thing, folded.
var synonyms = [][]string{
	{"firstname", "givenname", "forename"},
	{"lastname", "surname", "familyname"},
	{"name", "fullname", "displayname"},
	{"email", "emailaddress", "mail", "primaryemail", "workemail"},
	{"mobile", "mobilephone", "mobilenumber", "cell", "cellphone"},
	{"phone", "phonenumber", "telephone", "workphone", "businessphone", "primaryphone"},
	{"fax", "faxnumber"},
	{"zip", "zipcode", "postalcode", "postcode", "mailingpostalcode", "billingpostalcode"},
	{"city", "town", "mailingcity", "billingcity"},
	{"state", "region", "province", "mailingstate", "billingstate"},
	{"country", "mailingcountry", "billingcountry"},
	{"street", "address", "streetaddress", "address1", "addressline1", "mailingstreet", "billingstreet"},
	{"jobtitle", "title", "position", "jobposition"},
	{"company", "companyname", "organization", "organisation", "accountname"},
	{"website", "websiteurl", "web", "homepage", "url"},
	{"birthdate", "birthday", "dateofbirth", "dob"},
	{"tags", "labels", "keywords"},
	{"description", "notes", "about", "summary", "bio"},
	{"industry", "sector"},
	{"employees", "numberofemployees", "employeecount", "companysize"},
	{"revenue", "annualrevenue"},
	{"source", "leadsource", "origin"},
	{"stage", "dealstage", "stagename", "status"},
	{"amount", "value", "dealvalue", "dealamount"},
	{"closedate", "expectedclosedate", "closingdate"},
	{"department", "team"},
	{"salutation", "prefix", "honorific"},
}

// group is the number of a word's synonyms; -1 = it has none.
func group(word string) int {
	return slices.IndexFunc(synonyms, func(words []string) bool { return slices.Contains(words, word) })
}

// resemblance says how sure it is that two fields are the same by what they are
// called, and why; 0 = nothing says so.
func resemblance(l, r crm.Field) (float64, string) {
	names, labels := [2]string{folded(l.Name), folded(r.Name)}, [2]string{folded(l.Label), folded(r.Label)}
	same := func(a, b string) bool { return a != "" && a == b }
	related := func(a, b string) bool { return group(a) >= 0 && group(a) == group(b) }
	switch {
	case same(names[0], names[1]):
		return 0.95, "the same name"
	case same(labels[0], names[1]) || same(names[0], labels[1]):
		return 0.9, "the name of one is the label of the other"
	case same(labels[0], labels[1]) && l.Type == crm.TypeNumber && r.Type == crm.TypeNumber:
		return 0.7, "the same label: look whether both count in the same unit" // such as seconds
	case same(labels[0], labels[1]):
		return 0.85, "the same label"
	case related(names[0], names[1]):
		return 0.75, "two words for the same"
	case related(labels[0], labels[1]) || related(labels[0], names[1]) || related(names[0], labels[1]):
		return 0.65, "labels that are two words for the same"
	}
	return 0, ""
}

// candidates pairs fields of the two sides by name, label and type, each field
// once, the surest first. Only mappings that a save takes are among them.
func candidates(fields [2][]crm.Field) []candidate {
	var all []candidate
	env := mapping.Env{Left: byName(fields[0]), Right: byName(fields[1])}
	for _, l := range fields[0] {
		for _, r := range fields[1] {
			if sure, why := resemblance(l, r); sure > 0 {
				if c, ok := joinedFields(env, l, r, sure, why); ok {
					all = append(all, c)
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.Confidence, a.Confidence) })
	used := [2]map[string]bool{{}, {}}
	var out []candidate
	for _, c := range all {
		l, r := c.Mapping.Left[0], c.Mapping.Right[0]
		if used[0][l] || used[1][r] {
			continue
		}
		used[0][l], used[1][r] = true, true
		out = append(out, c)
	}
	return out
}

// joinedFields is a mapping of two fields in the widest direction that both
// allow. Types that differ, or that fit one way only, make it less sure.
func joinedFields(env mapping.Env, l, r crm.Field, sure float64, why string) (candidate, bool) {
	transform, plain := mapping.TransformFor(l.Type)
	m := crm.Mapping{ID: "suggested", Left: []string{l.Name}, Right: []string{r.Name}, Origin: "default"}
	m.Transform.Type = transform
	normalizeMapping(&m)
	if !restrict(&m, l, r) {
		return candidate{}, false
	}
	if l.Type == r.Type && plain {
		_, problems := mapping.Compile(m, env)
		return candidate{m, sure, why + " and type"}, len(problems) == 0
	}
	sure -= 0.2
	there, back := mapping.FitOf(l.Type, r.Type), mapping.FitOf(r.Type, l.Type)
	for _, try := range []struct {
		words []crm.TransformType
		way   crm.Direction
	}{{there.BothWays, crm.DirectionBoth}, {there.OneWay, crm.DirectionToRight}, {back.OneWay, crm.DirectionToLeft}} {
		if !m.Direction.Allows(crm.ToRight) && try.way != crm.DirectionToLeft ||
			!m.Direction.Allows(crm.ToLeft) && try.way != crm.DirectionToRight {
			continue
		}
		for _, word := range try.words {
			one := m
			one.Transform.Type, one.Direction = word, try.way
			if _, problems := mapping.Compile(one, env); len(problems) == 0 {
				return candidate{one, sure, why + "; " + string(l.Type) + " and " + string(r.Type) + ": " + there.Reason}, true
			}
		}
	}
	return candidate{}, false
}

// optionFit says how the options of two fields that are mapped fit.
type optionFit struct {
	Mapping   crm.MappingID         `json:"mapping"`
	Left      string                `json:"left"`
	Right     string                `json:"right"`
	Suggested map[string]string     `json:"suggested" nullable:"false" doc:"Left options to right ones, by value or label: options of a transform"`
	Unmapped  crm.PerSide[[]string] `json:"unmapped" doc:"Options that are no option of the other side: records that hold them fail that field"`
}

// optionFits looks at the options of the document's mappings, then of those that
// are suggested beside them.
func optionFits(sync *crm.Sync, s *suggestion, left, right map[string]crm.Field) []optionFit {
	out := []optionFit{}
	seen := map[[2]string]bool{}
	look := func(m *crm.Mapping) {
		if len(m.Left) != 1 || len(m.Right) != 1 {
			return
		}
		l, r := left[m.Left[0]], right[m.Right[0]]
		if len(l.Options) == 0 || len(r.Options) == 0 || seen[[2]string{l.Name, r.Name}] {
			return
		}
		seen[[2]string{l.Name, r.Name}] = true
		out = append(out, fitOptions(m, l, r))
	}
	for i := range sync.Mappings {
		look(&sync.Mappings[i])
	}
	for i := range s.Mappings {
		look(&s.Mappings[i])
	}
	for i := range s.Candidates {
		look(&s.Candidates[i].Mapping)
	}
	return out
}

func fitOptions(m *crm.Mapping, l, r crm.Field) optionFit {
	out := optionFit{Mapping: m.ID, Left: l.Name, Right: r.Name, Suggested: map[string]string{}}
	taken := map[string]bool{}
	pair := func(from, to string) {
		if _, known := out.Suggested[from]; !known && !taken[to] {
			out.Suggested[from], taken[to] = to, true
		}
	}
	for from, to := range m.Transform.Options { // what the document says stays, though several become one
		out.Suggested[from], taken[to] = to, true
	}
	for _, like := range []func(a, b crm.Option) bool{
		func(a, b crm.Option) bool { return a.Value == b.Value },
		func(a, b crm.Option) bool { return sameWord(a.Value, b.Value) },
		func(a, b crm.Option) bool { return sameWord(a.Label, b.Label) },
		func(a, b crm.Option) bool { return sameWord(a.Label, b.Value) || sameWord(a.Value, b.Label) },
	} {
		for _, a := range l.Options {
			for _, b := range r.Options {
				if like(a, b) {
					pair(a.Value, b.Value)
				}
			}
		}
	}
	unmapped := [2][]string{{}, {}}
	for _, o := range l.Options {
		if _, ok := out.Suggested[o.Value]; !ok && !r.OpenOptions {
			unmapped[0] = append(unmapped[0], o.Value)
		}
	}
	for _, o := range r.Options {
		if !taken[o.Value] && !l.OpenOptions {
			unmapped[1] = append(unmapped[1], o.Value)
		}
	}
	out.Unmapped = crm.PerSide[[]string]{Left: unmapped[0], Right: unmapped[1]}
	return out
}

// sameWord compares options without case, blanks and punctuation.
func sameWord(a, b string) bool {
	a, b = folded(strings.TrimSpace(a)), folded(strings.TrimSpace(b))
	return a != "" && a == b
}
