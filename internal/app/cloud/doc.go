// Package cloud puts Lockstep together for one function in an account of AWS:
// tables in DynamoDB, the change queue in SQS, credentials sealed under a key
// of KMS. It reads the environment once and names everything that is missing.
//
// The HTTP surface is a package of its own, so that the functions without one
// do not carry it.
package cloud
