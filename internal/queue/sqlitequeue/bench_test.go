package sqlitequeue_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/queue/sqlitequeue"
)

// chunk is about the size of a message with 100 record IDs.
var chunk = []byte(strings.Repeat("0123456789,", 180))

func benchSend(b *testing.B, q *sqlitequeue.Queue, from, n, groups int) {
	b.Helper()
	ms := make([]queue.Message, n)
	for i := range ms {
		ms[i] = queue.Message{Group: fmt.Sprintf("g%d", (from+i)%groups), Dedup: fmt.Sprint(from + i), Body: chunk}
	}
	if errs := q.Send(b.Context(), ms); errs != nil {
		b.Fatal(errs)
	}
}

func BenchmarkSend10(b *testing.B) {
	q := open(b, b.TempDir(), time.Now, 0)
	n := 0
	for b.Loop() {
		benchSend(b, q, n, 10, 20)
		n += 10
	}
}

// BenchmarkReceiveDelete receives and deletes 10 messages while many wait.
func BenchmarkReceiveDelete(b *testing.B) {
	for _, c := range []struct{ waiting, groups int }{{1000, 10}, {20_000, 10}, {20_000, 5000}} {
		b.Run(fmt.Sprintf("waiting=%d/groups=%d", c.waiting, c.groups), func(b *testing.B) {
			q := open(b, b.TempDir(), time.Now, 0)
			sent := 0
			for ; sent < c.waiting; sent += 1000 {
				benchSend(b, q, sent, 1000, c.groups)
			}
			for b.Loop() {
				ds, err := q.Receive(b.Context(), queue.MaxBatch, time.Minute)
				if err != nil || len(ds) == 0 {
					b.Fatal(len(ds), err)
				}
				var rs []string
				for _, d := range ds {
					rs = append(rs, d.Receipt)
				}
				if errs := q.Delete(b.Context(), rs); errs != nil {
					b.Fatal(errs)
				}
				benchSend(b, q, sent, len(ds), c.groups)
				sent += len(ds)
			}
		})
	}
}

// BenchmarkReceiveNothing is what an idle worker costs, with 10,000 messages in held groups.
func BenchmarkReceiveNothing(b *testing.B) {
	q := open(b, b.TempDir(), time.Now, 0)
	for from := 0; from < 10_000; from += 1000 {
		benchSend(b, q, from, 1000, 10)
	}
	for range 10 {
		if _, err := q.Receive(b.Context(), 1, time.Hour); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		ds, err := q.Receive(b.Context(), queue.MaxBatch, time.Minute)
		if err != nil || len(ds) != 0 {
			b.Fatal(len(ds), err)
		}
	}
}
