package cloud

import (
	"strings"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Storage names what an account of AWS keeps for us.
type Storage struct {
	Tables    map[store.Table]string
	Queue     string // URL of the change queue
	DeadQueue string // URL of its dead-letter queue
	Key       string // ARN of the KMS key that seals credentials
}

// ReadStorage reads the variables that name the storage, the same for the
// functions and for one process. Invalid, naming every one that is missing.
func ReadStorage(env func(string) string) (Storage, error) {
	r := reader{env: env}
	s := r.storage()
	return s, r.err()
}

// reader reads variables and remembers what is wrong with them.
type reader struct {
	env   func(string) string
	wrong []string
}

func (r *reader) need(name string) string {
	v := strings.TrimSpace(r.env(name))
	if v == "" {
		r.wrong = append(r.wrong, name+" is not set")
	}
	return v
}

func (r *reader) storage() Storage {
	return Storage{
		Tables: map[store.Table]string{
			store.Settings: r.need(EnvSettingsTable), store.Links: r.need(EnvLinksTable), store.Log: r.need(EnvLogTable),
		},
		Queue: r.need(EnvQueueURL), DeadQueue: r.need(EnvDeadQueueURL), Key: r.need(EnvKeyID),
	}
}

func (r *reader) err() error {
	if r.wrong == nil {
		return nil
	}
	return fault.New("cloud: environment", fault.Invalid, "invalid_config", strings.Join(r.wrong, "; "))
}
