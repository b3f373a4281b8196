package salesforcefake

import (
	"encoding/json"
	"net/http"
	"testing"
)

// page9 is a page of a query.
type page9 struct {
	TotalSize int               `json:"totalSize"`
	Done      bool              `json:"done"`
	Next      string            `json:"nextRecordsUrl"`
	Records   []json.RawMessage `json:"records"`
}

func get9(t *testing.T, client *http.Client, path string) page9 {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://made-up.my.salesforce.com"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer static")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var p page9
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d, %v", resp.StatusCode, err)
	}
	return p
}
