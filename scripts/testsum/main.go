// Command testsum reads the output of "go test -json" and says what became of
// every test:
//
//	go test -json ./... | go run ./scripts/testsum
//
// A passing package is one line. The output of a failing test is shown in
// full, and so is that of a test which had not ended when its package died.
// Every skipped test is listed with its reason; one without a printed reason
// counts as a failure. The last line is "N passed, N failed, N skipped", tests
// and subtests counted alike. The exit code is 0 only if nothing failed and at
// least one test ran.
package main

import (
	"bufio"
	"fmt"
	"os"
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	sum, err := summarize(os.Stdin, out)
	if err != nil {
		_, _ = fmt.Fprintln(out, "testsum:", err)
	}
	_ = out.Flush()
	if err != nil || !sum.OK() {
		os.Exit(1)
	}
}
