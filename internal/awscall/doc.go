// Package awscall is how the adapters for AWS services make a call: one
// classification of errors, and one loop of repetitions with a cap in tries and
// in time.
//
// The SDK's own repetitions are switched off by the adapters, because only they
// know what a second attempt would do. A call is repeated
//
//   - after a throttle, or when nothing was sent: always, for nothing happened;
//   - after a lost or failed answer: only when a repetition cannot make a
//     change twice (see Nature).
//
// An error that leaves here is a *fault.Error, and MayHaveLanded says whether
// any of the attempts may have taken effect. Messages of the services are
// dropped, since they may quote keys; what remains is their code and the
// request ID.
package awscall
