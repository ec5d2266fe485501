-- Caps on spending, in nano-dollars. Empty columns do not narrow what counts.
CREATE TABLE budgets (
	id         INTEGER PRIMARY KEY,
	per        TEXT NOT NULL,
	agent      TEXT NOT NULL,
	tag_key    TEXT NOT NULL,
	tag_value  TEXT NOT NULL,
	cap_nano   INTEGER NOT NULL,
	on_exceed  TEXT NOT NULL,
	created_us INTEGER NOT NULL,
	UNIQUE (per, agent, tag_key, tag_value)
) STRICT;

-- What is gone of a cap in one of its periods.
CREATE TABLE budget_periods (
	budget_id     INTEGER NOT NULL REFERENCES budgets (id) ON DELETE CASCADE,
	period        TEXT NOT NULL,
	settled_nano  INTEGER NOT NULL,
	reserved_nano INTEGER NOT NULL,
	PRIMARY KEY (budget_id, period)
) STRICT, WITHOUT ROWID;

-- What calls in flight may cost, and the periods it is part of, as JSON.
CREATE TABLE reservations (
	id      TEXT PRIMARY KEY,
	run_id  TEXT NOT NULL,
	agent   TEXT NOT NULL,
	nano    INTEGER NOT NULL,
	at_us   INTEGER NOT NULL,
	holder  TEXT NOT NULL,
	periods TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX reservations_by_holder ON reservations (holder);

-- Processes that hold reservations, and until when they are believed to live.
CREATE TABLE holders (
	id       TEXT PRIMARY KEY,
	until_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
