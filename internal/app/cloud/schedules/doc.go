// Package schedules gives the functions that keep the schedules of syncs what
// they need for it; the others do not link it.
package schedules
