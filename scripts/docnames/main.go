// Command docnames holds the words of tests and comments against the docs:
//
//	go run ./scripts/docnames          # check
//	go run ./scripts/docnames -write   # also bring the status column up to date
//
// It fails when
//
//   - a test name (TestS11_…, TestX8_…, TestP3_…, TestRow119_…) or a comment
//     ("(S11)", "INVARIANTS S11", "INVARIANTS 1.7", "DESIGN 3.4", "FEATURES row 119") names
//     something that docs/invariants.md, docs/design.md or docs/features.md
//     do not hold;
//   - docs/features.md says of a row another status than it has earned: planned
//     (no TestRow… names it), partly (one does), shown (one of internal/app/rows
//     does, and a patch of scripts/rows/patches takes the row away), or a number is
//     missing or there twice;
//   - the last column of docs/glossary.md names a path or a word in it that is
//     not there;
//   - a comment names a Markdown page that does not exist, or a link in a page
//     leads nowhere;
//   - a file holds text that belongs to one machine only: paths of a working
//     place, hosts of package registries, resolved addresses in a lock file.
//
// With -write every row gets the status that it has earned. Whether a row that is
// shown is done is for a person to say, who has read its whole text against the
// tests, edge cases included; that stays for as long as the row is shown.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
)

func main() {
	write := flag.Bool("write", false, "bring the status column of docs/features.md up to date first")
	flag.Parse()
	n, err := run(*write)
	if err != nil {
		fmt.Fprintln(os.Stderr, "docnames:", err)
	}
	if err != nil || n > 0 {
		os.Exit(1)
	}
}

func run(write bool) (problems int, err error) {
	files, err := listed()
	if err != nil {
		return 0, err
	}
	fsys := os.DirFS(".")
	if write {
		if err := update(fsys, files); err != nil {
			return 0, err
		}
	}
	found, stats, err := check(fsys, files)
	if err != nil {
		return 0, err
	}
	for _, p := range found {
		fmt.Println(p)
	}
	fmt.Printf("docnames: %s; %d problems\n", stats, len(found))
	return len(found), nil
}

// listed asks git for what is, or would be, committed.
func listed() ([]string, error) {
	out, err := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return nil, fmt.Errorf("git ls-files: %w", err)
	}
	var files []string
	for name := range bytes.SplitSeq(bytes.TrimRight(out, "\x00"), []byte{0}) {
		if info, err := os.Stat(string(name)); err == nil && info.Mode().IsRegular() {
			files = append(files, string(name))
		}
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

func update(fsys fs.FS, files []string) error {
	c, err := collect(fsys, files)
	if err != nil {
		return err
	}
	info, err := os.Stat(featuresPage)
	if err != nil {
		return err
	}
	return os.WriteFile(featuresPage, c.features.withStatus(c.names), info.Mode().Perm())
}
