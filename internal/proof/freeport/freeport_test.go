package freeport

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// TestAPortHasOneOwner: a port that was taken is nobody else's, listened on or
// not, until it is released.
func TestAPortHasOneOwner(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	p, err := Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p.Number < first || p.Number > last {
		t.Errorf("port %d", p.Number)
	}
	ports := filepath.Join(dir, "lockstep-ports")
	if _, err := os.Stat(filepath.Join(ports, strconv.Itoa(p.Number))); err != nil {
		t.Fatal(err)
	}
	if other, err := take(t.Context(), ports, p.Number); other != nil || err != nil {
		t.Errorf("a port that is held: %v, %v", other, err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	p.Release()
	p.Release()
	if other, err := take(t.Context(), ports, p.Number); other != nil || err != nil {
		t.Errorf("a port that somebody listens on: %v, %v", other, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := take(t.Context(), ports, p.Number)
	if again == nil || err != nil {
		t.Fatalf("a port that was released: %v, %v", again, err)
	}
	again.Release()
}
