-- How good the estimates of prompts were, by model: sums of tokens over runs
-- that were taken as samples, and how many were estimated too low or too high.
CREATE TABLE calibration (
	model     TEXT PRIMARY KEY,
	samples   INTEGER NOT NULL,
	estimated INTEGER NOT NULL,
	counted   INTEGER NOT NULL,
	low       INTEGER NOT NULL,
	high      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
