package api

import (
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// locks are the settings that an app fixes for one of its objects, whatever it
// is paired with. Paths are JSON Pointers into a sync.
var locks = []struct {
	app    crm.AppID
	object string
	lockedSetting
}{
	{"mautic", "contacts", lockedSetting{
		Path: "/avoid_duplicates", Locked: true, Value: true,
		Reason: "Mautic joins a new contact with the one that has its e-mail address, without a word: records have to be " +
			"told apart before they are written",
	}},
}

// lockedSetting is a setting that cannot be changed.
type lockedSetting struct {
	Path   string `json:"path" doc:"JSON Pointer into the sync"`
	Locked bool   `json:"locked"`
	Value  any    `json:"value" doc:"What it is, and stays"`
	Reason string `json:"reason"`
}

// lockedIn lists what the two apps fix of a sync.
func lockedIn(sync *crm.Sync, apps [2]crm.AppID) []lockedSetting {
	out := []lockedSetting{}
	for _, l := range locks {
		for i, side := range crm.Sides {
			if l.app == apps[i] && l.object == sync.Object(side) {
				out = append(out, l.lockedSetting)
				break
			}
		}
	}
	return out
}

// valueAt reads a place of a decoded document; nil where there is none.
func valueAt(doc any, pointer string) any {
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		switch at := doc.(type) {
		case map[string]any:
			doc = at[token]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(at) {
				return nil
			}
			doc = at[i]
		default:
			return nil
		}
	}
	return doc
}

// lockedWarnings are those of settings that an app fixes.
func lockedWarnings(sync *crm.Sync, at string, apps [2]crm.AppID) (out []ProblemItem) {
	for _, l := range lockedIn(sync, apps) {
		out = append(out, warning(at+l.Path, CodeLockedSettings, "this setting cannot be changed here: "+l.Reason))
	}
	return out
}

// locked refuses settings that say something else than an app fixes.
func (v *validation) locked(i int) {
	found := lockedIn(&v.c.Syncs[i], [2]crm.AppID{v.apps[0].ID, v.apps[1].ID})
	if len(found) == 0 {
		return
	}
	doc, p := strictJSON(encodeDocument(v.c))
	if p != nil {
		return // it was read from JSON
	}
	at := "/syncs/" + strconv.Itoa(i)
	for _, l := range found {
		if !sameJSON(valueAt(doc, at+l.Path), l.Value) {
			v.problems = append(v.problems, mapping.Problem{
				Pointer: at + l.Path, Code: CodeSettingLocked, Detail: l.Reason + "; leave it as it was",
			})
		}
	}
}
