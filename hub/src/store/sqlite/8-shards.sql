-- Version 8: the logs of the hub, one after the other. idx goes on over all of them; so do checkpoint.size and head.size, which are the
-- place after the last entry. tile_hash.idx is the index in the tree of its log, with the number of the log in the bits from 40 on.
CREATE TABLE shard (
    number INTEGER PRIMARY KEY,
    first  INTEGER NOT NULL UNIQUE,
    origin TEXT NOT NULL UNIQUE
) STRICT;
INSERT INTO shard (number, first, origin)
SELECT 0, 0, json_extract(CAST(leaf AS TEXT), '$.event.opened.origin') FROM entry WHERE idx = 0;

PRAGMA user_version = 8;
