"""Tactics that the tests of the boundary share."""

import pytest
from pydantic import BaseModel

from lllm import Tactic


class EchoInput(BaseModel):
    text: str


class EchoOutput(BaseModel):
    text: str


class Echo(Tactic[EchoInput, EchoOutput]):
    name = "echo"

    def _run(self, input_value, *, context=None):
        return EchoOutput(text=input_value.text.upper())


@pytest.fixture
def echo():
    """A typed, synchronous tactic that upper-cases a text."""
    return Echo()
