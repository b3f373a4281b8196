package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// lands are countries of every continent, with plans of every kind: with a
// trunk prefix and without, with a zero that stays, with codes that are shared.
var lands = strings.Fields("US CA MX BR AR CL CO PE GB IE FR DE AT CH IT ES PT NL BE LU DK SE NO FI PL CZ SK HU RO " +
	"BG GR TR RU UA IL AE SA EG ZA NG KE IN CN JP KR SG AU NZ TH ID")

// format is a valid number as somebody in a country writes it.
type format struct{ country, kind, text, want string }

// formats are made of the library's own example numbers when the test runs.
func formats(t *testing.T) []format {
	t.Helper()
	var out []format
	kinds := map[string]phonenumbers.PhoneNumberType{
		"landline": phonenumbers.FIXED_LINE, "mobile": phonenumbers.MOBILE, "toll free": phonenumbers.TOLL_FREE,
	}
	for _, land := range lands {
		for kind, typ := range kinds {
			n := phonenumbers.GetExampleNumberForType(land, typ)
			if n == nil || !phonenumbers.IsValidNumber(n) {
				continue
			}
			want := phonenumbers.Format(n, phonenumbers.E164)
			code := fmt.Sprint(n.GetCountryCode())
			rest := strings.TrimPrefix(want, "+"+code)
			national, international := phonenumbers.Format(n, phonenumbers.NATIONAL),
				phonenumbers.Format(n, phonenumbers.INTERNATIONAL)
			for style, text := range map[string]string{
				"E.164": want, "national": national, "international": international,
				"RFC 3966": phonenumbers.Format(n, phonenumbers.RFC3966),
				"dots":     strings.NewReplacer(" ", ".", "-", ".").Replace(international),
				"no marks": strings.NewReplacer(" ", "", "-", "", "(", "", ")", "").Replace(national),
				"00":       "00 " + code + " " + rest,
				"(0)":      "+" + code + " (0)" + rest,
				"abroad":   phonenumbers.FormatOutOfCountryCallingNumber(n, land),
			} {
				ours := style == "(0)" || style == "00"
				if back, err := phonenumbers.Parse(text, land); !ours &&
					(err != nil || phonenumbers.Format(back, phonenumbers.E164) != want) {
					continue // the library cannot read what it wrote (mobiles of Argentina)
				}
				if style == "(0)" && (strings.HasPrefix(rest, "0") || land == "IT") {
					continue // the zero is the number's own
				}
				out = append(out, format{land, kind + ", " + style, text, want})
			}
		}
	}
	return out
}

// TestRow130_FormatsOfTheWorld: each format is one number in its country, goes
// to the other app as that number and comes back, is no change against any
// other format of it, and keeps its extension.
func TestRow130_FormatsOfTheWorld(t *testing.T) {
	t.Parallel()
	all := formats(t)
	seen := map[string]bool{}
	for _, f := range all {
		seen[f.country] = true
	}
	if len(all) < 300 || len(seen) < 40 {
		t.Fatalf("%d formats of %d countries, want 300 of 40", len(all), len(seen))
	}
	t.Logf("%d formats of %d countries", len(all), len(seen))
	for i, f := range all {
		if testing.Short() && i%8 > 1 { // the race detector makes it slow and sees nothing in it
			continue
		}
		env := pair(crm.TypePhone, crm.TypeText)
		env.Country = f.country
		c := compile(t, oneToOne("phone"), env)
		for _, ext := range []string{"", " ext. 5", " x5", "#5", ";ext=5"} {
			want := f.want
			if ext != "" {
				want += " ext. 5"
			}
			for _, from := range crm.Sides {
				name := map[crm.Side]string{crm.Left: "l", crm.Right: "r"}
				own := crm.Fields{name[from]: crm.TextValue(f.text + ext)}
				v, err := c.Canonical(from, own)
				if err != nil || v.Text() != want || c.InvalidPhone(v) {
					t.Errorf("%s, %s: %q is %#v, %v, want %q", f.country, f.kind, f.text+ext, v, err, want)
					continue
				}
				to := from.Other()
				out, err := c.RenderFrom(to, v, nil, own)
				if err != nil || out[name[to]].Text() != want {
					t.Errorf("%s, %s: %q is written as %#v, %v", f.country, f.kind, f.text+ext, out, err)
				}
				if back, err := c.RenderFrom(from, v, own, out); err != nil || len(back) != 0 {
					t.Errorf("%s, %s: %q comes back as %#v, %v", f.country, f.kind, f.text+ext, back, err)
				}
			}
		}
		if i > 0 && all[i-1].want == f.want {
			held := crm.Fields{"r": crm.TextValue(all[i-1].text)}
			if out, err := c.Render(crm.Right, crm.TextValue(f.text), held); err != nil || len(out) != 0 {
				t.Errorf("%s: %q against %q writes %#v, %v", f.country, f.text, all[i-1].text, out, err)
			}
		}
		if key, ok := mapping.IdentityKey(crm.TypePhone, crm.TextValue(f.text), f.country); !ok || key != f.want {
			t.Errorf("%s: %q has the key %q, %v", f.country, f.text, key, ok)
		}
	}
}

// TestRow130_WhatIsNoNumberStays: of every country's number, what people make of
// it that is no number: it is no identity, is the same by its digits, is written
// as it stands, and never takes the place of a number.
func TestRow130_WhatIsNoNumberStays(t *testing.T) {
	t.Parallel()
	for i, f := range formats(t) {
		if testing.Short() && i%8 > 0 {
			continue
		}
		env := pair(crm.TypePhone, crm.TypeText)
		env.Country = f.country
		c := compile(t, oneToOne("phone"), env)
		number := crm.TextValue(f.want)
		for _, text := range []string{
			f.text + " / " + f.want, "call Ann: " + f.text, f.text + " or " + f.want, f.want + "99999999999", "ask Ann",
		} {
			own := crm.Fields{"l": crm.TextValue(text)}
			v, err := c.Canonical(crm.Left, own)
			if err != nil || !c.InvalidPhone(v) || c.MayReplace(v, number) || !c.MayReplace(number, v) ||
				!c.MayReplace(v, crm.NullValue()) {
				t.Fatalf("%s: %q is %#v, %v: valid, or replaces a number", f.country, text, v, err)
			}
			if key, ok := mapping.IdentityKey(crm.TypePhone, crm.TextValue(text), f.country); ok {
				t.Errorf("%s: %q has the key %q", f.country, text, key)
			}
			out, err := c.RenderFrom(crm.Right, v, nil, own)
			if err != nil || out["r"].Text() != text {
				t.Errorf("%s: %q is written as %#v, %v", f.country, text, out, err)
			}
			other := crm.Fields{"r": crm.TextValue(strings.NewReplacer(" ", "\u00a0", "-", " ").Replace(text))}
			// it has no digits
			if out, err := c.RenderFrom(crm.Right, v, other, own); text != "ask Ann" && (err != nil || len(out) != 0) {
				t.Errorf("%s: %q against %q writes %#v, %v", f.country, text, other["r"].Text(), out, err)
			}
		}
	}
}
