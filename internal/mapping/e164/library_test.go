package e164

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/nyaruka/phonenumbers"
)

// byLibrary is E164 as the library has it.
func byLibrary(text, region string) (string, bool) {
	n, err := phonenumbers.Parse(text, region)
	if err != nil || phonenumbers.IsPossibleNumberWithReason(n) != phonenumbers.IS_POSSIBLE {
		return "", false
	}
	return phonenumbers.Format(n, phonenumbers.E164), true
}

// row is a plan as plans.txt has it.
func row(code int, m *phonenumbers.PhoneMetadata) string {
	list := func(ls []int32) string {
		var out []string
		for _, l := range ls {
			out = append(out, strconv.Itoa(int(l)))
		}
		return strings.Join(out, ",")
	}
	g := m.GetGeneralDesc()
	return strings.Join([]string{
		strconv.Itoa(code), m.GetId(), m.GetInternationalPrefix(), m.GetNationalPrefixForParsing(),
		m.GetNationalPrefixTransformRule(),
		g.GetNationalNumberPattern(), list(g.GetPossibleLength()), list(g.GetPossibleLengthLocalOnly()),
		m.GetLeadingDigits(), kinds(m),
	}, "\t")
}

// kinds is the pattern of the numbers that are given out, of whatever kind.
func kinds(m *phonenumbers.PhoneMetadata) string {
	var out []string
	for _, d := range []*phonenumbers.PhoneNumberDesc{
		m.GetPremiumRate(), m.GetTollFree(), m.GetSharedCost(), m.GetVoip(), m.GetPersonalNumber(), m.GetPager(), m.GetUan(),
		m.GetVoicemail(),
		m.GetFixedLine(), m.GetMobile(),
	} {
		if p := d.GetNationalNumberPattern(); p != "" && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return strings.Join(out, "|")
}

const head = `# Numbering plans of libphonenumber, Copyright The Libphonenumber Authors,
# Apache License 2.0 (https://www.apache.org/licenses/LICENSE-2.0), as
# github.com/nyaruka/phonenumbers has them. Written by a test: see doc.go.
# code, region, international prefix, national prefix, what takes its place,
# national numbers, their lengths, lengths within one area, what all numbers of
# a region that shares its code begin with, numbers given out; separated by tabs
`

// metadata are the library's plans, by region and by code of no country.
func metadata(
	t testing.TB,
) (regions map[string]*phonenumbers.PhoneMetadata, nowhereElse map[int]*phonenumbers.PhoneMetadata) {
	t.Helper()
	all, err := phonenumbers.MetadataCollection()
	if err != nil {
		t.Fatal(err)
	}
	regions, nowhereElse = map[string]*phonenumbers.PhoneMetadata{}, map[int]*phonenumbers.PhoneMetadata{}
	for _, m := range all.GetMetadata() {
		if m.GetId() == nowhere {
			nowhereElse[int(m.GetCountryCode())] = m
		} else {
			regions[m.GetId()] = m
		}
	}
	return regions, nowhereElse
}

// TestPlansAreTheLibrarys: an update of the library that brings other plans
// fails here until they are taken over.
func TestPlansAreTheLibrarys(t *testing.T) {
	regions, others := metadata(t)
	var codes []int
	for code := range phonenumbers.GetSupportedCallingCodes() {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	text := head
	for _, code := range codes {
		for _, region := range phonenumbers.GetRegionCodesForCountryCode(code) {
			m := regions[region]
			if region == nowhere {
				m = others[code]
			}
			if m == nil || int(m.GetCountryCode()) != code || len(m.GetGeneralDesc().GetPossibleLength()) == 0 ||
				m.GetGeneralDesc().GetPossibleLength()[0] < 1 ||
				m.GetGeneralDesc().GetNationalNumberPattern() == "" || !slices.IsSorted(m.GetGeneralDesc().GetPossibleLength()) {
				t.Fatalf("%d %s has no plan, or one of a kind that E164 does not know: %v", code, region, m)
			}
			text += row(code, m) + "\n"
		}
	}
	if os.Getenv("LOCKSTEP_UPDATE") != "" {
		if err := os.WriteFile("plans.txt", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(plansText, text); diff != "" {
		t.Errorf("plans.txt is not what the library has; LOCKSTEP_UPDATE=1 go test takes it over (-file +library):\n%s", diff)
	}
	known := phonenumbers.GetSupportedRegions()
	if len(world().regions) != len(known) || len(known) < 200 {
		t.Errorf("%d regions, the library has %d", len(world().regions), len(known))
	}
	for region := range known {
		if !Known(region) {
			t.Errorf("%s is not known", region)
		}
	}
	if Known(nowhere) || Known("") || Known("ZZ") || Known("de") {
		t.Error("what is no region is known")
	}
}

// samples are numbers of every kind in every country, as the library gives them.
func samples(t testing.TB) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	add := func(region string, code int, m *phonenumbers.PhoneMetadata) {
		for _, d := range []*phonenumbers.PhoneNumberDesc{
			m.GetGeneralDesc(), m.GetFixedLine(), m.GetMobile(), m.GetTollFree(), m.GetPremiumRate(), m.GetSharedCost(),
			m.GetPersonalNumber(), m.GetVoip(), m.GetPager(), m.GetUan(), m.GetVoicemail(),
		} {
			if e := d.GetExampleNumber(); e != "" {
				out[region] = append(out[region], spellings(e, code, m)...)
			}
		}
	}
	regions, others := metadata(t)
	for region, m := range regions {
		add(region, int(m.GetCountryCode()), m)
	}
	for code, m := range others {
		add(nowhere, code, m)
	}
	return out
}

// spellings of a national number: what is in front of it, how long it is, and
// the marks and digits that it is written with.
func spellings(national string, code int, m *phonenumbers.PhoneMetadata) []string {
	var lengths []string
	for n := max(1, len(national)-5); n <= len(national); n++ {
		lengths = append(lengths, national[:n], national[len(national)-n:])
	}
	lengths = append(lengths, national+"0", national+"1234", national+"12345678", "0"+national, "00"+national,
		"1"+national)
	c := strconv.Itoa(code)
	var out []string
	for _, n := range lengths {
		for _, front := range []string{
			"", m.GetNationalPrefix(), "0", "1", "8", "15", "+", "+" + c, "+" + c + "0", "+" + c + m.GetNationalPrefix(),
			"+" + c + " (0)", "\uFF0B" + c, c, c + m.GetNationalPrefix(),
			"00" + c, "011" + c, "0011 " + c, "810" + c, "+00" + c, "+0", "+1", "+7", "+" + c + c, "(" + c + ") ",
		} {
			out = append(out, front+n)
		}
	}
	for i, style := range []func(string) string{
		inPairs, fullWidth, bengali, func(s string) string { return "(" + s + ") " }, func(s string) string {
			return " . " + s + "-"
		}, func(s string) string { return s + "\t" },
	} {
		out = append(out, style(national), style("+"+c+" "+national), style("0"+national),
			style(fmt.Sprintf("%d%s", i, national)))
	}
	return out
}

func inPairs(s string) string {
	var b strings.Builder
	for i, r := range s {
		if i > 0 && i%2 == 0 {
			b.WriteString([]string{" ", "-", ".", "/", "\u00A0", "\u2011"}[i/2%6])
		}
		b.WriteRune(r)
	}
	return b.String()
}

func fullWidth(s string) string { return shifted(s, '\uFF10') }
func bengali(s string) string   { return shifted(s, '\u09E6') }

func shifted(s string, zero rune) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return zero + r - '0'
		}
		return r
	}, s)
}

// abroad are regions from which each number is dialled besides its own: of a
// shared code, with prefixes of several kinds, with none, and not known.
var abroad = []string{
	"", "ZZ", nowhere, "DE", "US", "AG", "IT", "SM", "AR", "BR", "MX", "JP", "KZ", "RU", "CN", "CC",
	"GG", "CI", "SG", "VA", "CL", "CO", "KR", "IL",
}

// TestAsTheLibrary compares answers with the library's: one spelling in ten,
// and all 1.5 million when its plans are taken over.
func TestAsTheLibrary(t *testing.T) {
	t.Parallel()
	step := 10
	if testing.Short() { // the race detector makes it slow and sees nothing in it
		step = 400
	}
	if os.Getenv("LOCKSTEP_UPDATE") != "" {
		step = 1
	}
	asked, found := 0, 0
	for region, texts := range samples(t) {
		for i := len(region+texts[0]) % step; i < len(texts); i += step {
			text := texts[i]
			from := []string{region, abroad[i%len(abroad)], abroad[(i/7+3)%len(abroad)]}
			for _, region := range from {
				want, wantOK := byLibrary(text, region)
				got, ok := Format(text, region)
				asked++
				if ok {
					found++
				}
				if got != want || ok != wantOK {
					t.Fatalf("%q in %q is %q %v, by the library %q %v", text, region, got, ok, want, wantOK)
				}
			}
		}
	}
	t.Logf("%d asked, %d are numbers", asked, found)
	if asked < 1_000_000/step || found < asked/10 {
		t.Errorf("%d asked, %d are numbers: too few to say anything", asked, found)
	}
}

// TestValidAsTheLibrary compares which numbers are valid with the library's
// word, for every number that E164 finds in a spelling of a sample.
func TestValidAsTheLibrary(t *testing.T) {
	t.Parallel()
	step := 10
	if testing.Short() {
		step = 400
	}
	if os.Getenv("LOCKSTEP_UPDATE") != "" {
		step = 1
	}
	asked, valid := 0, 0
	for region, texts := range samples(t) {
		for i := len(region+texts[0]) % step; i < len(texts); i += step {
			number, ok := Format(texts[i], region)
			if !ok {
				continue
			}
			n, err := phonenumbers.Parse(number, "")
			want := err == nil && phonenumbers.Format(n, phonenumbers.E164) == number && phonenumbers.IsValidNumber(n)
			got := Valid(number)
			asked++
			if got {
				valid++
			}
			if got != want {
				t.Fatalf("%q (%q in %q): valid %v, by the library %v, %v", number, texts[i], region, got, want, err)
			}
		}
	}
	t.Logf("%d asked, %d are valid", asked, valid)
	if asked < 100_000/step || valid < asked/10 || valid == asked {
		t.Errorf("%d asked, %d are valid: too few to say anything", asked, valid)
	}
	for _, text := range []string{
		"", "+", "+0", "+999123456789", "442071838750", "+44", "+4", "+442071838750 ext. 5",
		"+44 20 7183 8750", "+४४२०७१८३८७५०",
	} {
		if Valid(text) {
			t.Errorf("%q is valid", text)
		}
	}
}

// FuzzAsTheLibrary asks for whatever text a caller may have: see E164.
func FuzzAsTheLibrary(f *testing.F) {
	for _, text := range []string{
		"+49 30 123456", "030/123 456", "0039 06 1234567", "15 1234-5678", "１２３４５６７", "+", "00",
		"+0 0", "৩০১২৩৪৫", "(011) 15 1234-5678",
	} {
		for _, region := range []string{"", "DE", "IT", "AR", "US", "BR"} {
			f.Add(text, region)
		}
	}
	f.Fuzz(func(t *testing.T, text, region string) {
		if !written(text) {
			return
		}
		want, wantOK := byLibrary(text, region)
		if got, ok := Format(text, region); got != want || ok != wantOK {
			t.Errorf("%q in %q is %q %v, by the library %q %v", text, region, got, ok, want, wantOK)
		}
	})
}

// written reports whether a text is as E164 wants it: a plus sign in front only,
// no letters, and none of the signs by which the library tells extensions,
// parameters and patterns.
func written(text string) bool {
	rest, _ := begin(text)
	return len(text) <= 250 && utf8.ValidString(text) && !strings.ContainsFunc(rest, isPlus) &&
		!strings.ContainsFunc(text, unicode.IsLetter) &&
		!strings.ContainsAny(text, ";#\uFF03,&*~\uFF5E\u223C\u2053")
}

func BenchmarkE164(b *testing.B) {
	for name, f := range map[string]func(string, string) (string, bool){"ours": Format, "library": byLibrary} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f("0151 123-456 78", "DE")
				f("+1 (212) 555-0100", "DE")
			}
		})
	}
}
