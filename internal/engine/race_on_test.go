//go:build race

package engine_test

// raceDetector says that this is its build.
const raceDetector = true
