// Package freeport finds ports for programs that must be told one, and that may
// start, stop and start again on it while other tests run in other processes.
package freeport

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Ports are taken from below those that systems give to whoever asks for any port
// (Linux: from 32768, macOS: from 49152): one of these may be somebody else's
// between the moment it is found free and the start of the program it is for.
const first, last = 15000, 29999

// ErrNone says that no port is free.
var ErrNone = errors.New("no free port between " + strconv.Itoa(first) + " and " + strconv.Itoa(last))

// Port is a port of 127.0.0.1 that no other caller of Take gets, in any process,
// until Release.
type Port struct {
	Number int
	lock   *os.File
}

// Take takes a free port. The caller releases it once nothing listens there.
// Errors: ErrNone, and those of the folder for temporary files.
func Take(ctx context.Context) (*Port, error) {
	dir := filepath.Join(os.TempDir(), "lockstep-ports")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	const n = last - first + 1
	for i, start := 0, rand.IntN(n); i < n; i++ { //nolint:gosec // it only spreads the callers
		p, err := take(ctx, dir, first+(start+i)%n)
		if p != nil || err != nil {
			return p, err
		}
	}
	return nil, ErrNone
}

// take returns nil when the port is somebody's.
func take(ctx context.Context, dir string, number int) (*Port, error) {
	name := filepath.Join(dir, strconv.Itoa(number))
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // a number in a folder of ours
	if err != nil {
		return nil, fmt.Errorf("freeport: %w", err)
	}
	p := &Port{number, f}
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		p.Release()
		return nil, nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", p.Address())
	if err != nil {
		p.Release()
		return nil, ctx.Err()
	}
	if err := l.Close(); err != nil {
		p.Release()
		return nil, err
	}
	return p, nil
}

// Address is "127.0.0.1:<number>".
func (p *Port) Address() string { return "127.0.0.1:" + strconv.Itoa(p.Number) }

// Release lets others have the port. It may be called again.
func (p *Port) Release() { _ = p.lock.Close() } // which ends the lock
