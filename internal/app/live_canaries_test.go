package app

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce/salesforcefake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// someCanary finds a value of anybody among the canaries.
var someCanary = regexp.MustCompile(`(?i)c4n\d{4}[a-z]+|4157\d{6}\b`)

// canaries are the values of a person: mail, name, phone and city.
func canaries(i int) (mail, name, phone, city string) {
	return fmt.Sprintf("c4n%04dmail", i), fmt.Sprintf("C4n%04dname", i), fmt.Sprintf("+1415700%04d", i),
		fmt.Sprintf("C4n%04dcity", i)
}

// traceable are the texts by which a person is found in a store.
func traceable(i int) []string {
	mail, name, phone, city := canaries(i)
	return []string{mail, name, strings.TrimPrefix(phone, "+1"), city}
}

// TestX10_CanariesStayWhereTheyBelong sends people with values of their own through a
// first sync with failures, conflicts, an undo, its undo, alerts and requests that are
// refused: no value of theirs is in the program's log at any level, which holds its
// figures, too, nor in its metrics, nor in a message or an answer that tells of an error; and no secret is
// in any of them, nor in anything that the API answers. Those who are erased are then in
// no item and no file, and once the connection is deleted nobody is in any item.
func TestX10_CanariesStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	onMetered(t, func(t *testing.T, l *live) {
		people, erased := 250, 40 // 1,000 values
		if l.app.opts.Remote != nil {
			people, erased = 60, 8 // the stand-in is slow
		}
		l.users()
		l.refuse("bad")
		var ids []string
		for i := range people {
			mail, name, phone, city := canaries(i)
			if i%3 == 0 {
				name += "bad" // refused whole: a third is enough for an alert
			}
			ids = append(ids, l.person(crm.Left, mail, "lastname", name, "phone", phone, "city", city))
		}
		l.connect([2]string{`{"id":"title"`, `{"id":"phone","left":["phone"],"right":["Phone"],"transform":{"type":"phone"}},
			{"id":"title"`})
		l.patch(l.con, `{"notify":{"enabled":true,"user":"ops@example.com","webhook":"`+l.told.url+`"}}`)
		l.must(201, "POST", l.con+"/notify/secret", nil)
		l.start()
		l.tell()
		for i := 1; i < people; i += 10 { // conflicts, and edits
			if _, name, _, _ := canaries(i); i%3 != 0 {
				mail, _, _, city := canaries(i)
				l.edit(crm.Left, ids[i], "jobtitle", name+"left")
				l.edit(crm.Right, l.twin(crm.Right, mail), "Title", name+"right")
				l.edit(crm.Left, ids[i], "city", city+"moved")
			}
		}
		edited := l.pull()
		back := l.applied(first(l.undo(edited.ID)))
		l.applied(first(l.undo(back.ID)))
		l.tell()
		l.hidden(ids, people)

		var receipts []string
		var gone []string
		for i := range erased {
			mail, _, _, _ := canaries(i)
			a := l.must(202, "POST", "/v1/erasures", fmt.Sprintf(`{"email":"%s@example.com"}`, mail))
			receipts = append(receipts, a["id"].(string))
			gone = append(gone, traceable(i)...)
		}
		if before := l.traces(gone...); len(before) < 3 {
			t.Errorf("before, they are in %v alone", before)
		}
		for _, id := range receipts {
			if e := l.erased(id); e.State != engine.ErasureDone {
				t.Errorf("a receipt: %+v", e)
			}
		}
		l.nowhere(gone)
		l.hidden(ids, people)

		var everybody []string
		for i := range people {
			everybody = append(everybody, traceable(i)...)
		}
		if left := l.traces(everybody...); !slices.Contains(left, "claim") || !slices.Contains(left, "link") {
			t.Errorf("who was not erased is in %v alone", left)
		}
		l.want(202, "DELETE", l.con+"?confirm=One", nil, "If-Match", "*")
		for range 20 {
			l.round()
		}
		l.refused(404, "not_found", "GET", l.con, nil)
		if left := l.traces(everybody...); len(left) > 0 {
			t.Errorf("with the connection deleted, values are in items of %v", left)
		}
	})
}

// first is the first of two.
func first[A, B any](a A, _ B) A { return a }

// nowhere checks that no text is in an item, or in a file of the data folder.
func (l *live) nowhere(texts []string) {
	l.t.Helper()
	if kinds := l.traces(texts...); len(kinds) > 0 {
		l.t.Errorf("values are in items of %v", kinds)
	}
	if l.app.opts.Remote == nil {
		if files := l.inFiles(texts...); len(files) > 0 {
			l.t.Errorf("%d values are in files: %v", len(files), files[:min(len(files), 5)])
		}
	}
}

// hidden checks what the program has said so far, in its log, in messages and in answers
// that tell of errors, for values of people, and all of it and every list for secrets.
func (l *live) hidden(ids []string, people int) {
	l.t.Helper()
	mail, name, phone, _ := canaries(people - 1)
	said := map[string]string{"the log": l.heard.text()}
	mails, hooks := l.told.take()
	said["mails"], said["webhooks"] = fmt.Sprint(mails), strings.Join(hooks, "\n")
	said["the metrics"] = string(l.want(200, "GET", "/metrics", nil, "Authorization", "Bearer "+metricsToken).body)
	said["alerts"] = string(l.want(200, "GET", "/v1/alerts", nil).body)
	record := l.record(crm.Left, ids[1])
	for _, refused := range []answer{
		l.do("POST", record+"/link", `{"partner":"`+name+`"}`), l.do("POST", record+"/resolve", `{"fields":{"last":["`+name+`"]}}`),
		l.do("POST", "/v1/erasures", `{"phone":"`+phone+`x"}`), l.do("POST", "/v1/erasures", `{"email":"`+mail+`"}`),
		l.do("GET", "/v1/log?from="+name, nil), l.do("GET", l.sync+"/records?state="+name, nil),
		l.do("POST", "/v1/log/log_none/retry", `{"values":{"`+name+`":"`+mail+`"}}`),
	} {
		if refused.status < 400 {
			l.t.Errorf("%s is not refused: %d", refused.call, refused.status)
		}
		said["answers of errors"] += string(refused.body) + "\n"
	}
	for what, text := range said {
		if found := someCanary.FindString(text); found != "" {
			at := strings.Index(text, found)
			l.t.Errorf("%s holds %q: %s", what, found, text[max(0, at-300):min(len(text), at+100)])
		}
	}
	for _, list := range []string{
		"/v1/accounts", "/v1/connections", "/v1/log?limit=200", "/v1/audit", "/v1/runs", "/v1/keys", l.sync + "/records",
		l.con + "/webhooks", l.con + "/export", "/v1/log.csv?limit=200",
	} {
		said[list] = string(l.do("GET", list, nil).body)
	}
	for what, text := range said {
		for _, token := range []string{
			hubspotfake.PrivateToken, hubspotfake.ClientSecret, salesforcefake.ClientSecret, l.token,
		} {
			if strings.Contains(text, token) {
				l.t.Errorf("%s holds the secret %q", what, token)
			}
		}
	}
	if len(said["the log"]) == 0 {
		l.t.Error("the program says nothing at all")
	}
}
