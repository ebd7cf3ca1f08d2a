-- What was given up is counted every few seconds, among all that ever ended.
CREATE INDEX work_failed ON work (queue) WHERE phase = 'failed';
