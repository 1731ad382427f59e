"""The tables of a store, and the number that stamps their format."""

from __future__ import annotations

import sqlite3

__all__ = ["DATABASE", "FORMAT", "create_tables", "format_of"]

DATABASE = "sssn.sqlite"
"""File name of the database inside the store directory."""

FORMAT = 1
"""What `PRAGMA user_version` says about tables of this layout; the reference left it at 0."""

_TABLES = """
CREATE TABLE meta(
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

-- A dropped channel keeps its row without a document, so that its numbers and cursors are never reused.
CREATE TABLE channels(
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    document TEXT,
    head INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE events(
    position INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL,
    cursor INTEGER NOT NULL,
    id BLOB NOT NULL,
    kind TEXT NOT NULL,
    timestamp REAL NOT NULL,
    correlation BLOB,
    seal INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE UNIQUE INDEX events_by_cursor ON events(channel, cursor);
CREATE INDEX events_by_kind ON events(channel, kind, cursor);
CREATE UNIQUE INDEX events_by_id ON events(id);
CREATE INDEX events_by_correlation ON events(correlation) WHERE correlation IS NOT NULL;

-- The newest events, in a table without indexes: events.py says why.
CREATE TABLE recent(
    position INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL,
    cursor INTEGER NOT NULL,
    id BLOB NOT NULL,
    kind TEXT NOT NULL,
    timestamp REAL NOT NULL,
    correlation BLOB,
    seal INTEGER NOT NULL,
    body BLOB NOT NULL
);

-- Positions of events: who came from whom.
CREATE TABLE links(
    parent INTEGER NOT NULL,
    child INTEGER NOT NULL,
    PRIMARY KEY (parent, child)
) WITHOUT ROWID;

CREATE TABLE removed(
    id BLOB PRIMARY KEY,
    channel INTEGER NOT NULL,
    cursor INTEGER NOT NULL,
    timestamp REAL NOT NULL,
    position INTEGER NOT NULL,
    digest TEXT NOT NULL,
    removed_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX removed_by_time ON removed(removed_at);

CREATE TABLE subscriptions(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    channel INTEGER NOT NULL,
    kind TEXT,
    document TEXT NOT NULL,
    secret TEXT NOT NULL
);
CREATE INDEX subscriptions_by_channel ON subscriptions(channel);

-- One row for each event that a subscription waits for. The row with the cursor 0 is the state of the
-- subscription itself, beside them so that an ack writes one page.
CREATE TABLE deliveries(
    subscription INTEGER NOT NULL,
    cursor INTEGER NOT NULL,
    attempt INTEGER,
    due REAL,
    leased INTEGER,
    error TEXT,
    floor INTEGER,
    handed INTEGER,
    waiting INTEGER,
    dead_lettered INTEGER,
    PRIMARY KEY (subscription, cursor)
) WITHOUT ROWID;

CREATE TABLE outcomes(
    subscription INTEGER NOT NULL,
    cursor INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    finished_at REAL NOT NULL,
    PRIMARY KEY (subscription, cursor)
) WITHOUT ROWID;
CREATE INDEX outcomes_by_time ON outcomes(finished_at);

CREATE TABLE artifacts(
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    channel INTEGER,
    path TEXT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX artifacts_by_channel ON artifacts(channel) WHERE channel IS NOT NULL;

CREATE TABLE artifact_events(
    event BLOB NOT NULL,
    artifact INTEGER NOT NULL,
    PRIMARY KEY (event, artifact)
) WITHOUT ROWID;
CREATE INDEX artifact_events_by_artifact ON artifact_events(artifact);

-- A deleted snapshot keeps its row here, so that its revisions continue.
CREATE TABLE snapshot_names(
    name TEXT PRIMARY KEY,
    revision INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE snapshots(
    name TEXT NOT NULL,
    revision INTEGER NOT NULL,
    channel INTEGER,
    document TEXT NOT NULL,
    UNIQUE (name, revision)
);

CREATE TABLE retention(
    channel INTEGER PRIMARY KEY,
    document TEXT NOT NULL
);
"""


def create_tables(connection: sqlite3.Connection) -> None:
    """Create every table and stamp the format, inside the transaction that is open.

    Args:
        connection: Connection to a database without tables of these names.
    """
    for statement in _TABLES.split(";"):
        if statement.strip():
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {FORMAT}")


def format_of(connection: sqlite3.Connection) -> int:
    """Return the format number that the database is stamped with, 0 when it is new or the reference's.

    Args:
        connection: Connection to the database.
    """
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    return int(number)
