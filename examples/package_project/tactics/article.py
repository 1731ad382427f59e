"""An article on a topic."""

from typing import Any

from ._desk import Desk
from .headline import Headline


class Article(Desk):
    """Write an article, edit it, and put a headline above it."""

    name = "article"
    agent_group = ["reporter", "editor"]

    def __init__(self, config: Any, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.headline = Headline(config)

    def call(self, task: str, **kwargs: Any) -> str:
        draft = self.ask("reporter", f"Write about {task}.", words=100)
        text = self.ask("editor", f"Edit this:\n\n{draft}")
        return f"{self.headline(text)}\n\n{text}"
