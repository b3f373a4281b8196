package reconcile

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// companies matches by domain, then by name unless the domains differ.
func companies() *Settings {
	site := one("site", "domain", "Website")
	site.Transform.Type = crm.TransformDomain
	domain := [2]string{"domain", "Website"}
	sync := crm.Sync{ID: "companies", Mappings: []crm.Mapping{one("name", "name", "Name"), site}, Match: crm.SameMatch(
		crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{domain}},
		crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{domain, {"name", "Name"}}, OnDisagreement: "error"},
	)}
	s, _ := Compile(conn(), &sync,
		[]crm.Field{{Name: "name", Type: crm.TypeText}, {Name: "domain", Type: crm.TypeText}},
		[]crm.Field{{Name: "Name", Type: crm.TypeText}, {Name: "Website", Type: crm.TypeURL}})
	return s
}

func firm(id, domain, name string) crm.Record {
	return rec(crm.RecordID(id), "domain", domain, "name", name)
}

func account(id, website, name string) crm.Record {
	return rec(crm.RecordID(id), "Website", website, "Name", name)
}

// TestRow96_CompaniesByDomain: what a company's domain and name decide, with the
// others of its own side and the candidates of the other.
func TestRow96_CompaniesByDomain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		own    []crm.Record // the first is asked about
		answer []crm.Record
		kind   MatchKind
		code   string
		id     crm.RecordID
		twins  []crm.RecordID
		keys   int // its own
	}{
		"spellings": {
			own: []crm.Record{firm("L1", "acme.com", "Acme")}, answer: []crm.Record{
				account("R1", "http://www.ACME.com/de", "ACME Inc."),
			},
			kind: MatchFound, id: "R1", keys: 2,
		},
		"an IDN": {
			own: []crm.Record{firm("L1", "bücher.example", "B")}, answer: []crm.Record{
				account("R1", "https://xn--bcher-kva.example/", "Books"),
			},
			kind: MatchFound, id: "R1", keys: 2,
		},
		"a subdomain is another": {
			own: []crm.Record{firm("L1", "shop.acme.com", "Shop")}, answer: []crm.Record{account("R1", "acme.com", "Acme")},
			kind: MatchNone, keys: 2,
		},
		"a host of everybody, another name": {
			own: []crm.Record{firm("L1", "facebook.com/acme", "Acme")}, answer: []crm.Record{
				account("R1", "https://facebook.com/acme", "Bolt"),
			}, kind: MatchNone, keys: 1,
		},
		"no domain, by name": {
			own: []crm.Record{firm("L1", "", "Acme")}, answer: []crm.Record{account("R1", "acme.com", "ACME")}, kind: MatchFound,
			id: "R1", keys: 1,
		},
		"the name of another domain": {
			own: []crm.Record{firm("L1", "acme.com", "Acme")}, answer: []crm.Record{account("R1", "acme.org", "Acme")},
			kind: MatchConflict, code: CodeDisagree, keys: 2,
		},
		"two on the domain, by name": {
			own:    []crm.Record{firm("L1", "acme.com", "Acme DE"), firm("L2", "www.acme.com", "Acme US")},
			answer: []crm.Record{account("R1", "acme.com", "acme us"), account("R2", "acme.com/de", "ACME DE")},
			kind:   MatchFound, id: "R2", keys: 1,
		},
		"two on the domain here, one there of the other's name": {
			own:    []crm.Record{firm("L1", "acme.com", "Acme DE"), firm("L2", "acme.com", "Acme US")},
			answer: []crm.Record{account("R1", "acme.com", "Acme US")}, kind: MatchNone, keys: 1,
		},
		"two on the domain there, none of the name": {
			own:    []crm.Record{firm("L1", "acme.com", "Acme")},
			answer: []crm.Record{account("R1", "acme.com", "Acme US"), account("R2", "acme.com", "Acme DE")}, kind: MatchNone,
			keys: 2,
		},
		"two on the domain there, nothing tells them apart": {
			own:    []crm.Record{firm("L1", "acme.com", "Acme")},
			answer: []crm.Record{account("R1", "acme.com", "Acme"), account("R2", "acme.com", "ACME")}, kind: MatchAmbiguous,
			code: CodeAmbiguous, keys: 2,
		},
		"two on the domain here, nothing tells them apart": {
			own:    []crm.Record{firm("L1", "acme.com", "Acme"), firm("L2", "acme.com", "acme")},
			answer: []crm.Record{account("R1", "acme.com", "Acme")}, kind: MatchFound, id: "R1", twins: []crm.RecordID{"L2"},
			keys: 2,
		},
		"one name, two domains": {
			own: []crm.Record{firm("L1", "acme.com", "Acme"), firm("L2", "acme.org", "Acme")}, kind: MatchNone, keys: 1,
		},
		"three on the domain": {
			own: []crm.Record{
				firm("L1", "group.com", "North"), firm("L2", "group.com", "South"), firm("L3", "group.com", "East"),
			},
			answer: []crm.Record{account("R1", "group.com", "South"), account("R2", "group.com", "North")}, kind: MatchFound,
			id: "R2", keys: 1,
		},
		"three on the domain, no name": {
			own:  []crm.Record{firm("L1", "group.com", ""), firm("L2", "group.com", "South"), firm("L3", "group.com", "East")},
			kind: MatchCrowded, code: CodeCrowded,
		},
		"three of the name there": {
			own:    []crm.Record{firm("L1", "", "Acme")},
			answer: []crm.Record{account("R1", "a.com", "Acme"), account("R2", "b.com", "Acme"), account("R3", "c.com", "Acme")},
			kind:   MatchCrowded, code: CodeCrowded, keys: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := companies()
			r := c.own[0]
			answers := make([][]crm.Record, len(s.Lookups(crm.Left, &r)))
			for i := range answers {
				answers[i] = c.answer
			}
			m := s.DecideAmong(crm.Left, &r, answers, c.own, "")
			id := crm.RecordID("")
			if m.Record != nil {
				id = m.Record.ID
			}
			standing := s.Standing(crm.Left, &r, c.own)
			if m.Kind != c.kind || m.Code != c.code || id != c.id || len(standing.Keys) != c.keys {
				t.Errorf("%s %s %s with %d keys of its own, want %s %s %s and %d; tried %v", m.Kind, m.Code, id, len(standing.Keys),
					c.kind, c.code, c.id, c.keys, m.Tried)
			}
			if diff := cmp.Diff(c.twins, standing.Twins); diff != "" {
				t.Errorf("twins (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRow130_TextInAPhoneFieldIsFlagged: text that is no number travels as it
// stands, says so, and is no change against another way to write it.
func TestRow130_TextInAPhoneFieldIsFlagged(t *testing.T) {
	t.Parallel()
	s := compile(baseSync(twelve()[:2]...))
	left := rec("L1", "email", "a@example.com", "phone", "call Ann: 415-555-0132")
	for name, right := range map[string]*crm.Record{
		"a new record": nil, "a blank": {ID: "R1", Fields: crm.Fields{"Email": crm.TextValue("a@example.com")}},
	} {
		p := s.Reconcile(Pair{Left: &left, Right: right, Linked: right != nil})
		w := p.Write(crm.Right)
		if w == nil || w.Fields["Phone"].Text() != "call Ann: 415-555-0132" {
			t.Fatalf("%s: %+v is written", name, w)
		}
		flagged := false
		for _, f := range p.Fields {
			flagged = flagged || f.Code == mapping.CodeInvalidPhone && f.Detail != "" && f.Rule == RuleFillBlank
		}
		if !flagged {
			t.Errorf("%s: nothing says that it is no number: %+v", name, p.Fields)
		}
	}
	right := rec("R1", "Email", "a@example.com", "Phone", "Ann (415) 555 0132")
	if p := s.Reconcile(Pair{Left: &left, Right: &right, Linked: true}); !p.Empty() {
		t.Errorf("the same digits are written: %+v %+v", p.Left, p.Right)
	}
}

// TestS38_AnAddressOfManyIsStillADuplicate: of people, a number that more than
// two hold is nobody's; an e-mail makes duplicates, however many hold it.
func TestS38_AnAddressOfManyIsStillADuplicate(t *testing.T) {
	t.Parallel()
	sync := baseSync(twelve()[:2]...)
	sync.Match = crm.SameMatch(crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"email", "Email"}}},
		crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"phone", "Phone"}}})
	s := compile(sync)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "people")
		mail, different := rapid.Bool().Draw(t, "one mail"), rapid.Bool().Draw(t, "mails of their own")
		var own []crm.Record
		for i := range n {
			r := rec(crm.RecordID(rune('A'+i)), "phone", "(415) 555-0132")
			switch {
			case mail:
				r.Fields["email"] = crm.TextValue("ann@example.com")
			case different:
				r.Fields["email"] = crm.TextValue(string(rune('a'+i)) + "@example.com")
			}
			own = append(own, r)
		}
		standing := s.Standing(crm.Left, &own[0], own)
		want := 0
		if mail || n == 2 && !different {
			want = n - 1
		}
		if len(standing.Twins) != want || (len(standing.Crowded) == 1) != (n > 2) {
			t.Fatalf("%d at one number, one mail %v, mails of their own %v: twins %v, crowded %v", n, mail, different,
				standing.Twins, standing.Crowded)
		}
		for i := range own { // the order in which they are asked does not matter
			if got := s.Standing(crm.Left, &own[i], own); len(got.Twins) != want {
				t.Fatalf("%s has the twins %v, and %s %v", own[i].ID, got.Twins, own[0].ID, standing.Twins)
			}
		}
	})
}

// TestAKeyOfNoStepTellsNobodyApart: what no step of the ladder looks at says
// nothing of two records.
func TestAKeyOfNoStepTellsNobodyApart(t *testing.T) {
	t.Parallel()
	a, b := &crm.Record{Fields: crm.Fields{"x": crm.TextValue("one")}}, &crm.Record{
		Fields: crm.Fields{"x": crm.TextValue("two")},
	}
	if (&Settings{}).toldApart(crm.Left, Key{Side: crm.Left, Field: "x", Canonical: "text:one"}, a, b) {
		t.Error("told apart by nothing")
	}
}
