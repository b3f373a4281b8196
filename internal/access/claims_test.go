package access

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

func TestFromClaims(t *testing.T) {
	t.Parallel()
	whole := map[string]string{
		"sub": "5f1c", "email": "anna@example.com", "email_verified": "true", "cognito:groups": "[team-a team-b]",
		"custom:lockstep_workspace": "ws_1", "custom:lockstep_role": "member", "custom:is_employee": "true",
		"custom:is_guest": "false", "is_admin": "true",
	}
	want := Principal{
		Workspace: "ws_1", Key: "user:5f1c", Name: "anna@example.com", Role: Member,
		User: User{
			Email: "anna@example.com", Roles: []string{"team-a", "team-b"}, Attributes: map[string]crm.Value{
				"is_employee": crm.BoolValue(true),
			},
		},
	}
	for name, tt := range map[string]struct {
		change func(map[string]string)
		want   func(*Principal)
		code   string // of the refusal
	}{
		"whole":            {func(map[string]string) {}, func(*Principal) {}, ""},
		"no claims":        {func(c map[string]string) { clear(c) }, nil, CodeUnauthorized},
		"no subject":       {func(c map[string]string) { delete(c, "sub") }, nil, CodeUnauthorized},
		"no workspace":     {func(c map[string]string) { delete(c, ClaimWorkspace) }, nil, CodeNoAccess},
		"two workspaces":   {func(c map[string]string) { c[ClaimWorkspace] = "ws_1|ws_2" }, nil, CodeNoAccess},
		"a long workspace": {func(c map[string]string) { c[ClaimWorkspace] = strings.Repeat("a", 65) }, nil, CodeNoAccess},
		"workspace elsewhere": {
			func(c map[string]string) { c["lockstep_workspace"] = c[ClaimWorkspace]; delete(c, ClaimWorkspace) }, nil,
			CodeNoAccess,
		},
		"no role":  {func(c map[string]string) { delete(c, ClaimRole) }, nil, CodeNoAccess},
		"operator": {func(c map[string]string) { c[ClaimRole] = "operator" }, nil, CodeNoAccess},
		"capital":  {func(c map[string]string) { c[ClaimRole] = "Admin" }, nil, CodeNoAccess},
		"admin": {
			func(c map[string]string) { c[ClaimRole] = "admin" }, func(p *Principal) { p.Role = Admin },
			"",
		},
		"viewer": {
			func(c map[string]string) { c[ClaimRole] = "viewer" }, func(p *Principal) { p.Role = Viewer },
			"",
		},
		"address not verified": {
			func(c map[string]string) { c["email_verified"] = "false" },
			func(p *Principal) { p.Name, p.User.Email = "5f1c", "" }, "",
		},
		"no groups": {
			func(c map[string]string) { delete(c, "cognito:groups") }, func(p *Principal) { p.User.Roles = []string{} }, "",
		},
		"one group": {
			func(c map[string]string) { c["cognito:groups"] = "[team-a]" }, func(p *Principal) {
				p.User.Roles = []string{"team-a"}
			}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claims := maps.Clone(whole)
			tt.change(claims)
			got, err := FromClaims(claims)
			if tt.code != "" {
				if !fault.Is(err, fault.Denied) || fault.CodeOf(err) != tt.code || got.Role != "" || got.Workspace != "" {
					t.Errorf("%+v, %v; want nobody and %s", got, err, tt.code)
				}
				return
			}
			p := want
			tt.want(&p)
			if diff := cmp.Diff(p, got, cmp.Comparer(func(a, b crm.Value) bool { return a.Equal(b) })); diff != "" ||
				err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if got.Operator {
				t.Error("a user became an operator")
			}
		})
	}
}
