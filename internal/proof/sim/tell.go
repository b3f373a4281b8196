package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// tell prints what happens, for a seed that is replayed.
func (w *world) tell(format string, args ...any) {
	if !w.opts.Verbose || w.opts.Out == nil {
		return
	}
	who := "-"
	if w.cur != nil {
		who = fmt.Sprintf("%s#%d/p%d", w.cur.name, w.cur.id, w.cur.proc.id)
	}
	fmt.Fprintf(w.opts.Out, "%12s %7d %-14s %s\n", w.now.Sub(epoch), w.steps, who, fmt.Sprintf(format, args...))
}

// shown are fields that are written out only if somebody looks.
type shown crm.Fields

// String writes the fields in order.
func (f shown) String() string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(f)) {
		out = append(out, k+"="+f[k].Text())
	}
	return strings.Join(out, ", ")
}
