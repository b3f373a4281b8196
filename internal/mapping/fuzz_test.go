package mapping_test

import (
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

func FuzzPhone(f *testing.F) {
	for _, s := range []string{
		"(212) 555-0100", "+1 212 555 0100 ext. 5", "0049 (0)30/123 456", "+", "１２３", "tel:+33 1 23 45 67 89",
		"1-800-FLOWERS", "x5", "+54 9 11 1234 5678",
	} {
		for _, c := range []string{"", "US", "DE", "IT", "AR", "zz"} {
			f.Add(s, c)
		}
	}
	f.Fuzz(func(t *testing.T, s, country string) {
		first, global, ok := mapping.CanonicalPhone(s, country)
		if !ok {
			return
		}
		second, stillGlobal, ok := mapping.CanonicalPhone(first, country)
		if !ok || first != second || global != stillGlobal {
			t.Errorf("%q in %q is %q (%v), that is %q (%v, %v)", s, country, first, global, second, stillGlobal, ok)
		}
		if global && first[0] != '+' {
			t.Errorf("%q is called global", first)
		}
	})
}

func FuzzIdentityEmail(f *testing.F) {
	for _, s := range []string{
		"Ann@Example.COM", " zoe\u0308@b\u00fccher.example ", "\u212a@x.org", "a@b@c", "a@xn--bcher-kva.example", "a@\u3002",
		"a@.b", "\u0130@\u0130.org", "a@ｅx．org",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		checkKeyOfKey(t, crm.TypeEmail, s)
		checkKeyOfKey(t, crm.TypeText, s)
		checkKeyOfKey(t, crm.TypePhone, s)
	})
}

func FuzzDateTime(f *testing.F) {
	for _, s := range []string{
		"2026-01-02", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000+0000", "2026-03-08 02:30",
		"1767323045678", "-62135596800000", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "2011-12-30", "1e3",
	} {
		f.Add(s)
	}
	zones := []*time.Location{
		time.UTC, zone(f, "America/New_York"), zone(f, "Pacific/Apia"), zone(f, "Asia/Kathmandu"),
		zone(f, "America/Sao_Paulo"),
	}
	type lens struct {
		name string
		c    *mapping.Compiled
	}
	var lenses []lens
	for _, z := range zones {
		for _, typ := range []crm.FieldType{crm.TypeDate, crm.TypeDateTime} {
			env := pair(typ, typ)
			env.TimeZone = crm.PerSide[*time.Location]{Left: z, Right: time.UTC}
			lenses = append(lenses, lens{z.String() + " " + string(typ), compile(f, oneToOne("none"), env)})
		}
		env := pair(crm.TypeDate, crm.TypeDateTime)
		env.TimeZone.Left = z
		lenses = append(lenses, lens{
			z.String() + " date to datetime", compile(f, oneWay(oneToOne("date"), crm.DirectionToRight), env),
		})
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, l := range lenses {
			v, err := l.c.Canonical(crm.Left, crm.Fields{"l": crm.TextValue(s)})
			if err != nil || v.Blank() {
				continue
			}
			out, err := l.c.Render(crm.Right, v, nil)
			if err != nil {
				continue // a day that does not exist in the zone, the end of time
			}
			if back, err := l.c.Canonical(crm.Right, out); err != nil || !back.Equal(v) {
				t.Errorf("%s: %q is %#v, rendered %#v, read back %#v, %v", l.name, s, v, out, back, err)
			}
		}
	})
}
