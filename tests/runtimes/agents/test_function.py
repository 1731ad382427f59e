"""Tools: schemas from signatures, checked arguments, results and errors."""

import asyncio
import contextvars
import enum
import re
import threading
from typing import Annotated, Literal, Optional

import pytest
from pydantic import BaseModel, Field, ValidationError

from lllm_runtime_agents import Function, FunctionCall, Invokers, tool


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Place(BaseModel):
    name: str
    size: int = 1


def call(name="f", **arguments):
    return FunctionCall(id="1", name=name, arguments=arguments)


def test_a_declaration_is_exactly_what_providers_take():
    """Key by key, in order."""
    declared = Function(name="n", description="d", properties={}).to_tool(Invokers.LITELLM)
    assert declared == {
        "type": "function",
        "function": {
            "name": "n",
            "description": "d",
            "parameters": {"type": "object", "properties": {}, "required": [], "additionalProperties": False},
            "strict": True,
        },
    }
    assert list(declared["function"]) == ["name", "description", "parameters", "strict"]
    with pytest.raises(NotImplementedError):
        Function(name="n", description="d", properties={}).to_tool("other")


def test_the_signature_gives_the_schema():
    """Types, defaults, literals, enums, lists, unions and models are described; `self` is left out."""

    class Tools:
        def find(
            self,
            text,
            count: int,
            kind: Literal["a", "b"],
            color: Color,
            numbers: list[int],
            places: list[Place],
            note: Annotated[str, Field(description="a note")],
            limit: int | None = None,
            word: Optional[str] = "x",  # noqa: UP045 - the old spelling must work too
        ):
            """Find things.

            Everywhere.
            """

    function = Function.from_callable(Tools().find, prop_desc={"count": "how many"}, strict=False)
    assert function.name == "find"
    assert function.description == "Find things.\n\nEverywhere."
    assert function.required == ["text", "count", "kind", "color", "numbers", "places", "note"]
    properties = function.properties
    assert properties["text"] == {"type": "string"}
    assert properties["count"] == {"type": "integer", "description": "how many"}
    assert properties["kind"] == {"type": "string", "enum": ["a", "b"]}
    assert properties["numbers"] == {"type": "array", "items": {"type": "integer"}}
    assert properties["note"] == {"type": "string", "description": "a note"}
    assert properties["limit"]["description"] == "(default: None)"
    assert properties["word"]["description"] == "(default: x)"
    parameters = function.to_tool()["function"]["parameters"]
    assert parameters["$defs"]["Place"]["required"] == ["name"]
    assert properties["color"]["enum"] == ["red", "blue"]
    assert properties["places"]["items"] == {"$ref": "#/$defs/Place"}
    assert Function.from_callable(Tools.find).required[0] == "text"


def test_strict_tools_require_every_parameter():
    """What was optional becomes nullable, at every depth, as providers demand."""

    @tool
    def find(place: Place, places: list[Place], count: int = 3, kind: Literal["a"] = "a") -> str:
        return ""

    parameters = find.to_tool()["function"]["parameters"]
    assert parameters["required"] == ["place", "places", "count", "kind"]
    assert parameters["properties"]["place"]["required"] == ["name", "size"]
    assert parameters["properties"]["count"]["type"] == ["integer", "null"]
    assert {"type": "null"} in parameters["properties"]["kind"]["anyOf"]
    assert parameters["$defs"]["Place"]["required"] == ["name", "size"]
    assert parameters["$defs"]["Place"]["additionalProperties"] is False
    assert "default" not in parameters["$defs"]["Place"]["properties"]["size"]
    assert find.required == ["place", "places"]


def test_the_decorator_works_with_and_without_parentheses():
    """Both give a tool; the options go through."""

    @tool
    def one(a: int) -> int:
        """One."""
        return a

    @tool("Two.", {"a": "a number"}, name="zwei", strict=False, processor=lambda result, call: f"<{result}>")
    def two(a: int) -> int:
        return a

    assert (one.name, one.description, one.strict) == ("one", "One.", True)
    assert (two.name, two.description, two.strict) == ("zwei", "Two.", False)
    assert two.properties["a"]["description"] == "a number"
    assert two(call(a=1)).result_str == "<1>"


def test_a_result_is_told_in_a_fixed_form():
    """The text names the tool, its arguments and the result."""

    @tool
    def add(a: int, b: int = 2) -> int:
        return a + b

    done = add(call("add", a=1))
    assert done.result == 3
    assert done.success
    assert done.result_str == "Return of calling function add with arguments {'a': 1}:\n---\n3\n---\n"


def test_arguments_are_checked_and_converted():
    """The tool receives what its types say; a null for an optional parameter means its default."""
    received = {}

    @tool
    def find(place: Place, count: int = 5, ids: list[int] | None = None) -> str:
        received.update(place=place, count=count, ids=ids)
        return "ok"

    find(call(place={"name": "x"}, count=None, ids=["1", "2"]))
    assert received == {"place": Place(name="x"), "count": 5, "ids": [1, 2]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "missing required argument 'count'"),
        ({"count": "many"}, "argument 'count': .*valid integer"),
        ({"count": 1, "other": 2}, "unknown argument 'other'"),
        ({"count": None}, "argument 'count'"),
    ],
)
def test_bad_arguments_become_the_calls_error(arguments, message):
    """The tool does not run, and the model reads why."""

    @tool
    def find(count: int) -> str:
        raise AssertionError("must not run")

    done = find(call(**arguments))
    assert done.result_str.startswith("Error: ")
    assert not done.success
    assert re.search(message, done.error_message)


def test_what_a_tool_raises_becomes_the_calls_error():
    """The error is text for the model, not an exception for the caller."""

    @tool
    def broken() -> str:
        raise KeyError("gone")

    done = broken(call())
    assert done.error_message == "'gone'"
    assert done.result_str == "Error: 'gone'"


def test_an_unlinked_tool_cannot_be_called():
    """A declaration alone does nothing, and only callables can be linked."""
    function = Function(name="f", description="d", properties={})
    assert not function.linked
    with pytest.raises(AssertionError, match="no function"):
        function(call())
    with pytest.raises(TypeError, match="callable"):
        function.link_function(3)
    function.link_function(lambda: 1)
    assert function.linked
    assert function(call()).result == 1


def test_async_tools_are_awaited():
    """From synchronous and from asynchronous code."""

    @tool
    async def slow(a: int) -> int:
        await asyncio.sleep(0)
        return a + 1

    assert slow(call(a=1)).result == 2
    assert asyncio.run(slow.acall(call(a=1))).result == 2


def test_sync_tools_do_not_block_the_loop():
    """In asynchronous code a synchronous tool runs in a thread."""

    @tool
    def where() -> str:
        return threading.current_thread().name

    async def run():
        done = await where.acall(call())
        return done.result, threading.current_thread().name

    inside, outside = asyncio.run(run())
    assert inside != outside


def test_open_ended_callables_take_anything():
    """`**kwargs` cannot be strict, and further arguments reach the callable."""

    @tool
    def log(level: str, **fields) -> dict:
        return {"level": level, **fields}

    assert log.strict is False
    assert log.to_tool()["function"]["parameters"]["additionalProperties"] is True
    assert log(call(level="x", a=1)).result == {"level": "x", "a": 1}


def test_callables_of_every_kind_make_tools():
    """Builtins, classes with `__call__` and lambdas work; other things are refused."""

    class Doubler:
        """Doubles."""

        def __call__(self, value: int) -> int:
            return value * 2

    assert Function.from_callable(Doubler())(call(value=2)).result == 4
    assert Function.from_callable(Doubler()).name == "Doubler"
    assert Function.from_callable(len, name="size").name == "size"
    with pytest.raises(TypeError, match="callable"):
        Function.from_callable("text")
    with pytest.raises(ValueError, match="unknown parameters"):
        Function.from_callable(Doubler(), prop_desc={"nope": "x"})
    with pytest.raises(ValidationError):
        Function(name="n", description="d", properties={}, nonsense=1)


def test_postponed_annotations_that_cannot_be_resolved_are_left_open():
    """A type that is not importable from here does not make the tool unusable."""

    def find(value: "Nowhere", count: "int" = 1):  # noqa: F821
        return value

    function = Function.from_callable(find)
    assert function.properties["value"] == {"type": "string"}
    assert function(call(value=[1])).result == [1]


class Mute(Exception):
    """An exception that cannot be shown."""

    def __str__(self):
        raise ValueError("no text")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (SystemExit(3), "SystemExit 3"),
        (asyncio.CancelledError(), "CancelledError"),
        (Mute(), "<no text: __str__ raised ValueError>"),
        (ValueError("the key sk-abcdefghijklmnopqrstuvwxyz is wrong"), "the key *** is wrong"),
    ],
)
@pytest.mark.parametrize("awaits", [False, True])
def test_nothing_that_a_tool_raises_ends_more_than_the_tool(error, message, awaits):
    """Not an exit, not a cancellation of its own, not what has no text; and keys are not told."""

    def plain():
        raise error

    async def awaiting():
        raise error

    failing = Function.from_callable(awaiting if awaits else plain)
    done = failing(FunctionCall(id="1", name="failing"))
    assert (done.error_message, done.result_str) == (message, f"Error: {message}")
    done = asyncio.run(failing.acall(FunctionCall(id="2", name="failing")))
    assert done.error_message == message


def test_cancelling_who_awaits_a_tool_cancels_the_tool():
    """It is no failure that the model should hear of."""
    seen = []

    @tool
    async def endless() -> str:
        """Wait."""
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        return ""

    async def cancelled():
        task = asyncio.create_task(endless.acall(FunctionCall(id="1", name="endless")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert seen == ["cancelled"]


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("awaits", [False, True])
def test_a_tool_has_a_time_limit(own, awaits):
    """Its own, or else that of the agent; both kinds of caller stop waiting."""
    release = threading.Event()

    def plain() -> str:
        release.wait(60)
        return "late"

    async def awaiting() -> str:
        await asyncio.sleep(60)
        return "late"

    slow = Function.from_callable(awaiting if awaits else plain, timeout=0.05 if own else None)
    of_agent = 60 if own else 0.05
    message = f"tool '{slow.name}' took longer than 0.05 s"
    try:
        assert slow(FunctionCall(id="1", name="slow"), of_agent).error_message == message
        done = asyncio.run(slow.acall(FunctionCall(id="2", name="slow"), of_agent))
        assert done.error_message == message
    finally:
        release.set()


def test_a_tool_in_time_is_not_disturbed():
    """Its own TimeoutError stays its own, and context variables reach it."""
    number = contextvars.ContextVar("number", default=0)
    number.set(7)

    @tool(timeout=30)
    def quick(fail: bool) -> int:
        """Be quick."""
        if fail:
            raise TimeoutError("mine")
        return number.get()

    assert quick(FunctionCall(id="1", name="quick", arguments={"fail": False})).result == 7
    assert quick(FunctionCall(id="2", name="quick", arguments={"fail": True})).error_message == "mine"


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_a_time_limit_is_a_positive_number(seconds):
    """Anything else is refused where the tool is made."""
    with pytest.raises(ValidationError, match="timeout"):
        Function.from_callable(len, timeout=seconds)
