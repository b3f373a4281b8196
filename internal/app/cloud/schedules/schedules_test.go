package schedules_test

import (
	"log/slog"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/app/cloud/schedules"
	"github.com/lockstep-crm/lockstep/internal/schedule/follow"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

func TestFollow(t *testing.T) {
	t.Parallel()
	st := memstore.New(nil)
	c := &cloud.Cloud{Store: st, Log: slog.New(slog.DiscardHandler)}
	if err := schedules.Follow(c); err != nil || c.Store != st {
		t.Errorf("without a group: %v, store %T; want it as it was", err, c.Store)
	}
	c.Environment.Firing = cloud.Firing{Group: "g", Role: "r", Function: "f", Undelivered: "u"}
	if err := schedules.Follow(c); err != nil {
		t.Fatal(err)
	}
	if s, ok := c.Store.(*follow.Store); !ok || s.Store != st || s.Schedules == nil {
		t.Errorf("store %T; want one that schedules follow", c.Store)
	}
	c.Environment.Firing.Role = ""
	if err := schedules.Follow(c); err == nil {
		t.Error("half a setting was accepted")
	}
}
