package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// TestWhatANewerReleaseWroteIsRefused: an item of a later format, and a damaged
// one, is an error and never read as what it is not.
func TestWhatANewerReleaseWroteIsRefused(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func([]byte) error{
		"link":           func(b []byte) error { _, err := decodeLink(store.Item{Data: b}); return err },
		"head of a link": func(b []byte) error { _, err := decodeHead(store.Item{Data: b}); return err },
		"intent":         func(b []byte) error { _, err := decodeIntent(b); return err },
	} {
		for data, ok := range map[string]bool{
			`{"v":1}`: true, `{"v":2}`: false, `{"v":99,"l":"x"}`: false, `{"v":`: false,
			``: false, `[]`: false,
		} {
			if err := read([]byte(data)); (err == nil) != ok {
				t.Errorf("%s: %q: %v", name, data, err)
			}
		}
	}
}

// TestOlderIDsComeFirst: shorter numbers are older, and an order is one.
func TestOlderIDsComeFirst(t *testing.T) {
	t.Parallel()
	want := []crm.RecordID{"9", "10", "99", "100", "0031", "00Qa", "00Qb"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, compareIDs)
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for _, a := range want {
		for _, b := range want {
			if x, y := compareIDs(a, b), compareIDs(b, a); (x < 0) != (y > 0) || (x == 0) != (a == b) {
				t.Errorf("%s and %s: %d and %d", a, b, x, y)
			}
		}
	}
}

// TestCompaniesStartBeforePeopleBeforeDeals: so that references find their
// targets; within a rank the document's order stays.
func TestCompaniesStartBeforePeopleBeforeDeals(t *testing.T) {
	t.Parallel()
	conn := &crm.Connection{}
	for _, o := range [][2]string{
		{"deals", "Opportunity"},
		{"contacts", "Lead"},
		{"companies", "Account"},
		{"contacts", "Contact"},
		{"p_pets", "Pet__c"},
		{"2-1", "Account"},
	} {
		var s crm.Sync
		s.Left.Object, s.Right.Object = o[0], o[1]
		conn.Syncs = append(conn.Syncs, s)
	}
	if got := fmt.Sprint(startOrder(conn)); got != "[2 5 1 3 4 0]" {
		t.Errorf("%s, want companies, then people and others, then deals", got)
	}
}

// TestOriginsAndOutcomesAreRead: what the meters of a deployment read of messages
// and writes.
func TestOriginsAndOutcomesAreRead(t *testing.T) {
	t.Parallel()
	if o := OriginOf([]byte(`{"id":"chk_1","con":"con_1","sync":"contacts","side":"left","trace":"t"}`)); o.Chunk != "chk_1" ||
		o.Connection != "con_1" || o.Sync != "contacts" || o.Side != crm.Left || o.Trace != "t" {
		t.Errorf("%+v", o)
	}
	if o := OriginOf([]byte(`{"id":7}`)); o != (Origin{}) {
		t.Errorf("of a foreign message: %+v", o)
	}
	day := store.Write{
		Op: store.Add, Item: store.Item{
			Key: store.Key{Table: store.Log, Partition: "day#con_1#contacts"}, Counters: map[string]int64{
				"o:created": 2, "o:failed": 1, "n": 9,
			},
		},
	}
	if got, ok := BookedBy(&day); !ok || fmt.Sprint(got) != "{con_1 contacts map[created:2 failed:1]}" {
		t.Errorf("%v", got)
	}
	of := scope{"ws", "con_1", "contacts"}.day(time.Unix(0, 0))
	if of.Table != store.Log || of.Partition != day.Item.Partition {
		t.Errorf("days are kept in %s %s: what they book is read elsewhere", of.Table, of.Partition)
	}
	for _, change := range []func(*store.Write){
		func(w *store.Write) { w.Op = store.Put },
		func(w *store.Write) { w.Item.Table = store.Links },
		func(w *store.Write) { w.Item.Partition = "run#x" },
		func(w *store.Write) { w.Item.Counters = map[string]int64{"n": 1} },
	} {
		w := day
		change(&w)
		if got, ok := BookedBy(&w); ok {
			t.Errorf("%+v books %v", w.Item.Key, got)
		}
	}
}

// TestS34_ARightIsMissingForTheObjectOrForARecord: only when every row of a call
// is refused for want of a right, and no field is named, is it the object's; one
// row alone says it of its record, also when it was sent to find out, and rows
// that waited until others were taken say it of theirs.
func TestS34_ARightIsMissingForTheObjectOrForARecord(t *testing.T) {
	t.Parallel()
	denied := &fault.Error{Kind: fault.Denied, Code: codePermission}
	field := &fault.Error{Kind: fault.Denied, Code: codePermission, Field: "Title"}
	landed := &fault.Error{Kind: fault.Denied, Code: codePermission, MayHaveLanded: true}
	other := &fault.Error{Kind: fault.Invalid, Code: "rejected"}
	for name, c := range map[string]struct {
		errs []error
		sent crm.Side // the side whose right the rows are to find out about
		want bool
	}{
		"all of them":                 {[]error{denied, denied}, "", true},
		"one of them":                 {[]error{denied, nil}, "", false},
		"the other one":               {[]error{nil, denied}, "", false},
		"another reason too":          {[]error{denied, other}, "", false},
		"a field is named":            {[]error{denied, field}, "", false},
		"it may have landed":          {[]error{denied, landed}, "", false},
		"a lone record":               {[]error{denied}, "", false},
		"a lone record, to find out":  {[]error{denied}, crm.Right, false},
		"two records, to find out":    {[]error{denied, denied}, crm.Right, true},
		"to find out of the other":    {[]error{denied}, crm.Left, false},
		"a lone record, and its name": {[]error{field}, crm.Right, false},
	} {
		var rows []row
		var got []connector.Written
		for _, err := range c.errs {
			rows = append(rows, row{u: &unit{hint: hint{Barred: c.sent}}})
			got = append(got, connector.Written{Err: err})
		}
		freed := slices.Clone(rows)
		for i := range freed {
			freed[i].u = &unit{hint: hint{Freed: crm.Right}}
		}
		if err := refusedWhole(crm.Right, freed, got); err != nil {
			t.Errorf("%s, after others were taken: %v", name, err)
		}
		if err := refusedWhole(crm.Right, rows, got); (err != nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestS34_ALoneRefusalIsItsRecordsOwn: a single record that is refused for want of a right
// fails by itself, however often, until another one is refused or the direction waits
// already. One that is sent to find out goes on waiting, and nobody else because of it; one
// that was freed says nothing about others.
func TestS34_ALoneRefusalIsItsRecordsOwn(t *testing.T) {
	t.Parallel()
	denied := &fault.Error{Kind: fault.Denied, Code: codePermission}
	type try struct {
		ref  string
		hint hint
		errs []error
		want bool // it waits
		bars bool // so does everybody
	}
	lone := func(ref string, want bool) try { return try{ref, hint{}, []error{denied}, want, want} }
	freed := try{"f", hint{Freed: crm.Right}, []error{denied}, false, false}
	probe := try{"p", hint{Barred: crm.Right}, []error{denied}, true, false}
	for name, tries := range map[string][]try{
		"one, again and again":         {lone("a", false), lone("a", false)},
		"another one":                  {lone("a", false), lone("b", true), lone("c", true)},
		"the first again, meanwhile":   {lone("a", false), lone("b", true), lone("b", true)},
		"to find out":                  {probe},
		"to find out, then another":    {probe, lone("a", true)},
		"to find out of the other":     {{"a", hint{Barred: crm.Left}, []error{denied}, false, false}},
		"freed, then another":          {freed, lone("a", false), freed, lone("a", false)},
		"freed while others wait":      {lone("a", false), lone("b", true), freed},
		"freed of the other direction": {lone("a", false), {"b", hint{Freed: crm.Left}, []error{denied}, true, true}},
		"two rows":                     {lone("a", false), {"b", hint{}, []error{denied, denied}, false, false}},
		"it names a field": {lone("a", false), {
			"b", hint{}, []error{&fault.Error{Kind: fault.Denied, Code: codePermission, Field: "City"}}, false, false,
		}},
		"it may have landed": {lone("a", false), {
			"b", hint{}, []error{&fault.Error{Kind: fault.Denied, Code: codePermission, MayHaveLanded: true}}, false, false,
		}},
		"another reason": {lone("a", false), {"b", hint{}, []error{&fault.Error{Kind: fault.Invalid}}, false, false}},
	} {
		d := newDesk(t)
		for i, c := range tries {
			d.now = d.now.Add(time.Second)
			d.s.bars[1] = false
			d.s.note(waitKey{d.s.scope, crm.Right, "barred"}, time.Time{})
			var rows []row
			var got []connector.Written
			for _, err := range c.errs {
				rows = append(rows, row{u: &unit{hint: c.hint}, Write: connector.Write{Ref: c.ref}})
				got = append(got, connector.Written{Err: err})
			}
			done, err := d.s.refusedOne(t.Context(), crm.Right, rows, got)
			d.must(err)
			barred := d.s.notedAt(waitKey{d.s.scope, crm.Right, "barred"}).Equal(d.now)
			if done != c.want || rows[0].u.fate.barred.Right != c.want || d.s.bars[1] != c.bars || barred != c.bars {
				t.Errorf("%s, %d: dealt with %t, the record waits %t, everybody %t, %t; want %t, %t", name, i+1, done,
					rows[0].u.fate.barred.Right, d.s.bars[1], barred, c.want, c.bars)
			}
			waits := d.s.notedAt(waitKey{d.s.scope, crm.Right, "waits"})
			if c.want && !waits.Equal(d.now) {
				t.Errorf("%s, %d: the wait is noted at %s", name, i+1, waits)
			}
			if known, _, err := d.loadOutages(t.Context(), d.sc); c.want && (err != nil || len(known.Waits) != 1 ||
				known.Waits[0].Direction != crm.ToRight || known.Waits[0].Code != codePermission) {
				t.Errorf("%s, %d: the wait is told as %+v, %v", name, i+1, known, err)
			}
		}
		if want := name == "to find out" || name == "to find out, then another"; d.marks["refused_again"] > 0 != want {
			t.Errorf("%s: came by %s", name, d.met())
		}
	}
}

// TestS38_AnEarlierStepTellsClaimsApart: two records that contest a later key are
// different people when both hold keys of an earlier step and share none; with
// nothing to compare before it, the contest stands.
func TestS38_AnEarlierStepTellsClaimsApart(t *testing.T) {
	t.Parallel()
	key := func(rank int, text string) reconcile.Key { return reconcile.Key{Rank: rank, Canonical: text} }
	phone := key(1, "phone:1")
	for name, c := range map[string]struct {
		theirs, mine []reconcile.Key
		want         bool
	}{
		"other addresses": {
			[]reconcile.Key{key(0, "mail:a"), phone},
			[]reconcile.Key{key(0, "mail:b"), phone},
			true,
		},
		"the same address": {
			[]reconcile.Key{key(0, "mail:a"), phone},
			[]reconcile.Key{key(0, "mail:a"), phone},
			false,
		},
		"one address in common": {
			[]reconcile.Key{key(0, "mail:a"), key(0, "mail:c"), phone}, []reconcile.Key{
				key(0, "mail:b"), key(0, "mail:c"), phone,
			}, false,
		},
		"they have no address": {[]reconcile.Key{phone}, []reconcile.Key{key(0, "mail:b"), phone}, false},
		"I have no address":    {[]reconcile.Key{key(0, "mail:a"), phone}, []reconcile.Key{phone}, false},
		"the first step itself": {
			[]reconcile.Key{key(0, "phone:1"), key(1, "mail:a")}, []reconcile.Key{key(0, "phone:1"), key(1, "mail:b")}, false,
		},
		"a ladder of one step only": {[]reconcile.Key{key(0, "phone:1")}, []reconcile.Key{key(0, "phone:1")}, false},
		"the middle one decides": {
			[]reconcile.Key{key(1, "mail:a"), key(2, "phone:1")}, []reconcile.Key{key(1, "mail:b"), key(2, "phone:1")}, true,
		},
		"the first both hold decides": {
			[]reconcile.Key{key(0, "id:1"), key(1, "mail:a"), key(2, "phone:1")}, []reconcile.Key{
				key(0, "id:1"), key(1, "mail:b"), key(2, "phone:1"),
			}, false,
		},
	} {
		claim := claimed{Keys: rankedKeys(c.theirs)}
		if got := claim.apart(&unit{answered: answered{keys: c.mine}}, "phone:1"); got != c.want {
			t.Errorf("%s: apart %t, want %t", name, got, c.want)
		}
	}
}

// TestS34_ARefusalIsToldWithItsCode: where the app gave one.
func TestS34_ARefusalIsToldWithItsCode(t *testing.T) {
	t.Parallel()
	coded := refusal(fault.New("x: y", fault.Invalid, "rejected", "too many fields"))
	bare := refusal(&fault.Error{Op: "x: y", Kind: fault.Invalid, Message: "too many fields"})
	if coded != "rejected: too many fields" || strings.Contains(bare, "rejected") ||
		!strings.Contains(bare, "too many fields") {
		t.Errorf("%q and %q", coded, bare)
	}
}
