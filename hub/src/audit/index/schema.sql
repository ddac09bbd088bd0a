-- The auditors' index. It follows from the log alone; whoever deletes the file loses nothing. Times are milliseconds since 1970.

-- Up to where the log is in here, and the hash of the last entry: the index of another log, or of a longer one, is made again.
CREATE TABLE cursor (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    origin TEXT NOT NULL,
    next   INTEGER NOT NULL,
    last   BLOB NOT NULL
) STRICT;

-- Systems, members, types, services, codes: each text once, whatever it is the name of.
CREATE TABLE name (
    id   INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

-- One row for each entry of the log, without a gap. kind: 0 unreadable, then as in facts.rs from 1 on. outcome, of messages: 0
-- unacknowledged, 1 processed, 2 rejected.
CREATE TABLE entry (
    idx             INTEGER PRIMARY KEY,
    at              INTEGER NOT NULL,
    kind            INTEGER NOT NULL,
    jti             BLOB,
    sender          INTEGER,
    recipient       INTEGER,
    message_type    INTEGER,
    service         INTEGER,
    case_id         BLOB,
    outcome         INTEGER,
    code            INTEGER,
    acknowledgement INTEGER,
    acknowledged    INTEGER,
    erasure         INTEGER
) STRICT;
-- Ids of cases are ordered by time: new rows go to the end.
CREATE INDEX entry_case ON entry (case_id, idx) WHERE case_id IS NOT NULL;

-- Which blocks of 256 entries hold something with a term. A block may be named in vain, never left out.
CREATE TABLE block (
    term  INTEGER NOT NULL,
    block INTEGER NOT NULL,
    PRIMARY KEY (term, block)
) STRICT, WITHOUT ROWID;

-- Counts of each minute. what: see tally.rs.
CREATE TABLE tally (
    minute INTEGER NOT NULL,
    what   INTEGER NOT NULL,
    which  INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (minute, what, which)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 1;
