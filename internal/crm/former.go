package crm

import (
	"slices"
	"time"
)

// Former are the two ends that a sync had before it was taken out of its connection,
// or joined to another account or object. What is known of their records is of no use
// for those of now, whose IDs may be the same.
type Former struct {
	Sync    SyncID             `json:"sync"`
	Account PerSide[AccountID] `json:"account"`
	Object  PerSide[string]    `json:"object"`
	At      time.Time          `json:"at"`               // when it left them
	Erased  bool               `json:"erased,omitempty"` // nothing is known of their records any more but history
}

// Leave notes in next, which is saved over c, the ends that syncs of c do not have
// any more.
func (c *Connection) Leave(next *Connection, now time.Time) {
	next.Former = slices.Clone(c.Former)
	for _, was := range c.Worked() { // those of activities, too
		is := next.Sync(was.ID)
		if is != nil && c.Left == next.Left && c.Right == next.Right && is.Left == was.Left && is.Right == was.Right {
			continue
		}
		f := Former{
			Sync: was.ID, At: now, Account: PerSide[AccountID]{Left: c.Left.Account, Right: c.Right.Account},
			Object: PerSide[string]{Left: was.Left.Object, Right: was.Right.Object},
		}
		next.Former = append(slices.DeleteFunc(next.Former, func(o Former) bool {
			return o.Erased && o.Sync == f.Sync && o.Account == f.Account && o.Object == f.Object
		}), f)
	}
}

// Leaving are the ends of a sync of which something is still known. Until it is
// forgotten the sync does nothing.
func (c *Connection) Leaving(id SyncID) (out []Former) {
	for _, f := range c.Former {
		if f.Sync == id && !f.Erased {
			out = append(out, f)
		}
	}
	return out
}
