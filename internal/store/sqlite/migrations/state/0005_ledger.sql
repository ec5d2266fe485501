-- Runs get a number in the order in which they are kept, and say more of what
-- they are a part of. Tags are a JSON object, or empty.
CREATE TABLE numbered_runs (
	number          INTEGER PRIMARY KEY, -- no row of a number below that of the last one is ever added
	run_id          TEXT NOT NULL UNIQUE,
	agent           TEXT NOT NULL,
	workflow        TEXT NOT NULL,
	step            TEXT NOT NULL,
	requested_model TEXT NOT NULL,
	model           TEXT NOT NULL,
	why             TEXT NOT NULL, -- the model was chosen
	status          TEXT NOT NULL,
	error           TEXT NOT NULL,
	stop_reason     TEXT NOT NULL,
	started_us      INTEGER NOT NULL,
	duration_us     INTEGER NOT NULL,
	bucket          INTEGER NOT NULL, -- of the duration: a 32nd of a doubling, below 64 microseconds one for each
	first_token_us  INTEGER NOT NULL,
	waited_us       INTEGER NOT NULL,
	attempts        INTEGER NOT NULL,
	input           INTEGER NOT NULL,
	output          INTEGER NOT NULL,
	thinking        INTEGER NOT NULL, -- part of the output
	cache_write_5m  INTEGER NOT NULL,
	cache_write_1h  INTEGER NOT NULL,
	cache_read      INTEGER NOT NULL,
	incomplete      INTEGER NOT NULL,
	cost_nano       INTEGER, -- NULL: no known price
	tier            TEXT NOT NULL,
	task_hash       TEXT NOT NULL,
	request_id      TEXT NOT NULL,
	source          TEXT NOT NULL,
	saved_nano      INTEGER NOT NULL,
	branch          TEXT NOT NULL,
	tags            TEXT NOT NULL
) STRICT;
CREATE TEMP TABLE powers AS
WITH RECURSIVE p(shift, low) AS (SELECT 0, 0 UNION ALL SELECT shift + 1, 32 << (shift + 1) FROM p WHERE shift < 57)
SELECT shift, low FROM p;
INSERT INTO numbered_runs (
	run_id, agent, workflow, step, requested_model, model, why, status, error, stop_reason,
	started_us, duration_us, bucket, first_token_us, waited_us, attempts,
	input, output, thinking, cache_write_5m, cache_write_1h, cache_read, incomplete,
	cost_nano, tier, task_hash, request_id, source, saved_nano, branch, tags
) SELECT
	run_id, agent, '', '', requested_model, model, '', status, error, stop_reason,
	started_us, duration_us,
	coalesce((SELECT (shift << 5) + (duration_us >> shift) FROM powers WHERE duration_us >= low ORDER BY low DESC LIMIT 1), 0),
	first_token_us, 0, attempts,
	input, output, 0, cache_write_5m, cache_write_1h, cache_read, incomplete,
	cost_nano, '', task_hash, request_id, source, saved_nano, '', ''
FROM runs ORDER BY started_us, run_id;
DROP TABLE powers;
DROP TABLE runs;
ALTER TABLE numbered_runs RENAME TO runs;

ALTER TABLE exchanges ADD COLUMN workflow TEXT NOT NULL DEFAULT '';
ALTER TABLE exchanges ADD COLUMN step TEXT NOT NULL DEFAULT '';
ALTER TABLE exchanges ADD COLUMN tags TEXT NOT NULL DEFAULT '';
ALTER TABLE exchanges ADD COLUMN thinking INTEGER NOT NULL DEFAULT 0;
ALTER TABLE exchanges ADD COLUMN tier TEXT NOT NULL DEFAULT '';
ALTER TABLE exchanges ADD COLUMN speed TEXT NOT NULL DEFAULT '';
ALTER TABLE exchanges ADD COLUMN geo TEXT NOT NULL DEFAULT '';

-- A request of a batch keeps what its run will say.
ALTER TABLE batch_requests ADD COLUMN workflow TEXT NOT NULL DEFAULT '';
ALTER TABLE batch_requests ADD COLUMN step TEXT NOT NULL DEFAULT '';
ALTER TABLE batch_requests ADD COLUMN why TEXT NOT NULL DEFAULT '';
ALTER TABLE batch_requests ADD COLUMN branch TEXT NOT NULL DEFAULT '';
ALTER TABLE batch_requests ADD COLUMN tags TEXT NOT NULL DEFAULT '';

-- Lines of other programs' records that are in the ledger, also after their
-- rows were deleted.
CREATE TABLE imported (
	line BLOB PRIMARY KEY -- SHA-256
) STRICT, WITHOUT ROWID;

-- What runs and exchanges add up to, by hour and for all time, and by dimension:
-- 0 the total, 1 agents, 2 models, 3 workflows, 4 tags, and 5 nothing but the
-- number of runs by their bucket. The hour counts from 1970 in UTC; -1 is all
-- time. Rows that are deleted stay in them.
CREATE TABLE rollups (
	hour           INTEGER NOT NULL,
	dimension      INTEGER NOT NULL,
	name           TEXT NOT NULL,
	runs           INTEGER NOT NULL DEFAULT 0,
	succeeded      INTEGER NOT NULL DEFAULT 0,
	cancelled      INTEGER NOT NULL DEFAULT 0,
	lookups        INTEGER NOT NULL DEFAULT 0,
	hits           INTEGER NOT NULL DEFAULT 0,
	saved_nano     INTEGER NOT NULL DEFAULT 0,
	duration_us    INTEGER NOT NULL DEFAULT 0,
	waited_us      INTEGER NOT NULL DEFAULT 0,
	exchanges      INTEGER NOT NULL DEFAULT 0,
	errors         INTEGER NOT NULL DEFAULT 0,
	cost_nano      INTEGER NOT NULL DEFAULT 0,
	unpriced       INTEGER NOT NULL DEFAULT 0,
	input          INTEGER NOT NULL DEFAULT 0,
	output         INTEGER NOT NULL DEFAULT 0,
	thinking       INTEGER NOT NULL DEFAULT 0,
	cache_write_5m INTEGER NOT NULL DEFAULT 0,
	cache_write_1h INTEGER NOT NULL DEFAULT 0,
	cache_read     INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (hour, dimension, name)
) STRICT, WITHOUT ROWID;

-- How far the rollups go: all rows up to these are in them, and none after.
CREATE TABLE rolled_up (
	runs      INTEGER NOT NULL,
	exchanges INTEGER NOT NULL
) STRICT;
INSERT INTO rolled_up VALUES (0, 0);

-- The latest rows, in the form of the rollups. Who reads adds the two.
CREATE VIEW latest AS
WITH facts AS (
	SELECT
		max(started_us, 0) / 3600000000 AS hour, agent, model, workflow, tags,
		1 AS runs, status = 'succeeded' AS succeeded, status = 'cancelled' AS cancelled,
		source <> '' AS lookups, source IN ('memory', 'disk', 'coalesced') AS hits, saved_nano,
		max(duration_us, 0) AS duration_us, max(waited_us, 0) AS waited_us,
		0 AS exchanges, 0 AS errors, 0 AS cost_nano, 0 AS unpriced,
		0 AS input, 0 AS output, 0 AS thinking, 0 AS cache_write_5m, 0 AS cache_write_1h, 0 AS cache_read
	FROM runs WHERE number > (SELECT runs FROM rolled_up)
	UNION ALL SELECT
		max(started_us, 0) / 3600000000, agent, model, workflow, tags, 0, 0, 0, 0, 0, 0, 0, 0,
		1, error <> '', coalesce(cost_nano, 0), cost_nano IS NULL,
		input, output, thinking, cache_write_5m, cache_write_1h, cache_read
	FROM exchanges WHERE id > (SELECT exchanges FROM rolled_up)
), cells AS MATERIALIZED (
	SELECT hour, agent, model, workflow, tags,
		sum(runs) AS runs, sum(succeeded) AS succeeded, sum(cancelled) AS cancelled, sum(lookups) AS lookups, sum(hits) AS hits, sum(saved_nano) AS saved_nano, sum(duration_us) AS duration_us, sum(waited_us) AS waited_us,
		sum(exchanges) AS exchanges, sum(errors) AS errors, sum(cost_nano) AS cost_nano, sum(unpriced) AS unpriced,
		sum(input) AS input, sum(output) AS output, sum(thinking) AS thinking, sum(cache_write_5m) AS cache_write_5m, sum(cache_write_1h) AS cache_write_1h, sum(cache_read) AS cache_read
	FROM facts GROUP BY 1, 2, 3, 4, 5
)
SELECT hour, 0 AS dimension, '' AS name, runs, succeeded, cancelled, lookups, hits, saved_nano, duration_us, waited_us,
	exchanges, errors, cost_nano, unpriced,
	input, output, thinking, cache_write_5m, cache_write_1h, cache_read
FROM cells
UNION ALL SELECT hour, 1, agent, runs, succeeded, cancelled, lookups, hits, saved_nano, duration_us, waited_us,
	exchanges, errors, cost_nano, unpriced,
	input, output, thinking, cache_write_5m, cache_write_1h, cache_read
FROM cells
UNION ALL SELECT hour, 2, model, runs, succeeded, cancelled, lookups, hits, saved_nano, duration_us, waited_us,
	exchanges, errors, cost_nano, unpriced,
	input, output, thinking, cache_write_5m, cache_write_1h, cache_read
FROM cells
UNION ALL SELECT hour, 3, workflow, runs, succeeded, cancelled, lookups, hits, saved_nano, duration_us, waited_us,
	exchanges, errors, cost_nano, unpriced,
	input, output, thinking, cache_write_5m, cache_write_1h, cache_read
FROM cells WHERE workflow <> ''
UNION ALL SELECT hour, 4, t.key || '=' || t.value, runs, succeeded, cancelled, lookups, hits, saved_nano, duration_us, waited_us,
	exchanges, errors, cost_nano, unpriced,
	input, output, thinking, cache_write_5m, cache_write_1h, cache_read
FROM cells, json_each(tags) t WHERE tags <> '';

CREATE VIEW latest_durations AS
SELECT max(started_us, 0) / 3600000000 AS hour, 5 AS dimension, CAST(bucket AS TEXT) AS name, count(*) AS runs
FROM runs WHERE number > (SELECT runs FROM rolled_up) GROUP BY 1, 3;

-- Moving the mark rolls up what it passes.
CREATE TRIGGER roll_up BEFORE UPDATE ON rolled_up BEGIN
	INSERT INTO rollups SELECT
		CASE a.all_time WHEN 1 THEN -1 ELSE hour END, dimension, name, runs, succeeded, cancelled, lookups, hits, saved_nano, duration_us, waited_us,
		exchanges, errors, cost_nano, unpriced,
		input, output, thinking, cache_write_5m, cache_write_1h, cache_read
	FROM (
		SELECT hour, dimension, name, sum(runs) AS runs, sum(succeeded) AS succeeded, sum(cancelled) AS cancelled, sum(lookups) AS lookups, sum(hits) AS hits, sum(saved_nano) AS saved_nano, sum(duration_us) AS duration_us, sum(waited_us) AS waited_us,
			sum(exchanges) AS exchanges, sum(errors) AS errors, sum(cost_nano) AS cost_nano, sum(unpriced) AS unpriced,
			sum(input) AS input, sum(output) AS output, sum(thinking) AS thinking, sum(cache_write_5m) AS cache_write_5m, sum(cache_write_1h) AS cache_write_1h, sum(cache_read) AS cache_read
		FROM latest GROUP BY 1, 2, 3
	), (SELECT 0 AS all_time UNION ALL SELECT 1) a WHERE true
	ON CONFLICT (hour, dimension, name) DO UPDATE SET
		runs = runs + excluded.runs, succeeded = succeeded + excluded.succeeded, cancelled = cancelled + excluded.cancelled, lookups = lookups + excluded.lookups, hits = hits + excluded.hits, saved_nano = saved_nano + excluded.saved_nano, duration_us = duration_us + excluded.duration_us, waited_us = waited_us + excluded.waited_us,
		exchanges = exchanges + excluded.exchanges, errors = errors + excluded.errors, cost_nano = cost_nano + excluded.cost_nano, unpriced = unpriced + excluded.unpriced,
		input = input + excluded.input, output = output + excluded.output, thinking = thinking + excluded.thinking, cache_write_5m = cache_write_5m + excluded.cache_write_5m, cache_write_1h = cache_write_1h + excluded.cache_write_1h, cache_read = cache_read + excluded.cache_read;
	INSERT INTO rollups (hour, dimension, name, runs)
	SELECT CASE a.all_time WHEN 1 THEN -1 ELSE hour END, dimension, name, runs
	FROM latest_durations, (SELECT 0 AS all_time UNION ALL SELECT 1) a WHERE true
	ON CONFLICT (hour, dimension, name) DO UPDATE SET runs = runs + excluded.runs;
END;
UPDATE rolled_up SET
	runs = (SELECT coalesce(max(number), 0) FROM runs), exchanges = (SELECT coalesce(max(id), 0) FROM exchanges);
