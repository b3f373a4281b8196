// Package follow makes the schedules follow the settings.
//
// A Store changes a connection's schedules when the connection is saved: made,
// started, changed, paused, deleted. It is done after the save, so a crash
// between the two, or a scheduler that does not answer, leaves a schedule
// behind. Rebuild compares all schedules with all settings and mends what it
// finds: missing, different, or of nobody.
//
// Both read the connection again before they touch a schedule, so that of two
// who do so at once each writes what the settings said last.
package follow
