//go:build !race

package engine_test

// raceDetector says that this is the build of the race detector.
const raceDetector = false
