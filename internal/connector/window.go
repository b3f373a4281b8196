package connector

import "time"

// LongestTurn is the longest window of an app's limit that a call waits for in
// the middle of a piece of work: who waits for a longer one is told to come back.
const LongestTurn = 3 * time.Second

// ForBulk is the part of a window's calls that bulk work may use: a tenth is
// left to people, so that a change somebody waits for does not wait for the window.
func ForBulk(calls int) int { return calls - calls/10 }
