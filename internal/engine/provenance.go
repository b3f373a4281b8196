package engine

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// FieldChange is one write of a field, as the log tells of it.
type FieldChange struct {
	Entry    string        `json:"entry" doc:"The log entry; restore takes it to put back what the field held before"`
	Time     time.Time     `json:"time"`
	Run      crm.RunID     `json:"run,omitempty" doc:"Absent where a stopped process wrote it and another one found out"`
	Side     crm.Side      `json:"side" doc:"That was written"`
	Source   crm.Side      `json:"source" doc:"Whose record asked to be worked"`
	Mapping  crm.MappingID `json:"mapping,omitempty"`
	Field    string        `json:"field"`
	Before   crm.Value     `json:"before"`
	After    crm.Value     `json:"after"`
	Rule     string        `json:"rule" doc:"Why it was decided so"`
	Settings int64         `json:"settings_version,omitempty" doc:"Of the connection's document that it was decided under"`
}

// historyPages is how many log pages one call looks at.
const historyPages = 40

// historyCursor is where a history goes on.
type historyCursor struct {
	Pages []string `json:"p"`           // to be looked at, newest first
	Skip  int      `json:"s,omitempty"` // changes of the first that were given already
}

// FieldHistory lists what was written to a record and to its twin, newest first,
// back to where the log ends; fields narrows it to mappings. It looks at a bounded
// number of log pages a call, so it may answer few or no changes together with a
// next cursor. NotFound for a record never seen. Of erased people nothing is told.
func (e *Engine) FieldHistory(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side, rec crm.RecordID,
	fields []crm.MappingID, limit int, cursor string,
) ([]FieldChange, string, error) {
	const op = "engine: field history"
	s, u, err := e.recalled(ctx, scope{ws, id, sync}, side, rec)
	if err != nil {
		return nil, "", err
	}
	if u.link == nil {
		return nil, "", fault.New(op, fault.NotFound, "record_unknown", "the sync has not seen this record")
	}
	if s.buried(side, rec) || s.buried(side, u.id) {
		return []FieldChange{}, "", nil
	}
	at := historyCursor{Pages: u.link.Pages}
	if cursor != "" {
		b, err := decodeText(cursor)
		if err == nil {
			err = json.Unmarshal(b, &at)
		}
		if err != nil || at.Skip < 0 || len(at.Pages) > historyPages ||
			slices.ContainsFunc(at.Pages, func(name string) bool { return !s.ownPage(name) }) {
			return nil, "", fault.New(op, fault.Invalid, "cursor_malformed", "the cursor is not one that this list returned")
		}
	}
	out := []FieldChange{}
	for looked := 0; len(at.Pages) > 0 && looked < historyPages; looked++ {
		page, err := e.logPageNamed(ctx, ws, at.Pages[0])
		if err != nil {
			return nil, "", err
		}
		changes, earlier := s.changesOf(page, u, rec, fields)
		full := false
		if out, full = fillPage(out, changes, &at.Skip, limit); full {
			b, err := json.Marshal(at)
			return out, encodeText(b), err
		}
		at.Skip, at.Pages = 0, at.Pages[1:]
		if earlier != "" && !slices.Contains(at.Pages, earlier) {
			at.Pages = append(slices.Clone(at.Pages), earlier)
		}
	}
	if len(at.Pages) == 0 {
		return out, "", nil
	}
	b, err := json.Marshal(at)
	return out, encodeText(b), err
}

// ownPage reports whether a cursor names a page of the session's connection.
func (s *session) ownPage(name string) bool {
	if len(name) <= len(time.DateOnly) {
		return false
	}
	day, rest := name[:len(time.DateOnly)], name[len(time.DateOnly):]
	_, err := time.Parse(time.DateOnly, day)
	prefix := "/" + string(s.con) + "/"
	return err == nil && len(rest) > len(prefix) && rest[:len(prefix)] == prefix
}

// changesOf lists what a page tells as written to a record or its twin, newest
// first, and the page before that its record's link does not name any more.
func (s *session) changesOf(
	page []logEntry, u *unit, named crm.RecordID, fields []crm.MappingID,
) (out []FieldChange, earlier string) {
	for i := range page {
		en := &page[i].Entry
		if en.Sync != s.sync || !en.tells(u.side, u.id) && !en.tells(u.side, named) {
			continue
		}
		if page[i].Earlier != "" {
			earlier = page[i].Earlier
		}
		for _, d := range en.Writes() {
			if len(fields) > 0 && !slices.Contains(fields, d.Mapping) {
				continue
			}
			out = append(out, FieldChange{
				Entry: en.ID, Time: en.Time, Run: en.Run, Side: d.Side, Source: en.Side, Mapping: d.Mapping, Field: d.Field,
				Before: d.Before, After: d.After, Rule: d.Rule, Settings: en.Settings,
			})
		}
	}
	slices.Reverse(out)
	return out, earlier
}

// recalled is look for whoever asks no app.
func (e *Engine) recalled(ctx context.Context, sc scope, side crm.Side, rec crm.RecordID) (*session, *unit, error) {
	conn, _, err := e.loadConnection(ctx, sc.ws, sc.con)
	if err != nil {
		return nil, nil, err
	}
	s := &session{Engine: e, scope: sc, conn: conn, conf: conn.Sync(sc.sync)}
	if s.conf == nil {
		return nil, nil, fault.New("engine: look up record", fault.NotFound, "sync_not_found",
			"the connection has no such sync")
	}
	if err := s.learnErasedNow(ctx); err != nil {
		return nil, nil, err
	}
	u := &unit{side: side, id: rec, hint: hint{ID: rec}}
	return s, u, s.loadLinks(ctx, []*unit{u})
}

// codeNothingToRestore answers a restore from an entry that tells of no such write.
const codeNothingToRestore = "nothing_to_restore"

// RestoreRecord puts back what the fields of a record, and of its twin, held before
// a log entry wrote them, whatever they hold by now; fields narrows it to mappings.
// The two sides are then left apart as undone until somebody edits one of them.
// NotFound when the record or the entry is none of the sync's; Conflict when the
// record has no twin; Invalid when the entry wrote none of the fields, or what
// nobody may put back.
func (e *Engine) RestoreRecord(
	ctx context.Context, ws crm.WorkspaceID, id crm.ConnectionID, sync crm.SyncID, side crm.Side, rec crm.RecordID,
	fields []crm.MappingID, entry string,
) (Run, error) {
	const op = "engine: restore"
	sc := scope{ws, id, sync}
	s, u, err := e.recalled(ctx, sc, side, rec)
	if err != nil {
		return Run{}, err
	}
	if u.link == nil {
		return Run{}, fault.New(op, fault.NotFound, "record_unknown", "the sync has not seen this record")
	}
	if s.buried(side, rec) || s.buried(side, u.id) {
		return Run{}, fault.New(op, fault.Conflict, CodeErased, erasedDetail)
	}
	en, err := e.GetEntry(ctx, ws, entry)
	if err != nil {
		return Run{}, err
	}
	if en.Connection != id || en.Sync != sync || !en.tells(side, rec) && !en.tells(side, u.id) {
		return Run{}, fault.New(op, fault.NotFound, "not_found", "there is no such log entry of this record")
	}
	if err := en.aboutNow(op, s.conn); err != nil {
		return Run{}, err
	}
	if !u.link.paired() {
		return Run{}, fault.New(op, fault.Conflict, codeUndoPair, "the record is not linked")
	}
	writes := slices.DeleteFunc(en.Writes(), func(d Diff) bool {
		return d.Mapping == "" || len(fields) > 0 && !slices.Contains(fields, d.Mapping)
	})
	if len(writes) == 0 {
		return Run{}, fault.New(op, fault.Invalid, codeNothingToRestore, "the entry tells of no such field as written")
	}
	return e.decideByHand(ctx, sc, side, hint{ID: rec, Force: true, Op: opRestore, Entry: entry, Fields: fields})
}
