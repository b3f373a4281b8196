package engine

import (
	"errors"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// TestRefusalsAreShownAsTheyMayBe: an admin reads the app's code and its words,
// where it refused and what; of an error that is no app's word only its kind.
func TestRefusalsAreShownAsTheyMayBe(t *testing.T) {
	t.Parallel()
	inner := errors.New("dial tcp 10.0.0.7: secret=hunter2")
	for want, err := range map[string]error{
		"too_many_fields: at most 100": &fault.Error{
			Kind: fault.Invalid, Code: "too_many_fields", Message: "at most 100", Err: inner,
		},
		"invalid: at most 100": &fault.Error{
			Kind: fault.Invalid, Message: "at most 100", Err: inner,
		},
		"other: the work could not be finished: other": inner,
		"left: list changes: too_many_fields: at most 100": atSide(crm.Left, "list changes",
			&fault.Error{Kind: fault.Invalid, Code: "too_many_fields", Message: "at most 100", Err: inner}),
		"right: list changes: other: the work could not be finished": atSide(crm.Right, "list changes", inner),
		"no_object: the object is gone": &fault.Error{
			Kind: fault.NotFound, Code: "no_object", Message: "the object is gone",
		},
	} {
		if got := safeSide(err); !strings.HasPrefix(got, want) || strings.Contains(got, "hunter2") {
			t.Errorf("%v is shown as %q, want %q", err, got, want)
		}
	}
}
