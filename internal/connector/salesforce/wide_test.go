package salesforce

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// wideOrg answers queries and retrieves of one contact with any fields, and
// refuses what a URL cannot hold.
type wideOrg struct {
	modified string // as the next query tells it
	queries  int
	longest  int
	gone     bool // from retrieves
}

const wideID = "003000000000001AAA"

func (o *wideOrg) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.longest = max(o.longest, len(r.URL.RequestURI()))
	if len(r.URL.RequestURI()) > 16_000 {
		w.WriteHeader(http.StatusRequestURITooLong)
		return
	}
	row := func(cols []string, mark string) map[string]any {
		out := map[string]any{"attributes": map[string]string{"type": "Contact"}}
		for _, c := range cols {
			out[c] = mark
		}
		out["Id"], out["SystemModstamp"], out["CreatedDate"] = wideID, o.modified, o.modified
		out["IsDeleted"], out["MasterRecordId"], out["Email"] = false, nil, "ann@example.org"
		return out
	}
	if q := r.URL.Query().Get("q"); q != "" {
		o.queries++
		cols, _, _ := strings.Cut(strings.TrimPrefix(q, "SELECT "), " FROM ")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"totalSize": 1, "done": true, "records": []any{row(strings.Split(cols, ", "), "listed")},
		})
		return
	}
	var in struct {
		Fields []string `json:"fields"`
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	if o.gone {
		_, _ = w.Write([]byte("[null]"))
		return
	}
	_ = json.NewEncoder(w).Encode([]any{row(in.Fields, "read")})
}

// oneToken is a grant that never ends.
type oneToken struct{}

func (oneToken) Token(context.Context) (secret.Text, error) { return secret.NewText("t"), nil }
func (oneToken) Renew(context.Context, secret.Text) (secret.Text, error) {
	return secret.Text{}, fault.New("test: renew", fault.Denied, "reauthorization_required", "there is one token")
}

func openWide(t *testing.T, o *wideOrg) (connector.Connector, []string) {
	t.Helper()
	srv := httptest.NewServer(o)
	t.Cleanup(srv.Close)
	c, err := Open(connector.Config{
		BaseURL: srv.URL, Kind: crm.AuthOAuth2, Tokens: oneToken{}, HTTP: srv.Client(), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	fields := make([]string, 500)
	for i := range fields {
		fields[i] = fmt.Sprintf("A_field_that_some_admin_made_%03d__c", i)
	}
	return c, fields
}

// TestS34_FiveHundredFields: what does not fit into a query's URL is listed and
// found by ID, and read in one retrieve.
func TestS34_FiveHundredFields(t *testing.T) {
	t.Parallel()
	o := &wideOrg{modified: "2026-03-01T12:00:00.000+0000"}
	c, fields := openWide(t, o)
	page, err := c.Changes(t.Context(), connector.ChangesRequest{Object: "Contact", Fields: fields, Full: true})
	if err != nil || len(page.Records) != 1 {
		t.Fatalf("%d records, %v", len(page.Records), err)
	}
	if got := page.Records[0].Fields[fields[499]].Text(); got != "read" {
		t.Errorf("the last field of a listed record holds %q", got)
	}
	found, err := c.BatchFind(t.Context(), "Contact", crm.Field{Name: "Email"}, []string{"ann@example.org"}, fields)
	if err != nil || len(found[0]) != 1 {
		t.Fatalf("found %v, %v", found, err)
	}
	if got := found[0][0].Fields[fields[499]].Text(); got != "read" {
		t.Errorf("the last field of a found record holds %q", got)
	}
	if o.longest > maxURL {
		t.Errorf("a URL of %d bytes", o.longest)
	}
	few, err := c.Changes(t.Context(), connector.ChangesRequest{Object: "Contact", Fields: fields[:50], Full: true})
	if err != nil || few.Records[0].Fields[fields[49]].Text() != "listed" {
		t.Errorf("fifty fields were not taken from the listing: %v", err)
	}
}

// TestS34_GoneBetweenListingAndRead: a record that is there in the listing and
// not in the read says nothing of its values, and nothing is found any more.
func TestS34_GoneBetweenListingAndRead(t *testing.T) {
	t.Parallel()
	o := &wideOrg{modified: "2026-03-01T12:00:00.000+0000", gone: true}
	c, fields := openWide(t, o)
	page, err := c.Changes(t.Context(), connector.ChangesRequest{Object: "Contact", Fields: fields, Full: true})
	if err != nil || len(page.Records) != 1 || len(page.Records[0].Fields) != 0 {
		t.Errorf("%v, %v", page.Records, err)
	}
	found, err := c.BatchFind(t.Context(), "Contact", crm.Field{Name: "Email"}, []string{"ann@example.org"}, fields)
	if err != nil || len(found[0]) != 0 {
		t.Errorf("found %v, %v", found, err)
	}
	reads, err := c.BatchRead(t.Context(), "Contact", []crm.RecordID{wideID}, fields)
	if err != nil || !fault.Is(reads[0].Err, fault.NotFound) {
		t.Errorf("read %v, %v", reads, err)
	}
}
