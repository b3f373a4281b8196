package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAllowed(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]bool{
		"MIT": true, "(MIT OR GPL-3.0-or-later)": true, "Apache-2.0 AND MIT": true, "GPL-3.0 OR MIT AND ISC": true,
		"": false, "GPL-3.0": false, "MIT AND GPL-3.0": false, "(MIT AND GPL-3.0)": false,
		"AGPL-3.0 OR MIT AND GPL-3.0": false,
		"UNLICENSED":                  false, "SEE LICENSE IN LICENSE": false, "(MIT OR (GPL-3.0 AND ISC))": false,
		"mit": false,
	} {
		if got := allowed(expression, permissive); got != want {
			t.Errorf("%q: %t, want %t", expression, got, want)
		}
	}
}

const mit = `MIT License

Copyright (c) 2026 Somebody

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
`

// TestLicenceIn: what is found in a module's folder, and that nothing known is
// found in what is no licence, or in only half of one.
func TestLicenceIn(t *testing.T) {
	t.Parallel()
	own := "You may use this on Tuesdays, for no purpose that has to do with people, and you owe the author a cake. " +
		"Whoever changes a line hands on all of the work of the house in which it was changed."
	for name, c := range map[string]struct {
		files map[string]string
		want  string
		why   string
	}{
		"MIT":                    {map[string]string{"LICENSE": mit}, "MIT", ""},
		"British, with a suffix": {map[string]string{"licence.md": mit}, "MIT", ""},
		"beside the sources":     {map[string]string{"src/COPYING": mit}, "MIT", ""},
		"of its own":             {map[string]string{"LICENSE": own}, "", "LICENSE"},
		"two, one of its own":    {map[string]string{"LICENSE": mit, "LICENSE-MORE": own}, "", "LICENSE-MORE"},
		"with conditions":        {map[string]string{"LICENSE": mit + strings.Repeat(own, 5)}, "", "LICENSE"},
		"none":                   {map[string]string{"README.md": mit, "license.go": mit}, "", "no licence file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, text := range c.files {
				file = filepath.Join(dir, filepath.FromSlash(file))
				if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, why := licenceIn(dir, "example.com/m")
			if got != c.want || !strings.Contains(why, c.why) {
				t.Errorf("got %q, %q, want %q, %q", got, why, c.want, c.why)
			}
		})
	}
}

// TestRunCountsWhatIsWrong: an unknown licence, a forbidden one and a part in
// which nothing is found do not pass.
func TestRunCountsWhatIsWrong(t *testing.T) {
	t.Parallel()
	lock := func(text string) func(context.Context) ([]dependency, error) {
		return func(context.Context) ([]dependency, error) { return locked([]byte(text)) }
	}
	wrong, err := run(t.Context(), []part{{"lock", permissive, lock(`{"packages":{
		"": {"version": "0"},
		"node_modules/a": {"version": "1", "license": "MIT"},
		"node_modules/@b/c": {"version": "1", "license": "SSPL-1.0"},
		"node_modules/a/node_modules/d": {"version": "2"}
	}}`)}}, false)
	if err != nil || wrong != 2 {
		t.Errorf("%d are wrong, %v; want 2", wrong, err)
	}
	if _, err := run(t.Context(), []part{{"lock", permissive, lock(`{"packages":{}}`)}}, false); err == nil {
		t.Error("an empty lock file passes")
	}
}
