package eventbridge_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/schedule"
	"github.com/lockstep-crm/lockstep/internal/schedule/eventbridge"
	"github.com/lockstep-crm/lockstep/internal/schedule/scheduletest"
)

// TestConformance is what eventbridge has to say for itself.
func TestConformance(t *testing.T) {
	t.Parallel()
	scheduletest.Run(t, func(t *testing.T) schedule.Schedules { return open(t, newFake(t)) })
}

var cfg = eventbridge.Config{
	Group: "syncs", TargetARN: "arn:aws:lambda:x:1:function:pull", RoleARN: "arn:aws:iam::1:role/fire",
	DeadARN: "arn:aws:sqs:x:1:undelivered", KeyARN: "arn:aws:kms:x:1:key/k",
	Retry: awscall.Policy{Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }},
}

func open(t testing.TB, fake *fakeScheduler) *eventbridge.Schedules {
	t.Helper()
	s, err := eventbridge.New(fake.client(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var some = schedule.Schedule{
	Name: "sync-1", Workspace: "ws_1", Connection: "con_1", Sync: "people", Every: 5 * time.Minute,
}

// TestEveryFieldIsSentEveryTime: create and update say the same, down to the
// fields that a service would reset.
func TestEveryFieldIsSentEveryTime(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	s := open(t, fake)
	want := map[string]any{
		"Name": "sync-1", "GroupName": "syncs", "ScheduleExpression": "rate(5 minutes)", "Description": "pulls one sync",
		"State": "ENABLED", "KmsKeyArn": cfg.KeyARN, "ActionAfterCompletion": "NONE", "FlexibleTimeWindow": map[string]any{
			"Mode": "OFF",
		},
		"Target": map[string]any{
			"Arn": cfg.TargetARN, "RoleArn": cfg.RoleARN, "Input": `{"workspace":"ws_1","connection":"con_1","sync":"people"}`,
			"RetryPolicy":      map[string]any{"MaximumRetryAttempts": 1.0, "MaximumEventAgeInSeconds": 60.0},
			"DeadLetterConfig": map[string]any{"Arn": cfg.DeadARN},
		},
	}
	for _, how := range []string{"created", "updated"} {
		if err := s.Put(t.Context(), some); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, fake.Schedule("sync-1")); d != "" {
			t.Errorf("%s (-want +got):\n%s", how, d)
		}
	}
}

// TestForeignSchedulesHaveNoSync: whatever somebody changed by hand, it equals
// nothing that should be, and a put mends it.
func TestForeignSchedulesHaveNoSync(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(fields, target map[string]any){
		"target":      func(_, target map[string]any) { target["Arn"] = "arn:other" },
		"role":        func(_, target map[string]any) { target["RoleArn"] = "arn:other" },
		"input":       func(_, target map[string]any) { target["Input"] = "{" },
		"empty input": func(_, target map[string]any) { target["Input"] = "{}" },
		"dead queue":  func(_, target map[string]any) { delete(target, "DeadLetterConfig") },
		"retries":     func(_, target map[string]any) { delete(target, "RetryPolicy") },
		"expression":  func(fields, _ map[string]any) { fields["ScheduleExpression"] = "cron(0 * * * ? *)" },
		"hours":       func(fields, _ map[string]any) { fields["ScheduleExpression"] = "rate(5 hours)" },
		"too seldom":  func(fields, _ map[string]any) { fields["ScheduleExpression"] = "rate(99999 minutes)" },
		"end":         func(fields, _ map[string]any) { fields["EndDate"] = 1.8e9 },
		"key":         func(fields, _ map[string]any) { delete(fields, "KmsKeyArn") },
	} {
		fake := newFake(t)
		s := open(t, fake)
		list := func() []schedule.Schedule {
			p, err := s.List(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			return p.Schedules
		}
		if err := s.Put(t.Context(), some); err != nil {
			t.Fatal(err)
		}
		change(fake.Schedule("sync-1"), fake.Schedule("sync-1")["Target"].(map[string]any))
		if d := cmp.Diff([]schedule.Schedule{{Name: "sync-1"}}, list()); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if err := s.Put(t.Context(), some); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]schedule.Schedule{some}, list()); d != "" {
			t.Errorf("%s, mended (-want +got):\n%s", name, d)
		}
	}
}

// TestRivals: somebody creates, or deletes, between our two calls.
func TestRivals(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	s := open(t, fake)
	n := 0
	fake.Plan(func(call string) (int, string) {
		if n++; n == 1 {
			return 404, "ResourceNotFoundException"
		}
		if call == "POST" && n == 2 {
			return 409, "ConflictException"
		}
		return 0, ""
	})
	if err := s.Put(t.Context(), some); err != nil {
		t.Error(err)
	}
	fake.Plan(func(call string) (int, string) {
		if call == "PUT" {
			return 404, "ResourceNotFoundException"
		}
		return 409, "ConflictException"
	})
	if err := s.Put(t.Context(), some); !fault.Is(err, fault.Throttled) || len(fake.Calls()) > 8 {
		t.Errorf("%v after %d calls, want throttled", err, len(fake.Calls()))
	}
}

// TestGoneWhileListed is left out of the page.
func TestGoneWhileListed(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	s := open(t, fake)
	if err := s.Put(t.Context(), some); err != nil {
		t.Fatal(err)
	}
	fake.Plan(func(call string) (int, string) {
		if call == "GET" {
			return 404, "ResourceNotFoundException"
		}
		return 0, ""
	})
	if p, err := s.List(t.Context(), ""); err != nil || len(p.Schedules) != 0 {
		t.Errorf("%v, %v; want nothing", p, err)
	}
}

func TestEveryCallUnderEveryFault(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	s := open(t, fake)
	for fname, f := range map[string]struct {
		status int
		code   string
		kind   fault.Kind
		want   string
	}{
		"throttled":     {429, "ThrottlingException", fault.Throttled, "aws_throttled"},
		"down":          {500, "InternalServerException", fault.Unavailable, "unavailable"},
		"no permission": {403, "AccessDeniedException", fault.Unavailable, "aws_denied"},
		"malformed":     {400, "ValidationException", fault.Other, "aws_refused"},
	} {
		for cname, call := range map[string]func() error{
			"put":    func() error { return s.Put(t.Context(), some) },
			"delete": func() error { return s.Delete(t.Context(), "sync-1") },
			"list":   func() error { _, err := s.List(t.Context(), ""); return err },
		} {
			fake.Plan(func(string) (int, string) { return f.status, f.code })
			err := call()
			if fault.KindOf(err) != f.kind || fault.CodeOf(err) != f.want || len(fake.Calls()) > 6 {
				t.Errorf("%s under %s: %v after %d calls, want %v %s", cname, fname, err, len(fake.Calls()), f.kind, f.want)
			}
			if err != nil && strings.Contains(err.Error(), "ada@") {
				t.Errorf("%s under %s: the error quotes the service: %v", cname, fname, err)
			}
		}
	}
}

func TestNewWantsNames(t *testing.T) {
	t.Parallel()
	for _, change := range []func(c *eventbridge.Config){
		func(c *eventbridge.Config) { c.Group = "" }, func(c *eventbridge.Config) { c.TargetARN = "" },
		func(c *eventbridge.Config) { c.RoleARN = "" },
	} {
		c := cfg
		change(&c)
		if _, err := eventbridge.New(nil, c); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v, want invalid", c, err)
		}
	}
}
