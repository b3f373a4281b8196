package cloud

import (
	"net/url"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/egress"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// The environment variables of the functions. None of them is a secret.
const (
	EnvRegion        = "AWS_REGION"              // set by Lambda
	EnvSettingsTable = "LOCKSTEP_SETTINGS_TABLE" // names of the tables
	EnvLinksTable    = "LOCKSTEP_LINKS_TABLE"
	EnvLogTable      = "LOCKSTEP_LOG_TABLE"
	EnvQueueURL      = "LOCKSTEP_QUEUE_URL"           // of the change queue
	EnvDeadQueueURL  = "LOCKSTEP_DEAD_QUEUE_URL"      // of its dead-letter queue
	EnvKeyID         = "LOCKSTEP_KEY_ID"              // ARN of the KMS key that seals credentials
	EnvPublicURL     = "LOCKSTEP_PUBLIC_URL"          // scheme://host as apps and browsers call us
	EnvAdminKey      = "LOCKSTEP_ADMIN_KEY_PARAMETER" // name of the SecureString with the operator's key
	EnvAllowHosts    = "LOCKSTEP_ALLOW_HOSTS"         // optional: see egress; separated by commas
	EnvVersion       = "LOCKSTEP_VERSION"             // optional: shown in the OpenAPI document
)

// Serves says what a function serves over HTTP, which decides what it must be told.
type Serves uint8

// What functions serve.
const (
	Nothing Serves = iota
	Hooks          // deliveries of apps: needs EnvPublicURL
	All            // and the REST API: needs EnvAdminKey too
)

// Environment is what the variables say.
type Environment struct {
	Region     string
	Tables     map[store.Table]string
	Queue      string
	DeadQueue  string
	Key        string
	PublicURL  string
	AdminKey   string // name of the parameter
	AllowHosts []string
	Version    string
}

// Read reads the variables. Invalid, naming every one that is missing or
// cannot be used.
func Read(env func(string) string, s Serves) (Environment, error) {
	var wrong []string
	need := func(name string) string {
		v := strings.TrimSpace(env(name))
		if v == "" {
			wrong = append(wrong, name+" is not set")
		}
		return v
	}
	e := Environment{
		Region: need(EnvRegion),
		Tables: map[store.Table]string{store.Settings: need(EnvSettingsTable), store.Links: need(EnvLinksTable), store.Log: need(EnvLogTable)},
		Queue:  need(EnvQueueURL), DeadQueue: need(EnvDeadQueueURL), Key: need(EnvKeyID), Version: env(EnvVersion),
	}
	if s >= Hooks {
		e.PublicURL = need(EnvPublicURL)
		if u, err := url.Parse(e.PublicURL); e.PublicURL != "" && (err != nil || u.Host == "" || strings.Trim(u.Path, "/") != "") {
			wrong = append(wrong, EnvPublicURL+" is not scheme://host[:port]")
		}
	}
	if s >= All {
		e.AdminKey = need(EnvAdminKey)
	}
	for host := range strings.SplitSeq(env(EnvAllowHosts), ",") {
		if host = strings.TrimSpace(host); host != "" {
			e.AllowHosts = append(e.AllowHosts, host)
		}
	}
	if _, err := egress.New(egress.Options{Allow: e.AllowHosts}); err != nil {
		wrong = append(wrong, EnvAllowHosts+" is not a list of hosts")
	}
	if wrong != nil {
		return e, fault.New("cloud: environment", fault.Invalid, "invalid_config", strings.Join(wrong, "; "))
	}
	return e, nil
}
