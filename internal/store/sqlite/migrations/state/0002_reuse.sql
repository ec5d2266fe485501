-- Where an answer came from (empty: a call without a cache), and what the call
-- would have cost that was not made.
ALTER TABLE runs ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN saved_nano INTEGER NOT NULL DEFAULT 0;
