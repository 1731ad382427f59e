"""The sandbox: time, sizes, metadata."""

import asyncio
import time

import pytest
from pydantic import ValidationError

from lllm import CallContext, Tactic
from lllm_wrappers import SandboxLimitError, SandboxPolicy, SandboxTimeoutError, sandbox_tactic


def test_defaults_and_metadata(echo):
    """Name, description and metadata are exact; the policy is shown without its nulls."""
    sandbox = sandbox_tactic(echo, {"timeout_seconds": 1.5, "allowed_metadata_keys": ["a"]})
    assert (sandbox.tactic_name, sandbox.runtime_kind) == ("echo_sandbox", "sandbox")
    assert sandbox.info().description == "Sandbox wrapper for echo."
    assert sandbox.info().metadata == {
        "sandboxed_tactic": "echo",
        "sandboxed_runtime_kind": "python",
        "sandbox_policy": {"timeout_seconds": 1.5, "allowed_metadata_keys": ["a"]},
    }


@pytest.mark.parametrize(
    "policy",
    [
        {"timeout_seconds": 0},
        {"timeout_seconds": True},
        {"timeout_seconds": float("inf")},
        {"max_input_bytes": 0},
        {"max_input_bytes": True},
        {"max_output_bytes": -1},
        {"allowed_metadata_keys": "a"},
        {"allowed_metadata_keys": {"a"}},
        {"allowed_metadata_keys": ["a b"]},
        {"timeout": 1},
    ],
)
def test_policies_are_strict(policy):
    """Booleans, zero, strings for lists and unknown keys are refused by name."""
    with pytest.raises(ValidationError, match=next(iter(policy))):
        SandboxPolicy(**policy)


def test_the_policy_is_copied_and_typed(echo):
    """Later changes of the caller's policy do not reach the sandbox."""
    policy = SandboxPolicy(max_input_bytes=100)
    sandbox = sandbox_tactic(echo, policy)
    policy.max_input_bytes = 1
    assert sandbox.run({"text": "hi"}).text == "HI"
    for bad in ("x", 5, [("a", 1)]):
        with pytest.raises(TypeError, match="policy must be"):
            sandbox_tactic(echo, bad)


def test_metadata_tags_and_extras_need_leave(echo):
    """Keys from all three are checked against the allow-list."""
    sandbox = sandbox_tactic(echo, {"allowed_metadata_keys": ("ok",)})
    assert sandbox.run({"text": "x"}, context=CallContext(metadata={"ok": 1})).text == "X"
    context = CallContext(metadata={"b": 1}, tags={"a": "x"}, robot=1)
    with pytest.raises(
        SandboxLimitError, match=r"^Context metadata keys are not allowed: a, b, robot$"
    ) as caught:
        sandbox.run({"text": "x"}, context=context)
    assert caught.value.kind == "metadata"


def test_sizes_are_those_of_the_json_form(tactics, echo):
    """Both messages give the size and the limit."""
    size = len(b'{"text":"hello"}')
    assert sandbox_tactic(echo, {"max_input_bytes": size}).run({"text": "hello"}).text == "HELLO"
    with pytest.raises(SandboxLimitError, match=rf"^input is {size} bytes; limit is {size - 1} bytes\.$"):
        sandbox_tactic(echo, {"max_input_bytes": size - 1}).run({"text": "hello"})
    with pytest.raises(SandboxLimitError, match=rf"^output is {size} bytes; limit is 3 bytes\.$"):
        asyncio.run(sandbox_tactic(echo, {"max_output_bytes": 3}).arun({"text": "hello"}))


def test_a_service_is_told_how_much_to_read(echo):
    """More than any input within the limit can take, with room for a context; nothing without a limit."""
    assert sandbox_tactic(echo).max_body_bytes is None
    assert sandbox_tactic(echo, {"max_input_bytes": 1000}).max_body_bytes == 69_536


def test_odd_values_can_be_sized():
    """Mixed keys, objects and cycles never make the sizing itself fail."""

    class Loose(Tactic):
        def _run(self, input_value, *, context=None):
            return input_value

    loop = []
    loop.append(loop)
    sandbox = sandbox_tactic(Loose(), {"max_input_bytes": 10_000, "max_output_bytes": 10_000})
    for value in ({1: 2, "a": 3, None: 4, (1, 2): 5}, object(), loop, {"x": float("nan")}, b"\xff"):
        sandbox.run(value)


def test_streams_are_limited_as_a_whole(tactics, echo):
    """The sizes of chunks add up."""
    sandbox = sandbox_tactic(echo, {"max_output_bytes": 7})
    with pytest.raises(SandboxLimitError, match="output is 9 bytes"):
        list(sandbox.stream({"text": "abcd"}))
    with pytest.raises(SandboxLimitError, match="output is 9 bytes"):
        asyncio.run(tactics["collect"](sandbox.astream({"text": "abcd"})))


def test_timeouts_hold_on_every_path(tactics):
    """run, arun, stream and astream end in time, and the work is told to stop."""
    for call in (
        lambda t: t.run({"text": "ab"}),
        lambda t: asyncio.run(t.arun({"text": "ab"})),
        lambda t: list(t.stream({"text": "ab"})),
        lambda t: asyncio.run(tactics["collect"](t.astream({"text": "ab"}))),
    ):
        sleepy = tactics["sleepy"](5)
        start = time.monotonic()
        with pytest.raises(SandboxTimeoutError, match=r"^Tactic exceeded timeout of 0.05 seconds\.$"):
            call(sandbox_tactic(sleepy, {"timeout_seconds": 0.05}))
        assert time.monotonic() - start < 2
        deadline = time.monotonic() + 2
        while not sleepy.stopped and time.monotonic() < deadline:
            time.sleep(0.005)
        assert sleepy.stopped


def test_inner_timeouts_are_not_relabelled(tactics):
    """A TimeoutError of the tactic's own stays one."""
    sandbox = sandbox_tactic(tactics["flaky"](1, TimeoutError), {"timeout_seconds": 5})
    with pytest.raises(TimeoutError, match="failure 1") as caught:
        sandbox.run({"text": "x"})
    assert not isinstance(caught.value, SandboxTimeoutError)


def test_a_timeout_does_not_cancel_the_caller(tactics):
    """Only the sandbox's own work is told to stop."""
    context = CallContext()
    with pytest.raises(SandboxTimeoutError):
        sandbox_tactic(tactics["sleepy"](5), {"timeout_seconds": 0.02}).run({"text": "x"}, context=context)
    assert not context.cancelled
