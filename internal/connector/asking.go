package connector

import "time"

// AskAgain is when a limit whose end an app does not tell is asked for again:
// with the next full minute, so that all who wait for it, and those who are
// woken once a minute, need one call a minute and miss none.
func AskAgain(now time.Time) time.Time { return now.Truncate(time.Minute).Add(time.Minute) }
