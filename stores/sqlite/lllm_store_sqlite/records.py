"""The tables of channels, artifacts, snapshots and retention rules: a JSON document each, and its keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lllm_store_sqlite.ids import pack_id
from lllm_store_sqlite.tables import Tables

__all__ = ["RecordReads", "RecordWrites"]

_COUNTS = """
SELECT (SELECT count(*) FROM channels WHERE document IS NOT NULL) AS channels,
       (SELECT count(*) FROM events) + (SELECT count(*) FROM recent) AS events,
       (SELECT count(*) FROM subscriptions) AS subscriptions,
       (SELECT count(*) FROM artifacts) AS artifacts,
       (SELECT count(DISTINCT name) FROM snapshots) AS snapshots,
       (SELECT count(*) FROM deliveries WHERE cursor > 0) AS waiting
"""


class RecordReads(Tables):
    """Reading channels, artifacts, snapshots and retention rules."""

    def channel(self, name: str) -> str | None:
        """Return the document of a channel."""
        return self._one("SELECT document FROM channels WHERE name = ?", name)

    def channels(self) -> list[str]:
        """Return the documents of all channels, by name."""
        return self._all("SELECT document FROM channels WHERE document IS NOT NULL ORDER BY name")

    def artifact(self, artifact_id: str) -> str | None:
        """Return the document of an artifact."""
        return self._one("SELECT document FROM artifacts WHERE id = ?", artifact_id)

    def artifacts(
        self, *, channel: str | None = None, event_id: str | None = None, after: int = 0, limit: int
    ) -> list[tuple[int, str]]:
        """Return artifacts in the order they were written, each with its running number.

        Args:
            channel: Only those of this channel.
            event_id: Only those that name this event.
            after: Running number below the first.
            limit: Most artifacts.
        """
        source, clauses = "artifacts", ["number > ?"]
        values: list[Any] = [after]
        if event_id is not None:
            source = "artifact_events JOIN artifacts ON number = artifact"
            clauses.append("event = ?")
            values.append(pack_id(event_id))
        if channel is not None:
            clauses.append("channel = ?")
            values.append(self.number_of(channel))
        return self.execute(
            f"SELECT number, document FROM {source} WHERE {' AND '.join(clauses)} ORDER BY number LIMIT ?",
            (*values, limit),
        ).fetchall()

    def artifact_paths(self) -> set[str]:
        """Return the path of every file that an artifact names."""
        return set(self._all("SELECT DISTINCT path FROM artifacts"))

    def snapshot(self, name: str, revision: int | None = None) -> str | None:
        """Return the document of a snapshot, the newest revision when none is named."""
        if revision is not None:
            return self._one("SELECT document FROM snapshots WHERE name = ? AND revision = ?", name, revision)
        return self._one("SELECT document FROM snapshots WHERE name = ? ORDER BY revision DESC LIMIT 1", name)

    def snapshot_revision(self, name: str) -> int:
        """Return the last revision that a name ever had, 0 when it had none."""
        found = self.execute("SELECT revision FROM snapshot_names WHERE name = ?", (name,)).fetchone()
        return 0 if found is None else int(found[0])

    def snapshot_history(self, name: str, limit: int) -> list[str]:
        """Return the kept revisions of a snapshot, newest first."""
        return self._all(
            "SELECT document FROM snapshots WHERE name = ? ORDER BY revision DESC LIMIT ?", name, limit
        )

    def snapshots(self, channel: str | None = None) -> list[str]:
        """Return the newest revision of every snapshot, or of those of a channel, by name."""
        newest = "SELECT document FROM snapshot_names JOIN snapshots USING (name, revision)"
        if channel is None:
            return self._all(f"{newest} ORDER BY name")
        return self._all(f"{newest} WHERE channel = ? ORDER BY name", self.number_of(channel))

    def retention(self, channel: str) -> str | None:
        """Return the retention rule of a channel."""
        return self._one("SELECT document FROM retention WHERE channel = ?", self.number_of(channel))

    def counts(self) -> dict[str, int]:
        """Return how many records of each sort there are."""
        found = self.execute(_COUNTS)
        names = [column[0] for column in found.description]
        return dict(zip(names, found.fetchone(), strict=True))

    def _one(self, statement: str, *values: Any) -> str | None:
        found = self.execute(statement, values).fetchone()
        return None if found is None else found[0]

    def _all(self, statement: str, *values: Any) -> list[str]:
        return [row[0] for row in self.execute(statement, values)]


class RecordWrites(RecordReads):
    """Changing channels, artifacts, snapshots and retention rules."""

    def put_channel(self, name: str, doc: str) -> None:
        """Create a channel or replace its document; its cursors go on where they were."""
        self.execute(
            """INSERT INTO channels(name, document) VALUES (?, ?)
            ON CONFLICT (name) DO UPDATE SET document = excluded.document""",
            (name, doc),
        )

    def put_artifact(
        self, artifact_id: str, channel: str | None, path: str, event_ids: Sequence[str], doc: str
    ) -> None:
        """Store the record of an artifact.

        Args:
            artifact_id: Its id, which is new.
            channel: Channel that it belongs to.
            path: Its file.
            event_ids: Events that it belongs to.
            doc: The record.
        """
        cursor = self.execute(
            "INSERT INTO artifacts(id, channel, path, document) VALUES (?, ?, ?, ?)",
            (artifact_id, None if channel is None else self.number_of(channel), path, doc),
        )
        self.connection.executemany(
            "INSERT OR IGNORE INTO artifact_events VALUES (?, ?)",
            [(pack_id(event_id), cursor.lastrowid) for event_id in event_ids],
        )

    def delete_artifact(self, artifact_id: str) -> None:
        """Drop the record of an artifact."""
        self.execute(
            "DELETE FROM artifact_events WHERE artifact = (SELECT number FROM artifacts WHERE id = ?)",
            (artifact_id,),
        )
        self.execute("DELETE FROM artifacts WHERE id = ?", (artifact_id,))

    def put_snapshot(self, name: str, revision: int, channel: str | None, doc: str, keep: int) -> None:
        """Store the next revision of a snapshot.

        Args:
            name: Its name.
            revision: The revision.
            channel: Channel that it summarises.
            doc: The record.
            keep: How many revisions stay.
        """
        self.execute("INSERT OR REPLACE INTO snapshot_names VALUES (?, ?)", (name, revision))
        self.execute(
            "INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?)",
            (name, revision, None if channel is None else self.number_of(channel), doc),
        )
        self.execute("DELETE FROM snapshots WHERE name = ? AND revision <= ?", (name, revision - keep))

    def delete_snapshot(self, name: str) -> None:
        """Drop every revision of a snapshot; the next write continues their count."""
        self.execute("DELETE FROM snapshots WHERE name = ?", (name,))

    def put_retention(self, channel: str, doc: str | None) -> None:
        """Store the retention rule of a channel, or drop it with None."""
        if doc is None:
            self.execute("DELETE FROM retention WHERE channel = ?", (self.number_of(channel),))
        else:
            self.execute("INSERT OR REPLACE INTO retention VALUES (?, ?)", (self.number_of(channel), doc))
