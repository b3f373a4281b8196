package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// The stages. They differ in what a removal leaves behind and in what they
// accept, not in shape.
const (
	Dev  = "dev"  // removed without a trace by "make destroy"
	Prod = "prod" // tables, key and users are protected and stay behind
)

// Config is what an operator may choose, each by a context value of the same
// name: in cdk.json, or on the command line as -c name=value. No value is a
// secret; secrets are named by where they are kept.
type Config struct {
	Stage             string   // stage: dev or prod
	Region            string   // region: "" = that of the caller's credentials
	Assets            string   // folder with one folder per function that holds its bootstrap
	Users             bool     // users: a user pool and JWTs on /v1/*; without it API keys only
	SelfSignUp        bool     // selfSignUp: people may sign up by themselves, with a code by e-mail
	LoginDomain       string   // loginDomain: prefix of the hosted login page; "" = none
	CallbackURLs      []string // callbackUrls: where the login page sends browsers back to
	GoogleClient      string   // googleClient: OAuth client ID; its secret is in googleSecret
	GoogleSecret      string   // googleSecret: name in Secrets Manager
	FacebookClient    string   // facebookClient, facebookSecret: the same for Facebook
	FacebookSecret    string
	AlertEmail        string  // alertEmail: who gets alarms and budget warnings
	BudgetUSD         float64 // budgetUsd: monthly bill of the account that is warned about
	Domain            string  // domain: a name of one's own for the HTTP API
	CertificateARN    string  // certificateArn: its certificate, in the same region
	AllowHosts        string  // allowHosts: hosts of apps beyond those built in, separated by commas
	AppDocuments      string  // appDocuments: folder with documents of apps; "" = the program's own only
	AdminKeyParameter string  // adminKeyParameter: name of the SecureString with the operator's key
	LogDays           int     // logDays: how long function and access logs are kept
	EncryptLogs       bool    // encryptLogs: function and access logs under the customer key, too
	SyncConcurrency   int     // syncConcurrency: sync functions at a time, 2 to 1000
}

// Name is what a resource of this stage is called.
func (c *Config) Name(what string) string { return "lockstep-" + c.Stage + "-" + what }

func (c *Config) prod() bool { return c.Stage == Prod }

// removal is what becomes of a resource with data when its stack goes.
func (c *Config) removal() awscdk.RemovalPolicy {
	if c.prod() {
		return awscdk.RemovalPolicy_RETAIN
	}
	return awscdk.RemovalPolicy_DESTROY
}

// ReadContext returns the context of the cdk.json in the folder root.
func ReadContext(root string) (map[string]any, error) {
	const file = "cdk.json"
	src, err := fs.ReadFile(os.DirFS(root), file)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Context map[string]any `json:"context"`
	}
	if err := json.Unmarshal(src, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return doc.Context, nil
}

// NewApp returns an app with this context, over which that of the command line
// goes; it writes to outdir, or to a temporary folder when that is "".
func NewApp(context map[string]any, outdir string) awscdk.App {
	context = maps.Clone(context)
	context["aws:cdk:enable-path-metadata"] = true // as the command line tool has it; the rule packs name places by it
	props := &awscdk.AppProps{AnalyticsReporting: jsii.Bool(false), Context: &context}
	if outdir != "" {
		props.Outdir = jsii.String(outdir)
	}
	return awscdk.NewApp(props)
}

// ReadConfig reads the context of node for the project at root. The error
// names everything that is wrong at once.
func ReadConfig(node constructs.Node, root string) (*Config, error) {
	return newConfig(func(name string) any { return node.TryGetContext(jsii.String(name)) }, root)
}

func newConfig(lookup func(string) any, root string) (*Config, error) {
	r := reader{lookup: lookup}
	c := &Config{
		Stage:             r.text("stage", Dev),
		Region:            r.text("region", os.Getenv("CDK_DEFAULT_REGION")),
		Assets:            r.text("assets", filepath.Join("dist", "arm64")),
		Users:             r.flag("users", true),
		SelfSignUp:        r.flag("selfSignUp", false),
		LoginDomain:       r.text("loginDomain", ""),
		CallbackURLs:      r.list("callbackUrls"),
		GoogleClient:      r.text("googleClient", ""),
		GoogleSecret:      r.text("googleSecret", ""),
		FacebookClient:    r.text("facebookClient", ""),
		FacebookSecret:    r.text("facebookSecret", ""),
		AlertEmail:        r.text("alertEmail", ""),
		BudgetUSD:         r.number("budgetUsd", 25, 1, 1e6),
		Domain:            r.text("domain", ""),
		CertificateARN:    r.text("certificateArn", ""),
		AllowHosts:        strings.Join(r.list("allowHosts"), ","),
		AppDocuments:      r.text("appDocuments", ""),
		AdminKeyParameter: r.text("adminKeyParameter", ""),
		LogDays:           int(r.number("logDays", 30, 1, 3653)),
		EncryptLogs:       r.flag("encryptLogs", false),
		SyncConcurrency:   int(r.number("syncConcurrency", 10, 2, 1000)),
	}
	if c.AdminKeyParameter == "" {
		c.AdminKeyParameter = "/lockstep/" + c.Stage + "/admin-key"
	}
	if !filepath.IsAbs(c.Assets) {
		c.Assets = filepath.Join(root, c.Assets)
	}
	if c.AppDocuments != "" && !filepath.IsAbs(c.AppDocuments) {
		c.AppDocuments = filepath.Join(root, c.AppDocuments)
	}
	r.check(c)
	return c, r.err()
}

// CheckAssets reports every function that has not been built.
func (c *Config) CheckAssets() error {
	var missing []string
	for _, f := range functionSpecs() {
		if _, err := os.Stat(filepath.Join(c.asset(f.name), "bootstrap")); err != nil {
			missing = append(missing, f.name)
		}
	}
	if missing != nil {
		return fmt.Errorf("%s holds no bootstrap for %s: run make lambda", c.Assets, strings.Join(missing, ", "))
	}
	if found, err := filepath.Glob(filepath.Join(c.AppDocuments, "*.yaml")); c.AppDocuments != "" &&
		(err != nil || len(found) == 0) {
		return fmt.Errorf("appDocuments: %s holds no document (<app>.yaml)", c.AppDocuments)
	}
	return nil
}

func (c *Config) asset(function string) string { return filepath.Join(c.Assets, function) }

// reader takes values from the context and collects what is wrong with them.
// The command line gives texts where cdk.json may have others.
type reader struct {
	lookup func(string) any
	wrong  []string
}

func (r *reader) add(format string, args ...any) {
	r.wrong = append(r.wrong, "context "+fmt.Sprintf(format, args...))
}

func (r *reader) err() error {
	if r.wrong == nil {
		return nil
	}
	return errors.New(strings.Join(r.wrong, "\n"))
}

func (r *reader) text(name, otherwise string) string {
	switch v := r.lookup(name).(type) {
	case nil:
		return otherwise
	case string:
		if v = strings.TrimSpace(v); v != "" {
			return v
		}
		return otherwise
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	default:
		r.add("%s: is neither text nor number", name)
		return otherwise
	}
}

func (r *reader) flag(name string, otherwise bool) bool {
	text := r.text(name, strconv.FormatBool(otherwise))
	v, err := strconv.ParseBool(text)
	if err != nil {
		r.add("%s: %q is neither true nor false", name, text)
	}
	return v
}

func (r *reader) number(name string, otherwise, least, most float64) float64 {
	text := r.text(name, strconv.FormatFloat(otherwise, 'f', -1, 64))
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= least && v <= most) {
		r.add("%s: %q is not a number from %v to %v", name, text, least, most)
		return otherwise
	}
	return v
}

func (r *reader) list(name string) []string {
	var out []string
	for v := range strings.SplitSeq(r.text(name, ""), ",") {
		if v = strings.TrimSpace(v); v != "" {
			out = append(out, v)
		}
	}
	return out
}

var (
	emailForm  = regexp.MustCompile(`^[^@\s]+@[^@\s]+\.[^@\s]+$`)
	domainForm = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$`)
	prefixForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	paramForm  = regexp.MustCompile(`^(/[A-Za-z0-9_.-]+)+$`)
	certForm   = regexp.MustCompile(`^arn:[a-z-]+:acm:[a-z0-9-]+:[0-9]{12}:certificate/[A-Za-z0-9-]+$`)
)

// check looks at the values that depend on each other or have a form.
func (r *reader) check(c *Config) {
	form := func(name, value string, re *regexp.Regexp, what string) {
		if value != "" && !re.MatchString(value) {
			r.add("%s: %q is not %s", name, value, what)
		}
	}
	if c.Stage != Dev && c.Stage != Prod {
		r.add("stage: %q is neither %s nor %s", c.Stage, Dev, Prod)
	}
	form("alertEmail", c.AlertEmail, emailForm, "an e-mail address")
	form("domain", c.Domain, domainForm, "a host name")
	form("certificateArn", c.CertificateARN, certForm, "the ARN of a certificate")
	form("loginDomain", c.LoginDomain, prefixForm, "a prefix of letters, digits and hyphens")
	form("adminKeyParameter", c.AdminKeyParameter, paramForm, "the name of a parameter, such as /lockstep/prod/admin-key")
	pair := func(a, av, b, bv string) {
		if (av == "") != (bv == "") {
			r.add("%s and %s: give both or neither", a, b)
		}
	}
	pair("domain", c.Domain, "certificateArn", c.CertificateARN)
	pair("googleClient", c.GoogleClient, "googleSecret", c.GoogleSecret)
	pair("facebookClient", c.FacebookClient, "facebookSecret", c.FacebookSecret)
	if social := c.GoogleClient + c.FacebookClient; social != "" && c.LoginDomain == "" {
		r.add("loginDomain: identity providers need the hosted login page")
	}
	if c.LoginDomain != "" && len(c.CallbackURLs) == 0 {
		r.add("callbackUrls: the login page needs to know where to send browsers back to")
	}
	for _, u := range c.CallbackURLs {
		if !strings.HasPrefix(u, "https://") && (c.prod() || !strings.HasPrefix(u, "http://localhost")) {
			r.add("callbackUrls: %q is not https", u)
		}
	}
	r.hosts(c)
}

// hosts refuses, for prod, the entries that open the way into our own machine
// (X4): loopback addresses and plain http.
func (r *reader) hosts(c *Config) {
	if !c.prod() {
		return
	}
	for entry := range strings.SplitSeq(c.AllowHosts, ",") {
		host := entry
		if h, _, ok := strings.Cut(entry, ":"); ok && strings.Count(entry, ":") == 1 {
			host = h
		}
		addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
		switch {
		case strings.Contains(entry, "http:"), strings.Contains(entry, "://"):
			r.add("allowHosts: %q: prod takes hosts, not addresses with a scheme", entry)
		case strings.EqualFold(host, "localhost"), strings.HasSuffix(strings.ToLower(host), ".localhost"),
			err == nil && (addr.IsLoopback() || addr.IsUnspecified()), strings.HasPrefix(entry, "[::1]"):
			r.add("allowHosts: %q: prod does not call its own machine", entry)
		}
	}
}
