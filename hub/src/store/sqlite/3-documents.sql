-- Version 3: documents.

PRAGMA user_version = 3;
