-- The first shape of the journal. STRICT, so that a value of another type than declared is refused and not kept.

-- "SYZG": tells a journal from the SQLite file of any other program.
PRAGMA application_id = 0x53595A47;

-- The hash of the event before is not stored: it is the hash in the row before, and a second copy could disagree.
CREATE TABLE events (
    seq    INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    run    TEXT,
    source TEXT NOT NULL,
    body   TEXT NOT NULL,
    hash   BLOB NOT NULL
) STRICT;

CREATE INDEX events_by_run ON events (run) WHERE run IS NOT NULL;

-- A hand on the wrong database shell is told no. A forger drops the triggers first, and is found by the chain.
CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events BEGIN
    SELECT RAISE(ABORT, 'an event is never changed');
END;
CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events BEGIN
    SELECT RAISE(ABORT, 'an event is never deleted');
END;

-- Where the chain ends, so that a cut tail is noticed. One row.
CREATE TABLE head (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    seq  INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;
INSERT INTO head (id, seq, hash) VALUES (1, 0, zeroblob(32));

-- `id` has no gaps and `after` is the last event when the payload came, so that a missing payload is noticed and placed.
CREATE TABLE payloads (
    id    INTEGER PRIMARY KEY,
    hash  BLOB NOT NULL UNIQUE,
    after INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE rows (
    projection TEXT NOT NULL,
    key        TEXT NOT NULL,
    value      TEXT NOT NULL,
    PRIMARY KEY (projection, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE cursors (
    projection TEXT PRIMARY KEY,
    version    INTEGER NOT NULL,
    seq        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
