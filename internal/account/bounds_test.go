package account

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/written"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// TestDeliveriesAreNotedOnceAMinute by each process, and at once when its clock was
// set back; so many accounts are not kept in mind for ever.
func TestDeliveriesAreNotedOnceAMinute(t *testing.T) {
	t.Parallel()
	w, clock := newManual(t)
	s, now := w.worker(), clock.Now()
	for _, c := range []struct {
		id    crm.AccountID
		after time.Duration
		want  bool
	}{
		{"a", 0, true},
		{"a", 0, false},
		{"b", 0, true},
		{"a", deliveryEvery - 1, false},
		{"a", deliveryEvery, true},
		{"a", deliveryEvery - 1, true},
		{"a", deliveryEvery, false},
	} {
		if got := s.noteDelivery(place{ws, c.id}, now.Add(c.after)); got != c.want {
			t.Errorf("%s after %s: %t, want %t", c.id, c.after, got, c.want)
		}
	}
	for i := len(s.delivered); i < maxOpened; i++ {
		s.noteDelivery(place{ws, crm.AccountID(fmt.Sprint(i))}, now)
	}
	if len(s.delivered) != maxOpened {
		t.Errorf("%d accounts are kept in mind, want %d", len(s.delivered), maxOpened)
	}
	if !s.noteDelivery(place{ws, "more"}, now) || len(s.delivered) != 1 {
		t.Errorf("then %d, want the last one", len(s.delivered))
	}
}

// TestBoundsAreAsWritten: which names, clients and credentials are just taken, and
// which are not any more, with what is said of them.
func TestBoundsAreAsWritten(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	a := w.tokenAccount(s, "token-1")
	var out strings.Builder
	say := func(what, value string, err error) {
		if len(value) > 60 {
			value = fmt.Sprintf("%s… of %d", value[:40], len(value))
		}
		said := "taken"
		if err != nil {
			said = fmt.Sprintf("%s %s: %v", fault.KindOf(err), fault.CodeOf(err), err)
			for _, f := range fault.FieldFaults(err) {
				said += " about " + f.Field
			}
		}
		fmt.Fprintf(&out, "%s %q: %s\n", what, value, said)
	}
	texts := func(most ...int) []string {
		all := []string{"", " ", "a", "a b", " a", "a\n", "a\u00a0b", "a\u200bb", "ä", "a\x00"}
		for _, n := range most {
			all = append(all, strings.Repeat("x", n-1), strings.Repeat("x", n), strings.Repeat("x", n+1), strings.Repeat("ä", n))
		}
		return all
	}
	good := connector.Client{ID: "id", Secret: secret.NewText("canary"), RedirectURI: "https://sync.example.com/back"}
	for _, text := range texts(500) {
		c := good
		c.ID = text
		say("client ID", text, s.SetClient(t.Context(), ws, appID, c))
	}
	for _, text := range texts(4096) {
		c := good
		c.Secret = secret.NewText(text)
		say("client secret", text, s.SetClient(t.Context(), ws, appID, c))
	}
	for _, text := range []string{
		"", "https://a.example", "http://a.example/", "http://localhost/back", "http://127.0.0.1:80/", "http://[::1]/", "http://127.0.0.2/",
		"https:a", "https:///x", "ftp://a.example", "https://u@a.example", "https://a.example#x", "https://a.example/?q", ":", "//a.example",
		"https://a.example/" + strings.Repeat("x", 2000-18), "https://a.example/" + strings.Repeat("x", 2000-17),
	} {
		c := good
		c.RedirectURI = text
		say("redirect", text, s.SetClient(t.Context(), ws, appID, c))
	}
	for _, text := range texts(50, 100, 200, 255) {
		_, err := s.Update(t.Context(), ws, a.ID, 0, Change{Name: &text})
		say("name", text, err)
	}
	for _, text := range texts(1000, 4096, 8192, 16384) {
		_, err := s.Update(t.Context(), ws, a.ID, 0, Change{Credentials: &Credentials{
			Kind: crm.AuthToken, Fields: map[string]secret.Text{"token": secret.NewText(text)},
		}})
		say("token", text, err)
	}
	for _, c := range []Credentials{
		{},
		{Kind: "magic"},
		{Kind: crm.AuthToken},
		{Kind: crm.AuthOAuth2},
		{Kind: crm.AuthToken, Fields: map[string]secret.Text{"other": secret.NewText("x")}},
		{Kind: crm.AuthToken, Fields: map[string]secret.Text{"token": secret.NewText("x"), "other": secret.NewText("x")}},
		{Kind: crm.AuthToken, Fields: map[string]secret.Text{"token": secret.NewText("x"), FieldWebhookSecret: secret.NewText("y")}},
		{Kind: crm.AuthOAuth2, Fields: map[string]secret.Text{"token": secret.NewText("x")}},
	} {
		_, err := s.Update(t.Context(), ws, a.ID, 0, Change{Credentials: &c})
		say("credentials", fmt.Sprint(c.Kind, " ", len(c.Fields)), err)
	}
	for _, text := range []string{
		"", "https://one.example.com", "https://one.example.com/", "http://one.example.com", "https://one.example.com/x", "one.example.com",
		"https://u@one.example.com", "https://one.example.com?q", "https://one.example.com:8443", "https://127.0.0.1", "ftp://one.example.com",
	} {
		_, err := s.Update(t.Context(), ws, a.ID, 0, Change{BaseURL: &text})
		say("address", text, err)
		_, err = s.Create(t.Context(), ws, Draft{App: appID, Name: "N", BaseURL: text, Credentials: Credentials{
			Kind: crm.AuthToken, Fields: map[string]secret.Text{"token": secret.NewText("x")},
		}})
		say("address of a new one", text, err)
	}
	for _, yes := range []bool{true, false} {
		_, err := s.Update(t.Context(), ws, a.ID, 0, Change{SaveDuplicates: &yes})
		say("save duplicates", fmt.Sprint(yes), err)
	}
	for _, seen := range []int64{0, 1, 9999} {
		name := "N"
		got, err := s.Update(t.Context(), ws, a.ID, seen, Change{Name: &name})
		say("version", fmt.Sprint(seen, " of ", got.Revision > 1), err)
		say("version to delete", fmt.Sprint(seen), s.Delete(t.Context(), "other", a.ID, seen))
	}
	say("old version to delete", "1", s.Delete(t.Context(), ws, a.ID, 1))
	written.Check(t, "bounds.txt", out.String())
}
