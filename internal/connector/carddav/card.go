package carddav

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-vcard"
)

// card is a vCard as its content lines. What is not written stays byte for byte.
type card struct {
	lines []string // each as it is, with folds and line end
	end   string   // of lines
	// props are what the library reads: names, groups and parameters. A value there is the
	// place of its line.
	props vcard.Card
}

// parse reads a card; nil = it is no contact's, or not of a version that we know.
func parse(text string) *card {
	c := &card{end: "\r\n"}
	for raw := range strings.SplitAfterSeq(text, "\n") {
		switch last := len(c.lines) - 1; {
		case raw == "":
		case last >= 0 && (raw[0] == ' ' || raw[0] == '\t'):
			c.lines[last] += raw
		default:
			c.lines = append(c.lines, raw)
		}
	}
	for len(c.lines) > 0 && strings.TrimSpace(c.lines[len(c.lines)-1]) == "" {
		c.lines = c.lines[:len(c.lines)-1] // blank lines behind the card belong to nothing
	}
	if len(c.lines) == 0 {
		return nil
	}
	if !strings.HasSuffix(c.lines[0], "\r\n") {
		c.end = "\n"
	}
	if !c.read() {
		return nil
	}
	version := c.text("VERSION")
	kind := c.text("KIND") + c.text("X-ADDRESSBOOKSERVER-KIND")
	if version != "3.0" && version != "4.0" || strings.EqualFold(kind, "group") {
		return nil
	}
	return c
}

// read has the library read the heads of all lines.
func (c *card) read() bool {
	var heads strings.Builder
	for i := range c.lines {
		head, value, ok := c.split(i)
		name := strings.ToUpper(head)
		outer := name == "BEGIN" || name == "END"
		switch first, last := i == 0, i == len(c.lines)-1; {
		case first != (name == "BEGIN"), last != (name == "END"),
			outer && !strings.EqualFold(strings.TrimSpace(value), "VCARD"):
			return false // no card, or more than one
		case outer:
			heads.WriteString(name + ":VCARD\r\n")
		case ok:
			heads.WriteString(named(head) + ":" + strconv.Itoa(i) + "\r\n")
		}
	}
	var err error
	c.props, err = vcard.NewDecoder(strings.NewReader(heads.String())).Decode()
	for name, all := range c.props { // what the library misreads is a line that nobody knows
		c.props[name] = slices.DeleteFunc(all, func(f *vcard.Field) bool { return placeOf(f) <= 0 })
	}
	return err == nil
}

// named is a head whose parameters have names all: one of vCard 2.1 that stands alone,
// as in TEL;HOME, is a type.
func named(head string) string {
	quoted, from := false, 0
	var out []string
	for i := 0; i <= len(head); i++ {
		if i < len(head) && head[i] == '"' {
			quoted = !quoted
		}
		if i < len(head) && (head[i] != ';' || quoted) {
			continue
		}
		one := head[from:i]
		if from = i + 1; len(out) > 0 && !strings.Contains(one, "=") {
			one = "TYPE=" + one
		}
		out = append(out, one)
	}
	return strings.Join(out, ";")
}

// folds are where a long line goes on. Source: RFC 6350 section 3.2.
var folds = strings.NewReplacer("\r\n ", "", "\r\n\t", "", "\n ", "", "\n\t", "")

// split is a line's head and value: the first colon outside of quotes is between them.
func (c *card) split(i int) (head, value string, ok bool) {
	line := strings.TrimRight(folds.Replace(c.lines[i]), "\r\n")
	quoted := false
	for at, r := range line {
		if r == '"' {
			quoted = !quoted
		}
		if r == ':' && !quoted {
			return line[:at], line[at+1:], true
		}
	}
	return line, "", false
}

// line is the place of the preferred line of a property; negative = there is none.
func (c *card) line(name string) int {
	f := c.props.Preferred(name)
	if f == nil {
		return -1
	}
	return placeOf(f)
}

// all are the places of all lines of a property.
func (c *card) all(name string) (places []int) {
	for _, f := range c.props[name] {
		places = append(places, placeOf(f))
	}
	return places
}

// placeOf is the place of a property's line; 0 = none, as that is the beginning's.
func placeOf(f *vcard.Field) int {
	i, _ := strconv.Atoi(f.Value)
	return i
}

// raw is the value of a line, escaped as it is.
func (c *card) raw(i int) string {
	if i < 0 {
		return ""
	}
	_, value, _ := c.split(i)
	return value
}

// text is the preferred value of a property.
func (c *card) text(name string) string { return unescape(c.raw(c.line(name))) }

// unescape reads a value. Source: RFC 6350 section 3.4.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		if i++; s[i] == 'n' || s[i] == 'N' {
			b.WriteByte('\n')
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

var escapes = strings.NewReplacer(`\`, `\\`, ",", `\,`, ";", `\;`, "\r\n", `\n`, "\n", `\n`, "\r", `\n`)

func escape(s string) string { return escapes.Replace(s) }

// addresses escapes what no line can hold, and what reading takes for an escape.
var addresses = strings.NewReplacer(`\`, `\\`, "\r\n", `\n`, "\n", `\n`, "\r", `\n`)

// parts are those of a value with several, escaped as they are.
func parts(raw string, separator byte) (out []string) {
	from := 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '\\':
			i++
		case separator:
			out, from = append(out, raw[from:i]), i+1
		}
	}
	return append(out, raw[from:])
}

// width is how many octets a line has at most, its end not counted: RFC 6350 section 3.2.
const width = 75

// fold is a line as it is sent.
func (c *card) fold(line string) string {
	var b strings.Builder
	for room := width; len(line) > room; room = width - 1 {
		at := room
		for !utf8.RuneStart(line[at]) {
			at--
		}
		b.WriteString(line[:at] + c.end + " ")
		line = line[at:]
	}
	return b.String() + line + c.end
}

// replace writes a line anew, with the head that it has; one without a value goes.
func (c *card) replace(i int, value string) {
	head, _, _ := c.split(i)
	c.rewrite(i, head, value)
}

func (c *card) rewrite(i int, head, value string) {
	if c.lines[i] = ""; value != "" {
		c.lines[i] = c.fold(head + ":" + value)
	}
	c.read() // lines that are gone stay as blank ones until the end
}

// add puts a line before the end.
func (c *card) add(head, value string) {
	c.lines = slices.Insert(c.lines, len(c.lines)-1, c.fold(head+":"+value))
	c.read()
}

// set writes a property's preferred value, which is escaped already; "" takes it away.
func (c *card) set(name, head, value string) {
	switch i := c.line(name); {
	case i >= 0:
		c.replace(i, value)
	case value != "":
		c.add(head, value)
	}
}

// String is the card's text.
func (c *card) String() string { return strings.Join(c.lines, "") }

var revision = regexp.MustCompile(`^(\d{4})-?(\d\d)-?(\d\d)T(\d\d):?(\d\d):?(\d\d)(\.\d+)?Z?$`)

// revised is when the card says that it was changed; zero = it does not.
func (c *card) revised() time.Time {
	if c == nil {
		return time.Time{}
	}
	t, err := time.Parse("2006-01-02T15:04:05", revision.ReplaceAllString(c.text("REV"), "$1-$2-${3}T$4:$5:$6"))
	if err != nil {
		return time.Time{}
	}
	return t
}
