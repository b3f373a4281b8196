package rows

import (
	"slices"
	"testing"
	"time"
)

// noticed waits until a deletion has come as far as it goes: a record stands so.
func (w *world) noticed(f *fake, id, code string) view {
	w.Helper()
	w.pass(25 * time.Hour) // deletions of some apps are listed once a day
	w.pull()
	var v view
	w.until("the deletion of "+id, func() bool { v = w.view(f, id); return v.State == "deleted" })
	if v.Code != code {
		w.Errorf("record %s of %s is deleted as %q (%s), want %q", id, f.kind, v.Code, v.Detail, code)
	}
	w.rest()
	return v
}

// TestRow121_DeletionsStayWhereTheyHappen: by default the other record stays as
// it is and nobody is made again; tag marks it and archive archives it, unless it
// was edited since; who comes back loses the tag; a mass deletion halts first.
func TestRow121_DeletionsStayWhereTheyHappen(t *testing.T) {
	rowAlone(t, func(w *world) {
		ids, twins := map[string]string{}, map[string]string{}
		for _, who := range []string{"ann", "bob", "cyd", "dan", "eve", "fay", "gus"} {
			ids[who] = w.left.add(who, "interests", "chess")
		}
		w.connect()
		w.start()
		for who, id := range ids {
			twins[who] = w.view(w.left, id).Partner
		}
		w.right.remove(twins["ann"])
		w.noticed(w.left, ids["ann"], "deleted_on_right")
		w.tagged(w.left, ids["ann"], "interests", "chess")
		w.change("deletes", raw(`{"to_left":"tag","tag":"tea","field":{"left":"interests"},"to_right":"archive"}`))
		w.right.remove(twins["bob"])
		w.noticed(w.left, ids["bob"], "deleted_on_right")
		w.tagged(w.left, ids["bob"], "interests", "chess", "tea")
		w.resync()
		w.right.count(5)
		w.left.remove(ids["cyd"])
		w.noticed(w.right, twins["cyd"], "deleted_on_left")
		w.right.lacks("cyd")
		w.right.edit(twins["dan"], "Title", "Judge")
		w.left.remove(ids["dan"])
		kept := w.noticed(w.right, twins["dan"], "deleted_on_left")
		w.right.has("dan", "Title", "Judge")
		if kept.Detail == "" {
			w.Errorf("nothing says why the record was kept: %+v", kept)
		}
		for _, who := range []string{"ida", "jon", "kim", "lee"} {
			w.left.add(who, "interests", "chess")
		}
		w.pull()
		for _, r := range w.right.dump() {
			w.right.remove(r.ID)
		}
		w.pass(25 * time.Hour)
		w.pull()
		w.until("a halt", func() bool {
			status, syncs := w.status()
			return status == "halted" && slices.ContainsFunc(syncs, func(s standing) bool { return s.Halted != nil })
		})
		for _, r := range w.left.dump() {
			if who := r.Fields["email"]; who != "ann@example.com" && who != "bob@example.com" &&
				r.Fields["interests"] != "chess" {
				w.Errorf("%s was touched before anybody decided: %v", who, r.Fields["interests"])
			}
		}
		w.want(202, "POST", w.sync+"/deletions/confirm", nil)
		w.until("the tags", func() bool {
			return !slices.ContainsFunc(w.left.dump(), func(r record) bool {
				return r.Fields["email"] != "ann@example.com" && !slices.Contains([]string{"chess;tea", "tea;chess"},
					r.Fields["interests"])
			})
		})
		w.right.count(0)
		at := "/syncs/0/deletes/"
		w.invalid("missing_tag", at+"tag", "deletes", raw(`{"to_left":"tag","field":{"left":"interests"}}`))
		w.invalid("missing_field", at+"field/left", "deletes", raw(`{"to_left":"tag","tag":"tea"}`))
		w.invalid("incompatible_types", at+"field/left", "deletes",
			raw(`{"to_left":"tag","tag":"tea","field":{"left":"company"}}`))
		w.invalid("unknown_option", at+"tag", "deletes",
			raw(`{"to_left":"tag","tag":"nonsense","field":{"left":"interests"}}`))
	})
}

// TestRow122_UnsubscribesStay: nobody is unsubscribed by a sync; the other record
// gets a tag where that is asked for, once.
func TestRow122_UnsubscribesStay(t *testing.T) {
	row(t, func(w *world) {
		ann := w.right.add("ann", "HasOptedOutOfEmail", "true")
		w.right.add("bob")
		w.connect("direction", "both")
		w.start()
		left := w.left.id("ann")
		w.tagged(w.left, left, "interests")
		w.change("unsubscribes", raw(`{"to_left":"tag","tag":"chess","field":{"left":"interests"},"when":{"right":"HasOptedOutOfEmail"}}`))
		w.resync()
		w.tagged(w.left, left, "interests", "chess")
		w.left.has("bob", "interests", "")
		if got := w.left.get(left).Fields["hs_email_optout"]; got == "true" {
			w.Errorf("the sync unsubscribed somebody: %q", got)
		}
		w.left.edit(left, "interests", "")
		w.right.edit(ann, "Title", "Judge")
		w.pull()
		w.left.has("ann", "jobtitle", "Judge", "interests", "")
		w.right.edit(w.right.id("bob"), "HasOptedOutOfEmail", "true")
		w.pull()
		w.left.has("bob", "interests", "chess")
		w.calm(w.left, "everybody is tagged")
		at := "/syncs/0/unsubscribes/"
		w.invalid("missing_field", at+"when/right", "unsubscribes",
			raw(`{"to_left":"tag","tag":"chess","field":{"left":"interests"}}`))
		w.invalid("incompatible_types", at+"when/right", "unsubscribes",
			raw(`{"to_left":"tag","tag":"chess","field":{"left":"interests"},"when":{"right":"Title"}}`))
		w.refused(w.tryChange("unsubscribes", raw(`{"to_left":"archive"}`)), 400, "unknown_value",
			"/syncs/0/unsubscribes/to_left")
	})
}
