-- Version 11: the newest cosigned checkpoint of each log, as far as it is kept. size: entries of that log. by_all: whether nobody is left
-- to be asked.
CREATE TABLE cosigned (
    shard  INTEGER PRIMARY KEY,
    size   INTEGER NOT NULL,
    text   TEXT NOT NULL,
    by_all INTEGER NOT NULL
) STRICT;

PRAGMA user_version = 11;
