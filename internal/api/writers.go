package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/pause"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// cell is a field of an object of an account: what only one sync may write.
type cell struct {
	account crm.AccountID
	object  string
	field   string
}

// cells lists what a connection writes, with the sync that does.
func cells(c *crm.Connection) map[cell]int {
	out := map[cell]int{}
	for i, s := range c.Worked() {
		for _, side := range crm.Sides {
			for field := range s.Writes(side) {
				at := cell{c.Account(side), s.Object(side), field}
				if _, taken := out[at]; !taken {
					out[at] = i
				}
			}
		}
	}
	return out
}

// writers refuses two syncs of one connection that write the same field of an
// object, unless they join the same two objects: then no record is of both.
func (v *validation) writers() {
	taken := map[cell]int{}
	all := v.c.Worked()
	for i := range all {
		s := &all[i]
		for _, side := range crm.Sides {
			for _, field := range sortedNames(s.Writes(side)) {
				at := cell{v.c.Account(side), s.Object(side), field}
				first, is := taken[at]
				if is && first != i && !all[first].Joins(s.Left.Object, s.Right.Object) {
					v.add(syncPointer(v.c, all, i)+"/mappings", CodeFieldTwice,
						"the sync %q writes the %s field %q too: switch one of the mappings off or change its direction",
						all[first].ID, side, field)
					continue
				}
				taken[at] = i
			}
		}
	}
}

// syncPointer is where a sync of those worked stands in the document.
func syncPointer(c *crm.Connection, all []crm.Sync, i int) string {
	parent, of := all[i].ID.Parent()
	if !of || i < len(c.Syncs) {
		return "/syncs/" + strconv.Itoa(i)
	}
	n := slices.IndexFunc(c.Syncs, func(s crm.Sync) bool { return s.ID == parent })
	return "/syncs/" + strconv.Itoa(n) + "/activities"
}

func sortedNames(m map[string]bool) []string {
	any := make(map[string]any, len(m))
	for k := range m {
		any[k] = nil
	}
	return sortedKeys(any)
}

// otherWriters refuses a connection that writes a field which another one
// writes already (design 3.16), unless the later of the two says that it may:
// that is worth a warning. The caller holds saveLock.
func (s *server) otherWriters(
	ctx context.Context, ws crm.WorkspaceID, c *crm.Connection,
) (*Problem, []ProblemItem, error) {
	others, err := s.allConnections(ctx, ws)
	if err != nil {
		return nil, nil, err
	}
	found, warned := otherWriters(ctx, c, others)
	if found == nil {
		return nil, warned, nil
	}
	p := invalidDocument(found)
	p.Detail += `: another connection writes the same fields; set "shared": true on the later connection, or switch mappings off or change a direction in one of the two`
	p.Status, p.Title, p.Code, p.Type = 409, "Conflict", CodeFieldInUse, docsPath+"#"+CodeFieldInUse
	return p, warned, nil
}

// otherWriters lists the fields that another connection writes as well: what
// refuses c, and what it is warned of. A draft writes nothing: whoever starts it
// learns of the others.
func otherWriters(
	ctx context.Context, c *crm.Connection, others []crm.Connection,
) (found []mapping.Problem, warned []ProblemItem) {
	mine := cells(c)
	for n := range others {
		other := &others[n]
		if other.ID == c.ID || other.Status == crm.StatusDeleting || other.Status == crm.StatusDraft {
			continue
		}
		for at := range cells(other) {
			i, both := mine[at]
			if !both {
				continue
			}
			name := strconv.Quote(other.Name)
			if !access.From(ctx).Reads(other.Access) {
				name = "that another team keeps"
			}
			pointer := syncPointer(c, c.Worked(), i) + "/mappings"
			detail := fmt.Sprintf("the connection %s writes the field %q of %s too", name, at.field, at.object)
			if later(c, other).Shared {
				warned = append(warned, ProblemItem{Pointer: pointer, Code: CodeFieldShared, Detail: detail})
				continue
			}
			which := "this one"
			if later(c, other) == other {
				which = name
			}
			detail += `: set "shared": true on the later of the two, ` + which +
				", or switch the mapping off here or there, or change a direction"
			found = append(found, mapping.Problem{Pointer: pointer, Code: CodeFieldInUse, Detail: detail})
		}
	}
	slices.SortFunc(warned, func(a, b ProblemItem) int {
		return cmp.Or(strings.Compare(a.Pointer, b.Pointer), strings.Compare(a.Detail, b.Detail))
	})
	slices.SortFunc(found, func(a, b mapping.Problem) int {
		return cmp.Or(strings.Compare(a.Pointer, b.Pointer), strings.Compare(a.Detail, b.Detail))
	})
	return found, warned
}

// allConnections lists the connections of a workspace; never nil without an error.
func (s *server) allConnections(ctx context.Context, ws crm.WorkspaceID) ([]crm.Connection, error) {
	all := []crm.Connection{}
	err := s.eachConnection(ctx, ws, func(c *crm.Connection) { all = append(all, *c) })
	return all, err
}

// later is the one of two connections that was made later; c may be new.
func later(c, other *crm.Connection) *crm.Connection {
	if !c.CreatedAt.IsZero() && other.CreatedAt.After(c.CreatedAt) {
		return other
	}
	return c
}

// eachConnection visits all connections of a workspace.
func (s *server) eachConnection(ctx context.Context, ws crm.WorkspaceID, visit func(*crm.Connection)) error {
	for cursor := ""; ; {
		page, next, err := store.ListConnections(ctx, s.Store, ws, 100, cursor)
		if err != nil {
			return err
		}
		for i := range page {
			visit(&page[i])
		}
		if next == "" {
			return nil
		}
		cursor = next
	}
}

// saveLockFor is longer than any save takes.
const saveLockFor = 30 * time.Second

// saveLock lets one process at a time check what others write and save: two
// saves that cross could each miss the other.
func (s *server) saveLock(ctx context.Context, ws crm.WorkspaceID) (unlock func(), err error) {
	s.saving.Lock()
	key := store.SettingsKey(ws, "lock#connections")
	for range 50 {
		_, err = s.Store.Write(ctx, store.Write{
			Item: store.Item{Key: key, Expires: s.Now().Add(saveLockFor)}, If: store.IfAbsent,
		})
		if err == nil {
			return func() {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
				defer cancel()
				_, _ = s.Store.Write(ctx, store.Write{Op: store.Delete, Item: store.Item{Key: key}}) // it expires by itself
				s.saving.Unlock()
			}, nil
		}
		if !fault.Is(err, fault.Conflict) || pause.For(ctx, 20*time.Millisecond) != nil {
			break
		}
	}
	s.saving.Unlock()
	if fault.Is(err, fault.Conflict) {
		return nil, fault.New("api: save", fault.Conflict, CodeBusy, "")
	}
	return nil, err
}
