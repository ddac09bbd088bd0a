-- Version 7: documents that no message cites are counted, and removed after a while. Once cited, a document goes with the last
-- message that cites it.
ALTER TABLE document ADD COLUMN cited INTEGER NOT NULL DEFAULT 0;
UPDATE document SET cited = 1
 WHERE EXISTS (SELECT 1 FROM document_citation WHERE document_citation.commitment = document.commitment);
CREATE INDEX document_uncited ON document (uploader, touched) WHERE cited = 0 AND state < 3;

PRAGMA user_version = 7;
