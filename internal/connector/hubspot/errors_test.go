package hubspot_test

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/hubspot"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// opened returns a connector with a private app's token over rt.
func opened(rt http.RoundTripper) connector.Connector {
	c, err := hubspot.Open(connector.Config{
		Kind: crm.AuthToken, Credentials: map[string]secret.Text{"token": secret.NewText("pat-canary-token")},
		HTTP: &http.Client{Transport: rt}, Now: time.Now,
	})
	if err != nil {
		panic(err)
	}
	return c
}

func TestClassification(t *testing.T) {
	t.Parallel()
	type want struct {
		kind   fault.Kind
		code   string
		retry  time.Duration
		landed bool // of a write
		field  string
	}
	tests := map[string]struct {
		status int
		header http.Header
		body   string
		want   want
	}{
		"token refused": {
			status: 401, body: `{"status":"error","category":"INVALID_AUTHENTICATION"}`, want: want{
				fault.Denied, "reauthorization_required", 0, false, "",
			},
		},
		"scope missing": {
			status: 403, body: `{"category":"MISSING_SCOPES","errors":[{"context":{"requiredGranularScopes":["crm.objects.contacts.read"]}}]}`, want: want{fault.Denied, "missing_permission", 0, false, ""},
		},
		"forbidden page": {status: 403, body: `<html>`, want: want{fault.Denied, "missing_permission", 0, false, ""}},
		"unknown object": {
			status: 400, body: `{"category":"VALIDATION_ERROR","message":"Unable to infer object type from: x"}`,
			want: want{fault.NotFound, "unknown_object", 0, false, ""},
		},
		"conflict": {
			status: 409, body: `{"category":"CONFLICT","message":"Contact already exists. Existing ID: 7"}`,
			want: want{fault.Conflict, "already_exists", 0, false, ""},
		},
		"conflict, no body": {status: 409, want: want{fault.Conflict, "already_exists", 0, false, ""}},
		"locked": {
			status: 423, body: `{}`, want: want{fault.Conflict, "record_locked", 2 * time.Second, false, ""},
		},
		"ten seconds": {
			status: 429, body: `{"policyName":"TEN_SECONDLY_ROLLING","message":"You have reached your ten_secondly_rolling limit."}`, want: want{fault.Throttled, "rate_limited", 10 * time.Second, false, ""},
		},
		"a second": {
			status: 429, body: `{"policyName":"SECONDLY"}`, want: want{fault.Throttled, "rate_limited", time.Second, false, ""},
		},
		"a second, by text": {
			status: 429, body: `{"message":"You have reached your secondly limit."}`, want: want{
				fault.Throttled, "rate_limited", time.Second, false, "",
			},
		},
		"a day": {
			status: 429, body: `{"policyName":"DAILY"}`, want: want{fault.Throttled, "quota_exhausted", time.Minute, false, ""},
		},
		"429 with a header": {
			status: 429, header: http.Header{"Retry-After": {"3"}}, want: want{
				fault.Throttled, "rate_limited", 3 * time.Second, false, "",
			},
		},
		"429 for too long": {
			status: 429, header: http.Header{"Retry-After": {"99999999999"}}, want: want{
				fault.Throttled, "rate_limited", 24 * time.Hour, false, "",
			},
		},
		"429, header no number": {
			status: 429, header: http.Header{"Retry-After": {"-7"}}, want: want{
				fault.Throttled, "rate_limited", 10 * time.Second, false, "",
			},
		},
		"account moving": {
			status: 477, header: http.Header{"Retry-After": {"600"}}, want: want{
				fault.Unavailable, "account_moving", 10 * time.Minute, false, "",
			},
		},
		"unknown property": {
			status: 400, body: `{"category":"VALIDATION_ERROR","errors":[{"code":"PROPERTY_DOESNT_EXIST","context":{"propertyName":["colour"]}}]}`, want: want{fault.Invalid, "field_missing", 0, false, "colour"},
		},
		"in the message": {
			status: 400, body: `{"category":"VALIDATION_ERROR","message":"Property values were not valid: [{\"isValid\":false,\"message\":\"secret-value\",\"error\":\"INVALID_OPTION\",\"name\":\"hs_lead_status\"}]"}`, want: want{fault.Invalid, "option_not_allowed", 0, false, "hs_lead_status"},
		},
		"required": {
			status: 400, body: `{"category":"VALIDATION_ERROR","errors":[{"code":"MISSING_REQUIRED_PROPERTY","in":"lastname"}]}`,
			want: want{fault.Invalid, "required_field_missing", 0, false, "lastname"},
		},
		"odd context": {
			status: 400, body: `{"category":"VALIDATION_ERROR","context":"{missingScopes=[x]}","errors":[{"code":"INVALID_EMAIL","context":{"propertyName":"email"}}]}`, want: want{fault.Invalid, "invalid_value", 0, false, "email"},
		},
		"400 without words": {status: 400, want: want{fault.Invalid, "rejected", 0, false, ""}},
		"415":               {status: 415, want: want{fault.Invalid, "rejected", 0, false, ""}},
		"500": {
			status: 500, body: `{"category":"VALIDATION_ERROR"}`, want: want{fault.Unavailable, "unavailable", 0, true, ""},
		},
		"502 page": {status: 502, body: `<html>`, want: want{fault.Unavailable, "unavailable", 0, true, ""}},
		"503 later": {
			status: 503, header: http.Header{"Retry-After": {"5"}}, want: want{
				fault.Unavailable, "unavailable", 5 * time.Second, true, "",
			},
		},
		"524": {status: 524, want: want{fault.Unavailable, "unavailable", 0, true, ""}},
		"408": {status: 408, want: want{fault.Unavailable, "unavailable", 0, true, ""}},
		"redirect": {
			status: 302, header: http.Header{"Location": {"https://elsewhere.example"}}, want: want{
				fault.Unavailable, "malformed_answer", 0, true, "",
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			c := opened(fakekit.Transport(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				calls++
				for k, v := range tc.header {
					w.Header()[k] = v
				}
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.body))
			})))
			// Two rows: a refusal of the call that names none stays the call's.
			_, err := c.BatchWrite(t.Context(), "contacts", []connector.Write{
				{Op: connector.Update, ID: "1", Fields: crm.Fields{"email": crm.TextValue("secret-value")}},
				{Op: connector.Update, ID: "2", Fields: crm.Fields{"email": crm.TextValue("secret-value")}},
			})
			var e *fault.Error
			if !errors.As(err, &e) {
				t.Fatalf("%v is not classified", err)
			}
			got := want{e.Kind, fault.CodeOf(err), e.RetryAfter, e.MayHaveLanded, e.Field}
			if got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
			for _, private := range []string{"secret-value", "canary", "elsewhere"} {
				if strings.Contains(err.Error(), private) {
					t.Errorf("the error's text repeats %q", private)
				}
			}
			if calls != 1 {
				t.Errorf("%d calls, want 1", calls)
			}
		})
	}
}

// broken fails every call before anything is sent.
type broken struct{ err error }

// RoundTrip implements http.RoundTripper.
func (b broken) RoundTrip(*http.Request) (*http.Response, error) { return nil, b.err }

func TestNothingLandsWithoutAConnection(t *testing.T) {
	t.Parallel()
	write := []connector.Write{{Op: connector.Create, Fields: crm.Fields{"email": crm.TextValue("a@example.com")}}}
	for name, tc := range map[string]struct {
		err    error
		landed bool
	}{
		"no connection": {&net.OpError{Op: "dial", Err: errors.New("refused")}, false},
		"cut":           {&net.OpError{Op: "read", Err: errors.New("reset")}, true},
	} {
		_, err := opened(broken{tc.err}).BatchWrite(t.Context(), "contacts", write)
		if !fault.Is(err, fault.Unavailable) || fault.MayHaveLanded(err) != tc.landed {
			t.Errorf("%s: %v, may have landed %t, want unavailable and %t", name, err, fault.MayHaveLanded(err), tc.landed)
		}
	}
}

func TestOpenNamesEveryProblem(t *testing.T) {
	t.Parallel()
	h, now := &http.Client{}, time.Now
	token := map[string]secret.Text{"token": secret.NewText("pat-x")}
	for name, tc := range map[string]struct {
		cfg  connector.Config
		want []string
	}{
		"nothing":   {connector.Config{}, []string{"HTTP client", "clock", "only oauth2 and token"}},
		"no token":  {connector.Config{Kind: crm.AuthToken, HTTP: h, Now: now}, []string{"access token is required"}},
		"no tokens": {connector.Config{Kind: crm.AuthOAuth2, HTTP: h, Now: now}, []string{"tokens are required"}},
		"base with path": {
			connector.Config{Kind: crm.AuthToken, Credentials: token, HTTP: h, Now: now, BaseURL: "https://api.hubapi.com/x"},
			[]string{"base URL"},
		},
		"base no host": {
			connector.Config{Kind: crm.AuthToken, Credentials: token, HTTP: h, Now: now, BaseURL: "api"},
			[]string{"base URL"},
		},
		"fine": {connector.Config{Kind: crm.AuthToken, Credentials: token, HTTP: h, Now: now}, nil},
	} {
		_, err := hubspot.Open(tc.cfg)
		if (err == nil) != (tc.want == nil) || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
		for _, w := range tc.want {
			if err != nil && !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v does not name %q", name, err, w)
			}
		}
	}
}

// TestRefusalsNameEveryProperty shows that a row's answer names all properties
// at fault with a code each, whether listed or inside the message.
func TestRefusalsNameEveryProperty(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string
		want []fault.FieldFault
	}{
		"details": {
			`{"category":"VALIDATION_ERROR","errors":[{"code":"INVALID_OPTION","in":"rank"},{"code":"READ_ONLY_VALUE","context":{"propertyName":["made","by"]}}]}`,
			[]fault.FieldFault{
				{Field: "rank", Code: "option_not_allowed"},
				{Field: "made", Code: "read_only_field"},
				{Field: "by", Code: "read_only_field"},
			},
		},
		"message": {
			`{"category":"VALIDATION_ERROR","message":"Property values were not valid: [{\"isValid\":false,\"message\":\"x\",\"error\":\"INVALID_OPTION\",\"name\":\"rank\"},{\"isValid\":false,\"message\":\"y\",\"error\":\"PROPERTY_DOESNT_EXIST\",\"name\":\"gone\"}]"}`,
			[]fault.FieldFault{{Field: "rank", Code: "option_not_allowed"}, {Field: "gone", Code: "field_missing"}},
		},
		"e-mail taken": {
			`{"category":"CONFLICT","message":"Contact already exists. Existing ID: 7"}`, []fault.FieldFault{
				{Field: "email", Code: "already_exists"},
			},
		},
		"none": {`{"category":"VALIDATION_ERROR","message":"no"}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := opened(fakekit.Transport(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = w.Write([]byte(c.body))
			})))
			out, err := conn.BatchWrite(t.Context(), "contacts", []connector.Write{
				{Op: connector.Update, ID: "1", Fields: crm.Fields{"email": crm.TextValue("a@example.com")}},
			})
			if err != nil || len(out) != 1 {
				t.Fatalf("%v, %v", out, err)
			}
			if got := fault.FieldFaults(out[0].Err); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
