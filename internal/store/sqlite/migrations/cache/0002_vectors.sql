-- Vectors of texts, which were made once and rounded to bytes: the numbers are
-- codes times scale. A day is one since 1970 in UTC.
CREATE TABLE vectors (
	id       INTEGER PRIMARY KEY,
	space    TEXT NOT NULL, -- whose vectors it can be compared with
	key      BLOB NOT NULL, -- the SHA-256 of the text
	dims     INTEGER NOT NULL,
	scale    REAL NOT NULL,
	codes    BLOB NOT NULL,
	used_day INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX vectors_by_key ON vectors (space, key);
CREATE INDEX vectors_by_use ON vectors (used_day);

-- How many there are, which takes long to count.
CREATE TABLE vector_totals (
	id      INTEGER PRIMARY KEY CHECK (id = 1),
	vectors INTEGER NOT NULL
) STRICT;
INSERT INTO vector_totals VALUES (1, 0);
CREATE TRIGGER vector_added AFTER INSERT ON vectors BEGIN
	UPDATE vector_totals SET vectors = vectors + 1;
END;
CREATE TRIGGER vector_gone AFTER DELETE ON vectors BEGIN
	UPDATE vector_totals SET vectors = vectors - 1;
END;
