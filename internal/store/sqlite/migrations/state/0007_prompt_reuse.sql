-- How far apart the calls of an agent with a model are: the latest start, in
-- microseconds since 1970 in UTC, and the gaps before each by their length.
CREATE TABLE prompt_reuse (
	agent     TEXT NOT NULL,
	model     TEXT NOT NULL,
	last_us   INTEGER NOT NULL,
	within_5m INTEGER NOT NULL,
	within_1h INTEGER NOT NULL,
	beyond    INTEGER NOT NULL,
	PRIMARY KEY (agent, model)
) STRICT, WITHOUT ROWID;
