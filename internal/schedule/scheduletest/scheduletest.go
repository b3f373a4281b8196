// Package scheduletest is the suite that every implementation of schedule passes.
package scheduletest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/schedule"
)

// Open returns schedules to test, with none in them.
type Open func(t *testing.T) schedule.Schedules

// Run runs the suite, one store of schedules per case.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(&kit{T: t, s: open(t)}) })
	}
}

// Cases returns how many cases the suite has, for whoever counts them.
func Cases() int { return len(cases) }

type kit struct {
	*testing.T
	s schedule.Schedules
}

// of is a schedule of a sync.
func of(sync string, every time.Duration) schedule.Schedule {
	s := schedule.Schedule{Workspace: "ws_1", Connection: "con_1", Sync: crm.SyncID(sync), Every: every}
	s.Name = schedule.Name(s.Workspace, s.Connection, s.Sync)
	return s
}

func (k *kit) put(all ...schedule.Schedule) {
	k.Helper()
	for _, s := range all {
		if err := k.s.Put(k.Context(), s); err != nil {
			k.Fatalf("put: %v", err)
		}
	}
}

func (k *kit) want(want ...schedule.Schedule) {
	k.Helper()
	got := []schedule.Schedule{}
	cursor := ""
	for range 100 {
		p, err := k.s.List(k.Context(), cursor)
		if err != nil {
			k.Fatalf("list: %v", err)
		}
		got = append(got, p.Schedules...)
		if cursor = p.Next; cursor == "" {
			break
		}
	}
	byName := func(a, b schedule.Schedule) int { return cmp.Compare(a.Name, b.Name) }
	slices.SortFunc(got, byName)
	want = append([]schedule.Schedule{}, want...)
	slices.SortFunc(want, byName)
	if d := gocmp.Diff(want, got); d != "" {
		k.Errorf("schedules (-want +got):\n%s", d)
	}
}

func (k *kit) wantKind(err error, want fault.Kind) {
	k.Helper()
	var classified *fault.Error
	if !errors.As(err, &classified) || classified.Kind != want {
		k.Errorf("error = %v, want %v", err, want)
	}
}

func (k *kit) cancelled() context.Context {
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	return ctx
}

var cases = []struct {
	name string
	run  func(k *kit)
}{
	{"List/nothing", func(k *kit) { k.want() }},
	{"Put/round trip of every interval", func(k *kit) {
		var all []schedule.Schedule
		for _, text := range crm.Schedules {
			every, err := time.ParseDuration(text)
			if err != nil {
				continue // "manual" has no schedule
			}
			all = append(all, of(text, every))
		}
		all = append(all, of("a day", 24*time.Hour), of("two hours", 2*time.Hour))
		k.put(all...)
		k.want(all...)
	}},
	{"Put/twice changes nothing", func(k *kit) {
		k.put(of("a", 5*time.Minute), of("a", 5*time.Minute))
		k.want(of("a", 5*time.Minute))
	}},
	{"Put/another interval", func(k *kit) {
		k.put(of("a", 5*time.Minute), of("b", 5*time.Minute), of("a", time.Minute))
		k.want(of("a", time.Minute), of("b", 5*time.Minute))
	}},
	{"Put/pause and go on", func(k *kit) {
		paused := of("a", 5*time.Minute)
		paused.Paused = true
		k.put(of("a", 5*time.Minute), paused)
		k.want(paused)
		k.put(of("a", 5*time.Minute))
		k.want(of("a", 5*time.Minute))
	}},
	{"Put/a paused one keeps pausing with another interval", func(k *kit) {
		paused := of("a", 5*time.Minute)
		paused.Paused = true
		k.put(paused)
		paused.Every = time.Hour
		k.put(paused)
		k.want(paused)
	}},
	{"Put/another sync under the name", func(k *kit) {
		s := of("a", 5*time.Minute)
		k.put(s)
		s.Workspace, s.Connection, s.Sync = "ws_2", "con_2", "b"
		k.put(s)
		k.want(s)
	}},
	{"Put/any identifiers", func(k *kit) {
		s := of(`contacts "ü" <x> \ 日本`, 5*time.Minute)
		s.Workspace = "w/1"
		s.Name = schedule.Name(s.Workspace, s.Connection, s.Sync)
		k.put(s)
		k.want(s)
	}},
	{"Put/longest name, every character", func(k *kit) {
		s := of("a", 5*time.Minute)
		s.Name = strings.Repeat("aZ0-_.", 10) + "abcd"
		k.put(s)
		k.want(s)
	}},
	{"Put/refused", func(k *kit) {
		for name, change := range map[string]func(s *schedule.Schedule){
			"no name":         func(s *schedule.Schedule) { s.Name = "" },
			"name too long":   func(s *schedule.Schedule) { s.Name = strings.Repeat("n", 65) },
			"name with space": func(s *schedule.Schedule) { s.Name = "a b" },
			"name with slash": func(s *schedule.Schedule) { s.Name = "a/b" },
			"no workspace":    func(s *schedule.Schedule) { s.Workspace = "" },
			"no connection":   func(s *schedule.Schedule) { s.Connection = "" },
			"no sync":         func(s *schedule.Schedule) { s.Sync = "" },
			"no interval":     func(s *schedule.Schedule) { s.Every = 0 },
			"too often":       func(s *schedule.Schedule) { s.Every = 30 * time.Second },
			"too seldom":      func(s *schedule.Schedule) { s.Every = 25 * time.Hour },
			"a part":          func(s *schedule.Schedule) { s.Every = 90 * time.Second },
		} {
			s := of("a", 5*time.Minute)
			change(&s)
			if err := k.s.Put(k.Context(), s); !fault.Is(err, fault.Invalid) {
				k.Errorf("%s: %v, want invalid", name, err)
			}
		}
		k.want()
	}},
	{"Delete/removes one", func(k *kit) {
		k.put(of("a", 5*time.Minute), of("b", 5*time.Minute))
		if err := k.s.Delete(k.Context(), of("a", 0).Name); err != nil {
			k.Error(err)
		}
		k.want(of("b", 5*time.Minute))
	}},
	{"Delete/an absent one", func(k *kit) {
		if err := k.s.Delete(k.Context(), of("a", 0).Name); err != nil {
			k.Error(err)
		}
		k.wantKind(k.s.Delete(k.Context(), "a/b"), fault.Invalid)
	}},
	{"Delete/and make again", func(k *kit) {
		k.put(of("a", 5*time.Minute))
		if err := k.s.Delete(k.Context(), of("a", 0).Name); err != nil {
			k.Error(err)
		}
		k.put(of("a", 10*time.Minute))
		k.want(of("a", 10*time.Minute))
	}},
	{"List/more than a page", func(k *kit) {
		var all []schedule.Schedule
		for i := range 230 {
			all = append(all, of(fmt.Sprint(i), time.Duration(i%60+1)*time.Minute))
		}
		k.put(all...)
		k.want(all...)
	}},
	{"Contention/of puts of one name", func(k *kit) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := k.s.Put(k.Context(), of("a", 5*time.Minute)); err != nil {
					k.Errorf("put: %v", err)
				}
			})
		}
		wg.Wait()
		k.want(of("a", 5*time.Minute))
	}},
	{"Cancelled", func(k *kit) {
		k.put(of("a", 5*time.Minute))
		k.wantKind(k.s.Put(k.cancelled(), of("b", time.Minute)), fault.Unavailable)
		k.wantKind(k.s.Delete(k.cancelled(), of("a", 0).Name), fault.Unavailable)
		_, err := k.s.List(k.cancelled(), "")
		k.wantKind(err, fault.Unavailable)
		k.want(of("a", 5*time.Minute))
	}},
}
