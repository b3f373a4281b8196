package api

import (
	"strings"
	"testing"
)

// TestChangesAreBrief: an answer repeats of a document no more than it may, and
// leaves out values before places.
func TestChangesAreBrief(t *testing.T) {
	t.Parallel()
	all := make([]settingChange, maxChanges+1)
	for i := range all {
		all[i] = settingChange{Pointer: "/syncs/0/id", Change: "changed", Before: "a", After: "b"}
	}
	all[1].After = strings.Repeat("x", maxChangeValues)
	got := brief(all)
	if len(got) != maxChanges || got[0].After != "b" || got[1].After != nil || got[1].Pointer == "" ||
		got[2].Before != nil {
		t.Errorf("%d changes, the first %+v", len(got), got[0])
	}
}
