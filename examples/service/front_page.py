"""A tactic that needs another one and knows only its ref; `.psi/config.toml` says where that one is.

Serve it with `lllm serve front_page:FrontPage --port 8002`.
"""

import asyncio
from pathlib import Path

from pydantic import BaseModel

from lllm import Tactic, TacticResolver

HEADLINE = "psi://demo/news/tactics/headline"


class Stories(BaseModel):
    stories: list[str]


class Page(BaseModel):
    titles: list[str]


class FrontPage(Tactic[Stories, Page]):
    """Puts headlines on a page, whoever writes them."""

    name = "front-page"

    def __init__(self, resolver=None):
        super().__init__()
        self.resolver = resolver or TacticResolver.from_config(Path(__file__).parent)

    async def _arun(self, input_value, *, context=None):
        written = (
            self.resolver.arun(HEADLINE, {"text": story}, context=context) for story in input_value.stories
        )
        titles = [answer["title"] for answer in await asyncio.gather(*written)]
        return Page(titles=titles)
