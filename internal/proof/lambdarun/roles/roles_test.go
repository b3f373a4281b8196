package roles_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/roles"
)

// TestGuard: what the role may do goes through, unchanged; all else, and what is
// not understood, is refused as IAM refuses it.
func TestGuard(t *testing.T) {
	t.Parallel()
	table, err := roles.Read("../../../../infra/stack/testdata/rights.txt")
	if err != nil {
		t.Fatal(err)
	}
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	t.Cleanup(behind.Close)
	const db, kms = "DynamoDB_20120810.", "TrentService."
	for name, c := range map[string]struct {
		function, target, body string
		pass                   bool
	}{
		"get": {
			"webhook", db + "GetItem", `{"TableName":"lockstep-settings","Key":{"p":{"S":"w|credential"},"s":{"S":"x"}}}`, true,
		},
		"put": {
			"webhook", db + "PutItem", `{"TableName":"lockstep-settings","Item":{"p":{"S":"w|delivery"},"s":{"S":"x"}}}`, true,
		},
		"write of settings": {
			"webhook", db + "PutItem", `{"TableName":"lockstep-settings","Item":{"p":{"S":"w|workspace"},"s":{"S":"x"}}}`, false,
		},
		"key made": {
			"webhook", db + "PutItem", `{"TableName":"lockstep-settings","Item":{"p":{"S":"|api_key"},"s":{"S":"x"}}}`, false,
		},
		"by another kind": {
			"webhook", db + "GetItem", `{"TableName":"lockstep-settings","Key":{"p":{"S":"w|webhook#x"}}}`, false,
		},
		"top level": {
			"webhook", db + "GetItem", `{"TableName":"lockstep-settings","Key":{"p":{"S":"|webhook#x"}}}`, true,
		},
		"query": {
			"api", db + "Query", `{"TableName":"lockstep-settings","ExpressionAttributeValues":{":p":{"S":"w|audit"}}}`, true,
		},
		"query of the index": {
			"keeper", db + "Query", `{"TableName":"lockstep-links","IndexName":"index","ExpressionAttributeValues":{":p":{"S":"w|x"}}}`, false,
		},
		"batch": {
			"api", db + "BatchGetItem", `{"RequestItems":{"lockstep-log":{"Keys":[{"p":{"S":"w|runs"}}]}}}`, true,
		},
		"batch, one refused": {
			"api", db + "BatchGetItem", `{"RequestItems":{"lockstep-log":{"Keys":[{"p":{"S":"w|runs"}},{"p":{"S":"w|g#c#d"}}]}}}`, false,
		},
		"batch of deletes": {
			"sync", db + "BatchWriteItem", `{"RequestItems":{"lockstep-log":[{"DeleteRequest":{"Key":{"p":{"S":"w|g#c#d"}}}}]}}`,
			false,
		},
		"its right": {
			"pull", db + "BatchWriteItem", `{"RequestItems":{"lockstep-log":[{"DeleteRequest":{"Key":{"p":{"S":"w|g#c#d"}}}}]}}`,
			true,
		},
		"transaction": {
			"sync", db + "TransactWriteItems",
			`{"TransactItems":[{"Put":{"TableName":"lockstep-log","Item":{"p":{"S":"w|g#c#d"}}}},{"Update":{"TableName":"lockstep-log","Key":{"p":{"S":"w|day#c#s"}}}}]}`, true,
		},
		"transaction, refused": {
			"sync", db + "TransactWriteItems",
			`{"TransactItems":[{"Update":{"TableName":"lockstep-log","Key":{"p":{"S":"w|g#c#d"}}}}]}`, false,
		},
		"trail changed": {
			"api", db + "UpdateItem", `{"TableName":"lockstep-settings","Key":{"p":{"S":"w|audit"}}}`,
			false,
		},
		"scan":            {"api", db + "Scan", `{"TableName":"lockstep-settings"}`, false},
		"no JSON":         {"api", db + "GetItem", `{`, false},
		"another service": {"api", "Other.GetItem", `{}`, false},
		"opened": {
			"webhook", kms + "Decrypt", `{"EncryptionContext":{"lockstep":"secret","purpose":"credential"}}`, true,
		},
		"sealed": {
			"webhook", kms + "GenerateDataKey", `{"EncryptionContext":{"lockstep":"secret","purpose":"credential"}}`, false,
		},
		"another purpose": {
			"sync", kms + "Decrypt", `{"EncryptionContext":{"lockstep":"secret","purpose":"webhook_token"}}`, false,
		},
		"no secret of ours": {"api", kms + "Decrypt", `{"EncryptionContext":{"purpose":"credential"}}`, false},
	} {
		g, err := table.NewGuard(c.function, behind.URL)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(c.body))
		r.Header.Set("X-Amz-Target", c.target)
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		passed := w.Code == http.StatusOK && w.Body.String() == c.body
		refused := w.Code == http.StatusBadRequest && strings.Contains(w.Body.String(), "AccessDeniedException")
		if passed != c.pass || refused == c.pass || (len(g.Refused()) == 0) != c.pass ||
			(g.Used() > 0) != c.pass && name[:5] != "batch" {
			t.Errorf("%s: %d %s; refused %v, used %d; want it through: %v", name, w.Code, w.Body, g.Refused(), g.Used(), c.pass)
		}
	}
}

// TestRead refuses a table that is none.
func TestRead(t *testing.T) {
	t.Parallel()
	if _, err := roles.Read("roles_test.go"); err == nil {
		t.Error("a file without rights was read")
	}
}
