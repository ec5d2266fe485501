-- Message Batches, their requests, and the tasks that wait for them. Times are
-- microseconds since 1970 in UTC, NULL until they are known; amounts are
-- nano-dollars.

-- The runs of this program that use the lane of batches.
CREATE TABLE batch_sessions (
	session    TEXT PRIMARY KEY,
	started_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE batches (
	key           INTEGER PRIMARY KEY,
	version       INTEGER NOT NULL DEFAULT 0, -- counts the changes of the batch
	account       BLOB NOT NULL,    -- which credential and address
	batch_id      TEXT,             -- the API's, NULL until it is known
	adopted       INTEGER NOT NULL, -- 1: found in a list, not proved by a result
	refuted       TEXT NOT NULL,    -- JSON list of ids that were others' batches
	state         TEXT NOT NULL,
	session       TEXT NOT NULL,    -- who fills and submits it
	spool         TEXT NOT NULL,    -- the name of its file
	requests      INTEGER NOT NULL,
	bytes         INTEGER NOT NULL,
	created_us    INTEGER NOT NULL,
	sent_us       INTEGER,
	submitted_us  INTEGER,
	ended_us      INTEGER,
	expires_us    INTEGER,
	cancel        TEXT NOT NULL,    -- who cancelled it, or empty
	processing    INTEGER NOT NULL, -- this one and the next four: the API's counts
	succeeded     INTEGER NOT NULL,
	errored       INTEGER NOT NULL,
	canceled      INTEGER NOT NULL,
	expired       INTEGER NOT NULL,
	error         TEXT NOT NULL,    -- JSON, or empty
	cost_nano     INTEGER NOT NULL DEFAULT 0, -- of settled requests
	unpriced      INTEGER NOT NULL DEFAULT 0, -- settled requests without a known price
	reserved_nano INTEGER NOT NULL DEFAULT 0  -- for requests that are not settled
) STRICT;
CREATE UNIQUE INDEX batches_by_id ON batches (batch_id);

CREATE TABLE batch_requests (
	batch           INTEGER NOT NULL,
	custom_id       TEXT NOT NULL,
	run_id          TEXT NOT NULL,
	agent           TEXT NOT NULL,
	requested_model TEXT NOT NULL,
	model           TEXT NOT NULL,
	task_hash       TEXT NOT NULL,
	speed           TEXT NOT NULL,
	geo             TEXT NOT NULL,
	reuse_key       BLOB, -- of the response cache; NULL: the answer is not kept
	reserved_nano   INTEGER NOT NULL,
	outcome         TEXT NOT NULL DEFAULT '', -- empty until it is settled
	delivered       INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (batch, custom_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX batch_requests_by_custom_id ON batch_requests (custom_id);

CREATE TABLE batch_tasks (
	key       INTEGER PRIMARY KEY,
	session   TEXT NOT NULL,
	batch     INTEGER NOT NULL,
	custom_id TEXT NOT NULL,
	run_id    TEXT NOT NULL,
	tag       BLOB NOT NULL
) STRICT;
CREATE INDEX batch_tasks_by_request ON batch_tasks (batch, custom_id, session);
