package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/apiclient"
)

// plan takes the poisoned from the people and makes edits of the others.
func plan(all []person, edits, poisoned int) ([]edit, []person) {
	slices.SortFunc(all, func(a, b person) int { return strings.Compare(a.mail, b.mail) })
	return editsOf(all[poisoned:], edits), all[:poisoned]
}

// addresses counts an app's records by e-mail address.
func (a *app) addresses() map[string]int {
	out := map[string]int{}
	for _, r := range a.live() {
		if mail := strings.ToLower(r.Fields[a.fields[mailField]]); mail != "" {
			out[mail]++
		}
	}
	return out
}

// people are the app's records as lines of their mapped fields, sorted.
func (a *app) people() []string {
	var out []string
	for _, r := range a.live() {
		values := make([]string, len(a.fields))
		for i, f := range a.fields {
			values[i] = r.Fields[f]
		}
		out = append(out, strings.Join(values, " | "))
	}
	slices.Sort(out)
	return out
}

// stamp changes when anything in the app does.
func (a *app) stamp() string {
	newest, n := "", 0
	for _, r := range a.core.Records(a.object) {
		newest = max(newest, r.Modified.UTC().Format("2006-01-02T15:04:05.000"))
		n++
	}
	return fmt.Sprint(newest, n)
}

// same compares two values of a mapped field as a person would: telephone
// numbers by what they dial, e-mail addresses without regard to case.
func same(field int, left, right string) bool {
	switch field {
	case mailField:
		return strings.EqualFold(left, right)
	case phoneField:
		return dialled(left) == dialled(right)
	default:
		return left == right
	}
}

func dialled(v string) string {
	if n, err := phonenumbers.Parse(v, "US"); err == nil {
		return phonenumbers.Format(n, phonenumbers.E164)
	}
	return v
}

// judge holds what the apps have in the end against what was typed.
func (r *Run) judge(ctx context.Context) error {
	pairs, err := r.linked(ctx)
	if err != nil {
		return err
	}
	live := [2]map[string]*fakekit.Record{r.apps[0].live(), r.apps[1].live()}
	want := fakekit.Expected(r.People).Linked
	add := func(f Figure) { r.figures = append(r.figures, f) }
	add(figure("pairs linked by the first sync", fmt.Sprint(want), len(r.pairs), len(r.pairs) == want))
	want += 2 * r.Newcomers
	add(figure("pairs linked in the end", fmt.Sprint(want), len(pairs), len(pairs) == want))
	add(none("pairs that differ", r.differences(pairs, live)))
	lost, edits := r.lost(live)
	add(figure("edits typed", fmt.Sprintf(">= %d", 2*r.Edits), edits, edits >= 2*r.Edits))
	add(none("of them lost", lost))
	missing, doubled := r.everybody()
	add(none("people lost", missing))
	add(none("people doubled", doubled))
	if err := r.judgeDead(ctx, add); err != nil {
		return err
	}
	d, err := r.Deployment.Depth(ctx)
	if err != nil {
		return err
	}
	add(figure("dead letters of the queue in the end", "0", d.Dead, d.Dead == 0))
	if r.Share > 0 {
		events, twice, late := 0, 0, 0
		for _, a := range r.apps {
			_, n, again, behind := a.sent()
			events, twice, late = events+n, twice+again, late+behind
		}
		add(r.share("webhook events out of order, %", late, events))
		add(r.share("webhook events that came twice, %", twice, events))
	}
	return nil
}

// share is a figure that must reach Share.
func (r *Run) share(goal string, n, of int) Figure {
	return figure(goal, fmt.Sprintf(">= %.0f", 100*r.Share), 100*n/max(of, 1), of > 0 && float64(n) >= r.Share*float64(of))
}

// judgeDead looks at the dead items: one at least of every poisoned record, none
// of anybody else, and none any more.
func (r *Run) judgeDead(ctx context.Context, add func(Figure)) error {
	planted := map[string]string{} // ID to e-mail
	for _, p := range r.poisoned {
		planted[p.ids[0]], planted[p.ids[1]] = p.mail, p.mail
	}
	given := map[string]bool{}
	var strangers []string
	for _, d := range r.dead {
		for _, id := range d.Records {
			if planted[string(id)] == "" {
				strangers = append(strangers, fmt.Sprintf("%s %s: %s", d.Side, id, d.Code))
			}
			given[planted[string(id)]] = true
		}
	}
	delete(given, "")
	add(figure("unreadable records that became dead items", fmt.Sprint(len(r.poisoned)), len(given),
		len(given) == len(r.poisoned)))
	add(none("dead items of other records", strangers))
	add(figure("dead items sent again by POST /v1/dead-letters/redrive", fmt.Sprint(len(r.dead)), r.redriven,
		r.redriven == len(r.dead)))
	left, err := apiclient.List[engine.DeadItem](ctx, &r.api, "/v1/dead-letters")
	add(figure("dead items in the end", "0", len(left), len(left) == 0))
	return err
}

// differences compares linked pairs by what the apps themselves hold.
func (r *Run) differences(pairs map[string]string, live [2]map[string]*fakekit.Record) []string {
	var out []string
	for _, l := range slices.Sorted(maps.Keys(pairs)) {
		a, b := live[0][l], live[1][pairs[l]]
		if a == nil || b == nil {
			out = append(out, fmt.Sprintf("%s and %s: one is missing", l, pairs[l]))
			continue
		}
		for f := range fields[0] {
			if !same(f, a.Fields[fields[0][f]], b.Fields[fields[1][f]]) {
				out = append(out, fmt.Sprintf("%s and %s in %s", l, pairs[l], fields[0][f]))
			}
		}
	}
	return out
}

// lost lists the edits that are not on both sides, and counts all.
func (r *Run) lost(live [2]map[string]*fakekit.Record) (lost []string, edits int) {
	type cell struct {
		mail  string
		field int
	}
	last := map[cell]edit{}
	for _, e := range r.edits {
		last[cell{e.who.mail, e.field}] = e
	}
	for _, e := range r.edits {
		if last[cell{e.who.mail, e.field}] != e {
			continue // typed over since
		}
		for side := range r.apps {
			rec := live[side][e.who.ids[side]]
			if rec == nil || !same(e.field, rec.Fields[fields[side][e.field]], e.value) {
				lost = append(lost, fmt.Sprintf("%s of %s, typed on side %d, on side %d", fields[0][e.field], e.who.ids[0], e.side,
					side))
			}
		}
	}
	return lost, len(r.edits)
}

// everybody makes sure that everybody who may be synced is in both apps, once.
func (r *Run) everybody() (missing, doubled []string) {
	after := [2]map[string]int{r.apps[0].addresses(), r.apps[1].addresses()}
	before := [2]map[string]int{maps.Clone(r.before[0]), maps.Clone(r.before[1])}
	for side := range r.apps {
		for _, f := range newcomers(side, r.Newcomers) {
			before[side][f[fields[side][mailField]]]++
		}
	}
	for i := range before {
		for _, mail := range slices.Sorted(maps.Keys(before[i])) {
			planted := before[0][mail] > 1 || before[1][mail] > 1 // doubles that are to stay as they are
			for j, a := range r.apps {
				want, got := 1, after[j][mail]
				if planted {
					want = before[j][mail]
				}
				switch {
				case got < want:
					missing = append(missing, fmt.Sprintf("one in %s", a.name))
				case got > want:
					doubled = append(doubled, fmt.Sprintf("one in %s, %d times", a.name, got))
				}
			}
		}
	}
	return missing, doubled
}

// none is a figure that must be 0; a few examples stand behind it otherwise.
func none(goal string, examples []string) Figure {
	measured := fmt.Sprint(len(examples))
	if len(examples) > 0 {
		measured += " (" + strings.Join(examples[:min(len(examples), 3)], "; ") + ")"
	}
	return Figure{Goal: goal, Target: "0", Measured: measured, Pass: len(examples) == 0}
}

// happened says what the apps saw.
func (r *Run) happened() []string {
	var out []string
	for _, a := range r.apps {
		_, events, twice, late := a.sent()
		calls := a.core.Requests()
		writes := 0
		for at, n := range calls.ByEndpoint {
			if !strings.HasPrefix(at, http.MethodGet) && !strings.HasSuffix(at, "/search") &&
				!strings.HasSuffix(at, "/batch/read") {
				writes += n
			}
		}
		out = append(out, fmt.Sprintf(
			"%-10s %5d calls, %d of them writes, %d answered with nonsense; %d webhook events, %d twice, %d late",
			a.name, calls.Total, writes, a.poison.spoiled(), events, twice, late))
	}
	return out
}
