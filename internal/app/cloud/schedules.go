package cloud

import (
	"github.com/aws/aws-sdk-go-v2/service/scheduler"

	"github.com/lockstep-crm/lockstep/internal/schedule"
	"github.com/lockstep-crm/lockstep/internal/schedule/eventbridge"
	"github.com/lockstep-crm/lockstep/internal/schedule/follow"
)

// Schedules returns the schedules that the environment names; nil where it names
// none. It calls nobody.
func (c *Cloud) Schedules() (schedule.Schedules, error) {
	f := c.Environment.Firing
	if f.Group == "" {
		return nil, nil //nolint:nilnil // no schedules, which is no error: see StageLocal
	}
	return eventbridge.New(scheduler.NewFromConfig(c.Environment.SDK("SCHEDULER")),
		eventbridge.Config{Group: f.Group, RoleARN: f.Role, TargetARN: f.Function, DeadARN: f.Undelivered})
}

// FollowSchedules has the schedules of a connection follow whoever saves it.
func FollowSchedules(c *Cloud) error {
	all, err := c.Schedules()
	if all != nil && err == nil {
		c.Store = &follow.Store{Store: c.Store, Schedules: all, Log: c.Log}
	}
	return err
}
