-- Compaction: what is old moves into archive files, and the chain goes on from an anchor.

-- The last event that was moved away, and its hash, which the first event that is still here follows. One row, zeros
-- before the first compaction. A later event of the chain, `journal.compacted`, says the same.
CREATE TABLE anchor (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    seq  INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;
INSERT INTO anchor (id, seq, hash) VALUES (1, 0, zeroblob(32));

CREATE TRIGGER the_anchor_moves_onto_an_event BEFORE UPDATE ON anchor
WHEN NEW.seq <= OLD.seq OR NOT EXISTS (SELECT 1 FROM events WHERE seq = NEW.seq AND hash = NEW.hash)
BEGIN
    SELECT RAISE(ABORT, 'the anchor never moves but forward, onto an event that is there');
END;
CREATE TRIGGER the_anchor_is_never_removed BEFORE DELETE ON anchor BEGIN
    SELECT RAISE(ABORT, 'the anchor is never removed');
END;

-- The rows that the moved events had made: where a fold begins that can no longer begin at event 1.
CREATE TABLE base (
    projection TEXT NOT NULL,
    key        TEXT NOT NULL,
    value      TEXT NOT NULL,
    PRIMARY KEY (projection, key)
) STRICT, WITHOUT ROWID;

-- Only what the anchor has passed may go.
DROP TRIGGER events_are_never_deleted;
CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events WHEN OLD.seq > (SELECT seq FROM anchor) BEGIN
    SELECT RAISE(ABORT, 'an event that the anchor has not passed is never deleted');
END;
