"""A headline for a text."""

from typing import Any

from ._desk import Desk


class Headline(Desk):
    """Find the headline of an article."""

    name = "headline"
    agent_group = ["headliner"]

    def call(self, task: str, **kwargs: Any) -> str:
        return self.ask("headliner", task, case="title")
