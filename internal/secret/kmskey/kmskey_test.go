package kmskey_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/awscall"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/secret/kmskey"
	"github.com/lockstep-crm/lockstep/internal/secret/secrettest"
)

// TestX5_SealedSecretsFailClosed is what kmskey has to say as a sealer: moved,
// flipped, cut and spliced blobs do not open.
func TestX5_SealedSecretsFailClosed(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	secrettest.Run(t, func(t *testing.T) secret.Sealer { return open(t, fake, time.Now, kmskey.Options{}) })
}

// TestX5_SealedSecretsFailClosedWithoutMemory runs the suite with data keys
// that are forgotten at once, so that KMS itself decides every case.
func TestX5_SealedSecretsFailClosedWithoutMemory(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	secrettest.Run(t, func(t *testing.T) secret.Sealer {
		return open(t, fake, time.Now, kmskey.Options{MaxAge: time.Nanosecond})
	})
}

var home = secret.Binding{Workspace: "ws_1", Subject: "acc_1", Purpose: "credential"}

func open(t testing.TB, fake *fakeKMS, now func() time.Time, opts kmskey.Options) *kmskey.Sealer {
	t.Helper()
	opts.Retry.Wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	s, err := kmskey.New(fake.client(), rootARN, now, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func seal(t testing.TB, s *kmskey.Sealer, b secret.Binding) []byte {
	t.Helper()
	blob, err := s.Seal(t.Context(), b, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

func wantOpens(t *testing.T, s *kmskey.Sealer, blob []byte) {
	t.Helper()
	if plain, err := s.Open(t.Context(), home, blob); err != nil || string(plain) != "secret" {
		t.Errorf("open: %v", err)
	}
}

// TestDataKeysAreUsedWithinLimits counts what KMS is asked.
func TestDataKeysAreUsedWithinLimits(t *testing.T) {
	t.Parallel()
	fake, clock := newFake(t), testclock.At(time.Unix(1_800_000_000, 0))
	s := open(t, fake, clock.Now, kmskey.Options{MaxUses: 3, MaxAge: time.Minute, MaxKeys: 4})
	want := func(generated, decrypted int, after string) {
		t.Helper()
		if g, d := fake.count("GenerateDataKey"), fake.count("Decrypt"); g != generated || d != decrypted {
			t.Errorf("after %s: %d data keys made and %d decrypted, want %d and %d", after, g, d, generated, decrypted)
		}
	}
	var blobs [][]byte
	for range 3 {
		blobs = append(blobs, seal(t, s, home))
	}
	want(1, 0, "three seals")
	for _, blob := range blobs {
		wantOpens(t, s, blob)
	}
	want(1, 0, "opening what it sealed itself")
	seal(t, s, home)
	want(2, 0, "the fourth seal")
	clock.Advance(59 * time.Second)
	seal(t, s, home)
	want(2, 0, "just before the age")
	clock.Advance(time.Second)
	seal(t, s, home)
	want(3, 0, "the age")
	wantOpens(t, s, blobs[0])
	want(3, 1, "opening under a forgotten key")
	wantOpens(t, s, blobs[1])
	want(3, 1, "opening its sibling")
	clock.Advance(time.Minute)
	wantOpens(t, s, blobs[2])
	want(3, 2, "its age again")
	for i := range 20 {
		seal(t, s, secret.Binding{Workspace: fmt.Sprint(i), Subject: "s", Purpose: "p"})
	}
	want(23, 2, "twenty bindings")
	for i := range 20 {
		seal(t, s, secret.Binding{Workspace: fmt.Sprint(i), Subject: "s", Purpose: "p"})
	}
	if g := fake.count("GenerateDataKey"); g < 39 {
		t.Errorf("%d data keys made: more than four were kept", g)
	}
}

// TestBindingsShareNoDataKey: moving a blob must fail in KMS too, which it
// does only when the data key belongs to one binding.
func TestBindingsShareNoDataKey(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	s := open(t, fake, time.Now, kmskey.Options{})
	seal(t, s, home)
	seal(t, s, secret.Binding{Workspace: "ws_2", Subject: "acc_1", Purpose: "credential"})
	if n := fake.count("GenerateDataKey"); n != 2 {
		t.Errorf("%d data keys for two bindings", n)
	}
}

func TestFormerRootKeysOpen(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	former := open(t, fake, time.Now, kmskey.Options{})
	blob := seal(t, former, home)
	newer := func(others ...string) *kmskey.Sealer {
		s, err := kmskey.New(fake.client(), otherARN, time.Now, kmskey.Options{Others: others})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	wantOpens(t, newer(rootARN), blob)
	before := fake.count("Decrypt")
	if _, err := newer().Open(t.Context(), home, blob); !fault.Is(err, fault.Invalid) ||
		fault.CodeOf(err) != "root_key_unknown" {
		t.Errorf("error = %v, want root_key_unknown", err)
	}
	if fake.count("Decrypt") != before {
		t.Error("KMS was asked about a key that is not ours")
	}
	fresh := seal(t, newer(rootARN), home)
	if !bytes.Contains(fresh, []byte(otherARN)) || fresh[0] != blob[0] {
		t.Error("a new blob does not name the new key")
	}
}

func TestRootKeyCannotBeReached(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	blob := seal(t, open(t, fake, time.Now, kmskey.Options{}), home)
	for name, c := range map[string]struct {
		status int
		code   string
		want   string
	}{
		"throttled":        {400, "ThrottlingException", "aws_throttled"},
		"down":             {500, "KMSInternalException", "unavailable"},
		"busy":             {503, "DependencyTimeoutException", "unavailable"},
		"disabled":         {400, "DisabledException", "root_key_unusable"},
		"to be deleted":    {400, "KMSInvalidStateException", "root_key_unusable"},
		"gone":             {400, "NotFoundException", "aws_missing"},
		"not permitted":    {400, "AccessDeniedException", "aws_denied"},
		"something new":    {400, "WhateverException", "aws_refused"},
		"broken in a seal": {400, "InvalidKeyUsageException", "root_key_unusable"},
	} {
		fake.fail(func() (int, string) { return c.status, c.code })
		s := open(t, fake, time.Now, kmskey.Options{})
		_, err := s.Seal(t.Context(), home, []byte("secret"))
		_, openErr := s.Open(t.Context(), home, blob)
		for _, err := range []error{err, openErr} {
			if !fault.Is(err, fault.Unavailable) || fault.CodeOf(err) != c.want || fault.MayHaveLanded(err) {
				t.Errorf("%s: %v, want unavailable %s", name, err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "horse") {
				t.Errorf("%s: the error quotes the service: %v", name, err)
			}
		}
	}
}

func TestThrottledAtFirst(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	s := open(t, fake, time.Now, kmskey.Options{})
	n := 0
	fake.fail(func() (int, string) {
		if n++; n <= 3 {
			return 400, "ThrottlingException"
		}
		return 0, ""
	})
	wantOpens(t, s, seal(t, s, home))
	if n != 4 {
		t.Errorf("%d calls, want 4", n)
	}
}

func TestStrangeDataKeysAreRefused(t *testing.T) {
	t.Parallel()
	fake := newFake(t)
	blob := seal(t, open(t, fake, time.Now, kmskey.Options{}), home)
	fake.mu.Lock()
	fake.roots[rootARN] = shortKeys{fake.roots[rootARN]}
	fake.mu.Unlock()
	if _, err := open(t, fake, time.Now, kmskey.Options{}).Open(t.Context(), home, blob); !fault.Is(err,
		fault.Unavailable) {
		t.Errorf("error = %v, want unavailable", err)
	}
}

func TestNewWantsKeyARNs(t *testing.T) {
	t.Parallel()
	for _, key := range []string{
		"", "alias/lockstep", "arn:aws:kms:eu-central-1:111122223333:alias/lockstep", "1234abcd",
		"arn:aws:kms:x:1:key/" + strings.Repeat("k", 255),
	} {
		if _, err := kmskey.New(nil, key, time.Now, kmskey.Options{}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%.40q: %v, want invalid", key, err)
		}
		if _, err := kmskey.New(nil, rootARN, time.Now, kmskey.Options{
			Others: []string{key}, Retry: awscall.Policy{},
		}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%.40q as another: %v, want invalid", key, err)
		}
	}
}

func FuzzSealedBlob(f *testing.F) {
	fake := newFake(f)
	s := open(f, fake, time.Now, kmskey.Options{})
	good := seal(f, s, home)
	f.Add(good)
	f.Add([]byte{})
	f.Add([]byte{2, 75})
	f.Add(good[:len(good)-1])
	f.Fuzz(func(t *testing.T, blob []byte) {
		plain, err := s.Open(t.Context(), home, blob)
		if bytes.Equal(blob, good) {
			if err != nil || string(plain) != "secret" {
				t.Fatalf("the good blob does not open: %v", err)
			}
			return
		}
		if !fault.Is(err, fault.Invalid) || plain != nil {
			t.Fatalf("a blob nobody sealed: %v", err)
		}
	})
}
