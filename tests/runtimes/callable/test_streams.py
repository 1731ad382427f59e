"""Generator functions as tactics that stream."""

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator

import pytest

from lllm import CallContext, SchemaError, TacticEvent, as_tactic
from lllm_runtime_callable import AsyncGeneratorTactic, CallableTactic, GeneratorTactic


def letters(text: str) -> Iterator[str]:
    """Spell a text."""
    yield from text


def spell(text: str) -> Generator[str, None, int]:
    yield from text
    return len(text)


async def aletters(text: str) -> AsyncIterator[str]:
    for letter in text:
        await asyncio.sleep(0)
        yield letter


def announce(text: str) -> Iterator[object]:
    yield text[0]
    yield TacticEvent.result(text)


async def collect(items):
    return [item async for item in items]


def plain(items):
    """Return chunks as they are, and events as their kind and data."""
    return [(item.kind, item.data) if isinstance(item, TacticEvent) else item for item in items]


@pytest.mark.parametrize(("fn", "kind"), [(letters, GeneratorTactic), (aletters, AsyncGeneratorTactic)])
def test_a_generator_function_makes_a_streaming_tactic(fn, kind):
    """It is a CallableTactic of its own kind, and says that it streams."""
    tactic = CallableTactic(fn)
    assert type(tactic) is type(as_tactic(fn)) is kind
    assert {"run", "arun", "stream"} <= tactic.capabilities()
    assert (tactic.input_type, tactic.output_type) == (str, None)


@pytest.mark.parametrize("fn", [letters, aletters])
def test_every_way_to_stream_gives_the_same_chunks(fn):
    """`stream`, `astream` and `aevents` of both kinds of generator."""
    tactic = as_tactic(fn)
    assert list(tactic.stream("abc")) == ["a", "b", "c"]
    assert asyncio.run(collect(tactic.astream("abc"))) == ["a", "b", "c"]
    events = asyncio.run(collect(tactic.aevents("abc")))
    assert plain(event for event in events if event.kind == "message") == [
        ("message", "a"),
        ("message", "b"),
        ("message", "c"),
    ]


@pytest.mark.parametrize("fn", [letters, aletters])
def test_run_answers_with_the_list_of_chunks(fn):
    """One value in, all chunks out, on both paths."""
    tactic = as_tactic(fn)
    assert tactic.run("abc") == asyncio.run(tactic.arun("abc")) == ["a", "b", "c"]


def test_what_a_generator_returns_is_the_result():
    """It ends the stream as a `result` event, answers `run`, and its annotation is the output type."""
    tactic = as_tactic(spell)
    assert tactic.output_type is int
    assert plain(tactic.stream("ab")) == ["a", "b", ("result", 2)]
    assert tactic.run("ab") == asyncio.run(tactic.arun("ab")) == 2


def test_a_result_event_is_the_result():
    """A generator may name its result itself."""
    assert plain(as_tactic(announce).stream("ab")) == ["a", ("result", "ab")]
    assert as_tactic(announce).run("ab") == "ab"


def test_input_and_result_are_validated():
    """Nothing is yielded for a wrong input, and a wrong result is an error of the output."""

    def lie(text: str) -> Generator[str, None, int]:
        yield text
        return "many"

    for fn in (letters, aletters):
        with pytest.raises(SchemaError) as caught:
            next(iter(as_tactic(fn).stream(["a"])))
        assert caught.value.direction == "input"
    for call in (as_tactic(lie).run, lambda value: list(as_tactic(lie).stream(value))):
        with pytest.raises(SchemaError) as caught:
            call("a")
        assert caught.value.direction == "output"


def test_context_and_keywords_reach_the_generator():
    """As they reach a function."""

    def repeat(text, *, times, context):
        for _ in range(times):
            yield text, context.request_id

    tactic = as_tactic(repeat)
    assert list(tactic.stream("a", times=2, context=CallContext(request_id="r"))) == [("a", "r")] * 2
    assert asyncio.run(tactic.arun("a", times=1, context=CallContext(request_id="r"))) == [("a", "r")]


def test_callable_objects_may_be_generators():
    """A method `__call__` that yields streams as a function does."""

    class Speller:
        def __call__(self, text: str) -> Iterator[str]:
            yield from text

    assert list(as_tactic(Speller()).stream("ab")) == ["a", "b"]
