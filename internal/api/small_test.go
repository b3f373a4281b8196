package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
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
	for _, list := range []string{
		"/v1/apps", "/v1/presets", "/v1/codes", "/v1/accounts/" + string(w.left) + "/objects",
		"/v1/accounts/" + string(w.left) + "/objects/contacts/fields",
	} {
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
	if got := problemOf(fault.New("test: x", fault.Conflict, "brand_new", "")); got.Status != 409 ||
		got.Code != "brand_new" || got.Detail != "the request could not be carried out" {
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
		Engine: o.Engine, Accounts: uncounted{o.Accounts}, Now: o.Now, NewID: o.NewID, Logger: o.Logger,
		PublicURL: o.PublicURL,
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
	if _, err := w.store.Store.Write(t.Context(), store.Write{
		Item: store.Item{Key: key, Expires: w.now().Add(saveLockFor)},
	}); err != nil {
		t.Fatal(err)
	}
	before := w.must(200, "GET", "/v1/connections/"+id, "").body
	if p := w.must(409, "PATCH", "/v1/connections/"+id, `{"name":"Two"}`, ifMatch("*")).problem(t); p.Code != CodeBusy {
		t.Errorf("refused with %s", p.Code)
	}
	if after := w.must(200, "GET", "/v1/connections/"+id, "").body; string(after) != string(before) {
		t.Errorf("stored: %s", after)
	}
	w.clock.Advance(saveLockFor)
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
	if err != nil || !back.Equal(from) || !strings.HasSuffix(q.Get("from"), "Z") || q.Has("to") ||
		q.Get("cursor") != "c/1" || u.Path != "/v1/log.csv" {
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
		Mappings: []crm.Mapping{
			{ID: "m1", Left: []string{"a"}, Right: []string{"A"}}, {ID: "m2", Left: []string{"b"}, Right: []string{"B"}},
		},
		Rules: []crm.Rule{{ID: "r1", Direction: crm.DirectionToRight}},
		Match: crm.SplitMatch([]crm.MatchStep{step("email"), step("mail")}, []crm.MatchStep{step("post")}),
	}
	was.Stamp.ToRight = map[string]crm.Value{"Source": crm.TextValue("x")}
	for name, c := range map[string]struct {
		held reconcile.Held
		edit func(*crm.Sync)
		want bool
	}{
		"mapping": {reconcile.Held{Kind: reconcile.HeldMapping, ID: "m1"}, nil, true},
		"mapping, moved": {
			reconcile.Held{Kind: reconcile.HeldMapping, ID: "m1"}, func(s *crm.Sync) { slices.Reverse(s.Mappings) }, true,
		},
		"mapping, changed": {
			reconcile.Held{Kind: reconcile.HeldMapping, ID: "m1"},
			func(s *crm.Sync) { s.Mappings[0].Right = []string{"B"} },
			false,
		},
		"another mapping changed": {
			reconcile.Held{Kind: reconcile.HeldMapping, ID: "m1"},
			func(s *crm.Sync) { s.Mappings[1].Right = []string{"C"} },
			true,
		},
		"mapping, new": {
			reconcile.Held{Kind: reconcile.HeldMapping, ID: "m3"}, func(s *crm.Sync) { s.Mappings[0].ID = "m3" }, false,
		},
		"mapping, gone": {
			reconcile.Held{Kind: reconcile.HeldMapping, ID: "m1"}, func(s *crm.Sync) { s.Mappings = s.Mappings[1:] }, false,
		},
		"rule": {reconcile.Held{Kind: reconcile.HeldRule, ID: "r1"}, nil, true},
		"rule, changed": {
			reconcile.Held{Kind: reconcile.HeldRule, ID: "r1"},
			func(s *crm.Sync) { s.Rules[0].Direction = crm.DirectionBoth },
			false,
		},
		"action of a rule": {reconcile.Held{Kind: reconcile.HeldAction, ID: "r1"}, nil, true},
		"action, rule changed": {
			reconcile.Held{Kind: reconcile.HeldAction, ID: "r1"}, func(s *crm.Sync) { s.Rules[0].Undo = true }, false,
		},
		"stamp": {reconcile.Held{Kind: reconcile.HeldStamp, ID: "Source", Side: crm.Right}, nil, true},
		"stamp, other value": {
			reconcile.Held{Kind: reconcile.HeldStamp, ID: "Source", Side: crm.Right}, func(s *crm.Sync) {
				s.Stamp.ToRight["Source"] = crm.TextValue("y")
			}, false,
		},
		"stamp, new": {
			reconcile.Held{Kind: reconcile.HeldStamp, ID: "Other", Side: crm.Right}, func(s *crm.Sync) {
				s.Stamp.ToRight["Other"] = crm.TextValue("x")
			}, false,
		},
		"stamp of the other side": {reconcile.Held{Kind: reconcile.HeldStamp, ID: "Source", Side: crm.Left}, nil, false},
		"step": {
			reconcile.Held{Kind: reconcile.HeldMatch, ID: "1", Pointer: "/match/to_right/1/pairs/0/0"}, nil, true,
		},
		"step, changed": {
			reconcile.Held{Kind: reconcile.HeldMatch, ID: "1", Pointer: "/match/to_right/1/pairs/0/0"},
			func(s *crm.Sync) {
				s.Match = crm.SplitMatch([]crm.MatchStep{step("email"), step("other")}, s.Match.ToLeft)
			}, false,
		},
		"step, the other way changed": {reconcile.Held{
			Kind: reconcile.HeldMatch, ID: "0", Pointer: "/match/to_right/0/pairs/0/0",
		}, func(s *crm.Sync) {
			s.Match = crm.SplitMatch(s.Match.ToRight, []crm.MatchStep{step("other")})
		}, true},
		"step that stood in the other way only": {reconcile.Held{
			Kind: reconcile.HeldMatch, ID: "0", Pointer: "/match/to_right/0/pairs/0/0",
		}, func(s *crm.Sync) {
			s.Match = crm.SplitMatch(s.Match.ToLeft, s.Match.ToRight)
		}, false},
		"one list, now for both ways": {
			reconcile.Held{Kind: reconcile.HeldMatch, ID: "0", Pointer: "/match/0/pairs/0/0"},
			func(s *crm.Sync) {
				s.Match = crm.SameMatch(step("email"))
			}, false,
		}, // nothing of the way left was like that
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
	want := []crm.MatchStep{
		{By: crm.MatchByAnyKey, Pairs: [][2]string{{"owner", "Owner_Mail__c"}}, OnDisagreement: got.Match[0].OnDisagreement},
	}
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
			{{Name: "firstname", Type: crm.TypeText, ReadOnly: c.left}},
			{{Name: "FirstName", Type: crm.TypeText, ReadOnly: c.right}},
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
			if len(sync.Writes(side)) > 0 {
				got = append(got, string(side))
			}
		}
		if fmt.Sprint(got) != "["+sides+"]" {
			t.Errorf("%q fills %v, want %s", policy, got, sides)
		}
	}
}

// TestX3_KeysOfOtherWorkspacesAreTheOperators: an admin makes keys for the own
// workspace only, whatever the body says; the operator for every one there is.
func TestX3_KeysOfOtherWorkspacesAreTheOperators(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.must(201, "POST", "/v1/workspaces", `{"name":"Other"}`).json(t)["id"].(string)
	admin := as(w.key(`{"name":"a","role":"admin"}`))
	before := w.stored()
	for _, role := range []string{"admin", "member", "viewer"} {
		p := w.must(403, "POST", "/v1/keys", `{"name":"k","role":"`+role+`","workspace":"`+other+`"}`, admin).problem(t)
		if p.Code != CodeRoleTooLow || len(p.Errors) != 1 || p.Errors[0].Pointer != "/workspace" {
			t.Errorf("%s: %+v", role, p)
		}
	}
	w.must(400, "POST", "/v1/keys", `{"name":"k","role":"viewer","workspace":"wsp_none"}`).problem(t)
	if after := w.stored(); after != before {
		t.Errorf("something was stored:\n%s\nbefore:\n%s", after, before)
	}
	own := w.must(201, "POST", "/v1/keys", `{"name":"k","role":"viewer","workspace":"`+string(DefaultWorkspace)+`"}`,
		admin).json(t)
	theirs := w.must(201, "POST", "/v1/keys", `{"name":"k","role":"viewer","workspace":"`+other+`"}`).json(t)
	if own["workspace"] != string(DefaultWorkspace) || theirs["workspace"] != other {
		t.Errorf("keys of %v and %v", own["workspace"], theirs["workspace"])
	}
	if got := w.must(200, "GET", "/v1/workspace", "", as(theirs["key"].(string))).json(t)["id"]; got != other {
		t.Errorf("the key acts in %v, want %s", got, other)
	}
}

// TestCSVPartsKeepEveryFilter: the address of the next part asks for the same
// entries, whatever narrowed them down.
func TestCSVPartsKeepEveryFilter(t *testing.T) {
	t.Parallel()
	want := url.Values{
		"connection": {"con_1"}, "sync": {"contacts"}, "range": {"today"}, "event": {"failed"}, "job_status": {"failure"},
		"sync_status": {"error"},
		"side":        {"left"}, "record": {"7"}, "run": {"run_1"}, "code": {"rejected"}, "mapping": {"title"},
		"cursor": {"c"},
	}
	u, err := url.Parse(nextPart(LogQuery{
		Connection: "con_1", Sync: "contacts", Range: "today", Event: "failed", JobStatus: "failure", SyncStatus: "error",
		Side: "left", Record: "7", Run: "run_1", Code: "rejected", Mapping: "title",
	}, "c"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, u.Query()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	kept := len(want) - 1 + 2 // from and to have a test of their own
	if n := reflect.TypeFor[LogQuery]().NumField(); n != kept {
		t.Errorf("the query has %d filters, and %d are looked at: add the new one to nextPart and here", n, kept)
	}
}

// TestTheSourceIsTheLastHopOfOurOwnProxies: what a client writes into the
// header is believed as far back as our own proxies handed it on, and no further.
func TestTheSourceIsTheLastHopOfOurOwnProxies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		remote string
		hops   []string
		want   string
	}{
		"nobody between":          {"203.0.113.9:4711", nil, "203.0.113.9"},
		"a client's own header":   {"203.0.113.9:4711", []string{"198.51.100.1"}, "203.0.113.9"},
		"one proxy":               {"10.0.0.1:80", []string{"198.51.100.1"}, "198.51.100.1"},
		"a forged hop before it":  {"10.0.0.1:80", []string{"192.0.2.66, 198.51.100.1"}, "198.51.100.1"},
		"two proxies":             {"10.0.0.1:80", []string{"192.0.2.66", "198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		"a proxy that says none":  {"10.0.0.1:80", nil, "10.0.0.1"},
		"three proxies":           {"10.0.0.1:80", []string{"192.0.2.66, 198.51.100.1, 10.0.0.3, 10.0.0.2"}, "198.51.100.1"},
		"proxies alone":           {"10.0.0.1:80", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"nonsense":                {"10.0.0.1:80", []string{"unknown"}, "10.0.0.1"},
		"an address of six bytes": {"[::ffff:10.0.0.1]:80", []string{"2001:db8::7"}, "2001:db8::7"},
		"no address":              {"@", []string{"198.51.100.1"}, "-"},
	} {
		f := front{proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{"X-Forwarded-For": c.hops}}
		if got := f.source(r); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
