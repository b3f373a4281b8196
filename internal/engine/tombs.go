package engine

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Of an erased person keyed hashes stay, of their identity keys and of their
// records' IDs, so that whatever comes of them later makes nobody. Nothing can
// be read from them without the workspace's key, which is sealed like a credential.

// CodeErased marks a record of an erased person: nothing is written to it, from
// it, or remembered of it.
const CodeErased = "erased"

// erasedDetail never says who.
const erasedDetail = "the person was erased: nothing is written to or from their records, and nothing is kept of them"

// tombsFor is how long a process trusts what it read of a workspace's
// tombstones. The lease of a sync says from which version on they must be known
// there, so only a block that was lifted, or a sync that is new, goes by it.
const tombsFor = time.Minute

// tombHash is a keyed hash, 16 bytes in base64.
type tombHash string

// grave is one erased person.
type grave struct {
	id   string // of the erasure
	mail bool   // one of the keys is an e-mail address
}

// tombs are the erased people of a workspace. A nil tombs knows nobody.
type tombs struct {
	key     []byte
	version int64 // of the head
	at      time.Time
	of      map[tombHash]grave
}

func (t *tombs) none() bool { return t == nil || len(t.of) == 0 }

// only are the tombstones of one erasure.
func (t *tombs) only(id string) *tombs {
	one := *t
	one.of = map[tombHash]grave{}
	for h, g := range t.of {
		if g.id == id {
			one.of[h] = g
		}
	}
	return &one
}

func tombOf(key []byte, kind, text string) tombHash {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(kind + "\x00" + text))
	return tombHash(base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16]))
}

func tombOfKey(key []byte, canonical string) tombHash { return tombOf(key, "key", canonical) }

func tombOfRecord(key []byte, acc crm.AccountID, object string, id crm.RecordID) tombHash {
	return tombOf(key, "record", string(acc)+"\x00"+object+"\x00"+string(id))
}

// record reports whether an app's record is one of an erased person.
func (t *tombs) record(acc crm.AccountID, object string, id crm.RecordID) bool {
	if t.none() || id == "" {
		return false
	}
	_, ok := t.of[tombOfRecord(t.key, acc, object, id)]
	return ok
}

// keys reports whether identity keys are those of an erased person. Whoever has
// an e-mail of their own is somebody else, also under an erased person's phone,
// as far as that one's e-mail is known.
func (t *tombs) keys(canonicals []string) bool {
	if t.none() {
		return false
	}
	mailed := false
	var others []grave
	for _, k := range canonicals {
		if !personal(k) {
			continue
		}
		g, ok := t.of[tombOfKey(t.key, k)]
		switch {
		case ok && isMail(k):
			return true
		case ok:
			others = append(others, g)
		}
		mailed = mailed || isMail(k)
	}
	for _, g := range others {
		if !mailed || !g.mail {
			return true
		}
	}
	return false
}

// personal reports whether a key may be one person's: a domain or an address in
// the web is a company's.
func personal(canonical string) bool {
	form, _, _ := strings.Cut(canonical, ":")
	return form != string(mapping.FormDomain) && !strings.HasPrefix(form, string(mapping.FormURL))
}

func isMail(canonical string) bool {
	return strings.HasPrefix(canonical, string(mapping.FormEmail)+":")
}

func canonicals(keys []reconcile.Key) []string {
	out := make([]string, len(keys))
	for i := range keys {
		out[i] = keys[i].Canonical
	}
	return out
}

// text reports whether a text as people write it is an erased person's e-mail
// address or phone number.
func (t *tombs) text(s string) bool {
	if t.none() {
		return false
	}
	for _, f := range []mapping.Form{mapping.FormEmail, mapping.FormPhone} {
		if key, ok := f.Key(crm.TextValue(s), ""); ok {
			if _, known := t.of[tombOfKey(t.key, string(f)+":"+key)]; known {
				return true
			}
		}
	}
	return false
}

// within reports whether an erased person's address, number or record ID stands
// somewhere in a text, such as an app's answer.
func (t *tombs) within(text string, ends [2]appObject) bool {
	if t.none() || text == "" {
		return false
	}
	hit := func(s string) bool {
		return t.text(s) || len(s) <= maxIDLength && (t.record(ends[0].account, ends[0].object, crm.RecordID(s)) ||
			t.record(ends[1].account, ends[1].object, crm.RecordID(s)))
	}
	for quoted := range strings.SplitSeq(text, `"`) {
		if len(quoted) <= maxQuoted && hit(strings.TrimSpace(quoted)) {
			return true
		}
	}
	words := strings.FieldsFunc(text, func(r rune) bool {
		return !strings.ContainsRune("@.+-_", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') &&
			r < 0x80
	})
	for _, w := range words {
		if hit(strings.Trim(w, ".-")) {
			return true
		}
	}
	return false
}

const (
	maxIDLength = 64
	maxQuoted   = 320 // the longest e-mail address
)

// appObject is an object of an account.
type appObject struct {
	account crm.AccountID
	object  string
}

// erasedHead names the item whose version grows with every change of tombstones.
func erasedHead(ws crm.WorkspaceID) store.Key {
	return store.Key{Table: store.Links, Workspace: ws, Partition: "erased", Sort: "head"}
}

func erasureKey(ws crm.WorkspaceID, id string) store.Key {
	return store.Key{Table: store.Links, Workspace: ws, Partition: "erasures", Sort: id}
}

// tombsOf returns the erased people of a workspace, at the version given or
// later, and as they are now when fresh is set.
func (e *Engine) tombsOf(ctx context.Context, ws crm.WorkspaceID, least int64, fresh bool) (*tombs, error) {
	if e.ErasureKey == nil {
		return nil, nil //nolint:nilnil // a nil tombs knows nobody
	}
	now := e.Now()
	known, _ := e.tombs.get(ws)
	if known != nil && !fresh && known.version >= least {
		if age := now.Sub(known.at); age >= 0 && age < tombsFor {
			return known, nil
		}
	}
	head, err := e.Store.Get(ctx, erasedHead(ws))
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	t := &tombs{version: head.Version, at: now}
	switch {
	case head.Version == 0:
	case known != nil && known.version == head.Version:
		*t = *known
		t.at = now
	default:
		if err := e.loadTombs(ctx, ws, t); err != nil {
			return nil, err
		}
	}
	e.tombs.put(ws, t)
	return t, nil
}

func (e *Engine) loadTombs(ctx context.Context, ws crm.WorkspaceID, t *tombs) (err error) {
	if t.key, err = e.ErasureKey(ctx, ws); err != nil {
		return err
	}
	t.of = map[tombHash]grave{}
	return e.eachItem(ctx, store.Query{
		Table: store.Links, Workspace: ws, Partition: erasureKey(ws, "x").Partition, Limit: 1000,
	}, func(it store.Item) error {
		var x storedErasure
		if err := json.Unmarshal(it.Data, &x); err != nil {
			return fault.Wrap("engine: decode erasure", fault.Other, err)
		}
		for _, h := range x.Hashes {
			t.of[h] = grave{x.Erasure.ID, x.Mail}
		}
		return nil
	})
}

// ends names what a sync pairs.
func ends(conn *crm.Connection, conf *crm.Sync) [2]appObject {
	return [2]appObject{
		{conn.Account(crm.Left), conf.Object(crm.Left)},
		{conn.Account(crm.Right), conf.Object(crm.Right)},
	}
}

// buried reports whether a side's record is one of an erased person, by its ID.
func (s *session) buried(side crm.Side, id crm.RecordID) bool {
	return s.tombs.record(s.conn.Account(side), s.conf.Object(side), id)
}

// isErased reports whether a record is one of an erased person, by its ID or
// by what it holds.
func (s *session) isErased(side crm.Side, r *crm.Record) bool {
	return !s.tombs.none() && r != nil && (s.buried(side, r.ID) || s.tombs.keys(canonicals(s.set.IdentityKeys(side, r))))
}

// leaveErased gives an erased person's unit its outcome: nothing is written,
// and nothing remembered.
func (s *session) leaveErased(u *unit) {
	s.Mark("erased_left_alone")
	u.rec, u.match, u.keys, u.twins, u.lookups = crm.PerSide[*crm.Record]{}, reconcile.Match{}, nil, nil, nil
	u.quiet, u.both = true, false
	u.decide(crm.Excluded, crm.StateExcluded, CodeErased, erasedDetail)
}

// erased reports whether the unit was left alone because of an erasure.
func (u *unit) erased() bool { return u.decided && u.decision.Code == CodeErased }

// learnErased makes the session know the erased people whom its lease asks for.
func (s *session) learnErased(ctx context.Context, l *lease) (err error) {
	s.tombs, err = s.tombsOf(ctx, s.ws, l.Erased, l.version == 0)
	return err
}

// learnErasedNow is for work without a lease.
func (s *session) learnErasedNow(ctx context.Context) (err error) {
	s.tombs, err = s.tombsOf(ctx, s.ws, 0, true)
	return err
}

// sparesNamed leaves alone what is an erased person's by the IDs that are known.
func (s *session) sparesNamed(us []*unit) {
	for _, u := range us {
		other := u.side.Other()
		if u.hint.Erased || !u.decided && !s.tombs.none() &&
			(s.buried(u.side, u.id) || u.link.paired() && s.buried(other, u.link.id(other)) ||
				u.hint.Op == opLink && s.buried(other, u.hint.Partner)) {
			s.leaveErased(u)
		}
	}
}

// sparesRenamed leaves alone whoever was erased under an address that both sides agreed
// on and a record has no longer, and returns the rest. Once the new one is stored,
// nothing but the log would tell whose it is; that is why the tombstones are asked for
// as they are now.
func (s *session) sparesRenamed(ctx context.Context, us []*unit) ([]*unit, error) {
	if s.ErasureKey == nil {
		return us, nil
	}
	was := map[*unit][]string{}
	for _, u := range us {
		if u.decided || u.own() == nil || !u.link.paired() {
			continue
		}
		now, agreed := canonicals(s.set.IdentityKeys(u.side, u.own())), baseKeys(s.set, u.link)
		if slices.ContainsFunc(agreed, func(k string) bool { return personal(k) && !slices.Contains(now, k) }) {
			was[u] = agreed
		}
	}
	if len(was) == 0 {
		return us, nil
	}
	if err := s.learnErasedNow(ctx); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(us, func(u *unit) bool {
		if s.tombs.keys(was[u]) {
			s.leaveErased(u)
		}
		return u.erased()
	}), nil
}

// sparesRead leaves alone what is an erased person's by what was read, and
// returns the rest.
func (s *session) sparesRead(us []*unit) []*unit {
	if s.tombs.none() {
		return us
	}
	rest := us[:0:0]
	for _, u := range us {
		if s.isErased(crm.Left, u.rec.Left) || s.isErased(crm.Right, u.rec.Right) {
			s.leaveErased(u)
		}
		if !u.erased() {
			rest = append(rest, u)
		}
	}
	return rest
}
