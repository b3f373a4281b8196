package dynamostore

// What tests look at from outside.
var (
	Prefix      = prefix
	Predecessor = predecessor
)
