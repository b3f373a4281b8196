package api

import "testing"

// TestAllowIsThePathsOwn: a path that is written out is not one of those with a name
// in its place.
func TestAllowIsThePathsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for path, want := range map[string]string{
		"mappings/preview": "POST", "rules/preview": "POST", "mappings/email": "GET, HEAD, PUT, PATCH, DELETE",
		"rules": "GET, HEAD, POST, PUT", "match": "GET, HEAD, PUT, PATCH",
	} {
		r := w.do("OPTIONS", "/v1/connections/con_x/syncs/people/"+path, "")
		if got := r.header.Get("Allow"); r.status != 405 || got != want {
			t.Errorf("%s: %d, Allow %q, want %q", path, r.status, got, want)
		}
	}
}
