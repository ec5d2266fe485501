-- What is known of the rate limits of each credential, address and limit
-- group, as its owner writes it. Times are microseconds since 1970 in UTC.
CREATE TABLE limits (
	key        BLOB PRIMARY KEY,
	state      BLOB NOT NULL,
	updated_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
