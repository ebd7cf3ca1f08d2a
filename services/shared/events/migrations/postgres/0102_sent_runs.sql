-- Which rows of the outbox were published, and where: runs of rows that follow each other here and in the stream. A row
-- that no run holds waits. So noting a batch, or taking back what a stream lost, writes a row or two, however many events
-- it is.
CREATE TABLE outbox_sent (
    first BIGINT PRIMARY KEY,
    last BIGINT NOT NULL,
    stream_first BIGINT NOT NULL,
    began BIGINT NOT NULL,
    ended BIGINT NOT NULL
);
INSERT INTO outbox_sent (first, last, stream_first, began, ended)
    SELECT MIN(position), MAX(position), MIN(stream_position), MIN(sent), MAX(sent)
    FROM (SELECT position, stream_position, sent,
              position - ROW_NUMBER() OVER (ORDER BY position) AS here,
              stream_position - ROW_NUMBER() OVER (ORDER BY position) AS there
          FROM outbox WHERE stream_position IS NOT NULL) AS kept
    GROUP BY here, there;

-- What the runs tell, and the index by id, which nobody looked anything up by.
DROP INDEX outbox_unsent;
DROP INDEX outbox_stream;
ALTER TABLE outbox DROP COLUMN sent;
ALTER TABLE outbox DROP COLUMN stream_position;
ALTER TABLE outbox DROP CONSTRAINT outbox_id_key;
