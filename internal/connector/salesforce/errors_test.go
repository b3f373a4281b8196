package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// said is what an error tells to the layers above.
type said struct {
	Kind   fault.Kind
	Code   string
	Field  string
	Retry  time.Duration
	Landed bool
}

func sayings(err error) said {
	var e *fault.Error
	if !errors.As(err, &e) {
		return said{}
	}
	return said{e.Kind, e.Code, e.Field, e.RetryAfter, e.MayHaveLanded}
}

// noting has one token, and notes when a new one is asked for.
type noting struct{ renewed *bool }

func (noting) Token(context.Context) (secret.Text, error) { return secret.NewText("t"), nil }
func (n noting) Renew(context.Context, secret.Text) (secret.Text, error) {
	*n.renewed = true
	return secret.NewText("t2"), nil
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		write  bool
		header http.Header
		want   said
	}{
		"expired session": {
			status: 401, body: `[{"errorCode":"INVALID_SESSION_ID","message":"Session expired or invalid"}]`,
			want: said{Kind: fault.Denied, Code: connector.CodeReauthorize},
		},
		"not for REST": {
			status: 401, body: `[{"errorCode":"INVALID_SESSION_ID","message":"This session is not valid for use with the REST API"}]`, want: said{Kind: fault.Denied, Code: connector.CodePermission},
		},
		"no agent": {
			status: 401, body: `Connected app is not attached to Agent`, want: said{
				Kind: fault.Denied, Code: connector.CodePermission,
			},
		},
		"quota": {
			status: 403, body: `[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]`,
			want: said{Kind: fault.Throttled, Code: connector.CodeQuota, Retry: time.Minute},
		},
		"concurrent": {
			status: 403, body: `[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"ConcurrentRequests (Concurrent API Requests) Limit exceeded."}]`, want: said{Kind: fault.Throttled, Code: connector.CodeRate, Retry: 30 * time.Second},
		},
		"429 of a gateway": {
			status: 429, body: `slow down`, header: http.Header{"Retry-After": {"11"}}, want: said{
				Kind: fault.Throttled, Code: connector.CodeRate, Retry: 11 * time.Second,
			},
		},
		"absurd Retry-After": {
			status: 429, header: http.Header{"Retry-After": {"99999999999"}}, want: said{
				Kind: fault.Throttled, Code: connector.CodeRate, Retry: 24 * time.Hour,
			},
		},
		"negative Retry-After": {
			status: 429, header: http.Header{"Retry-After": {"-5"}}, want: said{Kind: fault.Throttled, Code: connector.CodeRate},
		},
		"access": {
			status: 400, body: `[{"errorCode":"INSUFFICIENT_ACCESS_OR_READONLY","message":"no"}]`,
			want: said{Kind: fault.Denied, Code: connector.CodePermission},
		},
		"API off": {
			status: 403, body: `[{"errorCode":"API_DISABLED_FOR_ORG","message":"no"}]`, want: said{
				Kind: fault.Denied, Code: connector.CodePermission,
			},
		},
		"unknown column": {
			status: 400, body: `[{"errorCode":"INVALID_FIELD","message":"\nSELECT Foo\n^\nNo such column 'Foo' on entity 'Contact'."}]`, want: said{Kind: fault.Invalid, Code: connector.CodeField, Field: "Foo"},
		},
		"quoted number": {
			status: 400, body: `[{"errorCode":"INVALID_FIELD","message":"value of filter criterion for field 'Score__c' must be of type double and should not be enclosed in quotes"}]`, want: said{Kind: fault.Invalid, Code: connector.CodeQuoted, Field: "Score__c"},
		},
		"hostile column": {
			status: 400, body: `[{"errorCode":"INVALID_FIELD","message":"No such column '<b>x@example.com</b>'"}]`,
			want: said{Kind: fault.Invalid, Code: connector.CodeField},
		},
		"unknown object": {
			status: 400, body: `[{"errorCode":"INVALID_TYPE","message":"sObject type 'Foo' is not supported."}]`,
			want: said{Kind: fault.NotFound, Code: "unknown_object"},
		},
		"not found": {
			status: 404, body: `[{"errorCode":"NOT_FOUND","message":"gone"}]`, want: said{Kind: fault.NotFound},
		},
		"locked": {
			status: 400, body: `[{"errorCode":"UNABLE_TO_LOCK_ROW","message":"try again"}]`, want: said{
				Kind: fault.Conflict, Code: "record_locked",
			},
		},
		"query timeout": {
			status: 400, body: `[{"errorCode":"QUERY_TIMEOUT","message":"slow"}]`, want: said{
				Kind: fault.Unavailable, Code: "query_timeout",
			},
		},
		"replication window": {
			status: 400, body: `[{"errorCode":"INVALID_REPLICATION_DATE","message":"old"}]`, want: said{
				Kind: fault.Invalid, Code: connector.CodeExpired,
			},
		},
		"code before status": {
			status: 500, body: `[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests"}]`,
			want: said{Kind: fault.Throttled, Code: connector.CodeQuota, Retry: time.Minute},
		},
		"unknown code, 400": {
			status: 400, body: `[{"errorCode":"SOMETHING_NEW","message":"x"}]`, want: said{
				Kind: fault.Invalid, Code: "rejected",
			},
		},
		"unknown code, 503": {
			status: 503, write: true, body: `[{"errorCode":"SOMETHING_NEW","message":"x"}]`, want: said{
				Kind: fault.Unavailable, Landed: true,
			},
		},
		"retired version": {
			status: 410, body: `[{"errorCode":"UNSUPPORTED_API_VERSION","message":"x"}]`, want: said{
				Kind: fault.Unsupported, Code: "version_retired",
			},
		},
		"html": {
			status: 502, write: true, body: `<html>Bad gateway</html>`, want: said{Kind: fault.Unavailable, Landed: true},
		},
		"html on a read": {status: 502, body: `<html>Bad gateway</html>`, want: said{Kind: fault.Unavailable}},
		"redirect": {
			status: 302, write: true, want: said{Kind: fault.Unavailable, Code: connector.CodeMalformed, Landed: true},
		},
		"refused write": {
			status: 400, write: true, body: `[{"errorCode":"JSON_PARSER_ERROR","message":"x"}]`,
			want: said{Kind: fault.Invalid, Code: connector.CodeValue},
		},
		"gateway timeout": {status: 408, write: true, want: said{Kind: fault.Unavailable, Landed: true}},
		"empty array":     {status: 403, body: `[]`, want: said{Kind: fault.Denied, Code: connector.CodePermission}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			renewed := false
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for k, v := range c.header {
					w.Header()[k] = v
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer srv.Close()
			client, err := api.Open(connector.Config{
				BaseURL: srv.URL, Kind: crm.AuthOAuth2, Tokens: noting{&renewed}, HTTP: srv.Client(), Now: time.Now,
			})
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.Call(t.Context(), rest.Request{Op: "salesforce: test", Write: c.write}, nil)
			if diff := cmp.Diff(c.want, sayings(err)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if want := name == "expired session"; renewed != want {
				t.Errorf("renewable: %v, want %v", renewed, want)
			}
		})
	}
}

func TestRowErrors(t *testing.T) {
	t.Parallel()
	const holder = "003Lk0000000001IAA"
	for name, c := range map[string]struct {
		op       connector.Op
		errors   string
		want     said
		existing crm.RecordID
	}{
		"required": {
			connector.Create, `[{"statusCode":"REQUIRED_FIELD_MISSING","message":"Required fields are missing: [LastName]","fields":["LastName"]}]`, said{Kind: fault.Invalid, Code: "required_field_missing", Field: "LastName"}, "",
		},
		"too long": {
			connector.Update, `[{"statusCode":"STRING_TOO_LONG","message":"First Name: data value too large: secret (max length=40)","fields":["FirstName"]}]`, said{Kind: fault.Invalid, Code: "value_too_long", Field: "FirstName"}, "",
		},
		"picklist": {
			connector.Update, `[{"statusCode":"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST","message":"x","fields":["Level__c"]}]`,
			said{Kind: fault.Invalid, Code: "option_not_allowed", Field: "Level__c"},
			"",
		},
		"rule of the org": {
			connector.Update, `[{"statusCode":"FIELD_CUSTOM_VALIDATION_EXCEPTION","message":"x","fields":[]}]`,
			said{Kind: fault.Invalid, Code: "rejected_by_rule"},
			"",
		},
		"deleted": {
			connector.Update, `[{"statusCode":"ENTITY_IS_DELETED","message":"entity is deleted","fields":[]}]`,
			said{Kind: fault.NotFound},
			"",
		},
		"parent deleted": {
			connector.Create, `[{"statusCode":"ENTITY_IS_DELETED","message":"entity is deleted","fields":[]}]`,
			said{Kind: fault.Invalid, Code: connector.CodeValue},
			"",
		},
		"no such record": {
			connector.Archive, `[{"statusCode":"INVALID_CROSS_REFERENCE_KEY","message":"invalid cross reference id","fields":[]}]`, said{Kind: fault.NotFound}, "",
		},
		"no such parent": {
			connector.Update, `[{"statusCode":"INVALID_CROSS_REFERENCE_KEY","message":"x","fields":["AccountId"]}]`,
			said{Kind: fault.Invalid, Code: connector.CodeValue, Field: "AccountId"},
			"",
		},
		"locked": {
			connector.Update, `[{"statusCode":"UNABLE_TO_LOCK_ROW","message":"x","fields":[]}]`,
			said{Kind: fault.Conflict, Code: "record_locked"},
			"",
		},
		"unique value": {
			connector.Create, `[{"statusCode":"DUPLICATE_VALUE","message":"duplicate value found: X__c duplicates value on record with id: 003Lk0000000001","fields":[]}]`, said{Kind: fault.Conflict, Code: connector.CodeExists, Field: "X__c"}, holder,
		},
		"unique, no ID": {
			connector.Create, `[{"statusCode":"DUPLICATE_VALUE","message":"duplicate value found: unknown","fields":[]}]`,
			said{Kind: fault.Conflict, Code: connector.CodeExists},
			"",
		},
		"duplicate rule": {
			connector.Create, `[{"statusCode":"DUPLICATES_DETECTED","message":"Use one?","fields":[],"duplicateResult":{"matchResults":[{"matchRecords":[{"record":{"Id":"003Lk0000000001IAA"}}]}]}}]`, said{Kind: fault.Conflict, Code: connector.CodeDuplicate}, holder,
		},
		"two duplicates": {
			connector.Create, `[{"statusCode":"DUPLICATES_DETECTED","message":"Use one?","fields":[],"duplicateResult":{"matchResults":[{"matchRecords":[{"record":{"Id":"003Lk0000000001IAA"}},{"record":{"Id":"003Lk0000000002IAA"}}]}]}}]`, said{Kind: fault.Conflict, Code: connector.CodeDuplicate}, "",
		},
		"bare duplicate rule": {
			connector.Create, `[{"statusCode":"DUPLICATES_DETECTED","message":"Use one?","fields":[]}]`,
			said{Kind: fault.Conflict, Code: connector.CodeDuplicate},
			"",
		},
		"odd duplicate result": {
			connector.Create, `[{"statusCode":"DUPLICATES_DETECTED","duplicateResult":[1]}]`, said{
				Kind: fault.Conflict, Code: connector.CodeDuplicate,
			}, "",
		},
		"unknown code": {
			connector.Update, `[{"statusCode":"SOMETHING_NEW","message":"jane@example.com","fields":["Email"]}]`,
			said{Kind: fault.Invalid, Code: "rejected", Field: "Email"},
			"",
		},
		"hostile code": {
			connector.Update, `[{"statusCode":"jane@example.com","message":"","fields":["a b"]}]`,
			said{Kind: fault.Invalid, Code: "rejected"},
			"",
		},
		"no reason": {connector.Update, `[]`, said{Kind: fault.Unavailable, Code: connector.CodeMalformed}, ""},
		"others were undone": {
			connector.Update, `[{"statusCode":"ALL_OR_NONE_OPERATION_ROLLED_BACK","message":"x","fields":[]}]`,
			said{Kind: fault.Unavailable},
			"",
		},
		"limit inside a batch": {
			connector.Update, `[{"statusCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests","fields":[]}]`,
			said{Kind: fault.Throttled, Code: connector.CodeQuota, Retry: time.Minute},
			"",
		},
		"no right to the field": {
			connector.Update, `[{"statusCode":"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY","message":"x","fields":[]}]`,
			said{Kind: fault.Denied, Code: connector.CodePermission},
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var problems []problem
			if err := json.Unmarshal([]byte(c.errors), &problems); err != nil {
				t.Fatal(err)
			}
			err, existing := fromRow("salesforce: test", c.op, problems)
			if diff := cmp.Diff(c.want, sayings(err)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if existing != c.existing {
				t.Errorf("existing = %q, want %q", existing, c.existing)
			}
			for _, leak := range []string{"secret", "jane@example.com"} {
				if strings.Contains(err.Error(), leak) {
					t.Errorf("the text %q repeats a value", err.Error())
				}
			}
		})
	}
}

func TestLongID(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]crm.RecordID{
		"001D000000IRt53":     "001D000000IRt53IAD",
		"00Dxx0000001gPL":     "00Dxx0000001gPLEAY",
		"00Dxx0000001gPLEAY":  "00Dxx0000001gPLEAY",
		"00Dxx0000001gPLEAZ":  "", // a wrong check part
		"00Dxx0000001gP":      "",
		"":                    "",
		"00Dxx0000001g'L":     "",
		"00Dxx0000001gPLE":    "",
		"00Dxx0000001gPLEAYx": "",
	} {
		if got, ok := long(in); got != want || ok != (want != "") {
			t.Errorf("long(%q) = %q, %v, want %q", in, got, ok, want)
		}
	}
}

func TestAPIUsage(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][2]int{
		"api-usage=10018/100000":                      {10018, 100000},
		"per-app-api-usage=17/250, api-usage=25/5000": {25, 5000},
		"api-usage=25/5000; per-app=1":                {},
		"api-usage=x/5000":                            {},
		"api-usage=1/0":                               {},
		"":                                            {},
		"api-usage=99999999999999999999999999999999999/10": {},
	} {
		used, limit, ok := apiUsage(in)
		if ok != (want != [2]int{}) || ok && (used != want[0] || limit != want[1]) {
			t.Errorf("apiUsage(%q) = %d, %d, %v", in, used, limit, ok)
		}
	}
}

// TestRefusalsNameEveryField shows that a row's answer names all fields at
// fault with a code each: what is written again is written without all of them.
func TestRefusalsNameEveryField(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		errors string
		want   []fault.FieldFault
	}{
		"one error, two fields": {
			`[{"statusCode":"INVALID_FIELD_FOR_INSERT_UPDATE","message":"x","fields":["A__c","B__c"]}]`,
			[]fault.FieldFault{{Field: "A__c", Code: "read_only_field"}, {Field: "B__c", Code: "read_only_field"}},
		},
		"two errors": {
			`[{"statusCode":"STRING_TOO_LONG","message":"x","fields":["A__c"]},{"statusCode":"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST","message":"y","fields":["B__c"]}]`,
			[]fault.FieldFault{{Field: "A__c", Code: "value_too_long"}, {Field: "B__c", Code: "option_not_allowed"}},
		},
		"unique value": {
			`[{"statusCode":"DUPLICATE_VALUE","message":"duplicate value found: Key__c duplicates value on record with id: 003Lk0000000001","fields":[]}]`, []fault.FieldFault{{Field: "Key__c", Code: connector.CodeExists}},
		},
		"rule, unnamed": {`[{"statusCode":"FIELD_CUSTOM_VALIDATION_EXCEPTION","message":"x","fields":[]}]`, nil},
	} {
		var problems []problem
		if err := json.Unmarshal([]byte(c.errors), &problems); err != nil {
			t.Fatal(err)
		}
		err, _ := fromRow("salesforce: test", connector.Update, problems)
		if diff := cmp.Diff(c.want, fault.FieldFaults(err), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
