package api

import (
	"encoding/json"
	"testing"
)

// TestSettingChanges: each place at which two documents differ is listed, with what
// stood there, elements with IDs by these.
func TestSettingChanges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ before, after, want string }{
		"the same":   {`{"a":[1,{"b":null}]}`, `{"a":[1,{"b":null}]}`, `[]`},
		"a value":    {`{"a":1,"b":2}`, `{"a":1,"b":3}`, `[{"pointer":"/b","change":"changed","before":2,"after":3}]`},
		"a key more": {`{}`, `{"a":1}`, `[{"pointer":"/a","change":"added","after":1}]`},
		"a key less": {`{"a":1}`, `{}`, `[{"pointer":"/a","change":"removed","before":1}]`},
		"in the order": {
			`{"b":1,"a":1}`, `{"b":2,"a":2}`,
			`[{"pointer":"/a","change":"changed","before":1,"after":2},{"pointer":"/b","change":"changed","before":1,"after":2}]`,
		},
		"deep": {
			`{"a":{"b":{"c":1}}}`, `{"a":{"b":{"c":2}}}`, `[{"pointer":"/a/b/c","change":"changed","before":1,"after":2}]`,
		},
		"another type": {
			`{"a":{"b":1}}`, `{"a":[1]}`, `[{"pointer":"/a","change":"changed","before":{"b":1},"after":[1]}]`,
		},
		"a list of values": {
			`{"a":[1,2]}`, `{"a":[2,1]}`, `[{"pointer":"/a","change":"changed","before":[1,2],"after":[2,1]}]`,
		},
		"by their IDs": {
			`{"l":[{"id":"a","x":1},{"id":"b"}]}`, `{"l":[{"id":"b"},{"id":"a","x":2}]}`,
			`[{"pointer":"/l/1/x","change":"changed","before":1,"after":2},{"pointer":"/l","change":"changed","before":["a","b"],"after":["b","a"]}]`,
		},
		"IDs come and go": {
			`{"l":[{"id":"a"},{"id":"b"}]}`, `{"l":[{"id":"b"},{"id":"c"}]}`,
			`[{"pointer":"/l/0","change":"removed","before":{"id":"a"}},{"pointer":"/l/1","change":"added","after":{"id":"c"}}]`,
		},
		"an ID twice": {
			`{"l":[{"id":"a"},{"id":"a"}]}`, `{"l":[{"id":"a"}]}`,
			`[{"pointer":"/l","change":"changed","before":[{"id":"a"},{"id":"a"}],"after":[{"id":"a"}]}]`,
		},
		"escaped": {`{"a/b":1}`, `{"a/b":2}`, `[{"pointer":"/a~1b","change":"changed","before":1,"after":2}]`},
	} {
		var before, after any
		if err := json.Unmarshal([]byte(c.before), &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(c.after), &after); err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(settingChanges(before, after))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, c.want)
		}
	}
}
