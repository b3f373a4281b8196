package main

import (
	"os"
	"testing"
)

// asProgram makes the test binary be the program: child processes of tests are
// started so, and need no second build.
const asProgram = "LOCKSTEP_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}
