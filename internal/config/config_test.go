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
	got, err := s.Check(levels, formats)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Checked{
		Host: "127.0.0.1", Port: 8080, DataDir: "./data", PublicURL: "https://sync.example.com", AdminKey: "a-key-of-enough-length",
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
		Addr: "8080", PublicURL: "sync.example.com/path", AdminKey: "short", AppTimeout: "soon", LogLevel: "loud", LogFormat: "xml",
	}
	_, err := s.Check(levels, formats)
	if !fault.Is(err, fault.Invalid) {
		t.Fatalf("got %v, want an invalid configuration", err)
	}
	for _, want := range []string{"--addr", "--data", "--public-url", config.AdminKeyVariable, "--app-timeout", "--log-level", "--log-format"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "short") {
		t.Errorf("the error quotes the key: %v", err)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string][]string{
		":8080": nil, "0.0.0.0:80": nil, "[::]:80": nil, "192.0.2.7:80": {"192.0.2.7"}, "sync.example.com:80": {"sync.example.com"},
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
