package rows

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector/hubspot/hubspotfake"
)

// consents authorises an app in the browser, as an admin does, and returns the
// address of the account that it makes or means.
func (w *world) consents(f *fake, but ...string) string {
	w.Helper()
	var begun struct{ URL string }
	w.want(201, "POST", "/v1/oauth/hubspot/authorizations", map[string]string{
		"name": "By consent of " + w.Name(), "base_url": f.url,
	}).into(&begun)
	first := w.send(begun.URL, "", "GET", "", nil)
	at, err := url.Parse(first.header.Get("Location"))
	if err != nil {
		w.Fatal(err)
	}
	cookie, _, _ := strings.Cut(first.header.Get("Set-Cookie"), ";")
	asked := at.Query()
	asked.Set("scope", strings.Join(slices.DeleteFunc(strings.Fields(asked.Get("scope")), func(scope string) bool {
		return slices.Contains(but, scope)
	}), " "))
	consent := w.send(f.url, "", "GET", "/oauth/authorize?"+asked.Encode(), nil) // its page is at its own host
	back, err := url.Parse(consent.header.Get("Location"))
	if err != nil {
		w.Fatal(err)
	}
	done := w.send(w.p.url, "", "GET", "/v1/oauth/callback?"+back.RawQuery, nil, "Cookie", cookie)
	if done.status != 200 {
		w.Fatalf("%s: %d: %s", done.call, done.status, done.body)
	}
	var a struct{ ID string }
	done.into(&a)
	return "/v1/accounts/" + a.ID
}

// portal makes an app another account of the same login.
func (f *fake) portal(id int) { f.w.Helper(); f.knob("PUT", "portal", map[string]int{"id": id}) }

// TestRow14_OneAccountPerSite: a login that reaches two sites makes an account of
// each, and of one of them once more the same. They have credentials, limits and
// deliveries of their own.
func TestRow14_OneAccountPerSite(t *testing.T) {
	rowAlone(t, func(w *world) {
		type account struct {
			ID, Status string
			ExternalID string `json:"external_id"`
		}
		w.want(204, "PUT", "/v1/apps/hubspot/client", map[string]string{
			"client_id": hubspotfake.ClientID, "client_secret": hubspotfake.ClientSecret, "redirect_uri": w.p.url + "/v1/oauth/callback",
		})
		login := w.app("hubspot")
		var made []account
		for _, portal := range []int{111, 222, 111} {
			login.portal(portal)
			var a account
			w.get(w.consents(login), &a)
			made = append(made, a)
		}
		equal(w, "the site of the first", made[0].ExternalID, "111")
		equal(w, "the site of the second", made[1].ExternalID, "222")
		equal(w, "the account of the first site, once more", made[2].ID, made[0].ID)
		if made[0].ID == made[1].ID {
			w.Fatal("two sites are one account")
		}

		// Two sites side by side, and one that the other's people write to.
		w.right = w.app("salesforce")
		other := *w
		other.left, other.right = w.app("hubspot"), w.app("salesforce")
		for f, id := range map[*fake]int{w.left: 333, other.left: 444} { // each has an account from before that
			f.portal(id)
			f.account = w.accountAt(f, kinds["hubspot"].credentials)
		}
		for f, id := range map[*fake]string{w.left: "333", other.left: "444"} {
			w.want(200, "POST", "/v1/accounts/"+f.account+"/test", nil).says(id)
		}
		for _, c := range []*world{w, &other} {
			c.connect("/name", "Site of "+c.left.account)
			c.start()
		}
		one, two := list[struct{ URL string }](w, w.con+"/webhooks"), list[struct{ URL string }](w, other.con+"/webhooks")
		if one[0].URL == two[0].URL {
			w.Error("two accounts have one address for deliveries")
		}
		before := other.left.written() + other.right.written()
		w.hear(w.left)
		w.left.add("ann", "city", "Ghent")
		w.until("what the first site tells", func() bool { _, there := w.right.find("ann"); return there })
		w.left.knob("PUT", "webhooks", map[string]any{ // told to the wrong address
			"url": two[0].URL, "secret": kinds["hubspot"].credentials["webhook_secret"],
		})
		w.left.add("bob", "city", "Lund")
		var refused []struct {
			Refused []struct{ Code string }
		}
		w.until("the refusal of the other site's address", func() bool {
			refused = list[struct {
				Refused []struct{ Code string }
			}](w, other.con+"/webhooks")
			return len(refused[0].Refused) > 0
		})
		other.pull()
		other.left.lacks("ann")
		equal(w, "writes to the other site and its partner", other.left.written()+other.right.written(), before)

		w.left.knob("PUT", "limits", map[string]any{"calls": 1, "window": "1h"})
		other.left.add("dan", "city", "Bergen")
		other.pull()
		other.right.has("dan", "MailingCity", "Bergen")
		w.left.knob("POST", "tokens/revoke", nil)
		other.left.add("cyd", "city", "Oslo")
		other.pull()
		other.right.has("cyd", "MailingCity", "Oslo")
		var test struct{ OK bool }
		w.want(200, "POST", "/v1/accounts/"+w.left.account+"/test", nil).into(&test)
		equal(w, "the first site's own credentials", test.OK, false)
		w.want(200, "POST", "/v1/accounts/"+other.left.account+"/test", nil).into(&test)
		equal(w, "the second site's", test.OK, true)
	})
}
