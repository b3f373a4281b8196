package engine

import (
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

const (
	ourUser    = "us"
	recoverAcc = crm.AccountID("acc_right")
)

// recovering is a session that finishes what an earlier worker wrote to the
// right of a pair, before anything is read.
func recovering(t *testing.T) *session {
	t.Helper()
	conn := &crm.Connection{
		ID: "con", Status: crm.StatusActive, Left: crm.End{Account: "acc_left"}, Right: crm.End{Account: recoverAcc},
		Syncs: []crm.Sync{{
			ID: "people", Left: crm.ObjectEnd{Object: "person"}, Right: crm.ObjectEnd{Object: "Person"},
			Direction: crm.DirectionBoth,
			Match:     crm.SameMatch(crm.MatchStep{By: crm.MatchByAnyKey, Pairs: [][2]string{{"email", "Email"}}}),
			Mappings: []crm.Mapping{
				{ID: "city", Left: []string{"city"}, Right: []string{"City"}, Direction: crm.DirectionBoth},
				{
					ID: "tags", Left: []string{"tags"}, Right: []string{"Tags"}, Direction: crm.DirectionBoth,
					Transform: crm.Transform{Type: crm.TransformList},
				},
			},
		}},
	}
	fields := [2][]crm.Field{
		{
			{Name: "email", Type: crm.TypeEmail},
			{Name: "city", Type: crm.TypeText},
			{Name: "tags", Type: crm.TypeList, Multiple: true},
		},
		{
			{Name: "Email", Type: crm.TypeEmail},
			{Name: "City", Type: crm.TypeText},
			{Name: "Tags", Type: crm.TypeList, Multiple: true},
		},
	}
	set, problems := reconcile.Compile(conn, &conn.Syncs[0], fields[0], fields[1])
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	e := &Engine{}
	e.selves.put(recoverAcc, ourUser)
	e.Mark, e.Now = func(string) {}, func() time.Time { return time.Unix(1_000_000, 0) }
	return &session{Engine: e, conn: conn, conf: &conn.Syncs[0], set: set}
}

// TestS35_RecoveryTellsWhatAnAppMadeOfAWrite: a field that holds something else
// than a dead worker intended is the app's doing only if it moved since it was
// last remembered, nobody's value lost by it still stands there, and our own
// user was the last one to save the record.
func TestS35_RecoveryTellsWhatAnAppMadeOfAWrite(t *testing.T) {
	t.Parallel()
	text := crm.TextValue
	revision := func(s *session, id crm.MappingID) string { return s.set.Mapping(id).Revision() }
	for _, c := range []struct {
		name  string
		id    crm.MappingID
		left  crm.Value // as sent
		right crm.Value // as held now
		base  func(s *session) crm.Agreed
		lost  []Diff
		by    string
		want  bool

		shared bool // another sync writes the field, too
	}{
		{name: "brought by another sync", id: "city", left: text("Rome"), right: text("ROME"), by: ourUser, shared: true},
		{name: "stored in capitals", id: "city", left: text("Rome"), right: text("ROME"), by: ourUser, want: true},
		{
			name: "stored in capitals over a user's value", id: "city", left: text("Rome"), right: text("ROME"), by: ourUser,
			want: true, lost: []Diff{{Mapping: "city", Side: crm.Right, Field: "City", Before: text("Bergen")}},
		},
		{
			name: "refused, and the user's value stands", id: "city", left: text("Rome"), right: text("Bergen"), by: ourUser,
			lost: []Diff{{Mapping: "city", Side: crm.Right, Field: "City", Before: text("Bergen")}},
		},
		{
			name: "a loser of the other side says nothing", id: "city", left: text("Rome"), right: text("ROME"), by: ourUser,
			want: true, lost: []Diff{{Mapping: "city", Side: crm.Left, Field: "City", Before: text("ROME")}},
		},
		{name: "not written, as agreed before", id: "city", left: text("Rome"), right: text("Oslo"), by: ourUser},
		{
			name: "not written, as settled before", id: "city", left: text("Rome"), right: crm.NullValue(), by: ourUser,
			base: func(s *session) crm.Agreed {
				before := crm.Base{"city": crm.Agree(revision(s, "city"), text("Oslo"))}
				left, right := &crm.Record{Fields: crm.Fields{"city": text("Oslo")}}, &crm.Record{Fields: crm.Fields{}}
				entry, ok := s.set.Settled("city", before, left, right, crm.Difference{Reason: crm.ReasonCleared})
				if !ok {
					t.Fatal("nothing to settle")
				}
				return entry
			},
		},
		{
			name: "a list, of which less is remembered than was held", id: "tags", left: crm.ListValue("a", "b"),
			right: crm.ListValue("c"), by: ourUser,
		},
		{name: "saved by a person since", id: "city", left: text("Rome"), right: text("ROME"), by: "a person"},
		{name: "saved by nobody knows whom", id: "city", left: text("Rome"), right: text("ROME")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := recovering(t)
			base := crm.Base{
				"city": crm.Agree(revision(s, "city"), text("Oslo")), "tags": crm.Agree(revision(s, "tags"), crm.ListValue("a")),
			}
			if c.base != nil {
				base[c.id] = c.base(s)
			}
			name := map[crm.MappingID][2]string{"city": {"city", "City"}, "tags": {"tags", "Tags"}}[c.id]
			p := &openPair{unit: &unit{side: crm.Left, id: "L", link: &link{Left: "L", Right: "R", Base: base}}}
			p.rec.Set(crm.Left, &crm.Record{ID: "L", Fields: crm.Fields{name[0]: c.left}})
			p.rec.Set(crm.Right, &crm.Record{ID: "R", Fields: crm.Fields{name[1]: c.right}, ModifiedBy: c.by})
			sent, err := s.set.Mapping(c.id).Canonical(crm.Left, crm.Fields{name[0]: c.left})
			if err != nil {
				t.Fatal(err)
			}
			p.entries.Set(crm.Right, &intentEntry{
				Side: crm.Right, Left: "L", Right: "R", Intended: map[crm.MappingID]string{c.id: sent.Digest()}, Lost: c.lost,
			})
			s.elsewhere = [2]*uint64{new(uint64), new(uint64)} // no other sync writes the fields
			if c.shared {
				*s.elsewhere[1] = s.set.Places(map[crm.MappingID]crm.Value{c.id: {}})
			}
			entry, got, err := s.landedOtherwise(t.Context(), p, crm.Right, c.id, sent.Digest())
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("taken for the app's doing: %v, want %v", got, c.want)
			}
			if got && (entry.Settled == nil || entry.Settled.Reason != crm.ReasonChangedByApp ||
				entry.Settled.Side != crm.Right) {
				t.Errorf("settled as %+v", entry.Settled)
			}
		})
	}
}

// TestS35_LastWriteOutlivesOtherSettings: what an app made of our last write is
// still its doing when a part of the settings was held, or edited, since; once
// mappings have other places, nothing is known any more.
func TestS35_LastWriteOutlivesOtherSettings(t *testing.T) {
	t.Parallel()
	s := recovering(t)
	w := lastWrite{time.UnixMilli(1_000), 3, s.set.Layout()}
	l := &link{WroteR: w.String(), Settings: "of another day"}
	got, ok := l.lastWrite(crm.Right)
	if !ok || got.fields != w.fields || !got.at.Equal(w.at) || !s.sameLayout(l, got) {
		t.Errorf("read as %+v, known %v, of this layout %v", got, ok, s.sameLayout(l, got))
	}
	got.layout = "000000"
	if s.sameLayout(l, got) {
		t.Error("mappings with other places are taken for these")
	}
	l.WroteR = "rs.3" // by the release before
	if got, ok = l.lastWrite(crm.Right); !ok || got.fields != 3 || s.sameLayout(l, got) {
		t.Errorf("an older link is read as %+v, known %v", got, ok)
	}
	if l.Settings = s.set.Digest(); !s.sameLayout(l, got) {
		t.Error("an older link of the same settings is not known")
	}
	if was := s.heldBefore(l, crm.Right, got.fields); len(was) != 0 { // nor did that one note what there was before
		t.Errorf("an older link is said to have held %v", was)
	}
}
