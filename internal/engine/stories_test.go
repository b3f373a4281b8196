package engine_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// TestScenariosAreToldAsWritten plays every scenario and demands that the log,
// the runs, the status and the explanations say, letter for letter, what
// testdata/stories says. Whatever changes there is seen by an admin, or costs
// other calls: -update writes it anew, and the review reads the difference.
func TestScenariosAreToldAsWritten(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, sc := range slices.Concat(scenarios(), deeds()) {
		if names[sc.name] {
			t.Fatalf("two scenarios are called %q", sc.name)
		}
		names[sc.name] = true
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			b := newCrashBed(t, -1, dieBefore, sc.change, sc.options)
			sc.playOn(b)
			written.Check(t, "stories/"+storyFile.Replace(sc.name)+".txt", b.story())
		})
	}
	files, err := filepath.Glob("testdata/stories/*.txt")
	if err != nil || len(files) != len(names) && !written.Updating() {
		t.Errorf("%d stories of %d scenarios, %v", len(files), len(names), err)
	}
}

var storyFile = strings.NewReplacer(", ", "-", " ", "-", "'", "")

// TestScenariosCostAsWritten: what each scenario asks of the apps, the store and
// the queue. A change that costs more, or less, says so here.
func TestScenariosCostAsWritten(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for _, sc := range slices.Concat(scenarios(), deeds()) {
		b := newCrashBed(t, -1, dieBefore, sc.change, sc.options)
		sc.playOn(b)
		fmt.Fprintf(&out, "%s: calls %d+%d, requests of the changed part %v, all items %+v\n", sc.name, b.apps[0].Calls(),
			b.apps[1].Calls(), b.seen, b.store.Counts())
	}
	written.Check(t, "costs.txt", out.String())
}

// story is all that an admin can see, with the values of time and the IDs as
// they came up.
func (b *crashBed) story() string {
	ctx, ws := b.t.Context(), testbed.Workspace
	var out []string
	say := func(what string, v any, err error) {
		if err != nil {
			v = fault.CodeOf(err)
		}
		out = append(out, what+" "+flat(b.t, v))
	}
	out = append(out, b.notes...)
	for _, page := range paged(b, func(cursor string) ([]engine.Run, string, error) {
		return b.eng.ListRuns(ctx, ws, testbed.Connection, 2, cursor)
	}) {
		say("run", page, nil)
	}
	for _, e := range paged(b, func(cursor string) ([]engine.Entry, string, error) {
		return b.eng.ListLog(ctx, ws, engine.LogFilter{Connection: testbed.Connection}, 3, cursor)
	}) {
		if len(out) < 60 {
			say("log", e, nil)
		}
	}
	status, err := b.eng.Status(ctx, ws, testbed.Connection)
	say("status", status, err)
	waits, err := b.eng.AccountWaits(ctx, ws)
	say("accounts", waits, err)
	dead, _, err := b.eng.ListDead(ctx, ws, testbed.Connection, 10, "")
	say("dead", dead, err)
	known := paged(b, func(cursor string) ([]engine.RecordView, string, error) {
		return b.eng.ListRecords(ctx, ws, testbed.Connection, testbed.Contacts, engine.RecordFilter{}, 2, cursor)
	})
	for _, r := range known {
		if len(b.apps[0].Rows()) > 20 { // a crowd's are alike
			break
		}
		one, err := b.eng.GetRecord(ctx, ws, testbed.Connection, testbed.Contacts, r.Side, r.ID)
		one.History = nil // the log has it
		say("record", one, err)
		why, err := b.eng.Explain(ctx, ws, testbed.Connection, testbed.Contacts, r.Side, r.ID)
		say("because", why, err)
	}
	for i, app := range b.apps {
		out = append(out, fmt.Sprintf("calls of the %s app: %d", crm.Sides[i], app.Calls()))
		for k, r := range app.Rows() {
			if k < 20 {
				say(string(crm.Sides[i]), r, nil)
			}
		}
	}
	out = append(out, fmt.Sprintf("came by %q", sortedKeys(b.marks)))
	return b.relative(strings.Join(out, "\n")) + "\n"
}

// paged reads a list to its end, a few at a time, and again what failed.
func paged[T any](b *crashBed, read func(cursor string) ([]T, string, error)) (all []T) {
	b.t.Helper()
	for cursor := ""; ; {
		page, next, err := read(cursor)
		if err != nil {
			page, next, err = read(cursor)
		}
		if err != nil {
			b.t.Fatal(err)
		}
		all = append(all, page...)
		if cursor = next; cursor == "" {
			return all
		}
	}
}

// note keeps what a call answered for the story.
func (b *crashBed) note(what string, v any, err error) {
	b.t.Helper()
	if err != nil {
		v = fault.CodeOf(err)
	}
	b.notes = append(b.notes, what+" "+flat(b.t, v))
}

var (
	momentText = regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	idText     = regexp.MustCompile(`\b(([a-z]{3})_\d{8,}|(log)_[a-z0-9~.]+)\b`)
	digestText = regexp.MustCompile(`\b[0-9a-f]{16,64}\b`)
	revision   = regexp.MustCompile(` r:[0-9a-f]{12}\b`) // of a mapping, in each base
)

// relative writes moments as they lie after the beginning, and IDs in the order in
// which they are told: a new item of another kind changes no story.
func (b *crashBed) relative(story string) string {
	begin := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	story = momentText.ReplaceAllStringFunc(story, func(s string) string {
		at, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			b.t.Fatal(err)
		}
		return "+" + at.Sub(begin).String()
	})
	story = revision.ReplaceAllString(story, "")
	seen := map[string]string{}
	count := map[string]int{}
	number := func(kind, s string) string {
		if seen[s] == "" {
			count[kind]++
			seen[s] = fmt.Sprintf("%s#%d", kind, count[kind])
		}
		return seen[s]
	}
	story = idText.ReplaceAllStringFunc(story, func(s string) string {
		kind, _, _ := strings.Cut(s, "_")
		return number(kind, s)
	})
	return digestText.ReplaceAllStringFunc(story, func(s string) string { return number("digest", s) })
}

// flat writes a value on one line, its keys in order, without what is empty and
// without what is the same in every story.
func flat(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var decoded any
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if err := d.Decode(&decoded); err != nil {
		t.Fatal(err)
	}
	return onOneLine(decoded)
}

func onOneLine(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if text := onOneLine(v[k]); !slices.Contains([]string{"", "{}", "[]", `""`, "0", "false"}, text) &&
				k != "connection" && !(k == "sync" && text == "contacts") {
				parts = append(parts, k+":"+text)
			}
		}
		return "{" + strings.Join(parts, " ") + "}"
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = onOneLine(v[i])
		}
		return "[" + strings.Join(parts, " ") + "]"
	case string:
		if strings.ContainsAny(v, " {}[]:") && !momentText.MatchString(v) || v == "" {
			return fmt.Sprintf("%q", v)
		}
		return v
	case nil:
		return ""
	}
	return fmt.Sprint(v)
}
