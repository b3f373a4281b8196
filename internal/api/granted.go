package api

import (
	"context"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// granted is what an app said it granted to an account, and what of it connections lack.
type granted struct {
	Told    bool            `json:"told" doc:"Whether the app said what was granted; where it did not, scopes and missing are empty and mean nothing"`
	Scopes  []string        `json:"scopes" nullable:"false" doc:"In the app's words, as of the last token that it gave"`
	Missing []missingRights `json:"missing" nullable:"false" doc:"What connections of this account need and was not granted"`
	Detail  string          `json:"detail"`
	Remedy  string          `json:"remedy,omitempty" doc:"How what is missing is granted"`
}

// missingRights is a scope that was not granted.
type missingRights struct {
	Scope       string             `json:"scope"`
	Object      string             `json:"object"`
	Access      string             `json:"access" enum:"read,write" doc:"What is not possible without it"`
	Connections []crm.ConnectionID `json:"connections" nullable:"false" doc:"Those that need it, drafts as well"`
}

// granted holds what an app said it granted against what connections need: those that
// who may see, kept in read for the next account unless it is nil. Of keys and tokens
// that somebody made in an app nothing is known, and nothing is made up. It fails
// nothing: an account that was made is there, whatever else can be read.
func (s *server) granted(
	ctx context.Context, who access.Principal, a account.Account, read *[]crm.Connection,
) granted {
	out := granted{Scopes: a.Scopes, Missing: []missingRights{}}
	some(&out.Scopes)
	d, err := s.driverOf(ctx, who.Workspace, a)
	if err != nil {
		s.Logger.WarnContext(ctx, "app not read", "request_id", requestID(ctx), "error", err.Error())
		out.Detail = "what the app may do could not be looked up just now"
		return out
	}
	switch {
	case a.Kind != crm.AuthOAuth2:
		out.Detail = d.App.Name + " does not tell what a key or token may do: a right that is missing shows when it is " +
			"used, as missing_permission"
		return out
	case len(a.Scopes) == 0:
		out.Detail = d.App.Name + " has not told what was granted: a right that is missing shows when it is used, as " +
			"missing_permission"
		return out
	}
	out.Told, out.Detail = true, "what "+d.App.Name+" said with the last token"
	if d.Needs == nil {
		out.Detail += "; which of it connections need is not known"
		return out
	}
	if read == nil {
		read = new([]crm.Connection)
	}
	if *read == nil {
		all, err := s.readable(ctx, who)
		if err != nil {
			s.Logger.WarnContext(ctx, "connections not read", "request_id", requestID(ctx), "error", err.Error())
			out.Detail += "; which of it connections need could not be looked up just now"
			return out
		}
		*read = all
	}
	for i := range *read {
		c := &(*read)[i]
		for _, side := range crm.Sides {
			if c.Account(side) == a.ID && c.Status != crm.StatusDeleting {
				out.hold(d.Needs, c, side)
			}
		}
	}
	if len(out.Missing) > 0 {
		out.Remedy = "let our client have these in " + d.App.Name + " where its scopes are set there, and agree to them: " +
			"POST /v1/oauth/" + string(a.App) + "/authorizations with {\"account\": \"" + string(a.ID) + "\"}. An account that opens " +
			"with the client's own ID and secret has them with its next token"
	}
	return out
}

// readable are the connections that somebody may see.
func (s *server) readable(ctx context.Context, who access.Principal) ([]crm.Connection, error) {
	all, err := s.allConnections(ctx, who.Workspace)
	return slices.DeleteFunc(all, func(c crm.Connection) bool { return !who.Reads(c.Access) }), err
}

// hold adds what one side of a connection needs and has not.
func (g *granted) hold(needs func(object string, write bool) [][]string, c *crm.Connection, side crm.Side) {
	worked, way := c.Worked(), crm.WayTo(side)
	for i := range worked {
		sync := &worked[i]
		object := sync.Object(side)
		if sync.Direction == crm.DirectionOff || object == "" {
			continue
		}
		g.need(needs(object, false), object, "read", c.ID)
		if sync.Direction.Allows(way) && sync.Behavior.Get(way) != crm.BehaviorNothing {
			g.need(needs(object, true), object, "write", c.ID)
		}
	}
}

// need adds the scopes of which none was granted. What is missing to read is not said
// once more of writing.
func (g *granted) need(all [][]string, object, to string, id crm.ConnectionID) {
	for _, one := range all {
		if len(one) == 0 || slices.ContainsFunc(one, func(scope string) bool { return slices.Contains(g.Scopes, scope) }) {
			continue
		}
		i := slices.IndexFunc(g.Missing, func(m missingRights) bool { return m.Scope == one[0] && m.Object == object })
		if i < 0 {
			g.Missing = append(g.Missing, missingRights{Scope: one[0], Object: object, Access: to})
			i = len(g.Missing) - 1
		}
		if !slices.Contains(g.Missing[i].Connections, id) {
			g.Missing[i].Connections = append(g.Missing[i].Connections, id)
		}
	}
}
