-- One row for each run; its exchanges hold the money. Times are microseconds
-- since 1970 in UTC, durations microseconds, amounts nano-dollars.
CREATE TABLE runs (
	run_id          TEXT PRIMARY KEY,
	agent           TEXT NOT NULL,
	requested_model TEXT NOT NULL,
	model           TEXT NOT NULL,
	status          TEXT NOT NULL,
	error           TEXT NOT NULL,
	stop_reason     TEXT NOT NULL,
	started_us      INTEGER NOT NULL,
	duration_us     INTEGER NOT NULL,
	first_token_us  INTEGER NOT NULL,
	attempts        INTEGER NOT NULL,
	input           INTEGER NOT NULL,
	output          INTEGER NOT NULL,
	cache_write_5m  INTEGER NOT NULL,
	cache_write_1h  INTEGER NOT NULL,
	cache_read      INTEGER NOT NULL,
	incomplete      INTEGER NOT NULL,
	cost_nano       INTEGER, -- NULL: no known price
	task_hash       TEXT NOT NULL,
	request_id      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row for each request that went over the wire.
CREATE TABLE exchanges (
	id              INTEGER PRIMARY KEY,
	run_id          TEXT NOT NULL,
	agent           TEXT NOT NULL,
	model           TEXT NOT NULL,
	answered        TEXT NOT NULL,
	error           TEXT NOT NULL,
	http_status     INTEGER NOT NULL,
	stop_reason     TEXT NOT NULL,
	started_us      INTEGER NOT NULL,
	duration_us     INTEGER NOT NULL,
	first_token_us  INTEGER NOT NULL,
	input           INTEGER NOT NULL,
	output          INTEGER NOT NULL,
	cache_write_5m  INTEGER NOT NULL,
	cache_write_1h  INTEGER NOT NULL,
	cache_read      INTEGER NOT NULL,
	incomplete      INTEGER NOT NULL,
	cost_nano       INTEGER,
	request_id      TEXT NOT NULL
) STRICT;
CREATE INDEX exchanges_by_run ON exchanges (run_id);
