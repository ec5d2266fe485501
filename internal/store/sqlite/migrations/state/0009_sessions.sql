-- Past sessions. What is compared and counted stands before the texts, which
-- mostly lie on pages of their own. No number is given twice.
CREATE TABLE sessions (
	id            INTEGER PRIMARY KEY AUTOINCREMENT,
	at_ms         INTEGER NOT NULL,
	succeeded     INTEGER NOT NULL,
	agent         TEXT NOT NULL,
	project       TEXT NOT NULL,
	task_hash     TEXT NOT NULL,
	run_id        TEXT NOT NULL,
	model         TEXT NOT NULL,
	error         TEXT NOT NULL,
	input_tokens  INTEGER NOT NULL,
	output_tokens INTEGER NOT NULL,
	cost_nano     INTEGER, -- NULL: no known price
	tags          TEXT NOT NULL, -- a JSON object, or empty
	task          TEXT NOT NULL,
	output        TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_by_time ON sessions (at_ms);

-- Sessions that wait for their vector. This is no column of theirs: to change
-- one, the texts would be written again.
CREATE TABLE sessions_without_vector (
	session INTEGER PRIMARY KEY
) STRICT;

-- Where vectors come from. Those of two spaces cannot be compared.
CREATE TABLE session_spaces (
	id   INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE
) STRICT;

-- What a session's task means. The numbers grow in the order in which vectors
-- are kept, so that a reader asks for what came after the last one it saw.
-- Names are here as their hashes, so that no text is read to compare.
CREATE TABLE session_vectors (
	number    INTEGER PRIMARY KEY AUTOINCREMENT,
	session   INTEGER NOT NULL,
	space     INTEGER NOT NULL,
	at_ms     INTEGER NOT NULL,
	succeeded INTEGER NOT NULL,
	agent     INTEGER NOT NULL,
	project   INTEGER NOT NULL,
	task      INTEGER NOT NULL,
	codes     BLOB NOT NULL -- a signed byte a dimension
) STRICT;
CREATE UNIQUE INDEX session_vectors_by_session ON session_vectors (session, space); -- there is one a session

-- Sessions of other programs that were imported, also after they were deleted.
CREATE TABLE imported_sessions (
	key BLOB PRIMARY KEY -- SHA-256
) STRICT, WITHOUT ROWID;

CREATE TABLE session_state (
	store      BLOB NOT NULL, -- tells this database from others
	pruned_day INTEGER NOT NULL -- the day of UTC since 1970 that was pruned last
) STRICT;
INSERT INTO session_state VALUES (randomblob(16), 0);
