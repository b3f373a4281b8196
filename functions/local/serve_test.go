package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/proof/apiclient"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/storages"
)

// TestServeRefuses: what cannot be used is said plainly, all of it at once, and
// left as it is.
func TestServeRefuses(t *testing.T) {
	t.Parallel()
	folder := func(t *testing.T, name, content string) string {
		t.Helper()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	garbage := strings.Repeat("this is no database. ", 500)
	for name, c := range map[string]struct {
		args []string
		env  string
		want []string
		code int
	}{
		"a database that is none": {
			args: []string{"--data", folder(t, "lockstep.db", garbage)}, want: []string{
				"is no database", "choose another data folder",
			}, code: 2,
		},
		"a key file that is none": {
			args: []string{"--data", folder(t, "root.key", "not a key")}, want: []string{
				"is not a key file of Lockstep", "backup",
			}, code: 2,
		},
		"an admin key file that is none": {
			args: []string{"--data", folder(t, "admin.key", "short")}, want: []string{"is not an admin key"}, code: 2,
		},
		"a file as folder": {
			args: []string{"--data", filepath.Join(folder(t, "file", "x"), "file")}, want: []string{"not a directory"}, code: 1,
		},
		"settings": {
			args: []string{"--addr", "8080", "--allow-host", "http://x", "--log-level", "loud", "--public-url", "x"},
			want: []string{"--addr", "--allow-host", "--log-level", "--public-url"}, code: 2,
		},
		"no names of a storage": {
			args: []string{"--store", "dynamo"},
			want: []string{
				"LOCKSTEP_SETTINGS_TABLE is not set", "LOCKSTEP_LINKS_TABLE is not set", "LOCKSTEP_LOG_TABLE is not set",
				"LOCKSTEP_QUEUE_URL is not set",
				"LOCKSTEP_DEAD_QUEUE_URL is not set", "LOCKSTEP_KEY_ID is not set", "LOCKSTEP_ADMIN_KEY is not set",
			}, code: 2,
		},
		"an unknown storage": {args: []string{"--store", "memory"}, want: []string{"--store", "embedded", "dynamo"}, code: 2},
		"an unknown flag":    {args: []string{"--loud"}, want: []string{"unknown flag --loud"}, code: 2},
		"a short key": {
			args: []string{"--data", t.TempDir()}, env: "short", want: []string{"LOCKSTEP_ADMIN_KEY", "16 to 512"}, code: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			w := &world{out: &out, err: &errs, env: func(string) string { return c.env }}
			if code := run(t.Context(), append([]string{"serve"}, c.args...), w); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, want := range c.want {
				if !strings.Contains(errs.String(), want) {
					t.Errorf("said %q, without %q", errs.String(), want)
				}
			}
		})
	}
}

// TestGeneratedKey: the key of the first start is shown once, kept where only
// its owner can read it, and good for the surface.
//
// Not parallel: a process that another test forks has our lock, too, until it
// has become the program.
func TestGeneratedKey(t *testing.T) { //nolint:paralleltest // see above
	data := t.TempDir()
	for start := range 2 {
		ctx, stop := context.WithCancel(t.Context())
		out := new(lines)
		ended := make(chan int, 1)
		go func() {
			w := &world{out: out, err: t.Output(), env: func(string) string { return "" }}
			ended <- run(ctx, []string{"serve", "--addr", "127.0.0.1:0", "--data", data}, w)
		}()
		err := until(ctx, 10*time.Second, "the start", func(context.Context) (bool, error) {
			return strings.Contains(out.String(), "admin key"), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(data, "admin.key")
		key, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
		if shown := strings.Contains(out.String(), strings.TrimSpace(string(key))); shown != (start == 0) {
			t.Errorf("start %d: the key is shown: %v", start+1, shown)
		}
		url := regexp.MustCompile(`http://[0-9.:]+`).FindString(out.String())
		if err := apiclient.New(url, strings.TrimSpace(string(key))).Call(ctx, http.MethodGet, "/v1/apps", nil,
			nil); err != nil {
			t.Error(err)
		}
		if err := apiclient.New(url, "").Call(ctx, http.MethodGet, "/v1/apps", nil, nil); err == nil {
			t.Error("the surface answered without a key")
		}
		if linked := strings.Contains(out.String(), url+"/#key="); linked != (start == 0) {
			t.Errorf("start %d: the link that signs in is shown: %v", start+1, linked)
		}
		openConsole(t, url)
		stop()
		if code := <-ended; code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
}

// openConsole opens the console as a browser does: its page, or the one that
// says that the program was built without it, under the console's policy.
func openConsole(t *testing.T, url string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/connections", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // only its head is looked at
	built := answer.StatusCode == http.StatusOK
	if !built && answer.StatusCode != http.StatusServiceUnavailable ||
		!strings.Contains(answer.Header.Get("Content-Security-Policy"), "script-src 'self';") {
		t.Errorf("the console: %d, policy %q", answer.StatusCode, answer.Header.Get("Content-Security-Policy"))
	}
}

// TestGivenKey: with a key from the environment, which a storage in AWS demands,
// none is generated; the given one is good, and neither shown nor kept.
func TestGivenKey(t *testing.T) {
	t.Parallel()
	storages.Each(t, func(t *testing.T, on storages.Storage) {
		s := newServed(t, 1, on)
		if err := s.api.Call(t.Context(), http.MethodGet, "/v1/apps", nil, nil); err != nil {
			t.Error(err)
		}
		for _, key := range []string{"", testKey + "x"} {
			if err := apiclient.New("http://"+s.addr, key).Call(t.Context(), http.MethodGet, "/v1/apps", nil, nil); err == nil {
				t.Errorf("the surface answered with the key %q", key)
			}
		}
		s.stop(t)
		if said := s.child.out.String() + s.child.errs.String(); strings.Contains(said, testKey) {
			t.Errorf("the key is shown: %s", said)
		}
		if _, err := os.Stat(filepath.Join(s.data, "admin.key")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a key file: %v", err)
		}
	})
}

// TestServeTellsMetrics: the token comes by flag or from the environment, is shown
// nowhere, and opens what Prometheus reads; without it there is nothing to open.
func TestServeTellsMetrics(t *testing.T) {
	t.Parallel()
	const token = "token-of-a-collector"
	for name, give := range map[string]func(*served){
		"nothing":         func(*served) {},
		"flag":            func(s *served) { s.more = []string{"--metrics-token", token} },
		"the environment": func(s *served) { s.on.Env = append(slices.Clone(s.on.Env), "LOCKSTEP_METRICS_TOKEN="+token) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := readyServed(t, 1, storages.Storage{Name: storages.Embedded})
			give(s)
			s.start(t)
			want := map[string]int{token: http.StatusOK, testKey: http.StatusUnauthorized}
			if name == "nothing" {
				want = map[string]int{token: http.StatusNotFound, testKey: http.StatusNotFound}
			}
			for key, status := range want {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.addr+"/metrics", http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Authorization", "Bearer "+key)
				answer, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(answer.Body)
				_ = answer.Body.Close() // read to its end
				if tells := strings.Contains(string(text), `lockstep_build_info{version="`+version+`"} 1`); err != nil ||
					answer.StatusCode != status || tells != (status == http.StatusOK) {
					t.Errorf("with %s: %d, %v: %s", key, answer.StatusCode, err, text)
				}
			}
			s.stop(t)
			if said := s.child.out.String() + s.child.errs.String(); strings.Contains(said, token) {
				t.Errorf("the token is shown: %s", said)
			}
		})
	}
}

// TestServeWithoutStorage: a storage in AWS that is named and not there is told
// at the start, part by part, and so are credentials that cannot be found.
func TestServeWithoutStorage(t *testing.T) {
	t.Parallel()
	on := storages.StandIns(t)
	for name, c := range map[string]struct {
		change []string // of the environment
		want   string
		code   int
	}{
		"a table": {[]string{cloud.EnvLinksTable + "=lockstep-none"}, "the links table lockstep-none cannot be used", 1},
		"a queue": {
			[]string{cloud.EnvDeadQueueURL + "=" + on.Var(cloud.EnvQueueURL) + "-none"},
			"-none cannot be used",
			1,
		},
		"a key": {
			[]string{cloud.EnvKeyID + "=arn:aws:kms:us-east-1:000000000000:key/none"},
			"key/none cannot be used",
			1,
		},
		"no key":      {[]string{cloud.EnvKeyID + "=alias/lockstep"}, "named by its key ARN", 2},
		"credentials": {[]string{cloud.EnvAccessKey + "=", cloud.EnvSecretKey + "="}, "AWS_ACCESS_KEY_ID", 2},
		"region":      {[]string{cloud.EnvRegion + "=", "AWS_DEFAULT_REGION="}, "AWS_REGION", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := spawn(t, slices.Concat(on.Env, c.change), "serve", "--addr", "127.0.0.1:0", "--store", storeDynamo, "--data",
				filepath.Join(t.TempDir(), "data"))
			if code := p.exit(t); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if said := p.errs.String(); !strings.Contains(said, c.want) || strings.Count(said, "\n") != 1 {
				t.Errorf("said %q, want one line with %q", said, c.want)
			}
		})
	}
}
