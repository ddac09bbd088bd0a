-- Version 5: bodies are sealed, and erased. Times are milliseconds since 1970.

-- The key of a message's body; parts.body is then salt and body, sealed, and parts.salt is empty. A body without a key is of an
-- older version and readable as it is; an empty one with an empty salt was erased. until: when it is to be erased.
CREATE TABLE body_key (
    idx         INTEGER PRIMARY KEY,
    storage_key TEXT NOT NULL,
    nonce       BLOB NOT NULL,
    ciphertext  BLOB NOT NULL,
    until       INTEGER
) STRICT;
CREATE INDEX body_key_storage_key ON body_key (storage_key);
CREATE INDEX body_key_until ON body_key (until) WHERE until IS NOT NULL;

-- Which bodies were erased, and the place of the entry that says so.
CREATE TABLE erasure (
    idx   INTEGER PRIMARY KEY,
    place INTEGER NOT NULL
) STRICT;

CREATE INDEX case_evidence_idx ON case_evidence (idx);

-- Evidence of one case that another case uses again.
CREATE TABLE case_reuse (
    idx     INTEGER NOT NULL,
    case_id TEXT NOT NULL,
    PRIMARY KEY (idx, case_id)
) STRICT, WITHOUT ROWID;

-- Letters are sealed too, each with a key of its own; body is salt and body then. The key stands first, within reach of the
-- zeros that SQLite writes over a removed row. One without a key is of version 4.
ALTER TABLE case_letter RENAME TO case_letter_4;
CREATE TABLE case_letter (
    jti         TEXT PRIMARY KEY,
    storage_key TEXT,
    nonce       BLOB,
    ciphertext  BLOB,
    case_id     TEXT,
    text        TEXT NOT NULL,
    salt        BLOB,
    body        BLOB
) STRICT;
INSERT INTO case_letter (jti, case_id, text, salt, body) SELECT jti, case_id, text, salt, body FROM case_letter_4 ORDER BY rowid;
DROP TABLE case_letter_4;
CREATE INDEX case_letter_storage_key ON case_letter (storage_key) WHERE storage_key IS NOT NULL;

PRAGMA user_version = 5;
