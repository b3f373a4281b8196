// Package secrettest is the suite that every implementation of secret.Sealer
// passes, with a local key or a key service behind it.
package secrettest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// Open returns a sealer to test. Called twice in one test it returns two
// sealers with the same root key.
type Open func(t *testing.T) secret.Sealer

// Run runs the suite, one sealer per case.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(&kit{T: t, s: open(t), open: open}) })
	}
}

// Cases returns how many cases the suite has, for whoever counts them.
func Cases() int { return len(cases) }

type kit struct {
	*testing.T
	s    secret.Sealer
	open Open
}

var home = secret.Binding{Workspace: "ws_1", Subject: "acc_1", Purpose: "credential"}

const plain = "correct horse battery staple"

func (k *kit) seal(b secret.Binding, plain string) []byte {
	k.Helper()
	blob, err := k.s.Seal(k.Context(), b, []byte(plain))
	if err != nil {
		k.Fatalf("seal: %v", err)
	}
	return blob
}

func (k *kit) wantOpens(b secret.Binding, blob []byte, want string) {
	k.Helper()
	got, err := k.s.Open(k.Context(), b, blob)
	if err != nil {
		k.Fatalf("open: %v", err)
	}
	if string(got) != want {
		k.Errorf("opened %d bytes that are not what was sealed", len(got))
	}
}

// wantClosed wants a blob refused as Invalid, with nothing of it in the answer.
func (k *kit) wantClosed(b secret.Binding, blob []byte) {
	k.Helper()
	got, err := k.s.Open(k.Context(), b, blob)
	var classified *fault.Error
	if !errors.As(err, &classified) || classified.Kind != fault.Invalid {
		k.Errorf("error = %v, want invalid", err)
	}
	if len(got) > 0 {
		k.Errorf("%d bytes came out of a blob that must stay closed", len(got))
	}
	if err != nil && strings.Contains(err.Error(), plain) {
		k.Error("the error quotes the secret")
	}
}

var cases = []struct {
	name string
	run  func(k *kit)
}{
	{"RoundTrip", func(k *kit) { k.wantOpens(home, k.seal(home, plain), plain) }},
	{"RoundTrip/empty", func(k *kit) { k.wantOpens(home, k.seal(home, ""), "") }},
	{"RoundTrip/any bytes", func(k *kit) {
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		k.wantOpens(home, k.seal(home, string(all)), string(all))
	}},
	{"RoundTrip/large", func(k *kit) {
		large := strings.Repeat("x", 64<<10)
		k.wantOpens(home, k.seal(home, large), large)
	}},
	{"RoundTrip/another sealer with the same root key", func(k *kit) {
		blob := k.seal(home, plain)
		k.s = k.open(k.T)
		k.wantOpens(home, blob, plain)
	}},
	{"Blob/hides the secret", func(k *kit) {
		if bytes.Contains(k.seal(home, plain), []byte(plain)) {
			k.Error("the blob holds the plain text")
		}
	}},
	{"Blob/differs every time", func(k *kit) {
		a, b := k.seal(home, plain), k.seal(home, plain)
		if bytes.Equal(a, b) {
			k.Error("two seals of one secret are equal")
		}
		k.wantOpens(home, a, plain)
		k.wantOpens(home, b, plain)
	}},
	{"Blob/of its own memory", func(k *kit) {
		in := []byte(plain)
		blob, err := k.s.Seal(k.Context(), home, in)
		if err != nil {
			k.Fatal(err)
		}
		if string(in) != plain {
			k.Error("Seal changed its input")
		}
		clear(in)
		kept := bytes.Clone(blob)
		out, err := k.s.Open(k.Context(), home, blob)
		if err != nil || !bytes.Equal(kept, blob) {
			k.Errorf("open: %v, or it changed the blob", err)
		}
		clear(out)
		k.wantOpens(home, blob, plain)
	}},
	{"Moved/to another workspace", moved(secret.Binding{Workspace: "ws_2", Subject: "acc_1", Purpose: "credential"})},
	{"Moved/to another subject", moved(secret.Binding{Workspace: "ws_1", Subject: "acc_2", Purpose: "credential"})},
	{"Moved/to another purpose", moved(secret.Binding{Workspace: "ws_1", Subject: "acc_1", Purpose: "oauth_client"})},
	{"Moved/nowhere", moved(secret.Binding{})},
	{"Moved/where the same letters are divided otherwise", func(k *kit) {
		blob := k.seal(secret.Binding{Workspace: "ab", Subject: "c", Purpose: "d"}, plain)
		for _, b := range []secret.Binding{
			{Workspace: "a", Subject: "bc", Purpose: "d"},
			{Workspace: "ab", Subject: "cd", Purpose: ""},
			{Workspace: "abc", Subject: "", Purpose: "d"},
			{Workspace: "ab", Subject: "d", Purpose: "c"},
		} {
			k.wantClosed(b, blob)
		}
	}},
	{"Altered/every byte", func(k *kit) {
		blob := k.seal(home, plain)
		for i := range blob {
			for _, flip := range []byte{1, 0x80, 0xff} {
				bad := bytes.Clone(blob)
				bad[i] ^= flip
				k.wantClosed(home, bad)
			}
		}
	}},
	{"Altered/cut anywhere", func(k *kit) {
		blob := k.seal(home, plain)
		for i := range blob {
			k.wantClosed(home, blob[:i])
			k.wantClosed(home, blob[len(blob)-i:])
		}
	}},
	{"Altered/something added", func(k *kit) {
		blob := k.seal(home, plain)
		k.wantClosed(home, append(bytes.Clone(blob), 0))
		k.wantClosed(home, append([]byte{0}, blob...))
		k.wantClosed(home, append(bytes.Clone(blob), blob...))
	}},
	{"Altered/two blobs spliced at any place", func(k *kit) {
		a, b := k.seal(home, plain), k.seal(home, strings.ToUpper(plain))
		for i := 1; i < len(a) && i < len(b); i++ {
			spliced := append(bytes.Clone(a[:i]), b[i:]...)
			if bytes.Equal(spliced, a) || bytes.Equal(spliced, b) {
				continue // the first bytes of both are alike
			}
			k.wantClosed(home, spliced)
		}
	}},
	{"Garbage", func(k *kit) {
		for _, blob := range [][]byte{
			nil, {}, {0}, {1}, {1, 255}, []byte(plain), bytes.Repeat([]byte{1}, 500), make([]byte, 1000),
		} {
			k.wantClosed(home, blob)
		}
	}},
	{"SideBySide", func(k *kit) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 10 {
					blob, err := k.s.Seal(k.Context(), home, []byte(plain))
					if err != nil {
						k.Errorf("seal: %v", err)
						return
					}
					if got, err := k.s.Open(k.Context(), home, blob); err != nil || string(got) != plain {
						k.Errorf("open: %v", err)
					}
				}
			})
		}
		wg.Wait()
	}},
	{"Cancelled", func(k *kit) {
		blob := k.seal(home, plain)
		ctx, cancel := context.WithCancel(k.Context())
		cancel()
		_, err := k.s.Seal(ctx, home, []byte(plain))
		if !fault.Is(err, fault.Unavailable) {
			k.Errorf("seal: %v, want unavailable", err)
		}
		if _, err = k.s.Open(ctx, home, blob); !fault.Is(err, fault.Unavailable) {
			k.Errorf("open: %v, want unavailable", err)
		}
	}},
}

func moved(to secret.Binding) func(k *kit) {
	return func(k *kit) { k.wantClosed(to, k.seal(home, plain)) }
}
