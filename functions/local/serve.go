package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/lockstep-crm/lockstep/internal/alert"
	"github.com/lockstep-crm/lockstep/internal/alert/smtpmail"
	"github.com/lockstep-crm/lockstep/internal/app"
	"github.com/lockstep-crm/lockstep/internal/config"
	"github.com/lockstep-crm/lockstep/internal/egress"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/telemetry"
)

// settings are the flags that serve and demo share.
type settings struct {
	Addr       string   `default:"127.0.0.1:8080" env:"LOCKSTEP_ADDR" placeholder:"HOST:PORT" help:"Address to listen on (${default}); port 0 takes a free one."`
	AllowHosts []string `name:"allow-host" env:"LOCKSTEP_ALLOW_HOSTS" placeholder:"HOST[:PORT]" help:"Host beside the apps' own that accounts may be at; repeatable, or separated by commas. With a port also http, and private addresses."`
	Documents  string   `name:"app-documents" env:"LOCKSTEP_APP_DOCUMENTS" placeholder:"FOLDER" help:"Folder with documents of apps, <app>.yaml each, beside the program's own or in their place; read at the start."`
	PublicURL  string   `name:"public-url" env:"LOCKSTEP_PUBLIC_URL" placeholder:"URL" help:"How apps and browsers reach this program: scheme://host[:port]. Signatures of webhooks cover it."`
	AppTimeout string   `name:"app-timeout" default:"20s" env:"LOCKSTEP_APP_TIMEOUT" placeholder:"DURATION" help:"Longest call to an app (${default}), 1s to 1m."`
	Proxies    []string `name:"trusted-proxy" env:"LOCKSTEP_TRUSTED_PROXIES" placeholder:"ADDRESS|CIDR" help:"Proxy whose X-Forwarded-For says who calls; repeatable, or separated by commas."`
	TLSCert    string   `name:"tls-cert" env:"LOCKSTEP_TLS_CERT" placeholder:"FILE" help:"Certificate with its chain, PEM; read again when the file changes. Without it the listener is plain HTTP: keep it on loopback, behind a proxy that ends TLS."`
	TLSKey     string   `name:"tls-key" env:"LOCKSTEP_TLS_KEY" placeholder:"FILE" help:"The certificate's private key, PEM."`
	Metrics    string   `name:"metrics-token" env:"LOCKSTEP_METRICS_TOKEN" placeholder:"TOKEN" help:"What opens GET /metrics for Prometheus, as bearer token, and nothing else; without it there is no such path. Others on this machine can read a program's flags: the variable is the safer place."`
	SMTPServer string   `name:"smtp-server" env:"LOCKSTEP_SMTP_SERVER" placeholder:"HOST:PORT" help:"Mail server for alerts. Without it no user can be chosen to hear of them; webhooks go all the same."`
	SMTPFrom   string   `name:"smtp-from" env:"LOCKSTEP_SMTP_FROM" placeholder:"ADDRESS" help:"Sender of mails about alerts."`
	SMTPUser   string   `name:"smtp-user" env:"LOCKSTEP_SMTP_USER" placeholder:"NAME" help:"Login at the mail server; its password comes from LOCKSTEP_SMTP_PASSWORD."`
	SMTPTLS    string   `name:"smtp-tls" env:"LOCKSTEP_SMTP_TLS" default:"starttls" placeholder:"WAY" help:"starttls (default), tls from the first byte, or off for a server on this machine."`
	LogLevel   string   `name:"log-level" env:"LOCKSTEP_LOG_LEVEL" placeholder:"LEVEL" help:"debug, info, warn or error; logs go to standard error."`
	LogFormat  string   `name:"log-format" env:"LOCKSTEP_LOG_FORMAT" default:"auto" placeholder:"FORMAT" help:"plain, json, or auto: plain on a terminal."`
}

// check returns the settings in their final form, or all that is wrong with them.
func (s settings) check(w *world, data, level string) (config.Checked, error) {
	if s.LogLevel == "" {
		s.LogLevel = level
	}
	if s.LogFormat == "auto" {
		s.LogFormat = string(telemetry.JSON)
		if isTerminal(w.err) {
			s.LogFormat = string(telemetry.Plain)
		}
	}
	var formats []string
	for _, f := range telemetry.Formats {
		formats = append(formats, string(f))
	}
	c, err := config.Serve{
		Addr: s.Addr, DataDir: data, AllowHosts: s.AllowHosts, Documents: s.Documents, PublicURL: s.PublicURL,
		AdminKey:   w.env(config.AdminKeyVariable),
		Metrics:    s.Metrics,
		AppTimeout: s.AppTimeout, LogLevel: s.LogLevel, LogFormat: s.LogFormat, TLSCert: s.TLSCert, TLSKey: s.TLSKey,
		Proxies: s.Proxies,
		SMTP: config.SMTP{
			Server: s.SMTPServer, TLS: s.SMTPTLS, From: s.SMTPFrom, User: s.SMTPUser,
			Password: w.env(config.SMTPPasswordVariable),
		},
	}.Check(telemetry.Levels, formats)
	if _, gerr := egress.New(egress.Options{Allow: c.AllowHosts}); gerr != nil {
		err = joined(err, "--allow-host: ", gerr)
	}
	return c, err
}

// joined adds the message of one refusal to another.
func joined(err error, prefix string, more error) error {
	text := ""
	for _, e := range []error{err, more} {
		var f *fault.Error
		if e == nil || !errors.As(e, &f) {
			continue
		}
		if text != "" {
			text += "\n"
		}
		if e == more { //nolint:errorlint // the same value, not its kind
			text += prefix
		}
		text += f.Message
	}
	return fault.New("config: check", fault.Invalid, "invalid_config", text)
}

type serveCommand struct {
	settings
	Data  string `default:"./data" env:"LOCKSTEP_DATA" placeholder:"FOLDER" help:"Folder with everything that is remembered (${default}); made when missing. It belongs to one process at a time."`
	Store string `default:"embedded" enum:"embedded,dynamo" env:"LOCKSTEP_STORE" placeholder:"WHERE" help:"embedded: in the data folder (default). dynamo: in DynamoDB, SQS and KMS, by the names in the environment that the deployed functions have; no folder is used."`
}

// Run serves until ctx ends.
func (c *serveCommand) Run(ctx context.Context, w *world) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50) // most of its time is waiting for apps; its memory is what it costs
	}
	conf, err := c.check(w, c.Data, "info")
	if err != nil {
		return err
	}
	screen := newScreen(w)
	var rem *app.Remote
	if c.Store == storeDynamo {
		if rem, err = remote(ctx, w); err != nil {
			return err
		}
	}
	a, err := open(ctx, conf, rem, screen.logger(conf), nil)
	if err != nil {
		return err
	}
	s, err := listen(ctx, a, conf)
	if err != nil {
		return errors.Join(err, a.Close())
	}
	p := newProgress(screen, a.OpenRuns)
	if rem == nil {
		screen.say("Lockstep listens on %s, with its data in %s", s.url, conf.DataDir)
	} else {
		screen.say("Lockstep listens on %s, with its data in DynamoDB: %s, %s, %s", s.url, rem.Tables[store.Settings],
			rem.Tables[store.Links], rem.Tables[store.Log])
		p.every = printEvery // a look costs
	}
	if conf.Exposed() && len(conf.Proxies) == 0 {
		screen.say("warning: %s is plain HTTP and can be reached from elsewhere: give --tls-cert and --tls-key, or listen "+
			"on 127.0.0.1 behind a proxy that ends TLS", s.url)
	}
	sayKey(screen, a, conf)
	sayConsole(screen, a, s.browserURL(conf))
	stop := p.start(ctx)
	err = s.run(ctx)
	stop()
	if err == nil {
		screen.say("stopped; the next start goes on from here")
	}
	return errors.Join(err, a.Close())
}

// open opens the data folder, or rem if given, with settings that were checked;
// now tells the time, nil = time.Now.
func open(
	ctx context.Context, c config.Checked, rem *app.Remote, log *slog.Logger, now func() time.Time,
) (*app.App, error) {
	// A write may start while the lease outlasts it: for as long as a piece of
	// work may take, and a little more.
	lease := c.AppTimeout + app.LocalTuning().Budget + time.Second
	mailer, err := mailer(c.Mail, now)
	if err != nil {
		return nil, err
	}
	return app.Open(ctx, app.Options{
		Mailer:  mailer,
		DataDir: c.DataDir, Remote: rem, Now: now, Log: log, Proxies: c.Proxies, AllowHosts: c.AllowHosts,
		ServeHosts: c.Names(),
		PublicURL:  c.PublicURL, AppDocuments: c.Documents,
		AdminKey: secret.NewText(c.AdminKey), MetricsToken: secret.NewText(c.Metrics), Version: version, TLS: c.TLSCert != "",
		Tuning: engine.Tuning{HTTPDeadline: c.AppTimeout, Lease: lease},
	})
}

// mailer is how mail about alerts is sent; nil where no server is named.
func mailer(m config.Mail, now func() time.Time) (alert.Mailer, error) {
	if m.Host == "" {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	if now == nil {
		now = time.Now
	}
	return smtpmail.New(smtpmail.Config{
		Host: m.Host, Port: int(m.Port), TLS: smtpmail.TLS(m.TLS), From: m.From, User: m.User,
		Password: secret.NewText(m.Password), Now: now,
	})
}

// sayKey tells who starts the program how to get in. A key that was shown once
// is not shown again.
func sayKey(s *screen, a *app.App, c config.Checked) {
	key, fresh := a.AdminKey()
	path := filepath.Join(c.DataDir, app.AdminKeyFile)
	switch {
	case c.AdminKey != "":
		s.say("admin key: as %s says", config.AdminKeyVariable)
	case fresh:
		s.say("admin key, shown only this once and kept in %s: %s", path, key.Reveal())
	default:
		s.say("admin key: kept in %s", path)
	}
}

// sayConsole tells where the console is. The link that signs its reader in is
// shown as often as the key in it: once. What stands behind "#" is sent nowhere.
func sayConsole(s *screen, a *app.App, address string) {
	if key, fresh := a.AdminKey(); fresh {
		s.say("open in a browser, and be signed in: %s", consoleLink(address, key))
		return
	}
	s.say("open in a browser, and sign in with the key: %s/", address)
}

func consoleLink(address string, key secret.Text) string {
	return address + "/#key=" + url.QueryEscape(key.Reveal())
}

// server is a listening program.
type server struct {
	app      *app.App
	listener net.Listener
	http     *http.Server
	url      string
	hang     context.CancelFunc // ends requests that would not end
}

const (
	headTime = 10 * time.Second // for the head of a request
	idleTime = 2 * time.Minute
	// maxStreams bounds the requests under way on one HTTP/2 connection.
	maxStreams = 32
	stopTime   = 3 * time.Second // for answers under way
)

func listen(ctx context.Context, a *app.App, c config.Checked) (*server, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Addr())
	if err != nil {
		return nil, fault.New("serve: listen", fault.Unavailable, "address_in_use",
			fmt.Sprintf("cannot listen on %s: %v; choose another --addr", c.Addr(), errors.Unwrap(err)))
	}
	gated := net.Listener(newGate(l, min(maxConns, descriptors()/2), maxConnsSource, c.Proxies))
	scheme := "http://"
	if c.TLSCert != "" {
		cert, err := newCertificate(c.TLSCert, c.TLSKey)
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		gated, scheme = tls.NewListener(gated, &tls.Config{
			GetCertificate: cert.get, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12,
		}), "https://"
	}
	base, hang := context.WithCancel(context.Background())
	return &server{
		app: a, listener: gated, hang: hang, url: scheme + reachable(l.Addr().String()),
		http: &http.Server{
			Handler: a.Handler(), ReadHeaderTimeout: headTime, IdleTimeout: idleTime, MaxHeaderBytes: 64 << 10,
			HTTP2:       &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
			BaseContext: func(net.Listener) context.Context { return base },
			ErrorLog:    slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // broken clients are no news
		},
	}, nil
}

// browserURL is where a browser finds us: as configured, else where we listen.
func (s *server) browserURL(c config.Checked) string {
	if c.PublicURL != "" {
		return c.PublicURL
	}
	return s.url
}

// reachable is an address as a browser on this machine takes it.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr
}

// run serves and works until ctx ends, then answers what was asked and finishes
// the work in hand.
func (s *server) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		err := s.http.Serve(s.listener)
		cancel() // without a surface there is no use in going on
		served <- err
	}()
	stopped := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(stopped)
		grace, done := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer done()
		s.hang()
		_ = s.http.Shutdown(grace) // whoever is cut off asks again
		_ = s.http.Close()
	})
	err := s.app.Run(ctx)
	<-stopped
	if serr := <-served; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}

// isTerminal reports whether a person watches what is written to w.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
