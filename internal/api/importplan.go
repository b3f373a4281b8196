package api

import (
	"bytes"
	"context"
	"slices"
	"strconv"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// What an import of a document would do.
const (
	importNothing = "none"
	importCreates = "create"
	importChanges = "change"
)

// importPlan says what an import would do, and stores nothing.
type importPlan struct {
	Action     string           `json:"action" enum:"none,create,change"`
	Connection crm.ConnectionID `json:"connection,omitempty" doc:"The one of that name and accounts"`
	ETag       string           `json:"etag,omitempty" doc:"Its version: the If-Match of an import that is to find what was looked at here"`
	Changes    []settingChange  `json:"changes" nullable:"false"`
	Touches    []touched        `json:"touches" nullable:"false" doc:"What the changes mean for records"`
	Draft      bool             `json:"draft" doc:"It is a draft, or becomes one: an import takes it with its problems"`
	Valid      bool             `json:"valid"`
	Problems   []ProblemItem    `json:"problems" nullable:"false" doc:"Why the import would be refused; of a draft, why it could not be started"`
	Warnings   []ProblemItem    `json:"warnings" nullable:"false"`
}

type importPlanOutput struct {
	Body importPlan
}

// planImport answers what importConnection would do with the same body.
func (s *server) planImport(ctx context.Context, _ *struct{}) (*importPlanOutput, error) {
	c, problems := s.readFilled(ctx, bodyOf(ctx), nil)
	if c == nil || len(problems) > 0 {
		return nil, invalidDocument(problems)
	}
	same, err := s.named(ctx, c)
	if err != nil {
		return nil, err
	}
	out := importPlan{Action: importCreates, Changes: []settingChange{}, Touches: []touched{}}
	if same != nil {
		if c, problems = s.readFilled(ctx, bodyOf(ctx), same); c == nil {
			return nil, invalidDocument(problems)
		}
		out.Action, out.Connection, out.ETag = importChanges, same.ID, etag(same.Version)
		if out.Changes, out.Touches, err = s.differences(ctx, same, c); err != nil {
			return nil, err
		}
		if len(out.Changes) == 0 {
			out.Action = importNothing
		}
	}
	value, p := strictJSON(bodyOf(ctx))
	if p != nil {
		return nil, p
	}
	out.Draft = c.Status == crm.StatusDraft
	if wrong := s.wrongForm(c, documentInput(), value); wrong != nil {
		if wrong.long {
			return nil, wrong
		}
		problems = besides(problemsOf(wrong), problems)
	}
	looked, err := s.looked(ctx, same, c, problems)
	if err != nil {
		return nil, err
	}
	out.Valid, out.Problems, out.Warnings = looked.Valid, looked.Problems, looked.Warnings
	return &importPlanOutput{Body: out}, nil
}

// differences are what changes of a stored document, and what that touches.
func (s *server) differences(ctx context.Context, old, fresh *crm.Connection) ([]settingChange, []touched, error) {
	before, after := exported(old), exported(fresh)
	if bytes.Equal(before, after) {
		return []settingChange{}, []touched{}, nil
	}
	was, p := strictJSON(before)
	if p != nil {
		return nil, nil, p
	}
	is, p := strictJSON(after)
	if p != nil {
		return nil, nil, p
	}
	touches, err := s.touches(ctx, old, fresh)
	return settingChanges(was, is), touches, err
}

// looked is everything that there is to say of a document before it is saved.
func (s *server) looked(
	ctx context.Context, old, c *crm.Connection, problems []mapping.Problem,
) (*validationReport, error) {
	if c.Status == crm.StatusDraft {
		return s.lookedAtDraft(ctx, c, problems)
	}
	v, err := s.validate(ctx, access.From(ctx).Workspace, old, c, askOrFail)
	if err != nil {
		return nil, err
	}
	p, also, err := s.otherWriters(ctx, access.From(ctx).Workspace, c)
	if err != nil {
		return nil, err
	}
	var items []ProblemItem
	if p != nil {
		items = append(items, p.Errors...)
	}
	for _, p := range append(problems, v.problems...) {
		items = append(items, ProblemItem{Pointer: p.Pointer, Code: p.Code, Detail: p.Detail})
	}
	out := report(items).Body
	out.Held = v.held
	out.Warnings = slices.Concat(s.warnings(ctx, c), also)
	return &out, nil
}

// lookedAtDraft is looked for a draft.
func (s *server) lookedAtDraft(
	ctx context.Context, c *crm.Connection, problems []mapping.Problem,
) (*validationReport, error) {
	others, err := s.allConnections(ctx, access.From(ctx).Workspace)
	if err != nil {
		return nil, err
	}
	items, err := s.lacks(ctx, c, others, askIfThere)
	if err != nil {
		return nil, err
	}
	for _, p := range problems {
		items = append(items, ProblemItem{Pointer: p.Pointer, Code: p.Code, Detail: p.Detail})
	}
	_, also := otherWriters(ctx, c, others)
	out := report(items).Body
	out.Warnings = slices.Concat(s.warnings(ctx, c), also)
	return &out, nil
}

// settingChange is one place at which two documents differ.
type settingChange struct {
	Pointer string `json:"pointer" doc:"JSON Pointer into the new document; into the old one where something goes"`
	Change  string `json:"change" enum:"added,removed,changed"`
	Before  any    `json:"before,omitempty"`
	After   any    `json:"after,omitempty"`
}

// settingChanges lists the places at which two decoded documents differ, in the
// order of the keys. Elements of a list that have IDs are told apart by them.
func settingChanges(before, after any) []settingChange {
	out := []settingChange{}
	differ(&out, "", before, after)
	return out
}

func differ(out *[]settingChange, at string, before, after any) {
	switch is := after.(type) {
	case map[string]any:
		if was, ok := before.(map[string]any); ok {
			differObjects(out, at, was, is)
			return
		}
	case []any:
		if was, ok := before.([]any); ok && identified(was) && identified(is) && len(was)+len(is) > 0 {
			differLists(out, at, was, is)
			return
		}
	}
	if !sameJSON(before, after) {
		*out = append(*out, settingChange{Pointer: at, Change: "changed", Before: before, After: after})
	}
}

func differObjects(out *[]settingChange, at string, was, is map[string]any) {
	keys := map[string]any{}
	for k := range was {
		keys[k] = nil
	}
	for k := range is {
		keys[k] = nil
	}
	for _, key := range sortedKeys(keys) {
		place := at + "/" + escape(key)
		old, there := was[key]
		now, stays := is[key]
		switch {
		case !there:
			*out = append(*out, settingChange{Pointer: place, Change: "added", After: now})
		case !stays:
			*out = append(*out, settingChange{Pointer: place, Change: "removed", Before: old})
		default:
			differ(out, place, old, now)
		}
	}
}

// differLists compares lists whose elements have IDs. One that only changed its
// place is told by the order of them all.
func differLists(out *[]settingChange, at string, was, is []any) {
	place := func(i int) string { return at + "/" + strconv.Itoa(i) }
	var stayed, now []any // IDs of what is in both, in either order
	for i, one := range was {
		if indexOf(is, idOf(one)) < 0 {
			*out = append(*out, settingChange{Pointer: place(i), Change: "removed", Before: one})
			continue
		}
		stayed = append(stayed, idOf(one))
	}
	for i, one := range is {
		old := indexOf(was, idOf(one))
		if old < 0 {
			*out = append(*out, settingChange{Pointer: place(i), Change: "added", After: one})
			continue
		}
		now = append(now, idOf(one))
		differ(out, place(i), was[old], one)
	}
	if !sameJSON(stayed, now) {
		*out = append(*out, settingChange{Pointer: at, Change: "changed", Before: stayed, After: now})
	}
}

func idOf(one any) string {
	o, _ := one.(map[string]any)
	id, _ := o["id"].(string)
	return id
}

func indexOf(list []any, id string) int {
	for i := range list {
		if idOf(list[i]) == id {
			return i
		}
	}
	return -1
}

// identified reports whether every element has an ID of its own.
func identified(list []any) bool {
	seen := map[string]bool{}
	for _, one := range list {
		id := idOf(one)
		if id == "" || seen[id] {
			return false
		}
		seen[id] = true
	}
	return true
}
