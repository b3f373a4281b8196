package rows

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// clause is a filter with values of its field that pass and that fail; "" is a
// record without the field.
type clause struct {
	field  string
	filter string // JSON
	passes []string
	fails  []string
}

// judged shows filters: for each, people with the values, and who of them gets
// to the other side. All stand in one connection, a rule each: its people are
// those of a company of their own.
func (w *world) judged(all ...clause) {
	w.Helper()
	type person struct {
		who, what string
		passes    bool
	}
	var people []person
	var rules []string
	for i, c := range all {
		company := fmt.Sprintf("Case %d", i)
		rules = append(rules, fmt.Sprintf(
			`{"id":"r%d","direction":"to_right","filter":{"all":[{"field":"company","op":"equals","value":%q},%s]}}`, i, company,
			c.filter))
		for n, value := range append(append([]string{}, c.passes...), c.fails...) {
			p := person{fmt.Sprintf("p%d-%d", i, n), fmt.Sprintf("%s %s with %q", c.field, c.filter, value), n < len(c.passes)}
			fields := []string{"company", company}
			if value != "" {
				fields = append(fields, c.field, value)
			}
			w.left.add(p.who, fields...)
			people = append(people, p)
		}
	}
	w.connect("direction", "to_right", "rules", raw("["+strings.Join(rules, ",")+"]"))
	w.start()
	over := map[string]bool{}
	for _, r := range w.right.dump() {
		over[strings.TrimSuffix(r.Fields["Email"], "@example.com")] = true
	}
	for _, p := range people {
		if over[p.who] != p.passes {
			w.Errorf("%s: it passes: %v, want %v", p.what, over[p.who], p.passes)
		}
	}
}

// is makes a clause with a value.
func is(field, op string, value any, passes, fails []string) clause {
	text, _ := json.Marshal(map[string]any{"field": field, "op": op, "value": value}) // of our own types
	return clause{field, string(text), passes, fails}
}

func values(all ...string) []string { return all }

// TestRow72_TwoDefaultRules: a new sync lets every record of each side through.
func TestRow72_TwoDefaultRules(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann")
		w.right.add("bob")
		w.connect()
		w.want(200, "GET", w.con, nil).says(`"rules":[]`)
		w.start()
		w.right.has("ann", "LastName", "Of ann")
		w.left.has("bob", "lastname", "Of bob")
	})
}

// TestRow73_AnyRuleSuffices: who matches two rules is synced once.
func TestRow73_AnyRuleSuffices(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "city", "Ghent", "jobtitle", "Judge")
		w.left.add("bob", "city", "Ghent")
		w.left.add("cyd", "jobtitle", "Judge")
		w.left.add("dan")
		w.connect("direction", "to_right", "rules", raw(`[
			{"id":"a","direction":"to_right","filter":{"field":"city","op":"equals","value":"Ghent"},
				"actions":[{"type":"add_tag","field":"Tags__c","value":"Partner"}]},
			{"id":"b","direction":"to_right","filter":{"field":"jobtitle","op":"equals","value":"Judge"},
				"actions":[{"type":"add_tag","field":"Tags__c","value":"Customer"}]}]`))
		w.start()
		w.right.count(3)
		w.tagged(w.right, w.right.id("ann"), "Tags__c", "Customer", "Partner")
		w.tagged(w.right, w.right.id("bob"), "Tags__c", "Partner")
		w.tagged(w.right, w.right.id("cyd"), "Tags__c", "Customer")
		w.right.lacks("dan")
		w.want(200, "GET", w.record(w.left, w.left.id("ann"))+"/explain", nil).says(`"a"`, `"b"`)
	})
}

// TestRow74_FilterOnALabel: is and is not, by case, blank and with several values.
func TestRow74_FilterOnALabel(t *testing.T) {
	row(t, func(w *world) {
		w.judged(
			is("interests", "not_contains", "TEA", values("", "chess", "chess;music"), values("tea", "chess;tea")),
			is("interests", "contains", "tea", values("tea", "chess;tea"), values("", "chess", "chess;music")),
			is("interests", "equals", "TEA", values("tea", "chess;tea"), values("", "chess", "chess;music")),
			is("interests", "not_equals", "TEA", values("", "chess", "chess;music"), values("tea", "chess;tea")),
			is("city", "equals", "no_crm", values("No_CRM", " NO_CRM "), values("", "No_CRM x", "CRM")),
			is("city", "not_equals", "No_CRM", values("", "CRM"), values("no_crm")),
		)
	})
}

// TestRow75_AllMustHold: conditions of one rule, and how they nest.
func TestRow75_AllMustHold(t *testing.T) {
	row(t, func(w *world) {
		w.judged(
			clause{
				"city", `{"all":[{"field":"city","op":"starts_with","value":"G"},{"field":"city","op":"ends_with","value":"t"}]}`,
				values("Ghent"), values("Graz", "Sint", ""),
			},
			clause{
				"city", `{"any":[{"field":"city","op":"equals","value":"Ghent"},{"all":[{"field":"city","op":"contains","value":"u"},{"not":{"field":"city","op":"equals","value":"Lund"}}]}]}`, values("Ghent", "Turku"), values("Lund", "Oslo", ""),
			},
			clause{
				"city", `{"not":{"any":[{"field":"city","op":"equals","value":"Ghent"},{"field":"city","op":"is_empty"}]}}`,
				values("Oslo"), values("Ghent", ""),
			},
		)
	})
}

// TestRow76_FieldOperatorValue: the operator is one of a list, the value any
// text, which is read as the field's type.
func TestRow76_FieldOperatorValue(t *testing.T) {
	row(t, func(w *world) {
		w.judged(
			is("score", "equals", "7.50", values("7.5"), values("75", "")),
			is("newsletter", "equals", "yes", values("true"), values("false", "")),
			is("city", "equals", `O'Fallon, "IL" *%_\`, values(`O'Fallon, "IL" *%_\`), values("O'Fallon")),
		)
		rule := func(op, value string) raw {
			return raw(fmt.Sprintf(`[{"id":"r","direction":"to_right","filter":{"field":"score","op":%q,"value":%s}}]`, op,
				value))
		}
		w.invalid("unknown_operator", "/syncs/0/rules/0/filter/op", "rules", rule("resembles", `"x"`))
		w.invalid("wrong_value", "/syncs/0/rules/0/filter/value", "rules", rule("greater_than", `"many"`))
		w.invalid("unknown_field", "/syncs/0/rules/0/filter/field", "rules",
			raw(`[{"id":"r","direction":"to_right","filter":{"field":"nowhere","op":"is_empty"}}]`))
	})
}

// TestRow77_Equals ignores case and surrounding blanks, compares numbers as
// numbers, and not_equals passes a record without the field.
func TestRow77_Equals(t *testing.T) {
	row(t, func(w *world) {
		w.judged(
			is("city", "equals", " ghent ", values("Ghent", "GHENT", "  Ghent"), values("", "Ghent 2")),
			is("city", "not_equals", "Ghent", values("", "Lund"), values("ghent ")),
			is("score", "equals", 10, values("10", "10.0", "1e1"), values("100", "")),
			is("score", "not_equals", "10", values("100", ""), values("10.00")),
			is("birthday", "equals", "2001-02-03", values("2001-02-03"), values("2001-02-04", "")),
			is("city", "equals", "10", values("10", " 10 "), values("10.0", "010", "")), // a text is no number
			is("city", "equals", 10, values("10", "10.0"), values("ten", "")),           // unless it is asked for one
		)
		for _, value := range []string{`""`, `"  "`, `null`} { // it looks for no blank, and says what does
			w.invalid("wrong_value", "/syncs/0/rules/0/filter/value", "rules", raw(
				`[{"id":"r","direction":"to_right","filter":{"field":"city","op":"equals","value":`+value+`}}]`)).says("is_empty")
		}
	})
}

// TestRow78_DoesNotContain: a part of a text, one whole item of a list; who has
// no value passes.
func TestRow78_DoesNotContain(t *testing.T) {
	row(t, func(w *world) {
		w.judged(
			is("interests", "not_contains", "chess", values("", "tea", "tea;music"), values("chess", "tea;chess")),
			is("interests", "not_contains", "che", values("chess", ""), nil),
			is("city", "not_contains", "PEND", values("", "Ghent"), values("pending", "is Pending.")),
		)
	})
}

// TestRow79_Contains is its opposite: who has no value fails.
func TestRow79_Contains(t *testing.T) {
	row(t, func(w *world) {
		w.judged(
			is("interests", "contains", "Chess", values("chess", "tea;chess"), values("", "tea")),
			is("interests", "contains", "che", nil, values("chess", "")),
			is("city", "contains", "HEN", values("Ghent"), values("", "Gent")),
		)
	})
}

// TestRow80_Empty: nothing, blanks alone and an empty list; a value given with
// the operator is ignored.
func TestRow80_Empty(t *testing.T) {
	row(t, func(w *world) {
		w.judged(
			clause{"city", `{"field":"city","op":"is_empty"}`, values("", "   "), values("Ghent")},
			clause{"city", `{"field":"city","op":"is_not_empty"}`, values("Ghent"), values("", "   ")},
			clause{"city", `{"field":"city","op":"is_empty","value":"Ghent"}`, values(""), values("Ghent")},
			clause{"interests", `{"field":"interests","op":"is_empty"}`, values(""), values("tea")},
			clause{"interests", `{"field":"interests","op":"is_not_empty","value":"chess"}`, values("tea"), values("")},
		)
	})
}

// TestRow81_OtherOperators: each with its boundaries, and what has no value.
func TestRow81_OtherOperators(t *testing.T) {
	row(t, func(w *world) {
		day := func(ago int) string { return w.p.now().UTC().AddDate(0, 0, -ago).Format(time.DateOnly) }
		w.judged(
			is("city", "starts_with", "gh", values("Ghent"), values("Agh", "")),
			is("city", "ends_with", "NT", values("Ghent"), values("nt Ghen", "")),
			is("city", "in", []string{"ghent", "Lund"}, values("Ghent", "lund"), values("Oslo", "")),
			is("city", "not_in", []string{"ghent", "Lund"}, values("Oslo", ""), values("Ghent")),
			is("interests", "in", []string{"TEA", "music"}, values("tea", "chess;music"), values("chess", "")),
			is("interests", "not_in", []string{"TEA", "music"}, values("chess", ""), values("tea", "chess;music")),
			is("interests", "starts_with", "te", values("chess;tea"), values("chess", "")),
			is("score", "greater_than", 7, values("7.01"), values("7", "-8", "")),
			is("score", "less_than", 7, values("6.99", "-8"), values("7", "")),
			is("birthday", "before", "2001-02-03", values("2001-02-02"), values("2001-02-03", "")),
			is("birthday", "after", "2001-02-03", values("2001-02-04"), values("2001-02-03", "")),
			is("last_visit", "before", "2026-03-01T12:00:00Z", values("2026-03-01T11:59:59Z"),
				values("2026-03-01T12:00:00Z", "")),
			is("last_visit", "after", "2026-03-01T12:00:00Z", values("2026-03-01T12:00:01Z"),
				values("2026-03-01T12:00:00Z", "")),
			is("birthday", "in_last_days", 3, values(day(1), day(3)), values(day(5), "")),
			clause{"newsletter", `{"field":"newsletter","op":"is_true"}`, values("true"), values("false", "")},
			clause{"newsletter", `{"field":"newsletter","op":"is_false"}`, values("false"), values("true", "")},
		)
		for _, f := range []string{
			`{"field":"interests","op":"greater_than","value":1}`, `{"field":"score","op":"before","value":"2001-02-03"}`,
			`{"field":"newsletter","op":"less_than","value":1}`, `{"field":"birthday","op":"is_true"}`,
		} {
			w.invalid("operator_does_not_fit", "/syncs/0/rules/0/filter/op", "rules",
				raw(`[{"id":"r","direction":"to_right","filter":`+f+`}]`))
		}
	})
}

// TestRow82_RequiredValues: every field has to have its value, for each
// direction by itself; who fails is left out, which is no error.
func TestRow82_RequiredValues(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "city", "Ghent", "jobtitle", "Judge")
		w.left.add("bob", "city", "Ghent")
		w.right.add("cyd", "MailingCity", "Lund")
		w.right.add("dan", "MailingCity", "Ghent", "Title", "Judge")
		w.connect("rules", raw(`[
			{"id":"out","direction":"to_right","filter":{"all":[{"field":"city","op":"equals","value":"Ghent"},
				{"field":"jobtitle","op":"equals","value":"Judge"}]}},
			{"id":"in","direction":"to_left","filter":{"all":[{"field":"MailingCity","op":"equals","value":"Lund"}]}}]`))
		w.start()
		w.right.has("ann", "Title", "Judge")
		w.right.lacks("bob")
		w.left.has("cyd", "city", "Lund")
		w.left.lacks("dan")
		w.stands(w.left, w.left.id("bob"), "excluded", "filtered_out")
		equal(w, "errors", len(w.log("event=failed")), 0)
		w.change("rules", raw(`[{"id":"in","direction":"to_left","filter":null}]`))
		w.resync()
		w.left.has("dan", "jobtitle", "Judge")
	})
}

// TestRow83_FilterPerObject: each sync has its own rules.
func TestRow83_FilterPerObject(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "city", "Ghent")
		w.left.add("bob", "city", "Lund")
		for _, city := range []string{"Ghent", "Lund"} {
			w.left.make("companies", map[string]string{"name": city, "domain": strings.ToLower(city) + ".example", "city": city})
		}
		w.connect("rules", raw(`[{"id":"r","direction":"to_right","filter":{"field":"city","op":"equals","value":"Ghent"}}]`),
			"/syncs.+", companies)
		w.change("/syncs.1.rules", raw(
			`[{"id":"r","direction":"to_right","filter":{"field":"city","op":"equals","value":"Lund"}}]`))
		w.start()
		w.right.has("ann", "MailingCity", "Ghent")
		w.right.lacks("bob")
		all := w.right.of("Account")
		if len(all) != 1 || all[0].Fields["Name"] != "Lund" {
			w.Errorf("companies on the right: %v", all)
		}
	})
}

// TestRow84_ACheckboxDecides: checked is synced, unchecked is not.
func TestRow84_ACheckboxDecides(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "newsletter", "true")
		bob := w.left.add("bob", "newsletter", "false")
		w.left.add("cyd")
		w.connect("direction", "to_right", "rules",
			raw(`[{"id":"r","direction":"to_right","filter":{"field":"newsletter","op":"is_true"}}]`))
		w.start()
		w.right.has("ann", "LastName", "Of ann")
		w.right.lacks("bob", "cyd")
		w.left.edit(bob, "newsletter", "true")
		w.left.edit(ann, "newsletter", "false", "city", "Ghent")
		w.pull()
		w.right.has("bob", "LastName", "Of bob")
		w.right.has("ann", "MailingCity", "")
	})
}

// TestRow85_JudgedAnew: who no longer matches stays without updates; who matches
// again goes on with the same link.
func TestRow85_JudgedAnew(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "city", "Ghent", "jobtitle", "A")
		w.connect("direction", "to_right", "mappings.city.enabled", false, "rules",
			raw(`[{"id":"r","direction":"to_right","filter":{"field":"city","op":"equals","value":"Ghent"}}]`))
		w.start()
		twin := w.stands(w.left, ann, "in_sync", "").Partner
		w.left.edit(ann, "city", "Lund", "jobtitle", "B")
		w.pull()
		w.stands(w.left, ann, "excluded", "filtered_out")
		w.right.has("ann", "Title", "A")
		w.left.edit(ann, "jobtitle", "C")
		w.pull()
		w.right.has("ann", "Title", "A")
		w.left.edit(ann, "city", "Ghent")
		w.pull()
		equal(w, "the link", w.stands(w.left, ann, "in_sync", "").Partner, twin)
		w.right.has("ann", "Title", "C")
		w.right.count(1)
	})
}

// TestRow92_FiltersNeverDelete: excluding removes nothing on either side, also where
// deletions are carried over.
func TestRow92_FiltersNeverDelete(t *testing.T) {
	row(t, func(w *world) {
		for _, who := range []string{"ann", "bob", "cyd"} {
			w.left.add(who, "city", "Ghent")
		}
		w.connect("deletes", raw(`{"to_right":"archive","to_left":"archive"}`))
		w.start()
		out := `{"id":"out","direction":"to_right","filter":{"field":"city","op":"equals","value":"Nowhere"}}`
		in := `{"id":"in","direction":"to_left","filter":{"field":"MailingCity","op":"equals","value":"Nowhere"}}`
		for _, rules := range []string{out, in, out + "," + in} {
			w.change("rules", raw("["+rules+"]"))
			w.resync()
			w.left.edit(w.left.id("ann"), "jobtitle", fmt.Sprint("Excluded ", len(rules)))
			w.pull()
			w.left.count(3)
			w.right.count(3)
		}
		w.stands(w.left, w.left.id("bob"), "excluded", "filtered_out")
		w.right.has("ann", "MailingCity", "Ghent")
	})
}
