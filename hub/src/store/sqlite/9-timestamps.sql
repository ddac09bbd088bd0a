-- Version 9: timestamps on checkpoints. number: counted from 0, as they came. time: in seconds since 1970. token: DER.
CREATE TABLE timestamp (
    number INTEGER PRIMARY KEY,
    size   INTEGER NOT NULL UNIQUE,
    time   INTEGER NOT NULL,
    token  BLOB NOT NULL
) STRICT;

PRAGMA user_version = 9;
