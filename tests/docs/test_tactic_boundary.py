"""Seeds 001, "Tactic", and 002, "Tactic Boundary": their code blocks, verbatim, and what they claim."""

import asyncio
import json

import pytest

from lllm import CallContext, SchemaError, TacticInfo

CALL_SHAPE = """\
{
  "input": {"text": "hello"},
  "context": {
    "request_id": "req-1",
    "trace_id": "trace-1",
    "metadata": {"caller": "demo"}
  }
}
"""

TACTIC = """\
from pydantic import BaseModel
from lllm import Tactic


class EchoInput(BaseModel):
    text: str


class EchoOutput(BaseModel):
    text: str


class EchoTactic(Tactic[EchoInput, EchoOutput]):
    name = "echo"
    input_type = EchoInput
    output_type = EchoOutput

    def _run(self, input_value, *, context=None):
        return EchoOutput(text=input_value.text.upper())
"""

TRACE = """\
result = tactic.run(
    {"text": "hello"},
    context=CallContext(trace_id="trace-1"),
    return_trace=True,
)

assert result.trace.state == "success"
"""


@pytest.fixture
def tactic(page):
    """The minimal tactic of the page."""
    page.run(TACTIC)
    return page.names["EchoTactic"]()


def test_the_trace_block_runs(page, tactic):
    """With the tactic and the context that the page speaks of, the block about traces holds."""
    page.names |= {"tactic": tactic, "CallContext": CallContext}
    page.run(TRACE)
    assert page.names["result"].output.text == "HELLO"


def test_the_call_shape_is_a_call(tactic):
    """The envelope of seed 001: its input runs, its context is a `CallContext`."""
    call = json.loads(CALL_SHAPE)
    context = CallContext(**call["context"])
    result = tactic.run(call["input"], context=context, return_trace=True)
    assert (result.trace.request_id, result.trace.metadata) == ("req-1", {"caller": "demo"})
    assert result.output.text == "HELLO"


def test_run_and_arun_validate_on_both_sides(tactic):
    """Both public paths refuse the same input and give the same output."""
    assert tactic.run({"text": "a"}) == asyncio.run(tactic.arun({"text": "a"}))
    with pytest.raises(SchemaError, match="EchoInput"):
        tactic.run({"text": 1})
    with pytest.raises(SchemaError, match="EchoInput"):
        asyncio.run(tactic.arun({"text": 1}))


def test_info_is_the_contract_that_others_inspect(tactic):
    """Name, description, schemas, capabilities, runtime kind, refs, examples and metadata."""
    info = tactic.info()
    assert isinstance(info, TacticInfo)
    assert set(info.model_dump()) == {
        *("name", "description", "input_schema", "output_schema", "capabilities", "runtime_kind"),
        *("package_ref", "service_ref", "examples", "metadata"),
    }
    assert (info.name, info.runtime_kind, info.capabilities) == ("echo", "python", ("arun", "run"))
    assert info.input_schema["properties"]["text"]["type"] == "string"


@pytest.mark.parametrize("name", ["a/b", "a\\b", "a:b", "a%b", "a;b", "", " "])
def test_names_avoid_path_control_characters(page, tactic, name):
    """A display name may have spaces, but none of the characters that the page lists."""
    assert type(tactic)(name="say it again").tactic_name == "say it again"
    with pytest.raises(ValueError, match="name"):
        type(tactic)(name=name)


@pytest.mark.parametrize("token", ["a b", "a\tb", "a;b", "a/b"])
def test_tokens_avoid_white_space(token):
    """Request ids are tokens."""
    with pytest.raises(ValueError, match="request_id"):
        CallContext(request_id=token)


def test_metadata_has_string_keys_and_is_copied(tactic):
    """Metadata given to a tactic is its own from then on, and comes back as a copy."""
    given = {"labels": ["a"]}
    described = type(tactic)(metadata=given)
    given["labels"].append("b")
    described.info().metadata["labels"].append("c")
    assert described.info().metadata == {"labels": ["a"]}
    with pytest.raises(TypeError, match="metadata"):
        type(tactic)(metadata={1: "a"})
