package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// TestBoundsAreAsWritten: every bound that the published document sets is in
// testdata, so that a review sees what clients may send no longer, or may now.
func TestBoundsAreAsWritten(t *testing.T) {
	t.Parallel()
	text, err := Document("test")
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	bounds := strings.Fields("maxItems minItems maxLength minLength minimum maximum maxProperties minProperties " +
		"pattern enum required additionalProperties format")
	var out strings.Builder
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				_, inside := v[k].(map[string]any)
				switch {
				case k == "responses":
				case slices.Contains(bounds, k) && !inside && !strings.HasSuffix(at, "/properties"):
					value, _ := json.Marshal(v[k]) // it came from JSON
					fmt.Fprintf(&out, "%s %s %s\n", at, k, value)
				default:
					walk(at+"/"+k, v[k])
				}
			}
		case []any:
			for i := range v {
				walk(at+"/"+strconv.Itoa(i), v[i])
			}
		}
	}
	walk("", map[string]any{"paths": doc["paths"], "schemas": doc["components"].(map[string]any)["schemas"]})
	written.Check(t, "decided/bounds.txt", out.String())
}

// combinations calls do with one of each list, in every combination.
func combinations(lists [][]string, do func(picked []string)) {
	if len(lists) == 0 {
		do(nil)
		return
	}
	for _, word := range lists[0] {
		combinations(lists[1:], func(rest []string) { do(append([]string{word}, rest...)) })
	}
}

var directions = map[string]crm.Direction{
	"both ways": crm.DirectionBoth, "to the right": crm.DirectionToRight, "to the left": crm.DirectionToLeft,
	"off": crm.DirectionOff,
}

var switches = map[string]*bool{"on": nil, "switched on": new(true), "switched off": new(false)}

// TestWarningsOfMappings: what is warned of is in testdata, for fields of every
// kind on either side.
func TestWarningsOfMappings(t *testing.T) {
	t.Parallel()
	fields := map[string]crm.Field{
		"text":        {Name: "text", Type: crm.TypeText},
		"number":      {Name: "number", Type: crm.TypeNumber},
		"read-only":   {Name: "read-only", Type: crm.TypeDate, ReadOnly: true},
		"option":      {Name: "option", Type: crm.TypeOption, Options: []crm.Option{{Value: "a"}}},
		"options":     {Name: "options", Type: crm.TypeOptions, Options: []crm.Option{{Value: "a"}}},
		"open option": {Name: "open option", Type: crm.TypeOption, OpenOptions: true, Options: []crm.Option{{Value: "a"}}},
		"no options":  {Name: "no options", Type: crm.TypeOption},
		"password":    {Name: "password", Type: crm.TypeText},
		"labelled":    {Name: "labelled", Label: "Your Password", Type: crm.TypeText},
	}
	var all []crm.Field
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		all = append(all, fields[name])
	}
	names := append(slices.Sorted(maps.Keys(fields)), "unknown", "text and number")
	var out strings.Builder
	combinations([][]string{
		{"on", "switched on", "switched off"},
		{"both ways", "to the right", "to the left", "off"},
		names, names,
	}, func(p []string) {
		m := crm.Mapping{
			ID: "m", Enabled: switches[p[0]], Direction: directions[p[1]],
			Left: strings.Split(p[2], " and "), Right: strings.Split(p[3], " and "),
		}
		var said []string
		for _, w := range mappingWarnings(&m, "/at", [2][]crm.Field{all, all}) {
			said = append(said, w.Pointer+" "+w.Code)
		}
		if said != nil {
			fmt.Fprintf(&out, "%s: %s\n", strings.Join(p, ", "), strings.Join(said, "; "))
		}
	})
	written.Check(t, "decided/warnings.txt", out.String())
}

// TestIdentitiesAgainstMappings: which steps and mappings do not go together is in
// testdata.
func TestIdentitiesAgainstMappings(t *testing.T) {
	t.Parallel()
	steps := map[string]crm.MatchStep{
		"by an ID on both sides":    {By: crm.MatchByID, Left: "l", Right: "R"},
		"by an ID on the left":      {By: crm.MatchByID, Left: "l", Right: idOfRecord},
		"by an ID on the right":     {By: crm.MatchByID, Left: idOfRecord, Right: "R"},
		"by an ID on nothing":       {By: crm.MatchByID, Left: "l"},
		"by a key":                  {By: crm.MatchByAnyKey, Pairs: [][2]string{{"l", "R"}}},
		"by a key and its opposite": {By: crm.MatchByAllKeys, Pairs: [][2]string{{"l", "R"}, {"x", "Y"}}},
	}
	sides := map[string][2][]string{
		"of the pair": {{"l"}, {"R"}}, "of the left one": {{"l", "m"}, {"Q"}}, "of the right one": {{"q"}, {"M", "R"}},
		"of others": {{"q"}, {"Q"}},
	}
	second := map[string]*crm.Mapping{
		"alone":                        nil,
		"beside the pair":              {ID: "2", Left: []string{"l"}, Right: []string{"R"}, Direction: crm.DirectionBoth},
		"beside the pair, which rests": {ID: "2", Left: []string{"l"}, Right: []string{"R"}, Direction: crm.DirectionOff},
	}
	var out strings.Builder
	lists := [][]string{
		slices.Sorted(maps.Keys(steps)),
		{"on", "switched off"},
		{"both ways", "to the right", "to the left", "off"},
		slices.Sorted(maps.Keys(sides)), slices.Sorted(maps.Keys(second)),
	}
	combinations(lists, func(p []string) {
		m := crm.Mapping{
			ID: "1", Enabled: switches[p[1]], Direction: directions[p[2]], Left: sides[p[3]][0], Right: sides[p[3]][1],
		}
		s := &crm.Sync{ID: "s", Match: crm.SameMatch(steps[p[0]]), Mappings: []crm.Mapping{m}}
		if other := second[p[4]]; other != nil {
			s.Mappings = append(s.Mappings, *other)
		}
		v := &validation{c: &crm.Connection{Syncs: []crm.Sync{*s}}}
		v.identities(s, "")
		var said []string
		for _, problem := range v.problems {
			said = append(said, problem.Pointer+" "+problem.Code)
		}
		if said != nil {
			fmt.Fprintf(&out, "%s: %s\n", strings.Join(p, ", "), strings.Join(said, "; "))
		}
	})
	written.Check(t, "decided/identities.txt", out.String())
}

// TestKeysThatAPatchRemoves: a patch may take away what the schema knows, wherever
// it stands; other keys are told, and what is open is not looked into.
func TestKeysThatAPatchRemoves(t *testing.T) {
	t.Parallel()
	r := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	leaf := &huma.Schema{
		Type: huma.TypeObject, Properties: map[string]*huma.Schema{"x": {Type: huma.TypeString}},
		AdditionalProperties: false,
	}
	root := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false, Properties: map[string]*huma.Schema{
		"leaf":   leaf,
		"either": {AnyOf: []*huma.Schema{{Type: huma.TypeArray}, leaf}},
		"by":     {Type: huma.TypeObject, AdditionalProperties: leaf},
		"named":  {Type: huma.TypeObject, Properties: map[string]*huma.Schema{"a": {}}, AdditionalProperties: leaf},
		"open":   {Type: huma.TypeObject, Properties: map[string]*huma.Schema{"a": {}}, AdditionalProperties: true},
		"free":   {Type: huma.TypeObject},
		"text":   {Type: huma.TypeString},
		"lost":   {Ref: "#/components/schemas/Lost"},
	}}
	for patch, want := range map[string]string{
		`{"leaf":null,"either":null,"by":null,"free":null}`: "",
		`{"nothing":null}`:              "/nothing",
		`{"nothing":1}`:                 "", // what is set is looked at when the document is whole
		`{"a/b":null,"c~d":null}`:       "/a~1b /c~0d",
		`{"leaf":{"x":null}}`:           "",
		`{"leaf":{"y":null,"z":null}}`:  "/leaf/y /leaf/z",
		`{"leaf":{"y":{}}}`:             "",
		`{"leaf":[{"y":null}]}`:         "",
		`{"either":{"x":null}}`:         "",
		`{"either":{"y":null}}`:         "/either/y",
		`{"by":{"any":null}}`:           "",
		`{"by":{"any":{"x":null}}}`:     "",
		`{"by":{"any":{"y":null}}}`:     "/by/any/y",
		`{"named":{"a":null,"b":null}}`: "",
		`{"named":{"a":{"y":null}}}`:    "",
		`{"named":{"b":{"y":null}}}`:    "/named/b/y",
		`{"open":{"b":null}}`:           "",
		`{"free":{"b":null}}`:           "",
		`{"text":{"b":null}}`:           "",
		`{"lost":{"b":null}}`:           "",
		`[{"nothing":null}]`:            "",
	} {
		var doc any
		if err := json.Unmarshal([]byte(patch), &doc); err != nil {
			t.Fatal(err)
		}
		var got []string
		if p := checkRemovals(r, root, doc); p != nil {
			for _, e := range p.Errors {
				got = append(got, e.Pointer)
			}
			if p.Status != 400 || p.Code != CodeUnknownKey {
				t.Errorf("%s: %d %s", patch, p.Status, p.Code)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", patch, got, want)
		}
	}
}

// TestFieldsWhileTheAppIsAway: fields are five minutes old at most; older ones are
// shown only while the app is away, and never to who asked for new ones.
func TestFieldsWhileTheAppIsAway(t *testing.T) {
	t.Parallel()
	kinds := []fault.Kind{fault.Throttled, fault.Unavailable, fault.Denied, fault.NotFound}
	for _, kind := range kinds {
		for _, cached := range []bool{false, true} {
			for _, refresh := range []bool{false, true} {
				for _, older := range []bool{false, true} {
					w := newWorld(t)
					w.accounts()
					get := func() ([]crm.Field, error) {
						return w.server.fields(t.Context(), DefaultWorkspace, w.left, "contacts", refresh)
					}
					if cached {
						if _, err := get(); err != nil {
							t.Fatal(err)
						}
						w.clock.Advance(fieldsFresh)
					}
					w.engine.requests.Store(0)
					w.engine.failAt, w.engine.fails = 1, fault.New("test: fields", kind, "", "")
					w.down.Store(!older)
					got, err := get()
					away := kind == fault.Throttled || kind == fault.Unavailable
					shown := !refresh && away && (cached || older)
					if (err == nil) != shown || shown != (len(got) > 0) || !shown && !fault.Is(err, kind) {
						t.Errorf("%s, cached %t, refresh %t, older ones %t: %d fields, %v", kind, cached, refresh, older, len(got), err)
					}
				}
			}
		}
	}
	w := newWorld(t)
	w.accounts()
	asked := func(after time.Duration, refresh bool) int64 {
		w.clock.Advance(after)
		w.engine.requests.Store(0)
		if _, err := w.server.fields(t.Context(), DefaultWorkspace, w.left, "contacts", refresh); err != nil {
			t.Fatal(err)
		}
		return w.engine.requests.Load()
	}
	got := []int64{
		asked(0, false), asked(0, false), asked(0, true), asked(fieldsFresh-1, false), asked(1, false),
		asked(0, false),
	}
	if diff := cmp.Diff([]int64{1, 0, 1, 0, 1, 0}, got); diff != "" {
		t.Errorf("requests to the engine (-want +got)\n%s", diff)
	}
}
