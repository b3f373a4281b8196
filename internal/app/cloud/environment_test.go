package cloud_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/egress"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

func variables() map[string]string {
	return map[string]string{
		cloud.EnvRegion: "eu-central-1", cloud.EnvAccessKey: "a", cloud.EnvSecretKey: "b", cloud.EnvSettingsTable: "settings",
		cloud.EnvLinksTable: "links",
		cloud.EnvLogTable:   "log", cloud.EnvQueueURL: "https://q", cloud.EnvDeadQueueURL: "https://d", cloud.EnvStage: "dev",
		cloud.EnvKeyID: "arn:aws:kms:eu-central-1:000000000000:key/1", cloud.EnvPublicURL: "https://api.example.com",
		cloud.EnvAdminKey:      "/lockstep/dev/admin-key",
		cloud.EnvScheduleGroup: "lockstep-dev-syncs", cloud.EnvScheduleRole: "arn:aws:iam::000000000000:role/r",
		cloud.EnvPullFunction: "arn:aws:lambda:eu-central-1:000000000000:function:pull",
		cloud.EnvUndelivered:  "arn:aws:sqs:eu-central-1:000000000000:undelivered",
	}
}

// TestReadNamesEverything has each variable missing in turn, then all of them.
func TestReadNamesEverything(t *testing.T) {
	t.Parallel()
	for missing := range variables() {
		env := variables()
		delete(env, missing)
		_, err := cloud.Read(func(n string) string { return env[n] }, cloud.All)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), missing+" is not set") {
			t.Errorf("without %s: %v", missing, err)
		}
	}
	_, err := cloud.Read(func(string) string { return " " }, cloud.All)
	for name := range variables() {
		if err == nil || !strings.Contains(err.Error(), name+" is not set") {
			t.Errorf("with nothing set, %s is not named: %v", name, err)
		}
	}
}

// TestReadAsksForNoMore has each function start with what it needs, and no more.
func TestReadAsksForNoMore(t *testing.T) {
	t.Parallel()
	schedules := []string{cloud.EnvScheduleGroup, cloud.EnvScheduleRole, cloud.EnvPullFunction, cloud.EnvUndelivered}
	for name, tt := range map[string]struct {
		serves  cloud.Serves
		without []string
		stage   string
	}{
		"sync":              {cloud.Nothing, append([]string{cloud.EnvPublicURL, cloud.EnvAdminKey}, schedules...), "prod"},
		"webhook":           {cloud.Hooks, append([]string{cloud.EnvAdminKey}, schedules...), "prod"},
		"keeper":            {cloud.Schedules, []string{cloud.EnvPublicURL, cloud.EnvAdminKey}, "prod"},
		"api on one's own":  {cloud.All, schedules, cloud.StageLocal},
		"keeper on the way": {cloud.Schedules, schedules, cloud.StageLocal},
	} {
		env := variables()
		env[cloud.EnvStage] = tt.stage
		for _, v := range tt.without {
			delete(env, v)
		}
		if _, err := cloud.Read(func(n string) string { return env[n] }, tt.serves); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A group without what goes with it is half a setting, on every stage.
	env := variables()
	env[cloud.EnvStage] = cloud.StageLocal
	delete(env, cloud.EnvScheduleRole)
	if _, err := cloud.Read(func(n string) string { return env[n] }, cloud.Schedules); err == nil ||
		!strings.Contains(err.Error(), cloud.EnvScheduleRole) {
		t.Errorf("half a setting: %v", err)
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		cloud.EnvPublicURL: "api.example.com/path", cloud.EnvAllowHosts: "http://x",
	} {
		env := variables()
		env[name] = value
		if _, err := cloud.Read(func(n string) string { return env[n] }, cloud.All); !fault.Is(err, fault.Invalid) ||
			!strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v, want it refused and named", name, value, err)
		}
	}
}

// TestX4_ProdAtRunTime: a function of the stage prod does not start with a way
// to its own machine or in the clear, whoever set its variables, and an account
// at such an address is refused by it.
func TestX4_ProdAtRunTime(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][2]string{
		"loopback":         {cloud.EnvAllowHosts, "127.0.0.1:8080"},
		"another loopback": {cloud.EnvAllowHosts, "crm.example.com,127.9.9.9:443"},
		"loopback by IPv6": {cloud.EnvAllowHosts, "[::1]:443"},
		"unspecified":      {cloud.EnvAllowHosts, "0.0.0.0:80"},
		"localhost":        {cloud.EnvAllowHosts, "localhost:8080"},
		"below localhost":  {cloud.EnvAllowHosts, "crm.localhost"},
		"public address":   {cloud.EnvPublicURL, "http://api.example.com"},
	} {
		env := variables()
		env[change[0]] = change[1]
		_, dev := cloud.Read(func(n string) string { return env[n] }, cloud.All)
		env[cloud.EnvStage] = cloud.StageProd
		_, prod := cloud.Read(func(n string) string { return env[n] }, cloud.All)
		if dev != nil || !fault.Is(prod, fault.Invalid) || !strings.Contains(prod.Error(), change[0]) {
			t.Errorf("%s: dev: %v; prod: %v", name, dev, prod)
		}
	}
	env := variables()
	env[cloud.EnvStage], env[cloud.EnvAllowHosts] = cloud.StageProd, "crm.example.com:8080"
	c, err := cloud.Open(func(n string) string { return env[n] }, cloud.Nothing, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, base := range []string{
		"http://crm.example.com:8080", "http://127.0.0.1:8080", "https://127.0.0.1", "https://localhost",
	} {
		_, err := c.Accounts.Create(t.Context(), "default", account.Draft{
			App: "hubspot", Name: "x", BaseURL: base,
			Credentials: account.Credentials{
				Kind: crm.AuthToken, Fields: map[string]secret.Text{"token": secret.NewText("t")},
			},
		})
		if fault.CodeOf(err) != egress.CodeRefused {
			t.Errorf("an account at %s: %v", base, err)
		}
	}
}

// TestOpen calls nobody: nothing listens where the environment points.
func TestOpen(t *testing.T) {
	t.Parallel()
	env := variables()
	delete(env, cloud.EnvPublicURL) // not needed without a surface
	delete(env, cloud.EnvAdminKey)
	env[cloud.EnvEndpoint+"SQS"] = "http://127.0.0.1:1"
	c, err := cloud.Open(func(n string) string { return env[n] }, cloud.Nothing, slog.New(slog.DiscardHandler))
	if err != nil || c.Engine == nil || c.Accounts == nil || c.Store == nil || c.Queue == nil {
		t.Fatalf("Open = %+v, %v", c, err)
	}
	if at := c.Environment.SDK("SQS").BaseEndpoint; at == nil || *at != "http://127.0.0.1:1" {
		t.Errorf("the queue is asked at %v", at)
	}
	if c.Environment.SDK("KMS").BaseEndpoint != nil {
		t.Error("the key is asked somewhere else than at AWS")
	}
	env[cloud.EnvEndpoints] = "http://127.0.0.1:2"
	both, err := cloud.Read(func(n string) string { return env[n] }, cloud.Nothing)
	if err != nil || *both.SDK("SQS").BaseEndpoint != "http://127.0.0.1:1" ||
		*both.SDK("KMS").BaseEndpoint != "http://127.0.0.1:2" {
		t.Errorf("an endpoint for all is not that of those without their own: %v", err)
	}
}

// TestTimes has a piece of work end before its function does, and the lease
// outlast the function by one call, whatever the times are.
func TestTimes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		sync, app, retry string
		want             cloud.Times
		wrong            []string // names; nil = the times are taken
	}{
		"usual": {want: cloud.Times{Sync: 5 * time.Minute, App: 20 * time.Second, Retry: 30 * time.Second}},
		"short": {
			sync: "8s", app: "1s", retry: "2s", want: cloud.Times{
				Sync: 8 * time.Second, App: time.Second, Retry: 2 * time.Second,
			},
		},
		"long": {
			sync: "15m", app: "1m", retry: "15m", want: cloud.Times{
				Sync: 15 * time.Minute, App: time.Minute, Retry: 15 * time.Minute,
			},
		},
		"no durations": {
			sync: "60", app: "soon", retry: "-1s", wrong: []string{cloud.EnvSyncTimeout, cloud.EnvAppTimeout, cloud.EnvMaxRetry},
		},
		"out of range": {
			sync: "7s", app: "61s", retry: "16m", wrong: []string{cloud.EnvSyncTimeout, cloud.EnvAppTimeout, cloud.EnvMaxRetry},
		},
		"no time left": {sync: "30s", app: "20s", wrong: []string{cloud.EnvAppTimeout}},
	} {
		env := variables()
		env[cloud.EnvSyncTimeout], env[cloud.EnvAppTimeout], env[cloud.EnvMaxRetry] = tt.sync, tt.app, tt.retry
		e, err := cloud.Read(func(n string) string { return env[n] }, cloud.All)
		if (err != nil) != (tt.wrong != nil) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, w := range tt.wrong {
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v, want %s named", name, err, w)
			}
		}
		if err != nil {
			continue
		}
		tune := e.Times.Tuning()
		if e.Times != tt.want || tune.Budget <= 0 || tune.Budget > tune.Span || tune.GroupFor <= 0 ||
			tune.GroupFor >= tune.Span ||
			tune.Span+tune.HTTPDeadline >= e.Times.Sync || tune.Lease < 2*tune.HTTPDeadline || tune.MaxRetry != e.Times.Retry {
			t.Errorf("%s: times %+v give %+v", name, e.Times, tune)
		}
	}
}
