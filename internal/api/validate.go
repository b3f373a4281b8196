package api

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// maxObject is the length of the longest name of an object: nothing longer is
// looked for.
const maxObject = 200

var syncIDs = regexp.MustCompile(syncIDPattern)

// validation collects all problems of one document.
type validation struct {
	ctx      context.Context
	s        *server
	ws       crm.WorkspaceID
	c        *crm.Connection
	old      *crm.Connection                  // as it is stored; nil = it is new
	known    map[crm.SyncID][]engine.HeldPart // what rests in the stored one
	problems []mapping.Problem
	held     []engine.HeldPart // what is no problem because it only rests
	apps     [2]crm.App        // of the two accounts; without an ID = unknown
	asks     whomToAsk
}

func (v *validation) add(pointer, code, format string, args ...any) {
	v.problems = append(v.problems, mapping.Problem{Pointer: pointer, Code: code, Detail: fmt.Sprintf(format, args...)})
}

// validate finds every problem of a document that can be told without looking
// at other connections. Old is what is stored; nil for a new connection. The
// error means that it could not be told, because an app or the store did not
// answer.
func (s *server) validate(
	ctx context.Context, ws crm.WorkspaceID, old, c *crm.Connection, asks whomToAsk,
) (*validation, error) {
	v := &validation{ctx: ctx, s: s, ws: ws, old: old, c: c, asks: asks}
	if old != nil && old.Status != crm.StatusDraft {
		var err error
		if v.known, err = s.Engine.Held(ctx, ws, old.ID); err != nil {
			return nil, err
		}
	}
	v.head()
	if err := v.notify(); err != nil {
		return nil, err
	}
	known, err := v.accounts()
	if err != nil {
		return nil, err
	}
	v.syncs()
	for i := range c.Syncs {
		if err := v.sync(i, known); err != nil {
			return nil, err
		}
		if err := v.activities(i, known); err != nil {
			return nil, err
		}
	}
	v.writers()
	if c.Status == crm.StatusDraft {
		v.steps()
	} else {
		v.works()
	}
	return v, nil
}

func (v *validation) head() {
	c := v.c
	if c.Name == "" || strings.ContainsFunc(c.Name, unicode.IsControl) {
		v.add("/name", CodeWrongLength, "a name has 1 to 200 printable characters")
	}
	for _, side := range crm.Sides {
		if _, err := time.LoadLocation(c.TimeZone.Get(side)); err != nil {
			v.add("/time_zone/"+string(side), reconcile.CodeUnknownZone, "use an IANA name such as \"America/New_York\"")
		}
	}
	if c.Country != "" && !slices.Contains(countries, c.Country) {
		v.add("/default_country", mapping.CodeUnknownCountry, "use two capital letters of ISO 3166-1, such as US")
	}
	if c.Access.Mode == access.ByAttribute && c.Access.Attribute == "" {
		v.add("/access/attribute", CodeMissingKey, "name the boolean attribute that lets users in")
	}
}

// accounts reports for each side whether its account exists.
func (v *validation) accounts() (known [2]bool, err error) {
	for i, side := range crm.Sides {
		id := v.c.Account(side)
		if id != "" {
			a, err := v.s.Accounts.Get(v.ctx, v.ws, id)
			if err != nil && !fault.Is(err, fault.NotFound) {
				return known, err
			}
			if known[i] = err == nil; known[i] {
				d, err := v.s.driverOf(v.ctx, v.ws, a)
				if err != nil {
					return known, err
				}
				v.apps[i] = d.App
			}
		}
		if !known[i] {
			v.add("/"+string(side)+"/account", CodeUnknownAccount,
				"there is no such account: create it first, or choose one of GET /v1/accounts")
		}
	}
	return known, nil
}

func (v *validation) syncs() {
	seen := map[crm.SyncID]bool{}
	if len(v.c.Syncs) > maxSyncs {
		v.add("/syncs", CodeTooMany, "at most %d syncs", maxSyncs)
	}
	for i := range v.c.Syncs {
		s, at := &v.c.Syncs[i], "/syncs/"+strconv.Itoa(i)
		switch {
		case !syncIDs.MatchString(string(s.ID)):
			v.add(at+"/id", mapping.CodeMissingID, "a sync's ID has 1 to 40 of a-z, 0-9, _ and -")
		case seen[s.ID]:
			v.add(at+"/id", mapping.CodeDuplicateID, "the ID %q is used by an earlier sync: choose another", s.ID)
		}
		seen[s.ID] = true
		if v.c.Left.Account == v.c.Right.Account && s.Left.Object == s.Right.Object {
			v.add(at+"/right/object", CodeSameObject,
				"both sides are the same object of the same account: choose another on one side")
		}
		for _, way := range []crm.Way{crm.ToRight, crm.ToLeft} {
			if s.Activities.Behavior.Get(way) == crm.BehaviorNothing {
				v.add(at+"/activities/behavior/"+string(way), CodeUnknownValue,
					"activities are created and updated, created only or updated only: to leave them out set activities.enabled to "+
						"false")
			}
		}
	}
}

// sync compiles one sync against the schemas of its two objects.
func (v *validation) sync(i int, known [2]bool) error {
	s, at := &v.c.Syncs[i], "/syncs/"+strconv.Itoa(i)
	var fields [2][]crm.Field
	unread := false
	for n, side := range crm.Sides {
		object := s.Object(side)
		if object == "" || len(object) > maxObject {
			v.add(at+"/"+string(side)+"/object", CodeUnknownObject, "name an object of the %s account%s", side, v.choice(side))
			continue
		}
		if !known[n] {
			continue
		}
		var err error
		fields[n], err = v.fields(s, side)
		switch {
		case fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) || fault.Is(err, fault.Unsupported):
			v.add(at+"/"+string(side)+"/object", CodeUnknownObject,
				"the %s account has no such object%s", side, v.choice(side))
		case err != nil && v.asks == askOrFail:
			return fmt.Errorf("fields of the %s side: %w", side, err)
		case err != nil:
			unread = true
			v.add(at+"/"+string(side)+"/object", problemOf(err).Code,
				"the fields of the %s side cannot be read just now, so that what names them is not checked", side)
		}
	}
	if unread {
		return nil
	}
	set, problems := reconcile.Compile(v.c, s, fields[0], fields[1])
	for _, p := range v.resting(i, set, problems) {
		if p.Code != reconcile.CodeUnknownZone { // said once for the whole document
			p.Pointer = at + p.Pointer
			v.problems = append(v.problems, p)
		}
	}
	for n, side := range crm.Sides {
		v.required(s, at, side, fields[n])
		v.stamps(s, at, side, fields[n])
	}
	v.identities(s, at)
	v.searchable(s, at, fields)
	v.locked(i)
	v.newest(s, at)
	return v.archives(s, at)
}

// choice says where the objects of a side are listed, and those that every account has;
// nothing while its account is unknown, which is said of that.
func (v *validation) choice(side crm.Side) string {
	app := v.apps[side.Index()]
	if app.ID == "" {
		return ""
	}
	say := fmt.Sprintf(": choose one of GET /v1/accounts/%s/objects", v.c.Account(side))
	if all := syncable(app); len(all) > 0 {
		say += ", such as " + strings.Join(all, ", ")
	}
	return say
}

// archives refuses to archive records in an app that has no way to.
func (v *validation) archives(s *crm.Sync, at string) error {
	for _, side := range crm.Sides {
		way := crm.WayTo(side)
		if s.Deletes.Get(way) != crm.DeleteArchive {
			continue
		}
		if app := v.apps[side.Index()]; app.ID != "" && !app.Can(crm.AbilityArchive) { // no account is said of it
			v.add(at+"/deletes/"+string(way), "unsupported", "%s has no way to archive a record: use tag or ignore", app.Name)
		}
	}
	return nil
}

// stamps asks that a fixed value is one of its field's options, to the letter:
// nothing translates it.
func (v *validation) stamps(s *crm.Sync, at string, side crm.Side, fields []crm.Field) {
	values := s.Stamp.Get(crm.WayTo(side))
	known := byName(fields)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		f := known[name]
		if f.OpenOptions || len(f.Options) == 0 {
			continue
		}
		for _, item := range mapping.Items(values[name]) {
			if !slices.ContainsFunc(f.Options, func(o crm.Option) bool { return o.Value == item }) {
				v.add(at+"/stamp/"+string(crm.WayTo(side))+"/"+pointerToken(name), mapping.CodeUnknownOption,
					"the %s field %q has no option %q: use one of GET /v1/accounts/%s/objects/%s/fields", side, name, item,
					v.c.Account(side), s.Object(side))
			}
		}
	}
}

// identities holds the match steps against the mappings: both speak of the same
// fields. The field of a key stays mapped while records are matched by it, and
// the field of an ID is the step's alone.
func (v *validation) identities(s *crm.Sync, at string) {
	for _, list := range matchLists(s.Match, at+"/match") {
		for i, step := range list.steps {
			here := list.at + "/" + strconv.Itoa(i)
			if step.By == crm.MatchByID {
				v.idStep(s, at, here, step)
				continue
			}
			for _, pair := range step.Pairs {
				v.keyMapped(s, at, pair)
			}
		}
	}
}

// keyMapped refuses a mapping of a key that is switched off.
func (v *validation) keyMapped(s *crm.Sync, at string, key [2]string) {
	for i := range s.Mappings {
		m := &s.Mappings[i]
		if m.On() && m.Direction != crm.DirectionOff || !slices.Contains(m.Left, key[0]) ||
			!slices.Contains(m.Right, key[1]) {
			continue
		}
		if slices.ContainsFunc(s.Mappings, func(o crm.Mapping) bool {
			return o.On() && o.Direction != crm.DirectionOff && slices.Contains(o.Left, key[0]) &&
				slices.Contains(o.Right, key[1])
		}) {
			continue
		}
		p := mapping.Problem{Pointer: at + "/mappings/" + strconv.Itoa(i) + "/enabled", Code: CodeKeyOff, Detail: fmt.Sprintf(
			"a match step goes by %q and %q, so their mapping stays on: records made without it would be nobody's twins; "+
				"take the step away first", key[0], key[1])}
		if !slices.Contains(v.problems, p) {
			v.problems = append(v.problems, p)
		}
	}
}

// idStep asks that an ID is kept by its step alone, or, where both sides hold a
// foreign one, that the two fields are mapped to each other.
func (v *validation) idStep(s *crm.Sync, at, here string, step crm.MatchStep) {
	fields := [2]string{step.Left, step.Right}
	own := step.Left == idOfRecord || step.Right == idOfRecord
	joined := false
	for i := range s.Mappings {
		m := &s.Mappings[i]
		left, right := slices.Contains(m.Left, fields[0]), slices.Contains(m.Right, fields[1])
		joined = joined || left && right && m.On() && m.Direction != crm.DirectionOff
		if !m.On() || left == right {
			continue
		}
		for n, side := range crm.Sides {
			if [2]bool{left, right}[n] && fields[n] != idOfRecord && m.Direction.Allows(crm.WayTo(side)) {
				v.add(at+"/mappings/"+strconv.Itoa(i)+"/"+string(side), CodeIDMapped,
					"the %s field %q holds the ID by which records are matched, and is not mapped otherwise: choose another field",
					side, fields[n])
			}
		}
	}
	if !own && !joined && step.Left != "" && step.Right != "" {
		v.add(here, CodeIDNotMapped, "%q and %q hold one ID, so they have to be mapped to each other first: add the "+
			"mapping, or let one side be %q", step.Left, step.Right, idOfRecord)
	}
}

// idOfRecord stands in a match step for a record's own ID.
const idOfRecord = "$id"

// pointerToken writes a key as a part of a JSON Pointer (RFC 6901).
func pointerToken(key string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(key) }

// fields lists the fields of a side's object. Where the engine has seen that one
// is gone, its list is the newer one: it costs no call.
func (v *validation) fields(s *crm.Sync, side crm.Side) ([]crm.Field, error) {
	if v.asks == askNobody {
		return v.s.knownFields(v.ctx, v.ws, v.c.Account(side), s.Object(side))
	}
	if v.savedSync(s) != nil && slices.ContainsFunc(v.known[s.ID], func(h engine.HeldPart) bool {
		return h.Side == side
	}) {
		return v.s.Engine.Fields(v.ctx, v.ws, v.c.Account(side), s.Object(side), false)
	}
	return v.s.fields(v.ctx, v.ws, v.c.Account(side), s.Object(side), false)
}

// required asks that everything an app demands on creation can come from
// somewhere: a mapping, or a stamp.
func (v *validation) required(s *crm.Sync, at string, side crm.Side, fields []crm.Field) {
	way := crm.WayTo(side)
	if !s.Direction.Allows(way) || !s.Behavior.Get(way).Creates() {
		return
	}
	filled := s.Fills(side)
	for name, value := range s.Stamp.Get(way) {
		filled[name] = filled[name] || !value.Blank()
	}
	for _, f := range fields {
		if f.Required && !f.ReadOnly && !filled[f.Name] {
			v.add(at+"/mappings", CodeRequiredUnmapped,
				"the %s app demands the field %q on creation: map it, stamp it, or set behavior.%s to update_only", side, f.Name,
				way)
		}
	}
}

// countries are the codes of ISO 3166-1 alpha-2.
var countries = strings.Fields(`
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
`)
