package dynamostore_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/dynamostore"
)

// TestNoTwoKeysMeet draws workspaces and partitions full of what separates them.
func TestNoTwoKeysMeet(t *testing.T) {
	t.Parallel()
	some := rapid.StringOfN(rapid.SampledFrom([]rune("|~1a")), 0, 6, -1)
	rapid.Check(t, func(t *rapid.T) {
		w1, w2, p1, p2 := some.Draw(t, "w1"), some.Draw(t, "w2"), some.Draw(t, "p1"), some.Draw(t, "p2")
		same := dynamostore.Prefix(crm.WorkspaceID(w1))+p1 == dynamostore.Prefix(crm.WorkspaceID(w2))+p2
		if same != (w1 == w2 && p1 == p2) {
			t.Errorf("(%q, %q) and (%q, %q): same key = %v", w1, p1, w2, p2, same)
		}
	})
}

func TestLongestKeysFit(t *testing.T) {
	t.Parallel()
	for _, ws := range []string{
		strings.Repeat("w", store.MaxWorkspaceBytes), strings.Repeat("|", store.MaxWorkspaceBytes),
		"~" + strings.Repeat("w", store.MaxWorkspaceBytes-1),
	} {
		if n := len(dynamostore.Prefix(crm.WorkspaceID(ws))) + store.MaxPartitionBytes; n > 2048 {
			t.Errorf("workspace %.3q…: %d bytes, DynamoDB takes 2,048", ws, n)
		}
	}
}

// TestPredecessor wants the greatest text below another one: below it, within
// the limit, and nothing drawn in between.
func TestPredecessor(t *testing.T) {
	t.Parallel()
	runes := rapid.SampledFrom([]rune{0, 1, 'a', 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff})
	texts := rapid.StringOfN(runes, 1, 5, -1)
	rapid.Check(t, func(t *rapid.T) {
		s := texts.Draw(t, "text")
		if rapid.Bool().Draw(t, "long") {
			s = strings.Repeat("x", store.MaxSortBytes-len(s)) + s
		}
		p := dynamostore.Predecessor(s)
		if p >= s || len(p) > store.MaxSortBytes || !utf8.ValidString(p) {
			t.Fatalf("%q before %q: not below, too long or no UTF-8", p, s)
		}
		other := s[:rapid.IntRange(0, len(s)).Draw(t, "cut")] + texts.Draw(t, "other")
		if len(other) <= store.MaxSortBytes && utf8.ValidString(other) && p < other && other < s {
			t.Fatalf("%q lies between %q and %q", other, p, s)
		}
	})
}
