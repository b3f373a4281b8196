package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/config"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

var (
	levels  = []string{"info", "warn"}
	formats = []string{"plain", "json"}
)

func valid() config.Serve {
	return config.Serve{Addr: "127.0.0.1:8080", DataDir: "./data", AppTimeout: "6s", LogLevel: "info", LogFormat: "plain"}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	s := valid()
	s.AllowHosts = []string{"127.0.0.1:9001, 127.0.0.1:9002", "crm.example.com", ""}
	s.PublicURL = "https://sync.example.com/"
	s.AdminKey = "a-key-of-enough-length"
	s.Metrics = "a-token-of-enough-length"
	got, err := s.Check(levels, formats)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Checked{
		Host: "127.0.0.1", Port: 8080, DataDir: "./data", PublicURL: "https://sync.example.com",
		AdminKey:   "a-key-of-enough-length",
		Metrics:    "a-token-of-enough-length",
		AllowHosts: []string{"127.0.0.1:9001", "127.0.0.1:9002", "crm.example.com"}, AppTimeout: 6 * time.Second,
		LogLevel: "info", LogFormat: "plain",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings differ (-want +got):\n%s", diff)
	}
	if got.Addr() != "127.0.0.1:8080" {
		t.Errorf("Addr() = %q", got.Addr())
	}
}

// Every problem is said in one go, so that nobody starts the program five times.
func TestCheckReportsEverything(t *testing.T) {
	t.Parallel()
	s := config.Serve{
		Addr: "8080", PublicURL: "sync.example.com/path", AdminKey: "short", Metrics: "shorter", AppTimeout: "soon",
		LogLevel: "loud", LogFormat: "xml",
	}
	_, err := s.Check(levels, formats)
	if !fault.Is(err, fault.Invalid) {
		t.Fatalf("got %v, want an invalid configuration", err)
	}
	for _, want := range []string{
		"--addr", "--data", "--public-url", config.AdminKeyVariable, "--metrics-token: use 16 to", "--app-timeout", "--log-level", "--log-format",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "short") {
		t.Errorf("the error quotes the key: %v", err)
	}
}

// TestMetricsTokenIsNoKey: who collects metrics gets nothing else.
func TestMetricsTokenIsNoKey(t *testing.T) {
	t.Parallel()
	s := valid()
	s.AdminKey, s.Metrics = "one-and-the-same", "one-and-the-same"
	if _, err := s.Check(levels, formats); err == nil || !strings.Contains(err.Error(), "--metrics-token: use another") {
		t.Errorf("the same text is taken twice: %v", err)
	}
	s.AdminKey, s.Metrics = "", "a token with blanks"
	if _, err := s.Check(levels, formats); err == nil || !strings.Contains(err.Error(), "--metrics-token: use printable") {
		t.Errorf("a token that no header can hold is taken: %v", err)
	}
}

// TestMailServer takes a whole mail server or none, and no login in the clear
// over a wire.
func TestMailServer(t *testing.T) {
	t.Parallel()
	whole := config.SMTP{
		Server: "smtp.example.com:587", TLS: "starttls", From: "Lockstep <lockstep@example.com>",
		User: "u", Password: "s3cr3t",
	}
	s := valid()
	s.SMTP = whole
	got, err := s.Check(levels, formats)
	want := config.Mail{
		Host: "smtp.example.com", Port: 587, TLS: "starttls", From: whole.From, User: "u", Password: "s3cr3t",
	}
	if diff := cmp.Diff(want, got.Mail); diff != "" || err != nil {
		t.Errorf("%v, mail differs (-want +got):\n%s", err, diff)
	}
	for flag, change := range map[string]func(*config.SMTP){
		"--smtp-server":                 func(m *config.SMTP) { m.Server = "smtp.example.com" },
		"--smtp-server: name":           func(m *config.SMTP) { m.Server = "" },
		"--smtp-from":                   func(m *config.SMTP) { m.From = "nobody" },
		"--smtp-user":                   func(m *config.SMTP) { m.Password = "" },
		config.SMTPPasswordVariable:     func(m *config.SMTP) { m.User = "" },
		"--smtp-tls off: only":          func(m *config.SMTP) { m.TLS = "off" },
		`--smtp-tls: "ssl" is none`:     func(m *config.SMTP) { m.TLS = "ssl" },
		"--smtp-server: \"h:0\" is not": func(m *config.SMTP) { m.Server = "h:0" },
	} {
		s := valid()
		s.SMTP = whole
		change(&s.SMTP)
		_, err := s.Check(levels, formats)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), flag) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("want %s named, and no password: %v", flag, err)
		}
	}
	s.SMTP = config.SMTP{Server: "127.0.0.1:25", TLS: "off", From: "a@example.com"}
	if _, err := s.Check(levels, formats); err != nil {
		t.Error(err)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string][]string{
		":8080": nil, "0.0.0.0:80": nil, "[::]:80": nil, "192.0.2.7:80": {"192.0.2.7"}, "sync.example.com:80": {
			"sync.example.com",
		},
	} {
		s := valid()
		s.Addr = addr
		c, err := s.Check(levels, formats)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, c.Names()); diff != "" {
			t.Errorf("%s: names differ (-want +got):\n%s", addr, diff)
		}
	}
}
