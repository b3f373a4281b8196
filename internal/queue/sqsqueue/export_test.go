package sqsqueue

// URLs are those of the queue and its dead-letter queue.
func (q *Queue) URLs() (url, dead string) { return q.url, q.dead }
