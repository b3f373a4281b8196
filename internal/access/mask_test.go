package access

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

// TestMaskEmail: the first letter and the domain stay.
func TestMaskEmail(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"":                 "",
		"ada@example.com":  "a…@example.com",
		"a@example.com":    "a…@example.com",
		"@example.com":     "@…@example.com",
		"ümit@example.com": "ü…@example.com",
		"a@b@example.com":  "a…@example.com",
		"no address":       "n…",
		"n":                "n…",
		"ada@":             "a…@",
	} {
		if got := MaskEmail(address); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}

// TestDiffStopsAtItsLimit: as many places as were asked for are listed, and the
// others counted, whatever they are.
func TestDiffStopsAtItsLimit(t *testing.T) {
	t.Parallel()
	before := []byte(`{"a":1,"b":[1,2,3],"c":{"d":"x"},"e":null,"same":[{"x":1}],"token":"t1"}`)
	after := []byte(`{"a":2,"b":[1,3],"c":{"d":"y","f":true},"same":[{"x":1}],"token":"t2","new/one":{"deep~er":1}}`)
	all, more := Diff(before, after, 100)
	if more != 0 || len(all) < 6 {
		t.Fatalf("%d places, %d more", len(all), more)
	}
	for limit := range len(all) + 2 {
		got, more := Diff(before, after, limit)
		if n := min(limit, len(all)); len(got) != n || more != len(all)-n {
			t.Errorf("limit %d: %d places, %d more, of %d", limit, len(got), more, len(all))
		}
		if diff := cmp.Diff(all[:len(got)], got, cmpopts.EquateEmpty(),
			cmp.Transformer("", func(m json.RawMessage) string { return string(m) })); diff != "" {
			t.Errorf("limit %d (-all +some)\n%s", limit, diff)
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(text); strings.Contains(s, "t1") || strings.Contains(s, "t2") || !strings.Contains(s, "/new~1one") ||
		!strings.Contains(s, "/token") {
		t.Errorf("%s", s)
	}
	if same, more := Diff(before, before, 100); len(same) != 0 || more != 0 {
		t.Errorf("a document differs from itself: %+v, %d", same, more)
	}
	for _, none := range []string{"", "no JSON", "null"} {
		if got, _ := Diff([]byte(none), []byte(`{"a":1}`), 100); len(got) != 1 {
			t.Errorf("from %q: %+v", none, got)
		}
	}
}

// TestEntriesWithoutChangesHaveAnEmptyList, which clients may count.
func TestEntriesWithoutChangesHaveAnEmptyList(t *testing.T) {
	t.Parallel()
	clock := testclock.New()
	audit := NewAudit(memstore.New(clock.Now), clock.Now, func(prefix string) string { return prefix + "_1" })
	who := Principal{Workspace: "home", Key: "k", Name: "n", Role: Admin, User: User{Email: "ada@example.com"}}
	if _, err := audit.Record(t.Context(), who, AuditEntry{Action: "x.y", Target: "z"}); err != nil {
		t.Fatal(err)
	}
	items, _, err := audit.List(t.Context(), "home", 10, "")
	if err != nil || len(items) != 1 || items[0].Changes == nil || items[0].Actor.Email != "a…@example.com" {
		t.Errorf("%+v, %v", items, err)
	}
}
