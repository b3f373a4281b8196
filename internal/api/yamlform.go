package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// jsonToYAML writes a JSON document as block YAML, keys in their order, every
// number as it is written. The same document always gives the same bytes.
func jsonToYAML(doc []byte, without ...string) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	n, err := yamlOf(dec)
	if err != nil {
		return nil, err
	}
	if n.Kind == yaml.MappingNode {
		for i := 0; i < len(n.Content); {
			if slices.Contains(without, n.Content[i].Value) {
				n.Content = slices.Delete(n.Content, i, i+2)
			} else {
				i += 2
			}
		}
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(n); err != nil {
		return nil, err
	}
	return b.Bytes(), enc.Close()
}

// yamlOf makes the next JSON value a node.
func yamlOf(dec *json.Decoder) (*yaml.Node, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := tok.(type) {
	case json.Delim:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		if t == '{' {
			n.Kind = yaml.MappingNode
		}
		for dec.More() { // a key is a value like any other here
			child, err := yamlOf(dec)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, child)
		}
		if len(n.Content) == 0 {
			n.Style = yaml.FlowStyle // [] and {}
		}
		_, err = dec.Token()
		return n, err
	case string:
		return yamlText(t), nil
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: t.String()}, nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: strconv.FormatBool(t)}, nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: "null"}, nil
}

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// plainYAML are texts that no YAML reader takes for anything else.
var (
	plainYAML = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./ -]*[A-Za-z0-9_]$|^[A-Za-z_]$`)
	words     = map[string]bool{
		"true": true, "false": true, "null": true, "yes": true, "no": true, "on": true, "off": true, "y": true, "n": true,
		"nan": true, "inf": true,
	}
)

func yamlText(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	if !plainYAML.MatchString(s) || words[strings.ToLower(s)] {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// yamlToJSON reads the part of YAML that JSON can say: one document of plain
// mappings, lists and scalars. Anchors, aliases, tags and merge keys are
// refused: a small file could unfold into a huge document.
func yamlToJSON(body []byte) ([]byte, *Problem) {
	if i := invalidUTF8(body); i >= 0 {
		return nil, malformed(CodeBadUTF8, "", "the body is not UTF-8 at byte "+strconv.Itoa(i))
	}
	if p := yamlBounds(body); p != nil {
		return nil, p
	}
	dec := yaml.NewDecoder(bytes.NewReader(body))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); err != nil {
		return nil, malformed(CodeMalformedYAML, "", yamlTrouble(err))
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) || len(doc.Content) != 1 {
		return nil, malformed(CodeMalformedYAML, "", "the body must hold exactly one YAML document")
	}
	var b bytes.Buffer
	if p := yamlNode(&b, doc.Content[0], "", 0); p != nil {
		return nil, p
	}
	return b.Bytes(), nil
}

// yamlTrouble says where reading stopped, in the words of the library.
func yamlTrouble(err error) string {
	if errors.Is(err, io.EOF) {
		return "the body must hold exactly one YAML document"
	}
	return "the YAML cannot be read: " + strings.TrimPrefix(err.Error(), "yaml: ")
}

// yamlBounds refuses what would cost too much, before a parser allocates
// anything: whatever opens, ends or parts values is counted, and there is no
// value without one of these. In texts they count, too, so the bound is generous.
func yamlBounds(body []byte) *Problem {
	values, open := 0, 0
	for i, c := range body {
		switch c {
		case '[', '{':
			open++
			values++
		case ']', '}':
			open = max(0, open-1)
		case '\n', '\r', ',', '?':
			values++
		case ':', '-':
			if i+1 == len(body) || strings.IndexByte(" \t\r\n,[]{}\"'", body[i+1]) >= 0 ||
				i > 0 && strings.IndexByte("\"']}", body[i-1]) >= 0 {
				values++
			}
		}
		if open > 20*maxDepth {
			return malformed(CodeTooDeep, "", "more than 32 levels of objects and lists")
		}
		if values > 2*maxValues {
			return malformed(CodeTooManyValues, "", tooManyValues)
		}
	}
	return nil
}

func yamlNode(b *bytes.Buffer, n *yaml.Node, at string, depth int) *Problem {
	if depth > maxDepth {
		return malformed(CodeTooDeep, at, "more than 32 levels of objects and lists")
	}
	if n.Kind == yaml.AliasNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 {
		return malformed(CodeMalformedYAML, at, "only plain mappings, lists, texts, numbers, booleans and null are read here")
	}
	switch n.Kind {
	case yaml.MappingNode:
		return yamlMapping(b, n.Content, at, depth)
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, item := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			if p := yamlNode(b, item, at+"/"+strconv.Itoa(i), depth+1); p != nil {
				return p
			}
		}
		b.WriteByte(']')
		return nil
	case yaml.ScalarNode, yaml.DocumentNode, yaml.AliasNode: // of which only scalars come here
	}
	return yamlScalar(b, n, at)
}

// yamlScalar writes a scalar as JSON. A number is let through as it is written
// when it is one in JSON, too; dates are texts.
func yamlScalar(b *bytes.Buffer, n *yaml.Node, at string) *Problem {
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	tag := n.ShortTag()
	switch {
	case n.Style&quoted != 0:
		writeJSON(b, n.Value)
	case jsonNumber.MatchString(n.Value): // such as 1e400, which is a number whoever can hold it
		b.WriteString(n.Value)
	case tag == "!!int" || tag == "!!float":
		return malformed(CodeMalformedYAML, at, "the number is not written as in JSON; put it in quotes if it is a text")
	case tag == "!!null":
		b.WriteString("null")
	case tag == "!!bool":
		b.WriteString(strings.ToLower(n.Value))
	default:
		writeJSON(b, n.Value)
	}
	return nil
}

func yamlMapping(b *bytes.Buffer, content []*yaml.Node, at string, depth int) *Problem {
	b.WriteByte('{')
	for i := 0; i < len(content); i += 2 {
		key := content[i]
		if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" || key.Anchor != "" || key.Style&yaml.TaggedStyle != 0 {
			return malformed(CodeMalformedYAML, at, "a key must be a plain text; put it in quotes")
		}
		if i > 0 {
			b.WriteByte(',')
		}
		writeJSON(b, key.Value)
		b.WriteByte(':')
		if p := yamlNode(b, content[i+1], at+"/"+escape(key.Value), depth+1); p != nil {
			return p
		}
	}
	b.WriteByte('}')
	return nil
}

func writeJSON(b *bytes.Buffer, s string) {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a text always encodes
	b.Truncate(b.Len() - 1)
}
