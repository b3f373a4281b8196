package schedules

import (
	"github.com/aws/aws-sdk-go-v2/service/scheduler"

	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/schedule"
	"github.com/lockstep-crm/lockstep/internal/schedule/eventbridge"
	"github.com/lockstep-crm/lockstep/internal/schedule/follow"
)

// Open returns the schedules that the environment names; nil where it names
// none. It calls nobody.
func Open(c *cloud.Cloud) (schedule.Schedules, error) {
	f := c.Environment.Firing
	if f.Group == "" {
		return nil, nil //nolint:nilnil // no schedules, which is no error: see cloud.StageLocal
	}
	return eventbridge.New(scheduler.NewFromConfig(c.Environment.SDK("SCHEDULER")),
		eventbridge.Config{Group: f.Group, RoleARN: f.Role, TargetARN: f.Function, DeadARN: f.Undelivered})
}

// Follow has the schedules of a connection follow whoever saves it.
func Follow(c *cloud.Cloud) error {
	all, err := Open(c)
	if all != nil && err == nil {
		c.Store = &follow.Store{Store: c.Store, Schedules: all, Log: c.Log}
	}
	return err
}
