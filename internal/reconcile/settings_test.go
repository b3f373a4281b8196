package reconcile

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestCompileReportsEveryProblem at once, each with its place.
func TestCompileReportsEveryProblem(t *testing.T) {
	t.Parallel()
	word := crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"email", "Email"}}}
	for name, c := range map[string]struct {
		change func(*crm.Sync)
		conn   *crm.Connection
		want   []string // pointer and code
	}{
		"none":          {change: func(*crm.Sync) {}},
		"no connection": {change: func(*crm.Sync) {}, conn: nil},
		"time zone": {
			change: func(*crm.Sync) {}, conn: &crm.Connection{
				TimeZone: crm.PerSide[string]{Left: "Mars/Olympus", Right: "Local"},
			}, want: []string{" unknown_time_zone", " unknown_time_zone"},
		},
		"enumerations": {change: func(s *crm.Sync) {
			s.Direction, s.Conflict, s.Schedule, s.Initial = "sideways", "loudest", "2m", "some"
			s.Behavior.ToLeft, s.Deletes.ToRight, s.Unsubscribes.ToLeft = "destroy", "explode", crm.DeleteArchive
		}, want: []string{
			"/direction unknown_direction", "/conflict unknown_conflict", "/schedule unknown_schedule",
			"/initial unknown_initial",
			"/deletes/to_right unknown_delete_policy", "/behavior/to_left unknown_behavior",
			"/unsubscribes/to_left unknown_delete_policy",
		}},
		"tag": {change: func(s *crm.Sync) { s.Deletes.ToLeft = crm.DeleteTag }, want: []string{"/deletes/tag missing_tag"}},
		"mapping": {
			change: func(s *crm.Sync) { s.Mappings[0].Left = []string{"gone"} },
			want:   []string{"/mappings/0/left/0 unknown_field"},
		},
		"rule": {change: func(s *crm.Sync) {
			s.Rules = []crm.Rule{{ID: "r", Direction: crm.DirectionToRight, Filter: &crm.Filter{Field: "gone", Op: "is_true"}}}
		}, want: []string{"/rules/0/filter/field unknown_field"}},
		"no match steps": {change: func(s *crm.Sync) { s.Match = crm.Match{} }, want: []string{"/match missing_match_step"}},
		"no match steps one way": {
			change: func(s *crm.Sync) { s.Match = crm.SplitMatch([]crm.MatchStep{word}, nil) },
			want:   []string{"/match/to_left missing_match_step"},
		},
		"no match steps on the closed way": {change: func(s *crm.Sync) {
			s.Direction, s.Match = crm.DirectionToRight, crm.SplitMatch([]crm.MatchStep{word}, nil)
		}},
		"no match steps, duplicates allowed": {
			change: func(s *crm.Sync) { s.Match, s.AvoidDuplicates = crm.Match{}, new(bool) },
		},
		"pairs": {change: func(s *crm.Sync) {
			s.Match = crm.SplitMatch([]crm.MatchStep{
				{By: crm.MatchByAnyKey, Pairs: [][2]string{{"email", "gone"}, {"", "Email"}}},
			}, []crm.MatchStep{{By: crm.MatchByAllKeys, Verify: [][2]string{{"gone", "Phone"}}}})
		}, want: []string{
			"/match/to_left/0/pairs missing_pairs", "/match/to_left/0/verify/0/0 unknown_field",
			"/match/to_right/0/pairs/0/1 unknown_field", "/match/to_right/0/pairs/1/0 missing_field",
		}},
		"steps for both ways are reported once": {change: func(s *crm.Sync) {
			s.Match = crm.SameMatch(crm.MatchStep{By: "smell", OnMissing: "cry"}, crm.MatchStep{
				By: crm.MatchByID, Left: "$id", Right: "$id",
			},
				crm.MatchStep{By: crm.MatchByID, Left: "twin", Right: "Origin", WriteBack: true}, crm.MatchStep{
					By: crm.MatchByAnyKey, Pairs: word.Pairs, Protect: []string{"Email"}, OnDisagreement: "fight",
				})
		}, want: []string{
			"/match/0/on_missing unknown_choice", "/match/0/by unknown_match_step", "/match/1/left wrong_id_step",
			"/match/2/write_back wrong_id_step", "/match/3/on_disagreement unknown_choice", "/match/3/protect/0 unknown_field",
		}},
		"stamp": {
			change: func(s *crm.Sync) { s.Stamp.ToLeft = crm.Fields{"go/ne": crm.TextValue("x")} },
			want:   []string{"/stamp/to_left/go~1ne unknown_field"},
		},
		"written-back ID is mapped": {change: func(s *crm.Sync) {
			s.Mappings = append(s.Mappings, one("twin", "twin", "Origin"))
			s.Match = crm.SameMatch(crm.MatchStep{By: crm.MatchByID, Left: "twin", Right: "$id", WriteBack: true}, word)
		}, want: []string{"/match/0/left field_is_mapped"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sync := baseSync(twelve()[:3]...)
			c.change(&sync)
			s, problems := Compile(c.conn, &sync, leftSchema(), rightSchema())
			var got []string
			for _, p := range problems {
				got = append(got, p.Pointer+" "+p.Code)
				if p.Detail == "" {
					t.Errorf("%s has no detail", p.Pointer)
				}
			}
			slices.Sort(got)
			slices.Sort(c.want)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if s == nil {
				t.Fatal("there are no settings")
			}
			s.Reconcile(Pair{Left: ann(), Right: annRight(), Linked: true, Now: noon})
		})
	}
}

func TestCompileWithoutSchema(t *testing.T) {
	t.Parallel()
	sync := baseSync(twelve()...)
	sync.Rules = vipOnly()
	s, problems := Compile(conn(), &sync, nil, nil)
	if len(problems) > 0 {
		t.Fatalf("unknown schemas are no problem: %v", problems)
	}
	if decision := s.Reconcile(Pair{Left: ann(), Now: noon}); decision.Outcome != crm.Created {
		t.Errorf("the record is %s %s %s", decision.Outcome, decision.Code, decision.Detail)
	}
}

func TestReadFields(t *testing.T) {
	t.Parallel()
	sync := baseSync(twelve()[:1]...)
	sync.Match = ladder()
	sync.Rules = []crm.Rule{{
		ID: "r", Direction: crm.DirectionToRight,
		Filter: &crm.Filter{All: []crm.Filter{
			{Field: "vip", Op: "is_true"}, {Field: "tags", Op: "not_contains", Value: crm.TextValue("No")},
		}},
		Actions:        []crm.RuleAction{{Type: "add_tag", Field: "Tags", Value: "x"}},
		OtherWayAround: crm.OtherWayAround{Enabled: true, Exclude: &crm.Exclude{Field: "tags", Value: "No"}},
	}}
	sync.Stamp.ToRight = crm.Fields{"Source": crm.TextValue("x")}
	s, problems := Compile(conn(), &sync, leftSchema(), rightSchema())
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if diff := cmp.Diff([]string{"email", "first", "last", "origin", "phone", "tags", "twin", "vip"},
		s.ReadFields(crm.Left)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Email", "Note", "Origin", "Phone", "Source", "Tags", "Title"},
		s.ReadFields(crm.Right)); diff != "" {
		t.Errorf("right (-want +got):\n%s", diff)
	}
	own := s.ReadFields(crm.Left)
	own[0] = "changed"
	if s.ReadFields(crm.Left)[0] != "email" {
		t.Error("the caller's copy is not its own")
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	digest := func(c *crm.Connection, change func(*crm.Sync), schema []crm.Field) string {
		sync := baseSync(twelve()...)
		change(&sync)
		s, _ := Compile(c, &sync, leftSchema(), schema)
		return s.Digest()
	}
	none := func(*crm.Sync) {}
	was := digest(conn(), none, rightSchema())
	reversed := rightSchema()
	slices.Reverse(reversed)
	for name, got := range map[string]string{
		"again":        digest(conn(), none, rightSchema()),
		"schedule":     digest(conn(), func(s *crm.Sync) { s.Schedule, s.Initial = "1m", "changes_only" }, rightSchema()),
		"schema order": digest(conn(), none, reversed),
	} {
		if got != was {
			t.Errorf("%s: the digest changes though no outcome does", name)
		}
	}
	shorter := rightSchema()
	shorter[3].MaxLength = 3
	for name, got := range map[string]string{
		"country": digest(&crm.Connection{Country: "DE"}, none, rightSchema()),
		"time zone": digest(&crm.Connection{Country: "US", TimeZone: crm.PerSide[string]{Left: "Europe/Berlin"}}, none,
			rightSchema()),
		"conflict":  digest(conn(), func(s *crm.Sync) { s.Conflict = crm.ConflictRight }, rightSchema()),
		"mapping":   digest(conn(), func(s *crm.Sync) { s.Mappings[0].Clear.ToLeft = true }, rightSchema()),
		"match":     digest(conn(), func(s *crm.Sync) { s.Match = ladder() }, rightSchema()),
		"rules":     digest(conn(), func(s *crm.Sync) { s.Rules = vipOnly() }, rightSchema()),
		"schema":    digest(conn(), none, shorter),
		"no schema": digest(conn(), none, nil),
	} {
		if got == was {
			t.Errorf("%s: the digest stays though outcomes change", name)
		}
	}
}

func TestTimed(t *testing.T) {
	t.Parallel()
	recent := crm.Filter{Field: "born", Op: "in_last_days", Value: crm.NumberValue("7")}
	for name, c := range map[string]struct {
		rule crm.Rule
		want bool
	}{
		"plain":        {crm.Rule{ID: "r", Filter: &crm.Filter{Field: "vip", Op: "is_true"}}, false},
		"in last days": {crm.Rule{ID: "r", Filter: &recent}, true},
		"deep inside": {
			crm.Rule{ID: "r", Filter: &crm.Filter{All: []crm.Filter{{Any: []crm.Filter{{Not: &recent}}}}}},
			true,
		},
		"switched off": {crm.Rule{ID: "r", Enabled: new(bool), Filter: &recent}, false},
		"no filter":    {crm.Rule{ID: "r"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			sync := baseSync(twelve()[:1]...)
			c.rule.Direction = crm.DirectionToRight
			sync.Rules = []crm.Rule{c.rule}
			s := compile(sync)
			if s.Timed() != c.want || s.Reconcile(Pair{Left: ann(), Now: noon}).Timed != c.want {
				t.Errorf("Timed = %t, want %t", s.Timed(), c.want)
			}
		})
	}
}

func TestS16_OnDelete(t *testing.T) {
	t.Parallel()
	tagLeft := func(s *crm.Sync) {
		s.Deletes = crm.Deletes{ToRight: crm.DeleteArchive, ToLeft: crm.DeleteTag, Tag: "Gone"}
	}
	for name, c := range map[string]struct {
		change []func(*crm.Sync)
		want   [2]crm.Deletion // when the left, the right record was deleted
	}{
		"by default":       {nil, [2]crm.Deletion{crm.DeleteIgnore, crm.DeleteIgnore}},
		"each way its own": {[]func(*crm.Sync){tagLeft}, [2]crm.Deletion{crm.DeleteArchive, crm.DeleteTag}},
		"a closed way": {
			[]func(*crm.Sync){tagLeft, func(s *crm.Sync) { s.Direction = crm.DirectionToRight }},
			[2]crm.Deletion{crm.DeleteArchive, crm.DeleteIgnore},
		},
		"a way without updates": {
			[]func(*crm.Sync){tagLeft, behave(crm.BehaviorCreateOnly, "")}, [2]crm.Deletion{crm.DeleteIgnore, crm.DeleteTag},
		},
	} {
		t.Run(name, func(t *testing.T) {
			sync := baseSync(twelve()[:1]...)
			for _, f := range c.change {
				f(&sync)
			}
			s := compile(sync)
			if got := [2]crm.Deletion{s.OnDelete(crm.Left), s.OnDelete(crm.Right)}; got != c.want {
				t.Errorf("OnDelete = %v, want %v", got, c.want)
			}
		})
	}
}

func TestMapping(t *testing.T) {
	t.Parallel()
	sync := baseSync(twelve()...)
	sync.Mappings[1].Enabled = new(bool)
	s := compile(sync)
	if s.Mapping("email") == nil || s.Mapping("phone") != nil || s.Mapping("nobody") != nil {
		t.Error("Mapping finds the wrong ones")
	}
	if got := s.Sync(); got.ID != "people" {
		t.Errorf("Sync is %q", got.ID)
	}
}
