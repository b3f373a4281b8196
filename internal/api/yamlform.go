package api

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// jsonToYAML writes a JSON document as block YAML, keys in their order, every
// number as it is written. The same document always gives the same bytes.
func jsonToYAML(doc []byte, without ...string) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	v, err := ordered(dec)
	if err != nil {
		return nil, err
	}
	if m, ok := v.(*orderedMap); ok {
		m.drop(without)
	}
	var b bytes.Buffer
	writeYAML(&b, v, 0, false)
	return b.Bytes(), nil
}

// orderedMap is an object with its keys in the order of the document.
type orderedMap struct {
	keys   []string
	values []any
}

func (m *orderedMap) drop(keys []string) {
	kept := orderedMap{}
	for i, k := range m.keys {
		if !contains(keys, k) {
			kept.keys, kept.values = append(kept.keys, k), append(kept.values, m.values[i])
		}
	}
	*m = kept
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func ordered(dec *json.Decoder) (any, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	d, ok := tok.(json.Delim)
	if !ok {
		return tok, nil
	}
	if d == '[' {
		list := []any{}
		for dec.More() {
			v, err := ordered(dec)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = dec.Token()
		return list, err
	}
	m := &orderedMap{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		v, err := ordered(dec)
		if err != nil {
			return nil, err
		}
		name, _ := key.(string)
		m.keys, m.values = append(m.keys, name), append(m.values, v)
	}
	_, err = dec.Token()
	return m, err
}

// writeYAML writes v behind a key (inline) or as an item of a list.
func writeYAML(b *bytes.Buffer, v any, indent int, afterKey bool) {
	switch t := v.(type) {
	case *orderedMap:
		if len(t.keys) == 0 {
			b.WriteString(lead(afterKey) + "{}\n")
			return
		}
		if afterKey {
			b.WriteByte('\n')
		}
		for i, k := range t.keys {
			if i > 0 || afterKey {
				b.WriteString(strings.Repeat("  ", indent))
			}
			b.WriteString(yamlText(k) + ":")
			writeYAML(b, t.values[i], indent+1, true)
		}
	case []any:
		if len(t) == 0 {
			b.WriteString(lead(afterKey) + "[]\n")
			return
		}
		if afterKey {
			b.WriteByte('\n')
		}
		for i, item := range t {
			if i > 0 || afterKey {
				b.WriteString(strings.Repeat("  ", indent))
			}
			b.WriteString("- ")
			writeYAML(b, item, indent+1, false)
		}
	default:
		b.WriteString(lead(afterKey) + yamlScalar(t) + "\n")
	}
}

func lead(afterKey bool) string {
	if afterKey {
		return " "
	}
	return ""
}

func yamlScalar(v any) string {
	switch t := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(t)
	case json.Number:
		return t.String()
	case string:
		return yamlText(t)
	}
	return "null"
}

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// plainYAML are texts that no YAML reader takes for anything else.
var (
	plainYAML = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./ -]*[A-Za-z0-9_]$|^[A-Za-z_]$`)
	words     = map[string]bool{"true": true, "false": true, "null": true, "yes": true, "no": true, "on": true, "off": true, "y": true, "n": true, "nan": true, "inf": true}
)

func yamlText(s string) string {
	if plainYAML.MatchString(s) && !words[strings.ToLower(s)] {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x20 || r == 0x7f:
			b.WriteString(`\x` + hexRune(r, 2))
		case r <= 0xffff && !unicode.IsPrint(r):
			b.WriteString(`\u` + hexRune(r, 4))
		case !unicode.IsPrint(r):
			b.WriteString(`\U` + hexRune(r, 8))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func hexRune(r rune, width int) string {
	s := strconv.FormatInt(int64(r), 16)
	return strings.Repeat("0", max(0, width-len(s))) + s
}

// yamlToJSON reads the part of YAML that JSON can say: one document of plain
// mappings, lists and scalars. Anchors, aliases, tags and merge keys are
// refused: a small file could unfold into a huge document.
func yamlToJSON(body []byte) (_ []byte, refused *Problem) {
	defer func() {
		if recover() != nil { // the parser meets input that its authors did not expect
			refused = malformed(CodeMalformedYAML, "", "the YAML cannot be read")
		}
	}()
	if i := invalidUTF8(body); i >= 0 {
		return nil, malformed(CodeBadUTF8, "", "the body is not UTF-8 at byte "+strconv.Itoa(i))
	}
	if deepFlow(body) {
		return nil, malformed(CodeTooDeep, "", "more than 32 levels of objects and lists")
	}
	file, err := parser.ParseBytes(body, 0)
	if err != nil {
		return nil, malformed(CodeMalformedYAML, "", "the YAML cannot be read")
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return nil, malformed(CodeMalformedYAML, "", "the body must hold exactly one YAML document")
	}
	var b bytes.Buffer
	if p := yamlNode(&b, file.Docs[0].Body, "", 0); p != nil {
		return nil, p
	}
	return b.Bytes(), nil
}

// deepFlow reports more than 32 open brackets or levels of indentation, before
// a recursive parser sees them.
func deepFlow(body []byte) bool {
	open := 0
	for _, line := range bytes.Split(body, []byte("\n")) {
		indent := len(line) - len(bytes.TrimLeft(line, " "))
		dashes := 0
		for rest := line[indent:]; bytes.HasPrefix(rest, []byte("- ")); rest = rest[2:] {
			dashes++
		}
		if indent > 20*maxDepth || dashes > maxDepth {
			return true
		}
		for _, c := range line {
			switch c {
			case '[', '{':
				open++
			case ']', '}':
				open = max(0, open-1)
			}
			if open > 20*maxDepth { // brackets in texts count too: be generous
				return true
			}
		}
	}
	return false
}

func yamlNode(b *bytes.Buffer, n ast.Node, at string, depth int) *Problem {
	if depth > maxDepth {
		return malformed(CodeTooDeep, at, "more than 32 levels of objects and lists")
	}
	switch t := n.(type) {
	case *ast.MappingNode:
		return yamlMapping(b, t.Values, at, depth)
	case *ast.MappingValueNode:
		return yamlMapping(b, []*ast.MappingValueNode{t}, at, depth)
	case *ast.SequenceNode:
		b.WriteByte('[')
		for i, item := range t.Values {
			if i > 0 {
				b.WriteByte(',')
			}
			if p := yamlNode(b, item, at+"/"+strconv.Itoa(i), depth+1); p != nil {
				return p
			}
		}
		b.WriteByte(']')
	case *ast.NullNode:
		b.WriteString("null")
	case *ast.BoolNode:
		b.WriteString(strconv.FormatBool(t.Value))
	case *ast.StringNode:
		if t.Token.Type == token.StringType && jsonNumber.MatchString(t.Value) { // such as 1e5, a number since YAML 1.2
			b.WriteString(t.Value)
			return nil
		}
		writeJSON(b, t.Value)
	case *ast.LiteralNode:
		writeJSON(b, t.Value.Value)
	case *ast.IntegerNode:
		return yamlNumber(b, t.Token.Value, at)
	case *ast.FloatNode:
		return yamlNumber(b, t.Token.Value, at)
	default:
		return malformed(CodeMalformedYAML, at, "only plain mappings, lists, texts, numbers, booleans and null are read here")
	}
	return nil
}

func yamlMapping(b *bytes.Buffer, values []*ast.MappingValueNode, at string, depth int) *Problem {
	b.WriteByte('{')
	for i, kv := range values {
		key, ok := kv.Key.(*ast.StringNode)
		if !ok {
			return malformed(CodeMalformedYAML, at, "a key must be a plain text; put it in quotes")
		}
		if i > 0 {
			b.WriteByte(',')
		}
		writeJSON(b, key.Value)
		b.WriteByte(':')
		if p := yamlNode(b, kv.Value, at+"/"+escape(key.Value), depth+1); p != nil {
			return p
		}
	}
	b.WriteByte('}')
	return nil
}

// yamlNumber lets through what is a number in JSON too.
func yamlNumber(b *bytes.Buffer, text, at string) *Problem {
	text = strings.TrimSpace(text)
	if !json.Valid([]byte(text)) {
		return malformed(CodeMalformedYAML, at, "the number is not written as in JSON; put it in quotes if it is a text")
	}
	b.WriteString(text)
	return nil
}

func writeJSON(b *bytes.Buffer, s string) {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a text always encodes
	b.Truncate(b.Len() - 1)
}
