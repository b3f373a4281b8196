package api

import (
	"testing"
)

// TestRow66_RefusedWebhooksAreCounted sends deliveries that are refused, and
// looks for their number, reason and remedy.
func TestRow66_RefusedWebhooksAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, publicURL)
	path, _ := hook(w)
	for range 3 {
		w.must(401, "POST", path, `["1"]`, header("X-Other", "x"))
	}
	con := w.must(200, "GET", "/v1/connections", "").json(t)["items"].([]any)[0].(map[string]any)["id"].(string)
	views := w.must(200, "GET", "/v1/connections/"+con+"/webhooks?limit=1", "").json(t)
	left := views["items"].([]any)[0].(map[string]any)
	refused := left["refused"].([]any)
	if len(refused) != 1 || views["next"] == nil {
		t.Fatalf("refused: got %v, next %v; want one reason, and a second page", refused, views["next"])
	}
	one := refused[0].(map[string]any)
	if one["code"] != "forged_webhook" || one["count"] != float64(3) || one["remedy"] == "" || one["last"] == nil {
		t.Errorf("got %v, want three forged ones with a remedy", one)
	}
}

// TestRow23_AccountIsKnownAtOnce needs no test of the account by hand, and a
// test of it leaves its ETag alone.
func TestRow23_AccountIsKnownAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.must(201, "POST", "/v1/accounts", `{"app":"hubspot","name":"A","credentials":{"kind":"token","token":"p"}}`)
	id := r.json(t)["id"].(string)
	if r.json(t)["external_id"] == nil {
		t.Errorf("the new account is nobody's: %s", r.body)
	}
	before := w.must(200, "GET", "/v1/accounts/"+id, "").header.Get("ETag")
	w.must(200, "POST", "/v1/accounts/"+id+"/test", "")
	if after := w.must(200, "GET", "/v1/accounts/"+id, "").header.Get("ETag"); after != before {
		t.Errorf("ETag: %s became %s by a mere test", before, after)
	}
	w.must(200, "PATCH", "/v1/accounts/"+id, `{"name":"B"}`, ifMatch(before))
	w.must(412, "PATCH", "/v1/accounts/"+id, `{"name":"C"}`, ifMatch(before))
}
