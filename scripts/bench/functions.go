package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun"
)

const (
	megabyte = 1e6
	starts   = 11 // the middle one counts
)

// startLimits, in milliseconds, hold from the start of the process to its first
// answer, calls to the store included, on an idle machine with two cores.
var startLimits = map[string]float64{"webhook": 50, "pull": 50, "sync": 50, "api": 100}

// sizeLimits are in MB, of what is uploaded for arm64. Those that are started for
// every change stay small; api is started for people: see ADR 15.
var sizeLimits = map[string]float64{"webhook": 15, "pull": 15, "sync": 15, "keeper": 15, "api": 20}

// firstEvents need the store, and no app: what a cold start itself costs.
var firstEvents = map[string]string{
	"webhook": "webhook-check", "pull": "pull-gone", "sync": "sync-batch", "api": "api-unauthorized",
}

// measureFunctions looks at the built functions in dist.
func measureFunctions(ctx context.Context, dist string) ([]figure, error) {
	var all []figure
	for _, name := range []string{"webhook", "pull", "sync", "keeper", "api"} {
		info, err := os.Stat(filepath.Join(dist, "arm64", name, "bootstrap"))
		if err != nil {
			return all, fmt.Errorf("%w: make lambda", err)
		}
		all = append(all, atMost("size of "+name+", arm64, MB", sizeLimits[name], float64(info.Size())/megabyte, "%.1f"))
	}
	account, err := lambdarun.OpenAccount(ctx)
	if err != nil {
		return all, err
	}
	defer account.Close()
	for _, name := range []string{"webhook", "pull", "sync", "api"} {
		took, err := firstAnswers(ctx, dist, name, account.Env)
		if err != nil {
			return all, err
		}
		all = append(all, atMost("start of "+name+" to its first answer, "+runtime.GOARCH+", ms (middle of 11)",
			startLimits[name], took, "%.0f"))
	}
	return all, nil
}

// firstAnswers is the middle time of some cold starts, in milliseconds.
func firstAnswers(ctx context.Context, dist, name string, env []string) (float64, error) {
	event, err := os.ReadFile(filepath.Join("events", firstEvents[name]+".json"))
	if err != nil {
		return 0, err
	}
	var took []time.Duration
	for range starts {
		var said bytes.Buffer
		f := lambdarun.New(lambdarun.Options{
			Name: name, Program: filepath.Join(dist, runtime.GOARCH, name, "bootstrap"), Timeout: 10 * time.Second,
			Log: io.Writer(&said),
			Env: append(slices.Clone(env), "LOCKSTEP_PUBLIC_URL=https://hooks.example.com"),
		})
		began := time.Now()
		_, err := f.Invoke(ctx, event)
		took = append(took, time.Since(began))
		f.Close()
		if err != nil {
			return 0, fmt.Errorf("%s: %w: %s", name, err, said.String())
		}
	}
	slices.Sort(took)
	return float64(took[len(took)/2].Microseconds()) / 1000, nil
}
