package hook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/hook"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

var now = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

func TestDeliveriesAreChecked(t *testing.T) {
	t.Parallel()
	mac := hmac.New(sha256.New, []byte("key"))
	mac.Write([]byte("body"))
	good := hex.EncodeToString(mac.Sum(nil))
	key := secret.NewText("key")
	m := hook.HMAC{Hash: sha256.New, Decode: hex.DecodeString}
	sign := func(k secret.Text, body string, sent ...string) error {
		return m.Check("acme", k, sent, []byte(body[:1]), []byte(body[1:]))
	}
	basic := func(password secret.Text, header string) error {
		return hook.Basic("acme", http.Header{"Authorization": {header}}, "u", password)
	}
	stamp := func(d time.Duration) string { return strconv.FormatInt(now.Add(d).UnixMilli(), 10) }
	for name, c := range map[string]struct {
		err  error
		code string
	}{
		"signed":          {sign(key, "body", good), ""},
		"altered":         {sign(key, "bodY", good), connector.CodeForged},
		"another key":     {sign(secret.NewText("other"), "body", good), connector.CodeForged},
		"no secret":       {sign(secret.Text{}, "body", good), connector.CodeNoSecret},
		"unsigned":        {sign(key, "body"), connector.CodeForged},
		"signed twice":    {sign(key, "body", good, good), connector.CodeForged},
		"no signature":    {sign(key, "body", "zz"), connector.CodeForged},
		"half of one":     {sign(key, "body", good[:10]), connector.CodeForged},
		"user":            {basic(secret.NewText("p"), "Basic dTpw"), ""},
		"other user":      {basic(secret.NewText("p"), "Basic djpw"), connector.CodeForged},
		"other password":  {basic(secret.NewText("q"), "Basic dTpw"), connector.CodeForged},
		"no password":     {basic(secret.Text{}, "Basic dTo="), connector.CodeNoSecret},
		"nobody":          {basic(secret.NewText("p"), ""), connector.CodeForged},
		"fresh":           {hook.Fresh("acme", stamp(-4*time.Minute), now), ""},
		"a little ahead":  {hook.Fresh("acme", stamp(4*time.Minute), now), ""},
		"old":             {hook.Fresh("acme", stamp(-6*time.Minute), now), connector.CodeStale},
		"from the future": {hook.Fresh("acme", stamp(6*time.Minute), now), connector.CodeStale},
		"no time":         {hook.Fresh("acme", "", now), connector.CodeForged},
	} {
		if c.code == "" && c.err != nil || c.code != "" && (!fault.Is(c.err, fault.Denied) || fault.CodeOf(c.err) != c.code) {
			t.Errorf("%s: %v, want %q", name, c.err, c.code)
		}
	}
}

func TestListsAreReadInBounds(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int{
		`[]`: 0, `[1, 2]`: 2, " [3]\n": 1, `{}`: -1, ``: -1, `[1`: -1, `[1]x`: -1, `[1][2]`: -1, `["x"]`: -1,
		"[" + strings.Repeat("1,", 5*hook.MaxEvents) + "1]": hook.MaxEvents + 1,
	} {
		got, err := hook.List[int]([]byte(body))
		if (err != nil) != (want < 0) || err == nil && len(got) != want {
			t.Errorf("%.20q: %d events, %v, want %d", body, len(got), err, want)
		}
	}
}

func TestOneHintForARecord(t *testing.T) {
	t.Parallel()
	event := func(id int, d time.Duration) connector.Event {
		return connector.Event{Kind: connector.EventChanged, Object: "o", ID: crm.RecordID(strconv.Itoa(id)), At: now.Add(d)}
	}
	var h hook.Hints
	for _, e := range []connector.Event{
		event(1, 0), event(2, 0), event(1, time.Second), event(1, -time.Second),
		{Object: "o", ID: "1", Kind: connector.EventDeleted},
	} {
		h.Add(e)
	}
	got, err := h.Events("acme")
	want := []connector.Event{event(1, time.Second), event(2, 0), {Object: "o", ID: "1", Kind: connector.EventDeleted}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for i := range hook.MaxEvents {
		h.Add(event(i, 0))
	}
	if _, err := h.Events("acme"); !fault.Is(err, fault.Invalid) || fault.CodeOf(err) != connector.CodeDelivery {
		t.Errorf("more than a delivery may be about: %v", err)
	}
}
