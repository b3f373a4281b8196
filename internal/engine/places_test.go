package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// The tests of places let one request fail of each that a call in the engine
// leads to, wherever it stands among its kind, and write down what differs from
// the undisturbed course: what was asked in all, what was logged, and what people
// are told. An error that somebody on its way up takes for none shows here.
func TestEveryPlaceMayFail_Edits(t *testing.T)    { t.Parallel(); placed(t, "edits") }
func TestEveryPlaceMayFail_Refused(t *testing.T)  { t.Parallel(); placed(t, "specials-0") }
func TestEveryPlaceMayFail_Begin(t *testing.T)    { t.Parallel(); placed(t, "specials-1") }
func TestEveryPlaceMayFail_Gone(t *testing.T)     { t.Parallel(); placed(t, "specials-2") }
func TestEveryPlaceMayFail_Rest(t *testing.T)     { t.Parallel(); placed(t, "specials-3") }
func TestEveryPlaceMayFail_Plans(t *testing.T)    { t.Parallel(); placed(t, "plans") }
func TestEveryPlaceMayFail_ByHand(t *testing.T)   { t.Parallel(); placed(t, "by-hand") }
func TestEveryPlaceMayFail_Away(t *testing.T)     { t.Parallel(); placed(t, "away") }
func TestEveryPlaceMayFail_Rights(t *testing.T)   { t.Parallel(); placed(t, "rights") }
func TestEveryPlaceMayFail_Outages(t *testing.T)  { t.Parallel(); placed(t, "outages") }
func TestEveryPlaceMayFail_Left(t *testing.T)     { t.Parallel(); placed(t, "left-overs") }
func TestEveryPlaceMayFail_Settings(t *testing.T) { t.Parallel(); placed(t, "settings") }

func placed(t *testing.T, name string) {
	t.Helper()
	singleFile(t)
	groups := struckGroups()
	groups["rights"], groups["outages"], groups["left-overs"] = rightTroubles(), outageTroubles(), leftTroubles()
	groups["settings"] = otherSettings()
	group := groups[name]
	if len(group) == 0 {
		t.Fatalf("there is no group %q", name)
	}
	var out strings.Builder
	met := map[[2]frame]bool{}
	for i := range group {
		group[i].placed(t, &out, met)
	}
	written.Check(t, "places/"+name+".txt", out.String())
}

func (sc *scenario) placed(t *testing.T, out *strings.Builder, met map[[2]frame]bool) {
	t.Helper()
	plain := newCrashBed(t, -1, failOnce, sc.change, sc.options)
	plain.trailed, plain.hooked = true, true
	sc.playOn(plain)
	want := plain.wholeCourse()
	fmt.Fprintf(out, "%s: %s\n", sc.name, want)
	named := map[string]int{}
	for i := range plain.trail {
		r := &plain.trail[i]
		if !r.fresh(met) {
			continue
		}
		b := newCrashBed(t, -1, failOnce, sc.change, sc.options)
		b.what, b.nth, b.hooked = r.what, r.nth, true
		sc.playOn(b)
		name := r.what + " by " + r.by()
		if named[name]++; named[name] > 1 {
			name += fmt.Sprintf(" (%d)", named[name])
		}
		fmt.Fprintf(out, "  %s: %s\n", name, differ(want, b.wholeCourse()))
	}
}

// wholeCourse is the course with what was logged, and how much was asked for.
func (b *crashBed) wholeCourse() string {
	words := []string{b.course(), fmt.Sprintf("asked %d", b.count)}
	for _, what := range sortedKeys(b.said) {
		words = append(words, fmt.Sprintf("logged %d %s", b.said[what], what))
	}
	return strings.Join(words, ", ")
}

// diary is what a bed's engine logs.
type diary struct{ b *crashBed }

func (d *diary) Enabled(context.Context, slog.Level) bool { return true }
func (d *diary) WithAttrs([]slog.Attr) slog.Handler       { return d }
func (d *diary) WithGroup(string) slog.Handler            { return d }

func (d *diary) Handle(_ context.Context, r slog.Record) error {
	text := fmt.Sprintf("%s %q", r.Level, r.Message)
	r.Attrs(func(a slog.Attr) bool {
		if slices.Contains([]string{"code", "side", "kind", "state", "direction"}, a.Key) {
			text += " " + a.Value.String()
		}
		return true
	})
	d.b.mu.Lock()
	defer d.b.mu.Unlock()
	d.b.said[text]++
	return nil
}

// request is one that a scenario made: what it is, its place among those, and
// the calls within the engine that led to it, the innermost first.
type request struct {
	what   string
	nth    int
	frames []frame
}

type frame struct {
	function string
	line     int
}

// by names the function that made a request, and the one that asked for it.
func (r *request) by() string {
	var names []string
	for _, f := range r.frames {
		if name := f.function; !slices.Contains(names, name) && len(names) < 2 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " of ")
}

// fresh reports whether a request comes by a call that none before came by, and
// notes its calls.
func (r *request) fresh(met map[[2]frame]bool) (fresh bool) {
	last := frame{function: r.what}
	for _, f := range r.frames {
		fresh = fresh || !met[[2]frame{last, f}]
		met[[2]frame{last, f}] = true
		last = f
	}
	return fresh
}

var closure = regexp.MustCompile(`\.func[\d.]+|-range\d+`)

// engineFrames are the calls within the engine that are under way.
func engineFrames() (out []frame) {
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers)])
	for {
		f, more := frames.Next()
		if _, name, ok := strings.Cut(f.Function, "internal/engine."); ok {
			name = strings.NewReplacer("(*", "", ")", "", "[...]", "").Replace(closure.ReplaceAllString(name, ""))
			out = append(out, frame{name, f.Line})
		}
		if !more {
			return out
		}
	}
}
