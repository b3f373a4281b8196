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
		"activities", func(s *crm.Sync) (string, bool) { return "/activities/enabled", s.Activities.Enabled },
		"activities are not synced yet: set enabled to false",
	},
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
