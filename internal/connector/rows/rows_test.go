package rows_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// upper is an app whose IDs are capitals, and are taken in any case.
func upper(s string) (crm.RecordID, bool) {
	return crm.RecordID(strings.ToUpper(s)), s != "" && !strings.ContainsAny(s, "0123456789")
}

var errMissing = fault.New("acme: read", fault.NotFound, "", "none")

// TestReadsAreOneForEachID asks for IDs at random, some twice, some in another form,
// some that cannot be one, of an app that leaves out records and shows others.
func TestReadsAreOneForEachID(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfN(rapid.SampledFrom([]crm.RecordID{"a", "A", "b", "B", "c", "1", "", "x"}), 0, 12).Draw(t, "ids")
		has := map[crm.RecordID]connector.Read{"Z": {Record: &crm.Record{ID: "Z"}}} // never asked for
		for _, id := range []crm.RecordID{"A", "B"} {
			if rapid.Bool().Draw(t, "has") {
				has[id] = connector.Read{Record: &crm.Record{ID: id, Fields: crm.Fields{"f": crm.TextValue(string(id))}}}
			}
		}
		has["X"] = connector.Read{Err: errors.New("unreadable")}
		calls := 0
		got, err := rows.Read(context.Background(), ids, upper, errMissing,
			func(asked []crm.RecordID) (map[crm.RecordID]connector.Read, error) {
				calls++
				seen := map[crm.RecordID]bool{}
				for _, id := range asked {
					if one, ok := upper(string(id)); !ok || one != id || seen[id] {
						t.Fatalf("%q was asked for in %q", id, asked)
					}
					seen[id] = true
				}
				return has, nil
			})
		if err != nil || len(got) != len(ids) || calls > 1 {
			t.Fatalf("%d entries, %v, %d calls", len(got), err, calls)
		}
		for i, r := range got {
			one, ok := upper(string(ids[i]))
			want := has[one]
			if !ok || want.Record == nil && want.Err == nil {
				want.Err = errMissing
			}
			if r.ID != ids[i] || !errors.Is(r.Err, want.Err) || (r.Record == nil) != (want.Record == nil) ||
				r.Record != nil && r.Record.ID != one {
				t.Fatalf("entry %d of %q: %+v, want %+v", i, ids, r, want)
			}
			if r.Record != nil {
				if r.Record.Fields["f"].Text() != string(one) {
					t.Fatalf("entry %d shares its fields with another one", i)
				}
				r.Record.Fields["f"] = crm.TextValue("mine now")
			}
		}
	})
}

func TestACallThatFailsFailsAllReads(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	if got, err := rows.Read(t.Context(), []crm.RecordID{
		"a",
	}, upper, errMissing, func([]crm.RecordID) (map[crm.RecordID]connector.Read, error) {
		return nil, down
	}); !errors.Is(err, down) || got != nil {
		t.Errorf("%v, %v", got, err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := rows.Read(over, []crm.RecordID{"1"}, upper, errMissing, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("nothing to ask for under a context that has ended: %v", err)
	}
	if err := rows.Limit("acme: read", 3, 2); !fault.Is(err, fault.Invalid) ||
		fault.CodeOf(err) != connector.CodeTooLarge {
		t.Errorf("over the limit: %v", err)
	}
}

func TestFoundRecordsGoToTheirValues(t *testing.T) {
	t.Parallel()
	found := func(id crm.RecordID, holds ...string) rows.Found {
		return rows.Found{Record: crm.Record{ID: id, Fields: crm.Fields{"f": crm.TextValue("x")}}, Holds: holds}
	}
	gone := found("gone", "ann")
	gone.Record.Deleted = true
	all := []rows.Found{
		found("1", "Ann"), found("2", "other", "BOB"), found("1", "Ann"), gone, found("3", "nobody's"),
		found("4", "xbobx"),
	}
	values := []string{"ann", "bob", "ANN", " ", "carl"}
	fold := func(s string) string { return strings.ToLower(strings.TrimSpace(s)) }
	within := func(value, held string) bool { return strings.Contains(held, value) }
	for name, c := range map[string]struct {
		match rows.Match
		want  []string
	}{
		"equal": {rows.Match{Fold: fold}, []string{"1", "2", "1", "", ""}},
		"like":  {rows.Match{Fold: fold, Like: within}, []string{"1", "2 4", "1", "", ""}},
		"stray": {rows.Match{Fold: fold, Stray: true}, []string{"1 3 4", "2 3 4", "1 3 4", "", "3 4"}},
	} {
		got := c.match.Hand(values, all)
		ids := make([]string, len(got))
		for i, records := range got {
			for _, r := range records {
				ids[i] = strings.TrimSpace(ids[i] + " " + string(r.ID))
				if r.Fields["f"].Text() != "x" {
					t.Errorf("%s: a record shares its fields", name)
				}
				r.Fields["f"] = crm.TextValue("mine now")
			}
		}
		if !slices.Equal(ids, c.want) {
			t.Errorf("%s: %q, want %q", name, ids, c.want)
		}
	}
}

func TestWritesAreAnsweredOneForOne(t *testing.T) {
	t.Parallel()
	refused := fault.New("acme: write", fault.Invalid, connector.CodeValue, "no")
	body := func(w connector.Write) (string, crm.RecordID, error) {
		switch w.Ref {
		case "bad":
			return "", "", refused
		case "key":
			return "", "", rows.Mixed("acme: write")
		}
		if w.Op == connector.Archive {
			return "", "", fault.New("acme: write", fault.Unsupported, connector.CodeUnsupported, "no")
		}
		return "body " + w.Ref, w.ID, nil
	}
	update := func(ref string) connector.Write {
		return connector.Write{Op: connector.Update, ID: crm.RecordID("id " + ref), Ref: ref}
	}
	b, err := rows.Prepare("acme: write", []connector.Write{update("a"), update("bad"), update("c"), update("d")}, 4, body)
	if err != nil || len(b.Rows) != 3 || b.Rows[1].At != 2 || b.Rows[1].Body != "body c" || b.Op != "acme: write: update" {
		t.Fatalf("%+v, %v", b, err)
	}
	b.Settle(b.Rows[0], connector.Written{ID: "id a"})
	b.Settle(b.Rows[0], connector.Written{Err: refused}) // said twice: the first counts
	b.Settle(b.Rows[2], connector.Written{ID: "id d"})
	out := b.Finish("Acme", func(r *rows.Row[string]) *connector.Exchange { return &connector.Exchange{Request: r.Body} })
	if len(out) != 4 || out[0].Err != nil || out[0].ID != "id a" || !errors.Is(out[1].Err, refused) ||
		out[1].ID != "id bad" || out[3].ID != "id d" {
		t.Errorf("%+v", out)
	}
	if e := out[2]; !fault.MayHaveLanded(e.Err) || fault.CodeOf(e.Err) != connector.CodeMalformed || e.ID != "id c" ||
		cmp.Diff(&connector.Exchange{Request: "body c"}, e.Exchange) != "" {
		t.Errorf("a row that nothing is said about: %+v", e)
	}
	for name, c := range map[string]struct {
		writes []connector.Write
		kind   fault.Kind
		code   string
	}{
		"too many":    {make([]connector.Write, 5), fault.Invalid, connector.CodeTooLarge},
		"two kinds":   {[]connector.Write{update("a"), {Op: connector.Create}}, fault.Invalid, connector.CodeMixed},
		"two keys":    {[]connector.Write{update("a"), update("key")}, fault.Invalid, connector.CodeMixed},
		"unsupported": {[]connector.Write{{Op: connector.Archive}}, fault.Unsupported, connector.CodeUnsupported},
	} {
		if _, err := rows.Prepare("acme: write", c.writes, 4, body); !fault.Is(err, c.kind) || fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b, err := rows.Prepare("acme: write", nil, 4, body); err != nil || len(b.Out) != 0 || len(b.Rows) != 0 {
		t.Errorf("nothing: %+v, %v", b, err)
	}
}

func TestARefusalOfOneRecordIsItsOutcome(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err   error
		op    connector.Op
		ofRow bool
		kind  fault.Kind
	}{
		"invalid": {fault.New("x", fault.Invalid, connector.CodeValue, ""), connector.Create, true, fault.Invalid},
		"conflict": {
			fault.New("x", fault.Conflict, connector.CodeExists, ""), connector.Create, true, fault.Conflict,
		},
		"gone":              {fault.New("x", fault.NotFound, "", ""), connector.Update, true, fault.NotFound},
		"gone, of a create": {fault.New("x", fault.NotFound, "", ""), connector.Create, true, fault.Invalid},
		"no such object":    {fault.New("x", fault.NotFound, connector.CodeObject, ""), connector.Update, false, fault.Other},
		"a limit":           {fault.New("x", fault.Throttled, connector.CodeRate, ""), connector.Update, false, fault.Other},
		"no right": {
			fault.New("x", fault.Denied, connector.CodePermission, ""), connector.Update, false, fault.Other,
		},
		"perhaps written": {&fault.Error{Kind: fault.Invalid, MayHaveLanded: true}, connector.Update, false, fault.Other},
		"not classified":  {errors.New("x"), connector.Update, false, fault.Other},
		"no error at all": {nil, connector.Update, false, fault.Other},
	} {
		e, ofRow := rows.OfRow(c.err, c.op)
		if ofRow != c.ofRow || ofRow && e.Kind != c.kind {
			t.Errorf("%s: %v, %t, want %s, %t", name, e, ofRow, c.kind, c.ofRow)
		}
	}
}
