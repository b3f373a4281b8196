package access

import (
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// CodeNoAccess is the refusal of a user who is known and belongs to no
// workspace, or has no role in it.
const CodeNoAccess = "user_without_access"

// The claims of a user pool's ID token. Those of the pool's own attributes
// begin with "custom:"; only an operator writes them.
const (
	ClaimSubject   = "sub"
	ClaimEmail     = "email"
	claimVerified  = "email_verified"
	claimGroups    = "cognito:groups"
	customPrefix   = "custom:"
	ClaimWorkspace = customPrefix + "lockstep_workspace"
	ClaimRole      = customPrefix + "lockstep_role"
)

const maxWorkspace = 64 // characters of a workspace's ID

// FromClaims returns the caller that the claims of a verified ID token
// describe, each as text: lists as "[a b]", the way API Gateway hands them on.
// The groups of the user are the roles that connections ask for, the other
// attributes of the pool that are "true" are the boolean ones.
//
// Errors: Denied with CodeUnauthorized without a subject, and with CodeNoAccess
// when workspace or role are missing or cannot be.
func FromClaims(claims map[string]string) (Principal, error) {
	const op = "access: read claims"
	subject := claims[ClaimSubject]
	if subject == "" {
		return Principal{}, fault.New(op, fault.Denied, CodeUnauthorized, "the token names no user")
	}
	p := Principal{
		Workspace: crm.WorkspaceID(claims[ClaimWorkspace]), Key: "user:" + subject, Name: subject,
		Role: Role(claims[ClaimRole]),
	}
	if !validWorkspace(string(p.Workspace)) {
		return Principal{}, fault.New(op, fault.Denied, CodeNoAccess, "the user belongs to no workspace")
	}
	if !p.Role.Valid() {
		return Principal{}, fault.New(op, fault.Denied, CodeNoAccess, "the user has no role in the workspace")
	}
	if email := claims[ClaimEmail]; email != "" && claims[claimVerified] == "true" {
		p.Name, p.User.Email = email, email
	}
	p.User.Roles = strings.Fields(strings.TrimSuffix(strings.TrimPrefix(claims[claimGroups], "["), "]"))
	p.User.Attributes = map[string]crm.Value{}
	for claim, value := range claims {
		if name, ok := strings.CutPrefix(claim, customPrefix); ok && value == "true" {
			p.User.Attributes[name] = crm.BoolValue(true)
		}
	}
	return p, nil
}

// validWorkspace refuses what could be more than the name of one workspace.
func validWorkspace(id string) bool {
	return id != "" && len(id) <= maxWorkspace && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	})
}
