package api

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// serverOwned are the keys of the document that clients may send back but not set.
var serverOwned = []string{"id", "status", "created_at", "updated_at"}

// readDocument reads a document that has passed its schema. Old is what is
// stored, nil for a new connection; server-owned keys must agree with it.
// Defaults are filled in, so that what is stored says all that it means.
func readDocument(body []byte, old *crm.Connection) (*crm.Connection, []mapping.Problem) {
	var c crm.Connection
	if err := json.Unmarshal(body, &c); err != nil {
		return nil, []mapping.Problem{{Code: CodeInvalidDocument, Detail: "the document cannot be read"}}
	}
	problems := foreignKeys(body, old)
	c.ID, c.Status = "", crm.StatusDraft
	if old != nil {
		c.ID, c.Status, c.CreatedAt, c.UpdatedAt = old.ID, old.Status, old.CreatedAt, old.UpdatedAt
		c.Version, c.Generation = old.Version, old.Generation
	}
	if !hasKey(body, "enabled") {
		c.Enabled = true
	}
	normalize(&c)
	return &c, problems
}

// foreignKeys refuses server-owned keys that say something else than the server.
func foreignKeys(body []byte, old *crm.Connection) []mapping.Problem {
	var sent, have map[string]json.RawMessage
	if err := json.Unmarshal(body, &sent); err != nil {
		return nil // reported by the caller
	}
	if old != nil {
		_ = json.Unmarshal(encodeDocument(old), &have)
	}
	var problems []mapping.Problem
	for _, key := range serverOwned {
		if v, ok := sent[key]; ok && !bytes.Equal(bytes.TrimSpace(v), have[key]) {
			problems = append(problems, mapping.Problem{
				Pointer: "/" + key, Code: CodeServerOwned, Detail: "the server sets " + key + ": leave it out",
			})
		}
	}
	return problems
}

func hasKey(body []byte, key string) bool {
	var m map[string]json.RawMessage
	_ = json.Unmarshal(body, &m)
	_, ok := m[key]
	return ok
}

// encodeDocument writes the document as clients see it. What a release before
// did not know has its default.
func encodeDocument(c *crm.Connection) []byte {
	shown := *c
	shown.Syncs = slices.Clone(c.Syncs)
	for i := range shown.Syncs {
		normalizeLooks(&shown.Syncs[i])
	}
	c = &shown
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(c); err != nil {
		return []byte("{}") // no value of the document fails to encode
	}
	return bytes.TrimSpace(b.Bytes())
}

// normalize replaces what was left out by its default, and null lists and
// maps by empty ones.
func normalize(c *crm.Connection) {
	c.Name = strings.TrimSpace(c.Name)
	or(&c.Access.Mode, access.ByRoles)
	if c.Access.Roles == nil {
		c.Access.Roles = []string{}
		if c.Access.Mode == access.ByRoles {
			c.Access.Roles = []string{string(access.Member)}
		}
	}
	or(&c.TimeZone.Left, "UTC")
	or(&c.TimeZone.Right, "UTC")
	some(&c.Syncs)
	for i := range c.Syncs {
		normalizeSync(&c.Syncs[i])
	}
}

func normalizeSync(s *crm.Sync) {
	or(&s.Direction, crm.DirectionBoth)
	or(&s.Schedule, "5m")
	or(&s.Initial, "all")
	or(&s.Conflict, crm.ConflictLeft)
	orBehavior(&s.Behavior)
	orBehavior(&s.Activities.Behavior)
	for _, d := range []*crm.Deletion{
		&s.Deletes.ToRight, &s.Deletes.ToLeft, &s.Unsubscribes.ToRight, &s.Unsubscribes.ToLeft,
	} {
		or(d, crm.DeleteIgnore)
	}
	yes(&s.AvoidDuplicates)
	normalizeLooks(s)
	some(&s.Rules)
	for i := range s.Rules {
		r := &s.Rules[i]
		or(&r.Direction, crm.DirectionBoth)
		yes(&r.Enabled)
		some(&r.Actions)
	}
	some(&s.Mappings)
	some(&s.Activities.Mappings)
	for _, list := range [][]crm.Mapping{s.Mappings, s.Activities.Mappings} {
		for i := range list {
			normalizeMapping(&list[i])
		}
	}
	some(&s.Associations)
	someFields(&s.Stamp.ToRight)
	someFields(&s.Stamp.ToLeft)
}

func normalizeLooks(s *crm.Sync) {
	number(&s.SecondLook, crm.DefaultSecondLook)
	number(&s.AuditHours, crm.DefaultAuditHours)
}

func normalizeMapping(m *crm.Mapping) {
	some(&m.Left)
	some(&m.Right)
	or(&m.Direction, crm.DirectionBoth)
	or(&m.Origin, "custom")
	or(&m.Transform.Type, crm.TransformNone)
	yes(&m.Enabled)
}

func orBehavior(b *crm.PerWay[crm.Behavior]) {
	or(&b.ToRight, crm.BehaviorCreateAndUpdate)
	or(&b.ToLeft, crm.BehaviorCreateAndUpdate)
}

func or[T ~string](v *T, otherwise T) {
	if *v == "" {
		*v = otherwise
	}
}

func number(v **int, otherwise int) {
	if *v == nil {
		*v = &otherwise
	}
}

func yes(v **bool) {
	if *v == nil {
		t := true
		*v = &t
	}
}

func some[T any](v *[]T) {
	if *v == nil {
		*v = []T{}
	}
}

func someFields(v *crm.Fields) {
	if *v == nil {
		*v = crm.Fields{}
	}
}

// exported is the document without what belongs to this server: the form for files.
func exported(c *crm.Connection) []byte {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(encodeDocument(c), &doc); err != nil {
		return []byte("{}")
	}
	for _, key := range serverOwned {
		delete(doc, key)
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return []byte("{}")
	}
	return b
}

// mergePatched applies an RFC 7396 merge patch. Both are decoded JSON; neither is changed.
func mergePatched(doc, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	out := map[string]any{}
	if d, ok := doc.(map[string]any); ok {
		maps.Copy(out, d)
	}
	for _, key := range sortedKeys(p) {
		if p[key] == nil {
			delete(out, key)
			continue
		}
		out[key] = mergePatched(out[key], p[key])
	}
	return out
}

// patchDocument applies a merge patch to a stored document. A key that the
// patch removes goes back to its default; one that is not known is refused, for
// nothing would be left of it to refuse in the merged document.
func patchDocument(schemas huma.Registry, c *crm.Connection, patch []byte) ([]byte, *Problem) {
	doc, p := strictJSON(encodeDocument(c))
	if p != nil {
		return nil, p
	}
	change, p := strictJSON(patch)
	if p != nil {
		return nil, p
	}
	if m, ok := change.(map[string]any); ok {
		for _, key := range serverOwned {
			if v, sent := m[key]; sent && v == nil {
				return nil, problem(400, CodeServerOwned, "", ProblemItem{
					Pointer: "/" + key, Detail: "the server sets " + key, Code: CodeServerOwned,
				})
			}
		}
	}
	if p := checkRemovals(schemas, documentInput(), change); p != nil {
		return nil, p
	}
	b, err := json.Marshal(mergePatched(doc, change))
	if err != nil {
		return nil, problem(400, CodeInvalidDocument, "the merged document cannot be written")
	}
	if len(b) > maxBody {
		return nil, problem(413, CodeBodyTooLarge, "the merged document is larger than 1 MiB")
	}
	return b, nil
}

// moved reports whether records that are known are no longer those of the
// settings: an account or an object is another one, or a sync is gone. Work
// that was started before must then stop.
func moved(old, fresh *crm.Connection) bool {
	if old.Left != fresh.Left || old.Right != fresh.Right {
		return true
	}
	return slices.ContainsFunc(old.Worked(), func(o crm.Sync) bool {
		n := fresh.Sync(o.ID)
		return n == nil || n.Left != o.Left || n.Right != o.Right
	})
}
