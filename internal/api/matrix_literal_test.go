package api

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// accessMatrix says of every route what each caller is answered. It is written
// by hand, from docs/api.md and rows 7-9 of docs/features.md, and never made
// from the routes' own levels: it is there to find a mistake in those.
//
// "none" is nobody, a made-up key and one that has expired. "denied" is a
// member whom the connection's access rule keeps out, "foreign" the admin of
// another workspace that knows our identifiers. The connection, the plan, the
// run, the entry and the accounts are of the first workspace. 422 is what the
// apps of these tests say, which have no OAuth and make no fields; 409 an
// account that a connection uses. A connection of the foreign admin is one of that
// workspace, and stays a draft for which our accounts are unknown. An app's deliveries prove themselves by their
// signature, and no key helps: 401 is one that has none.
const accessMatrix = `
route                                                                none viewer denied member admin operator foreign

GET    /v1/health                                                    200  200    200    200    200   200      200
GET    /v1/codes                                                     401  200    200    200    200   200      200
GET    /v1/apps                                                      401  200    200    200    200   200      200
GET    /v1/apps/{app}                                                401  200    200    200    200   200      200
GET    /v1/apps/{app}/partners                                       401  200    200    200    200   200      200
GET    /v1/presets                                                   401  200    200    200    200   200      200
GET    /v1/openapi.json                                              200  200    200    200    200   200      200
GET    /docs/errors                                                  200  200    200    200    200   200      200
GET    /hooks/{token}                                                200  200    200    200    200   200      200
POST   /hooks/{token}                                                401  401    401    401    401   401      401
GET    /v1/oauth/begin                                               400  400    400    400    400   400      400
GET    /v1/oauth/callback                                            400  400    400    400    400   400      400

PUT    /v1/apps/{app}/client                                         401  403    403    403    422   422      422
GET    /v1/app-documents                                             401  200    200    200    200   200      200
GET    /v1/app-documents/{id}                                        401  200    200    200    200   200      404
PUT    /v1/app-documents/{id}                                        401  403    403    403    200   200      201
DELETE /v1/app-documents/{id}                                        401  403    403    403    204   204      404
POST   /v1/app-documents/validate                                    401  403    403    403    200   200      200
GET    /v1/app-document-schema                                       200  200    200    200    200   200      200
POST   /v1/oauth/{app}/authorizations                                401  403    403    403    422   422      422
GET    /v1/accounts                                                  401  200    200    200    200   200      200
POST   /v1/accounts                                                  401  403    403    403    201   201      201
GET    /v1/accounts/{id}                                             401  200    200    200    200   200      404
PATCH  /v1/accounts/{id}                                             401  403    403    403    200   200      404
DELETE /v1/accounts/{id}                                             401  403    403    403    409   409      404
POST   /v1/accounts/{id}/test                                        401  403    403    403    200   200      404
GET    /v1/accounts/{id}/objects                                     401  200    200    200    200   200      404
GET    /v1/accounts/{id}/objects/{object}/fields                     401  200    200    200    200   200      404
POST   /v1/accounts/{id}/objects/{object}/fields                     401  403    403    403    422   422      404
DELETE /v1/accounts/{id}/objects/{object}/fields/{field}             401  403    403    403    422   422      404

GET    /v1/connections                                               401  200    200    200    200   200      200
POST   /v1/connections                                               401  403    403    403    201   201      201
POST   /v1/connections/import                                        401  403    403    403    201   201      201
POST   /v1/connections/import/plan                                   401  403    403    403    200   200      200
GET    /v1/connections/{id}                                          401  200    403    200    200   200      404
PUT    /v1/connections/{id}                                          401  403    403    403    200   200      404
PATCH  /v1/connections/{id}                                          401  403    403    403    200   200      404
DELETE /v1/connections/{id}                                          401  403    403    403    202   202      404
GET    /v1/connections/{id}/export                                   401  200    403    200    200   200      404
GET    /v1/connections/{id}/suggestions                              401  200    403    200    200   200      404
POST   /v1/connections/{id}/validate                                 401  403    403    200    200   200      404
POST   /v1/connections/{id}/start                                    401  403    403    403    202   202      404
POST   /v1/connections/{id}/pause                                    401  403    403    403    200   200      404
GET    /v1/connections/{id}/readiness                                401  403    403    200    200   200      404
GET    /v1/connections/{id}/readiness.csv                            401  403    403    200    200   200      404
GET    /v1/connections/{id}/status                                   401  200    403    200    200   200      404
GET    /v1/connections/{id}/webhooks                                 401  403    403    403    200   200      404
POST   /v1/connections/{id}/webhooks/rotate                          401  403    403    403    200   200      404

POST   /v1/connections/{id}/syncs/{sync}/pull                        401  403    403    202    202   202      404
POST   /v1/connections/{id}/syncs/{sync}/resync                      401  403    403    202    202   202      404
POST   /v1/connections/{id}/syncs/{sync}/deletions/confirm           401  403    403    403    202   202      404
POST   /v1/connections/{id}/syncs/{sync}/deletions/discard           401  403    403    403    200   200      404
GET    /v1/connections/{id}/syncs                                    401  200    403    200    200   200      404
PUT    /v1/connections/{id}/syncs                                    401  403    403    403    200   200      404
POST   /v1/connections/{id}/syncs                                    401  403    403    403    201   201      404
GET    /v1/connections/{id}/syncs/{sync}                             401  200    403    200    200   200      404
PUT    /v1/connections/{id}/syncs/{sync}                             401  403    403    403    200   200      404
PATCH  /v1/connections/{id}/syncs/{sync}                             401  403    403    403    200   200      404
DELETE /v1/connections/{id}/syncs/{sync}                             401  403    403    403    204   204      404
GET    /v1/connections/{id}/syncs/{sync}/rules                       401  200    403    200    200   200      404
PUT    /v1/connections/{id}/syncs/{sync}/rules                       401  403    403    403    200   200      404
POST   /v1/connections/{id}/syncs/{sync}/rules                       401  403    403    403    201   201      404
GET    /v1/connections/{id}/syncs/{sync}/rules/{part}                401  200    403    200    200   200      404
PUT    /v1/connections/{id}/syncs/{sync}/rules/{part}                401  403    403    403    200   200      404
PATCH  /v1/connections/{id}/syncs/{sync}/rules/{part}                401  403    403    403    200   200      404
DELETE /v1/connections/{id}/syncs/{sync}/rules/{part}                401  403    403    403    204   204      404
GET    /v1/connections/{id}/syncs/{sync}/mappings                    401  200    403    200    200   200      404
PUT    /v1/connections/{id}/syncs/{sync}/mappings                    401  403    403    403    200   200      404
POST   /v1/connections/{id}/syncs/{sync}/mappings                    401  403    403    403    201   201      404
GET    /v1/connections/{id}/syncs/{sync}/mappings/{part}             401  200    403    200    200   200      404
PUT    /v1/connections/{id}/syncs/{sync}/mappings/{part}             401  403    403    403    200   200      404
PATCH  /v1/connections/{id}/syncs/{sync}/mappings/{part}             401  403    403    403    200   200      404
DELETE /v1/connections/{id}/syncs/{sync}/mappings/{part}             401  403    403    403    204   204      404
GET    /v1/connections/{id}/syncs/{sync}/match                       401  200    403    200    200   200      404
PUT    /v1/connections/{id}/syncs/{sync}/match                       401  403    403    403    200   200      404
PATCH  /v1/connections/{id}/syncs/{sync}/match                       401  403    403    403    200   200      404
GET    /v1/connections/{id}/syncs/{sync}/held                        401  200    403    200    200   200      404
POST   /v1/connections/{id}/syncs/{sync}/held/{mapping}/release      401  403    403    202    202   202      404
POST   /v1/connections/{id}/syncs/{sync}/mappings/{mapping}/changes/confirm 401  403    403    403    202   202      404
POST   /v1/connections/{id}/syncs/{sync}/mappings/{mapping}/changes/discard 401  403    403    403    200   200      404
POST   /v1/connections/{id}/syncs/{sync}/rules/preview               401  403    403    200    200   200      404
POST   /v1/connections/{id}/syncs/{sync}/mappings/preview            401  403    403    200    200   200      404
POST   /v1/connections/{id}/syncs/{sync}/plans                       401  403    403    202    202   202      404
GET    /v1/plans/{id}                                                401  200    403    200    200   200      404
GET    /v1/plans/{id}/changes                                        401  200    403    200    200   200      404
POST   /v1/plans/{id}/apply                                          401  403    403    202    202   202      404
GET    /v1/runs                                                      401  200    200    200    200   200      200
GET    /v1/runs/{id}                                                 401  200    403    200    200   200      404
GET    /v1/runs/{id}/events                                          401  200    403    200    200   200      404
POST   /v1/runs/{id}/cancel                                          401  403    403    200    200   200      404
POST   /v1/runs/{id}/undo                                            401  403    403    202    202   202      404

GET    /v1/connections/{id}/syncs/{sync}/records                     401  200    403    200    200   200      404
GET    /v1/connections/{id}/syncs/{sync}/links.csv                   401  200    403    200    200   200      404
POST   /v1/connections/{id}/syncs/{sync}/links                       401  403    403    202    202   202      404
GET    /v1/connections/{id}/syncs/{sync}/records/{side}/{record}     401  200    403    200    200   200      404
GET    /v1/connections/{id}/syncs/{sync}/records/{side}/{record}/explain  401  200  403  200   200   200      404
POST   /v1/connections/{id}/syncs/{sync}/records/{side}/{record}/sync     401  403  403  202   202   202      404
POST   /v1/connections/{id}/syncs/{sync}/records/{side}/{record}/link     401  403  403  202   202   202      404
POST   /v1/connections/{id}/syncs/{sync}/records/{side}/{record}/unlink   401  403  403  202   202   202      404
POST   /v1/connections/{id}/syncs/{sync}/records/{side}/{record}/resolve  401  403  403  202   202   202      404
POST   /v1/connections/{id}/syncs/{sync}/records/resolve             401  403    403    202    202   202      404
POST   /v1/connections/{id}/syncs/{sync}/records/{side}/{record}/unfreeze 401  403  403  202   202   202      404
GET    /v1/connections/{id}/syncs/{sync}/records/{side}/{record}/history  401  200  403  200   200   200      404
POST   /v1/connections/{id}/syncs/{sync}/records/{side}/{record}/restore  401  403  403  202   202   202      404

GET    /v1/log                                                       401  200    200    200    200   200      200
GET    /v1/log/{id}                                                  401  200    403    200    200   200      404
POST   /v1/log/{id}/retry                                            401  403    403    202    202   202      404
POST   /v1/log/retry                                                 401  403    403    202    202   202      404
GET    /v1/log.csv                                                   401  200    200    200    200   200      200
GET    /v1/dead-letters                                              401  403    200    200    200   200      200
POST   /v1/dead-letters/redrive                                      401  403    403    200    200   200      404

POST   /v1/erasures                                                  401  403    403    403    202   202      202
GET    /v1/erasures                                                  401  403    403    403    200   200      200
GET    /v1/erasures/{id}                                             401  403    403    403    200   200      404
DELETE /v1/erasures/{id}/block                                       401  403    403    403    204   204      404

GET    /v1/alerts                                                    401  200    200    200    200   200      200
POST   /v1/connections/{id}/notify/test                              401  403    403    403    409   409      404
POST   /v1/connections/{id}/notify/secret                            401  403    403    403    201   201      404
GET    /v1/users                                                     401  403    403    403    200   200      200

GET    /v1/usage                                                     401  200    200    200    200   200      200
GET    /v1/workspace                                                 401  200    200    200    200   200      200
PATCH  /v1/workspace                                                 401  403    403    403    200   200      200
GET    /v1/keys                                                      401  403    403    403    200   200      200
POST   /v1/keys                                                      401  403    403    403    201   201      201
POST   /v1/session                                                   401  201    201    201    201   201      201
GET    /v1/session                                                   401  200    200    200    200   200      200
DELETE /v1/session                                                   401  204    204    204    204   204      204
DELETE /v1/keys/{id}                                                 401  403    403    403    204   204      404
GET    /v1/audit                                                     401  403    403    403    200   200      200
GET    /v1/audit/days                                                401  403    403    403    200   200      200
GET    /v1/workspaces                                                401  403    403    403    403   200      403
POST   /v1/workspaces                                                401  403    403    403    403   201      403
`

// readMatrix returns the status of every cell by route and column.
func readMatrix(t *testing.T) map[string]map[string]int {
	t.Helper()
	out := map[string]map[string]int{}
	var columns []string
	for line := range strings.Lines(accessMatrix) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case columns == nil:
			columns = words[1:]
		case len(words) != len(columns)+2:
			t.Fatalf("the line has %d words, want a method, a path and %d answers: %s", len(words), len(columns), line)
		default:
			row := map[string]int{}
			for i, column := range columns {
				if _, err := fmt.Sscan(words[i+2], new(int)); err != nil {
					t.Fatalf("%q is no status: %s", words[i+2], line)
				}
				var status int
				_, _ = fmt.Sscan(words[i+2], &status) // read just now
				row[column] = status
			}
			name := words[0] + " " + words[1]
			if out[name] != nil {
				t.Errorf("%s stands in the matrix twice", name)
			}
			out[name] = row
		}
	}
	return out
}

// lasting are the routes after which the fixture is not what it was.
var lasting = []string{
	"create-connection", "import-connection", "delete-connection", "delete-account", "delete-app-document", "delete-sync", "delete-mapping",
}

// everything is what a surface serves: the calls of the table, and what stands
// beside them.
func everything(s *server) []route {
	out := make([]route, 0, len(s.mux.patterns))
	for _, pattern := range s.mux.patterns {
		if sv, ok := s.routes[pattern]; ok {
			out = append(out, sv.route)
			continue
		}
		method, path, _ := strings.Cut(pattern, " ")
		out = append(out, route{id: pattern, method: method, path: path})
	}
	return out
}

// TestX3_AccessMatrix walks everything that is served with every caller and
// compares the answer with the literal matrix. A new route has no line there:
// write one.
func TestX3_AccessMatrix(t *testing.T) {
	t.Parallel()
	matrix := readMatrix(t)
	served := map[string]bool{}
	f := newFixture(t)
	all := everything(f.server)
	asExpected := 0
	for _, r := range all {
		name := r.method + " " + r.path
		served[name] = true
		row := matrix[name]
		if row == nil {
			t.Errorf("%s has no line in the access matrix: write down what each caller is answered", name)
			continue
		}
		for i, c := range f.callers {
			if slices.Contains(lasting, r.id) && row[c.column] < 400 {
				f = newFixture(t)
			}
			c = f.callers[i]
			f.ready(r)
			got := f.do(r.method, f.target(r), f.body(r), as(c.token), ifMatch("*"))
			if got.status != row[c.column] {
				t.Errorf("%s as %s: got %d, want %d: %s", name, c.name, got.status, row[c.column], got.body)
			} else {
				asExpected++
			}
			if got.status >= http.StatusBadRequest {
				got.problem(t)
			}
			if r.id == "run-events" && got.status == http.StatusOK && got.header.Get("Content-Type") != "text/event-stream" {
				t.Errorf("%s as %s: media type %q", name, c.name, got.header.Get("Content-Type"))
			}
		}
		if slices.Contains(lasting, r.id) {
			f = newFixture(t)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(matrix)) {
		if !served[name] {
			t.Errorf("%s stands in the matrix and is no route", name)
		}
	}
	t.Logf("%d of %d routes x callers", asExpected, len(all)*len(f.callers))
}

// ready makes what a route uses up or waits for.
func (f *fixture) ready(r route) {
	f.t.Helper()
	switch r.id {
	case "delete-key":
		f.keyID = f.must(201, "POST", "/v1/keys", `{"name":"victim","role":"viewer"}`).json(f.t)["id"].(string)
	case "create-rule", "create-mapping", "create-sync": // each caller adds one of that name
		f.do(http.MethodDelete, f.target(r)+"/fresh", "", ifMatch("*"))
	case "delete-rule":
		f.ruled = false
	case "run-events": // a stream ends with its run
		f.engine.mu.Lock()
		defer f.engine.mu.Unlock()
		run := f.engine.runs[f.run]
		run.State, run.Outcomes = engine.RunDone, map[crm.Outcome]int64{}
		f.engine.runs[f.run] = run
	}
}

// TestX3_TheRuleOfConnectionsHoldsForWhatBelongsToThem: a route that belongs to
// a connection and is named with it answers 403 to a member who is kept out.
func TestX3_TheRuleOfConnectionsHoldsForWhatBelongsToThem(t *testing.T) {
	t.Parallel()
	matrix := readMatrix(t)
	for _, r := range routes {
		if !r.scoped || !strings.Contains(r.path, "{id}") {
			continue
		}
		if got := matrix[r.method+" "+r.path]["denied"]; got != http.StatusForbidden {
			t.Errorf("%s lets a member in whom the connection's rule keeps out: %d", r.id, got)
		}
	}
}
