"""`CallableTactic`: the boundary around a Python callable."""

import asyncio
import functools
import operator
import threading

import pytest
from pydantic import BaseModel

import lllm
from lllm import CallContext, SchemaError, Tactic, TacticError, TacticUnsupportedError, as_tactic
from lllm_runtime_callable import CallableTactic


class Text(BaseModel):
    text: str


class Count(BaseModel):
    words: int


def count(text: Text) -> Count:
    """Count the words
    of a text.
    """
    return Count(words=len(text.text.split()))


async def acount(text: Text) -> Count:
    await asyncio.sleep(0)
    return count(text)


class Counter:
    """A callable object; this docstring is about the class."""

    def __call__(self, text: Text) -> Count:
        """Count like an object."""
        return count(text)


def test_types_name_and_description_come_from_the_function():
    """The annotations are the types, `__name__` the name, the cleaned docstring the description."""
    tactic = CallableTactic(count)
    assert (tactic.input_type, tactic.output_type) == (Text, Count)
    info = tactic.info()
    assert (info.name, info.description, info.runtime_kind) == (
        "count",
        "Count the words\nof a text.",
        "python",
    )
    assert info.capabilities == ("arun", "run")


def test_what_is_given_wins():
    """Every option of the constructor replaces or adds to what the function says."""
    tactic = CallableTactic(
        count,
        name="words",
        description="",
        input_type=dict,
        output_type=object,
        package_ref="psi://demo/text/tactics/count",
        service_ref="http://127.0.0.1:8000",
        examples=[{"input": {"text": "a"}}],
        metadata={"a": 1},
    )
    info = tactic.info()
    assert (info.name, info.description) == ("words", "")
    assert (tactic.input_type, tactic.output_type) == (dict, object)
    assert (info.package_ref, info.service_ref) == ("psi://demo/text/tactics/count", "http://127.0.0.1:8000")
    assert (info.examples, info.metadata) == ([{"input": {"text": "a"}}], {"a": 1})


@pytest.mark.parametrize(
    ("fn", "name", "description"),
    [
        (Counter(), "callable", "Count like an object."),
        (functools.partial(count), "callable", "Count the words\nof a text."),
        (operator.itemgetter(0), "callable", ""),
        (lambda value: value, "<lambda>", ""),
        (len, "len", "Return the number of items in a container."),
    ],
)
def test_names_and_descriptions_of_other_callables(fn, name, description):
    """What has no name is called `callable`; a library's class docstring never becomes the description."""
    info = as_tactic(fn).info()
    assert (info.name, info.description) == (name, description)


@pytest.mark.parametrize("fn", [count, acount, Counter(), functools.partial(count), Counter().__call__])
def test_run_and_arun_agree(fn):
    """Sync, async and callable objects give the same validated output on both paths."""
    tactic = as_tactic(fn)
    assert tactic.run({"text": "a b"}) == asyncio.run(tactic.arun({"text": "a b"})) == Count(words=2)


def test_input_and_output_are_validated():
    """The function sees a model, never what does not match; a wrong answer does not get out."""

    def lie(text: Text) -> Count:
        return text

    for call in (as_tactic(lie).run, lambda value: asyncio.run(as_tactic(lie).arun(value))):
        with pytest.raises(SchemaError, match="Text") as caught:
            call({"text": 1})
        assert caught.value.direction == "input"
        with pytest.raises(SchemaError, match="Count") as caught:
            call({"text": "a"})
        assert caught.value.direction == "output"


def test_the_context_is_passed_when_the_function_takes_one():
    """With a parameter `context` or `**kwargs` the function gets the call's own context."""

    def named(value, context):
        return context

    def open_ended(value, **kwargs):
        return kwargs["context"]

    context = CallContext(request_id="r")
    assert as_tactic(named).run(1, context=context) is context
    assert as_tactic(open_ended).run(1, context=context) is context
    assert isinstance(as_tactic(named).run(1), CallContext)


def test_keyword_arguments_of_the_call_are_handed_on():
    """More parameters are given by name, on both paths."""

    def scale(value: int, *, factor: int = 1) -> int:
        return value * factor

    tactic = as_tactic(scale)
    assert tactic.run(2) == 2
    assert tactic.run(2, factor=3) == asyncio.run(tactic.arun(2, factor=3)) == 6
    with pytest.raises(TypeError, match="divisor"):
        tactic.run(2, divisor=3)


def test_a_function_without_parameters_is_called_without_input():
    """Whatever the value, the function does not see it."""
    assert as_tactic(lambda: 7).run({"ignored": True}) == 7


def test_a_class_makes_instances():
    """A class is a callable: its instances are the output."""
    tactic = as_tactic(Counter)
    assert tactic.tactic_name == "Counter"
    assert as_tactic(int).run("12") == 12
    assert isinstance(as_tactic(lambda _: Counter()).run(None), Counter)


def test_synchronous_work_runs_in_a_worker_thread():
    """`arun` of a plain function leaves the event loop free; an async one stays on the loop."""

    async def where():
        return threading.get_ident()

    async def threads():
        here = threading.get_ident()
        sync = await as_tactic(lambda _: threading.get_ident()).arun(None)
        return here != sync, here == await as_tactic(where).arun(None)

    assert asyncio.run(threads()) == (True, True)


def test_run_of_an_async_function_inside_a_running_loop_is_an_error():
    """It would block the loop that it waits for; the error says to await `arun`."""

    async def inside():
        return as_tactic(acount).run({"text": "a"})

    with pytest.raises(TacticError, match="arun"):
        asyncio.run(inside())


def test_a_function_that_returns_a_coroutine_counts_as_async():
    """A function around an async one works on both paths, and its output is validated."""

    def promise(text: Text):
        return acount(text)

    tactic = as_tactic(promise, output_type=Count)
    assert tactic.run({"text": "a"}) == asyncio.run(tactic.arun({"text": "a"})) == Count(words=1)


def test_errors_keep_their_type():
    """What the function raises arrives as it is; with a trace it is the trace's error."""

    def fail(value):
        raise LookupError(f"no {value}")

    with pytest.raises(LookupError, match="no luck"):
        as_tactic(fail).run("luck")
    trace = as_tactic(fail).run("luck", return_trace=True).trace
    assert (trace.state, trace.error_type, trace.error) == ("failure", "LookupError", "no luck")


def test_plain_functions_do_not_stream():
    """They say so in their capabilities and refuse."""
    tactic = as_tactic(count)
    assert not tactic.supports("stream")
    with pytest.raises(TacticUnsupportedError, match="does not support stream"):
        list(tactic.stream({"text": "a"}))


@pytest.mark.parametrize("target", [7, "count", None, object(), [count], {"fn": count}])
def test_what_is_not_callable_is_refused(target):
    """CallableTactic names the argument and what it got."""
    with pytest.raises(TypeError, match=rf"`fn` must be callable, got {type(target).__name__}\."):
        CallableTactic(target)


def test_a_subclass_is_constructed_as_itself():
    """The choice of a streaming class is made for `CallableTactic` only."""

    class Mine(CallableTactic, register=False):
        pass

    assert type(Mine(count)) is Mine
    assert isinstance(as_tactic(count), Tactic)
    assert lllm.CallableTactic is CallableTactic
