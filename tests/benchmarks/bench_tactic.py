"""What the boundary costs, each path against the same work done by hand with pydantic.

python tests/benchmarks/bench_tactic.py
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from pydantic import BaseModel, TypeAdapter
from timing import awaits, calls, compare

from lllm import CallContext, Tactic, TacticEvent

VALUE = {"text": "hello"}
CHUNKS = 100
BIG = [{"number": number} for number in range(10_000)]


class Text(BaseModel):
    text: str


class Echo(Tactic[Text, Text], register=False):
    name = "echo"

    def _run(self, input_value, *, context=None):
        return Text(text=input_value.text)


class AsyncEcho(Tactic[Text, Text], register=False):
    name = "async_echo"

    async def _arun(self, input_value, *, context=None):
        return Text(text=input_value.text)


class Big(Tactic[None, None], register=False):
    name = "big"
    input_type = output_type = object

    def _run(self, input_value, *, context=None):
        return BIG


class Unions(Tactic[list[Text | int], list[Text | int]], register=False):
    name = "unions"

    def _run(self, input_value, *, context=None):
        return input_value


class Counter(Tactic[None, None], register=False):
    name = "counter"

    def _stream(self, input_value, *, context=None) -> Iterator[int]:
        yield from range(CHUNKS)

    async def _astream(self, input_value, *, context=None) -> AsyncIterator[int]:
        for number in range(CHUNKS):
            yield number


INPUT, OUTPUT = TypeAdapter(Text), TypeAdapter(Text)
MIXED = TypeAdapter(list[Text | int])
MIXED_VALUE = [{"text": "a"}, 1] * 10


def by_hand() -> Text:
    """Validate, do the work, validate: what `run` stands for, with cached adapters."""
    value = INPUT.validate_python(VALUE)
    return OUTPUT.validate_python(Text(text=value.text))


async def await_by_hand() -> Text:
    """The same in a coroutine."""
    return by_hand()


async def thread_hop() -> Text:
    """The same behind the hop to a worker thread that synchronous work needs."""
    return await asyncio.to_thread(by_hand)


def mixed_by_hand() -> list[Text | int]:
    """Validate a list of a union twice."""
    return MIXED.validate_python(MIXED.validate_python(MIXED_VALUE))


def _numbers() -> Iterator[int]:
    yield from range(CHUNKS)


def count_by_hand() -> list[int]:
    """Read a plain generator."""
    return list(_numbers())


async def acount_by_hand() -> None:
    """Iterate over a plain asynchronous generator."""

    async def numbers() -> AsyncIterator[int]:
        for number in range(CHUNKS):
            yield number

    async for _ in numbers():
        pass


async def read(stream: AsyncIterator[object]) -> None:
    """Read a stream to its end."""
    async for _ in stream:
        pass


def main() -> None:
    """Print one line for each path."""
    echo, async_echo, big, unions, counter = Echo(), AsyncEcho(), Big(), Unions(), Counter()
    context = CallContext()
    hand, hand_name = calls(by_hand), "pydantic by hand"
    compare("Tactic.run(dict)", calls(lambda: echo.run(VALUE)), hand_name, hand, budget=4)
    compare(
        "Tactic.run(dict, context=...)",
        calls(lambda: echo.run(VALUE, context=context)),
        hand_name,
        hand,
        budget=2.5,
    )
    compare(
        "Tactic.run(dict, return_trace=True)",
        calls(lambda: echo.run(VALUE, return_trace=True)),
        hand_name,
        hand,
    )
    compare(
        "... with an output of 10,000 dicts",
        calls(lambda: big.run(None, return_trace=True)),
        "the same with a small output",
        calls(lambda: echo.run(VALUE, return_trace=True)),
        budget=1.2,
    )
    compare(
        "Tactic.run(list of a union)",
        calls(lambda: unions.run(MIXED_VALUE)),
        hand_name,
        calls(mixed_by_hand),
        budget=4,
    )
    compare(
        "await Tactic.arun, async work",
        awaits(lambda: async_echo.arun(VALUE)),
        "a coroutine by hand",
        awaits(await_by_hand),
    )
    compare(
        "await Tactic.arun, sync work",
        awaits(lambda: echo.arun(VALUE)),
        "a thread hop by hand",
        awaits(thread_hop),
        budget=1.2,
    )
    compare("Tactic.info()", calls(echo.info), hand_name, hand)
    compare(
        "CallContext()", calls(CallContext), "validating a model", calls(lambda: INPUT.validate_python(VALUE))
    )
    compare(
        "TacticEvent()", calls(TacticEvent), "validating a model", calls(lambda: INPUT.validate_python(VALUE))
    )
    generator = "a generator by hand"
    compare(
        f"Tactic.stream, {CHUNKS} chunks",
        calls(lambda: list(counter.stream(None))),
        generator,
        calls(count_by_hand),
    )
    compare(
        f"Tactic.astream, {CHUNKS} chunks",
        awaits(lambda: read(counter.astream(None))),
        generator,
        awaits(acount_by_hand),
    )
    compare(
        f"Tactic.aevents, {CHUNKS} chunks",
        awaits(lambda: read(counter.aevents(None))),
        generator,
        awaits(acount_by_hand),
    )


if __name__ == "__main__":
    main()
