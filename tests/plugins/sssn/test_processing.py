"""`sssn.process`: the durable loop in one call."""

import sys

import pytest

import sssn
from lllm import Tactic
from lllm.errors import SubscriptionNotFoundError


class Upper(Tactic[dict, dict], register=False):
    name = "upper"

    def _run(self, input_value, *, context=None):
        return {"text": input_value["text"].upper()}


@pytest.fixture
def store(tmp_path):
    """A store with three events to process."""
    with sssn.LocalStore(tmp_path / "store") as store:
        store.create_channel({"name": "raw"})
        store.create_channel({"name": "loud"})
        store.append_events([{"channel": "raw", "payload": {"text": text}} for text in "abc"])
        yield store


@pytest.mark.parametrize("handler", [Upper(), lambda payload: {"text": payload["text"].upper()}])
def test_events_go_through_a_handler(store, handler):
    """A tactic or a function; the results name their inputs."""
    subscription = store.create_subscription("raw", subscription_id="work")
    progress = sssn.process(store, subscription, handler, output="loud", workers=2, once=True)
    assert (progress.done, progress.failed) == (3, 0)
    outputs = store.query_events("loud")
    assert sorted(event.payload["text"] for event in outputs) == ["A", "B", "C"]
    assert {event.parent_ids[0] for event in outputs} == {event.id for event in store.query_events("raw")}
    assert sssn.process(store, "work", handler, once=True).done == 0


def test_options_reach_the_processor(store):
    """Whatever `Processor` takes."""
    store.create_subscription("raw", subscription_id="work")
    sssn.process(store, "work", Upper(), output="loud", kind="shout", source="tests", once=True)
    assert {(event.kind, event.source) for event in store.query_events("loud")} == {("shout", "tests")}
    with pytest.raises(SubscriptionNotFoundError):
        sssn.process(store, "nobody", Upper(), once=True)


def test_without_the_processor_the_error_names_it(store, monkeypatch):
    """Everything else of the package works without."""
    monkeypatch.setitem(sys.modules, "lllm_process", None)
    with pytest.raises(RuntimeError, match="lllm-process"):
        sssn.process(store, "work", Upper())
