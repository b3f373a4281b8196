package sqlitequeue

// Queries are the statements that must find their way by an index. Counts
// (sqlCount) and the search for a free lane (sqlReady) look at one row each of
// what there is.
var Queries = map[string]string{
	"lanes": sqlLanes, "take": sqlTake, "find": sqlFind, "head": sqlHead, "hidden": sqlHidden,
	"repeat": sqlRepeat, "forget": sqlForget, "rotten": sqlRotten, "dead": sqlDead, "no lane": sqlNoLane,
}

// Rare are statements that may look at all that there is.
var Rare = map[string]string{
	"old": sqlOld, "letters": sqlLetters, "flight": sqlFlight, "release": sqlRelease, "free": sqlFree,
}
