package api

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// Codes of warnings: what is saved all the same, and worth knowing.
const (
	CodeBothWritten   = "both_apps_written"
	CodeDeleteIsFinal = "deleting_is_final"
	CodeExactOption   = "exact_option"
	CodePresetLines   = "preset_mappings"
	CodePasswordField = "password_field"
	CodeInertNotes    = "system_notes_inert"
	CodeRequired      = "required_fields"
	CodeMayNotFit     = "values_may_not_fit"
	CodeNewestGuess   = "newest_is_a_guess"
	CodeOneWayOnly    = "one_way_only"
)

func warning(pointer, code, detail string) ProblemItem {
	return ProblemItem{Pointer: pointer, Code: code, Detail: detail}
}

// warnings are all that is to be known of a document, wherever it is shown:
// validate, status, start and presets. What an app's fields say is left out for
// an object whose fields cannot be read.
func (s *server) warnings(ctx context.Context, c *crm.Connection) []ProblemItem {
	out := []ProblemItem{warning("", CodeDeleteIsFinal,
		"deleting the connection is final: its mappings, links and log are lost, and nothing brings them back; to stop it "+
			"for a while switch it off or pause it")}
	if c.Status == crm.StatusDraft {
		out = append(out, warning("", CodeBothWritten,
			"a start writes to both apps: look at a plan first, keep a copy of both, and begin in a quiet hour with one "+
				"direction or few records"))
	}
	var apps [2]crm.AppID
	for n, side := range crm.Sides {
		if a, err := s.Accounts.Get(ctx, access.From(ctx).Workspace, c.Account(side)); err == nil {
			apps[n] = a.App
		}
	}
	for i := range c.Syncs {
		var fields [2][]crm.Field
		for n, side := range crm.Sides {
			if c.Account(side) == "" || c.Syncs[i].Object(side) == "" {
				continue
			}
			found, err := s.knownFields(ctx, access.From(ctx).Workspace, c.Account(side), c.Syncs[i].Object(side))
			if err != nil {
				continue
			}
			fields[n] = found
		}
		at := "/syncs/" + strconv.Itoa(i)
		out = append(out, lockedWarnings(&c.Syncs[i], at, apps)...)
		out = append(out, syncWarnings(&c.Syncs[i], at, fields)...)
		out = append(out, weakKeys(&c.Syncs[i], at, fields)...)
		out = append(out, s.activityWarnings(ctx, c, &c.Syncs[i], at+"/activities")...)
	}
	return append(out, leftOvers(c)...)
}

// syncWarnings are those of one sync, whose pointers begin with at.
func syncWarnings(sync *crm.Sync, at string, fields [2][]crm.Field) []ProblemItem {
	var out []ProblemItem
	if slices.ContainsFunc(sync.Mappings, func(m crm.Mapping) bool { return m.Origin != "custom" && m.Origin != "" }) {
		out = append(out, warning(at+"/mappings", CodePresetLines,
			"the mappings that came with a preset or a suggestion fit these apps: leave them as they are unless you need to "+
				"change them"))
	}
	for side, word := range crm.Sides {
		if names := demanded(sync, word, fields[side]); len(names) > 0 {
			out = append(out, warning(at+"/mappings", CodeRequired, fmt.Sprintf(
				"the %s app demands %s to create a record: one that lacks a value fails by that name, others go on", word,
				strings.Join(names, ", "))))
		}
	}
	for i := range sync.Mappings {
		out = append(out, mappingWarnings(&sync.Mappings[i], at+"/mappings/"+strconv.Itoa(i), fields)...)
	}
	out = append(out, associationWarnings(sync, at, fields)...)
	if sync.Activities.SystemNotes {
		say := "it has no effect while notes do not sync: switch activities on, or leave it off"
		if sync.Activities.Enabled {
			say = "it has no effect: neither app has notes that the system itself makes"
		}
		out = append(out, warning(at+"/activities/system_notes", CodeInertNotes, say))
	}
	if sync.Conflict == crm.ConflictNewest {
		out = append(out, newestWarning(at+"/conflict"))
	}
	return out
}

// activityWarnings are those of the activities of a sync, while they are on.
func (s *server) activityWarnings(ctx context.Context, c *crm.Connection, sync *crm.Sync, at string) []ProblemItem {
	one, chosen := sync.OfActivities()
	if !chosen || !sync.Activities.Enabled {
		return nil
	}
	var fields [2][]crm.Field
	for n, side := range crm.Sides {
		if c.Account(side) == "" {
			continue
		}
		if found, err := s.knownFields(ctx, access.From(ctx).Workspace, c.Account(side), one.Object(side)); err == nil {
			fields[n] = found
		}
	}
	one.Conflict, one.Associations = crm.ConflictLeft, nil // said of the sync itself
	return syncWarnings(&one, at, fields)
}

// associationWarnings says which references an app does not let us write: they are
// only read there.
func associationWarnings(sync *crm.Sync, at string, fields [2][]crm.Field) []ProblemItem {
	var out []ProblemItem
	for i := range sync.Associations {
		a := &sync.Associations[i]
		for n, side := range crm.Sides {
			if f := byName(fields[n])[[2]string{a.Left, a.Right}[n]]; f.ReadOnly {
				out = append(out, warning(at+"/associations/"+strconv.Itoa(i)+"/"+string(side), CodeOneWayOnly, fmt.Sprintf(
					"%q is read-only in the %s app: what it names travels, and nothing is written to it", f.Name, side)))
			}
		}
	}
	return out
}

// demanded names the fields that an app wants for a new record, where the sync makes any.
func demanded(sync *crm.Sync, side crm.Side, fields []crm.Field) (names []string) {
	way := crm.WayTo(side)
	if !sync.Direction.Allows(way) || !sync.Behavior.Get(way).Creates() {
		return nil
	}
	for _, f := range fields {
		if f.Required && !f.ReadOnly {
			names = append(names, strconv.Quote(f.Name))
		}
	}
	return names
}

func mappingWarnings(m *crm.Mapping, at string, fields [2][]crm.Field) []ProblemItem {
	if !m.On() {
		return nil
	}
	var out []ProblemItem
	if byTimes(m) {
		out = append(out, newestWarning(at+"/conflict"))
	}
	var single [2]crm.Field
	known := true
	for i, names := range [][]string{m.Left, m.Right} {
		for _, name := range names {
			f, ok := byName(fields[i])[name]
			if ok && engine.IsPassword(f) {
				out = append(out, warning(at, CodePasswordField, fmt.Sprintf(
					"%q is the person's own login password: map it one way with write_once, so that it is never overwritten", name)))
			}
			single[i], known = f, known && ok
		}
		known = known && len(names) == 1
	}
	if !known {
		return out
	}
	for _, way := range []crm.Way{crm.ToRight, crm.ToLeft} {
		from, to := single[way.Source().Index()], single[way.Target().Index()]
		if !m.Direction.Allows(way) || to.ReadOnly {
			continue
		}
		switch {
		case (to.Type == crm.TypeOption || to.Type == crm.TypeOptions) && !to.OpenOptions && len(to.Options) > 0:
			out = append(out, warning(at, CodeExactOption, fmt.Sprintf(
				"the %s app takes nothing but the exact name and case of an option of %q: what differs in case is mapped to it, "+
					"another value fails the field", way.Target(), to.Name)))
		case to.Type != from.Type && narrower(to.Type):
			out = append(out, warning(at, CodeMayNotFit, fmt.Sprintf(
				"%q (%s) into %q (%s): a value that does not fit fails its field at run time, and the record's other fields go on",
				from.Name, from.Type, to.Name, to.Type)))
		}
	}
	return out
}

// narrower reports types that do not take every text.
func narrower(t crm.FieldType) bool {
	switch t {
	case crm.TypeNumber, crm.TypeBoolean, crm.TypeDate, crm.TypeDateTime, crm.TypeEmail, crm.TypeURL, crm.TypeOption,
		crm.TypeOptions:
		return true
	case crm.TypeText, crm.TypePhone, crm.TypeList, crm.TypeReference, crm.TypeOwner:
	}
	return false
}
