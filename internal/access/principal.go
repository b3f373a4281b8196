package access

import (
	"context"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Role is what a key may do in its workspace.
type Role string

// The roles.
const (
	Admin  Role = "admin"  // everything in the workspace
	Member Role = "member" // the connections whose access rule lets the user in
	Viewer Role = "viewer" // reads, with field values masked
)

// Roles lists all, most powerful first.
var Roles = []Role{Admin, Member, Viewer}

// Valid reports whether r is one of the three.
func (r Role) Valid() bool { return slices.Contains(Roles, r) }

// The modes of a connection's access rule.
const (
	ByRoles     = "roles"
	ByAttribute = "user_attribute"
)

// Modes lists both.
var Modes = []string{ByRoles, ByAttribute}

// User is the person or system that a key acts as.
type User struct {
	Email      string               `json:"email"`
	Roles      []string             `json:"roles"`
	Attributes map[string]crm.Value `json:"attributes"` // only true, as a boolean, opens anything
}

// Principal is an authenticated caller.
type Principal struct {
	Workspace crm.WorkspaceID
	Key       string // ID of the key, or another stable name of the caller
	Name      string // shown in the audit trail
	Role      Role
	Operator  bool // may manage workspaces
	User      User
}

// Masked reports whether the caller must not see field values.
func (p Principal) Masked() bool { return p.Role == Viewer }

// Reads reports whether the caller may see a connection with access rule a.
func (p Principal) Reads(a crm.Access) bool {
	switch p.Role {
	case Admin, Viewer:
		return true
	case Member:
		return p.letIn(a)
	}
	return false
}

// Changes reports whether the caller may change and run a connection with
// access rule a.
func (p Principal) Changes(a crm.Access) bool {
	return p.Role == Admin || p.Role == Member && p.letIn(a)
}

// letIn applies the rule to the user. An unknown mode lets nobody in; an
// attribute that is absent, blank or no boolean counts as no.
func (p Principal) letIn(a crm.Access) bool {
	switch a.Mode {
	case ByRoles, "":
		return slices.Contains(a.Roles, string(p.Role)) ||
			slices.ContainsFunc(p.User.Roles, func(r string) bool { return slices.Contains(a.Roles, r) })
	case ByAttribute:
		yes, isBool := p.User.Attributes[a.Attribute].Bool()
		return a.Attribute != "" && isBool && yes
	}
	return false
}

type principalKey struct{}

// With returns a context that carries the caller.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// From returns the caller; the zero Principal may do nothing.
func From(ctx context.Context) Principal {
	p, _ := ctx.Value(principalKey{}).(Principal)
	return p
}
