package carddav

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-vcard"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

var moment = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

// of is a card of lines, with that end.
func of(end string, lines ...string) string {
	return "BEGIN:VCARD" + end + strings.Join(lines, end) + end + "END:VCARD" + end
}

const crlf = "\r\n"

// TestWrites: what a write makes of a card, byte for byte.
func TestWrites(t *testing.T) {
	t.Parallel()
	three := func(lines ...string) string { return of(crlf, append([]string{"VERSION:3.0"}, lines...)...) }
	four := func(lines ...string) string { return of(crlf, append([]string{"VERSION:4.0"}, lines...)...) }
	text := crm.TextValue
	long := strings.Repeat("ä", 60)
	for name, c := range map[string]struct {
		card   string
		fields crm.Fields
		want   string
	}{
		"the preferred line alone": {
			three("FN:A", "N:;A;;;", "EMAIL;TYPE=HOME:a@example.com", "item1.EMAIL;TYPE=WORK;type=pref:b@example.com",
				"item1.X-ABLabel:Desk"),
			crm.Fields{"EMAIL": text("c@example.com")},
			three("FN:A", "N:;A;;;", "EMAIL;TYPE=HOME:a@example.com", "item1.EMAIL;TYPE=WORK;type=pref:c@example.com",
				"item1.X-ABLabel:Desk"),
		},
		"one with the least number": {
			four("FN:A", "TEL;PREF=50:1", "TEL;PREF=2;TYPE=\"work,voice\":2"),
			crm.Fields{"TEL": text("3")},
			four("FN:A", "TEL;PREF=50:1", "TEL;PREF=2;TYPE=\"work,voice\":3"),
		},
		"one that is cleared": {
			three("FN:A", "N:;A;;;", "EMAIL:a@example.com", "EMAIL:b@example.com"),
			crm.Fields{"EMAIL": crm.NullValue()},
			three("FN:A", "N:;A;;;", "EMAIL:b@example.com"),
		},
		"new ones": {
			three("FN:A", "N:;A;;;"),
			crm.Fields{"EMAIL": text("a@example.com"), "TEL": text("1"), "NOTE": text("x,y;z\\\nb")},
			three("FN:A", "N:;A;;;", "EMAIL;TYPE=INTERNET:a@example.com", `NOTE:x\,y\;z\\\nb`, "TEL:1"),
		},
		"new ones of version 4.0": {
			four("FN:A"),
			crm.Fields{"EMAIL": text("a@example.com"), "BDAY": text("2001-02-03"), "N/given": text("A")},
			four("FN:A", "BDAY:20010203", "EMAIL:a@example.com", "N:;A;;;"),
		},
		"a part between escapes": {
			three(`N:M\;ü\,ller;Ann\\;;Dr.,Prof.;`, "FN:x"),
			crm.Fields{"N/given": text("B;o")},
			three(`N:M\;ü\,ller;B\;o;;Dr.,Prof.;`, "FN:x"),
		},
		"a full name that is made of the others": {
			three("N:Roe;Ann;;Dr.;", "FN:Dr. Ann Roe"),
			crm.Fields{"N/family": text("Doe")},
			three("N:Doe;Ann;;Dr.;", "FN:Dr. Ann Doe"),
		},
		"a full name of its own": {
			three("N:Roe;Ann;;;", "FN:Annie"), crm.Fields{"N/family": text("Doe")}, three("N:Doe;Ann;;;", "FN:Annie"),
		},
		"a full name that is cleared": {
			three("N:Roe;Ann;;;", "FN:Annie"), crm.Fields{"FN": crm.NullValue()}, three("N:Roe;Ann;;;", "FN:Ann Roe"),
		},
		"nobody's name": {
			three("N:Roe;;;;", "FN:Roe", "ORG:Example"),
			crm.Fields{"N/family": crm.NullValue()},
			three("N:;;;;", "FN:Example", "ORG:Example"),
		},
		"an address that is cleared": {
			three("N:;A;;;", "FN:A", "ADR;TYPE=HOME:;;;Köln;;;", "ADR:;;;Lund;;;"),
			crm.Fields{"ADR/locality": crm.NullValue()},
			three("N:;A;;;", "FN:A", "ADR:;;;Lund;;;"),
		},
		"departments stay": {
			three("N:;A;;;", "FN:A", "ORG:Old;Sales;North"),
			crm.Fields{"ORG/name": text("New")},
			three("N:;A;;;", "FN:A", "ORG:New;Sales;North"),
		},
		"a phone that was an address": {
			four("FN:A", `item2.TEL;VALUE=uri;PREF=1;TYPE="voice,home":tel:+1-202-555-0100`),
			crm.Fields{"TEL": text("+1 202 555 0101")},
			four("FN:A", `item2.TEL;PREF=1;TYPE="voice,home":+1 202 555 0101`),
		},
		"a birthday without its year": {
			three("N:;A;;;", "FN:A", "BDAY;X-APPLE-OMIT-YEAR=1604;VALUE=date:1604-02-03"),
			crm.Fields{"BDAY": text("2001-02-03")},
			three("N:;A;;;", "FN:A", "BDAY:2001-02-03"),
		},
		"categories": {
			four("FN:A", `CATEGORIES;PREF=1:a, b\,c ,d`, "CATEGORIES:e,a"),
			crm.Fields{"CATEGORIES": crm.ListValue("e", "b,c", "new;")},
			four("FN:A", `CATEGORIES;PREF=1: b\,c ,e,new\;`),
		},
		"no more categories": {
			four("FN:A", "CATEGORIES:a", "CATEGORIES:b"), crm.Fields{"CATEGORIES": crm.NullValue()}, four("FN:A"),
		},
		"folds": {
			three("N:;A;;;", "FN:A", "PHOTO;ENCODING=b:AAAA"+crlf+" BBBB"+crlf+"\tCC", "NO"+crlf+" TE:a"+crlf+"  b"),
			crm.Fields{"NOTE": text(long)},
			three("N:;A;;;", "FN:A", "PHOTO;ENCODING=b:AAAA"+crlf+" BBBB"+crlf+"\tCC", "NOTE:"+strings.Repeat("ä", 35)+crlf+" "+
				strings.Repeat("ä", 25)),
		},
		"a time of the last change": {
			four("FN:A", "REV;VALUE=timestamp:2020-01-01T00:00:00Z"),
			crm.Fields{"TITLE": text("x")},
			four("FN:A", "REV:20260302T093000Z", "TITLE:x"),
		},
		"an address on the web": {
			three("N:;A;;;", "FN:A"),
			crm.Fields{"URL": text("https://example.com/a,b;c")},
			three("N:;A;;;", "FN:A", "URL:https://example.com/a,b;c"),
		},
		"line feeds alone": {
			of("\n", "VERSION:3.0", "N:;A;;;", "FN:A", "X-ODD", "x.y-Z;q=\"a:b\":c"),
			crm.Fields{"TITLE": text("t")},
			of("\n", "VERSION:3.0", "N:;A;;;", "FN:A", "X-ODD", "x.y-Z;q=\"a:b\":c", "TITLE:t"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			card := parse(c.card)
			if card == nil {
				t.Fatal("the card is not read")
			}
			card.write(c.fields, moment)
			if diff := cmp.Diff(c.want, card.String()); diff != "" {
				t.Errorf("the card (-want +got):\n%s", diff)
			}
			again := parse(card.String())
			for field, v := range c.fields {
				if got := again.values([]string{field})[field]; !v.Blank() && field != "EMAIL" && field != categories &&
					got.Text() != v.Text() {
					t.Errorf("%s is read as %q", field, got.Text())
				}
			}
		})
	}
}

// TestLeftAlone: groups, and what is no card of one person in a version that we know.
func TestLeftAlone(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing":              "",
		"a blank line":         crlf,
		"a page":               "<html><body>Log in</body></html>",
		"a calendar":           "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n",
		"version 2.1":          of(crlf, "VERSION:2.1", "FN:A"),
		"no version":           of(crlf, "FN:A"),
		"no end":               "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:A\r\n",
		"no beginning":         "VERSION:3.0\r\nFN:A\r\nEND:VCARD\r\n",
		"two cards":            of(crlf, "VERSION:3.0", "FN:A") + of(crlf, "VERSION:3.0", "FN:B"),
		"a card within a card": of(crlf, "VERSION:3.0", "BEGIN:VCARD", "END:VCARD"),
		"a group":              of(crlf, "VERSION:4.0", "FN:A", "KIND:Group"),
		"a group of Apple's":   of(crlf, "VERSION:3.0", "FN:A", "X-ADDRESSBOOKSERVER-KIND:group"),
	} {
		if parse(text) != nil {
			t.Errorf("%s is taken for a contact", name)
		}
	}
	for name, text := range map[string]string{
		"an organisation": of(crlf, "VERSION:4.0", "FN:A", "KIND:org"),
		"small letters":   "begin:vcard\nversion:3.0\nfn:A\nend:vcard",
		"lines behind":    of(crlf, "VERSION:3.0", "FN:A") + "\r\n\r\n",
	} {
		if c := parse(text); c == nil || c.value("FN") != "A" {
			t.Errorf("%s is not read", name)
		}
	}
}

// TestValues: what a card says in either version.
func TestValues(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][2]string{
		"BDAY:20010203":                            {"BDAY", "2001-02-03"},
		"BDAY:2001-02-03T10:00:00Z":                {"BDAY", "2001-02-03"},
		"BDAY:--0203":                              {"BDAY", ""},
		"BDAY;VALUE=text:circa 1800":               {"BDAY", ""},
		"BDAY;X-APPLE-OMIT-YEAR=1604:1604-02-03":   {"BDAY", ""},
		"TEL;VALUE=uri:TEL:+1-202-555-0100;ext=1":  {"TEL", "+1-202-555-0100;ext=1"},
		`NOTE:a\nb\Nc\,d\;e\\n\`:                   {"NOTE", "a\nb\nc,d;e\\n\\"},
		`ADR;LABEL="a\nb:c":;;Main St\, 1;Lund;;;`: {"ADR/street", "Main St, 1"},
		"ADR:;;Main St 1":                          {"ADR/country", ""},
		`ORG:A\;B;C`:                               {"ORG/name", "A;B"},
		"item1.ORG:A":                              {"ORG/unit", ""},
		"TEL;HOME;PREF:1":                          {"TEL", "1"},
		"EMAIL;:a@example.com":                     {"EMAIL", "a@example.com"},
		"n:Roe;Ann":                                {"N/given", "Ann"},
		"FN;ALTID=1;LANGUAGE=en:Ann":               {"FN", "Ann"},
	} {
		if got := parse(of(crlf, "VERSION:4.0", line)).value(want[0]); got != want[1] {
			t.Errorf("%s: %s is %q, want %q", line, want[0], got, want[1])
		}
	}
}

// pool are lines that a card may have besides, none of them one that is written here.
var pool = []string{
	"PHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQSkZJRgABAQ\r\n EAYABgAAD/2wBD\r\n\tAAgG", "X-SPIN;A=\"b:c\";D=e:f\\,g;h", "item1.X-ABLabel:Ä",
	"TEL;TYPE=x:1", "item2.IMPP:xmpp:a", "KEY;MEDIATYPE=a/b:data:a/b;base64,AA==", "X-EMPTY:", "no colon in it",
	"ROLE:a\\;b", "EMAIL;TYPE=\"a;b\";X=:odd@example.com", "LABEL:a\r\n  b",
}

// TestOnlyWhatIsWritten: whatever the card and whatever is written, all other lines stay byte
// for byte and in their order, what was written is read again, the library reads the
// card, and writing the same once more changes nothing.
func TestOnlyWhatIsWritten(t *testing.T) {
	t.Parallel()
	plain := []string{
		"NICKNAME", "TITLE", "NOTE", "N/given", "N/family", "N/suffix", "ADR/street", "ADR/country", "ORG/name", "URL",
	}
	rapid.Check(t, func(t *rapid.T) {
		end := rapid.SampledFrom([]string{"\r\n", "\n"}).Draw(t, "end")
		version := rapid.SampledFrom([]string{"3.0", "4.0"}).Draw(t, "version")
		lines := []string{"VERSION:" + version, "FN:Full", "N:;;;;"}
		for range rapid.IntRange(0, 8).Draw(t, "lines") {
			lines = append(lines, strings.ReplaceAll(rapid.SampledFrom(pool).Draw(t, "line"), crlf, end))
		}
		kept := slices.Clone(lines[3:])
		for _, field := range plain {
			if name, _, _ := strings.Cut(field, "/"); rapid.Bool().Draw(t, field) && name != "N" {
				at := rapid.IntRange(1, len(lines)).Draw(t, "at")
				lines = slices.Insert(lines, at, name+";X-A=1:old;old")
			}
		}
		c := parse(of(end, lines...))
		fields := crm.Fields{}
		for _, field := range plain {
			fields[field] = crm.TextValue(rapid.StringMatching(`[a-zä;,\\":\n]{0,90}`).Draw(t, field))
		}
		c.write(fields, moment)
		text := c.String()
		rest := text
		for _, line := range kept {
			_, after, found := strings.Cut(rest, end+line+end)
			if !found {
				t.Fatalf("the line %q is not there, or not in its place:\n%s", line, text)
			}
			rest = end + after
		}
		got := parse(text)
		if got == nil {
			t.Fatalf("the card is none:\n%s", text)
		}
		for field, v := range fields {
			if want := v.Text(); got.value(field) != want && (!v.Blank() || got.value(field) != "") {
				t.Fatalf("%s is read as %q, and was %q:\n%s", field, got.value(field), v.Text(), text)
			}
		}
		own, err := vcard.NewDecoder(strings.NewReader(text)).Decode()
		if err != nil {
			t.Fatalf("the library: %v", err)
		}
		title := fields["TITLE"].Text()
		if fields["TITLE"].Blank() {
			title = ""
		}
		if own.Value("TITLE") != strings.ReplaceAll(title, ";", `\;`) && !strings.Contains(title, `\`) {
			t.Fatalf("the library reads the title as %q, and it was %q", own.Value("TITLE"), title)
		}
		for line := range strings.SplitSeq(text, end) {
			if len(line) > width+4 { // lines of the pool are as they are
				t.Fatalf("a line of %d octets: %q", len(line), line)
			}
		}
		got.write(maps.Clone(fields), moment)
		if got.String() != text {
			t.Fatalf("writing the same once more (-first +second):\n%s", cmp.Diff(text, got.String()))
		}
	})
}

// FuzzCard reads and writes any text as a card.
func FuzzCard(f *testing.F) {
	f.Add(of(crlf, "VERSION:3.0", "FN:A", "N:;A;;;", "EMAIL;TYPE=pref:a@example.com"))
	f.Add(of("\n", "VERSION:4.0", "X;A=\"b:c\n d\";E=:f", "BDAY:20010203", `ADR;X="\n":;;a\;b`))
	f.Fuzz(func(t *testing.T, text string) {
		c := parse(text)
		if c == nil {
			return
		}
		for field := range known {
			_ = c.values([]string{field})
		}
		_ = c.revised()
		c.write(crm.Fields{
			"EMAIL": crm.TextValue("a@example.com"), "N/given": crm.TextValue("Ann"), "CATEGORIES": crm.ListValue("a"), "BDAY": {},
		}, moment)
		if again := parse(c.String()); again == nil || again.value("N/given") != "Ann" {
			t.Fatalf("what is written is not read again:\n%s", c)
		}
	})
}
