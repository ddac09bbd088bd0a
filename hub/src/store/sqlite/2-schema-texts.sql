-- Version 2: the texts of schemas, by their SHA-256. Receipts name texts by it, so they are never removed.

CREATE TABLE schema_text (
    sha256 BLOB PRIMARY KEY,
    text   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 2;
