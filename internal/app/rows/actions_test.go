package rows

import (
	"slices"
	"strings"
	"testing"
)

// tagsOf reads a field of several values.
func tagsOf(f *fake, id, field string) []string {
	f.w.Helper()
	items := strings.FieldsFunc(f.get(id).Fields[field], func(r rune) bool { return r == ';' })
	slices.Sort(items)
	return items
}

// tagged demands exactly these tags of a record.
func (w *world) tagged(f *fake, id, field string, want ...string) {
	w.Helper()
	slices.Sort(want)
	if got := tagsOf(f, id, field); !slices.Equal(got, want) {
		w.Errorf("record %s of %s has the tags %q, want %q", id, f.kind, got, want)
	}
}

const tagRule = `[{"id":"r","direction":"to_right","filter":{"field":"city","op":"equals","value":"Ghent"},
	"actions":[{"type":"add_tag","field":"Tags__c","value":"Lockstep"}]`

// TestRow86_ActionsOfARule: who is made and who is matched gets the tag, once,
// beside its own; adding the action later reaches existing links.
func TestRow86_ActionsOfARule(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "city", "Ghent")
		w.left.add("bob", "city", "Ghent")
		w.left.add("cyd", "city", "Lund")
		bob := w.right.add("bob", "Tags__c", "Partner;Customer")
		w.connect("direction", "to_right", "rules",
			raw(`[{"id":"r","direction":"to_right","filter":{"field":"city","op":"equals","value":"Ghent"}}]`))
		w.start()
		w.tagged(w.right, w.right.id("ann"), "Tags__c")
		w.change("rules", raw(tagRule+"}]"))
		w.resync()
		w.tagged(w.right, w.right.id("ann"), "Tags__c", "Lockstep")
		w.tagged(w.right, bob, "Tags__c", "Customer", "Lockstep", "Partner")
		dan := w.left.add("dan", "city", "Ghent")
		w.right.add("eve", "Tags__c", "Newsletter")
		w.left.add("eve", "city", "Ghent")
		w.pull()
		w.tagged(w.right, w.view(w.left, dan).Partner, "Tags__c", "Lockstep")
		w.tagged(w.right, w.right.id("eve"), "Tags__c", "Lockstep", "Newsletter")
		w.want(200, "GET", w.record(w.left, ann), nil).says(`"did":"added"`)
		w.right.edit(bob, "Tags__c", "Partner") // a person takes it off, and it stays off
		w.left.edit(ann, "jobtitle", "Judge")
		w.left.edit(w.left.id("bob"), "jobtitle", "Judge")
		w.pull()
		w.resync()
		w.right.has("bob", "Title", "Judge", "Tags__c", "Partner")
		w.tagged(w.right, w.right.id("ann"), "Tags__c", "Lockstep")
		w.right.lacks("cyd")
		w.calm(w.right, "nothing changed")
	})
}

// TestRow86_OtherActions: fields are set and tags are taken off, once; what no
// app's field can take is refused with a remedy.
func TestRow86_OtherActions(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann")
		ann := w.right.add("ann", "Tags__c", "Newsletter;Partner", "Level__c", "Tertiary")
		actions := `{"type":"remove_tag","field":"Tags__c","value":"Newsletter"},{"type":"set_field","field":"Level__c","value":"Primary"},
			{"type":"set_field","field":"Score__c","value":"7"},{"type":"add_to_list","field":"Tags__c","value":"Customer"}`
		w.connect("direction", "to_right", "rules", raw(`[{"id":"r","direction":"to_right","actions":[`+actions+`]}]`))
		w.start()
		w.tagged(w.right, ann, "Tags__c", "Customer", "Partner")
		w.right.has("ann", "Level__c", "Primary")
		equal(w, "score", strings.TrimSuffix(w.right.get(ann).Fields["Score__c"], ".0"), "7")
		w.right.edit(ann, "Level__c", "Secondary")
		w.left.edit(w.left.id("ann"), "city", "Ghent")
		w.pull()
		w.right.has("ann", "Level__c", "Secondary", "MailingCity", "Ghent")
		one := func(kind, field, value string) raw {
			return raw(`[{"id":"r","direction":"to_right","actions":[{"type":"` + kind + `","field":"` + field + `","value":"` +
				value + `"}]}]`)
		}
		at := "/syncs/0/rules/0/actions/0/"
		w.invalid("incompatible_types", at+"field", "rules", one("add_tag", "Department", "x")).says("Tags__c")
		w.invalid("unknown_option", at+"value", "rules",
			raw(`[{"id":"r","direction":"to_left","actions":[{"type":"add_tag","field":"interests","value":"nonsense"}]}]`))
		w.invalid("unknown_option", at+"value", "rules", one("set_field", "Level__c", "Nonsense"))
		w.invalid("wrong_value", at+"value", "rules", one("set_field", "Score__c", "many"))
		w.invalid("field_is_mapped", at+"field", "rules", one("set_field", "Title", "Judge"))
		w.invalid("unknown_field", at+"field", "rules", one("set_field", "Nowhere__c", "x"))
		w.invalid("unknown_action", at+"type", "rules", one("delete", "Tags__c", "Customer"))
	})
}

// TestRow87_FiltersAndActionsPerRule: each rule has its own, and who matches
// several gets those of all.
func TestRow87_FiltersAndActionsPerRule(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "city", "Ghent", "jobtitle", "Judge")
		bob := w.left.add("bob", "city", "Lund", "jobtitle", "Judge")
		rule := func(id, field, value, tag string) string {
			return `{"id":"` + id + `","direction":"to_right","filter":{"field":"` + field + `","op":"equals","value":"` +
				value +
				`"},"actions":[{"type":"add_tag","field":"Tags__c","value":"` + tag + `"}]}`
		}
		w.connect("direction", "to_right", "rules",
			raw("["+rule("a", "city", "Ghent", "Partner")+","+rule("b", "jobtitle", "Judge", "Customer")+"]"))
		w.start()
		w.tagged(w.right, w.view(w.left, ann).Partner, "Tags__c", "Customer", "Partner")
		w.tagged(w.right, w.view(w.left, bob).Partner, "Tags__c", "Customer")
	})
}

// TestRow88_Undo: when the filter is not met the tag goes that this rule put,
// and no other; never one that a person added, never the record.
func TestRow88_Undo(t *testing.T) {
	row(t, func(w *world) {
		ann, bob := w.left.add("ann", "city", "Ghent"), w.left.add("bob", "city", "Ghent")
		right := w.right.add("bob", "Tags__c", "Lockstep;Partner") // a person put it
		alone := w.right.add("cyd", "Tags__c", "Lockstep")         // never linked
		w.left.add("dan", "city", "Lund")
		w.connect("direction", "to_right", "rules", raw(tagRule+`,"undo":true}]`))
		w.start()
		twin := w.view(w.left, ann).Partner
		w.tagged(w.right, twin, "Tags__c", "Lockstep")
		w.right.edit(twin, "Tags__c", "Lockstep;Customer")
		w.left.edit(ann, "city", "Lund")
		w.left.edit(bob, "city", "Lund")
		w.pull()
		w.stands(w.left, ann, "excluded", "filtered_out")
		w.tagged(w.right, twin, "Tags__c", "Customer")
		w.tagged(w.right, right, "Tags__c", "Lockstep", "Partner")
		w.tagged(w.right, alone, "Tags__c", "Lockstep")
		w.right.count(3)
		w.right.edit(twin, "Tags__c", "Customer;Lockstep") // now it is a person's
		w.left.edit(ann, "city", "Ghent")
		w.pull()
		w.left.edit(ann, "city", "Oslo")
		w.pull()
		w.resync()
		w.tagged(w.right, twin, "Tags__c", "Customer", "Lockstep")
		w.right.lacks("dan")
		w.invalid("rule_incomplete", "/syncs/0/rules/0/undo", "rules.r.filter", nil)
		w.invalid("rule_incomplete", "/syncs/0/rules/0/undo", "rules.r.actions", raw(`[]`))
	})
}

const mirrorRule = `[{"id":"r","direction":"to_right","filter":{"all":[{"field":"interests","op":"not_contains","value":"chess"},
	{"field":"newsletter","op":"is_true"}]},"actions":[{"type":"add_tag","field":"Tags__c","value":"Lockstep"}],
	"undo":%UNDO%,"other_way_around":{"enabled":%MIRROR%,"exclude":{"field":"interests","value":"chess"}}}]`

func mirrored(undo, mirror string) raw {
	return raw(strings.NewReplacer("%UNDO%", undo, "%MIRROR%", mirror).Replace(mirrorRule))
}

// TestRow89_OtherWayAround: target records with the tag go to the source app;
// where a person took the tag off, the source gets the exclusion mark. A twin
// that has no tag yet marks nobody, and undo and mark do not bounce.
func TestRow89_OtherWayAround(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "newsletter", "true", "interests", "tea")
		bare := w.right.add("ann") // a fresh twin without the tag
		w.right.add("bob", "Tags__c", "Lockstep")
		w.right.add("cyd")
		w.connect("rules", mirrored("true", "true"))
		w.start()
		w.tagged(w.left, ann, "interests", "tea")
		w.tagged(w.right, bare, "Tags__c", "Lockstep")
		w.left.has("bob", "lastname", "Of bob")
		w.left.lacks("cyd")
		w.right.edit(bare, "Title", "Judge")
		w.pull()
		w.left.has("ann", "jobtitle", "Judge")
		w.right.edit(bare, "Tags__c", "")
		w.pull()
		w.tagged(w.left, ann, "interests", "chess", "tea")
		w.stands(w.left, ann, "excluded", "filtered_out")
		w.resync()
		w.tagged(w.right, bare, "Tags__c")
		w.calm(w.left, "it is marked and rests")
		w.right.edit(bare, "Tags__c", "Lockstep")
		w.pull()
		w.tagged(w.left, ann, "interests", "tea")
		w.left.edit(ann, "newsletter", "false") // undo leaves a person's tag, and marks nobody
		w.pull()
		w.tagged(w.right, bare, "Tags__c", "Lockstep")
		w.tagged(w.left, ann, "interests", "tea")
		at := "/syncs/0/rules/0/other_way_around/"
		w.invalid("rule_incomplete", at+"exclude", "rules.r.other_way_around.exclude.value", "music")
		w.invalid("rule_incomplete", at+"exclude", "rules.r.other_way_around.exclude", nil)
		w.invalid("rule_incomplete", at+"enabled", "rules.r.actions", raw(`[]`))
		w.invalid("rule_incomplete", at+"enabled", "direction", "to_right")
	})
}

// TestRow90_EachAlone: undo and the other way around can be off without the other.
func TestRow90_EachAlone(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "newsletter", "true")
		w.connect("rules", mirrored("true", "false"))
		w.start()
		twin := w.view(w.left, ann).Partner
		w.right.edit(twin, "Tags__c", "Partner")
		w.pull()
		w.tagged(w.left, ann, "interests")
		w.change("rules", mirrored("false", "true"))
		w.resync()
		w.tagged(w.left, ann, "interests", "chess")
		bob := w.left.add("bob", "newsletter", "true")
		w.pull()
		other := w.view(w.left, bob).Partner
		w.left.edit(bob, "newsletter", "false")
		w.pull()
		w.tagged(w.right, other, "Tags__c", "Lockstep")
		w.tagged(w.left, bob, "interests")
	})
}
