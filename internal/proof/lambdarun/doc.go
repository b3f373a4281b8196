// Package lambdarun runs the real bootstrap of a function on this machine as
// Lambda would: it serves the Runtime API, starts instances of the program when
// there is more to do than there are idle ones, lets each work one event at a
// time, stops its process between events (SIGSTOP, so that nothing goes on in
// the background unnoticed), and kills it when the time limit is over.
//
// Around a Function stand what feeds it in AWS: Gateway turns HTTP requests
// into events of API Gateway's HTTP API, Poller takes batches from a queue and
// removes what was not reported as failed.
//
// For tests, benchmarks and "make invoke"; nothing that is deployed imports it.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
package lambdarun
