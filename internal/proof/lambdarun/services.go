package lambdarun

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
)

// Services stands in for two services of AWS that have no stand-in of their
// own: KMS, with one symmetric key, and the parameters of Systems Manager. It
// speaks their JSON protocol and forgets everything at its end.
//
// Like KMS it binds what it encrypts to the encryption context and refuses a
// blob that was altered, or moved to another context.
// https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKey.html
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html
type Services struct {
	KeyID      string            // what the key is called; any other is not found
	Parameters map[string]string // values by name

	mu    sync.Mutex
	aead  cipher.AEAD
	calls map[string]int
}

// Calls returns how often each operation was called, by target.
func (s *Services) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// wireRequest is what the operations take.
type wireRequest struct {
	KeyID             string            `json:"KeyId"`
	KeySpec           string            `json:"KeySpec"`
	NumberOfBytes     int               `json:"NumberOfBytes"`
	Plaintext         []byte            `json:"Plaintext"`
	CiphertextBlob    []byte            `json:"CiphertextBlob"`
	EncryptionContext map[string]string `json:"EncryptionContext"`
	Name              string            `json:"Name"`
}

// wireError is a refusal by its AWS code.
type wireError string

// Error implements error.
func (e wireError) Error() string { return string(e) }

// ServeHTTP implements http.Handler.
func (s *Services) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target := r.Header.Get("X-Amz-Target")
	var in wireRequest
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&in)
	var out map[string]any
	if err == nil {
		out, err = s.answer(target, &in)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if err != nil {
		code := wireError("ValidationException")
		_ = errors.As(err, &code)
		w.WriteHeader(http.StatusBadRequest)
		out = map[string]any{"__type": string(code), "message": "refused by the stand-in"}
	}
	_ = json.NewEncoder(w).Encode(out) // the caller is gone
}

// answer carries out one operation.
func (s *Services) answer(target string, in *wireRequest) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls == nil {
		s.calls = map[string]int{}
	}
	s.calls[target]++
	if target == "AmazonSSM.GetParameter" {
		v, ok := s.Parameters[in.Name]
		if !ok {
			return nil, wireError("ParameterNotFound")
		}
		return map[string]any{"Parameter": map[string]any{"Name": in.Name, "Type": "SecureString", "Value": v, "Version": 1}},
			nil
	}
	if in.KeyID != "" && in.KeyID != s.KeyID {
		return nil, wireError("NotFoundException")
	}
	if err := s.key(); err != nil {
		return nil, err
	}
	switch target {
	case "TrentService.GenerateDataKey":
		plain := make([]byte, 32)
		if in.KeySpec == "" && in.NumberOfBytes > 0 && in.NumberOfBytes <= 1024 {
			plain = make([]byte, in.NumberOfBytes)
		}
		_, _ = rand.Read(plain) // never fails
		return map[string]any{"KeyId": s.KeyID, "Plaintext": plain, "CiphertextBlob": s.seal(plain, in.EncryptionContext)},
			nil
	case "TrentService.Encrypt":
		return map[string]any{"KeyId": s.KeyID, "CiphertextBlob": s.seal(in.Plaintext, in.EncryptionContext)}, nil
	case "TrentService.Decrypt":
		n := s.aead.NonceSize()
		if len(in.CiphertextBlob) < n {
			return nil, wireError("InvalidCiphertextException")
		}
		plain, err := s.aead.Open(nil, in.CiphertextBlob[:n], in.CiphertextBlob[n:], contextBytes(in.EncryptionContext))
		if err != nil {
			return nil, wireError("InvalidCiphertextException")
		}
		return map[string]any{"KeyId": s.KeyID, "Plaintext": plain}, nil
	case "TrentService.DescribeKey":
		return map[string]any{
			"KeyMetadata": map[string]any{"KeyId": s.KeyID, "Arn": s.KeyID, "Enabled": true, "KeyState": "Enabled"},
		}, nil
	default:
		return nil, wireError("UnknownOperationException")
	}
}

// key makes the key on its first use.
func (s *Services) key() error {
	if s.aead != nil {
		return nil
	}
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	block, err := aes.NewCipher(raw)
	if err == nil {
		s.aead, err = cipher.NewGCM(block)
	}
	return err
}

func (s *Services) seal(plain []byte, binding map[string]string) []byte {
	nonce := make([]byte, s.aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return s.aead.Seal(nonce, nonce, plain, contextBytes(binding))
}

// contextBytes writes an encryption context so that no two give the same bytes.
func contextBytes(m map[string]string) []byte {
	var b []byte
	for _, k := range slices.Sorted(maps.Keys(m)) {
		for _, part := range []string{k, m[k]} {
			b = binary.AppendUvarint(b, uint64(len(part)))
			b = append(b, part...)
		}
	}
	return b
}

var _ http.Handler = (*Services)(nil)
