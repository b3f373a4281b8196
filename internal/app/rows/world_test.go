package rows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/pause"
)

// world is what a row test has: two apps with accounts, and a connection
// between them once it is made.
type world struct {
	*testing.T
	p     *program
	alone bool      // may move the clock
	began time.Time // in real time

	left, right *fake
	con         string // address of the connection
	sync        string // address of its first sync
	token       string // of the calls; "" = the operator's
	readMails   int    // mails about the connection that the test has read
}

func (w *world) open() {
	w.Helper()
	w.left, w.right = w.app("hubspot"), w.app("salesforce")
}

// ---- calls ----

// answer is what came back.
type answer struct {
	w      *world
	call   string
	status int
	header http.Header
	body   []byte
}

// into reads a JSON answer into out.
func (a answer) into(out any) {
	a.w.Helper()
	if err := json.Unmarshal(a.body, out); err != nil {
		a.w.Fatalf("%s: %d: %v: %s", a.call, a.status, err, a.body)
	}
}

// problem is how the API refuses.
type problem struct {
	Code, Detail string
	Errors       []struct{ Pointer, Detail, Code string }
}

func (a answer) problem() problem {
	a.w.Helper()
	var p problem
	a.into(&p)
	return p
}

// says demands a part of the answer's text.
func (a answer) says(parts ...string) answer {
	a.w.Helper()
	for _, part := range parts {
		if !strings.Contains(string(a.body), part) {
			a.w.Errorf("%s: the answer does not say %q: %s", a.call, part, a.body)
		}
	}
	return a
}

// send makes one call to any address. A body is text or a value for JSON.
func (w *world) send(base, token, method, path string, body any, header ...string) answer {
	w.Helper()
	var r io.Reader = http.NoBody
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			w.Fatal(err)
		}
		r = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(w.Context(), method, base+path, r)
	if err != nil {
		w.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	stay := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if req.URL.Scheme == "https" {
		stay.Transport = w.p.tls.Client().Transport // which knows the certificate
	}
	resp, err := stay.Do(req)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	return answer{w, method + " " + path, resp.StatusCode, resp.Header, text}
}

// call makes one call of the API.
func (w *world) call(method, path string, body any, header ...string) answer {
	w.Helper()
	token := w.token
	if token == "" {
		token = w.p.key
	}
	if method == http.MethodPatch {
		header = append([]string{"Content-Type", "application/merge-patch+json"}, header...)
	}
	return w.send(w.p.url, token, method, path, body, header...)
}

// want is call with the status expected.
func (w *world) want(status int, method, path string, body any, header ...string) answer {
	w.Helper()
	a := w.call(method, path, body, header...)
	if a.status != status {
		w.Fatalf("%s: %d, want %d: %s", a.call, a.status, status, a.body)
	}
	return a
}

// get reads a resource into out.
func (w *world) get(path string, out any) {
	w.Helper()
	w.want(200, "GET", path, nil).into(out)
}

// refused demands a refusal: status, code, and where the fault is, if at is given.
func (w *world) refused(a answer, status int, code string, at ...string) answer {
	w.Helper()
	if a.status != status {
		w.Errorf("%s: %d, want it refused with %d %s: %s", a.call, a.status, status, code, a.body)
		return a
	}
	p := a.problem()
	codes := []string{p.Code}
	for _, e := range p.Errors {
		codes = append(codes, e.Code)
	}
	if !slices.Contains(codes, code) {
		w.Errorf("%s: refused with %v, want %s: %s", a.call, codes, code, a.body)
	}
	for _, pointer := range at {
		if !slices.ContainsFunc(p.Errors, func(e struct{ Pointer, Detail, Code string }) bool {
			return e.Pointer == pointer
		}) {
			w.Errorf("%s: no problem at %s: %s", a.call, pointer, a.body)
		}
	}
	return a
}

// list reads a whole list, page by page.
func list[T any](w *world, path string) []T {
	w.Helper()
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	var out []T
	for next := path; ; {
		var page struct {
			Items []T
			Next  string
		}
		w.get(next, &page)
		out = append(out, page.Items...)
		if page.Next == "" {
			return out
		}
		next = path + sep + "cursor=" + page.Next
	}
}

// ---- the connection ----

// raw is a value of a document as JSON text.
type raw = json.RawMessage

const document = `{"name":%q,"left":{"account":%q},"right":{"account":%q},"default_country":"US","syncs":[{
	"id":"people","left":{"object":%q},"right":{"object":%q},"schedule":"manual","conflict":"review",
	"match":[{"by":"any_key","pairs":[["email","Email"]]}],
	"mappings":[
		{"id":"email","left":["email"],"right":["Email"],"transform":{"type":"email"}},
		{"id":"last","left":["lastname"],"right":["LastName"]},
		{"id":"first","left":["firstname"],"right":["FirstName"]},
		{"id":"city","left":["city"],"right":["MailingCity"]},
		{"id":"title","left":["jobtitle"],"right":["Title"]},
		{"id":"phone","left":["phone"],"right":["Phone"],"transform":{"type":"phone"}}
	]}]}`

// companies is a second sync.
var companies = raw(`{"id":"companies","left":{"object":"companies"},"right":{"object":"Account"},"schedule":"manual","conflict":"review",
	"match":[{"by":"any_key","pairs":[["domain","Website"]]}],"mappings":[
	{"id":"domain","left":["domain"],"right":["Website"],"transform":{"type":"domain"}},
	{"id":"name","left":["name"],"right":["Name"]},{"id":"city","left":["city"],"right":["BillingCity"]}]}`)

// document is the usual one: people both ways, known by e-mail. Each setting is
// a place and a value, see put.
func (w *world) document(settings ...any) map[string]any {
	w.Helper()
	var doc map[string]any
	text := fmt.Sprintf(document, w.Name(), w.left.account, w.right.account, w.left.object, w.right.object)
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		w.Fatal(err)
	}
	w.put(doc, settings...)
	return doc
}

// put sets places of a document: "direction" is one of the first sync,
// "/enabled" one of the connection, "mappings.title.clear" goes by ID, "match.0"
// and "mappings.+" by position. A nil value takes the key away.
func (w *world) put(doc map[string]any, settings ...any) {
	w.Helper()
	for i := 0; i+1 < len(settings); i += 2 {
		place, ok := settings[i].(string)
		if !ok {
			w.Fatalf("%v is no place", settings[i])
		}
		if top, ok := strings.CutPrefix(place, "/"); ok {
			place = top
		} else {
			place = "syncs.0." + place
		}
		var value any
		text, err := json.Marshal(settings[i+1])
		if err == nil {
			err = json.Unmarshal(text, &value)
		}
		if err != nil {
			w.Fatalf("%s: %v", place, err)
		}
		if !set(doc, strings.Split(place, "."), value) {
			w.Fatalf("the document has no place %s", place)
		}
	}
}

// set changes one place below at, which is a list or an object.
func set(at any, keys []string, value any) bool {
	switch at := at.(type) {
	case map[string]any:
		switch {
		case len(keys) == 1 && value == nil:
			delete(at, keys[0])
			return true
		case len(keys) == 1:
			at[keys[0]] = value
			return true
		case keys[1] == "+":
			list, _ := at[keys[0]].([]any)
			at[keys[0]] = append(list, value)
			return true
		case value == nil && len(keys) == 2:
			if list, ok := at[keys[0]].([]any); ok { // an element goes
				i := position(list, keys[1])
				if i < 0 {
					return false
				}
				at[keys[0]] = slices.Delete(list, i, i+1)
				return true
			}
		case at[keys[0]] == nil:
			at[keys[0]] = map[string]any{}
		}
		return set(at[keys[0]], keys[1:], value)
	case []any:
		i := position(at, keys[0])
		if i < 0 {
			return false
		}
		if len(keys) == 1 {
			at[i] = value
			return true
		}
		return set(at[i], keys[1:], value)
	}
	return false
}

// position finds an element by its place or its ID; -1 = there is none.
func position(list []any, key string) int {
	i, err := strconv.Atoi(key)
	if err != nil {
		return slices.IndexFunc(list, func(one any) bool { o, ok := one.(map[string]any); return ok && o["id"] == key })
	}
	if i >= len(list) {
		return -1
	}
	return i
}

// connect makes the connection, a draft.
func (w *world) connect(settings ...any) {
	w.Helper()
	doc := w.document(settings...)
	w.con = w.save(doc)
	id := "people"
	if syncs, ok := doc["syncs"].([]any); ok && len(syncs) > 0 {
		id, _ = syncs[0].(map[string]any)["id"].(string)
	}
	w.sync = w.con + "/syncs/" + id
}

// save makes a connection of a document, for the length of the test, and returns its address.
func (w *world) save(doc any) string { w.Helper(); return w.saveAs("", doc) }

// saveAs is save with a query.
func (w *world) saveAs(query string, doc any) string {
	w.Helper()
	var c struct{ ID, Name string }
	w.want(201, "POST", "/v1/connections"+query, doc).into(&c)
	at := "/v1/connections/" + c.ID
	w.forget(at, c.Name)
	return at
}

// forget deletes a connection when the test ends, so that it leaves no work behind.
func (w *world) forget(at, name string) {
	base, key := w.p.url, w.p.key
	w.Cleanup(func() {
		req, err := http.NewRequest(http.MethodDelete, base+at+"?confirm="+strings.ReplaceAll(name, " ", "%20"), http.NoBody)
		if err != nil {
			w.Error(err)
			return
		}
		req.Header.Set("Authorization", "Bearer "+key)
		req.Header.Set("If-Match", "*")
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	})
}

// change changes places of the document as it is stored.
func (w *world) change(settings ...any) {
	w.Helper()
	if a := w.tryChange(settings...); a.status != 200 {
		w.Fatalf("%s: %d: %s", a.call, a.status, a.body)
	}
}

// tryChange is change that may be refused.
func (w *world) tryChange(settings ...any) answer {
	w.Helper()
	var doc map[string]any
	a := w.want(200, "GET", w.con, nil)
	a.into(&doc)
	w.put(doc, settings...)
	patch := map[string]any{}
	for i := 0; i+1 < len(settings); i += 2 {
		key := "syncs"
		if top, ok := strings.CutPrefix(settings[i].(string), "/"); ok {
			key, _, _ = strings.Cut(top, ".")
		}
		patch[key] = doc[key]
	}
	return w.call("PATCH", w.con, patch, "If-Match", a.header.Get("ETag"))
}

// invalid demands that the stored document with changes has a problem: its code
// and where it is.
func (w *world) invalid(code, at string, settings ...any) answer {
	w.Helper()
	var doc map[string]any
	w.get(w.con, &doc)
	w.put(doc, settings...)
	a := w.want(200, "POST", w.con+"/validate", doc)
	var said struct {
		Valid    bool
		Problems []struct{ Pointer, Code, Detail string }
	}
	a.into(&said)
	for _, p := range said.Problems {
		if p.Code == code && p.Pointer == at && p.Detail != "" {
			return a
		}
	}
	w.Errorf("%s has no problem %s at %s: %s", settings, code, at, a.body)
	return a
}

// valid demands that the stored document with changes has no problem.
func (w *world) valid(settings ...any) answer {
	w.Helper()
	var doc map[string]any
	w.get(w.con, &doc)
	w.put(doc, settings...)
	return w.want(200, "POST", w.con+"/validate", doc).says(`"valid":true`)
}

// ---- runs ----

// run is a run as the API shows it.
type run struct {
	ID, Kind, Sync, State, Code, Detail string
	Outcomes                            map[string]int
	Total                               int
	CreatedAt                           time.Time `json:"created_at"`
	EndedAt                             time.Time `json:"ended_at"`
	Calls                               struct{ Left, Right int }
	NextRun                             string `json:"next_run"`
}

// start starts the connection and waits for its first syncs.
func (w *world) start() []run {
	w.Helper()
	var begun struct {
		Status string
		Runs   []run
	}
	w.want(202, "POST", w.con+"/start", nil).into(&begun)
	for i := range begun.Runs {
		begun.Runs[i] = w.finished(begun.Runs[i])
	}
	w.rest()
	return begun.Runs
}

// pull looks for changes and waits for all that comes of it.
func (w *world) pull() run { w.Helper(); return w.begin(w.sync + "/pull") }

// resync compares everything again.
func (w *world) resync() run { w.Helper(); return w.begin(w.sync + "/resync") }

// begin begins a run by a call and waits for its end. A run that a change began is
// waited for first: while it goes on, it would be the one that the call answers.
func (w *world) begin(path string) run {
	w.Helper()
	w.until("the end of the run before", func() bool {
		_, syncs := w.status()
		return !slices.ContainsFunc(syncs, func(s standing) bool {
			return s.OpenRun != "" && strings.HasPrefix(path, w.con+"/syncs/"+s.Sync+"/")
		})
	})
	var r run
	for range 5 { // one that was owed may begin after the look
		w.want(202, "POST", path, nil).into(&r)
		r = w.finished(r)
		if !strings.HasSuffix(path, "/pull") || r.Kind == "pull" {
			break
		}
	}
	w.rest()
	return r
}

// finished waits for the end of a run, which has to be a good one.
func (w *world) finished(r run) run {
	w.Helper()
	w.until("the end of run "+r.ID, func() bool {
		w.get("/v1/runs/"+r.ID, &r)
		return r.State != "queued" && r.State != "running"
	})
	if r.State != "done" {
		w.Fatalf("run %s of kind %s is %s (%s %s)", r.ID, r.Kind, r.State, r.Code, r.Detail)
	}
	return r
}

// standing is where a sync stands.
type standing struct {
	Sync                   string
	Backlog, Parked, Inbox int
	States                 struct{ Left, Right map[string]int }
	Reasons                struct{ Left, Right map[string]map[string]int }
	Settled                struct{ Links int }
	Outcomes               map[string]map[string]int
	Warnings               []string
	LatestPull             time.Time `json:"latest_pull"`
	NextPull               time.Time `json:"next_pull"`
	OpenRun                string    `json:"open_run"`
	NextRun                string    `json:"next_run"`
	Halted                 *struct{ Deletions int }
}

// status is where the connection and its syncs stand.
func (w *world) status() (status string, syncs []standing) {
	w.Helper()
	var s struct {
		Status string
		Syncs  []standing
	}
	w.get(w.con+"/status", &s)
	return s.Status, s.Syncs
}

// rest waits until the connection has nothing more to do. What was kept for a while
// (a change that is weighed, say) goes through the queue in the end, where nobody
// counts it: after that, nothing may be to do for several looks.
func (w *world) rest() {
	w.Helper()
	kept, calm := false, 0
	w.until("rest", func() bool {
		state, syncs := w.status()
		if slices.ContainsFunc(syncs, func(s standing) bool {
			kept = kept || s.OpenRun == "" && s.Backlog+s.Parked+s.Inbox > 0
			follows := s.NextRun != "" && state == "active" && !slices.Contains(s.Warnings, "switched_off")
			return follows || s.OpenRun != "" || s.Backlog+s.Parked+s.Inbox > 0
		}) {
			calm = 0
			return false
		}
		calm++
		return !kept || calm > 5
	})
}

// patience is how long a test waits for something. Under a patch that takes it
// away the test fails for that, so that it is not long.
const patience = 40 * time.Second

// until waits for something that the program does by itself. Where nothing comes
// for a while and the test has the program for itself, the clock moves on.
func (w *world) until(what string, holds func() bool) {
	w.Helper()
	limit := time.Now().Add(patience)
	for n := 0; !holds(); n++ {
		if time.Now().After(limit) {
			w.Fatalf("%s does not come within %s; the status of the connection: %s", what, patience,
				w.call("GET", w.con+"/status", nil).body)
		}
		if w.alone && n > 10 {
			w.pass(time.Second)
		}
		if err := pause.For(w.Context(), min(time.Duration(n+1)*5*time.Millisecond, 50*time.Millisecond)); err != nil {
			w.Fatal(err)
		}
	}
}

// calm demands that nothing is written to an app for a while: long enough for a
// webhook to go all the way.
func (w *world) calm(f *fake, what string) {
	w.Helper()
	before, since := f.written(), time.Now()
	for time.Since(since) < 400*time.Millisecond {
		if n := f.written(); n != before {
			w.Fatalf("%s: %d writes to %s", what, n-before, f.kind)
		}
		if err := pause.For(w.Context(), 40*time.Millisecond); err != nil {
			w.Fatal(err)
		}
	}
}

// pass moves the clock of the program and of all apps.
func (w *world) pass(d time.Duration) {
	w.Helper()
	if !w.alone {
		w.Fatal("only a test that has the program for itself may move the clock: use rowAlone")
	}
	w.p.ahead.Add(int64(d))
}

// ---- records and log ----

// view is a record as the API shows it.
type view struct {
	State, Code, Detail, Partner string
	Others                       []string
	Settled                      []struct{ Mapping, Reason, Code string }
	History                      []entry
}

// entry is one of the log.
type entry struct {
	ID, Run, Side, Way, Record, Partner, Outcome, Code, Message, Behavior string
	Resolved                                                              bool
	Status                                                                int    `json:"response_status"`
	URL                                                                   string `json:"api_url"`
	Request, Response                                                     string
	Rebuilt                                                               bool `json:"reconstructed"`
	Calls                                                                 []struct {
		Side, Method string
		URL          string `json:"api_url"`
		Status       int    `json:"response_status"`
		RequestID    string `json:"request_id"`
	}
	Diffs []struct {
		Mapping, Side, Field, Rule, Code string
		Before, After                    any
	}
}

// record is the address of a record: of the app it is in.
func (w *world) record(f *fake, id string) string {
	side := "left"
	if f == w.right {
		side = "right"
	}
	return w.sync + "/records/" + side + "/" + id
}

// view reads a record.
func (w *world) view(f *fake, id string) view {
	w.Helper()
	var v view
	w.get(w.record(f, id), &v)
	return v
}

// stands demands a record's state and code.
func (w *world) stands(f *fake, id, state, code string) view {
	w.Helper()
	v := w.view(f, id)
	if v.State != state || v.Code != code {
		w.Errorf("record %s of %s is %s %q (%s), want %s %q", id, f.kind, v.State, v.Code, v.Detail, state, code)
	}
	return v
}

// log lists the connection's entries, newest first; filter as in "event=failed".
func (w *world) log(filter ...string) []entry {
	w.Helper()
	id := strings.TrimPrefix(w.con, "/v1/connections/")
	return list[entry](w, "/v1/log?connection="+strings.Join(append([]string{id}, filter...), "&"))
}

// equal demands that two values are alike.
func equal[T comparable](w *world, what string, got, want T) {
	w.Helper()
	if got != want {
		w.Errorf("%s: %v, want %v", what, got, want)
	}
}
