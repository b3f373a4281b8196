// Package e2e drives Lockstep from outside through one scenario and judges what
// the two apps hold in the end: a first sync of two accounts full of people,
// edits on both sides by schedule and by webhook, deliveries doubled and out of
// order, and records that cannot be read, until somebody mends them.
//
// The same scenario runs on two deployments:
//
//   - Cloud: the bootstraps that are deployed, run as Lambda runs them, with
//     stand-ins for DynamoDB and SQS, killed and stalled at random;
//   - Local: the program on one machine with its embedded stores.
//
// What is edited follows from the options alone, and never twice the same field
// of the same person. So both end with the same people in both apps, however
// often something was killed on the way: Result.People is compared.
//
// The judge knows nothing of how records are matched or written: it compares
// what the apps hold by e-mail address and field.
package e2e
