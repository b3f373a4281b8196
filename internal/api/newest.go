package api

import (
	"strconv"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// CodeNoTimes is of the policy newest where an app does not say when a record was changed.
const CodeNoTimes = "no_record_times"

// newest refuses the policy that goes by the times of records where an app gives
// none: there one side would win always, and nobody would have chosen it.
func (v *validation) newest(s *crm.Sync, at string) {
	var places []string
	if s.Conflict == crm.ConflictNewest {
		places = append(places, at+"/conflict")
	}
	places = append(places, newestOf(s.Mappings, at+"/mappings")...)
	if s.Activities.Enabled {
		places = append(places, newestOf(s.Activities.Mappings, at+"/activities/mappings")...)
	}
	for _, app := range v.apps {
		if app.ID == "" || app.Can(crm.AbilityRecordTimes) {
			continue
		}
		for _, place := range places {
			v.add(place, CodeNoTimes, "%s does not say when a record was changed: use left, right or review", app.Name)
		}
		return // one app is reason enough
	}
}

// newestOf is where mappings have the policy newest for themselves.
func newestOf(mappings []crm.Mapping, at string) (places []string) {
	for i := range mappings {
		if byTimes(&mappings[i]) {
			places = append(places, at+"/"+strconv.Itoa(i)+"/conflict")
		}
	}
	return places
}

func byTimes(m *crm.Mapping) bool { return m.Conflict != nil && *m.Conflict == crm.ConflictNewest }

// newestWarning says of a place with the policy newest what that goes by.
func newestWarning(at string) ProblemItem {
	return warning(at, CodeNewestGuess,
		"newest goes by the time of the whole record, not of the field, and by clocks that differ: choose a side or "+
			"review where it matters")
}
