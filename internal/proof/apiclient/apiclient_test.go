package apiclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

func serve(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return New(s.URL, "lsk_key")
}

func TestCall(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("ETag", `"2"`)
		err = json.NewEncoder(w).Encode([]string{
			r.Method, r.URL.RequestURI(), string(b), r.Header.Get("Authorization"), r.Header.Get("Content-Type"),
			r.Header.Get("If-Match"),
		})
		if err != nil {
			t.Error(err)
		}
	})
	var got []string
	head, err := c.Do(t.Context(), http.MethodPatch, "/v1/x?y=1", map[string]int{"a": 1}, &got, "If-Match", `"1"`)
	if want := []string{"PATCH", "/v1/x?y=1", `{"a":1}`, "Bearer lsk_key", "application/json", `"1"`}; err != nil ||
		!slices.Equal(got, want) || head.Get("ETag") != `"2"` {
		t.Errorf("got %q, %v, %v", got, head, err)
	}
	c.Key = ""
	err = c.Call(t.Context(), http.MethodGet, "/", nil, &got)
	if want := []string{"GET", "/", "", "", "", ""}; err != nil || !slices.Equal(got, want) {
		t.Errorf("without key and body: got %q, %v", got, err)
	}
	if err := c.Call(t.Context(), http.MethodGet, "/", nil, &struct{}{}); err == nil {
		t.Error("an answer of another shape was taken")
	}
}

// TestTries counts the attempts at a surface that answers the first two badly.
func TestTries(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		method                    string
		status, tries, made, want int // want: the refusal's status; 0 = none
	}{
		"reads again":           {http.MethodGet, 503, 5, 3, 0},
		"reads as often as set": {http.MethodGet, 503, 2, 2, 503},
		"reads once":            {http.MethodGet, 503, 0, 1, 503},
		"takes a refusal":       {http.MethodGet, 404, 5, 1, 404},
		"writes once":           {http.MethodPost, 503, 5, 1, 503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made := 0
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if made++; made < 3 {
					w.WriteHeader(tc.status)
				}
			})
			c.Tries = tc.tries
			err := c.Call(t.Context(), tc.method, "/", nil, nil)
			var r *Refusal
			if errors.As(err, &r) != (tc.want != 0) || r != nil && r.Status != tc.want || made != tc.made {
				t.Errorf("%d attempts, %v; want %d and status %d", made, err, tc.made, tc.want)
			}
		})
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	var asked []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RequestURI())
		next := map[string]string{"": "a&b", "a&b": ""}[r.URL.Query().Get("cursor")]
		_, err := fmt.Fprintf(w, `{"items":[%d],"next":%q}`, len(asked), next)
		if err != nil {
			t.Error(err)
		}
	})
	got, err := List[int](t.Context(), c, "/v1/x?state=y")
	want := []string{"/v1/x?state=y&limit=200", "/v1/x?state=y&limit=200&cursor=a%26b"}
	if err != nil || !slices.Equal(got, []int{1, 2}) || !slices.Equal(asked, want) {
		t.Errorf("got %v, %v, asked %v", got, err, asked)
	}
	stop := errors.New("enough")
	if err := Each(t.Context(), c, "/v1/x", func(int) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v, want what f returned", err)
	}
}
