package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/kept"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// said is an event of an app that cannot be asked.
func said(id crm.RecordID, fields map[string]string) connector.Event {
	r := &crm.Record{ID: id, Fields: crm.Fields{}}
	for f, v := range fields {
		r.Fields[f] = crm.TextValue(v)
	}
	return connector.Event{Kind: connector.EventChanged, Object: "person", ID: id, Record: r}
}

// keeps gives the engine something to keep records with.
func (b *stillBed) keeps() *stillBed {
	b.Keeper = kept.Keeper{Store: b.Store, Now: b.Now}
	return b
}

// tell keeps what the left app told.
func (b *stillBed) tell(id crm.RecordID, fields map[string]string) {
	b.t.Helper()
	b.keeps()
	b.must(b.Keeper.Keep(b.t.Context(), b.sc.ws, "acc_left", said(id, fields)))
}

// toldOf counts the items that are kept of an account.
func (b *stillBed) toldOf(account crm.AccountID) (n int) {
	b.t.Helper()
	for _, q := range store.KeptQueries(b.sc.ws, account) {
		page, err := b.mem.Query(b.t.Context(), q)
		b.must(err)
		n += len(page.Items)
	}
	return n
}

// isKept reports whether a record of the left app is kept.
func (b *stillBed) isKept(object string, id crm.RecordID) bool {
	b.t.Helper()
	_, err := b.mem.Get(b.t.Context(), store.KeptKey(b.sc.ws, "acc_left", object, id))
	if err != nil && !fault.Is(err, fault.NotFound) {
		b.t.Fatal(err)
	}
	return err == nil
}

// TestWebhook_KeepsWhatIsTold: also for a draft, which begins with it; not of an object
// that nothing syncs, and nothing while no connection uses the account.
func TestWebhook_KeepsWhatIsTold(t *testing.T) {
	t.Parallel()
	b := newStillBed(t, nil).keeps()
	other := said("l_firm", nil)
	other.Object = "firm"
	b.must(
		b.Webhook(t.Context(), b.sc.ws, "acc_left", []connector.Event{
			said(bobLeft, map[string]string{"name": "Bob"}), other,
		}),
	)
	if !b.isKept("person", bobLeft) || b.isKept("firm", "l_firm") || b.get(b.sc.inbox(crm.Left, bobLeft)) == nil {
		t.Error("a person is kept and queued, a firm is of no account")
	}
	b.must(b.Webhook(t.Context(), b.sc.ws, "acc_else", []connector.Event{said(bobLeft, nil)}))
	if n := b.toldOf("acc_else"); n != 0 {
		t.Errorf("%d items of an account that no connection uses", n)
	}
	b.change(func(c *crm.Connection) { c.Status = crm.StatusDraft })
	b.must(b.Webhook(t.Context(), b.sc.ws, "acc_left", []connector.Event{said("l_cyd", nil)}))
	if !b.isKept("person", "l_cyd") || b.get(b.sc.inbox(crm.Left, "l_cyd")) != nil {
		t.Error("what a draft is told is kept, and nobody looks at it yet")
	}
}

// change changes the stored connection.
func (b *stillBed) change(f func(*crm.Connection)) {
	b.t.Helper()
	c, version, err := store.LoadConnection(b.t.Context(), b.mem, b.sc.ws, b.sc.con)
	b.must(err)
	f(c)
	_, err = store.SaveConnection(b.t.Context(), b.mem, b.sc.ws, c, version)
	b.must(err)
}

// unkeeping is a keeper that cannot keep.
type unkeeping struct{ Keeper }

var errKeep = errors.New("not kept")

func (unkeeping) Keep(context.Context, crm.WorkspaceID, crm.AccountID, connector.Event) error {
	return errKeep
}

// TestWebhook_NotKeptIsNoSuccess: the app has to send again what was not kept.
func TestWebhook_NotKeptIsNoSuccess(t *testing.T) {
	t.Parallel()
	b := newStillBed(t, nil)
	b.Keeper = unkeeping{}
	if err := b.Webhook(t.Context(), b.sc.ws, "acc_left", []connector.Event{said(bobLeft, nil)}); !errors.Is(
		err,
		errKeep,
	) {
		t.Errorf("%v", err)
	}
}

// TestX11_NothingIsKeptOfTheErased: neither of a record that is known to be an erased
// person's, nor of one that is told with their address; that one is not even named. A
// family's number is no reason to lose somebody else.
func TestX11_NothingIsKeptOfTheErased(t *testing.T) {
	t.Parallel()
	b := newStillBed(t, aKey).keeps()
	b.change(func(c *crm.Connection) { c.Country = "US" })
	_, err := b.erasePerson(t.Context(), b.sc.ws, "ers_1", "request", []string{annMail, "phone:+12125550122"},
		[]AppRecord{{"acc_left", "person", annLeft}})
	b.must(err)
	b.must(b.Webhook(t.Context(), b.sc.ws, "acc_left", []connector.Event{
		said(
			annLeft,
			map[string]string{"name": "A."},
		), said("l_new", map[string]string{"second": "ANN@example.com"}),
		said("l_num", map[string]string{"phone": "(212) 555-0122"}),
		said(bobLeft, map[string]string{"mail": "bob@example.com", "phone": "212-555-0122"}),
	}))
	if b.isKept("person", annLeft) || b.isKept("person", "l_new") || b.isKept("person", "l_num") ||
		!b.isKept("person", bobLeft) {
		t.Error("of the erased something is kept, or of somebody else nothing")
	}
	if b.get(b.sc.inbox(crm.Left, "l_new")) != nil || b.get(b.sc.inbox(crm.Left, annLeft)) == nil ||
		b.marks["erased_not_kept"] != 2 {
		t.Error("a record that is known is left alone by whoever looks at it, and another one is not named at all")
	}
}

// TestDeleted_NothingIsKept: with the last connection of an account all that it told goes,
// whatever it told while the connection was being deleted; with another one it stays.
func TestDeleted_NothingIsKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		other bool
		left  int
	}{"the last one": {false, 0}, "one of two": {true, 3}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newStillBed(t, nil)
			b.tell(bobLeft, map[string]string{"mail": "bob@example.com"})
			if c.other {
				two := *b.conn
				two.ID = "con_2"
				_, err := store.SaveConnection(t.Context(), b.mem, b.sc.ws, &two, 0)
				b.must(err)
			}
			b.must(b.DeleteConnection(t.Context(), b.sc.ws, b.sc.con))
			for range 5 {
				_, err := b.Round(t.Context())
				b.must(err)
			}
			if n := b.toldOf("acc_left"); n != c.left {
				t.Errorf("%d items are left, want %d", n, c.left)
			}
		})
	}
	t.Run("of a draft that lost its syncs", func(t *testing.T) {
		t.Parallel()
		b := newStillBed(t, nil)
		b.tell(bobLeft, map[string]string{"mail": "bob@example.com"})
		b.change(func(c *crm.Connection) { c.Syncs, c.Status = nil, crm.StatusDraft })
		b.must(b.DeleteConnection(t.Context(), b.sc.ws, b.sc.con))
		if n := b.toldOf("acc_left"); n != 0 {
			t.Errorf("%d items are left", n)
		}
	})
	t.Run("deleted meanwhile", func(t *testing.T) {
		t.Parallel()
		b := newStillBed(t, nil).keeps()
		b.Keeper = meanwhile{b.Keeper, func() {
			b.must(b.DeleteConnection(t.Context(), b.sc.ws, b.sc.con))
			for range 5 {
				_, err := b.Round(t.Context())
				b.must(err)
			}
		}}
		b.must(
			b.Webhook(t.Context(), b.sc.ws, "acc_left", []connector.Event{
				said(bobLeft, map[string]string{"mail": "bob@example.com"}),
			}),
		)
		if b.isKept("person", bobLeft) || b.marks["kept_too_late"] != 1 {
			t.Error("what came too late is kept")
		}
	})
}

// meanwhile lets something happen before a record is kept.
type meanwhile struct {
	Keeper
	first func()
}

func (m meanwhile) Keep(ctx context.Context, ws crm.WorkspaceID, account crm.AccountID, e connector.Event) error {
	m.first()
	return m.Keeper.Keep(ctx, ws, account, e)
}

// TestToldSince is when the first record was kept, whatever came later.
func TestToldSince(t *testing.T) {
	t.Parallel()
	b := newStillBed(t, nil)
	if at, err := b.ToldSince(t.Context(), b.sc.ws, "acc_left", "person"); err != nil || !at.IsZero() {
		t.Errorf("before anything was told: %v, %v", at, err)
	}
	first := b.now
	b.tell(bobLeft, nil)
	b.now = b.now.Add(time.Hour)
	b.tell(annLeft, nil)
	if at, err := b.ToldSince(t.Context(), b.sc.ws, "acc_left", "person"); err != nil || !at.Equal(first) {
		t.Errorf("%v, %v, want %v", at, err, first)
	}
}
