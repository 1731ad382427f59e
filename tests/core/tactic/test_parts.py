"""Tactics inside tactics: attributes, sessions and threads."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from lllm import Tactic, record_usage
from lllm.calls import Call
from lllm.context import CallContext
from lllm.tactic.parts import bind_parts


class Paid(Tactic):
    name = "paid"

    def _run(self, input_value, *, context=None):
        record_usage("model", {"total_tokens": 1, "response_cost": 0.01})
        if input_value == "fail":
            raise ValueError("paid and failed")
        return input_value


class Owner(Tactic):
    def __init__(self):
        self.first = Paid()
        super().__init__()
        self.steps = [Paid(), "not a tactic", Paid()]
        self.named = {"x": Paid(), 1: Paid()}
        self.plain = [1, 2]

    def _run(self, input_value, *, context=None):
        self.steps[2].run(input_value)
        return self.first.run(input_value)


def test_attributes_that_hold_tactics_are_sub_tactics():
    """Also in lists, tuples and dicts, and when assigned before super().__init__()."""
    owner = Owner()
    assert list(owner.sub_tactics) == ["first", "steps[0]", "steps[2]", "named['x']", "named[1]"]
    owner.first = None
    del owner.named
    assert list(owner.sub_tactics) == ["steps[0]", "steps[2]"]
    owner.sub_tactics.clear()
    assert len(owner.sub_tactics) == 2


def test_children_are_recorded_under_their_attribute():
    """The session of a child stands under the attribute that holds it, its cost in the parent's total."""
    session = Owner().run("x", return_session=True)
    assert set(session.sub_tactic_sessions) == {"first", "steps[2]"}
    assert round(session.total_cost.cost, 6) == 0.02
    assert session.sub_tactic_sessions["first"][0].parent_id == session.session_id


def test_other_tactics_are_recorded_under_their_name():
    """A tactic that is no attribute goes by its name."""

    class Caller(Tactic):
        def _run(self, input_value, *, context=None):
            return Paid().run(input_value)

    assert set(Caller().run("x", return_session=True).sub_tactic_sessions) == {"paid"}


def test_a_failed_child_still_costs():
    """What was paid before the failure is in the parent's session."""

    class Careful(Tactic):
        def __init__(self):
            super().__init__()
            self.child = Paid()

        def _run(self, input_value, *, context=None):
            try:
                self.child.run("fail")
            except ValueError:
                return "recovered"

    session = Careful().run("x", return_session=True)
    assert session.delivery == "recovered"
    assert session.sub_tactic_sessions["child"][0].state == "failure"
    assert session.total_cost.cost == 0.01


def test_concurrent_children_fold_under_asyncio():
    """Tasks inherit the running call."""

    class Gather(Tactic):
        def __init__(self):
            super().__init__()
            self.child = Paid()

        async def _arun(self, input_value, *, context=None):
            await asyncio.gather(*(self.child.arun(number) for number in range(5)))

    session = asyncio.run(Gather().arun("x", return_session=True))
    assert len(session.sub_tactic_sessions["child"]) == 5
    assert round(session.total_cost.cost, 6) == 0.05


def test_a_bound_copy_reports_from_foreign_threads():
    """Threads without context variables still fold into the call their owner is bound to."""
    owner = Owner()
    call = Call(owner, CallContext.fresh())
    bound = object.__new__(Owner)
    bound.__dict__.update(owner.__dict__)
    bind_parts(bound, call, Tactic)
    assert isinstance(bound.first, Paid)
    assert bound.first.tactic_name == "paid"
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(bound.first.run, range(3)))
        list(pool.map(bound.named["x"], range(2)))
    asyncio.run(bound.steps[0].arun(1))
    assert {name: len(sessions) for name, sessions in call.session.sub_tactic_sessions.items()} == {
        "first": 3,
        "named['x']": 2,
        "steps[0]": 1,
    }
    assert owner.first is not bound.first
    bound.first.marker = "set"
    assert owner.first.marker == "set"


def test_child_contexts_share_trace_and_cancellation():
    """A call without a context inside another call belongs to the same trace."""
    seen = []

    class Inner(Tactic):
        def _run(self, input_value, *, context=None):
            seen.append(context)

    class Outer(Tactic):
        def _run(self, input_value, *, context=None):
            Inner().run(1)
            context.cancel()

    Outer().run(1, context=CallContext(trace_id="t1").limit(60))
    assert seen[0].trace_id == "t1"
    assert seen[0].cancelled
    assert seen[0].bounded
