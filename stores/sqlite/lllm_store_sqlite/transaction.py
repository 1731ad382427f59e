"""What a work sees: every table, for reading and for writing."""

from __future__ import annotations

from lllm_store_sqlite.appending import EventWrites
from lllm_store_sqlite.events import EventReads
from lllm_store_sqlite.records import RecordReads, RecordWrites
from lllm_store_sqlite.subscriptions import SubscriptionReads, SubscriptionWrites

__all__ = ["SQLiteReader", "SQLiteWriter"]


class SQLiteReader(EventReads, SubscriptionReads, RecordReads):
    """One consistent state of the store."""


class SQLiteWriter(EventWrites, SubscriptionWrites, RecordWrites):
    """One transaction on the store."""

    def drop_channel(self, name: str) -> None:
        """Drop a channel with its events, subscriptions and retention rule; its cursors are never reused.

        Args:
            name: Name of the channel.
        """
        number = self.number_of(name)
        for row in self.subscriptions(name):
            self.delete_subscription(row.number)
        self.put_retention(name, None)
        self.remove_events(name, self.head(name) or 0, ())
        self.execute("UPDATE channels SET document = NULL WHERE number = ?", (number,))
        self.forget()
