package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// The people: Ann is erased, Bob is not.
const (
	annLeft, annRight = crm.RecordID("l_anna"), crm.RecordID("r_ann")
	bobLeft, bobRight = crm.RecordID("l_bob"), crm.RecordID("r_bob")
	annMail, bobMail  = "email:ann@example.com", "email:bob@example.com"
	bobsDigest        = "d1"
)

// work lets the tick go on with what is open until it rests, and returns the receipt.
func (b *stillBed) work(id string) Erasure {
	b.t.Helper()
	for range 100 {
		busy, err := b.attendErasures(b.t.Context())
		b.must(err)
		b.now = b.now.Add(time.Second)
		if !busy {
			break
		}
	}
	x, err := b.GetErasure(b.t.Context(), b.sc.ws, id)
	b.must(err)
	return x
}

// left lists where a text still stands.
func (b *stillBed) left(texts ...string) (out []string) {
	for _, table := range store.Tables {
		b.mem.Each(table, func(it store.Item) bool {
			if text := Trace(it, texts); text != "" {
				out = append(out, fmt.Sprintf("%q in %s %s", text, it.Partition, it.Sort))
			}
			return true
		})
	}
	return out
}

// remains decodes what is left of an item; it has to be there.
func remains[T any](b *stillBed, key store.Key, decode func([]byte) (T, error)) T {
	b.t.Helper()
	data := b.get(key)
	if data == nil {
		b.t.Fatalf("nothing is left of %s %s: others were in it", key.Partition, key.Sort)
	}
	v, err := decode(data)
	b.must(err)
	return v
}

func fromJSON[T any](data []byte) (v T, err error) { return v, json.Unmarshal(data, &v) }

// erasedPlace is an item that names Ann, and what is demanded of it afterwards.
type erasedPlace struct {
	put  func(b *stillBed)
	want func(b *stillBed)
}

func (b *stillBed) gone(keys ...store.Key) {
	b.t.Helper()
	for _, k := range keys {
		if b.get(k) != nil {
			b.t.Errorf("%s %s stays, and was of nobody else", k.Partition, k.Sort)
		}
	}
}

func bothHints() []hint {
	return []hint{{ID: annLeft, Gone: true, Told: true}, {ID: bobLeft, Digest: bobsDigest}}
}

func rightHints() []hint {
	return []hint{{ID: annRight, Gone: true}, {ID: bobRight, Digest: bobsDigest}}
}

// cleanHints demands that Ann's hint is about nobody and Bob's as it was.
func (b *stillBed) cleanHints(got []hint) {
	b.t.Helper()
	if len(got) != 2 || !got[0].Erased || !got[0].Told || got[0].Gone || got[1].ID != bobLeft ||
		got[1].Digest != bobsDigest || got[1].Erased {
		b.t.Errorf("hints %+v", got)
	}
}

func aChunk(hints ...hint) *chunk {
	return &chunk{
		V: chunkFormat, ID: "chk", Workspace: "ws", Connection: "con", Sync: "people", Kind: RunPull,
		Side: crm.Left, Hints: hints,
	}
}

var erasedPlaces = map[string]erasedPlace{
	"a pair with its alias": {
		func(b *stillBed) {
			b.putLink(&link{Left: annLeft, Right: annRight, State: crm.StateInSync})
			b.putLink(&link{Left: bobLeft, Right: bobRight, State: crm.StateInSync})
		},
		func(b *stillBed) {
			b.gone(b.sc.record(crm.Left, annLeft), b.sc.record(crm.Right, annRight))
			remains(b, b.sc.record(crm.Left, bobLeft), fromJSON[link])
			remains(b, b.sc.record(crm.Right, bobRight), fromJSON[link])
			it, err := b.mem.Get(b.t.Context(), b.sc.counts())
			b.must(err)
			if got := it.Counters; got["left:in_sync"] != 1 || got["right:in_sync"] != 1 {
				b.t.Errorf("counted are %v, want Bob on each side", got)
			}
		},
	},
	"a chain of merges": {
		func(b *stillBed) {
			b.putLink(&link{Left: annLeft, Right: annRight, State: crm.StateInSync})
			b.merged(crm.Left, "l_maiden", annLeft)
			for i := range 40 { // in every shard, so that some are passed before what they lead to is known
				b.merged(crm.Left, crm.RecordID(fmt.Sprintf("l_older%02d", i)), "l_maiden")
			}
			b.merged(crm.Left, "l_bobby", bobLeft)
		},
		func(b *stillBed) {
			for i := range 40 {
				b.gone(b.sc.record(crm.Left, crm.RecordID(fmt.Sprintf("l_older%02d", i))))
			}
			b.gone(b.sc.record(crm.Left, "l_maiden"))
			remains(b, b.sc.record(crm.Left, "l_bobby"), fromJSON[link])
			t, err := b.tombsOf(b.t.Context(), b.sc.ws, 0, true)
			b.must(err)
			if !t.record("acc_left", "person", "l_older07") || t.record("acc_left", "person", "l_bobby") {
				b.t.Error("what comes late of a merged record is not known to be hers")
			}
		},
	},
	"a chain of merges in the other app": {
		func(b *stillBed) {
			b.putLink(&link{Left: annLeft, Right: annRight, State: crm.StateInSync})
			b.putLink(&link{Left: bobLeft, Right: bobRight, State: crm.StateInSync})
			b.merged(crm.Right, "r_maiden", annRight)
			b.merged(crm.Right, "r_older", "r_maiden")
			b.merged(crm.Right, "r_bobby", bobRight)
		},
		func(b *stillBed) {
			b.gone(b.sc.record(crm.Right, "r_maiden"), b.sc.record(crm.Right, "r_older"))
			remains(b, b.sc.record(crm.Right, "r_bobby"), fromJSON[link])
			t, err := b.tombsOf(b.t.Context(), b.sc.ws, 0, true)
			b.must(err)
			if !t.record("acc_right", "Person", "r_older") || t.record("acc_right", "Person", "r_bobby") {
				b.t.Error("what comes late of a merged record is not known to be hers")
			}
		},
	},
	"an alias whose pair was never stored": {
		func(b *stillBed) {
			for second, of := range map[crm.RecordID]crm.RecordID{"r_second": annLeft, "r_bobs": bobLeft} {
				it, err := aliasItem(b.sc, crm.Right, second, of, false)
				b.put(it.Key, it.Data, err)
			}
		},
		func(b *stillBed) {
			b.gone(b.sc.record(crm.Right, "r_second"))
			remains(b, b.sc.record(crm.Right, "r_bobs"), fromJSON[link])
			t, err := b.tombsOf(b.t.Context(), b.sc.ws, 0, true)
			b.must(err)
			if !t.record("acc_right", "Person", "r_second") || t.record("acc_right", "Person", "r_bobs") {
				b.t.Error("what comes late of the record is not known to be hers")
			}
		},
	},
	"another's candidates": {
		func(b *stillBed) {
			b.putLink(&link{
				Left: bobLeft, State: crm.StateDuplicate, Others: []crm.RecordID{annRight, bobRight}, Detail: "two would do",
			})
		},
		func(b *stillBed) {
			l := remains(b, b.sc.record(crm.Left, bobLeft), fromJSON[link])
			if !slices.Equal(l.Others, []crm.RecordID{bobRight}) || l.State != crm.StateDuplicate || l.Detail != "two would do" {
				b.t.Errorf("Bob's item is %+v", l)
			}
		},
	},
	"an app's words about another": {
		func(b *stillBed) {
			b.putLink(&link{
				Left: bobLeft, State: crm.StateFailing, Code: "duplicate", Detail: `the address is that of "r_ann"`,
				Others: []crm.RecordID{bobRight},
			})
		},
		func(b *stillBed) {
			l := remains(b, b.sc.record(crm.Left, bobLeft), fromJSON[link])
			if l.Detail != "" || l.Code != "duplicate" || !slices.Equal(l.Others, []crm.RecordID{bobRight}) {
				b.t.Errorf("Bob's item is %+v", l)
			}
		},
	},
	"a lease": {
		func(b *stillBed) {
			data, err := (&intent{ID: "lone", Entries: []intentEntry{{Side: crm.Left, Left: annLeft}}}).encode()
			b.must(err)
			b.putJSON(b.sc.lease(), lease{Epoch: 7, Intent: data})
		},
		func(b *stillBed) {
			head, err := b.mem.Get(b.t.Context(), erasedHead(b.sc.ws))
			b.must(err)
			if l := remains(b, b.sc.lease(), fromJSON[lease]); l.Erased == 0 || l.Erased > head.Version || l.Intent != nil {
				b.t.Errorf("the lease is %+v", l)
			}
		},
	},
	"intents": {
		func(b *stillBed) {
			hers := []intentEntry{
				{Side: crm.Right, Left: annLeft, Right: annRight},
				{Side: crm.Right, Create: true, Left: "l_new", Claims: []string{annMail}},
				{Side: crm.Right, Create: true, Left: "l_new2", Look: []reconcile.Key{{Canonical: annMail}}},
				{Side: crm.Left, Left: "l_new3", Lost: []Diff{{Mapping: "email", Before: crm.TextValue("Ann@Example.com")}}},
			}
			mixed := &intent{
				ID: "mixed", Entries: append(slices.Clone(hers), intentEntry{
					Side: crm.Left, Left: bobLeft, Right: bobRight, Version: 7,
				}),
			}
			data, err := mixed.encode()
			b.put(b.sc.intent("mixed"), data, err)
			data, err = (&intent{ID: "hers", Entries: hers}).encode()
			b.put(b.sc.intent("hers"), data, err)
		},
		func(b *stillBed) {
			b.gone(b.sc.intent("hers"))
			in := remains(b, b.sc.intent("mixed"), decodeIntent)
			if in.ID != "mixed" || len(in.Entries) != 1 || in.Entries[0].Left != bobLeft || in.Entries[0].Version != 7 {
				b.t.Errorf("the intent is %+v", in)
			}
		},
	},
	"a parked chunk": {
		func(b *stillBed) {
			data, err := aChunk(bothHints()...).encode()
			b.put(b.sc.parked(b.now, "prk"), data, err)
		},
		func(b *stillBed) {
			b.cleanHints(remains(b, b.sc.parked(time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), "prk"), decodeChunk).Hints)
		},
	},
	"given-up work": {
		func(b *stillBed) {
			b.putJSON(dead(b.sc.ws, b.sc.con, "mixed"), deadItem{V: 1, Code: "unavailable", Chunk: *aChunk(bothHints()...)})
			b.putJSON(dead(b.sc.ws, b.sc.con, "hers"), deadItem{V: 1, Chunk: *aChunk(hint{ID: annLeft})})
			b.putJSON(dead(b.sc.ws, b.sc.con, "bobs"), deadItem{V: 1, Chunk: *aChunk(hint{ID: bobLeft, Digest: bobsDigest})})
		},
		func(b *stillBed) {
			b.gone(dead(b.sc.ws, b.sc.con, "hers")) // nobody counts on its outcome
			for _, id := range []string{"mixed", "bobs"} {
				d := remains(b, dead(b.sc.ws, b.sc.con, id), fromJSON[deadItem])
				if len(d.Chunk.Hints) != 1 || d.Chunk.Hints[0].ID != bobLeft || d.Chunk.Hints[0].Digest != bobsDigest {
					b.t.Errorf("%s: the given-up hints are %+v", id, d.Chunk.Hints)
				}
			}
		},
	},
	"records that were counted": {
		func(b *stillBed) {
			b.putJSON(b.sc.chunkTold("chk"), toldItem{V: 1, IDs: []crm.RecordID{annLeft, bobLeft, annRight}})
			b.putJSON(b.sc.chunkTold("bobs"), toldItem{V: 1, IDs: []crm.RecordID{bobLeft}})
			b.put(b.sc.chunkDone("done"), nil, nil)
		},
		func(b *stillBed) {
			told := remains(b, b.sc.chunkTold("chk"), fromJSON[toldItem])
			if len(told.IDs) != 3 || !slices.Contains(told.IDs, bobLeft) || !slices.IsSorted(told.IDs) {
				b.t.Errorf("counted are %v: nobody is to be counted twice because of an erasure", told.IDs)
			}
			if got := remains(b, b.sc.chunkTold("bobs"), fromJSON[toldItem]); !slices.Equal(got.IDs, []crm.RecordID{bobLeft}) {
				b.t.Errorf("Bob's alone: %v", got.IDs)
			}
			if it, err := b.mem.Get(b.t.Context(), b.sc.chunkDone("done")); err != nil || it.Version != 1 {
				b.t.Errorf("the mark of a chunk that is done: version %d, %v", it.Version, err)
			}
		},
	},
	"what waits, of her": {
		func(b *stillBed) {
			b.putJSON(b.sc.inbox(crm.Left, annLeft), inboxItem{V: 1, Hint: hint{ID: annLeft}})
			b.putJSON(b.sc.gone(crm.Right, annRight), goneItem{V: 1})
			b.putJSON(b.sc.barred(crm.Right, crm.Left, annLeft), barredItem{V: 1, Hint: hint{ID: annLeft}})
			b.putJSON(b.sc.stopped("title", crm.Left, annLeft), barredItem{V: 1, Hint: hint{ID: annLeft}})
		},
		func(b *stillBed) {
			b.gone(b.sc.inbox(crm.Left, annLeft), b.sc.gone(crm.Right, annRight), b.sc.barred(crm.Right, crm.Left, annLeft),
				b.sc.stopped("title", crm.Left, annLeft))
		},
	},
	"what waits, of another": {
		func(b *stillBed) {
			h := hint{
				ID: bobLeft, Digest: bobsDigest, Merged: []crm.RecordID{annLeft, "l_bobby"}, Primary: annLeft,
				Doubles: []crm.RecordID{annLeft},
				Twins:   []crm.RecordID{annRight, bobRight}, Holder: annRight, Op: opLink, Partner: annRight,
			}
			b.putJSON(b.sc.inbox(crm.Left, bobLeft), inboxItem{V: 1, Hint: h})
			b.putJSON(b.sc.barred(crm.Right, crm.Left, bobLeft), barredItem{V: 1, Hint: h})
			b.putJSON(b.sc.stopped("title", crm.Left, bobLeft), barredItem{V: 1, Hint: h})
		},
		func(b *stillBed) {
			want := hint{ID: bobLeft, Digest: bobsDigest, Merged: []crm.RecordID{"l_bobby"}, Twins: []crm.RecordID{bobRight}}
			for _, k := range []store.Key{
				b.sc.inbox(crm.Left, bobLeft), b.sc.barred(crm.Right, crm.Left, bobLeft), b.sc.stopped("title", crm.Left, bobLeft),
			} {
				if d := cmp.Diff(want, remains(b, k, fromJSON[inboxItem]).Hint); d != "" {
					b.t.Errorf("%s %s (-want +got):\n%s", k.Partition, k.Sort, d)
				}
			}
		},
	},
	"runs and what they listed": {
		func(b *stillBed) {
			bobs := []hint{{ID: bobLeft, Digest: bobsDigest}}
			for id, rest := range map[crm.RunID][]hint{"run_mixed": bothHints(), "run_bobs": bobs} {
				r := &storedRun{V: 1, Phase: phaseLeft, Salt: "salt", RestSide: crm.Left, Rest: rest, Run: Run{
					ID: id, Connection: b.sc.con, Sync: b.sc.sync, State: RunRunning, CreatedAt: b.now,
				}}
				if id == "run_mixed" {
					r.Then, r.Audit = rightHints(), &auditing{Right: rightHints()}
				}
				b.must(b.saveRun(b.t.Context(), b.sc.ws, r))
			}
			for side, ids := range map[crm.Side][3]crm.RecordID{
				crm.Left: {annLeft, bobLeft, "l_else"}, crm.Right: {annRight, bobRight, "r_else"},
			} {
				page := (&seenRecord{id: ids[0], gone: true, digest: "0123456789abcdef"}).append(nil)
				page = (&seenRecord{id: ids[1]}).append(page)
				page = (&seenRecord{id: ids[2], into: ids[0]}).append(page)
				b.put(b.sc.seenPage("run_mixed", side, 1), page, nil)
				b.put(b.sc.seenPage("run_bobs", side, 1), (&seenRecord{id: ids[1]}).append(nil), nil)
			}
		},
		func(b *stillBed) {
			r, err := b.loadRun(b.t.Context(), b.sc.ws, "run_mixed")
			b.must(err)
			b.cleanHints(r.Rest)
			for _, right := range [][]hint{r.Then, r.Audit.Right} {
				if len(right) != 2 || !right[0].Erased || right[0].Gone || right[1].ID != bobRight || right[1].Erased {
					b.t.Errorf("of the right side: %+v", right)
				}
			}
			r, err = b.loadRun(b.t.Context(), b.sc.ws, "run_bobs")
			b.must(err)
			if len(r.Rest) != 1 || r.Rest[0].ID != bobLeft || r.version != 1 {
				b.t.Errorf("the run of Bob alone, in version %d: %+v", r.version, r.Rest)
			}
			for side, bob := range map[crm.Side]crm.RecordID{crm.Left: bobLeft, crm.Right: bobRight} {
				var of []seenRecord
				b.must(eachSeen(b.get(b.sc.seenPage("run_mixed", side, 1)), func(x *seenRecord) { of = append(of, *x) }))
				if len(of) != 3 || !of[0].erased || of[0].gone || of[0].digest != "" || of[1].erased || of[1].id != bob ||
					!of[2].erased || of[2].into != "" || of[0].id == of[2].id {
					b.t.Errorf("the %s listed %+v", side, of)
				}
				it, err := b.mem.Get(b.t.Context(), b.sc.seenPage("run_bobs", side, 1))
				if err != nil || it.Version != 1 {
					b.t.Errorf("the page of Bob alone is stored anew: version %d, %v", it.Version, err)
				}
			}
		},
	},
	"the log": {
		func(b *stillBed) {
			entries := []Entry{
				{Record: annLeft, Partner: annRight, Side: crm.Left, Outcome: crm.Updated, URL: "https://example.com/ann"},
				{Record: annRight, Side: crm.Right, Outcome: crm.Created},
				{Record: bobLeft, Side: crm.Left, Outcome: crm.Updated, Diffs: []Diff{{
					Field: "mail", Before: crm.TextValue("bob@example.com"), After: crm.TextValue("ann@example.com"),
				}}},
				{
					Record: bobLeft, Partner: bobRight, Side: crm.Left, Outcome: crm.Failed, Code: "duplicate",
					Message: `the address "ann@example.com" is taken`, URL: "https://example.com/" + string(annRight),
					Request: "POST", Response: "409 " + string(annLeft),
				},
				{Record: bobRight, Side: crm.Right, Outcome: crm.Failed, Message: "bob@example.com is taken", Request: "PUT"},
			}
			for i := range entries {
				entries[i].Connection, entries[i].Sync, entries[i].Time = b.sc.con, b.sc.sync, b.now.Add(-time.Hour)
			}
			for page, some := range map[string][]Entry{"pg_mixed": entries, "pg_bobs": slices.Clone(entries[4:])} {
				ws, err := b.session(0).logPages(page, following(nil, some...), 30)
				b.must(err)
				b.must(b.mem.Transact(b.t.Context(), ws))
			}
		},
		func(b *stillBed) {
			pages := map[string][]Entry{}
			b.mem.Each(store.Log, func(it store.Item) bool {
				entries, err := decodePage(it)
				b.must(err)
				pages[fmt.Sprintf("%s %d", it.Sort, it.Version)] = entries
				return true
			})
			mixed, bobs := pages["pg_mixed.00 2"], pages["pg_bobs.00 1"]
			if len(mixed) != 5 || len(bobs) != 1 || bobs[0].Record != bobRight {
				b.t.Fatalf("pages %+v", pages)
			}
			for i, en := range mixed[:3] {
				if en.Outcome != crm.Excluded || en.Code != CodeErased || en.Record != "" || en.Partner != "" || en.URL != "" ||
					len(en.Diffs) > 0 || en.ID == "" || en.Time.IsZero() || en.Sync != b.sc.sync {
					b.t.Errorf("entry %d: %+v", i, en)
				}
			}
			if en := mixed[3]; en.Outcome != crm.Failed || en.Record != bobLeft || en.Message != "" || en.URL != "" ||
				en.Response != "" || en.Request != "POST" {
				b.t.Errorf("of Bob, naming Ann: %+v", en)
			}
			if en := mixed[4]; en.Message != "bob@example.com is taken" || en.Request != "PUT" {
				b.t.Errorf("of Bob: %+v", en)
			}
		},
	},
	"what an app told": {
		func(b *stillBed) {
			b.tell(annLeft, map[string]string{"name": "Ann"})
			b.tell("l_ann2", map[string]string{"name": "A.", "mail": "Ann@Example.com", "phone": "+1 212 555 0122"})
			b.tell(bobLeft, map[string]string{"name": "Bob", "mail": "bob@example.com", "phone": "+1 212 555 0122"})
		},
		func(b *stillBed) {
			key := func(id crm.RecordID) store.Key { return store.KeptKey(b.sc.ws, "acc_left", "person", id) }
			b.gone(key(annLeft), key("l_ann2"))
			k := remains(b, key(bobLeft), fromJSON[store.Kept])
			if k.Fields["mail"].Text() != "bob@example.com" || len(k.Found) != 2 {
				b.t.Errorf("of Bob is kept: %+v", k)
			}
			if left := b.left("l_ann2"); len(left) > 0 {
				b.t.Errorf("left: %v", left)
			}
		},
	},
	"claims": {
		func(b *stillBed) {
			b.putJSON(claimKey(b.sc.ws, "acc_right", "Person", annMail), claimed{
				V: 1, Scope: "other#sync", Side: crm.Left, Source: "l_else",
			})
			b.putJSON(claimKey(b.sc.ws, "acc_right", "Person", "phone:+12125550122"), claimed{
				V: 1, Scope: b.sc.name(), Side: crm.Left, Source: annLeft,
			})
			b.putJSON(claimKey(b.sc.ws, "acc_right", "Person", bobMail), claimed{
				V: 1, Scope: b.sc.name(), Side: crm.Left, Source: bobLeft,
			})
		},
		func(b *stillBed) {
			b.gone(claimKey(b.sc.ws, "acc_right", "Person", annMail),
				claimKey(b.sc.ws, "acc_right", "Person", "phone:+12125550122"))
			if c := remains(b, claimKey(b.sc.ws, "acc_right", "Person", bobMail), fromJSON[claimed]); c.Source != bobLeft {
				b.t.Errorf("Bob's claim is %+v", c)
			}
		},
	},
}

// TestX11_OnlyTheErasedPersonIsTakenOut: of everything that may wait, be under
// way or lie about when somebody is erased, nothing of that person is left, and
// what is somebody else's stays as it was.
func TestX11_OnlyTheErasedPersonIsTakenOut(t *testing.T) {
	t.Parallel()
	for name, place := range erasedPlaces {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newStillBed(t, aKey)
			place.put(b)
			b.eraseAnn("ers_1")
			if x := b.work("ers_1"); x.State != ErasureDone {
				t.Fatalf("the erasure is %s", x.State)
			}
			place.want(b)
			b.now = b.now.Add(time.Hour)
			if x := b.work("ers_1"); x.CheckedAt.IsZero() {
				t.Error("nothing was looked through a second time")
			}
			place.want(b)
			if left := b.left("ann@example.com", string(annLeft), string(annRight)); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// TestX11_TheReceiptTellsOfItsOwnPerson: two are erased at the same time. The receipt of
// each counts what was of that one, and what is nobody's of them is not stored anew.
func TestX11_TheReceiptTellsOfItsOwnPerson(t *testing.T) {
	t.Parallel()
	b := newStillBed(t, aKey)
	b.putLink(&link{Left: annLeft, Right: annRight, State: crm.StateInSync})
	b.putLink(&link{Left: bobLeft, State: crm.StateExcluded})
	b.putLink(&link{Left: "l_carl", Right: "r_carl", State: crm.StateInSync, Detail: "as it was"})
	b.putLink(&link{Left: "l_dora", State: crm.StateDuplicate, Others: []crm.RecordID{annRight, "r_carl"}})
	carl, err := b.mem.Get(t.Context(), b.sc.record(crm.Left, "l_carl"))
	b.must(err)
	b.eraseAnn("ers_1")
	_, err = b.Erase(t.Context(), b.sc.ws, "ers_2", ErasureRequest{
		Record: &AppRecord{Account: "acc_left", Object: "person", ID: bobLeft},
	})
	b.must(err)
	for id, want := range map[string]int64{"ers_1": 3, "ers_2": 1} { // a pair has two items, and Dora names one of hers
		if x := b.work(id); x.State != ErasureDone || x.Removed["link"] != want {
			t.Errorf("%s is %s, removed %v, want %d links", id, x.State, x.Removed, want)
		}
	}
	b.gone(b.sc.record(crm.Left, annLeft), b.sc.record(crm.Right, annRight), b.sc.record(crm.Left, bobLeft))
	if it, err := b.mem.Get(t.Context(), carl.Key); err != nil || it.Version != carl.Version {
		t.Errorf("what is neither's was stored anew: version %d after %d, %v", it.Version, carl.Version, err)
	}
}

// TestX11_ALeaseIsFencedWithWhatItCarries: of what somebody was about to write when their
// process ended nothing about the erased person is left, and the rest is as it was; whoever
// takes the lease next has to know the tombstones.
func TestX11_ALeaseIsFencedWithWhatItCarries(t *testing.T) {
	t.Parallel()
	hers := intentEntry{Side: crm.Right, Left: annLeft, Right: annRight}
	bobs := intentEntry{Side: crm.Left, Left: bobLeft, Right: bobRight, Version: 7}
	for name, c := range map[string]struct {
		entries []intentEntry
		left    int
		removed int64
	}{
		"nothing":            {nil, 0, 0},
		"hers":               {[]intentEntry{hers}, 0, 1},
		"hers and another's": {[]intentEntry{hers, bobs}, 1, 1},
		"another's":          {[]intentEntry{bobs}, 1, 0},
	} {
		b := newStillBed(t, aKey)
		was := &lease{Epoch: 7, Wrote: 3, Config: 1, Pace: []int64{1, 2}, Brakes: true}
		if c.entries != nil {
			var err error
			was.Intent, err = (&intent{ID: "lone", Entries: c.entries}).encode()
			b.must(err)
		}
		b.putJSON(b.sc.lease(), was)
		b.eraseAnn("ers_1")
		if x := b.work("ers_1"); x.State != ErasureDone || x.Removed["lease"] != c.removed {
			t.Errorf("%s: the erasure is %s, removed %v, want %d of leases", name, x.State, x.Removed, c.removed)
		}
		head, err := b.mem.Get(t.Context(), erasedHead(b.sc.ws))
		b.must(err)
		got := remains(b, b.sc.lease(), fromJSON[lease])
		if c.left > 0 {
			in, err := decodeIntent(got.Intent)
			b.must(err)
			if len(in.Entries) != c.left || in.Entries[0].Left != bobLeft || in.Entries[0].Version != 7 {
				t.Errorf("%s: the intent is %+v", name, in)
			}
			got.Intent = nil
		}
		want := *was
		want.Epoch, want.Erased, want.Intent = 8, head.Version, nil
		if d := cmp.Diff(want, got, cmp.AllowUnexported(lease{})); d != "" {
			t.Errorf("%s: the lease (-want +got):\n%s", name, d)
		}
	}
}

// TestX11_AnErasureWaitsForALease: whoever holds it may have the person in hand. Once the
// lease stood for its whole time, nobody does; what they wrote last is not known then. A
// sync that knows already is not told again.
func TestX11_AnErasureWaitsForALease(t *testing.T) {
	t.Parallel()
	b := newStillBed(t, aKey)
	b.conn.Syncs = append(b.conn.Syncs, b.conn.Syncs[0])
	b.conn.Syncs[1].ID = "others"
	_, err := store.SaveConnection(t.Context(), b.mem, b.sc.ws, b.conn, 1)
	b.must(err)
	held := scope{b.sc.ws, b.sc.con, "others"}
	b.putJSON(held.lease(), lease{Owner: "own_1", Epoch: 4, Wrote: 2, Until: b.now})
	b.eraseAnn("ers_1")
	round := func() ErasureState {
		t.Helper()
		_, err := b.attendErasures(t.Context())
		b.must(err)
		x, err := b.GetErasure(t.Context(), b.sc.ws, "ers_1")
		b.must(err)
		return x.State
	}
	for _, wait := range []time.Duration{0, b.Tuning.Lease - 1} {
		if b.now = b.now.Add(wait); round() != ErasureRunning {
			t.Fatal("nobody waits for the lease")
		}
		if l := remains(b, held.lease(), fromJSON[lease]); l.Owner != "own_1" || l.Epoch != 4 {
			t.Errorf("the lease that somebody holds is %+v", l)
		}
	}
	if b.marks["erasure_waits_for_lease"] != 2 {
		t.Errorf("waited for the lease %d times, want twice", b.marks["erasure_waits_for_lease"])
	}
	if b.now = b.now.Add(1); round() != ErasureDone {
		t.Error("a lease that stood for its whole time is waited for")
	}
	l := remains(b, held.lease(), fromJSON[lease])
	if l.Owner != "" || l.Epoch != 5 || l.Wrote != 4 || l.Erased == 0 {
		t.Errorf("the lease that nobody holds any more is %+v", l)
	}
	if l := remains(b, b.sc.lease(), fromJSON[lease]); l.Epoch != 1 {
		t.Errorf("a sync that knew was told again: %+v", l)
	}
}

// TestX11_WhatCannotBeReadEndsNoErasure: of a link or an intent that cannot be read nobody
// knows whose it is. The erasure is not done as long as it is there.
func TestX11_WhatCannotBeReadEndsNoErasure(t *testing.T) {
	t.Parallel()
	b := newStillBed(t, aKey)
	b.putLink(&link{Left: annLeft, Right: annRight, State: crm.StateInSync})
	b.eraseAnn("ers_1")
	x, err := b.loadErasure(t.Context(), b.sc.ws, "ers_1")
	b.must(err)
	x.Work.Keys, x.Work.Records = nil, nil // it has been looked for
	b.must(b.storeErasure(t.Context(), b.sc.ws, x))
	intent, err := json.Marshal(lease{Intent: []byte("no intent")})
	b.must(err)
	for _, odd := range []store.Key{b.sc.lease(), b.sc.record(crm.Left, "l_odd")} { // in the order of the work
		data := []byte("no link")
		if odd == b.sc.lease() {
			data = intent
		}
		b.put(odd, data, nil)
		for range 2 {
			if x := b.work("ers_1"); x.State != ErasureRunning {
				t.Errorf("with %s, which cannot be read, it is %s", odd.Partition, x.State)
			}
			b.now = b.now.Add(time.Hour)
		}
		_, err = b.mem.Write(t.Context(), store.Write{Op: store.Delete, Item: store.Item{Key: odd}})
		b.must(err)
	}
	if x := b.work("ers_1"); x.State != ErasureDone || x.Removed["link"] != 2 {
		t.Errorf("without it the erasure is %s, removed %v", x.State, x.Removed)
	}
}

// TestX11_WhatWaitsKeepsItsName: a run may have sent what it listed without noting it
// when somebody is taken out of that. It sends it once more, divided and named as it
// was, so that nothing is worked, and counted, twice; and so after a second erasure.
func TestX11_WhatWaitsKeepsItsName(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 2, 3, 100} {
		b := newStillBed(t, aKey)
		b.Tuning.ChunkSize = size
		more := []hint{{ID: "l_3"}, {ID: "l_4", Gone: true}, {ID: "l_5"}}
		r := &storedRun{
			V: 1, Phase: phaseDrain, RestSide: crm.Left, Rest: append(bothHints(), more...), Then: rightHints(),
			Run: Run{ID: "run", Connection: b.sc.con, Sync: b.sc.sync, State: RunRunning, CreatedAt: b.now},
		}
		want := r.names(size)
		b.must(b.saveRun(t.Context(), b.sc.ws, r))
		b.eraseAnn("ers_1")
		b.work("ers_1")
		_, err := b.Erase(t.Context(), b.sc.ws, "ers_2", ErasureRequest{
			Record: &AppRecord{Account: "acc_left", Object: "person", ID: "l_4"},
		})
		b.must(err)
		b.work("ers_2")
		r, err = b.loadRun(t.Context(), b.sc.ws, "run")
		b.must(err)
		if !r.Rest[0].Erased || !r.Rest[3].Erased || !r.Then[0].Erased {
			t.Fatalf("somebody is left in %+v, %+v", r.Rest, r.Then)
		}
		// One after the other, and what is listed later has its own name.
		var got []namedPart
		for r.turn(); len(r.Rest) > 0; r.turn() {
			p := r.parts(size, 1)[0]
			got, r.Rest, r.Named = append(got, p), r.Rest[p.Hints:], r.Named[1:]
		}
		if !slices.Equal(got, want) {
			t.Errorf("in parts of %d: %+v, want %+v", size, got, want)
		}
		r.Rest, r.Seq = more, 7
		if p := r.parts(size, 1)[0]; p.ID != chunkID(r, more[:p.Hints]) || p.Hints != min(size, 3) {
			t.Errorf("the next page is sent as %+v", p)
		}
	}
}

// TestX11_AnErasureOutlivesEveryFailure: whichever request fails while it goes on, it
// is not said to be done before nothing of the person is left, and others keep theirs.
func TestX11_AnErasureOutlivesEveryFailure(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"runs and what they listed", "the log", "a chain of merges in the other app", "a lease",
	} {
		lay := func() *desk {
			d := &desk{stillBed: newStillBed(t, aKey), at: -1}
			d.Store = deskStore{d.mem, d}
			erasedPlaces[name].put(d.stillBed)
			d.eraseAnn("ers_1")
			d.asked = nil
			return d
		}
		d := lay()
		if x := d.work("ers_1"); x.State != ErasureDone {
			t.Fatalf("the erasure is %s", x.State)
		}
		requests := d.asked
		if len(requests) < 20 {
			t.Errorf("%s: asked for %q only", name, requests)
		}
		met := map[string]bool{}
		for at, what := range requests {
			if met[what] {
				continue
			}
			met[what] = true
			d := lay()
			d.at = at
			var x Erasure
			for range 20 { // what fails is tried again after a while
				if _, err := d.attendErasures(t.Context()); err != nil && !fault.Is(err, fault.Unavailable) {
					t.Errorf("%s: %s fails with %v", name, what, err)
				}
				d.now = d.now.Add(11 * time.Minute)
				if len(d.asked) <= at {
					continue
				}
				if x = d.work("ers_1"); x.State == ErasureDone {
					break
				}
			}
			if x.State != ErasureDone {
				t.Fatalf("%s: %s fails, and the erasure is %s", name, what, x.State)
			}
			erasedPlaces[name].want(d.stillBed)
			if left := d.left("ann@example.com", string(annLeft), string(annRight)); len(left) > 0 {
				t.Errorf("%s: %s fails, and left is %v", name, what, left)
			}
		}
	}
}

// eraseAnn begins the erasure of a person who is known by an address and both records.
func (b *stillBed) eraseAnn(id string) {
	b.t.Helper()
	_, err := b.erasePerson(b.t.Context(), b.sc.ws, id, "request", []string{annMail}, []AppRecord{
		{"acc_left", "person", annLeft}, {"acc_right", "Person", annRight},
	})
	b.must(err)
}

// TestX11_APairMadeMeanwhile: whoever had the records in hand stores their pair
// after the links were looked through. It goes like the others, and what comes
// late of the record that is known by it alone is the erased person's, too:
// on whichever side, and whether its alias is met before the pair or after it.
func TestX11_APairMadeMeanwhile(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{true, false} {
		for _, side := range crm.Sides {
			t.Run(fmt.Sprintf("alias first %t, unknown on the %s", before, side), func(t *testing.T) {
				t.Parallel()
				pair, where, object := &link{Left: annLeft, State: crm.StateInSync}, crm.AccountID("acc_right"), "Person"
				if side == crm.Left {
					pair, where, object = &link{Right: annRight, State: crm.StateInSync}, "acc_left", "person"
				}
				var second crm.RecordID
				for i := range 100 {
					second = crm.RecordID(fmt.Sprintf("second%d", i))
					pair.setID(side, second)
					if at, alias := shardOf(pair.Left), shardOf(pair.Right); at != alias && (alias < at) == before {
						break
					}
				}
				b := newStillBed(t, aKey)
				b.eraseAnn("ers_1")
				x, err := b.loadErasure(t.Context(), b.sc.ws, "ers_1")
				b.must(err)
				x.Work.Keys, x.Work.Records = nil, nil // it has been looked for
				b.must(b.storeErasure(t.Context(), b.sc.ws, x))
				b.putLink(pair)
				b.putJSON(b.sc.inbox(side, second), inboxItem{V: 1, Hint: hint{ID: second}})
				if x := b.work("ers_1"); x.State != ErasureDone || x.Removed["link"] != 2 {
					t.Errorf("the receipt says %+v", x)
				}
				if left := b.left(string(annLeft), string(annRight), string(second)); len(left) > 0 {
					t.Errorf("left: %v", left)
				}
				if known, err := b.tombsOf(t.Context(), b.sc.ws, 0, true); err != nil || !known.record(where, object, second) {
					t.Errorf("the second record is not known to be hers: %v", err)
				}
			})
		}
	}
}

// TestX11_AnAwaitedErasureKeepsItsPair: a deleted pair whose twin a newcomer matches is
// theirs, but not while an app's telling of the deleted one's erasure is waiting: only
// the pair tells whose records those are.
func TestX11_AnAwaitedErasureKeepsItsPair(t *testing.T) {
	t.Parallel()
	for _, side := range crm.Sides {
		b := newStillBed(t, aKey)
		gone := &link{Left: annLeft, Right: annRight, State: crm.StateDeleted, Code: deletedOn + string(side)}
		b.putLink(gone)
		free := func() bool {
			u := &unit{side: side, id: "newcomer"}
			u.rec.Set(side.Other(), &crm.Record{ID: gone.id(side.Other())})
			ok, _, err := b.session(0).free(t.Context(), gone, u)
			b.must(err)
			return ok
		}
		if !free() {
			t.Errorf("gone on the %s: the twin is not free", side)
		}
		end := ends(b.conn, &b.conn.Syncs[0])[side.Index()]
		tell := func(id crm.RecordID) {
			b.must(b.askErasures(t.Context(), b.sc.ws, end.account, []connector.Event{
				{Kind: connector.EventErased, Object: end.object, ID: id},
			}))
		}
		if tell("somebody"); !free() {
			t.Errorf("gone on the %s: another one's erasure keeps the pair", side)
		}
		if tell(gone.id(side)); free() {
			t.Errorf("gone on the %s: while the erasure is waited for, the twin is free", side)
		}
		if b.ErasureKey = nil; !free() {
			t.Errorf("gone on the %s: where nobody is erased, the twin is not free", side)
		}
	}
}

// TestX11_AnErasureIsBegunOnce: whoever is erased is not erased again, under
// whatever part of the name; the receipt is that of the first time. Others who
// erase at the same moment are not lost, and without a key nobody is erased.
func TestX11_AnErasureIsBegunOnce(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	b := newStillBed(t, aKey)
	first, err := b.Erase(ctx, b.sc.ws, "ers_1", ErasureRequest{
		Email: "Ann@Example.com", Record: &AppRecord{"acc_left", "person", annLeft},
	})
	b.must(err)
	for _, again := range []ErasureRequest{
		{Email: "ann@example.com"}, {Record: &AppRecord{"acc_left", "person", annLeft}},
	} {
		x, err := b.Erase(ctx, b.sc.ws, "ers_2", again)
		if err != nil || x.ID != first.ID {
			t.Errorf("%+v: the receipt is %s, %v; want the first one's", again, x.ID, err)
		}
	}
	if x, err := b.Erase(ctx, b.sc.ws, "ers_3", ErasureRequest{
		Email: "ann@example.com", Phone: "+12125550122",
	}); err != nil || x.ID != "ers_3" {
		t.Errorf("a number that nobody was erased under: receipt %s, %v", x.ID, err)
	}
	// Somebody else's erasure is stored between the look and the write.
	other := newStillBed(t, aKey)
	other.Store, other.now = b.mem, b.now
	mem, raced := b.Store, false
	b.Store = &ahead{Store: mem, first: func() {
		if !raced {
			raced = true
			_, err := other.Erase(ctx, b.sc.ws, "ers_bob", ErasureRequest{Email: "bob@example.com"})
			b.must(err)
		}
	}}
	if x, err := b.Erase(ctx, b.sc.ws, "ers_cyd", ErasureRequest{Email: "cyd@example.com"}); err != nil ||
		x.ID != "ers_cyd" || !raced {
		t.Errorf("the receipt is %s, %v; somebody was ahead: %t", x.ID, err, raced)
	}
	for id, mail := range map[string]string{"ers_bob": "bob@example.com", "ers_cyd": "cyd@example.com"} {
		if x, err := b.FindErasure(ctx, b.sc.ws, ErasureRequest{Email: mail}); err != nil || x.ID != id {
			t.Errorf("%s is blocked by %s, %v", mail, x.ID, err)
		}
	}
	keyless := newStillBed(t, nil)
	if _, err := keyless.Erase(ctx, b.sc.ws, "ers_1", ErasureRequest{Email: "ann@example.com"}); !fault.Is(err,
		fault.Unsupported) {
		t.Errorf("without a key: %v", err)
	}
	if n := len(keyless.left("erasing", "ann@example.com")); n != 0 {
		t.Errorf("without a key, %d items speak of it", n)
	}
}

// ahead lets somebody else come first, just before tombstones are stored.
type ahead struct {
	store.Store
	first func()
}

func (a *ahead) Transact(ctx context.Context, ws []store.Write) error {
	a.first()
	return a.Store.Transact(ctx, ws)
}

// TestX11_AnErasureThatWasNeverStored: its process put it on the list and ended
// before it stored it. It stays there a minute, for it may be about to be
// stored; then it goes, and nobody looks for it for ever.
func TestX11_AnErasureThatWasNeverStored(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]bool{"never": false, "half a minute later": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			b := newStillBed(t, aKey)
			listed := func() []byte { return b.get(erasingKey(b.sc.ws, "~ers_1")) }
			b.must(b.listErasing(ctx, erasingItem{Workspace: b.sc.ws, Erasure: "ers_1"}))
			look := func() {
				t.Helper()
				if busy, err := b.attendErasures(ctx); err != nil || busy && !late {
					t.Fatalf("busy %t, %v", busy, err)
				}
			}
			look()
			b.now = b.now.Add(30 * time.Second)
			look()
			if listed() == nil {
				t.Fatal("it is off the list although it may be about to be stored")
			}
			if late {
				b.eraseAnn("ers_1")
			}
			b.now = b.now.Add(time.Minute)
			look()
			if late {
				if x := b.work("ers_1"); x.State != ErasureDone {
					t.Errorf("the erasure is %s", x.State)
				}
				return
			}
			if listed() != nil {
				t.Error("it stays on the list")
			}
		})
	}
}
