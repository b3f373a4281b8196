package main

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/lockstep-crm/lockstep/internal/fault"
)

// certificate is a pair of files that may be renewed while the program runs.
type certificate struct {
	cert, key string

	mu     sync.Mutex
	pair   *tls.Certificate
	stamp  time.Time // of the newer file
	looked time.Time
}

// recheck is how often the files are looked at.
const recheck = 10 * time.Second

func newCertificate(cert, key string) (*certificate, error) {
	c := &certificate{cert: cert, key: key}
	if err := c.load(); err != nil {
		return nil, fault.New("serve: certificate", fault.Invalid, "invalid_config",
			fmt.Sprintf("--tls-cert, --tls-key: %v; both are PEM files that belong together", err))
	}
	return c, nil
}

func (c *certificate) load() error {
	var stamp time.Time
	for _, name := range []string{c.cert, c.key} {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		if info.ModTime().After(stamp) {
			stamp = info.ModTime()
		}
	}
	c.looked = time.Now()
	if c.pair != nil && stamp.Equal(c.stamp) {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return err
	}
	c.pair, c.stamp = &pair, stamp
	return nil
}

// get returns the pair as it is now. While a renewal is half written the
// former one goes on.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) > recheck {
		_ = c.load() // looked at again soon
		c.looked = time.Now()
	}
	return c.pair, nil
}

// descriptors is how many files and connections the process may have open.
func descriptors() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil || l.Cur > 1<<20 {
		return 1 << 20
	}
	return int(l.Cur)
}
