"""An agent group is resolved, processed and served like any other tactic."""

import json

import pytest
from pydantic import BaseModel
from starlette.testclient import TestClient

from lllm import Tactic, TacticResolver, create_tactic_app
from lllm.store import open_store
from lllm_process import Processor


class Question(BaseModel):
    text: str


class Answer(BaseModel):
    text: str


class Clerk(Tactic[Question, Answer], register=False):
    """Answer a question."""

    name = "clerk"
    agent_group = ["writer"]

    def call(self, task, **kwargs):
        writer = self.agents["writer"]
        writer.open("chat")
        writer.receive(task.text)
        return {"text": writer.respond().content}


@pytest.fixture
def clerk(group_config):
    """A typed agent group; each call costs a cent."""
    return Clerk(group_config("writer"))


def test_it_is_resolved_by_its_ref(clerk):
    """And called through the resolver."""
    resolver = TacticResolver()
    resolver.register("psi://demo/office/tactics/clerk", clerk)
    answer = resolver.run("psi://demo/office/tactics/clerk", {"text": "hi"})
    assert answer == Answer(text="echo:hi")
    assert clerk.package_ref == "psi://demo/office/tactics/clerk"


def test_it_works_on_events(clerk, tmp_path):
    """The processor stores one output for each input, with lineage."""
    with open_store(tmp_path / "store") as store:
        for channel in ("questions", "answers"):
            store.ensure_channel({"name": channel})
        subscription = store.create_subscription("questions", subscription_id="clerk")
        asked = [store.append_event({"channel": "questions", "payload": {"text": str(n)}}) for n in range(3)]
        Processor(store, subscription.id, clerk, output="answers", workers=2).run(once=True)
        answers = store.query_events("answers")
    assert sorted(event.payload["text"] for event in answers) == ["echo:0", "echo:1", "echo:2"]
    assert {event.parent_ids[0] for event in answers} == {event.id for event in asked}


def test_it_is_served(clerk):
    """Typed, described, and with its bill for callers that ask for it."""
    with TestClient(create_tactic_app(clerk), base_url="http://127.0.0.1") as client:
        body = {"input": {"text": "hi"}}
        plain = client.post("/run", json=body)
        assert plain.json()["output"] == {"text": "echo:hi"}
        assert "x-lllm-usage" not in plain.headers
        billed = client.post("/run", json=body, headers={"x-lllm-usage": "1"})
        assert json.loads(billed.headers["x-lllm-usage"]) == {
            "cost": 0.01,
            "calls": 1,
            "unpriced": 0,
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
        }
        assert client.post("/run", json={"input": {"wrong": 1}}).status_code == 400
        info = client.get("/info").json()
        assert (info["name"], info["description"]) == ("clerk", "Answer a question.")
        assert info["input_schema"]["required"] == ["text"]
