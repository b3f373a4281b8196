package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// maxPageBytes bounds one stored log page; more entries go to further pages.
const maxPageBytes = 300 << 10

// logDays is how long log pages are kept when the workspace does not say.
const logDays = 90

// logEntry is an entry as a page of the log holds it.
type logEntry struct {
	Entry
	// Earlier is the log page that the link of its record stopped naming because of
	// this one, so that a record's history can be followed to the end of the log.
	Earlier string `json:"earlier,omitempty"`
}

// following makes entries name the page that leaves the pages of their record's link.
func following(pages []string, entries ...Entry) []logEntry {
	out := make([]logEntry, len(entries))
	for i, e := range entries {
		out[i].Entry = e
		if len(pages) >= maxPages {
			out[i].Earlier = pages[maxPages-1]
		}
	}
	return out
}

// withPage puts a page before those that a link names.
func withPage(page string, pages []string) []string {
	return append([]string{page}, pages[:min(len(pages), maxPages-1)]...)
}

// entry makes the log entry of one unit.
func (b *books) entry(u *unit, index int) Entry {
	s := b.s
	e := Entry{
		ID: strconv.Itoa(index), Time: s.Now(), Run: u.jobs[0].chunk.Run, Connection: s.con, Sync: s.sync, Side: u.side,
		Record: u.id, Partner: u.recID(u.side.Other()), Outcome: u.decision.Outcome, Code: u.decision.Code,
		Message: u.decision.Detail, Settings: s.conn.Version,
	}
	to := u.side.Other()
	if u.decision.Write(to) == nil && u.decision.Write(u.side) != nil {
		to = u.side
	}
	e.Way, e.Behavior = crm.WayTo(to), s.conf.Behavior.Get(crm.WayTo(to))
	if e.Behavior == "" {
		e.Behavior = crm.BehaviorCreateAndUpdate
	}
	e.Diffs = s.shown(append(s.diffs(u), u.storedDiffs(s)...))
	if len(u.stored) > 0 && e.Code == "" {
		e.Code = reconcile.CodeChangedByApp
	}
	u.tellCalls(&e, to)
	return e
}

// tellCalls says what the apps were asked: of a refusal first, else of what went to
// the side that the entry is about.
func (u *unit) tellCalls(e *Entry, to crm.Side) {
	for _, side := range crm.Sides {
		if u.failed(side) && u.said.Get(side) != nil {
			to = side
		}
	}
	e.tellCall(to, u.said.Get(to))
	e.tellCall(to.Other(), u.said.Get(to.Other()))
}

// tellCall adds a call. The first one is the entry's own.
func (e *Entry) tellCall(side crm.Side, x *connector.Exchange) {
	if x == nil {
		return
	}
	if e.Calls == nil {
		e.Status, e.URL = x.Status, x.URL
		if e.Problem() {
			e.Request, e.Response = x.Request, x.Response
		}
	}
	e.Calls = append(e.Calls, Call{Side: side, Method: x.Method, URL: x.URL, Status: x.Status, RequestID: x.RequestID})
}

// diffs lists what a unit's decision changes, field by field, with the rule that decided.
func (s *session) diffs(u *unit) []Diff {
	rules := map[crm.Side]map[string]*reconcile.FieldDecision{crm.Left: {}, crm.Right: {}}
	var out []Diff
	for i := range u.decision.Fields {
		fp := &u.decision.Fields[i]
		m := s.set.Mapping(fp.Mapping)
		if fp.Act != nil {
			rules[fp.Act.Side][fp.Act.Field] = fp
		}
		if m == nil {
			continue
		}
		for _, side := range crm.Sides {
			for _, n := range m.Names(side) {
				rules[side][n] = fp
			}
		}
		if fp.Waits() {
			out = append(out, Diff{
				Mapping: fp.Mapping, Side: crm.Right, Field: strings.Join(m.Names(crm.Right), "+"), Before: fp.Left,
				After: fp.Right, Rule: string(fp.Rule),
			})
		}
		if fp.Lacks != "" && u.decision.Rebase {
			out = append(out, unassigned(fp, m, u.decision.Base[fp.Mapping].Settled))
		}
	}
	for _, side := range crm.Sides {
		for _, f := range u.refused.Get(side) {
			if f.code == mapping.CodeUnknownOwner {
				out = append(out, Diff{
					Mapping: f.mapping, Side: side, Field: f.field, Before: f.before, After: f.value, Rule: ruleRefused, Code: f.code,
				})
			}
		}
		w := u.decision.Write(side)
		if w == nil {
			continue
		}
		names := make([]string, 0, len(w.Fields))
		for n := range w.Fields {
			names = append(names, n)
		}
		slices.Sort(names)
		for _, n := range names {
			d := Diff{Side: side, Field: n, After: w.Fields[n], Rule: string(reconcile.RuleStamp)}
			if r := u.rec.Get(side); r != nil {
				d.Before = r.Fields[n]
			}
			if fp := rules[side][n]; fp != nil {
				d.Mapping, d.Rule, d.Code = fp.Mapping, string(fp.Rule), fp.Code
				if fp.Act != nil {
					d.Mapping = ""
				}
			}
			out = append(out, d)
		}
	}
	return out
}

// shown takes out of diffs what nobody is to see: see hidden.
func (s *session) shown(diffs []Diff) []Diff {
	for i := range diffs {
		d := &diffs[i]
		for name := range strings.SplitSeq(d.Field, "+") {
			if s.secretFields()[d.Side.Index()][name] {
				d.Before, d.After = hide(d.Before, true), hide(d.After, true)
			}
		}
	}
	return diffs
}

// veil takes the values of hidden fields out of a refusal, before anything is made of
// it: the request says them, and apps quote what they refuse.
func (s *session) veil(side crm.Side, r row, w *connector.Written) {
	var values []string
	for name, v := range r.Fields {
		if s.secretFields()[side.Index()][name] && !v.Blank() {
			values = append(append(values, v.Items()...), v.Text())
		}
	}
	if values == nil {
		return
	}
	if w.Exchange != nil {
		x := *w.Exchange
		x.Request, x.Response = veiled(x.Request, values), veiled(x.Response, values)
		w.Exchange = &x
	}
	if e, ok := errors.AsType[*fault.Error](w.Err); ok {
		said := *e
		said.Message = veiled(e.Message, values)
		w.Err = &said
	}
}

// veiled is a text without values, as they are and as JSON writes them. What is too
// short to be told from anything else goes where it is a whole JSON value.
func veiled(text string, values []string) string {
	for _, v := range values {
		quoted, _ := json.Marshal(v) // a text can be written
		text = strings.ReplaceAll(text, string(quoted), `"`+notShown+`"`)
		if len(v) >= shortSecret {
			text = strings.ReplaceAll(text, v, notShown)
			text = strings.ReplaceAll(text, strings.Trim(string(quoted), `"`), notShown)
		}
	}
	return text
}

// shortSecret is how long a value is that is not found by chance.
const shortSecret = 4

// secretFields are the hidden fields of both sides.
func (s *session) secretFields() [2]map[string]bool {
	if s.secretsOf != s.set {
		s.secretsOf, s.secrets = s.set, [2]map[string]bool{s.hidden(crm.Left), s.hidden(crm.Right)}
	}
	return s.secrets
}

// unassigned tells whom the app that lacks the user should have got.
func unassigned(fp *reconcile.FieldDecision, m *mapping.Compiled, d *crm.Difference) Diff {
	out := Diff{
		Mapping: fp.Mapping, Side: crm.Right, Before: fp.Right, After: fp.Left, Rule: string(fp.Rule), Code: fp.Code,
	}
	if d != nil && d.Side == crm.Left {
		out.Side, out.Before, out.After = crm.Left, fp.Left, fp.Right
	}
	out.Field = strings.Join(m.Names(out.Side), "+")
	return out
}

// logPages packs entries into compressed pages. Entry IDs name connection, day,
// page and place. A page is made once: nobody but an erasure changes it.
func (s *session) logPages(page string, entries []logEntry, days int) ([]store.Write, error) {
	now := s.Now()
	key := s.logPage(page, now)
	var ws []store.Write
	for part := 0; len(entries) > 0; part++ {
		n := len(entries)
		var data []byte
		for {
			id := fmt.Sprintf("%s.%02d", page, part)
			for i := range entries[:n] {
				entries[i].ID = entryID(s.con, now, id, i)
			}
			b, err := json.Marshal(entries[:n])
			if err != nil {
				return nil, err
			}
			if data, err = pack(b); err != nil {
				return nil, err
			}
			if len(data) <= maxPageBytes || n == 1 {
				break
			}
			n /= 2
		}
		k := key
		k.Sort = fmt.Sprintf("%s.%02d", page, part)
		ws = append(ws, store.Write{
			Item: store.Item{Key: k, Data: data, Expires: now.AddDate(0, 0, days)}, If: store.IfAbsent,
		})
		entries = entries[n:]
	}
	return ws, nil
}

func entryID(con crm.ConnectionID, t time.Time, page string, i int) string {
	return fmt.Sprintf("log_%s~%s~%s~%d", strings.TrimPrefix(string(con), "con_"), t.UTC().Format("20060102"),
		strings.TrimPrefix(page, "pg_"), i)
}

// entryRef is an entry ID taken apart.
type entryRef struct {
	con  crm.ConnectionID
	day  string
	page string
	i    int
}

func parseEntryID(id string) (entryRef, error) {
	bad := fault.New("engine: read log", fault.NotFound, "not_found", "there is no such log entry")
	rest, ok := strings.CutPrefix(id, "log_")
	parts := strings.Split(rest, "~")
	if !ok || len(parts) != 4 {
		return entryRef{}, bad
	}
	day, err := time.Parse("20060102", parts[1])
	if err != nil {
		return entryRef{}, bad
	}
	i, err := strconv.Atoi(parts[3])
	if err != nil || i < 0 || len(parts[0]) > 64 || len(parts[2]) > 64 {
		return entryRef{}, bad
	}
	return entryRef{crm.ConnectionID("con_" + parts[0]), day.Format(time.DateOnly), "pg_" + parts[2], i}, nil
}

func decodePage(it store.Item) ([]Entry, error) {
	page, err := decodeLogPage(it)
	out := make([]Entry, len(page))
	for i := range page {
		out[i] = page[i].Entry
	}
	return out, err
}

// decodeLogPage is decodePage for whoever follows the history of a record.
func decodeLogPage(it store.Item) ([]logEntry, error) {
	b, err := unpack(it.Data)
	if err != nil {
		return nil, fault.Wrap("engine: decode log", fault.Other, err)
	}
	var out []logEntry
	err = json.Unmarshal(b, &out)
	return out, fault.Wrap("engine: decode log", fault.Other, err)
}

// GetEntry returns one log entry. NotFound when there is none.
func (e *Engine) GetEntry(ctx context.Context, ws crm.WorkspaceID, id string) (Entry, error) {
	ref, err := parseEntryID(id)
	if err != nil {
		return Entry{}, err
	}
	item, err := e.Store.Get(ctx, store.Key{
		Table: store.Log, Workspace: ws, Partition: logPartition(ref.con, ref.day),
		Sort: ref.page,
	})
	if err != nil {
		return Entry{}, err
	}
	entries, err := decodePage(item)
	if err != nil {
		return Entry{}, err
	}
	if ref.i >= len(entries) {
		return Entry{}, fault.New("engine: read log", fault.NotFound, "not_found", "there is no such log entry")
	}
	one := entries[ref.i : ref.i+1]
	err = e.markResolved(ctx, ws, one)
	return one[0], err
}

// markResolved marks problem entries whose record is fine by now.
func (e *Engine) markResolved(ctx context.Context, ws crm.WorkspaceID, entries []Entry) error {
	byScope := map[scope][]*unit{}
	owner := map[*unit][]int{}
	for i := range entries {
		en := &entries[i]
		if !en.Problem() {
			continue
		}
		sc := scope{ws, en.Connection, en.Sync}
		u := &unit{side: en.Side, id: en.Record}
		byScope[sc] = append(byScope[sc], u)
		owner[u] = append(owner[u], i)
	}
	for sc, us := range byScope {
		s := &session{Engine: e, scope: sc}
		if err := s.loadLinks(ctx, us); err != nil {
			return err
		}
		for _, u := range us {
			for _, i := range owner[u] {
				entries[i].Resolved = u.link != nil && u.link.State == crm.StateInSync && u.link.Since.After(entries[i].Time) ||
					entries[i].repaired(u.link)
			}
		}
	}
	return nil
}

// repaired reports whether the entry tells of a field that an app refused and
// holds by now, whatever else is wrong with the record.
func (e *Entry) repaired(l *link) bool {
	if !l.paired() || len(e.Diffs) != 1 || e.Diffs[0].Rule != ruleRefused || e.Diffs[0].Mapping == "" {
		return false
	}
	d := l.Base[e.Diffs[0].Mapping].Settled
	return d == nil || d.Reason != crm.ReasonRefused
}

// logCursor is where a listing of the log stands.
type logCursor struct {
	Day  string `json:"d"`
	Next string `json:"n,omitempty"` // page cursor inside the day
	Skip int    `json:"s,omitempty"` // entries of the page already given, newest first
	Page string `json:"p,omitempty"`
}

// maxLogPages bounds how many log pages one call looks at.
const maxLogPages = 40

// ListLog returns one page of the log, newest first. A filtered listing looks
// at a bounded number of log pages a call, so it may answer few or no entries
// together with a next cursor.
func (e *Engine) ListLog(
	ctx context.Context, ws crm.WorkspaceID, f LogFilter, limit int, cursor string,
) ([]Entry, string, error) {
	if f.Connection == "" {
		return nil, "", fault.New("engine: list log", fault.Invalid, "connection_required",
			"name the connection whose log is wanted")
	}
	days, err := e.logDaysOf(ctx, ws)
	if err != nil {
		return nil, "", err
	}
	cur, last, err := e.logStart(f, days, cursor)
	if err != nil {
		return nil, "", err
	}
	var out []Entry
	for looked := 0; ; {
		if cur.Day < last {
			return out, "", e.markResolved(ctx, ws, out)
		}
		page, err := e.Store.Query(ctx, store.Query{
			Table: store.Log, Workspace: ws, Partition: logPartition(f.Connection, cur.Day), Reverse: true, Limit: 1,
			Cursor: cur.Next,
		})
		if err != nil {
			return nil, "", err
		}
		looked++
		for _, it := range page.Items {
			entries, err := decodePage(it)
			if err != nil {
				return nil, "", err
			}
			slices.Reverse(entries)
			for i := cur.Skip; i < len(entries); i++ {
				if !f.wants(&entries[i]) {
					continue
				}
				if len(out) == limit {
					cur.Skip = i
					return e.logPageDone(ctx, ws, out, cur)
				}
				out = append(out, entries[i])
			}
		}
		cur.Skip, cur.Next = 0, page.Next
		if page.Next == "" {
			d, err := time.Parse(time.DateOnly, cur.Day)
			if err != nil {
				return nil, "", err
			}
			cur.Day = d.AddDate(0, 0, -1).Format(time.DateOnly)
		}
		if cur.Day < last {
			return out, "", e.markResolved(ctx, ws, out)
		}
		if len(out) == limit || looked >= maxLogPages && len(out) > 0 || looked >= 4*maxLogPages {
			return e.logPageDone(ctx, ws, out, cur)
		}
	}
}

func (e *Engine) logPageDone(
	ctx context.Context, ws crm.WorkspaceID, out []Entry, cur logCursor,
) ([]Entry, string, error) {
	b, err := json.Marshal(cur)
	if err != nil {
		return nil, "", err
	}
	return out, encodeText(b), e.markResolved(ctx, ws, out)
}

// logStart returns where to begin, and the last day to look at.
func (e *Engine) logStart(f LogFilter, days int, cursor string) (logCursor, string, error) {
	now := e.Now().UTC()
	from, to := f.From, f.To
	if oldest := now.AddDate(0, 0, -days-1); from.Before(oldest) {
		from = oldest
	}
	if to.IsZero() || to.After(now.AddDate(0, 0, 1)) {
		to = now.AddDate(0, 0, 1)
	}
	last := from.UTC().Format(time.DateOnly)
	if cursor == "" {
		return logCursor{Day: to.UTC().Format(time.DateOnly)}, last, nil
	}
	var cur logCursor
	b, err := decodeText(cursor)
	if err == nil {
		err = json.Unmarshal(b, &cur)
	}
	if err == nil {
		_, err = time.Parse(time.DateOnly, cur.Day)
	}
	if err != nil || cur.Skip < 0 {
		return cur, "", fault.New("engine: list log", fault.Invalid, "cursor_malformed",
			"the cursor is not one that this list returned")
	}
	return cur, last, nil
}

func (f *LogFilter) wants(en *Entry) bool {
	switch {
	case f.Sync != "" && en.Sync != f.Sync,
		!f.From.IsZero() && en.Time.Before(f.From),
		!f.To.IsZero() && !en.Time.Before(f.To),
		len(f.Outcomes) > 0 && !slices.Contains(f.Outcomes, en.Outcome),
		f.Side != "" && en.Side != f.Side,
		f.Record != "" && en.Record != f.Record && en.Partner != f.Record,
		f.Code != "" && en.Code != f.Code,
		f.Run != "" && en.Run != f.Run,
		f.Mapping != "" && !slices.ContainsFunc(en.Diffs, func(d Diff) bool { return d.Mapping == f.Mapping }):
		return false
	}
	return true
}

// logDaysFor is how long this process trusts what it read of a workspace.
const logDaysFor = time.Minute

// keptDays is a workspace's retention of the log, as read at a time.
type keptDays struct {
	at   time.Time
	days int
}

// logDaysOf returns for how many days a workspace keeps its log.
func (e *Engine) logDaysOf(ctx context.Context, ws crm.WorkspaceID) (int, error) {
	now := e.Now()
	known, ok := e.days.get(ws)
	if age := now.Sub(known.at); ok && age >= 0 && age < logDaysFor {
		return known.days, nil
	}
	known = keptDays{now, logDays}
	w, _, err := store.LoadWorkspace(ctx, e.Store, ws)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return 0, err
	}
	if w.LogDays > 0 {
		known.days = w.LogDays
	}
	e.days.put(ws, known)
	return known.days, nil
}

// pageName is how a link names the page that an entry is on.
func pageName(ref entryRef) string {
	page, _, _ := strings.Cut(ref.page, ".")
	return fmt.Sprintf("%s/%s/%s", ref.day, ref.con, page)
}

// logPageNamed reads all parts of a page as a link names it.
func (e *Engine) logPageNamed(ctx context.Context, ws crm.WorkspaceID, name string) (out []logEntry, err error) {
	day, page, ok := strings.Cut(name, "/")
	if !ok {
		return nil, nil
	}
	con, page, _ := strings.Cut(page, "/")
	err = e.eachItem(ctx, store.Query{
		Table: store.Log, Workspace: ws, Partition: logPartition(crm.ConnectionID(con), day), Prefix: page + ".",
	}, func(it store.Item) error {
		entries, err := decodeLogPage(it)
		out = append(out, entries...)
		return err
	})
	return out, err
}
