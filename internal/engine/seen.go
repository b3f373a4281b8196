package engine

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// A full listing is read to its end on both sides before any of it is worked:
// then the keys that it saw say who is whose twin, whatever an app's search finds
// or knows by now. What is kept of a record is its ID, the digest of its fields
// and a keyed hash of each identity key; no value of a person.

// seenRecord is one record of a full listing.
type seenRecord struct {
	id     crm.RecordID
	into   crm.RecordID // it lost a merge to this record
	gone   bool
	erased bool // it was of a person who was erased since: the ID is nobody's
	digest string
	keys   []uint64
}

const (
	seenGone   = 1 << iota // the listing says that it is gone
	seenMerged             // its survivor's ID follows
	seenDigest             // the digest of its fields follows
	seenErased             // it was of a person who was erased since
)

// maxSeenKeys bounds what is kept of one record.
const maxSeenKeys = 32

// digestBytes is the length of crm.Fields.Digest.
const digestBytes = 8

func (x *seenRecord) append(b []byte) []byte {
	flags := byte(0)
	digest, err := hex.DecodeString(x.digest)
	if err == nil && len(digest) == digestBytes {
		flags |= seenDigest
	}
	if x.gone {
		flags |= seenGone
	}
	if x.erased {
		flags |= seenErased
	}
	if x.into != "" {
		flags |= seenMerged
	}
	keys := x.keys[:min(len(x.keys), maxSeenKeys)]
	b = append(b, flags, byte(len(keys)))
	b = appendText(b, string(x.id))
	if x.into != "" {
		b = appendText(b, string(x.into))
	}
	if flags&seenDigest != 0 {
		b = append(b, digest...)
	}
	for _, k := range keys {
		b = binary.BigEndian.AppendUint64(b, k)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

var errSeenPage = fault.New("engine: read a seen page", fault.Other, "internal_error",
	"a page of a listing cannot be read")

// eachSeen calls f for every record of a page.
func eachSeen(b []byte, f func(*seenRecord)) error {
	text := func() (string, bool) {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return "", false
		}
		s := string(b[size : size+int(n)])
		b = b[size+int(n):]
		return s, true
	}
	for len(b) > 0 {
		if len(b) < 2 {
			return errSeenPage
		}
		flags, n := b[0], int(b[1])
		b = b[2:]
		var x seenRecord
		x.gone, x.erased = flags&seenGone != 0, flags&seenErased != 0
		id, ok := text()
		x.id = crm.RecordID(id)
		if ok && flags&seenMerged != 0 {
			id, ok = text()
			x.into = crm.RecordID(id)
		}
		if ok && flags&seenDigest != 0 {
			if ok = len(b) >= digestBytes; ok {
				x.digest = hex.EncodeToString(b[:digestBytes])
				b = b[digestBytes:]
			}
		}
		if !ok || len(b) < 8*n {
			return errSeenPage
		}
		x.keys = make([]uint64, n)
		for i := range x.keys {
			x.keys[i], b = binary.BigEndian.Uint64(b), b[8:]
		}
		f(&x)
	}
	return nil
}

// maxSeenPage bounds one stored page, in bytes.
const maxSeenPage = 250_000

// saveSeen keeps one page of a full listing. One that is there already was
// stored by a worker that ended before it stored the run, or by one that
// overtook this one: it may be replaced together with the run alone, by the
// writes returned.
func (s *session) saveSeen(
	ctx context.Context, r *storedRun, side crm.Side, records []crm.Record,
) (again []store.Write, err error) {
	var pages [][]byte
	var page []byte
	for i := range records {
		rec := &records[i]
		if r.Salt == "" { // begun by the release before, which kept eight bytes of each ID
			if !rec.Deleted {
				page = binary.BigEndian.AppendUint64(page, hash64(rec.ID))
			}
			continue
		}
		x := seenRecord{
			id: rec.ID, into: rec.MergedInto, gone: rec.Deleted ||
				rec.MergedInto != "", digest: rec.Fields.Digest(s.end(side).fields),
		}
		switch {
		case s.isErased(side, rec):
			x.digest = "" // the worker says what becomes of it
		case !x.gone:
			x.keys = s.seenKeys(r, side, rec)
		}
		if page = x.append(page); len(page) > maxSeenPage {
			pages, page = append(pages, page), nil
		}
	}
	if len(page) > 0 {
		pages = append(pages, page)
	}
	part := func(i int) store.Key {
		key := s.seenPage(r.Run.ID, side, r.Seq)
		if i > 0 {
			key.Sort += string(rune('a' + i))
		}
		return key
	}
	for i, data := range pages {
		key := part(i)
		w := store.Write{Item: store.Item{Key: key, Data: data, Expires: s.Now().Add(7 * 24 * time.Hour)}, If: store.IfAbsent}
		if _, err := s.Store.Write(ctx, w); err == nil {
			continue
		} else if !fault.Is(err, fault.Conflict) {
			return nil, err
		}
		there, err := s.Store.Get(ctx, key)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return nil, err
		}
		w.If = store.IfVersion(there.Version)
		again = append(again, w)
	}
	if len(pages) > 0 && len(again) == 0 {
		return nil, nil
	}
	for i := len(pages); ; i++ { // what the page held before and nobody lists there any more
		there, err := s.Store.Get(ctx, part(i))
		if fault.Is(err, fault.NotFound) {
			return again, nil
		}
		if err != nil {
			return nil, err
		}
		again = append(again, store.Write{
			Op: store.Delete, Item: store.Item{Key: part(i)}, If: store.IfVersion(there.Version),
		})
	}
}

// saveWithSeen stores a run together with pages of its listing.
func (s *session) saveWithSeen(ctx context.Context, r *storedRun, pages []store.Write) error {
	s.Mark("page_listed_again")
	w, err := s.runWrite(s.ws, r)
	if err != nil {
		return err
	}
	if err := s.Store.Transact(ctx, append(pages, w)); err != nil {
		return err
	}
	r.version, r.unsaved = r.version+1, false
	return nil
}

// seenKeys are keyed hashes of a record's identity keys.
func (s *session) seenKeys(r *storedRun, side crm.Side, rec *crm.Record) []uint64 {
	var out []uint64
	for _, k := range s.set.IdentityKeys(side, rec) {
		mac := hmac.New(sha256.New, []byte(r.Salt))
		mac.Write([]byte(k.Canonical))
		if h := binary.BigEndian.Uint64(mac.Sum(nil)); !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return out
}

// sendGroup is how many records are joined with all others at a time: memory
// does not grow with the listing, and each goes through it once for so many.
const sendGroup = 2500

// maxNamed is how many candidates are named to one record: with more, a key is
// shared by a crowd all the same.
const maxNamed = 4

// stepSend queues the next records of a listing that is complete, each with
// those that share a key with it.
func (s *session) stepSend(ctx context.Context, r *storedRun) error {
	side := crm.Left
	if r.Phase == phaseSendRight {
		side = crm.Right
	}
	r.RestSide = side
	var group []*seenRecord
	q := store.Query{
		Table: store.Links, Workspace: s.ws, Partition: s.seenPage(r.Run.ID, side, 0).Partition, Limit: 1,
		Cursor: r.Position,
	}
	for len(group) < sendGroup {
		page, err := s.Store.Query(ctx, q)
		if err != nil {
			return err
		}
		for _, it := range page.Items {
			if err := eachSeen(it.Data, func(x *seenRecord) { group = append(group, x) }); err != nil {
				return err
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	hints, err := s.meetings(ctx, r, side, group)
	if err != nil {
		return err
	}
	r.Rest, r.Position = append(r.Rest, hints...), q.Cursor
	if q.Cursor == "" {
		r.Phase = r.after(r.Phase)
	}
	r.Seq++
	// Stored before it is sent: whoever overtook this process may have come to the
	// run's end meanwhile, where the pages go, and what is read of them is less.
	return s.saveRun(ctx, s.ws, r)
}

// meetings makes hints of records, with the others of the whole listing that
// share a key.
func (s *session) meetings(ctx context.Context, r *storedRun, side crm.Side, group []*seenRecord) ([]hint, error) {
	hints := make([]hint, len(group))
	holders := map[uint64][]int{}
	for i, x := range group {
		h := hint{ID: x.id, Force: r.Force}
		switch {
		case x.erased:
			h.Erased = true
		case x.into != "":
			h.Into, h.Gone = x.into, true
		case x.gone:
			h.Gone = true
		case !r.Force:
			h.Digest = x.digest
		}
		hints[i] = h
		for _, k := range x.keys {
			holders[k] = append(holders[k], i)
		}
	}
	if len(holders) == 0 {
		return hints, nil
	}
	for _, from := range crm.Sides {
		meet := func(x *seenRecord) {
			for _, k := range x.keys {
				for _, i := range holders[k] {
					list := &hints[i].Twins
					if from == side {
						list = &hints[i].Doubles
					}
					if (from != side || x.id != hints[i].ID) && len(*list) < maxNamed && !slices.Contains(*list, x.id) {
						*list = append(*list, x.id)
					}
				}
			}
		}
		q := store.Query{Table: store.Links, Workspace: s.ws, Partition: s.seenPage(r.Run.ID, from, 0).Partition}
		if err := s.eachItem(ctx, q, func(it store.Item) error { return eachSeen(it.Data, meet) }); err != nil {
			return nil, err
		}
	}
	return hints, nil
}
