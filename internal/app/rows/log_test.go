package rows

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// people are one for each outcome of a first sync to the right.
type people struct{ made, changed, nobody, twice, bare string }

// outcomes lets a first sync come to each outcome.
func (w *world) outcomes() (p people, first run) {
	w.Helper()
	p.made = w.left.add("made", "city", "A")
	p.changed = w.left.add("changed", "city", "Ghent")
	w.right.add("changed", "LastName", "Of changed")
	p.nobody = w.left.make("contacts", map[string]string{"lastname": "Nobody"})
	p.twice = w.left.add("twice", "city", "C")
	w.right.add("twice", "MailingCity", "One")
	w.right.add("twice", "MailingCity", "Two")
	p.bare = w.left.make("contacts", map[string]string{"email": "bare@example.com"})
	w.connect("/name", "Outcomes", "direction", "to_right")
	return p, w.start()[0]
}

// told is an entry of the log with what its IDs are called.
type told struct {
	entry
	Repaired                bool
	Meaning, Effect, Remedy string
	Connection, Sync        string
	Time                    time.Time
	Integration             struct{ Name, Left, Right string }
	Links                   struct{ Left, Right string }
}

// tells lists the connection's log, newest first; filter as in "event=failed".
func (w *world) tells(filter ...string) []told {
	w.Helper()
	id := strings.TrimPrefix(w.con, "/v1/connections/")
	return list[told](w, "/v1/log?connection="+strings.Join(append([]string{id}, filter...), "&"))
}

// of returns the newest entry about a record.
func (w *world) of(entries []told, id string) told {
	w.Helper()
	at := slices.IndexFunc(entries, func(e told) bool { return e.Record == id })
	if at < 0 {
		w.Fatalf("no entry is about %s: %+v", id, entries)
	}
	return entries[at]
}

// records are those that entries are about, sorted.
func records(entries []told) string {
	var out []string
	for _, e := range entries {
		out = append(out, e.Record)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// TestRow165_Row166_Row167_Row168_Row169_Row170_Row171_Counts: what became of everybody
// is counted, and each count opens its records, with the reason.
func TestRow165_Row166_Row167_Row168_Row169_Row170_Row171_Counts(t *testing.T) {
	row(t, func(w *world) {
		p, first := w.outcomes()
		_, s := w.status()
		for _, span := range []string{"today", "last_7_days", "last_30_days"} {
			for outcome, n := range map[string]int{"created": 1, "updated": 1, "duplicate": 1, "failed": 1} {
				equal(w, outcome+" "+span, s[0].Outcomes[span][outcome], n)
			}
			if n := s[0].Outcomes[span]["excluded"]; n < 3 { // with those of the right side, which may not travel
				w.Errorf("excluded %s: %d", span, n)
			}
		}
		equal(w, "outcomes of the run", first.Outcomes["created"]+first.Outcomes["updated"]+first.Outcomes["failed"], 3)
		for state, want := range map[string]string{
			"in_sync": p.made + " " + p.changed, "excluded": p.nobody, "duplicate": p.twice, "failing": p.bare,
		} {
			var ids []string
			for _, v := range list[struct{ Side, ID, State, Code string }](w, w.sync+"/records?state="+state) {
				if v.Side == "left" {
					ids = append(ids, v.ID)
					equal(w, "the state of "+v.ID, w.view(w.left, v.ID).State, state)
				}
			}
			slices.Sort(ids)
			equal(w, "records behind "+state, strings.Join(ids, " "), want)
			equal(w, "count of "+state, s[0].States.Left[state], len(ids))
		}
		w.stands(w.left, p.nobody, "excluded", "no_identity_key")
		w.stands(w.left, p.twice, "duplicate", "ambiguous_match")
		w.stands(w.left, p.bare, "failing", "required_field_missing")
		for state, code := range map[string]string{
			"excluded": "no_identity_key", "duplicate": "ambiguous_match", "failing": "required_field_missing",
		} {
			equal(w, state+" because of "+code, s[0].Reasons.Left[state][code], 1)
			for _, filter := range []string{"code=" + code, "code=" + code + "&state=" + state} {
				var ids []string
				for _, v := range list[struct{ Side, ID, State, Code string }](w, w.sync+"/records?"+filter) {
					equal(w, "state and code behind "+filter, v.State+" "+v.Code, state+" "+code)
					if v.Side == "left" {
						ids = append(ids, v.ID)
					}
				}
				equal(w, "records behind "+filter, len(ids), 1)
			}
			equal(w, "those in step for "+code, len(list[struct{ ID string }](w, w.sync+"/records?state=in_sync&code="+code)), 0)
			equal(w, "reasons of "+state, len(s[0].Reasons.Left[state]), 1)
		}
		equal(w, "reasons of those in step", len(s[0].Reasons.Left["in_sync"]), 0)
		w.left.edit(p.bare, "lastname", "Bare")
		w.left.edit(p.nobody, "email", "nobody@example.com")
		w.resync()
		_, s = w.status()
		equal(w, "reasons that are gone", len(s[0].Reasons.Left["failing"])+len(s[0].Reasons.Left["excluded"]), 0)
		equal(w, "one that stays", s[0].Reasons.Left["duplicate"]["ambiguous_match"], 1)
	})
}

// TestRow165_Row166_Row167_Row168_Row171_Row179_BySpanAndSync: each sync has its own
// counts, and a span those of its days. Whom no rule wants is excluded, not failed, and
// not in step, linked or not. Who was alike on both sides counts as updated.
func TestRow165_Row166_Row167_Row168_Row171_Row179_BySpanAndSync(t *testing.T) {
	rowAlone(t, func(w *world) {
		made := w.left.add("made", "city", "Ghent")
		alike := w.left.add("alike")
		w.right.add("alike")
		w.left.add("changed", "city", "Ghent")
		w.right.add("changed")
		w.left.add("twice", "city", "Ghent")
		w.right.add("twice")
		w.right.add("twice", "MailingCity", "Two")
		unwanted := w.left.add("unwanted", "jobtitle", "Spam")
		w.left.make("companies", map[string]string{"name": "Acme", "domain": "acme.example.com"})
		w.connect("direction", "to_right", "rules.+", raw(`{"id":"wanted","direction":"to_right",
			"filter":{"field":"jobtitle","op":"not_equals","value":"Spam"}}`), "/syncs.+", companies)
		w.start()
		counts := func(what string, sync int, span string, want map[string]int) {
			w.Helper()
			_, all := w.status()
			for outcome, n := range want {
				equal(w, what+": "+outcome+" "+span, all[sync].Outcomes[span][outcome], n)
			}
		}
		people := map[string]int{"created": 1, "updated": 1, "linked": 1, "duplicate": 1, "failed": 0}
		none := map[string]int{"created": 0, "updated": 0, "linked": 0, "duplicate": 0, "failed": 0, "excluded": 0}
		for _, span := range []string{"today", "last_7_days", "last_30_days"} {
			counts("people", 0, span, people)
			counts("companies", 1, span, map[string]int{"created": 1, "updated": 0, "duplicate": 0, "failed": 0})
		}
		w.stands(w.left, unwanted, "excluded", "filtered_out")
		equal(w, "failed", records(w.tells("event=failed", "record="+unwanted)), "")
		equal(w, "alike counts as updated", strings.Contains(records(w.tells("event=updated")), alike), true)
		w.left.edit(made, "jobtitle", "Spam")
		w.pull()
		equal(w, "linked, and no rule wants it any more", w.view(w.left, made).State, "excluded")
		delete(people, "duplicate") // met again by the pull
		w.pass(48 * time.Hour)
		counts("two days later", 0, "today", none)
		counts("two days later", 0, "last_7_days", people)
		w.pass(6 * 24 * time.Hour)
		counts("eight days later", 0, "last_7_days", none)
		counts("eight days later", 0, "last_30_days", people)
	})
}

// TestRow175_Row178_Row188_Zone: the words for spans are days and months of the
// workspace's zone.
func TestRow175_Row178_Row188_Zone(t *testing.T) {
	rowAlone(t, func(w *world) {
		now := w.p.now().UTC()
		next := time.Date(now.Year(), now.Month()+1, 1, -9, -10, 0, 0, time.UTC) // ten minutes before it begins in Tokyo
		if next.Before(now) {
			next = time.Date(now.Year(), now.Month()+2, 1, -9, -10, 0, 0, time.UTC)
		}
		w.pass(next.Sub(now))
		made := w.left.add("made")
		w.connect("direction", "to_right")
		w.start()
		w.pass(20 * time.Minute)
		zone := func(name string) {
			w.Helper()
			w.want(200, "PATCH", "/v1/workspace", map[string]string{"time_zone": name}, "If-Match", "*")
		}
		defer zone("UTC") // of everybody
		for name, days := range map[string]string{
			"Asia/Tokyo": "false true false true", "UTC": "true true true false",
		} {
			zone(name)
			var got []string
			for _, span := range []string{"today", "last_7_days", "this_month", "last_month"} {
				got = append(got, strconv.FormatBool(records(w.tells("event=new", "range="+span)) == made))
			}
			equal(w, "in "+name+" it was today, in 7 days, this month, last month", strings.Join(got, " "), days)
		}
		w.pass(7 * 24 * time.Hour)
		equal(w, "in the last 7 days, 7 days later", records(w.tells("event=new", "range=last_7_days")), "")
	})
}

// TestRow176_Row177_Row178_Row179_Row180_Row187_Row197_Tabs: a job that succeeded holds
// a record that failed. Repaired at its source it is synced by the next pull, without
// a button, and stands among what is new and what was updated, no longer among what
// failed.
func TestRow176_Row177_Row178_Row179_Row180_Row187_Row197_Tabs(t *testing.T) {
	row(t, func(w *world) {
		p, _ := w.outcomes()
		equal(w, "new", records(w.tells("event=new")), p.made)
		equal(w, "updated", records(w.tells("event=updated")), p.changed)
		equal(w, "failed", records(w.tells("event=failed")), p.twice+" "+p.bare)
		errors := records(w.tells("job_status=success", "sync_status=error"))
		equal(w, "errors of jobs that succeeded", errors, p.twice+" "+p.bare)
		equal(w, "of jobs that failed", records(w.tells("job_status=failure")), "")
		fine := records(w.tells("sync_status=success"))
		for id, want := range map[string]bool{p.made: true, p.changed: true, p.nobody: true, p.twice: false, p.bare: false} {
			equal(w, "successes hold "+id, strings.Contains(fine, id), want)
		}
		equal(w, "new, and an error", records(w.tells("event=new", "sync_status=error")), "")
		if all := w.tells("job_status=all", "sync_status=all"); len(all) < 7 {
			w.Errorf("of all statuses: %d entries", len(all))
		}
		w.left.edit(p.bare, "lastname", "Bare")
		w.pull()
		w.right.has("bare", "LastName", "Bare")
		equal(w, "new, once it is repaired", records(w.tells("event=new")), p.made+" "+p.bare)
		equal(w, "updated, once it is repaired", records(w.tells("event=updated")), p.changed+" "+p.bare)
		equal(w, "failed, once it is repaired", records(w.tells("event=failed")), p.twice)
		entries := w.tells("record=" + p.bare)
		equal(w, "its entries", len(entries), 2)
		equal(w, "the newer one is a repair", entries[0].Repaired, true)
		equal(w, "the older one is resolved", entries[1].Resolved, true)
		equal(w, "who never failed is no repair", w.of(w.tells("event=new"), p.made).Repaired, false)
	})
}

// TestRow176_FailedJobs: what a run did before it failed stands under the failed jobs, and
// what others did does not.
func TestRow176_FailedJobs(t *testing.T) {
	row(t, func(w *world) {
		w.connect("direction", "to_right")
		w.start()
		const people = 420 // more than two pages
		for i := range people {
			w.left.add("p" + strconv.Itoa(i))
		}
		// The second page of what changed takes long enough for the first to be worked, and
		// the third never comes.
		fault := func(kind, more string) {
			w.left.knob("POST", kind, raw(`{"endpoint":"POST /crm/v3/objects/contacts/search",`+more+`}`))
		}
		fault("delay", `"delay":"1ms","times":1`)
		fault("delay", `"delay":"3s","times":1`)
		fault("fail", `"status":400,"times":100000`)
		var r run
		w.want(202, "POST", w.sync+"/pull", nil).into(&r)
		w.until("the failure of the run", func() bool {
			w.get("/v1/runs/"+r.ID, &r)
			return r.State == "failed"
		})
		w.left.knob("DELETE", "faults", nil)
		w.pull()
		failed, fine := w.tells("job_status=failure"), w.tells("job_status=success")
		for _, e := range failed {
			equal(w, "the job that failed", e.Run, r.ID)
		}
		for _, e := range fine {
			equal(w, "a job that did not", e.Run != r.ID, true)
		}
		if len(failed) < 50 || len(fine) < 20 || len(failed)+len(fine) != people {
			w.Errorf("%d entries of the job that failed, and %d of others, of %d people", len(failed), len(fine), people)
		}
		equal(w, "of jobs of either kind", len(w.tells("job_status=all")), people)
		equal(w, "errors of the job that failed", len(w.tells("job_status=failure", "sync_status=error")), 0)
	})
}

// TestRow181_Row184_Row188_Row189_Row190_Row191_Row192_Row193_Row194_Row196_Entry: an
// entry says when, of which run and connection, by name, which way, about whom, with a
// way to the records in their apps, and why, in words, with what it costs and what helps.
func TestRow181_Row184_Row188_Row189_Row190_Row191_Row192_Row193_Row194_Row196_Entry(t *testing.T) {
	row(t, func(w *world) {
		p, first := w.outcomes()
		made := w.of(w.tells(), p.made)
		twin := w.right.id("made")
		equal(w, "integration", made.Integration.Name, "Outcomes")
		equal(w, "the left app", made.Integration.Left, "HubSpot")
		equal(w, "the right app", made.Integration.Right, "Salesforce")
		equal(w, "direction", made.Way, "to_right")
		equal(w, "run", made.Run, first.ID)
		w.want(200, "GET", "/v1/runs/"+made.Run, nil)
		if made.Time.Before(first.CreatedAt) || made.Time.After(first.EndedAt) { // by the program's clock
			w.Errorf("it happened at %s, and the run from %s to %s", made.Time, first.CreatedAt, first.EndedAt)
		}
		equal(w, "the record in its app", made.Links.Left, "https://app.hubspot.com/contacts/44332211/record/0-1/"+p.made)
		equal(w, "its twin", made.Links.Right, w.right.url+"/lightning/r/Contact/"+twin+"/view")
		equal(w, "meaning where there is no code", made.Meaning, "")
		var one told
		w.get("/v1/log/"+url.PathEscape(made.ID), &one)
		equal(w, "the entry by itself", one.Links.Right+one.Integration.Name, made.Links.Right+"Outcomes")
		w.want(200, "GET", "/v1/log/"+url.PathEscape(made.ID), nil).says(`"time":"` + made.Time.UTC().Format(time.RFC3339Nano))
		codes := map[string]struct{ Code, Meaning, Effect, Remedy string }{}
		for _, c := range list[struct{ Code, Meaning, Effect, Remedy string }](w, "/v1/codes") {
			codes[c.Code] = c
			if c.Meaning == "" || c.Effect == "" || c.Remedy == "" {
				w.Errorf("the dictionary says of a code only %+v", c)
			}
		}
		bare := w.of(w.tells(), p.bare)
		equal(w, "a page of nobody", bare.Links.Right, "")
		for id, code := range map[string]string{
			p.bare: "required_field_missing", p.nobody: "no_identity_key", p.twice: "ambiguous_match",
		} {
			e, c := w.of(w.tells(), id), codes[code]
			if e.Code != code || c.Meaning == "" || e.Meaning != c.Meaning || e.Remedy != c.Remedy || e.Effect != c.Effect {
				w.Errorf("of %s is told %+v, and %s means %+v", id, e, code, c)
			}
		}
		equal(w, "the field at fault", bare.Message, "LastName")
		equal(w, "what it costs", bare.Effect, "record_skipped")
		equal(w, "what a field that is refused costs", codes["field_missing"].Effect, "field_skipped")

		// The same code costs one field where that field fails by itself, and the record
		// where the app demands the field.
		field := w.left.add("field", "city", strings.Repeat("x", 200))
		whole := w.left.add("whole", "lastname", strings.Repeat("x", 200))
		w.pull()
		for id, effect := range map[string]string{field: "field_skipped", whole: "record_skipped"} {
			e := w.of(w.tells("event=failed"), id)
			equal(w, "code", e.Code, "value_too_long")
			equal(w, "what it cost", e.Effect, effect)
		}
		w.change("direction", "both")
		w.rest()
		w.right.edit(twin, "MailingCity", "Oslo")
		w.pull()
		equal(w, "the way back", w.tells("event=updated")[0].Way, "to_left")
		var ids []string
		for _, e := range w.tells() {
			ids = append(ids, e.ID)
		}
		if slices.Reverse(ids); !slices.IsSorted(ids) {
			w.Errorf("from the oldest on the IDs are %v", ids)
		}
	})
}

// TestRow175_Row195_Spans: the log of a span, half-open, in the words of the workspace's
// zone or any from and to; the same as CSV, with its header where there is nothing.
func TestRow175_Row195_Spans(t *testing.T) {
	row(t, func(w *world) {
		p, _ := w.outcomes()
		at := w.of(w.tells(), p.made).Time
		stamp := func(t time.Time) string { return url.QueryEscape(t.UTC().Format(time.RFC3339Nano)) }
		equal(w, "from its own instant", strings.Contains(records(w.tells("from="+stamp(at))), p.made), true)
		equal(w, "until its own instant", strings.Contains(records(w.tells("to="+stamp(at))), p.made), false)
		equal(w, "today", strings.Contains(records(w.tells("range=today")), p.made), true)
		equal(w, "last month", len(w.tells("range=last_month")), 0)
		id := strings.TrimPrefix(w.con, "/v1/connections/")
		backwards := "from=" + stamp(at.Add(time.Hour)) + "&to=" + stamp(at)
		for _, path := range []string{"/v1/log?", "/v1/log.csv?"} {
			w.refused(w.call("GET", path+"connection="+id+"&"+backwards, nil), 400, "invalid_parameter")
		}
		all := w.want(200, "GET", "/v1/log.csv?connection="+id, nil)
		equal(w, "type", strings.HasPrefix(all.header.Get("Content-Type"), "text/csv"), true)
		lines := strings.Split(strings.TrimSuffix(string(all.body), "\r\n"), "\r\n")
		equal(w, "lines", len(lines), 1+len(w.tells()))
		empty := w.want(200, "GET", "/v1/log.csv?range=last_month&connection="+id, nil)
		equal(w, "of an empty span", string(empty.body), lines[0]+"\r\n")
		if !strings.HasPrefix(lines[0], "time,id,run,connection,sync,direction,side,record,") {
			w.Errorf("the header is %s", lines[0])
		}
	})
}

// TestRow185_Row186_RetryByHand: after a repair at the source a retry syncs at once, under
// the settings of now; a second one makes nobody twice, and a success has nothing to
// retry. Entries keep the behaviour that was in force.
func TestRow185_Row186_RetryByHand(t *testing.T) {
	row(t, func(w *world) {
		p, _ := w.outcomes()
		failed := w.of(w.tells("event=failed"), p.bare)
		equal(w, "behaviour then", failed.Behavior, "create_and_update")
		w.refused(w.call("POST", "/v1/log/"+url.PathEscape(w.of(w.tells(), p.made).ID)+"/retry", nil), 409, "conflict")
		w.left.edit(p.bare, "lastname", "Bare", "city", "Lund")
		w.change("mappings.city.enabled", false, "behavior.to_right", "create_only")
		for range 2 {
			w.finished(w.run("POST", "/v1/log/"+url.PathEscape(failed.ID)+"/retry", nil))
			w.rest()
		}
		w.right.has("bare", "LastName", "Bare", "MailingCity", "")
		w.right.count(5) // nobody is there twice but who was
		made := w.of(w.tells("event=updated"), p.bare)
		equal(w, "behaviour now", made.Behavior, "create_only")
		var one told
		w.get("/v1/log/"+url.PathEscape(failed.ID), &one)
		equal(w, "the entry is resolved", one.Resolved, true)
		equal(w, "behaviour of then, asked for now", one.Behavior, "create_and_update")
	})
}

// TestRow185_EditAndRetry: the values that are given with a retry are written to the
// record in its app, and then it is worked: for as long as the sync writes that app.
func TestRow185_EditAndRetry(t *testing.T) {
	row(t, func(w *world) {
		p, _ := w.outcomes()
		again := "/v1/log/" + url.PathEscape(w.of(w.tells("event=failed"), p.bare).ID) + "/retry"
		values := func(pairs string) any { return map[string]any{"values": raw(pairs)} }
		wrote := w.left.written()
		w.refused(w.call("POST", again, values(`{"lastname":"Given"}`)), 422, "direction_closed")
		w.change("direction", "both")
		w.rest()
		w.refused(w.call("POST", again, values(`{"lastname":"Given","nonsense":"x"}`)), 400, "unknown_field", "/values/nonsense")
		w.refused(w.call("POST", again, values(`{"lastname":"Given","hs_object_id":"7"}`)), 400, "read_only_field",
			"/values/hs_object_id")
		w.refused(w.call("POST", again, values(`{"lastname":["Given","Twice"]}`)), 400, "value_does_not_fit", "/values/lastname")
		w.refused(w.call("POST", again, values(`{"lastname":{"a":1}}`)), 400, "wrong_type")
		equal(w, "writes so far", w.left.written(), wrote)
		w.refused(w.call("POST", again, values(`{"Email":"no address"}`)), 400, "not_an_email", "/values/Email")
		w.finished(w.run("POST", again, values(`{"LastName":"Given","city":"Lund"}`))) // of either app
		w.rest()
		for f, name := range map[*fake]string{w.left: "lastname", w.right: "LastName"} {
			f.has("bare", name, "Given")
		}
		w.right.has("bare", "MailingCity", "Lund")
		var one told
		w.get(strings.TrimSuffix(again, "/retry"), &one)
		equal(w, "the entry is resolved", one.Resolved, true)
	})
}

// TestRow182_Row183_Row184_Details: a failure keeps what was asked and what the app answered,
// with status and address, and no secret, in the view of the entry alone; of who was
// written in the same call it is told what was written.
func TestRow182_Row183_Row184_Details(t *testing.T) {
	row(t, func(w *world) {
		w.right.knob("PUT", "validations", raw(`{"rules":[{"object":"Contact","field":"Title","contains":"Judge"}]}`))
		ann := w.left.add("ann", "jobtitle", "Judge", "city", "Ghent")
		bob := w.left.add("bob", "city", "Oslo")
		w.connect("direction", "to_right")
		w.start()
		w.right.lacks("ann")
		failed := w.of(w.tells("event=failed"), ann)
		equal(w, "request and response in the list", failed.Request+failed.Response, "")
		var one told
		w.get("/v1/log/"+url.PathEscape(failed.ID), &one)
		equal(w, "status", one.Status, 200) // a batch: each of its rows has an answer of its own
		if !strings.Contains(one.URL, "/services/data/") || !strings.Contains(one.Request, "Judge") ||
			!strings.Contains(one.Response, "FIELD_CUSTOM_VALIDATION_EXCEPTION") {
			w.Errorf("%s was asked %s and answered %s", one.URL, one.Request, one.Response)
		}
		if !strings.Contains(failed.Message, "FIELD_CUSTOM_VALIDATION_EXCEPTION") ||
			!strings.Contains(one.Response, "The record does not meet a validation rule.") {
			w.Errorf("the reason is not in the app's words: %s, %s", failed.Message, one.Response)
		}
		for _, secret := range []string{"Bearer", "client_secret", "access_token"} {
			if strings.Contains(one.Request+one.Response+one.URL, secret) {
				w.Errorf("%s is told", secret)
			}
		}
		made := w.of(w.tells(), bob)
		equal(w, "bob", made.Outcome, "created")
		fields := map[string]any{}
		for _, d := range made.Diffs {
			fields[d.Field] = d.After
		}
		equal(w, "written of bob", fields["Email"] == "bob@example.com" && fields["MailingCity"] == "Oslo", true)
	})
}

// TestRow182_Row183_Success: of a write that was made the status, the address and the app's
// own ID of the request are kept, without what was sent; request and answer are put
// together from what was written, and say so. A viewer sees no value of them.
func TestRow182_Row183_Success(t *testing.T) {
	row(t, func(w *world) {
		ann, bob := w.left.add("ann", "city", "Ghent"), w.right.add("bob", "MailingCity", "Oslo")
		w.right.add("cyd")
		cyd := w.left.add("cyd", "city", "Lund")
		w.connect()
		w.start()
		for id, want := range map[string]struct{ side, method, path, record, field string }{
			ann: {"right", "POST", "/services/data/v67.0/composite/sobjects", w.right.id("ann"), `"MailingCity":"Ghent"`},
			bob: {"left", "POST", "/crm/v3/objects/contacts/batch/create", w.left.id("bob"), `"city":"Oslo"`},
			cyd: {"right", "PATCH", "/services/data/v67.0/composite/sobjects", w.right.id("cyd"), `"MailingCity":"Lund"`},
		} {
			e := w.of(w.tells(), id)
			equal(w, "request and answer in the list", e.Request+e.Response, "")
			var one told
			w.get("/v1/log/"+url.PathEscape(e.ID), &one)
			if len(one.Calls) != 1 {
				w.Fatalf("the calls for %s: %+v", id, one.Calls)
			}
			c := one.Calls[0]
			equal(w, "side", c.Side, want.side)
			equal(w, "method", c.Method, want.method)
			equal(w, "path", c.URL[strings.Index(c.URL, "/"+strings.Split(want.path, "/")[1]):], want.path)
			equal(w, "status", one.Status == c.Status && c.Status >= 200 && c.Status < 300, true)
			equal(w, "address", one.URL, c.URL)
			equal(w, "the app's own ID of the request", c.RequestID != "", want.side == "left") // HubSpot tells one
			equal(w, "put together", one.Rebuilt, true)
			equal(w, "what was sent", strings.Contains(one.Request, want.field), true)
			equal(w, "the record that was written", one.Response, `{"`+want.side+`":{"id":"`+want.record+`"}}`)
		}
		viewer := w.as("viewer", `{"email":"viewer182@example.com"}`)
		for _, e := range w.tells() {
			a := viewer.want(200, "GET", "/v1/log/"+url.PathEscape(e.ID), nil)
			for _, value := range []string{"Ghent", "Oslo", "Lund", "@example.com", "/crm/", "/services/"} {
				equal(w, "a viewer sees "+value, strings.Contains(string(a.body), value), false)
			}
			a.says(`"reconstructed":true`)
		}
	})
}

// TestRow183_Sections: of one run it is told what the app answered, what was written and
// what failed, each with its own part of the answer.
func TestRow183_Sections(t *testing.T) {
	row(t, func(w *world) {
		w.right.knob("PUT", "validations", raw(`{"rules":[{"object":"Contact","field":"Title","contains":"Judge"}]}`))
		judge := w.left.add("judge", "jobtitle", "Judge")
		p, first := w.outcomes()
		of := "run=" + first.ID
		written := slices.Concat(w.tells(of, "event=new"), w.tells(of, "event=updated"))
		equal(w, "written", records(written), p.made+" "+p.changed)
		equal(w, "failed", records(w.tells(of, "event=failed")), judge+" "+p.twice+" "+p.bare)
		for _, id := range []string{p.made, p.changed} {
			equal(w, "the app's answer to "+id, w.of(w.tells(of), id).Status, 200)
		}
		var failed told
		w.get("/v1/log/"+url.PathEscape(w.of(w.tells(of), judge).ID), &failed)
		equal(w, "the answer to who failed is put together", failed.Rebuilt, false)
		if !strings.Contains(failed.Response, "FIELD_CUSTOM_VALIDATION_EXCEPTION") {
			w.Errorf("the answer to who failed is %q", failed.Response)
		}
		twice := w.of(w.tells(of), p.twice)
		equal(w, "of whom nobody asked an app for", len(twice.Calls)+twice.Status, 0)
	})
}

// TestRow195_Formulas: a cell that a spreadsheet would run begins with an apostrophe. Of all
// that stands in the log a sync's ID alone is anybody's to begin so.
func TestRow195_Formulas(t *testing.T) {
	row(t, func(w *world) {
		w.left.add("ann")
		w.connect("id", "-1-1", "direction", "to_right")
		w.start()
		a := w.want(200, "GET", "/v1/log.csv?connection="+strings.TrimPrefix(w.con, "/v1/connections/"), nil)
		lines := strings.Split(string(a.body), "\r\n")
		equal(w, "a cell", strings.Contains(lines[1], ",'-1-1,"), true)
	})
}

// TestRow164_Row172_Progress: from the start on the status names the run that scans, and
// that tells how many of how many it has done, and in the end counts everybody.
func TestRow164_Row172_Progress(t *testing.T) {
	row(t, func(w *world) {
		const people = 240
		w.left.knob("POST", "seed", raw(`{"people":240,"slot":0}`))
		w.right.knob("POST", "delay", raw(`{"endpoint":"POST /services/data","delay":"1s","times":2}`))
		w.connect("direction", "to_right")
		w.want(202, "POST", w.con+"/start", nil)
		type progress struct {
			State, Kind string
			Done, Total int
			Known       bool `json:"total_known"`
			Outcomes    map[string]int
		}
		var open string
		var r progress
		w.until("a run that has begun to write", func() bool {
			_, s := w.status()
			if s[0].OpenRun != "" {
				open = s[0].OpenRun
			}
			return open != "" && w.right.written() > 0
		})
		w.get("/v1/runs/"+open, &r)
		equal(w, "kind", r.Kind, "initial")
		if r.State == "done" || r.Done >= people || r.Known && r.Total < people {
			w.Errorf("while it writes: %+v", r)
		}
		w.until("the end of the run", func() bool {
			w.get("/v1/runs/"+open, &r)
			return r.State == "done"
		})
		equal(w, "done", r.Done, people)
		equal(w, "of", r.Total, people)
		equal(w, "and the total is known", r.Known, true)
		met := 0
		for _, n := range r.Outcomes {
			met += n
		}
		equal(w, "everybody met", met, people)
		_, s := w.status()
		equal(w, "nothing is open", s[0].OpenRun, "")
		equal(w, "in step", s[0].States.Left["in_sync"], r.Outcomes["created"])
	})
}

// month is what a connection did in one.
type month struct {
	Name, Month string
	Actions     int64
	Outcomes    map[string]int64
	Records     struct{ Left, Right int64 }
}

// month is that of an instant.
func (w *world) month(in time.Time) month {
	w.Helper()
	id := strings.TrimPrefix(w.con, "/v1/connections/")
	all := list[month](w, "/v1/usage?connection="+id+"&month="+in.UTC().Format("2006-01"))
	equal(w, "connections", len(all), 1)
	return all[0]
}

// TestRow198_Row199_Usage: what was made or changed counts, and what failed, was left
// out or was alike does not; a person counts in each connection.
func TestRow198_Row199_Usage(t *testing.T) {
	row(t, func(w *world) {
		p, first := w.outcomes()
		u := w.month(first.EndedAt)
		equal(w, "name", u.Name, "Outcomes")
		equal(w, "month", u.Month, first.EndedAt.UTC().Format("2006-01"))
		equal(w, "made", u.Outcomes["created"], 1)
		equal(w, "changed", u.Outcomes["updated"], 1)
		equal(w, "failed", u.Outcomes["failed"], 1)
		equal(w, "actions", u.Actions, 2)
		equal(w, "the year before", w.month(first.EndedAt.AddDate(-1, 0, 0)).Actions, 0)

		second := *w
		second.connect("/name", "Second", "/shared", true, "direction", "to_right")
		begun := second.start()[0]
		mine, theirs := w.month(first.EndedAt), second.month(begun.EndedAt)
		equal(w, "people of the first", mine.Records.Left, int64(len(w.left.of("contacts"))))
		equal(w, "people of the second", theirs.Records.Left, mine.Records.Left)
		equal(w, "actions of the second, which found pairs", theirs.Actions, theirs.Outcomes["linked"])
		equal(w, "pairs that it found", theirs.Actions, 2)
		equal(w, "actions of the first", mine.Actions, 2)

		w.left.edit(p.made, "city", "Lund")
		w.finished(w.run("POST", w.sync+"/pull", nil))
		edited := w.tells("event=updated")[0].Time
		if n := w.month(edited).Outcomes["updated"]; n < 1 {
			w.Errorf("changed since: %d", n)
		}
		for _, path := range []string{"month=2026", "month=2026-13", "month=", "connection="} {
			w.refused(w.call("GET", "/v1/usage?"+path, nil), 400, "invalid_parameter")
		}
		w.refused(w.call("GET", "/v1/usage?connection=con_none", nil), 404, "not_found")
	})
}
