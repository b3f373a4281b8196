package cloud

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/lockstep-crm/lockstep/internal/egress"
)

// The environment variables of the functions. None that we set is a secret.
const (
	EnvRegion        = "AWS_REGION"              // this and the next two are set by Lambda
	EnvAccessKey     = "AWS_ACCESS_KEY_ID"       // of the function's role, with EnvSessionToken
	EnvSecretKey     = "AWS_SECRET_ACCESS_KEY"   //nolint:gosec // the name of a variable
	EnvSettingsTable = "LOCKSTEP_SETTINGS_TABLE" // names of the tables
	EnvLinksTable    = "LOCKSTEP_LINKS_TABLE"
	EnvLogTable      = "LOCKSTEP_LOG_TABLE"
	EnvQueueURL      = "LOCKSTEP_QUEUE_URL"           // of the change queue
	EnvDeadQueueURL  = "LOCKSTEP_DEAD_QUEUE_URL"      // of its dead-letter queue
	EnvKeyID         = "LOCKSTEP_KEY_ID"              // ARN of the KMS key that seals credentials
	EnvStage         = "LOCKSTEP_STAGE"               // dev, prod: names the metrics
	EnvPublicURL     = "LOCKSTEP_PUBLIC_URL"          // scheme://host as apps and browsers call us
	EnvAdminKey      = "LOCKSTEP_ADMIN_KEY_PARAMETER" // name of the SecureString with the operator's key
	EnvAllowHosts    = "LOCKSTEP_ALLOW_HOSTS"         // optional: see egress; separated by commas
	EnvAppDocuments  = "LOCKSTEP_APP_DOCUMENTS"       // optional: a folder with documents of apps beside the program's own
	EnvVersion       = "LOCKSTEP_VERSION"             // optional: shown in the OpenAPI document
	EnvSessionToken  = "AWS_SESSION_TOKEN"            //nolint:gosec // the name of a variable; set by Lambda
	EnvEndpoint      = "AWS_ENDPOINT_URL_"            // optional, with DYNAMODB, SQS, KMS, SSM or SCHEDULER: a stand-in
	EnvEndpoints     = "AWS_ENDPOINT_URL"             // optional: one stand-in for all services

	EnvScheduleGroup = "LOCKSTEP_SCHEDULE_GROUP"        // group of the schedules of syncs; nothing else may be in it
	EnvScheduleRole  = "LOCKSTEP_SCHEDULE_ROLE_ARN"     // role by which they fire
	EnvPullFunction  = "LOCKSTEP_PULL_FUNCTION_ARN"     // what they fire
	EnvUndelivered   = "LOCKSTEP_UNDELIVERED_QUEUE_ARN" // where firings go that could not be delivered
)

// Serves says what a function serves, which decides what it must be told.
type Serves uint8

// What functions serve.
const (
	Hooks     Serves = 1 << iota                // deliveries of apps: needs EnvPublicURL
	REST                                        // needs EnvAdminKey
	Schedules                                   // keeps those of syncs: needs EnvScheduleGroup and what it goes with
	Nothing   Serves = 0                        // of these
	All              = Hooks | REST | Schedules // what the function behind the REST API does
)

// StageLocal is the stage of functions that run beside stand-ins. There is no
// stand-in for the scheduler: whoever runs them fires pulls, unless
// EnvScheduleGroup says otherwise.
const StageLocal = "local"

// StageProd is the stage that holds real people: no plain http, no loopback.
const StageProd = "prod"

// Strict tells whether the function keeps what StageProd promises, whatever the
// template that made it has let through.
func (e *Environment) Strict() bool { return e.Stage == StageProd }

// Environment is what the variables say.
type Environment struct {
	Storage

	Region     string
	Stage      string
	PublicURL  string
	AdminKey   string // name of the parameter
	AllowHosts []string

	AppDocuments string // a folder; "" = none

	Version string
	Times   Times
	Firing  Firing

	shared    aws.Config
	endpoints map[string]string // by service
}

// Firing is where schedules are and what they fire; empty without schedules.
type Firing struct{ Group, Role, Function, Undelivered string }

// Read reads the variables. Invalid, naming every one that is missing or
// cannot be used.
func Read(env func(string) string, s Serves) (Environment, error) {
	r := reader{env: env}
	need := r.need
	e := Environment{
		Region: need(EnvRegion), Storage: r.storage(), Stage: need(EnvStage), Version: env(EnvVersion),
		AppDocuments: env(EnvAppDocuments),
	}
	keys := credentials.NewStaticCredentialsProvider(need(EnvAccessKey), need(EnvSecretKey), env(EnvSessionToken))
	e.shared = aws.Config{Region: e.Region, Credentials: aws.NewCredentialsCache(keys), HTTPClient: HTTPClient()}
	e.endpoints = map[string]string{}
	for _, service := range []string{"DYNAMODB", "SQS", "KMS", "SSM", "SCHEDULER"} {
		e.endpoints[service] = cmp.Or(env(EnvEndpoint+service), env(EnvEndpoints))
	}
	if s&Hooks != 0 {
		e.PublicURL = need(EnvPublicURL)
		if u, err := url.Parse(e.PublicURL); e.PublicURL != "" &&
			(err != nil || u.Host == "" || strings.Trim(u.Path, "/") != "") {
			r.wrong = append(r.wrong, EnvPublicURL+" is not scheme://host[:port]")
		} else if e.PublicURL != "" && e.Strict() && u.Scheme != "https" {
			r.wrong = append(r.wrong, EnvPublicURL+" is not https, which the stage "+StageProd+" asks for")
		}
	}
	if s&REST != 0 {
		e.AdminKey = need(EnvAdminKey)
	}
	if s&Schedules != 0 && (e.Stage != StageLocal || env(EnvScheduleGroup) != "") {
		e.Firing = Firing{need(EnvScheduleGroup), need(EnvScheduleRole), need(EnvPullFunction), need(EnvUndelivered)}
	}
	for host := range strings.SplitSeq(env(EnvAllowHosts), ",") {
		if host = strings.TrimSpace(host); host != "" {
			e.AllowHosts = append(e.AllowHosts, host)
		}
	}
	if _, err := egress.New(egress.Options{Allow: e.AllowHosts, Strict: e.Strict()}); err != nil {
		r.wrong = append(r.wrong, EnvAllowHosts+" is no list of hosts that may be called here: "+err.Error())
	}
	times, unusable := readTimes(env)
	e.Times, r.wrong = times, append(r.wrong, unusable...)
	return e, r.err()
}

// SDK is the configuration of a client of a service: DYNAMODB, SQS, KMS, SSM
// or SCHEDULER.
// It is made of the environment alone: the SDK's own loader also brings sign-in,
// shared files and metadata services, none of which a function has.
func (e *Environment) SDK(service string) aws.Config {
	c := e.shared.Copy()
	if at := e.endpoints[service]; at != "" {
		c.BaseEndpoint = aws.String(at)
	}
	return c
}

const (
	// connections is how many connections to one service a function keeps: the
	// store's batches go side by side.
	connections = 64
	// CallTime bounds one request to AWS, all of it. Services answer within
	// milliseconds; what hangs is given up and repeated.
	CallTime = 5 * time.Second
)

// HTTPClient is the HTTP client that all services share.
func HTTPClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTimeout(CallTime).WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 2*connections, connections
	})
}
