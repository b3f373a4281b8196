package restapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

func config(at string) aws.Config {
	return aws.Config{
		Region: "eu-central-1", BaseEndpoint: aws.String(at), HTTPClient: cloud.HTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", "session"),
	}
}

// bySDK is the call as the SDK makes it, which is the judge of ours.
func bySDK(ctx context.Context, c aws.Config, name string) (string, error) {
	out, err := ssm.NewFromConfig(c).GetParameter(ctx, &ssm.GetParameterInput{
		Name: aws.String(name), WithDecryption: aws.Bool(true),
	},
		func(o *ssm.Options) { o.Retryer = aws.NopRetryer{} })
	if err != nil {
		return "", err
	}
	if out.Parameter == nil {
		return "", nil
	}
	return aws.ToString(out.Parameter.Value), nil
}

func byUs(ctx context.Context, c aws.Config, name string) (string, error) {
	return parameters{c}.GetParameter(ctx, name)
}

// asked is what matters of a request: everything but when and by which program.
type asked struct {
	Method, Path, Host, Target, Type, Token, Scope string
	Body                                           any
	Signed                                         bool // all headers that carry meaning
}

var authorization = regexp.MustCompile(
	`^AWS4-HMAC-SHA256 Credential=(AKID)/\d{8}/([a-z0-9/_-]+), SignedHeaders=([a-z0-9;-]+), Signature=[0-9a-f]{64}$`)

func record(t *testing.T, r *http.Request) asked {
	t.Helper()
	a := asked{
		Method: r.Method, Path: r.URL.RequestURI(), Host: r.Host, Target: r.Header.Get("X-Amz-Target"),
		Type:  r.Header.Get("Content-Type"),
		Token: r.Header.Get("X-Amz-Security-Token"),
	}
	if err := json.NewDecoder(r.Body).Decode(&a.Body); err != nil {
		t.Error(err)
	}
	parts := authorization.FindStringSubmatch(r.Header.Get("Authorization"))
	if parts == nil {
		t.Errorf("Authorization: %q", r.Header.Get("Authorization"))
		return a
	}
	a.Scope, a.Signed = parts[2], true
	for _, header := range []string{
		"content-length", "content-type", "host", "x-amz-date", "x-amz-security-token", "x-amz-target",
	} {
		a.Signed = a.Signed && strings.Contains(";"+parts[3]+";", ";"+header+";")
	}
	return a
}

// TestParameterAsTheSDK has the SDK's client and ours ask the same server, and
// compares what arrives there and what each makes of the answers.
func TestParameterAsTheSDK(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]struct {
		status int
		header http.Header
		body   string
	}{
		"value": {
			status: 200, body: `{"Parameter":{"Name":"/a/b","Type":"SecureString","Value":"the-operator's-own-key","Version":3,"LastModifiedDate":1.7e9}}`,
		},
		"no value":          {status: 200, body: `{"Parameter":{"Name":"/a/b"}}`},
		"nothing":           {status: 200, body: `{}`},
		"null":              {status: 200, body: `{"Parameter":null}`},
		"no JSON":           {status: 200, body: `<html>`},
		"not there":         {status: 400, body: `{"__type":"ParameterNotFound","message":"about /a/b"}`},
		"denied":            {status: 400, body: `{"__type":"AccessDeniedException","Message":"User is not authorized"}`},
		"denied, qualified": {status: 400, body: `{"__type":"com.amazonaws.ssm#AccessDeniedException"}`},
		"throttled":         {status: 400, body: `{"__type":"ThrottlingException","message":"Rate exceeded"}`},
		"named by a header": {
			status: 400, header: http.Header{"X-Amzn-Errortype": {"ThrottlingException:http://internal/"}},
			body: `{"message":"x"}`,
		},
		"too many":            {status: 429, body: `{}`},
		"key of the value":    {status: 400, body: `{"__type":"InvalidKeyId","message":"AccessDenied"}`},
		"token is over":       {status: 400, body: `{"__type":"ExpiredTokenException","message":"x"}`},
		"down":                {status: 500, body: `{"__type":"InternalServerError","message":"x"}`},
		"down, behind a page": {status: 503, body: `<html>Service Unavailable</html>`},
		"refused, by a page":  {status: 403, body: `<html>Forbidden</html>`},
		"refused, no words":   {status: 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []asked
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = append(got, record(t, r))
				for header, values := range answer.header {
					w.Header()[header] = values
				}
				w.Header().Set("X-Amzn-Requestid", "r1")
				w.Header().Set("Content-Type", "application/x-amz-json-1.1")
				w.WriteHeader(answer.status)
				_, _ = io.WriteString(w, answer.body)
			}))
			defer server.Close()
			want, wantErr := bySDK(t.Context(), config(server.URL), "/a/b")
			value, err := byUs(t.Context(), config(server.URL), "/a/b")
			if len(got) != 2 {
				t.Fatalf("%d requests, want one each", len(got))
			}
			if diff := cmp.Diff(got[0], got[1]); diff != "" || !got[1].Signed {
				t.Errorf("what was asked (-SDK +ours):\n%s", diff)
			}
			if value != want || (err == nil) != (wantErr == nil) {
				t.Errorf("%q, %v; the SDK: %q, %v", value, err, want, wantErr)
			}
			if diff := cmp.Diff(judged(wantErr), judged(err)); diff != "" {
				t.Errorf("what is made of it (-SDK +ours):\n%s", diff)
			}
		})
	}
}

// judged is what awscall makes of an error.
func judged(err error) (out struct{ Kind, Code, Message, Words, Service string }) {
	var f *fault.Error
	if !errors.As(awscall.Classify("op", err, false), &f) {
		return out
	}
	out.Kind, out.Code, out.Message, out.Service = f.Kind.String(), f.Code, f.Message, awscall.Code(err)
	if out.Service != "" {
		out.Words = f.Err.Error() // without a code it is the transport's or the decoder's own
	}
	return out
}

// TestParameterUnreachable: nothing was sent, so it is tried again.
func TestParameterUnreachable(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	_, wantErr := bySDK(t.Context(), config(server.URL), "/a/b")
	_, err := byUs(t.Context(), config(server.URL), "/a/b")
	if diff := cmp.Diff(judged(wantErr), judged(err)); diff != "" ||
		!fault.Is(awscall.Classify("op", err, false), fault.Unavailable) {
		t.Errorf("(-SDK +ours):\n%s", diff)
	}
}

// transport answers by itself, so that requests to AWS can be looked at.
type transport func(*http.Request) (*http.Response, error)

func (t transport) Do(r *http.Request) (*http.Response, error) { return t(r) }

// TestParameterEndpoints: every partition is asked where the SDK asks it.
func TestParameterEndpoints(t *testing.T) {
	t.Parallel()
	for _, region := range []string{
		"eu-central-1", "us-east-1", "mx-central-1", "us-gov-west-1", "cn-north-1", "cn-northwest-1", "eusc-de-east-1",
		"us-iso-east-1", "us-isob-east-1", "us-isof-south-1", "eu-isoe-west-1",
	} {
		var at []string
		c := config("")
		c.Region, c.BaseEndpoint = region, nil
		c.HTTPClient = transport(func(r *http.Request) (*http.Response, error) {
			parts := authorization.FindStringSubmatch(r.Header.Get("Authorization"))
			if parts == nil {
				t.Fatalf("Authorization: %q", r.Header.Get("Authorization"))
			}
			at = append(at, r.URL.String()+" "+parts[2])
			return &http.Response{
				StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"Parameter":{"Value":"v"}}`)),
			}, nil
		})
		for _, get := range []func(context.Context, aws.Config, string) (string, error){bySDK, byUs} {
			if value, err := get(t.Context(), c, "/a"); value != "v" || err != nil {
				t.Errorf("%s: %q, %v", region, value, err)
			}
		}
		if len(at) != 2 || at[0] != at[1] {
			t.Errorf("%s: the SDK asks %q, we %q", region, at[0], at[1:])
		}
	}
}

// TestAdminKey: what is no key is refused by the variable that names it, and
// a key is in no log, however it is printed.
func TestAdminKey(t *testing.T) {
	t.Parallel()
	for value, ok := range map[string]bool{
		"": false, "short": false, strings.Repeat("k", 16): true, " " + strings.Repeat("k", 512) + "\\n": true,
		strings.Repeat("k", 513): false, "with a space between": false,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"Parameter":{"Value":"`+value+`"}}`)
		}))
		key, err := readAdminKey(t.Context(), parameters{config(server.URL)}, "/a/b")
		server.Close()
		if (err == nil) != ok || err != nil &&
			(!fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), cloud.EnvAdminKey)) {
			t.Errorf("%d characters: %v", len(value), err)
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", key, "error", err)
		if len(value) >= 16 && strings.Contains(log.String(), strings.TrimSpace(value[:16])) {
			t.Errorf("the log holds the key: %s", log.String())
		}
	}
}
