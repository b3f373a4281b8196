package kept_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/kept"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/storetest"
)

// on has the bed's connector work on a store of which a request goes wrong.
func (b *bed) on(at int, how string) *storetest.Unsteady {
	u := &storetest.Unsteady{Store: b.mem, FailAt: at, How: how}
	b.Keeper = kept.Keeper{Store: u, Now: b.Now}
	b.conn = kept.Wrap(b.app, b.Keeper, ws, account)
	return u
}

// TestEveryStoreRequestMayGoWrong lets each request to the store go wrong, one at a
// time. What is said, to a second call too, and what is kept then, is in testdata.
func TestEveryStoreRequestMayGoWrong(t *testing.T) {
	t.Parallel()
	write := func(op connector.Op, id crm.RecordID, f crm.Fields) func(context.Context, *bed) (any, error) {
		return func(ctx context.Context, b *bed) (any, error) {
			out, err := b.conn.BatchWrite(ctx, object, []connector.Write{{Op: op, ID: id, Fields: f}})
			if err != nil {
				return len(out), err
			}
			return out[0].ID, out[0].Err
		}
	}
	find := func(v string) func(context.Context, *bed) (any, error) {
		return func(ctx context.Context, b *bed) (any, error) {
			out, err := b.conn.BatchFind(ctx, object, crm.Field{Name: "email", Also: []string{"city"}}, []string{v}, names)
			if err != nil {
				return len(out), err
			}
			var ids []crm.RecordID
			for i := range out[0] {
				ids = append(ids, out[0][i].ID)
			}
			return ids, nil
		}
	}
	changes := func(req connector.ChangesRequest) func(context.Context, *bed) (any, error) {
		return func(ctx context.Context, b *bed) (any, error) {
			req.Object, req.Fields = object, names
			if req.Cursor != "" {
				req.Cursor = "0.0."
			}
			page, err := b.conn.Changes(ctx, req)
			return fmt.Sprint(len(page.Records), " ", page.Cursor != ""), err
		}
	}
	keep := func(id crm.RecordID, f crm.Fields) func(context.Context, *bed) (any, error) {
		return func(ctx context.Context, b *bed) (any, error) {
			return nil, b.Keep(ctx, ws, account, connector.Event{
				Object: object, ID: id, At: b.after(time.Minute), Record: &crm.Record{ID: id, Fields: f},
			})
		}
	}
	city := crm.Fields{"city": crm.TextValue("Kona")}
	mail := crm.Fields{"email": crm.TextValue("new@example.com")}
	deeds := map[string]func(context.Context, *bed) (any, error){
		"keep a new one":   keep("new", mail),
		"keep a known one": keep(ann, city),
		"keep an address":  keep(ann, mail),
		"keep nothing": func(ctx context.Context, b *bed) (any, error) {
			return nil, b.Keep(ctx, ws, account, connector.Event{Object: object, ID: ann})
		},
		"forget": func(ctx context.Context, b *bed) (any, error) { return nil, b.Forget(ctx, ws, account, object, ann) },
		"read": func(ctx context.Context, b *bed) (any, error) {
			out, err := b.conn.BatchRead(ctx, object, []crm.RecordID{ann, "nobody"}, names)
			if err != nil {
				return len(out), err
			}
			return fmt.Sprint(out[0].ID, " ", out[0].Err, " ", out[1].ID, " ", fault.CodeOf(out[1].Err)), nil
		},
		"create": write(connector.Create, "", mail), "update": write(connector.Update, ann, city),
		"archive": write(connector.Archive, ann, nil),
		"find":    find("ann@example.com"), "find a text": find("Hilo"), "find nobody": find("nobody@example.com"),
		"list": changes(connector.ChangesRequest{Full: true}), "list since": changes(connector.ChangesRequest{Cursor: "x"}),
	}
	play := func(name string, at int, how string) (said string, asked []string) {
		b := newBed(t)
		if name != "create" {
			b.told(ann, b.after(0), "email", "ann@example.com", "city", "Hilo")
		}
		u := b.on(at, how)
		tell := func() string {
			v, err := deeds[name](t.Context(), b)
			var f *fault.Error
			if errors.As(err, &f) {
				landed := ""
				if fault.MayHaveLanded(err) {
					landed = " may have landed"
				}
				return fmt.Sprintf("%v %v %s%s", v, f.Kind, f.Code, landed)
			}
			return fmt.Sprint(v, " ", err)
		}
		said = tell()
		asked = slices.Clone(u.Asked)
		u.FailAt = -1
		said += "; again " + tell()
		for _, id := range []crm.RecordID{ann, "new"} {
			got, err := b.conn.BatchRead(t.Context(), object, []crm.RecordID{id}, names)
			if err == nil && got[0].Err == nil {
				f := texts(got[0].Record)
				said += "; " + string(id)
				for _, n := range slices.Sorted(maps.Keys(f)) {
					said += " " + n + "=" + f[n]
				}
			}
		}
		return said, asked
	}
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(deeds)) {
		fine, asked := play(name, -1, "")
		fmt.Fprintf(&out, "%s: %s\n", name, fine)
		told := map[string]bool{} // all queries of a listing but one find nothing: what they say is told once
		for at, what := range asked {
			for _, how := range append([]string{storetest.Away}, storetest.Mishaps(what)...) {
				said, _ := play(name, at, how)
				if line := fmt.Sprintf("  %s %s: %s\n", what, how, said); !told[line] {
					told[line] = true
					out.WriteString(line)
				}
			}
		}
	}
	written.Check(t, "faults.txt", out.String())
}

// crowded is a store in which somebody else always writes first.
type crowded struct {
	store.Store
	asked int
}

func (s *crowded) Get(ctx context.Context, k store.Key) (store.Item, error) {
	s.asked++
	return s.Store.Get(ctx, k)
}

func (s *crowded) Write(context.Context, store.Write) (int64, error) { return 0, errFaster }

func (s *crowded) Transact(context.Context, []store.Write) error { return errFaster }

var errFaster = fault.New("store", fault.Conflict, "", "somebody was there first")

// TestOthersAreAlwaysFaster: after some tries it is said that it was not kept, as
// something that passes.
func TestOthersAreAlwaysFaster(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(b *bed) error{
		"keep": func(b *bed) error {
			return b.Keep(t.Context(), ws, account, connector.Event{
				Object: object, ID: ann, At: b.after(time.Minute),
				Record: &crm.Record{Fields: crm.Fields{"city": crm.TextValue("Kona")}},
			})
		},
		"forget": func(b *bed) error { return b.Forget(t.Context(), ws, account, object, ann) },
	} {
		b := newBed(t)
		b.told(ann, b.after(0), "email", "ann@example.com", "city", "Hilo")
		s := &crowded{Store: b.mem}
		b.Store = s
		if err := do(b); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "try again") {
			t.Errorf("%s: %v", name, err)
		}
		if s.asked != 12 {
			t.Errorf("%s: tried %d times", name, s.asked)
		}
		b.want(map[string]string{"email": "ann@example.com", "city": "Hilo"})
	}
}

// TestAValueLeadsToWhomItIsOf: addresses and numbers are looked up, any other text is
// searched for among all. Either way the record is found.
func TestAValueLeadsToWhomItIsOf(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("a", n-len("@example.com")) + "@example.com" }
	for value, byIndex := range map[string]bool{
		"ann@example.com": true, " Ann@Example.com ": true, "a@b@example.com": false, "ann @example.com": false,
		"Hilo": false, long(320): true, long(321): false,
		"555-012": false, "555-0123": true, "+1 (808) 555.0147/2x": true, "808 555 0147 ext": false,
		strings.Repeat("7", 20): true, strings.Repeat("7", 21): false,
	} {
		b := newBed(t)
		b.told(ann, b.after(0), "city", value)
		b.told("bob", b.after(0), "city", "somewhere", "email", value)
		u := b.on(-1, "")
		asked := value
		if strings.Contains(value, "@") {
			asked = strings.ToUpper(value)
		}
		got, err := b.conn.BatchFind(t.Context(), object, crm.Field{Name: "city"}, []string{asked}, names)
		if err != nil || len(got) != 1 || len(got[0]) != 1 || got[0][0].ID != ann {
			t.Errorf("%q: %+v, %v", value, got, err)
		}
		if (len(u.Asked) == 2) != byIndex {
			t.Errorf("%q: asked %q", value, u.Asked)
		}
	}
	b := newBed(t)
	b.told(ann, b.after(0), "city", "")
	u := b.on(-1, "")
	if got, err := b.conn.BatchFind(t.Context(), object, crm.Field{Name: "city"}, []string{" "}, names); err != nil ||
		len(got) != 1 || len(got[0]) != 0 || len(u.Asked) != 0 {
		t.Errorf("a blank: %+v, %v, asked %q", got, err, u.Asked)
	}
}
