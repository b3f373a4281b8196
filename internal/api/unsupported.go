package api

import (
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// unsupported is the one list of settings that documents may hold but that
// this release does not carry out. Saving one is refused, because an admin
// would rely on it.
var unsupported = []struct {
	name string
	used func(s *crm.Sync) (pointer string, used bool)
	say  string
}{
	{
		"associations", func(s *crm.Sync) (string, bool) { return "/associations", len(s.Associations) > 0 },
		"associations are not carried out yet: leave the list empty",
	},
	{
		"activities", func(s *crm.Sync) (string, bool) { return "/activities/enabled", s.Activities.Enabled },
		"activities are not synced yet: set enabled to false",
	},
	{
		"deletes to_right", func(s *crm.Sync) (string, bool) { return "/deletes/to_right", s.Deletes.ToRight != crm.DeleteIgnore },
		"only the delete policy ignore is carried out yet: set it to ignore",
	},
	{
		"deletes to_left", func(s *crm.Sync) (string, bool) { return "/deletes/to_left", s.Deletes.ToLeft != crm.DeleteIgnore },
		"only the delete policy ignore is carried out yet: set it to ignore",
	},
	{"unsubscribes to_right", func(s *crm.Sync) (string, bool) {
		return "/unsubscribes/to_right", s.Unsubscribes.ToRight != crm.DeleteIgnore
	}, "unsubscribes are not carried out yet: set it to ignore"},
	{"unsubscribes to_left", func(s *crm.Sync) (string, bool) {
		return "/unsubscribes/to_left", s.Unsubscribes.ToLeft != crm.DeleteIgnore
	}, "unsubscribes are not carried out yet: set it to ignore"},
}

func unsupportedIn(s *crm.Sync) []mapping.Problem {
	var problems []mapping.Problem
	for _, u := range unsupported {
		if pointer, used := u.used(s); used {
			problems = append(problems, mapping.Problem{Pointer: pointer, Code: CodeUnsupportedSetting, Detail: u.say})
		}
	}
	return problems
}
