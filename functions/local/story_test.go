package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/config"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/apiclient"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/storages"
)

// TestStoriesOfPresets tells the story of every preset that somebody wrote: it holds what
// it says, with a first sync and an edit on either side. Of the derived ones, which are all
// made alike, TestRow18_EveryPresetSyncs shows that people travel.
func TestStoriesOfPresets(t *testing.T) {
	t.Parallel()
	s := newShow(t, 10, storages.Storage{Name: storages.Embedded})
	presets, err := apiclient.List[presetOf](t.Context(), s.api, "/v1/presets")
	if err != nil || len(presets) < 20 {
		t.Fatalf("%d presets, %v", len(presets), err)
	}
	for _, p := range presets {
		if p.Derived {
			continue
		}
		t.Run(p.ID, func(t *testing.T) {
			t.Parallel()
			out := new(bytes.Buffer)
			d := &demo{screen: newScreen(&world{out: out, err: t.Output()})}
			t.Cleanup(func() {
				if err := d.stopFakes(); err != nil {
					t.Errorf("stopping the fakes: %v", err)
				}
			})
			one, err := storyOf(d, p.ID)
			if err != nil {
				t.Fatal(err)
			}
			err = one.tell(t.Context(), config.Checked{
				Host: "127.0.0.1", DataDir: t.TempDir(), AdminKey: testKey, AppTimeout: 6 * time.Second,
				LogLevel: "warn", LogFormat: "plain",
			})
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, want := range []string{p.Name, "After the edits", "(left_changed)", "(right_changed)"} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("the story does not say %q:\n%s", want, out)
				}
			}
		})
	}
}

// TestNoStoryOfNoPreset: what is no preset is refused, and one that names two apps with
// those that there are.
func TestNoStoryOfNoPreset(t *testing.T) {
	t.Parallel()
	for _, preset := range []string{"nonsense", "hubspot-nobody-contacts", "hubspot-salesforce", "-hubspot-x"} {
		if _, err := storyOf(new(demo), preset); fault.CodeOf(err) != "invalid_config" {
			t.Errorf("%s: %v, want it refused", preset, err)
		}
	}
}
