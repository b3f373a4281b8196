package engine

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// attribute tells, of apps that do not answer a write with what they stored,
// whether a record is as our last write left it. What it then holds besides
// what was sent is the app's doing, not a person's edit: the record was not
// modified later, by the app's own clock, nor by somebody else in that moment.
// Where that hangs on who we are and the app cannot say so now, it has to wait:
// a person's edit would pass for the app's doing, and never travel. Fields that
// another sync writes, too, are left out: see shared.
func (s *session) attribute(ctx context.Context, us []*unit) error {
	for _, u := range us {
		if u.decided || !u.link.paired() {
			continue
		}
		for _, side := range crm.Sides {
			w, ok := u.link.lastWrite(side)
			r := u.rec.Get(side)
			if !ok || r == nil || r.ModifiedAt.IsZero() || r.ModifiedAt.After(w.at) || !s.sameLayout(u.link, w) ||
				s.set.Agrees(side, r, u.link.Base) {
				continue
			}
			if r.ModifiedBy != "" {
				self, err := s.self(ctx, side)
				if err != nil {
					return err
				}
				if self != "" && self != r.ModifiedBy {
					continue
				}
			}
			shared, err := s.shared(ctx, side)
			if err != nil {
				return err
			}
			s.Mark("left_by_our_write")
			u.byApp.Set(side, w.fields&^shared)
			u.was.Set(side, s.heldBefore(u.link, side, w.fields))
		}
	}
	return nil
}

// sameLayout reports whether the mappings have the places that they had when a
// side was written. Releases before noted none: then the settings must be the
// same as a whole.
func (s *session) sameLayout(l *link, w lastWrite) bool {
	if w.layout == "" {
		return l.Settings == s.set.Digest()
	}
	return w.layout == s.set.Layout()
}

// self returns our own user in a side's app, "" where the app never says. It is
// asked once a process, and only when something hangs on it. An error is one of
// the moment: the next try may tell.
func (s *session) self(ctx context.Context, side crm.Side) (string, error) {
	acc := s.conn.Account(side)
	who, known := s.selves.get(acc)
	if known {
		return who, nil
	}
	if say := s.end(side).Extras().Self; say != nil {
		cctx, done, err := s.ask(ctx, side, askOne)
		if err != nil {
			return "", err
		}
		who, err = say(cctx)
		done()
		switch {
		case err == nil:
		case fault.Is(err, fault.Unsupported), fault.Is(err, fault.NotFound), fault.Is(err, fault.Invalid),
			fault.Is(err, fault.Denied) && fault.CodeOf(err) == codePermission:
			s.Log.Debug("own user not known", "account", acc, "error", err)
			return "", nil
		default:
			return "", atSide(side, "ask for our own user", err)
		}
	}
	s.selves.put(acc, who)
	return who, nil
}

// lastWrite is our last write to a side, as a link remembers it until the next.
type lastWrite struct {
	at     time.Time // by the app's own clock, when it had made it
	fields uint64    // the mappings written, by place
	layout string    // which mapping has which place
}

func (w lastWrite) String() string {
	return strconv.FormatInt(w.at.UnixMilli(), 36) + "." + strconv.FormatUint(w.fields, 36) + "." + w.layout
}

// lastWrite returns our last write to a side whose app did not answer with what
// it stored; ok is false where there is nothing to compare.
func (l *link) lastWrite(s crm.Side) (w lastWrite, ok bool) {
	text := l.WroteL
	if s == crm.Right {
		text = l.WroteR
	}
	ms, fields, ok := strings.Cut(text, ".")
	if !ok {
		return w, false
	}
	fields, w.layout, _ = strings.Cut(fields, ".")
	at, err := strconv.ParseInt(ms, 36, 64)
	if err != nil {
		return w, false
	}
	w.at = time.UnixMilli(at)
	w.fields, err = strconv.ParseUint(fields, 36, 64)
	return w, err == nil
}

// heldBefore is what the mappings of our last write to a side held before it.
func (s *session) heldBefore(l *link, side crm.Side, fields uint64) map[crm.MappingID]string {
	text := l.WasL
	if side == crm.Right {
		text = l.WasR
	}
	traces, ids := strings.Split(text, "."), s.set.Placed(fields)
	if len(traces) != len(ids) { // the release before noted none
		return nil
	}
	out := make(map[crm.MappingID]string, len(ids))
	for i, id := range ids {
		out[id] = traces[i]
	}
	return out
}

// wrote is what to remember of our last write to a side, and of what its fields
// held before.
func (s *session) wrote(u *unit, side crm.Side, write, was string) (nowWrite, nowWas string) {
	switch w := u.written.Get(side); {
	case w == nil || u.decision.Write(side) == nil:
		return write, was
	case w.Record != nil || w.At.IsZero():
		return "", ""
	default:
		fields := s.set.Places(u.decision.Write(side).Intended)
		var traces []string
		for _, id := range s.set.Placed(fields) {
			traces = append(traces, reconcile.Trace(u.observed(side, id)))
		}
		return lastWrite{w.At, fields, s.set.Layout()}.String(), strings.Join(traces, ".")
	}
}

// observed is the canonical value that a mapping was decided with on a side.
func (u *unit) observed(side crm.Side, id crm.MappingID) crm.Value {
	for i := range u.decision.Fields {
		if f := &u.decision.Fields[i]; f.Mapping == id {
			if side == crm.Left {
				return f.Left
			}
			return f.Right
		}
	}
	return crm.NullValue()
}
