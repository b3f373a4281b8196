// Package awslocal starts programs that stand in for AWS, on 127.0.0.1 only:
// dynoxide for DynamoDB, fauxqs for SQS and local-aws-sqs for its message move
// tasks, all from pinned npm packages (make standins), and ElasticMQ, another
// SQS, from pinned jars. They were not written by us, so that a mistake in how we
// read AWS's documentation does not stand on both sides.
//
// Whoever starts one stops it; should the starter be killed, the stand-in ends
// by itself, because the pipe that holds it open closes.
//
// For tests, benchmarks and local end-to-end runs; nothing that is deployed
// imports it.
package awslocal
