package declared

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// TestSchemaIsPublished: the file in docs is the grammar of today, and every list of words
// is of a key that there is.
func TestSchemaIsPublished(t *testing.T) {
	t.Parallel()
	const file = "../../../docs/app-documents.schema.json"
	got, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if written.Updating() {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(file); err != nil || string(want) != string(got) {
		t.Errorf("docs/app-documents.schema.json is of another grammar: run go test ./internal/connector/declared -run "+
			"Schema -update (%v)", err)
	}
	structures := map[string]reflect.Type{}
	var walk func(reflect.Type)
	walk = func(x reflect.Type) {
		switch x.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			walk(x.Elem())
		case reflect.Struct:
			structures[x.Name()] = x
			for i := range x.NumField() {
				if x.Field(i).Tag.Get("yaml") != "" {
					walk(x.Field(i).Type)
				}
			}
		}
	}
	walk(reflect.TypeFor[Document]())
	for name := range choices {
		in, key, _ := strings.Cut(name, ".")
		if x := structures[in]; x == nil || !strings.Contains(strings.Join(keysOf(x), " ")+" ", key+" ") {
			t.Errorf("there is no key %s", name)
		}
	}
}
