package eventbridge

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/schedule"
)

const (
	pageSize = 100              // the service's largest page
	parallel = 8                // schedules of a page that are read side by side
	turns    = 4                // update, create, update … while a rival does the opposite
	retries  = 1                // of one firing
	maxAge   = 60 * time.Second // of one firing
)

// Config says where schedules live and what they fire.
type Config struct {
	Group     string // of the schedules; nothing else may be in it
	TargetARN string // of the function
	RoleARN   string // by which the scheduler may call it
	DeadARN   string // of the queue for firings that could not be delivered; "" = none
	KeyARN    string // of the key that the input is encrypted with; "" = the service's own
	Retry     awscall.Policy
}

// Schedules is a schedule.Schedules in EventBridge Scheduler. Make it with New.
type Schedules struct {
	client *scheduler.Client
	cfg    Config
}

// New returns the schedules of a group, which must exist. It makes no call.
// fault.Invalid when a name is missing.
func New(client *scheduler.Client, cfg Config) (*Schedules, error) {
	for what, name := range map[string]string{"group": cfg.Group, "target": cfg.TargetARN, "role": cfg.RoleARN} {
		if name == "" {
			return nil, fault.New("eventbridge: new", fault.Invalid, "schedules_unnamed",
				"the "+what+" of the schedules has no name")
		}
	}
	return &Schedules{client: client, cfg: cfg}, nil
}

// input is what a schedule fires with.
type input struct {
	Workspace  crm.WorkspaceID  `json:"workspace"`
	Connection crm.ConnectionID `json:"connection"`
	Sync       crm.SyncID       `json:"sync"`
}

// Put implements schedule.Schedules.
func (s *Schedules) Put(ctx context.Context, sc schedule.Schedule) error {
	const op = "eventbridge: put schedule"
	if err := schedule.Check(op, &sc); err != nil {
		return err
	}
	f, err := s.fields(&sc)
	if err != nil {
		return fault.Wrap(op, fault.Other, err)
	}
	for range turns {
		err = s.call(ctx, op, awscall.Idempotent, func(ctx context.Context) error {
			_, err := s.client.UpdateSchedule(ctx, f.update(), once)
			return err
		})
		if awscall.Code(err) != "ResourceNotFoundException" {
			break
		}
		err = s.call(ctx, op, awscall.Idempotent, func(ctx context.Context) error {
			_, err := s.client.CreateSchedule(ctx, f.create(), once)
			return err
		})
		if awscall.Code(err) != "ConflictException" {
			break
		}
	}
	if awscall.Code(err) == "ConflictException" {
		return fault.New(op, fault.Throttled, "aws_throttled", "the schedule is being changed elsewhere")
	}
	return awscall.Classify(op, err, false)
}

// fields are all of a schedule, for create and update alike.
type fields struct {
	name, group, expression, description, key *string
	state                                     types.ScheduleState
	target                                    *types.Target
}

func (s *Schedules) fields(sc *schedule.Schedule) (fields, error) {
	in, err := json.Marshal(input{sc.Workspace, sc.Connection, sc.Sync})
	if err != nil {
		return fields{}, err
	}
	f := fields{
		name: aws.String(sc.Name), group: aws.String(s.cfg.Group), expression: aws.String(expression(sc.Every)),
		description: aws.String("pulls one sync"), state: types.ScheduleStateEnabled,
		target: &types.Target{
			Arn: aws.String(s.cfg.TargetARN), RoleArn: aws.String(s.cfg.RoleARN), Input: aws.String(string(in)),
			RetryPolicy: &types.RetryPolicy{
				MaximumRetryAttempts: aws.Int32(retries), MaximumEventAgeInSeconds: aws.Int32(int32(maxAge / time.Second)),
			},
		},
	}
	if sc.Paused {
		f.state = types.ScheduleStateDisabled
	}
	if s.cfg.DeadARN != "" {
		f.target.DeadLetterConfig = &types.DeadLetterConfig{Arn: aws.String(s.cfg.DeadARN)}
	}
	if s.cfg.KeyARN != "" {
		f.key = aws.String(s.cfg.KeyARN)
	}
	return f, nil
}

var precisely = &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff}

func (f fields) update() *scheduler.UpdateScheduleInput {
	return &scheduler.UpdateScheduleInput{
		Name: f.name, GroupName: f.group, ScheduleExpression: f.expression, Description: f.description, KmsKeyArn: f.key,
		State: f.state, Target: f.target, FlexibleTimeWindow: precisely,
		ActionAfterCompletion: types.ActionAfterCompletionNone,
	}
}

func (f fields) create() *scheduler.CreateScheduleInput {
	return &scheduler.CreateScheduleInput{
		Name: f.name, GroupName: f.group, ScheduleExpression: f.expression, Description: f.description, KmsKeyArn: f.key,
		State: f.state, Target: f.target, FlexibleTimeWindow: precisely,
		ActionAfterCompletion: types.ActionAfterCompletionNone,
	}
}

// Delete implements schedule.Schedules.
func (s *Schedules) Delete(ctx context.Context, name string) error {
	const op = "eventbridge: delete schedule"
	if err := schedule.CheckName(op, name); err != nil {
		return err
	}
	err := s.call(ctx, op, awscall.Idempotent, func(ctx context.Context) error {
		_, err := s.client.DeleteSchedule(ctx, &scheduler.DeleteScheduleInput{
			Name: aws.String(name), GroupName: aws.String(s.cfg.Group),
		}, once)
		return err
	})
	if awscall.Code(err) == "ResourceNotFoundException" {
		return nil
	}
	return awscall.Classify(op, err, false)
}

// List implements schedule.Schedules. The service lists names only; each
// schedule is read by itself.
func (s *Schedules) List(ctx context.Context, cursor string) (schedule.Page, error) {
	const op = "eventbridge: list schedules"
	in := &scheduler.ListSchedulesInput{GroupName: aws.String(s.cfg.Group), MaxResults: aws.Int32(pageSize)}
	if cursor != "" {
		in.NextToken = aws.String(cursor)
	}
	var out *scheduler.ListSchedulesOutput
	err := s.call(ctx, op, awscall.Read, func(ctx context.Context) error {
		var err error
		out, err = s.client.ListSchedules(ctx, in, once)
		return err
	})
	if err != nil {
		return schedule.Page{}, awscall.Classify(op, err, false)
	}
	all, err := s.readAll(ctx, op, out.Schedules)
	if err != nil {
		return schedule.Page{}, err
	}
	return schedule.Page{Schedules: all, Next: aws.ToString(out.NextToken)}, nil
}

// readAll reads the listed schedules, some at a time; those that are gone
// meanwhile are left out.
func (s *Schedules) readAll(
	ctx context.Context, op string, listed []types.ScheduleSummary,
) ([]schedule.Schedule, error) {
	found := make([]*schedule.Schedule, len(listed))
	errs := make([]error, len(listed))
	slots := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for i := range listed {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			found[i], errs[i] = s.read(ctx, op, aws.ToString(listed[i].Name))
		})
	}
	wg.Wait()
	var all []schedule.Schedule
	for i := range found {
		if errs[i] != nil {
			return nil, errs[i]
		}
		if found[i] != nil {
			all = append(all, *found[i])
		}
	}
	return all, nil
}

// read returns nil for a schedule that is gone.
func (s *Schedules) read(ctx context.Context, op, name string) (*schedule.Schedule, error) {
	var out *scheduler.GetScheduleOutput
	err := s.call(ctx, op, awscall.Read, func(ctx context.Context) error {
		var err error
		out, err = s.client.GetSchedule(ctx, &scheduler.GetScheduleInput{
			Name: aws.String(name), GroupName: aws.String(s.cfg.Group),
		}, once)
		return err
	})
	if awscall.Code(err) == "ResourceNotFoundException" {
		return nil, nil //nolint:nilnil // gone since it was listed: nothing to report
	}
	if err != nil {
		return nil, awscall.Classify(op, err, false)
	}
	sc := s.ours(name, out)
	return &sc, nil
}

// ours is a schedule as this package would have put it; one that differs in
// anything has only its name.
func (s *Schedules) ours(name string, out *scheduler.GetScheduleOutput) schedule.Schedule {
	foreign := schedule.Schedule{Name: name}
	t := out.Target
	if t == nil || aws.ToString(t.Arn) != s.cfg.TargetARN || aws.ToString(t.RoleArn) != s.cfg.RoleARN {
		return foreign
	}
	var in input
	if json.Unmarshal([]byte(aws.ToString(t.Input)), &in) != nil {
		return foreign
	}
	every, ok := interval(aws.ToString(out.ScheduleExpression))
	dead := ""
	if t.DeadLetterConfig != nil {
		dead = aws.ToString(t.DeadLetterConfig.Arn)
	}
	if !ok || dead != s.cfg.DeadARN || aws.ToString(out.KmsKeyArn) != s.cfg.KeyARN || out.EndDate != nil ||
		out.StartDate != nil ||
		t.RetryPolicy == nil || aws.ToInt32(t.RetryPolicy.MaximumRetryAttempts) != retries {
		return foreign
	}
	sc := schedule.Schedule{
		Name: name, Workspace: in.Workspace, Connection: in.Connection, Sync: in.Sync,
		Every: every, Paused: out.State == types.ScheduleStateDisabled,
	}
	if schedule.Check("", &sc) != nil {
		return foreign
	}
	return sc
}

// expression and interval turn minutes into the service's words, and back.
func expression(every time.Duration) string {
	if n := int(every / time.Minute); n != 1 {
		return fmt.Sprintf("rate(%d minutes)", n)
	}
	return "rate(1 minute)"
}

func interval(expression string) (time.Duration, bool) {
	text, ok := strings.CutPrefix(expression, "rate(")
	number, unit, _ := strings.Cut(text, " ")
	n, err := strconv.Atoi(number)
	return time.Duration(n) * time.Minute, ok && err == nil && (unit == "minutes)" || unit == "minute)")
}

func (s *Schedules) call(
	ctx context.Context, op string, nature awscall.Nature, call func(context.Context) error,
) error {
	return awscall.Do(ctx, op, nature, s.cfg.Retry, call)
}

// once switches the SDK's own repetitions off.
func once(o *scheduler.Options) { o.Retryer = aws.NopRetryer{} }

var _ schedule.Schedules = (*Schedules)(nil)
