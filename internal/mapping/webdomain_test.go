package mapping_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// TestRow96_DomainsAreIdentities: what names one company, and what names none.
func TestRow96_DomainsAreIdentities(t *testing.T) {
	t.Parallel()
	tests := map[string]string{ // "" = no identity
		"acme.com": "acme.com", "https://www.acme.com/": "acme.com", "http://ACME.com/de": "acme.com",
		"  Acme.COM. ": "acme.com",
		"//acme.com":   "acme.com", "http:acme.com": "acme.com", "https:/acme.com": "acme.com",
		"www.acme.com:8080/?a=b#c":      "acme.com",
		"https://user:secret@acme.com/": "acme.com", "user:secret@acme.com": "acme.com", "acme.com?x": "acme.com",
		"acme.com#x": "acme.com",
		`acme.com\x`: "acme.com", "WWW.WWW.acme.com": "acme.com", "ftp://acme.com": "acme.com",
		"shop.acme.com": "shop.acme.com", "www2.acme.com": "www2.acme.com", "acme.co.uk": "acme.co.uk",
		"acme.uk.com": "acme.uk.com",
		"www.com":     "www.com", "www.co.uk": "www.co.uk", "bücher.example": "xn--bcher-kva.example",
		"http://XN--BCHER-KVA.example/": "xn--bcher-kva.example",
		"acme。com":                      "acme.com", "пример.рф": "xn--e1afmkfd.xn--p1ai",
		"straße.example":        "xn--strae-oqa.example",
		"strasse.example":       "strasse.example",
		"acme.internal.example": "acme.internal.example",

		"": "", "acme": "", "localhost:8080": "", "n/a": "", "info@acme.com": "", "mailto:info@acme.com": "", "10.0.0.1": "",
		"http://[2001:db8::1]/": "",
		"acme .com":             "", "acme..com": "", ".com": "", "com": "", "co.uk": "", "http://": "", "\u212aite.com": "",
		"a\xff.com": "",
		"gmail.com": "", "www.gmail.com": "", "yahoo.co.uk": "", "mail.yahoo.co.jp": "", "gmx.net": "", "web.de": "",
		"proton.me":                     "",
		"https://www.facebook.com/acme": "", "de.linkedin.com/company/acme": "", "sites.google.com/view/acme": "",
		"instagram.com":    "",
		"acme.wixsite.com": "", "acme.github.io": "", "github.io": "", "acme.myshopify.com": "", "acme.blogspot.co.uk": "",
		"acme.wordpress.com": "",
		"uk.com":             "", "blogspot.com": "", "s3.amazonaws.com": "",
		"notgmail.com": "notgmail.com", "myfacebook.com": "myfacebook.com", "yahoo.acme.com": "yahoo.acme.com",
		"yahoo.com.acme.de": "yahoo.com.acme.de",
	}
	for raw, want := range tests {
		if got, ok := mapping.FormDomain.Key(crm.TextValue(raw), ""); got != want || ok != (want != "") {
			t.Errorf("%q is %q, %v, want %q", raw, got, ok, want)
		}
	}
}

// TestX8_WebAddressesAreIdentitiesToo: one page whatever the scheme; the bare
// host of everybody is none.
func TestX8_WebAddressesAreIdentitiesToo(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://www.linkedin.com/in/Ada/": "linkedin.com/in/Ada", "linkedin.com/in/Ada": "linkedin.com/in/Ada",
		"http://LinkedIn.com:80/in/Ada#top": "linkedin.com/in/Ada",
		"https://linkedin.com/":             "", "https://acme.com/?": "acme.com", "acme.com/a?b=c": "acme.com/a?b=c",
		"words": "",
	} {
		if got, ok := mapping.FormURL.Key(crm.TextValue(raw), ""); got != want || ok != (want != "") {
			t.Errorf("%q is %q, %v, want %q", raw, got, ok, want)
		}
	}
}

// TestX8_DomainLookAlikesNeverMatch swaps one letter of a domain for one of
// another script that looks like it.
func TestX8_DomainLookAlikesNeverMatch(t *testing.T) {
	t.Parallel()
	alike := map[rune][]rune{
		'a': {'\u0430', '\u03b1', '\u00e0'}, 'k': {'\u212a', '\u03ba'}, 's': {'\u017f', '\u0455'},
		'i': {'\u0131', '\u0456', '1'}, 'o': {'\u043e', '0', '\u03bf'}, 'l': {'1', '\u04cf', 'i'},
	}
	told := 0
	rapid.Check(t, func(t *rapid.T) {
		label := rapid.StringMatching(`[aksiol]{2,10}`).Draw(t, "label")
		runes := []rune(label)
		at := rapid.IntRange(0, len(runes)-1).Draw(t, "at")
		runes[at] = rapid.SampledFrom(alike[runes[at]]).Draw(t, "twin")
		if runes[at] == '\u017f' { // IDNA itself maps the long s, wherever a browser meets it
			return
		}
		told++
		real, ok := mapping.FormDomain.Key(crm.TextValue(label+".example"), "")
		if !ok {
			t.Fatalf("%q has no key", label)
		}
		if twin, ok := mapping.FormDomain.Key(crm.TextValue(string(runes)+".example"), ""); ok && twin == real {
			t.Fatalf("%q and %q share the key %q", label, string(runes), real)
		}
	})
	if told == 0 {
		t.Error("no pair of look-alikes was compared")
	}
}

// TestS38_EveryFormIsStable: a key is its own key, its first spelling is the
// typed one, and each of its spellings has that key (of phones those that can
// be read without knowing where they are dialled).
func TestS38_EveryFormIsStable(t *testing.T) {
	t.Parallel()
	keys := map[mapping.Form]int{}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(emailText, phoneText, webText, messyText, numberText)
		for _, f := range []struct {
			form mapping.Form
			own  *rapid.Generator[string]
		}{
			{mapping.FormEmail, emailText},
			{mapping.FormPhone, phoneText},
			{mapping.FormDomain, webText},
			{mapping.FormURL, webText},
			{mapping.FormNumber, numberText},
			{mapping.FormText, messyText},
		} {
			form := f.form
			raw := rapid.OneOf(f.own, f.own, f.own, text).Draw(t, string(form))
			key, ok := form.Key(crm.TextValue(raw), "US")
			if !ok {
				continue
			}
			keys[form]++
			if again, ok := form.Key(crm.TextValue(key), "US"); !ok || again != key {
				t.Fatalf("%s: %q has the key %q, which has the key %q, %v", form, raw, key, again, ok)
			}
			spelled := form.Spellings(key, raw)
			if spelled[0] != strings.TrimSpace(raw) {
				t.Fatalf("%s: of %q the first spelling is %q", form, raw, spelled[0])
			}
			for _, s := range spelled {
				if form == mapping.FormPhone && s != spelled[0] && !strings.HasPrefix(s, "+") {
					continue
				}
				if again, ok := form.Key(crm.TextValue(s), "US"); !ok || again != key {
					t.Fatalf("%s: %q has the spelling %q, whose key is %q, %v, want %q", form, raw, s, again, ok, key)
				}
			}
			if _, tail := form.Search(key); tail == "" || !strings.Contains(key, tail) {
				t.Fatalf("%s: %q is looked for as %q", form, key, tail)
			}
		}
	})
	if len(keys) < 4 { // of six: a short run may miss one
		t.Errorf("only these forms had keys: %v", keys)
	}
}

// TestRow96_WritingKeepsEachAppsSpelling: an address that means the same domain
// is no change; another one is written as the bare domain.
func TestRow96_WritingKeepsEachAppsSpelling(t *testing.T) {
	t.Parallel()
	env := pair(crm.TypeText, crm.TypeURL)
	c := compile(t, oneToOne("domain"), env)
	for name, tt := range map[string]struct {
		left, right string
		want        string // "" = nothing written
	}{
		"same":                        {"acme.com", "https://www.acme.com/de", ""},
		"IDN":                         {"bücher.example", "http://xn--bcher-kva.example/", ""},
		"blank":                       {"https://ACME.com/", "", "acme.com"},
		"moved":                       {"acme.org", "https://www.acme.com/", "acme.org"},
		"subdomain":                   {"shop.acme.com", "acme.com", "shop.acme.com"},
		"page at a host of everybody": {"https://www.facebook.com/acme/", "https://facebook.com/acme", ""},
		"another page there":          {"https://www.facebook.com/acme/", "https://facebook.com/other", "facebook.com/acme"},
		"words":                       {" n/a ", "", "n/a"},
		"words and words":             {"none yet", "acme.com", "none yet"},
	} {
		v, err := c.Canonical(crm.Left, crm.Fields{"l": crm.TextValue(tt.left)})
		if err != nil {
			t.Fatal(err)
		}
		got, code := render(c, crm.Right, v, crm.Fields{"r": crm.TextValue(tt.right)})
		want := crm.Fields{}
		if tt.want != "" {
			want["r"] = crm.TextValue(tt.want)
		}
		if code != "" || len(got) != len(want) || !got["r"].Equal(want["r"]) {
			t.Errorf("%s: %#v, code %q, want %#v", name, got, code, want)
		}
	}
}
