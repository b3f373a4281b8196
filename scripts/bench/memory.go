package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce/salesforcefake"
	"github.com/lockstep-crm/lockstep/internal/proof/apiclient"
)

// What the program may hold in memory at its peak.
const (
	memoryLimit = 96.0 // MB
	memoryRatio = 1.3  // of 200,000 records to 20,000
)

// measureMemory runs first syncs of 20,000 and 200,000 records with the built
// program, its fakes in processes of their own, and compares its peaks.
func measureMemory(ctx context.Context, binary string) ([]figure, error) {
	small, err := peak(ctx, binary, 10_000)
	if err != nil {
		return nil, err
	}
	large, err := peak(ctx, binary, 100_000)
	if err != nil {
		return nil, err
	}
	return []figure{
		shown("peak memory of the first sync of 20,000 records, MB", small, "%.1f"),
		atMost("peak memory of the first sync of 200,000 records, MB", memoryLimit, large, "%.1f"),
		atMost("ratio of the two", memoryRatio, large/small, "%.2f"),
	}, nil
}

const benchKey = "lsk_benchmarkbenchmarkbenchmarkbenchmark"

// peak syncs people a side for the first time and returns the program's peak
// resident memory in MB.
func peak(ctx context.Context, binary string, people int) (mb float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Minute)
	defer cancel()
	program, c, stop, err := serve(ctx, binary, people)
	if err != nil {
		return 0, err
	}
	defer func() { err = firstOf(err, stop()) }()
	if _, err := c.firstSync(ctx); err != nil {
		return 0, err
	}
	return highWater(program.Process.Pid)
}

// serve runs the program on a new data folder, beside two fakes with people
// each, until stop is called, which also removes the folder.
func serve(
	ctx context.Context, binary string, people int,
) (program *exec.Cmd, c *client, stop func() error, err error) {
	dir, err := os.MkdirTemp("", "lockstep-bench-")
	if err != nil {
		return nil, nil, nil, err
	}
	var stops []func()
	stop = func() error {
		for _, s := range stops {
			s()
		}
		return os.RemoveAll(dir)
	}
	defer func() {
		if err != nil {
			err = firstOf(err, stop())
		}
	}()
	hub, force, address, err := threePorts()
	if err != nil {
		return nil, nil, nil, err
	}
	seed := strconv.Itoa(people)
	for _, args := range [][]string{
		{"fake", "hubspot", "--addr", hub, "--seed", seed},
		{"fake", "salesforce", "--addr", force, "--seed", seed},
		{"serve", "--addr", address, "--data", dir, "--allow-host", hub, "--allow-host", force},
	} {
		cmd, end, err := start(ctx, binary, args...)
		if err != nil {
			return nil, nil, nil, err
		}
		program, stops = cmd, append(stops, end)
	}
	return program, &client{
		Client: apiclient.New("http://"+address, benchKey), hub: "http://" + hub, force: "http://" + force,
	}, stop, nil
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// threePorts returns free addresses on the loopback.
func threePorts() (a, b, c string, err error) {
	var out [3]string
	var held []net.Listener
	for i := range out {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed a few lines below
		if err != nil {
			return "", "", "", err
		}
		held = append(held, l)
		out[i] = l.Addr().String()
	}
	for _, l := range held {
		err = firstOf(err, l.Close())
	}
	return out[0], out[1], out[2], err
}

// start runs the program until stop is called.
func start(ctx context.Context, binary string, args ...string) (*exec.Cmd, func(), error) {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), "LOCKSTEP_ADMIN_KEY="+benchKey)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	return cmd, func() {
		if err := cmd.Process.Kill(); err == nil {
			_ = cmd.Wait() // it was killed: its exit status says nothing
		}
	}, nil
}

// highWater reads the peak resident memory of a process.
func highWater(pid int) (float64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("peak memory can be read on Linux only: %w", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024, err
		}
	}
	return 0, fmt.Errorf("no peak memory in the status of process %d", pid)
}

// client drives the program as a user would, over the two fakes.
type client struct {
	*apiclient.Client
	hub, force string
}

// firstSync connects the two fakes, waits until everybody is in step, and
// returns the connection's ID.
func (c *client) firstSync(ctx context.Context) (connection string, err error) {
	if err := c.ready(ctx); err != nil {
		return "", err
	}
	type id struct {
		ID string `json:"id"`
	}
	var left, right, con id
	if err := c.Call(ctx, http.MethodPost, "/v1/accounts", map[string]any{
		"app": "hubspot", "name": "left", "base_url": c.hub,
		"credentials": map[string]string{
			"kind": "token", "token": hubspotfake.PrivateToken, "webhook_secret": hubspotfake.ClientSecret,
		},
	}, &left); err != nil {
		return "", err
	}
	if err := c.Call(ctx, http.MethodPost, "/v1/accounts", map[string]any{
		"app": "salesforce", "name": "right", "base_url": c.force,
		"credentials": map[string]string{
			"kind": "oauth2", "client_id": salesforcefake.ClientID, "client_secret": salesforcefake.ClientSecret,
		},
	}, &right); err != nil {
		return "", err
	}
	var presets struct {
		Items []struct {
			Syncs []map[string]any `json:"syncs"`
		} `json:"items"`
	}
	for _, a := range []string{left.ID, right.ID} { // by which the accounts become known
		if err := c.Call(ctx, http.MethodPost, "/v1/accounts/"+a+"/test", nil, nil); err != nil {
			return "", err
		}
	}
	if err := c.Call(ctx, http.MethodGet, "/v1/presets", nil, &presets); err != nil {
		return "", err
	}
	syncs := presets.Items[0].Syncs
	syncs[0]["schedule"] = "manual"
	if err := c.Call(ctx, http.MethodPost, "/v1/connections", map[string]any{
		"name": "bench", "default_country": "US",
		"left": map[string]string{"account": left.ID}, "right": map[string]string{"account": right.ID}, "syncs": syncs,
	}, &con); err != nil {
		return "", err
	}
	var started struct {
		Runs []id `json:"runs"`
	}
	if err := c.Call(ctx, http.MethodPost, "/v1/connections/"+con.ID+"/start", nil, &started); err != nil {
		return "", err
	}
	return con.ID, c.wait(ctx, started.Runs[0].ID)
}

// ready waits until the program listens.
func (c *client) ready(ctx context.Context) error {
	for {
		if c.Call(ctx, http.MethodGet, "/v1/health", nil, nil) == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// wait watches a run to its end.
func (c *client) wait(ctx context.Context, run string) error {
	for {
		var r struct {
			State string `json:"state"`
			Done  int    `json:"done"`
			Total int    `json:"total"`
		}
		if err := c.Call(ctx, http.MethodGet, "/v1/runs/"+run, nil, &r); err != nil {
			return err
		}
		if r.State == "done" {
			return nil
		}
		if r.State != "running" && r.State != "queued" {
			return fmt.Errorf("the first sync is %s at %d of %d", r.State, r.Done, r.Total)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the first sync stands at %d of %d: %w", r.Done, r.Total, ctx.Err())
		case <-time.After(time.Second):
		}
	}
}
