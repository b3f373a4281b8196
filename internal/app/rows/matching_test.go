package rows

import (
	"fmt"
	"testing"
	"time"
)

// by are match steps.
func by(steps string) raw { return raw("[" + steps + "]") }

const (
	byEmail     = `{"by":"any_key","pairs":[["email","Email"]]}`
	byEmailIs   = `{"by":"any_key","pairs":[["email","Email"],["phone","Phone"]],"on_disagreement":`
	byTheirID   = `{"by":"id","left":"company","right":"$id","on_missing":"error"}`
	byTheirName = `{"by":"all_keys","pairs":[["firstname","FirstName"],["lastname","LastName"]],"verify":[["phone","Phone"]]}`
)

// spelling is one key as two apps hold it. Company is a text of HubSpot, in which an
// address stays as it was typed, and which the connection matches by as well.
type spelling struct{ field, left, right string }

// alike are keys that are one.
var alike = map[string]spelling{
	"case":       {"email", "ann@example.com", "ANN@Example.COM"},
	"punycode":   {"email", "bob@m\u00fcller.example", "bob@xn--mller-kva.example"},
	"unicode":    {"email", "bea@xn--mller-kva.example", "bea@m\u00fcller.example"},
	"secondary":  {"email", "cyd@example.com", "cyd.old@example.com"},
	"trimmed":    {"company", "  Eve@Example.com ", "eve@example.com"},
	"composed":   {"company", "zoe\u0308@example.com", "zo\u00eb@example.com"},
	"decomposed": {"company", "zo\u00eb@example.org", "zoe\u0308@example.org"},
	"local":      {"phone", "(212) 555-0122", "+1 212 555 0122"},
	"dotted":     {"phone", "+1.212.555.0123", "212-555-0123"},
	"digits":     {"phone", "12125550124", "(212) 555 0124"},
	"abroad":     {"phone", "+44 20 7946 0018", "011 44 (20) 7946-0018"},
}

// unlike are keys that look alike, or are alike but for the case of what is not ASCII.
var unlike = map[string]spelling{
	"cyrillic": {"email", "dan@example.com", "d\u0430n@example.com"},
	"plus":     {"email", "hal@example.com", "hal+crm@example.com"},
	"accent":   {"company", "REN\u00c9@example.com", "ren\u00e9@example.com"},
}

// spell adds a record with a key to both apps; a town is in one of them alone.
func (w *world) spell(name string, s spelling, town *fake) {
	w.Helper()
	field := "Email"
	if s.field == "phone" {
		field = "Phone"
	}
	here := map[string]string{"lastname": name, s.field: s.left}
	there := map[string]string{"LastName": name, field: s.right}
	if name == "secondary" {
		here["hs_additional_emails"] = "cyd.older@example.com;" + s.right
	}
	if town == w.left {
		here["city"] = "Ghent"
	} else {
		there["MailingCity"] = "Ghent"
	}
	w.left.make("contacts", here)
	w.right.make("Contact", there)
}

// TestRow93_MatchOnEmail: trimmed, without case, domains by IDNA; secondary
// addresses count, look-alikes do not; phones are found however spelled. So it is
// where both sides are listed, and where either app is asked for the twin.
func TestRow93_MatchOnEmail(t *testing.T) {
	for _, way := range []string{"both", "to_right", "to_left"} {
		t.Run(way, func(t *testing.T) {
			row(t, func(w *world) {
				source, target, city := w.left, w.right, "MailingCity"
				if way == "to_left" {
					source, target, city = w.right, w.left, "city"
				}
				w.connect("direction", way, "match", by(`{"by":"any_key","pairs":[["email","Email"],["company","Email"]]},
					{"by":"any_key","pairs":[["phone","Phone"]]}`))
				if way != "both" {
					w.start()
				}
				for name, s := range alike {
					w.spell(name, s, source)
				}
				for name, s := range unlike {
					w.spell(name, s, source)
				}
				if way == "both" {
					w.start()
				} else {
					w.pull()
				}
				met := map[string]int{}
				for _, r := range target.dump() {
					if met[r.Fields[target.name]] += 2; r.Fields[city] == "" {
						met[r.Fields[target.name]]--
					}
				}
				for name := range alike {
					if name == "trimmed" && way == "to_left" {
						continue // HubSpot cannot be asked for blanks around a text
					}
					equal(w, name+", one with the town", met[name], 2)
				}
				for name := range unlike {
					equal(w, name+", one with and one without", met[name], 3)
				}
			})
		})
	}
}

// TestRow93_SecondValues: who is met under a further address keeps both first ones, until
// one of them is edited; the phone of three is nobody's.
func TestRow93_SecondValues(t *testing.T) {
	row(t, func(w *world) {
		cyd := w.left.add("cyd", "hs_additional_emails", "cyd.old@example.com")
		twin := w.right.add("cyd.old", "LastName", "Of cyd")
		for _, who := range []string{"dan", "eva", "fay"} {
			w.left.add(who, "phone", "+1 212 555 0101", "city", "Ghent")
		}
		w.right.make("Contact", map[string]string{"LastName": "Switchboard", "Phone": "(212) 555-0101"})
		w.connect("match", by(byEmail+`,{"by":"any_key","pairs":[["phone","Phone"]]}`))
		w.start()
		equal(w, "partner", w.stands(w.left, cyd, "in_sync", "").Partner, twin)
		w.left.holds(w.left.get(cyd), "email", "cyd@example.com")
		w.right.holds(w.right.get(twin), "Email", "cyd.old@example.com")
		w.want(200, "GET", w.record(w.left, cyd)+"/explain", nil).says(`"secondary"`)
		w.right.edit(twin, "Email", "cyd.new@example.com")
		w.pull()
		w.left.holds(w.left.get(cyd), "email", "cyd.new@example.com")
		for _, r := range w.right.dump() {
			if r.Fields["LastName"] == "Switchboard" {
				w.right.holds(r, "Email", "", "MailingCity", "")
			}
		}
		w.right.has("dan", "MailingCity", "Ghent")
		w.right.has("fay", "MailingCity", "Ghent")
	})
}

// TestRow94_TheLinkStays: an e-mail that changes keeps the pair; one that is
// removed stops it both ways, and it goes on when a key is back.
func TestRow94_TheLinkStays(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "city", "A")
		w.connect("mappings.email.clear", raw(`{"to_right":true,"to_left":true}`))
		w.start()
		twin := w.right.id("ann")
		w.left.edit(ann, "email", "ann.new@example.com")
		w.pull()
		equal(w, "partner after the change", w.stands(w.left, ann, "in_sync", "").Partner, twin)
		w.right.holds(w.right.get(twin), "Email", "ann.new@example.com")
		w.left.edit(ann, "email", "", "city", "B")
		w.pull()
		equal(w, "partner without a key", w.stands(w.left, ann, "excluded", "no_identity_key").Partner, twin)
		w.right.holds(w.right.get(twin), "Email", "ann.new@example.com", "MailingCity", "A")
		w.right.edit(twin, "Title", "Judge")
		w.pull()
		w.left.holds(w.left.get(ann), "email", "", "jobtitle", "")
		w.left.edit(ann, "email", "ann.back@example.com")
		w.pull()
		equal(w, "partner once it is back", w.stands(w.left, ann, "in_sync", "").Partner, twin)
		w.right.holds(w.right.get(twin), "Email", "ann.back@example.com", "MailingCity", "B")
		w.left.holds(w.left.get(ann), "jobtitle", "Judge")
		w.left.count(1)
		w.right.count(1)
	})
}

// TestRow95_AvoidDuplicates: on by default, a record without a key is left out;
// off, it is made without a match.
func TestRow95_AvoidDuplicates(t *testing.T) {
	row(t, func(w *world) {
		bare := w.left.make("contacts", map[string]string{"lastname": "Nokey"})
		w.connect()
		w.want(200, "GET", w.con, nil).says(`"avoid_duplicates":true`)
		w.start()
		w.stands(w.left, bare, "excluded", "no_identity_key")
		w.right.count(0)
		w.change("avoid_duplicates", false)
		w.resync()
		w.right.count(1)
		w.stands(w.left, bare, "in_sync", "")
		w.resync()
		w.right.count(1)
	})
}

// Steps and a mapping of companies. No company has an e-mail field in either app:
// the mapping makes one of a text.
const (
	byDomain      = `{"by":"any_key","pairs":[["domain","Website"]]}`
	byCompanyName = `{"by":"any_key","pairs":[["name","Name"]]}`
	byCompanyMail = `{"by":"any_key","pairs":[["state","BillingState"]]}`
	companyMail   = `{"id":"mail","left":["state"],"right":["BillingState"],"transform":{"type":"email"}}`
)

// firms connects companies with accounts.
func (w *world) firms(steps string, settings ...any) {
	w.Helper()
	w.left.object, w.left.name, w.right.object, w.right.name = "companies", "name", "Account", "Name"
	w.connect(append([]any{
		"/syncs", []any{companies}, "match", by(steps), "mappings.+", raw(companyMail),
	}, settings...)...)
}

// firm adds a company with a town, and account an account without one.
func (w *world) firm(name, domain, mail string) string {
	w.Helper()
	return w.left.make("companies", map[string]string{"name": name, "domain": domain, "state": mail, "city": "Ghent"})
}

func (w *world) account(name, website, mail string) string {
	w.Helper()
	return w.right.make("Account", map[string]string{"Name": name, "Website": website, "BillingState": mail})
}

// TestRow96_Companies: by domain, name or e-mail; a domain is one however it is
// spelled, where all are listed and where the app is asked.
func TestRow96_Companies(t *testing.T) {
	for _, asked := range []bool{false, true} {
		t.Run(fmt.Sprint("asked ", asked), func(t *testing.T) {
			row(t, func(w *world) {
				w.firms(byDomain+","+byCompanyMail+","+byCompanyName, "direction", "to_right")
				if asked {
					w.start()
				}
				var met []string
				for i, spelled := range [][2]string{
					{"one.example", "https://www.One.example/about?x=1#y"},
					{"two.example", "http://two.example:8080"},
					{"three.example", "THREE.example."},
					{"four.example", "www.four.example/"},
					{"m\u00fcller.example", "https://xn--mller-kva.example"},
					{"xn--bcher-kva.example", "https://b\u00fccher.example/de"},
				} {
					w.firm(fmt.Sprint("One ", i), spelled[0], "")
					met = append(met, w.account(fmt.Sprint("Other ", i), spelled[1], ""))
				}
				w.firm("By mail", "", "Office@Mail.example")
				w.firm("Bolt  ", "bolt.example", "")
				met = append(met, w.account("Mailed", "", "office@mail.example"), w.account("bolt", "", ""))
				w.firm("Sub", "shop.sub.example", "")
				w.firm("Free", "gmail.com", "")
				apart := []string{w.account("Main", "sub.example", ""), w.account("Freer", "gmail.com", "")}
				if asked {
					w.pull()
				} else {
					w.start()
				}
				for _, id := range met {
					w.right.holds(w.right.get(id), "BillingCity", "Ghent")
				}
				for _, id := range apart {
					w.right.holds(w.right.get(id), "BillingCity", "")
				}
				w.right.count(len(met) + 2*len(apart))
			})
		})
	}
}

// TestRow96_StepsInOrder: the first step that finds somebody decides, whichever it is.
func TestRow96_StepsInOrder(t *testing.T) {
	row(t, func(w *world) {
		w.firm("Acme", "acme.example", "")
		domain, name := w.account("Acme Inc.", "acme.example", ""), w.account("Acme", "", "")
		w.firm("Bolt", "", "bolt@mail.example")
		mail, named := w.account("Bolt Ltd.", "", "bolt@mail.example"), w.account("Bolt", "", "")
		w.firms(byDomain+","+byCompanyName+","+byCompanyMail, "direction", "to_right")
		w.start()
		for id, city := range map[string]string{domain: "Ghent", name: "", named: "Ghent", mail: ""} {
			w.right.holds(w.right.get(id), "BillingCity", city)
		}
		w.right.count(4)
	})
}

// TestRow96_NobodyIsGuessed: of several candidates none is written and the company is a
// duplicate; who shares a domain goes by name.
func TestRow96_NobodyIsGuessed(t *testing.T) {
	row(t, func(w *world) {
		twin := w.firm("Twin", "twin.example", "")
		twins := []string{w.account("Twin", "twin.example", ""), w.account("TWIN", "http://twin.example", "")}
		w.firm("North", "shared.example", "")
		w.firm("South", "shared.example", "")
		north, south := w.account("North", "shared.example", ""), w.account("South", "www.shared.example", "")
		w.firms(byDomain + "," + byCompanyName)
		w.start()
		w.stands(w.left, twin, "duplicate", "ambiguous_match")
		for _, id := range twins {
			w.right.holds(w.right.get(id), "BillingCity", "")
			w.stands(w.right, id, "duplicate", "duplicate_in_app")
		}
		for name, id := range map[string]string{"North": north, "South": south} {
			w.right.holds(w.right.get(id), "BillingCity", "Ghent", "Name", name)
		}
		w.left.count(3)
		w.right.count(4)
	})
}

// TestRow97_OneUniqueField: one that several records can share is warned of,
// where it is set and where it is suggested.
func TestRow97_OneUniqueField(t *testing.T) {
	row(t, func(w *world) {
		w.connect()
		w.valid("match", by(`{"by":"any_key","pairs":[["city","MailingCity"]]}`)).says("key_not_unique",
			`"/syncs/0/match/0/pairs/0"`)
		a := w.valid("match", by(`{"by":"any_key","pairs":[["lockstep_key","Lockstep_Id__c"]]}`))
		var said struct{ Warnings []struct{ Code string } }
		a.into(&said)
		for _, one := range said.Warnings {
			if one.Code == "key_not_unique" {
				w.Errorf("two unique fields are warned of: %s", a.body)
			}
		}
		w.invalid("unknown_field", "/syncs/0/match/0/pairs/0/0", "match",
			by(`{"by":"any_key","pairs":[["nowhere","Email"]]}`))
		w.want(200, "GET", w.con+"/suggestions", nil).says("key_not_unique")
	})
}

// TestRow97_OnlyByWhatIsSearched: a step by a field that the app cannot be asked by
// is refused where it would be asked, with the fields that it can be; where nobody
// is looked for by it, it is let pass.
func TestRow97_OnlyByWhatIsSearched(t *testing.T) {
	row(t, func(w *world) {
		w.connect()
		const step = `{"by":"any_key","pairs":[["email","Email"],["city","Description"]]}`
		const all = `{"by":"all_keys","pairs":[["city","Description"]]}`
		ladders := func(right, left string) raw { return raw(`{"to_right":[` + right + `],"to_left":[` + left + `]}`) }
		w.invalid("key_not_searched", "/syncs/0/match/0/pairs/1", "match", by(step)).says("right app", `\"Description\"`,
			`\"Email\"`, "leave the step out")
		w.valid("match", by(`{"by":"all_keys","pairs":[["email","Email"]],"verify":[["city","Description"]]}`))
		w.invalid("key_not_searched", "/syncs/0/match/to_right/0/pairs/0", "match", ladders(all, byEmail))
		w.valid("match", ladders(all, byEmail), "direction", "to_left")
		w.valid("match", ladders(all, byEmail), "behavior.to_right", "nothing")
		w.valid("match", ladders(byEmail, all)) // HubSpot is asked, by its city
		w.invalid("key_not_searched", "/syncs/0/match/to_right/0/pairs/1", "match", ladders(step, byEmail),
			"direction", "to_left") // for doubles
		w.invalid("key_not_searched", "/syncs/0/match/0/right", "match", by(`{"by":"id","left":"$id","right":"Description"}`))
		w.left.add("ann")
		w.start()
		w.refused(w.call("PUT", w.sync+"/match", by(step), "If-Match", "*"), 400, "key_not_searched",
			"/syncs/0/match/0/pairs/1")

		other := *w
		other.right = w.app("mautic")
		other.con = other.save(other.document("/shared", true, "match", raw(`[{"by":"any_key","pairs":[["firstname","firstname"]]}]`), "mappings",
			raw(`[{"id":"email","left":["email"],"right":["email"]},{"id":"first","left":["firstname"],"right":["firstname"]}]`)))
		other.lacks("/syncs/0/match/0/pairs/0 key_not_searched")
	})
}

// TestRow98_SecondarySearch: tried only when the primary finds nothing; if both
// find somebody, the first one wins.
func TestRow98_SecondarySearch(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "city", "A", "phone", "+1 212 555 0101")
		w.right.add("other", "Phone", "+1 212 555 0101", "LastName", "By phone")
		w.left.add("bob", "city", "B", "phone", "+1 212 555 0102")
		w.right.add("bob", "LastName", "By e-mail")
		w.right.add("wrong", "Phone", "+1 212 555 0102", "LastName", "Wrong")
		w.left.make("contacts", map[string]string{"lastname": "Only phone", "phone": "+1 212 555 0103", "city": "C"})
		w.right.add("cyd", "Phone", "+1 212 555 0103", "LastName", "By phone alone")
		w.connect("direction", "to_right", "match", by(byEmailIs+`"first"}`), "mappings.email.direction", "to_left",
			"mappings.last.direction", "to_left", "mappings.phone.direction", "to_left", "behavior.to_right", "update_only")
		w.start()
		w.right.has("other", "MailingCity", "A")
		w.right.has("bob", "MailingCity", "B")
		w.right.has("wrong", "MailingCity", "")
		w.right.has("cyd", "MailingCity", "C")
	})
}

// TestRow99_Row147_KeyInTheMapping: mapping and match steps speak of the same
// fields, so the mapping of a key cannot be switched off; another one can, and
// is then ignored even when sent.
func TestRow99_Row147_KeyInTheMapping(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "city", "A")
		w.connect()
		w.start()
		w.invalid("match_key_off", "/syncs/0/mappings/0/enabled", "mappings.email.enabled", false)
		w.invalid("match_key_off", "/syncs/0/mappings/0/enabled", "mappings.email.direction", "off")
		w.refused(w.tryChange("mappings.email.enabled", false), 400, "match_key_off", "/syncs/0/mappings/0/enabled")
		w.valid("mappings.email.enabled", false, "match", by(`{"by":"any_key","pairs":[["phone","Phone"]]}`))
		w.change("mappings.city.enabled", false)
		w.left.edit(ann, "city", "B")
		w.pull()
		w.resync()
		w.right.has("ann", "MailingCity", "A")
	})
}

// TestRow109_Row110_IDMapping: the field of an ID is its step's alone; two
// fields that hold one foreign ID are mapped first; an ID that changes breaks
// no pair.
func TestRow109_Row110_IDMapping(t *testing.T) {
	row(t, func(w *world) {
		twin := w.right.add("ann", "LastName", "Of ann")
		ann := w.left.add("ann", "company", twin)
		w.connect("match", by(byTheirID+","+byEmail))
		w.invalid("id_field_mapped", "/syncs/0/mappings/6/left", "mappings.+",
			raw(`{"id":"id","left":["company"],"right":["Company__c"]}`))
		w.valid("mappings.+", raw(`{"id":"id","left":["company"],"right":["Company__c"],"direction":"to_right"}`))
		foreign := by(`{"by":"id","left":"company","right":"Company__c"},` + byEmail)
		w.invalid("id_not_mapped", "/syncs/0/match/0", "match", foreign)
		w.valid("match", foreign, "mappings.+", raw(`{"id":"id","left":["company"],"right":["Company__c"]}`))
		w.start()
		equal(w, "found by the ID", w.stands(w.left, ann, "in_sync", "").Partner, twin)
		w.left.edit(ann, "company", "003Lk0000009999IAA", "city", "Ghent")
		w.pull()
		equal(w, "partner after the ID changed", w.view(w.left, ann).Partner, twin)
		w.right.count(1)
	})
}

// TestRow101_OurIDPresent: every field may be updated; without a match it is an
// error, and nobody is made.
func TestRow101_OurIDPresent(t *testing.T) {
	row(t, func(w *world) {
		twin := w.right.add("ann.old", "MailingCity", "Old", "Phone", "+1 212 555 0101")
		w.left.add("ann", "company", twin, "city", "New", "phone", "+1 212 555 0102")
		lost := w.left.add("bob", "company", "003Lk0000009999IAA")
		w.connect("direction", "to_right", "match", by(byTheirID+","+byEmail))
		w.start()
		w.right.holds(w.right.get(twin), "Email", "ann@example.com", "MailingCity", "New", "LastName", "Of ann", "Phone",
			"+12125550102")
		v := w.view(w.left, lost)
		equal(w, "who has an ID that nobody has", v.State, "failing")
		w.right.lacks("bob")
		w.right.count(1)
	})
}

// TestRow102_MatchByPhone updates everything but what the step protects, and a
// phone is found however it is spelled.
func TestRow102_MatchByPhone(t *testing.T) {
	row(t, func(w *world) {
		w.left.make("contacts", map[string]string{
			"lastname": "Left", "phone": "(212) 555-0122", "email": "left@example.com",
			"city": "New",
		})
		twin := w.right.make("Contact", map[string]string{
			"LastName": "Right", "Phone": "001 212.555.0122", "Email": "right@example.com", "MailingCity": "Old",
		})
		w.connect("direction", "to_right", "match",
			by(`{"by":"any_key","pairs":[["phone","Phone"]],"protect":["email","phone"]}`))
		w.start()
		w.right.holds(w.right.get(twin), "LastName", "Left", "MailingCity", "New", "Email", "right@example.com", "Phone",
			"001 212.555.0122")
		w.right.count(1)
	})
}

// TestRow103_KeysDisagree: all given keys are looked up; different records, or
// one that contradicts, is an error and skips the record.
func TestRow103_KeysDisagree(t *testing.T) {
	row(t, func(w *world) {
		two := w.left.add("ann", "phone", "+1 212 555 0101", "city", "X")
		w.right.add("ann", "LastName", "By e-mail")
		w.right.add("other", "Phone", "+1 212 555 0101", "LastName", "By phone")
		against := w.left.add("bob", "phone", "+1 212 555 0102", "city", "X")
		w.right.add("bob", "Phone", "+1 212 555 0999", "LastName", "Other phone")
		w.left.add("cyd", "phone", "+1 212 555 0103", "city", "X")
		w.right.add("cyd", "LastName", "No phone")
		w.connect("direction", "to_right", "match", by(byEmailIs+`"error"}`))
		w.start()
		w.stands(w.left, two, "conflict", "key_conflict")
		w.stands(w.left, against, "conflict", "keys_disagree")
		w.right.has("ann", "MailingCity", "", "LastName", "By e-mail")
		w.right.has("other", "MailingCity", "", "LastName", "By phone")
		w.right.has("bob", "MailingCity", "", "Phone", "+1 212 555 0999")
		w.right.has("cyd", "MailingCity", "X")
		w.right.count(4)
	})
}

// TestRow104_OtherwiseCreate: when no step finds anybody, if the behaviour allows.
func TestRow104_OtherwiseCreate(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann", "phone", "+1 212 555 0101", "firstname", "Ann")
		w.connect("direction", "to_right", "behavior.to_right", "update_only", "match",
			by(`{"by":"id","left":"company","right":"$id","on_missing":"next"},`+byEmailIs+`"error"},`+byTheirName))
		w.start()
		w.right.count(0)
		w.change("behavior.to_right", "create_and_update")
		w.resync()
		w.right.has("ann", "FirstName", "Ann")
		w.right.count(1)
	})
}

// TestRow105_AppIDPresent is the mirror of 101: who was deleted over there is
// not made again.
func TestRow105_AppIDPresent(t *testing.T) {
	row(t, func(w *world) {
		twin := w.left.add("ann.old", "city", "Old")
		gone := w.left.add("gone")
		w.left.remove(gone)
		w.right.add("ann", "Department", twin, "MailingCity", "New")
		lost := w.right.add("bob", "Department", gone)
		w.connect("direction", "to_left", "match", by(`{"by":"id","left":"$id","right":"Department","on_missing":"error"},`+
			byEmail))
		w.start()
		w.left.holds(w.left.get(twin), "email", "ann@example.com", "city", "New")
		equal(w, "who names somebody deleted", w.view(w.right, lost).State, "failing")
		w.left.count(1)
	})
}

// backInto keeps the Salesforce ID in a field of HubSpot, found by e-mail.
var backInto = by(`{"by":"id","left":"company","right":"$id","on_missing":"error","write_back":true},` + byEmail)

// TestRow106_FoundByEmail: linked, and the ID is written back for the next time,
// when it finds by itself.
func TestRow106_FoundByEmail(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.add("ann", "city", "A")
		twin := w.right.add("ann", "LastName", "Of ann")
		w.connect("/name", "Once", "match", backInto)
		w.start()
		w.left.holds(w.left.get(ann), "company", twin)
		w.right.has("ann", "MailingCity", "A")
		wrote := w.left.written()
		w.left.edit(ann, "city", "B")
		w.pull()
		equal(w, "it is written once", w.left.written(), wrote)
		w.want(202, "DELETE", w.con+"?confirm=Once", nil, "If-Match", "*")
		w.until("the end of the connection", func() bool { return w.call("GET", w.con, nil).status == 404 })
		w.left.edit(ann, "email", "ann.changed@example.com")
		w.connect("/name", "Again", "match", backInto, "conflict", "left")
		w.start()
		equal(w, "found by the ID", w.stands(w.left, ann, "in_sync", "").Partner, twin)
		w.right.holds(w.right.get(twin), "Email", "ann.changed@example.com")
		w.right.count(1)
	})
}

// TestRow108_CreateAndWriteBack: the ID of a record that was made is written
// back; when the answer to the create, or the write-back, is lost, nobody is
// made twice.
func TestRow108_CreateAndWriteBack(t *testing.T) {
	rowAlone(t, func(w *world) {
		ann := w.left.add("ann", "city", "A")
		w.connect("match", backInto)
		w.start()
		w.until("the ID", func() bool { return w.left.get(ann).Fields["company"] == w.right.id("ann") })
		bob := w.left.add("bob")
		w.right.knob("POST", "lose_reply", raw(`{"endpoint":"POST /services/data","times":1}`))
		w.left.knob("POST", "fail", raw(`{"endpoint":"POST /crm/v3/objects/contacts/batch/update","status":503,"times":1}`))
		w.pull()
		w.pass(2 * time.Minute)
		w.pull()
		w.right.count(2)
		w.left.count(2)
		w.left.holds(w.left.get(bob), "company", w.right.id("bob"))
	})
}

// TestRow107_NameCheckedByPhone: the name finds, the phone decides; one that is
// missing is no match, its format does not matter.
func TestRow107_NameCheckedByPhone(t *testing.T) {
	row(t, func(w *world) {
		person := func(last, phone string) {
			w.left.make("contacts", map[string]string{"firstname": "Ann", "lastname": last, "phone": phone, "city": "New"})
		}
		twin := func(last, phone string) string {
			return w.right.make("Contact", map[string]string{"FirstName": "ann", "LastName": last, "Phone": phone})
		}
		person("Same", "(212) 555-0101")
		same := twin("same", "+12125550101")
		person("Other", "(212) 555-0102")
		other := twin("Other", "(212) 555-0103")
		person("Lacking", "(212) 555-0104")
		lacking := twin("Lacking", "")
		person("Without", "")
		without := twin("Without", "(212) 555-0105")
		w.connect("direction", "to_right", "avoid_duplicates", false, "match", by(byTheirName))
		w.start()
		w.right.holds(w.right.get(same), "MailingCity", "New")
		for _, id := range []string{other, lacking, without} {
			w.right.holds(w.right.get(id), "MailingCity", "")
		}
	})
}

// TestRow107_TheIDIsWrittenBack: who was found by name and phone is found by the ID the
// next time.
func TestRow107_TheIDIsWrittenBack(t *testing.T) {
	row(t, func(w *world) {
		ann := w.left.make("contacts", map[string]string{"firstname": "Ann", "lastname": "Roe", "phone": "(212) 555-0101"})
		twin := w.right.make("Contact", map[string]string{"FirstName": "Ann", "LastName": "Roe", "Phone": "+12125550101"})
		w.connect("match", by(`{"by":"id","left":"company","right":"$id","on_missing":"error","write_back":true},`+byTheirName))
		w.start()
		equal(w, "the partner", w.stands(w.left, ann, "in_sync", "").Partner, twin)
		w.left.holds(w.left.get(ann), "company", twin)
		w.left.count(1)
		w.right.count(1)
	})
}

// TestRow111_DuplicatesInOneApp: two records with one identity are both left
// alone and listed, until a person links or merges.
func TestRow111_DuplicatesInOneApp(t *testing.T) {
	row(t, func(w *world) {
		one := w.right.add("ann", "MailingCity", "One")
		two := w.right.add("ann", "MailingCity", "Two")
		ann := w.left.add("ann", "jobtitle", "Judge")
		w.connect()
		w.start()
		for _, id := range []string{one, two} {
			if v := w.view(w.right, id); v.State != "duplicate" {
				w.Errorf("%s is %s", id, v.State)
			}
			w.right.holds(w.right.get(id), "Title", "")
		}
		w.left.count(1)
		w.left.has("ann", "city", "")
		_, s := w.status()
		equal(w, "duplicates in the status", s[0].States.Right["duplicate"], 2)
		listed := list[view](w, w.sync+"/records?state=duplicate")
		if len(listed) < 2 {
			w.Errorf("listed: %+v", listed)
		}
		w.finished(w.run("POST", w.record(w.left, ann)+"/link", map[string]string{"partner": one}))
		w.rest()
		equal(w, "partner after a person linked", w.stands(w.left, ann, "in_sync", "").Partner, one)
		w.right.holds(w.right.get(one), "Title", "Judge")
		w.right.holds(w.right.get(two), "Title", "")
	})
}

// TestRow111_MergedIntoOne: once a person merged them in their app there is one, and it
// is synced.
func TestRow111_MergedIntoOne(t *testing.T) {
	row(t, func(w *world) {
		one := w.right.add("ann", "MailingCity", "One")
		two := w.right.add("ann", "MailingCity", "Two")
		ann := w.left.add("ann", "jobtitle", "Judge")
		w.connect()
		w.start()
		w.stands(w.right, one, "duplicate", w.view(w.right, one).Code)
		w.right.holds(w.right.get(one), "Title", "")
		w.right.knob("POST", "records/Contact/"+two+"/merge", map[string]string{"into": one})
		w.pull()
		w.pull()
		equal(w, "the partner after the merge", w.stands(w.left, ann, "in_sync", "").Partner, one)
		w.right.holds(w.right.get(one), "Title", "Judge")
		w.right.count(1)
	})
}

// run begins a run by a call.
func (w *world) run(method, path string, body any) (r run) {
	w.Helper()
	w.want(202, method, path, body).into(&r)
	return r
}
