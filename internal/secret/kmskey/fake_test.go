package kmskey_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// fakeKMS speaks the two calls of KMS that a sealer makes. Its blobs are bound
// to key and encryption context, as KMS's are.
type fakeKMS struct {
	url string

	mu    sync.Mutex
	roots map[string]cipher.AEAD
	calls map[string]int
	fault func() (status int, code string) // when set, decides every answer; 0 = none
}

const (
	rootARN  = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	otherARN = "arn:aws:kms:eu-central-1:111122223333:key/ffffabcd-12ab-34cd-56ef-1234567890ab"
)

func newFake(t testing.TB) *fakeKMS {
	t.Helper()
	f := &fakeKMS{roots: map[string]cipher.AEAD{}, calls: map[string]int{}}
	for _, arn := range []string{rootARN, otherARN} {
		key := make([]byte, 32)
		_, _ = rand.Read(key)
		f.roots[arn] = gcm(t, key)
	}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

func gcm(t testing.TB, key []byte) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead
}

func (f *fakeKMS) client() *kms.Client {
	return kms.New(kms.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(f.url),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "fake", SecretAccessKey: "fake"}, nil
		}),
	})
}

type ask struct {
	KeyID             string `json:"KeyId"`
	KeySpec           string
	CiphertextBlob    []byte
	EncryptionContext map[string]string
}

// ServeHTTP implements http.Handler.
func (f *fakeKMS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
	f.calls[operation]++
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if f.fault != nil {
		if status, code := f.fault(); status != 0 {
			refuse(w, status, code)
			return
		}
	}
	var a ask
	if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
		refuse(w, 400, "ValidationException")
		return
	}
	root, ok := f.roots[a.KeyID]
	if !ok {
		refuse(w, 400, "NotFoundException")
		return
	}
	ad := []byte(a.KeyID)
	for _, name := range slices.Sorted(maps.Keys(a.EncryptionContext)) {
		if a.EncryptionContext[name] == "" {
			refuse(w, 400, "ValidationException")
			return
		}
		ad = fmt.Appendf(ad, "|%q=%q", name, a.EncryptionContext[name])
	}
	switch operation {
	case "GenerateDataKey":
		key, nonce := make([]byte, 32), make([]byte, 12)
		_, _ = rand.Read(key)
		_, _ = rand.Read(nonce)
		answer(w, map[string]any{"KeyId": a.KeyID, "Plaintext": key, "CiphertextBlob": root.Seal(nonce, nonce, key, ad)})
	case "Decrypt":
		if len(a.CiphertextBlob) < 12 {
			refuse(w, 400, "InvalidCiphertextException")
			return
		}
		key, err := root.Open(nil, a.CiphertextBlob[:12], a.CiphertextBlob[12:], ad)
		if err != nil {
			refuse(w, 400, "InvalidCiphertextException")
			return
		}
		answer(w, map[string]any{"KeyId": a.KeyID, "Plaintext": key, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"})
	default:
		refuse(w, 400, "UnknownOperationException")
	}
}

func answer(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }

func refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	answer(w, map[string]string{"__type": code, "message": "correct horse battery staple"}) // never to be seen again
}

func (f *fakeKMS) count(operation string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[operation]
}

func (f *fakeKMS) fail(fault func() (int, string)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

// shortKeys unwraps to a key that is too short.
type shortKeys struct{ cipher.AEAD }

// Open implements cipher.AEAD.
func (s shortKeys) Open(dst, nonce, sealed, ad []byte) ([]byte, error) {
	plain, err := s.AEAD.Open(dst, nonce, sealed, ad)
	if err != nil {
		return nil, err
	}
	return plain[:16], nil
}
