package declared

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// MaxDocument bounds a document, in bytes.
const MaxDocument = 256 << 10

// Problem is one thing that is wrong with a document.
type Problem struct {
	Line int
	Path string // such as objects.people.list.page.kind; "" = the document
	Text string // what is wrong, and the remedy
}

// String is "12: objects.people.id: …".
func (p Problem) String() string {
	if p.Path == "" {
		return strconv.Itoa(p.Line) + ": " + p.Text
	}
	return strconv.Itoa(p.Line) + ": " + p.Path + ": " + p.Text
}

// place collects the problems of a document and knows the lines of its paths.
type place struct {
	lines    map[string]int
	problems []Problem
}

// bad notes a problem at a path, or at what is nearest to it.
func (p *place) bad(path, format string, args ...any) {
	at := path
	for p.lines[at] == 0 && at != "" {
		i := strings.LastIndexAny(at, ".[")
		at = at[:max(i, 0)]
	}
	p.problems = append(p.problems, Problem{max(p.lines[at], 1), path, fmt.Sprintf(format, args...)})
}

var yamlLine = regexp.MustCompile(`^line (\d{1,6}): (.*)$`)

// Parse reads a document and checks it whole. file names it in the error.
//
// Errors: Invalid with code "invalid_config", naming every problem with its line.
func Parse(file string, text []byte) (*Document, error) {
	d, problems := Check(text)
	if problems == nil {
		return d, nil
	}
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = file + ":" + p.String()
	}
	return nil, fault.New("read app document", fault.Invalid, connector.CodeConfig, strings.Join(lines, "\n"))
}

// Check reads a document and answers all that is wrong with it, by line; nil = nothing.
func Check(text []byte) (*Document, []Problem) {
	d := &Document{place: place{lines: map[string]int{}}}
	if d.read(text) {
		d.check()
	}
	problems := d.place.problems
	slices.SortFunc(problems, func(a, b Problem) int { // the same document is told the same
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.String(), b.String()))
	})
	return d, problems
}

// read decodes the text; false when it is no document at all.
func (d *Document) read(text []byte) bool {
	if len(text) > MaxDocument {
		d.place.bad("", "the document is longer than %d bytes", MaxDocument)
		return false
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var root, more yaml.Node
	switch err := dec.Decode(&root); {
	case errors.Is(err, io.EOF):
		d.place.bad("", "the document is empty")
		return false
	case err != nil:
		// The parser names the line where what it cannot read begins.
		what := strings.TrimPrefix(err.Error(), "yaml: ")
		if m := yamlLine.FindStringSubmatch(what); m != nil {
			d.place.lines[""], _ = strconv.Atoi(m[1]) // digits, and few
			what = m[2]
		}
		d.place.bad("", "this is no YAML, here or in what stands below: %s", what)
		return false
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		d.place.bad("", "there is more than one document in the file, or something behind it; make a file of each")
		return false
	}
	if root.Content[0].Kind != yaml.MappingNode {
		d.place.lines[""] = root.Content[0].Line
		d.place.bad("", "keys with values are expected, such as app: {id: acme}")
		return false
	}
	d.place.decode("", root.Content[0], reflect.ValueOf(d).Elem())
	return true
}

var durations = reflect.TypeFor[time.Duration]()

// decode reads a node into a value of the grammar.
func (p *place) decode(path string, n *yaml.Node, into reflect.Value) {
	if p.lines[path] == 0 {
		p.lines[path] = n.Line
	}
	if into.Kind() == reflect.Pointer { // never nil: what is checked afterwards may look at it
		into.Set(reflect.New(into.Type().Elem()))
		p.decode(path, n, into.Elem())
		return
	}
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		p.bad(path, "anchors and aliases are no part of the grammar; write the value out")
		return
	case n.Tag == "!!null" && into.Kind() != reflect.Interface:
		p.bad(path, "it has no value; give it one, or leave the key out")
		return
	}
	switch into.Kind() {
	case reflect.Struct:
		p.mapping(path, n, func(key string, at string, v *yaml.Node) {
			f, ok := fieldOf(into, key)
			if !ok {
				p.bad(at, "there is no such key; known here are %s", strings.Join(keysOf(into.Type()), ", "))
				return
			}
			p.decode(at, v, f)
		})
	case reflect.Map:
		into.Set(reflect.MakeMap(into.Type()))
		p.mapping(path, n, func(key, at string, v *yaml.Node) {
			one := reflect.New(into.Type().Elem()).Elem()
			p.decode(at, v, one)
			into.SetMapIndex(reflect.ValueOf(key), one)
		})
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			p.bad(path, "a list is expected, such as [a, b]")
			return
		}
		into.Set(reflect.MakeSlice(into.Type(), len(n.Content), len(n.Content)))
		for i, v := range n.Content {
			p.decode(path+"["+strconv.Itoa(i)+"]", v, into.Index(i))
		}
	case reflect.Interface:
		if v := p.free(path, n); v != nil {
			into.Set(reflect.ValueOf(v))
		}
	default:
		p.scalar(path, n, into)
	}
}

// mapping visits the keys of a mapping, each once.
func (p *place) mapping(path string, n *yaml.Node, each func(key, at string, v *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		p.bad(path, "keys with values are expected, such as {key: value}")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		at := strings.TrimPrefix(path+"."+k.Value, ".")
		p.lines[at] = k.Line
		switch {
		case k.Kind != yaml.ScalarNode || k.Anchor != "" || k.Tag == "!!merge":
			p.bad(at, "a key has to be a plain word")
		case seen[k.Value]:
			p.bad(at, "the key stands here twice; keep one")
		default:
			seen[k.Value] = true
			each(k.Value, at, v)
		}
	}
}

func (p *place) scalar(path string, n *yaml.Node, into reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		p.bad(path, "a single value is expected")
		return
	}
	switch {
	case into.Type() == durations:
		v, err := time.ParseDuration(n.Value)
		if err != nil || v < 0 {
			p.bad(path, "%q is no duration such as 60s or 5m", n.Value)
		}
		into.SetInt(int64(v))
	case into.Kind() == reflect.Int:
		v, err := strconv.Atoi(n.Value)
		if err != nil || v < 0 {
			p.bad(path, "%q is no whole number of 0 or more", n.Value)
		}
		into.SetInt(int64(v))
	case into.Kind() == reflect.Bool:
		if n.Tag != "!!bool" {
			p.bad(path, "%q is neither true nor false", n.Value)
		}
		into.SetBool(n.Value == "true")
	default:
		into.SetString(n.Value)
		if _, ok := into.Interface().(pointer); ok && n.Value != "" && n.Value[0] != '/' && pointer(n.Value) != atKey {
			p.bad(path, "%q is no JSON pointer; it begins with a slash, such as /data/id", n.Value)
		}
	}
}

// free reads what the grammar says nothing about: parts of a request's body.
func (p *place) free(path string, n *yaml.Node) any {
	if p.lines[path] == 0 {
		p.lines[path] = n.Line
	}
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		p.bad(path, "anchors and aliases are no part of the grammar; write the value out")
		return nil
	}
	switch n.Kind { //nolint:exhaustive // aliases are refused, and a document is no part of itself
	case yaml.MappingNode:
		out := map[string]any{}
		p.mapping(path, n, func(key, at string, v *yaml.Node) { out[key] = p.free(at, v) })
		return out
	case yaml.SequenceNode:
		out := make([]any, len(n.Content))
		for i, v := range n.Content {
			out[i] = p.free(path+"["+strconv.Itoa(i)+"]", v)
		}
		return out
	}
	var v any = n.Value
	if n.Tag == "!!timestamp" || n.Tag == "!!binary" {
		return v
	}
	if n.Decode(&v) != nil {
		p.bad(path, "the value cannot be read")
	}
	return v
}

// fieldOf finds the field of a structure that a key stands for, inlined ones too.
func fieldOf(into reflect.Value, key string) (reflect.Value, bool) {
	t := into.Type()
	for i := range t.NumField() {
		switch tag := t.Field(i).Tag.Get("yaml"); {
		case tag == ",inline":
			if f, ok := fieldOf(into.Field(i), key); ok {
				return f, true
			}
		case tag == key && tag != "-" && tag != "":
			return into.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// keysOf lists the keys of a structure.
func keysOf(t reflect.Type) (keys []string) {
	for i := range t.NumField() {
		switch tag := t.Field(i).Tag.Get("yaml"); tag {
		case ",inline":
			keys = append(keys, keysOf(t.Field(i).Type)...)
		case "", "-":
		default:
			keys = append(keys, tag)
		}
	}
	return keys
}
