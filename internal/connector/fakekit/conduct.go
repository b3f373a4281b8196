package fakekit

import (
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Rewrite is what an app does to a value that was written: a workflow, a
// trigger or its own habits. The write succeeds, and the app holds something else.
type Rewrite struct {
	Object  string `json:"object"`
	Field   string `json:"field"`
	How     string `json:"how" doc:"lower, upper, trim, round (to a whole number), cut (to the number of characters in value), set (to value) or keep (what the field held before)"`
	Value   string `json:"value"`
	APIOnly bool   `json:"api_only" doc:"only of writes through the API; else of users' edits too"`
}

// Validation is a rule that the admins of an account made: a record in which
// Field contains Contains (with Contains empty: in which Field is blank) is not saved.
type Validation struct {
	Object   string   `json:"object"`
	Field    string   `json:"field"`
	Contains string   `json:"contains" doc:"text in the field that breaks the rule; empty = the field is blank"`
	Names    []string `json:"names" doc:"fields that the refusal names; empty = it names none"`
	APIOnly  bool     `json:"api_only" doc:"only of writes through the API; else of users' edits too"`
}

// conduct is what an account's own rules do to writes.
type conduct struct {
	rewrites    []Rewrite
	validations []Validation
	broken      map[string]bool
}

// Break makes an app fail at showing these records in a batch read, as one does
// whose row is damaged; the other rows of the call are answered. It replaces
// what was broken before.
func (c *Core) Break(ids ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conduct.broken = map[string]bool{}
	for _, id := range ids {
		c.conduct.broken[id] = true
	}
}

// BrokenRow reports whether a record cannot be shown; for handlers.
func (c *Core) BrokenRow(id string) bool { return c.conduct.broken[id] }

// SetRewrites replaces the rules that change values.
func (c *Core) SetRewrites(rules []Rewrite) error {
	for _, r := range rules {
		switch r.How {
		case "lower", "upper", "trim", "round", "set", "keep":
		case "cut":
			if n := 0; parseLength(r.Value, &n) != nil {
				return fmt.Errorf("value of cut must be a number of characters: %q", r.Value)
			}
		default:
			return fmt.Errorf("how must be lower, upper, trim, round, cut, set or keep: %q", r.How)
		}
		if r.Object == "" || r.Field == "" {
			return fmt.Errorf("a rule names an object and a field")
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conduct.rewrites = rules
	return nil
}

// SetValidations replaces the rules that refuse records.
func (c *Core) SetValidations(rules []Validation) error {
	for _, r := range rules {
		if r.Object == "" || r.Field == "" {
			return fmt.Errorf("a rule names an object and a field")
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conduct.validations = rules
	return nil
}

func parseLength(s string, n *int) error {
	_, err := fmt.Sscanf(s, "%d", n)
	if err == nil && *n < 0 {
		err = fmt.Errorf("negative")
	}
	return err
}

// Rewritten is what the account makes of a value that is written over old.
// Called with the lock held.
func (c *Core) Rewritten(object, field, value, old string, byUser bool) string {
	for _, r := range c.conduct.rewrites {
		if !strings.EqualFold(r.Object, object) || !strings.EqualFold(r.Field, field) || r.APIOnly && byUser {
			continue
		}
		switch r.How {
		case "lower":
			value = strings.ToLower(value)
		case "upper":
			value = strings.ToUpper(value)
		case "trim":
			value = strings.Join(strings.Fields(value), " ")
		case "round":
			if f, ok := new(big.Float).SetString(value); ok {
				value = f.Text('f', 0)
			}
		case "cut":
			n := 0
			if parseLength(r.Value, &n) == nil && utf8.RuneCountInString(value) > n {
				value = string([]rune(value)[:n])
			}
		case "set":
			value = r.Value
		case "keep":
			value = old
		}
	}
	return value
}

// Broken returns the first rule that a record as it is about to be saved breaks.
// Called with the lock held.
func (c *Core) Broken(object string, fields map[string]string, byUser bool) (Validation, bool) {
	for _, r := range c.conduct.validations {
		if !strings.EqualFold(r.Object, object) || r.APIOnly && byUser {
			continue
		}
		v := fields[r.Field]
		if r.Contains == "" && v == "" || r.Contains != "" && strings.Contains(v, r.Contains) {
			return r, true
		}
	}
	return Validation{}, false
}

type rewritesIn struct {
	Rules []Rewrite `json:"rules" doc:"all rules; the former ones end"`
}

type brokenIn struct {
	IDs []string `json:"ids" doc:"all such records; the former ones are whole again"`
}

type validationsIn struct {
	Rules []Validation `json:"rules" doc:"all rules; the former ones end"`
}

func (c *Core) conductKnobs() []Knob {
	return []Knob{
		NewKnob("PUT", "/_fake/rewrites", "Let the app change values that are written: workflows, rounding, silent refusals.",
			func(_ *http.Request, in rewritesIn) (Done, error) {
				return Done{true}, c.SetRewrites(in.Rules)
			}),
		NewKnob("PUT", "/_fake/broken_rows", "Let batch reads fail at single records.",
			func(_ *http.Request, in brokenIn) (Done, error) {
				c.Break(in.IDs...)
				return Done{true}, nil
			}),
		NewKnob("PUT", "/_fake/validations", "Let the app refuse records by rules of the account's admins.",
			func(_ *http.Request, in validationsIn) (Done, error) {
				return Done{true}, c.SetValidations(in.Rules)
			}),
	}
}
