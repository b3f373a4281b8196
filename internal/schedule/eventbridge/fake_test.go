package eventbridge_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
)

// fakeScheduler speaks the calls of EventBridge Scheduler that the package
// makes. Like the service it keeps nothing of a field that an update leaves out.
type fakeScheduler struct {
	url string

	mu    sync.Mutex
	all   map[string]map[string]any // by name: the fields as they came
	calls []string
	fault func(call string) (status int, code string) // 0 = none
}

func newFake(t testing.TB) *fakeScheduler {
	t.Helper()
	f := &fakeScheduler{all: map[string]map[string]any{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

func (f *fakeScheduler) client() *scheduler.Client {
	return scheduler.New(scheduler.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(f.url),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "fake", SecretAccessKey: "fake"}, nil
		}),
	})
}

var rate = regexp.MustCompile(`^rate\((1 minute|[1-9][0-9]* minutes)\)$`)

// ServeHTTP implements http.Handler.
func (f *fakeScheduler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/schedules"), "/")
	call := r.Method
	if name == "" {
		call = "LIST"
	}
	f.calls = append(f.calls, call)
	w.Header().Set("Content-Type", "application/json")
	if f.fault != nil {
		if status, code := f.fault(call); status != 0 {
			refuse(w, status, code)
			return
		}
	}
	_, there := f.all[name]
	switch {
	case call == "LIST":
		f.list(w, r)
	case (call == http.MethodPut || call == http.MethodGet || call == http.MethodDelete) && !there:
		refuse(w, 404, "ResourceNotFoundException")
	case call == http.MethodPost && there:
		refuse(w, 409, "ConflictException")
	case call == http.MethodPost || call == http.MethodPut:
		f.put(w, r, name)
	case call == http.MethodGet:
		answer(w, f.all[name])
	case call == http.MethodDelete:
		delete(f.all, name)
		answer(w, map[string]any{})
	default:
		refuse(w, 400, "ValidationException")
	}
}

func (f *fakeScheduler) put(w http.ResponseWriter, r *http.Request, name string) {
	var fields map[string]any
	if err := json.NewDecoder(r.Body).Decode(&fields); err != nil {
		refuse(w, 400, "ValidationException")
		return
	}
	target, _ := fields["Target"].(map[string]any)
	expression, _ := fields["ScheduleExpression"].(string)
	if fields["GroupName"] != "syncs" || target == nil || target["Arn"] == nil || target["RoleArn"] == nil || fields["FlexibleTimeWindow"] == nil || !rate.MatchString(expression) {
		refuse(w, 400, "ValidationException")
		return
	}
	delete(fields, "ClientToken")
	fields["Name"] = name
	if fields["State"] == nil {
		fields["State"] = "ENABLED" // the service's default, whatever it was before
	}
	f.all[name] = fields
	answer(w, map[string]string{"ScheduleArn": "arn:" + name})
}

func (f *fakeScheduler) list(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("ScheduleGroup") != "syncs" {
		refuse(w, 400, "ValidationException")
		return
	}
	most, _ := strconv.Atoi(r.URL.Query().Get("MaxResults"))
	names := []string{}
	for name := range f.all {
		if name > r.URL.Query().Get("NextToken") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	out := map[string]any{}
	if len(names) > most {
		names = names[:most]
		out["NextToken"] = names[most-1]
	}
	summaries := []map[string]any{}
	for _, name := range names {
		summaries = append(summaries, map[string]any{"Name": name, "GroupName": "syncs", "State": f.all[name]["State"]})
	}
	out["Schedules"] = summaries
	answer(w, out)
}

func answer(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("X-Amzn-Errortype", code)
	w.WriteHeader(status)
	answer(w, map[string]string{"Message": "about ada@example.com"})
}

func (f *fakeScheduler) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.calls)
}

func (f *fakeScheduler) plan(fault func(call string) (int, string)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.fault = nil, fault
}
