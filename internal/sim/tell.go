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

// texts writes fields in order.
func texts(f crm.Fields) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(f)) {
		out = append(out, k+"="+f[k].Text())
	}
	return strings.Join(out, ", ")
}
