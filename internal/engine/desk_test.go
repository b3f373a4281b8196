package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// desk is a piece of work whose store and apps hold what a test puts there. What
// they are asked for is noted, and any one request may fail.
type desk struct {
	*stillBed
	s     *session
	apps  [2]*sayer
	asked []string
	at    int // the request that fails; negative = none

	intended *intent // what an earlier worker was about to write
	jobs     []*job
	units    []*unit
	run      *storedRun
	calm     bool          // no request fails
	terse    bool          // requests are told only where something comes of their failing
	brief    bool          // and only what is remembered otherwise; whoever goes on without one is told all the same
	lays     func(d *desk) // what is so of every piece of work; nil = nothing
}

// deskLag is the index lag of both apps.
const deskLag = 10 * time.Second

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{stillBed: newStillBed(t, nil), at: -1}
	d.conn = recovering(t).conn
	d.conn.Enabled = true
	for i, side := range crm.Sides {
		d.apps[i] = &sayer{d: d, side: side, rows: map[crm.RecordID]crm.Record{}}
	}
	_, version, err := store.LoadConnection(t.Context(), d.mem, d.sc.ws, d.sc.con)
	d.must(err)
	_, err = store.SaveConnection(t.Context(), d.mem, d.sc.ws, d.conn, version)
	d.must(err)
	d.Store = deskStore{d.mem, d}
	d.sit()
	return d
}

// sit begins a new piece of work of the same process.
func (d *desk) sit() {
	d.s = d.session(deskLag)
	d.s.set = recovering(d.t).set
	for i, object := range []string{"person", "Person"} {
		d.s.ends[i] = end{Connector: d.apps[i], app: d.apps[i].App(), object: object, fields: deskFields[i]}
	}
	if d.lays != nil {
		d.lays(d)
	}
}

var deskFields = [2][]string{{"city", "email", "tags"}, {"City", "Email", "Tags"}}

// fails is asked before each request, which may be the one.
func (d *desk) fails(what string) error {
	d.asked = append(d.asked, what)
	if len(d.asked)-1 == d.at {
		return fault.New("desk: "+what, fault.Unavailable, "unavailable", "not now")
	}
	return nil
}

// person is a record of a side, with what it holds in the order of deskFields.
func (d *desk) person(side crm.Side, id crm.RecordID, city, mail string, tags ...string) *crm.Record {
	names := deskFields[side.Index()]
	r := crm.Record{
		ID: id, Fields: crm.Fields{
			names[0]: crm.TextValue(city), names[1]: crm.TextValue(mail), names[2]: crm.ListValue(tags...),
		},
	}
	d.apps[side.Index()].rows[id] = r
	return &r
}

// place names a key for people who read the story.
func place(k store.Key) string {
	kind, _ := store.KindOf(k)
	return strings.TrimSpace(kind.Name + " " + k.Sort)
}

// remembers is all that the store holds, but for the connection.
func (d *desk) remembers() string {
	d.t.Helper()
	var lines []string
	for _, table := range store.Tables {
		d.mem.Each(table, func(it store.Item) bool {
			if kind, _ := store.KindOf(it.Key); table == store.Settings && kind.Name != "schema" {
				return true
			}
			data := it.Data
			if b, err := unpack(data); err == nil {
				data = b
			}
			line := fmt.Sprintf("%s: %s", place(it.Key), tidy(data))
			if len(it.Counters) > 0 {
				line += " counts " + fmt.Sprint(it.Counters)
			}
			if it.Index != "" {
				line += " listed under " + it.Index
			}
			lines = append(lines, line)
			return true
		})
	}
	slices.Sort(lines)
	return madeText.ReplaceAllString(strings.Join(lines, "\n"), "$1")
}

// madeText are names of what is made anew each time that work is begun.
var madeText = regexp.MustCompile(`\b(prk|chk|trc|own|int|run|log|pg|pln)_\d{8,}\b`)

// unlike tells what of the lines of two memories is not the same.
func unlike(want, got string) string {
	var out []string
	mine, theirs := strings.Split(want, "\n"), strings.Split(got, "\n")
	for _, l := range mine {
		if !slices.Contains(theirs, l) {
			out = append(out, "    - "+l)
		}
	}
	for _, l := range theirs {
		if !slices.Contains(mine, l) {
			out = append(out, "    + "+l)
		}
	}
	return strings.Join(out, "\n")
}

// tidy writes JSON with its keys in order.
func tidy(data []byte) string {
	var v any
	if json.Unmarshal(data, &v) != nil {
		return fmt.Sprintf("%q", data)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// met lists the rare states that were come by.
func (d *desk) met() string { return strings.Join(slices.Sorted(maps.Keys(d.marks)), " ") }

// plays lets f do its work on a desk that prepare has laid, and tells what it asked
// for, what it says and what is remembered in the end. Then each of its requests
// fails, one at a time: f has to say so, but for the requests that are beside the
// matter, which are told; and when it comes again it brings about the same.
func plays(t *testing.T, prepare func(d *desk), f func(d *desk) (string, error)) string {
	t.Helper()
	lay := func(at int) *desk {
		d := newDesk(t)
		prepare(d)
		d.asked, d.at = nil, at
		return d
	}
	d := lay(-1)
	before := d.remembers()
	said, err := f(d)
	requests, want := d.asked, d.remembers()
	var out strings.Builder
	fmt.Fprintf(&out, "says: %s, %v\ncame by: %s\n", said, err, d.met())
	if changed := unlike(before, want); d.brief && changed != "" {
		fmt.Fprintf(&out, "remembered otherwise:\n%s\n", changed)
	} else if !d.brief {
		fmt.Fprintf(&out, "remembered:\n  %s\n", strings.ReplaceAll(want, "\n", "\n  "))
	}
	if d.calm {
		return out.String()
	}
	unremarkable := 0
	for at, what := range requests {
		before := out.Len()
		fmt.Fprintf(&out, "asks: %s\n", madeText.ReplaceAllString(what, "$1"))
		asked := out.Len()
		d := lay(at)
		if _, failed := f(d); failed == nil {
			fmt.Fprintf(&out, "  goes on without\n")
		} else if !fault.Is(failed, fault.Unavailable) || !strings.Contains(failed.Error(), "not now") {
			fmt.Fprintf(&out, "  fails with %v\n", failed)
		}
		d.at = -1
		d.sit()
		if said, again := f(d); again != nil && !(d.brief && fmt.Sprint(again) == fmt.Sprint(err)) {
			fmt.Fprintf(&out, "  then: %s, %v\n", said, again)
		} else if got := d.remembers(); got != want {
			fmt.Fprintf(&out, "  then remembered:\n%s\n", unlike(want, got))
		}
		rest := out.String()[asked:]
		if rest == "" && (d.terse || d.brief) || rest == "  goes on without\n" && d.terse {
			told := out.String()[:before]
			out.Reset()
			out.WriteString(told)
			unremarkable++
		}
	}
	if unremarkable > 0 {
		fmt.Fprintf(&out, "%d requests may fail, and all comes about when it is asked again\n", unremarkable)
	}
	return out.String()
}

// sayer is an app that answers with what a test gave it.
type sayer struct {
	connector.Connector // what it does not say here is asked by no test

	d     *desk
	side  crm.Side
	rows  map[crm.RecordID]crm.Record
	order []crm.RecordID // of its listing
	page  int            // records of it at a time; 0 = 1
	past  map[crm.RecordID]map[string][]crm.Value
	ill   map[crm.RecordID]error                // why it does not show a record
	old   bool                                  // it has forgotten the cursor
	crowd string                                // more hold this value than it lists
	odd   bool                                  // it answers for another value than it was asked
	users map[string]string                     // with their addresses; nil = it cannot be asked for any
	hides map[string]error                      // why it says nothing of a user
	self  func(context.Context) (string, error) // nil = it cannot say who we are
}

func (a *sayer) App() crm.App {
	return crm.App{
		ID: "app", Abilities: []crm.Ability{crm.AbilityHistory},
		Limits: crm.Limits{IndexLag: deskLag, ReadBatch: 2, FindBatch: 2, WriteBatch: 2},
	}
}

func (a *sayer) Extras() connector.Extras {
	x := connector.Extras{History: a.history, Self: a.self}
	if a.users != nil {
		x.OwnerEmail, x.OwnerByEmail = a.ownerEmail, a.ownerByEmail
	}
	return x
}

func (a *sayer) ownerEmail(_ context.Context, id string) (string, error) {
	if err := a.d.fails(fmt.Sprintf("%s who is %s", a.side, id)); err != nil {
		return "", err
	}
	if why := a.hides[id]; why != nil {
		return "somebody@example.com", why
	}
	if mail, ok := a.users[id]; ok {
		return mail, nil
	}
	return "", fault.New("desk: owner", fault.NotFound, "not_found", "nobody")
}

func (a *sayer) ownerByEmail(_ context.Context, mail string) (string, error) {
	if err := a.d.fails(fmt.Sprintf("%s who has %s", a.side, mail)); err != nil {
		return "", err
	}
	for _, id := range sortedNames(a.users) {
		if a.users[id] == mail {
			return id, a.hides[id]
		}
	}
	return "", fault.New("desk: owner", fault.NotFound, "not_found", "nobody")
}

func (a *sayer) history(
	_ context.Context, object string, ids []crm.RecordID, fields []string,
) ([]map[string][]crm.Value, error) {
	out := make([]map[string][]crm.Value, len(ids))
	for i, id := range ids {
		out[i] = a.past[id]
	}
	return out, a.d.fails(fmt.Sprintf("%s history of %v, %s %v", a.side, ids, object, fields))
}

func (a *sayer) BatchRead(
	_ context.Context, object string, ids []crm.RecordID, fields []string,
) ([]connector.Read, error) {
	out := make([]connector.Read, len(ids))
	for i, id := range ids {
		out[i].ID = id
		if why := a.ill[id]; why != nil {
			out[i].Err = why
		} else if r, ok := a.rows[id]; ok {
			out[i].Record = &r
		} else {
			out[i].Err = fault.New("desk: read", fault.NotFound, "not_found", "nobody")
		}
	}
	return out, a.d.fails(fmt.Sprintf("%s read of %v, %s %v", a.side, ids, object, fields))
}

// within is how the apps compare: more loosely than anybody else.
func within(held, wanted string) bool {
	return strings.Contains(strings.ToLower(held), strings.ToLower(wanted))
}

func (a *sayer) BatchFind(
	_ context.Context, object string, field crm.Field, values, fields []string,
) ([][]crm.Record, error) {
	out := make([][]crm.Record, len(values))
	if err := a.d.fails(fmt.Sprintf("%s find %s %v, %s %v", a.side, field.Name, values, object, fields)); err != nil {
		return nil, err
	}
	if a.crowd != "" && slices.Contains(values, a.crowd) {
		return nil, fault.New("desk: find", fault.Invalid, "too_many_matches", "more than can be listed")
	}
	if a.odd {
		return out[1:], nil
	}
	for i, v := range values {
		for _, id := range slices.Sorted(maps.Keys(a.rows)) {
			if r := a.rows[id]; !r.Deleted && within(r.Fields[field.Name].Text(), v) {
				out[i] = append(out[i], r)
			}
		}
	}
	return out, nil
}

func (a *sayer) Changes(_ context.Context, req connector.ChangesRequest) (connector.ChangesPage, error) {
	if err := a.d.fails(fmt.Sprintf("%s list %+v", a.side, req)); err != nil {
		return connector.ChangesPage{}, err
	}
	if a.old && !req.Full {
		return connector.ChangesPage{}, fault.New("desk: list", fault.Invalid, codeCursorExpired, "too long ago")
	}
	at := 0
	if req.Position != "" {
		if _, err := fmt.Sscan(req.Position, &at); err != nil {
			return connector.ChangesPage{}, err
		}
	}
	var page connector.ChangesPage
	end := min(at+max(a.page, 1), len(a.order))
	for _, id := range a.order[min(at, end):end] {
		page.Records = append(page.Records, a.rows[id])
	}
	if end < len(a.order) {
		page.Next = fmt.Sprint(end)
	} else {
		page.Cursor = "the end"
	}
	return page, nil
}

// deskStore is a desk's store.
type deskStore struct {
	store.Store
	d *desk
}

func places(ks []store.Key) string {
	out := make([]string, len(ks))
	for i, k := range ks {
		out[i] = place(k)
	}
	return strings.Join(out, ", ")
}

func writesOf(ws []store.Write) string {
	out := make([]string, len(ws))
	for i := range ws {
		out[i] = [...]string{"put ", "delete ", "add ", "check "}[ws[i].Op] + place(ws[i].Item.Key)
		switch c := ws[i].If; {
		case c.Absent:
			out[i] += " if new"
		case c.Exists:
			out[i] += " if there"
		case c.Version > 0:
			out[i] += fmt.Sprintf(" if version %d", c.Version)
		}
	}
	return strings.Join(out, ", ")
}

func (s deskStore) Get(ctx context.Context, k store.Key) (store.Item, error) {
	if err := s.d.fails("get " + place(k)); err != nil {
		return store.Item{}, err
	}
	return s.Store.Get(ctx, k)
}

func (s deskStore) BatchGet(ctx context.Context, ks []store.Key) ([]store.Item, error) {
	if err := s.d.fails("get all " + places(ks)); err != nil {
		return nil, err
	}
	return s.Store.BatchGet(ctx, ks)
}

func (s deskStore) BatchGetStale(ctx context.Context, ks []store.Key) ([]store.Item, error) {
	if err := s.d.fails("get all, perhaps old, " + places(ks)); err != nil {
		return nil, err
	}
	return s.Store.BatchGet(ctx, ks)
}

func (s deskStore) Query(ctx context.Context, q store.Query) (store.Page, error) {
	kind, _ := store.KindOf(store.Key{Table: q.Table, Partition: q.Partition})
	if err := s.d.fails(fmt.Sprintf("query %s %q %q, %d at most", kind.Name, q.Prefix, q.Cursor, q.Limit)); err != nil {
		return store.Page{}, err
	}
	return s.Store.Query(ctx, q)
}

func (s deskStore) Write(ctx context.Context, w store.Write) (int64, error) {
	if err := s.d.fails(writesOf([]store.Write{w})); err != nil {
		return 0, err
	}
	return s.Store.Write(ctx, w)
}

func (s deskStore) BatchWrite(ctx context.Context, ws []store.Write) ([]int64, []error) {
	if err := s.d.fails("each of " + writesOf(ws)); err != nil {
		return make([]int64, len(ws)), slices.Repeat([]error{err}, len(ws))
	}
	return s.Store.BatchWrite(ctx, ws)
}

func (s deskStore) Transact(ctx context.Context, ws []store.Write) error {
	if err := s.d.fails("all of " + writesOf(ws)); err != nil {
		return err
	}
	return s.Store.Transact(ctx, ws)
}

var (
	_ connector.Connector = (*sayer)(nil)
	_ store.Store         = deskStore{}
)

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
