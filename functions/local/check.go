package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/apiclient"
)

// settleTime is how long the echoes of our own writes may take.
const settleTime = 2 * time.Minute

// editTime is how long an edit may take from one app to the other by webhook.
const editTime = 3 * time.Second

// quiet waits until nothing is under way.
func (d *demo) quiet(ctx context.Context) (engine.SyncStatus, error) {
	var status struct {
		Syncs []engine.SyncStatus `json:"syncs"`
	}
	err := until(ctx, settleTime, "coming to rest", func(ctx context.Context) (bool, error) {
		status.Syncs = nil // what an answer leaves out must not stay from the one before
		err := d.api.Call(ctx, http.MethodGet, d.path("/status"), nil, &status)
		if err != nil || len(status.Syncs) != 1 {
			return false, err
		}
		s := status.Syncs[0]
		return s.Backlog == 0 && s.Parked == 0 && s.OpenRun == "", nil
	})
	if err != nil || len(status.Syncs) != 1 {
		return engine.SyncStatus{}, err
	}
	return status.Syncs[0], nil
}

// verify prints the final table and holds it against what the apps hold.
func (d *demo) verify(ctx context.Context) error {
	status, err := d.quiet(ctx)
	if err != nil {
		return err
	}
	var now [2]people
	for i, f := range d.fakes {
		if now[i], err = dump(ctx, f.url, f.kind.Objects); err != nil {
			return err
		}
	}
	d.table(status, now)
	pairs, err := d.linked(ctx)
	if err != nil {
		return err
	}
	errs := []error{d.checkCounts(status, now), d.checkPairs(pairs, now), d.checkEverybody(now)}
	left, err := d.checkUnwritten(ctx, now)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	d.screen.say("Checked against both apps' own dumps: the counts add up; %s linked pairs agree in all %d fields;",
		number(int64(len(pairs))), len(d.sync.Mappings))
	d.screen.say("everybody with an e-mail address who is nobody's double is in both; %s others were not written.",
		number(int64(left)))
	return nil
}

// table prints counts per state and side, and what each app holds.
func (d *demo) table(status engine.SyncStatus, now [2]people) {
	d.screen.say("\n%-12s %12s %12s", "", d.fakes[0].kind.name, d.fakes[1].kind.name)
	var sums [2]int64
	for _, state := range crm.States {
		l, r := status.States.Left[state], status.States.Right[state]
		sums[0], sums[1] = sums[0]+l, sums[1]+r
		if l+r > 0 || state == crm.StateInSync {
			d.screen.say("%-12s %12s %12s", state, number(l), number(r))
		}
	}
	d.screen.say("%-12s %12s %12s", "sum", number(sums[0]), number(sums[1]))
	d.screen.say("%-12s %12s %12s", "in the app", number(int64(len(now[0]))), number(int64(len(now[1]))))
}

// checkCounts holds the states against what the fakes were seeded with.
func (d *demo) checkCounts(status engine.SyncStatus, now [2]people) error {
	e := fakekit.Expected(d.people)
	var errs []error
	for i, side := range crm.Sides {
		want := map[crm.State]int64{
			crm.StateInSync: int64(e.Linked), crm.StateExcluded: int64(e.NoEmail[i]), crm.StateDuplicate: 0,
		}
		if side == crm.Right {
			want[crm.StateDuplicate] = int64(e.DuplicateMembers)
		}
		got := status.States.Get(side)
		sum := int64(0)
		for _, state := range crm.States {
			sum += got[state]
			if got[state] != want[state] {
				errs = append(errs, fmt.Errorf("%s: %d records are %s, not %d", side, got[state], state, want[state]))
			}
		}
		if sum != int64(len(now[i])) || len(now[i]) != e.After[i] {
			errs = append(errs, fmt.Errorf("%s: the states sum up to %d, the app holds %d, it should hold %d", side, sum,
				len(now[i]), e.After[i]))
		}
	}
	return errors.Join(errs...)
}

// linked lists the pairs: left ID to right ID.
func (d *demo) linked(ctx context.Context) (map[crm.RecordID]crm.RecordID, error) {
	pairs := map[crm.RecordID]crm.RecordID{}
	err := apiclient.Each(ctx, d.api, d.syncPath("/records?state=in_sync"), func(v engine.RecordView) error {
		l, r := v.ID, v.Partner
		if v.Side == crm.Right {
			l, r = r, l
		}
		if _, twice := pairs[l]; twice || l == "" || r == "" {
			return fmt.Errorf("the pair %q and %q is listed twice or lacks an end", l, r)
		}
		pairs[l] = r
		return nil
	})
	return pairs, err
}

// checkPairs compares every linked pair field by field.
func (d *demo) checkPairs(pairs map[crm.RecordID]crm.RecordID, now [2]people) error {
	var errs []error
	if want := fakekit.Expected(d.people).Linked; len(pairs) != want {
		errs = append(errs, fmt.Errorf("%d pairs are linked, not %d", len(pairs), want))
	}
	rights := map[crm.RecordID]bool{}
	for _, l := range slices.Sorted(maps.Keys(pairs)) {
		r := pairs[l]
		a, aok := now[0][l]
		b, bok := now[1][r]
		switch differ := unlike(d.sync.Mappings, d.conn.Country, a, b); {
		case !aok || !bok:
			errs = append(errs, fmt.Errorf("the pair %s and %s is linked, but not in both apps", l, r))
		case rights[r]:
			errs = append(errs, fmt.Errorf("%s is linked twice", r))
		case differ != nil:
			errs = append(errs, fmt.Errorf("the pair %s and %s differs in %v", l, r, differ))
		}
		rights[r] = true
	}
	return some(errs)
}

// some keeps the first errors of many.
func some(errs []error) error {
	const most = 5
	if len(errs) > most {
		errs = append(errs[:most:most], fmt.Errorf("and %d more", len(errs)-most))
	}
	return errors.Join(errs...)
}

// addresses counts an app's records by e-mail address.
func (d *demo) addresses(side int, all people) map[string]int {
	field := [2]string{"email", "Email"}[side]
	out := map[string]int{}
	for _, fields := range all {
		if mail := strings.ToLower(fields[field]); mail != "" {
			out[mail]++
		}
	}
	return out
}

// checkEverybody makes sure that everybody who may be synced is in both apps,
// once.
func (d *demo) checkEverybody(now [2]people) error {
	before := [2]map[string]int{d.addresses(0, d.before[0]), d.addresses(1, d.before[1])}
	after := [2]map[string]int{d.addresses(0, now[0]), d.addresses(1, now[1])}
	var errs []error
	for i := range after {
		for _, mail := range slices.Sorted(maps.Keys(before[i])) {
			double := before[0][mail] > 1 || before[1][mail] > 1
			for j := range after {
				want := 1
				if double {
					want = before[j][mail]
				}
				if after[j][mail] != want {
					errs = append(errs, fmt.Errorf("somebody is in %s %d times, not %d", d.fakes[j].kind.name, after[j][mail], want))
				}
			}
		}
	}
	return some(errs)
}

// checkUnwritten makes sure that records which are left out were not touched,
// and returns how many there are.
func (d *demo) checkUnwritten(ctx context.Context, now [2]people) (n int, err error) {
	var errs []error
	for _, state := range []crm.State{crm.StateExcluded, crm.StateDuplicate} {
		err := apiclient.Each(ctx, d.api, d.syncPath("/records?state="+string(state)), func(v engine.RecordView) error {
			n++
			i := v.Side.Index()
			if !maps.Equal(d.before[i][v.ID], now[i][v.ID]) {
				errs = append(errs, fmt.Errorf("%s %s is %s, and was written", v.Side, v.ID, state))
			}
			return nil
		})
		if err != nil {
			return n, err
		}
	}
	return n, some(errs)
}

// edits changes one person on each side, as a user of the app would, and waits
// for it on the other side.
func (d *demo) edits(ctx context.Context) error {
	pairs, err := d.linked(ctx)
	if err != nil {
		return err
	}
	left := slices.Min(slices.Collect(maps.Keys(pairs)))
	d.pair = [2]crm.RecordID{left, pairs[left]}
	d.screen.say("")
	for i, edit := range []struct{ field, there, value string }{
		{"jobtitle", "Title", "Captain"},
		{"MailingCity", "city", "Reykjavík"},
	} {
		took, err := d.edit(ctx, i, edit.field, edit.there, edit.value)
		if err != nil {
			return err
		}
		d.screen.say("%s changed in %s: in %s %d ms later, by webhook.", edit.field, d.fakes[i].kind.name,
			d.fakes[1-i].kind.name, took.Milliseconds())
	}
	return nil
}

// edit changes one field of the pair on side i and returns when it is on the other.
func (d *demo) edit(ctx context.Context, i int, field, there, value string) (time.Duration, error) {
	started := time.Now()
	knob := map[string]any{"fields": map[string]string{field: value}}
	if err := apiclient.New("", "").Call(ctx, http.MethodPatch, d.recordURL(i, d.pair[i]), knob, nil); err != nil {
		return 0, err
	}
	err := until(ctx, editTime, "the change of "+field+" in "+d.fakes[i].kind.name,
		func(ctx context.Context) (bool, error) {
			var line fakekit.RecordLine
			err := apiclient.New("", "").Call(ctx, http.MethodGet, d.recordURL(1-i, d.pair[1-i]), nil, &line)
			return line.Fields[there] == value, err
		})
	return time.Since(started), err
}

// addsUp says whether every record that entered a run left it with one outcome.
func addsUp(r engine.Run) error {
	sum := int64(0)
	for _, n := range r.Outcomes {
		sum += n
	}
	if sum != r.Done || r.Done != r.Total {
		return fmt.Errorf("the run %s: %d records entered, %d are done, %d have an outcome", r.Kind, r.Total, r.Done, sum)
	}
	return nil
}
