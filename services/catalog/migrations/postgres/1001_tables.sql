-- The tables of a version's file: how many, and the first hundred in brief where there are several. As JSON:
-- {"count", "shown": [{"table", "figures": [rows, columns] or null, "error": [reason, message] or null}]}. A count of 0 was not noted.
ALTER TABLE versions ADD COLUMN tables TEXT NOT NULL DEFAULT '{"count": 0, "shown": []}';
