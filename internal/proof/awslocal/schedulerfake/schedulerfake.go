// Package schedulerfake is a server of our own that answers like EventBridge
// Scheduler, for which there is no stand-in: the five calls that Lockstep makes,
// on the schedules of one group. Like the service it keeps nothing of a field
// that an update leaves out, and lists names without what they fire.
// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_UpdateSchedule.html
package schedulerfake

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Fake is an http.Handler. The zero Fake with a Group is ready.
type Fake struct {
	Group string // the one group that there is

	mu    sync.Mutex
	all   map[string]map[string]any // by name: the fields as they came
	calls []string
	fault func(call string) (status int, code string) // 0 = none
}

// Schedule returns the fields of a schedule as they came, with its name; nil
// when there is none. The caller may change them: that is how somebody with
// other tools does.
func (f *Fake) Schedule(name string) map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all[name]
}

// Names lists the schedules.
func (f *Fake) Names() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.all))
}

// Set puts a schedule there as somebody with other tools would; nil removes it.
func (f *Fake) Set(name string, fields map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all == nil {
		f.all = map[string]map[string]any{}
	}
	if delete(f.all, name); fields != nil {
		f.all[name] = fields
	}
}

// Calls returns what was called since Plan, or since the beginning: POST
// creates, PUT updates, GET reads, DELETE deletes, LIST lists.
func (f *Fake) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Plan forgets the calls so far and has fault refuse those to come: it returns
// a status and a code, or 0 to let a call pass. nil lets all pass.
func (f *Fake) Plan(fault func(call string) (status int, code string)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.fault = nil, fault
}

var rate = regexp.MustCompile(`^rate\((1 minute|[1-9][0-9]* minutes)\)$`)

// ServeHTTP implements http.Handler.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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

func (f *Fake) put(w http.ResponseWriter, r *http.Request, name string) {
	var fields map[string]any
	if err := json.NewDecoder(r.Body).Decode(&fields); err != nil {
		refuse(w, 400, "ValidationException")
		return
	}
	target, _ := fields["Target"].(map[string]any)
	expression, _ := fields["ScheduleExpression"].(string)
	if fields["GroupName"] != f.Group || target == nil || target["Arn"] == nil || target["RoleArn"] == nil ||
		fields["FlexibleTimeWindow"] == nil || !rate.MatchString(expression) {
		refuse(w, 400, "ValidationException")
		return
	}
	delete(fields, "ClientToken")
	fields["Name"] = name
	if fields["State"] == nil {
		fields["State"] = "ENABLED" // the service's default, whatever it was before
	}
	if f.all == nil {
		f.all = map[string]map[string]any{}
	}
	f.all[name] = fields
	answer(w, map[string]string{"ScheduleArn": "arn:" + name})
}

func (f *Fake) list(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("ScheduleGroup") != f.Group {
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
		summaries = append(summaries, map[string]any{"Name": name, "GroupName": f.Group, "State": f.all[name]["State"]})
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

var _ http.Handler = (*Fake)(nil)
