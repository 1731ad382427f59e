"""A tactic that makes headlines: one output, a stream, and an endpoint of its own.

Serve it with `lllm serve headline:Headline --port 8001`.
"""

from pydantic import BaseModel, Field

from lllm import Tactic, TacticEvent, endpoint


class Story(BaseModel):
    text: str = Field(min_length=1)


class Title(BaseModel):
    title: str
    words: int


class Headline(Tactic[Story, Title]):
    """Turns a sentence into a headline."""

    name = "headline"

    async def _arun(self, input_value, *, context=None):
        words = input_value.text.split()
        return Title(title=" ".join(word.capitalize() for word in words), words=len(words))

    async def _astream(self, input_value, *, context=None):
        for word in input_value.text.split():
            yield word.capitalize()
        yield TacticEvent.result(await self._arun(input_value, context=context))

    @endpoint.get("/slug/{length}")
    def slug(self, story: Story, length: int):
        """The first words of a story as part of an address."""
        return {"slug": "-".join(story.text.lower().split()[:length])}
