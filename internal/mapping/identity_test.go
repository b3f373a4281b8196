package mapping_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

func TestX8_IdentityKeys(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		typ      crm.FieldType
		raw      string
		want     string
		unusable bool
	}{
		"trim and case":           {crm.TypeEmail, " Ann.Lee@Example.COM\n", "ann.lee@example.com", false},
		"NFC":                     {crm.TypeEmail, "zoe\u0308@example.org", "zo\u00eb@example.org", false},
		"only ASCII is lowered":   {crm.TypeEmail, "\u00c4nn@example.org", "\u00c4nn@example.org", false},
		"long s stays":            {crm.TypeEmail, "\u017fam@example.org", "\u017fam@example.org", false},
		"dotless i stays":         {crm.TypeEmail, "\u0131an@example.org", "\u0131an@example.org", false},
		"dotted I stays":          {crm.TypeEmail, "\u0130an@example.org", "\u0130an@example.org", false},
		"full width stays":        {crm.TypeEmail, "\uff41nn@example.org", "\uff41nn@example.org", false},
		"Kelvin sign":             {crm.TypeEmail, "\u212aevin@example.org", "", true},
		"domain in any script":    {crm.TypeEmail, "a@B\u00dcCHER.example", "a@xn--bcher-kva.example", false},
		"domain already encoded":  {crm.TypeEmail, "a@xn--bcher-kva.example", "a@xn--bcher-kva.example", false},
		"sharp s is not ss":       {crm.TypeEmail, "a@fa\u00df.example", "a@xn--fa-hia.example", false},
		"Cyrillic a":              {crm.TypeEmail, "\u0430nn@example.org", "\u0430nn@example.org", false},
		"Cyrillic a in a domain":  {crm.TypeEmail, "ann@ex\u0430mple.org", "ann@xn--exmple-4nf.org", false},
		"plus stays":              {crm.TypeEmail, "ann+x@example.org", "ann+x@example.org", false},
		"no address":              {crm.TypeEmail, "ann", "", true},
		"two at signs":            {crm.TypeEmail, "a@b@example.org", "", true},
		"with a name":             {crm.TypeEmail, "Ann <ann@example.org>", "", true},
		"empty domain":            {crm.TypeEmail, "ann@", "", true},
		"bad UTF-8":               {crm.TypeEmail, "a\xff@example.org", "", true},
		"blank":                   {crm.TypeEmail, " \t", "", true},
		"phone":                   {crm.TypePhone, "(212) 555-0100", "+12125550100", false},
		"phone of no country":     {crm.TypePhone, "555-0100", "", true},
		"phone in words":          {crm.TypePhone, "none", "", true},
		"text":                    {crm.TypeText, " Ann LEE ", "ann lee", false},
		"text outside ASCII":      {crm.TypeText, "\u00c4nn", "\u00c4nn", false},
		"text with a Kelvin sign": {crm.TypeText, "\u212aim", "", true},
		"number":                  {crm.TypeNumber, "007.0", "7", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := mapping.IdentityKey(tt.typ, crm.TextValue(tt.raw), "US")
			if got != tt.want || ok == tt.unusable {
				t.Errorf("key %q, %v, want %q, %v", got, ok, tt.want, !tt.unusable)
			}
		})
	}
}

func TestX8_ListsAndBlanks(t *testing.T) {
	t.Parallel()
	if key, ok := mapping.IdentityKey(crm.TypeEmail, crm.ListValue("", "A@example.org"), ""); !ok ||
		key != "a@example.org" {
		t.Errorf("a list of one: %q, %v", key, ok)
	}
	for _, v := range []crm.Value{
		{}, crm.NullValue(), crm.TextValue(""), crm.ListValue(), crm.ListValue("a@example.org", "b@example.org"),
	} {
		if key, ok := mapping.IdentityKey(crm.TypeEmail, v, ""); ok {
			t.Errorf("%#v has the key %q", v, key)
		}
	}
}

// TestX8_LookAlikesNeverMatch takes a clean address and swaps one character for
// one that folds or looks like it; the key must differ or be refused.
func TestX8_LookAlikesNeverMatch(t *testing.T) {
	t.Parallel()
	alike := map[rune][]rune{
		'a': {'\u0430', '\uff41', '\u00e0'}, 'k': {'\u212a', '\u03ba'}, 's': {'\u017f', '\u0455'},
		'i': {'\u0131', '\u0130', '\u0456'}, 'o': {'\u043e', '0', '\u03bf'},
	}
	rapid.Check(t, func(t *rapid.T) {
		local := rapid.StringMatching(`[aksio]{1,8}`).Draw(t, "local")
		runes := []rune(local)
		at := rapid.IntRange(0, len(runes)-1).Draw(t, "at")
		runes[at] = rapid.SampledFrom(alike[runes[at]]).Draw(t, "twin")
		real, ok := mapping.IdentityKey(crm.TypeEmail, crm.TextValue(local+"@example.org"), "")
		if !ok {
			t.Fatalf("%q has no key", local)
		}
		if twin, ok := mapping.IdentityKey(crm.TypeEmail, crm.TextValue(string(runes)+"@example.org"), ""); ok &&
			twin == real {
			t.Fatalf("%q and %q share the key %q", local, string(runes), real)
		}
	})
}

// TestX8_Idempotent checks every type of key with text of any kind.
func TestX8_Idempotent(t *testing.T) {
	t.Parallel()
	types := []crm.FieldType{crm.TypeEmail, crm.TypePhone, crm.TypeText, crm.TypeNumber, crm.TypeURL}
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.OneOf(emailText, phoneText, messyText, numberText).Draw(t, "raw")
		for _, typ := range types {
			checkKeyOfKey(t, typ, raw)
		}
	})
}

func checkKeyOfKey(t interface {
	Helper()
	Fatalf(string, ...any)
}, typ crm.FieldType, raw string,
) {
	t.Helper()
	key, ok := mapping.IdentityKey(typ, crm.TextValue(raw), "US")
	if !ok {
		return
	}
	if again, ok := mapping.IdentityKey(typ, crm.TextValue(key), "US"); !ok || again != key {
		t.Fatalf("%s: %q has the key %q, which has the key %q, %v", typ, raw, key, again, ok)
	}
}
