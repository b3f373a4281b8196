package fakekit

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
)

func TestDumpPagesCountsAndDigests(t *testing.T) {
	t.Parallel()
	d := newDiary(Config{Now: testclock.New().Now, Seed: 2500})
	if err := d.DeleteRecord("notes", "7"); err != nil {
		t.Fatal(err)
	}
	ids := func(query string) []string {
		status, body, err := call(t, d, "GET", "/_fake/records/notes"+query, "")
		if status != 200 || err != nil {
			t.Fatalf("%s: %d, %v", query, status, err)
		}
		var out []string
		dec := json.NewDecoder(strings.NewReader(body))
		for dec.More() {
			var l RecordLine
			if err := dec.Decode(&l); err != nil {
				t.Fatal(err)
			}
			out = append(out, l.ID)
		}
		return out
	}
	if n := len(ids("")); n != 2500 {
		t.Errorf("%d lines, want 2500", n)
	}
	if diff := cmp.Diff([]string{"6", "8", "9"}, ids("?deleted=false&after=5&limit=3")); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"7"}, ids("?deleted=true")); diff != "" {
		t.Errorf("deleted (-want +got):\n%s", diff)
	}
	before, _ := d.Summary("notes", true, nil)
	if before.Live != 2499 || before.Deleted != 1 || before.Total != 2500 {
		t.Errorf("summary %+v", before)
	}
	if _, err := d.UpdateRecord("notes", "9", map[string]string{"word": "new"}); err != nil {
		t.Fatal(err)
	}
	if after, _ := d.Summary("notes", true, nil); after.Digest == before.Digest {
		t.Error("an edit does not change the digest")
	}
	if other, _ := d.Summary("notes", true, []string{"colour"}); other.Digest == before.Digest {
		t.Error("the digest ignores its fields")
	}
}
