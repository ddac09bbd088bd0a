-- Version 4: cases, what follows from the log for them. Times are milliseconds since 1970.
-- Everything but letters can be made again from the log, as long as bodies are there.

-- How far the log was followed: the first place that was not.
CREATE TABLE case_cursor (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    next INTEGER NOT NULL
) STRICT;

-- wake: when the case needs a look though nothing was said; null when there is nothing to wait for.
CREATE TABLE case_state (
    id      TEXT PRIMARY KEY,
    portal  TEXT NOT NULL,
    idx     INTEGER NOT NULL,
    consent TEXT,
    wake    INTEGER,
    state   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX case_wake ON case_state (wake) WHERE wake IS NOT NULL;
CREATE INDEX case_consent ON case_state (consent) WHERE consent IS NOT NULL;

-- What happened in a case, in order. idx: the message that caused it.
CREATE TABLE case_event (
    id  TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at  INTEGER NOT NULL,
    idx INTEGER,
    what TEXT NOT NULL,
    PRIMARY KEY (id, seq)
) STRICT, WITHOUT ROWID;

-- Messages and acknowledgements of the hub's own system that are not in the log yet.
CREATE TABLE case_letter (
    jti      TEXT PRIMARY KEY,
    case_id  TEXT,
    text     TEXT NOT NULL,
    salt     BLOB,
    body     BLOB
) STRICT;

-- The newest evidence of each type about each person that may be used again.
CREATE TABLE case_evidence (
    subject  BLOB NOT NULL,
    type     TEXT NOT NULL,
    idx      INTEGER NOT NULL,
    jti      TEXT NOT NULL,
    provider TEXT NOT NULL,
    until    INTEGER NOT NULL,
    PRIMARY KEY (subject, type, provider)
) STRICT, WITHOUT ROWID;

-- revoked: the place of the message that took it back.
CREATE TABLE consent (
    jti     TEXT PRIMARY KEY,
    idx     INTEGER NOT NULL,
    portal  TEXT NOT NULL,
    subject BLOB NOT NULL,
    terms   TEXT NOT NULL,
    revoked INTEGER
) STRICT, WITHOUT ROWID;

-- Whose data a message is about.
CREATE TABLE data_use (
    subject BLOB NOT NULL,
    idx     INTEGER NOT NULL,
    type    TEXT,
    PRIMARY KEY (subject, idx)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 4;
