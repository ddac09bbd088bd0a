-- What auditors asked: salt and text, sealed. The entry of the log at idx has the commitment too. There are few of them.
CREATE TABLE query (
    idx         INTEGER PRIMARY KEY,
    storage_key TEXT NOT NULL,
    nonce       BLOB NOT NULL,
    ciphertext  BLOB NOT NULL,
    commitment  BLOB NOT NULL,
    content     BLOB NOT NULL
) STRICT;

PRAGMA user_version = 10;
