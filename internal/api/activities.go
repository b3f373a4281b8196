package api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// Codes of what is wrong with the activities of a sync.
const (
	CodeNotActivity = "not_an_activity"
	CodeNotAbout    = "activity_about_other"
	CodeOfItsOwn    = "activity_on_its_own"
)

// activities holds the activities of a sync against the two apps: their objects
// whenever they are named, all else while they are switched on.
func (v *validation) activities(i int, known [2]bool) error {
	s, at := &v.c.Syncs[i], "/syncs/"+strconv.Itoa(i)
	for n, side := range crm.Sides {
		if known[n] {
			v.ownActivity(s.Object(side), at+"/"+string(side)+"/object", side)
		}
	}
	at += "/activities"
	a := &s.Activities
	if !a.Enabled && a.Left.Object == "" && a.Right.Object == "" {
		return nil
	}
	before := len(v.problems)
	for n, side := range crm.Sides {
		v.activityEnd(s, at+"/"+string(side), side, known[n])
	}
	if len(v.problems) > before || !a.Enabled {
		return nil
	}
	one, _ := s.OfActivities()
	if !mapped(&one) {
		code := CodeDoesNothing
		if v.c.Status == crm.StatusDraft {
			code = CodeStepMissing
		}
		v.add(at+"/mappings", code, "no mapping is on, so that nothing of an activity would travel: add some of GET "+
			"…/suggestions, or set enabled to false")
	}
	var fields [2][]crm.Field
	for n, side := range crm.Sides {
		if !known[n] {
			return nil
		}
		var err error
		fields[n], err = v.fields(&one, side)
		switch {
		case fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) || fault.Is(err, fault.Unsupported):
			v.add(at+"/"+string(side)+"/object", CodeUnknownObject,
				"the %s account has no such object: choose one of GET /v1/accounts/%s/objects", side, v.c.Account(side))
			return nil
		case err != nil && v.asks == askOrFail:
			return fmt.Errorf("fields of the activities of the %s side: %w", side, err)
		case err != nil:
			v.add(at+"/"+string(side)+"/object", problemOf(err).Code,
				"the fields of the %s side cannot be read just now, so that what names them is not checked", side)
			return nil
		}
	}
	v.activityMappings(&one, i, fields)
	return nil
}

// ownActivity refuses activities as the records of a sync: its steps would tell two of
// them to be one by what they say.
func (v *validation) ownActivity(object, at string, side crm.Side) {
	app := v.apps[side.Index()]
	if o := app.Object(object); o != nil && o.Activity != nil {
		v.add(at, CodeOfItsOwn, "%s of %s are synced with the records that they are about: name them in activities of the "+
			"sync of those", object, app.Name)
	}
}

// activityEnd asks for an activity object that is about the sync's records.
func (v *validation) activityEnd(s *crm.Sync, at string, side crm.Side, known bool) {
	end := s.Activities.End(side)
	if end.Object == "" {
		v.add(at+"/object", CodeMissingKey, "name the activity object of the %s account, one of GET /v1/accounts/%s/objects "+
			"that has activity", side, v.c.Account(side))
		return
	}
	if !known {
		return
	}
	app := v.apps[side.Index()]
	o := app.Object(end.Object)
	if o == nil || o.Activity == nil {
		names := []string{}
		for _, other := range app.Objects {
			switch {
			case other.Activity != nil && other.Family:
				names = append(names, other.ID+".…")
			case other.Activity != nil:
				names = append(names, other.ID)
			}
		}
		say := app.Name + " has no activities that are synced: set enabled to false and leave the objects out"
		if len(names) > 0 {
			say = fmt.Sprintf("%q is no activity object of %s: set one of %s", end.Object, app.Name, strings.Join(names, ", "))
		}
		v.add(at+"/object", CodeNotActivity, "%s", say)
		return
	}
	object := s.Object(side)
	if slices.Contains(o.Activity.Parents, crm.ActivityParent{Object: object, Field: end.Parent}) {
		return
	}
	if field := o.Activity.Parent(object); field != "" {
		v.add(at+"/parent", CodeNotAbout, "%s names what it is about in another field when that is one of %s: use %q, or "+
			"leave parent out", end.Object, object, field)
		return
	}
	var about []string
	for _, p := range o.Activity.Parents {
		about = append(about, p.Object)
	}
	v.add(at+"/object", CodeNotAbout, "%s of %s are about %s, and not about %s: choose other activities, or sync them "+
		"with another object", end.Object, app.Name, strings.Join(about, ", "), object)
}

// activityMappings compiles the sync of the activities as any other. What the sync
// itself is told of is not said twice.
func (v *validation) activityMappings(one *crm.Sync, i int, fields [2][]crm.Field) {
	at := "/syncs/" + strconv.Itoa(i) + "/activities"
	_, problems := reconcile.Compile(v.c.Unfolded(), one, fields[0], fields[1])
	for _, p := range problems {
		if strings.HasPrefix(p.Pointer, "/mappings") || strings.HasPrefix(p.Pointer, "/behavior") {
			p.Pointer = at + p.Pointer
			v.problems = append(v.problems, p)
		}
		if side, is := strings.CutPrefix(p.Pointer, "/associations/0/"); is {
			p.Pointer = at + "/" + side + "/parent"
			v.problems = append(v.problems, p)
		}
	}
	for n, side := range crm.Sides {
		way := crm.WayTo(side)
		if !one.Direction.Allows(way) || !one.Behavior.Get(way).Creates() {
			continue
		}
		filled := one.Fills(side)
		for _, f := range fields[n] {
			if f.Required && !f.ReadOnly && !filled[f.Name] {
				v.add(at+"/mappings", CodeRequiredUnmapped,
					"the %s app demands the field %q of a new activity: map it, or set behavior.%s to update_only", side, f.Name, way)
			}
		}
	}
}
