package api

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// TestWholeListsAreWholeAtEveryPageSize reads the lists that are cut from what
// is at hand: the same items in the same order, none twice, and no page behind
// the last.
func TestWholeListsAreWholeAtEveryPageSize(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.accounts()
	for _, list := range []string{"/v1/apps", "/v1/presets", "/v1/codes", "/v1/accounts/" + string(w.left) + "/objects", "/v1/accounts/" + string(w.left) + "/objects/contacts/fields"} {
		all := w.must(200, "GET", list, "").json(t)
		items := all["items"].([]any)
		if len(items) < 2 || all["next"] != nil {
			t.Fatalf("%s: %d items, next %v", list, len(items), all["next"])
		}
		for _, limit := range []int{1, 2, 3, min(len(items)-1, 200), min(len(items), 200), 200} {
			var got []any
			for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
				query := url.Values{"limit": {strconv.Itoa(limit)}}
				if cursor != "" {
					query.Set("cursor", cursor)
				}
				page := w.must(200, "GET", list+"?"+query.Encode(), "").json(t)
				part := page["items"].([]any)
				if len(part) == 0 || len(part) > limit {
					t.Fatalf("%s by %d: a page of %d", list, limit, len(part))
				}
				got = append(got, part...)
				cursor, _ = page["next"].(string)
			}
			if diff := cmp.Diff(items, got); diff != "" {
				t.Errorf("%s by %d (-want +got)\n%s", list, limit, diff)
			}
		}
		for _, bad := range []string{"0", "-1", "x", "1.5", strconv.Itoa(len(items)), strconv.Itoa(len(items) + 1)} {
			if p := w.must(400, "GET", list+"?cursor="+bad, "").problem(t); p.Code != "cursor_malformed" {
				t.Errorf("%s?cursor=%s: %s", list, bad, p.Code)
			}
		}
	}
}

// TestProblemsHideTheirCause: what went wrong inside is for the log, never for
// the client, and a code that nobody explains has a sentence all the same.
func TestProblemsHideTheirCause(t *testing.T) {
	t.Parallel()
	inner := errors.New("dial 10.0.0.7: refused")
	p := problemOf(fault.Wrap("store: get", fault.Unavailable, inner))
	if !errors.Is(p, inner) {
		t.Error("the log cannot tell what went wrong")
	}
	for _, said := range []string{p.Error(), p.Detail, p.Title} {
		if strings.Contains(said, "10.0.0.7") || said == "" {
			t.Errorf("the client reads %q", said)
		}
	}
	if !strings.HasPrefix(p.Error(), p.Code+": ") {
		t.Errorf("%q does not name its code %q", p.Error(), p.Code)
	}
	if got := problemOf(fault.New("test: x", fault.Conflict, "brand_new", "")); got.Status != 409 || got.Code != "brand_new" || got.Detail != "the request could not be carried out" {
		t.Errorf("%+v", got)
	}
}

// TestTroubleBesideAChangeIsLogged: what only follows a change fails alone: the
// change stands, and the log says what did not happen.
func TestTroubleBesideAChangeIsLogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.accounts()
	w.engine.authorized = fault.New("test: resume", fault.Unavailable, "", "down")
	w.must(200, "PATCH", "/v1/accounts/"+string(w.left), `{"credentials":{"kind":"token","token":"pat-9"}}`, ifMatch("*"))
	if !strings.Contains(w.log.String(), "connections not resumed") {
		t.Error("nobody reads that the connections still wait")
	}
}

// TestARefusalThatCannotBeCountedIsOne: a store that is away makes no forged
// delivery an authentic one.
func TestARefusalThatCannotBeCountedIsOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, publicURL)
	path, _ := hook(w)
	o := w.server.Options
	var err error
	w.handler, err = NewHooks(HookOptions{
		Engine: o.Engine, Accounts: uncounted{o.Accounts}, Drivers: o.Drivers, Now: o.Now, NewID: o.NewID, Logger: o.Logger, PublicURL: o.PublicURL,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.must(401, "POST", path, `["1"]`, header("X-Other", "x"))
	if !strings.Contains(w.log.String(), "refused delivery not counted") {
		t.Error("nobody reads that the delivery is not counted")
	}
	if calls := w.engine.called(); len(calls) != 0 {
		t.Errorf("the engine was asked for %v", calls)
	}
}

// uncounted cannot count refused deliveries.
type uncounted struct{ HookAccounts }

func (uncounted) RefusedDelivery(context.Context, crm.WorkspaceID, crm.AccountID, string) error {
	return fault.New("test: count", fault.Unavailable, "", "down")
}

// TestSavesWaitForEachOther: while another process saves, nobody else does; a
// save whose process died is not waited for for ever.
func TestSavesWaitForEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.connect("One")
	key := store.Key{Table: store.Settings, Workspace: DefaultWorkspace, Partition: "workspace", Sort: "lock#connections"}
	if _, err := w.store.Store.Write(t.Context(), store.Write{Item: store.Item{Key: key, Expires: w.now().Add(saveLockFor)}}); err != nil {
		t.Fatal(err)
	}
	before := w.must(200, "GET", "/v1/connections/"+id, "").body
	if p := w.must(409, "PATCH", "/v1/connections/"+id, `{"name":"Two"}`, ifMatch("*")).problem(t); p.Code != CodeBusy {
		t.Errorf("refused with %s", p.Code)
	}
	if after := w.must(200, "GET", "/v1/connections/"+id, "").body; string(after) != string(before) {
		t.Errorf("stored: %s", after)
	}
	w.clock.Add(int64(saveLockFor))
	w.must(200, "PATCH", "/v1/connections/"+id, `{"name":"Two"}`, ifMatch("*"))
	w.must(200, "PATCH", "/v1/connections/"+id, `{"name":"Three"}`, ifMatch("*")) // the lock was given back
}

// TestCSVPartsKeepTheRange: the address of the next part has the times of the
// filter, to the nanosecond and in UTC, and none that were not asked for.
func TestCSVPartsKeepTheRange(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 3, 1, 1, 2, 3, 456789, time.FixedZone("", 2*3600))
	u, err := url.Parse(nextPart(LogQuery{From: from}, "c/1"))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	back, err := time.Parse(time.RFC3339Nano, q.Get("from"))
	if err != nil || !back.Equal(from) || !strings.HasSuffix(q.Get("from"), "Z") || q.Has("to") || q.Get("cursor") != "c/1" || u.Path != "/v1/log.csv" {
		t.Errorf("%s: %v", u, err)
	}
}

// TestX9_BlankStaysBlankUnderTheMask: that a viewer must not see a text does not
// make one where there was none.
func TestX9_BlankStaysBlankUnderTheMask(t *testing.T) {
	t.Parallel()
	got := maskEntry(engine.Entry{URL: "https://x.example.com/?q=secret", Request: "secret"})
	if got.URL != masked || got.Request != masked || got.Response != "" {
		t.Errorf("%+v", got)
	}
}

// TestS31_OnlyWhatIsAsItWasSavedRests: a held part may stay in a document that is
// saved again; one that is new, changed or another one has to name fields that exist.
func TestS31_OnlyWhatIsAsItWasSavedRests(t *testing.T) {
	t.Parallel()
	step := func(left string) crm.MatchStep {
		return crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{left, "Email"}}}
	}
	was := &crm.Sync{
		Mappings: []crm.Mapping{{ID: "m1", Left: []string{"a"}, Right: []string{"A"}}, {ID: "m2", Left: []string{"b"}, Right: []string{"B"}}},
		Rules:    []crm.Rule{{ID: "r1", Direction: crm.DirectionToRight}},
		Match:    crm.SplitMatch([]crm.MatchStep{step("email"), step("mail")}, []crm.MatchStep{step("post")}),
	}
	was.Stamp.ToRight = map[string]crm.Value{"Source": crm.TextValue("x")}
	for name, c := range map[string]struct {
		held reconcile.Held
		edit func(*crm.Sync)
		want bool
	}{
		"mapping":                 {reconcile.Held{Kind: reconcile.HeldMapping, ID: "m1"}, nil, true},
		"mapping, moved":          {reconcile.Held{Kind: reconcile.HeldMapping, ID: "m1"}, func(s *crm.Sync) { slices.Reverse(s.Mappings) }, true},
		"mapping, changed":        {reconcile.Held{Kind: reconcile.HeldMapping, ID: "m1"}, func(s *crm.Sync) { s.Mappings[0].Right = []string{"B"} }, false},
		"another mapping changed": {reconcile.Held{Kind: reconcile.HeldMapping, ID: "m1"}, func(s *crm.Sync) { s.Mappings[1].Right = []string{"C"} }, true},
		"mapping, new":            {reconcile.Held{Kind: reconcile.HeldMapping, ID: "m3"}, func(s *crm.Sync) { s.Mappings[0].ID = "m3" }, false},
		"mapping, gone":           {reconcile.Held{Kind: reconcile.HeldMapping, ID: "m1"}, func(s *crm.Sync) { s.Mappings = s.Mappings[1:] }, false},
		"rule":                    {reconcile.Held{Kind: reconcile.HeldRule, ID: "r1"}, nil, true},
		"rule, changed":           {reconcile.Held{Kind: reconcile.HeldRule, ID: "r1"}, func(s *crm.Sync) { s.Rules[0].Direction = crm.DirectionBoth }, false},
		"action of a rule":        {reconcile.Held{Kind: reconcile.HeldAction, ID: "r1"}, nil, true},
		"action, rule changed":    {reconcile.Held{Kind: reconcile.HeldAction, ID: "r1"}, func(s *crm.Sync) { s.Rules[0].Undo = true }, false},
		"stamp":                   {reconcile.Held{Kind: reconcile.HeldStamp, ID: "Source", Side: crm.Right}, nil, true},
		"stamp, other value":      {reconcile.Held{Kind: reconcile.HeldStamp, ID: "Source", Side: crm.Right}, func(s *crm.Sync) { s.Stamp.ToRight["Source"] = crm.TextValue("y") }, false},
		"stamp, new":              {reconcile.Held{Kind: reconcile.HeldStamp, ID: "Other", Side: crm.Right}, func(s *crm.Sync) { s.Stamp.ToRight["Other"] = crm.TextValue("x") }, false},
		"stamp of the other side": {reconcile.Held{Kind: reconcile.HeldStamp, ID: "Source", Side: crm.Left}, nil, false},
		"step":                    {reconcile.Held{Kind: reconcile.HeldMatch, ID: "1", Pointer: "/match/to_right/1/pairs/0/0"}, nil, true},
		"step, changed": {reconcile.Held{Kind: reconcile.HeldMatch, ID: "1", Pointer: "/match/to_right/1/pairs/0/0"}, func(s *crm.Sync) {
			s.Match = crm.SplitMatch([]crm.MatchStep{step("email"), step("other")}, s.Match.ToLeft)
		}, false},
		"step, the other way changed": {reconcile.Held{Kind: reconcile.HeldMatch, ID: "0", Pointer: "/match/to_right/0/pairs/0/0"}, func(s *crm.Sync) {
			s.Match = crm.SplitMatch(s.Match.ToRight, []crm.MatchStep{step("other")})
		}, true},
		"step that stood in the other way only": {reconcile.Held{Kind: reconcile.HeldMatch, ID: "0", Pointer: "/match/to_right/0/pairs/0/0"}, func(s *crm.Sync) {
			s.Match = crm.SplitMatch(s.Match.ToLeft, s.Match.ToRight)
		}, false},
		"one list, now for both ways": {reconcile.Held{Kind: reconcile.HeldMatch, ID: "0", Pointer: "/match/0/pairs/0/0"}, func(s *crm.Sync) {
			s.Match = crm.SameMatch(step("email"))
		}, false}, // nothing of the way left was like that
		"what nobody knows": {reconcile.Held{Kind: "other", ID: "m1"}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := *was
			now.Mappings, now.Rules = slices.Clone(was.Mappings), slices.Clone(was.Rules)
			now.Stamp.ToRight = map[string]crm.Value{"Source": crm.TextValue("x")}
			if c.edit != nil {
				c.edit(&now)
			}
			if got := samePart(was, &now, &c.held); got != c.want {
				t.Errorf("rests: %t, want %t", got, c.want)
			}
		})
	}
}

// TestSuggestionsOfUnknownObjects: two objects that nobody paired before are
// matched by the first e-mail field of each, or not at all; a field that an app
// does not let us write is mapped away from it only, and two such not at all.
func TestSuggestionsOfUnknownObjects(t *testing.T) {
	t.Parallel()
	apps := [2]crm.AppID{"hubspot", "salesforce"}
	sync := &crm.Sync{ID: "s"}
	sync.Left.Object, sync.Right.Object = "p_pets", "Pet__c"
	mail := func(names ...string) (out []crm.Field) {
		out = append(out, crm.Field{Name: "n", Type: crm.TypeText})
		for _, n := range names {
			out = append(out, crm.Field{Name: n, Type: crm.TypeEmail})
		}
		return out
	}
	got := suggest(sync, apps, [2][]crm.Field{mail("owner", "vet"), mail("Owner_Mail__c", "Vet_Mail__c")})
	want := []crm.MatchStep{{By: crm.MatchByAnyKey, Pairs: [][2]string{{"owner", "Owner_Mail__c"}}, OnDisagreement: got.Match[0].OnDisagreement}}
	if diff := cmp.Diff(want, got.Match); diff != "" {
		t.Errorf("steps (-want +got)\n%s", diff)
	}
	for _, fields := range [][2][]crm.Field{{mail(), mail("x")}, {mail("x"), mail()}} {
		if got := suggest(sync, apps, fields); len(got.Match) != 0 {
			t.Errorf("with one e-mail field: %+v", got.Match)
		}
	}
	sync.Left.Object, sync.Right.Object = "contacts", "Contact"
	for name, c := range map[string]struct {
		left, right bool // read-only
		want        crm.Direction
	}{
		"both writable": {false, false, crm.DirectionBoth}, "left read-only": {true, false, crm.DirectionToRight},
		"right read-only": {false, true, crm.DirectionToLeft}, "both read-only": {true, true, ""},
	} {
		got := suggest(sync, apps, [2][]crm.Field{
			{{Name: "firstname", Type: crm.TypeText, ReadOnly: c.left}}, {{Name: "FirstName", Type: crm.TypeText, ReadOnly: c.right}},
		})
		var direction crm.Direction
		for _, m := range got.Mappings {
			if m.ID == "first_name" {
				direction = m.Direction
			}
		}
		if direction != c.want || c.want == "" && len(got.Mappings) != 0 {
			t.Errorf("%s: %q of %d mappings, want %q", name, direction, len(got.Mappings), c.want)
		}
	}
}

// TestUnsupportedStepsAreFoundWhereTheyStand: the pointer leads into the list
// that the document has.
func TestUnsupportedStepsAreFoundWhereTheyStand(t *testing.T) {
	t.Parallel()
	plain := crm.MatchStep{By: crm.MatchByAnyKey}
	back := crm.MatchStep{By: crm.MatchByID, WriteBack: true}
	for want, match := range map[string]crm.Match{
		"/match/1/write_back":          crm.SameMatch(plain, back),
		"/match/to_right/0/write_back": crm.SplitMatch([]crm.MatchStep{back}, []crm.MatchStep{plain}),
		"/match/to_left/1/write_back":  crm.SplitMatch([]crm.MatchStep{plain}, []crm.MatchStep{plain, back}),
		"":                             crm.SplitMatch([]crm.MatchStep{plain}, []crm.MatchStep{plain}),
	} {
		sync := &crm.Sync{Match: match}
		sync.Deletes.ToRight, sync.Deletes.ToLeft = crm.DeleteIgnore, crm.DeleteIgnore
		sync.Unsubscribes.ToRight, sync.Unsubscribes.ToLeft = crm.DeleteIgnore, crm.DeleteIgnore
		var got []string
		for _, p := range unsupportedIn(sync) {
			got = append(got, p.Pointer)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestPoliciesSayWhichFieldsAreWritten: the shorthand of a mapping decides which
// side a mapping fills, whatever its direction says.
func TestPoliciesSayWhichFieldsAreWritten(t *testing.T) {
	t.Parallel()
	for policy, sides := range map[crm.MappingPolicy]string{
		crm.PolicyTwoWay: "left right", crm.PolicyPreferRightUnless: "left right", crm.PolicyPreferLeftUnless: "left right",
		crm.PolicyAlwaysRight: "left", crm.PolicyAlwaysLeft: "right", crm.PolicyNone: "", "": "left",
	} {
		m := crm.Mapping{ID: "m", Left: []string{"l"}, Right: []string{"R"}, Direction: crm.DirectionToLeft}
		if policy != "" {
			m.Policy = &policy
		}
		sync := &crm.Sync{Direction: crm.DirectionBoth, Mappings: []crm.Mapping{m}}
		var got []string
		for _, side := range crm.Sides {
			if len(written(sync, side)) > 0 {
				got = append(got, string(side))
			}
		}
		if fmt.Sprint(got) != "["+sides+"]" {
			t.Errorf("%q fills %v, want %s", policy, got, sides)
		}
	}
}
