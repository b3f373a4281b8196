package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/proof/apiclient"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/storages"
)

// TestS8_KilledDuringFirstSync: the program is killed five times while the first sync of a
// connection runs, and stopped once; its schedule is manual, so nothing but the
// start asked for it. When it is done nobody is lost, nobody is doubled, and
// the base is what both sides hold.
func TestS8_KilledDuringFirstSync(t *testing.T) {
	t.Parallel()
	storages.Each(t, func(t *testing.T, on storages.Storage) {
		people, kills := 5000, 5
		switch {
		case testing.Short():
			people, kills = 300, 2
		case on.Cloud != nil:
			people, kills = 500, 3 // each waits for a lease that nobody may declare dead
		}
		t.Logf("%d people a side, %d kills and a stop", people, kills)
		started := time.Now()
		s := newServed(t, people, on)
		ctx := t.Context()
		s.seedDumps(t)
		for _, step := range []func(context.Context) error{s.connect, s.hear} {
			if err := step(ctx); err != nil {
				t.Fatal(err)
			}
		}
		var begun struct {
			Runs []engine.Run `json:"runs"`
		}
		if err := s.api.Call(ctx, http.MethodPost, s.path("/start"), nil, &begun); err != nil {
			t.Fatal(err)
		}
		if len(begun.Runs) != 1 {
			t.Fatalf("the start began %d runs, want 1", len(begun.Runs))
		}
		run := begun.Runs[0]
		all := int64(len(s.before[0]) + len(s.before[1]))
		for i := range kills + 1 {
			s.waitRun(t, &run, all*int64(i+1)/int64(kills+3))
			if i == kills {
				s.stop(t) // the last one cleanly: it leaves nothing to wait for either
			}
			s.child.kill()
			t.Logf("%3.0f s: ended at %d of %d records", time.Since(started).Seconds(), run.Done, all)
			s.start(t)
		}
		s.waitRun(t, &run, 0)
		t.Logf("%3.0f s: %s", time.Since(started).Seconds(), outcomes(run.Outcomes))
		if run.State != engine.RunDone {
			t.Errorf("the run ended as %s: %s", run.State, run.Detail)
		}
		if err := addsUp(run); err != nil {
			t.Error(err)
		}
		if err := s.verify(ctx); err != nil {
			t.Error(err)
		}
		s.sampleBase(t)
		s.noDeadLetters(t)
		s.resync(t)
		if err := s.edits(ctx); err != nil {
			t.Error(err)
		}
		t.Logf("%3.0f s: all checked", time.Since(started).Seconds())
		s.stop(t)
	})
}

func (d *demo) seedDumps(t *testing.T) {
	t.Helper()
	for i, f := range d.fakes {
		var err error
		if d.before[i], err = dump(t.Context(), f.url, f.kind.Objects); err != nil {
			t.Fatal(err)
		}
	}
}

// waitRun waits until so many records of a run have an outcome, or, with 0,
// until it is over.
func (s *served) waitRun(t *testing.T, run *engine.Run, done int64) {
	t.Helper()
	err := until(t.Context(), 5*time.Minute, "the run", func(ctx context.Context) (bool, error) {
		err := s.api.Call(ctx, http.MethodGet, "/v1/runs/"+string(run.ID), nil, run)
		return !isOpen(*run) || done > 0 && run.Done >= done, err
	})
	if err != nil {
		t.Fatalf("%v: %d of %d records\n%s", err, run.Done, run.Total, s.child.errs)
	}
	if done > 0 && !isOpen(*run) {
		t.Fatalf("the run was over before it could be killed again")
	}
}

// sampleBase compares what is remembered of some pairs with what both apps hold.
func (s *served) sampleBase(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	pairs, err := s.linked(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ids := slices.Sorted(maps.Keys(pairs))
	const sample = 40
	for i := range sample {
		l := ids[i*len(ids)/sample]
		var v engine.RecordView
		err := until(ctx, 30*time.Second, "a look at "+string(l), func(ctx context.Context) (bool, error) {
			v = engine.RecordView{}
			err := s.api.Call(ctx, http.MethodGet, s.syncPath("/records/left/"+string(l)), nil, &v)
			var refused *apiclient.Refusal
			if errors.As(err, &refused) && refused.Status == http.StatusServiceUnavailable {
				return false, nil // HubSpot's calls are spent for the moment
			}
			return err == nil && v.Unread == nil, err // else it shows what is stored alone
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range s.sync.Mappings {
			base, err := baseText(v.Base[m.ID])
			if err != nil {
				t.Fatalf("%s: base of %s: %v", l, m.ID, err)
			}
			for _, side := range crm.Sides {
				now := ""
				if fields := v.Values.Get(side); len(m.Names(side)) == 1 {
					now = fields[m.Names(side)[0]].Text()
				}
				if read(m.Transform.Type, s.conn.Country, now) != read(m.Transform.Type, s.conn.Country, base) {
					t.Errorf("%s: the base of %s is not what the %s side holds", l, m.ID, side)
				}
			}
		}
	}
}

// baseText is a base value as text. A pair agrees on nothing where both sides
// are blank.
func baseText(b any) (string, error) {
	if b == nil {
		return "", nil
	}
	raw, err := json.Marshal(b)
	if err != nil {
		return "", err
	}
	var agreed crm.Agreed
	err = json.Unmarshal(raw, &agreed)
	return agreed.Text, err
}

func (s *served) noDeadLetters(t *testing.T) {
	t.Helper()
	err := apiclient.Each(t.Context(), s.api, "/v1/dead-letters?connection="+string(s.conn.ID),
		func(d engine.DeadItem) error {
			return fmt.Errorf("work on %d records was given up: %s", len(d.Records), d.Code)
		})
	if err != nil {
		t.Error(err)
	}
}

// TestRestart: settings and links survive a clean stop; a second process on the
// folder is refused while the first one has it.
func TestRestart(t *testing.T) {
	t.Parallel()
	storages.Each(t, func(t *testing.T, on storages.Storage) {
		s := newServed(t, 60, on)
		ctx := t.Context()
		s.seedDumps(t)
		for _, step := range []func(context.Context) error{s.connect, s.hear, s.planAndApply, s.verify} {
			if err := step(ctx); err != nil {
				t.Fatal(err)
			}
		}
		settings := s.settings(t)

		if on.Cloud == nil {
			s.refusesSecond(t)
		}
		s.stop(t)
		s.start(t)
		if after := s.settings(t); !slices.Equal(settings, after) {
			t.Errorf("the settings changed:\n%s\n%s", settings, after)
		}
		if err := s.verify(ctx); err != nil {
			t.Error(err)
		}
		if err := s.edits(ctx); err != nil {
			t.Error(err)
		}
		s.files(t)
	})
}

// refusesSecond starts the program on a folder that the first one has.
func (s *served) refusesSecond(t *testing.T) {
	t.Helper()
	second := spawn(t, nil, "serve", "--addr", "127.0.0.1:0", "--data", s.data)
	if code := second.exit(t); code != 1 {
		t.Errorf("the second process ended with code %d, want 1", code)
	}
	if said := second.errs.String(); !strings.Contains(said, "another process works in the data folder") ||
		strings.Count(said, "\n") != 1 {
		t.Errorf("the second process said %q", said)
	}
}

// files looks at what the program leaves on the disk: the data folder, or nothing.
func (s *served) files(t *testing.T) {
	t.Helper()
	if s.on.Cloud != nil {
		if _, err := os.Stat(s.data); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the data folder, which is not used: %v", err)
		}
		return
	}
	for _, name := range []string{"lockstep.db", "root.key"} {
		info, err := os.Stat(filepath.Join(s.data, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "root.key" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

// settings are what an admin has set up, as the surface shows it.
func (s *served) settings(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, path := range []string{s.path(""), "/v1/accounts", s.path("/webhooks")} {
		var v json.RawMessage
		if err := s.api.Call(t.Context(), http.MethodGet, path, nil, &v); err != nil {
			t.Fatal(err)
		}
		out = append(out, lastDelivery.ReplaceAllString(string(v), ""))
	}
	return out
}

// lastDelivery is the one part that changes by itself.
var lastDelivery = regexp.MustCompile(`,"last_delivery":"[^"]*"`)
