-- Version 6: which cases are after which evidence. asking: whether the case has asked, or waits for what another has asked for.
CREATE TABLE case_seeking (
    subject  BLOB NOT NULL,
    type     TEXT NOT NULL,
    provider TEXT NOT NULL,
    case_id  TEXT NOT NULL,
    asking   INTEGER NOT NULL,
    PRIMARY KEY (subject, type, provider, case_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX case_seeking_case ON case_seeking (case_id);

PRAGMA user_version = 6;
