package sqlitequeue

// steps are the migrations, only ever appended to. Times are nanoseconds since
// 1970.
var steps = []string{`
CREATE TABLE message (
	seq      INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again, so that receipts stay unique
	grp      TEXT NOT NULL,
	sent     INTEGER NOT NULL,
	until    INTEGER NOT NULL, -- hidden before this; 0 = never received
	receives INTEGER NOT NULL,
	body     TEXT NOT NULL
) STRICT;
CREATE INDEX message_group ON message (grp, seq);
CREATE INDEX message_hidden ON message (grp, until) WHERE until > 0;

CREATE TABLE lane (
	grp   TEXT PRIMARY KEY,
	head  INTEGER NOT NULL, -- seq of its first message
	until INTEGER NOT NULL  -- the latest until of its messages
) STRICT, WITHOUT ROWID;
CREATE INDEX lane_order ON lane (head);

CREATE TABLE letter (
	seq  INTEGER PRIMARY KEY AUTOINCREMENT,
	grp  TEXT NOT NULL,
	died INTEGER NOT NULL,
	body TEXT NOT NULL
) STRICT;
CREATE INDEX letter_died ON letter (died);

CREATE TABLE dedup (
	grp TEXT NOT NULL,
	id  TEXT NOT NULL,
	at  INTEGER NOT NULL,
	PRIMARY KEY (grp, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX dedup_at ON dedup (at);
`}

// Limits are "+?": a bare one would have SQLite plan the statement anew for each
// value that it is run with.
const (
	sqlSend   = "INSERT INTO message (grp, sent, until, receives, body) VALUES (?, ?, 0, 0, ?) RETURNING seq"
	sqlNewest = "INSERT INTO lane (grp, head, until) VALUES (?, ?, 0) ON CONFLICT (grp) DO NOTHING"
	sqlLanes  = "SELECT grp, head FROM lane WHERE head > ? AND until <= ? ORDER BY head LIMIT +?"
	sqlReady  = "SELECT 1 FROM lane WHERE until <= ? LIMIT 1"
	sqlTake   = "SELECT seq, sent, receives, body FROM message WHERE grp = ? AND seq > ? ORDER BY seq LIMIT +?"
	sqlHide   = "UPDATE message SET until = ?, receives = receives + 1 WHERE seq = ?"
	sqlFind   = "SELECT grp, until, receives FROM message WHERE seq = ? AND sent > ?"
	sqlUntil  = "UPDATE message SET until = ? WHERE seq = ?"
	sqlRemove = "DELETE FROM message WHERE seq = ?"
	sqlHead   = "SELECT min(seq) FROM message WHERE grp = ?"
	sqlHidden = "SELECT max(until) FROM message WHERE grp = ? AND until > 0"
	sqlLane   = "INSERT INTO lane (grp, head, until) VALUES (?, ?, ?) ON CONFLICT (grp) DO UPDATE SET head = " +
		"excluded.head, until = excluded.until"
	sqlNoLane = "DELETE FROM lane WHERE grp = ?"

	sqlOldest = "SELECT sent FROM message ORDER BY seq LIMIT 1"
	sqlOld    = "SELECT seq, grp, sent FROM message ORDER BY seq LIMIT +?"

	sqlRepeat  = "SELECT at FROM dedup WHERE grp = ? AND id = ?"
	sqlNote    = "INSERT INTO dedup (grp, id, at) VALUES (?, ?, ?) ON CONFLICT (grp, id) DO UPDATE SET at = excluded.at"
	sqlForget  = "DELETE FROM dedup WHERE (grp, id) IN (SELECT grp, id FROM dedup WHERE at <= ? ORDER BY at LIMIT +?)"
	sqlBury    = "INSERT INTO letter (grp, died, body) VALUES (?, ?, ?)"
	sqlLetters = "SELECT seq, grp, body FROM letter WHERE died > ? ORDER BY seq LIMIT +?"
	sqlDug     = "DELETE FROM letter WHERE seq = ?"
	sqlRotten  = "DELETE FROM letter WHERE seq IN (SELECT seq FROM letter WHERE died <= ? ORDER BY died LIMIT +?)"

	sqlCount   = "SELECT count(*) FROM message"
	sqlFlight  = "SELECT count(*) FROM message WHERE until > 0 AND until > ?"
	sqlDead    = "SELECT count(*) FROM letter WHERE died > ?"
	sqlRelease = "UPDATE message SET until = ? WHERE until > 0 AND until > ?"
	sqlFree    = "UPDATE lane SET until = ? WHERE until > ?"
)
