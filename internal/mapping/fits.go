package mapping

import (
	"slices"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Fit says whether a field of one type can be mapped to one of another.
type Fit struct {
	From     crm.FieldType       `json:"from"`
	To       crm.FieldType       `json:"to"`
	OneWay   []crm.TransformType `json:"one_way" nullable:"false" doc:"Transforms under which values travel; none = as they are"`
	BothWays []crm.TransformType `json:"both_ways" nullable:"false" doc:"Those under which they travel back, too"`
	Reason   string              `json:"reason" doc:"Why, and what to do where it does not fit"`
}

// Fits is the table of every pair of types, made by compiling a mapping of each
// under each transform: what it says is what a save takes.
func Fits() []Fit {
	var out []Fit
	for _, from := range crm.FieldTypes {
		for _, to := range crm.FieldTypes {
			out = append(out, FitOf(from, to))
		}
	}
	return out
}

// FitOf is one line of the table.
func FitOf(from, to crm.FieldType) Fit {
	f := Fit{From: from, To: to, OneWay: []crm.TransformType{}, BothWays: []crm.TransformType{}}
	lossy := false
	for i := range transforms {
		word := transforms[i].word
		if word == crm.TransformStatic || word == crm.TransformFullName { // of a text of one's own, and of several fields
			continue
		}
		if compiles(from, to, word, crm.DirectionToRight) == "" {
			f.OneWay = append(f.OneWay, word)
		}
		switch compiles(from, to, word, crm.DirectionBoth) {
		case "":
			f.BothWays = append(f.BothWays, word)
		case CodeNotRoundTrip:
			lossy = true
		}
	}
	f.Reason = f.reason(lossy)
	return f
}

func (f *Fit) reason(lossy bool) string {
	asIs := slices.Contains(f.OneWay, crm.TransformNone)
	switch {
	case len(f.OneWay) == 0:
		return remedy(f.From, f.To)
	case f.From == crm.TypeOwner && f.To == crm.TypeOwner:
		return "the user of the other app with the same e-mail address; unknown there, nobody is assigned"
	case f.From == crm.TypeOwner:
		return "the user's e-mail address"
	case f.To == crm.TypeOwner:
		return "the user with this e-mail address; unknown, nobody is assigned"
	case f.From == f.To && asIs:
		return "the same type"
	case severalItems(f.From) && severalItems(f.To):
		return "both hold several items"
	case len(f.BothWays) == 0 && lossy && (severalItems(f.From) || severalItems(f.To)):
		return "of several items only the first fits a single field, and writing it back would drop the others: one way only"
	case len(f.BothWays) == 0 && lossy:
		return "a date has no time of day, so that the time would be lost on the way back: one way only"
	case len(f.BothWays) == 0:
		return "what the one holds need not be a value of the other: one way only"
	case !asIs:
		return "under a transform, which reads either side's form"
	case f.To == crm.TypeText:
		return "a text takes every value as it is written"
	}
	return "a text is tried as it is; a value that does not fit fails its field"
}

// Joint says what becomes of references that an association joins, of which either
// side's field may name one record or any number.
type Joint struct {
	Left, Right string // "one" or "several"
	Means       string
}

// Joints is the table of associations, made by compiling one of each kind.
func Joints() []Joint {
	var out []Joint
	kinds := []string{"one", "several"}
	for l, left := range kinds {
		for r, right := range kinds {
			field := func(name string, several bool) map[string]crm.Field {
				return map[string]crm.Field{name: {Name: name, Type: crm.TypeReference, Multiple: several}}
			}
			c, problems := Compile(crm.Mapping{ID: "m", Left: []string{"l"}, Right: []string{"r"}, Joins: "s"}, Env{
				Left: field("l", l == 1), Right: field("r", r == 1),
			})
			means := "the twin of the record that the other side names"
			switch {
			case len(problems) > 0:
				means = problems[0].Detail
			case c.JoinsSeveral():
				means = "the twins of all records that the other side names, merged as a set: what either side added or took " +
					"away since the last agreement travels, the last one too; what has no twin waits and stays where it is"
			case l != r:
				means = "of several the one that both sides agreed on counts, or else one that the other side names too, or the " +
					"one with the lowest ID; a write takes the place of the one agreed on, and the others stay"
			}
			out = append(out, Joint{left, right, means})
		}
	}
	return out
}

// compiles answers the code of what is wrong with a mapping of two types; "" =
// nothing.
func compiles(from, to crm.FieldType, word crm.TransformType, way crm.Direction) string {
	m := crm.Mapping{
		ID: "m", Left: []string{"l"}, Right: []string{"r"}, Direction: way, Transform: crm.Transform{Type: word},
	}
	_, problems := Compile(m, Env{
		Left: map[string]crm.Field{"l": {Name: "l", Type: from}}, Right: map[string]crm.Field{"r": {Name: "r", Type: to}},
	})
	if len(problems) == 0 {
		return ""
	}
	return problems[0].Code
}
