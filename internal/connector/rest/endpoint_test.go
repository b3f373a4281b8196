package rest_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// TestRefusedTokensMeanWhatIsWritten: what is made of every status of a token endpoint
// with every word is in testdata.
func TestRefusedTokensMeanWhatIsWritten(t *testing.T) {
	t.Parallel()
	client := connector.Client{ID: "i", Secret: secret.NewText("canary"), RedirectURI: "https://lockstep.example/back"}
	var out strings.Builder
	for _, own := range []bool{false, true} {
		o := &rest.OAuth{
			ID: "acme", Errors: acme().Errors, TokenHost: "https://token.acme.example", TokenPath: "/token",
			Style: oauth2.AuthStyleInParams,
		}
		if own {
			o.Words = map[string]rest.Meaning{
				"invalid_grant": {Kind: fault.Throttled, Code: "later", Text: "not yet"},
				"quiet":         {Kind: fault.Unavailable, Code: "quiet"},
			}
			o.Word = func(e *oauth2.RetrieveError) string {
				if strings.Contains(string(e.Body), "hush") {
					return "quiet"
				}
				return ""
			}
		}
		for _, word := range []string{"", "invalid_grant", "invalid_client", "redirect_uri_mismatch", "odd", "hush"} {
			fmt.Fprintf(&out, "words of its own %t, %q\n", own, word)
			alike := map[string]string{}
			var order []string
			for _, status := range []int{200, 204, 302, 400, 401, 403, 404, 409, 422, 429, 500, 503} {
				body := "{}"
				if word != "" {
					body = fmt.Sprintf(`{"error":%q}`, word)
				}
				_, err := o.Refresh(t.Context(), &http.Client{Transport: &answering{
					status: status, body: strings.NewReader(body), header: http.Header{"Retry-After": {"7"}},
				}}, "", client, secret.NewText("old"))
				var f *fault.Error
				if !errors.As(err, &f) {
					t.Fatalf("%d %s: %v", status, body, err)
				}
				said := fmt.Sprintf("%v %s after %s landed %t: %s: %s", f.Kind, f.Code, f.RetryAfter.Round(time.Second),
					f.MayHaveLanded, f.Op, f.Message)
				if alike[said] == "" {
					order = append(order, said)
				}
				alike[said] += fmt.Sprintf(" %d", status)
			}
			for _, said := range order {
				fmt.Fprintf(&out, " %s: %s\n", alike[said], said)
			}
		}
	}
	written.Check(t, "endpoint.txt", out.String())
}
