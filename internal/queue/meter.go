package queue

import "sync/atomic"

// Counts is what a queue was asked for since it was opened, in requests as
// SQS bills them, and in messages.
type Counts struct {
	Sends, Receives, Deletes, Visibilities, Others int64 // requests
	Sent                                           int64 // messages queued; a dropped repetition is none
	Dropped                                        int64 // messages dropped as repetitions
	Received                                       int64 // deliveries
	Deleted                                        int64 // messages removed after work
	Died                                           int64 // messages that became dead letters
}

// Requests sums the requests.
func (c Counts) Requests() int64 {
	return c.Sends + c.Receives + c.Deletes + c.Visibilities + c.Others
}

// Since returns what was added to c after before was taken.
func (c Counts) Since(before Counts) Counts {
	return Counts{
		Sends: c.Sends - before.Sends, Receives: c.Receives - before.Receives, Deletes: c.Deletes - before.Deletes,
		Visibilities: c.Visibilities - before.Visibilities, Others: c.Others - before.Others,
		Sent: c.Sent - before.Sent, Dropped: c.Dropped - before.Dropped, Received: c.Received - before.Received,
		Deleted: c.Deleted - before.Deleted, Died: c.Died - before.Died,
	}
}

// Meter keeps Counts. The zero Meter is ready and safe for concurrent use.
type Meter struct {
	Sends, Receives, Deletes, Visibilities, Others atomic.Int64
	Sent, Dropped, Received, Deleted, Died         atomic.Int64
}

// Counts returns a copy of the counts.
func (m *Meter) Counts() Counts {
	return Counts{
		Sends: m.Sends.Load(), Receives: m.Receives.Load(), Deletes: m.Deletes.Load(),
		Visibilities: m.Visibilities.Load(), Others: m.Others.Load(),
		Sent: m.Sent.Load(), Dropped: m.Dropped.Load(), Received: m.Received.Load(),
		Deleted: m.Deleted.Load(), Died: m.Died.Load(),
	}
}
