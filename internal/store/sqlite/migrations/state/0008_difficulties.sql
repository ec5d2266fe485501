-- How hard the router found the latest tasks that a model was called for: what
-- thresholds are calibrated with. The tasks themselves are not kept.
CREATE TABLE difficulties (
	id         INTEGER PRIMARY KEY,
	difficulty REAL NOT NULL
) STRICT;
