-- What is known of each answer. Contents stand apart, so that eviction touches
-- only small rows. Times are microseconds since 1970 in UTC.
CREATE TABLE entries (
	id        INTEGER PRIMARY KEY, -- also of its row in contents
	key       BLOB NOT NULL,
	signer    BLOB NOT NULL, -- which secret signed it
	agent     TEXT NOT NULL,
	bytes     INTEGER NOT NULL,
	stored_us INTEGER NOT NULL,
	used_us   INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX entries_by_key ON entries (key, signer);
CREATE INDEX entries_by_use ON entries (used_us);

CREATE TABLE contents (
	id    INTEGER PRIMARY KEY,
	mac   BLOB NOT NULL,
	value BLOB NOT NULL
) STRICT;

-- Contents of evicted entries, as JSON lists of ids, to be deleted by and by.
CREATE TABLE dropped (
	id  INTEGER PRIMARY KEY,
	ids TEXT NOT NULL
) STRICT;

-- Entries that failed their verification, for inspection.
CREATE TABLE aside (
	id       INTEGER PRIMARY KEY,
	key      BLOB NOT NULL,
	signer   BLOB NOT NULL,
	mac      BLOB NOT NULL,
	value    BLOB NOT NULL,
	moved_us INTEGER NOT NULL
) STRICT;

-- Who is making a call right now, for others to wait. An outcome is an answer
-- that is not to be cached.
CREATE TABLE leases (
	key      BLOB PRIMARY KEY,
	holder   TEXT NOT NULL,
	until_us INTEGER NOT NULL,
	outcome  BLOB
) STRICT, WITHOUT ROWID;

CREATE TABLE totals (
	id        INTEGER PRIMARY KEY CHECK (id = 1),
	entries   INTEGER NOT NULL,
	bytes     INTEGER NOT NULL,
	evictions INTEGER NOT NULL
) STRICT;
INSERT INTO totals VALUES (1, 0, 0, 0);

CREATE TABLE counts (
	agent           TEXT PRIMARY KEY,
	memory_hits     INTEGER NOT NULL,
	disk_hits       INTEGER NOT NULL,
	joins           INTEGER NOT NULL,
	misses          INTEGER NOT NULL,
	verify_failures INTEGER NOT NULL,
	saved_nano      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
