package app

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/dynamostore"
)

// items lists everything that the storage holds, whatever its age: the rows of
// the database, or the items that a scan of every table returns.
func (l *live) items() []store.Item {
	l.t.Helper()
	if r := l.app.opts.Remote; r != nil {
		return l.scanned(r)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(l.app.opts.DataDir, "lockstep.db")+"?mode=ro")
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // it only read
	var out []store.Item
	for _, t := range store.Tables {
		rows, err := db.QueryContext(l.t.Context(),
			"SELECT ws, part, sort, coalesce(idx, ''), coalesce(idxsort, ''), coalesce(data, x'') FROM "+string(t))
		if err != nil {
			l.t.Fatal(err)
		}
		for rows.Next() {
			it := store.Item{Key: store.Key{Table: t}}
			if err := rows.Scan(&it.Workspace, &it.Partition, &it.Sort, &it.Index, &it.IndexSort, &it.Data); err != nil {
				l.t.Fatal(err)
			}
			out = append(out, it)
		}
		if err := rows.Err(); err != nil {
			l.t.Fatal(err)
		}
		_ = rows.Close() // read to its end
	}
	return out
}

func (l *live) scanned(r *Remote) []store.Item {
	l.t.Helper()
	client := dynamodb.NewFromConfig(r.SDK("DYNAMODB"))
	var out []store.Item
	for _, t := range store.Tables {
		pages := dynamodb.NewScanPaginator(client, &dynamodb.ScanInput{TableName: aws.String(r.Tables[t])})
		for pages.HasMorePages() {
			page, err := pages.NextPage(l.t.Context())
			if err != nil {
				l.t.Fatal(err)
			}
			for _, a := range page.Items {
				text := func(name string) string {
					v, _ := a[name].(*types.AttributeValueMemberS)
					if v == nil {
						return ""
					}
					return v.Value
				}
				it := store.Item{
					Key: store.Key{Table: t, Sort: text(dynamostore.SortKey)}, Index: text(dynamostore.IndexPartitionKey),
					IndexSort: text(dynamostore.IndexSortKey),
				}
				ws, partition, _ := strings.Cut(text(dynamostore.PartitionKey), "|")
				it.Workspace, it.Partition = crm.WorkspaceID(ws), partition
				if d, ok := a["d"].(*types.AttributeValueMemberB); ok {
					it.Data = d.Value
				}
				out = append(out, it)
			}
		}
	}
	return out
}

// traces names the kinds of items in which one of the texts stands.
func (l *live) traces(texts ...string) []string {
	l.t.Helper()
	var kinds []string
	for _, it := range l.items() {
		kind, ok := store.KindOf(it.Key)
		if !ok {
			l.t.Errorf("an item of no known kind: %s %s %s", it.Table, it.Partition, it.Sort)
		}
		if engine.Trace(it, texts) != "" && !slices.Contains(kinds, kind.Name) {
			kinds = append(kinds, kind.Name)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// inFiles counts the files of the data folder that hold one of the texts as it
// is, as JSON writes it or in base64.
func (l *live) inFiles(texts ...string) (files []string) {
	l.t.Helper()
	err := filepath.WalkDir(l.app.opts.DataDir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, text := range texts {
			quoted, err := json.Marshal(text)
			if err != nil {
				return err
			}
			for _, form := range []string{
				text, string(quoted[1 : len(quoted)-1]), base64.StdEncoding.EncodeToString([]byte(text))[:len(text)],
			} {
				if bytes.Contains(b, []byte(form)) {
					files = append(files, filepath.Base(path)+": "+form)
				}
			}
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return files
}

// erased waits until an erasure is done and was looked over once more.
func (l *live) erased(id string) engine.Erasure {
	l.t.Helper()
	var e engine.Erasure
	for range 20 {
		l.drain()
		l.want(200, "GET", "/v1/erasures/"+id, nil).into(&e)
		if !e.CheckedAt.IsZero() {
			return e
		}
		l.move(time.Minute)
	}
	l.t.Fatalf("the erasure is not done: %+v", e)
	return e
}

// lives puts a person into as many places as a program keeps them: a pair, a
// field in conflict, a record that failed with what was said, a plan, an inbox.
func (l *live) lives() (left, right string) {
	l.t.Helper()
	l.refuse("Of bad")
	left = l.person(crm.Left, "ada.erased", "firstname", "Zoë-Adalberta", "city", "Quuxville")
	l.person(crm.Left, "bystander", "firstname", "Stays")
	l.connect()
	l.start()
	right = l.twin(crm.Right, "ada.erased")
	l.edit(crm.Left, left, "jobtitle", "Countess")
	l.edit(crm.Right, right, "Title", "Duchess")
	l.pull() // a conflict for a person to decide
	l.edit(crm.Left, left, "lastname", "Of bad Lovelace")
	l.pull() // a field that is refused
	l.edit(crm.Left, left, "city", "Quuxtown")
	l.planned(nil)
	l.want(200, "POST", l.con+"/pause", nil)
	return left, right
}

// TestX11_ErasureOverHTTP erases a person over HTTP on either storage: found in
// many kinds of items before, in none afterwards, nor in a file of the data
// folder; what comes late makes nobody; an admin can let the person in again.
func TestX11_ErasureOverHTTP(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		left, right := l.lives()
		who := []string{"ada.erased@example.com", "Zoë-Adalberta", "Lovelace", "Countess", "Duchess", "Quuxville", "Quuxtown"}
		before := l.traces(who...)
		for _, kind := range []string{"link", "log", "plan_page"} {
			if !slices.Contains(before, kind) {
				t.Errorf("before, nothing of the person is in %s: %v", kind, before)
			}
		}
		if l.app.opts.Remote == nil && len(l.inFiles(who[0])) == 0 {
			t.Error("before, the address is in no file")
		}
		l.refused(400, "identity_required", "POST", "/v1/erasures", `{}`)
		l.refused(400, "invalid_identity", "POST", "/v1/erasures", `{"email":"nobody"}`)
		l.refused(400, "invalid_identity", "POST", "/v1/erasures", `{"phone":"12345"}`)
		l.refused(400, "unknown_key", "POST", "/v1/erasures", `{"name":"Ada"}`)
		l.refused(400, "unknown_value", "POST", "/v1/erasures", map[string]any{
			"record": map[string]string{"account": "acc_none", "object": "contacts", "id": "1"},
		})

		a := l.want(202, "POST", "/v1/erasures", `{"email":"Ada.Erased@example.com"}`, "Idempotency-Key", "one")
		id := a.object()["id"].(string)
		if a.header.Get("Location") != "/v1/erasures/"+id {
			t.Errorf("Location %q", a.header.Get("Location"))
		}
		if again := l.must(202, "POST", "/v1/erasures", `{"email":"ada.erased@example.com"}`)["id"]; again != id {
			t.Errorf("asked twice, the receipts are %s and %s", id, again)
		}
		l.refused(409, "erasure_running", "DELETE", "/v1/erasures/"+id+"/block", nil)
		l.want(202, "POST", l.con+"/start", nil)
		e := l.erased(id)
		if e.State != engine.ErasureDone || !e.Blocked || e.By != "request" || e.Removed["link"] == 0 ||
			e.Removed["log"] == 0 || e.Removed["plan"] == 0 {
			t.Errorf("the receipt: %+v", e)
		}
		if remote := l.app.opts.Remote != nil; remote != (len(e.Backups) == 3) ||
			remote && e.Backups[0].Until.Sub(e.EndedAt) != 35*24*time.Hour {
			t.Errorf("backups: %+v", e.Backups)
		}
		if left := l.traces(append(who, left, right)...); len(left) > 0 {
			t.Errorf("after, the person is in %v", left)
		}
		if l.app.opts.Remote == nil {
			if files := l.inFiles(who...); len(files) > 0 {
				t.Errorf("after, the person is in %v", files)
			}
		}
		l.comesLate(left, right, who)
		l.audited(id, who)

		l.want(204, "DELETE", "/v1/erasures/"+id+"/block", nil)
		l.want(204, "DELETE", "/v1/erasures/"+id+"/block", nil)
		l.edit(crm.Left, left, "city", "Newtown")
		l.pull()
		if v := l.view(crm.Left, left); string(v.Partner) != right {
			t.Errorf("let in again, the person is %s %s with %q", v.State, v.Code, v.Partner)
		}
	})
}

// TestX11_ActivitiesOfErasedPeople: with a person go the notes and tasks about them,
// those that wait for their link, too, whatever says so in them; those of others stay.
func TestX11_ActivitiesOfErasedPeople(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		ann, bob := l.person(crm.Left, "ann"), l.person(crm.Left, "bob")
		l.connect([2]string{`"schedule":"manual"`, `"schedule":"manual","activities":` + noted[1]})
		l.want(202, "POST", l.con+"/start", nil)
		l.drain()
		l.move(time.Minute)
		dee := l.person(crm.Left, "dee")
		note := func(about, text string) string {
			r, err := l.hub.Core().CreateRecord("notes", map[string]string{
				"hs_timestamp": "2026-03-01T10:00:00Z", "hs_note_body": text, "associations.contacts": about,
			})
			if err != nil {
				t.Fatal(err)
			}
			return r.ID
		}
		pull := func() {
			l.move(3 * time.Minute)
			l.run("POST", l.sync+".activities/pull", nil)
		}
		notes := []string{note(ann, "secret of ann"), note(dee, "secret of dee")}
		note(bob, "said of bob")
		task, err := l.force.Core().CreateRecord("Task", map[string]string{
			"Description": "secret from there", "WhoId": l.twin(crm.Right, "ann"),
		})
		if err != nil {
			t.Fatal(err)
		}
		pull()
		who := append([]string{"secret of", "secret from there", task.ID}, notes...)
		for _, text := range []string{"secret of ann", "secret from there", notes[1]} {
			if len(l.traces(text)) == 0 {
				t.Fatalf("before, nothing is kept of %q", text)
			}
		}
		for _, name := range []string{"ann", "dee"} {
			l.erased(l.must(202, "POST", "/v1/erasures", `{"email":"`+name+`@example.com"}`)["id"].(string))
		}
		pull()
		if kinds := l.traces(who...); len(kinds) > 0 {
			t.Errorf("after, what was said of the person is in %v", kinds)
		}
		if len(l.traces("said of bob")) == 0 {
			t.Error("what was said of somebody else is gone")
		}
	})
}

// comesLate lets everything come that may come of an erased person.
func (l *live) comesLate(left, right string, who []string) {
	l.t.Helper()
	people := [2]int{l.living(crm.Left), l.living(crm.Right)}
	l.edit(crm.Left, left, "city", "Latetown")
	l.pull()
	l.edit(crm.Right, right, "MailingCity", "Latertown")
	l.run("POST", l.sync+"/resync", nil)
	l.run("POST", l.record(crm.Left, left)+"/sync", nil)
	l.planned(nil)
	if got := l.held(crm.Right, right)["MailingCity"]; got != "Latertown" {
		l.t.Errorf("somebody wrote to an erased person's record: %q", got)
	}
	if got := [2]int{l.living(crm.Left), l.living(crm.Right)}; got != people {
		l.t.Errorf("%v records, want %v", got, people)
	}
	var x engine.Explanation
	a := l.want(200, "GET", l.record(crm.Left, left)+"/explain", nil)
	a.into(&x)
	if x.Outcome != crm.Excluded || x.Code != engine.CodeErased || bytes.Contains(a.body, []byte(who[0])) {
		l.t.Errorf("explain: %s", a.body)
	}
	if v := l.view(crm.Right, right); v.State != crm.StateExcluded || v.Code != engine.CodeErased ||
		len(v.Values.Right)+len(v.Base) > 0 {
		l.t.Errorf("the record: %+v", v)
	}
	l.refused(409, engine.CodeErased, "POST", l.record(crm.Left, left)+"/link", map[string]string{
		"partner": l.twin(crm.Right, "bystander"),
	})
	if left := l.traces(append(who, "Latetown", "Latertown")...); len(left) > 0 {
		l.t.Errorf("what came late is in %v", left)
	}
}

// audited demands that the erasure is in the audit trail, and nobody with it.
func (l *live) audited(id string, who []string) {
	l.t.Helper()
	a := l.want(200, "GET", "/v1/audit?limit=200", nil)
	for _, action := range []string{"erasure.create", "erasure.done"} {
		if !bytes.Contains(a.body, []byte(action)) {
			l.t.Errorf("the audit trail does not tell of %s", action)
		}
	}
	for _, text := range who {
		if bytes.Contains(a.body, []byte(text)) {
			l.t.Errorf("the audit trail holds %s", text)
		}
	}
	if len(each[engine.Erasure](l, "/v1/erasures?limit=1")) != 1 {
		l.t.Error("the list of receipts is not that of one")
	}
	l.refused(404, "not_found", "GET", "/v1/erasures/ers_none", nil)
	l.refused(404, "not_found", "DELETE", "/v1/erasures/ers_none/block", nil)
	_ = id
}

// TestX11_HubSpotTellsOfAPrivacyDeletion: a contact is deleted for good in
// HubSpot, which tells of it by webhook. The person is erased by that alone, the
// Salesforce contact stays as it is, and is written to no more.
func TestX11_HubSpotTellsOfAPrivacyDeletion(t *testing.T) {
	t.Parallel()
	onLive(t, engine.Tuning{}, func(t *testing.T, l *live) {
		left, right := l.lives()
		l.want(202, "POST", l.con+"/start", nil)
		l.drain()
		var hooks struct {
			Items []struct {
				URL string `json:"url"`
			} `json:"items"`
		}
		l.want(200, "GET", l.con+"/webhooks", nil).into(&hooks)
		l.hub.Core().SetWebhooks(fakekit.Webhooks{URL: hooks.Items[0].URL, Secret: hubspotfake.ClientSecret})
		was := l.held(crm.Right, right)
		l.move(time.Minute)
		base := l.must(200, "GET", "/v1/accounts/"+string(l.left), nil)["base_url"].(string)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/crm/v3/objects/contacts/gdpr-delete",
			strings.NewReader(`{"objectId":"ada.erased@example.com","idProperty":"email"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+hubspotfake.PrivateToken)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close() // it is empty
		if resp.StatusCode != http.StatusNoContent {
			t.Fatalf("gdpr-delete: %d", resp.StatusCode)
		}
		l.move(10 * time.Second)
		if _, err := l.hub.Core().Deliver(context.WithoutCancel(t.Context()), http.DefaultClient); err != nil {
			t.Fatal(err)
		}
		l.drain()
		list := each[engine.Erasure](l, "/v1/erasures")
		if len(list) != 1 || list[0].By != "app" {
			t.Fatalf("receipts: %+v", list)
		}
		e := l.erased(list[0].ID)
		if len(e.Kept) != 1 || e.Kept[0] != (engine.KeptRecords{Account: l.right, Object: "Contact", Records: 1}) {
			t.Errorf("what stays in the apps: %+v", e.Kept)
		}
		who := []string{
			"ada.erased@example.com", "Zoë-Adalberta", "Lovelace", "Countess", "Duchess", "Quuxville", "Quuxtown",
			left, right,
		}
		if left := l.traces(who...); len(left) > 0 {
			t.Errorf("after, the person is in %v", left)
		}
		l.edit(crm.Right, right, "MailingCity", "Latertown")
		again := l.person(crm.Left, "ada.erased")
		l.pull()
		now := l.held(crm.Right, right)
		delete(was, "MailingCity")
		delete(now, "MailingCity")
		for name, value := range was {
			if now[name] != value && name != "LastModifiedDate" && name != "SystemModstamp" {
				t.Errorf("%s of the Salesforce contact is %q, was %q", name, now[name], value)
			}
		}
		if got := l.held(crm.Left, again)["city"]; got != "" {
			t.Errorf("a new contact with the address got the city %q", got)
		}
		if left := l.traces(who[:7]...); len(left) > 0 {
			t.Errorf("what came late is in %v", left)
		}
	})
}
