-- Version 3: documents, and the wrapped keys of what is sealed. Times are milliseconds since 1970.

-- The key of one sealed thing. storage_key: the name of the file that opens it; binding: what it is for. Destroyed: the row is
-- overwritten and removed.
CREATE TABLE data_key (
    id          INTEGER PRIMARY KEY,
    storage_key TEXT NOT NULL,
    binding     BLOB NOT NULL,
    nonce       BLOB NOT NULL,
    ciphertext  BLOB NOT NULL
) STRICT;
CREATE INDEX data_key_storage_key ON data_key (storage_key);

-- state: 0 uploading, 1 received, 2 complete, 3 refused; a refused one has no key any more.
CREATE TABLE document (
    id         BLOB PRIMARY KEY,
    commitment BLOB NOT NULL,
    uploader   TEXT NOT NULL,
    len        INTEGER NOT NULL,
    media_type TEXT NOT NULL,
    chunk      INTEGER NOT NULL,
    salt_nonce BLOB NOT NULL,
    salt       BLOB NOT NULL,
    data_key   INTEGER,
    state      INTEGER NOT NULL DEFAULT 0,
    received   INTEGER NOT NULL DEFAULT 0,
    created    INTEGER NOT NULL,
    touched    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX document_upload ON document (commitment, uploader) WHERE state < 3;
CREATE INDEX document_unfinished ON document (state, touched) WHERE state <> 2;

-- What is stored of a document, each part one object. prefix: what the nonces of its chunks begin with.
CREATE TABLE document_part (
    document BLOB NOT NULL,
    number   INTEGER NOT NULL,
    position INTEGER NOT NULL,
    len      INTEGER NOT NULL,
    prefix   BLOB NOT NULL,
    PRIMARY KEY (document, number)
) STRICT, WITHOUT ROWID;

-- Which messages of the log cite a document: their parties may read it.
CREATE TABLE document_citation (
    commitment BLOB NOT NULL,
    idx        INTEGER NOT NULL,
    PRIMARY KEY (commitment, idx)
) STRICT, WITHOUT ROWID;
CREATE INDEX document_citation_idx ON document_citation (idx);

PRAGMA user_version = 3;
