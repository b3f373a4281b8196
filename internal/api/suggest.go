package api

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// suggestion is what fits the two objects of one sync.
type suggestion struct {
	Sync     crm.SyncID               `json:"sync"`
	Mappings []crm.Mapping            `json:"mappings" nullable:"false"`
	Match    []crm.MatchStep          `json:"match" nullable:"false"`
	Required crm.PerSide[[]crm.Field] `json:"required" doc:"What each app demands on creation"`
	Missing  crm.PerSide[[]string]    `json:"missing" doc:"Required fields that neither the document nor the suggested mappings fill"`
	Warnings []ProblemItem            `json:"warnings" nullable:"false" doc:"What to know of the suggested match steps; pointers are into the suggestion"`

	Reasons    []suggestedFor  `json:"reasons" nullable:"false" doc:"Why each of the mappings is suggested"`
	Candidates []candidate     `json:"candidates" nullable:"false" doc:"Fields that may be the same: for a person to decide"`
	Locked     []lockedSetting `json:"locked" nullable:"false" doc:"Settings that an app fixes: they cannot be changed"`
	Options    []optionFit     `json:"options" nullable:"false" doc:"How the options of mapped fields fit, of the document's mappings and the suggested ones"`
}

type suggestionsOutput struct {
	Body page[suggestion]
}

func (s *server) getSuggestions(ctx context.Context, in *connectionPath) (*suggestionsOutput, error) {
	c, _, err := s.connection(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	ws := access.From(ctx).Workspace
	draft := c.Status == crm.StatusDraft
	shown, err := s.shown(ctx, c)
	if err != nil {
		return nil, err
	}
	if chosen := slices.DeleteFunc(slices.Clone(shown.Body.Problems), func(p ProblemItem) bool {
		return p.Code != CodeUnknownAccount
	}); len(chosen) > 0 {
		return nil, incomplete(chosen)
	}
	var apps [2]crm.AppID
	for i, side := range crm.Sides {
		a, err := s.Accounts.Get(ctx, ws, c.Account(side))
		if err != nil {
			return nil, err
		}
		apps[i] = a.App
	}
	out := &suggestionsOutput{Body: page[suggestion]{Items: []suggestion{}}}
	all := c.Worked()
	for i := range all {
		sync, at := &all[i], syncPointer(c, all, i)
		if draft && slices.ContainsFunc(shown.Body.Problems, func(p ProblemItem) bool {
			return p.Code == CodeUnknownObject && strings.HasPrefix(p.Pointer, at+"/")
		}) {
			continue // nothing is known of its records yet
		}
		var fields [2][]crm.Field
		for n, side := range crm.Sides {
			if fields[n], err = s.fields(ctx, ws, c.Account(side), sync.Object(side), false); err != nil {
				return nil, err
			}
		}
		out.Body.Items = append(out.Body.Items, suggest(sync, apps, fields))
	}
	return out, nil
}

// suggest takes the well-known pairs of the two objects first and then fields
// of the same name, each field once, and only what both sides really have. Two
// well-known pairs may share fields where each is written by one of them alone.
func suggest(sync *crm.Sync, apps [2]crm.AppID, fields [2][]crm.Field) suggestion {
	left, right := byName(fields[0]), byName(fields[1])
	known, swapped := knownPair(apps, sync)
	out := suggestion{
		Sync: sync.ID, Mappings: []crm.Mapping{}, Match: []crm.MatchStep{},
		Locked: lockedIn(sync, apps), Reasons: []suggestedFor{}, Candidates: []candidate{}, Options: []optionFit{},
	}
	used, written := [2]map[string]bool{{}, {}}, [2]map[string]bool{{}, {}}
	take := func(m crm.Mapping, confidence float64, reason string) {
		if !have(left, m.Left) || !have(right, m.Right) || !restrict(&m, left[m.Left[0]], right[m.Right[0]]) {
			return
		}
		ends := [2][]string{m.Left, m.Right}
		for n, side := range crm.Sides {
			if confidence < 1 && anyUsed(used[n], ends[n]) ||
				m.Direction.Allows(crm.WayTo(side)) && anyUsed(written[n], ends[n]) {
				return
			}
		}
		for n, side := range crm.Sides {
			for _, name := range ends[n] {
				used[n][name] = true
				written[n][name] = written[n][name] || m.Direction.Allows(crm.WayTo(side))
			}
		}
		if confidence < sureEnough {
			out.Candidates = append(out.Candidates, candidate{m, confidence, reason})
			return
		}
		out.Mappings = append(out.Mappings, m)
		out.Reasons = append(out.Reasons, suggestedFor{m.ID, confidence, reason})
	}
	for _, m := range known.mappings(swapped) {
		take(m, 1, "known to be the same in these two apps")
	}
	for i, c := range candidates(fields) {
		c.Mapping.ID = crm.MappingID("suggested_" + strconv.Itoa(i+1))
		take(c.Mapping, c.Confidence, c.Reason)
	}
	out.Options = optionFits(sync, &out, left, right)
	for _, step := range known.steps(swapped) {
		if usable(step, left, right) {
			out.Match = append(out.Match, step)
		}
	}
	if len(out.Match) == 0 {
		out.Match = append(out.Match, emailStep(fields)...)
	}
	demand(&out, sync, fields)
	out.Warnings = weakKeys(&crm.Sync{Match: crm.SameMatch(out.Match...)}, "", fields)
	some(&out.Warnings)
	return out
}

// knownPair finds the two objects in the table, in either order.
func knownPair(apps [2]crm.AppID, sync *crm.Sync) (objectPair, bool) {
	for _, p := range slices.Concat(pairsOfObjects(), activityPairs) {
		left, right := p.ends()
		if p.left == apps[0] && p.right == apps[1] && left.Is(sync.Left.Object) && right.Is(sync.Right.Object) {
			return p, false
		}
		if p.left == apps[1] && p.right == apps[0] && left.Is(sync.Right.Object) && right.Is(sync.Left.Object) {
			return p, true
		}
	}
	return objectPair{}, false
}

// restrict gives a mapping the widest direction that both fields allow.
func restrict(m *crm.Mapping, left, right crm.Field) bool {
	switch {
	case left.ReadOnly && !m.Direction.Allows(crm.ToRight), right.ReadOnly && !m.Direction.Allows(crm.ToLeft),
		left.ReadOnly && right.ReadOnly:
		return false
	case left.ReadOnly:
		m.Direction = crm.DirectionToRight
	case right.ReadOnly:
		m.Direction = crm.DirectionToLeft
	}
	return true
}

func byName(fields []crm.Field) map[string]crm.Field {
	m := make(map[string]crm.Field, len(fields))
	for _, f := range fields {
		m[f.Name] = f
	}
	return m
}

func have(fields map[string]crm.Field, names []string) bool {
	for _, n := range names {
		if _, ok := fields[n]; !ok {
			return false
		}
	}
	return len(names) > 0
}

func anyUsed(used map[string]bool, names []string) bool {
	for _, n := range names {
		if used[n] {
			return true
		}
	}
	return false
}

func folded(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSuffix(s, "__c"))
}

func usable(step crm.MatchStep, left, right map[string]crm.Field) bool {
	for _, p := range step.Pairs {
		_, l := left[p[0]]
		_, r := right[p[1]]
		if !l || !r {
			return false
		}
	}
	return true
}

// emailStep matches by the first e-mail field of each side.
func emailStep(fields [2][]crm.Field) []crm.MatchStep {
	var names [2]string
	for i := range fields {
		for _, f := range fields[i] {
			if f.Type == crm.TypeEmail {
				names[i] = f.Name
				break
			}
		}
	}
	if names[0] == "" || names[1] == "" {
		return nil
	}
	return byEmail(names[0], names[1])
}

// demand lists what each app asks for on creation, and what of it is open.
func demand(out *suggestion, sync *crm.Sync, fields [2][]crm.Field) {
	for i, side := range crm.Sides {
		required, missing := []crm.Field{}, []string{}
		filled := sync.Fills(side)
		for n := range out.Mappings {
			if out.Mappings[n].Direction.Allows(crm.WayTo(side)) {
				for _, name := range out.Mappings[n].Names(side) {
					filled[name] = true
				}
			}
		}
		for name := range sync.Stamp.Get(crm.WayTo(side)) {
			filled[name] = true
		}
		for _, f := range fields[i] {
			if !f.Required || f.ReadOnly {
				continue
			}
			required = append(required, f)
			if !filled[f.Name] {
				missing = append(missing, f.Name)
			}
		}
		out.Required.Set(side, required)
		out.Missing.Set(side, missing)
	}
}
