package hubspot

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// scopes are what the three objects, their fields and owners need.
// Source: docs/api-reference, each object's specification.
var scopes = []string{
	"oauth",
	"crm.objects.contacts.read", "crm.objects.contacts.write",
	"crm.objects.companies.read", "crm.objects.companies.write",
	"crm.objects.deals.read", "crm.objects.deals.write",
	"crm.objects.owners.read",
	"crm.schemas.contacts.read", "crm.schemas.contacts.write",
	"crm.schemas.companies.read", "crm.schemas.companies.write",
	"crm.schemas.deals.read", "crm.schemas.deals.write",
}

// maxGrant bounds an answer of the token endpoint, in bytes.
const maxGrant = 1 << 20

// oauth authorises accounts.
// Source: docs/api-reference/2026-03/authentication/manage-oauth-tokens.
type oauth struct{}

// AuthorizeURL implements connector.OAuth. Without a base the browser goes to
// the login host and the server to the API's: HubSpot has one for each.
func (oauth) AuthorizeURL(base string, c connector.Client, state, challenge string) string {
	if base == "" {
		base = defaultLogin
	}
	q := url.Values{
		"client_id": {c.ID}, "redirect_uri": {c.RedirectURI}, "scope": {strings.Join(scopes, " ")}, "state": {state},
		"response_type": {"code"},
	}
	if challenge != "" {
		q.Set("code_challenge", challenge)
		q.Set("code_challenge_method", "S256")
	}
	return strings.TrimRight(base, "/") + authorizePath + "?" + q.Encode()
}

// Exchange implements connector.OAuth.
func (oauth) Exchange(ctx context.Context, h *http.Client, base string, c connector.Client, code, verifier string) (connector.Grant, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {c.RedirectURI}}
	if verifier != "" {
		form.Set("code_verifier", verifier)
	}
	return grant(ctx, h, base, c, "hubspot: exchange code", form)
}

// Refresh implements connector.OAuth. HubSpot's client credentials are not for
// CRM data.
func (oauth) Refresh(ctx context.Context, h *http.Client, base string, c connector.Client, refresh secret.Text) (connector.Grant, error) {
	if refresh.Empty() {
		return connector.Grant{}, fault.New("hubspot: refresh token", fault.Unsupported, "", "HubSpot needs a refresh token")
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh.Reveal()}}
	return grant(ctx, h, base, c, "hubspot: refresh token", form)
}

// grantAnswer is the token endpoint's answer, good or bad.
type grantAnswer struct {
	AccessToken  string   `json:"access_token"`
	RefreshToken string   `json:"refresh_token"`
	ExpiresIn    int64    `json:"expires_in"`
	HubID        int64    `json:"hub_id"`
	Scopes       []string `json:"scopes"`

	Error  string `json:"error"`
	Status string `json:"status"`
}

// longestToken bounds expires_in: tokens live for 30 minutes.
const longestToken = 24 * time.Hour

func grant(ctx context.Context, h *http.Client, base string, c connector.Client, op string, form url.Values) (connector.Grant, error) {
	if base == "" {
		base = defaultBase
	}
	form.Set("client_id", c.ID)
	form.Set("client_secret", c.Secret.Reveal())
	r := request{op: op}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(base, "/")+tokenPath, strings.NewReader(form.Encode()))
	if err != nil {
		return connector.Grant{}, fault.New(op, fault.Invalid, connector.CodeConfig, "the login address is not one")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := noRedirects(h).Do(req)
	if err != nil {
		return connector.Grant{}, unreachable(ctx, r, err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxGrant+1))
	if err != nil {
		return connector.Grant{}, unreachable(ctx, r, err)
	}
	if len(raw) > maxGrant {
		return connector.Grant{}, malformed(r, "HubSpot's answer is too large")
	}
	var out grantAnswer
	badJSON := json.Unmarshal(raw, &out) != nil
	if resp.StatusCode >= 300 {
		return connector.Grant{}, grantError(r, answer{status: resp.StatusCode, raw: raw, retryAfter: retryAfter(resp.Header)}, out)
	}
	if badJSON || out.AccessToken == "" {
		return connector.Grant{}, malformed(r, "HubSpot's answer has no access token")
	}
	g := connector.Grant{AccessToken: secret.NewText(out.AccessToken), RefreshToken: secret.NewText(out.RefreshToken), Scopes: out.Scopes}
	if out.HubID > 0 {
		g.ExternalID = strconv.FormatInt(out.HubID, 10)
	}
	if life := time.Duration(out.ExpiresIn) * time.Second; out.ExpiresIn > 0 && out.ExpiresIn <= int64(longestToken/time.Second) {
		g.ExpiresIn = life
	}
	return g, nil
}

// grantError tells a grant that is gone from a client that is refused. The
// words are RFC 6749's or HubSpot's older ones.
func grantError(r request, a answer, out grantAnswer) error {
	word := out.Error
	if word == "" {
		word = out.Status
	}
	switch word {
	case "invalid_grant", "BAD_REFRESH_TOKEN", "BAD_AUTH_CODE", "EXPIRED_AUTH_CODE":
		return fault.New(r.op, fault.Denied, connector.CodeReauthorize, "HubSpot no longer accepts the authorisation")
	case "invalid_client", "unauthorized_client", "BAD_CLIENT_ID", "BAD_CLIENT_SECRET", "MISMATCHED_REDIRECT_URI", "BAD_REDIRECT_URI":
		return fault.New(r.op, fault.Invalid, connector.CodeClient, "HubSpot refuses the OAuth client: check its ID, secret and redirect URL")
	}
	err := classify(r, a)
	if fault.Is(err, fault.Denied) {
		return fault.New(r.op, fault.Invalid, connector.CodeClient, "HubSpot refuses the OAuth client")
	}
	return err
}

var _ connector.OAuth = oauth{}
