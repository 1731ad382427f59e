"""What is read from a callable: how it takes its input and the context, and which types it names."""

from __future__ import annotations

import functools
import operator
from collections.abc import AsyncIterator, Awaitable, Coroutine, Generator, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lllm_runtime_callable import read_signature
from lllm_runtime_callable.signature import speaker

CONTEXT = object()


def called(fn, value="v"):
    """Call `fn` as its signature says and return what it returns."""
    arguments, keywords = read_signature(fn).arguments(value, CONTEXT)
    return fn(*arguments, **keywords)


class Greeter:
    """An object with `__call__`, a method, a class method and a static method."""

    def __call__(self, text: str) -> int:
        return ("object", text)

    def method(self, text: str) -> int:
        return ("method", text)

    @classmethod
    def made(cls, text: str) -> int:
        return ("classmethod", text)

    @staticmethod
    def static(text: str) -> int:
        return ("staticmethod", text)


@pytest.mark.parametrize(
    ("fn", "seen"),
    [
        (lambda value: ("plain", value), ("plain", "v")),
        (lambda value, context: (value, context), ("v", CONTEXT)),
        (lambda value, *, context=None: (value, context), ("v", CONTEXT)),
        (lambda context, value: (value, context), ("v", CONTEXT)),
        (lambda value, **extra: (value, extra), ("v", {"context": CONTEXT})),
        (lambda value, /: value, "v"),
        (lambda value, /, context: (value, context), ("v", CONTEXT)),
        (lambda *, value: value, "v"),
        (lambda *, context, value: (value, context), ("v", CONTEXT)),
        (lambda *values: values, ("v",)),
        (lambda: "nothing", "nothing"),
        (lambda context: context, CONTEXT),
        (lambda **extra: extra, {"context": CONTEXT}),
        (lambda value, limit=3: (value, limit), ("v", 3)),
        (lambda context, /: context, "v"),
        (Greeter(), ("object", "v")),
        (Greeter().method, ("method", "v")),
        (Greeter.made, ("classmethod", "v")),
        (Greeter.static, ("staticmethod", "v")),
        (functools.partial(lambda value, factor: (value, factor), factor=2), ("v", 2)),
        (functools.partial(lambda first, value: (first, value), "first"), ("first", "v")),
        (functools.partial(lambda first, value: (first, value), first="first"), ("first", "v")),
        (functools.partial(lambda value, context: (value, context), context="mine"), ("v", "mine")),
        (len, 1),
        (str.upper, "V"),
        ("abc".index, None),
        (operator.itemgetter(0), "v"),
        (list, ["v"]),
    ],
)
def test_the_value_and_the_context_arrive_where_they_belong(fn, seen):
    """By position or by name, with or without a context, in any order and for any kind of callable."""
    if seen is None:
        with pytest.raises(ValueError, match="substring"):
            called(fn)
    else:
        assert called(fn) == seen


def test_compiled_code_is_not_given_our_context():
    """A builtin that happens to take `context` means something else by it."""
    from decimal import Decimal

    assert not read_signature(Decimal(1).exp).takes_context
    assert not read_signature(operator.itemgetter(0)).takes_context


def annotated(text: str, *, context: Any = None) -> Annotated[int, "words"]:
    """Have postponed annotations, as this whole module has."""


def unresolvable(text: Missing, number: int = 0) -> list[str]:  # noqa: F821 - that it is undefined is the point
    """Have one annotation that names nothing."""


def test_postponed_annotations_are_resolved():
    """Annotations that are text become the types that they name; `Annotated` is kept."""
    signature = read_signature(annotated)
    assert signature.input_type is str
    assert signature.output_type == Annotated[int, "words"]


def test_one_bad_annotation_does_not_spoil_the_others():
    """A name that cannot be found leaves that parameter untyped."""
    signature = read_signature(unresolvable)
    assert signature.input_type is None
    assert signature.output_type == list[str]


def test_a_class_of_the_enclosing_function_is_found_when_it_is_used():
    """Postponed annotations may name local classes that the function's code refers to."""

    class Local:
        pass

    def make(value: Local) -> Local:
        return Local()

    signature = read_signature(make)
    assert (signature.input_type, signature.output_type) == (Local, Local)


def test_methods_objects_and_partials_speak_through_their_function():
    """Annotations are found behind each of them."""
    for fn in (Greeter(), Greeter().method, Greeter.made, Greeter.static, functools.partial(annotated)):
        assert read_signature(fn).input_type is str


@dataclass
class Point:
    """A class is called with the input of its constructor."""

    x: int


def test_a_class_names_its_input_but_not_its_output():
    """The constructor's `-> None` is not what calling the class answers."""
    signature = read_signature(Point)
    assert (signature.input_type, signature.output_type) == (int, None)
    assert called(Point, 3) == Point(3)


def test_builtins_without_a_signature_are_untyped():
    """Nothing is known, so nothing is checked, and the value goes in by position."""
    for fn in (int, dict, "{}".format):
        signature = read_signature(fn)
        assert (signature.input_type, signature.output_type) == (None, None)
        assert signature.takes_value


def test_a_function_that_answers_nothing_says_so():
    """`-> None` is a type: the output must be None."""

    def silent(text: str) -> None: ...

    assert read_signature(silent).output_type is type(None)


def generates() -> Generator[str, None, int]:
    yield "a"
    return 1


def iterates() -> Iterator[str]:
    yield "a"


def returns_nothing() -> Generator[str, None, None]:
    yield "a"


async def agenerates() -> AsyncIterator[str]:
    yield "a"


async def awaits() -> int:
    return 1


def promises() -> Awaitable[int]:
    return awaits()


def promises_more() -> Coroutine[Any, Any, int]:
    return awaits()


@pytest.mark.parametrize(
    ("fn", "is_async", "streams", "output_type"),
    [
        (generates, False, True, int),
        (iterates, False, True, None),
        (returns_nothing, False, True, None),
        (agenerates, True, True, None),
        (awaits, True, False, int),
        (promises, False, False, int),
        (promises_more, False, False, int),
        (functools.partial(awaits), True, False, int),
        (len, False, False, None),
    ],
)
def test_the_kind_of_answer(fn, is_async, streams, output_type):
    """Coroutine functions, generators, async generators, and functions that return something awaitable."""
    signature = read_signature(fn)
    assert (signature.is_async, signature.streams, signature.output_type) == (is_async, streams, output_type)


def test_the_speaker_is_the_function_that_somebody_wrote():
    """Docstrings and code are looked up there."""
    assert speaker(functools.partial(functools.partial(annotated))) is annotated
    assert speaker(Greeter()).__func__ is Greeter.__call__
    assert speaker(Point) is Point


@st.composite
def functions(draw):
    """Draw a function that records its value and context, which may stand anywhere; the rest has defaults."""
    value = draw(st.sampled_from(["positional", "either", "keyword"]))
    context = draw(st.sampled_from([None, "either", "keyword"]))
    extras = {kind: draw(st.integers(0, 2)) for kind in ("positional", "either", "keyword")}
    parts = {kind: [f"{kind}{number}=0" for number in range(count)] for kind, count in extras.items()}
    # Whatever comes before the value without being the context would be the value itself.
    if value == "either":
        parts["positional"] = []
    if value == "keyword":
        parts["positional"], parts["either"] = [], []
    parts[value].insert(0, "value=None")
    if context is not None:
        place = draw(st.integers(0, len(parts[context])))
        parts[context].insert(place, "context=None")
    if draw(st.booleans()):
        parts["keyword"].append("**rest")
    signature = [*parts["positional"], *(["/"] if parts["positional"] else []), *parts["either"]]
    named = [part for part in parts["keyword"] if not part.startswith("**")]
    signature += ["*", *named] if named else []
    signature += [part for part in parts["keyword"] if part.startswith("**")]
    given = "context" if context else "rest.get('context')" if "**rest" in parts["keyword"] else "None"
    namespace = {}
    exec(f"def fn({', '.join(signature)}): return value, {given}", namespace)
    return namespace["fn"], context is not None or "**rest" in parts["keyword"]


@given(functions())
def test_any_order_and_kind_of_parameters_is_called_right(drawn):
    """The first free parameter gets the value; the context arrives by name wherever it stands."""
    fn, takes_context = drawn
    assert called(fn) == ("v", CONTEXT if takes_context else None)
