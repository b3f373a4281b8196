// Package cloud puts Lockstep together for one function in an account of AWS:
// tables in DynamoDB, the change queue in SQS, credentials sealed under a key
// of KMS. It reads the environment once and names everything that is missing.
//
// The REST surface is a package of its own (restapi), so that the functions
// without one do not carry it: the program with it is half as large again.
package cloud
