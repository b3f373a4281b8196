// Package memschedule is the reference implementation of schedule, in memory:
// for tests of those who put and list schedules.
package memschedule

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/schedule"
)

const pageSize = 100

// Schedules is a schedule.Schedules in memory. The zero Schedules is empty and ready.
type Schedules struct {
	mu  sync.Mutex
	all map[string]schedule.Schedule
}

// Put implements schedule.Schedules.
func (m *Schedules) Put(ctx context.Context, s schedule.Schedule) error {
	const op = "memschedule: put"
	if err := fault.Wrap(op, fault.Unavailable, ctx.Err()); err != nil {
		return err
	}
	if err := schedule.Check(op, &s); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all = map[string]schedule.Schedule{}
	}
	m.all[s.Name] = s
	return nil
}

// Delete implements schedule.Schedules.
func (m *Schedules) Delete(ctx context.Context, name string) error {
	const op = "memschedule: delete"
	if err := fault.Wrap(op, fault.Unavailable, ctx.Err()); err != nil {
		return err
	}
	if err := schedule.CheckName(op, name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, name)
	return nil
}

// List implements schedule.Schedules. The cursor is the last name of the page before.
func (m *Schedules) List(ctx context.Context, cursor string) (schedule.Page, error) {
	const op = "memschedule: list"
	if err := fault.Wrap(op, fault.Unavailable, ctx.Err()); err != nil {
		return schedule.Page{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var page schedule.Page
	for _, name := range slices.Sorted(maps.Keys(m.all)) {
		if name <= cursor {
			continue
		}
		if len(page.Schedules) == pageSize {
			page.Next = page.Schedules[pageSize-1].Name
			break
		}
		page.Schedules = append(page.Schedules, m.all[name])
	}
	return page, nil
}

var _ schedule.Schedules = (*Schedules)(nil)
