package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// docs is a set of pages that passes, in which every row is planned except
// those given.
func docs(status map[int]string) map[string]string {
	var b strings.Builder
	for row := 1; row <= featureRows; row++ {
		s := planned
		if status[row] != "" {
			s = status[row]
		}
		fmt.Fprintf(&b, "| %d | name | text | %s |\n", row, s)
	}
	return map[string]string{
		featuresPage:       b.String(),
		invariantsPage:     "# Invariants\n\n| S1 | x |\n| S11 | x |\n| X8 | x |\n| P3 | x |\n| 1.7 | x |\n",
		designPage:         "# Design\n\n## 3. Decisions\n\n### 3.4 One writer\n",
		"docs/apps/foo.md": "# Foo\n",
	}
}

const (
	rowTest  = "package rows\nfunc TestRow119_X() {}\n"
	rowPatch = "# Rows.\n\nrow 118 119: it is gone\n"
)

// through are the files that show a row through the public API.
func through(test, patch string) map[string]string {
	return map[string]string{rowTests + "a_test.go": test, rowPatches + "1.txt": patch}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	const reg = "https://registry." + "npmjs.org/x"
	tests := map[string]struct {
		status map[int]string
		files  map[string]string
		want   string // a part of the only problem; "" = none
	}{
		"nothing named": {},
		"all names known": {files: map[string]string{"a/a_test.go": `package a
// Holds for one (S1) and two (S1, S11), see INVARIANTS S11 and X8, INVARIANTS 1.7,
// DESIGN 3.4, DESIGN section 3, foo.md, docs/design.md, DESIGN.md 3.4, FEATURES row 119 (rows 77–81).
func TestS11_X() {}
func TestS1_X8_Both() {}
func TestSomething() {}
func FuzzX8_Key() {}
`}},
		"unknown invariant in a test": {
			files: map[string]string{"a/a_test.go": "package a\nfunc TestS12_X() {}\n"},
			want:  "a/a_test.go:2: names S12",
		},
		"second name of a test": {
			files: map[string]string{"a/a_test.go": "package a\nfunc TestS1_S12_X() {}\n"},
			want:  "names S12",
		},
		"a test outside a test file": {files: map[string]string{"a/a.go": "package a\nfunc TestS12_X() {}\n"}},
		"unknown fuzz target": {
			files: map[string]string{"a/a_test.go": "package a\nfunc FuzzX9_X() {}\n"}, want: "names X9",
		},
		"unknown invariant in brackets": {
			files: map[string]string{"a/a.go": "package a // as promised (S1, S99)\n"}, want: "names S99",
		},
		"unknown invariant after the word": {
			files: map[string]string{"a/a.go": "// INVARIANTS\n// S98\npackage a\n"}, want: "names S98",
		},
		"other words in brackets": {
			files: map[string]string{"a/a.go": "package a // a bucket (S3 or GCS), key (P5x), f(S99x)\n"},
		},
		"unknown design rule": {
			files: map[string]string{"a/a.go": "package a // INVARIANTS section 1 point 6\n"}, want: "names 1.6",
		},
		"unknown decision": {
			files: map[string]string{"a/a.go": "package a // DESIGN 3.5\n"}, want: "names design 3.5",
		},
		"unknown row in a comment": {
			files: map[string]string{"a/a.go": "package a // FEATURES row 214\n"}, want: "names row 214",
		},
		"unknown row in brackets": {
			files: map[string]string{"a/a.go": "package a // x (rows 1, 300)\n"}, want: "names row 300",
		},
		"a glossary that holds": {files: map[string]string{
			glossaryPage: "| known | here | in |\n|---|---|---|\n| a | b | `a` `Word` |\n",
			"a/a.go":     "package a\n\ntype Word int\n",
		}},
		"a glossary of a lost word": {files: map[string]string{
			glossaryPage: "| a | b | `a` `Word` |\n", "a/a.go": "package a // Words\n", "a/a_test.go": "package a // Word\n",
		}, want: "docs/glossary.md:1: no source of a has the word Word"},
		"a glossary of a lost place": {
			files: map[string]string{glossaryPage: "| a | b | `b/c` |\n"}, want: "there is no b/c",
		},
		"a glossary of nothing": {
			files: map[string]string{glossaryPage: "# Glossary\n"}, want: "no row names a place",
		},
		"unknown page": {
			files: map[string]string{"a/a.go": "package a // see bar.md\n"}, want: "no page bar.md",
		},
		"a page elsewhere in the world": {files: map[string]string{"a/a.go": "package a // https://example.com/bar.md\n"}},
		"a planned row with a test": {
			files: map[string]string{"a/a_test.go": "package a\nfunc TestRow119_X() {}\n"},
			want:  "row 119 is planned, but tested by a/a_test.go:2 TestRow119_X",
		},
		"a partly done row with a test": {
			status: map[int]string{119: partly}, files: map[string]string{"a/a_test.go": "package a\nfunc TestRow119_X() {}\n"},
		},
		"a row with a test in a browser": {
			status: map[int]string{15: partly}, files: map[string]string{rowScreens: "\ntest('row 15: x', () => {});\n"},
		},
		"a planned row with a test in a browser": {
			files: map[string]string{rowScreens: "\ntest('row 15: x', () => {});\n"},
			want:  "row 15 is planned, but tested by " + rowScreens + ":2",
		},
		"a shown row": {status: map[int]string{119: shown}, files: through(rowTest, rowPatch)},
		"a done row":  {status: map[int]string{119: done}, files: through(rowTest, rowPatch)},
		"a shown row that is called partly done": {
			status: map[int]string{119: partly}, files: through(rowTest, rowPatch),
			want: "row 119 is partly, but a test of internal/app/rows/",
		},
		"a shown row without a patch": {
			status: map[int]string{119: shown}, files: through(rowTest, "row 11 19: x\nrow 1: 119\n"),
			want: "row 119 is shown, which takes",
		},
		"a done row whose test is elsewhere": {
			status: map[int]string{119: done}, want: "row 119 is done, which takes",
			files: map[string]string{"a/a_test.go": rowTest, rowPatches + "1.txt": rowPatch},
		},
		"a patch of a row without a test": {files: map[string]string{rowPatches + "1.txt": rowPatch}},
		"a done row without a test":       {status: map[int]string{119: done}, want: "row 119 is done, but no test"},
		"an unknown status": {
			status: map[int]string{5: "perhaps"}, files: map[string]string{"a/a_test.go": "package a\nfunc TestRow5_X() {}\n"},
			want: `unknown status "perhaps"`,
		},
		"a good link": {
			files: map[string]string{
				"README.md": "[a](docs/design.md) [b](docs/design.md#34-one-writer) [c](docs) [d](#top) " +
					"[e](https://example.com)\n\n# Top\n",
			},
		},
		"a broken link": {
			files: map[string]string{"README.md": "[a](docs/nothing.md)\n"},
			want:  "README.md:1: link docs/nothing.md: there is no docs/nothing.md",
		},
		"a broken anchor": {
			files: map[string]string{"README.md": "\n[a](docs/design.md#99-x)\n"}, want: "README.md:2: link docs/design.md#99-x",
		},
		"a link in code": {
			files: map[string]string{"README.md": "```\n[a](nothing.md)\n```\n`[b](nothing.md)`\n"},
		},
		"a path of a machine": {
			files: map[string]string{"x.sh": "cd /wor" + "k/main\n"}, want: "a path of one machine",
		},
		"the host of a registry": {files: map[string]string{"x.txt": "\n" + reg + "\n"}, want: "x.txt:2: holds"},
		"a resolved address": {
			files: map[string]string{"package-lock.json": `  "resol` + `ved": "https://example.com/x.tgz"`},
			want:  "a resolved address",
		},
		"a file that is not text": {files: map[string]string{"x.bin": "\x00" + reg}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := docs(tc.status)
			maps.Copy(all, tc.files)
			fsys := fstest.MapFS{}
			for file, src := range all {
				fsys[file] = &fstest.MapFile{Data: []byte(src)}
			}
			got, _, err := check(fsys, slices.Sorted(maps.Keys(all)))
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case tc.want == "" && len(got) > 0:
				t.Errorf("want no problem, got %q", got)
			case tc.want != "" && (len(got) != 1 || !strings.Contains(got[0], tc.want)):
				t.Errorf("want one problem with %q, got %q", tc.want, got)
			}
		})
	}
}

func TestMissingAndDoubleRows(t *testing.T) {
	t.Parallel()
	src := docs(nil)[featuresPage]
	src = strings.Replace(src, "| 7 | name", "| 8 | name", 1)
	got := readFeatures([]byte(src)).problems
	want := []string{featuresPage + ":8: row 8 is there twice", featuresPage + ": row 7 is missing"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWithStatus(t *testing.T) {
	t.Parallel()
	f := readFeatures([]byte(docs(map[int]string{
		1: done, 2: done, 3: partly, 4: partly, 7: done, 8: partly, 9: shown, 10: shown, 12: shown,
	})[featuresPage]))
	n := newNames()
	for _, row := range []int{1, 3, 5, 7, 8, 9, 10, 11} {
		n.rows[row] = "t"
	}
	for _, row := range []int{1, 8, 9, 11} {
		n.public[row], n.patched[row] = true, true
	}
	n.public[7], n.patched[10], n.patched[6] = true, true, true
	got := readFeatures(f.withStatus(n))
	want := map[int]string{
		1: done, 2: planned, 3: partly, 4: planned, 5: partly, 6: planned, 7: partly, 8: shown, 9: shown, 10: partly,
		11: shown, 12: planned,
	}
	for row, status := range want {
		if got.rows[row].status != status {
			t.Errorf("row %d: got %s, want %s", row, got.rows[row].status, status)
		}
	}
	if len(got.problems) > 0 {
		t.Error(got.problems)
	}
}
