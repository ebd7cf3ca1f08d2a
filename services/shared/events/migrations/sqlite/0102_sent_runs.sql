-- Which rows of the outbox were published, and where: runs of rows that follow each other here and in the stream. A row
-- that no run holds waits. So noting a batch, or taking back what a stream lost, writes a row or two, however many events
-- it is.
CREATE TABLE outbox_sent (
    first        INTEGER PRIMARY KEY,
    last         INTEGER NOT NULL,
    stream_first INTEGER NOT NULL,
    began        INTEGER NOT NULL,
    ended        INTEGER NOT NULL
) STRICT;
INSERT INTO outbox_sent (first, last, stream_first, began, ended)
    SELECT MIN(position), MAX(position), MIN(stream_position), MIN(sent), MAX(sent)
    FROM (SELECT position, stream_position, sent,
              position - ROW_NUMBER() OVER (ORDER BY position) AS here,
              stream_position - ROW_NUMBER() OVER (ORDER BY position) AS there
          FROM outbox WHERE stream_position IS NOT NULL) AS kept
    GROUP BY here, there;

-- The same table without what the runs tell, and without an index by id, which nobody looked anything up by.
CREATE TABLE outbox_lean (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id       TEXT NOT NULL,
    thing    TEXT NOT NULL,
    key      TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    envelope BLOB NOT NULL,
    created  INTEGER NOT NULL
) STRICT;
INSERT INTO outbox_lean (position, id, thing, key, sequence, envelope, created)
    SELECT position, id, thing, key, sequence, envelope, created FROM outbox;
DROP TABLE outbox;
ALTER TABLE outbox_lean RENAME TO outbox;
