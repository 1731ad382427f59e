"""The runtime: adapting, opening, claiming, and that its tactics are tactics."""

import pytest
from acme_shout import Megaphone
from acme_shout.tactics import SpokenTactic

from lllm import Tactic, as_tactic
from lllm.testing import Answer, Question, TacticConformance

pytestmark = pytest.mark.usefixtures("registered")


class TestTactics(TacticConformance):
    """What the runtime makes passes the suite that every runtime's tactics must pass."""

    def make(self, work):
        return SpokenTactic(work, input_type=Question, output_type=Answer)


class Announcement(Tactic[str, str]):
    """A tactic whose work the runtime does."""

    name = "announcement"
    megaphone = Megaphone(2)


def test_a_megaphone_becomes_a_tactic():
    """`as_tactic` finds the runtime by the type of the object."""
    tactic = as_tactic(Megaphone(3), name="loud")
    assert tactic.run("hello") == "HELLO!!!"
    assert tactic.info().name == "loud"


def test_a_url_opens_a_tactic():
    """`as_tactic` finds the runtime by the scheme of the URL."""
    assert as_tactic("shout://2").run("hello") == "HELLO!!"


@pytest.mark.parametrize("url", ["shout://", "shout://loud", "shout://-1"])
def test_a_url_without_a_number_is_refused(url):
    """The error shows what a URL looks like."""
    with pytest.raises(ValueError, match="a shout URL looks like shout://3"):
        as_tactic(url)


def test_a_class_with_a_megaphone_is_claimed():
    """The runtime does its work, call by call."""
    assert Announcement().run("attention") == "ATTENTION!!"


def test_a_claimed_class_is_checked_when_it_is_constructed():
    """What is no megaphone is refused before the first call."""

    class Whisper(Tactic[str, str]):
        name = "whisper"
        megaphone = "none"

    with pytest.raises(TypeError, match="`megaphone` of `whisper` is a str"):
        Whisper()
    with pytest.raises(TypeError, match="`announcement` takes no config"):
        Announcement(config={"marks": 2})
