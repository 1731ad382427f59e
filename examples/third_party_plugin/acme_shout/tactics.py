"""Tactics that shout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from acme_shout.megaphone import Megaphone
from lllm import CallContext, Tactic


class ShoutInput(BaseModel):
    """What to shout."""

    text: str


class ShoutOutput(BaseModel):
    """What was shouted."""

    text: str


class Shout(Tactic[ShoutInput, ShoutOutput]):
    """The tactic behind the ref `psi://acme/shout/tactics/shout`."""

    name = "shout"
    description = "Says a text in capital letters."

    def _run(self, input_value: ShoutInput, *, context: CallContext | None = None) -> ShoutOutput:
        return ShoutOutput(text=Megaphone().say(input_value.text))


class SpokenTactic(Tactic[Any, Any]):
    """A tactic around a function that says something; what the runtime `shout` makes.

    Args:
        say: Takes the validated input and returns the output.
        input_type: Schema of the input.
        output_type: Schema of the output.
        **options: The keyword arguments of `Tactic`, such as `name` and `description`.
    """

    def __init__(
        self, say: Callable[[Any], Any], *, input_type: Any = str, output_type: Any = str, **options: Any
    ) -> None:
        self.say = say
        self.input_type = input_type
        self.output_type = output_type
        super().__init__(**{"name": "shout", **options})

    def _run(self, input_value: Any, *, context: CallContext | None = None) -> Any:
        return self.say(input_value)
