-- Version 1 of the hub's SQLite store. Times are milliseconds since 1970 unless a name says otherwise.

CREATE TABLE head (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    size       INTEGER NOT NULL,
    range      BLOB NOT NULL,
    checkpoint TEXT NOT NULL
) STRICT;

-- The log. kind: 0 other, 1 message, 2 acknowledgement, 3 registry.
CREATE TABLE entry (
    idx  INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    hash BLOB NOT NULL,
    leaf BLOB NOT NULL
) STRICT;
CREATE INDEX entry_registry ON entry (idx) WHERE kind = 3;

-- Hashes of tile levels 1 and above; level 0 is entry.hash.
CREATE TABLE tile_hash (
    level INTEGER NOT NULL,
    idx   INTEGER NOT NULL,
    hash  BLOB NOT NULL,
    PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoint (
    size INTEGER PRIMARY KEY,
    note TEXT NOT NULL
) STRICT;

-- state: 0 accepted, 2 processed, 3 rejected, 4 expired. Small, for it is written twice.
CREATE TABLE message (
    idx             INTEGER PRIMARY KEY,
    jti             TEXT NOT NULL,
    sender          TEXT NOT NULL,
    recipient       TEXT NOT NULL,
    content         BLOB NOT NULL,
    state           INTEGER NOT NULL DEFAULT 0,
    code            TEXT,
    acknowledgement INTEGER
) STRICT;
-- The id first: it is ordered by time, so new rows go to the end of the index.
CREATE UNIQUE INDEX message_id ON message (jti, sender);

-- The large parts of a message, written once.
CREATE TABLE parts (
    idx     INTEGER PRIMARY KEY,
    receipt TEXT NOT NULL,
    salt    BLOB NOT NULL,
    body    BLOB NOT NULL
) STRICT;

CREATE TABLE acknowledgement (
    jti      TEXT NOT NULL,
    receiver TEXT NOT NULL,
    content  BLOB NOT NULL,
    idx      INTEGER NOT NULL,
    PRIMARY KEY (jti, receiver)
) STRICT, WITHOUT ROWID;

-- What is not yet acknowledged. transport: 0 pull, 1 AMQP. published: how often the broker confirmed it.
CREATE TABLE outbox (
    idx       INTEGER PRIMARY KEY,
    transport INTEGER NOT NULL,
    recipient TEXT NOT NULL,
    due       INTEGER NOT NULL DEFAULT 0,
    attempts  INTEGER NOT NULL DEFAULT 0,
    published INTEGER NOT NULL DEFAULT 0,
    lease     TEXT,
    not_after INTEGER,
    proof     TEXT NOT NULL
) STRICT;
CREATE INDEX outbox_inbox ON outbox (recipient, idx) WHERE transport = 0;
CREATE INDEX outbox_broker ON outbox (due, idx) WHERE transport = 1;
CREATE INDEX outbox_lease ON outbox (lease) WHERE lease IS NOT NULL;
CREATE INDEX outbox_expiry ON outbox (not_after) WHERE not_after IS NOT NULL;

PRAGMA user_version = 1;
