package engine

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// How often an app is asked what fields it has, beside Tuning.SchemaFor.
const (
	schemaAgain = time.Minute     // least time between two looks because a record lacks a field
	heldFor     = 5 * time.Minute // between two looks while something is held
	unseenFor   = time.Hour       // how long a field rests that the app lists and does not show
	maxGone     = 1000            // fields remembered as gone, of one object
	maxRested   = 100             // parts that a run lists
)

// These warn of what is held: see reconcile.Held.
const (
	codeFieldMissing = reconcile.CodeFieldMissing
	codeFieldChanged = reconcile.CodeFieldChanged
)

// heldCodes are the two, in the order in which they are told.
var heldCodes = []string{codeFieldMissing, codeFieldChanged}

// HeldPart is a part of the settings that rests because a field is gone or changed.
type HeldPart struct {
	Kind    reconcile.HeldKind `json:"kind"` // mapping, rule, action, match_step or stamp
	ID      string             `json:"id"`
	Pointer string             `json:"pointer"` // in the sync
	Side    crm.Side           `json:"side"`
	Field   string             `json:"field"`
	Since   time.Time          `json:"since,omitzero"` // when it was first missed, or found changed
	Code    string             `json:"code"`           // field_missing, field_changed
	Detail  string             `json:"detail,omitempty"`
	Remedy  string             `json:"remedy"`
	Was     *FieldShape        `json:"was,omitempty"`    // of a field that changed, if that is known
	Is      *FieldShape        `json:"is,omitempty"`     // what it is instead
	Repair  map[string]any     `json:"repair,omitempty"` // a merge patch of the mapping that would mend it
}

// heldParts lists what rests in a sync.
func heldParts(set *reconcile.Settings, conf *crm.Sync, schemas [2]cachedSchema) []HeldPart {
	var out []HeldPart
	for _, h := range set.Held() {
		cs := schemas[h.Side.Index()]
		since, found := cs.Gone[h.Field]
		if !found {
			since = cs.At
		}
		part := NewHeldPart(&h)
		part.Since = since
		if h.Code != "" {
			part.tellChange(&cs, h.Code, lineOf(conf, crm.MappingID(h.ID)))
		}
		out = append(out, part)
	}
	return out
}

// NewHeldPart says what to do about a part that rests.
func NewHeldPart(h *reconcile.Held) HeldPart {
	p := HeldPart{
		Kind: h.Kind, ID: h.ID, Pointer: h.Pointer, Side: h.Side, Field: h.Field, Detail: h.Detail,
		Code: codeFieldMissing, Remedy: remedyOf(h),
	}
	if h.Code != "" {
		p.Code = codeFieldChanged
	}
	return p
}

// lineOf is a line of a sync's document; nil = it has none of that name.
func lineOf(conf *crm.Sync, id crm.MappingID) *crm.Mapping {
	for _, m := range conf.Lines() {
		if m.ID == id {
			return &m
		}
	}
	return nil
}

// noteHeldParts keeps in a run what rests while it goes on. It is stored with the run.
func (s *session) noteHeldParts(r *storedRun) {
	for _, p := range heldParts(s.set, s.conf, s.schemas) {
		if !slices.ContainsFunc(r.Run.Held, func(o HeldPart) bool {
			return o.Kind == p.Kind && o.ID == p.ID && o.Side == p.Side && o.Field == p.Field
		}) && len(r.Run.Held) < maxRested {
			r.Run.Held = append(r.Run.Held, p)
		}
	}
}

// heldNames are what a sync's scan state remembers of held parts.
func heldNames(set *reconcile.Settings) []string {
	var out []string
	for _, h := range set.Held() {
		name := strings.Join([]string{string(h.Kind), h.ID, string(h.Side), h.Field}, "/")
		if h.Code != "" {
			name += "/" + h.Code
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// useSchemas compiles a sync's settings and, while something is held and nobody has
// looked for a while, asks the app whether the field is back.
func (s *session) useSchemas(ctx context.Context, schemas [2]cachedSchema) {
	s.schemas, s.late = schemas, [2][]string{}
	s.use(schemas)
	s.askForHeld(ctx, heldFor, fromApp)
	s.listFields()
}

// use compiles the sync's settings of these schemas.
func (s *session) use(schemas [2]cachedSchema) {
	s.set = s.compile(s.scope, s.conn, s.conf, schemas)
	if s.set.Assigns() {
		if s.people == nil {
			s.people = newPeople()
		}
		s.set = s.set.WithUsers(s.people)
	}
	if s.set.Refers() {
		if s.partners == nil {
			s.partners = newPartners()
		}
		s.set = s.set.WithPartners(s.partners)
	}
}

// askForHeld asks the apps for the fields of what is held, where that was not
// done within age.
func (s *session) askForHeld(ctx context.Context, age time.Duration, from schemaFrom) {
	asked := false
	for _, side := range crm.Sides {
		i := side.Index()
		since := s.Now().Sub(s.schemas[i].At)
		if since >= 0 && since < age ||
			!slices.ContainsFunc(s.set.Held(), func(h reconcile.Held) bool { return h.Side == side || h.Code != "" }) {
			continue
		}
		cs, err := s.schema(ctx, s.ws, s.conn.Account(side), s.ends[i].Connector, s.ends[i].object, from)
		if err != nil {
			s.Log.Info("fields not looked at again", "connection", s.con, "sync", s.sync, "side", side, "error", err)
			continue
		}
		s.Mark("held_looked_again")
		s.schemas[i], asked = cs, true
	}
	if asked {
		s.rememberSchemas(s.scope, s.conn, s.schemas)
		s.use(s.schemas)
		s.listFields()
	}
}

func (s *session) listFields() {
	for _, side := range crm.Sides {
		s.ends[side.Index()].fields = s.set.ReadFields(side)
	}
}

// lacking returns the fields that were asked for and that a complete read of a
// record does not have, where the app would say so if they were blank: they are
// gone, or no longer shown.
func (s *session) lacking(side crm.Side, asked []string, records ...*crm.Record) []string {
	e := s.end(side)
	if e.app.BlankOf(e.object) == crm.BlankOmitted {
		return nil
	}
	var out []string
	for _, r := range records {
		if r == nil || r.Deleted || r.MergedInto != "" || r.Fields == nil {
			continue // or one of which nothing could be read: it says nothing of any field
		}
		for _, name := range asked {
			if _, sent := r.Fields[name]; !sent && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// missed returns the field that an app refuses a call for because it does not
// have it; ok is false when that is not what the error says.
func (s *session) missed(side crm.Side, err error) (field string, ok bool) {
	var named []string
	f, is := asFault(err)
	if !is || f.Code != codeFieldMissing {
		return "", false
	}
	named = append(named, f.Field)
	for _, ff := range f.Fields {
		named = append(named, ff.Field)
	}
	for _, name := range s.end(side).fields {
		if slices.ContainsFunc(named, func(n string) bool { return strings.EqualFold(n, name) }) {
			return name, true
		}
	}
	return "", false
}

// without goes on without fields that an app was seen to lack: its schema is
// read again, at most once a minute, and what looks at them is held. A field
// that the app still lists and does not show is taken for gone a while: an hour
// if it was asked just now, else until it may be asked.
func (s *session) without(ctx context.Context, side crm.Side, names []string) error {
	i := side.Index()
	e := &s.ends[i]
	cs := s.schemas[i]
	s.Mark("field_missed")
	key := schemaKey(s.ws, s.conn.Account(side), e.object)
	rests := schemaAgain // unless the app says now that it has the field
	if age := s.Now().Sub(cs.Missed); age < 0 || age >= schemaAgain {
		fresh, err := s.schema(ctx, s.ws, s.conn.Account(side), e.Connector, e.object, fromApp)
		switch {
		case err == nil:
			cs, rests = fresh, unseenFor
			cs.Missed = s.Now()
		case fault.Is(err, fault.Throttled), fault.Is(err, fault.Unavailable), fault.Is(err, fault.Denied):
			// What was known has to do: without the fields that were missed.
		default:
			return atSide(side, "discover fields", err)
		}
	}
	cs.Unseen = cloneTimes(cs.Unseen)
	for _, name := range names {
		if cs.has(name) {
			cs.Unseen[name] = s.Now().Add(rests - unseenFor)
		}
	}
	var err error
	if cs, err = s.storeSchema(ctx, key, cs, cs); err != nil {
		return err
	}
	s.putOff(i, &cs)
	s.schemas[i] = cs
	s.rememberSchemas(s.scope, s.conn, s.schemas)
	s.use([2]cachedSchema{s.schemas[0].but(s.late[0]), s.schemas[1].but(s.late[1])})
	s.listFields()
	s.Log.Warn("the app no longer shows fields: what uses them is held", "connection", s.con, "sync", s.sync, "side", side,
		"fields", names)
	return nil
}

// putOff leaves fields that came back to the next session: records that were
// read in this one were not asked for them, and would seem blank there.
func (s *session) putOff(i int, fresh *cachedSchema) {
	for _, f := range fresh.Fields {
		if !s.schemas[i].has(f.Name) && !slices.Contains(s.late[i], f.Name) {
			s.Mark("back_for_the_next")
			s.late[i] = append(s.late[i], f.Name)
		}
	}
	slices.Sort(s.late[i])
}

func cloneTimes(m map[string]time.Time) map[string]time.Time {
	out := make(map[string]time.Time, len(m)+1)
	for k, v := range m {
		out[k] = v
	}
	return out
}

// noteHeld remembers in the sync's scan state what is held, so that the tick
// looks whether it is back. What is held no more is left to releaseHeld.
func (s *session) noteHeld(ctx context.Context) error {
	now := heldNames(s.set)
	if len(now) == 0 {
		return nil
	}
	for range 5 {
		st, err := s.loadScan(ctx, s.scope)
		if err != nil {
			return err
		}
		all := slices.Concat(st.Held, now)
		slices.Sort(all)
		if all = slices.Compact(all); slices.Equal(all, st.Held) {
			return nil
		}
		if err := s.touchAgenda(ctx, s.scope); err != nil {
			return err
		}
		st.Held = all
		if err = s.saveScan(ctx, s.scope, st); err == nil {
			s.Mark("held")
			return nil
		} else if !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return nil // the sync is busy: whoever opens it next notes it
}

// releaseHeld looks, at its time, whether what was held has its fields back.
// Then everything is looked at anew: what was edited meanwhile travels.
func (e *Engine) releaseHeld(ctx context.Context, sc scope, conn *crm.Connection) error {
	st, err := e.loadScan(ctx, sc)
	if err != nil || len(st.Held) == 0 {
		return err
	}
	s, err := e.open(ctx, sc, conn)
	if err != nil {
		return err
	}
	return s.letLoose(ctx, st)
}

// back reports whether anything is held no more.
func (s *session) back(st *scanState) bool {
	now := heldNames(s.set)
	return slices.ContainsFunc(st.Held, func(name string) bool { return !slices.Contains(now, name) })
}

// letLoose starts a full look at both sides once something is held no more. It
// is forgotten only when that run stands.
func (s *session) letLoose(ctx context.Context, st *scanState) error {
	if !s.back(st) {
		return nil
	}
	if st.OpenRun != "" {
		r, err := s.loadRun(ctx, s.ws, st.OpenRun)
		if err != nil && !fault.Is(err, fault.NotFound) || err == nil && r.open() && r.Generation == s.conn.Generation {
			return err // after that one
		}
	}
	run, err := s.startRun(ctx, s.scope, s.conn, RunResync, func(r *storedRun) { r.Full = true })
	if err != nil || run.Kind != RunResync {
		return err
	}
	s.Mark("held_released")
	return s.forgetHeld(ctx)
}

// forgetHeld remembers what is held now and nothing else.
func (s *session) forgetHeld(ctx context.Context) error {
	for range 5 {
		fresh, err := s.loadScan(ctx, s.scope)
		if err != nil {
			return err
		}
		fresh.Held = heldNames(s.set)
		if err = s.saveScan(ctx, s.scope, fresh); !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return nil // it stays noted: another full look does no harm
}

// stays leaves a record or pair as it stands of which nothing could be decided.
func (u *unit) stays() {
	if !u.decision.Held || u.link == nil {
		return
	}
	u.decision.State, u.decision.Code, u.decision.Detail = u.link.State, u.link.Code, u.link.Detail
	u.others = u.link.Others
	u.decision.Outcome = crm.Unchanged
}

// writing reports whether any of the rows is to write the field.
func (*session) writing(rows []row, field string) bool {
	return slices.ContainsFunc(rows, func(r row) bool { _, ok := r.Fields[field]; return ok })
}

// writeWithout is for a call that an app refused whole because it lacks a field:
// the rows with it are narrowed, the others written.
func (s *session) writeWithout(ctx context.Context, side crm.Side, rows []row, field string, err error) error {
	var rest []row
	for _, r := range rows {
		if _, ok := r.Fields[field]; ok {
			s.landed(side, r, &connector.Written{Err: err})
		} else {
			rest = append(rest, r)
		}
	}
	if len(rest) == 0 {
		return nil
	}
	return s.write(ctx, side, rest)
}

// goWithout looks at the schema again after an app refused to write fields that
// it lacks. What was decided is settled by then.
func (s *session) goWithout(ctx context.Context) error {
	for _, side := range crm.Sides {
		if s.doubted.Get(side) {
			s.doubted.Set(side, false)
			s.doubt(ctx, side)
		}
		names := s.dropped.Get(side)
		if len(names) == 0 {
			continue
		}
		slices.Sort(names)
		s.dropped.Set(side, nil)
		if err := s.without(ctx, side, slices.Compact(names)); err != nil {
			return err
		}
	}
	return nil
}

// doubt reads a schema again that does not say what the app does: it refused a field as
// read-only, or an option. Where that is so for everybody, the mapping is held.
func (s *session) doubt(ctx context.Context, side crm.Side) {
	i := side.Index()
	if age := s.Now().Sub(s.schemas[i].At); age >= 0 && age < heldFor {
		return
	}
	cs, err := s.schema(ctx, s.ws, s.conn.Account(side), s.ends[i].Connector, s.ends[i].object, fromApp)
	if err != nil {
		s.Log.Info("fields not looked at again", "connection", s.con, "sync", s.sync, "side", side, "error", err)
		return
	}
	s.Mark("schema_doubted")
	s.putOff(i, &cs)
	s.schemas[i] = cs
	s.rememberSchemas(s.scope, s.conn, s.schemas)
	s.use([2]cachedSchema{s.schemas[0].but(s.late[0]), s.schemas[1].but(s.late[1])})
	s.listFields()
}

// statusHeld warns of what rests in a sync, by the schemas that are stored: the
// status asks no app.
func (e *Engine) statusHeld(ctx context.Context, sc scope, conn *crm.Connection, conf *crm.Sync, st *SyncStatus) error {
	if conn.Status == crm.StatusDraft {
		return nil // what it lacks is a problem of the draft
	}
	parts, err := e.heldNow(ctx, sc, conn, conf)
	if err == nil && len(parts) > 0 {
		st.Held = parts
		for _, code := range heldCodes {
			if slices.ContainsFunc(parts, func(p HeldPart) bool { return p.Code == code }) {
				st.Warnings = append(st.Warnings, code)
			}
		}
	}
	return err
}

// heldWaits says of each side's app that something waits for its fields.
func (e *Engine) heldWaits(ctx context.Context, sc scope, conn *crm.Connection, parts []HeldPart) []Waiting {
	var out []Waiting
	for _, side := range crm.Sides {
		for _, code := range heldCodes {
			w := Waiting{Code: code, Side: side, Account: conn.Account(side)}
			var names []string
			for i := range parts {
				p := &parts[i]
				if p.Side != side || p.Code != code {
					continue
				}
				if !slices.Contains(names, p.Field) {
					names = append(names, p.Field)
				}
				if w.Since.IsZero() || p.Since.Before(w.Since) {
					w.Since = p.Since
				}
			}
			if len(names) == 0 {
				continue
			}
			if c, err := e.Open(ctx, sc.ws, w.Account); err == nil {
				w.App = c.App().ID
			}
			w.Detail = map[string]string{
				codeFieldMissing: "fields that are gone: ", codeFieldChanged: "fields that a mapping does not fit any more: ",
			}[code] + strings.Join(names, ", ")
			out = append(out, w)
		}
	}
	return out
}

// heldNow lists what rests in a sync by the stored schemas; nil while one of
// them was never read.
func (e *Engine) heldNow(ctx context.Context, sc scope, conn *crm.Connection, conf *crm.Sync) ([]HeldPart, error) {
	var schemas [2]cachedSchema
	for _, side := range crm.Sides {
		item, err := e.Store.Get(ctx, schemaKey(sc.ws, conn.Account(side), conf.Object(side)))
		if fault.Is(err, fault.NotFound) {
			return nil, nil
		}
		if err == nil {
			err = json.Unmarshal(item.Data, &schemas[side.Index()])
		}
		if err != nil {
			return nil, err
		}
	}
	return heldParts(e.compile(sc, conn, conf, schemas), conf, schemas), nil
}

// Held lists what rests in the syncs of a connection because a field is gone.
func (e *Engine) Held(ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID) (map[crm.SyncID][]HeldPart, error) {
	conn, _, err := e.connectionAt(ctx, ws, id)
	if err != nil {
		return nil, err
	}
	out := map[crm.SyncID][]HeldPart{}
	for i := range conn.Syncs {
		conf := &conn.Syncs[i]
		parts, err := e.heldNow(ctx, scope{ws, id, conf.ID}, conn, conf)
		if err != nil {
			return nil, err
		}
		if len(parts) > 0 {
			out[conf.ID] = parts
		}
	}
	return out, nil
}
