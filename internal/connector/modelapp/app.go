package modelapp

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Change is something that happened to a record.
type Change struct {
	Kind   ChangeKind
	ID     crm.RecordID
	Into   crm.RecordID // merged: the survivor
	ByUser bool         // by the app's own users, not through the connector
	Before crm.Fields   // nil = was not there; not to be changed
	After  crm.Fields   // nil = is not there; not to be changed
	Ref    string       // of a write through the connector
	At     time.Time    // by the app's clock
}

// ChangeKind says what happened.
type ChangeKind uint8

// The kinds of change.
const (
	Created ChangeKind = iota
	Updated
	Deleted
	Restored
	Merged
)

// App is a model app. Safe for concurrent use.
type App struct {
	// Observe, if set, is told of every change as it happens. It must not call the App.
	Observe func(Change)
	// Late, if set, is asked of every change how much longer than Lag it takes
	// to show in searches. A later change that shows sooner overtakes it.
	Late func() time.Duration

	opts  Options
	names []string // all fields, prefixed
	mu    sync.Mutex
	rows  map[crm.RecordID]*row
	order []*row // by ID
	calls int
	valid string // the token that is accepted
	made  int    // tokens made
	gone  bool   // the grant was revoked

	broken map[crm.RecordID]bool // records that batch reads fail at

	archived map[string]bool // fields that an admin took away; their values wait
}

// row is one record with all that is known of it.
type row struct {
	id       crm.RecordID
	fields   crm.Fields // never changed in place
	created  time.Time
	modified time.Time
	deleted  bool
	into     crm.RecordID
	absorbed []crm.RecordID // never changed in place
	version  int
	by       string                 // who changed it last
	past     map[string][]crm.Value // newest first
	index    view
	coming   []view // not in the index yet, oldest first
}

// view is a record as the index knows it.
type view struct {
	due      time.Time
	fields   crm.Fields
	modified time.Time
	deleted  bool
	into     crm.RecordID
	absorbed []crm.RecordID
	known    bool
}

// New returns an empty app.
func New(o Options) *App {
	o = o.withDefaults()
	a := &App{opts: o, rows: map[crm.RecordID]*row{}, archived: map[string]bool{}}
	for _, f := range o.fields() {
		a.names = append(a.names, f.Name)
	}
	return a
}

// Name returns a field's name in this app.
func (a *App) Name(field string) string { return a.opts.Prefix + field }

// Calls counts the connector's calls.
func (a *App) Calls() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls
}

// now is the app's time, as coarse as the app keeps it.
func (a *App) now() time.Time { return a.opts.Now().Truncate(a.opts.Coarse) }

// Create makes a record as a user would.
func (a *App) Create(f crm.Fields) (crm.RecordID, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.visible(f); err != nil {
		return "", err
	}
	r, err := a.create(f, "", true)
	if err != nil {
		return "", err
	}
	return r.id, nil
}

// Edit changes a record as a user would; a blank empties a field.
func (a *App) Edit(id crm.RecordID, f crm.Fields) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	r, err := a.live(id)
	if err != nil {
		return err
	}
	if err := a.visible(f); err != nil {
		return err
	}
	return a.update(r, f, "", true)
}

// Delete deletes a record as a user would.
func (a *App) Delete(id crm.RecordID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	r, err := a.live(id)
	if err != nil {
		return err
	}
	a.remove(r, "", "", true)
	return nil
}

// Restore takes a deleted record back.
func (a *App) Restore(id crm.RecordID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.rows[id]
	if r == nil || !r.deleted || r.into != "" {
		return fault.New("model: restore", fault.NotFound, "", "the record is not in the recycle bin")
	}
	if other := a.holder(r.fields[a.Name(Email)], r); other != nil {
		return a.taken(other)
	}
	r.deleted = false
	a.touch(r)
	a.tell(Change{Kind: Restored, ID: r.id, ByUser: true, After: r.fields})
	return nil
}

// Merge puts record id into record into: the survivor, which may be a new
// record, has the values of into and takes over what it lacks. It returns the
// survivor.
func (a *App) Merge(id, into crm.RecordID) (crm.RecordID, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	loser, err := a.live(id)
	if err != nil {
		return "", err
	}
	winner, err := a.live(into)
	if err != nil || loser == winner {
		return "", fault.New("model: merge", fault.NotFound, "", "there is no such record")
	}
	if a.opts.NewRecord {
		return a.mergeAnew(loser, winner)
	}
	a.remove(loser, winner.id, "", true)
	winner.absorbed = slices.Concat(winner.absorbed, loser.absorbed, []crm.RecordID{loser.id})
	missing := crm.Fields{}
	for k, v := range loser.fields {
		if winner.fields[k].Blank() {
			missing[k] = v
		}
	}
	return winner.id, a.update(winner, missing, "", true)
}

// mergeAnew puts two records into a new one.
func (a *App) mergeAnew(loser, winner *row) (crm.RecordID, error) {
	fields := loser.fields.Clone()
	for k, v := range winner.fields {
		if !v.Blank() {
			fields[k] = v
		}
	}
	id := a.nextID()
	a.remove(loser, id, "", true)
	a.remove(winner, id, "", true)
	r, err := a.create(fields, "", true)
	if err != nil {
		return "", err
	}
	r.absorbed = slices.Concat(winner.absorbed, loser.absorbed, []crm.RecordID{winner.id, loser.id})
	a.touch(r)
	return r.id, nil
}

func (a *App) nextID() crm.RecordID {
	return crm.RecordID(fmt.Sprintf("%sp%06d", a.opts.Prefix, len(a.order)+1))
}

// lives is the record in which r lives on, itself if it was not merged away.
func (a *App) lives(r *row) *row {
	for r != nil && r.into != "" {
		r = a.rows[r.into]
	}
	return r
}

// Row is a record as an audit sees it.
type Row struct {
	ID      crm.RecordID
	Fields  crm.Fields // not to be changed
	Deleted bool
	Into    crm.RecordID
}

// Rows lists all records by ID, deleted ones too.
func (a *App) Rows() []Row {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]Row, len(a.order))
	for i, r := range a.order {
		out[i] = Row{r.id, r.fields, r.deleted, r.into}
	}
	return out
}

func (a *App) live(id crm.RecordID) (*row, error) {
	if r := a.rows[id]; r != nil && !r.deleted {
		return r, nil
	}
	return nil, fault.New("model: find record", fault.NotFound, "record_not_found", "there is no such record")
}

func (a *App) create(f crm.Fields, ref string, byUser bool) (*row, error) {
	stored, err := a.stored(nil, f, byUser)
	if err != nil {
		return nil, err
	}
	if other := a.holder(stored[a.Name(Email)], nil); other != nil {
		return nil, a.taken(other)
	}
	r := &row{id: a.nextID(), fields: stored, created: a.now(), past: map[string][]crm.Value{}}
	a.rows[r.id] = r
	a.order = append(a.order, r)
	a.remember(r, stored)
	r.by = who(byUser)
	a.touch(r)
	a.tell(Change{Kind: Created, ID: r.id, ByUser: byUser, After: stored, Ref: ref})
	return r, nil
}

func (a *App) update(r *row, f crm.Fields, ref string, byUser bool) error {
	stored, err := a.stored(r.fields, f, byUser)
	if err != nil {
		return err
	}
	if other := a.holder(stored[a.Name(Email)], r); other != nil {
		return a.taken(other)
	}
	before := r.fields
	r.fields, r.by = stored, who(byUser)
	a.remember(r, f)
	a.touch(r)
	a.tell(Change{Kind: Updated, ID: r.id, ByUser: byUser, Before: before, After: stored, Ref: ref})
	return nil
}

func (a *App) remove(r *row, into crm.RecordID, ref string, byUser bool) {
	r.deleted, r.into = true, into
	a.touch(r)
	kind := Deleted
	if into != "" {
		kind = Merged
	}
	a.tell(Change{Kind: kind, ID: r.id, Into: into, ByUser: byUser, Before: r.fields, Ref: ref})
}

// who names the app's users: ours, or any of its own.
func who(byUser bool) string {
	if byUser {
		return "user"
	}
	return ourUser
}

const ourUser = "api"

func (a *App) tell(c Change) {
	if a.Observe != nil {
		c.At = a.now()
		a.Observe(c)
	}
}

// remember keeps past values of the fields in f.
func (a *App) remember(r *row, f crm.Fields) {
	if !a.opts.History {
		return
	}
	for k := range f {
		v, ok := r.fields[k]
		if !ok {
			v = crm.NullValue()
		}
		if old := r.past[k]; len(old) == 0 || !old[0].Equal(v) {
			r.past[k] = append([]crm.Value{v}, old...)
		}
	}
}

// touch dates a change and sends it on its way to the index.
func (a *App) touch(r *row) {
	now := a.opts.Now()
	r.modified = a.now()
	r.version++
	lag := a.opts.Lag
	if a.opts.Jitter && lag > 0 {
		lag = lag * time.Duration((len(a.order)*7+r.version*13+a.calls*5)%11) / 10
	}
	if a.Late != nil {
		lag += a.Late()
	}
	r.coming = append(r.coming, view{
		due: now.Add(lag), fields: r.fields, modified: r.modified, deleted: r.deleted, into: r.into, absorbed: r.absorbed,
		known: true,
	})
}

// indexed returns the record as searches know it now.
func (a *App) indexed(r *row, now time.Time) *view {
	n := 0
	for n < len(r.coming) && !r.coming[n].due.After(now) {
		r.index = r.coming[n]
		n++
	}
	for i := n; a.Late != nil && i < len(r.coming); i++ {
		if !r.coming[i].due.After(now) {
			r.index, n = r.coming[i], i+1
		}
	}
	r.coming = r.coming[n:]
	return &r.index
}

// holder returns the live record that holds an e-mail address where the app
// keeps them unique.
func (a *App) holder(email crm.Value, self *row) *row {
	if !a.opts.Unique || email.Blank() {
		return nil
	}
	want := strings.ToLower(strings.TrimSpace(email.Text()))
	i := slices.IndexFunc(a.order, func(r *row) bool {
		return r != self && !r.deleted && strings.ToLower(strings.TrimSpace(r.fields[a.Name(Email)].Text())) == want
	})
	if i < 0 {
		return nil
	}
	return a.order[i]
}

// existsError is a refusal that names the record in the way.
type existsError struct {
	refusal *fault.Error
	id      crm.RecordID
}

func (e existsError) Error() string { return e.refusal.Error() }

func (e existsError) Unwrap() error { return e.refusal }

func (a *App) taken(by *row) error {
	return existsError{
		fault.New("model: write", fault.Conflict, "already_exists", "another record has this e-mail address"), by.id,
	}
}

// Row returns one record, deleted or not.
func (a *App) Row(id crm.RecordID) (Row, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.rows[id]
	if r == nil {
		return Row{}, false
	}
	return Row{r.id, r.fields, r.deleted, r.into}, true
}
