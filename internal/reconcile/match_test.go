package reconcile

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// ladder is the four tiers of a system that knows the other's IDs.
func ladder() crm.Match {
	return crm.SplitMatch(
		[]crm.MatchStep{ // outgoing
			{By: crm.MatchByID, Left: "twin", Right: "$id", OnMissing: "error", WriteBack: true},
			{By: crm.MatchByAnyKey, Pairs: [][2]string{{"email", "Email"}}},
			{By: crm.MatchByAllKeys, Pairs: [][2]string{{"first", "Title"}, {"last", "Note"}}, Verify: [][2]string{
				{"phone", "Phone"},
			}},
		},
		[]crm.MatchStep{ // incoming
			{By: crm.MatchByID, Left: "twin", Right: "$id"},
			{
				By: crm.MatchByAnyKey, Pairs: [][2]string{{"origin", "Origin"}, {"phone", "Phone"}}, OnDisagreement: "error",
				Protect: []string{"origin", "phone"},
			},
		})
}

func rec(id crm.RecordID, pairs ...string) crm.Record {
	f := crm.Fields{}
	for i := 0; i+1 < len(pairs); i += 2 {
		f[pairs[i]] = crm.TextValue(pairs[i+1])
	}
	return crm.Record{ID: id, Fields: f}
}

// decided is what most tests ask of a match.
type decided struct {
	Kind   MatchKind
	ID     crm.RecordID
	Step   crm.MatchBy
	Code   string
	Others []crm.RecordID
	Tried  []string
}

func decidedOf(m Match) decided {
	d := decided{Kind: m.Kind, Code: m.Code, Others: m.Others}
	if m.Record != nil {
		d.ID = m.Record.ID
	}
	if m.Step != nil {
		d.Step = m.Step.By
	}
	for _, t := range m.Tried {
		d.Tried = append(d.Tried, t.Result)
	}
	return d
}

// app answers lookups as loosely as an app may: with everybody it has.
func app(s *Settings, side crm.Side, r *crm.Record, everybody ...crm.Record) [][]crm.Record {
	var out [][]crm.Record
	for _, l := range s.Lookups(side, r) {
		if l.ByID == "" {
			out = append(out, everybody)
			continue
		}
		found := slices.IndexFunc(everybody, func(c crm.Record) bool { return c.ID == l.ByID })
		if found < 0 {
			out = append(out, nil)
			continue
		}
		out = append(out, everybody[found:found+1])
	}
	return out
}

func TestRow101_MatchLadder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		side   crm.Side
		record crm.Record
		others []crm.Record
		want   decided
	}{
		"row 105: by the ID it holds": {
			crm.Left, rec("L1", "twin", " R7 ", "email", "x@example.com"),
			[]crm.Record{rec("R7"), rec("R8", "Email", "x@example.com")},
			decided{Kind: MatchFound, ID: "R7", Step: crm.MatchByID, Tried: []string{"found"}},
		},
		"row 105: the ID is not there": {
			crm.Left, rec("L1", "twin", "R9", "email", "x@example.com"),
			[]crm.Record{rec("R8", "Email", "x@example.com")},
			decided{Kind: MatchMissing, Code: CodeMissing, Tried: []string{"none"}},
		},
		"row 105: the record of that ID is deleted": {
			crm.Left, rec("L1", "twin", "R9"),
			[]crm.Record{{ID: "R9", Deleted: true}},
			decided{Kind: MatchMissing, Code: CodeMissing, Tried: []string{"none"}},
		},
		"row 106: by e-mail": {
			crm.Left, rec("L1", "email", "X@Example.com"),
			[]crm.Record{rec("R8", "Email", " x@example.COM "), rec("R9", "Email", "y@example.com")},
			decided{Kind: MatchFound, ID: "R8", Step: crm.MatchByAnyKey, Tried: []string{"skipped_blank", "found"}},
		},
		"row 107: by name, verified by phone": {
			crm.Left, rec("L1", "first", "Ann", "last", "Lee", "phone", "415 555 0132"),
			[]crm.Record{
				rec("R1", "Title", "ANN", "Note", " lee", "Phone", "+1 (415) 555-0132"), rec("R2", "Title", "Ann", "Note", "Lee",
					"Phone", "+14155550199"), rec("R3", "Title", "Ann", "Note", "Lo", "Phone", "4155550132"),
			},
			decided{
				Kind: MatchFound, ID: "R1", Step: crm.MatchByAllKeys, Tried: []string{"skipped_blank", "skipped_blank", "found"},
			},
		},
		"row 107: no phone over there": {
			crm.Left, rec("L1", "first", "Ann", "last", "Lee", "phone", "415 555 0132"),
			[]crm.Record{rec("R2", "Title", "Ann", "Note", "Lee")},
			decided{Kind: MatchNone, Tried: []string{"skipped_blank", "skipped_blank", "verify_failed"}},
		},
		"row 107: no phone here": {
			crm.Left, rec("L1", "first", "Ann", "last", "Lee"),
			[]crm.Record{rec("R2", "Title", "Ann", "Note", "Lee", "Phone", "+14155550132")},
			decided{Kind: MatchNone, Tried: []string{"skipped_blank", "skipped_blank", "skipped_blank"}},
		},
		"row 107: two of the name and phone": {
			crm.Left, rec("L1", "first", "Ann", "last", "Lee", "phone", "4155550132"),
			[]crm.Record{
				rec("R2", "Title", "Ann", "Note", "Lee", "Phone", "+14155550132"), rec("R1", "Title", "Ann", "Note", "Lee", "Phone",
					"(415) 555-0132"),
			},
			decided{
				Kind: MatchAmbiguous, Code: CodeAmbiguous, Others: []crm.RecordID{"R1", "R2"}, Tried: []string{
					"skipped_blank", "skipped_blank", "ambiguous",
				},
			},
		},
		"row 108: nobody": {
			crm.Left, rec("L1", "email", "x@example.com"), nil,
			decided{Kind: MatchNone, Tried: []string{"skipped_blank", "none", "skipped_blank"}},
		},
		"row 101: somebody holds its ID": {
			crm.Right, rec("R7", "Phone", "+14155550132"),
			[]crm.Record{rec("L1", "twin", "R7"), rec("L2", "phone", "4155550132")},
			decided{Kind: MatchFound, ID: "L1", Step: crm.MatchByID, Tried: []string{"found"}},
		},
		"row 101: two hold its ID": {
			crm.Right, rec("R7"),
			[]crm.Record{rec("L1", "twin", "R7"), rec("L2", "twin", "R7")},
			decided{Kind: MatchAmbiguous, Code: CodeAmbiguous, Others: []crm.RecordID{"L1", "L2"}, Tried: []string{"ambiguous"}},
		},
		"row 101: IDs have case": {
			crm.Right, rec("R7a"),
			[]crm.Record{rec("L1", "twin", "r7A")},
			decided{Kind: MatchNone, Tried: []string{"none", "skipped_blank"}},
		},
		"row 102: by one of two keys": {
			crm.Right, rec("R7", "Phone", "+14155550132"),
			[]crm.Record{rec("L2", "phone", "4155550132")},
			decided{Kind: MatchFound, ID: "L2", Step: crm.MatchByAnyKey, Tried: []string{"none", "found"}},
		},
		"row 102: the other key is blank there": {
			crm.Right, rec("R7", "Phone", "+14155550132", "Origin", "77"),
			[]crm.Record{rec("L2", "origin", "77")},
			decided{Kind: MatchFound, ID: "L2", Step: crm.MatchByAnyKey, Tried: []string{"none", "found"}},
		},
		"row 103: same ID, another phone": {
			crm.Right, rec("R7", "Phone", "+14155550132", "Origin", "77"),
			[]crm.Record{rec("L2", "origin", "77", "phone", "4155550199")},
			decided{
				Kind: MatchConflict, Code: CodeDisagree, Others: []crm.RecordID{"L2"}, Tried: []string{"none", "keys_disagree"},
			},
		},
		"row 103: ID says A, phone says B": {
			crm.Right, rec("R7", "Phone", "+14155550132", "Origin", "77"),
			[]crm.Record{rec("L3", "phone", "4155550132"), rec("L2", "origin", "77")},
			decided{
				Kind: MatchConflict, Code: CodeKeyConflict, Others: []crm.RecordID{"L2", "L3"}, Tried: []string{
					"none", "key_conflict",
				},
			},
		},
		"row 103: two of one phone": {
			crm.Right, rec("R7", "Phone", "+14155550132"),
			[]crm.Record{rec("L3", "phone", "4155550132"), rec("L2", "phone", "4155550132")},
			decided{
				Kind: MatchAmbiguous, Code: CodeAmbiguous, Others: []crm.RecordID{"L2", "L3"}, Tried: []string{"none", "ambiguous"},
			},
		},
		"row 104: nobody": {
			crm.Right, rec("R7", "Phone", "+14155550132"), nil,
			decided{Kind: MatchNone, Tried: []string{"none", "none"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sync := baseSync(twelve()[:2]...)
			sync.Match = ladder()
			s, problems := Compile(conn(), &sync, leftSchema(), rightSchema())
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			got := s.Decide(c.side, &c.record, app(s, c.side, &c.record, c.others...))
			if diff := cmp.Diff(c.want, decidedOf(got)); diff != "" {
				t.Errorf("the verdict (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRow98_SecondaryKeyOnlyIfPrimaryFindsNothing(t *testing.T) {
	t.Parallel()
	s := compile(baseSync(twelve()[:2]...))
	me := rec("L1", "email", "x@example.com", "phone", "4155550132")
	a, b := rec("R1", "Email", "x@example.com", "Phone", "4155550199"), rec("R2", "Phone", "+14155550132")
	phoneOnly := rec("L1", "phone", "4155550132")
	for name, c := range map[string]struct {
		me     crm.Record
		others []crm.Record
		want   decided
	}{
		"primary wins": {
			me, []crm.Record{b, a}, decided{Kind: MatchFound, ID: "R1", Step: crm.MatchByAnyKey, Tried: []string{"found"}},
		},
		"primary finds nothing": {
			me, []crm.Record{b}, decided{Kind: MatchFound, ID: "R2", Step: crm.MatchByAnyKey, Tried: []string{"found"}},
		},
		"primary blank": {
			phoneOnly, []crm.Record{a, b}, decided{
				Kind: MatchFound, ID: "R2", Step: crm.MatchByAnyKey, Tried: []string{"found"},
			},
		},
		"row 111: two of one primary": {
			me,
			[]crm.Record{a, rec("R3", "Email", "X@example.com"), b},
			decided{Kind: MatchAmbiguous, Code: CodeAmbiguous, Others: []crm.RecordID{"R1", "R3"}, Tried: []string{"ambiguous"}},
		},
		"one person twice in the answer": {
			me, []crm.Record{a, a}, decided{Kind: MatchFound, ID: "R1", Step: crm.MatchByAnyKey, Tried: []string{"found"}},
		},
		"merged away": {
			me, []crm.Record{{ID: "R0", MergedInto: "R1", Fields: a.Fields}, a}, decided{
				Kind: MatchFound, ID: "R1", Step: crm.MatchByAnyKey, Tried: []string{"found"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.Decide(crm.Left, &c.me, app(s, crm.Left, &c.me, c.others...))
			if diff := cmp.Diff(c.want, decidedOf(got)); diff != "" {
				t.Errorf("the verdict (-want +got):\n%s", diff)
			}
		})
	}
	if got := s.Decide(crm.Left, &me, nil); got.Kind != MatchNone {
		t.Errorf("without answers the verdict is %s", got.Kind)
	}
	if got := s.Decide(crm.Left, nil, nil); got.Kind != MatchNone {
		t.Errorf("without a record the verdict is %s", got.Kind)
	}
}

func TestRow93_EmailIsComparedInIdentityForm(t *testing.T) {
	t.Parallel()
	s := compile(baseSync(twelve()[:1]...))
	me := rec("L1", "email", " Ann@EXAMPLE.com ")
	for name, c := range map[string]struct {
		email string
		want  MatchKind
	}{
		"case and spaces": {"ann@example.COM", MatchFound},
		"another":         {"anna@example.com", MatchNone},
		"a look-alike":    {"аnn@example.com", MatchNone}, // Cyrillic а
		"no address":      {"ann", MatchNone},
		"blank":           {"", MatchNone},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.Decide(crm.Left, &me, app(s, crm.Left, &me, rec("R1", "Email", c.email)))
			if got.Kind != c.want {
				t.Errorf("%q gives %s, want %s", c.email, got.Kind, c.want)
			}
		})
	}
	lookups := s.Lookups(crm.Left, &me)
	want := []Key{
		{Side: crm.Right, Field: "Email", Canonical: "email:ann@example.com", Spellings: []string{
			"Ann@EXAMPLE.com", "ann@example.com",
		}},
	}
	if len(lookups) != 1 || !cmp.Equal(want, lookups[0].Keys) {
		t.Errorf("the question is %#v", lookups)
	}
}

func TestRow95_Identity(t *testing.T) {
	t.Parallel()
	sync := baseSync(twelve()[:2]...)
	sync.Match = ladder()
	s := compile(sync)
	for name, c := range map[string]struct {
		side crm.Side
		r    crm.Record
		has  bool
		keys []string
	}{
		"e-mail": {
			crm.Left, rec("L1", "email", "A@example.com"), true, []string{"email:a@example.com"},
		},
		"phone is for the way in only": {crm.Left, rec("L1", "phone", "4155550132"), false, []string{"phone:+14155550132"}},
		"an ID it holds":               {crm.Left, rec("L1", "twin", "R1"), true, nil},
		"name and phone": {
			crm.Left, rec("L1", "first", "A", "last", "B", "phone", "4155550132"), true, []string{"phone:+14155550132"},
		},
		"name alone":         {crm.Left, rec("L1", "first", "A", "last", "B"), false, nil},
		"nothing":            {crm.Left, rec("L1"), false, nil},
		"its own ID is none": {crm.Right, rec("R1"), false, nil},
		"same key, other side": {
			crm.Right, rec("R1", "Email", "a@EXAMPLE.com", "Origin", "Web"), true, []string{
				"email:a@example.com", "text/origin:web",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := s.HasIdentity(c.side, &c.r); got != c.has {
				t.Errorf("HasIdentity = %t", got)
			}
			var keys []string
			for _, k := range s.IdentityKeys(c.side, &c.r) {
				keys = append(keys, k.Canonical)
				if k.Side != c.side || len(k.Spellings) == 0 || k.Field == "" {
					t.Errorf("the key is not on its own side: %#v", k)
				}
			}
			if diff := cmp.Diff(c.keys, keys); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
		})
	}
	if s.HasIdentity(crm.Left, nil) || s.IdentityKeys(crm.Left, nil) != nil || s.Lookups(crm.Left, nil) != nil {
		t.Error("no record has an identity")
	}
}

func TestRow111_DuplicatesInsideOneSideShareAKey(t *testing.T) {
	t.Parallel()
	s := compile(baseSync(twelve()[:2]...))
	a, b := rec("L1", "email", "Ann@example.com"), rec("L2", "email", " ann@EXAMPLE.com")
	x, y := s.IdentityKeys(crm.Left, &a), s.IdentityKeys(crm.Left, &b)
	if len(x) != 1 || len(y) != 1 || x[0].Canonical != y[0].Canonical || x[0].Field != "email" {
		t.Errorf("%#v and %#v", x, y)
	}
}

func TestRow107_PhonesAreAskedAsPeopleTypeThem(t *testing.T) {
	t.Parallel()
	s := compile(baseSync(twelve()[:2]...))
	me := rec("L1", "phone", "1-415-555-0132")
	want := []string{
		"1-415-555-0132", "+14155550132", "14155550132", "4155550132", "(415) 555-0132", "415-555-0132",
		"415.555.0132", "+1 415-555-0132",
	}
	if diff := cmp.Diff(want, s.Lookups(crm.Left, &me)[0].Keys[0].Spellings); diff != "" {
		t.Errorf("spellings (-want +got):\n%s", diff)
	}
	abroad := rec("L1", "phone", "+49 30 901820")
	if diff := cmp.Diff([]string{"+49 30 901820", "+4930901820", "4930901820"},
		s.Lookups(crm.Left, &abroad)[0].Keys[0].Spellings); diff != "" {
		t.Errorf("spellings (-want +got):\n%s", diff)
	}
}

// TestRow96_TypesOfKeys: what a pair is compared as, in this order: schema,
// transform, name.
func TestRow96_TypesOfKeys(t *testing.T) {
	t.Parallel()
	sync := baseSync(one("note", "note", "Note"))
	sync.Mappings[0].Transform.Type = crm.TransformPhone
	bare, _ := Compile(conn(), &sync, nil, nil)
	full, _ := Compile(conn(), &sync, leftSchema(), rightSchema())
	for name, c := range map[string]struct {
		s           *Settings
		left, right string
		want        mapping.Form
	}{
		"schema of one side":  {full, "title", "Email", mapping.FormEmail},
		"schema says number":  {full, "age", "Age", mapping.FormNumber},
		"transform":           {full, "note", "Note", mapping.FormPhone},
		"schema before names": {full, "title", "Title", mapping.FormText},
		"name, no schema":     {bare, "work_email", "X", mapping.FormEmail},
		"mobile, no schema":   {bare, "x", "MobilePhone", mapping.FormPhone},
		"domain, no schema":   {bare, "domain", "X", mapping.FormDomain},
		"website, no schema":  {bare, "x", "Website", mapping.FormDomain},
		"nothing known":       {bare, "x", "X", mapping.FormText},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.s.identity(c.left, c.right).form; got != c.want {
				t.Errorf("%s and %s are compared as %s, want %s", c.left, c.right, got, c.want)
			}
		})
	}
}

func TestRow101_ReadByIDAnswersUnderAnotherID(t *testing.T) {
	t.Parallel()
	sync := baseSync(twelve()[:2]...)
	sync.Match = ladder()
	s := compile(sync)
	me := rec("L1", "twin", "0011X")
	got := s.Decide(crm.Left, &me, [][]crm.Record{{rec("0011XAAA")}})
	if got.Kind != MatchFound || got.Record.ID != "0011XAAA" {
		t.Errorf("the long form of a short ID gives %s", got.Kind)
	}
}

func TestRow101_TwoFieldsThatHoldOneForeignID(t *testing.T) {
	t.Parallel()
	sync := baseSync(twelve()[:1]...)
	sync.Match = crm.SameMatch(crm.MatchStep{By: crm.MatchByID, Left: "origin", Right: "Origin", OnMissing: "error"})
	s, problems := Compile(conn(), &sync, leftSchema(), rightSchema())
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	me := rec("L1", "origin", "E-7")
	if got := s.Decide(crm.Left, &me, app(s, crm.Left, &me, rec("R1", "Origin", "e-7"),
		rec("R2", "Origin", "E-8"))); got.Kind != MatchFound || got.Record.ID != "R1" {
		t.Errorf("the foreign ID gives %s", got.Kind)
	}
	if got := s.Decide(crm.Left, &me, nil); got.Kind != MatchMissing {
		t.Errorf("a foreign ID that nobody holds gives %s", got.Kind)
	}
}
