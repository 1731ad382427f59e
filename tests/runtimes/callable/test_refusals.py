"""What is no callable is refused before this runtime is asked, although it adapts every object."""

import pytest

import lllm
from lllm import as_tactic
from lllm.entrypoint import load_tactic_entrypoint, tactic_from_target


class Shouting:
    """An object that can be called."""

    def __call__(self, text: str) -> str:
        return text.upper()


@pytest.mark.parametrize("target", [3, None, [], object(), b"x"])
def test_what_cannot_be_called_is_no_tactic(target):
    """Both ways to a tactic say so in the same words."""
    text = rf"did not resolve to a tactic or callable, got {type(target).__name__}"
    with pytest.raises(TypeError, match=text):
        as_tactic(target)
    with pytest.raises(TypeError, match="app:target " + text):
        tactic_from_target(target, "app:target")


def test_an_entry_point_of_a_plain_value_is_refused():
    """The entry point is named."""
    with pytest.raises(TypeError, match=r"lllm:__version__ did not resolve to a tactic or callable, got str"):
        load_tactic_entrypoint("lllm:__version__")
    assert isinstance(lllm.__version__, str)


def test_what_can_be_called_is_a_tactic():
    """An object of any class with `__call__` is adapted."""
    assert as_tactic(Shouting(), name="shout").run("a") == "A"
    assert tactic_from_target(len, "app:len").run("abc") == 3
