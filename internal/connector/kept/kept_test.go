package kept_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/kept"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

const (
	ws      crm.WorkspaceID = "ws"
	account crm.AccountID   = "acc"
	object                  = "leads"
	ann     crm.RecordID    = "ann"
)

var names = []string{"first_name", "email", "phone", "city"}

// app is one that takes writes and cannot be asked for anything.
type app struct {
	connector.Connector
	pushes bool
	during func() // while a write is on its way
	at     time.Time
	fails  error      // of a whole call
	holds  crm.Fields // what it tells of a record that it wrote; nil = nothing
}

func (a *app) App() crm.App {
	d := crm.App{Name: "Deaf", Limits: crm.Limits{ReadBatch: 1, FindBatch: 1, WriteBatch: 1}}
	if a.pushes {
		d.Abilities = []crm.Ability{crm.AbilityPush}
	}
	return d
}

func (a *app) BatchWrite(_ context.Context, _ string, writes []connector.Write) ([]connector.Written, error) {
	if a.during != nil {
		a.during()
	}
	if a.fails != nil {
		return nil, a.fails
	}
	id := writes[0].ID
	if id == "" {
		id = ann
	}
	out := connector.Written{ID: id, Created: writes[0].Op == connector.Create, At: a.at}
	if a.holds != nil {
		out.Record = &crm.Record{ID: id, Fields: a.holds}
	}
	return []connector.Written{out}, nil
}

// bed is a store with a connector on it.
type bed struct {
	t   testing.TB
	mem *memstore.Store
	kept.Keeper
	app  *app
	conn connector.Connector
	now  time.Time
}

func newBed(t testing.TB) *bed {
	b := &bed{t: t, app: &app{pushes: true}, now: time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)}
	now := func() time.Time { return b.now }
	b.mem = memstore.New(now)
	b.Keeper = kept.Keeper{Store: b.mem, Now: now}
	b.conn = kept.Wrap(b.app, b.Keeper, ws, account)
	return b
}

// after is a time by the app's clock.
func (b *bed) after(d time.Duration) time.Time { return b.now.Add(d - time.Hour) }

// told keeps what a delivery says, "" = unset.
func (b *bed) told(id crm.RecordID, at time.Time, pairs ...string) {
	b.t.Helper()
	rec := &crm.Record{ID: id, Fields: crm.Fields{}}
	for i := 0; i < len(pairs); i += 2 {
		if rec.Fields[pairs[i]] = crm.TextValue(pairs[i+1]); pairs[i+1] == "" {
			rec.Fields[pairs[i]] = crm.NullValue()
		}
	}
	if err := b.Keep(b.t.Context(), ws, account, connector.Event{
		Object: object, ID: id, At: at, Record: rec,
	}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) read(id crm.RecordID) map[string]string {
	b.t.Helper()
	got, err := b.conn.BatchRead(b.t.Context(), object, []crm.RecordID{id}, names)
	if err != nil || got[0].Err != nil {
		b.t.Fatal(err, got)
	}
	return texts(got[0].Record)
}

func texts(r *crm.Record) map[string]string {
	out := map[string]string{}
	for f, v := range r.Fields {
		out[f] = v.Text()
	}
	return out
}

func (b *bed) want(fields map[string]string) {
	b.t.Helper()
	if d := cmp.Diff(fields, b.read(ann)); d != "" {
		b.t.Errorf("kept (-want +got):\n%s", d)
	}
}

// TestNewestWins: of each field the newest word counts; one that is late or comes twice
// changes nothing, not even in the store.
func TestNewestWins(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.told(ann, b.after(2*time.Second), "first_name", "Ann", "email", "a@example.com")
	version := func() int64 {
		it, err := b.mem.Get(t.Context(), store.KeptKey(ws, account, object, ann))
		if err != nil {
			t.Fatal(err)
		}
		return it.Version
	}
	before := version()
	b.told(ann, b.after(2*time.Second), "first_name", "Ann", "email", "a@example.com")
	b.told(ann, b.after(time.Second), "first_name", "Old")
	if version() != before {
		t.Error("a word that came before, or is late, was stored")
	}
	b.told(ann, b.after(time.Second), "first_name", "Old", "city", "Hilo")
	b.want(map[string]string{"first_name": "Ann", "email": "a@example.com", "city": "Hilo"})
	b.told(ann, b.after(3*time.Second), "email", "")
	b.told(ann, b.after(2500*time.Millisecond), "email", "late@example.com", "city", "Kona")
	b.want(map[string]string{"first_name": "Ann", "email": "", "city": "Kona"})
	b.told(ann, b.now.AddDate(50, 0, 0), "city", "Future")
	b.now = b.now.Add(time.Minute)
	b.told(ann, b.now, "city", "Now")
	b.want(map[string]string{"first_name": "Ann", "email": "", "city": "Now"})
}

// TestAnyOrder: whatever the order in which words arrive, the record is the same.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		words := rapid.SliceOfN(rapid.MapOfN(rapid.SampledFrom(names), rapid.StringMatching(`[a-c]?`), 1, 4), 1, 6).
			Draw(rt, "words")
		places := make([]int, len(words))
		for i := range places {
			places[i] = i
		}
		order := rapid.Permutation(places).Draw(rt, "order")
		b, straight := newBed(t), newBed(t)
		say := func(b *bed, i int) {
			var pairs []string
			for f, v := range words[i] {
				pairs = append(pairs, f, v)
			}
			b.told(ann, b.after(time.Duration(i)*time.Second), pairs...)
		}
		for i := range words {
			say(straight, i)
			say(b, order[i])
		}
		if d := cmp.Diff(straight.read(ann), b.read(ann)); d != "" {
			rt.Fatalf("in another order (-want +got):\n%s", d)
		}
	})
}

// TestWritesAreKept: what the app took is what it holds, until a later word; also against
// a word that was kept before the write with a time within the same second, and not
// against one that came while the write was made and was said later.
func TestWritesAreKept(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	write := func(op connector.Op, id crm.RecordID, fields crm.Fields) connector.Written {
		t.Helper()
		out, err := b.conn.BatchWrite(t.Context(), object, []connector.Write{{Op: op, ID: id, Fields: fields}})
		if err != nil {
			t.Fatal(err)
		}
		return out[0]
	}
	b.app.at = b.after(0)
	if w := write(connector.Create, "", crm.Fields{
		"first_name": crm.TextValue("Ann"), "email": crm.TextValue("a@example.com"), "city": {},
	}); w.Err != nil {
		t.Fatal(w.Err)
	}
	b.want(map[string]string{"first_name": "Ann", "email": "a@example.com"})
	b.told(ann, b.after(700*time.Millisecond), "first_name", "Anna", "city", "Hilo")
	write(
		connector.Update,
		ann,
		crm.Fields{"first_name": crm.TextValue("Annie"), "email": crm.NullValue()},
	) // answered at second 0
	b.want(map[string]string{"first_name": "Annie", "email": "", "city": "Hilo"})
	b.told(ann, b.after(600*time.Millisecond), "first_name", "Late")
	b.app.during = func() { b.told(ann, b.after(5*time.Second), "first_name", "Edited", "city", "Kona") }
	b.app.at = b.after(4 * time.Second)
	write(connector.Update, ann, crm.Fields{
		"first_name": crm.TextValue("Overtaken"), "email": crm.TextValue("b@example.com"),
	})
	b.want(map[string]string{"first_name": "Edited", "email": "b@example.com", "city": "Kona"})
}

// TestTheAppsWordOfAWriteIsKept: an app that says what it made of a write is believed,
// and what it says nothing of is as it was written.
func TestTheAppsWordOfAWriteIsKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		written, holds crm.Fields
		want           map[string]string
	}{
		"nothing told":  {written: crm.Fields{"city": crm.TextValue("Kona")}, want: map[string]string{"city": "Kona"}},
		"nothing asked": {holds: crm.Fields{"city": crm.TextValue("Hilo")}, want: map[string]string{"city": "Hilo"}},
		"both": {
			written: crm.Fields{"city": crm.TextValue("kona"), "phone": crm.TextValue("1")},
			holds:   crm.Fields{"city": crm.TextValue("Kona")}, want: map[string]string{"city": "Kona", "phone": "1"},
		},
	} {
		b := newBed(t)
		b.app.holds = c.holds
		out, err := b.conn.BatchWrite(t.Context(), object, []connector.Write{{Op: connector.Create, Fields: c.written}})
		if err != nil || out[0].Err != nil {
			t.Fatal(name, out, err)
		}
		if d := cmp.Diff(c.want, b.read(ann)); d != "" {
			t.Errorf("%s: kept (-want +got):\n%s", name, d)
		}
	}
}

// TestACallThatFailsKeepsNothing: it is told as it is.
func TestACallThatFailsKeepsNothing(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.told(ann, b.after(0), "city", "Hilo")
	b.app.fails = errors.New("no answer")
	out, err := b.conn.BatchWrite(t.Context(), object, []connector.Write{
		{Op: connector.Update, ID: ann, Fields: crm.Fields{"city": crm.TextValue("Kona")}},
	})
	if !errors.Is(err, b.app.fails) || len(out) != 0 {
		t.Errorf("%+v, %v", out, err)
	}
	b.want(map[string]string{"city": "Hilo"})
}

// broken fails writes of the store.
type broken struct {
	store.Store
	fails bool
}

var errDown = fault.New("store", fault.Unavailable, "unavailable", "down")

func (s *broken) Write(ctx context.Context, w store.Write) (int64, error) {
	if s.fails {
		return 0, errDown
	}
	return s.Store.Write(ctx, w)
}

func (s *broken) Transact(ctx context.Context, w []store.Write) error {
	if s.fails {
		return errDown
	}
	return s.Store.Transact(ctx, w)
}

// TestWriteNotKept: a write that the app took and that is not kept may have landed: it is
// no success, or the old value would pass for an edit.
func TestWriteNotKept(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.told(ann, b.after(0), "city", "Hilo")
	b.conn = kept.Wrap(b.app, kept.Keeper{Store: &broken{b.mem, true}, Now: b.Now}, ws, account)
	out, err := b.conn.BatchWrite(t.Context(), object, []connector.Write{
		{Op: connector.Update, ID: ann, Fields: crm.Fields{"city": crm.TextValue("Kona")}},
	})
	if err != nil || !fault.Is(out[0].Err, fault.Unavailable) || !fault.MayHaveLanded(out[0].Err) ||
		!errors.Is(out[0].Err, errDown) {
		t.Errorf("%+v, %v", out, err)
	}
}

// TestFind: by an address whatever its case, a number whatever stands in it, a further
// field, and any text; not by what the record held before.
func TestFind(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.told(ann, b.after(0), "first_name", "Ann", "email", "Old@example.com", "second_email", "A2@Example.com", "phone",
		"(808) 555-0147")
	b.told("bob", b.after(0), "first_name", "ann", "email", "b@example.com", "phone", "+1 808 555 0147")
	b.told(ann, b.after(time.Second), "email", "New@example.com")
	for _, c := range []struct {
		field crm.Field
		value string
		want  []crm.RecordID
	}{
		{crm.Field{Name: "email"}, "new@EXAMPLE.com", []crm.RecordID{ann}},
		{crm.Field{Name: "email"}, "old@example.com", nil},
		{crm.Field{Name: "email"}, "a2@example.com", nil},
		{crm.Field{Name: "email", Also: []string{"second_email"}}, "a2@example.com", []crm.RecordID{ann}},
		{crm.Field{Name: "phone"}, "8085550147", []crm.RecordID{ann}},
		{crm.Field{Name: "phone"}, "18085550147", []crm.RecordID{"bob"}},
		{crm.Field{Name: "first_name"}, "ANN", []crm.RecordID{ann, "bob"}},
		{crm.Field{Name: "first_name"}, " ", nil},
	} {
		got, err := b.conn.BatchFind(t.Context(), object, c.field, []string{"nobody@example.com", c.value}, names)
		if err != nil {
			t.Fatal(err)
		}
		var ids []crm.RecordID
		for _, r := range got[1] {
			ids = append(ids, r.ID)
		}
		if slices.Sort(ids); len(got[0]) > 0 || !slices.Equal(ids, c.want) {
			t.Errorf("by %s %q: %v and %v, want %v", c.field.Name, c.value, got[0], ids, c.want)
		}
	}
}

// TestCrowd: a value that everybody holds identifies nobody, and does so by its code.
func TestCrowd(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	for i := range 201 {
		b.told(crm.RecordID(fmt.Sprint(i)), b.after(0), "phone", "808-555-0147")
	}
	_, err := b.conn.BatchFind(t.Context(), object, crm.Field{Name: "phone"}, []string{"8085550147"}, names)
	if fault.CodeOf(err) != connector.CodeMatches {
		t.Errorf("%v", err)
	}
}

// list lists to the end and returns what was listed, each as often as it came.
func (b *bed) list(req connector.ChangesRequest) (ids []crm.RecordID, cursor string) {
	b.t.Helper()
	req.Object, req.Fields = object, names
	for {
		page, err := b.conn.Changes(b.t.Context(), req)
		if err != nil {
			b.t.Fatal(err)
		}
		for i := range page.Records {
			ids = append(ids, page.Records[i].ID)
		}
		if req.Position = page.Next; page.Next == "" {
			slices.Sort(ids)
			return ids, page.Cursor
		}
	}
}

// TestChanges: everything is listed once, and afterwards what was told since.
func TestChanges(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	var all []crm.RecordID
	for i := range 250 {
		all = append(all, crm.RecordID(fmt.Sprintf("p%03d", i)))
		b.told(all[i], b.after(0), "first_name", "Ann", "email", fmt.Sprintf("p%d@example.com", i))
	}
	if err := b.Keep(t.Context(), ws, account, connector.Event{
		Object: "others", ID: "x", Record: &crm.Record{},
	}); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(time.Hour)
	got, cursor := b.list(connector.ChangesRequest{Full: true})
	if !slices.Equal(got, all) {
		t.Errorf("%d records of 250", len(got))
	}
	b.now = b.now.Add(time.Second)
	b.told("p007", b.after(0), "city", "Hilo")
	if got, cursor = b.list(connector.ChangesRequest{Cursor: cursor}); !slices.Equal(got, []crm.RecordID{"p007"}) {
		t.Errorf("told since: %v", got)
	}
	b.now = b.now.Add(time.Hour)
	if _, cursor = b.list(connector.ChangesRequest{Cursor: cursor}); cursor == "" {
		t.Error("no cursor")
	}
	if got, _ = b.list(connector.ChangesRequest{Cursor: cursor}); got != nil {
		t.Errorf("nothing was told since: %v", got)
	}
	for _, req := range []connector.ChangesRequest{
		{Cursor: "x"},
		{Position: "0.99."},
		{Position: "-1.0."},
		{Position: "1.x."},
		{Position: "1.1"},
		{Full: true, Position: "1.16."},
	} {
		req.Object = object
		if _, err := b.conn.Changes(t.Context(), req); fault.CodeOf(err) != connector.CodePosition {
			t.Errorf("%+v: %v", req, err)
		}
	}
}

// TestNotTold: what was never told is not known, which is not the same as not there.
func TestNotTold(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	got, err := b.conn.BatchRead(t.Context(), object, []crm.RecordID{ann}, names)
	if err != nil || !fault.Is(got[0].Err, fault.Unsupported) || fault.CodeOf(got[0].Err) != connector.CodeNotTold {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestForget leaves nothing of a record, whatever it held before; others stay.
func TestForget(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.told("bob", b.after(0), "email", "b@example.com")
	count := func() (n int) {
		b.mem.Each(store.Links, func(store.Item) bool { n++; return true })
		return n
	}
	before := count()
	b.told(ann, b.after(0), "email", "a@example.com", "phone", "808 555 0147")
	b.told(ann, b.after(time.Second), "email", "a2@example.com")
	for range 2 {
		if err := b.Forget(t.Context(), ws, account, object, ann); err != nil || count() != before {
			t.Errorf("%d items of %d, %v", count(), before, err)
		}
	}
}

// TestWrap: who can be asked is left alone, and extras of a paced connector stay.
func TestWrap(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	if c := (&app{}); kept.Wrap(c, b.Keeper, ws, account) != connector.Connector(c) {
		t.Error("an app that can be asked is answered for")
	}
	connectortest.Forwards(t, b.app, func(in connector.Connector) connector.Connector {
		return kept.Wrap(in, b.Keeper, ws, account)
	})
	if l := b.conn.App().Limits; l.ReadBatch != 100 || l.WriteBatch != 1 {
		t.Errorf("limits %+v", l)
	}
	if _, err := b.conn.BatchFind(t.Context(), object, crm.Field{}, make([]string, 26), nil); fault.CodeOf(
		err,
	) != connector.CodeTooLarge {
		t.Errorf("26 values: %v", err)
	}
}
