package queue

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/lockstep-crm/lockstep/internal/fault"
)

const (
	// MaxNameChars bounds Message.Group and Message.Dedup.
	MaxNameChars = 128
	// DefaultMaxReceives is how often a message is received before the next
	// Receive that meets it makes it a dead letter instead.
	DefaultMaxReceives = 12
)

// CheckMessage returns fault.Invalid when SQS would refuse m: names of 1 to
// 128 printable ASCII characters without space; a body of 1 byte to
// MaxBodyBytes, UTF-8, of the characters XML allows.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func CheckMessage(op string, m *Message) error {
	if !nameable(m.Group) {
		return invalid(op, "group_malformed", "a group is 1 to 128 printable ASCII characters")
	}
	if !nameable(m.Dedup) {
		return invalid(op, "dedup_malformed", "a deduplication ID is 1 to 128 printable ASCII characters")
	}
	if len(m.Body) == 0 {
		return invalid(op, "body_empty", "the body is empty")
	}
	if len(m.Body) > MaxBodyBytes {
		return invalid(op, "body_too_large", fmt.Sprintf("the body has %d bytes, at most %d are allowed", len(m.Body),
			MaxBodyBytes))
	}
	if !sendable(m.Body) {
		return invalid(op, "body_malformed", "the body is not UTF-8 text without control characters")
	}
	return nil
}

// CheckReceive returns fault.Invalid when Receive cannot be asked for that.
func CheckReceive(op string, limit int, visibility time.Duration) error {
	if limit < 1 || limit > MaxBatch {
		return invalid(op, "batch_malformed", fmt.Sprintf("1 to %d messages can be received at once", MaxBatch))
	}
	return CheckVisibility(op, visibility)
}

// CheckVisibility returns fault.Invalid when d is no visibility time-out.
func CheckVisibility(op string, d time.Duration) error {
	if d < 0 || d > MaxVisibility {
		return invalid(op, "visibility_malformed", "a visibility time-out is 0 to 12 hours")
	}
	return nil
}

// CheckReceipts returns fault.Invalid when there are more than one request takes.
func CheckReceipts(op string, receipts []string) error {
	if len(receipts) > MaxBatch {
		return invalid(op, "batch_too_large", fmt.Sprintf("at most %d receipts in one request", MaxBatch))
	}
	return nil
}

// Batch returns how many of the first messages of ms go into one Send request:
// at most MaxBatch, and at most MaxBodyBytes together; at least one.
func Batch(ms []Message) int {
	n, size := 0, 0
	for n < len(ms) && n < MaxBatch {
		size += len(ms[n].Body)
		if n > 0 && size > MaxBodyBytes {
			break
		}
		n++
	}
	return n
}

// HeldBack is the error of a message that was not sent because an earlier one
// of its group failed.
func HeldBack(op string) error {
	return fault.New(op, fault.Unavailable, "held_back", "an earlier message of the group was not sent")
}

// Stale is the error of a receipt that is no longer valid.
func Stale(op string) error {
	return fault.New(op, fault.NotFound, "receipt_stale", "the receipt is no longer valid")
}

// All returns n times err: every entry of a request that failed as a whole.
func All(n int, err error) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

func nameable(s string) bool {
	if s == "" || len(s) > MaxNameChars {
		return false
	}
	for i := range len(s) {
		if s[i] < '!' || s[i] > '~' {
			return false
		}
	}
	return true
}

func sendable(b []byte) bool {
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			if b[i] < ' ' && b[i] != '\t' && b[i] != '\n' && b[i] != '\r' {
				return false
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 || r == 0xFFFE || r == 0xFFFF {
			return false
		}
		i += n
	}
	return true
}

func invalid(op, code, message string) error {
	return fault.New(op, fault.Invalid, code, message)
}
