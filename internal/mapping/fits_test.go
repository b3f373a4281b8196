package mapping

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// TestFitsAreAsWritten: which types fit which, under what, why, and what to do
// where they do not; and what the transforms say of themselves.
func TestFitsAreAsWritten(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for _, f := range Fits() {
		text, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s\n", text)
	}
	for _, j := range Joints() {
		fmt.Fprintf(&out, "%+v\n", j)
	}
	for _, tr := range Transforms() {
		fmt.Fprintf(&out, "%+v\n", tr)
	}
	for _, typ := range crm.FieldTypes {
		word, ok := TransformFor(typ)
		fmt.Fprintf(&out, "%s under %q, %t\n", typ, word, ok)
	}
	word, ok := TransformFor("nothing")
	fmt.Fprintf(&out, "nothing under %q, %t\n", word, ok)
	written.Check(t, "fits.txt", out.String())
}
