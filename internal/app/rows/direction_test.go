package rows

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestRow43_BothWaysByDefault: each side gets what the other has more of.
func TestRow43_BothWaysByDefault(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "city", "Ghent")
		w.right.add("ann", "Title", "Judge", "LastName", "Of ann")
		w.left.add("bob")
		w.right.add("cyd")
		w.connect()
		w.want(200, "GET", w.con, nil).says(`"direction":"both"`)
		w.start()
		w.left.has("ann", "city", "Ghent", "jobtitle", "Judge")
		w.right.has("ann", "MailingCity", "Ghent", "Title", "Judge")
		w.left.count(3)
		w.right.count(3)
		w.left.edit(w.left.id("cyd"), "city", "Oslo")
		w.right.edit(w.right.id("bob"), "MailingCity", "Lund")
		w.pull()
		w.right.has("cyd", "MailingCity", "Oslo")
		w.left.has("bob", "city", "Lund")
	})
}

// TestRow44_OneWay: no write of any kind reaches the side that is only read,
// and rules towards it are ignored.
func TestRow44_OneWay(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "city", "Ghent")
		w.right.add("ann", "Title", "Judge", "LastName", "Of ann")
		w.right.add("cyd")
		w.connect("direction", "to_right", "stamp", raw(`{"to_left":{"company":"Stamped"}}`),
			"rules", raw(`[{"id":"r","direction":"to_left","filter":{"field":"Title","op":"is_not_empty"}},{"id":"s","direction":"to_right"}]`))
		w.start()
		w.right.has("ann", "MailingCity", "Ghent", "Title", "Judge")
		w.left.has("ann", "jobtitle", "")
		w.left.lacks("cyd")
		w.right.edit(w.right.id("ann"), "Title", "Chief")
		w.pull()
		w.resync()
		w.left.has("ann", "city", "Ghent", "jobtitle", "")
		equal(w, "writes to the side that is read", w.left.written(), 0)
	})
}

// unmarked shows that neither tags of rules and deletions nor IDs get to the side
// that is only read.
func unmarked(w *world, direction, match, rules, deletes string) {
	w.Helper()
	w.left.add("ann", "city", "Ghent")
	w.right.add("ann", "Title", "Judge")
	w.left.add("bob", "city", "Lund")
	w.right.add("cyd", "Title", "Smith")
	w.connect("direction", direction, "match", by(match+","+byEmail), "rules", raw(rules), "deletes", raw(deletes),
		"stamp", raw(`{"to_left":{"state":"Stamped"},"to_right":{"MailingState":"Stamped"}}`))
	w.start()
	from, to := w.left, w.right
	if direction == "to_left" {
		from, to = w.right, w.left
	}
	from.count(2)
	to.count(3)
	before := fmt.Sprint(from.dump())
	w.resync()
	to.edit(to.id("ann"), to.name, "Changed")
	to.remove(to.id("ann"))
	w.pull()
	w.resync()
	equal(w, "what the side holds that is read", fmt.Sprint(from.dump()), before)
	equal(w, "writes to it", from.written(), 0)
}

// TestRow44_NoMarkOnTheLeft: the left side is only read.
func TestRow44_NoMarkOnTheLeft(t *testing.T) {
	row(t, func(w *world) {
		unmarked(w, "to_right", `{"by":"id","left":"company","right":"$id","write_back":true}`,
			`[{"id":"r","direction":"to_left","actions":[{"type":"add_tag","field":"interests","value":"tea"}]}]`,
			`{"to_left":"tag","tag":"tea","field":{"left":"interests"}}`)
	})
}

// TestRow44_NoMarkOnTheRight is the mirror.
func TestRow44_NoMarkOnTheRight(t *testing.T) {
	row(t, func(w *world) {
		unmarked(w, "to_left", `{"by":"id","left":"$id","right":"Department","write_back":true}`,
			`[{"id":"r","direction":"to_right","actions":[{"type":"add_tag","field":"Tags__c","value":"Partner"}]}]`,
			`{"to_right":"tag","tag":"Partner","field":{"right":"Tags__c"}}`)
	})
}

// TestRow45_EachDirectionHasItsOwn: filter, behaviour, defaults and blanks rule
// go by direction, and no echo runs between them.
func TestRow45_EachDirectionHasItsOwn(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "city", "Ghent")
		w.left.add("bob", "city", "Lund")
		w.right.add("cyd", "Title", "Judge")
		w.right.add("dan", "Title", "Smith")
		w.connect(
			"rules", raw(`[{"id":"out","direction":"to_right","filter":{"field":"city","op":"equals","value":"Ghent"}},
				{"id":"in","direction":"to_left","filter":{"field":"Title","op":"equals","value":"Judge"}}]`),
			"mappings.title.default", raw(`{"to_right":"Nobody","to_left":null}`),
			"fill_blanks_only", raw(`{"to_right":true,"to_left":false}`))
		w.start()
		w.right.has("ann", "Title", "Nobody")
		w.right.lacks("bob")
		w.left.has("cyd", "jobtitle", "Judge")
		w.left.lacks("dan")
		w.left.edit(w.left.id("cyd"), "lastname", "Left", "city", "Ghent")
		w.right.edit(w.right.id("ann"), "LastName", "Right", "Title", "Judge")
		w.pull()
		w.right.has("cyd", "LastName", "Of cyd", "MailingCity", "Ghent")
		w.left.has("ann", "lastname", "Right")
		w.change("behavior", raw(`{"to_right":"update_only","to_left":"create_and_update"}`), "rules", raw(`[]`))
		w.resync()
		w.right.lacks("bob")
		w.left.has("dan", "jobtitle", "Smith")
		before := w.left.written() + w.right.written()
		w.pull()
		w.pull()
		w.resync()
		equal(w, "echoes", w.left.written()+w.right.written(), before)
		w.hear(w.left)
		w.right.edit(w.right.id("ann"), "MailingCity", "Oslo")
		w.left.edit(w.left.id("cyd"), "firstname", "Cyd")
		w.pull()
		w.heard(w.left)
		w.rest()
		w.left.has("ann", "city", "Oslo")
		w.right.has("cyd", "FirstName", "Cyd")
		w.calm(w.left, "what our own write tells of")
		w.calm(w.right, "what our own write tells of")
	})
}

// oneWays shows an object's direction: which way records and edits of two-way
// mappings travel, and what one-way mappings do.
func oneWays(w *world, direction string, right, left bool) {
	w.Helper()
	w.left.add("ann", "city", "A", "jobtitle", "A", "firstname", "A")
	w.right.add("ann", "LastName", "Of ann", "MailingCity", "A", "Title", "A", "FirstName", "A")
	w.left.add("bob")
	w.right.add("cyd")
	w.connect("direction", direction, "mappings.title.direction", "to_right", "mappings.first.direction", "to_left")
	w.start()
	for _, f := range []struct {
		f    *fake
		who  string
		open bool
	}{{w.right, "bob", right}, {w.left, "cyd", left}} {
		if _, there := f.f.find(f.who); there != f.open {
			w.Errorf("direction %s: %s is in %s: %v", direction, f.who, f.f.kind, there)
		}
	}
	w.left.edit(w.left.id("ann"), "city", "L", "jobtitle", "L")
	w.pull()
	want := map[bool]string{true: "L", false: "A"}
	w.right.has("ann", "MailingCity", want[right], "Title", want[right])
	w.left.edit(w.left.id("ann"), "city", w.right.get(w.right.id("ann")).Fields["MailingCity"])
	w.pull()
	w.right.edit(w.right.id("ann"), "MailingCity", "R", "FirstName", "R")
	w.pull()
	want = map[bool]string{true: "R", false: "A"}
	w.left.has("ann", "firstname", want[left])
	if left {
		w.left.has("ann", "city", "R")
	}
	if !right {
		equal(w, "writes to the right", w.right.written(), 0)
	}
	if !left {
		equal(w, "writes to the left", w.left.written(), 0)
	}
}

// TestRow46_ObjectBothWays: one-way and two-way mappings alike.
func TestRow46_ObjectBothWays(t *testing.T) {
	row(t, func(w *world) { oneWays(w, "both", true, true) })
}

// TestRow47_ObjectToTheRight: two-way mappings act as one-way.
func TestRow47_ObjectToTheRight(t *testing.T) {
	row(t, func(w *world) { oneWays(w, "to_right", true, false) })
}

// TestRow48_ObjectToTheLeft is the mirror.
func TestRow48_ObjectToTheLeft(t *testing.T) {
	row(t, func(w *world) { oneWays(w, "to_left", false, true) })
}

// TestRow49_ObjectOff: nothing of it is read or written, others go on.
func TestRow49_ObjectOff(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann")
		w.left.make("companies", map[string]string{"name": "Acme", "domain": "acme.example"})
		w.connect("direction", "off", "/syncs.+", companies)
		w.left.knob("POST", "requests/reset", nil)
		w.start()
		w.right.lacks("ann")
		for name := range w.left.calls() {
			if strings.Contains(name, "/objects/contacts") {
				w.Errorf("the object that is off is read: %s", name)
			}
		}
		equal(w, "companies on the right", len(w.right.of("Account")), 1)

		w.change("direction", "both") // and of one that was on
		w.rest()
		w.resync()
		w.right.has("ann", "LastName", "Of ann")
		w.change("direction", "off")
		w.rest()
		w.hear(w.left)
		ann := w.left.id("ann")
		wrote := w.left.written()
		w.left.edit(ann, "city", "Ghent")
		w.right.edit(w.right.id("ann"), "Title", "Judge")
		w.heard(w.left)
		w.refused(w.call("POST", w.sync+"/pull", nil), 409, "switched_off")
		w.left.make("companies", map[string]string{"name": "Beta", "domain": "beta.example"})
		w.finished(w.run("POST", w.con+"/syncs/companies/pull", nil)) // what waits for people goes on waiting
		w.until("the other object's record", func() bool { return len(w.right.of("Account")) == 2 })
		w.calm(w.right, "an object that is off")
		w.right.has("ann", "MailingCity", "")
		equal(w, "writes to the left", w.left.written(), wrote)
		w.change("direction", "both")
		w.rest()
		w.pull()
		w.right.has("ann", "MailingCity", "Ghent")
		w.left.has("ann", "jobtitle", "Judge")
	})
}

// TestRow50_MappingsDirection: two-way or one way, within what the object allows.
func TestRow50_MappingsDirection(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "city", "A", "jobtitle", "A", "firstname", "A")
		w.connect("mappings.title.direction", "to_right", "mappings.first.direction", "to_left")
		w.start()
		ann, twin := w.left.id("ann"), w.right.id("ann")
		w.right.has("ann", "MailingCity", "A", "Title", "A", "FirstName", "")
		w.left.edit(ann, "city", "L", "jobtitle", "L", "firstname", "L")
		w.pull()
		w.right.has("ann", "MailingCity", "L", "Title", "L", "FirstName", "")
		w.right.edit(twin, "MailingCity", "R", "FirstName", "R")
		w.pull()
		w.left.has("ann", "city", "R", "jobtitle", "L", "firstname", "R")
		w.change("direction", "to_right")
		w.right.edit(twin, "FirstName", "S", "MailingCity", "S")
		w.pull()
		w.left.has("ann", "city", "R", "firstname", "R")
	})
}

// TestRow53_TwoAccountsOfOneApp: a connection joins them, and a circle of
// connections comes to rest.
func TestRow53_TwoAccountsOfOneApp(t *testing.T) {
	row(t, func(w *world) {
		w.right = w.app("hubspot")
		third := w.app("hubspot")
		same := []any{"match", raw(`[{"by":"any_key","pairs":[["email","email"]]}]`), "mappings", raw(`[
			{"id":"email","left":["email"],"right":["email"],"transform":{"type":"email"}},
			{"id":"last","left":["lastname"],"right":["lastname"]},{"id":"city","left":["city"],"right":["city"]}]`), "conflict", "left"}
		first, second, back := *w, *w, *w
		second.left, second.right = w.right, third
		back.left, back.right = third, w.left
		w.left.add("ann", "city", "Ghent")
		for i, c := range []*world{&first, &second, &back} {
			c.connect(append([]any{"/name", string(rune('A' + i)), "/shared", true}, same...)...)
			c.start()
		}
		third.has("ann", "city", "Ghent")
		w.left.edit(w.left.id("ann"), "city", "Lund")
		for range 3 {
			first.pull()
			second.pull()
			back.pull()
		}
		first.right.has("ann", "city", "Lund")
		third.has("ann", "city", "Lund")
		wrote := w.left.written() + w.right.written() + third.written()
		for _, c := range []*world{&first, &second, &back} {
			c.pull()
			c.resync()
		}
		equal(w, "writes once it rests", w.left.written()+w.right.written()+third.written(), wrote)
		w.left.count(1)
		third.count(1)
	})
}

// TestRow53_ThereAndBack: two accounts of one app, a connection from the first to
// the second and one the other way round; what is changed comes to rest on either.
func TestRow53_ThereAndBack(t *testing.T) {
	row(t, func(w *world) {
		w.right = w.app("hubspot")
		back := *w
		back.left, back.right = w.right, w.left
		w.left.add("ann", "city", "Ghent")
		w.right.add("bob", "city", "Oslo")
		both := []*world{w, &back}
		for i, c := range both {
			c.connect("/name", string(rune('A'+i)), "/shared", true, "direction", "to_right", "conflict", "left",
				"match", raw(`[{"by":"any_key","pairs":[["email","email"]]}]`), "mappings", raw(`[
				{"id":"email","left":["email"],"right":["email"],"transform":{"type":"email"}},
				{"id":"last","left":["lastname"],"right":["lastname"]},{"id":"city","left":["city"],"right":["city"]}]`))
			c.start()
		}
		w.right.has("ann", "city", "Ghent")
		w.left.has("bob", "city", "Oslo")
		// What a connection finds different at its first look is no edit to it: its policy
		// decides. Each has to have seen whom the other made.
		for _, c := range both {
			c.pull()
			c.rest()
			c.hear(c.left)
		}
		w.left.edit(w.left.id("ann"), "city", "Lund")
		w.right.edit(w.right.id("bob"), "city", "Bergen")
		w.until("both edits", func() bool {
			return w.right.get(w.right.id("ann")).Fields["city"] == "Lund" &&
				w.left.get(w.left.id("bob")).Fields["city"] == "Bergen"
		})
		for _, c := range both {
			c.heard(c.left)
			c.rest()
		}
		for range 2 {
			for _, c := range both {
				c.pull()
			}
		}
		wrote := w.left.written() + w.right.written()
		for _, c := range both {
			c.pull()
			c.resync()
		}
		w.calm(w.left, "it rests")
		w.calm(w.right, "it rests")
		equal(w, "writes once it rests", w.left.written()+w.right.written(), wrote)
		for _, f := range []*fake{w.left, w.right} {
			f.count(2)
			f.has("ann", "city", "Lund")
			f.has("bob", "city", "Bergen")
		}

		// While the one stands still, the other does not put back what it will bring.
		w.want(200, "POST", w.con+"/pause", nil)
		w.left.edit(w.left.id("ann"), "city", "Turku")
		back.resync()
		w.left.has("ann", "city", "Turku")
		w.right.has("ann", "city", "Lund")
		w.want(202, "POST", w.con+"/start", nil)
		w.until("the edit", func() bool { return w.right.get(w.right.id("ann")).Fields["city"] == "Turku" })
		for _, c := range both {
			c.rest()
		}
		w.left.has("ann", "city", "Turku")

		// What nothing brings back follows its source again.
		back.change("mappings.city.enabled", false)
		w.right.edit(w.right.id("ann"), "city", "Oulu")
		w.until("its source again", func() bool { return w.right.get(w.right.id("ann")).Fields["city"] == "Turku" })
		w.left.has("ann", "city", "Turku")
	})
}

// TestRow55_Row56_Row57_Schedule: a schedule pulls by itself, manual never does;
// latest and next pull are told, and changing the schedule moves the next one.
func TestRow55_Row56_Row57_Schedule(t *testing.T) {
	rowAlone(t, func(w *world) {
		ann := w.left.add("ann", "city", "A")
		w.connect("schedule", nil)
		w.want(200, "GET", w.sync, nil).says(`"schedule":"5m"`) // unless something else is said
		w.change("schedule", "manual")
		_, s := w.status()
		equal(w, "latest pull before the first", s[0].LatestPull.IsZero(), true)
		w.start()
		_, s = w.status()
		equal(w, "next pull of manual", s[0].NextPull.IsZero(), true)
		latest, wrote := s[0].LatestPull, w.right.written()
		w.left.edit(ann, "city", "By hand")
		w.pass(3 * time.Hour)
		w.scheduled()
		_, s = w.status()
		equal(w, "latest pull of manual, hours later", s[0].LatestPull.Equal(latest), true)
		equal(w, "writes of manual", w.right.written(), wrote)
		w.left.edit(ann, "city", "B")
		w.pull()
		w.right.has("ann", "MailingCity", "B")
		for _, every := range []string{"1m", "5m", "10m", "15m", "30m", "60m"} {
			w.change("schedule", every)
			d, _ := time.ParseDuration(every)
			_, s = w.status()
			if next := s[0].NextPull; !next.Equal(s[0].LatestPull.Add(d)) {
				w.Errorf("%s: the next pull is at %s, the latest was at %s", every, next, s[0].LatestPull)
			}
		}
		w.invalid("unknown_schedule", "/syncs/0/schedule", "schedule", "2m")
		w.change("schedule", "5m")
		w.rest()
		_, s = w.status()
		first := s[0].LatestPull
		w.left.edit(ann, "city", "C")
		w.pass(6 * time.Minute)
		w.until("a pull by schedule", func() bool { return w.right.get(w.right.id("ann")).Fields["MailingCity"] == "C" })
		_, s = w.status()
		if !s[0].LatestPull.After(first) || !s[0].NextPull.After(s[0].LatestPull) {
			w.Errorf("latest pull %s after %s, next %s", s[0].LatestPull, first, s[0].NextPull)
		}
		w.want(200, "GET", w.con+"/status", nil).says(`Z","next_pull"`)
		w.want(200, "POST", w.con+"/pause", nil)
		_, s = w.status()
		equal(w, "next pull while it is paused", s[0].NextPull.IsZero(), true)
		w.want(202, "POST", w.con+"/start", nil)
		w.rest()
		_, s = w.status()
		equal(w, "next pull once it goes on", s[0].NextPull.IsZero(), false)
		w.change("/enabled", false)
		_, s = w.status()
		equal(w, "next pull while it is off", s[0].NextPull.IsZero(), true)
	})
}

// TestRow59_ImportFieldsPreview: resync, refresh of fields and a plan that
// writes nothing.
func TestRow59_ImportFieldsPreview(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "city", "Ghent")
		w.right.add("bob", "MailingCity", "Lund")
		w.connect()
		plan := w.plan()
		equal(w, "creations planned", plan.Totals["created"], 2)
		changes := list[struct {
			Action, Outcome, Record string
			Diffs                   []struct{ Field string }
		}](w, "/v1/plans/"+plan.ID+"/changes")
		equal(w, "changes listed", len(changes), 2)
		equal(w, "writes of a preview", w.left.written()+w.right.written(), 0)
		w.left.knob("PATCH", "properties/contacts/city", raw(`{"label":"Town"}`))
		w.want(200, "GET", "/v1/accounts/"+w.left.account+"/objects/contacts/fields?refresh=true", nil).says(`"Town"`)
		w.start()
		equal(w, "creations of an import", w.resync().Outcomes["created"], 0)
		w.right.has("ann", "MailingCity", "Ghent")
	})
}

// plan is a dry run over everything.
type plan struct {
	ID, Run, State string
	Totals         map[string]int
}

func (w *world) plan() (p plan) {
	w.Helper()
	w.want(202, "POST", w.sync+"/plans", nil).into(&p)
	w.until("the plan", func() bool {
		w.get("/v1/plans/"+p.ID, &p)
		return p.State == "done"
	})
	return p
}

// TestRow60_FirstImportBeforeTheSchedule: pulls by schedule begin after the
// first sync is complete.
func TestRow60_FirstImportBeforeTheSchedule(t *testing.T) {
	rowAlone(t, func(w *world) {
		for range 3 {
			w.left.add("p" + string(rune('a'+len(w.left.dump()))))
		}
		w.connect("schedule", "1m")
		w.right.knob("POST", "fail", raw(`{"endpoint":"POST /services/data","status":503,"times":100000}`))
		w.want(202, "POST", w.con+"/start", nil)
		w.scheduled()
		w.right.knob("DELETE", "faults", nil)
		w.rest()
		all := list[run](w, "/v1/runs?connection="+strings.TrimPrefix(w.con, "/v1/connections/"))
		first := all[len(all)-1]
		equal(w, "kind and state of the first run", first.Kind+" "+first.State, "initial done")
		for _, r := range all[:len(all)-1] {
			if r.CreatedAt.Before(first.EndedAt) {
				w.Errorf("a %s began before the first sync was over", r.Kind)
			}
		}
		w.right.count(3)
	})
}

// TestRow61_FirstSync: both sides are read whole, history included.
func TestRow61_FirstSync(t *testing.T) {
	rowAlone(t, func(w *world) {
		w.left.add("old", "city", "Ghent")
		w.right.add("older", "MailingCity", "Lund")
		w.pass(400 * 24 * time.Hour)
		w.left.add("new", "city", "Ghent")
		w.connect("rules", raw(`[{"id":"r","direction":"to_right","filter":{"field":"city","op":"equals","value":"Nowhere"}},{"id":"s","direction":"to_left"}]`))
		runs := w.start()
		equal(w, "kind", runs[0].Kind, "initial")
		w.stands(w.left, w.left.id("old"), "excluded", "filtered_out")
		w.stands(w.left, w.left.id("new"), "excluded", "filtered_out")
		w.left.has("older", "city", "Lund")
		w.right.count(1)
	})
}

// TestRow62_ContinuousMonitoring: pulls repeat, and two of one sync never overlap.
func TestRow62_ContinuousMonitoring(t *testing.T) {
	rowAlone(t, func(w *world) {
		ann := w.left.add("ann", "city", "A")
		w.connect("schedule", "1m")
		w.start()
		for _, city := range []string{"B", "C"} {
			w.left.edit(ann, "city", city)
			w.pass(2 * time.Minute)
			w.until("the next pull", func() bool { return w.right.get(w.right.id("ann")).Fields["MailingCity"] == city })
		}
		w.rest()
		w.change("schedule", "manual")
		w.left.knob("POST", "delay", raw(`{"endpoint":"POST /crm/v3/objects/contacts/search","delay":"400ms","times":1}`))
		var first, second run
		w.want(202, "POST", w.sync+"/pull", nil).into(&first)
		w.want(202, "POST", w.sync+"/pull", nil).into(&second)
		equal(w, "a second pull while one runs", second.ID, first.ID)
		w.finished(first)
		w.rest()
	})
}

// TestRow63_SyncAgainNow: a pull by hand, any time.
func TestRow63_SyncAgainNow(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "city", "A")
		w.connect("schedule", "60m")
		w.start()
		for _, city := range []string{"B", "C", "D"} {
			w.left.edit(ann, "city", city)
			equal(w, "kind", w.pull().Kind, "pull")
			w.right.has("ann", "MailingCity", city)
		}
	})
}

// TestRow63_APullFollowsAnOpenRun: who asks for a pull while one is open that has listed
// already gets another after it, one however often it is asked for, and is told so.
func TestRow63_APullFollowsAnOpenRun(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "city", "A")
		w.connect()
		w.start()
		pulls := func() (n int) {
			w.Helper()
			for _, r := range list[run](w, "/v1/runs?connection="+strings.TrimPrefix(w.con, "/v1/connections/")) {
				if r.Kind == "pull" {
					n++
				}
			}
			return n
		}
		// The left side is listed, and the right one keeps the run open.
		w.right.knob("POST", "delay", raw(`{"endpoint":"GET /services/data","delay":"3s","times":1}`))
		var open run
		w.want(202, "POST", w.sync+"/pull", nil).into(&open)
		equal(w, "what follows a pull that begins", open.NextRun, "")
		w.until("the listing of the right side", func() bool {
			var waiting []struct{ Endpoint string }
			w.right.knob("GET", "faults", nil).into(&waiting)
			return len(waiting) == 0
		})
		w.left.edit(ann, "city", "B")
		for range 10 {
			var again run
			w.want(202, "POST", w.sync+"/pull", nil).into(&again)
			equal(w, "the run that is answered", again.ID, open.ID)
			equal(w, "what follows it", again.NextRun, "pull")
		}
		_, syncs := w.status()
		equal(w, "what is open", syncs[0].OpenRun, open.ID)
		equal(w, "what follows, in the status", syncs[0].NextRun, "pull")
		w.finished(open)
		w.until("what was edited after the listing", func() bool {
			return w.right.get(w.right.id("ann")).Fields["MailingCity"] == "B"
		})
		w.until("rest", func() bool { _, syncs := w.status(); return syncs[0].OpenRun+syncs[0].NextRun == "" })
		equal(w, "pulls that were made of eleven", pulls(), 2)
	})
}

// TestRow64_ResyncAll: filters and fill-blanks-only hold, nobody is doubled, and
// pressing twice gives one run.
func TestRow64_ResyncAll(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "city", "Ghent", "jobtitle", "Judge")
		w.left.add("bob", "city", "Lund")
		w.right.add("ann", "LastName", "Of ann", "Title", "Chief")
		w.connect("direction", "to_right", "fill_blanks_only.to_right", true,
			"rules", raw(`[{"id":"r","direction":"to_right","filter":{"field":"city","op":"equals","value":"Ghent"}}]`))
		initial := w.start()[0]
		wrote := w.right.written()
		for range 2 {
			var first, second run
			w.want(202, "POST", w.sync+"/resync", nil).into(&first)
			w.want(202, "POST", w.sync+"/resync", nil).into(&second)
			equal(w, "pressed twice", second.ID, first.ID)
			r := w.finished(first)
			w.rest()
			equal(w, "kind", r.Kind, "resync")
			equal(w, "records that it looked at, as the first sync did", r.Total, initial.Total)
		}
		var pull, asked run // which may be the pull, if that is open still: then the resync follows it
		w.want(202, "POST", w.sync+"/pull", nil).into(&pull)
		w.want(202, "POST", w.sync+"/resync", nil).into(&asked)
		w.finished(pull)
		w.until("the third resync", func() bool { return w.resyncs() == 3 })
		w.rest()
		equal(w, "resyncs", w.resyncs(), 3)
		equal(w, "writes of resyncs", w.right.written(), wrote)
		w.right.count(1)
		w.right.has("ann", "MailingCity", "Ghent", "Title", "Chief")
		w.right.lacks("bob")
		w.right.edit(w.right.id("ann"), "MailingCity", "") // nothing on the left has changed since
		w.resync()
		w.right.has("ann", "MailingCity", "Ghent", "Title", "Chief")
	})
}

// resyncs counts those of the connection that have ended.
func (w *world) resyncs() (n int) {
	w.Helper()
	for _, r := range list[run](w, "/v1/runs?connection="+strings.TrimPrefix(w.con, "/v1/connections/")) {
		if r.Kind == "resync" && r.State == "done" {
			n++
		}
	}
	return n
}

// TestRow65_EverythingOrFromNowOn: changes_only links nobody until they change.
func TestRow65_EverythingOrFromNowOn(t *testing.T) {
	rowAlone(t, func(w *world) {
		ann := w.left.add("ann", "city", "Ghent")
		w.left.add("bob")
		w.right.add("bob", "LastName", "Of bob")
		w.left.add("cyd", "city", "Lund")
		w.right.add("cyd", "LastName", "Of cyd")
		w.pass(time.Hour)
		w.connect("initial", "changes_only")
		w.start()
		w.right.lacks("ann")
		w.refused(w.call("GET", w.record(w.left, ann), nil), 404, "record_unknown")
		w.left.edit(ann, "city", "Lund")
		w.left.edit(w.left.id("cyd"), "city", "Oslo") // whose twin is found, and not made
		w.left.add("dan", "city", "Bergen")
		w.pull()
		w.right.has("ann", "MailingCity", "Lund")
		w.right.has("cyd", "MailingCity", "Oslo")
		w.right.has("dan", "MailingCity", "Bergen")
		w.right.count(4)
		w.refused(w.call("GET", w.record(w.left, w.left.id("bob")), nil), 404, "record_unknown")
		w.resync()
		w.stands(w.left, w.left.id("bob"), "in_sync", "")
	})
}

// TestRow67_WebhookAddress is of TLS for who reaches us so, unguessable, stays through
// edits, and is replaced by rotation alone, with an overlap of a day.
func TestRow67_WebhookAddress(t *testing.T) {
	rowAlone(t, func(w *world) {
		w.connect()
		addresses := func() (out []string) {
			for _, h := range list[struct{ URL string }](w, w.con+"/webhooks") {
				out = append(out, h.URL)
			}
			return out
		}
		address := func() string { return addresses()[0] }
		first := address()
		if token := first[len(w.p.url+"/hooks/"):]; len(token) < 40 {
			w.Errorf("%s can be guessed", first)
		}
		if all := addresses(); len(all) != 2 || all[0] == all[1] {
			w.Errorf("the sides have the addresses %v", all)
		}
		var secure struct{ Items []struct{ URL string } }
		w.send(w.p.tls.URL, w.p.key, "GET", w.con+"/webhooks", nil).into(&secure)
		equal(w, "the address for who comes by TLS", secure.Items[0].URL, w.p.tls.URL+strings.TrimPrefix(first, w.p.url))
		equal(w, "HEAD of it", w.send(secure.Items[0].URL, "", "HEAD", "", nil).status, 200)
		w.change("/name", "Edited", "direction", "to_right")
		w.forget(w.con, "Edited")
		equal(w, "the address after an edit", address(), first)
		w.start()
		w.want(200, "POST", w.con+"/pause", nil)
		w.want(200, "PATCH", "/v1/accounts/"+w.left.account, raw(`{"name":"renamed"}`), "If-Match", "*")
		equal(w, "the address after a pause and with a new name of the account", address(), first)
		w.want(200, "POST", w.con+"/webhooks/rotate", nil)
		second := address()
		if second == first {
			w.Error("rotation keeps the address")
		}
		for url, want := range map[string]int{first: 200, second: 200, first + "x": 404} {
			equal(w, "HEAD "+url, w.send(url, "", "HEAD", "", nil).status, want)
		}
		w.pass(23 * time.Hour)
		equal(w, "the old address after 23 hours", w.send(first, "", "HEAD", "", nil).status, 200)
		w.pass(2 * time.Hour)
		equal(w, "the old address a day later", w.send(first, "", "HEAD", "", nil).status, 404)
		equal(w, "the new one", w.send(second, "", "HEAD", "", nil).status, 200)
	})
}

// TestRow68_AddressAnswersAtOnce: GET, HEAD and test calls, as soon as it exists.
func TestRow68_AddressAnswersAtOnce(t *testing.T) {
	row(t, func(w *world) {
		w.connect()
		for _, h := range list[struct{ URL string }](w, w.con+"/webhooks") {
			for _, method := range []string{"GET", "HEAD"} {
				equal(w, method, w.send(h.URL, "", method, "", nil).status, 200)
			}
		}
		w.hear(w.left)
		w.left.add("ann")
		w.heard(w.left)
	})
}

// TestRow69_NothingFlowsUntilPublished: a saved draft lets nothing through; the
// start does.
func TestRow69_NothingFlowsUntilPublished(t *testing.T) {
	row(t, func(w *world) {
		w.connect()
		w.hear(w.left)
		w.left.add("ann", "city", "Ghent")
		w.heard(w.left)
		w.refused(w.call("POST", w.sync+"/pull", nil), 409, "connection_draft")
		equal(w, "writes before", w.right.written(), 0)
		w.start()
		w.right.has("ann", "MailingCity", "Ghent")
		w.left.add("bob")
		w.until("the webhook's record", func() bool { _, there := w.right.find("bob"); return there })
	})
}

// TestRow66_RealTime: a change is picked up at once; double, reordered and
// bursting calls lead to the same state.
func TestRow66_RealTime(t *testing.T) {
	row(t, func(w *world) {
		w.connect()
		w.start()
		w.hear(w.left)
		ann := w.left.add("ann", "city", "A")
		w.until("a new record", func() bool { _, there := w.right.find("ann"); return there })
		hooks := list[struct{ URL string }](w, w.con+"/webhooks")
		w.left.knob("PUT", "webhooks", map[string]any{
			"url": hooks[0].URL, "secret": kinds["hubspot"].credentials["webhook_secret"], "duplicate": 0.5, "reorder": 0.5,
			"even": true,
		})
		for i := range 30 {
			w.left.edit(ann, "city", "V"+string(rune('A'+i)))
		}
		w.until("the last of a burst", func() bool {
			return w.right.get(w.right.id("ann")).Fields["MailingCity"] == "V"+string(rune('A'+29))
		})
		w.heard(w.left)
		w.rest()
		w.right.count(1)
		w.left.count(1)
		equal(w, "a resync's updates", w.resync().Outcomes["updated"], 0)
	})
}

// TestRow71_StateNotEvents: what matched a rule before it was switched on is
// synced, too.
func TestRow71_StateNotEvents(t *testing.T) {
	rowAlone(t, func(w *world) {
		w.left.add("ann", "city", "Ghent")
		w.pass(48 * time.Hour)
		w.connect("direction", "to_right", "rules",
			raw(`[{"id":"r","direction":"to_right","enabled":false,"filter":{"field":"city","op":"equals","value":"Ghent"}}]`))
		w.start()
		w.right.lacks("ann")
		w.pass(48 * time.Hour)
		w.change("rules.r.enabled", true)
		w.resync()
		w.right.has("ann", "MailingCity", "Ghent")
	})
}
