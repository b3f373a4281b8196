// Package sqsqueue keeps a queue in an SQS FIFO queue in high-throughput mode,
// with a FIFO dead-letter queue.
//
// # Order
//
// SQS may take some entries of a batch and fail others. So that order holds
// within a group all the same, one request never carries two messages of a
// group: a message goes out when the one before it is queued. Messages of
// different groups share requests. A failed entry is tried again with the same
// deduplication ID, which makes that harmless; when that is of no use either,
// the rest of its group is held back.
//
// # Receipts
//
// SQS tells by different codes that a receipt is no longer good; all of them
// are fault.NotFound here.
//
// # Dead letters
//
// When all dead letters are to go back (RedriveDead with a limit not below
// their number), a message move task does it, as SQS offers it: it knows no
// limit. Otherwise, or where the task is not permitted or not known to the
// service, they are received, sent and deleted ten at a time. The copies'
// deduplication IDs come from the dead letters, so that an interrupted redrive
// that is begun again within five minutes sends nothing twice.
package sqsqueue
