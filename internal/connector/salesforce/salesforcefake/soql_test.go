package salesforcefake

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// org9 has nine contacts, one of them in the recycle bin, two at each instant.
func org9(t testing.TB) *org {
	t.Helper()
	now := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	f := New(fakekit.Config{Now: func() time.Time { return now }}).org
	for i := range 9 {
		fields := map[string]string{
			"LastName": fmt.Sprintf("Name %d", i), "Email": fmt.Sprintf("p%d@example.com", i),
			"Score__c": fmt.Sprint(i), "DoNotCall": fmt.Sprint(i%2 == 0), "Birthdate": fmt.Sprintf("199%d-01-01", i),
		}
		if i == 4 {
			fields["Email"], fields["FirstName"] = "", "O'Neil \\ 50%"
		}
		r, err := f.core.CreateRecord("Contact", fields)
		if err != nil {
			t.Fatal(err)
		}
		if i == 7 {
			if err := f.core.DeleteRecord("Contact", r.ID); err != nil {
				t.Fatal(err)
			}
		}
		if i%2 == 1 {
			now = now.Add(time.Second)
		}
	}
	return f
}

// numbers runs a query and names what it found by the numbers of the people.
func numbers(t testing.TB, f *org, soql string, all bool) ([]string, *refusal) {
	t.Helper()
	q, bad := parseIn(objects, soql)
	if bad != nil {
		return nil, bad
	}
	out := []string{}
	for _, r := range f.run(q, all) {
		out = append(out, strings.TrimPrefix(r.Fields["LastName"], "Name "))
	}
	return out, nil
}

func TestQueries(t *testing.T) {
	t.Parallel()
	f := org9(t)
	id := func(n int) string { return "'" + newID("003", n+1) + "'" }
	const at1 = "2026-03-02T09:30:01Z"
	for soql, want := range map[string]string{
		"SELECT Id FROM Contact": "0 1 2 3 4 5 6 8",
		"select id from contact": "0 1 2 3 4 5 6 8",
		"SELECT Id FROM Contact ORDER BY SystemModstamp DESC, Id DESC": "8 6 5 4 3 2 1 0",
		"SELECT Id FROM Contact WHERE SystemModstamp >= " + at1 +
			" ORDER BY SystemModstamp, Id": "2 3 4 5 6 8",
		"SELECT Id FROM Contact WHERE SystemModstamp > " + at1 + " OR (SystemModstamp = " + at1 + " AND Id > " + id(2) +
			") ORDER BY SystemModstamp ASC, Id ASC LIMIT 3": "3 4 5",
		"SELECT Id FROM Contact WHERE SystemModstamp = 2026-03-02T10:30:01%2B01:00": "",
		"SELECT Id FROM Contact WHERE SystemModstamp = 2026-03-02T10:30:01+01:00":   "2 3",
		"SELECT Id FROM Contact WHERE Id > " + id(4) +
			" ORDER BY Id LIMIT 2": "5 6",
		"SELECT Id FROM Contact WHERE Id IN (" + id(5) + "," + id(7) + "," + id(2) +
			")": "2 5",
		"SELECT Id FROM Contact WHERE Id = '" + newID("003", 4)[:15] +
			"'": "3",
		"SELECT Id FROM Contact WHERE Email IN ('P3@EXAMPLE.COM', 'p1@example.com', 'none@example.com')":   "1 3",
		"SELECT Id FROM Contact WHERE Email = null":                                                        "4",
		"SELECT Id FROM Contact WHERE Email = ''":                                                          "4",
		"SELECT Id FROM Contact WHERE Email != null AND Score__c > 5":                                      "6 8",
		"SELECT Id FROM Contact WHERE Email != 'p0@example.com' AND Score__c < 5":                          "1 2 3 4",
		`SELECT Id FROM Contact WHERE FirstName = 'o\'neil \\ 50%'`:                                        "4",
		`SELECT Id FROM Contact WHERE FirstName LIKE '%\\%' OR LastName LIKE 'name _'`:                     "0 1 2 3 4 5 6 8",
		`SELECT Id FROM Contact WHERE FirstName LIKE '%50\%'`:                                              "4",
		"SELECT Id FROM Contact WHERE DoNotCall = false":                                                   "1 3 5",
		"SELECT Id FROM Contact WHERE NOT DoNotCall = true":                                                "1 3 5",
		"SELECT Id FROM Contact WHERE Score__c NOT IN (1, 2, 3.0)":                                         "0 4 5 6 8",
		"SELECT Id FROM Contact WHERE Birthdate >= 1996-01-01":                                             "6 8",
		"SELECT Id FROM Contact WHERE LastName = 'name 3' OR LastName = 'NAME 5' ORDER BY LastName DESC":   "5 3",
		"SELECT Id FROM Contact ORDER BY Email LIMIT 2":                                                    "4 0",
		"SELECT Id FROM Contact ORDER BY Score__c DESC LIMIT 2 OFFSET 1":                                   "6 5",
		"SELECT Id FROM Contact LIMIT 0":                                                                   "",
		"SELECT Id FROM Contact WHERE IsDeleted = true":                                                    "",
		"SELECT Id FROM Contact WHERE (Score__c < 3 AND (Score__c > 0 OR Email = null)) ORDER BY Score__c": "1 2",
	} {
		got, bad := numbers(t, f, soql, false)
		if strings.Contains(soql, "%2B") { // not decoded: no dateTime
			if bad == nil {
				t.Errorf("%s: taken", soql)
			}
			continue
		}
		if bad != nil {
			t.Errorf("%s: %v", soql, bad)
			continue
		}
		if diff := cmp.Diff(strings.Fields(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", soql, diff)
		}
	}
	for soql, want := range map[string]string{
		"SELECT Id FROM Contact WHERE IsDeleted = true":                                        "7",
		"SELECT Id FROM Contact ORDER BY SystemModstamp, Id":                                   "0 1 2 3 4 5 6 7 8",
		"SELECT Id FROM Contact ORDER BY SystemModstamp DESC, Id DESC LIMIT 3":                 "8 7 6",
		"SELECT Id FROM Contact WHERE SystemModstamp > " + at1 + " ORDER BY SystemModstamp":    "4 5 6 7 8",
		"SELECT Id FROM Contact WHERE Email = 'p7@example.com'":                                "7",
		"SELECT Id FROM Contact WHERE Id = " + id(7) + " AND SystemModstamp > " + at1:          "7",
		"SELECT Id FROM Contact WHERE Id > " + id(5) + " AND Id < " + id(8) + " ORDER BY Id":   "6 7",
		"SELECT Id FROM Contact WHERE SystemModstamp = 2026-03-02T09:30:03Z AND Id > " + id(6): "7",
	} {
		got, bad := numbers(t, f, soql, true)
		if diff := cmp.Diff(strings.Fields(want), got); diff != "" || bad != nil {
			t.Errorf("queryAll %s: %v (-want +got):\n%s", soql, bad, diff)
		}
	}
}

func TestQueriesRefused(t *testing.T) {
	t.Parallel()
	for soql, code := range map[string]string{
		"":                                                "MALFORMED_QUERY",
		"SELECT":                                          "MALFORMED_QUERY",
		"SELECT Id":                                       "MALFORMED_QUERY",
		"SELECT * FROM Contact":                           "MALFORMED_QUERY",
		"SELECT Id FROM Contact;":                         "MALFORMED_QUERY",
		"SELECT Id, FROM Contact":                         "MALFORMED_QUERY",
		"SELECT Id FROM Contact c":                        "MALFORMED_QUERY",
		"DELETE FROM Contact":                             "MALFORMED_QUERY",
		"SELECT MAX(Id) FROM Contact":                     "MALFORMED_QUERY",
		"SELECT Id FROM Nothing":                          "INVALID_TYPE",
		"SELECT Foo FROM Contact":                         "INVALID_FIELD",
		"SELECT Id, id FROM Contact":                      "INVALID_FIELD",
		"SELECT Account.Id FROM Contact":                  "INVALID_FIELD",
		"SELECT MasterRecordId FROM Opportunity":          "INVALID_FIELD",
		"SELECT Id FROM Contact WHERE":                    "MALFORMED_QUERY",
		"SELECT Id FROM Contact WHERE Foo = 1":            "INVALID_FIELD",
		"SELECT Id FROM Contact WHERE Email":              "MALFORMED_QUERY",
		"SELECT Id FROM Contact WHERE Email = 'x":         "MALFORMED_QUERY",
		`SELECT Id FROM Contact WHERE Email = '\x'`:       "MALFORMED_QUERY",
		"SELECT Id FROM Contact WHERE Email = x@y":        "MALFORMED_QUERY",
		"SELECT Id FROM Contact WHERE Email = 5":          "INVALID_FIELD",
		"SELECT Id FROM Contact WHERE Score__c = '5'":     "INVALID_FIELD",
		"SELECT Id FROM Contact WHERE Score__c = 5x":      "INVALID_FIELD",
		"SELECT Id FROM Contact WHERE DoNotCall = 'true'": "INVALID_FIELD",
		"SELECT Id FROM Contact WHERE DoNotCall > true":   "INVALID_QUERY_FILTER_OPERATOR",
		"SELECT Id FROM Contact WHERE Score__c LIKE 5":    "INVALID_QUERY_FILTER_OPERATOR",
		"SELECT Id FROM Contact WHERE SystemModstamp > '2026-01-01T00:00:00Z'":         "INVALID_FIELD",
		"SELECT Id FROM Contact WHERE SystemModstamp > 2026-01-01":                     "INVALID_FIELD",
		"SELECT Id FROM Contact WHERE SystemModstamp > null":                           "INVALID_QUERY_FILTER_OPERATOR",
		"SELECT Id FROM Contact WHERE Id = 'x'":                                        "INVALID_QUERY_FILTER_OPERATOR",
		"SELECT Id FROM Contact WHERE Description = 'x'":                               "INVALID_FIELD",
		"SELECT Id FROM Contact WHERE Email IN ()":                                     "MALFORMED_QUERY",
		"SELECT Id FROM Contact WHERE Email IN ('a'":                                   "MALFORMED_QUERY",
		"SELECT Id FROM Contact WHERE Email = 'a' AND Email = 'b' OR Email = 'c'":      "MALFORMED_QUERY",
		"SELECT Id FROM Contact WHERE " + strings.Repeat("(", 40) + "Email = 'a'":      "MALFORMED_QUERY",
		"SELECT Id FROM Contact WHERE " + strings.Repeat("NOT ", 40) + "Email = 'a'":   "MALFORMED_QUERY",
		"SELECT Id FROM Contact ORDER BY":                                              "MALFORMED_QUERY",
		"SELECT Id FROM Contact ORDER BY Description":                                  "MALFORMED_QUERY",
		"SELECT Id FROM Contact LIMIT x":                                               "MALFORMED_QUERY",
		"SELECT Id FROM Contact LIMIT -1":                                              "MALFORMED_QUERY",
		"SELECT Id FROM Contact OFFSET 3000":                                           "NUMBER_OUTSIDE_VALID_RANGE",
		"SELECT Id FROM Contact GROUP BY Email":                                        "MALFORMED_QUERY",
		"SELECT Id FROM Contact LIMIT 1 FOR UPDATE":                                    "MALFORMED_QUERY",
		"SELECT Id FROM Contact WHERE Email = '" + strings.Repeat("x", maxQuery) + "'": "QUERY_TOO_COMPLICATED",
		"SELECT Id FROM Contact WHERE Email = 'x' -- comment":                          "MALFORMED_QUERY",
		"SELECT Id FROM Contact WHERE CreatedDate = TODAY":                             "INVALID_FIELD",
		"SELECT Id FROM Contact WHERE Id IN (SELECT Id FROM Lead)":                     "INVALID_FIELD",
		"SELECT Id, (SELECT Id FROM Cases) FROM Contact":                               "MALFORMED_QUERY",
		"SELECT Id FROM Contact USING SCOPE mine":                                      "MALFORMED_QUERY",
		"SELECT Id FROM Contact WHERE Email = 'x' ORDER BY Email NULLS LAST, Foo":      "MALFORMED_QUERY",
		"SELECT Id FROM Contact WHERE Tags__c > 'x'":                                   "INVALID_QUERY_FILTER_OPERATOR",
		"SELECT COUNT( FROM Contact":                                                   "MALFORMED_QUERY",
	} {
		if _, bad := parseIn(objects, soql); bad == nil || bad.code != code || bad.status != 400 {
			t.Errorf("%.120s: %v, want %s", soql, bad, code)
		}
	}
}

// TestPlansAgree checks that the sorted indexes find what looking at every
// record finds, whatever is deleted, restored or tied.
func TestPlansAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
		f := New(fakekit.Config{Now: func() time.Time { return now }}).org
		var ids []string
		for range rapid.IntRange(1, 40).Draw(t, "edits") {
			now = now.Add(time.Duration(rapid.IntRange(0, 1).Draw(t, "seconds")) * time.Second)
			id := ""
			if len(ids) > 0 {
				id = rapid.SampledFrom(ids).Draw(t, "id")
			}
			switch rapid.IntRange(0, 4).Draw(t, "edit") {
			case 0:
				_, _ = f.core.UpdateRecord("Contact", id, map[string]string{"FirstName": "x"}) // refused when deleted
			case 1:
				_ = f.core.DeleteRecord("Contact", id) // as above
			case 2:
				_, _ = f.core.RestoreRecord("Contact", id) // refused when live
			default:
				r, err := f.core.CreateRecord("Contact", map[string]string{"LastName": "x"})
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, r.ID)
			}
		}
		at := stampText(now.Add(-time.Duration(rapid.IntRange(0, 20).Draw(t, "back")) * time.Second))
		after := newID("003", rapid.IntRange(0, 30).Draw(t, "after"))
		where := rapid.SampledFrom([]string{
			"", " WHERE SystemModstamp >= " + at, " WHERE SystemModstamp > " + at, " WHERE SystemModstamp = " + at,
			" WHERE SystemModstamp > " + at + " OR (SystemModstamp = " + at + " AND Id > '" + after + "')",
			" WHERE SystemModstamp >= " + at + " AND (SystemModstamp > " + at + " OR (SystemModstamp = " + at + " AND Id > '" +
				after + "'))",
			" WHERE Id > '" + after + "'", " WHERE NOT SystemModstamp > " + at,
		}).Draw(t, "where")
		order := rapid.SampledFrom([]string{
			"SystemModstamp ASC, Id ASC", "SystemModstamp DESC, Id DESC", "Id ASC", "Id DESC",
		}).Draw(t, "order")
		all := rapid.Bool().Draw(t, "all")
		q, bad := parseIn(objects, "SELECT Id FROM Contact"+where+" ORDER BY "+order)
		if bad != nil {
			t.Fatal(bad)
		}
		var want []*fakekit.Record
		f.tables["Contact"].Each("", func(r *fakekit.Record) bool {
			if (all || !r.Deleted) && (q.where == nil || q.where.holds(q.object, r)) {
				want = append(want, r)
			}
			return true
		})
		q.sort(want)
		if strings.HasPrefix(order, "SystemModstamp DESC") {
			slices.SortFunc(want, func(a, b *fakekit.Record) int { return byTime(b, a) })
		}
		name := func(list []*fakekit.Record) []string {
			out := []string{}
			for _, r := range list {
				out = append(out, fmt.Sprint(r.ID, " ", r.Modified.Unix(), " ", r.Deleted))
			}
			return out
		}
		if diff := cmp.Diff(name(want), name(f.run(q, all))); diff != "" {
			t.Fatalf("%s ORDER BY %s (-want +got):\n%s", where, order, diff)
		}
		q.limit = 3
		if diff := cmp.Diff(name(want[:min(3, len(want))]), name(f.run(q, all))); diff != "" {
			t.Fatalf("limited (-want +got):\n%s", diff)
		}
	})
}

func stampText(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// TestPages goes through a query by nextRecordsUrl, while records change.
func TestPages(t *testing.T) {
	t.Parallel()
	f := org9(t)
	f.pageRows = 3
	q, bad := parseIn(objects, "SELECT Id FROM Contact")
	if bad != nil {
		t.Fatal(bad)
	}
	if n := len(f.run(q, false)); n != 8 {
		t.Fatalf("%d contacts", n)
	}
	core := f.core
	core.Tokens().Add(fakekit.Token{Access: "static"})
	client := fakekit.Client(core)
	next := "/services/data/v60.0/query?q=" + url.QueryEscape("SELECT Id FROM Contact")
	seen := 0
	for page := 0; next != ""; page++ {
		got := get9(t, client, next)
		if got.TotalSize != 8 || got.Done != (got.Next == "") || page > 3 {
			t.Fatalf("page %d: %+v", page, got)
		}
		seen += len(got.Records)
		next = got.Next
		if page == 0 {
			if !strings.HasPrefix(next, "/services/data/v60.0/query/01g") || !strings.HasSuffix(next, "-3") {
				t.Errorf("next = %s", next)
			}
			if err := core.DeleteRecord("Contact", newID("003", 9)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if seen != 8 {
		t.Errorf("%d records came, want 8", seen)
	}
}

func FuzzSOQL(f *testing.F) {
	for _, s := range []string{
		"SELECT Id, SystemModstamp FROM Contact WHERE SystemModstamp > 2026-01-01T00:00:00Z OR (SystemModstamp = " +
			"2026-01-01T00:00:00Z AND Id > '003Lk0000000001IAA') ORDER BY SystemModstamp ASC, Id ASC LIMIT 2000",
		`SELECT Id FROM Contact WHERE Email IN ('a\'b', 'c\\d') AND NOT (Score__c >= 1.5 OR LastName LIKE '%_\%')`,
		"SELECT COUNT() FROM Lead WHERE IsConverted = false", "SELECT Id FROM User ORDER BY Email DESC LIMIT 1 OFFSET 1",
		"SELECT Id FROM Contact WHERE Birthdate = 1990-01-01 AND Email = null", `'\u00e9'`, "((((",
	} {
		f.Add(s)
	}
	o := org9(f)
	f.Fuzz(func(t *testing.T, soql string) {
		q, bad := parseIn(objects, soql)
		if bad != nil {
			if bad.status != 400 || bad.code == "" || bad.message == "" {
				t.Fatalf("refused with %+v", bad)
			}
			return
		}
		for _, all := range []bool{false, true} {
			found := o.run(q, all)
			if q.limit >= 0 && len(found) > q.limit {
				t.Fatalf("%d records above the limit %d", len(found), q.limit)
			}
			for _, r := range found {
				if r.Deleted && !all || q.where != nil && !q.where.holds(q.object, r) {
					t.Fatalf("record %s does not fit", r.ID)
				}
			}
		}
	})
}

func BenchmarkKeyset200000(b *testing.B) {
	f := New(fakekit.Config{Seed: 200_000}).org
	q, bad := parseIn(objects, "SELECT Id FROM Contact WHERE SystemModstamp > 2020-01-01T00:00:00Z OR (SystemModstamp "+
		"= 2020-01-01T00:00:00Z AND Id > '003Lk0000000001IAA') ORDER BY SystemModstamp ASC, Id ASC LIMIT 2000")
	if bad != nil {
		b.Fatal(bad)
	}
	b.ResetTimer()
	for range b.N {
		if n := len(f.run(q, true)); n != 2000 {
			b.Fatal(n)
		}
	}
}
