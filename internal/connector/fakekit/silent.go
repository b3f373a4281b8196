package fakekit

import "time"

// Silent is embedded by apps that call nobody: it is their part of App about webhooks.
type Silent struct{}

// PackLimit implements App.
func (Silent) PackLimit() int { return 1 }

// Pack implements App.
func (Silent) Pack(Webhooks, []Event, int, time.Time) Packed { return Packed{} }

// Accepted implements App.
func (Silent) Accepted(int, []byte) bool { return true }

// RetryIn implements App.
func (Silent) RetryIn(int) (time.Duration, bool) { return 0, false }
